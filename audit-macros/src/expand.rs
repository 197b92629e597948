//! The function that takes the handler's place.
//!
//! It has one argument, which takes the request as it is; the handler itself
//! stands nested within it, under its own name and with its own tokens, so that
//! errors in it point into it and a log shows the name that was written.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{GenericParam, Ident, ReturnType, Type};

use crate::handler::Handler;
use crate::validate::{Audited, is_named};

// Input:
//     #[audited(action = "rename", resource = "item", resource_id = id, skip(secret))]
//     async fn rename(id: Path<u32>, secret: Query<Secret>) -> Result<Json<Item>, Error> { … }
//
// Output:
//     async fn rename(call: Call<(Path<u32>, Query<Secret>,)>) -> HttpResponse {
//         const SPEC: Spec = Spec { action: "rename", resource: Some("item"), … };
//         async fn rename(id: Path<u32>, secret: Query<Secret>) -> Result<Json<Item>, Error> {
//             say_resource_id(&(id));
//             { … }
//         }
//         let types = Types { reads: &[Reads { … skip: false }, Reads { … skip: true }], … };
//         call.run(&SPEC, types, |(a0, a1,)| rename(a0, a1)).await
//     }
pub(crate) fn expand(audited: &Audited, handler: &Handler) -> TokenStream {
    let Handler {
        attributes,
        visibility,
        signature,
        body,
    } = handler;
    let name = &signature.ident;
    let generics = &signature.generics;
    let condition = &generics.where_clause;
    let types: Vec<&Type> = handler.arguments().map(|argument| &*argument.ty).collect();
    let arguments: Vec<Ident> = (0..types.len())
        .map(|number| format_ident!("argument_{number}"))
        .collect();

    let spec = spec(audited);
    let strictness = strictness(audited, handler, &types);
    let knowledge = knowledge(audited, handler, &types);
    let turbofish = turbofish(generics);
    // If an argument is no extractor, this is where the compiler finds out.
    let span = Span::call_site().located_at(signature.paren_token.span.join());
    let run = Ident::new("run", span);
    let body = match &audited.resource_id {
        None => quote!(#body),
        Some(expression) => {
            let say = quote_spanned! {expression.span()=>
                ::audit::__private::say_resource_id(&(#expression));
            };
            quote!({ #say #body })
        }
    };

    quote! {
        #(#attributes)*
        #visibility async fn #name #generics (
            call: ::audit::__private::Call<(#(#types,)*)>
        ) -> ::audit::__private::HttpResponse #condition {
            const SPEC: ::audit::__private::Spec = #spec;
            #signature #body
            #strictness
            call.#run(&SPEC, #knowledge, |(#(#arguments,)*)| #name #turbofish (#(#arguments),*)).await
        }
    }
}

/// What the annotation says.
fn spec(audited: &Audited) -> TokenStream {
    let Audited {
        action,
        resource,
        capture,
        durability,
        unavailable,
        ..
    } = audited;
    let variant = |name: &str| Ident::new(name, Span::call_site());
    let capture = variant(capture);
    let unavailable = variant(unavailable);
    let resource = option(resource.as_ref().map(|resource| quote!(#resource)));
    let durability = option(
        durability
            .map(variant)
            .map(|durability| quote!(::audit::__private::Durability::#durability)),
    );
    quote! {
        ::audit::__private::Spec {
            action: #action,
            resource: #resource,
            capture: ::audit::__private::Capture::#capture,
            durability: #durability,
            unavailable: ::audit::__private::Unavailable::#unavailable,
        }
    }
}

fn option(value: Option<TokenStream>) -> TokenStream {
    match value {
        Some(value) => quote!(::core::option::Option::Some(#value)),
        None => quote!(::core::option::Option::None),
    }
}

/// What the compiler is to find out about the handler's types.
fn knowledge(audited: &Audited, handler: &Handler, types: &[&Type]) -> TokenStream {
    let skipped = audited.skipped.iter().chain(std::iter::repeat(&false));
    let reads = types.iter().zip(skipped).map(|(argument, skip)| {
        quote! {
            ::audit::__private::Reads {
                part: ::audit::__private::ArgumentProbe::<#argument>::PART,
                shape: ::audit::__private::ArgumentProbe::<#argument>::SHAPE,
                skip: #skip,
            }
        }
    });
    let answer = match &handler.signature.output {
        ReturnType::Type(_, answer)
            if captures_response(audited) && is_named(&handler.signature.output) =>
        {
            quote!(::audit::__private::AnswerProbe::<#answer>::SHAPE)
        }
        _ => quote!(&::audit::__private::Shape::Open),
    };
    quote! {
        {
            #[allow(unused_imports, reason = "not every handler has arguments")]
            use ::audit::__private::Silent as _;
            ::audit::__private::Types {
                reads: const { &[#(#reads),*] },
                answer: #answer,
            }
        }
    }
}

fn captures_response(audited: &Audited) -> bool {
    matches!(audited.capture, "Response" | "All")
}

/// Compiles only if every payload is classified; the errors point at the types.
fn strictness(audited: &Audited, handler: &Handler, types: &[&Type]) -> TokenStream {
    if !audited.is_strict {
        return TokenStream::new();
    }
    let skipped = audited.skipped.iter().chain(std::iter::repeat(&false));
    let arguments = types
        .iter()
        .zip(skipped)
        .filter(|(_, skip)| !**skip)
        .map(|(argument, _)| {
            quote_spanned!(argument.span()=> ::audit::__private::reads_classified::<#argument>();)
        });
    let answer = match &handler.signature.output {
        ReturnType::Type(_, answer) if captures_response(audited) => Some(
            quote_spanned!(answer.span()=> ::audit::__private::answers_classified::<#answer>();),
        ),
        _ => None,
    };
    quote!(#(#arguments)* #answer)
}

/// The parameters of a generic handler, which its arguments need not all name.
fn turbofish(generics: &syn::Generics) -> Option<TokenStream> {
    let parameters: Vec<&Ident> = generics
        .params
        .iter()
        .filter_map(|parameter| match parameter {
            GenericParam::Type(parameter) => Some(&parameter.ident),
            GenericParam::Const(parameter) => Some(&parameter.ident),
            GenericParam::Lifetime(_) => None,
        })
        .collect();
    (!parameters.is_empty()).then(|| quote!(::<#(#parameters),*>))
}
