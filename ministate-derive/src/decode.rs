//! Which code reads a record of any version?

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;

use crate::attr::RetiredKeys;
use crate::expand::{generated, path};
use crate::input::{Input, Variant};
use crate::value::{Hop, Old};

/// `__decode`: the variant by the record's tag and version.
pub(crate) fn decode(input: &Input<'_>) -> TokenStream {
    let (current, old): (Vec<_>, Vec<_>) = (0_u32..)
        .zip(&input.variants)
        .map(|(index, variant)| {
            let names = names(variant);
            let version = variant.version.number;
            let current = quote!(::core::option::Option::Some((#names, #version)) => #index,);
            (current, old_versions(variant))
        })
        .unzip();
    let retired = input.retired.iter().map(retired);
    quote! {
        fn __decode(
            __tag: ::core::option::Option<(&::core::primitive::str, ::core::primitive::u32)>,
            __payload: &[::core::primitive::u8],
        ) -> ::core::result::Result<
            ::core::option::Option<Self>,
            __ministate::__private::DecodeError,
        > {
            let __index = match __tag {
                #(#current)*
                #(#old)*
                #(#retired)*
                _ => return ::core::result::Result::Err(
                    __ministate::__private::DecodeError::unknown(__tag)
                ),
            };
            ::core::result::Result::Ok(::core::option::Option::Some(
                <Self as __ministate::__private::Data>::decode_variant(__index, __payload)?
            ))
        }
    }
}

/// `__reads`: whether `__decode` knows the tag and version.
pub(crate) fn reads(input: &Input<'_>) -> TokenStream {
    let mut known = Vec::new();
    for variant in &input.variants {
        let old = variant.history.from.iter().map(|old| old.version.number);
        for version in old.chain([variant.version.number]) {
            for name in [&variant.tag].into_iter().chain(&variant.aliases) {
                let name = &name.text;
                known.push(quote!((#name, #version..=#version)));
            }
        }
    }
    for retired in &input.retired {
        let name = retired.tag.as_ref().map(|tag| &tag.text);
        if let Some((versions, _)) = &retired.versions {
            let (first, last) = (versions.start(), versions.end());
            known.push(quote!((#name, #first..=#last)));
        }
        for old in &retired.history.from {
            let version = old.version.number;
            known.push(quote!((#name, #version..=#version)));
        }
    }
    quote! {
        fn __reads(
            __name: &::core::primitive::str,
            __version: ::core::primitive::u32,
        ) -> ::core::primitive::bool {
            __ministate::__private::is_known(&[#(#known),*], __name, __version)
        }
    }
}

/// The tags that are read as this variant.
fn names(variant: &Variant<'_>) -> TokenStream {
    let tag = &variant.tag.text;
    let aliases = variant.aliases.iter().map(|alias| &alias.text);
    quote!(#tag #(| #aliases)*)
}

fn old_versions(variant: &Variant<'_>) -> TokenStream {
    let names = names(variant);
    let path = path(variant);
    let (last, made) = match variant.payload() {
        Some(payload) => (payload.to_token_stream(), quote!(#path { 0: __content })),
        None => (quote!(Self), quote!(__content)),
    };
    read_as(&names, &variant.history.from, None, &last, &made)
}

fn retired(retired: &RetiredKeys) -> TokenStream {
    let name = retired.tag.as_ref().map(|tag| &tag.text);
    match &retired.versions {
        Some((versions, _)) => {
            let (first, last) = (versions.start(), versions.end());
            quote! {
                ::core::option::Option::Some((#name, #first..=#last)) => {
                    return ::core::result::Result::Ok(::core::option::Option::None);
                }
            }
        }
        None => read_as(
            &name.to_token_stream(),
            &retired.history.from,
            retired.into.as_ref(),
            &quote!(Self),
            &quote!(__content),
        ),
    }
}

/// One arm per old version: its content, hop by hop, until it is of the type `last`.
fn read_as(
    names: &TokenStream,
    history: &[Old],
    into: Option<&Hop>,
    last: &TokenStream,
    made: &TokenStream,
) -> TokenStream {
    let next_types = history.iter().skip(1).map(|old| old.content.to_token_stream());
    let next_types = next_types.chain([last.clone()]);
    let hops: Vec<TokenStream> = history
        .iter()
        .zip(next_types)
        .enumerate()
        .map(|(i, (old, next))| {
            let replaced = into.filter(|_| i + 1 == history.len());
            hop(old, replaced.unwrap_or(&old.hop), &next)
        })
        .collect();
    let arms = history.iter().enumerate().map(|(i, old)| {
        let (version, content, hops) = (old.version.number, &old.content, &hops[i..]);
        let read = quote_spanned! {generated(content.span())=>
            __ministate::__private::decode_content::<#content>
        };
        quote! {
            ::core::option::Option::Some((#names, #version)) => {
                let __content = #read(__payload)?;
                #(let __content = #hops;)*
                return ::core::result::Result::Ok(::core::option::Option::Some(#made));
            }
        }
    });
    quote!(#(#arms)*)
}

fn hop(old: &Old, hop: &Hop, next: &TokenStream) -> TokenStream {
    match hop {
        Hop::From => {
            let content = &old.content;
            quote_spanned! {generated(content.span())=>
                <#content as __ministate::__private::Upcast<#next>>::upcast(__content)
            }
        }
        Hop::Function(function) => quote_spanned! {generated(function.span())=>
            __ministate::__private::upcasted::<#next, _>(#function(__content))
        },
        Hop::TryFunction(function) => quote_spanned! {generated(function.span())=>
            __ministate::__private::try_upcasted::<#next, _>(#function(__content))?
        },
    }
}
