//! Storing records: by `COPY`, or by a function that can be asked twice.
//!
//! `COPY` is the fastest way into a table, and an error of it stores nothing: one record
//! that is present already refuses the whole batch, and Diesel passes on no SQLSTATE that
//! would distinguish this from a full disk. So a batch that `COPY` refuses goes to a
//! function, `audit_insert_records`, which skips records that are present and returns the
//! SQLSTATE of a failure.
//!
//! Success of a statement does not mean that the row is there: a BEFORE trigger can discard
//! it. `COPY` reports how many rows it has stored, and a batch with fewer goes to the
//! function as well, which fails if a record is still missing after it.
//!
//! A record in a handler's own transaction has a function of its own,
//! `audit_insert_record`: a failure is to undo that transaction, so there is nothing to
//! catch. A function, because it finds its table whatever the session has made of its
//! search path and of temporary tables.

use std::io::{self, Write};

use chrono::{DateTime, Utc};
use diesel::pg::{CopyFormat, PgConnection};
use diesel::prelude::*;
use diesel::result::Error as DieselError;
use diesel::sql_types::{Array, Timestamptz, Uuid as SqlUuid};
use uuid::Uuid;

use super::binary_copy::{HEADER, TRAILER};
use super::new_row::{COLUMNS, Columns, NewRow};
use super::schema::audit_records;
use super::sqlstate::{Class, Rejection};
use crate::record::{Actor, JsonText, Outcome, Record, RecordView, SCHEMA, digest};

/// How much is written before it is sent. Postgres stores what has come while we write
/// the rest.
const CHUNK_BYTES: usize = 64 * 1024;

/// Stores records, given by their canonical bytes, and returns whether every one of them is
/// stored now. If not, some may be, if a trigger discards others. Not for transactions of
/// others, which a refusal would abort.
pub(super) fn copy(
    connection: &mut PgConnection,
    records: &[impl AsRef<[u8]>],
) -> Result<bool, Rejection> {
    let copied = diesel::copy_from(audit_records::table)
        .from_raw_data(COLUMNS, |sink| write(records, sink))
        .with_format(CopyFormat::Binary)
        .execute(connection);
    match copied.map_err(Rejection::from) {
        Ok(stored) => Ok(stored == records.len()),
        Err(rejection) if rejection.class == Class::Connection => Err(rejection),
        Err(_) => Ok(false),
    }
}

/// Writes records as rows. An error of ours makes Postgres forget those before it.
pub(crate) fn write(records: &[impl AsRef<[u8]>], sink: &mut dyn Write) -> QueryResult<()> {
    let unsent = |error: io::Error| DieselError::SerializationError(error.into());
    let mut chunk = HEADER.to_vec();
    for record in records {
        let bytes = record.as_ref();
        let view =
            RecordView::of(bytes).map_err(|error| DieselError::SerializationError(error.into()))?;
        NewRow::of(&view, digest(bytes)).write(&mut chunk);
        if chunk.len() >= CHUNK_BYTES {
            sink.write_all(&chunk).map_err(unsent)?;
            chunk.clear();
        }
    }
    chunk.extend_from_slice(&TRAILER);
    sink.write_all(&chunk).map_err(unsent)
}

/// Stores records, given by their canonical bytes; those that are present already are
/// skipped. Returns how many were not. Once it has succeeded, every one of them is present,
/// on a synchronous standby as well.
pub(super) fn insert(
    connection: &mut PgConnection,
    records: &[impl AsRef<[u8]>],
) -> Result<i64, Rejection> {
    let views = records
        .iter()
        .map(|record| RecordView::of(record.as_ref()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| Rejection::unreadable(&format!("the record cannot be read: {error}")))?;
    let rows: Vec<_> = std::iter::zip(records, &views)
        .map(|(record, view)| NewRow::of(view, digest(record.as_ref())))
        .collect();
    match Columns::of(&rows)
        .get_result::<(Option<String>, Option<String>, Option<i64>)>(connection)?
    {
        (None, _, stored) => Ok(stored.unwrap_or_default()),
        (Some(sqlstate), message, _) => Err(Rejection::caught(
            sqlstate,
            message.as_deref().unwrap_or_default(),
        )),
    }
}

/// Stores a record in a transaction of somebody else's, which a failure aborts, and says
/// whether it was not there already.
pub(crate) fn insert_within(connection: &mut PgConnection, record: &[u8]) -> QueryResult<bool> {
    let view =
        RecordView::of(record).map_err(|error| DieselError::SerializationError(error.into()))?;
    let stored: Option<i64> = NewRow::of(&view, digest(record))
        .get_result(connection)
        .map_err(|error| match error {
            DieselError::DatabaseError(kind, cause) => {
                let message = format!("the audit record was not stored: {}", cause.message());
                DieselError::DatabaseError(kind, Box::new(message))
            }
            other => other,
        })?;
    Ok(stored == Some(1))
}

/// Returns the ids of those records, given by their keys, for which there is no row.
pub(super) fn missing(
    connection: &mut PgConnection,
    keys: &[(DateTime<Utc>, Uuid)],
) -> Result<Vec<Uuid>, Rejection> {
    #[derive(QueryableByName)]
    struct Missing {
        #[diesel(sql_type = SqlUuid)]
        id: Uuid,
    }
    let (occurred_at, ids): (Vec<_>, Vec<_>) = keys.iter().copied().unzip();
    let missing: Vec<Missing> =
        diesel::sql_query("SELECT id FROM audit_missing_records($1, $2) AS id")
            .bind::<Array<Timestamptz>, _>(occurred_at)
            .bind::<Array<SqlUuid>, _>(ids)
            .load(connection)?;
    Ok(missing.into_iter().map(|row| row.id).collect())
}

/// Whether a record of the same moment as this one could be stored: if so, it is
/// this one that Postgres refuses, and not all.
pub(super) fn accepts_neighbour(
    connection: &mut PgConnection,
    refused: &[u8],
) -> Result<(), Rejection> {
    let occurred_at = Record::from_canonical_bytes(refused)
        .map_or_else(|_| Utc::now(), |record| record.occurred_at);
    let neighbour = plain_record(occurred_at)
        .canonical_bytes()
        .map_err(|error| Rejection::unreadable(&error.to_string()))?;
    let mut result = Ok(());
    let rolled_back = connection.transaction(|connection| {
        result = insert(connection, &[neighbour]).map(drop);
        Err::<(), _>(DieselError::RollbackTransaction)
    });
    match (result, rolled_back) {
        (Ok(()), Err(DieselError::RollbackTransaction) | Ok(())) => Ok(()),
        (Ok(()), Err(error)) => Err(error.into()),
        (Err(rejection), _) => Err(rejection),
    }
}

/// A record with nothing in it that could be refused.
pub(super) fn plain_record(occurred_at: DateTime<Utc>) -> Record {
    Record {
        id: Uuid::now_v7(),
        schema: SCHEMA,
        service: "audit".to_owned(),
        instance: "audit".to_owned(),
        seq: 0,
        occurred_at,
        duration_us: 0,
        action: "audit.probe".to_owned(),
        outcome: Outcome::Success,
        reason: None,
        actor: Actor::anonymous(),
        resource: None,
        http: None,
        client: None,
        request: None,
        response: None,
        changes: Vec::new(),
        notes: JsonText::empty_object(),
        redacted: Vec::new(),
        truncated: Vec::new(),
    }
}
