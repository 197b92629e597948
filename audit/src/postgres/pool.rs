//! Connections that can do no more than they must.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::r2d2::{self, HandleError, ManageConnection};
use diesel::sql_types::Bool;

use super::connect::ConnectionManager;
use super::rights::{Login, Rights};
use crate::log_gate::LogGate;

/// Connections to one Postgres.
pub(super) type Pool = r2d2::Pool<Manager>;

/// What every connection of a pool is prepared to be.
#[derive(Clone, Debug)]
pub(super) struct Session {
    /// The role it takes on, made by the migrations.
    pub(super) role: &'static str,
    pub(super) read_only: bool,
    /// Where to note what the login may do.
    pub(super) rights: Option<Arc<OnceLock<Rights>>>,
    pub(super) statement_timeout: Duration,
}

/// A pool that connects when it is asked to and never fails to be built.
pub(super) fn new(url: &str, connections: u32, patience: Duration, session: Session) -> Pool {
    let inner = if session.read_only {
        ConnectionManager::for_reading(url, "audit")
    } else {
        ConnectionManager::new(url, "audit")
    };
    r2d2::Pool::builder()
        .max_size(connections)
        .min_idle(Some(0))
        .connection_timeout(patience)
        .error_handler(Box::new(Logged {
            purpose: session.role,
            gate: LogGate::default(),
        }))
        .build_unchecked(Manager {
            inner,
            session,
            warned: LogGate::default(),
        })
}

/// Makes connections, and prepares each.
#[derive(Debug)]
pub(super) struct Manager {
    inner: ConnectionManager,
    session: Session,
    warned: LogGate,
}

/// A connection that leaves the pool for good after its first error.
pub(super) struct Connection {
    pub(super) inner: PgConnection,
    has_failed: bool,
}

impl Connection {
    /// Uses the connection once.
    pub(super) fn run<T, E>(
        &mut self,
        work: impl FnOnce(&mut PgConnection) -> Result<T, E>,
    ) -> Result<T, E> {
        // Set before, so that a panic counts as an error.
        let has_failed = std::mem::replace(&mut self.has_failed, true);
        let result = work(&mut self.inner);
        self.has_failed = has_failed || result.is_err();
        result
    }
}

impl ManageConnection for Manager {
    type Connection = Connection;
    type Error = r2d2::Error;

    fn connect(&self) -> Result<Connection, r2d2::Error> {
        let mut inner = self.inner.connect()?;
        self.prepare(&mut inner).map_err(r2d2::Error::QueryError)?;
        Ok(Connection {
            inner,
            has_failed: false,
        })
    }

    fn is_valid(&self, connection: &mut Connection) -> Result<(), r2d2::Error> {
        self.inner.is_valid(&mut connection.inner)
    }

    fn has_broken(&self, connection: &mut Connection) -> bool {
        connection.has_failed || self.inner.has_broken(&mut connection.inner)
    }
}

impl Manager {
    fn prepare(&self, connection: &mut PgConnection) -> QueryResult<()> {
        let Session {
            role,
            read_only,
            rights,
            statement_timeout,
        } = &self.session;
        connection.batch_execute(&format!(
            "SET statement_timeout = {}; SET default_transaction_read_only = {read_only}; SET timezone = 'UTC'",
            milliseconds(*statement_timeout),
        ))?;
        if *read_only {
            // Which index is good depends on the values that are asked for, and planning
            // takes less than a millisecond.
            connection.batch_execute("SET plan_cache_mode = force_custom_plan")?;
        }
        // Before all else, because a login may not even see the tables without it.
        let has_role = connection.batch_execute(&format!("SET ROLE {role}"));
        if !is_migrated(connection)? {
            // Not yet, perhaps. A connection made now could keep its login's
            // rights for as long as it lives, because the roles come with the
            // tables.
            return Err(diesel::result::Error::QueryBuilderError(
                "there is no table audit_records or audit_dead_letters yet: the migrations have not run".into(),
            ));
        }
        if !*read_only {
            make_trustworthy(connection)?;
        }
        if let Some(rights) = rights
            && rights.get().is_none()
        {
            let _ = rights.set(Login::of(connection)?.rights);
        }
        if let Err(error) = has_role
            && self.warned.admit().is_some()
        {
            tracing::warn!(
                role,
                %error,
                "the role cannot be taken on, so connections keep the rights of their login: \
                 create the role, grant it to the login, and restart"
            );
        }
        Ok(())
    }
}

/// Milliseconds for `statement_timeout`, where 0 would mean that there is no limit.
fn milliseconds(timeout: Duration) -> u128 {
    timeout
        .as_nanos()
        .div_ceil(1_000_000)
        .clamp(1, i32::MAX.unsigned_abs().into())
}

/// Sees to it that what is stored is in the table, and on the disk: both are forgotten
/// elsewhere as soon as Postgres says so.
fn make_trustworthy(connection: &mut PgConnection) -> QueryResult<()> {
    // A temporary table of the same name, which is looked for first otherwise, would keep
    // the records of its session to itself.
    connection.batch_execute(
        "SELECT set_config('search_path', quote_ident(nspname) || ', pg_temp', false) \
         FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace \
         WHERE pg_class.oid = to_regclass('audit_records')",
    )?;
    // It is set even if it is no news, so that no later change of the server's settings
    // reaches the session; stronger promises stay.
    connection.batch_execute(
        "SELECT set_config('synchronous_commit', \
             CASE setting WHEN 'off' THEN 'on' ELSE setting END, false) \
         FROM current_setting('synchronous_commit') AS setting",
    )
}

fn is_migrated(connection: &mut PgConnection) -> QueryResult<bool> {
    diesel::select(diesel::dsl::sql::<Bool>(
        "to_regclass('audit_records') IS NOT NULL AND to_regclass('audit_dead_letters') IS NOT NULL",
    ))
    .get_result(connection)
}

/// Says in the log why connecting fails, once a second at most.
#[derive(Debug)]
struct Logged {
    purpose: &'static str,
    gate: LogGate,
}

impl HandleError<r2d2::Error> for Logged {
    fn handle_error(&self, error: r2d2::Error) {
        if self.gate.admit().is_some() {
            tracing::warn!(purpose = self.purpose, %error, "cannot connect to Postgres");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_timeout_is_rounded_to_none() {
        for (timeout, expected) in [
            (Duration::ZERO, 1),
            (Duration::from_nanos(1), 1),
            (Duration::from_micros(1_001), 2),
            (Duration::from_secs(30), 30_000),
            (Duration::MAX, 2_147_483_647),
        ] {
            assert_eq!(milliseconds(timeout), expected, "{timeout:?}");
        }
    }
}
