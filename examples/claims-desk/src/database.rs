//! The service's own connections to Postgres.

use std::time::Duration;

use actix_web::web;
use audit::{ConnectionManager, MigrateError};
use diesel::pg::PgConnection;
use diesel::r2d2::{Pool, PooledConnection};
use diesel_migrations::{EmbeddedMigrations, embed_migrations};

use crate::Error;

/// The claims desk's own tables; those of the audit trail come with it.
pub const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");

/// How long a request waits for a connection.
const PATIENCE: Duration = Duration::from_secs(2);

/// A pool that connects when it is asked to.
#[derive(Clone)]
pub struct Database {
    url: String,
    pool: Pool<ConnectionManager>,
}

impl Database {
    /// Connections to the Postgres at `url`.
    #[must_use]
    pub fn new(url: &str) -> Self {
        let manager = ConnectionManager::new(url, "claims-desk");
        Self {
            url: url.to_owned(),
            pool: Pool::builder()
                .min_idle(Some(0))
                .connection_timeout(PATIENCE)
                .build_unchecked(manager),
        }
    }

    /// Brings all tables up to date, and makes those partitions of the audit trail
    /// that the next months will need. It blocks.
    ///
    /// # Errors
    ///
    /// When Postgres cannot be reached or refuses a statement.
    pub fn migrate(&self) -> Result<(), MigrateError> {
        audit::migrate(&self.url, Some(MIGRATIONS))
    }

    /// A connection, for code that may wait for it.
    pub(crate) fn connection(&self) -> Result<PooledConnection<ConnectionManager>, Error> {
        self.pool.get().map_err(|error| {
            tracing::warn!(%error, "no connection to Postgres");
            Error::Unavailable
        })
    }

    /// Runs `work` with a connection on a thread that may wait.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut PgConnection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let database = self.clone();
        web::block(move || work(&mut *database.connection()?))
            .await
            .map_err(Error::broken)?
    }
}
