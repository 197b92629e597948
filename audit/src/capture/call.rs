//! An attempt that a request makes: everything between a request and its record.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Payload as RawPayload;
use actix_web::http::header::HeaderValue;
use actix_web::{
    Error, FromRequest, HttpMessage as _, HttpRequest, HttpResponse, Responder, ResponseError as _,
};
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;

use super::argument::{Part, Reads};
use super::attempt::{Attempt, Origin};
use super::body::BodyCopy;
use super::caller::Caller;
use super::identity::from_app;
use super::known::{End, Known, Payload};
use super::request::RequestPart;
use super::request_id::{self, RequestId};
use super::{Spec, response};
use crate::journal::{Kept, Refusal};
use crate::problem::{AUDIT_UNAVAILABLE, AUDIT_UNCONFIRMED, INTERNAL_ERROR, Problem};
use crate::record::Outcome;
use crate::redact::Redacted;
use crate::redact::shape::Shape;

/// When a refused client should try again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A request to an annotated handler.
///
/// As an extractor it takes the request as it is and cannot fail; the handler's
/// arguments are extracted by [`Call::run`], under the eyes of the audit trail.
///
/// Whoever is told that a handler expects one of these has called an annotated handler
/// as a function. It is one for Actix-web alone: move what others need out of it.
pub struct Call {
    request: HttpRequest,
    payload: RawPayload,
}

impl FromRequest for Call {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, payload: &mut RawPayload) -> Self::Future {
        ready(Ok(Self {
            request: request.clone(),
            payload: payload.take(),
        }))
    }
}

/// What the macro knows of a handler's types.
#[derive(Clone, Copy, Debug)]
pub struct Types {
    /// What the arguments read, in their order.
    pub reads: &'static [Reads],
    /// What the answer's type says of its secrets.
    pub answer: &'static Shape,
}

/// What is the handler's own: extracting its arguments, and running it. Everything
/// around it is compiled once for all handlers.
type Work = Box<dyn FnOnce(RawPayload, Intent) -> LocalBoxFuture<'static, HttpResponse>>;

impl Call {
    /// Runs the handler and leaves the record of the attempt.
    pub fn run<Arguments, Handler, Answer>(
        self,
        spec: &'static Spec,
        types: Types,
        handler: Handler,
    ) -> impl Future<Output = HttpResponse>
    where
        Arguments: FromRequest + 'static,
        Handler: FnOnce(Arguments) -> Answer + 'static,
        Answer: Future,
        Answer::Output: Responder,
    {
        let request = self.request.clone();
        let work: Work = Box::new(move |mut payload, intent| {
            Box::pin(async move {
                let arguments = match Arguments::from_request(&request, &mut payload).await {
                    Ok(arguments) => arguments,
                    Err(error) => {
                        intent.refuse();
                        let error: Error = error.into();
                        return HttpResponse::from_error(error);
                    }
                };
                if let Err(refusal) = intent.confirmed().await {
                    return refusal.error_response();
                }
                handler(arguments)
                    .await
                    .respond_to(&request)
                    .map_into_boxed_body()
            })
        });
        respond(spec, types, self.request, self.payload, work)
    }
}

/// The answer to a request, which carries its id.
async fn respond(
    spec: &'static Spec,
    types: Types,
    request: HttpRequest,
    payload: RawPayload,
    work: Work,
) -> HttpResponse {
    #[cfg(any(test, feature = "testing"))]
    if let Some(answer) = super::survey::answer(&request, spec.action) {
        return answer;
    }
    let mut response = match begin(spec, types, &request) {
        Ok((attempt, caller)) => conduct(attempt, caller, types, &request, payload, work).await,
        Err(problem) => problem.error_response(),
    };
    if let Ok(id) = HeaderValue::from_str(RequestId::of(&request).as_str()) {
        response.headers_mut().insert(request_id::HEADER, id);
    }
    response
}

/// An attempt from its beginning to its end.
async fn conduct(
    mut attempt: Attempt,
    caller: Caller,
    types: Types,
    request: &HttpRequest,
    mut payload: RawPayload,
    work: Work,
) -> HttpResponse {
    watch(&attempt, request, &mut payload);
    let answer = async {
        // The record names the actor whether or not the handler asks for one.
        if let Some(actor) = caller.into_actor() {
            attempt.known().set_actor(&actor);
        }
        // The journal works on the intent while the body is still coming in.
        work(payload, Intent::of(&attempt)).await
    };
    let answer = attempt
        .scope()
        .hold(AssertUnwindSafe(answer).catch_unwind());
    let (response, kept) = match answer.await {
        Ok(response) => answered(&mut attempt, types, response),
        Err(_panic) => panicked(&mut attempt),
    };
    match kept.confirmed().await {
        Err(_) if !attempt.may_go_without() => {
            let known = attempt.known();
            known.audit.unconfirmed(known.spec.action);
            // Nothing was done, so the client may safely try again.
            if !known.lock().has_run {
                return refused(STALLED_DETAIL).error_response();
            }
            Problem::new(&AUDIT_UNCONFIRMED, UNCONFIRMED_DETAIL).error_response()
        }
        _ => response,
    }
}

/// What must be kept before a handler may run.
struct Intent {
    kept: Kept,
    may_go_without: bool,
    known: Arc<Known>,
}

impl Intent {
    fn of(attempt: &Attempt) -> Self {
        Self {
            kept: attempt.intend(),
            may_go_without: attempt.may_go_without(),
            known: attempt.shared(),
        }
    }

    /// The handler will not run, for its arguments cannot be extracted.
    fn refuse(&self) {
        self.known.lock().is_refused = true;
    }

    /// Waits until the handler may run, and notes that it does.
    async fn confirmed(self) -> Result<(), Problem> {
        match self.kept.confirmed().await {
            Err(_) if !self.may_go_without => Err(refused(STALLED_DETAIL)),
            _ => {
                self.known.lock().has_run = true;
                Ok(())
            }
        }
    }
}

const STALLED_DETAIL: &str = "The disk that keeps the records does not answer; try again later.";
const PANIC_DETAIL: &str = "Tell the service's operators the X-Request-Id of this response.";
const UNCONFIRMED_DETAIL: &str = "The attempt was made, and what came of it is withheld. See what \
    has changed before you try again, and tell the service's operators the X-Request-Id of this \
    response.";

fn begin(
    spec: &'static Spec,
    types: Types,
    request: &HttpRequest,
) -> Result<(Attempt, Caller), Problem> {
    let audit = from_app(request)?;
    let caller = Caller::of(audit, request);
    let account = caller.admit(audit, spec.action)?;
    let part = || {
        let redactor = audit.redactor();
        Some(RequestPart::of(
            request,
            caller.address,
            redactor,
            types.reads,
        ))
    };
    let origin = Origin {
        account: Some(account),
        abandoned: "client_gone",
    };
    let attempt = Attempt::begin(audit, *spec, types.reads, origin, part).map_err(|refusal| {
        let detail = match refusal {
            Refusal::Full => "Too many records wait for the store; try again later.",
            Refusal::Impaired => "The disk that keeps the records fails; try again later.",
            Refusal::Closed => {
                "The service is shutting down; try again on another instance, or later."
            }
        };
        refused(detail)
    })?;
    request.extensions_mut().insert(attempt.scope());
    Ok((attempt, caller))
}

fn refused(detail: &str) -> Problem {
    Problem::new(&AUDIT_UNAVAILABLE, detail).with_retry_after(RETRY_AFTER)
}

/// Looks on while the handler reads the request's body, if it is to be kept.
fn watch(attempt: &Attempt, request: &HttpRequest, payload: &mut RawPayload) {
    let known = attempt.known();
    if known.spec.capture.request()
        && !known.skips(Part::Body)
        && let Some(body) = BodyCopy::of(request.headers(), payload, known.audit.capture_bytes())
    {
        known.lock().payload = Payload::Body(body);
    }
}

/// Ends with the handler's answer, which is given back as it was and may go out
/// once the record is confirmed.
fn answered(attempt: &mut Attempt, types: Types, response: HttpResponse) -> (HttpResponse, Kept) {
    let known = attempt.known();
    let (response, captured) = if known.spec.capture.response() {
        let limit_bytes = known.audit.capture_bytes();
        response::capture(known.redactor(), response, types.answer, limit_bytes)
    } else {
        (response, Redacted::default())
    };
    let status = response.status().as_u16();
    let outcome = Outcome::from_status(status);
    let kept = attempt.end(End {
        outcome,
        reason: (outcome != Outcome::Success).then(|| response::reason(&response)),
        status: Some(status),
        response: captured,
    });
    (response, kept)
}

fn panicked(attempt: &mut Attempt) -> (HttpResponse, Kept) {
    let response = Problem::new(&INTERNAL_ERROR, PANIC_DETAIL).error_response();
    let kept = attempt.break_off(End {
        status: Some(response.status().as_u16()),
        ..End::with(Outcome::Failed, Some("panic"))
    });
    (response, kept)
}
