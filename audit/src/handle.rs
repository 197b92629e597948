//! The handle by which a service holds its audit trail.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use actix_web::HttpRequest;
use chrono::{DateTime, Utc};
use prometheus_client::registry::Registry;
use uuid::Uuid;

use crate::authenticate::{Authenticate, FromExtensions};
use crate::capture::TrustedProxies;
use crate::clock::Clock;
use crate::gap::Gaps;
use crate::journal::{
    Durability, Found, Journal, JournalSettings, OpenError, PAYLOAD_BYTES_MAX, Permit, Refusal,
};
use crate::lifecycle::{Frame, Lifecycle, Settings};
use crate::log_gate::LogGate;
use crate::metrics::Metrics;
use crate::own_record::OwnRecord;
use crate::postgres::{QueryError, Store, StoreSettings};
use crate::problem::Problem;
use crate::record::{Actor, JsonText, Outcome, Record, Truncated};
use crate::redact::Redactor;
use crate::throttle::{Allowance, Throttle, ThrottleSettings, When};
use crate::writer;

/// How much of a body a record keeps, unless the service says otherwise.
const CAPTURE_BYTES: usize = 64 * 1024;
/// The most that a service may ask for: a record of twice as much still fits into
/// the journal.
const CAPTURE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How long what the trail tells of itself waits for its record, at least.
const OWN_INTERVAL: Duration = Duration::from_millis(500);
/// How long a start waits for Postgres to say what the login may do.
const RIGHTS_PATIENCE: Duration = Duration::from_secs(1);

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
        AuditBuilder {
            service: service.into(),
            redactor: Redactor::default(),
            capture_bytes: CAPTURE_BYTES,
            authenticate: Box::new(FromExtensions),
            proxies: TrustedProxies::default(),
            throttle: ThrottleSettings::default(),
            durability: Durability::Crash,
            journal: JournalSettings::new(journal),
            store: StoreSettings::new(database_url.into()),
        }
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

impl Shared {
    fn next_seq(&self) -> i64 {
        self.seq.fetch_add(1, Ordering::Relaxed)
    }

    /// Records what the trail has to tell of itself, once there is room to: attempts that
    /// went without a record, and requests that were not admitted.
    fn tell_what_waits(&self, when: When) {
        if self.gaps.is_open() {
            self.tell(|| self.gaps.take().map(|gap| warned(gap.record())));
        }
        while self.throttle.has_tally(when)
            && self.tell(|| {
                self.throttle
                    .take_tally(when)
                    .map(|tally| warned(tally.record()))
            })
        {}
    }

    /// Appends one of the trail's own records, which is taken only if there is room for
    /// it. Says whether it was.
    fn tell(&self, take: impl FnOnce() -> Option<OwnRecord>) -> bool {
        let Ok(permit) = self.journal.reserve() else {
            return false;
        };
        let Some(own) = take() else {
            return false;
        };
        if let Some((id, bytes)) = self.own_record(own) {
            // Nobody's response depends on it, so it is not waited for.
            drop(permit.append(id, bytes, Durability::Crash));
        }
        true
    }

    /// Records the start, as the first record of the instance. Without room for it
    /// the service starts all the same, and it is told as soon as there is some.
    fn record_start(&self, settings: &Settings, found: Found) {
        let Some(lifecycle) = &self.lifecycle else {
            return;
        };
        let Some(start) = self.own_record(lifecycle.start(settings, found)) else {
            return;
        };
        lifecycle.keep_start(start);
        self.tell_start(lifecycle);
        if !lifecycle.has_told_start() {
            tracing::error!(
                "the journal has no room for the record audit.start, which waits in memory for some"
            );
        }
    }

    fn tell_start(&self, lifecycle: &Lifecycle) {
        lifecycle.tell_start(|(id, bytes)| match self.journal.reserve() {
            Ok(permit) => {
                drop(permit.append(id, bytes, Durability::Crash));
                None
            }
            Err(_) => Some((id, bytes)),
        });
    }

    /// Records what the login at Postgres may do, if the start could not know.
    fn record_rights(&self, lifecycle: &Lifecycle) {
        if lifecycle.has_told_rights() {
            return;
        }
        let Some(rights) = self.store.as_ref().and_then(Store::rights) else {
            return;
        };
        self.tell(|| Some(lifecycle.rights(rights)));
    }

    /// Records the stop, as the last record of the instance: nothing new is let in,
    /// and what is under way ends first, or has until `deadline`.
    fn record_stop(&self, deadline: Instant) {
        let Some(lifecycle) = self.lifecycle.as_ref().filter(|one| one.stops()) else {
            return;
        };
        self.tell_start(lifecycle);
        let permit = match self.journal.reserve() {
            Ok(permit) => permit,
            Err(refusal) => {
                tracing::error!(%refusal, "the record audit.stop cannot be kept, so this stop will look like a crash");
                return;
            }
        };
        self.journal.close();
        // The room for this record is no attempt.
        let attempts = self.journal.wait_for_attempts(1, deadline) - 1;
        let Some((id, bytes)) = self.own_record(lifecycle.stop(attempts)) else {
            return;
        };
        match permit.append(id, bytes.clone(), Durability::Crash).wait() {
            Ok(()) => lifecycle.keep_stop(&bytes),
            Err(error) => {
                tracing::error!(%error, "it is not known whether the record audit.stop is kept")
            }
        }
    }

    /// One of the trail's own records, as the next one of this instance.
    fn own_record(&self, own: OwnRecord) -> Option<Frame> {
        let record = own.into_record(
            &self.redactor,
            &self.service,
            &self.instance,
            self.next_seq(),
        );
        let id = record.id;
        match frame(record) {
            Ok(bytes) => Some((id, bytes)),
            Err(error) => {
                tracing::error!(%error, "a record of the trail itself could not be serialised");
                None
            }
        }
    }
}

/// Says in the log what a record is about to tell.
fn warned(own: OwnRecord) -> OwnRecord {
    tracing::warn!(action = own.action, notes = %own.notes, "attempts have no record each");
    own
}

/// Tells what the trail has to tell of itself, for as long as it is there.
fn watch(audit: &Weak<Shared>) {
    while let Some(shared) = audit.upgrade() {
        if let Some(lifecycle) = &shared.lifecycle {
            shared.tell_start(lifecycle);
            shared.record_rights(lifecycle);
        }
        shared.tell_what_waits(When::Due);
        drop(shared);
        thread::sleep(OWN_INTERVAL);
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

/// What an audit trail is to be like; see [`Audit::builder`].
#[must_use = "nothing is recorded until `start` is called"]
pub struct AuditBuilder {
    service: String,
    redactor: Redactor,
    capture_bytes: usize,
    authenticate: Box<dyn Authenticate>,
    proxies: TrustedProxies,
    throttle: ThrottleSettings,
    durability: Durability,
    journal: JournalSettings,
    store: StoreSettings,
}

impl AuditBuilder {
    /// How the service knows who makes a request. By default a middleware leaves
    /// an [`Actor`] in the request's extensions.
    pub fn authenticate(mut self, authenticate: impl Authenticate) -> Self {
        self.authenticate = Box::new(authenticate);
        self
    }

    /// Which proxies are believed when they say for whom they speak. By default none is,
    /// and the client is whoever holds the connection.
    pub fn trusted_proxies(mut self, proxies: TrustedProxies) -> Self {
        self.proxies = proxies;
        self
    }

    /// How many attempts of one actor may be refused, and of one address where nobody is
    /// known, before its requests are answered 429 without being attempts. Those are
    /// counted, and told by records `audit.throttled`. 5,000 at once and 50 a second
    /// after that by default.
    ///
    /// An attempt is refused when its outcome is rejected, denied or aborted. It counts
    /// once for every 4 KiB of its record, and for more as the journal fills.
    pub fn refusals(mut self, allowance: Allowance) -> Self {
        self.throttle.refusals = allowance;
        self
    }

    /// The same for all together who are not known. 20,000 at once and 200 a second after
    /// that by default.
    pub fn unknown_refusals(mut self, allowance: Allowance) -> Self {
        self.throttle.unknown_refusals = allowance;
        self
    }

    /// How many queries of one actor `/audit` answers. 5,000 at once and 200 a second
    /// after that by default.
    pub fn queries(mut self, allowance: Allowance) -> Self {
        self.throttle.queries = allowance;
        self
    }

    /// How many of them at the same time; further ones wait for a moment. Three by
    /// default, one less than there are readers; zero is no limit.
    pub fn queries_at_once(mut self, queries: u32) -> Self {
        self.throttle.queries_at_once = queries;
        self
    }

    /// What is secret, and how large a record may be.
    pub fn redactor(mut self, redactor: Redactor) -> Self {
        self.redactor = redactor;
        self
    }

    /// The largest body that a record keeps, in bytes; of a larger one it keeps
    /// the size and the hash. 64 KiB by default, 4 MiB at most.
    pub fn capture_bytes(mut self, bytes: usize) -> Self {
        self.capture_bytes = bytes.min(CAPTURE_BYTES_MAX);
        self
    }

    /// What a record survives before its response goes out, where an annotation
    /// does not say otherwise. [`Durability::Crash`] by default.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// How many bytes may wait for Postgres before attempts are refused. 4 GiB by
    /// default.
    pub fn journal_quota_bytes(mut self, bytes: u64) -> Self {
        self.journal.quota_bytes = bytes;
        self
    }

    /// How many bytes of the journal's disk are left to others. 256 MiB by default.
    pub fn journal_reserve_bytes(mut self, bytes: u64) -> Self {
        self.journal.reserve_bytes = bytes;
        self
    }

    /// How long Postgres may take for one batch before it is sent again on another
    /// connection. 30 seconds by default.
    pub fn insert_timeout(mut self, timeout: Duration) -> Self {
        self.store.insert_timeout = timeout;
        self
    }

    /// How many threads write, each with a connection of its own. Two by default.
    pub fn writers(mut self, writers: u32) -> Self {
        self.store.writers = writers.max(1);
        self
    }

    /// How many connections answer queries. Four by default.
    pub fn readers(mut self, readers: u32) -> Self {
        self.store.readers = readers.max(1);
        self
    }

    /// Where queries are answered, when that is not where records are written: a
    /// replica.
    pub fn read_url(mut self, url: impl Into<String>) -> Self {
        self.store.read_url = Some(url.into());
        self
    }

    /// Opens the journal, starts the writers, and records `audit.start` with the
    /// settings in force and what has changed of them since the last time.
    ///
    /// Postgres need not be there yet, nor its tables: records wait in the
    /// journal until they are. What an earlier process left there is delivered
    /// too, and attempts that it did not live to finish get the outcome
    /// [`Outcome::Unknown`].
    ///
    /// # Errors
    ///
    /// When the journal's folder cannot be used, or another process uses it.
    pub fn start(self) -> Result<Audit, OpenError> {
        let metrics = Arc::new(Metrics::default());
        let (journal, found) = Journal::open(&self.journal, Arc::clone(&metrics))?;
        if found.records + found.unknown > 0 {
            metrics.recovered_unknown.inc_by(found.unknown);
            tracing::info!(
                records = found.records,
                unknown = found.unknown,
                "an earlier process left records behind, which are delivered now"
            );
        }
        let settings = Settings {
            durability: self.durability,
            capture_bytes: self.capture_bytes,
            journal_quota_bytes: self.journal.quota_bytes,
            journal_reserve_bytes: self.journal.reserve_bytes,
            redaction: self.redactor.settings(),
            authentication: self.authenticate.name(),
            trusted_proxies: self.proxies.settings(),
            throttle: self.throttle.to_json(),
            database_rights: self.store.rights(RIGHTS_PATIENCE),
        };
        let clock = Clock::System;
        let throttle = Throttle::new(
            self.throttle,
            journal.clone(),
            clock.clone(),
            Arc::clone(&metrics),
        );
        let store = Store::new(self.store);
        writer::start(&journal, &store, &metrics).map_err(OpenError::Threads)?;
        let shared = Arc::new(Shared {
            service: self.service,
            instance: Uuid::new_v4().simple().to_string(),
            seq: AtomicI64::new(1),
            redactor: self.redactor,
            capture_bytes: self.capture_bytes,
            authenticate: self.authenticate,
            proxies: self.proxies,
            throttle,
            durability: self.durability,
            clock,
            journal,
            store: Some(store),
            gaps: Gaps::default(),
            lifecycle: Some(Lifecycle::begin(self.journal.folder)),
            metrics,
            refusals: LogGate::default(),
            #[cfg(any(test, feature = "testing"))]
            survey: std::sync::atomic::AtomicBool::new(false),
        });
        shared.record_start(&settings, found);
        let watched = Arc::downgrade(&shared);
        spawn("audit-own-records", move || watch(&watched)).map_err(OpenError::Threads)?;
        Ok(Audit { shared })
    }
}

/// What an audit trail without disk and Postgres is to be like.
#[cfg(any(test, feature = "testing"))]
pub(crate) struct InMemorySettings {
    pub(crate) service: String,
    pub(crate) redactor: Redactor,
    pub(crate) authenticate: Box<dyn Authenticate>,
    pub(crate) proxies: TrustedProxies,
    pub(crate) throttle: ThrottleSettings,
    pub(crate) durability: Durability,
    pub(crate) clock: Clock,
}

/// An audit trail whose records stay in memory, for tests.
#[cfg(any(test, feature = "testing"))]
impl Audit {
    pub(crate) fn in_memory(settings: InMemorySettings, journal: Journal) -> Self {
        let metrics = Arc::<Metrics>::default();
        let throttle = Throttle::new(
            settings.throttle,
            journal.clone(),
            settings.clock.clone(),
            Arc::clone(&metrics),
        );
        Self {
            shared: Arc::new(Shared {
                service: settings.service,
                instance: "recorder".to_owned(),
                seq: AtomicI64::new(1),
                redactor: settings.redactor,
                capture_bytes: CAPTURE_BYTES,
                authenticate: settings.authenticate,
                proxies: settings.proxies,
                throttle,
                durability: settings.durability,
                clock: settings.clock,
                journal,
                store: None,
                gaps: Gaps::default(),
                lifecycle: None,
                metrics,
                refusals: LogGate::default(),
                survey: std::sync::atomic::AtomicBool::new(false),
            }),
        }
    }

    /// Whether handlers only say who they are; see `testing::RouteCoverage`.
    pub(crate) fn survey(&self) -> &std::sync::atomic::AtomicBool {
        &self.shared.survey
    }

    pub(crate) fn tell_what_waits(&self, when: When) {
        self.shared.tell_what_waits(when);
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map(drop)
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
