//! Requests that were not admitted, counted until a record tells of them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::Subject;
use crate::own_record::{OwnRecord, time};
use crate::problem::TOO_MANY_REFUSALS;
use crate::record::{Actor, Client, Outcome};

/// How many are told apart; all others are counted together.
const SUBJECTS: usize = 64;
/// A flood is told of so often while it lasts.
const INTERVAL: TimeDelta = TimeDelta::seconds(60);
/// It is over, and told of, after so long without a request.
const QUIET: TimeDelta = TimeDelta::seconds(10);

/// What was not admitted, by who asked for it.
#[derive(Debug, Default)]
pub(super) struct Tallies {
    state: Mutex<HashMap<Option<Subject<'static>>, Tally>>,
}

/// Requests of one subject, one after the other.
#[derive(Debug)]
pub(crate) struct Tally {
    /// Nobody where it is about all for whom there was no tally of their own.
    subject: Option<Subject<'static>>,
    requests: u64,
    first: DateTime<Utc>,
    last: DateTime<Utc>,
    /// The names come from annotations, so there are only so many.
    actions: BTreeMap<&'static str, u64>,
}

impl Tallies {
    pub(super) fn count(&self, subject: &Subject<'_>, action: &'static str, at: DateTime<Utc>) {
        let own = Some(subject.clone().into_owned());
        let mut state = self.lock();
        let has_room = state.len() < SUBJECTS || state.contains_key(&own);
        let subject = own.filter(|_| has_room);
        let tally = state.entry(subject.clone()).or_insert_with(|| Tally {
            subject,
            requests: 0,
            first: at,
            last: at,
            actions: BTreeMap::new(),
        });
        tally.requests += 1;
        tally.first = tally.first.min(at);
        tally.last = tally.last.max(at);
        *tally.actions.entry(action).or_default() += 1;
    }

    /// Takes one that is due at this time, or any.
    pub(super) fn take(&self, due_at: Option<DateTime<Utc>>) -> Option<Tally> {
        let mut state = self.lock();
        let mut tallies = state.iter();
        let (due, _) = tallies.find(|(_, tally)| due_at.is_none_or(|now| tally.is_due(now)))?;
        let due = due.clone();
        state.remove(&due)
    }

    /// Whether there is one that is due at this time, or any.
    pub(super) fn has(&self, due_at: Option<DateTime<Utc>>) -> bool {
        let state = self.lock();
        let mut tallies = state.values();
        tallies.any(|tally| due_at.is_none_or(|now| tally.is_due(now)))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Option<Subject<'static>>, Tally>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tally {
    fn is_due(&self, now: DateTime<Utc>) -> bool {
        now - self.first >= INTERVAL || now - self.last >= QUIET
    }

    /// The record that tells of it, as of the first of the requests.
    pub(crate) fn record(&self) -> OwnRecord {
        let subject = self.subject.as_ref();
        let network = subject.and_then(Subject::network);
        let mut notes = json!({
            "requests": self.requests,
            "from": time(self.first),
            "to": time(self.last),
            "actions": self.actions,
        });
        if let Some(notes) = notes.as_object_mut() {
            match (subject, network) {
                (None, _) => notes.insert("everybody_else".to_owned(), json!(true)),
                (_, Some(network)) => {
                    notes.insert("network".to_owned(), json!(network.to_string()))
                }
                (_, None) => None,
            };
        }
        OwnRecord {
            reason: Some(TOO_MANY_REFUSALS.code()),
            actor: subject.map_or_else(Actor::anonymous, Subject::actor),
            client: network.map(|network| Client {
                ip: Some(network.addr()),
                peer: None,
                user_agent: None,
            }),
            notes,
            ..OwnRecord::new("audit.throttled", self.first, Outcome::Denied)
        }
    }
}
