//! A real Postgres for a test, and patience with it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection as _;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel_migrations::EmbeddedMigrations;
use uuid::Uuid;

/// How long [`eventually`] waits: far longer than anything it waits for takes, so
/// that a slow machine is no reason to fail.
const PATIENCE: Duration = Duration::from_secs(20);

/// A database of a test's own, dropped with it.
///
/// ```no_run
/// use audit::testing::TestDatabase;
///
/// let database = TestDatabase::migrated(None);
/// let audit = audit::Audit::builder("tests", database.url(), database.journal()).start()?;
/// # Ok::<(), audit::OpenError>(())
/// ```
#[derive(Debug)]
pub struct TestDatabase {
    server: String,
    name: String,
    url: String,
}

impl TestDatabase {
    /// An empty database on the server that `TEST_DATABASE_URL` names.
    ///
    /// # Panics
    ///
    /// When there is no such server: tests cannot go on without it.
    #[must_use]
    #[expect(
        clippy::expect_used,
        clippy::panic,
        reason = "a test without a database has failed"
    )]
    pub fn empty() -> Self {
        let Ok(server) = std::env::var("TEST_DATABASE_URL") else {
            panic!(
                "TEST_DATABASE_URL is not set: run `cargo xtask test`, which starts a Postgres for the tests"
            );
        };
        let name = format!("test_{}", Uuid::new_v4().simple());
        execute(&server, &format!("CREATE DATABASE {name}")).expect("a database for the test");
        Self {
            url: with_database(&server, &name),
            server,
            name,
        }
    }

    /// A database with the tables of the audit trail and of the service itself.
    ///
    /// # Panics
    ///
    /// When there is no server, or when a migration fails.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test without its tables has failed")]
    pub fn migrated(own: Option<EmbeddedMigrations>) -> Self {
        let database = Self::empty();
        crate::migrate(&database.url, own).expect("migrations that apply to an empty database");
        database
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A folder for the journal of an audit trail that writes to this database;
    /// it is removed with it.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        std::env::temp_dir().join(&self.name)
    }

    /// A connection with all the rights of the owner.
    ///
    /// # Panics
    ///
    /// When there is none.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test without a connection has failed")]
    pub fn connect(&self) -> PgConnection {
        PgConnection::establish(&self.url).expect("a connection to the test's database")
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        // A test's database that cannot be dropped is left to whoever stops the
        // server; failing here would hide why the test itself failed.
        let _ = execute(
            &self.server,
            &format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name),
        );
        let _ = std::fs::remove_dir_all(self.journal());
    }
}

fn execute(url: &str, statement: &str) -> Result<(), Box<dyn std::error::Error>> {
    Ok(PgConnection::establish(url)?.batch_execute(statement)?)
}

/// The same URL with another database.
fn with_database(url: &str, name: &str) -> String {
    let (base, query) = match url.split_once('?') {
        Some((base, query)) => (base, format!("?{query}")),
        None => (url, String::new()),
    };
    let authority_begins = base.find("://").map_or(0, |scheme| scheme + 3);
    let (authority, _) = match base
        .get(authority_begins..)
        .and_then(|rest| rest.split_once('/'))
    {
        Some((authority, database)) => (
            base.get(..authority_begins + authority.len())
                .unwrap_or(base),
            database,
        ),
        None => (base, ""),
    };
    format!("{authority}/{name}{query}")
}

/// Waits until `attempt` gives something: the way to see what happens in its own
/// time, such as a record that travels to Postgres.
///
/// # Panics
///
/// When that has not happened after twenty seconds; `what` says what was missing.
pub async fn eventually<T>(what: &str, mut attempt: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = attempt().await {
            return value;
        }
        assert!(Instant::now() < deadline, "{what}: not after {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_database_of_a_url_is_exchanged() {
        for (url, expected) in [
            (
                "postgresql:///postgres?host=/run",
                "postgresql:///new?host=/run",
            ),
            (
                "postgresql://u:p@host:5432/postgres",
                "postgresql://u:p@host:5432/new",
            ),
            ("postgresql://host", "postgresql://host/new"),
        ] {
            assert_eq!(with_database(url, "new"), expected);
        }
    }
}
