//! A copy of the request's body, taken while the handler reads it.
//!
//! The handler's extractors read the very stream they would have read; this room
//! looks on. So nothing is read that the handler does not read, and nothing is
//! held back from it. What is not text with names in it (an upload, a compressed
//! body) is not looked at, because nobody could say what is secret in it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use actix_web::web::Bytes;
use futures_core::Stream;
use sha2::{Digest as _, Sha256};

use crate::redact::shape::Shape;
use crate::redact::{Redacted, Redactor, Truncated};

/// What kind of text a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Json,
    Form,
}

impl Format {
    fn of(headers: &HeaderMap) -> Option<Self> {
        if headers.contains_key(CONTENT_ENCODING) {
            return None;
        }
        let content_type = headers.get(CONTENT_TYPE)?.to_str().ok()?;
        let mut parameters = content_type.split(';').map(str::trim);
        let essence = parameters.next()?.to_ascii_lowercase();
        // The handler reads a form in the encoding that is announced, and we could not.
        let is_utf8 = parameters.all(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            !name.trim().eq_ignore_ascii_case("charset")
                || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        });
        match essence.as_str() {
            "application/json" => Some(Self::Json),
            "application/x-www-form-urlencoded" if is_utf8 => Some(Self::Form),
            other if other.ends_with("+json") => Some(Self::Json),
            _ => None,
        }
    }
}

/// The copy of one body.
pub(super) struct BodyCopy {
    format: Format,
    announced_bytes: u64,
    seen: Arc<Mutex<Seen>>,
}

impl BodyCopy {
    /// Looks on while `payload` is read, if it is of a kind that can be redacted.
    pub(super) fn of(
        headers: &HeaderMap,
        payload: &mut Payload,
        limit_bytes: usize,
    ) -> Option<Self> {
        let format = Format::of(headers)?;
        let seen = Arc::new(Mutex::new(Seen::new(limit_bytes)));
        *payload = Payload::Stream {
            payload: Box::pin(Watched {
                payload: payload.take(),
                seen: Arc::clone(&seen),
            }),
        };
        Some(Self {
            format,
            announced_bytes: announced_bytes(headers),
            seen,
        })
    }

    /// What the record keeps of a body that may hold secrets anywhere: its size.
    pub(super) fn left_out(&self, root: &str) -> Redacted {
        let bytes = lock(&self.seen).bytes.max(self.announced_bytes);
        let truncated = (bytes > 0).then(|| Truncated {
            path: root.to_owned(),
            bytes,
            sha256: None,
        });
        Redacted {
            truncated: truncated.into_iter().collect(),
            ..Redacted::default()
        }
    }

    /// What the record keeps of the body; an empty text stands for nothing.
    pub(super) fn redacted(
        &self,
        redactor: &Redactor,
        root: &str,
        shapes: &[&'static Shape],
    ) -> Redacted {
        let seen = lock(&self.seen);
        if seen.bytes == 0 {
            return Redacted::default();
        }
        let left_out = |bytes, sha256| Redacted {
            truncated: vec![Truncated {
                path: root.to_owned(),
                bytes,
                sha256,
            }],
            ..Redacted::default()
        };
        match &seen.content {
            _ if !seen.complete => left_out(seen.bytes.max(self.announced_bytes), None),
            Content::Hashed(hash) => left_out(seen.bytes, Some(hex(hash.clone()))),
            Content::Kept(body) => {
                let redacted = match self.format {
                    Format::Form => Ok(redactor.form_by(root, body, shapes)),
                    Format::Json => redactor.json_by(root, body, shapes),
                };
                // No hash of what could not be redacted: of something short it
                // would tell the secret to whoever tries long enough.
                redacted.unwrap_or_else(|_| left_out(seen.bytes, None))
            }
        }
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

fn announced_bytes(headers: &HeaderMap) -> u64 {
    headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse().ok())
        .unwrap_or(0)
}

/// What has passed so far.
struct Seen {
    limit_bytes: usize,
    bytes: u64,
    content: Content,
    /// Whether the handler read the body to its end.
    complete: bool,
}

/// A body is kept until it is too large; from then on only its hash is.
enum Content {
    Kept(Vec<u8>),
    Hashed(Sha256),
}

impl Seen {
    fn new(limit_bytes: usize) -> Self {
        Self {
            limit_bytes,
            bytes: 0,
            content: Content::Kept(Vec::new()),
            complete: false,
        }
    }

    fn take(&mut self, chunk: &[u8]) {
        self.bytes += chunk.len() as u64;
        match &mut self.content {
            Content::Kept(body) if body.len() + chunk.len() <= self.limit_bytes => {
                body.extend_from_slice(chunk)
            }
            Content::Kept(body) => {
                self.content =
                    Content::Hashed(Sha256::new().chain_update(body).chain_update(chunk));
            }
            Content::Hashed(hash) => hash.update(chunk),
        }
    }
}

fn hex(hash: Sha256) -> String {
    hash.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

struct Watched {
    payload: Payload,
    seen: Arc<Mutex<Seen>>,
}

impl Stream for Watched {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = Pin::new(&mut self.payload).poll_next(context);
        let mut seen = lock(&self.seen);
        match &next {
            Poll::Ready(Some(Ok(chunk))) => seen.take(chunk),
            Poll::Ready(None) => seen.complete = true,
            Poll::Ready(Some(Err(_))) | Poll::Pending => {}
        }
        drop(seen);
        next
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;
    use futures_util::StreamExt as _;

    use super::*;

    const LIMIT_BYTES: usize = 100;

    fn headers(content_type: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers
    }

    async fn copied(content_type: &'static str, body: &str, read_chunks: usize) -> Redacted {
        let chunks: Vec<_> = body
            .as_bytes()
            .chunks(7)
            .map(|chunk| Ok(Bytes::copy_from_slice(chunk)))
            .collect();
        let mut payload: Payload = Payload::Stream {
            payload: Box::pin(futures_util::stream::iter(chunks)),
        };
        let copy = BodyCopy::of(&headers(content_type), &mut payload, LIMIT_BYTES).unwrap();
        let read: Vec<Bytes> = payload
            .take(read_chunks)
            .map(Result::unwrap)
            .collect()
            .await;
        assert!(body.as_bytes().starts_with(&read.concat()));
        copy.redacted(&Redactor::default(), "/request", &[])
    }

    #[actix_web::test]
    async fn a_body_read_to_its_end_is_kept_without_its_secrets() {
        let redacted = copied(
            "application/json; charset=utf-8",
            r#"{"name":"a","pin":1}"#,
            usize::MAX,
        )
        .await;
        assert_eq!(redacted.text, r#"{"name":"a","pin":"[REDACTED]"}"#);
        let redacted = copied(
            "application/x-www-form-urlencoded",
            "name=a&pin=1",
            usize::MAX,
        )
        .await;
        assert_eq!(redacted.text, r#"{"name":"a","pin":"[REDACTED]"}"#);
    }

    #[actix_web::test]
    async fn a_body_too_large_leaves_its_size_and_hash() {
        let body = format!("\"{}\"", "x".repeat(LIMIT_BYTES));
        let redacted = copied("application/json", &body, usize::MAX).await;
        assert_eq!(redacted.text, "");
        let [cut] = redacted.truncated.as_slice() else {
            panic!("one marker expected: {redacted:?}")
        };
        assert_eq!(
            (cut.path.as_str(), cut.bytes),
            ("/request", body.len() as u64)
        );
        assert_eq!(cut.sha256, Some(hex(Sha256::new().chain_update(&body))));
    }

    #[actix_web::test]
    async fn a_body_read_in_part_or_not_json_leaves_its_size_alone() {
        for (body, chunks) in [
            (r#"{"name":"abcdefghijk"}"#, 1),
            (r#"{"password":"hunter2""#, usize::MAX),
        ] {
            let redacted = copied("application/json", body, chunks).await;
            assert_eq!(redacted.text, "");
            assert_eq!(redacted.truncated[0].sha256, None);
        }
    }

    #[test]
    fn what_cannot_be_redacted_is_not_looked_at() {
        let mut compressed = headers("application/json");
        compressed.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        for headers in [
            compressed,
            headers("multipart/form-data; boundary=x"),
            headers("application/x-www-form-urlencoded; charset=iso-2022-jp"),
            HeaderMap::new(),
        ] {
            assert!(BodyCopy::of(&headers, &mut Payload::None, LIMIT_BYTES).is_none());
        }
        assert!(
            BodyCopy::of(
                &headers("application/vnd.api+json"),
                &mut Payload::None,
                LIMIT_BYTES
            )
            .is_some()
        );
    }
}
