//! Connections that can do no more than they must.

use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::r2d2::{self, ConnectionManager, CustomizeConnection, HandleError, PooledConnection};
use diesel::sql_types::Bool;

use crate::log_gate::LogGate;

/// Connections to one Postgres.
pub(super) type Pool = r2d2::Pool<ConnectionManager<PgConnection>>;
/// A connection on loan from a pool.
pub(super) type Connection = PooledConnection<ConnectionManager<PgConnection>>;

/// How long libpq may try to connect, where the URL says nothing.
const CONNECT_TIMEOUT_SECONDS: u32 = 5;

/// What every connection of a pool is prepared to be.
#[derive(Clone, Debug)]
pub(super) struct Session {
    /// The role it takes on, made by the migrations.
    pub(super) role: &'static str,
    pub(super) read_only: bool,
    pub(super) statement_timeout: Duration,
}

/// A pool that connects when it is asked to and never fails to be built.
pub(super) fn new(url: &str, connections: u32, patience: Duration, session: Session) -> Pool {
    let purpose = session.role;
    r2d2::Pool::builder()
        .max_size(connections)
        .min_idle(Some(0))
        .connection_timeout(patience)
        .error_handler(Box::new(Logged {
            purpose,
            gate: LogGate::default(),
        }))
        .connection_customizer(Box::new(Prepared {
            session,
            warned: LogGate::default(),
        }))
        .build_unchecked(ConnectionManager::new(bounded_url(url, "audit")))
}

/// The same connection string with a bound on the time that connecting may take,
/// and the name of the application, for whoever looks at Postgres.
///
/// Left to itself, libpq waits for a silent host as long as the kernel does.
#[must_use]
pub fn bounded_url(url: &str, application: &str) -> String {
    let is_uri = url.starts_with("postgres://") || url.starts_with("postgresql://");
    let mut bounded = url.to_owned();
    for (key, value) in [
        ("connect_timeout", CONNECT_TIMEOUT_SECONDS.to_string()),
        ("application_name", application.to_owned()),
    ] {
        if bounded.contains(&format!("{key}=")) {
            continue;
        }
        let separator = match (is_uri, bounded.contains('?')) {
            (true, true) => "&",
            (true, false) => "?",
            (false, _) => " ",
        };
        bounded.push_str(&format!("{separator}{key}={value}"));
    }
    bounded
}

/// Prepares each new connection.
#[derive(Debug)]
struct Prepared {
    session: Session,
    warned: LogGate,
}

impl CustomizeConnection<PgConnection, r2d2::Error> for Prepared {
    fn on_acquire(&self, connection: &mut PgConnection) -> Result<(), r2d2::Error> {
        self.prepare(connection).map_err(r2d2::Error::QueryError)
    }
}

impl Prepared {
    fn prepare(&self, connection: &mut PgConnection) -> QueryResult<()> {
        let Session {
            role,
            read_only,
            statement_timeout,
        } = &self.session;
        connection.batch_execute(&format!(
            "SET statement_timeout = {}; SET default_transaction_read_only = {read_only}; SET timezone = 'UTC'",
            statement_timeout.as_millis(),
        ))?;
        if !is_migrated(connection)? {
            // Not yet, perhaps. A connection made now could keep its owner's
            // rights for as long as it lives, because the roles come with the
            // tables.
            return Err(diesel::result::Error::QueryBuilderError(
                "there is no table audit_records yet: the migrations have not run".into(),
            ));
        }
        if let Err(error) = connection.batch_execute(&format!("SET ROLE {role}"))
            && self.warned.admit().is_some()
        {
            tracing::warn!(
                role,
                %error,
                "the role cannot be taken on, so connections keep the rights of their owner: \
                 create the role, grant it to the owner, and restart"
            );
        }
        Ok(())
    }
}

fn is_migrated(connection: &mut PgConnection) -> QueryResult<bool> {
    diesel::select(diesel::dsl::sql::<Bool>(
        "to_regclass('audit_records') IS NOT NULL",
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
    fn a_url_of_any_form_gets_a_bound_unless_it_has_one() {
        for (url, bounded) in [
            (
                "postgresql://localhost/db",
                "postgresql://localhost/db?connect_timeout=5&application_name=audit",
            ),
            (
                "postgres:///db?host=/run&connect_timeout=1",
                "postgres:///db?host=/run&connect_timeout=1&application_name=audit",
            ),
            (
                "host=/run dbname=db",
                "host=/run dbname=db connect_timeout=5 application_name=audit",
            ),
        ] {
            assert_eq!(bounded_url(url, "audit"), bounded);
        }
    }
}
