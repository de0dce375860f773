//! All mutants of a file in one text: each is a branch that an environment variable switches on.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use proc_macro2::Span;
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::Mutant;

/// A place in a file, as `cargo mutants` counts it: lines and columns from 1.
pub(crate) type Place = (usize, usize);

/// What stands in the text in place of an expression, a function's body or an arm's guard.
struct Site {
    range: Range<usize>,
    /// Numbers of mutants, and their texts in place of the range.
    instead: Vec<(usize, String)>,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Body,
    Expression,
    /// A place behind a pattern, or a guard, that lets the arm be passed over.
    Arm,
}

struct Finder<'a> {
    text: &'a str,
    lines: Vec<usize>,
    wanted: BTreeMap<(Place, Place), Vec<(usize, &'a Mutant)>>,
    sites: Vec<Site>,
}

/// The file with the mutants in it, and the numbers of those that are in it.
pub(crate) fn instrument(text: &str, mutants: &[(usize, &Mutant)]) -> (String, BTreeSet<usize>) {
    let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
    let mut finder = Finder { text, lines, wanted: BTreeMap::new(), sites: Vec::new() };
    for (number, mutant) in mutants {
        finder.wanted.entry((mutant.start, mutant.end)).or_default().push((*number, mutant));
    }
    finder.visit_file(&syn::parse_file(text).expect("the sources compile"));
    let mut sites = finder.sites;
    let found = sites.iter().flat_map(|site| site.instead.iter().map(|(number, _)| *number));
    let found = found.collect();
    // The outer ones first.
    sites.sort_by_key(|site| (site.range.start, std::cmp::Reverse(site.range.end)));
    let mut out = String::new();
    render(text, 0..text.len(), &sites, &mut out);
    (out, found)
}

fn render(text: &str, range: Range<usize>, mut sites: &[Site], out: &mut String) {
    let mut at = range.start;
    while let [site, rest @ ..] = sites {
        let inner = rest.iter().take_while(|inner| inner.range.end <= site.range.end).count();
        let (inside, behind) = rest.split_at(inner);
        out.push_str(&text[at..site.range.start]);
        let mut original = String::new();
        render(text, site.range.clone(), inside, &mut original);
        site.write(&original, out);
        at = site.range.end;
        sites = behind;
    }
    out.push_str(&text[at..range.end]);
}

impl Site {
    /// Each mutant on a line of its own, by which an error of the compiler names it.
    fn write(&self, original: &str, out: &mut String) {
        match self.kind {
            Kind::Body => {
                for (number, instead) in &self.instead {
                    let when = format!("if crate::mutant::is({number})");
                    out.push_str(&format!(
                        "\n{when} {{ return {instead}; }} /*mutant {number}*/\n"
                    ));
                }
                out.push_str(original);
            }
            Kind::Expression => {
                out.push_str("(match crate::mutant::now() {");
                for (number, instead) in &self.instead {
                    out.push_str(&format!("\n{number} => {{ {instead} }} /*mutant {number}*/\n"));
                }
                out.push_str(&format!("_ => {{ {original} }} }})"));
            }
            Kind::Arm => {
                let number = self.instead[0].0;
                let guard = if original.is_empty() { "true" } else { original };
                let when = if original.is_empty() { " if" } else { "" };
                out.push_str(&format!(
                    "{when} \n!crate::mutant::is({number}) /*mutant {number}*/\n && ({guard})"
                ));
            }
        }
    }
}

impl<'a> Finder<'a> {
    fn range(&self, span: Span) -> Range<usize> {
        let at = |place: proc_macro2::LineColumn| {
            let line = self.lines[place.line - 1];
            let column = self.text[line..].char_indices().nth(place.column);
            column.map_or(self.text.len(), |(bytes, _)| line + bytes)
        };
        at(span.start())..at(span.end())
    }

    fn take(&mut self, span: Span) -> Vec<(usize, &'a Mutant)> {
        self.take_between(span, span)
    }

    fn take_between(&mut self, first: Span, last: Span) -> Vec<(usize, &'a Mutant)> {
        let place = |place: proc_macro2::LineColumn| (place.line, place.column + 1);
        self.wanted.remove(&(place(first.start()), place(last.end()))).unwrap_or_default()
    }

    fn replace(&mut self, kind: Kind, whole: Span, instead: Vec<(usize, String)>) {
        if !instead.is_empty() {
            let range = self.range(whole);
            self.sites.push(Site { range, instead, kind });
        }
    }

    fn pass_over(&mut self, arm: &syn::Arm) {
        for (number, _) in self.take(arm.span()) {
            let instead = vec![(number, String::new())];
            match &arm.pat {
                syn::Pat::Guard(guarded) => {
                    self.replace(Kind::Arm, guarded.guard.span(), instead);
                }
                _ => {
                    let end = self.range(arm.pat.span()).end;
                    self.sites.push(Site { range: end..end, instead, kind: Kind::Arm });
                }
            }
        }
    }

    fn body(&mut self, output: &syn::ReturnType, block: &syn::Block) {
        // Its branches would have to have one type.
        if output.to_token_stream().to_string().contains("impl ") {
            return;
        }
        let (Some(first), Some(last)) = (block.stmts.first(), block.stmts.last()) else {
            return;
        };
        let (from, to) = (self.range(first.span()), self.range(last.span()));
        let mutants = self.take_between(first.span(), last.span());
        if !mutants.is_empty() {
            let instead = mutants
                .into_iter()
                .map(|(number, mutant)| (number, mutant.replacement.clone()))
                .collect();
            self.sites.push(Site { range: from.start..to.end, instead, kind: Kind::Body });
        }
    }
}

fn has_let(expr: &syn::Expr) -> bool {
    struct Found(bool);
    impl Visit<'_> for Found {
        fn visit_expr_let(&mut self, _: &syn::ExprLet) {
            self.0 = true;
        }
        fn visit_block(&mut self, _: &syn::Block) {}
    }
    let mut found = Found(false);
    found.visit_expr(expr);
    found.0
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.body(&item.sig.output, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.body(&item.sig.output, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.body(&item.sig.output, block);
        }
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_expr_binary(&mut self, expr: &'ast syn::ExprBinary) {
        if !has_let(&expr.left) && !has_let(&expr.right) {
            let (left, right) = (expr.left.to_token_stream(), expr.right.to_token_stream());
            let mutants = self.take(expr.op.span());
            let instead = mutants.into_iter().map(|(number, mutant)| {
                (number, format!("({left}) {} ({right})", mutant.replacement))
            });
            let instead = instead.collect();
            self.replace(Kind::Expression, expr.span(), instead);
        }
        visit::visit_expr_binary(self, expr);
    }

    fn visit_expr_struct(&mut self, expr: &'ast syn::ExprStruct) {
        for (index, pair) in expr.fields.pairs().enumerate() {
            let end = pair.punct().map_or(pair.value().span(), Spanned::span);
            let mutants = self.take_between(pair.value().span(), end);
            let mut without = expr.clone();
            let others = expr.fields.iter().enumerate().filter(|(at, _)| *at != index);
            without.fields = others.map(|(_, field)| field.clone()).collect();
            if !without.fields.is_empty() {
                without.fields.push_punct(Default::default());
            }
            let instead = mutants
                .into_iter()
                .map(|(number, _)| (number, without.to_token_stream().to_string()));
            let instead = instead.collect();
            self.replace(Kind::Expression, expr.span(), instead);
        }
        visit::visit_expr_struct(self, expr);
    }

    // A constant is the same for all mutants.
    fn visit_item_const(&mut self, _: &'ast syn::ItemConst) {}

    fn visit_impl_item_const(&mut self, _: &'ast syn::ImplItemConst) {}

    fn visit_item_static(&mut self, _: &'ast syn::ItemStatic) {}

    fn visit_expr_unary(&mut self, expr: &'ast syn::ExprUnary) {
        let operand = expr.expr.to_token_stream();
        let mutants = self.take(expr.op.span());
        let instead = mutants
            .into_iter()
            .map(|(number, mutant)| (number, format!("{} ({operand})", mutant.replacement)));
        let instead = instead.collect();
        self.replace(Kind::Expression, expr.span(), instead);
        visit::visit_expr_unary(self, expr);
    }

    fn visit_expr_match(&mut self, expr: &'ast syn::ExprMatch) {
        let whole = expr.arms.iter().any(|arm| matches!(arm.pat, syn::Pat::Wild(_)));
        // Without it the compiler asks for the arm.
        if whole {
            expr.arms.iter().for_each(|arm| self.pass_over(arm));
        }
        visit::visit_expr_match(self, expr);
    }

    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        if let syn::Pat::Guard(guarded) = &arm.pat {
            let guard = &guarded.guard;
            let mutants = self.take(guard.span());
            let instead = mutants
                .into_iter()
                .map(|(number, mutant)| (number, mutant.replacement.clone()))
                .collect();
            self.replace(Kind::Expression, guard.span(), instead);
        }
        visit::visit_arm(self, arm);
    }
}
