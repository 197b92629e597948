//! Postgres, and the only SQL there is.
//!
//! Above this room a record is a value and a query is a [`Filter`]. The room has
//! two pools, because the two halves of the service need different things: the
//! writer's connections may insert and nothing else, and the reader's may read
//! and not for ever.

mod insert;
mod json;
mod migrations;
mod pool;
mod query;
mod row;
mod schema;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use diesel::result::{DatabaseErrorKind, Error as DieselError};
use uuid::Uuid;

use crate::journal::Entry;
use pool::Pool;
pub(crate) use query::{Filter, Found, Order, Page, Position, StatusMatch, TextMatch};

pub use migrations::{MigrateError, migrate};
pub use pool::bounded_url;

/// How long a query may take.
const QUERY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an insert may take before it is tried again.
const INSERT_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a query waits for a connection.
const READER_PATIENCE: Duration = Duration::from_secs(2);
/// How long a writer waits for a connection before it says that there is none.
const WRITER_PATIENCE: Duration = Duration::from_secs(5);

/// What the store is to be like.
pub(crate) struct StoreSettings {
    url: String,
    pub(crate) read_url: Option<String>,
    pub(crate) writers: u32,
    pub(crate) readers: u32,
}

impl StoreSettings {
    pub(crate) fn new(url: String) -> Self {
        Self {
            url,
            read_url: None,
            writers: 2,
            readers: 4,
        }
    }
}

/// The table of records; clones share the connections.
#[derive(Clone)]
pub(crate) struct Store {
    pools: Arc<Pools>,
}

struct Pools {
    writer: Pool,
    reader: Pool,
}

impl Store {
    /// A store whose connections are made as they are needed.
    pub(crate) fn new(settings: StoreSettings) -> Self {
        let read_url = settings.read_url.as_deref().unwrap_or(&settings.url);
        Self {
            pools: Arc::new(Pools {
                reader: pool::new(
                    read_url,
                    settings.readers,
                    READER_PATIENCE,
                    pool::Session {
                        role: "audit_reader",
                        read_only: true,
                        statement_timeout: QUERY_TIMEOUT,
                    },
                ),
                writer: pool::new(
                    &settings.url,
                    settings.writers,
                    WRITER_PATIENCE,
                    pool::Session {
                        role: "audit_writer",
                        read_only: false,
                        statement_timeout: INSERT_TIMEOUT,
                    },
                ),
            }),
        }
    }

    /// Stores records, given by their canonical bytes. Those that are stored
    /// already are passed over, so a batch in doubt is simply sent again.
    pub(crate) fn insert(&self, entries: &[Entry]) -> Result<(), Rejection> {
        let mut connection = self
            .pools
            .writer
            .get()
            .map_err(|error| Rejection::Unavailable(error.to_string()))?;
        insert::insert(&mut connection, entries)
    }

    /// One page of the records that the filter lets through. It blocks.
    pub(crate) fn find(&self, filter: &Filter) -> Result<Page, QueryError> {
        query::find(&mut *self.reader()?, filter)
    }

    /// The record with this id. It blocks.
    pub(crate) fn get(&self, id: Uuid) -> Result<Option<Found>, QueryError> {
        query::get(&mut *self.reader()?, id)
    }

    fn reader(&self) -> Result<pool::Connection, QueryError> {
        self.pools.reader.get().map_err(|error| {
            tracing::warn!(%error, "no connection to answer a query");
            QueryError::Unavailable
        })
    }
}

/// Why an insert did not happen. The cause is for the log, and holds no payload.
#[derive(Debug)]
pub(crate) enum Rejection {
    /// Postgres cannot be reached, or cannot be written to at the moment.
    Unavailable(String),
    /// Postgres refused this statement with these values.
    Refused(String),
}

impl From<DieselError> for Rejection {
    fn from(error: DieselError) -> Self {
        match &error {
            DieselError::DatabaseError(
                DatabaseErrorKind::ClosedConnection
                | DatabaseErrorKind::UnableToSendCommand
                | DatabaseErrorKind::ReadOnlyTransaction
                | DatabaseErrorKind::SerializationFailure,
                cause,
            ) => Self::Unavailable(cause.message().to_owned()),
            // A message names the constraint or the type; the values stand in
            // the details, which stay out of the log.
            DieselError::DatabaseError(_, cause) => Self::Refused(cause.message().to_owned()),
            other => Self::Refused(other.to_string()),
        }
    }
}

/// Why a query was not answered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum QueryError {
    /// Postgres cannot be reached.
    Unavailable,
    /// The query took too long.
    TimedOut,
    /// Anything else, which is in the log.
    Failed,
}

impl fmt::Display for QueryError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Unavailable => "Postgres cannot be reached",
            Self::TimedOut => "the query took too long",
            Self::Failed => "the query failed",
        })
    }
}

impl From<DieselError> for QueryError {
    fn from(error: DieselError) -> Self {
        tracing::error!(%error, "a query failed");
        match &error {
            DieselError::DatabaseError(
                DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand,
                _,
            ) => Self::Unavailable,
            DieselError::DatabaseError(DatabaseErrorKind::Unknown, cause)
                if cause.message().contains("statement timeout") =>
            {
                Self::TimedOut
            }
            _ => Self::Failed,
        }
    }
}
