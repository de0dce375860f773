//! Which names may an operation bear in the journal?

use std::collections::BTreeMap;

use crate::errors::Errors;
use crate::input::{Input, Variant};
use crate::value::Name;

/// Who has a tag already.
enum Holder<'a> {
    Variant(&'a Variant<'a>),
    Alias(&'a Variant<'a>),
    Retired,
    Reserved,
}

pub(crate) fn check(input: &Input<'_>, errors: &mut Errors) {
    let mut holders = BTreeMap::new();
    for reserved in &input.reserved {
        characters(reserved, true, errors);
        if holders.insert(reserved.text.as_str(), Holder::Reserved).is_some() {
            errors.at(
                reserved.span,
                format!("tag `{}` is reserved twice; remove one", reserved.text),
            );
        }
    }
    for tag in input.retired.iter().filter_map(|retired| retired.tag.as_ref()) {
        characters(tag, true, errors);
        let text = tag.text.as_str();
        match holders.insert(text, Holder::Retired) {
            Some(Holder::Reserved) => errors.at(
                tag.span,
                format!(
                    "tag `{text}` is reserved, so it is never read; remove it from \
                     `reserved(..)` to retire it",
                ),
            ),
            Some(_) => errors.at(
                tag.span,
                format!(
                    "tag `{text}` is retired twice; list all its versions in one `retired(..)`",
                ),
            ),
            None => {}
        }
    }
    let judged = || input.variants.iter().filter(|variant| !variant.broken);
    // All tags come before all aliases, so that an alias is blamed wherever it stands.
    for variant in judged() {
        characters(&variant.tag, variant.tag_is_given, errors);
        let text = variant.tag.text.as_str();
        let message = match holders.get(text) {
            Some(Holder::Variant(other) | Holder::Alias(other)) => format!(
                "tag `{text}` is already used by variant `{}`; two operations \
                 cannot share a tag in the journal",
                other.ident,
            ),
            Some(Holder::Retired) => format!(
                "tag `{text}` was retired; reusing it would replay old records as `{}`",
                variant.ident,
            ),
            Some(Holder::Reserved) => format!(
                "tag `{text}` is reserved and may not return; give `{}` another \
                 with `tag = \"..\"`",
                variant.ident,
            ),
            None => {
                holders.insert(text, Holder::Variant(variant));
                continue;
            }
        };
        errors.at(variant.tag.span, message);
    }
    for variant in judged() {
        for alias in &variant.aliases {
            characters(alias, true, errors);
            let text = alias.text.as_str();
            let message = match holders.get(text) {
                Some(Holder::Variant(own)) if std::ptr::eq(*own, variant) => {
                    format!("alias `{text}` is the variant's own tag; remove it")
                }
                Some(Holder::Variant(other)) => format!(
                    "alias `{text}` is also the tag of `{}`; a record of it could be either",
                    other.ident,
                ),
                Some(Holder::Alias(other)) => {
                    format!("alias `{text}` is already an alias of `{}`; remove one", other.ident)
                }
                Some(Holder::Retired) => {
                    format!(
                        "alias `{text}` was retired; remove its `retired(..)` to \
                         read it here"
                    )
                }
                Some(Holder::Reserved) => {
                    format!("alias `{text}` is reserved and may not return; choose another")
                }
                None => {
                    holders.insert(text, Holder::Alias(variant));
                    continue;
                }
            };
            errors.at(alias.span, message);
        }
    }
}

fn characters(tag: &Name, given: bool, errors: &mut Errors) {
    const LONGEST: usize = 64;
    let text = &tag.text;
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let way_out = if given { "" } else { "; add `#[mutation(tag = \"..\")]`" };
    let rule = if text.contains(['$', '@']) {
        "`$` and `@` are reserved in tags"
    } else if !text.chars().all(allowed) {
        "tags are made of ASCII letters, digits, `_`, `.` and `-`"
    } else if text.is_empty() || text.len() > LONGEST {
        "tags have 1 to 64 characters"
    } else {
        return;
    };
    errors.at(tag.span, format!("`{}` cannot be a tag: {rule}{way_out}", text.escape_default()));
}
