//! Records that Postgres refuses although it takes others.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Array, Bytea, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use uuid::Uuid;

use super::connect::establish;
use super::insert;
use super::sqlstate::Rejection;

/// How many are listed.
pub(super) const LISTED: usize = 1_000;
/// How many are read at once.
const PAGE: i64 = 100;

/// A record that Postgres refused.
#[derive(Clone, Debug, PartialEq, Eq, QueryableByName)]
pub struct DeadLetter {
    /// The record's id.
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    /// Its canonical bytes.
    #[diesel(sql_type = Bytea)]
    pub record: Vec<u8>,
    /// The SQLSTATE of the refusal, where it is known.
    #[diesel(sql_type = Nullable<Text>)]
    pub sqlstate: Option<String>,
    /// What Postgres said.
    #[diesel(sql_type = Text)]
    pub message: String,
    /// When.
    #[diesel(sql_type = Timestamptz)]
    pub refused_at: DateTime<Utc>,
}

/// What became of a dead letter that was tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requeued {
    /// The record's id.
    pub id: Uuid,
    /// What Postgres said if it refused it again; otherwise it is stored.
    pub refusal: Option<String>,
}

/// Why dead letters cannot be read or stored.
#[derive(Debug, thiserror::Error)]
pub enum DeadLetterError {
    /// There was no connection.
    #[error("cannot connect to Postgres: {0}")]
    Connect(#[from] ConnectionError),
    /// A statement failed.
    #[error("Postgres refuses to look at the dead letters: {0}")]
    Query(#[from] diesel::result::Error),
}

/// The records in the database at `url` that Postgres refused and that were not
/// stored since, oldest first; the first thousand of them. It blocks.
///
/// # Errors
///
/// When the database cannot be reached, or has no such table yet.
pub fn dead_letters(url: &str) -> Result<Vec<DeadLetter>, DeadLetterError> {
    let mut connection = connect(url)?;
    let mut letters = Vec::new();
    while letters.len() < LISTED {
        let page = waiting(&mut connection, &[], letters.last())?;
        if page.is_empty() {
            break;
        }
        letters.extend(page);
    }
    Ok(letters)
}

/// Tries to store the dead letters again, those with these ids or all, and
/// says of each what became of it. It blocks.
///
/// # Errors
///
/// When the database cannot be reached, or has no such table yet.
pub fn requeue_dead_letters(url: &str, only: &[Uuid]) -> Result<Vec<Requeued>, DeadLetterError> {
    let mut connection = connect(url)?;
    let mut results = Vec::new();
    let mut last = None;
    loop {
        let page = waiting(&mut connection, only, last.as_ref())?;
        for letter in &page {
            let stored = insert::insert(&mut connection, &[&letter.record]);
            if stored.is_ok() {
                diesel::sql_query(
                    "UPDATE audit_dead_letters SET requeued_at = now() WHERE id = $1",
                )
                .bind::<SqlUuid, _>(letter.id)
                .execute(&mut connection)?;
            }
            results.push(Requeued {
                id: letter.id,
                refusal: stored.err().map(|rejection| rejection.message),
            });
        }
        last = page.into_iter().next_back();
        if last.is_none() {
            return Ok(results);
        }
    }
}

fn connect(url: &str) -> Result<PgConnection, ConnectionError> {
    establish(url, "audit-dead-letters")
}

/// Returns the next dead letters after `last`, oldest first: those with these ids, or all.
fn waiting(
    connection: &mut PgConnection,
    only: &[Uuid],
    last: Option<&DeadLetter>,
) -> QueryResult<Vec<DeadLetter>> {
    let (refused_at, id) = last.map(|last| (last.refused_at, last.id)).unzip();
    diesel::sql_query(format!(
        "SELECT id, record, sqlstate, message, refused_at FROM audit_dead_letters \
         WHERE requeued_at IS NULL AND (cardinality($1) = 0 OR id = ANY ($1)) \
         AND ($2 IS NULL OR (refused_at, id) > ($2, $3)) \
         ORDER BY refused_at, id LIMIT {PAGE}"
    ))
    .bind::<Array<SqlUuid>, _>(only)
    .bind::<Nullable<Timestamptz>, _>(refused_at)
    .bind::<Nullable<SqlUuid>, _>(id)
    .load(connection)
}

/// Sets a record aside. Doing so twice is no harm. Success means that it is present, on a
/// synchronous standby as well.
pub(super) fn set_aside(
    connection: &mut PgConnection,
    id: Uuid,
    record: &[u8],
    rejection: &Rejection,
) -> Result<(), Rejection> {
    let stored = diesel::sql_query(
        "INSERT INTO audit_dead_letters (id, record, sqlstate, message) VALUES ($1, $2, $3, $4) \
         ON CONFLICT DO NOTHING",
    )
    .bind::<SqlUuid, _>(id)
    .bind::<Bytea, _>(record)
    .bind::<Nullable<Text>, _>(&rejection.sqlstate)
    .bind::<Text, _>(&rejection.message)
    .execute(connection)?;
    if stored == 0 {
        // It is present already, perhaps not yet on a synchronous standby. A commit waits
        // for one only if its transaction has written WAL.
        diesel::sql_query("SELECT pg_logical_emit_message(true, 'audit', '')")
            .execute(connection)?;
    }
    Ok(())
}
