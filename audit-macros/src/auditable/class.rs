//! What `#[audit(…)]` says about a field.

use crate::mistakes::Mistakes;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::{Attribute, Meta, Token};

/// What somebody who looked at a field says about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Harmless in itself; what its type says about itself still holds.
    Plain,
    /// Hidden in the way of this variant of `audit`'s own enum.
    Treated(&'static str),
}

const CLASSES: &[(&str, Class)] = &[
    ("plain", Class::Plain),
    ("secret", Class::Treated("Secret")),
    ("mask", Class::Treated("Mask")),
    ("hash", Class::Treated("Hash")),
    ("skip", Class::Treated("Skip")),
];

/// How to answer every question about a field.
pub(super) const CHOICES: &str =
    "`#[audit(plain)]`, or what hides it: `secret`, `mask`, `hash` or `skip`";

/// The class of a field, if it has one.
pub(super) fn of(attributes: &[Attribute], mistakes: &mut Mistakes) -> Option<Class> {
    let mut class = None;
    for meta in written(attributes, mistakes) {
        let Some((name, said)) = known(&meta, mistakes) else {
            continue;
        };
        if let Meta::List(_) | Meta::NameValue(_) = meta {
            mistakes.at(
                meta.span(),
                format!("`{name}` takes no value: write `#[audit({name})]`"),
            );
        }
        if class.is_some() {
            mistakes.at(
                meta.span(),
                format!("a field has one class: remove `{name}`, or the one before it"),
            );
        }
        class = class.or(Some(said));
    }
    class
}

/// Says where a class goes that stands where there is no field.
pub(super) fn refuse(attributes: &[Attribute], advice: &str, mistakes: &mut Mistakes) {
    for attribute in attributes {
        if attribute.path().is_ident("audit") {
            mistakes.at(attribute.path().span(), advice);
        }
    }
}

fn known(meta: &Meta, mistakes: &mut Mistakes) -> Option<(&'static str, Class)> {
    let found = CLASSES.iter().find(|(name, _)| meta.path().is_ident(name));
    if found.is_none() {
        mistakes.at(meta.path().span(), format!("unknown class: say {CHOICES}"));
    }
    found.copied()
}

/// All that stands between the parentheses of all the attributes.
fn written(attributes: &[Attribute], mistakes: &mut Mistakes) -> Vec<Meta> {
    let mut metas = Vec::new();
    for attribute in attributes {
        if !attribute.path().is_ident("audit") {
            continue;
        }
        let list = Punctuated::<Meta, Token![,]>::parse_terminated;
        match &attribute.meta {
            Meta::List(arguments) if !arguments.tokens.is_empty() => {
                match attribute.parse_args_with(list) {
                    Ok(written) => metas.extend(written),
                    Err(error) => {
                        mistakes.at(error.span(), format!("this is no class: say {CHOICES}"));
                    }
                }
            }
            _ => mistakes.at(
                attribute.path().span(),
                format!("the class is missing: say {CHOICES}"),
            ),
        }
    }
    metas
}
