//! What is left of a handler whose annotation is wrong.

use proc_macro2::TokenStream;
use quote::quote;
use syn::spanned::Spanned as _;
use syn::{FnArg, ItemFn, LitStr};

use crate::expand;
use crate::validate::Audited;

/// The errors, and the handler as if the annotation had been right: without it,
/// every place that mounts the handler would be an error as well.
pub(crate) fn expand(errors: &syn::Error, mut function: ItemFn) -> TokenStream {
    let errors = errors.to_compile_error();
    let is_method = matches!(function.sig.inputs.first(), Some(FnArg::Receiver(_)));
    let is_second = function.attrs.iter().any(|attribute| {
        attribute
            .path()
            .segments
            .last()
            .is_some_and(|last| last.ident == "audited")
    });
    if is_method || is_second || function.sig.asyncness.is_none() {
        function.attrs.retain(|attribute| {
            attribute
                .path()
                .segments
                .last()
                .is_none_or(|last| last.ident != "audited")
        });
        return quote!(#errors #function);
    }
    function.sig.constness = None;
    let stand_in = Audited {
        action: LitStr::new("invalid", function.sig.ident.span()),
        resource: None,
        resource_id: None,
        capture: "Metadata",
        durability: None,
        unavailable: "Refuse",
    };
    let function = expand::expand(&stand_in, &function);
    quote!(#errors #function)
}

/// The item as it was, and what to do if it is whole. A function that is still
/// being typed has errors of its own already.
pub(crate) fn not_a_function(item: TokenStream) -> TokenStream {
    let error = syn::parse2::<syn::Item>(item.clone()).ok().map(|other| {
        syn::Error::new(
            other.span(),
            "#[audited] works on handlers: put it on an `async fn`",
        )
        .to_compile_error()
    });
    quote!(#error #item)
}
