//! Finding records: one page at a time, by the key of the last one seen.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::BoxableExpression;
use diesel::dsl::sql;
use diesel::pg::{Pg, PgConnection, PgRowByRowLoadingMode};
use diesel::prelude::*;
use diesel::sql_types::{Array, Bool, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use ipnet::IpNet;
use uuid::Uuid;

use super::QueryError;
use super::row::Row;
use super::schema::audit_records::dsl as column;
use crate::record::{Outcome, Record};

/// The most bytes of records on one page, whatever its limit says: a page of
/// large records is shorter.
const PAGE_BYTES: usize = 8 * 1024 * 1024;

/// Which records are asked for. An empty list asks for all; several entries of
/// one list mean *or*, several lists mean *and*.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Filter {
    pub(crate) actors: Vec<String>,
    pub(crate) actions: Vec<TextMatch>,
    pub(crate) resource_types: Vec<String>,
    pub(crate) resource_ids: Vec<String>,
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) statuses: Vec<StatusMatch>,
    pub(crate) methods: Vec<String>,
    pub(crate) routes: Vec<String>,
    pub(crate) ips: Vec<IpNet>,
    pub(crate) request_ids: Vec<String>,
    pub(crate) trace_ids: Vec<String>,
    /// Each a place in the request, of which one list holds the values asked for.
    pub(crate) payloads: Vec<PayloadMatch>,
    /// Records of this instant and later.
    pub(crate) from: Option<DateTime<Utc>>,
    /// Records before this instant.
    pub(crate) to: Option<DateTime<Utc>>,
    pub(crate) order: Order,
    /// Records behind this one, in the order of the page.
    pub(crate) after: Option<Position>,
    pub(crate) limit: u16,
}

/// A text, or all texts that begin with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TextMatch {
    Exactly(String),
    Prefix(String),
}

/// What stands at one place of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PayloadMatch {
    /// The names of members, and the numbers of items from 0, from the outside in.
    pub(crate) path: Vec<String>,
    /// The texts of strings, or numbers as they were written; any of them.
    pub(crate) values: Vec<String>,
}

/// A status, or all of a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StatusMatch {
    Exactly(i16),
    /// The first digit: 4 for 400 to 499.
    Class(i16),
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

pub(super) fn find(connection: &mut PgConnection, filter: &Filter) -> Result<Page, QueryError> {
    let limit = usize::from(filter.limit);
    let rows = query(filter)
        .limit(i64::from(filter.limit) + 1)
        .load_iter::<Row, PgRowByRowLoadingMode>(connection)?;

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
    // The id says in which millisecond to look, and so in which partition.
    let Some(millisecond) = id.get_timestamp().and_then(|timestamp| {
        let (seconds, nanoseconds) = timestamp.to_unix();
        DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanoseconds)
    }) else {
        return Ok(None);
    };
    column::audit_records
        .select(Row::as_select())
        .filter(column::occurred_at.ge(millisecond))
        .filter(column::occurred_at.lt(millisecond + TimeDelta::milliseconds(1)))
        .filter(column::id.eq(id))
        .first(connection)
        .optional()?
        .map(found)
        .transpose()
}

fn found(row: Row) -> Result<Found, QueryError> {
    let digest = row.digest.clone();
    let record: Record = row.into_record().map_err(|error| {
        tracing::error!(%error, "a stored record cannot be read: run `verify`");
        QueryError::Failed
    })?;
    let canonical = record.canonical_bytes().map_err(|_| QueryError::Failed)?;
    Ok(Found { canonical, digest })
}

type Query<'a> = diesel::dsl::IntoBoxed<
    'a,
    diesel::dsl::Select<column::audit_records, diesel::dsl::AsSelect<Row, Pg>>,
    Pg,
>;
type Condition = Box<dyn BoxableExpression<column::audit_records, Pg, SqlType = Nullable<Bool>>>;

fn query(filter: &Filter) -> Query<'_> {
    let mut query = column::audit_records.select(Row::as_select()).into_boxed();
    if !filter.actors.is_empty() {
        query = query.filter(column::actor_id.eq_any(&filter.actors));
    }
    if let Some(any) = any(filter.actions.iter().map(action)) {
        query = query.filter(any);
    }
    if !filter.resource_types.is_empty() {
        query = query.filter(column::resource_type.eq_any(&filter.resource_types));
    }
    if !filter.resource_ids.is_empty() {
        query = query.filter(column::resource_id.eq_any(&filter.resource_ids));
    }
    if !filter.outcomes.is_empty() {
        query = query
            .filter(column::outcome.eq_any(filter.outcomes.iter().map(|outcome| outcome.as_str())));
    }
    if let Some(any) = any(filter.statuses.iter().copied().map(status)) {
        query = query.filter(any);
    }
    if !filter.methods.is_empty() {
        query = query.filter(column::http_method.eq_any(&filter.methods));
    }
    if !filter.routes.is_empty() {
        query = query.filter(column::http_route.eq_any(&filter.routes));
    }
    if let Some(any) = any(filter.ips.iter().copied().map(within)) {
        query = query.filter(any);
    }
    if !filter.request_ids.is_empty() {
        query = query.filter(column::http_request_id.eq_any(&filter.request_ids));
    }
    if !filter.trace_ids.is_empty() {
        query = query.filter(column::http_trace_id.eq_any(&filter.trace_ids));
    }
    for payload in &filter.payloads {
        query = query.filter(holds(payload));
    }
    if let Some(from) = filter.from {
        query = query.filter(column::occurred_at.ge(from));
    }
    if let Some(to) = filter.to {
        query = query.filter(column::occurred_at.lt(to));
    }
    if let Some(after) = filter.after {
        query = query.filter(behind(after, filter.order));
    }
    match filter.order {
        Order::NewestFirst => query.order((column::occurred_at.desc(), column::id.desc())),
        Order::OldestFirst => query.order((column::occurred_at.asc(), column::id.asc())),
    }
}

fn any(conditions: impl Iterator<Item = Condition>) -> Option<Condition> {
    conditions.reduce(|one, other| Box::new(one.or(other)))
}

fn action(wanted: &TextMatch) -> Condition {
    match wanted {
        TextMatch::Exactly(action) => Box::new(column::action.eq(action.clone()).nullable()),
        TextMatch::Prefix(prefix) => Box::new(
            column::action
                .like(format!("{}%", escaped(prefix)))
                .nullable(),
        ),
    }
}

/// A text in which `LIKE` finds no wildcards.
fn escaped(text: &str) -> String {
    text.replace('\\', r"\\")
        .replace('%', r"\%")
        .replace('_', r"\_")
}

fn status(wanted: StatusMatch) -> Condition {
    match wanted {
        StatusMatch::Exactly(status) => Box::new(column::http_status.eq(status)),
        StatusMatch::Class(class) => {
            Box::new(column::http_status.between(class * 100, class * 100 + 99))
        }
    }
}

fn within(net: IpNet) -> Condition {
    Box::new(column::client_ip.is_contained_by_or_eq(net))
}

/// The column is `json`, which keeps the text as it came, so numbers are compared as
/// they were written.
fn holds(payload: &PayloadMatch) -> Condition {
    Box::new(
        sql::<Nullable<Bool>>("request #>> ")
            .bind::<Array<Text>, _>(payload.path.clone())
            .sql(" = ANY(")
            .bind::<Array<Text>, _>(payload.values.clone())
            .sql(")"),
    )
}

/// Compares the whole key at once, which is one range of the index; the same
/// comparison column by column with *or* would be a filter over all of it.
fn behind(
    position: Position,
    order: Order,
) -> Box<dyn BoxableExpression<column::audit_records, Pg, SqlType = Bool>> {
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
