//! Which code reads a record of any version?

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::Type;
use syn::spanned::Spanned;

use crate::attr::RetiredKeys;
use crate::expand::{generated, path};
use crate::input::{Input, Variant};
use crate::value::{History, Hop, Old};

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
            __payload: &::core::primitive::str,
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
            <Self as __ministate::__private::Data>::decode_variant(__index, __payload)
        }
    }
}

/// What `__decode` knows: each name, with the oldest and the newest of its versions.
pub(crate) fn readable(input: &Input<'_>) -> Vec<TokenStream> {
    let entry = |name: &str, oldest: u32, newest: u32| {
        quote! {
            __ministate::__private::Readable { name: #name, oldest: #oldest, newest: #newest }
        }
    };
    let mut known = Vec::new();
    for variant in &input.variants {
        let newest = variant.version.number;
        let oldest = oldest(&variant.history, newest);
        for name in [&variant.tag].into_iter().chain(&variant.aliases) {
            known.push(entry(&name.text, oldest, newest));
        }
    }
    for RetiredKeys { tag, history, versions, .. } in &input.retired {
        let Some(tag) = tag else { continue };
        let versions = match (versions, history.from.last()) {
            (Some((versions, _)), _) => versions.clone(),
            (None, Some(last)) => oldest(history, 0)..=last.version.number,
            (None, None) => continue,
        };
        known.push(entry(&tag.text, *versions.start(), *versions.end()));
    }
    known
}

/// The oldest version that is read, of which `current` is the newest.
pub(crate) fn oldest(history: &History, current: u32) -> u32 {
    history.from.first().map_or(current, |old| old.version.number)
}

/// `__decode_old_state`: the state by the version of a snapshot's.
pub(crate) fn decode_old_state(input: &Input<'_>, state: &Type) -> Option<TokenStream> {
    let old = &input.state_history.from;
    if old.is_empty() {
        return None;
    }
    let hops = hops(old, None, &state.to_token_stream());
    let arms = old.iter().enumerate().map(|(i, old)| {
        let (version, read, hops) = (old.version.number, read(old, &quote!(__json)), &hops[i..]);
        quote! {
            #version => {
                let __content = #read;
                #(let __content = #hops;)*
                ::core::result::Result::Ok(__content)
            }
        }
    });
    Some(quote! {
        fn __decode_old_state(
            __version: ::core::primitive::u32,
            __json: &::core::primitive::str,
        ) -> ::core::result::Result<#state, __ministate::__private::DecodeError> {
            match __version {
                #(#arms)*
                _ => ::core::result::Result::Err(
                    __ministate::__private::DecodeError::unknown_state(__version)
                ),
            }
        }
    })
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
    let hops = hops(history, into, last);
    let arms = history.iter().enumerate().map(|(i, old)| {
        let (version, read, hops) = (old.version.number, read(old, &quote!(__payload)), &hops[i..]);
        quote! {
            ::core::option::Option::Some((#names, #version)) => {
                let __content = #read;
                #(let __content = #hops;)*
                return ::core::result::Result::Ok(::core::option::Option::Some(#made));
            }
        }
    });
    quote!(#(#arms)*)
}

/// The content of an old version, from its JSON.
fn read(old: &Old, json: &TokenStream) -> TokenStream {
    let content = &old.content;
    quote_spanned! {generated(content.span())=>
        __ministate::__private::decode_content::<#content>(#json)?
    }
}

/// The hop from each of the versions to the next, and from the last to the type `last`.
fn hops(history: &[Old], into: Option<&Hop>, last: &TokenStream) -> Vec<TokenStream> {
    let next_types = history.iter().skip(1).map(|old| old.content.to_token_stream());
    let next_types = next_types.chain([last.clone()]);
    history
        .iter()
        .zip(next_types)
        .enumerate()
        .map(|(i, (old, next))| {
            let replaced = into.filter(|_| i + 1 == history.len());
            hop(old, replaced.unwrap_or(&old.hop), &next)
        })
        .collect()
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
