//! What the JSON of a type looks like, in terms of what is hidden in it.
//!
//! When in doubt a description says more than is there: one that does not fit the
//! text hides nothing, and one that is missing would show a secret.

use syn::Type;

use super::class::Class;
use super::item::{Body, Content, Field, Form, Item, Tagging, Variant};

/// `audit`'s own `Shape`, before it is written down.
#[derive(Clone)]
pub(super) enum Shape<'item> {
    Open,
    Object(Vec<(&'item [String], Shape<'item>)>),
    Tuple(Vec<Shape<'item>>),
    Each(Box<Shape<'item>>),
    AllOf(Vec<Shape<'item>>),
    Treated(&'static str),
    /// Whatever this type says about itself.
    Of(&'item Type),
}

pub(super) fn describe(item: &Item) -> Shape<'_> {
    let own = match &item.data {
        Content::Struct(body) => content(body, 0),
        Content::Enum(tagging, variants) => variants_of(tagging, variants),
    };
    // Its own fields count even if another type stands for it both ways: somebody
    // who classified them meant it.
    all_of(item.others().map(Shape::Of).chain([own]))
}

fn variants_of<'item>(tagging: &'item Tagging, variants: &'item [Variant]) -> Shape<'item> {
    let variants = variants.iter().filter(|variant| !variant.skipped);
    let (untagged, tagged): (Vec<&Variant>, Vec<&Variant>) =
        variants.partition(|variant| variant.untagged || matches!(tagging, Tagging::Untagged));
    let contents = |place| all_of(tagged.iter().map(|variant| content(&variant.body, place)));
    let tagged = match tagging {
        Tagging::Untagged => Shape::Open,
        Tagging::External => object(
            tagged
                .iter()
                .map(|variant| (variant.names.as_slice(), content(&variant.body, 0))),
        ),
        // A list of values begins with the tag. What a newtype holds is a list of its
        // own elsewhere, and does not know that it is moved here: it is not found.
        Tagging::Internal => contents(1),
        Tagging::Adjacent { content } => {
            let contents = contents(0);
            all_of([
                object([(std::slice::from_ref(content), contents.clone())]),
                tuple([Shape::Open, contents]),
            ])
        }
    };
    all_of(
        untagged
            .iter()
            .map(|variant| content(&variant.body, 0))
            .chain([tagged]),
    )
}

/// The JSON of some fields; a list of them has the first one at `place`.
fn content(body: &Body, place: usize) -> Shape<'_> {
    let fields = &body.fields;
    match body.form {
        Form::Unit => Shape::Open,
        Form::Transparent => all_of(fields.iter().filter(|field| field.is_there()).map(value)),
        Form::Tuple => places(fields),
        Form::Named => all_of(
            [members(fields), list(fields, place)]
                .into_iter()
                .chain(fields.iter().filter(|field| field.flatten).map(value)),
        ),
    }
}

/// A secret that serde skips is described all the same: a client may send it, and a
/// record holds what was sent.
fn members(fields: &[Field]) -> Shape<'_> {
    object(
        fields
            .iter()
            .filter(|field| !field.flatten)
            .map(|field| (field.names.as_slice(), value(field))),
    )
}

/// serde reads a struct from a list of its values too, unless a field is flattened.
fn list(fields: &[Field], place: usize) -> Shape<'_> {
    if fields.iter().any(|field| field.flatten) {
        return Shape::Open;
    }
    let read = fields.iter().filter(|field| field.there.read);
    tuple(std::iter::repeat_n(Shape::Open, place).chain(read.map(value)))
}

/// What serde skips in a tuple has no place there, so that all behind it move up.
fn places(fields: &[Field]) -> Shape<'_> {
    let there = || fields.iter().filter(|field| field.is_there());
    if there().any(|field| field.varies || field.there.written != field.there.read) {
        return match all_of(there().map(value)) {
            Shape::Open => Shape::Open,
            any => Shape::Each(Box::new(any)),
        };
    }
    tuple(there().map(value))
}

fn value(field: &Field) -> Shape<'_> {
    match field.class {
        Some(Class::Treated(treatment)) => Shape::Treated(treatment),
        _ if field.is_looked_into() => Shape::Of(&field.ty),
        _ => Shape::Open,
    }
}

fn object<'item>(
    members: impl IntoIterator<Item = (&'item [String], Shape<'item>)>,
) -> Shape<'item> {
    let members: Vec<_> = members
        .into_iter()
        .filter(|(_, shape)| !matches!(shape, Shape::Open))
        .collect();
    if members.is_empty() {
        Shape::Open
    } else {
        Shape::Object(members)
    }
}

fn tuple<'item>(items: impl IntoIterator<Item = Shape<'item>>) -> Shape<'item> {
    let items: Vec<_> = items.into_iter().collect();
    if items.iter().all(|shape| matches!(shape, Shape::Open)) {
        Shape::Open
    } else {
        Shape::Tuple(items)
    }
}

fn all_of<'item>(shapes: impl IntoIterator<Item = Shape<'item>>) -> Shape<'item> {
    let mut all = Vec::new();
    for shape in shapes {
        match shape {
            Shape::Open => {}
            Shape::AllOf(shapes) => all.extend(shapes),
            shape => all.push(shape),
        }
    }
    match all.len() {
        0 => Shape::Open,
        1 => all.swap_remove(0),
        _ => Shape::AllOf(all),
    }
}
