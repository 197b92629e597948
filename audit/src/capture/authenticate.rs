//! Who makes a request, by the service's own authentication.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};

use crate::handle::Audit;
use crate::problem::{AUDIT_UNAVAILABLE, MISSING_CREDENTIALS, Problem};
use crate::record::Actor;

/// A service's own way to tell who makes a request.
///
/// It is asked once for each request, before the handler's arguments are
/// extracted. A request it refuses is recorded as an attempt by nobody known;
/// whether that is enough to go on is for the handler to say, by taking an
/// [`Actor`] as an argument or not.
///
/// What needs time, such as a session in a store, belongs into a middleware that
/// leaves the actor in the request's extensions, where [`FromExtensions`] finds
/// it.
///
/// ```
/// use actix_web::HttpRequest;
/// use audit::problem::{MISSING_CREDENTIALS, Problem};
/// use audit::{Actor, Authenticate};
///
/// /// Behind a gateway that has authenticated everybody already.
/// struct GatewayHeader;
///
/// impl Authenticate for GatewayHeader {
///     fn authenticate(&self, request: &HttpRequest) -> Result<Actor, Problem> {
///         let user = request.headers().get("x-user").and_then(|user| user.to_str().ok());
///         user.map(|user| Actor::user(user, "gateway"))
///             .ok_or_else(|| Problem::new(&MISSING_CREDENTIALS, "Come through the gateway."))
///     }
/// }
/// ```
pub trait Authenticate: Send + Sync + 'static {
    /// Tells who makes the request.
    ///
    /// # Errors
    ///
    /// A problem of status 401 that says what the credentials should be. It
    /// reaches the client, so it must not say what exactly was wrong with a
    /// signature or a password.
    fn authenticate(&self, request: &HttpRequest) -> Result<Actor, Problem>;
}

/// Takes the [`Actor`] that a middleware has left in the request's extensions.
#[derive(Clone, Copy, Debug, Default)]
pub struct FromExtensions;

impl Authenticate for FromExtensions {
    fn authenticate(&self, request: &HttpRequest) -> Result<Actor, Problem> {
        request
            .extensions()
            .get::<Actor>()
            .cloned()
            .ok_or_else(|| Problem::new(&MISSING_CREDENTIALS, "Sign in and try again."))
    }
}

/// The answer for one request, so that the record and the handler's argument
/// cannot disagree and a signature is checked once.
#[derive(Clone)]
struct Identity(Result<Actor, Problem>);

pub(super) fn identify(audit: &Audit, request: &HttpRequest) -> Result<Actor, Problem> {
    if let Some(Identity(known)) = request.extensions().get::<Identity>() {
        return known.clone();
    }
    let identity = audit.authenticate(request);
    request.extensions_mut().insert(Identity(identity.clone()));
    identity
}

/// Who was found to make this request, if the question was asked and answered.
pub(super) fn identified(request: &HttpRequest) -> Option<Actor> {
    request.extensions().get::<Identity>()?.0.clone().ok()
}

/// As an argument of a handler, an actor demands authentication: requests
/// without it are answered with 401.
impl FromRequest for Actor {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(from_app(request).and_then(|audit| identify(audit, request)))
    }
}

/// The audit trail that the app holds in its data.
impl FromRequest for Audit {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(from_app(request).cloned())
    }
}

/// The app's audit trail, or the answer of a service without one: it refuses,
/// because an attempt that nobody can record must not be made.
pub(super) fn from_app(request: &HttpRequest) -> Result<&Audit, Problem> {
    request.app_data::<Audit>().ok_or_else(|| {
        tracing::error!(
            path = request.path(),
            "no Audit in the app's data, so the request is refused: add `.app_data(audit.clone())` to the App"
        );
        Problem::new(
            &AUDIT_UNAVAILABLE,
            "The service is put together wrongly; its log says how.",
        )
    })
}
