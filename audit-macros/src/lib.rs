//! The `#[audited]` attribute of the `audit` library, which re-exports it and
//! documents how to use it.
//!
//! An expansion goes through four steps, each a file: `args` reads the tokens,
//! `validate` says what they mean, `expand` writes the new function, and
//! `fallback` keeps the code around a mistake alive, so that the mistake is the
//! only error shown.

mod args;
mod expand;
mod fallback;
mod validate;

use proc_macro::TokenStream;
use syn::parse::Parser as _;

/// Leaves an audit record of every attempt to use an Actix-web handler.
///
/// ```ignore
/// #[post("/items/")]
/// #[audited(action = "create_item", resource = "item")]
/// async fn create_item(actor: Actor, Json(new): Json<NewItem>) -> Result<Created, ApiError>
/// ```
///
/// It works above and below `#[post]` and its like, and on handlers that are
/// mounted with `.route()`. The app needs the `Audit` in its data.
///
/// | key | meaning | default |
/// |---|---|---|
/// | `action` | the stable name of what is attempted: `[a-z][a-z0-9_.]*`, at most 64 bytes | required |
/// | `resource` | the type of the thing acted on, written like an action | none |
/// | `resource_id = EXPR` | which one, from the handler's arguments; anything `Display` | none |
/// | `capture` | the payloads that are kept: `"metadata"` (neither), `"request"`, `"response"`, `"all"` | `"request"` |
/// | `durability` | what the record survives before the response goes out: `"memory"`, `"crash"`, `"power_loss"` | what the service says, `"crash"` unless told otherwise |
/// | `unavailable` | what becomes of an attempt that cannot be recorded: `"refuse"`, or `"allow"` with a later record of the gap | `"refuse"` |
///
/// `EXPR` is evaluated when the handler begins. What is known only later is said
/// through an `AuditScope`.
#[proc_macro_attribute]
pub fn audited(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let arguments = args::parse.parse(arguments);
    match syn::parse::<syn::ItemFn>(item.clone()) {
        Ok(function) => match validate::validate(arguments, &function) {
            Ok(audited) => expand::expand(&audited, &function),
            Err(errors) => fallback::expand(&errors, function),
        },
        Err(_) => fallback::not_a_function(item.into()),
    }
    .into()
}
