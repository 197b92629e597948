//! The macros of the `audit` library, which re-exports them and documents how to use
//! them: the `#[audited]` attribute, and the derive `Auditable` (in `auditable`).
//!
//! An expansion of `#[audited]` goes through four steps, each a file: `args` reads the tokens,
//! `validate` says what they mean, `expand` writes the new function, and
//! `fallback` keeps the code around a mistake alive, so that the mistake is the
//! only error shown.

mod args;
mod auditable;
mod expand;
mod fallback;
mod handler;
mod mistakes;
#[cfg(test)]
mod snapshots;
mod validate;

use proc_macro::TokenStream;
use proc_macro2::TokenStream as TokenStream2;
use quote::quote;
use syn::parse::Parser as _;

use auditable::Strictness;
use handler::Handler;

/// Leaves an audit record of every attempt to use an Actix-web handler.
///
/// ```ignore
/// #[post("/items/")]
/// #[audited(action = "create_item", resource = "item")]
/// async fn create_item(actor: Actor, Json(new): Json<NewItem>) -> Result<Created, ApiError>
/// ```
///
/// It works above and below `#[post]` and every other attribute, and on handlers
/// that are mounted with `.route()`. The app needs the `Audit` in its data, by
/// `.app_data(audit.clone())`; without it the handler answers 503.
///
/// A request to such a handler goes through these steps: room for the record is
/// reserved, or the answer is 503; the actor is asked for, and an intent is left in
/// the journal; the arguments are extracted, and a failure is an attempt like any
/// other; the handler runs, and a panic becomes a 500; the record is kept, and only
/// then the response goes out, with an `X-Request-Id`.
///
/// The function is a handler for Actix-web alone then: what other code calls, or a
/// unit test, moves into a function of its own. It cannot name `Self`.
///
/// | key | meaning | default |
/// |---|---|---|
/// | `action` | the stable name of what is attempted: `[a-z][a-z0-9_.]*`, at most 64 bytes | required |
/// | `resource` | the type of the thing acted on, written like an action | none |
/// | `resource_id = EXPR` | which one, from the names in the handler's arguments, of which an attempt whose arguments fail has none; anything `Display` | none |
/// | `capture` | the payloads that are kept, if they are JSON or forms: `"metadata"` (neither), `"request"`, `"response"`, `"all"` | `"request"` |
/// | `durability` | what the record survives before the response goes out: `"memory"`, `"crash"`, `"power_loss"`, or, in the handler's own transaction, `"transaction"` | what the service says, `"crash"` unless told otherwise |
/// | `unavailable` | what becomes of an attempt that cannot be recorded: `"refuse"`, or `"allow"` with a later record of the gap | `"refuse"` |
/// | `skip(ARGUMENT, …)` | arguments that are never captured: of the request, the part that they read is left out; all parts, if the extractor does not implement `audit::Argument` | none |
/// | `strict` | a payload compiles only if each of its fields is classified; see `audit::strict` | no |
///
/// `EXPR` is evaluated when the handler begins. What is known only later is said
/// through an `AuditScope`.
#[proc_macro_attribute]
pub fn audited(arguments: TokenStream, item: TokenStream) -> TokenStream {
    audit(
        arguments.into(),
        item.into(),
        Mode {
            is_strict: false,
            is_last: false,
        },
    )
    .into()
}

/// `#[audited]`, in which `strict` is always said. Documented at `audit::strict`.
#[proc_macro_attribute]
pub fn strict_audited(arguments: TokenStream, item: TokenStream) -> TokenStream {
    audit(
        arguments.into(),
        item.into(),
        Mode {
            is_strict: true,
            is_last: false,
        },
    )
    .into()
}

/// What `#[audited]` becomes when it has let other attributes go first.
#[doc(hidden)]
#[proc_macro_attribute]
pub fn audited_last(arguments: TokenStream, item: TokenStream) -> TokenStream {
    audit(
        arguments.into(),
        item.into(),
        Mode {
            is_strict: false,
            is_last: true,
        },
    )
    .into()
}

/// What the strict `#[audited]` becomes when it has let other attributes go first.
#[doc(hidden)]
#[proc_macro_attribute]
pub fn strict_audited_last(arguments: TokenStream, item: TokenStream) -> TokenStream {
    audit(
        arguments.into(),
        item.into(),
        Mode {
            is_strict: true,
            is_last: true,
        },
    )
    .into()
}

#[derive(Clone, Copy)]
struct Mode {
    is_strict: bool,
    is_last: bool,
}

fn audit(arguments: TokenStream2, item: TokenStream2, mode: Mode) -> TokenStream2 {
    let Ok(handler) = syn::parse2::<Handler>(item.clone()) else {
        return fallback::not_a_function(item);
    };
    // Attributes are expanded from the top down, each with those below it still in
    // place. Whichever order they were written in, this one comes last: then a
    // handler means the same in every order, and others see the signature that
    // was written.
    if !mode.is_last && handler.awaits_other_macros() && handler.annotations().next().is_none() {
        return let_others_go_first(&arguments, &handler, mode);
    }
    match validate::validate(args::parse.parse2(arguments), &handler) {
        Ok(mut audited) => {
            audited.is_strict |= mode.is_strict;
            expand::expand(&audited, &handler)
        }
        Err(errors) => fallback::expand(&errors, handler),
    }
}

fn let_others_go_first(arguments: &TokenStream2, handler: &Handler, mode: Mode) -> TokenStream2 {
    let Handler {
        attributes,
        visibility,
        signature,
        body,
    } = handler;
    let last = if mode.is_strict {
        quote!(strict_audited_last)
    } else {
        quote!(audited_last)
    };
    quote! {
        #(#attributes)*
        #[::audit::__private::#last(#arguments)]
        #visibility #signature #body
    }
}

/// Says which fields of a type are secret.
///
/// ```ignore
/// #[derive(Deserialize, Auditable)]
/// struct SignUp {
///     #[audit(plain)]
///     name: String,
///     #[audit(secret)]
///     password: String,
/// }
/// ```
///
/// | attribute of a field | what a record shows of its value |
/// |---|---|
/// | `#[audit(secret)]` | that it was there |
/// | `#[audit(mask)]` | its last characters |
/// | `#[audit(hash)]` | a keyed hash, so that equal values can be found |
/// | `#[audit(skip)]` | nothing, nor its name |
/// | `#[audit(plain)]` | all of it, but for what its type says about itself |
/// | none | the same, but nobody has said so |
///
/// The rules about names hold for every field, plain ones too: a plain
/// field that is called `password` is hidden.
#[proc_macro_derive(Auditable, attributes(audit, serde))]
pub fn auditable(input: TokenStream) -> TokenStream {
    derive(input, Strictness::Lenient)
}

/// Says which fields of a type are secret, and takes no silence for an answer: every
/// field needs a class.
///
/// It is otherwise like the lenient one, and its attributes are the same: `secret`,
/// `mask`, `hash`, `skip` and `plain`.
#[proc_macro_derive(StrictAuditable, attributes(audit, serde))]
pub fn strict_auditable(input: TokenStream) -> TokenStream {
    derive(input, Strictness::Strict)
}

fn derive(input: TokenStream, strictness: Strictness) -> TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    auditable::derive(&input, strictness).into()
}
