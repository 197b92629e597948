//! Who makes a request: asked once, and remembered with the request.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};

use crate::handle::Audit;
use crate::problem::{AUDIT_UNAVAILABLE, Problem};
use crate::record::Actor;

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

impl Actor {
    /// Who makes this request, as the service's authentication says: for extractors
    /// of a service's own, such as one for each role.
    ///
    /// ```
    /// use std::future::{Ready, ready};
    ///
    /// use actix_web::dev::Payload;
    /// use actix_web::{FromRequest, HttpRequest};
    /// use audit::problem::FORBIDDEN;
    /// use audit::{Actor, Problem};
    ///
    /// struct Adjuster(Actor);
    ///
    /// impl FromRequest for Adjuster {
    ///     type Error = Problem;
    ///     type Future = Ready<Result<Self, Problem>>;
    ///
    ///     fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
    ///         ready(Actor::of(request).and_then(|actor| {
    ///             if actor.has_any_role(&["adjuster"]) {
    ///                 Ok(Self(actor))
    ///             } else {
    ///                 Err(Problem::new(&FORBIDDEN, "This takes the role `adjuster`."))
    ///             }
    ///         }))
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// What the service's authentication says, or that the app has no [`Audit`].
    pub fn of(request: &HttpRequest) -> Result<Self, Problem> {
        from_app(request).and_then(|audit| identify(audit, request))
    }
}

/// As an argument of a handler, an actor demands authentication: requests
/// without it are answered with 401.
impl FromRequest for Actor {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::of(request))
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
pub(crate) fn from_app(request: &HttpRequest) -> Result<&Audit, Problem> {
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
