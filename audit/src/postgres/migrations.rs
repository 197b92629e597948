//! Bringing a database up to date.

use std::collections::HashSet;

use diesel::connection::SimpleConnection as _;
use diesel::migration::{Migration, MigrationSource as _};
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness as _, embed_migrations};

use super::pool::bounded_url;

/// The audit trail's own tables, embedded so that a binary needs no files.
const AUDIT: EmbeddedMigrations = embed_migrations!("../migrations/audit");

/// The advisory lock under which migrations run: `audit` in ASCII.
const LOCK: i64 = 0x61_75_64_69_74;

/// How many months ahead there is a partition.
const MONTHS_AHEAD: i32 = 3;

/// Why a database could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// There was no connection.
    #[error("cannot connect to Postgres: {0}")]
    Connect(#[from] ConnectionError),
    /// The service has a migration of a version that is the audit trail's own. One of
    /// the two would count as applied, and be passed over.
    #[error("version {version} is one of the audit trail's own migrations: give yours another")]
    SameVersion {
        /// Which version.
        version: String,
    },
    /// A migration failed; those before it stay applied.
    #[error("a migration failed: {0}")]
    Migration(Box<dyn std::error::Error + Send + Sync>),
    /// A statement around the migrations failed.
    #[error("preparing the database failed: {0}")]
    Prepare(#[from] diesel::result::Error),
}

/// Creates or updates the tables of the audit trail in the database at `url`, and
/// then those of the service itself, if it gives its own migrations.
///
/// Any number of instances may do so at once: one works, the others wait for it.
/// What is up to date stays as it is. It also creates the partitions of the next
/// months, so a service calls it at every start, and again every day or so while
/// it runs. It blocks.
///
/// Both share Diesel's table of versions, so the versions of the service's own
/// migrations must differ from those of the audit trail, which is checked.
///
/// # Errors
///
/// When the database cannot be reached or refuses a statement.
pub fn migrate(url: &str, own: Option<EmbeddedMigrations>) -> Result<(), MigrateError> {
    if let Some(own) = &own {
        refuse_same_versions(own)?;
    }
    let mut connection = PgConnection::establish(&bounded_url(url, "audit-migrations"))?;
    // The lock belongs to the session, so it goes with the connection, whatever
    // happens in between.
    diesel::select(pg_advisory_lock(LOCK)).execute(&mut connection)?;
    for source in [Some(AUDIT), own].into_iter().flatten() {
        run(&mut connection, source)?;
    }
    connection.batch_execute(&format!(
        "SELECT audit_prepare_roles(); SELECT audit_ensure_partitions(now(), {MONTHS_AHEAD})"
    ))?;
    warn_of_default_partition(&mut connection)?;
    Ok(())
}

fn refuse_same_versions(own: &EmbeddedMigrations) -> Result<(), MigrateError> {
    let versions = |source: &EmbeddedMigrations| -> Result<HashSet<String>, MigrateError> {
        let migrations: Vec<Box<dyn Migration<Pg>>> =
            source.migrations().map_err(MigrateError::Migration)?;
        let versions = migrations
            .iter()
            .map(|migration| migration.name().version().to_string());
        Ok(versions.collect())
    };
    let taken = versions(&AUDIT)?;
    match versions(own)?
        .into_iter()
        .find(|version| taken.contains(version))
    {
        Some(version) => Err(MigrateError::SameVersion { version }),
        None => Ok(()),
    }
}

fn run(connection: &mut PgConnection, source: EmbeddedMigrations) -> Result<(), MigrateError> {
    let applied = connection
        .run_pending_migrations(source)
        .map_err(MigrateError::Migration)?;
    for version in applied {
        tracing::info!(%version, "applied a migration");
    }
    Ok(())
}

/// Rows in the default partition mean that a clock was wrong or that partitions
/// were not made in time; they are kept, but retention cannot drop them by month.
fn warn_of_default_partition(connection: &mut PgConnection) -> QueryResult<()> {
    let occupied: bool = diesel::select(diesel::dsl::sql::<diesel::sql_types::Bool>(
        "EXISTS (SELECT FROM audit_records_default)",
    ))
    .get_result(connection)?;
    if occupied {
        tracing::warn!("audit_records_default holds records outside every monthly partition");
    }
    Ok(())
}

#[diesel::declare_sql_function]
extern "SQL" {
    fn pg_advisory_lock(key: diesel::sql_types::BigInt);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_of_the_audit_trails_own_is_refused_before_anything_is_touched() {
        let refused = migrate("postgresql:///nowhere?host=/nonexistent", Some(AUDIT));
        let message = refused.unwrap_err().to_string();
        assert!(message.contains("give yours another"), "{message}");
    }
}
