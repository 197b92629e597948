//! An audit trail in memory, and what a test expects of it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpRequest;
use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::authenticate::{Authenticate, FromExtensions};
use crate::client_address::TrustedProxies;
use crate::clock::Clock;
use crate::handle::{Audit, InMemorySettings};
use crate::journal::memory::Memory;
use crate::journal::{Durability, Journal};
use crate::problem::Problem;
use crate::record::{Actor, Outcome, Record};
use crate::redact::Redactor;
use crate::throttle::{Allowance, ThrottleSettings, When};

/// Keeps the records of a test.
///
/// Its [`Audit`] goes into the app's data as a real one does, and handlers run as
/// they do in production: redaction, intents, refusals. Only the journal is in
/// memory, and behind it there is no Postgres: queries under `/audit` answer 503,
/// and [`AuditScope::transaction`](crate::AuditScope::transaction) is a plain
/// transaction whose record appears here once it is committed.
#[derive(Clone)]
pub struct Recorder {
    audit: Audit,
    journal: Journal,
    memory: Arc<Memory>,
}

/// What a [`Recorder`] is to be like.
#[must_use = "there is no recorder until `start` is called"]
pub struct RecorderBuilder(InMemorySettings);

/// Everybody is this actor.
struct Always(Actor);

impl Authenticate for Always {
    fn authenticate(&self, _: &HttpRequest) -> Result<Actor, Problem> {
        Ok(self.0.clone())
    }
}

impl RecorderBuilder {
    /// Every request comes from this actor.
    pub fn actor(self, actor: Actor) -> Self {
        self.authenticate(Always(actor))
    }

    /// The service's own authentication.
    pub fn authenticate(mut self, authenticate: impl Authenticate) -> Self {
        self.0.authenticate = Box::new(authenticate);
        self
    }

    /// The service's own proxies; see [`AuditBuilder`](crate::AuditBuilder), as for what
    /// follows.
    pub fn trusted_proxies(mut self, proxies: TrustedProxies) -> Self {
        self.0.proxies = proxies;
        self
    }

    /// How many attempts of one actor or address may be refused.
    pub fn refusals(mut self, allowance: Allowance) -> Self {
        self.0.throttle.refusals = allowance;
        self
    }

    /// How many of all together who are not known.
    pub fn unknown_refusals(mut self, allowance: Allowance) -> Self {
        self.0.throttle.unknown_refusals = allowance;
        self
    }

    /// How many queries of one actor are answered.
    pub fn queries(mut self, allowance: Allowance) -> Self {
        self.0.throttle.queries = allowance;
        self
    }

    /// The service's own redaction.
    pub fn redactor(mut self, redactor: Redactor) -> Self {
        self.0.redactor = redactor;
        self
    }

    /// The service's own durability, where annotations do not say.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.0.durability = durability;
        self
    }

    /// Stops the clock, so that whole records can be compared: the first attempt
    /// begins at `start` and each further one a second later, ids count from
    /// zero, and nothing takes any time.
    pub fn clock(mut self, start: DateTime<Utc>) -> Self {
        self.0.clock = Clock::fixed(start);
        self
    }

    /// Starts to record.
    #[must_use]
    pub fn start(self) -> Recorder {
        let memory = Arc::<Memory>::default();
        let journal = Journal::in_memory(Arc::clone(&memory));
        Recorder {
            audit: Audit::in_memory(self.0, journal.clone()),
            journal,
            memory,
        }
    }
}

impl Default for Recorder {
    fn default() -> Self {
        Self::builder().start()
    }
}

impl Recorder {
    /// A recorder like the audit trail of the service under test.
    pub fn builder() -> RecorderBuilder {
        RecorderBuilder(InMemorySettings {
            service: "tests".to_owned(),
            redactor: Redactor::default(),
            authenticate: Box::new(FromExtensions),
            proxies: TrustedProxies::default(),
            throttle: ThrottleSettings::default(),
            durability: Durability::Crash,
            clock: Clock::System,
        })
    }

    /// The handle for the app's data, and for tasks.
    #[must_use]
    pub fn audit(&self) -> Audit {
        self.audit.clone()
    }

    /// All records, in the order in which their attempts ended.
    ///
    /// # Panics
    ///
    /// When a record cannot be read back from its canonical bytes.
    #[must_use]
    #[track_caller]
    pub fn records(&self) -> Vec<Recorded> {
        self.audit.tell_what_waits(When::AtOnce);
        self.memory
            .records()
            .iter()
            .map(|bytes| Recorded::read(bytes))
            .collect()
    }

    /// The only record there is, which must be of this action.
    ///
    /// # Panics
    ///
    /// When there is none, or another, or more than one.
    #[track_caller]
    #[expect(clippy::panic, reason = "an assertion")]
    pub fn only(&self, action: &str) -> Recorded {
        let mut records = self.records();
        match (records.pop(), records.is_empty()) {
            (Some(record), true) if record.record.action == action => record,
            (last, _) => {
                records.extend(last);
                let found: Vec<String> = records.iter().map(Recorded::summary).collect();
                panic!("expected one record, of {action}, but found {found:#?}")
            }
        }
    }

    /// The records of one action.
    #[must_use]
    #[track_caller]
    pub fn of(&self, action: &str) -> Vec<Recorded> {
        let mut records = self.records();
        records.retain(|record| record.record.action == action);
        records
    }

    /// Fails if anything was recorded.
    ///
    /// # Panics
    ///
    /// When there is a record.
    #[track_caller]
    pub fn nothing(&self) {
        let found: Vec<String> = self.records().iter().map(Recorded::summary).collect();
        assert!(found.is_empty(), "expected no record, but found {found:#?}");
    }

    /// What would be told of the attempts under way, should the process die now.
    #[must_use]
    #[track_caller]
    pub fn under_way(&self) -> Vec<Recorded> {
        self.memory
            .intents()
            .iter()
            .map(|bytes| Recorded::read(bytes))
            .collect()
    }

    /// Lets time pass on a [clock that stands still](RecorderBuilder::clock): for the
    /// times of records, and for what is allowed again after a while.
    ///
    /// # Panics
    ///
    /// When the clock was not stopped.
    #[track_caller]
    pub fn advance(&self, time: Duration) {
        let is_stopped = self.audit.clock().advance(time);
        assert!(
            is_stopped,
            "stop the clock first: `Recorder::builder().clock(…)`"
        );
        self.audit.tell_what_waits(When::Due);
    }

    /// Forgets all records.
    pub fn clear(&self) {
        self.memory.clear();
    }

    /// From now on there is no room for records, so attempts are refused with 503,
    /// or let through where their annotation allows it.
    pub fn fill(&self) {
        self.journal.set_full(true);
    }

    /// There is room again.
    pub fn drain(&self) {
        self.journal.set_full(false);
    }

    /// Withholds acks from now on, as a journal does whose disk does not answer in time:
    /// attempts are answered 503 before their handler runs, and 500 with the code
    /// `audit_unconfirmed` if it ran already. Records are kept all the same.
    pub fn stall(&self) {
        self.memory.set_stalled(true);
    }

    /// Gives acks again.
    pub fn resume(&self) {
        self.memory.set_stalled(false);
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Recorder")
            .field("records", &self.memory.records().len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for RecorderBuilder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RecorderBuilder")
            .finish_non_exhaustive()
    }
}

/// A record, and what a test expects of it. Each expectation panics with the whole
/// record if it is not met.
#[derive(Clone)]
pub struct Recorded {
    record: Record,
    bytes: Vec<u8>,
}

impl Recorded {
    #[track_caller]
    #[expect(clippy::panic, reason = "an assertion")]
    fn read(bytes: &[u8]) -> Self {
        match Record::from_canonical_bytes(bytes) {
            Ok(record) => Self {
                record,
                bytes: bytes.to_vec(),
            },
            Err(error) => panic!(
                "a record cannot be read back: {error}: {}",
                String::from_utf8_lossy(bytes)
            ),
        }
    }

    /// The record.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// The record as a JSON value.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_default()
    }

    /// It ended with this outcome.
    ///
    /// # Panics
    ///
    /// When it did not.
    #[track_caller]
    pub fn ended(&self, outcome: Outcome) -> &Self {
        self.expect("outcome", &self.record.outcome, &outcome)
    }

    /// It ended well.
    ///
    /// # Panics
    ///
    /// When it did not.
    #[track_caller]
    pub fn succeeded(&self) -> &Self {
        self.ended(Outcome::Success)
    }

    /// It was not allowed, for this reason.
    ///
    /// # Panics
    ///
    /// When it ended in another way, or for another reason.
    #[track_caller]
    pub fn denied(&self, reason: &str) -> &Self {
        self.ended(Outcome::Denied).because(reason)
    }

    /// It did not succeed for this reason.
    ///
    /// # Panics
    ///
    /// When there is another reason, or none.
    #[track_caller]
    pub fn because(&self, reason: &str) -> &Self {
        self.expect("reason", &self.record.reason.as_deref(), &Some(reason))
    }

    /// It was this actor, by id.
    ///
    /// # Panics
    ///
    /// When it was another one, or nobody known.
    #[track_caller]
    pub fn by(&self, actor: &str) -> &Self {
        self.expect("actor", &self.record.actor.id.as_deref(), &Some(actor))
    }

    /// It was nobody known.
    ///
    /// # Panics
    ///
    /// When somebody is known.
    #[track_caller]
    pub fn by_nobody(&self) -> &Self {
        self.expect("actor", &self.record.actor.id.as_deref(), &None)
    }

    /// It was attempted on this.
    ///
    /// # Panics
    ///
    /// When it was something else.
    #[track_caller]
    pub fn on(&self, kind: &str, id: impl fmt::Display) -> &Self {
        let resource = self.record.resource.as_ref();
        let actual = resource.map(|resource| (resource.kind.as_deref(), resource.id.as_deref()));
        self.expect(
            "resource",
            &actual,
            &Some((Some(kind), Some(id.to_string().as_str()))),
        )
    }

    /// The request's payload, as the record shows it.
    ///
    /// # Panics
    ///
    /// When it is another one.
    #[track_caller]
    pub fn with_request(&self, payload: impl Into<Value>) -> &Self {
        self.with("/request", payload)
    }

    /// The response's payload, as the record shows it.
    ///
    /// # Panics
    ///
    /// When it is another one.
    #[track_caller]
    pub fn with_response(&self, payload: impl Into<Value>) -> &Self {
        self.with("/response", payload)
    }

    /// A note, as the record shows it.
    ///
    /// # Panics
    ///
    /// When it is not there, or another one.
    #[track_caller]
    pub fn with_note(&self, name: &str, value: impl Into<Value>) -> &Self {
        let name = name.replace('~', "~0").replace('/', "~1");
        self.with(&format!("/notes/{name}"), value)
    }

    /// The change of one field: its path, and its values before and after. `null`
    /// stands for nothing, too.
    ///
    /// # Panics
    ///
    /// When the field did not change, or in another way.
    #[track_caller]
    pub fn changed(&self, path: &str, old: impl Into<Value>, new: impl Into<Value>) -> &Self {
        let json = self.json();
        let changes = json.get("changes").and_then(Value::as_array);
        let change = changes
            .into_iter()
            .flatten()
            .find(|change| change.get("path").and_then(Value::as_str) == Some(path));
        let actual = change.map(|change| (change.get("old").cloned(), change.get("new").cloned()));
        let expected = Some((Some(old.into()), Some(new.into())));
        self.expect(&format!("change of {path}"), &actual, &expected)
    }

    /// The value at a JSON pointer into the record.
    ///
    /// # Panics
    ///
    /// When it is not there, or another one.
    #[track_caller]
    pub fn with(&self, pointer: &str, value: impl Into<Value>) -> &Self {
        self.expect(pointer, &self.json().pointer(pointer), &Some(&value.into()))
    }

    /// Exactly these places were hidden, given as JSON pointers, in any order.
    ///
    /// # Panics
    ///
    /// When others were.
    #[track_caller]
    pub fn hid(&self, pointers: &[&str]) -> &Self {
        let mut actual: Vec<&str> = self.record.redacted.iter().map(String::as_str).collect();
        let mut expected = pointers.to_vec();
        actual.sort_unstable();
        expected.sort_unstable();
        self.expect("redacted", &actual, &expected)
    }

    /// A text, such as a secret that was sent, occurs nowhere in the record.
    ///
    /// # Panics
    ///
    /// When it does.
    #[track_caller]
    pub fn without(&self, text: &str) -> &Self {
        let occurs = String::from_utf8_lossy(&self.bytes).contains(text);
        assert!(!occurs, "{text:?} occurs in the record {self:?}");
        self
    }

    #[track_caller]
    fn expect<T: PartialEq + fmt::Debug>(&self, what: &str, actual: &T, expected: &T) -> &Self {
        assert!(
            actual == expected,
            "{what} is {actual:?}, not {expected:?}, in the record {self:?}"
        );
        self
    }

    fn summary(&self) -> String {
        format!("{}: {}", self.record.action, self.record.outcome.as_str())
    }
}

impl fmt::Debug for Recorded {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match serde_json::to_string_pretty(&self.record) {
            Ok(record) => formatter.write_str(&record),
            Err(_) => formatter.write_str(&String::from_utf8_lossy(&self.bytes)),
        }
    }
}
