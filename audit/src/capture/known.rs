//! What is known of an attempt so far, and the record it makes.
//!
//! The attempt itself and the scopes that a handler holds share it. Scopes may be
//! on other threads, so nothing in here is Actix-web's: what a record tells of the
//! request was taken from it beforehand.

use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde_json::Value;

use super::Spec;
use super::argument::{Part, Reads};
use super::body::BodyCopy;
use super::request::RequestPart;
use crate::auditable::Auditable;
use crate::clock::Moment;
use crate::handle::Audit;
use crate::journal::Durability;
use crate::record::{Actor, Change, JsonText, Outcome, Record, Resource, SCHEMA};
use crate::redact::shape::Shape;
use crate::redact::{Redacted, Redactor, Truncated};

/// How many of an actor's roles a record keeps.
const ROLES: usize = 64;

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
    pub(super) actor: Option<Actor>,
    pub(super) payload: Payload,
    /// Whether the handler's arguments could not be extracted.
    pub(super) is_refused: bool,
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

        let request = match &state.payload {
            Payload::Nothing => None,
            // What did not fit its type may hold the type's secrets anywhere.
            Payload::Body(body)
                if state.is_refused && shapes(self.reads, Part::Body).any(Shape::holds_secrets) =>
            {
                findings.json(body.left_out("/request"))
            }
            Payload::Body(body) => {
                findings.json(body.redacted(redactor, "/request", shapes(self.reads, Part::Body)))
            }
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
            .map(|id| findings.text(redactor.text("/resource/id", id)));
        let actor = match &state.actor {
            Some(actor) => findings.actor(redactor, actor),
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

/// What the redactor hid and cut in all parts of one record.
#[derive(Clone, Debug, Default)]
pub(super) struct Findings {
    pub(super) redacted: Vec<String>,
    pub(super) truncated: Vec<Truncated>,
}

impl Findings {
    pub(super) fn text(&mut self, redacted: Redacted) -> String {
        self.redacted.extend(redacted.redacted);
        self.truncated.extend(redacted.truncated);
        redacted.text
    }

    /// The redactor writes JSON, so only the empty text, which stands for
    /// nothing, is not.
    fn json(&mut self, redacted: Redacted) -> Option<JsonText> {
        JsonText::new(self.text(redacted)).ok()
    }

    pub(super) fn extend(&mut self, others: &Self) {
        self.redacted.extend_from_slice(&others.redacted);
        self.truncated.extend_from_slice(&others.truncated);
    }

    /// Puts notes together. Their values were redacted when they were made; now
    /// their names decide, and what a value hid stays listed if it is still there.
    fn notes(&mut self, redactor: &Redactor, notes: &[(String, Redacted)]) -> JsonText {
        if notes.is_empty() {
            return JsonText::empty_object();
        }
        let mut text = String::from("{");
        for (name, value) in notes {
            if text.len() > 1 {
                text.push(',');
            }
            text.push_str(&Value::from(name.as_str()).to_string());
            text.push(':');
            text.push_str(&value.text);
        }
        text.push('}');
        let Ok(whole) = redactor.json("/notes", text) else {
            return JsonText::empty_object();
        };
        let hidden: Vec<String> = whole.redacted.clone();
        let is_visible = |path: &str| {
            !hidden.iter().any(|hidden| {
                path.strip_prefix(hidden.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
        };
        for (_, value) in notes {
            let redacted = value.redacted.iter().filter(|path| is_visible(path));
            self.redacted.extend(redacted.cloned());
            let truncated = value.truncated.iter().filter(|cut| is_visible(&cut.path));
            self.truncated.extend(truncated.cloned());
        }
        self.json(whole).unwrap_or_else(JsonText::empty_object)
    }

    /// An actor's strings come from outside, through a token or a gateway.
    fn actor(&mut self, redactor: &Redactor, actor: &Actor) -> Actor {
        let mut bounded =
            |name: &str, text: &String| self.text(redactor.text(&format!("/actor/{name}"), text));
        Actor {
            kind: actor.kind,
            id: actor.id.as_ref().map(|id| bounded("id", id)),
            roles: actor
                .roles
                .iter()
                .take(ROLES)
                .map(|role| bounded("roles", role))
                .collect(),
            auth: actor.auth.as_ref().map(|auth| bounded("auth", auth)),
            credential: actor
                .credential
                .as_ref()
                .map(|id| bounded("credential", id)),
        }
    }
}

/// The JSON text of a value as a record shows it; an error is the size of one that is
/// too large, or zero of one that has no JSON text.
pub(super) fn redacted<T: Serialize + Auditable + ?Sized>(
    audit: &Audit,
    root: &str,
    value: &T,
) -> Result<Redacted, usize> {
    let text = json_text(audit, value)?;
    audit
        .redactor()
        .json_as(root, &text, T::SHAPE)
        .map_err(|_| text.len())
}

pub(super) fn json_text<T: Serialize + ?Sized>(audit: &Audit, value: &T) -> Result<String, usize> {
    let text = serde_json::to_string(value).map_err(|_| 0_usize)?;
    if text.len() <= audit.capture_bytes() {
        Ok(text)
    } else {
        Err(text.len())
    }
}

/// The mark of something that was left out.
pub(super) fn cut(path: &str, bytes: usize) -> Truncated {
    Truncated {
        path: path.to_owned(),
        bytes: bytes as u64,
        sha256: None,
    }
}

/// What the types of arguments say of a part of the request.
pub(super) fn shapes(reads: &[Reads], part: Part) -> impl Iterator<Item = &'static Shape> {
    reads
        .iter()
        .filter(move |reads| reads.may_read(part))
        .map(|reads| reads.shape)
        .filter(|shape| !matches!(shape, Shape::Open))
}

/// Redacts by each of these shapes, one after the other; what is hidden by one is
/// hidden for the next.
pub(super) fn redact_by<E>(
    mut shapes: impl Iterator<Item = &'static Shape>,
    text: &[u8],
    mut redact: impl FnMut(&[u8], &'static Shape) -> Result<Redacted, E>,
) -> Result<Redacted, E> {
    let mut redacted = redact(text, shapes.next().unwrap_or(&Shape::Open))?;
    for shape in shapes {
        let before = mem::take(&mut redacted);
        redacted = redact(before.text.as_bytes(), shape)?;
        redacted.redacted.extend(before.redacted);
        redacted.truncated.extend(before.truncated);
    }
    Ok(redacted)
}
