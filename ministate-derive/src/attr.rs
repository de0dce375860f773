//! Which keys does one `#[mutations(..)]` or `#[mutation(..)]` attribute give?
//!
//! Only the form of each key is judged here. A mistake in one leaves the others readable, so the
//! caller hears of all of them at once.

use std::ops::RangeInclusive;

use proc_macro2::Span;
use quote::ToTokens;
use syn::meta::ParseNestedMeta;
use syn::spanned::Spanned;
use syn::{Attribute, LitStr, Path, Token, Type, TypePath};

use crate::errors::{Errors, did_you_mean, quoted};
use crate::value::{
    History, Hop, LOCK, Name, VERSIONS, Version, crate_path, from, function, hop, lock, name,
    names, require_list, samples, skip_value, value, version, versions,
};

/// `retired(..)`
pub(crate) struct RetiredKeys {
    pub(crate) span: Span,
    pub(crate) tag: Option<Name>,
    pub(crate) history: History,
    pub(crate) versions: Option<(RangeInclusive<u32>, Span)>,
    pub(crate) into: Option<Hop>,
    pub(crate) drop: Option<Span>,
    pub(crate) broken: bool,
}

/// `#[mutations(..)]`
#[derive(Default)]
pub(crate) struct EnumKeys {
    pub(crate) state: Option<Type>,
    pub(crate) state_version: Option<Version>,
    pub(crate) state_history: History,
    pub(crate) lock: Option<LitStr>,
    pub(crate) pin_handlers: Option<Span>,
    pub(crate) output: Option<Type>,
    pub(crate) retired: Vec<RetiredKeys>,
    pub(crate) reserved: Vec<Name>,
    pub(crate) ministate: Option<Path>,
    /// A key was not understood, so nothing can be said of what is missing.
    pub(crate) broken: bool,
}

/// `#[mutation(..)]`
#[derive(Default)]
pub(crate) struct VariantKeys {
    pub(crate) tag: Option<Name>,
    pub(crate) version: Option<Version>,
    pub(crate) history: History,
    pub(crate) aliases: Vec<Name>,
    pub(crate) apply: Option<TypePath>,
    pub(crate) samples: Vec<LitStr>,
    pub(crate) broken: bool,
}

const ENUM_KEYS: &[&str] = &[
    "state",
    "state_version",
    "state_from",
    "state_oldest",
    "output",
    "retired",
    "reserved",
    "lock",
    "pin_handlers",
    "crate",
];
const VARIANT_KEYS: &[&str] = &["tag", "version", "from", "oldest", "alias", "apply", "sample"];
const RETIRED_KEYS: &[&str] = &["tag", "from", "oldest", "versions", "into", "drop"];
const REPEATABLE: &[&str] = &["retired", "reserved", "alias", "sample"];

pub(crate) fn enum_keys(attributes: &[Attribute], errors: &mut Errors) -> EnumKeys {
    let mut keys = EnumKeys::default();
    let Some(attribute) = only("mutations", attributes, errors) else {
        return keys;
    };
    let before = errors.count();
    let form = attribute.parse_nested_meta(each_key(errors, |key, meta, errors| {
        match key {
            "state" => keys.state = Some(value(meta, "state = YourState")?.parse()?),
            "state_version" => {
                keys.state_version = Some(version(value(meta, "state_version = 2")?)?);
            }
            "state_from" => keys.state_history.from = from(meta, "state_from", errors)?,
            "state_oldest" => {
                keys.state_history.oldest = Some(version(value(meta, "state_oldest = 2")?)?);
            }
            "lock" => keys.lock = Some(lock(value(meta, LOCK)?)?),
            "pin_handlers" => keys.pin_handlers = Some(meta.path.span()),
            "output" => keys.output = Some(value(meta, "output = Type")?.parse()?),
            "retired" => keys.retired.push(retired(meta, errors)?),
            "reserved" => keys.reserved.extend(names(meta, "reserved(\"tag\")")?),
            "crate" => keys.ministate = Some(crate_path(meta)?),
            _ if VARIANT_KEYS.contains(&key) => return Err(misplaced(meta, key, "a variant")),
            _ => return Err(unknown(meta, key, ENUM_KEYS)),
        }
        Ok(())
    }));
    errors.extend(form.err());
    keys.broken = errors.count() > before;
    keys
}

pub(crate) fn variant_keys(attributes: &[Attribute], errors: &mut Errors) -> VariantKeys {
    let mut keys = VariantKeys::default();
    let Some(attribute) = only("mutation", attributes, errors) else {
        return keys;
    };
    let before = errors.count();
    let form = attribute.parse_nested_meta(each_key(errors, |key, meta, errors| {
        match key {
            "tag" => keys.tag = Some(name(value(meta, "tag = \"name\"")?)?),
            "version" => keys.version = Some(version(value(meta, "version = 2")?)?),
            "from" => keys.history.from = from(meta, "from", errors)?,
            "oldest" => keys.history.oldest = Some(version(value(meta, "oldest = 2")?)?),
            "alias" => keys.aliases.extend(names(meta, "alias(\"tag\")")?),
            "sample" => keys.samples.extend(samples(meta)?),
            "apply" => keys.apply = Some(function(value(meta, "apply = path::to::function")?)?),
            _ if ENUM_KEYS.contains(&key) => return Err(misplaced(meta, key, "the enum")),
            _ => return Err(unknown(meta, key, VARIANT_KEYS)),
        }
        Ok(())
    }));
    errors.extend(form.err());
    keys.broken = errors.count() > before;
    keys
}

fn retired(meta: &ParseNestedMeta<'_>, errors: &mut Errors) -> syn::Result<RetiredKeys> {
    let mut keys = RetiredKeys {
        span: meta.path.span(),
        tag: None,
        history: History::default(),
        versions: None,
        into: None,
        drop: None,
        broken: false,
    };
    require_list(meta, "retired(tag = \"name\", from(1 = Type), into = path)")?;
    let before = errors.count();
    let form = meta.parse_nested_meta(each_key(errors, |key, meta, errors| {
        match key {
            "tag" => keys.tag = Some(name(value(meta, "tag = \"name\"")?)?),
            "from" => keys.history.from = from(meta, "from", errors)?,
            "oldest" => keys.history.oldest = Some(version(value(meta, "oldest = 2")?)?),
            "versions" => keys.versions = Some(versions(value(meta, VERSIONS)?)?),
            "into" => keys.into = Some(hop(value(meta, "into = path::to::function")?)?),
            "drop" => keys.drop = Some(meta.path.span()),
            _ => return Err(unknown(meta, key, RETIRED_KEYS)),
        }
        Ok(())
    }));
    errors.extend(form.err());
    keys.broken = errors.count() > before;
    Ok(keys)
}

/// The one attribute of this name; a second one is a mistake.
fn only<'a>(name: &str, attributes: &'a [Attribute], errors: &mut Errors) -> Option<&'a Attribute> {
    let mut of_this_name = attributes.iter().filter(|attribute| attribute.path().is_ident(name));
    let first = of_this_name.next();
    for further in of_this_name {
        errors
            .on(further, format!("`#[{name}]` given twice; write all keys in one `#[{name}(..)]`"));
    }
    first
}

/// Reads key after key, and goes on behind one that is wrong.
fn each_key<'a>(
    errors: &'a mut Errors,
    mut read: impl FnMut(&str, &ParseNestedMeta<'_>, &mut Errors) -> syn::Result<()> + 'a,
) -> impl FnMut(ParseNestedMeta<'_>) -> syn::Result<()> + 'a {
    let mut seen = Vec::new();
    move |meta| {
        let key = meta.path.to_token_stream().to_string();
        if seen.contains(&key) && !REPEATABLE.contains(&key.as_str()) {
            errors.on(&meta.path, format!("`{key}` given twice"));
        } else if let Err(error) = read(&key, &meta, errors) {
            errors.push(error);
        } else if !meta.input.is_empty() && !meta.input.peek(Token![,]) {
            errors.push(meta.input.error("expected `,` before the next key"));
        }
        seen.push(key);
        skip_value(meta.input)
    }
}

fn unknown(meta: &ParseNestedMeta<'_>, key: &str, known: &[&str]) -> syn::Error {
    let advice = match did_you_mean(key, known) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("expected one of {}", quoted(known)),
    };
    syn::Error::new_spanned(&meta.path, format!("unknown key `{key}`, {advice}"))
}

fn misplaced(meta: &ParseNestedMeta<'_>, key: &str, place: &str) -> syn::Error {
    let attribute = if place == "the enum" { "mutations" } else { "mutation" };
    let message = format!("`{key}` is a key of {place}: write it in `#[{attribute}(..)]` there");
    syn::Error::new_spanned(&meta.path, message)
}
