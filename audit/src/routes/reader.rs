//! Who may read the trail.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;

use crate::problem::{FORBIDDEN, Problem};
use crate::record::Actor;

/// The roles that may read the trail.
pub const READER_ROLES: [&str; 2] = ["auditor", "admin"];

/// An actor who may read the trail. Everybody else is refused before a query is
/// even looked at.
pub(super) struct Reader;

impl FromRequest for Reader {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let actor = Actor::from_request(request, payload);
        Box::pin(async move {
            if actor.await?.has_any_role(&READER_ROLES) {
                Ok(Self)
            } else {
                Err(Problem::new(
                    &FORBIDDEN,
                    "Reading the audit trail takes the role `auditor` or `admin`.",
                ))
            }
        })
    }
}
