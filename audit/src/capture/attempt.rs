//! One attempt, from the moment its record has room to the moment it is handed
//! over. Where it comes from, a request or a task, is not its concern.

use std::sync::Arc;

use super::argument::Reads;
use super::known::{Committed, End, Known, State};
use super::request::RequestPart;
use super::scope::AuditScope;
use super::{Spec, Unavailable};
use crate::handle::Audit;
use crate::journal::{Durability, Kept, Permit, Refusal};
use crate::record::Outcome;
use crate::throttle::Account;

/// An attempt under way. It ends in a record in any case: when it is told its
/// end, or when it is dropped without one because nobody waits for it any more.
pub(super) struct Attempt {
    known: Arc<Known>,
    /// Room for its record; none if it was let through without.
    permit: Option<Permit>,
    origin: Origin,
    has_ended: bool,
}

/// What an attempt is to know of where it comes from.
#[derive(Clone, Copy)]
pub(super) struct Origin {
    /// Who is charged if it comes to nothing; nobody for the service's own tasks.
    pub(super) account: Option<Account>,
    /// Why it was dropped, if it is.
    pub(super) abandoned: &'static str,
}

impl Attempt {
    /// Begins an attempt, if there is room to record it or it may go without.
    /// `request` is asked for only then.
    pub(super) fn begin(
        audit: &Audit,
        spec: Spec,
        reads: &'static [Reads],
        origin: Origin,
        request: impl FnOnce() -> Option<RequestPart>,
    ) -> Result<Self, Refusal> {
        let permit = match audit.reserve(spec.action) {
            Ok(permit) => Some(permit),
            Err(_) if spec.unavailable == Unavailable::Allow => None,
            Err(refusal) => return Err(refusal),
        };
        Ok(Self {
            known: Arc::new(Known::new(audit, spec, reads, request())),
            permit,
            origin,
            has_ended: false,
        })
    }

    pub(super) fn known(&self) -> &Known {
        &self.known
    }

    pub(super) fn shared(&self) -> Arc<Known> {
        Arc::clone(&self.known)
    }

    pub(super) fn scope(&self) -> AuditScope {
        AuditScope::of(&self.known)
    }

    /// Leaves the record that is to be told should the process die before there is
    /// another. What is attempted may begin once it is confirmed.
    pub(super) fn intend(&self) -> Kept {
        let Some(permit) = &self.permit else {
            return Kept::nothing();
        };
        if self.known.durability == Durability::Memory {
            return Kept::nothing();
        }
        match self
            .known
            .frame(End::with(Outcome::Unknown, Some("process_died")))
        {
            Ok(bytes) => permit.intend(self.known.moment.id, bytes, self.known.durability),
            Err(_) => Kept::never(),
        }
    }

    /// Whether the attempt goes on although its record may not be kept.
    pub(super) fn may_go_without(&self) -> bool {
        self.known.spec.unavailable == Unavailable::Allow
    }

    /// Ends as it looks from outside, unless the handler has said otherwise.
    pub(super) fn end(&mut self, mut end: End) -> Kept {
        let mut state = self.known.lock();
        overrule(&state, &mut end);
        let committed = state.stage.end();
        drop(state);
        self.finish(end, committed)
    }

    /// Ends in a way that the handler has no say in: it panicked, or was dropped.
    pub(super) fn break_off(&mut self, end: End) -> Kept {
        let committed = self.known.lock().stage.end();
        self.finish(end, committed)
    }

    fn finish(&mut self, end: End, committed: Option<Committed>) -> Kept {
        self.has_ended = true;
        let known = &self.known;
        let permit = self.permit.take();
        match (committed, permit) {
            (Some(committed), permit) => {
                if end.outcome != committed.outcome {
                    known
                        .audit
                        .contradicted(known.spec.action, known.moment.id, end.outcome);
                }
                if let Some(permit) = permit {
                    permit.settle(known.moment.id, committed.record);
                }
                Kept::nothing()
            }
            (None, None) => {
                let occurred_at = known.moment.occurred_at;
                known
                    .audit
                    .count_gap(known.spec.action, known.seq, occurred_at);
                Kept::nothing()
            }
            (None, Some(permit)) => {
                let outcome = end.outcome;
                let Ok(bytes) = known.frame(end) else {
                    return Kept::never();
                };
                if let Some(account) = self.origin.account {
                    let throttle = known.audit.throttle();
                    throttle.charge(account, outcome, bytes.len());
                }
                permit.append(known.moment.id, bytes, known.durability)
            }
        }
    }
}

/// What the handler has said of the outcome comes before what it looks like.
pub(super) fn overrule(state: &State, end: &mut End) {
    if let Some(outcome) = state.said.outcome {
        end.reason = end.reason.take().filter(|_| outcome == end.outcome);
        end.outcome = outcome;
    }
    if let Some(reason) = state.said.reason {
        end.reason = Some(reason.to_owned());
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if self.has_ended {
            return;
        }
        // Nobody is left to wait for it.
        drop(self.break_off(End::with(Outcome::Aborted, Some(self.origin.abandoned))));
    }
}
