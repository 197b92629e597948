//! Finding records: one page at a time, by the key of the last one seen.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::BoxableExpression;
use diesel::dsl::sql;
use diesel::pg::{Pg, PgConnection, PgRowByRowLoadingMode};
use diesel::prelude::*;
use diesel::sql_types::{Array, Bool, Timestamptz, Uuid as SqlUuid};
use uuid::Uuid;

use super::QueryError;
use super::filter::Filter;
use super::row::Row;
use super::schema::audit_records::dsl as column;
use crate::record::Record;

/// The most bytes of records on one page, whatever its limit says: a page of
/// large records is shorter.
pub(super) const PAGE_BYTES: usize = 8 * 1024 * 1024;

/// One page of the records that a filter lets through.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PageRequest {
    pub(crate) filter: Filter,
    pub(crate) order: Order,
    /// Records behind this one, in the order of the page.
    pub(crate) after: Option<Position>,
    /// The most records on it.
    pub(crate) limit: u16,
}

/// The order of a page, by time and then by id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Order {
    #[default]
    NewestFirst,
    OldestFirst,
}

/// Where a record stands in the order: the table's primary key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) occurred_at: DateTime<Utc>,
    pub(crate) id: Uuid,
}

/// A stored record.
pub(crate) struct Found {
    pub(crate) canonical: Vec<u8>,
    pub(crate) digest: Vec<u8>,
}

/// Some records, and whether there are more behind them.
pub(crate) struct Page {
    pub(crate) records: Vec<Found>,
    /// The last record of this page, if more come after it.
    pub(crate) next: Option<Position>,
}

/// A query behind the last page and in the order of the page. The types of queries differ
/// too much for a function.
macro_rules! in_order {
    ($query:expr, $request:expr) => {{
        let query = match $request.after {
            Some(after) => $query.filter(behind(after, $request.order)),
            None => $query,
        };
        match $request.order {
            Order::NewestFirst => query.order((column::occurred_at.desc(), column::id.desc())),
            Order::OldestFirst => query.order((column::occurred_at.asc(), column::id.asc())),
        }
    }};
}

pub(super) fn find(
    connection: &mut PgConnection,
    request: &PageRequest,
) -> Result<Page, QueryError> {
    let limit = usize::from(request.limit);
    let one_more = i64::from(request.limit) + 1;
    let rows = column::audit_records.select(Row::as_select()).into_boxed();
    let rows = if request.filter.is_scattered() {
        // The index knows who is on the page. To look at every row on the way, which is
        // what Postgres would do, costs ten times as much.
        let keys = column::audit_records
            .select((column::occurred_at, column::id))
            .into_boxed();
        let keys = keys.filter(request.filter.condition()).limit(one_more);
        let keys = in_order!(keys, request).load(connection)?;
        rows.filter(with_keys(keys))
    } else {
        rows.filter(request.filter.condition()).limit(one_more)
    };
    let rows = in_order!(rows, request).load_iter::<Row, PgRowByRowLoadingMode>(connection)?;

    let mut page = Page {
        records: Vec::with_capacity(limit),
        next: None,
    };
    let mut bytes = 0;
    let mut last = None;
    for row in rows {
        let row = row?;
        if page.records.len() == limit || bytes > PAGE_BYTES {
            page.next = last;
            break;
        }
        last = Some(Position {
            occurred_at: row.occurred_at,
            id: row.id,
        });
        let found = found(row)?;
        bytes += found.canonical.len();
        page.records.push(found);
    }
    Ok(page)
}

pub(super) fn get(connection: &mut PgConnection, id: Uuid) -> Result<Option<Found>, QueryError> {
    let Some(millisecond) = millisecond_of(id) else {
        return Ok(None);
    };
    column::audit_records
        .select(Row::as_select())
        .filter(is(id, millisecond))
        .first(connection)
        .optional()?
        .map(found)
        .transpose()
}

/// Where the record with this id stands.
pub(super) fn position(
    connection: &mut PgConnection,
    id: Uuid,
) -> Result<Option<Position>, QueryError> {
    let Some(millisecond) = millisecond_of(id) else {
        return Ok(None);
    };
    let occurred_at = column::audit_records
        .select(column::occurred_at)
        .filter(is(id, millisecond))
        .first(connection)
        .optional()?;
    Ok(occurred_at.map(|occurred_at| Position { occurred_at, id }))
}

/// An id says in which millisecond to look, and so in which partition.
fn millisecond_of(id: Uuid) -> Option<DateTime<Utc>> {
    let (seconds, nanoseconds) = id.get_timestamp()?.to_unix();
    DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanoseconds)
}

fn is(id: Uuid, millisecond: DateTime<Utc>) -> Bound {
    Box::new(
        column::occurred_at
            .ge(millisecond)
            .and(column::occurred_at.lt(millisecond + TimeDelta::milliseconds(1)))
            .and(column::id.eq(id)),
    )
}

pub(super) fn found(row: Row) -> Result<Found, QueryError> {
    let digest = row.digest.clone();
    let record: Record = row.into_record().map_err(|error| {
        tracing::error!(%error, "a stored record cannot be read: run `verify`");
        QueryError::Failed
    })?;
    let canonical = record.canonical_bytes().map_err(|_| QueryError::Failed)?;
    Ok(Found { canonical, digest })
}

/// Which part of an order is asked for.
pub(super) type Bound = Box<dyn BoxableExpression<column::audit_records, Pg, SqlType = Bool>>;

fn with_keys(keys: Vec<(DateTime<Utc>, Uuid)>) -> Bound {
    let (times, ids): (Vec<_>, Vec<_>) = keys.into_iter().unzip();
    Box::new(
        sql::<Bool>("(occurred_at, id) IN (SELECT * FROM unnest(")
            .bind::<Array<Timestamptz>, _>(times)
            .sql(", ")
            .bind::<Array<SqlUuid>, _>(ids)
            .sql("))"),
    )
}

/// Compares the whole key at once, which is one range of the index; the same
/// comparison column by column with *or* would be a filter over all of it.
fn behind(position: Position, order: Order) -> Bound {
    let operator = match order {
        Order::NewestFirst => "(occurred_at, id) < (",
        Order::OldestFirst => "(occurred_at, id) > (",
    };
    Box::new(
        sql::<Bool>(operator)
            .bind::<Timestamptz, _>(position.occurred_at)
            .sql(", ")
            .bind::<SqlUuid, _>(position.id)
            .sql(")"),
    )
}
