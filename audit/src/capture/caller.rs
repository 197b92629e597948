//! Who makes a request and from where: known before there is an attempt.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;

use actix_web::HttpRequest;

use super::identity::identify;
use crate::client_address::ClientAddress;
use crate::handle::Audit;
use crate::problem::{Problem, TOO_MANY_REFUSALS};
use crate::record::Actor;
use crate::throttle::{Account, Subject};

/// Who makes a request.
pub(super) struct Caller {
    /// Nobody if the service's authentication says so, and a panic if it does that.
    actor: thread::Result<Option<Actor>>,
    pub(super) address: ClientAddress,
}

impl Caller {
    pub(super) fn of(audit: &Audit, request: &HttpRequest) -> Self {
        // A refusal is the handler's to make, by taking an `Actor` as an argument.
        let actor = || identify(audit, request).ok();
        Self {
            actor: catch_unwind(AssertUnwindSafe(actor)),
            address: ClientAddress::of(request, audit.proxies()),
        }
    }

    /// Who pays for the attempt, or the answer to whoever may make none.
    pub(super) fn admit(&self, audit: &Audit, action: &'static str) -> Result<Account, Problem> {
        let actor = self.actor.as_ref().ok().and_then(Option::as_ref);
        let subject = Subject::of(actor, self.address.ip);
        audit.throttle().admit(&subject, action).map_err(|used_up| {
            let detail = match subject {
                Subject::Actor(..) => {
                    "Too many of your requests were refused, and this one was not even looked at. \
                     Mend what they were refused for, and try again later."
                }
                Subject::Address(_) => {
                    "Too many requests without valid credentials were refused, and this one was \
                     not even looked at. Send valid credentials, or try again later."
                }
            };
            Problem::new(&TOO_MANY_REFUSALS, detail).with_retry_after(used_up.retry_after)
        })
    }

    /// The actor. A panic of the authentication goes on here, where it is recorded.
    pub(super) fn into_actor(self) -> Option<Actor> {
        self.actor.unwrap_or_else(|panic| resume_unwind(panic))
    }
}
