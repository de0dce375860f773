//! x
/// x
#[proc_macro_derive(Mutations, attributes(mutations, mutation, serde))]
pub fn derive_mutations(_input: proc_macro::TokenStream) -> proc_macro::TokenStream { proc_macro::TokenStream::new() }
