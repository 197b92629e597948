//! The function that takes the handler's place.
//!
//! It has one argument, which takes the request as it is; the handler itself
//! stands nested within it, under its own name and with its own tokens, so that
//! errors in it point into it and a log shows the name that was written.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Attribute, FnArg, Ident, ItemFn, Type};

use crate::validate::Audited;

pub(crate) fn expand(audited: &Audited, function: &ItemFn) -> TokenStream {
    let ItemFn {
        attrs,
        vis,
        sig,
        block,
        ..
    } = function;
    let (outside, inside): (Vec<_>, Vec<_>) = attrs
        .iter()
        .partition(|attribute| belongs_outside(attribute));
    let name = &sig.ident;
    let generics = &sig.generics;
    let condition = &generics.where_clause;
    let types: Vec<&Type> = sig
        .inputs
        .iter()
        .filter_map(|input| match input {
            FnArg::Typed(typed) => Some(&*typed.ty),
            FnArg::Receiver(_) => None,
        })
        .collect();
    let arguments: Vec<Ident> = (0..types.len())
        .map(|number| format_ident!("argument_{number}"))
        .collect();

    let action = &audited.action;
    let resource = option(audited.resource.as_ref());
    let variant = |name: &str| Ident::new(name, Span::call_site());
    let capture = variant(audited.capture);
    let unavailable = variant(audited.unavailable);
    let durability = match audited.durability.map(variant) {
        Some(variant) => {
            quote!(::core::option::Option::Some(::audit::__private::Durability::#variant))
        }
        None => quote!(::core::option::Option::None),
    };
    let say_resource_id = audited.resource_id.as_ref().map(|expression| {
        quote_spanned! {expression.span()=> ::audit::__private::say_resource_id(&(#expression)); }
    });
    let statements = &block.stmts;

    quote! {
        #(#outside)*
        #vis async fn #name #generics (
            call: ::audit::__private::Call<(#(#types,)*)>
        ) -> ::audit::__private::HttpResponse #condition {
            const SPEC: ::audit::__private::Spec = ::audit::__private::Spec {
                action: #action,
                resource: #resource,
                capture: ::audit::__private::Capture::#capture,
                durability: #durability,
                unavailable: ::audit::__private::Unavailable::#unavailable,
            };
            #(#inside)*
            #sig {
                #say_resource_id
                #(#statements)*
            }
            call.run(&SPEC, |(#(#arguments,)*)| #name(#(#arguments),*)).await
        }
    }
}

fn option(value: Option<&syn::LitStr>) -> TokenStream {
    match value {
        Some(value) => quote!(::core::option::Option::Some(#value)),
        None => quote!(::core::option::Option::None),
    }
}

/// Whether an attribute speaks of the function that Actix-web mounts. All others,
/// such as `#[instrument]`, speak of the handler as it was written.
fn belongs_outside(attribute: &Attribute) -> bool {
    const ROUTES: [&str; 11] = [
        "get", "post", "put", "delete", "head", "connect", "options", "trace", "patch", "route",
        "routes",
    ];
    const DOCUMENTATION: [&str; 3] = ["doc", "deprecated", "path"];
    attribute.path().segments.last().is_some_and(|last| {
        ROUTES
            .iter()
            .chain(&DOCUMENTATION)
            .any(|name| last.ident == name)
    })
}
