//! The impls that are written.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::spanned::Spanned as _;
use syn::{
    Attribute, Data, DeriveInput, Ident, Meta, WherePredicate, parse_quote, parse_quote_spanned,
};

use super::describe::{self, Shape};
use super::item::Item;
use super::{Strictness, bounds};

pub(super) fn expand(input: &DeriveInput, item: &Item, strictness: Strictness) -> TokenStream {
    let auditable = auditable(input, item);
    let classified = item
        .is_classified()
        .then(|| classified(input, item, strictness));
    quote!(#auditable #classified)
}

/// The errors, and impls that say nothing: without them, every place that needs one
/// would be an error as well.
pub(super) fn stand_in(input: &DeriveInput, errors: &syn::Error) -> TokenStream {
    let errors = errors.to_compile_error();
    let name = &input.ident;
    let (parameters, arguments, condition) = input.generics.split_for_impl();
    quote! {
        #errors
        #[automatically_derived]
        impl #parameters ::audit::Auditable for #name #arguments #condition {
            const SHAPE: &'static ::audit::__private::Shape = &::audit::__private::Shape::Open;
        }
        #[automatically_derived]
        impl #parameters ::audit::Classified for #name #arguments #condition {}
    }
}

// Input:
//     struct Login { name: Name, #[audit(secret)] password: String }
// Output:
//     impl ::audit::Auditable for Login {
//         const SHAPE: &'static Shape = {
//             use ::audit::__private::Unknown as _;
//             &Shape::AllOf(&[
//                 || &Shape::Object(&[
//                     Member { names: &["name"], shape: || Probe::<Name>::SHAPE },
//                     Member { names: &["password"], shape: || &Shape::Treated(Treatment::Secret) },
//                 ]),
//                 || &Shape::Tuple(&[…]),
//             ])
//         };
//     }
fn auditable(input: &DeriveInput, item: &Item) -> TokenStream {
    let name = &input.ident;
    let (parameters, arguments, _) = input.generics.split_for_impl();
    let condition = bounds::condition(&input.generics, item, &quote!(::audit::Auditable));
    let shape = describe::describe(item);
    let allow = mentions_deprecated(input).then(|| quote!(#[allow(deprecated)]));
    quote! {
        #[automatically_derived]
        #allow
        impl #parameters ::audit::Auditable for #name #arguments #condition {
            const SHAPE: &'static ::audit::__private::Shape = {
                use ::audit::__private::Unknown as _;
                #shape
            };
        }
    }
}

/// The type that stands for this one has to be classified as well. Whether it is can
/// be a condition even where it is known, but only under a `for`; without one it is a
/// mistake, which is what a strict derivation wants.
fn classified(input: &DeriveInput, item: &Item, strictness: Strictness) -> TokenStream {
    let name = &input.ident;
    let (parameters, arguments, _) = input.generics.split_for_impl();
    let mut condition = bounds::condition(&input.generics, item, &quote!(::audit::Classified));
    condition.predicates.extend(item.others().map(|other| {
        let predicate: WherePredicate = match strictness {
            Strictness::Lenient => parse_quote!(for<'audit> #other: ::audit::Classified),
            Strictness::Strict => {
                parse_quote_spanned!(other.span()=> #other: ::audit::Classified)
            }
        };
        predicate
    }));
    let allow = mentions_deprecated(input).then(|| quote!(#[allow(deprecated)]));
    quote! {
        #[automatically_derived]
        #allow
        impl #parameters ::audit::Classified for #name #arguments #condition {}
    }
}

/// An expression of the type `&'static Shape`.
impl ToTokens for Shape<'_> {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.extend(match self {
            Self::Open => quote!(&::audit::__private::Shape::Open),
            Self::Of(ty) => quote!(::audit::__private::Probe::<#ty>::SHAPE),
            Self::Treated(treatment) => {
                let treatment = Ident::new(treatment, proc_macro2::Span::call_site());
                quote! {
                    &::audit::__private::Shape::Treated(::audit::__private::Treatment::#treatment)
                }
            }
            Self::Object(members) => {
                let members = members.iter().map(|(names, shape)| {
                    quote! {
                        ::audit::__private::Member { names: &[#(#names),*], shape: || #shape }
                    }
                });
                quote!(&::audit::__private::Shape::Object(&[#(#members),*]))
            }
            Self::Tuple(items) => quote!(&::audit::__private::Shape::Tuple(&[#(|| #items),*])),
            Self::Each(item) => quote!(&::audit::__private::Shape::Each(|| #item)),
            Self::AllOf(shapes) => quote!(&::audit::__private::Shape::AllOf(&[#(|| #shapes),*])),
        });
    }
}

/// Whether the type may use what is deprecated, as the impls then do.
fn mentions_deprecated(input: &DeriveInput) -> bool {
    let mut attributes: Vec<&Attribute> = input.attrs.iter().collect();
    match &input.data {
        Data::Struct(data) => attributes.extend(data.fields.iter().flat_map(|field| &field.attrs)),
        Data::Enum(data) => attributes.extend(data.variants.iter().flat_map(|variant| {
            let fields = variant.fields.iter().flat_map(|field| &field.attrs);
            variant.attrs.iter().chain(fields)
        })),
        Data::Union(_) => {}
    }
    attributes.into_iter().any(|attribute| {
        let path = attribute.path();
        let mut found = path.is_ident("deprecated");
        if let (Meta::List(_), true) = (
            &attribute.meta,
            path.is_ident("allow") || path.is_ident("expect"),
        ) {
            // Lints may have values, which end the search; then they are in the way.
            let _ = attribute.parse_nested_meta(|lint| {
                found |= lint.path.is_ident("deprecated");
                Ok(())
            });
        }
        found
    })
}
