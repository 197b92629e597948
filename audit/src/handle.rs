//! The handle by which a service holds its audit trail.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use actix_web::HttpRequest;
use uuid::Uuid;

use crate::authenticate::{Authenticate, FromExtensions};
use crate::journal::{Capacity, Journal, Permit, Refusal};
use crate::log_gate::LogGate;
use crate::postgres::{Store, StoreSettings};
use crate::problem::Problem;
use crate::record::{Actor, Record};
use crate::redact::Redactor;
use crate::writer;

/// How much of a body a record keeps, unless the service says otherwise.
const CAPTURE_BYTES: usize = 64 * 1024;

/// The audit trail of one service: what `#[audited]` records through.
///
/// Start one, and give every worker's `App` a clone of it:
///
/// ```no_run
/// use actix_web::{App, HttpServer};
/// use audit::Audit;
///
/// # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
/// let audit = Audit::builder("orders", "postgresql://localhost/orders").start()?;
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
    journal: Journal,
    store: Store,
    refusals: LogGate,
}

impl Audit {
    /// Describes the audit trail of `service` in the Postgres at `database_url`.
    pub fn builder(service: impl Into<String>, database_url: impl Into<String>) -> AuditBuilder {
        AuditBuilder {
            service: service.into(),
            redactor: Redactor::default(),
            capture_bytes: CAPTURE_BYTES,
            authenticate: Box::new(FromExtensions),
            capacity: Capacity::default(),
            store: StoreSettings::new(database_url.into()),
        }
    }

    /// Refuses new attempts, waits until every record has reached Postgres, at
    /// most for `timeout`, and returns how many have not.
    ///
    /// It blocks: call it when the server has stopped, or on a thread of its own.
    pub fn drain(&self, timeout: Duration) -> usize {
        self.shared.journal.close();
        self.shared
            .journal
            .wait_until_drained(Instant::now() + timeout)
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

    pub(crate) fn journal(&self) -> &Journal {
        &self.shared.journal
    }

    pub(crate) fn store(&self) -> &Store {
        &self.shared.store
    }

    pub(crate) fn authenticate(&self, request: &HttpRequest) -> Result<Actor, Problem> {
        self.shared.authenticate.authenticate(request)
    }

    /// The next number of this instance. It is taken when a record is made, so
    /// an attempt that was refused leaves no gap.
    pub(crate) fn next_seq(&self) -> i64 {
        self.shared.seq.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn append(&self, permit: Permit, record: Record) {
        match record.canonical_bytes() {
            Ok(bytes) => permit.append(bytes.into()),
            Err(error) => {
                tracing::error!(id = %record.id, %error, "a record could not be serialised and is lost")
            }
        }
    }

    /// Says in the log that attempts are refused, without letting them fill it.
    pub(crate) fn refused(&self, action: &str, refusal: Refusal) {
        if let Some(since) = self.shared.refusals.admit() {
            tracing::error!(action, %refusal, since, "attempts are refused because they cannot be recorded");
        }
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
    capacity: Capacity,
    store: StoreSettings,
}

impl AuditBuilder {
    /// How the service knows who makes a request. By default a middleware leaves
    /// an [`Actor`] in the request's extensions.
    pub fn authenticate(mut self, authenticate: impl Authenticate) -> Self {
        self.authenticate = Box::new(authenticate);
        self
    }

    /// What is secret, and how large a record may be.
    pub fn redactor(mut self, redactor: Redactor) -> Self {
        self.redactor = redactor;
        self
    }

    /// The largest body that a record keeps, in bytes; of a larger one it keeps
    /// the size and the hash. 64 KiB by default.
    pub fn capture_bytes(mut self, bytes: usize) -> Self {
        self.capture_bytes = bytes;
        self
    }

    /// How much may wait for Postgres before attempts are refused.
    pub fn capacity(mut self, capacity: Capacity) -> Self {
        self.capacity = capacity;
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

    /// Starts the writers.
    ///
    /// Postgres need not be there yet, nor its tables: records wait in the
    /// journal until they are.
    ///
    /// # Errors
    ///
    /// When the threads cannot be started.
    pub fn start(self) -> std::io::Result<Audit> {
        let journal = Journal::new(self.capacity);
        let writers = self.store.writers;
        let store = Store::new(self.store);
        writer::start(writers, &journal, &store)?;
        Ok(Audit {
            shared: Arc::new(Shared {
                service: self.service,
                instance: Uuid::new_v4().simple().to_string(),
                seq: AtomicI64::new(1),
                redactor: self.redactor,
                capture_bytes: self.capture_bytes,
                authenticate: self.authenticate,
                journal,
                store,
                refusals: LogGate::default(),
            }),
        })
    }
}
