//! Which code does the derive write?
//!
//! It stands in the user's crate and must not be noticed there: every path is absolute, every name
//! of its own begins with two underscores, and lints find only tokens of the user's.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{DeriveInput, Ident, Index, Member, Type, parse_quote};

use crate::decode::{decode, decode_old_state, oldest, readable};
use crate::errors::Errors;
use crate::input::{Handler, Input, Variant};
use crate::{check, lock};

pub(crate) fn derive(derive: &DeriveInput) -> TokenStream {
    let mut errors = Errors::default();
    let input = Input::read(derive, &mut errors);
    check::check(derive, &input, &mut errors);
    let ministate = &input.ministate;
    let (errors, code, test) = match (errors.into_tokens(), &input.state) {
        (None, Some(state)) => {
            (None, Expansion { input: &input, state }.all(), lock::test(&input, state))
        }
        (errors, state) => (errors, fallback(&input, state.as_ref()), None),
    };
    // An `allow` on the enum or on a variant is meant for the code that stands for it, too.
    let variants = input.variants.iter().flat_map(|variant| variant.attributes);
    let attributes = derive.attrs.iter().chain(variants);
    let allowed = attributes.filter(|attribute| attribute.path().is_ident("allow"));
    quote! {
        #errors
        #(#allowed)*
        const _: () = {
            use #ministate as __ministate;
            #code
        };
        #test
    }
}

/// What stands beside an error: it keeps the uses of the enum from becoming errors of their own.
fn fallback(input: &Input<'_>, state: Option<&Type>) -> TokenStream {
    let any: Type = parse_quote!(__State);
    let mut generics = input.generics.clone();
    if state.is_none() {
        generics.params.push(parse_quote!(__State));
    }
    let state = state.unwrap_or(&any);
    let ident = input.ident;
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    let (_, type_generics, _) = input.generics.split_for_impl();
    let mut code = quote! {
        impl #impl_generics __ministate::Mutator<#state> for #ident #type_generics #where_clause {
            fn apply(&self, _: &mut #state) {
                ::core::unimplemented!()
            }
        }
    };
    if let Some(output) = &input.output {
        code.extend(quote! {
            impl #impl_generics __ministate::Operation<#state> for #ident #type_generics
            #where_clause
            {
                type Output = #output;
                fn execute(self, _: &mut #state) -> #output {
                    ::core::unimplemented!()
                }
            }
        });
    }
    code.extend(conversions(input));
    code
}

/// `From` and `Accepts`: which values become mutations.
fn conversions(input: &Input<'_>) -> TokenStream {
    let ident = input.ident;
    let (impl_generics, type_generics, where_clause) = input.generics.split_for_impl();
    let mut code = TokenStream::new();
    if input.output.is_some() {
        code.extend(quote! {
            #[automatically_derived]
            impl #impl_generics __ministate::Accepts<#ident #type_generics> for #ident #type_generics
            #where_clause {
                const __DERIVED: () = ();
            }
        });
    }
    let mut seen = Vec::new();
    for (variant, payload) in input.payloads() {
        let name = payload.to_token_stream().to_string();
        if input.is_parameter(payload) || seen.contains(&name) {
            continue;
        }
        seen.push(name);
        let path = path(variant);
        code.extend(quote! {
            #[automatically_derived]
            impl #impl_generics ::core::convert::From<#payload> for #ident #type_generics
            #where_clause
            {
                fn from(__payload: #payload) -> Self {
                    #path { 0: __payload }
                }
            }
            #[automatically_derived]
            impl #impl_generics __ministate::Accepts<#payload> for #ident #type_generics
            #where_clause {
                const __DERIVED: () = ();
            }
        });
    }
    code
}

struct Expansion<'a> {
    input: &'a Input<'a>,
    state: &'a Type,
}

impl Expansion<'_> {
    fn all(&self) -> TokenStream {
        let mutator = self.mutator();
        let operation = self.input.output.as_ref().map(|output| self.operation(output));
        let conversions = conversions(self.input);
        let locked = lock::locked(self.input, self.state);
        quote!(#mutator #operation #conversions #locked)
    }

    fn mutator(&self) -> TokenStream {
        let (input, state) = (self.input, self.state);
        let data = generated(input.ident.span());
        // The bound makes one message out of all that the enum may lack.
        let bounds = [quote_spanned!(data=> Self: __ministate::__private::Data)];
        let bounds = bounds.into_iter().chain(self.bounds());
        let apply = quote! {
            fn apply(&self, __state: &mut #state) {
                <Self as __ministate::Mutator<#state>>::__execute(
                    __ministate::__private::Data::duplicate(self),
                    __state,
                    &mut __ministate::__private::Reply::discarded(),
                );
            }
        };
        let (schema, tag, execute) = (self.schema(), self.tag(), self.execute());
        let decode = decode(input);
        let decode_old_state = decode_old_state(input, state);
        let encode = quote! {
            fn __encode(
                &self,
                __payload: &mut ::std::vec::Vec<::core::primitive::u8>,
            ) -> ::core::result::Result<(), __ministate::__private::EncodeError> {
                __ministate::__private::Data::encode_variant(self, __payload)
            }
        };
        self.implement(
            &quote!(__ministate::Mutator<#state>),
            bounds,
            &quote!(#apply #schema #tag #encode #decode #decode_old_state #execute),
        )
    }

    fn operation(&self, output: &Type) -> TokenStream {
        let state = self.state;
        let arms = self.input.variants.iter().map(|variant| {
            let (pattern, fields) = pattern(variant);
            let place = generated(variant.payload().map_or(variant.ident.span(), Spanned::span));
            let answer = quote_spanned! {place=>
                __ministate::__private::IntoOutput::into_output
            };
            let call = self.call(variant, &fields, &answer);
            quote!(#pattern => #call,)
        });
        self.implement(
            &quote!(__ministate::Operation<#state>),
            self.bounds(),
            &quote! {
                type Output = #output;
                fn execute(self, __state: &mut #state) -> #output {
                    match self {
                        #(#arms)*
                    }
                }
            },
        )
    }

    fn implement(
        &self,
        contract: &TokenStream,
        bounds: impl IntoIterator<Item = TokenStream>,
        items: &TokenStream,
    ) -> TokenStream {
        let ident = self.input.ident;
        let (impl_generics, type_generics, where_clause) = self.input.generics.split_for_impl();
        let given = where_clause.into_iter().flat_map(|clause| &clause.predicates);
        let bounds = bounds.into_iter();
        quote! {
            #[automatically_derived]
            impl #impl_generics #contract for #ident #type_generics
            where
                #(#given,)*
                #(#bounds,)*
            {
                #items
            }
        }
    }

    /// What the code needs of types that it does not know, because they are generic.
    fn bounds(&self) -> Vec<TokenStream> {
        let (input, state) = (self.input, self.state);
        let answer = quote!(::core::any::Any + ::core::marker::Send);
        let mut bounds = Vec::new();
        if let Some(output) = input.output.as_ref().filter(|output| input.is_generic(output)) {
            bounds.push(quote!(#output: #answer));
        }
        for (_, payload) in input.payloads().filter(|(_, payload)| input.is_generic(payload)) {
            bounds.push(quote!(#payload: __ministate::Operation<#state, Output: #answer>));
            if let Some(output) = &input.output {
                bounds.push(quote! {
                    #output: ::core::convert::From<
                        <#payload as __ministate::Operation<#state>>::Output
                    >
                });
            }
        }
        let histories = input.variants.iter().map(|variant| &variant.history);
        let histories = histories.chain(input.retired.iter().map(|retired| &retired.history));
        let old = histories.flat_map(|history| &history.from);
        for old in old.chain(&input.state_history.from) {
            let content = &old.content;
            if input.is_generic(content) {
                bounds.push(quote!(#content: __ministate::__private::DeserializeOwned));
            }
        }
        bounds
    }

    fn schema(&self) -> TokenStream {
        let mut variants: Vec<_> = self.input.variants.iter().collect();
        variants.sort_by(|a, b| a.tag.text.cmp(&b.tag.text));
        let tags = variants.into_iter().map(tag);
        let readable = readable(self.input);
        let state = self.input.state_version.number;
        let oldest_state = oldest(&self.input.state_history, state);
        quote! {
            fn __schema() -> __ministate::__private::Schema {
                __ministate::__private::Schema {
                    program: match (
                        ::core::option_env!("CARGO_PKG_NAME"),
                        ::core::option_env!("CARGO_PKG_VERSION"),
                    ) {
                        (
                            ::core::option::Option::Some(__name),
                            ::core::option::Option::Some(__version),
                        ) => ::core::option::Option::Some((__name, __version)),
                        _ => ::core::option::Option::None,
                    },
                    operations: &[#(#tags),*],
                    readable: &[#(#readable),*],
                    state: #state,
                    oldest_state: #oldest_state,
                }
            }
        }
    }

    fn tag(&self) -> TokenStream {
        let arms = self.input.variants.iter().map(|variant| {
            let (path, tag) = (path(variant), tag(variant));
            quote!(#path { .. } => #tag,)
        });
        quote! {
            fn __tag(&self) -> ::core::option::Option<__ministate::__private::Tag> {
                ::core::option::Option::Some(match self {
                    #(#arms)*
                })
            }
        }
    }

    fn execute(&self) -> TokenStream {
        let state = self.state;
        let answer = quote!(|__output| __reply.put(__output));
        let arms = self.input.variants.iter().filter_map(|variant| {
            let (pattern, fields) = pattern(variant);
            let call = self.call(variant, &fields, &answer);
            match (&variant.handler, &self.input.output) {
                (Handler::Operation(_), None) => Some(quote!(#pattern => #call,)),
                // Whoever executes the enum wants its output, and whoever the payload, that one's.
                (Handler::Operation(_), Some(output)) => {
                    Some(quote!(#pattern if !__reply.wants::<#output>() => #call,))
                }
                (Handler::Method(_) | Handler::Function(_), None) => {
                    let place = generated(call.span());
                    let no_output = quote_spanned!(place=> __ministate::__private::no_output);
                    Some(quote!(#pattern => #no_output(#call),))
                }
                (Handler::Method(_) | Handler::Function(_), Some(_)) => None,
            }
        });
        let others = self.input.output.as_ref().map(|_| {
            quote! {
                __operation => __reply.put(
                    <Self as __ministate::Operation<#state>>::execute(__operation, __state)
                ),
            }
        });
        quote! {
            fn __execute(
                self,
                __state: &mut #state,
                __reply: &mut __ministate::__private::Reply,
            ) {
                match self {
                    #(#arms)*
                    #others
                }
            }
        }
    }

    /// Runs the variant's handler, at the place of the tokens that name it. An output of a
    /// payload's own goes through `answer`.
    fn call(&self, variant: &Variant<'_>, fields: &[Ident], answer: &TokenStream) -> TokenStream {
        let state = self.state;
        match &variant.handler {
            Handler::Method(name) => {
                let place = variant.ident.span();
                let method = match syn::parse_str::<Ident>(name) {
                    Ok(_) => Ident::new(name, place),
                    Err(_) => Ident::new_raw(name, place),
                };
                quote_spanned!(generated(place)=> __state.#method(#(#fields),*))
            }
            Handler::Function(function) => {
                quote_spanned!(generated(function.span())=> #function(__state, #(#fields),*))
            }
            Handler::Operation(payload) => quote_spanned! {generated(payload.span())=>
                __ministate::__private::execute::<#payload, #state, _>(
                    #(#fields,)*
                    __state,
                    #answer,
                )
            },
        }
    }
}

/// The span of the macro's own tokens, which lints leave alone, at a place of the user's, where
/// errors are shown.
pub(crate) fn generated(place: Span) -> Span {
    Span::call_site().located_at(place)
}

pub(crate) fn path(variant: &Variant<'_>) -> TokenStream {
    let mut ident = variant.ident.clone();
    ident.set_span(generated(ident.span()));
    quote!(Self::#ident)
}

/// A pattern that moves all fields out of the variant, in declared order.
fn pattern(variant: &Variant<'_>) -> (TokenStream, Vec<Ident>) {
    let path = path(variant);
    let (members, bindings): (Vec<_>, Vec<_>) = (0_u32..)
        .zip(variant.fields)
        .map(|(index, field)| {
            let place = field.ident.as_ref().map_or(field.ty.span(), Ident::span);
            let span = generated(place);
            let member = match &field.ident {
                Some(ident) => {
                    let mut ident = ident.clone();
                    ident.set_span(span);
                    Member::Named(ident)
                }
                None => Member::Unnamed(Index { index, span }),
            };
            (member, format_ident!("__field{index}", span = span))
        })
        .unzip();
    (quote!(#path { #(#members: #bindings),* }), bindings)
}

fn tag(variant: &Variant<'_>) -> TokenStream {
    let (name, version) = (&variant.tag.text, variant.version.number);
    quote!(__ministate::__private::Tag { name: #name, version: #version })
}
