//! The type that is described, as serde sees it.

use proc_macro2::Span;
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::{Data, DeriveInput, Fields, Type};

use super::class::{self, CHOICES, Class};
use super::convention::Convention;
use super::serde::{Serde, Ways};
use crate::mistakes::Mistakes;

pub(super) struct Item {
    pub(super) data: Content,
    /// The types that are written and read in its place.
    pub(super) other: Ways<Option<Type>>,
}

pub(super) enum Content {
    Struct(Body),
    Enum(Tagging, Vec<Variant>),
}

/// How a text says which variant it is.
pub(super) enum Tagging {
    External,
    Internal,
    Adjacent { content: String },
    Untagged,
}

pub(super) struct Variant {
    pub(super) names: Vec<String>,
    pub(super) untagged: bool,
    pub(super) skipped: bool,
    pub(super) body: Body,
}

/// What is between the braces or parentheses.
pub(super) struct Body {
    pub(super) form: Form,
    pub(super) fields: Vec<Field>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Named,
    /// The value of its one field, without anything around it.
    Transparent,
    Tuple,
    Unit,
}

pub(super) struct Field {
    /// What it is called in messages, and where it stands.
    label: String,
    span: Span,
    pub(super) names: Vec<String>,
    pub(super) ty: Type,
    pub(super) class: Option<Class>,
    pub(super) flatten: bool,
    /// Whether its value is in the JSON.
    pub(super) there: Ways<bool>,
    /// Whether it is left out now and then.
    pub(super) varies: bool,
    /// Whether functions of its own read and write it, so that its type need not be
    /// known.
    pub(super) foreign: bool,
    /// Whether it is read even when it is missing.
    default: bool,
}

impl Item {
    pub(super) fn read(input: &DeriveInput, mistakes: &mut Mistakes) -> Self {
        class::refuse(
            &input.attrs,
            "a type has no class: classify its fields",
            mistakes,
        );
        let serde = Serde::read(&input.attrs, mistakes);
        let data = match &input.data {
            Data::Struct(data) => {
                let mut body = Body::read(&data.fields, serde.rename_all, mistakes);
                body.is_struct(serde.transparent);
                Content::Struct(body)
            }
            Data::Enum(data) => {
                let variants = data
                    .variants
                    .iter()
                    .map(|variant| Variant::read(variant, &serde, mistakes))
                    .collect();
                Content::Enum(Tagging::read(&serde), variants)
            }
            Data::Union(data) => {
                mistakes.at(
                    data.union_token.span(),
                    "a union has no JSON: derive `Auditable` for a struct or an enum",
                );
                Content::Struct(Body {
                    form: Form::Unit,
                    fields: Vec::new(),
                })
            }
        };
        Self {
            data,
            other: serde.other,
        }
    }

    /// The fields whose values are in the JSON.
    pub(super) fn fields(&self) -> impl Iterator<Item = &Field> {
        let bodies: Vec<&Body> = match &self.data {
            _ if self.is_another() => Vec::new(),
            Content::Struct(body) => vec![body],
            Content::Enum(_, variants) => variants
                .iter()
                .filter(|variant| !variant.skipped)
                .map(|variant| &variant.body)
                .collect(),
        };
        bodies
            .into_iter()
            .flat_map(|body| &body.fields)
            .filter(|field| field.is_there())
    }

    /// The types in whose JSON this one is written or read.
    pub(super) fn others(&self) -> impl Iterator<Item = &Type> {
        self.other.written.iter().chain(&self.other.read)
    }

    /// Whether its own fields are neither written nor read.
    fn is_another(&self) -> bool {
        self.other.written.is_some() && self.other.read.is_some()
    }

    pub(super) fn is_classified(&self) -> bool {
        self.fields().all(Field::is_classified)
    }

    pub(super) fn demand_classes(&self, mistakes: &mut Mistakes) {
        for field in self.fields() {
            if !field.is_classified() {
                mistakes.at(
                    field.span,
                    format!("`{}` is not classified: say {CHOICES}", field.label),
                );
            }
        }
    }
}

impl Tagging {
    fn read(serde: &Serde) -> Self {
        match (&serde.tag, &serde.content) {
            _ if serde.untagged => Self::Untagged,
            (Some(_), Some(content)) => Self::Adjacent {
                content: content.clone(),
            },
            (Some(_), None) => Self::Internal,
            (None, _) => Self::External,
        }
    }
}

impl Variant {
    fn read(variant: &syn::Variant, container: &Serde, mistakes: &mut Mistakes) -> Self {
        class::refuse(
            &variant.attrs,
            "a variant has no class: classify its fields",
            mistakes,
        );
        let serde = Serde::read(&variant.attrs, mistakes);
        let conventions = serde.rename_all.or(container.rename_all_fields);
        let mut body = Body::read(&variant.fields, conventions, mistakes);
        for field in &mut body.fields {
            field.foreign |= serde.with.written && serde.with.read;
        }
        Self {
            names: names(
                &variant.ident.unraw().to_string(),
                &serde,
                container.rename_all,
                Convention::variant,
            ),
            untagged: serde.untagged,
            skipped: serde.skip.written && serde.skip.read,
            body,
        }
    }
}

impl Body {
    fn read(
        fields: &Fields,
        conventions: Ways<Option<Convention>>,
        mistakes: &mut Mistakes,
    ) -> Self {
        Self {
            form: match fields {
                Fields::Named(_) => Form::Named,
                Fields::Unnamed(fields) if fields.unnamed.len() == 1 => Form::Transparent,
                Fields::Unnamed(_) => Form::Tuple,
                Fields::Unit => Form::Unit,
            },
            fields: fields
                .iter()
                .enumerate()
                .map(|(place, field)| Field::read(place, field, conventions, mistakes))
                .collect(),
        }
    }

    /// What is true of structs, and not of variants.
    fn is_struct(&mut self, transparent: bool) {
        if self.form == Form::Transparent {
            // serde does not skip the field of a newtype, whatever it is told.
            for field in &mut self.fields {
                field.there = Ways {
                    written: true,
                    read: true,
                };
            }
        } else if transparent {
            self.form = Form::Transparent;
            for field in &mut self.fields {
                let holds = !is_phantom(&field.ty);
                field.there.written &= holds;
                field.there.read &= holds && !field.default;
            }
        }
    }
}

impl Field {
    fn read(
        place: usize,
        field: &syn::Field,
        conventions: Ways<Option<Convention>>,
        mistakes: &mut Mistakes,
    ) -> Self {
        let class = class::of(&field.attrs, mistakes);
        let serde = Serde::read(&field.attrs, mistakes);
        let (label, span) = match &field.ident {
            Some(name) => (name.unraw().to_string(), name.span()),
            None => (place.to_string(), field.ty.span()),
        };
        if serde.flatten && matches!(class, Some(Class::Treated(_))) {
            mistakes.at(
                span,
                format!(
                    "`{label}` is flattened, and has no value of its own: classify the fields of its type"
                ),
            );
        }
        let there = Ways {
            written: !serde.skip.written,
            read: !serde.skip.read,
        };
        Self {
            names: names(&label, &serde, conventions, Convention::field),
            ty: field.ty.clone(),
            class,
            flatten: serde.flatten,
            there,
            varies: serde.skip_serializing_if,
            foreign: (serde.with.written || !there.written) && (serde.with.read || !there.read),
            default: serde.default,
            label,
            span,
        }
    }

    pub(super) fn is_there(&self) -> bool {
        self.there.written || self.there.read
    }

    /// Whether what its type says about itself counts.
    pub(super) fn is_looked_into(&self) -> bool {
        self.is_there() && !matches!(self.class, Some(Class::Treated(_)))
    }

    /// A `PhantomData` has nothing to hide.
    fn is_classified(&self) -> bool {
        self.class.is_some() || is_phantom(&self.ty)
    }
}

/// Everything that serde calls something, in whichever way.
fn names(
    own: &str,
    serde: &Serde,
    conventions: Ways<Option<Convention>>,
    apply: impl Fn(Convention, &str) -> String,
) -> Vec<String> {
    let by = |convention: Option<Convention>| {
        convention.map_or_else(|| own.to_owned(), |convention| apply(convention, own))
    };
    let mut names = Vec::new();
    for (said, convention) in [
        (&serde.rename.written, conventions.written),
        (&serde.rename.read, conventions.read),
    ] {
        if said.is_empty() {
            names.push(by(convention));
        }
        names.extend_from_slice(said);
    }
    names.extend_from_slice(&serde.alias);
    // Both ways mostly have the same name.
    let mut seen = std::collections::HashSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}

/// serde knows it by its name as well.
pub(super) fn is_phantom(ty: &Type) -> bool {
    match ty {
        Type::Group(group) => is_phantom(&group.elem),
        Type::Path(path) => path
            .path
            .segments
            .last()
            .is_some_and(|last| last.ident == "PhantomData"),
        _ => false,
    }
}
