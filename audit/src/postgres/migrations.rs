//! Bringing a database up to date.

use std::collections::HashSet;

use diesel::connection::SimpleConnection as _;
use diesel::migration::{Migration, MigrationSource as _};
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness as _, embed_migrations};

use super::WRITER_ROLE;
use super::connect::establish;
use super::rights::Login;

/// The audit trail's own tables, embedded so that a binary needs no files.
pub(super) const AUDIT: EmbeddedMigrations = embed_migrations!("../migrations/audit");

/// The advisory lock under which migrations run: `audit` in ASCII.
const LOCK: i64 = 0x61_75_64_69_74;

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
    /// A migration has not run, and the login does not own the tables.
    #[error(
        "migration {version} has not run, and this login may not run it: migrate with the connection string of the tables' owner first"
    )]
    NotTheOwner {
        /// The first one of them.
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
/// Whoever runs the first migration owns the tables, and only their owner can run
/// another. Once all have run, a login that may no more than become `audit_writer`
/// is enough: then nothing is changed, and the partitions are still made.
///
/// Both share Diesel's table of versions, so the versions of the service's own
/// migrations must differ from those of the audit trail, which is checked.
///
/// # Errors
///
/// When the database cannot be reached or refuses a statement, or when there is
/// something to migrate and the login is not the owner's.
pub fn migrate(url: &str, own: Option<EmbeddedMigrations>) -> Result<(), MigrateError> {
    if let Some(own) = &own {
        refuse_same_versions(own)?;
    }
    let sources = [Some(AUDIT), own].into_iter().flatten();
    let mut connection = establish(url, "audit-migrations")?;
    // A login may have no rights but those of the roles that it takes on. Before the
    // first migration there is no such role.
    let _ = connection.batch_execute(&format!("SET ROLE {WRITER_ROLE}"));
    if Login::of(&mut connection)?.may_migrate {
        connection.batch_execute("RESET ROLE")?;
        // The lock belongs to the session, so it goes with the connection, whatever
        // happens in between.
        diesel::select(pg_advisory_lock(LOCK)).execute(&mut connection)?;
        for source in sources {
            run(&mut connection, source)?;
        }
        connection.batch_execute("SELECT audit_prepare_roles()")?;
    } else if let Some(version) = first_pending(&mut connection, sources)? {
        return Err(MigrateError::NotTheOwner { version });
    }
    keep_partitions_ahead(&mut connection)?;
    Ok(())
}

fn refuse_same_versions(own: &EmbeddedMigrations) -> Result<(), MigrateError> {
    let taken: HashSet<String> = versions(&AUDIT)?.into_iter().collect();
    match versions(own)?
        .into_iter()
        .find(|version| taken.contains(version))
    {
        Some(version) => Err(MigrateError::SameVersion { version }),
        None => Ok(()),
    }
}

/// The versions of these migrations, in their order.
pub(super) fn versions(source: &EmbeddedMigrations) -> Result<Vec<String>, MigrateError> {
    let migrations: Vec<Box<dyn Migration<Pg>>> =
        source.migrations().map_err(MigrateError::Migration)?;
    let versions = migrations
        .iter()
        .map(|migration| migration.name().version().to_string());
    Ok(versions.collect())
}

/// The first migration that has not run. Diesel's own way to ask for it would make
/// its table first, for which one has to be the owner.
fn first_pending(
    connection: &mut PgConnection,
    sources: impl Iterator<Item = EmbeddedMigrations>,
) -> Result<Option<String>, MigrateError> {
    #[derive(QueryableByName)]
    struct Applied {
        #[diesel(sql_type = Text)]
        version: String,
    }
    let is_new = diesel::select(diesel::dsl::sql::<Bool>(
        "to_regclass('__diesel_schema_migrations') IS NULL",
    ))
    .get_result(connection)?;
    let applied: Vec<Applied> = if is_new {
        Vec::new()
    } else {
        diesel::sql_query("SELECT version FROM __diesel_schema_migrations").load(connection)?
    };
    let applied: HashSet<String> = applied.into_iter().map(|row| row.version).collect();
    for source in sources {
        let versions = versions(&source)?;
        if let Some(version) = versions.into_iter().find(|one| !applied.contains(one)) {
            return Ok(Some(version));
        }
    }
    Ok(None)
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

/// Creates the partitions of the next months. Rows in the default partition mean
/// that a clock was wrong or that partitions were not made in time; they are kept,
/// but retention cannot drop them by month.
fn keep_partitions_ahead(connection: &mut PgConnection) -> QueryResult<()> {
    let is_occupied: bool = diesel::select(diesel::dsl::sql::<Bool>(
        "(audit_keep_partitions_ahead()).default_is_occupied",
    ))
    .get_result(connection)?;
    if is_occupied {
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
