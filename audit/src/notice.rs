//! Records that the audit trail makes of itself.

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::clock::id_at;
use crate::record::{Actor, Client, JsonText, Outcome, Record, SCHEMA};
use crate::redact::Redactor;

/// Something that the trail has to tell, of which there is no attempt of its own.
#[derive(Debug)]
pub(crate) struct Notice {
    /// When it began.
    pub(crate) began_at: DateTime<Utc>,
    pub(crate) action: &'static str,
    pub(crate) outcome: Outcome,
    pub(crate) reason: &'static str,
    pub(crate) actor: Actor,
    pub(crate) client: Option<Client>,
    /// An object.
    pub(crate) notes: Value,
}

/// A time as notes tell it, which is how records tell theirs.
pub(crate) fn time(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

impl Notice {
    /// The record of it, as a service's instance numbers it. The actor's id comes from
    /// outside, like that of an attempt.
    pub(crate) fn record(
        self,
        redactor: &Redactor,
        service: &str,
        instance: &str,
        seq: i64,
    ) -> Record {
        let notes = JsonText::new(self.notes.to_string());
        let id = self.actor.id.map(|id| redactor.text("/actor/id", &id));
        let id = id.unwrap_or_default();
        Record {
            id: id_at(self.began_at),
            schema: SCHEMA,
            service: service.to_owned(),
            instance: instance.to_owned(),
            seq,
            occurred_at: self.began_at,
            duration_us: 0,
            action: self.action.to_owned(),
            outcome: self.outcome,
            reason: Some(self.reason.to_owned()),
            actor: Actor {
                id: Some(id.text).filter(|id| !id.is_empty()),
                ..self.actor
            },
            resource: None,
            http: None,
            client: self.client,
            request: None,
            response: None,
            changes: Vec::new(),
            notes: notes.unwrap_or_else(|_| JsonText::empty_object()),
            redacted: id.redacted.into_iter().map(|hidden| hidden.path).collect(),
            truncated: id.truncated,
        }
    }
}
