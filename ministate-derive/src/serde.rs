//! Which serde attributes would change or lose what the journal has to keep?
//!
//! serde's derive reports its own mistakes; here it is only asked what a sound attribute means.

use proc_macro2::{Span, TokenTree};
use quote::ToTokens;
use syn::meta::ParseNestedMeta;
use syn::spanned::Spanned;
use syn::{Attribute, Field, LitStr, Token, Type, token};

use crate::errors::Errors;
use crate::input::Input;

/// One key of a `#[serde(..)]`.
struct Key {
    name: String,
    span: Span,
    value: Option<String>,
    /// `serialize = ".."` in the key's parentheses.
    serialize: Option<String>,
    deserialize: Option<String>,
}

pub(crate) fn check(input: &Input<'_>, errors: &mut Errors) {
    for key in keys(input.attributes) {
        on_enum(&key, errors);
    }
    for variant in &input.variants {
        for key in keys(variant.attributes) {
            on_variant(&key, errors);
        }
        for field in variant.fields {
            on_field(field, &keys(&field.attrs), errors);
        }
    }
}

fn on_enum(key: &Key, errors: &mut Errors) {
    let name = &key.name;
    match name.as_str() {
        "tag" | "content" | "untagged" => errors.at(
            key.span,
            format!(
                "remove `#[serde({name})]`: the journal already carries the \
                 operation's tag and version",
            ),
        ),
        "from" | "try_from" | "into" | "remote" => errors.at(
            key.span,
            format!(
                "remove `#[serde({name})]`: the journal reads and writes the \
                 variants of the enum itself",
            ),
        ),
        "rename_all_fields" => same_name(key, errors),
        _ => {}
    }
}

fn on_variant(key: &Key, errors: &mut Errors) {
    let name = &key.name;
    match name.as_str() {
        "skip" | "skip_serializing" | "skip_deserializing" => errors.at(
            key.span,
            format!(
                "remove `#[serde({name})]`: the variant could be applied but never \
                 journaled or replayed",
            ),
        ),
        "other" => errors.at(
            key.span,
            "remove `#[serde(other)]`: the journal refuses unknown operations, \
             it does not guess",
        ),
        "untagged" => errors.at(
            key.span,
            "remove `#[serde(untagged)]`: the journal already carries the \
             operation's tag and version",
        ),
        "rename_all" => same_name(key, errors),
        _ => {}
    }
}

fn on_field(field: &Field, keys: &[Key], errors: &mut Errors) {
    let has = |name: &str| keys.iter().any(|key| key.name == name);
    for key in keys {
        let name = &key.name;
        match name.as_str() {
            "skip" | "skip_deserializing" => errors.at(
                key.span,
                format!(
                    "`{name}` loses the field's value on replay; remove the field, \
                     or let it be written",
                ),
            ),
            "skip_serializing" if has("default") => errors.at(
                key.span,
                "`skip_serializing` loses the field's value on replay; remove \
                 the field, or let it be written",
            ),
            "skip_serializing" => errors.at(
                key.span,
                "`skip_serializing` without `default`: the field would not be \
                 written, so the record could not be read back; let it be written",
            ),
            "skip_serializing_if" if field.ident.is_none() => errors.at(
                key.span,
                "`skip_serializing_if` on an unnamed field moves the fields \
                 behind it to its place; name the fields, or remove it",
            ),
            // serde reads a missing `Option` as `None`, unless another function reads it.
            "skip_serializing_if"
                if !has("default")
                    && (!is_option(&field.ty) || has("with") || has("deserialize_with")) =>
            {
                errors.at(
                    key.span,
                    "`skip_serializing_if` without `default`: a record that \
                     leaves the field out could not be read back; add `default`",
                );
            }
            "flatten" => errors.at(
                key.span,
                "`flatten` breaks 128-bit integers and maps with integer keys; \
                 list the fields in the variant, or keep them in a field of \
                 their own",
            ),
            "rename" => {
                let written = key.serialize.as_deref();
                let is_alias = |key: &Key| key.name == "alias" && key.value.as_deref() == written;
                if !keys.iter().any(is_alias) {
                    same_name(key, errors);
                }
            }
            _ => {}
        }
    }
}

/// `rename(serialize = "a", deserialize = "b")` writes what it cannot read.
fn same_name(key: &Key, errors: &mut Errors) {
    if key.serialize == key.deserialize {
        return;
    }
    let name = &key.name;
    let way_out = if name == "rename" {
        "give one name, and read others with `alias`"
    } else {
        "give one rule for both"
    };
    errors.at(
        key.span,
        format!(
            "`{name}` gives other names to `serialize` than to `deserialize`, so \
             records could not be read back; {way_out}",
        ),
    );
}

/// By its name, as a macro cannot know more; `default` does no harm to an `Option` in disguise.
fn is_option(ty: &Type) -> bool {
    match ty {
        Type::Path(ty) => ty.path.segments.last().is_some_and(|last| last.ident == "Option"),
        Type::Group(group) => is_option(&group.elem),
        _ => false,
    }
}

fn keys(attributes: &[Attribute]) -> Vec<Key> {
    let mut keys = Vec::new();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("serde")) {
        // A malformed attribute is serde's to report.
        let _ = attribute.parse_nested_meta(|meta| {
            let mut key = Key {
                name: meta.path.to_token_stream().to_string(),
                span: meta.path.span(),
                value: None,
                serialize: None,
                deserialize: None,
            };
            if meta.input.peek(token::Paren) {
                meta.parse_nested_meta(|inner| {
                    let value = value(&inner)?;
                    if inner.path.is_ident("serialize") {
                        key.serialize = value;
                    } else if inner.path.is_ident("deserialize") {
                        key.deserialize = value;
                    }
                    Ok(())
                })?;
            } else {
                key.value = value(&meta)?;
            }
            keys.push(key);
            Ok(())
        });
    }
    keys
}

/// What follows `key =`, if it is a string; other values are passed over.
fn value(meta: &ParseNestedMeta<'_>) -> syn::Result<Option<String>> {
    if meta.input.peek(Token![=]) {
        let input = meta.value()?;
        if input.peek(LitStr) {
            return Ok(Some(input.parse::<LitStr>()?.value()));
        }
    }
    while !meta.input.is_empty() && !meta.input.peek(Token![,]) {
        meta.input.parse::<TokenTree>()?;
    }
    Ok(None)
}
