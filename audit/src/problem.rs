//! Errors as their readers see them: problem documents after [RFC 9457].
//!
//! A [`Problem`] is made where something goes wrong and says what the client can
//! do about it. Its causes stay inside: they are logged where they occur.
//!
//! [RFC 9457]: https://www.rfc-editor.org/rfc/rfc9457

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;

use crate::printable;

/// The longest detail that is sent, in bytes: an answer should not grow with the
/// mistake.
const DETAIL_BYTES: usize = 400;

/// A kind of problem: one line in a table of all that can go wrong.
///
/// ```
/// use audit::problem::{Kind, Problem};
///
/// const SOLD_OUT: Kind = Kind::new(409, "sold_out", "The item is sold out");
///
/// let problem = Problem::new(&SOLD_OUT, "Item 7 was sold a minute ago; choose another one.");
/// assert_eq!(problem.kind().code(), "sold_out");
/// ```
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    status: u16,
    code: &'static str,
    title: &'static str,
}

impl Kind {
    /// A kind of problem that is answered with `status`. Clients recognise it by
    /// `code` and people by `title`; neither may change once published.
    #[must_use]
    pub const fn new(status: u16, code: &'static str, title: &'static str) -> Self {
        Self {
            status,
            code,
            title,
        }
    }

    /// The code by which programs recognise it.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// The status it is answered with.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// A cursor that this service did not make, or made for another order.
pub const INVALID_CURSOR: Kind = Kind::new(400, "invalid_cursor", "The cursor is not valid");
/// A position in the stream whose record is not in the history of this Postgres, for
/// instance after a failover or a restore.
pub const POSITION_UNKNOWN: Kind = Kind::new(
    409,
    "position_unknown",
    "The position is not in the history of this database",
);
/// A query parameter that the route does not know.
pub const UNKNOWN_PARAMETER: Kind =
    Kind::new(400, "unknown_parameter", "A query parameter is unknown");
/// A query parameter whose value cannot be understood.
pub const INVALID_PARAMETER: Kind =
    Kind::new(400, "invalid_parameter", "A query parameter is not valid");
/// The request says not who makes it.
pub const MISSING_CREDENTIALS: Kind =
    Kind::new(401, "missing_credentials", "Authentication is required");
/// The credentials are not accepted.
pub const INVALID_CREDENTIALS: Kind =
    Kind::new(401, "invalid_credentials", "The credentials are not valid");
/// The credentials were accepted once, but their time is over.
pub const EXPIRED_CREDENTIALS: Kind =
    Kind::new(401, "expired_credentials", "The credentials have expired");
/// The credentials are valid, but not of a kind that can be kept in a cookie.
pub const UNSUITABLE_CREDENTIALS: Kind = Kind::new(
    400,
    "unsuitable_credentials",
    "The credentials cannot be kept in a cookie",
);
/// The actor is known and may not do this.
pub const FORBIDDEN: Kind = Kind::new(403, "forbidden", "The actor is not allowed to do this");
/// There is no such record.
pub const RECORD_NOT_FOUND: Kind =
    Kind::new(404, "record_not_found", "There is no such audit record");
/// There is nothing at this path.
pub const NOT_FOUND: Kind = Kind::new(404, "not_found", "There is nothing at this path");
/// What is at this path cannot be used in this way.
pub const METHOD_NOT_ALLOWED: Kind =
    Kind::new(405, "method_not_allowed", "The method is not possible here");
/// Too many attempts of this actor or address were refused before.
pub const TOO_MANY_REFUSALS: Kind = Kind::new(
    429,
    "too_many_refusals",
    "Too many attempts before this one were refused",
);
/// The actor has asked more of the audit trail than is answered.
pub const TOO_MANY_QUERIES: Kind = Kind::new(
    429,
    "too_many_queries",
    "The actor asks too much of the audit trail",
);
/// The handler panicked, or the service is put together wrongly.
pub const INTERNAL_ERROR: Kind = Kind::new(500, "internal_error", "The service made a mistake");
/// There is no room to record the attempt, so it is not made.
pub const AUDIT_UNAVAILABLE: Kind = Kind::new(
    503,
    "audit_unavailable",
    "The attempt cannot be recorded, so it was not made",
);
/// The attempt was made, and it is not known whether its record is kept.
pub const AUDIT_UNCONFIRMED: Kind = Kind::new(
    500,
    "audit_unconfirmed",
    "The attempt was made, but its record is not confirmed",
);
/// Credentials cannot be checked at the moment, good or bad.
pub const AUTHENTICATION_UNAVAILABLE: Kind = Kind::new(
    503,
    "authentication_unavailable",
    "Credentials cannot be checked at the moment",
);
/// The query asked for more than can be answered in time.
pub const QUERY_TIMED_OUT: Kind = Kind::new(503, "query_timed_out", "The query took too long");
/// The store cannot be asked at the moment.
pub const STORE_UNAVAILABLE: Kind =
    Kind::new(503, "store_unavailable", "The store cannot be reached");

/// An error with everything its reader may know.
///
/// As an error of a handler it becomes an `application/problem+json` response,
/// and its code the `reason` of the audit record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    kind: &'static Kind,
    detail: String,
    errors: Vec<FieldError>,
    retry_after: Option<Duration>,
    challenge: Option<Cow<'static, str>>,
}

/// One mistake in one place of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FieldError {
    /// JSON pointer to the place in the request's body.
    pub pointer: String,
    /// What is wrong there, and what would be right.
    pub detail: String,
}

impl Problem {
    /// A problem of this kind; `detail` tells the client what to do.
    #[must_use]
    pub fn new(kind: &'static Kind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: sayable(&detail.into()),
            errors: Vec::new(),
            retry_after: None,
            challenge: None,
        }
    }

    /// Names the places in the request's body that are wrong.
    #[must_use]
    pub fn with_errors(mut self, errors: Vec<FieldError>) -> Self {
        self.errors = errors;
        for error in &mut self.errors {
            error.detail = sayable(&error.detail);
        }
        self
    }

    /// Says when trying again is worth it, in whole seconds, not sooner.
    #[must_use]
    pub fn with_retry_after(mut self, retry_after: Duration) -> Self {
        self.retry_after = Some(retry_after);
        self
    }

    /// Says how to authenticate: the value of `WWW-Authenticate`.
    #[must_use]
    pub fn with_challenge(mut self, challenge: impl Into<Cow<'static, str>>) -> Self {
        self.challenge = Some(challenge.into());
        self
    }

    /// The problem as it is sent.
    #[must_use]
    pub fn document(&self) -> Document<'_> {
        Document {
            kind: format!("urn:problem-type:{}", self.kind.code),
            title: self.kind.title,
            status: self.kind.status().as_u16(),
            code: self.kind.code,
            detail: &self.detail,
            errors: &self.errors,
        }
    }

    /// What kind of problem it is.
    #[must_use]
    pub fn kind(&self) -> &'static Kind {
        self.kind
    }
}

/// The members of a problem document, in their order.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = Problem))]
pub struct Document<'a> {
    /// A URI that identifies the kind of problem.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind of problem in words.
    pub title: &'a str,
    /// The status of the response.
    pub status: u16,
    /// The kind of problem as one stable word.
    pub code: &'a str,
    /// What happened this time, and what to do about it.
    pub detail: &'a str,
    /// Where the request's body is wrong.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub errors: &'a [FieldError],
}

/// The problems of every route that takes a token, as OpenAPI describes them.
#[cfg(feature = "openapi")]
#[derive(utoipa::IntoResponses)]
pub enum AccessProblems {
    /// Authentication is missing or not valid
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthenticated(Document<'static>),
    /// The actor is not allowed to do this
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(Document<'static>),
    /// The service made a mistake, or does not know whether the attempt was recorded
    #[response(status = 500, content_type = "application/problem+json")]
    Failed(Document<'static>),
    /// Postgres cannot be reached or took too long, the attempt cannot be recorded, or the
    /// keys to check tokens with have not arrived
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(Document<'static>),
}

/// The problem of every audited route, as OpenAPI describes it.
#[cfg(feature = "openapi")]
#[derive(utoipa::IntoResponses)]
pub enum LimitProblems {
    /// Too many attempts of this actor or address were refused, or it asks too much of
    /// the audit trail; `Retry-After` says when to try again.
    #[response(status = 429, content_type = "application/problem+json")]
    TooMany(Document<'static>),
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.kind.title, self.detail)
    }
}

impl std::error::Error for Problem {}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.kind.status()
    }

    fn error_response(&self) -> HttpResponse {
        let status = self.status_code();
        let mut response = HttpResponse::build(status);
        if let Some(retry_after) = self.retry_after {
            let whole = retry_after.as_millis().div_ceil(1_000).max(1);
            response.insert_header((RETRY_AFTER, whole.to_string()));
        }
        if let Some(challenge) = &self.challenge {
            response.insert_header((WWW_AUTHENTICATE, challenge.as_ref()));
        }
        let mut response = response
            .insert_header((CONTENT_TYPE, "application/problem+json"))
            .json(self.document());
        response.extensions_mut().insert(Reason(self.kind.code));
        response
    }
}

/// Why a response is no success, as a stable code for the record's `reason`.
///
/// A [`Problem`] brings its own. An error type of a service's own leaves one in the
/// extensions of its response; otherwise the status has to do.
///
/// ```
/// use actix_web::{HttpResponse, ResponseError, http::StatusCode};
/// use audit::problem::Reason;
///
/// #[derive(Debug)]
/// struct SoldOut;
///
/// impl ResponseError for SoldOut {
///     fn error_response(&self) -> HttpResponse {
///         let mut response = HttpResponse::new(StatusCode::CONFLICT);
///         response.extensions_mut().insert(Reason("sold_out"));
///         response
///     }
/// }
/// # impl std::fmt::Display for SoldOut {
/// #     fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
/// #         formatter.write_str("sold out")
/// #     }
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reason(pub &'static str);

/// A detail often quotes what a client sent, and somebody else may read it on a
/// terminal.
fn sayable(detail: &str) -> String {
    let mut detail = printable::line(detail).into_owned();
    if detail.len() > DETAIL_BYTES {
        let end = (0..=DETAIL_BYTES)
            .rev()
            .find(|&end| detail.is_char_boundary(end));
        detail.truncate(end.unwrap_or(0));
        detail.push('…');
    }
    detail
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn body_of(problem: &Problem) -> serde_json::Value {
        let body = problem.error_response().into_body();
        let bytes = actix_web::body::to_bytes(body).await.ok().unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    #[actix_web::test]
    async fn a_problem_becomes_the_document_of_rfc_9457() {
        let problem = Problem::new(&INVALID_CURSOR, "Leave it out to start again.");
        let response = problem.error_response();
        assert_eq!(response.status(), 400);
        assert_eq!(
            response.headers().get(CONTENT_TYPE).unwrap(),
            "application/problem+json"
        );
        assert_eq!(
            body_of(&problem).await,
            serde_json::json!({
                "type": "urn:problem-type:invalid_cursor",
                "title": "The cursor is not valid",
                "status": 400,
                "code": "invalid_cursor",
                "detail": "Leave it out to start again.",
            })
        );
    }

    #[actix_web::test]
    async fn a_detail_does_not_grow_with_what_the_client_sent() {
        let problem = Problem::new(&INVALID_PARAMETER, "é".repeat(100_000));
        let body = body_of(&problem).await;
        assert!(body["detail"].as_str().unwrap().len() <= DETAIL_BYTES + "…".len());
    }

    #[test]
    fn a_detail_holds_nothing_that_a_terminal_obeys() {
        let problem = Problem::new(&INVALID_PARAMETER, "`\u{1b}[2J\r\n\u{202e}` is unknown.");
        assert_eq!(problem.detail, r"`\u{1b}[2J\r\n\u{202e}` is unknown.");
    }

    #[test]
    fn waiting_and_authenticating_are_said_in_headers() {
        let response = Problem::new(&AUDIT_UNAVAILABLE, "Try again.")
            .with_retry_after(Duration::from_secs(2))
            .with_challenge("Bearer")
            .error_response();
        assert_eq!(response.headers().get(RETRY_AFTER).unwrap(), "2");
        assert_eq!(response.headers().get(WWW_AUTHENTICATE).unwrap(), "Bearer");
    }
}
