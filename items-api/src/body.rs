//! Request bodies: JSON of a known shape, and a clear answer to everything else.

use std::fmt::Display;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::{FromRequest, HttpRequest};
use audit::{Argument, Part, Problem};
use futures_util::StreamExt as _;
use futures_util::future::LocalBoxFuture;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::problem::{
    BODY_TOO_LARGE, BODY_TOO_SLOW, INCOMPLETE_BODY, INVALID_BODY, INVALID_JSON,
    UNSUPPORTED_MEDIA_TYPE,
};

/// The largest body. It is what a record keeps of a body, so that the payload of
/// every accepted request stands in its record whole.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// How long a client may take to send a body; the app holds it in its data. Actix-web has
/// a limit for the head of a request only, and while a body is on its way, room for its
/// record is reserved.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyTimeout(pub(crate) Duration);

impl Default for BodyTimeout {
    fn default() -> Self {
        Self(Duration::from_secs(30))
    }
}

/// A body that was read as a `T`.
pub(crate) struct Body<T>(pub(crate) T);

impl<T> Argument for Body<T> {
    const PART: Part = Part::Body;
    type Payload = T;
}

impl<T: DeserializeOwned + 'static> FromRequest for Body<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let checked = check_headers(request);
        let payload = payload.take();
        let BodyTimeout(patience) = request.app_data().copied().unwrap_or_default();
        Box::pin(async move {
            checked?;
            let bytes = tokio::time::timeout(patience, read(payload)).await;
            let bytes = bytes.unwrap_or_else(|_| Err(too_slow(patience)))?;
            serde_json::from_slice(&bytes)
                .map(Self)
                .map_err(|error| explain(&error))
        })
    }
}

fn check_headers(request: &HttpRequest) -> Result<(), Problem> {
    let header = |name| {
        request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let media_type = header(CONTENT_TYPE)
        .and_then(|value| value.split(';').next())
        .map(str::trim);
    if !media_type.is_some_and(|media_type| media_type.eq_ignore_ascii_case("application/json")) {
        return Err(Problem::new(
            &UNSUPPORTED_MEDIA_TYPE,
            "Send JSON and say so: `Content-Type: application/json`.",
        ));
    }
    if header(CONTENT_ENCODING).is_some_and(|encoding| !encoding.eq_ignore_ascii_case("identity")) {
        return Err(Problem::new(
            &UNSUPPORTED_MEDIA_TYPE,
            "Send the body without compression.",
        ));
    }
    let announced = header(CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
    if announced.is_some_and(|bytes| bytes > MAX_BODY_BYTES as u64) {
        return Err(too_large());
    }
    Ok(())
}

async fn read(mut payload: Payload) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error: PayloadError| unreadable(&error))?;
        if bytes.len() + chunk.len() > MAX_BODY_BYTES {
            return Err(too_large());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn too_large() -> Problem {
    Problem::new(
        &BODY_TOO_LARGE,
        format!("A body has at most {MAX_BODY_BYTES} bytes."),
    )
}

fn too_slow(patience: Duration) -> Problem {
    Problem::new(
        &BODY_TOO_SLOW,
        format!("A body must have come within {patience:?}."),
    )
}

fn unreadable(error: &impl Display) -> Problem {
    tracing::debug!(%error, "a body broke off");
    Problem::new(
        &INCOMPLETE_BODY,
        "The connection broke off, or the body was not encoded as announced.",
    )
}

fn explain(error: &serde_json::Error) -> Problem {
    match error.classify() {
        Category::Data => Problem::new(&INVALID_BODY, sentence(error)),
        Category::Syntax | Category::Eof | Category::Io => {
            Problem::new(&INVALID_JSON, sentence(error))
        }
    }
}

fn sentence(error: &serde_json::Error) -> String {
    format!("The body could not be read: {error}.")
}
