//! What a handler can add to the record of its own attempt.

use std::fmt::Display;
use std::future::{Ready, ready};
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use serde::Serialize;

use super::findings::{json_text, redacted};
use super::known::Known;
use crate::auditable::Auditable;
use crate::problem::{INTERNAL_ERROR, Problem};
use crate::record::{Change, JsonText, Outcome};

/// How many notes one record keeps.
const NOTES: usize = 32;
/// How many changes one record keeps.
const CHANGES: usize = 128;

tokio::task_local! {
    static CURRENT: AuditScope;
}

/// The attempt that is under way, for handlers that want to say more about it.
///
/// It is an extractor of annotated handlers, and [`AuditScope::current`] finds it
/// from code that they call. Clones share the attempt, also on other threads.
///
/// ```
/// use actix_web::{HttpResponse, post};
/// use audit::{AuditScope, audited};
///
/// #[post("/items/")]
/// #[audited(action = "create_item", resource = "item")]
/// async fn create_item(scope: AuditScope) -> HttpResponse {
///     scope.resource_id(17);
///     scope.note("imported_from", "catalogue.csv");
///     HttpResponse::Created().finish()
/// }
/// ```
#[derive(Clone)]
pub struct AuditScope {
    pub(super) known: Arc<Known>,
}

impl AuditScope {
    pub(super) fn of(known: &Arc<Known>) -> Self {
        Self {
            known: Arc::clone(known),
        }
    }

    /// The scope of the annotated handler that runs the current task, if one does.
    ///
    /// A task or thread that the handler spawns has no scope of its own: give it
    /// a clone, or let it [`enter`](Self::enter) one.
    #[must_use]
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    /// Makes this the [`current`](Self::current) scope while `work` runs, for code
    /// on a thread that the handler gave work to.
    pub fn enter<T>(&self, work: impl FnOnce() -> T) -> T {
        CURRENT.sync_scope(self.clone(), work)
    }

    /// Says what the action was attempted on; the last word counts.
    pub fn resource_id(&self, id: impl Display) {
        self.known.lock().said.resource_id = Some(id.to_string());
    }

    /// Says how the attempt ended, where that is not what the response's status
    /// stands for: a search that answers 200 with an error in it has failed.
    ///
    /// A panic, and a client that goes away, are recorded as what they are.
    pub fn outcome(&self, outcome: Outcome) {
        self.known.lock().said.outcome = Some(outcome);
    }

    /// Says why it did not succeed: a stable code, never the text of an error.
    /// Otherwise it is the code of the problem that is answered, or the status.
    pub fn reason(&self, code: &'static str) {
        self.known.lock().said.reason = Some(code);
    }

    /// Says with which status the handler is about to answer.
    ///
    /// Only a record that is kept before there is a response needs to be told:
    /// that of a [`transaction`](Self::transaction).
    pub fn status(&self, status: StatusCode) {
        self.known.lock().said.status = Some(status.as_u16());
    }

    /// Adds a note. It is redacted like a payload: by the name, by what the type of
    /// `value` says of its fields, and by what is found within.
    ///
    /// The same name again replaces the note. A record keeps 32 notes; further
    /// ones are left out, and the record says so. So it does of a value that
    /// cannot be serialised, or that is larger than a body may be.
    pub fn note(&self, name: impl Into<String>, value: impl Serialize + Auditable) {
        let name = name.into();
        let shown = self.known.redactor().shown_name(&name);
        let root = format!("/notes/{}", shown.replace('~', "~0").replace('/', "~1"));
        let value = redacted(&self.known.audit, &root, &value);
        let said = &mut self.known.lock().said;
        let place = said.notes.iter().position(|(known, _)| *known == name);
        match (value, place) {
            (Ok(value), Some(place)) => {
                if let Some((_, note)) = said.notes.get_mut(place) {
                    *note = value;
                }
            }
            (Ok(value), None) if said.notes.len() < NOTES => said.notes.push((name, value)),
            (Ok(value), None) => said.findings.leave_out("/notes", value.text.len() as u64),
            (Err(bytes), _) => said.findings.leave_out("/notes", bytes),
        }
    }

    /// Tells what a change changed: the fields that differ, each with its value
    /// before and after, redacted like a payload.
    ///
    /// ```
    /// use audit::{Auditable, AuditScope};
    /// use serde::Serialize;
    ///
    /// #[derive(Clone, Serialize, Auditable)]
    /// struct Account {
    ///     limit: u32,
    ///     #[audit(secret)]
    ///     recovery: String,
    /// }
    ///
    /// fn raise(scope: &AuditScope, account: &mut Account) {
    ///     let before = account.clone();
    ///     account.limit += 100;
    ///     // [{ "path": "/limit", "old": 200, "new": 300 }]
    ///     scope.change(&before, account);
    /// }
    /// ```
    ///
    /// What comes into being has no value before, and what is deleted none after:
    /// `scope.change(&Some(account), &None)`. A record keeps 128 changes; that
    /// there were more, it says.
    pub fn change<T: Serialize + Auditable + ?Sized>(&self, before: &T, after: &T) {
        let audit = &self.known.audit;
        let texts =
            json_text(audit, before).and_then(|before| Ok((before, json_text(audit, after)?)));
        let said = &mut self.known.lock().said;
        let (before, after) = match texts {
            Ok(texts) => texts,
            Err(bytes) => {
                said.findings.leave_out("/changes", bytes);
                return;
            }
        };
        let first = said.changes.len();
        let limit = CHANGES.saturating_sub(first);
        let differences =
            self.known
                .redactor()
                .differences(&before, &after, T::SHAPE, first, limit);
        let Ok(differences) = differences else {
            said.findings
                .leave_out("/changes", (before.len() + after.len()) as u64);
            return;
        };
        let json = |text: Option<String>| text.and_then(|text| JsonText::new(text).ok());
        said.changes
            .extend(differences.changes.into_iter().map(|change| Change {
                path: change.path,
                old: json(change.old),
                new: json(change.new),
            }));
        let hidden = differences.redacted.into_iter();
        said.findings
            .redacted
            .extend(hidden.map(|hidden| hidden.path));
        for cut in differences.truncated {
            match cut.sha256 {
                None => said.findings.leave_out(&cut.path, cut.bytes),
                Some(_) => said.findings.truncated.push(cut),
            }
        }
    }

    /// Runs a future as the one that this scope belongs to.
    pub(super) async fn hold<F: Future>(self, future: F) -> F::Output {
        CURRENT.scope(self, future).await
    }
}

impl std::fmt::Debug for AuditScope {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("AuditScope")
            .field("action", &self.known.spec.action)
            .field("id", &self.known.moment.id)
            .finish_non_exhaustive()
    }
}

impl FromRequest for AuditScope {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let scope = request.extensions().get::<Self>().cloned();
        ready(scope.ok_or_else(|| {
            tracing::error!(
                path = request.path(),
                "AuditScope is an argument of a handler without #[audited]"
            );
            Problem::new(
                &INTERNAL_ERROR,
                "The service is put together wrongly; its log says how.",
            )
        }))
    }
}

/// Says the resource's id from within a handler; `resource_id = EXPR` expands to it.
#[doc(hidden)]
pub fn say_resource_id(id: &dyn Display) {
    if let Some(scope) = AuditScope::current() {
        scope.resource_id(id);
    }
}
