//! What a type says about the secrets in its JSON.
//!
//! `#[derive(Auditable)]` does not serialise anything. It describes, as constant
//! data, which places in the JSON of a type are to be treated in which way, and
//! the redactor follows that description while it passes over the text. So the
//! text that is recorded is the one that was sent, whether or not the type would
//! have given it back in the same way, and a description costs nothing until
//! there is a text to compare it with.
//!
//! A description adds to the rules about names and never takes from them: what
//! either of them hides is hidden.

use std::collections::BTreeSet;

/// How the JSON of a type is built, as far as its secrets are concerned.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// Nothing is known of it: names and contents decide.
    Open,
    /// An object, of which these members are known. Should there be an array in its
    /// place, from which structs are read too, its items may be any of them.
    Object(&'static [Member]),
    /// An array, whose items are known by their places.
    Tuple(&'static [Nested]),
    /// An array or an object, whose items or values are all alike.
    Each(Nested),
    /// All of these apply to it at once; where they disagree, the strictest wins.
    /// So are described the variants of an enum, of which a text does not always
    /// say which one it is, and structs that share one object.
    AllOf(&'static [Nested]),
    /// The value as a whole is treated in this way.
    Treated(Treatment),
}

impl Shape {
    /// Whether anything in it is treated, at any depth. A type may hold itself, so
    /// every shape is looked at once; of one that never ends it is assumed.
    pub(crate) fn holds_secrets(&'static self) -> bool {
        const SHAPES_MAX: usize = 4096;
        let mut seen = BTreeSet::new();
        let mut left = vec![self];
        while let Some(shape) = left.pop() {
            if !seen.insert(std::ptr::from_ref(shape).addr()) {
                continue;
            }
            if seen.len() > SHAPES_MAX {
                return true;
            }
            match shape {
                Self::Treated(_) => return true,
                Self::Open => {}
                Self::Object(members) => left.extend(members.iter().map(|member| (member.shape)())),
                Self::Tuple(nested) | Self::AllOf(nested) => {
                    left.extend(nested.iter().map(|shape| shape()));
                }
                Self::Each(nested) => left.push(nested()),
            }
        }
        false
    }
}

/// The shape of something within another shape. A function rather than a
/// reference, so that a type may hold itself.
pub type Nested = fn() -> &'static Shape;

/// A known member of an object.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// What it may be called: when it is read, when it is written, and by its
    /// aliases.
    pub names: &'static [&'static str],
    /// The shape of its value.
    pub shape: Nested,
}

/// What a record shows of a value, from the mildest to the strictest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Treatment {
    /// The last characters of a string or number, if it is long: four of at least
    /// twelve, two of at least eight.
    Mask,
    /// A keyed hash, so that equal values can be found without being seen.
    Hash,
    /// That it was there.
    Secret,
    /// Nothing: the member is left out, with its name. Where it is no member but an
    /// item or the whole text, that it was there.
    Skip,
}

impl Treatment {
    /// What it is called in explanations.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mask => "mask",
            Self::Hash => "hash",
            Self::Secret => "secret",
            Self::Skip => "skip",
        }
    }
}
