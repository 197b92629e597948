//! Keeps a flood of refused requests from taking the journal, and one auditor from
//! taking the store.
//!
//! ```text
//! who asks ─▶ admit ─▶ attempt ─▶ record ─▶ charge
//!               │                             ▲ only if it came to nothing
//!               └─▶ 429, counted in `tally` ─▶ one record for many
//! ```
//!
//! An attempt is free until it was refused: rejected, denied, or left by its client.
//! What its record takes of the journal is then charged to whoever made it: the actor,
//! or where nobody is known the client's address. Whoever has used up their allowance
//! is answered before anything is reserved or written. So the first refusals of
//! everybody are recorded in full, and the rest is counted and told by one record a
//! minute: never silently, and never one record each.
//!
//! - **Known actors pay for themselves alone**, so a flood from their address does not
//!   hinder them.
//! - **All who are unknown share one more allowance**, so a flood from many addresses is
//!   bounded like one from few.
//! - **The fuller the journal, the dearer a refusal**: see [`price`].
//! - **Nothing grows**: accounts are cells of a fixed table, see `cells`.

mod allowance;
mod cells;
mod slots;
mod subject;
mod tally;
#[cfg(test)]
mod tests;

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

pub use allowance::{Allowance, InvalidAllowance};
use cells::Cells;
use chrono::{DateTime, Utc};
pub(crate) use slots::Slot;
use slots::Slots;
pub(crate) use subject::Subject;
use tally::Tallies;
pub(crate) use tally::Tally;

use crate::clock::Clock;
use crate::journal::Journal;
use crate::log_gate::LogGate;
use crate::metrics::Metrics;
use crate::record::Outcome;

/// What a refusal is charged for: so many bytes of its record, or a part of that.
const UNIT_BYTES: usize = 4 * 1024;
/// Cells in each row of a table of accounts; [`Cells`] says what follows from it.
const ACCOUNTS: usize = 32 * 1024;
/// Streams that one actor may follow at the same time: a few windows and programs.
const STREAMS_AT_ONCE: u32 = 8;
/// Who may query the trail are fewer.
const AUDITORS: usize = 4 * 1024;

/// How much anybody may ask for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ThrottleSettings {
    /// Refused attempts of one actor or address.
    pub(crate) refusals: Allowance,
    /// Refused attempts of all together who are not known.
    pub(crate) unknown_refusals: Allowance,
    /// Queries of one actor.
    pub(crate) queries: Allowance,
    /// Queries of one actor that are answered at the same time; zero is no limit.
    pub(crate) queries_at_once: u32,
}

impl ThrottleSettings {
    /// The same as the trail tells it when it starts.
    pub(crate) fn to_json(self) -> serde_json::Value {
        serde_json::json!({
            "refusals": self.refusals.to_string(),
            "unknown_refusals": self.unknown_refusals.to_string(),
            "queries": self.queries.to_string(),
            "queries_at_once": self.queries_at_once,
        })
    }
}

impl Default for ThrottleSettings {
    fn default() -> Self {
        Self {
            refusals: Allowance::new(5_000, 50),
            unknown_refusals: Allowance::new(20_000, 200),
            queries: Allowance::new(5_000, 200),
            queries_at_once: 3,
        }
    }
}

/// Who pays for an attempt: a place in the tables, found once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account {
    hash: u64,
    is_known: bool,
}

/// When something is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// Once a minute while it lasts, and when it is over.
    Due,
    /// Now, because there may be no later.
    AtOnce,
}

/// An allowance is used up for the time being.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UsedUp {
    /// When asking again is worth it.
    pub(crate) retry_after: Duration,
}

/// Everybody's accounts.
pub(crate) struct Throttle {
    key: RandomState,
    refusals: Cells,
    unknown_refusals: Cells,
    queries: Cells,
    slots: Arc<Slots>,
    streams: Arc<Slots>,
    tallies: Tallies,
    journal: Journal,
    clock: Clock,
    metrics: Arc<Metrics>,
    logged: LogGate,
}

impl Throttle {
    pub(crate) fn new(
        settings: ThrottleSettings,
        journal: Journal,
        clock: Clock,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            key: RandomState::new(),
            refusals: Cells::new(settings.refusals, ACCOUNTS),
            unknown_refusals: Cells::new(settings.unknown_refusals, 1),
            queries: Cells::new(settings.queries, AUDITORS),
            slots: Arc::new(Slots::new(settings.queries_at_once)),
            streams: Arc::new(Slots::new(STREAMS_AT_ONCE)),
            tallies: Tallies::default(),
            journal,
            clock,
            metrics,
            logged: LogGate::default(),
        }
    }

    /// Whether an attempt may be made. One that may not is counted, and told later.
    pub(crate) fn admit(
        &self,
        subject: &Subject<'_>,
        action: &'static str,
    ) -> Result<Account, UsedUp> {
        let account = self.account(subject);
        let now_ns = self.clock.monotonic_ns();
        let own = self.refusals.wait(account.hash, now_ns);
        let shared = match account.is_known {
            true => Duration::ZERO,
            false => self.unknown_refusals.wait(account.hash, now_ns),
        };
        if own.is_zero() && shared.is_zero() {
            return Ok(account);
        }
        let allowance = match (account.is_known, own.is_zero()) {
            (true, _) => "actor",
            (false, false) => "address",
            (false, true) => "unknown",
        };
        let label = [("allowance", allowance)];
        self.metrics.throttled.get_or_create(&label).inc();
        self.tallies.count(subject, action, self.clock.now());
        if let Some(since) = self.logged.admit() {
            tracing::warn!(
                action,
                allowance,
                since,
                "requests are answered 429, because too many before them were refused"
            );
        }
        Err(UsedUp {
            retry_after: own.max(shared),
        })
    }

    /// Charges an attempt whose record has so many bytes, if it came to nothing.
    pub(crate) fn charge(&self, account: Account, outcome: Outcome, bytes: usize) {
        match outcome {
            Outcome::Rejected | Outcome::Denied | Outcome::Aborted => {}
            Outcome::Success | Outcome::Failed | Outcome::Unknown => return,
        }
        let units = bytes.div_ceil(UNIT_BYTES) as f64 * price(self.journal.fullness());
        let now_ns = self.clock.monotonic_ns();
        self.refusals.charge(account.hash, units, now_ns);
        if !account.is_known {
            self.unknown_refusals.charge(account.hash, units, now_ns);
        }
    }

    /// Charges a query, which may then be answered.
    pub(crate) fn charge_query(&self, account: Account) -> Result<(), UsedUp> {
        let now_ns = self.clock.monotonic_ns();
        let retry_after = self.queries.wait(account.hash, now_ns);
        if !retry_after.is_zero() {
            self.count_query("allowance");
            return Err(UsedUp { retry_after });
        }
        self.queries.charge(account.hash, 1.0, now_ns);
        Ok(())
    }

    /// Waits until fewer queries of this actor are being answered than may be.
    pub(crate) async fn slot(&self, account: Account) -> Result<Slot, UsedUp> {
        let slot = self.slots.take(account.hash).await;
        slot.inspect_err(|_| self.count_query("at_once"))
    }

    /// Waits until this actor follows fewer streams than may be.
    pub(crate) async fn stream_slot(&self, account: Account) -> Result<Slot, UsedUp> {
        let slot = self.streams.take(account.hash).await;
        slot.inspect_err(|_| self.count_query("streams"))
    }

    /// Takes what there is to tell of requests that were not admitted, one subject at a
    /// time: when it is due, or at once.
    pub(crate) fn take_tally(&self, when: When) -> Option<Tally> {
        self.tallies.take(self.due_at(when))
    }

    /// Whether there is something to tell.
    pub(crate) fn has_tally(&self, when: When) -> bool {
        self.tallies.has(self.due_at(when))
    }

    fn due_at(&self, when: When) -> Option<DateTime<Utc>> {
        match when {
            When::Due => Some(self.clock.now()),
            When::AtOnce => None,
        }
    }

    /// Where this subject pays.
    pub(crate) fn account(&self, subject: &Subject<'_>) -> Account {
        Account {
            hash: self.key.hash_one(subject),
            is_known: subject.is_known(),
        }
    }

    fn count_query(&self, limit: &'static str) {
        let label = [("limit", limit)];
        self.metrics.queries_refused.get_or_create(&label).inc();
    }
}

/// What a refusal costs at this fullness of the journal: once its usual price up to one
/// half, then ever more, and at three quarters all there is.
///
/// Between the two, the journal can be filled by refusals at a rate that falls with what
/// is left up to three quarters, so they do not get there: the last quarter belongs to
/// real work. An attempt that succeeds costs nothing at any fullness.
fn price(fullness: f64) -> f64 {
    const FROM: f64 = 0.5;
    const TO: f64 = 0.75;
    let left = ((TO - fullness) / (TO - FROM)).clamp(0.0, 1.0);
    1.0 / left
}
