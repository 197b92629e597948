//! How a service tells who makes a request.

use actix_web::{HttpMessage as _, HttpRequest};

use crate::problem::{MISSING_CREDENTIALS, Problem};
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
    /// signature or a password. Or one of status 503, when it cannot be told at the
    /// moment whether they are good.
    fn authenticate(&self, request: &HttpRequest) -> Result<Actor, Problem>;

    /// What the record `audit.start` calls this way to tell: the name of the type,
    /// unless it says otherwise. Never a secret.
    fn name(&self) -> String {
        std::any::type_name::<Self>().to_owned()
    }
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
