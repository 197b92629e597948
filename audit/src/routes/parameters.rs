//! What the query parameters may hold, as OpenAPI describes it. [`filter`](super::filter)
//! is what reads them, and knows rules that a schema cannot tell.
#![expect(
    dead_code,
    reason = "these types only describe texts that are read elsewhere"
)]

use utoipa::ToSchema;

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
