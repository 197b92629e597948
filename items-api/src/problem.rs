//! All that can go wrong here, beyond what the audit library knows already.

use audit::problem::Kind;

/// The body is not JSON.
pub(crate) const INVALID_JSON: Kind = Kind::new(400, "invalid_json", "The body is not valid JSON");
/// The body is JSON of another shape.
pub(crate) const INVALID_BODY: Kind =
    Kind::new(400, "invalid_body", "The body has not the expected shape");
/// The body could not be read to its end.
pub(crate) const INCOMPLETE_BODY: Kind =
    Kind::new(400, "incomplete_body", "The body could not be read");
/// The item is not there.
pub(crate) const ITEM_NOT_FOUND: Kind = Kind::new(404, "item_not_found", "There is no such item");
/// The item belongs to somebody else.
pub(crate) const NOT_THE_OWNER: Kind =
    Kind::new(403, "not_the_owner", "The item belongs to somebody else");
/// The body took too long to come.
pub(crate) const BODY_TOO_SLOW: Kind =
    Kind::new(408, "body_too_slow", "The body took too long to come");
/// The body is larger than any item may be.
pub(crate) const BODY_TOO_LARGE: Kind = Kind::new(413, "body_too_large", "The body is too large");
/// The body is of another media type.
pub(crate) const UNSUPPORTED_MEDIA_TYPE: Kind = Kind::new(
    415,
    "unsupported_media_type",
    "The body is of an unsupported media type",
);
/// The item's fields break a rule.
pub(crate) const INVALID_ITEM: Kind = Kind::new(422, "invalid_item", "The item is not valid");
/// The service cannot work yet.
pub(crate) const NOT_READY: Kind = Kind::new(503, "not_ready", "The service is not ready");

/// An RFC 9457 problem document, as every error is answered.
pub(crate) type ProblemDocument = audit::problem::Document<'static>;

/// The problems of every route that takes a body.
#[derive(utoipa::IntoResponses)]
#[expect(
    dead_code,
    reason = "it only describes answers that are made elsewhere"
)]
pub(crate) enum BodyProblems {
    /// The body is not JSON, or of another shape
    #[response(status = 400, content_type = "application/problem+json")]
    Invalid(ProblemDocument),
    /// The body took too long to come
    #[response(status = 408, content_type = "application/problem+json")]
    TooSlow(ProblemDocument),
    /// The body is larger than 64 KiB
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(ProblemDocument),
    /// The body is not `application/json`
    #[response(status = 415, content_type = "application/problem+json")]
    UnsupportedMediaType(ProblemDocument),
    /// A field breaks a rule
    #[response(status = 422, content_type = "application/problem+json")]
    InvalidItem(ProblemDocument),
}
