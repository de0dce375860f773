//! Which values do keys take, and how are they written?

use std::ops::RangeInclusive;

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::meta::ParseNestedMeta;
use syn::parse::ParseStream;
use syn::{LitInt, LitStr, Path, PathArguments, Token, Type, TypePath, parenthesized, token};

use crate::errors::Errors;

/// A tag, or a name that must not become one.
#[derive(Clone)]
pub(crate) struct Name {
    pub(crate) text: String,
    pub(crate) span: Span,
}

/// A version, written as a literal.
#[derive(Clone, Copy)]
pub(crate) struct Version {
    pub(crate) number: u32,
    pub(crate) span: Span,
}

/// An old version: its type, and how a value of it becomes the next type.
pub(crate) struct Old {
    pub(crate) version: Version,
    pub(crate) content: Type,
    pub(crate) hop: Hop,
}

/// One step from a version to the next.
pub(crate) enum Hop {
    From,
    Function(TypePath),
    TryFunction(TypePath),
}

/// The old versions of one tag.
#[derive(Default)]
pub(crate) struct History {
    pub(crate) from: Vec<Old>,
    pub(crate) oldest: Option<Version>,
}

/// Moves to the next comma that separates keys, which one inside `<..>` or `|..|` does not.
pub(crate) fn skip_value(input: ParseStream<'_>) -> syn::Result<()> {
    let mut depth = 0_usize;
    let mut parameters = false;
    while !input.is_empty() && (depth > 0 || parameters || !input.peek(Token![,])) {
        if input.peek(Token![=>]) {
            input.parse::<Token![=>]>()?;
        } else if let TokenTree::Punct(punct) = input.parse()? {
            match punct.as_char() {
                '<' => depth += 1,
                '>' => depth = depth.saturating_sub(1),
                '|' => parameters = !parameters,
                _ => {}
            }
        }
    }
    Ok(())
}

/// What follows `key =`.
pub(crate) fn value<'a>(meta: &ParseNestedMeta<'a>, form: &str) -> syn::Result<ParseStream<'a>> {
    if !meta.input.peek(Token![=]) {
        return Err(syn::Error::new_spanned(&meta.path, format!("expected a value: `{form}`")));
    }
    let input = meta.value()?;
    if input.is_empty() || input.peek(Token![,]) {
        return Err(meta.error(format!("expected a value: `{form}`")));
    }
    Ok(input)
}

pub(crate) fn require_list(meta: &ParseNestedMeta<'_>, form: &str) -> syn::Result<()> {
    if meta.input.peek(token::Paren) {
        return Ok(());
    }
    Err(syn::Error::new_spanned(&meta.path, format!("expected a list: `{form}`")))
}

pub(crate) fn name(input: ParseStream<'_>) -> syn::Result<Name> {
    if !input.peek(LitStr) {
        return Err(input.error("expected a string literal: a tag is what the journal says"));
    }
    let literal: LitStr = input.parse()?;
    Ok(Name { text: literal.value(), span: literal.span() })
}

pub(crate) fn names(meta: &ParseNestedMeta<'_>, form: &str) -> syn::Result<Vec<Name>> {
    list(meta, form, name)
}

fn list<T>(
    meta: &ParseNestedMeta<'_>,
    form: &str,
    member: fn(ParseStream<'_>) -> syn::Result<T>,
) -> syn::Result<Vec<T>> {
    require_list(meta, form)?;
    let content;
    parenthesized!(content in meta.input);
    let members = content.parse_terminated(member, Token![,]);
    // What is left behind a mistake would be reported as one of its own.
    content.parse::<TokenStream>()?;
    Ok(members?.into_iter().collect())
}

pub(crate) fn version(input: ParseStream<'_>) -> syn::Result<Version> {
    if !input.peek(LitInt) {
        return Err(input.error(
            "a version must be a literal: a constant would change what old \
             records mean",
        ));
    }
    let literal: LitInt = input.parse()?;
    let span = literal.span();
    match literal.base10_parse::<u32>() {
        Ok(0) => Err(syn::Error::new(span, "version 0 does not exist; versions start at 1")),
        Ok(number) => Ok(Version { number, span }),
        Err(_) => {
            Err(syn::Error::new(span, format!("versions are numbers from 1 to {}", u32::MAX)))
        }
    }
}

pub(crate) const VERSIONS: &str = "versions = 1..=2";

pub(crate) fn versions(input: ParseStream<'_>) -> syn::Result<(RangeInclusive<u32>, Span)> {
    let start = version(input)?;
    if !input.peek(Token![..=]) {
        return Err(input.error(format!("expected the first and the last version: `{VERSIONS}`")));
    }
    input.parse::<Token![..=]>()?;
    let end = version(input)?;
    if start.number > end.number {
        return Err(syn::Error::new(
            end.span,
            format!(
                "the last version is below the first; write `versions = {}..={}`",
                end.number, start.number
            ),
        ));
    }
    Ok((start.number..=end.number, start.span))
}

/// `from(1 = V1, 2 = V2 => path, 3 = V3 => try path)`
pub(crate) fn from(
    meta: &ParseNestedMeta<'_>,
    key: &str,
    errors: &mut Errors,
) -> syn::Result<Vec<Old>> {
    require_list(meta, &format!("{key}(1 = Type)"))?;
    let content;
    parenthesized!(content in meta.input);
    let mut from = Vec::new();
    while !content.is_empty() {
        match old(&content, key) {
            Ok(old) => from.push(old),
            Err(error) => errors.push(error),
        }
        skip_value(&content)?;
        if !content.is_empty() {
            content.parse::<Token![,]>()?;
        }
    }
    Ok(from)
}

fn old(input: ParseStream<'_>, key: &str) -> syn::Result<Old> {
    let version = version(input)?;
    if !input.peek(Token![=]) || input.peek(Token![=>]) {
        let number = version.number;
        return Err(syn::Error::new(
            version.span,
            format!("expected the type of version {number}: `{key}({number} = Type)`"),
        ));
    }
    input.parse::<Token![=]>()?;
    let content = input.parse()?;
    let mut step = Hop::From;
    if input.peek(Token![=>]) {
        input.parse::<Token![=>]>()?;
        step = hop(input)?;
    }
    if !input.is_empty() && !input.peek(Token![,]) {
        return Err(input.error("expected `,`, `=> path` or `=> try path`"));
    }
    Ok(Old { version, content, hop: step })
}

pub(crate) fn hop(input: ParseStream<'_>) -> syn::Result<Hop> {
    if input.peek(Token![try]) {
        input.parse::<Token![try]>()?;
        return Ok(Hop::TryFunction(function(input)?));
    }
    Ok(Hop::Function(function(input)?))
}

/// The path of a function, in the form that expressions need: `Type::<T>::function`.
pub(crate) fn function(input: ParseStream<'_>) -> syn::Result<TypePath> {
    if input.peek(Token![|]) || input.peek(Token![move]) || input.peek(LitStr) {
        return Err(input.error("expected the path of a function, as in `path::to::function`"));
    }
    let mut function: TypePath = input.parse()?;
    for segment in &mut function.path.segments {
        if let PathArguments::AngleBracketed(arguments) = &mut segment.arguments {
            arguments.colon2_token.get_or_insert_default();
        }
    }
    Ok(function)
}

pub(crate) fn crate_path(meta: &ParseNestedMeta<'_>) -> syn::Result<Path> {
    let input = value(meta, "crate = path::to::ministate")?;
    if input.peek(LitStr) {
        return Err(input.error("expected a path, without quotes: `crate = path::to::ministate`"));
    }
    Path::parse_mod_style(input)
}

pub(crate) const LOCK: &str = "lock = \"schema/bank.lock.jsonl\"";

/// The path of the schema lock, from the crate's directory.
pub(crate) fn lock(input: ParseStream<'_>) -> syn::Result<LitStr> {
    if !input.peek(LitStr) {
        return Err(input.error(format!("expected a path in quotes, as in `{LOCK}`")));
    }
    let path: LitStr = input.parse()?;
    if !path.value().ends_with(".jsonl") {
        return Err(syn::Error::new(
            path.span(),
            format!("a schema lock is a file of JSON lines; let its name end so, as in `{LOCK}`"),
        ));
    }
    Ok(path)
}

/// `sample("{..}", "{..}")`
pub(crate) fn samples(meta: &ParseNestedMeta<'_>) -> syn::Result<Vec<LitStr>> {
    list(meta, "sample(r#\"{\"cents\":5}\"#)", |input| {
        if input.peek(LitStr) {
            return input.parse::<LitStr>();
        }
        Err(input.error("expected a string literal: a sample is the payload's JSON"))
    })
}
