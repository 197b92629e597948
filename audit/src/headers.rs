//! Headers of answers that are data and no pages, and of those that a client has.

use actix_web::HttpRequest;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CROSS_ORIGIN_RESOURCE_POLICY, EntityTag, Header as _,
    HeaderName, HeaderValue, IfNoneMatch, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::middleware::DefaultHeaders;

/// What tells browsers to take an answer for data: not to guess its type, run or
/// frame it, show it to other sites, or keep it.
///
/// The audit trail's routes bring them along. A service wraps its app in them, so
/// that its own answers and errors have them too; an answer that is a page says
/// otherwise by setting a header itself.
///
/// ```
/// use actix_web::App;
///
/// let app = App::new().wrap(audit::headers::for_data());
/// ```
#[must_use]
pub fn for_data() -> DefaultHeaders {
    const HEADERS: [(HeaderName, HeaderValue); 5] = [
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (
            CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
        ),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (
            CROSS_ORIGIN_RESOURCE_POLICY,
            HeaderValue::from_static("same-origin"),
        ),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    HEADERS
        .into_iter()
        .fold(DefaultHeaders::new(), DefaultHeaders::add)
}

/// Whether the client has this answer already: one of the tags that it names is the
/// answer's, weak or not, or it asks for none at all
/// ([RFC 9110, section 13.1.2](https://www.rfc-editor.org/rfc/rfc9110#section-13.1.2)).
pub(crate) fn is_known(request: &HttpRequest, etag: &EntityTag) -> bool {
    match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|tag| tag.weak_eq(etag)),
        Err(_) => false,
    }
}
