//! A handler as far as the macro has to understand it.

use proc_macro2::{Delimiter, Group, TokenTree};
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, FnArg, PatType, Signature, Visibility};

/// A function whose body is not looked into: it may be half typed, and an editor
/// still completes it; and the compiler reads it once, not twice.
pub(crate) struct Handler {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    pub(crate) signature: Signature,
    pub(crate) body: Group,
}

impl Parse for Handler {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        Ok(Self {
            attributes: input.call(Attribute::parse_outer)?,
            visibility: input.parse()?,
            signature: input.parse()?,
            body: body(input.parse()?)?,
        })
    }
}

/// The braces of the body. If another macro has put them there, an invisible group
/// stands around them.
fn body(tokens: TokenTree) -> syn::Result<Group> {
    match tokens {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Ok(group),
        TokenTree::Group(group) if group.delimiter() == Delimiter::None => {
            body(syn::parse2(group.stream())?)
        }
        other => Err(syn::Error::new(other.span(), "expected the body")),
    }
}

impl Handler {
    /// The arguments, without `self`.
    pub(crate) fn arguments(&self) -> impl Iterator<Item = &PatType> {
        self.signature
            .inputs
            .iter()
            .filter_map(|input| match input {
                FnArg::Typed(argument) => Some(argument),
                FnArg::Receiver(_) => None,
            })
    }

    /// Other annotations of the same handler.
    pub(crate) fn annotations(&self) -> impl Iterator<Item = &Attribute> {
        self.attributes
            .iter()
            .filter(|attribute| is_annotation(attribute))
    }

    /// Whether there are attributes that are macros themselves, and so may change
    /// the handler.
    pub(crate) fn awaits_other_macros(&self) -> bool {
        !self.attributes.iter().all(is_inert)
    }
}

pub(crate) fn is_annotation(attribute: &Attribute) -> bool {
    attribute
        .path()
        .segments
        .last()
        .is_some_and(|last| last.ident == "audited")
}

/// Whether an attribute is the compiler's own, or a tool's. See the reference on
/// [built-in attributes](https://doc.rust-lang.org/reference/attributes.html#built-in-attributes-index).
fn is_inert(attribute: &Attribute) -> bool {
    const BUILT_IN: [&str; 15] = [
        "allow",
        "cfg",
        "cold",
        "coverage",
        "deny",
        "deprecated",
        "doc",
        "expect",
        "forbid",
        "inline",
        "must_use",
        "no_mangle",
        "optimize",
        "track_caller",
        "warn",
    ];
    const TOOLS: [&str; 4] = ["clippy", "diagnostic", "rust_analyzer", "rustfmt"];
    let path = attribute.path();
    let Some(first) = path.segments.first() else {
        return false;
    };
    let names: &[&str] = if path.segments.len() == 1 {
        &BUILT_IN
    } else {
        &TOOLS
    };
    names.iter().any(|name| first.ident == name)
}
