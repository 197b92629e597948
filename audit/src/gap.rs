//! Attempts that were let through without a record, and the record of that.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use serde_json::json;

use crate::own_record::{OwnRecord, time};
use crate::record::Outcome;

/// Attempts that nothing recorded, until a record tells of them.
#[derive(Debug, Default)]
pub(crate) struct Gaps {
    state: Mutex<Option<Gap>>,
}

/// Attempts without a record, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    attempts: u64,
    first: (i64, DateTime<Utc>),
    last: (i64, DateTime<Utc>),
    /// The names come from annotations, so there are only so many.
    actions: BTreeMap<&'static str, u64>,
}

impl Gaps {
    /// Counts an attempt that has the number `seq` and no record.
    pub(crate) fn count(&self, action: &'static str, seq: i64, occurred_at: DateTime<Utc>) {
        let at = (seq, occurred_at);
        let mut state = self.lock();
        let gap = state.get_or_insert_with(|| Gap {
            attempts: 0,
            first: at,
            last: at,
            actions: BTreeMap::new(),
        });
        gap.attempts += 1;
        gap.first = gap.first.min(at);
        gap.last = gap.last.max(at);
        *gap.actions.entry(action).or_default() += 1;
    }

    /// Whether there is something to tell.
    pub(crate) fn is_open(&self) -> bool {
        self.lock().is_some()
    }

    /// Takes what there is to tell.
    pub(crate) fn take(&self) -> Option<Gap> {
        self.lock().take()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Gap>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gap {
    /// The record that tells of it, as of when the first of the attempts was made.
    pub(crate) fn record(&self) -> OwnRecord {
        OwnRecord {
            reason: Some("not_recorded"),
            notes: json!({
                "attempts": self.attempts,
                "first_seq": self.first.0,
                "last_seq": self.last.0,
                "from": time(self.first.1),
                "to": time(self.last.1),
                "actions": self.actions,
            }),
            ..OwnRecord::new("audit.gap", self.first.1, Outcome::Unknown)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_counted_until_they_are_told() {
        let gaps = Gaps::default();
        assert!(!gaps.is_open());
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        gaps.count("b", 8, at(2));
        gaps.count("a", 7, at(1));
        gaps.count("b", 9, at(3));
        let notes = gaps.take().unwrap().record().notes;
        assert_eq!(notes["attempts"], 3);
        assert_eq!(notes["first_seq"], 7);
        assert_eq!(notes["last_seq"], 9);
        assert_eq!(notes["from"], "1970-01-01T00:00:01.000000Z");
        assert_eq!(notes["actions"], json!({ "a": 1, "b": 2 }));
        assert!(!gaps.is_open());
    }
}
