//! Methods that a resource has, and a clear answer to all others.

use std::future::{Ready, ready};

use actix_web::http::header::{ALLOW, HeaderValue};
use actix_web::{FromRequest, Route, web};
use actix_web::{Handler, HttpRequest, HttpResponse, Resource, Responder, ResponseError as _};

use crate::problem::{METHOD_NOT_ALLOWED, Problem};

/// A resource that can be read and nothing else.
///
/// `HEAD` is answered like `GET`, but for the body, as clients expect of everything
/// that can be read ([RFC 9110, section 9.1]).
///
/// ```
/// use actix_web::{App, HttpResponse, web};
/// use audit::methods;
///
/// async fn status() -> HttpResponse {
///     HttpResponse::Ok().body("fine")
/// }
///
/// let app = App::new().service(methods::read_only(web::resource("/status"), status));
/// ```
///
/// [RFC 9110, section 9.1]: https://www.rfc-editor.org/rfc/rfc9110#section-9.1
pub fn read_only<F, Args>(resource: Resource, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    resource
        .get(handler.clone())
        .head(handler)
        .default_service(only("GET, HEAD"))
}

/// What a resource answers to methods that it does not have: 405, and in `Allow`
/// those that it has ([RFC 9110, section 15.5.6]).
///
/// ```
/// use actix_web::{App, HttpResponse, web};
/// use audit::methods;
///
/// async fn sign_in() -> HttpResponse {
///     HttpResponse::NoContent().finish()
/// }
///
/// let sign_in = web::resource("/sign-in").post(sign_in);
/// let app = App::new().service(sign_in.default_service(methods::only("POST")));
/// ```
///
/// [RFC 9110, section 15.5.6]: https://www.rfc-editor.org/rfc/rfc9110#section-15.5.6
pub fn only(allowed: &'static str) -> Route {
    web::to(move |request: HttpRequest| refuse(&request, allowed))
}

fn refuse(request: &HttpRequest, allowed: &'static str) -> Ready<HttpResponse> {
    let detail = format!(
        "{} is not possible here; what is: {allowed}.",
        request.method()
    );
    let mut response = Problem::new(&METHOD_NOT_ALLOWED, detail).error_response();
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(allowed));
    ready(response)
}
