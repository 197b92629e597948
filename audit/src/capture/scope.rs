//! What a handler can add to the record of its own attempt.

use std::fmt::Display;
use std::future::{Ready, ready};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::problem::{INTERNAL_ERROR, Problem};

/// How many notes one record keeps.
const NOTES: usize = 32;

tokio::task_local! {
    static CURRENT: AuditScope;
}

/// The attempt that is under way, for handlers that want to say more about it.
///
/// It is an extractor of annotated handlers, and [`AuditScope::current`] finds it
/// from code that they call. Clones share the attempt.
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
#[derive(Clone, Debug, Default)]
pub struct AuditScope {
    said: Arc<Mutex<Said>>,
}

/// What has been said so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Said {
    pub(super) resource_id: Option<String>,
    pub(super) notes: Map<String, Value>,
    /// Whether notes were left out because there were too many.
    pub(super) notes_left_out: bool,
}

impl AuditScope {
    /// The scope of the annotated handler that runs the current task, if one does.
    ///
    /// A task or thread that the handler spawns has no scope of its own: give it
    /// a clone.
    #[must_use]
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    /// Says what the action was attempted on; the last word counts.
    pub fn resource_id(&self, id: impl Display) {
        self.lock().resource_id = Some(id.to_string());
    }

    /// Adds a note. It is redacted like a payload: by the key, and within `value`.
    ///
    /// The same key again replaces the note. A record keeps 32 notes; further
    /// ones are left out, and the record says so. So it does of a value that
    /// cannot be serialised.
    pub fn note(&self, key: impl Into<String>, value: impl Serialize) {
        let key = key.into();
        let value = serde_json::to_value(value);
        let mut said = self.lock();
        match value {
            Ok(value) if said.notes.len() < NOTES || said.notes.contains_key(&key) => {
                said.notes.insert(key, value);
            }
            _ => said.notes_left_out = true,
        }
    }

    /// Runs a handler's future as the one that this scope belongs to.
    pub(super) async fn hold<F: Future>(self, future: F) -> F::Output {
        CURRENT.scope(self, future).await
    }

    pub(super) fn said(&self) -> Said {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Said> {
        // Nothing here panics while it holds the lock, and what was said before
        // a panic elsewhere is worth keeping.
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_bounded_and_the_rest_is_not_lost_silently() {
        let scope = AuditScope::default();
        for number in 0..=NOTES {
            scope.note(number.to_string(), number);
        }
        scope.note("0", "replaced");
        let said = scope.said();
        assert_eq!(said.notes.len(), NOTES);
        assert_eq!(said.notes["0"], "replaced");
        assert!(said.notes_left_out);
    }

    #[actix_web::test]
    async fn code_called_by_the_handler_finds_its_scope() {
        assert!(AuditScope::current().is_none());
        let scope = AuditScope::default();
        scope.clone().hold(async { say_resource_id(&7) }).await;
        assert_eq!(scope.said().resource_id.as_deref(), Some("7"));
    }
}
