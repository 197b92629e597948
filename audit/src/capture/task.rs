//! Attempts that no request makes: background jobs, commands, message consumers.

use std::borrow::Cow;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use futures_util::FutureExt as _;
use serde::Serialize;

use super::attempt::{Attempt, Origin};
use super::findings::{cut, redacted};
use super::known::{End, Payload};
use super::scope::AuditScope;
use super::{Capture, Spec, Unavailable};
use crate::auditable::Auditable;
use crate::handle::Audit;
use crate::journal::{Durability, Kept, Refusal};
use crate::record::{Actor, Outcome};
use crate::redact::Redacted;

/// The longest name of an action, as the macro demands it.
const LONGEST_NAME: usize = 64;

/// An attempt outside of a request: what it is and who makes it. Made by
/// [`Audit::task`].
///
/// ```
/// use audit::{Actor, Audit, TaskError};
///
/// # async fn expire(audit: &Audit) -> Result<(), TaskError<std::io::Error>> {
/// let expired = audit
///     .task("expire_orders")
///     .actor(Actor::system("scheduler"))
///     .resource("order")
///     .run(async |scope| {
///         let expired = 3;
///         scope.note("expired", expired);
///         Ok(expired)
///     })
///     .await?;
/// # let _ = expired;
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is attempted until `run` or `run_blocking` is called"]
pub struct Task {
    audit: Audit,
    spec: Spec,
    actor: Actor,
    payload: Payload,
}

/// Why a task has no result, or one without a record.
#[derive(Debug, thiserror::Error)]
pub enum TaskError<E> {
    /// The action cannot be called so.
    #[error(
        "{0:?} is not the name of an action: write it like `create_item`, in at most 64 characters"
    )]
    InvalidName(&'static str),
    /// The attempt cannot be recorded, so it was not made.
    #[error("the attempt cannot be recorded, so it was not made: {0}")]
    Unavailable(Cow<'static, str>),
    /// The attempt was made, and it is not known whether its record is kept.
    #[error("the attempt was made, but its record is not confirmed")]
    Unconfirmed,
    /// The attempt was made and recorded, and failed.
    #[error(transparent)]
    Failed(#[from] E),
}

impl Audit {
    /// An attempt outside of a request, by the name of its action.
    ///
    /// It is recorded like a handler's: an intent before, a record after, `failed`
    /// for an error or a panic, `aborted` for a future that is dropped, `unknown`
    /// for a process that died.
    pub fn task(&self, action: &'static str) -> Task {
        Task {
            audit: self.clone(),
            spec: Spec {
                action,
                resource: None,
                capture: Capture::Request,
                durability: None,
                unavailable: Unavailable::Refuse,
            },
            actor: Actor::system(self.service()),
            payload: Payload::Nothing,
        }
    }
}

impl Task {
    /// Who attempts it. Unless it is said, the service itself.
    pub fn actor(mut self, actor: Actor) -> Self {
        self.actor = actor;
        self
    }

    /// The type of the thing acted on.
    pub fn resource(mut self, resource: &'static str) -> Self {
        self.spec.resource = Some(resource);
        self
    }

    /// What it works on, such as the message that was consumed: the record's
    /// `request`, redacted.
    pub fn payload<T: Serialize + Auditable + ?Sized>(mut self, payload: &T) -> Self {
        let payload = redacted(&self.audit, "/request", payload);
        self.payload = Payload::Given(payload.unwrap_or_else(|bytes| Redacted {
            truncated: vec![cut("/request", bytes)],
            ..Redacted::default()
        }));
        self
    }

    /// What the record survives before `run` returns.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.spec.durability = Some(durability);
        self
    }

    /// Goes on if the attempt cannot be recorded; a later record tells of the gap.
    pub fn allow_unrecorded(mut self) -> Self {
        self.spec.unavailable = Unavailable::Allow;
        self
    }

    /// Attempts it, and returns once its record is kept.
    ///
    /// An error is recorded as `failed`; the scope can say
    /// [otherwise](AuditScope::outcome), and [why](AuditScope::reason). A panic is
    /// recorded and goes on.
    ///
    /// # Errors
    ///
    /// What `work` returns, or why it did not run, or that its record is in doubt.
    pub async fn run<T, E>(
        self,
        work: impl AsyncFnOnce(AuditScope) -> Result<T, E>,
    ) -> Result<T, TaskError<E>> {
        let mut attempt = self.begin()?;
        if attempt.intend().confirmed().await.is_err() && !attempt.may_go_without() {
            return Err(give_up(attempt));
        }
        let scope = attempt.scope();
        let work = async { work(scope.clone()).await };
        let work = AssertUnwindSafe(work).catch_unwind();
        let result = match scope.clone().hold(work).await {
            Ok(result) => result,
            Err(panic) => {
                let _ = panicked(&mut attempt).confirmed().await;
                resume_unwind(panic);
            }
        };
        let kept = ended(&mut attempt, result.is_ok()).confirmed().await;
        conclude(&attempt, result, kept.is_ok())
    }

    /// The same on a thread that may block, such as that of a command.
    ///
    /// # Errors
    ///
    /// Those of [`Task::run`].
    pub fn run_blocking<T, E>(
        self,
        work: impl FnOnce(AuditScope) -> Result<T, E>,
    ) -> Result<T, TaskError<E>> {
        let mut attempt = self.begin()?;
        if attempt.intend().wait().is_err() && !attempt.may_go_without() {
            return Err(give_up(attempt));
        }
        let scope = attempt.scope();
        let work = || scope.enter(|| work(scope.clone()));
        let result = match catch_unwind(AssertUnwindSafe(work)) {
            Ok(result) => result,
            Err(panic) => {
                let _ = panicked(&mut attempt).wait();
                resume_unwind(panic);
            }
        };
        let kept = ended(&mut attempt, result.is_ok()).wait();
        conclude(&attempt, result, kept.is_ok())
    }

    fn begin<E>(self) -> Result<Attempt, TaskError<E>> {
        if !is_name(self.spec.action) {
            return Err(TaskError::InvalidName(self.spec.action));
        }
        let origin = Origin {
            account: None,
            abandoned: "cancelled",
        };
        let attempt = Attempt::begin(&self.audit, self.spec, &[], origin, || None)
            .map_err(|refusal: Refusal| TaskError::Unavailable(refusal.to_string().into()))?;
        attempt.known().set_actor(&self.actor);
        attempt.known().lock().payload = self.payload;
        Ok(attempt)
    }
}

fn give_up<E>(mut attempt: Attempt) -> TaskError<E> {
    drop(attempt.break_off(End::with(Outcome::Failed, Some("audit_unavailable"))));
    TaskError::Unavailable("the disk that keeps the records does not answer".into())
}

fn ended(attempt: &mut Attempt, is_success: bool) -> Kept {
    attempt.end(if is_success {
        End::with(Outcome::Success, None)
    } else {
        End::with(Outcome::Failed, Some("error"))
    })
}

fn panicked(attempt: &mut Attempt) -> Kept {
    attempt.break_off(End::with(Outcome::Failed, Some("panic")))
}

fn conclude<T, E>(
    attempt: &Attempt,
    result: Result<T, E>,
    is_kept: bool,
) -> Result<T, TaskError<E>> {
    let result = result?;
    if is_kept || attempt.may_go_without() {
        return Ok(result);
    }
    let known = attempt.known();
    known.audit.unconfirmed(known.spec.action);
    Err(TaskError::Unconfirmed)
}

/// Whether an action may be called so; the macro asks the same of annotations.
fn is_name(action: &str) -> bool {
    action.len() <= LONGEST_NAME
        && action.starts_with(|first: char| first.is_ascii_lowercase())
        && action
            .chars()
            .all(|character| matches!(character, 'a'..='z' | '0'..='9' | '_' | '.'))
}

impl fmt::Debug for Task {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Task")
            .field("spec", &self.spec)
            .field("actor", &self.actor)
            .finish_non_exhaustive()
    }
}
