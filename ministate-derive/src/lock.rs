//! Which code tells the schema lock of the enum, in tests?

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::Type;
use syn::ext::IdentExt;

use crate::input::{Input, snake_case};
use crate::value::History;

/// The test that holds the enum to its lock. Outside of the `const` block, where tests are not
/// collected.
pub(crate) fn test(input: &Input<'_>, state: &Type) -> Option<TokenStream> {
    input.lock.as_ref()?;
    let (ident, ministate) = (input.ident, &input.ministate);
    let name = format_ident!("schema_lock_of_{}", snake_case(&ident.unraw().to_string()));
    Some(quote! {
        #[cfg(test)]
        #[::core::prelude::v1::test]
        fn #name() {
            #ministate::__private::check::<#state, #ident>();
        }
    })
}

/// `impl Locked`: what the program reads, and where the lock is.
pub(crate) fn locked(input: &Input<'_>, state: &Type) -> Option<TokenStream> {
    let path = input.lock.as_ref()?;
    let ident = input.ident;
    let name = ident.unraw().to_string();
    let handlers = match input.pin_handlers {
        Some(_) => quote!(Pinned),
        None => quote!(Free),
    };
    let reserved = input.reserved.iter().map(|name| &name.text);
    let payloads = payloads(input);
    let old_states = input.state_history.from.iter().map(|old| {
        let (version, content) = (old.version.number, &old.content);
        quote! {
            __ministate::__private::OldState {
                version: #version,
                content: __ministate::__private::taste::<#content>,
            }
        }
    });
    Some(quote! {
        #[cfg(test)]
        #[automatically_derived]
        impl __ministate::__private::Locked<#state> for #ident {
            const LOCK: __ministate::__private::SchemaLock = __ministate::__private::SchemaLock {
                name: #name,
                crate_dir: ::core::env!("CARGO_MANIFEST_DIR"),
                path: #path,
                release: ::core::env!("CARGO_PKG_VERSION"),
                handlers: __ministate::__private::Handlers::#handlers,
                reserved: &[#(#reserved),*],
            };
            fn payloads() -> ::std::vec::Vec<__ministate::__private::Payload> {
                ::std::vec![#(#payloads),*]
            }
            fn old_states() -> ::std::vec::Vec<__ministate::__private::OldState> {
                ::std::vec![#(#old_states),*]
            }
        }
    })
}

fn payloads(input: &Input<'_>) -> Vec<TokenStream> {
    let mut payloads = Vec::new();
    for (index, variant) in (0_u32..).zip(&input.variants) {
        let tag = &variant.tag.text;
        let content = quote!(Current(#index));
        let samples: Vec<_> = variant.samples.iter().map(|sample| quote!(#sample)).collect();
        payloads.push(payload(tag, variant.version.number, &content, &samples));
        payloads.extend(old(tag, &variant.history));
    }
    for retired in &input.retired {
        let Some(tag) = &retired.tag else { continue };
        payloads.extend(old(&tag.text, &retired.history));
        if let Some((versions, _)) = &retired.versions {
            let first = versions.start();
            let content = quote!(Dropped { first: #first });
            payloads.push(payload(&tag.text, *versions.end(), &content, &[]));
        }
    }
    payloads
}

fn old(tag: &str, history: &History) -> Vec<TokenStream> {
    let of = |old: &crate::value::Old| {
        let content = &old.content;
        let content = quote!(Old(__ministate::__private::taste::<#content>));
        payload(tag, old.version.number, &content, &[])
    };
    history.from.iter().map(of).collect()
}

fn payload(tag: &str, version: u32, content: &TokenStream, samples: &[TokenStream]) -> TokenStream {
    quote! {
        __ministate::__private::Payload {
            name: #tag,
            version: #version,
            content: __ministate::__private::Content::#content,
            samples: &[#(#samples),*],
        }
    }
}
