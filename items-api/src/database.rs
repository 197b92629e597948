//! The service's own connections to Postgres.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use actix_web::rt::time::timeout;
use actix_web::web;
use audit::problem::{INTERNAL_ERROR, QUERY_TIMED_OUT, STORE_UNAVAILABLE};
use audit::{ConnectionManager, Problem};
use diesel::connection::{AnsiTransactionManager, SimpleConnection as _, TransactionManager as _};
use diesel::pg::PgConnection;
use diesel::r2d2::{self, CustomizeConnection, HandleError};
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::Span;

/// The items' tables, embedded so that the binary needs no files.
pub(crate) const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../migrations/items");

const CONNECTIONS: u32 = 8;
/// The role that the items' migrations make: it may do what items need.
const ROLE: &str = "items_editor";
/// How long a request waits for a connection.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long one statement may take.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a request waits for its work altogether. A frozen Postgres ends no statement.
const WORK_TIMEOUT: Duration = Duration::from_secs(12);

/// Connections, and the one way to use them: on a thread that may wait, and not
/// before the tables are there.
#[derive(Clone)]
pub(crate) struct Database {
    pool: r2d2::Pool<ConnectionManager>,
    is_migrated: Arc<AtomicBool>,
    /// One permit for each connection, so that no more threads than that wait for Postgres.
    free: Arc<Semaphore>,
    /// How many threads wait for longer than [`WORK_TIMEOUT`].
    hanging: Arc<AtomicUsize>,
}

impl Database {
    /// A pool that connects when it is asked to.
    pub(crate) fn new(url: &str) -> Self {
        let manager = ConnectionManager::new(url, "items-api");
        Self {
            pool: r2d2::Pool::builder()
                .max_size(CONNECTIONS)
                .min_idle(Some(0))
                .connection_timeout(PATIENCE)
                .error_handler(Box::new(Quiet))
                .connection_customizer(Box::<Bounded>::default())
                .build_unchecked(manager),
            is_migrated: Arc::default(),
            free: Arc::new(Semaphore::new(CONNECTIONS as usize)),
            hanging: Arc::default(),
        }
    }

    /// Says that the tables are there.
    pub(crate) fn set_migrated(&self) {
        self.is_migrated.store(true, Ordering::Release);
    }

    /// Runs `work` with a connection, off the async workers, and waits for it for a bounded
    /// time. Work that Postgres does not answer keeps its thread and its connection until
    /// it ends by itself.
    pub(crate) async fn run<T, E>(
        &self,
        work: impl FnOnce(&mut PgConnection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, Problem>
    where
        T: Send + 'static,
        E: Into<Failure> + 'static,
    {
        if !self.is_migrated.load(Ordering::Acquire) {
            return Err(Failure::Unavailable.into());
        }
        let permit = self.permit().await?;
        let pool = self.pool.clone();
        let span = Span::current();
        let running = web::block(move || {
            let _held_until_it_ends = permit;
            span.in_scope(|| run(&pool, work))
        });
        // On a task of its own, which sees the end of work that nobody waits for any more.
        let hanging = Arc::clone(&self.hanging);
        let mut running = actix_web::rt::spawn(running);
        let result = match timeout(WORK_TIMEOUT, &mut running).await {
            Ok(result) => result,
            Err(_) => {
                tracing::error!(
                    "Postgres does not answer a request, and has not ended its statement in time"
                );
                hanging.fetch_add(1, Ordering::Relaxed);
                actix_web::rt::spawn(async move {
                    let _ = running.await;
                    hanging.fetch_sub(1, Ordering::Relaxed);
                });
                return Err(Failure::InDoubt.into());
            }
        };
        match result {
            Ok(Ok(result)) => result.map_err(Problem::from),
            Ok(Err(_)) | Err(_) => {
                tracing::error!("a blocking task did not finish");
                Err(Failure::Broken.into())
            }
        }
    }

    /// Waits until a thread may use a connection; not at all while every connection hangs.
    async fn permit(&self) -> Result<OwnedSemaphorePermit, Failure> {
        if self.hanging.load(Ordering::Relaxed) >= CONNECTIONS as usize {
            return Err(Failure::Unavailable);
        }
        match timeout(PATIENCE, Arc::clone(&self.free).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => {
                tracing::warn!("every connection to Postgres is in use");
                Err(Failure::Unavailable)
            }
        }
    }
}

fn run<T, E: Into<Failure>>(
    pool: &r2d2::Pool<ConnectionManager>,
    work: impl FnOnce(&mut PgConnection) -> Result<T, E>,
) -> Result<T, Failure> {
    let mut connection = pool.get().map_err(|error| {
        tracing::warn!(%error, "no connection to Postgres");
        Failure::Unavailable
    })?;
    let began = Instant::now();
    work(&mut connection).map_err(|error| {
        let failure = match error.into() {
            // Diesel passes on no SQLSTATE, and messages come in any language.
            Failure::Broken if began.elapsed() >= STATEMENT_TIMEOUT => Failure::TimedOut,
            failure => failure,
        };
        if !matches!(failure, Failure::Refused(_)) {
            discard(&mut connection);
        }
        failure
    })
}

/// Why work on the database came to nothing.
pub(crate) enum Failure {
    /// The work itself says no, and how.
    Refused(Problem),
    /// Postgres cannot be reached or is busy, and nothing has happened.
    Unavailable,
    /// Postgres ended a statement after [`STATEMENT_TIMEOUT`], and nothing has happened.
    TimedOut,
    /// The connection broke, and it is not known after which statement.
    InDoubt,
    /// Anything else, which is in the log.
    Broken,
}

impl From<DieselError> for Failure {
    fn from(error: DieselError) -> Self {
        tracing::error!(%error, "a statement failed");
        match &error {
            DieselError::DatabaseError(
                DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand,
                _,
            ) => Self::InDoubt,
            DieselError::DatabaseError(
                DatabaseErrorKind::ReadOnlyTransaction | DatabaseErrorKind::SerializationFailure,
                _,
            ) => Self::Unavailable,
            _ => Self::Broken,
        }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem)
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(problem) => problem,
            Failure::Unavailable => Self::new(
                &STORE_UNAVAILABLE,
                "Nothing was changed; try again in a moment.",
            )
            .with_retry_after(Duration::from_secs(2)),
            Failure::TimedOut => Self::new(
                &QUERY_TIMED_OUT,
                "Nothing was changed; try again in a moment.",
            )
            .with_retry_after(Duration::from_secs(2)),
            Failure::InDoubt => Self::new(
                &STORE_UNAVAILABLE,
                "The connection to the store broke: see what has changed before you try again.",
            )
            .with_retry_after(Duration::from_secs(2)),
            Failure::Broken => Self::new(
                &INTERNAL_ERROR,
                "Tell the service's operators the X-Request-Id of this response.",
            ),
        }
    }
}

/// Keeps the pool from using a connection again after an error. Statements that it has
/// prepared may no longer fit their tables, and would fail for as long as it lives; or its
/// server takes no writes any more.
fn discard(connection: &mut PgConnection) {
    AnsiTransactionManager::transaction_manager_status_mut(connection).set_in_error();
}

/// Bounds every statement of a new connection, and what it may do.
#[derive(Debug, Default)]
struct Bounded {
    has_warned: AtomicBool,
}

impl CustomizeConnection<PgConnection, r2d2::Error> for Bounded {
    fn on_acquire(&self, connection: &mut PgConnection) -> Result<(), r2d2::Error> {
        connection
            .batch_execute(&format!(
                "SET statement_timeout = {}; SET timezone = 'UTC'",
                STATEMENT_TIMEOUT.as_millis()
            ))
            .map_err(r2d2::Error::QueryError)?;
        if let Err(error) = connection.batch_execute(&format!("SET ROLE {ROLE}"))
            && !self.has_warned.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(
                role = ROLE,
                %error,
                "the role cannot be taken on, so connections keep the rights of their login: \
                 create it, grant it to the login, call items_prepare_role() as the tables' owner, \
                 and restart"
            );
        }
        Ok(())
    }
}

/// The pool tries again by itself, and whoever waits for a connection says in the
/// log that there is none; a line for each try in between would only fill it.
#[derive(Debug)]
struct Quiet;

impl HandleError<r2d2::Error> for Quiet {
    fn handle_error(&self, error: r2d2::Error) {
        tracing::debug!(%error, "cannot connect to Postgres");
    }
}
