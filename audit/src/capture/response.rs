//! What a record tells of a response.

use actix_web::HttpResponse;
use actix_web::body::{BodySize, BoxBody, MessageBody as _};
use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;

use crate::problem::Reason;
use crate::redact::shape::Shape;
use crate::redact::{Redacted, Redactor, Truncated};

/// Why a response is no success: the code it carries, or else its status.
pub(super) fn reason(response: &HttpResponse) -> String {
    let code = response
        .extensions()
        .get::<Reason>()
        .map(|reason| reason.0.to_owned());
    code.unwrap_or_else(|| name_of(response.status()))
}

/// The status as a code: `404 Not Found` is `not_found`.
fn name_of(status: StatusCode) -> String {
    match status.canonical_reason() {
        Some(reason) => reason
            .chars()
            .filter(|character| *character != '\'')
            .map(|character| {
                if character.is_ascii_alphanumeric() {
                    character.to_ascii_lowercase()
                } else {
                    '_'
                }
            })
            .collect(),
        None => format!("status_{}", status.as_u16()),
    }
}

/// Copies a response's body if it is JSON and whole in memory; a stream is left
/// alone, because waiting for its end would hold it up.
pub(super) fn capture(
    redactor: &Redactor,
    response: HttpResponse,
    shape: &'static Shape,
    limit_bytes: usize,
) -> (HttpResponse, Redacted) {
    let is_json = response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| {
            value.starts_with("application/json") || value.starts_with("application/problem+json")
        });
    if !is_json {
        return (response, Redacted::default());
    }
    let mut captured = Redacted::default();
    let response =
        response.map_body(
            |_, body: BoxBody| match (body.size(), body.try_into_bytes()) {
                (_, Ok(bytes)) => {
                    captured = if bytes.len() <= limit_bytes {
                        redactor
                            .json_as("/response", &bytes, shape)
                            .unwrap_or_default()
                    } else {
                        left_out(bytes.len() as u64)
                    };
                    BoxBody::new(bytes)
                }
                (BodySize::Sized(bytes), Err(body)) => {
                    captured = left_out(bytes);
                    body
                }
                (_, Err(body)) => body,
            },
        );
    (response, captured)
}

fn left_out(bytes: u64) -> Redacted {
    Redacted {
        truncated: vec![Truncated {
            path: "/response".to_owned(),
            bytes,
            sha256: None,
        }],
        ..Redacted::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_without_a_problem_gives_a_readable_reason() {
        assert_eq!(name_of(StatusCode::NOT_FOUND), "not_found");
        assert_eq!(name_of(StatusCode::IM_A_TEAPOT), "im_a_teapot");
        assert_eq!(name_of(StatusCode::from_u16(599).unwrap()), "status_599");
    }
}
