//! The runtime half of `#[audited]`: everything between a request and its record.
//!
//! The macro replaces a handler by a function that takes one [`Call`] and gives
//! it the handler as it was written. The call then does, in this order:
//!
//! 1. It reserves room for the record. Without room the answer is 503 and
//!    nothing has happened: no body was read and no handler was called.
//! 2. It asks the service's authentication who this is, and leaves an intent in
//!    the journal: the record to be told should the process die in the middle.
//! 3. It extracts the handler's arguments. An extractor that fails ends the
//!    attempt with its answer, so refused and malformed requests are recorded
//!    too.
//! 4. It waits until the intent is kept, and runs the handler. A panic is caught
//!    and answered with 500.
//! 5. It hands over the record, waits until it is kept, and only then gives the
//!    response back: a client that holds its response has its record.
//!
//! A client that goes away drops all of this in the middle; the attempt is then
//! recorded by its destructor, with the outcome `aborted`. What happens to a
//! response after it was given back, such as a stream that breaks off, is not
//! part of the record.

mod attempt;
mod body;
mod identity;
pub mod request_id;
mod scope;

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header::HeaderValue;
use actix_web::{Error, FromRequest, HttpRequest, HttpResponse, Responder, ResponseError as _};
use futures_util::FutureExt as _;

use attempt::Attempt;
pub(crate) use attempt::id_at;
use identity::{from_app, identify};
pub use request_id::RequestId;
pub use scope::{AuditScope, say_resource_id};

use crate::journal::{Durability, Refusal};
use crate::problem::{AUDIT_UNAVAILABLE, AUDIT_UNCONFIRMED, INTERNAL_ERROR, Problem};

/// When a refused client should try again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What an annotation says about its handler.
#[derive(Debug)]
pub struct Spec {
    /// The stable name of the action.
    pub action: &'static str,
    /// The type of the thing acted on.
    pub resource: Option<&'static str>,
    /// How much of the exchange is kept.
    pub capture: Capture,
    /// What the record survives before the response goes out, if the annotation
    /// says so; otherwise the service does.
    pub durability: Option<Durability>,
    /// What happens to an attempt whose record cannot be kept.
    pub unavailable: Unavailable,
}

/// What happens to an attempt whose record cannot be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unavailable {
    /// It is refused, before the handler runs.
    Refuse,
    /// It is let through and counted, and a later record tells of the gap.
    Allow,
}

/// How much of an exchange a record keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capture {
    /// Neither payload.
    Metadata,
    /// The request's payload.
    Request,
    /// The response's payload.
    Response,
    /// Both payloads.
    All,
}

impl Capture {
    fn request(self) -> bool {
        matches!(self, Self::Request | Self::All)
    }

    fn response(self) -> bool {
        matches!(self, Self::Response | Self::All)
    }
}

/// A request to an annotated handler whose arguments are `Arguments`.
///
/// As an extractor it takes the request as it is and cannot fail; the arguments
/// are extracted by [`Call::run`], under the eyes of the audit trail.
pub struct Call<Arguments> {
    request: HttpRequest,
    payload: Payload,
    arguments: PhantomData<fn() -> Arguments>,
}

impl<Arguments> FromRequest for Call<Arguments> {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        ready(Ok(Self {
            request: request.clone(),
            payload: payload.take(),
            arguments: PhantomData,
        }))
    }
}

impl<Arguments: FromRequest + 'static> Call<Arguments> {
    /// Runs the handler and leaves the record of the attempt.
    pub async fn run<Handler, Answer>(self, spec: &'static Spec, handler: Handler) -> HttpResponse
    where
        Handler: FnOnce(Arguments) -> Answer,
        Answer: Future,
        Answer::Output: Responder,
    {
        let Self {
            request, payload, ..
        } = self;
        let mut response = match begin(spec, &request) {
            Ok(attempt) => conduct(attempt, &request, payload, handler).await,
            Err(problem) => problem.error_response(),
        };
        if let Ok(id) = HeaderValue::from_str(RequestId::of(&request).as_str()) {
            response.headers_mut().insert(request_id::HEADER, id);
        }
        response
    }
}

/// An attempt from its beginning to its end.
async fn conduct<Arguments, Handler, Answer>(
    mut attempt: Attempt,
    request: &HttpRequest,
    mut payload: Payload,
    handler: Handler,
) -> HttpResponse
where
    Arguments: FromRequest,
    Handler: FnOnce(Arguments) -> Answer,
    Answer: Future,
    Answer::Output: Responder,
{
    attempt.watch(&mut payload);
    let answer = answer(&attempt, request, payload, handler);
    let answer = attempt
        .scope()
        .hold(AssertUnwindSafe(answer).catch_unwind());
    let (response, kept) = match answer.await {
        Ok(response) => attempt.answered(response),
        Err(_panic) => {
            let response = Problem::new(&INTERNAL_ERROR, PANIC_DETAIL).error_response();
            let kept = attempt.panicked(response.status());
            (response, kept)
        }
    };
    match kept.confirmed().await {
        Err(_) if !attempt.may_go_without() => {
            attempt.audit().unconfirmed(attempt.action());
            Problem::new(&AUDIT_UNCONFIRMED, UNCONFIRMED_DETAIL).error_response()
        }
        _ => response,
    }
}

const PANIC_DETAIL: &str = "Tell the service's operators the X-Request-Id of this response.";
const UNCONFIRMED_DETAIL: &str = "The attempt was made, and what came of it is withheld. See what \
    has changed before you try again, and tell the service's operators the X-Request-Id of this \
    response.";

fn begin(spec: &'static Spec, request: &HttpRequest) -> Result<Attempt, Problem> {
    let audit = from_app(request)?;
    Attempt::begin(audit, spec, request).map_err(|refusal| {
        let detail = match refusal {
            Refusal::Full => "Too many records wait for the store; try again later.",
            Refusal::Impaired => "The disk that keeps the records fails; try again later.",
            Refusal::Closed => {
                "The service is shutting down; try again on another instance, or later."
            }
        };
        refused(detail)
    })
}

fn refused(detail: &str) -> Problem {
    Problem::new(&AUDIT_UNAVAILABLE, detail).with_retry_after(RETRY_AFTER)
}

/// What the handler would have answered without us, unless its intent is not kept.
async fn answer<Arguments, Handler, Answer>(
    attempt: &Attempt,
    request: &HttpRequest,
    mut payload: Payload,
    handler: Handler,
) -> HttpResponse
where
    Arguments: FromRequest,
    Handler: FnOnce(Arguments) -> Answer,
    Answer: Future,
    Answer::Output: Responder,
{
    // The record names the actor whether or not the handler asks for one. A
    // refusal is the handler's to make, by taking an `Actor` as an argument.
    let _ = identify(attempt.audit(), request);
    // The journal works on the intent while the body is still coming in.
    let intent = attempt.intend();
    let arguments = match Arguments::from_request(request, &mut payload).await {
        Ok(arguments) => arguments,
        Err(error) => {
            let error: Error = error.into();
            return HttpResponse::from_error(error);
        }
    };
    if intent.confirmed().await.is_err() && !attempt.may_go_without() {
        return refused("The disk that keeps the records does not answer; try again later.")
            .error_response();
    }
    handler(arguments)
        .await
        .respond_to(request)
        .map_into_boxed_body()
}
