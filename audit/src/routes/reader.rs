//! Who may read the trail.

use std::future::{Ready, ready};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::rt::time::timeout;
use actix_web::{FromRequest, HttpRequest, web};
use tracing::Span;

use crate::capture::from_app;
use crate::handle::Audit;
use crate::postgres::{ANSWER_TIMEOUT, QueryError, Store};
use crate::problem::{
    FORBIDDEN, INTERNAL_ERROR, Problem, QUERY_TIMED_OUT, STORE_UNAVAILABLE, TOO_MANY_QUERIES,
};
use crate::record::Actor;
use crate::throttle::{Account, Slot, Subject, UsedUp};

/// The roles that may read the trail.
pub const READER_ROLES: [&str; 2] = ["auditor", "admin"];

/// When it is worth it to ask again a store that was not there.
const STORE_RETRY_AFTER: Duration = Duration::from_secs(2);

/// An actor who may read the trail, and whose allowance has paid for one query.
/// Everybody else is refused before a query is even looked at.
pub(super) struct Reader {
    audit: Audit,
    account: Account,
}

impl Reader {
    fn of(request: &HttpRequest) -> Result<Self, Problem> {
        let actor = Actor::of(request)?;
        if !actor.has_any_role(&READER_ROLES) {
            return Err(Problem::new(
                &FORBIDDEN,
                "Reading the audit trail takes the role `auditor` or `admin`.",
            ));
        }
        let audit = from_app(request)?.clone();
        let account = audit.throttle().account(&Subject::of(Some(&actor), None));
        let charged = audit.throttle().charge_query(account);
        charged.map_err(|used_up| too_many("Ask less often, or for more at a time.", used_up))?;
        Ok(Self { audit, account })
    }

    /// Asks the store one question.
    pub(super) async fn ask<T: Send + 'static>(
        self,
        question: impl FnOnce(&Store) -> Result<T, QueryError> + Send + 'static,
    ) -> Result<T, Problem> {
        self.begin().await?.ask(question).await
    }

    /// Waits until few enough queries of this actor are being answered.
    pub(super) async fn begin(self) -> Result<Conversation, Problem> {
        let slot = self.audit.throttle().slot(self.account).await;
        let slot = slot
            .map_err(|used_up| too_many("Wait for the answers to your other queries.", used_up))?;
        Ok(Conversation {
            audit: self.audit,
            slot: Arc::new(slot),
        })
    }

    /// Waits until this actor follows the trail few enough times.
    pub(super) async fn follow(self) -> Result<Conversation, Problem> {
        let slot = self.audit.throttle().stream_slot(self.account).await;
        let slot =
            slot.map_err(|used_up| too_many("Close another one of your streams.", used_up))?;
        Ok(Conversation {
            audit: self.audit,
            slot: Arc::new(slot),
        })
    }
}

/// Any number of questions, one after the other, that count as one query for as long as
/// this is there.
pub(super) struct Conversation {
    audit: Audit,
    slot: Arc<Slot>,
}

impl Conversation {
    /// The trail that is asked.
    pub(super) fn audit(&self) -> &Audit {
        &self.audit
    }

    /// Asks the store on a thread that may wait. A question whose client has gone counts
    /// until the store is done with it.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Store) -> Result<T, QueryError> + Send + 'static,
    ) -> Result<T, Problem> {
        let audit = self.audit.clone();
        let slot = Arc::clone(&self.slot);
        let span = Span::current();
        let answer = web::block(move || {
            let _held_until_answered = slot;
            span.in_scope(|| question(audit.store()?))
        });
        let answer = match timeout(ANSWER_TIMEOUT, answer).await {
            Ok(answer) => answer.unwrap_or(Err(QueryError::Failed)),
            Err(_) => {
                tracing::error!("Postgres does not answer a query, and has not ended it in time");
                Err(QueryError::Unavailable)
            }
        };
        answer.map_err(|error| match error {
            QueryError::Unavailable => Problem::new(&STORE_UNAVAILABLE, "Try again in a moment.")
                .with_retry_after(STORE_RETRY_AFTER),
            QueryError::TimedOut => Problem::new(
                &QUERY_TIMED_OUT,
                "Narrow it by time with `from` and `to`, or by actor or action.",
            ),
            QueryError::Failed => Problem::new(
                &INTERNAL_ERROR,
                "Tell the service's operators the X-Request-Id of this response.",
            ),
        })
    }
}

fn too_many(detail: &str, used_up: UsedUp) -> Problem {
    Problem::new(&TOO_MANY_QUERIES, detail).with_retry_after(used_up.retry_after)
}

impl FromRequest for Reader {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::of(request))
    }
}
