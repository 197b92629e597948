//! `#[derive(Auditable)]`: where in the JSON of a type its secrets are.
//!
//! A derivation goes through these steps, each a file: `item` reads the type, with
//! the help of `class`, which knows `#[audit(…)]`, and of `serde` and `convention`,
//! which know what serde makes of names; `describe` says what the JSON looks like;
//! `bounds` says of which type parameters that depends; and `expand` writes it down.

mod bounds;
mod class;
mod convention;
mod describe;
mod expand;
mod item;
mod serde;

use proc_macro2::TokenStream;
use syn::DeriveInput;

use crate::mistakes::Mistakes;
use item::Item;

/// What is asked of fields without a class.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strictness {
    /// Nothing: names decide.
    Lenient,
    /// They are mistakes.
    Strict,
}

pub(crate) fn derive(input: &DeriveInput, strictness: Strictness) -> TokenStream {
    let mut mistakes = Mistakes::default();
    let item = Item::read(input, &mut mistakes);
    if strictness == Strictness::Strict {
        item.demand_classes(&mut mistakes);
    }
    match mistakes.into_error() {
        None => expand::expand(input, &item, strictness),
        Some(errors) => expand::stand_in(input, &errors),
    }
}
