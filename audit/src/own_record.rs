//! Records that the trail makes of itself: that it starts, stops, or has a gap.

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::clock::id_at;
use crate::record::{Actor, Change, JsonText, Outcome, Record, SCHEMA};

/// What one of the trail's own records says; the rest is the same for all of them.
#[derive(Debug)]
pub(crate) struct OwnRecord {
    /// Begins with `audit.`, which no annotation of a service should.
    pub(crate) action: &'static str,
    pub(crate) occurred_at: DateTime<Utc>,
    pub(crate) outcome: Outcome,
    pub(crate) reason: Option<&'static str>,
    pub(crate) changes: Vec<Change>,
    /// An object.
    pub(crate) notes: Value,
}

impl OwnRecord {
    /// The record, as the next one of an instance.
    pub(crate) fn into_record(self, service: &str, instance: &str, seq: i64) -> Record {
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
            actor: Actor::system("audit"),
            resource: None,
            http: None,
            client: None,
            request: None,
            response: None,
            changes: self.changes,
            notes: JsonText::new(self.notes.to_string())
                .unwrap_or_else(|_| JsonText::empty_object()),
            redacted: Vec::new(),
            truncated: Vec::new(),
        }
    }
}

/// A time as records write it.
pub(crate) fn time(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}
