//! The function that takes the handler's place.
//!
//! It has one argument, which takes the request as it is; the handler itself
//! stands nested within it, under its own name and with its own tokens, so that
//! errors in it point into it and a log shows the name that was written.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::visit::Visit;
use syn::visit_mut::VisitMut;
use syn::{GenericParam, Ident, Lifetime, ReturnType, Type};

use crate::handler::Handler;
use crate::validate::{Audited, is_named};

// Input:
//     #[audited(action = "rename", resource = "item", resource_id = id, skip(secret))]
//     async fn rename(id: Path<u32>, secret: Query<Secret>) -> Result<Json<Item>, Error> { … }
//
// Output:
//     async fn rename(call: Call) -> HttpResponse {
//         async fn rename(id: Path<u32>, secret: Query<Secret>) -> Result<Json<Item>, Error> {
//             say_resource_id(&(id));
//             …
//         }
//         let types = Types { reads: &[Reads { … skip: false }, Reads { … skip: true }], … };
//         call.run::<(Path<u32>, Query<Secret>,), _, _>(
//             const { &Spec { … } }, types, |(a0, a1,)| rename(a0, a1),
//         ).await
//     }
pub(crate) fn expand(audited: &Audited, handler: &Handler) -> TokenStream {
    let Handler {
        attributes,
        visibility,
        signature,
        body,
    } = handler;
    let name = &signature.ident;
    // Actix-web wants handlers that live for ever. It finds out by itself that a
    // lifetime in one must be `'static`; so may the compiler here.
    let generics = without_lifetimes(&signature.generics);
    let condition = &generics.where_clause;
    let types: Vec<Type> = handler
        .arguments()
        .map(|argument| anonymous(&argument.ty))
        .collect();
    let types: Vec<&Type> = types.iter().collect();
    // Names that the handler's own tokens cannot see. A function, such as the handler
    // itself, would still hide a variable of the same name.
    let hidden = |name: &str| Ident::new(name, Span::mixed_site());
    let call = hidden("__call");
    let arguments: Vec<Ident> = (0..types.len())
        .map(|number| hidden(&format!("argument_{number}")))
        .collect();

    let spec = spec(audited);
    let strictness = strictness(audited, handler, &types);
    let knowledge = knowledge(audited, handler, &types);
    let turbofish = turbofish(&generics);
    // If an argument is no extractor, this is where the compiler finds out.
    let span = Span::call_site().located_at(signature.paren_token.span.join());
    let run = Ident::new("run", span);
    let body = match &audited.resource_id {
        None => quote!(#body),
        Some(expression) => {
            let say = quote_spanned! {expression.span()=>
                ::audit::__private::say_resource_id(&(#expression));
            };
            let statements = body.stream();
            if begins_with_attributes(&statements) {
                quote!({ #say #body })
            } else {
                quote!({ #say #statements })
            }
        }
    };

    quote! {
        #(#attributes)*
        #visibility async fn #name #generics (
            #call: ::audit::__private::Call
        ) -> ::audit::__private::HttpResponse #condition {
            #signature #body
            #strictness
            #call.#run::<(#(#types,)*), _, _>(const { &#spec }, #knowledge, |(#(#arguments,)*)| #name #turbofish (#(#arguments),*)).await
        }
    }
}

/// Whether a body begins with `#![…]`, which nothing may precede.
fn begins_with_attributes(statements: &TokenStream) -> bool {
    let mut tokens = statements.clone().into_iter();
    let mut is_next = |expected: char| matches!(tokens.next(), Some(TokenTree::Punct(punct)) if punct.as_char() == expected);
    is_next('#') && is_next('!')
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
    let reads = extractors(audited, types).map(|(argument, skip)| {
        // Of a type that depends on a parameter nobody can know what it says of its
        // secrets, unless a bound demands that it says so.
        let skip = if depends_on(argument, &handler.signature.generics) {
            quote!(#skip || !::audit::__private::ArgumentProbe::<#argument>::IS_KNOWN)
        } else {
            quote!(#skip)
        };
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
    let arguments = extractors(audited, types)
        .filter(|(_, skip)| !skip)
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

/// The handler's extractors, each with whether it is skipped. A tuple of them is as
/// many.
fn extractors<'t>(audited: &Audited, types: &[&'t Type]) -> impl Iterator<Item = (&'t Type, bool)> {
    let skipped = audited
        .skipped
        .iter()
        .copied()
        .chain(std::iter::repeat(false));
    let mut extractors = Vec::new();
    for (argument, skip) in types.iter().zip(skipped) {
        let mut left = vec![*argument];
        while let Some(argument) = left.pop() {
            match argument {
                Type::Tuple(tuple) => left.extend(tuple.elems.iter().rev()),
                Type::Paren(inner) => left.push(&inner.elem),
                Type::Group(inner) => left.push(&inner.elem),
                _ => extractors.push((argument, skip)),
            }
        }
    }
    extractors.into_iter()
}

/// Whether a type names one of the parameters.
fn depends_on(argument: &Type, generics: &syn::Generics) -> bool {
    struct Search<'g> {
        generics: &'g syn::Generics,
        is_found: bool,
    }

    impl Visit<'_> for Search<'_> {
        fn visit_ident(&mut self, ident: &Ident) {
            self.is_found |= self
                .generics
                .type_params()
                .any(|parameter| parameter.ident == *ident);
        }
    }

    let mut search = Search {
        generics,
        is_found: false,
    };
    search.visit_type(argument);
    search.is_found
}

/// The type with its lifetimes left to the compiler.
fn anonymous(argument: &Type) -> Type {
    struct Anonymous;

    impl VisitMut for Anonymous {
        fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
            if lifetime.ident != "static" {
                *lifetime = Lifetime::new("'_", lifetime.span());
            }
        }
    }

    let mut argument = argument.clone();
    Anonymous.visit_type_mut(&mut argument);
    argument
}

fn without_lifetimes(generics: &syn::Generics) -> syn::Generics {
    let mut generics = generics.clone();
    let parameters = std::mem::take(&mut generics.params).into_iter();
    generics.params = parameters
        .filter(|parameter| !matches!(parameter, GenericParam::Lifetime(_)))
        .collect();
    generics
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
