//! The id that a request, its response and its record share.

use std::convert::Infallible;
use std::future::{Ready, ready};

use actix_web::body::MessageBody;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, FromRequest, HttpMessage as _, HttpRequest};
use tracing::Instrument as _;

use crate::clock::Clock;
use crate::handle::Audit;

/// The header that carries it, in requests and responses.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is taken over from a request.
const MAX_BYTES: usize = 128;

/// The id of a request: its own if that is sane, otherwise a new one.
///
/// Sane is what can be logged, stored and sent back as it is: 1 to 128 visible
/// ASCII characters.
#[derive(Clone, Debug)]
pub struct RequestId {
    text: String,
    /// Whether it was made here: nobody can have put a secret into it.
    pub(super) is_own: bool,
}

impl PartialEq for RequestId {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for RequestId {}

impl RequestId {
    /// The id of this request; the same one however often it is asked for.
    #[must_use]
    pub fn of(request: &HttpRequest) -> Self {
        if let Some(known) = request.extensions().get::<Self>() {
            return known.clone();
        }
        let new = || {
            let clock = request.app_data::<Audit>().map(Audit::clock);
            clock.unwrap_or(&Clock::System).request_id()
        };
        let id = request
            .headers()
            .get(HEADER)
            .and_then(|id| Self::new(id.to_str().ok()?))
            .unwrap_or_else(|| Self {
                text: new().to_string(),
                is_own: true,
            });
        request.extensions_mut().insert(id.clone());
        id
    }

    /// An id that a service has found in its own way, if it is sane. A middleware
    /// that leaves it in the request's extensions decides which one is recorded.
    ///
    /// ```
    /// use actix_web::HttpMessage as _;
    /// use actix_web::dev::ServiceRequest;
    /// use audit::RequestId;
    ///
    /// fn take_over(request: &ServiceRequest) {
    ///     let header = request.headers().get("x-correlation-id");
    ///     let id = header.and_then(|id| RequestId::new(id.to_str().ok()?));
    ///     if let Some(id) = id {
    ///         request.extensions_mut().insert(id);
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn new(id: &str) -> Option<Self> {
        let is_sane =
            (1..=MAX_BYTES).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
        is_sane.then(|| Self {
            text: id.to_owned(),
            is_own: false,
        })
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromRequest for RequestId {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::of(request)))
    }
}

/// Middleware that gives every response the id of its request, those included
/// that no handler has seen. What is logged meanwhile stands in a span `request` with
/// the same `id`, so that a client that tells the id leads to the cause.
///
/// ```
/// use actix_web::{App, middleware::from_fn};
///
/// let app = App::new().wrap(from_fn(audit::request_id::middleware));
/// ```
///
/// # Errors
///
/// Passes on what the service behind it returns.
pub async fn middleware(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let id = RequestId::of(request.request());
    let span = tracing::error_span!("request", id = id.as_str());
    let mut response = next.call(request).instrument(span).await?;
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(HEADER, value);
    }
    Ok(response)
}

/// The trace that a request belongs to, by its `traceparent`.
///
/// The format is that of [W3C Trace Context](https://www.w3.org/TR/trace-context/#traceparent-header):
/// version, trace id, parent id and flags in lower-case hexadecimal. Later
/// versions may append fields; version `ff` and ids of zeros alone are invalid.
pub(super) fn trace_id(request: &HttpRequest) -> Option<String> {
    let header = request.headers().get("traceparent")?.to_str().ok()?;
    let mut fields = header.split('-');
    let version = fields
        .next()
        .filter(|version| is_hex(version, 2) && *version != "ff")?;
    let trace_id = fields.next().filter(|id| is_hex(id, 32) && !is_zero(id))?;
    fields.next().filter(|id| is_hex(id, 16) && !is_zero(id))?;
    fields.next().filter(|flags| is_hex(flags, 2))?;
    if version == "00" && fields.next().is_some() {
        return None;
    }
    Some(trace_id.to_owned())
}

fn is_hex(field: &str, length: usize) -> bool {
    field.len() == length
        && field
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_zero(field: &str) -> bool {
    field.bytes().all(|byte| byte == b'0')
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use uuid::{Uuid, Version};

    use super::*;

    #[test]
    fn a_sane_id_is_kept_and_asked_for_twice_is_the_same() {
        let request = TestRequest::default()
            .insert_header((HEADER, "abc-123"))
            .to_http_request();
        assert_eq!(RequestId::of(&request).as_str(), "abc-123");
        let without = TestRequest::default().to_http_request();
        assert_eq!(RequestId::of(&without), RequestId::of(&without));
    }

    #[test]
    fn an_id_that_could_not_be_logged_as_it_is_is_replaced() {
        for header in ["", "two words", "tab\there", &"x".repeat(129)] {
            let request = TestRequest::default()
                .insert_header((HEADER, header))
                .to_http_request();
            let id = Uuid::try_parse(RequestId::of(&request).as_str()).unwrap();
            assert_eq!(id.get_version(), Some(Version::SortRand), "{header:?}");
        }
    }

    #[test]
    fn the_trace_id_comes_from_a_valid_traceparent_only() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        for (header, expected) in [
            (format!("00-{trace}-00f067aa0ba902b7-01"), Some(trace)),
            (
                format!("cc-{trace}-00f067aa0ba902b7-01-what-comes"),
                Some(trace),
            ),
            (format!("00-{trace}-00f067aa0ba902b7-01-extra"), None),
            (format!("ff-{trace}-00f067aa0ba902b7-01"), None),
            (format!("00-{trace}-0000000000000000-01"), None),
            (format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)), None),
            (
                format!("00-{}-00f067aa0ba902b7-01", trace.to_uppercase()),
                None,
            ),
            (format!("00-{trace}"), None),
        ] {
            let request = TestRequest::default()
                .insert_header(("traceparent", header.as_str()))
                .to_http_request();
            assert_eq!(trace_id(&request).as_deref(), expected, "{header}");
        }
    }
}
