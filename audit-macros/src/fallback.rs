//! What is left of a handler whose annotation is wrong.

use proc_macro2::TokenStream;
use quote::quote;
use syn::spanned::Spanned as _;
use syn::{FnArg, LitStr, Safety};

use crate::expand;
use crate::handler::{Handler, is_annotation};
use crate::validate::{Audited, takes_extractors};

/// The errors, and the handler as if the annotation had been right: without it,
/// every place that mounts the handler would be an error as well.
pub(crate) fn expand(errors: &syn::Error, mut handler: Handler) -> TokenStream {
    let errors = errors.to_compile_error();
    let signature = &handler.signature;
    let is_method = matches!(signature.inputs.first(), Some(FnArg::Receiver(_)));
    if is_method
        || signature.asyncness.is_none()
        || !takes_extractors(&handler)
        || handler.annotations().next().is_some()
    {
        handler
            .attributes
            .retain(|attribute| !is_annotation(attribute));
        let Handler {
            attributes,
            visibility,
            signature,
            body,
        } = handler;
        return quote!(#errors #(#attributes)* #visibility #signature #body);
    }
    handler.signature.constness = None;
    handler.signature.safety = Safety::Default;
    handler.signature.abi = None;
    let stand_in = Audited {
        action: LitStr::new("invalid", handler.signature.ident.span()),
        resource: None,
        resource_id: None,
        capture: "Metadata",
        durability: None,
        unavailable: "Refuse",
        skipped: Vec::new(),
        is_strict: false,
    };
    let handler = expand::expand(&stand_in, &handler);
    quote!(#errors #handler)
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
