//! What the query parameters may hold, as OpenAPI describes it. [`filter`](crate::query::filter)
//! is what reads them, and knows rules that a schema cannot tell.
#![expect(
    dead_code,
    reason = "these types only describe texts that are read elsewhere"
)]

use utoipa::{IntoParams, ToSchema};

/// A text to compare with.
#[derive(ToSchema)]
#[schema(min_length = 1, max_length = 1024, pattern = r"^[^\u0000]+$")]
pub(super) struct Text(String);

/// A status, or a class of them.
#[derive(ToSchema)]
#[schema(pattern = "^[1-5]([0-9][0-9]|xx)$")]
pub(super) struct Status(String);

/// Newest first, or oldest first.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(super) enum Order {
    Desc,
    Asc,
}

/// The `next` of the page before.
#[derive(ToSchema)]
#[schema(pattern = "^[A-Za-z0-9_-]{35}$")]
pub(super) struct Cursor(String);

/// What records can be counted by.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(super) enum Dimension {
    Action,
    Actor,
    Outcome,
    Route,
    ResourceType,
}

/// What an export consists of.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(super) enum Format {
    Ndjson,
    Csv,
}

/// Which records are asked for, of every route that finds some.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Filters {
    /// Id of the actor
    #[param(inline, example = json!(["alice"]))]
    actor: Option<Vec<Text>>,
    /// Name of the action; a trailing `*` makes it a prefix
    #[param(inline, example = json!(["create_*"]))]
    action: Option<Vec<Text>>,
    /// Type of the thing acted on
    #[param(inline, example = json!(["item"]))]
    resource_type: Option<Vec<Text>>,
    /// Id of the thing acted on
    #[param(inline)]
    resource_id: Option<Vec<Text>>,
    /// How the attempt ended
    outcome: Option<Vec<crate::record::Outcome>>,
    /// Status of the response, or its class
    #[param(inline, example = json!(["404", "5xx"]))]
    status: Option<Vec<Status>>,
    /// Method of the request
    #[param(inline, example = json!(["POST"]))]
    method: Option<Vec<Text>>,
    /// Pattern of the route
    #[param(inline, example = json!(["/items/{item_id}"]))]
    route: Option<Vec<Text>>,
    /// Address or network of the client
    #[param(inline, example = json!(["192.0.2.0/24"]))]
    ip: Option<Vec<Text>>,
    /// The `X-Request-Id` of the response
    #[param(inline)]
    request_id: Option<Vec<Text>>,
    /// Trace id of the request's `traceparent`
    #[param(inline)]
    trace_id: Option<Vec<Text>>,
    /// Words, all of which stand in the request, the response, the changes or the notes, in
    /// any case and also as parts of longer words. Name a time as well: it reads every record
    /// that the other filters let through
    #[param(inline, example = json!(["porcelain teapot"]))]
    q: Option<Vec<Text>>,
    /// Not before: a time (RFC 3339), a day, or an age such as `-24h`
    #[param(inline, example = "-24h")]
    from: Option<Text>,
    /// Before, written like `from`
    #[param(inline, example = "-1h")]
    to: Option<Text>,
}
