//! The handle by which a service holds its audit trail.

mod builder;
mod own_records;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use actix_web::HttpRequest;
pub use builder::AuditBuilder;
#[cfg(any(test, feature = "testing"))]
pub(crate) use builder::InMemorySettings;
use chrono::{DateTime, Utc};
use prometheus_client::registry::Registry;
use uuid::Uuid;

use crate::authenticate::Authenticate;
use crate::client_address::TrustedProxies;
use crate::clock::Clock;
use crate::gap::Gaps;
use crate::journal::{Durability, Journal, JournalSettings, PAYLOAD_BYTES_MAX, Permit, Refusal};
use crate::lifecycle::Lifecycle;
use crate::log_gate::LogGate;
use crate::metrics::Metrics;
use crate::postgres::{QueryError, Store, StoreSettings};
use crate::problem::Problem;
use crate::record::{Actor, JsonText, Outcome, Record, Truncated};
use crate::redact::Redactor;
use crate::tail::Tail;
use crate::throttle::{Throttle, When};

/// The audit trail of one service: what `#[audited]` records through.
///
/// Start one, and give every worker's `App` a clone of it:
///
/// ```no_run
/// use actix_web::{App, HttpServer};
/// use audit::Audit;
///
/// # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
/// let audit = Audit::builder("orders", "postgresql://localhost/orders", "data/journal").start()?;
/// let app_audit = audit.clone();
/// HttpServer::new(move || App::new().app_data(app_audit.clone()).configure(audit::routes::configure))
///     .bind(("127.0.0.1", 8000))?
///     .run()
///     .await?;
/// audit.drain(std::time::Duration::from_secs(10));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Audit {
    shared: Arc<Shared>,
}

struct Shared {
    service: String,
    instance: String,
    seq: AtomicI64,
    redactor: Redactor,
    capture_bytes: usize,
    authenticate: Box<dyn Authenticate>,
    proxies: TrustedProxies,
    throttle: Throttle,
    durability: Durability,
    clock: Clock,
    journal: Journal,
    /// There is none behind a recorder.
    store: Option<Store>,
    /// What follows the store.
    tail: Option<Arc<Tail>>,
    gaps: Gaps,
    /// A recorder neither starts nor stops.
    lifecycle: Option<Lifecycle>,
    metrics: Arc<Metrics>,
    refusals: LogGate,
    #[cfg(any(test, feature = "testing"))]
    survey: std::sync::atomic::AtomicBool,
}

impl Audit {
    /// Describes the audit trail of `service`, whose records wait in `journal`, a
    /// folder for this process alone, until they are in the Postgres at
    /// `database_url`.
    pub fn builder(
        service: impl Into<String>,
        database_url: impl Into<String>,
        journal: impl Into<PathBuf>,
    ) -> AuditBuilder {
        AuditBuilder::new(
            service.into(),
            StoreSettings::new(database_url.into()),
            JournalSettings::new(journal),
        )
    }

    /// Ends the trail in order: refuses new attempts, waits for those under way,
    /// records `audit.stop`, waits until every record has reached Postgres, at most
    /// for `timeout`, and returns how many have not. Those stay in the journal for
    /// the next start.
    ///
    /// A process that ends without it is told as one that was killed.
    ///
    /// It blocks: call it when the server has stopped, or on a thread of its own.
    pub fn drain(&self, timeout: Duration) -> u64 {
        let deadline = Instant::now() + timeout;
        self.shared.tell_what_waits(When::AtOnce);
        self.shared.record_stop(deadline);
        self.shared.journal.drain(deadline)
    }

    /// Ends the streams of `/audit/stream`, which would otherwise go on for minutes: call
    /// it before the server is told to stop in order, because that waits for them. Clients
    /// connect again by themselves, to whoever then serves.
    pub fn end_streams(&self) {
        if let Some(tail) = &self.shared.tail {
            tail.end();
        }
    }

    /// Tells what the trail has to tell of itself, lets every record that was handed
    /// over survive a power cut, and says whether that worked within `timeout`. It
    /// blocks.
    ///
    /// It is for the moment before a process ends without [`Audit::drain`].
    pub fn flush(&self, timeout: Duration) -> bool {
        self.shared.tell_what_waits(When::AtOnce);
        self.shared.journal.flush(timeout)
    }

    /// Whether attempts can be recorded: not while the journal's disk fails, and not
    /// once the trail is drained.
    #[must_use]
    pub fn is_accepting(&self) -> bool {
        self.shared.journal.status().is_accepting
    }

    /// Whether records reach Postgres: not once every try has failed for a minute. They
    /// wait in the journal then.
    #[must_use]
    pub fn is_delivering(&self) -> bool {
        let store = self.shared.store.as_ref();
        store.is_none_or(Store::is_delivering)
    }

    /// Adds what the audit trail says about itself to a Prometheus registry; all
    /// names begin with `audit_`.
    pub fn register_metrics(&self, registry: &mut Registry) {
        self.shared.metrics.register(&self.shared.journal, registry);
    }

    pub(crate) fn service(&self) -> &str {
        &self.shared.service
    }

    pub(crate) fn instance(&self) -> &str {
        &self.shared.instance
    }

    pub(crate) fn redactor(&self) -> &Redactor {
        &self.shared.redactor
    }

    pub(crate) fn capture_bytes(&self) -> usize {
        self.shared.capture_bytes
    }

    pub(crate) fn durability(&self) -> Durability {
        self.shared.durability
    }

    /// Room for the record of an attempt.
    pub(crate) fn reserve(&self, action: &str) -> Result<Permit, Refusal> {
        self.shared.journal.reserve().inspect_err(|refusal| {
            let label = [("reason", refusal.as_str())];
            self.shared.metrics.refusals.get_or_create(&label).inc();
            if let Some(since) = self.shared.refusals.admit() {
                tracing::error!(action, %refusal, since, "attempts cannot be recorded");
            }
        })
    }

    /// Where queries are answered.
    pub(crate) fn store(&self) -> Result<&Store, QueryError> {
        self.shared.store.as_ref().ok_or(QueryError::Unavailable)
    }

    /// How the store can be followed.
    pub(crate) fn tail(&self) -> Option<&Arc<Tail>> {
        self.shared.tail.as_ref()
    }

    pub(crate) fn has_store(&self) -> bool {
        self.shared.store.is_some()
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    pub(crate) fn proxies(&self) -> &TrustedProxies {
        &self.shared.proxies
    }

    pub(crate) fn throttle(&self) -> &Throttle {
        &self.shared.throttle
    }

    pub(crate) fn authenticate(&self, request: &HttpRequest) -> Result<Actor, Problem> {
        self.shared.authenticate.authenticate(request)
    }

    /// The next number of this instance. It is taken when an attempt has room, so
    /// one that was refused leaves no gap.
    pub(crate) fn next_seq(&self) -> i64 {
        self.shared.next_seq()
    }

    /// The bytes of a record, as they go into the journal.
    pub(crate) fn frame(&self, record: Record) -> Result<Vec<u8>, serde_json::Error> {
        frame(record).inspect_err(
            |error| tracing::error!(%error, "a record could not be serialised and is lost"),
        )
    }

    /// Counts an attempt that went without a record.
    pub(crate) fn count_gap(&self, action: &'static str, seq: i64, occurred_at: DateTime<Utc>) {
        self.shared.metrics.gaps.inc();
        self.shared.gaps.count(action, seq, occurred_at);
    }

    /// Counts an attempt whose answer does not fit its record, which was committed
    /// before.
    pub(crate) fn contradicted(&self, action: &str, id: Uuid, outcome: Outcome) {
        self.shared.metrics.contradictions.inc();
        if let Some(since) = self.shared.refusals.admit() {
            tracing::error!(
                action,
                %id,
                outcome = outcome.as_str(),
                since,
                "an attempt ended in another way than the record in its transaction says: \
                 let nothing that can fail follow `AuditScope::transaction`"
            );
        }
    }

    /// Counts a response that was withheld because its record was not confirmed.
    pub(crate) fn unconfirmed(&self, action: &str) {
        self.shared.metrics.unconfirmed.inc();
        if let Some(since) = self.shared.refusals.admit() {
            tracing::error!(
                action,
                since,
                "the journal does not confirm a record in time, so the response is withheld"
            );
        }
    }
}

/// The record's canonical bytes; of one that is too large for the journal the
/// payloads are left out, and it says so.
fn frame(record: Record) -> Result<Vec<u8>, serde_json::Error> {
    let bytes = record.canonical_bytes()?;
    if bytes.len() <= PAYLOAD_BYTES_MAX {
        return Ok(bytes);
    }
    let changes = serde_json::to_string(&record.changes)?;
    let parts = [
        ("/request", record.request.as_ref().map(JsonText::as_str)),
        ("/response", record.response.as_ref().map(JsonText::as_str)),
        (
            "/changes",
            Some(changes.as_str()).filter(|text| *text != "[]"),
        ),
        (
            "/notes",
            Some(record.notes.as_str()).filter(|text| *text != "{}"),
        ),
    ];
    let cut = parts
        .iter()
        .filter_map(|(path, text)| Some(Truncated::whole(path, (*text)?)))
        .collect();
    Record {
        request: None,
        response: None,
        changes: Vec::new(),
        notes: JsonText::empty_object(),
        redacted: Vec::new(),
        truncated: cut,
        ..record
    }
    .canonical_bytes()
}

/// For tests.
#[cfg(any(test, feature = "testing"))]
impl Audit {
    /// Whether handlers only say who they are; see `testing::RouteCoverage`.
    pub(crate) fn survey(&self) -> &std::sync::atomic::AtomicBool {
        &self.shared.survey
    }

    pub(crate) fn tell_what_waits(&self, when: When) {
        self.shared.tell_what_waits(when);
    }
}

impl Shared {
    fn next_seq(&self) -> i64 {
        self.seq.fetch_add(1, Ordering::Relaxed)
    }
}

impl std::fmt::Debug for Audit {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Audit")
            .field("service", &self.shared.service)
            .field("instance", &self.shared.instance)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::own_record::OwnRecord;

    #[test]
    fn of_a_record_that_is_too_large_the_payloads_are_left_out_with_size_and_hash() {
        let record = OwnRecord::new("audit.test", Utc::now(), Outcome::Success);
        let mut record = record.into_record(&Redactor::default(), "s", "i", 1);
        let large = format!("[\"{}\"]", "a".repeat(PAYLOAD_BYTES_MAX));
        record.request = Some(JsonText::new(large.clone()).unwrap());
        record.notes = JsonText::new(r#"{"a":1}"#.to_owned()).unwrap();
        let kept: Record = serde_json::from_slice(&frame(record).unwrap()).unwrap();
        assert_eq!(kept.request, None);
        assert_eq!(kept.notes, JsonText::empty_object());
        let paths: Vec<&str> = kept.truncated.iter().map(|cut| cut.path.as_str()).collect();
        assert_eq!(paths, ["/request", "/notes"]);
        assert_eq!(kept.truncated[0].bytes, large.len() as u64);
        // printf '{"a":1}' | sha256sum
        let hash = "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862";
        assert_eq!(kept.truncated[1].sha256.as_deref(), Some(hash));
    }
}
