//! Which enums are refused, and what is the way out?
//!
//! Clashes of tags are in `tags`, losses through serde's attributes in `serde`, and the form of our
//! own attributes in `attr` and `value`.

use std::collections::BTreeMap;

use proc_macro2::Span;
use quote::ToTokens;
use syn::{Attribute, DeriveInput};

use crate::attr::RetiredKeys;
use crate::errors::{Errors, quoted};
use crate::input::{Handler, Input, Variant};
use crate::value::{History, Hop, LOCK, Name, Version};
use crate::{serde, tags};

pub(crate) fn check(derive: &DeriveInput, input: &Input<'_>, errors: &mut Errors) {
    lifetimes(input, errors);
    misplaced_attributes(derive, input, errors);
    tags::check(input, errors);
    for retired in &input.retired {
        retirement(retired, errors);
    }
    for variant in &input.variants {
        versions(variant, errors);
        method(variant, errors);
    }
    payloads(input, errors);
    state_versions(input, errors);
    lock(input, errors);
    serde::check(input, errors);
}

fn lifetimes(input: &Input<'_>, errors: &mut Errors) {
    for parameter in input.generics.lifetimes() {
        let lifetime = &parameter.lifetime;
        errors
            .on(lifetime, format!("an operation owns its data: remove the lifetime `{lifetime}`"));
    }
}

fn misplaced_attributes(derive: &DeriveInput, input: &Input<'_>, errors: &mut Errors) {
    let mut refuse = |attributes: &[Attribute], name: &str, advice: &str| {
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident(name)) {
            errors.on(attribute, format!("`#[{name}]` {advice}"));
        }
    };
    refuse(&derive.attrs, "mutation", "belongs to a variant; on the enum write `#[mutations(..)]`");
    for variant in &input.variants {
        refuse(
            variant.attributes,
            "mutations",
            "belongs to the enum; on a variant write `#[mutation(..)]`",
        );
        for field in variant.fields {
            refuse(&field.attrs, "mutation", "belongs to a variant, not to a field; move it up");
            refuse(&field.attrs, "mutations", "belongs to the enum, not to a field; move it up");
        }
    }
}

fn versions(variant: &Variant<'_>, errors: &mut Errors) {
    if variant.broken {
        return;
    }
    let ident = variant.ident;
    let keys = Keys {
        owner: format!("`{ident}`"),
        subject: format!("`{}` is at", variant.tag.text),
        stem: ident.to_string(),
        version: "version",
        from: "from",
        oldest: "oldest",
        read: "records",
    };
    keys.judge(variant.version, &variant.history, errors);
}

fn state_versions(input: &Input<'_>, errors: &mut Errors) {
    let Some(state) = input.state.as_ref().filter(|_| !input.broken) else {
        return;
    };
    let name = state.to_token_stream().to_string().replace(' ', "");
    let stem = name.split('<').next().unwrap_or_default().rsplit("::").next().unwrap_or_default();
    let keys = Keys {
        owner: "the state".to_string(),
        subject: format!("the state `{name}` is at"),
        stem: stem.to_string(),
        version: "state_version",
        from: "state_from",
        oldest: "state_oldest",
        read: "snapshots",
    };
    keys.judge(input.state_version, &input.state_history, errors);
}

/// How messages speak of something that has versions.
struct Keys {
    owner: String,
    subject: String,
    stem: String,
    version: &'static str,
    from: &'static str,
    oldest: &'static str,
    /// What is read in these versions.
    read: &'static str,
}

impl Keys {
    fn judge(&self, current: Version, history: &History, errors: &mut Errors) {
        let Keys { owner, version, oldest: oldest_key, .. } = self;
        for old in &history.from {
            let number = old.version.number;
            if number >= current.number {
                errors.at(
                    old.version.span,
                    format!(
                        "version {number} is not older than {owner}'s current version {}; \
                         raise `{version}` or remove it",
                        current.number,
                    ),
                );
                return;
            }
        }
        if let Some(oldest) = history.oldest.filter(|oldest| oldest.number > current.number) {
            errors.at(
                oldest.span,
                format!(
                    "`{oldest_key} = {}` is newer than {owner}'s current version {}, so \
                     nothing could be read",
                    oldest.number, current.number,
                ),
            );
            return;
        }
        if in_order(history, self, errors) {
            no_gap(history, current, self, errors);
        }
    }
}

/// Whether the old versions are listed once, in order, and not below the oldest.
fn in_order(history: &History, keys: &Keys, errors: &mut Errors) -> bool {
    let Keys { from, oldest: oldest_key, .. } = keys;
    let before = errors.count();
    let mut newest = 0;
    for old in &history.from {
        let number = old.version.number;
        if number == newest {
            errors.at(old.version.span, format!("version {number} is listed twice in `{from}`"));
        } else if number < newest {
            errors.at(
                old.version.span,
                format!(
                    "version {number} is listed after version {newest}; list old \
                     versions in ascending order",
                ),
            );
        } else if let Some(oldest) = history.oldest.filter(|oldest| number < oldest.number) {
            errors.at(
                old.version.span,
                format!(
                    "version {number} is below `{oldest_key} = {}`, so it is never read; \
                     remove one of them",
                    oldest.number,
                ),
            );
        }
        newest = newest.max(number);
    }
    errors.count() == before
}

/// Whether nothing is missing between the oldest version and the newest.
fn no_gap(history: &History, newest: Version, keys: &Keys, errors: &mut Errors) {
    let Keys { subject, stem, from, oldest: oldest_key, read, .. } = keys;
    // More than these are not listed one by one: nobody would write them one by one either.
    const SHOWN: usize = 4;
    let oldest = history.oldest.map_or(1, |oldest| oldest.number);
    let listed: Vec<u32> = history.from.iter().map(|old| old.version.number).collect();
    let mut missing = (oldest..newest.number).filter(|number| !listed.contains(number));
    let shown: Vec<u32> = missing.by_ref().take(SHOWN).collect();
    let Some(last) = shown.last() else { return };
    let (and_more, fence) = match missing.next() {
        Some(_) => (" and more", newest.number),
        None => ("", last + 1),
    };
    let plural = if shown.len() == 1 { "" } else { "s" };
    let numbers: Vec<String> = shown.iter().map(u32::to_string).collect();
    let types = shown.iter().map(|number| format!("{number} = {stem}V{number}"));
    let types: Vec<String> = types.collect();
    errors.at(
        newest.span,
        format!(
            "{subject} version {} but nothing says how to read version{plural} {}{and_more}; \
             add `{from}({})`, or refuse such {read} with `{oldest_key} = {fence}`",
            newest.number,
            numbers.join(", "),
            types.join(", "),
        ),
    );
}

fn retirement(retired: &RetiredKeys, errors: &mut Errors) {
    if retired.broken {
        return;
    }
    let Some(tag) = &retired.tag else {
        errors.at(retired.span, "a retired operation is known by its tag; add `tag = \"..\"`");
        return;
    };
    let text = &tag.text;
    match (&retired.into, retired.drop) {
        (None, None) => errors.at(
            tag.span,
            format!(
                "retired tag `{text}` needs `into = path` to become a mutation of \
                 today, or `drop` to change nothing",
            ),
        ),
        (Some(_), Some(drop)) => {
            errors.at(drop, format!("retired tag `{text}` has both `into` and `drop`; remove one"));
        }
        (None, Some(drop)) => dropped(retired, text, drop, errors),
        (Some(_), None) => converted(retired, tag, errors),
    }
}

fn dropped(retired: &RetiredKeys, tag: &str, drop: Span, errors: &mut Errors) {
    if let Some(old) = retired.history.from.first() {
        errors.on(
            &old.content,
            "`drop` reads no payload; write `versions = 1..=n` in place of `from`",
        );
    } else if retired.versions.is_none() {
        errors.at(
            drop,
            format!("nothing says which versions of `{tag}` to drop; add `versions = 1..=n`",),
        );
    } else if let Some(oldest) = retired.history.oldest {
        errors.at(oldest.span, "`versions` says which is the oldest; remove `oldest`");
    }
}

fn converted(retired: &RetiredKeys, tag: &Name, errors: &mut Errors) {
    let text = &tag.text;
    if let Some((_, span)) = &retired.versions {
        errors.at(*span, "`versions` goes with `drop`; with `into` list the types in `from(..)`");
        return;
    }
    let Some(last) = retired.history.from.last() else {
        errors.at(
            tag.span,
            format!(
                "nothing says which types `{text}` had; add `from(1 = Type)` for \
                 `into` to convert",
            ),
        );
        return;
    };
    if let Hop::Function(function) | Hop::TryFunction(function) = &last.hop {
        errors.on(
            function,
            format!(
                "`into` already converts version {}, the last one of `{text}`; \
                 remove one of the two functions",
                last.version.number,
            ),
        );
    }
    let name = last.content.to_token_stream().to_string();
    let keys = Keys {
        owner: format!("retired `{text}`"),
        subject: format!("retired `{text}` was at"),
        stem: name.trim_end_matches(|c: char| c.is_ascii_digit() || c == 'V').to_string(),
        version: "version",
        from: "from",
        oldest: "oldest",
        read: "records",
    };
    if in_order(&retired.history, &keys, errors) {
        no_gap(&retired.history, last.version, &keys, errors);
    }
}

fn method(variant: &Variant<'_>, errors: &mut Errors) {
    let Handler::Method(name) = &variant.handler else {
        return;
    };
    if matches!(name.as_str(), "crate" | "self" | "super") {
        errors.on(
            variant.ident,
            format!(
                "no method can be called `{name}`; name the function to run: \
                 `#[mutation(apply = path)]`",
            ),
        );
    }
}

fn payloads(input: &Input<'_>, errors: &mut Errors) {
    let mut seen = BTreeMap::new();
    for (variant, payload) in input.payloads() {
        let name = payload.to_token_stream().to_string();
        if let Some(other) = seen.insert(name, variant.ident) {
            errors.on(
                payload,
                format!(
                    "{} is also the payload of `{other}`, so its values could be either; \
                     wrap one in a type of its own, or name a handler: `#[mutation(apply = path)]`",
                    quoted([payload.to_token_stream()]),
                ),
            );
        }
    }
}

fn lock(input: &Input<'_>, errors: &mut Errors) {
    let Some(lock) = &input.lock else {
        if let Some(span) = input.pin_handlers.filter(|_| !input.broken) {
            errors.at(
                span,
                format!("`pin_handlers` pins them in the schema lock; name it with `{LOCK}`"),
            );
        }
        let sampled = input.variants.iter().flat_map(|variant| &variant.samples).next();
        if let Some(sample) = sampled.filter(|_| !input.broken) {
            errors.on(sample, format!("samples are for the schema lock; name it with `{LOCK}`"));
        }
        return;
    };
    if input.generics.type_params().next().is_some() {
        errors.on(
            lock,
            "a schema lock holds the shapes of concrete types; remove the enum's type parameters, \
             or the lock",
        );
    }
}
