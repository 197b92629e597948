//! Tokens: which are accepted, which are not, and what is left of them.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and so do its helpers"
)]

mod forged;
mod issuer;
mod keys;
mod records;
mod rotation;

use actix_web::HttpRequest;
use actix_web::http::header::{AUTHORIZATION, HeaderValue};
use actix_web::test::TestRequest;
use audit::jwt::Jwt;
use audit::{Actor, Authenticate as _};

/// A request with these `Authorization` headers.
fn request(headers: &[&[u8]]) -> HttpRequest {
    headers
        .iter()
        .fold(TestRequest::default(), |request, header| {
            request.append_header((AUTHORIZATION, HeaderValue::from_bytes(header).unwrap()))
        })
        .to_http_request()
}

/// Who makes a request with this token, or the code of the problem.
fn authenticate(jwt: &Jwt, token: &str) -> Result<Actor, &'static str> {
    let header = format!("Bearer {token}");
    jwt.authenticate(&request(&[header.as_bytes()]))
        .map_err(|problem| problem.kind().code())
}
