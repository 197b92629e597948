//! Connecting: for no longer than it may take, and without a word about the password.
//!
//! libpq quotes what it does not understand of a connection string: all of it if a
//! bracket is missing, and the password if a `%` in it was not encoded. Such errors
//! would reach the log and the terminal. So only what libpq says of a server that it
//! has tried to reach is passed on.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use diesel::dsl::sql;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::r2d2::{self, ManageConnection};
use diesel::sql_types::Integer;

/// How long libpq may try to connect, where the connection string says nothing.
const CONNECT_TIMEOUT_SECONDS: u32 = 5;
/// How long what was sent may stay without an answer from the other host.
const TCP_USER_TIMEOUT_MS: u32 = 10_000;

/// What is said instead of an error that may quote the connection string.
const NOT_UNDERSTOOD: &str = "libpq does not understand the connection string, and its own words \
                              may quote the password: encode each of : / ? # [ ] @ % in names and \
                              passwords of a URL, such as %40 for @, and look for misspelt parameters";

/// Why a pooler in front of Postgres is refused.
const SHARED_SESSIONS: &str = "several connections share one session of Postgres, as behind pgbouncer with \
                               pool_mode = transaction, which loses roles, timeouts and prepared statements: set \
                               pool_mode = session for this database, or connect to Postgres directly";

/// How an error begins that is about a server, and not about the connection string.
/// Versions of libpq before 14 began otherwise. libpq writes them in English whatever
/// `lc_messages` says, because this program never calls `setlocale`.
const ABOUT_A_SERVER: [&str; 3] = [
    "connection to server",
    "could not connect to server",
    "FATAL",
];

/// How an error begins that quotes the host. A host with an `@` is the rest of a
/// password in which another one was not encoded.
const ABOUT_A_HOST: &str = "could not translate host name";

/// Makes connections for a pool of a service's own, for [`diesel::r2d2`].
///
/// They differ from those of Diesel's own manager in four ways. Connecting ends after
/// five seconds, and a silent host is given up after ten: libpq would wait as long as the
/// kernel does. Only a server that takes writes is connected to, so that a standby that
/// stands behind the address for a moment leaves no connection in the pool. Both hold
/// where the connection string does not say otherwise. A pooler that shares sessions of
/// Postgres between connections is refused. And an error never quotes the connection
/// string.
///
/// ```no_run
/// use diesel::r2d2::Pool;
///
/// let manager = audit::ConnectionManager::new("postgresql:///items", "items-api");
/// let pool = Pool::builder().max_size(8).build(manager)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ConnectionManager {
    inner: r2d2::ConnectionManager<PgConnection>,
    url: String,
    /// Whether connections are known to have sessions of their own.
    has_own_sessions: AtomicBool,
}

impl ConnectionManager {
    /// Connects to the Postgres at `url`, with a name of the application that
    /// `pg_stat_activity` shows.
    #[must_use]
    pub fn new(url: &str, application: &str) -> Self {
        Self::for_reading(&writable(url), application)
    }

    /// Connects to a standby as well.
    pub(super) fn for_reading(url: &str, application: &str) -> Self {
        let url = bounded_url(url, application);
        Self {
            inner: r2d2::ConnectionManager::new(url.clone()),
            url,
            has_own_sessions: AtomicBool::default(),
        }
    }
}

/// The same connection string for a server that takes writes: after a failover, the host
/// that is asked first may be the old primary.
fn writable(url: &str) -> String {
    with_default(url.to_owned(), "target_session_attrs", "read-write")
}

/// Diesel's own would show the connection string.
impl fmt::Debug for ConnectionManager {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ConnectionManager")
            .finish_non_exhaustive()
    }
}

impl ManageConnection for ConnectionManager {
    type Connection = PgConnection;
    type Error = r2d2::Error;

    fn connect(&self) -> Result<PgConnection, r2d2::Error> {
        let mut connection = self.inner.connect().map_err(|error| match error {
            r2d2::Error::ConnectionError(error) => r2d2::Error::ConnectionError(discreet(error)),
            r2d2::Error::QueryError(_) => error,
        })?;
        if !self.has_own_sessions.load(Ordering::Relaxed) {
            let has_own = has_own_session(&self.url, &mut connection)
                .map_err(r2d2::Error::ConnectionError)?;
            self.has_own_sessions.store(has_own, Ordering::Relaxed);
        }
        Ok(connection)
    }

    fn is_valid(&self, connection: &mut PgConnection) -> Result<(), r2d2::Error> {
        self.inner.is_valid(connection)
    }

    fn has_broken(&self, connection: &mut PgConnection) -> bool {
        self.inner.has_broken(connection)
    }
}

/// One connection to a server that takes writes, made as the manager would.
pub(super) fn establish(url: &str, application: &str) -> ConnectionResult<PgConnection> {
    let url = bounded_url(&writable(url), application);
    let mut connection = PgConnection::establish(&url).map_err(discreet)?;
    has_own_session(&url, &mut connection)?;
    Ok(connection)
}

/// Returns whether the connection is known to have a session of Postgres of its own: not
/// if no second connection can be made to compare it with.
///
/// # Errors
///
/// When it shares its session with others.
fn has_own_session(url: &str, connection: &mut PgConnection) -> ConnectionResult<bool> {
    let Ok(mut second) = PgConnection::establish(url) else {
        return Ok(false);
    };
    let ask = |connection: &mut PgConnection| -> QueryResult<i32> {
        diesel::select(sql::<Integer>("pg_backend_pid()")).get_result(connection)
    };
    let mut processes = || -> QueryResult<_> {
        // Not in turns, or a pooler with two sessions could give each the same one again.
        let first = ask(connection)?;
        let others = [ask(&mut second)?, ask(&mut second)?];
        Ok(([first, ask(connection)?, ask(connection)?], others))
    };
    let Ok((own, others)) = processes() else {
        return Ok(false);
    };
    let [first, again, once_more] = own;
    if first != again || first != once_more || others.contains(&first) {
        return Err(ConnectionError::BadConnection(SHARED_SESSIONS.to_owned()));
    }
    Ok(true)
}

/// The error, unless it may quote the connection string.
fn discreet(error: ConnectionError) -> ConnectionError {
    let is_harmless = match &error {
        ConnectionError::BadConnection(message) => {
            ABOUT_A_SERVER
                .iter()
                .any(|beginning| message.starts_with(beginning))
                || message.starts_with(ABOUT_A_HOST) && !message.contains('@')
        }
        ConnectionError::CouldntSetupConfiguration(_) => true,
        _ => false,
    };
    if is_harmless {
        error
    } else {
        ConnectionError::BadConnection(NOT_UNDERSTOOD.to_owned())
    }
}

/// The same connection string with a bound on the time that connecting may take and
/// that a silent host is waited for, and the name of the application. What the string
/// says already stays as it is.
fn bounded_url(url: &str, application: &str) -> String {
    let mut bounded = url.to_owned();
    for (key, value) in [
        ("connect_timeout", CONNECT_TIMEOUT_SECONDS.to_string()),
        ("tcp_user_timeout", TCP_USER_TIMEOUT_MS.to_string()),
        ("application_name", application.to_owned()),
    ] {
        bounded = with_default(bounded, key, &value);
    }
    bounded
}

/// The same connection string with a parameter, unless it has it.
pub(super) fn with_default(mut url: String, key: &str, value: &str) -> String {
    if url.contains(&format!("{key}=")) {
        return url;
    }
    let is_uri = url.starts_with("postgres://") || url.starts_with("postgresql://");
    let separator = match (is_uri, url.contains('?')) {
        (true, true) => "&",
        (true, false) => "?",
        (false, _) => " ",
    };
    url.push_str(&format!("{separator}{key}={value}"));
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_of_any_form_gets_a_bound_unless_it_has_one() {
        for (url, bounded) in [
            (
                "postgresql://localhost/db",
                "postgresql://localhost/db?connect_timeout=5&tcp_user_timeout=10000&application_name=audit",
            ),
            (
                "postgres:///db?host=/run&connect_timeout=1",
                "postgres:///db?host=/run&connect_timeout=1&tcp_user_timeout=10000&application_name=audit",
            ),
            (
                "host=/run dbname=db",
                "host=/run dbname=db connect_timeout=5 tcp_user_timeout=10000 application_name=audit",
            ),
        ] {
            assert_eq!(bounded_url(url, "audit"), bounded);
        }
    }

    #[test]
    fn an_error_never_quotes_the_password() {
        for url in [
            "postgresql://u:hunter2@[::1/db",
            "postgresql://u:hunter2%zz@127.0.0.1/db",
            "postgresql://u:hunter2/3@127.0.0.1/db",
            "postgresql://u:not@hunter2@127.0.0.1/db",
            "postgresql://u:hunter2@127.0.0.1/db?nonsense=1",
            "host=127.0.0.1 password=not hunter2",
            "hunter2",
        ] {
            let manager = ConnectionManager::new(url, "tests");
            let errors = [
                establish(url, "tests").err().unwrap().to_string(),
                manager.connect().err().unwrap().to_string(),
                format!("{manager:?}"),
            ];
            for error in errors {
                assert!(!error.contains("hunter2"), "{url}: {error}");
            }
        }
    }

    #[test]
    fn an_error_about_a_server_or_a_host_is_told() {
        for (url, told) in [
            ("postgresql://u:hunter2@127.0.0.1:1/db", "port 1 failed"),
            ("postgresql:///db?host=/nonexistent", "/nonexistent"),
            (
                "postgresql://u:hunter2@nowhere.invalid/db",
                "nowhere.invalid",
            ),
        ] {
            let error = establish(url, "tests").err().unwrap().to_string();
            assert!(error.contains(told), "{url}: {error}");
            assert!(!error.contains("hunter2"), "{url}: {error}");
        }
    }
}
