//! What is the enum, as the rest of the macro sees it?

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::{Attribute, Data, DeriveInput, Fields, Generics, Ident, LitStr, Path, Type, TypePath};

use crate::attr::{self, RetiredKeys};
use crate::errors::Errors;
use crate::value::{History, Name, Version};

pub(crate) struct Input<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) generics: &'a Generics,
    pub(crate) attributes: &'a [Attribute],
    pub(crate) state: Option<Type>,
    pub(crate) state_version: Version,
    pub(crate) state_history: History,
    pub(crate) lock: Option<LitStr>,
    pub(crate) pin_handlers: Option<Span>,
    pub(crate) output: Option<Type>,
    pub(crate) retired: Vec<RetiredKeys>,
    pub(crate) reserved: Vec<Name>,
    pub(crate) ministate: Path,
    pub(crate) variants: Vec<Variant<'a>>,
    /// The enum's attribute was not wholly understood, so the state's versions are not judged.
    pub(crate) broken: bool,
}

pub(crate) struct Variant<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) attributes: &'a [Attribute],
    pub(crate) fields: &'a Fields,
    pub(crate) tag: Name,
    pub(crate) tag_is_given: bool,
    pub(crate) version: Version,
    pub(crate) history: History,
    pub(crate) aliases: Vec<Name>,
    pub(crate) handler: Handler<'a>,
    pub(crate) samples: Vec<LitStr>,
    /// The attribute was not wholly understood, so its tags and versions are not judged.
    pub(crate) broken: bool,
}

/// What runs for a variant.
pub(crate) enum Handler<'a> {
    /// A method of the state; by its name, as it may be one that Rust cannot say.
    Method(String),
    /// `apply = path`
    Function(TypePath),
    /// `Operation::execute` of the payload.
    Operation(&'a Type),
}

impl<'a> Input<'a> {
    pub(crate) fn read(input: &'a DeriveInput, errors: &mut Errors) -> Self {
        let keys = attr::enum_keys(&input.attrs, errors);
        let mut variants = Vec::new();
        match &input.data {
            Data::Enum(data) => {
                if data.variants.is_empty() {
                    errors.on(
                        &input.ident,
                        "an enum without variants journals nothing; add one \
                         variant per operation",
                    );
                }
                variants.extend(data.variants.iter().map(|variant| Variant::read(variant, errors)));
            }
            Data::Struct(data) => not_an_enum(data.struct_token.span, errors),
            Data::Union(data) => not_an_enum(data.union_token.span, errors),
        }
        // Keys of the enum in the attribute of variants are a mistake of their own.
        let misspelt = input.attrs.iter().any(|attribute| attribute.path().is_ident("mutation"));
        let silent = keys.broken || misspelt || !matches!(input.data, Data::Enum(_));
        if keys.state.is_none() && !silent {
            let name = &input.ident;
            errors.on(
                name,
                format!(
                    "`#[derive(Mutations)]` does not know which state `{name}` \
                     changes; add `#[mutations(state = YourState)]`",
                ),
            );
        }
        Input {
            ident: &input.ident,
            generics: &input.generics,
            attributes: &input.attrs,
            state: keys.state,
            state_version: keys
                .state_version
                .unwrap_or(Version { number: 1, span: input.ident.span() }),
            state_history: keys.state_history,
            lock: keys.lock,
            pin_handlers: keys.pin_handlers,
            output: keys.output,
            retired: keys.retired,
            reserved: keys.reserved,
            ministate: keys.ministate.unwrap_or_else(|| syn::parse_quote!(::ministate)),
            variants,
            broken: keys.broken,
        }
    }

    /// The operations that are payload types of their own, with their variants.
    pub(crate) fn payloads(&self) -> impl Iterator<Item = (&Variant<'a>, &'a Type)> {
        self.variants.iter().filter_map(|variant| match variant.handler {
            Handler::Operation(payload) => Some((variant, payload)),
            Handler::Method(_) | Handler::Function(_) => None,
        })
    }

    /// Whether the tokens name one of the enum's type parameters.
    pub(crate) fn is_generic(&self, tokens: impl ToTokens) -> bool {
        names_any(tokens.into_token_stream(), &|ident| {
            self.generics.type_params().any(|parameter| parameter.ident == *ident)
        })
    }

    /// Whether nothing but the caller decides what type this is, so that it may be the enum itself.
    pub(crate) fn is_parameter(&self, payload: &Type) -> bool {
        let TypePath { qself, path, .. } = match payload {
            Type::Path(payload) => payload,
            // What a `macro_rules` macro was given as `$name:ty`.
            Type::Group(group) => return self.is_parameter(&group.elem),
            _ => return false,
        };
        let first = path.segments.first().map(|segment| &segment.ident);
        let leads = |parameter: &syn::TypeParam| Some(&parameter.ident) == first;
        match qself {
            Some(_) => self.is_generic(payload),
            None => self.generics.type_params().any(leads),
        }
    }
}

fn not_an_enum(span: Span, errors: &mut Errors) {
    errors.at(span, "`#[derive(Mutations)]` works on enums: one variant per operation");
}

fn names_any(tokens: TokenStream, wanted: &dyn Fn(&Ident) -> bool) -> bool {
    tokens.into_iter().any(|token| match token {
        proc_macro2::TokenTree::Ident(ident) => wanted(&ident),
        proc_macro2::TokenTree::Group(group) => names_any(group.stream(), wanted),
        _ => false,
    })
}

impl<'a> Variant<'a> {
    fn read(variant: &'a syn::Variant, errors: &mut Errors) -> Self {
        let keys = attr::variant_keys(&variant.attrs, errors);
        let span = variant.ident.span();
        let snake_case = snake_case(&variant.ident.unraw().to_string());
        let handler = match (keys.apply, &variant.fields) {
            (Some(function), _) => Handler::Function(function),
            (None, fields) => match only_unnamed(fields) {
                Some(payload) => Handler::Operation(payload),
                None => Handler::Method(snake_case.clone()),
            },
        };
        Variant {
            ident: &variant.ident,
            attributes: &variant.attrs,
            fields: &variant.fields,
            tag_is_given: keys.tag.is_some(),
            tag: keys.tag.unwrap_or(Name { text: snake_case, span }),
            version: keys.version.unwrap_or(Version { number: 1, span }),
            history: keys.history,
            aliases: keys.aliases,
            handler,
            samples: keys.samples,
            broken: keys.broken,
        }
    }

    /// The type of the payload, if the variant is nothing but a name for it.
    pub(crate) fn payload(&self) -> Option<&'a Type> {
        only_unnamed(self.fields)
    }
}

fn only_unnamed(fields: &Fields) -> Option<&Type> {
    match fields {
        Fields::Unnamed(fields) if fields.unnamed.len() == 1 => Some(&fields.unnamed[0].ty),
        _ => None,
    }
}

/// `HTTPPing` is `http_ping`, `Sha256Sum` is `sha256_sum`.
pub(crate) fn snake_case(name: &str) -> String {
    let name: Vec<char> = name.chars().collect();
    let mut snake = String::new();
    for (i, &letter) in name.iter().enumerate() {
        let before = i.checked_sub(1).map(|i| name[i]);
        let after = name.get(i + 1).copied();
        let starts_word = letter.is_uppercase()
            && before.is_some_and(|before| {
                let ends_acronym = before.is_uppercase() && after.is_some_and(char::is_lowercase);
                before.is_lowercase() || before.is_numeric() || ends_acronym
            });
        if starts_word {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}
