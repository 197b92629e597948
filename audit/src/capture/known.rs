//! What is known of an attempt so far, and the record it makes.
//!
//! The attempt itself and the scopes that a handler holds share it. Scopes may be
//! on other threads, so nothing in here is Actix-web's: what a record tells of the
//! request was taken from it beforehand.

use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Spec;
use super::argument::{Part, Reads, shapes};
use super::body::BodyCopy;
use super::findings::Findings;
use super::request::RequestPart;
use crate::clock::Moment;
use crate::handle::Audit;
use crate::journal::Durability;
use crate::record::{Actor, Change, Outcome, Record, Resource, SCHEMA};
use crate::redact::{Redacted, Redactor};

pub(super) struct Known {
    pub(super) audit: Audit,
    pub(super) spec: Spec,
    pub(super) durability: Durability,
    pub(super) moment: Moment,
    pub(super) seq: i64,
    /// What the handler's arguments read.
    reads: &'static [Reads],
    request: Option<RequestPart>,
    state: Mutex<State>,
}

/// What becomes known bit by bit.
#[derive(Default)]
pub(super) struct State {
    /// As the record shows it, and what was hidden in it.
    actor: Option<(Actor, Findings)>,
    pub(super) payload: Payload,
    /// Whether the handler's arguments could not be extracted.
    pub(super) is_refused: bool,
    /// Whether the handler was called.
    pub(super) has_run: bool,
    pub(super) said: Said,
    pub(super) stage: Stage,
}

/// What the attempt works on.
#[derive(Default)]
pub(super) enum Payload {
    #[default]
    Nothing,
    /// The body of a request, as far as the handler has read it.
    Body(BodyCopy),
    /// What somebody gave, redacted.
    Given(Redacted),
}

/// How far an attempt has come.
#[derive(Default)]
pub(super) enum Stage {
    #[default]
    UnderWay,
    /// A transaction with this record was committed.
    Committed(Committed),
    /// Its end was told.
    Ended,
}

/// A record that is in Postgres.
pub(super) struct Committed {
    pub(super) record: Vec<u8>,
    pub(super) outcome: Outcome,
}

/// What the handler had to add.
#[derive(Default)]
pub(super) struct Said {
    pub(super) resource_id: Option<String>,
    pub(super) outcome: Option<Outcome>,
    pub(super) reason: Option<&'static str>,
    pub(super) status: Option<u16>,
    /// Names and their values, as JSON texts.
    pub(super) notes: Vec<(String, Redacted)>,
    pub(super) changes: Vec<Change>,
    /// What was hidden and cut in the changes, and in notes that were left out.
    pub(super) findings: Findings,
}

impl Said {
    /// Forgets all changes but the first ones, with what was hidden and cut in them.
    pub(super) fn forget_changes(&mut self, but_first: usize) {
        self.changes.truncate(but_first);
        let is_left = |path: &str| {
            let rest = path.strip_prefix("/changes/");
            let number = rest.and_then(|rest| rest.split('/').next()?.parse().ok());
            number.is_none_or(|number: usize| number < but_first)
        };
        self.findings.redacted.retain(|path| is_left(path));
        self.findings.truncated.retain(|cut| is_left(&cut.path));
    }
}

/// How an attempt ended.
pub(super) struct End {
    pub(super) outcome: Outcome,
    pub(super) reason: Option<String>,
    pub(super) status: Option<u16>,
    pub(super) response: Redacted,
}

impl End {
    pub(super) fn with(outcome: Outcome, reason: Option<&str>) -> Self {
        Self {
            outcome,
            reason: reason.map(str::to_owned),
            status: None,
            response: Redacted::default(),
        }
    }
}

impl Known {
    pub(super) fn new(
        audit: &Audit,
        spec: Spec,
        reads: &'static [Reads],
        request: Option<RequestPart>,
    ) -> Self {
        Self {
            durability: spec.durability.unwrap_or(audit.durability()),
            moment: audit.clock().begin(),
            seq: audit.next_seq(),
            audit: audit.clone(),
            spec,
            reads,
            request,
            state: Mutex::default(),
        }
    }

    /// Nothing panics while it holds the lock, and what was said before a panic
    /// elsewhere is worth keeping.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes who makes the attempt.
    pub(super) fn set_actor(&self, actor: &Actor) {
        let mut findings = Findings::default();
        let shown = findings.actor(self.redactor(), actor);
        self.lock().actor = Some((shown, findings));
    }

    pub(super) fn redactor(&self) -> &Redactor {
        self.audit.redactor()
    }

    /// The record of this end, as canonical bytes; an end that nobody can tell is
    /// in the log.
    pub(super) fn frame(&self, end: End) -> Result<Vec<u8>, serde_json::Error> {
        self.audit.frame(self.record(&self.lock(), end))
    }

    pub(super) fn record(&self, state: &State, end: End) -> Record {
        let redactor = self.redactor();
        let said = &state.said;
        let mut findings = Findings::default();

        let shapes = shapes(self.reads, Part::Body);
        let request = match &state.payload {
            Payload::Nothing => None,
            // What did not fit its type may hold the type's secrets anywhere.
            Payload::Body(body)
                if state.is_refused && shapes.iter().any(|shape| shape.holds_secrets()) =>
            {
                findings.json(body.left_out("/request"))
            }
            Payload::Body(body) => findings.json(body.redacted(redactor, "/request", &shapes)),
            Payload::Given(payload) => findings.json(payload.clone()),
        };
        if request.is_none() && self.skips(Part::Body) {
            findings.redacted.push("/request".to_owned());
        }
        let response = findings.json(end.response);
        let notes = findings.notes(redactor, &said.notes);
        findings.extend(&said.findings);

        let http = self.request.as_ref().map(|request| {
            findings.extend(&request.findings);
            let mut http = request.http.clone();
            http.status = end.status.and_then(|status| i16::try_from(status).ok());
            http
        });
        let resource_id = said
            .resource_id
            .as_ref()
            .map(|id| findings.text(redactor.identifier("/resource/id", id)));
        let actor = match &state.actor {
            Some((actor, hidden)) => {
                findings.extend(hidden);
                actor.clone()
            }
            None => Actor::anonymous(),
        };

        Record {
            id: self.moment.id,
            schema: SCHEMA,
            service: self.audit.service().to_owned(),
            instance: self.audit.instance().to_owned(),
            seq: self.seq,
            occurred_at: self.moment.occurred_at,
            duration_us: self.moment.elapsed_us(),
            action: self.spec.action.to_owned(),
            outcome: end.outcome,
            reason: end.reason,
            actor,
            resource: (self.spec.resource.is_some() || resource_id.is_some()).then(|| Resource {
                kind: self.spec.resource.map(str::to_owned),
                id: resource_id,
            }),
            http,
            client: self.request.as_ref().map(|request| request.client.clone()),
            request,
            response,
            changes: said.changes.clone(),
            notes,
            redacted: findings.redacted,
            truncated: findings.truncated,
        }
    }

    /// Whether an argument that may have read this part is never captured.
    pub(super) fn skips(&self, part: Part) -> bool {
        self.reads.iter().any(|reads| reads.skips(part))
    }
}

impl Stage {
    /// Notes that the record is in Postgres. If the end was told meanwhile, Postgres
    /// passes over what was told.
    pub(super) fn commit(&mut self, committed: Committed) {
        if matches!(self, Self::UnderWay) {
            *self = Self::Committed(committed);
        }
    }

    /// Ends the attempt, and gives the record that is in Postgres already, if one is.
    pub(super) fn end(&mut self) -> Option<Committed> {
        match mem::replace(self, Self::Ended) {
            Self::Committed(committed) => Some(committed),
            Self::UnderWay | Self::Ended => None,
        }
    }
}
