//! What an audit trail is to be like, and its start.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::thread;
use std::time::Duration;

use uuid::Uuid;

use super::{Audit, Shared, own_records};
use crate::authenticate::{Authenticate, FromExtensions};
use crate::client_address::TrustedProxies;
use crate::clock::Clock;
use crate::gap::Gaps;
use crate::journal::{Durability, Journal, JournalSettings, OpenError};
use crate::lifecycle::{Lifecycle, Settings};
use crate::log_gate::LogGate;
use crate::metrics::Metrics;
use crate::postgres::{INSERT_TIMEOUT_MAX, INSERT_TIMEOUT_MIN, Store, StoreSettings};
use crate::redact::Redactor;
use crate::tail::{HELD_AFTER, Tail};
use crate::throttle::{Allowance, Throttle, ThrottleSettings};
use crate::writer;

/// How much of a body a record keeps, unless the service says otherwise.
const CAPTURE_BYTES: usize = 64 * 1024;
/// The most that a service may ask for: a record of twice as much still fits into
/// the journal.
const CAPTURE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How long a start waits for Postgres to say what the login may do.
const RIGHTS_PATIENCE: Duration = Duration::from_secs(1);

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
    /// The trail of `service`, with everything as it usually is.
    pub(super) fn new(service: String, store: StoreSettings, journal: JournalSettings) -> Self {
        Self {
            service,
            redactor: Redactor::default(),
            capture_bytes: CAPTURE_BYTES,
            authenticate: Box::new(FromExtensions),
            proxies: TrustedProxies::default(),
            throttle: ThrottleSettings::default(),
            durability: Durability::Crash,
            journal,
            store,
        }
    }

    /// How the service knows who makes a request. By default a middleware leaves
    /// an [`Actor`](crate::Actor) in the request's extensions.
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
    /// connection. 30 seconds by default; at least a millisecond, and at most a day.
    pub fn insert_timeout(mut self, timeout: Duration) -> Self {
        self.store.insert_timeout = timeout.clamp(INSERT_TIMEOUT_MIN, INSERT_TIMEOUT_MAX);
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
    /// [`Outcome::Unknown`](crate::Outcome::Unknown).
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
            tail: Some(Tail::new(store.clone(), Arc::clone(&metrics), HELD_AFTER)),
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
        spawn("audit-own-records", move || own_records::watch(&watched))
            .map_err(OpenError::Threads)?;
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
                tail: None,
                gaps: Gaps::default(),
                lifecycle: None,
                metrics,
                refusals: LogGate::default(),
                survey: std::sync::atomic::AtomicBool::new(false),
            }),
        }
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map(drop)
}
