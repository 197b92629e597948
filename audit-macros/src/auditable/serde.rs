//! What `#[serde(…)]` says about the JSON of a type.
//!
//! serde itself complains of what it does not know, so what is unknown here is
//! passed over; it may be newer than this file.

use syn::meta::ParseNestedMeta;
use syn::{Attribute, Expr, LitStr, Meta, Token, Type, parenthesized};

use super::convention::Convention;
use crate::mistakes::Mistakes;

/// Something that may differ between the JSON that is written and that which is read.
#[derive(Clone, Copy, Default)]
pub(super) struct Ways<T> {
    pub(super) written: T,
    pub(super) read: T,
}

impl<T> Ways<Option<T>> {
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            written: self.written.or(other.written),
            read: self.read.or(other.read),
        }
    }
}

/// The attributes of a type, a variant or a field. A key means the same wherever it
/// may stand, and serde watches where that is.
#[derive(Default)]
pub(super) struct Serde {
    pub(super) rename: Ways<Vec<String>>,
    pub(super) rename_all: Ways<Option<Convention>>,
    pub(super) rename_all_fields: Ways<Option<Convention>>,
    pub(super) alias: Vec<String>,
    pub(super) skip: Ways<bool>,
    /// Whether a function of its own stands in the place of the type's impl.
    pub(super) with: Ways<bool>,
    pub(super) skip_serializing_if: bool,
    pub(super) default: bool,
    pub(super) flatten: bool,
    pub(super) transparent: bool,
    pub(super) untagged: bool,
    pub(super) tag: Option<String>,
    pub(super) content: Option<String>,
    /// The other type that is written (`into`) or read (`from`, `try_from`).
    pub(super) other: Ways<Option<Type>>,
}

impl Serde {
    pub(super) fn read(attributes: &[Attribute], mistakes: &mut Mistakes) -> Self {
        let mut serde = Self::default();
        for attribute in attributes {
            let Meta::List(list) = &attribute.meta else {
                continue;
            };
            if !list.path.is_ident("serde") || list.tokens.is_empty() {
                continue;
            }
            if let Err(error) = attribute.parse_nested_meta(|meta| serde.take(&meta)) {
                mistakes.add(error);
            }
        }
        serde
    }

    fn take(&mut self, meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
        let key = meta.path.get_ident().map(ToString::to_string);
        match key.as_deref().unwrap_or_default() {
            "rename" => {
                let names = ways(meta)?;
                self.rename.written.extend(texts(names.written));
                self.rename.read.extend(texts(names.read));
            }
            "rename_all" => self.rename_all = conventions(meta)?,
            "rename_all_fields" => self.rename_all_fields = conventions(meta)?,
            "alias" => self.alias.push(text(meta)?.value()),
            "skip" => {
                self.skip = Ways {
                    written: true,
                    read: true,
                }
            }
            "skip_serializing" => self.skip.written = true,
            "skip_deserializing" => self.skip.read = true,
            "with" => {
                self.with = Ways {
                    written: true,
                    read: true,
                };
                pass_over(meta)?;
            }
            "serialize_with" => {
                self.with.written = true;
                pass_over(meta)?;
            }
            "deserialize_with" => {
                self.with.read = true;
                pass_over(meta)?;
            }
            "skip_serializing_if" => {
                self.skip_serializing_if = true;
                pass_over(meta)?;
            }
            "default" => {
                self.default = true;
                pass_over(meta)?;
            }
            "flatten" => self.flatten = true,
            "transparent" => self.transparent = true,
            "untagged" => self.untagged = true,
            "tag" => self.tag = Some(text(meta)?.value()),
            "content" => self.content = Some(text(meta)?.value()),
            "into" => self.other.written = Some(text(meta)?.parse()?),
            "from" | "try_from" => self.other.read = Some(text(meta)?.parse()?),
            _ => pass_over(meta)?,
        }
        Ok(())
    }
}

/// `key = "…"`.
fn text(meta: &ParseNestedMeta<'_>) -> syn::Result<LitStr> {
    meta.value()?.parse()
}

fn texts(literals: Vec<LitStr>) -> impl Iterator<Item = String> {
    literals.into_iter().map(|literal| literal.value())
}

/// `key = "…"` for both ways, or `key(serialize = "…", deserialize = "…")`, where
/// one of them may be missing and the second may be repeated.
fn ways(meta: &ParseNestedMeta<'_>) -> syn::Result<Ways<Vec<LitStr>>> {
    if meta.input.peek(Token![=]) {
        let both = vec![text(meta)?];
        return Ok(Ways {
            written: both.clone(),
            read: both,
        });
    }
    let mut ways = Ways::<Vec<LitStr>>::default();
    meta.parse_nested_meta(|way| {
        if way.path.is_ident("serialize") {
            ways.written.push(text(&way)?);
        } else if way.path.is_ident("deserialize") {
            ways.read.push(text(&way)?);
        } else {
            pass_over(&way)?;
        }
        Ok(())
    })?;
    Ok(ways)
}

fn conventions(meta: &ParseNestedMeta<'_>) -> syn::Result<Ways<Option<Convention>>> {
    let ways = ways(meta)?;
    Ok(Ways {
        written: ways.written.first().map(convention).transpose()?,
        read: ways.read.first().map(convention).transpose()?,
    })
}

/// A convention that is unknown here is a mistake, as it would be a secret under an
/// unknown name.
fn convention(literal: &LitStr) -> syn::Result<Convention> {
    Convention::called(&literal.value()).ok_or_else(|| {
        syn::Error::new(
            literal.span(),
            "unknown convention: names in this JSON cannot be told, so no secret would be found",
        )
    })
}

/// A value, or what stands in parentheses, or nothing.
fn pass_over(meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
    if meta.input.peek(Token![=]) {
        meta.value()?.parse::<Expr>()?;
    } else if meta.input.peek(syn::token::Paren) {
        let content;
        parenthesized!(content in meta.input);
        content.parse::<proc_macro2::TokenStream>()?;
    }
    Ok(())
}
