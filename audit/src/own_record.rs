//! Records that the trail makes of itself: that it starts, stops, has a gap, does not
//! admit somebody, or is read without a service.

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::clock::id_at;
use crate::record::{Actor, Change, Client, JsonText, Outcome, Record, Resource, SCHEMA};
use crate::redact::Redactor;

/// What one of the trail's own records says; the rest is the same for all of them.
#[derive(Debug)]
pub(crate) struct OwnRecord {
    /// Begins with `audit.`, which no annotation of a service should, unless a route
    /// has the same action.
    pub(crate) action: &'static str,
    /// When what it tells of began.
    pub(crate) occurred_at: DateTime<Utc>,
    pub(crate) outcome: Outcome,
    pub(crate) reason: Option<&'static str>,
    pub(crate) actor: Actor,
    pub(crate) resource: Option<Resource>,
    pub(crate) client: Option<Client>,
    pub(crate) changes: Vec<Change>,
    /// An object.
    pub(crate) notes: Value,
}

impl OwnRecord {
    /// A record of what the trail itself did, or failed to do.
    pub(crate) fn new(action: &'static str, occurred_at: DateTime<Utc>, outcome: Outcome) -> Self {
        Self {
            action,
            occurred_at,
            outcome,
            reason: None,
            actor: Actor::system("audit"),
            resource: None,
            client: None,
            changes: Vec::new(),
            notes: Value::Object(serde_json::Map::new()),
        }
    }

    /// The record, as the next one of an instance. The actor's id may come from
    /// outside, like that of an attempt.
    pub(crate) fn into_record(
        self,
        redactor: &Redactor,
        service: &str,
        instance: &str,
        seq: i64,
    ) -> Record {
        let id = self
            .actor
            .id
            .map(|id| redactor.identifier("/actor/id", &id));
        let id = id.unwrap_or_default();
        Record {
            id: id_at(self.occurred_at),
            schema: SCHEMA,
            service: service.to_owned(),
            instance: instance.to_owned(),
            seq,
            occurred_at: self.occurred_at,
            duration_us: 0,
            action: self.action.to_owned(),
            outcome: self.outcome,
            reason: self.reason.map(str::to_owned),
            actor: Actor {
                id: Some(id.text).filter(|id| !id.is_empty()),
                ..self.actor
            },
            resource: self.resource,
            http: None,
            client: self.client,
            request: None,
            response: None,
            changes: self.changes,
            notes: JsonText::new(self.notes.to_string())
                .unwrap_or_else(|_| JsonText::empty_object()),
            redacted: id.redacted.into_iter().map(|hidden| hidden.path).collect(),
            truncated: id.truncated,
        }
    }
}

/// A time as records write it.
pub(crate) fn time(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}
