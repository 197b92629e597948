//! Who may read the trail.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};

use crate::problem::{FORBIDDEN, Problem};
use crate::record::Actor;

/// The roles that may read the trail.
pub const READER_ROLES: [&str; 2] = ["auditor", "admin"];

/// An actor who may read the trail. Everybody else is refused before a query is
/// even looked at.
pub(super) struct Reader;

impl FromRequest for Reader {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Actor::of(request).and_then(|actor| {
            if actor.has_any_role(&READER_ROLES) {
                Ok(Self)
            } else {
                Err(Problem::new(
                    &FORBIDDEN,
                    "Reading the audit trail takes the role `auditor` or `admin`.",
                ))
            }
        }))
    }
}
