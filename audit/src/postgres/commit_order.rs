//! Records in the order in which their transactions began, which is how they can be
//! followed without missing one.
//!
//! Records become visible when their transaction commits, and transactions overlap: a
//! record that was inserted first can become visible last, so a query for "what is newer
//! than the newest record read" misses it. Every row holds the number of its
//! transaction, `xact`, and each snapshot has a *horizon*: the oldest transaction that is
//! still running in it. Below it nothing can appear any more. So followers read up to the
//! horizon, in the order (`xact`, `id`), and remember the last row.
//!
//! Transaction numbers order the records of one history only. After a failover, a restore
//! or a dump the numbers go on from an earlier one. So a position is a row that exists,
//! and reading goes on from it only where that row exists ([ADR 38]). Position, horizon
//! and rows are read in one snapshot, because two connections may be to two servers.
//!
//! [ADR 38]: ../../../docs/adr/0038-stream-positions.md

#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use diesel::dsl::sql;
use diesel::pg::{PgConnection, PgRowByRowLoadingMode};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, Text, Uuid as SqlUuid};
use uuid::Uuid;

use super::QueryError;
use super::filter::Filter;
use super::query::{Bound, Found, PAGE_BYTES, found};
use super::row::Row;
use super::schema::audit_records::dsl as column;

/// The place of a record in the order of commits of one cluster. Its text form is
/// `system-xact-id`: 16 hex digits, a decimal number, 32 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CommitPosition {
    /// The system identifier that `initdb` gave the cluster. Standbys share it.
    pub(crate) system: u64,
    pub(crate) row: RowPosition,
}

/// The place of a record among those of its cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RowPosition {
    pub(crate) xact: u64,
    pub(crate) id: Uuid,
}

impl RowPosition {
    /// Position before every record, which names no row.
    pub(crate) const START: Self = Self {
        xact: 0,
        id: Uuid::nil(),
    };
}

impl fmt::Display for CommitPosition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { system, row } = self;
        write!(formatter, "{system:016x}-{}-{}", row.xact, row.id.simple())
    }
}

/// Why a text is not a position.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PositionError {
    /// A position without the system identifier, in the form of earlier versions.
    NoSystem,
    Malformed,
}

impl FromStr for CommitPosition {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, PositionError> {
        let mut parts = text.rsplitn(3, '-');
        let (Some(id), Some(xact)) = (parts.next(), parts.next()) else {
            return Err(PositionError::Malformed);
        };
        let is_number = !xact.is_empty() && xact.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number || id.len() != 32 {
            return Err(PositionError::Malformed);
        }
        let row = RowPosition {
            // `bigint` holds every transaction number: Postgres counts from 3.
            xact: xact
                .parse::<i64>()
                .map_err(|_| PositionError::Malformed)?
                .cast_unsigned(),
            id: Uuid::try_parse(id).map_err(|_| PositionError::Malformed)?,
        };
        let system = parts.next().ok_or(PositionError::NoSystem)?;
        if system.len() != 16 || !system.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(PositionError::Malformed);
        }
        Ok(Self {
            system: u64::from_str_radix(system, 16).map_err(|_| PositionError::Malformed)?,
            row,
        })
    }
}

/// The transactions that a snapshot sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, QueryableByName)]
pub(crate) struct Horizon {
    /// The oldest transaction that is still running, or else the next one: all before it
    /// are committed or rolled back.
    #[diesel(sql_type = BigInt, column_name = "horizon")]
    xmin: i64,
    /// The number behind the newest transaction that has ended.
    #[diesel(sql_type = BigInt, column_name = "next_xact")]
    xmax: i64,
}

impl Horizon {
    pub(crate) fn xact(self) -> u64 {
        self.xmin.cast_unsigned()
    }

    /// Whether a transaction is running that began before one that has ended.
    pub(crate) fn is_held(self) -> bool {
        self.xmin < self.xmax
    }
}

/// The server and the snapshot of one transaction.
#[derive(Clone, Copy, Debug, QueryableByName)]
struct Snapshot {
    #[diesel(sql_type = BigInt)]
    system: i64,
    #[diesel(sql_type = Bool)]
    is_standby: bool,
    #[diesel(embed)]
    horizon: Horizon,
}

impl Snapshot {
    fn take(connection: &mut PgConnection) -> QueryResult<Self> {
        diesel::sql_query(
            "SELECT system_identifier AS system, pg_is_in_recovery() AS is_standby, \
                 pg_snapshot_xmin(snapshot)::text::bigint AS horizon, \
                 pg_snapshot_xmax(snapshot)::text::bigint AS next_xact \
             FROM pg_control_system(), pg_current_snapshot() AS snapshot",
        )
        .get_result(connection)
    }

    /// Whether reading can go on behind a position.
    fn check(self, connection: &mut PgConnection, position: CommitPosition) -> QueryResult<Check> {
        if position.system != self.system.cast_unsigned() {
            return Ok(Check::Unknown);
        }
        let row = position.row;
        // Before every record nothing is missed.
        if row == RowPosition::START {
            return Ok(Check::Known);
        }
        let is_known = column::audit_records
            .filter(column::id.eq(row.id))
            .filter(
                sql::<Bool>("xact = ")
                    .bind::<Text, _>(row.xact.to_string())
                    .sql("::xid8"),
            )
            .filter(self.of_this_history());
        Ok(
            if diesel::select(diesel::dsl::exists(is_known)).get_result(connection)? {
                Check::Known
            } else if self.is_standby && row.xact >= self.horizon.xact() {
                Check::NotReplayed
            } else {
                Check::Unknown
            },
        )
    }

    /// Lets through the rows whose `xact` is a number of this server's history.
    ///
    /// A dump restores rows with the numbers of another cluster, which this one reaches
    /// later: they would be read as new then. The row's `xmin` is the transaction that
    /// inserted it here, which is never older than `xact` otherwise: the same number, that
    /// of a subtransaction, or that of a later move to another partition. It has 32 bits.
    fn of_this_history(self) -> Bound {
        Box::new(
            sql::<Bool>("xact::text::bigint <= ")
                .bind::<BigInt, _>(self.horizon.xmax)
                .sql(" - ((")
                .bind::<BigInt, _>(self.horizon.xmax)
                .sql(" - audit_records.xmin::text::bigint) & 4294967295)"),
        )
    }

    /// The newest row below the horizon and behind another row.
    fn newest(
        self,
        connection: &mut PgConnection,
        after: RowPosition,
    ) -> QueryResult<Option<RowPosition>> {
        let newest = column::audit_records
            .select((sql::<BigInt>("xact::text::bigint"), column::id))
            .filter(behind(after))
            .filter(before(self.horizon.xact()))
            .filter(self.of_this_history())
            .order((column::xact.desc(), column::id.desc()))
            .first::<(i64, Uuid)>(connection)
            .optional()?;
        Ok(newest.map(|(xact, id)| RowPosition {
            xact: xact.cast_unsigned(),
            id,
        }))
    }
}

/// Whether reading can go on behind a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Check {
    Known,
    /// The server is a standby that has not replayed the record's transaction yet.
    NotReplayed,
    /// The record is not in the history of this server.
    Unknown,
}

/// Runs queries in one snapshot.
fn in_one_snapshot<T>(
    connection: &mut PgConnection,
    queries: impl FnOnce(&mut PgConnection, Snapshot) -> Result<T, QueryError>,
) -> Result<T, QueryError> {
    connection
        .build_transaction()
        .read_only()
        .repeatable_read()
        .run(|connection| {
            let snapshot = Snapshot::take(connection)?;
            queries(connection, snapshot)
        })
}

/// The horizon of a new snapshot.
pub(super) fn horizon(connection: &mut PgConnection) -> Result<Horizon, QueryError> {
    in_one_snapshot(connection, |_, snapshot| Ok(snapshot.horizon))
}

/// Whether transactions at or behind `from` and before `to` have stored any records.
pub(super) fn has_any(
    connection: &mut PgConnection,
    from: u64,
    to: u64,
) -> Result<bool, QueryError> {
    in_one_snapshot(connection, |connection, snapshot| {
        let any = column::audit_records
            .filter(behind(RowPosition {
                xact: from,
                id: Uuid::nil(),
            }))
            .filter(before(to))
            .filter(snapshot.of_this_history());
        Ok(diesel::select(diesel::dsl::exists(any)).get_result(connection)?)
    })
}

/// The position from which a follower begins: `after`, unless it is not of this server's
/// history, or else the newest record below the horizon.
pub(super) fn begin(
    connection: &mut PgConnection,
    after: Option<CommitPosition>,
) -> Result<Option<CommitPosition>, QueryError> {
    in_one_snapshot(connection, |connection, snapshot| {
        if let Some(position) = after {
            let check = snapshot.check(connection, position)?;
            return Ok((check != Check::Unknown).then_some(position));
        }
        let newest = snapshot.newest(connection, RowPosition::START)?;
        Ok(Some(CommitPosition {
            system: snapshot.system.cast_unsigned(),
            row: newest.unwrap_or(RowPosition::START),
        }))
    })
}

/// The answer to a follower.
pub(crate) enum Followed {
    Records(Committed),
    /// The server is a standby that has not replayed the follower's last record yet.
    NotReplayed,
    /// The follower's last record is not in the history of this server.
    Unknown,
}

/// Records in the order of commits.
pub(crate) struct Committed {
    pub(crate) records: Vec<(CommitPosition, Found)>,
    /// The position behind which to go on: that of a record, not always one that the
    /// filter lets through.
    pub(crate) position: CommitPosition,
    /// Whether there may be more of them before the horizon.
    pub(crate) has_more: bool,
    /// The horizon up to which the records were read.
    pub(crate) horizon: u64,
}

/// The next records that the filter lets through, behind a position and before the horizon.
pub(super) fn committed(
    connection: &mut PgConnection,
    filter: &Filter,
    after: CommitPosition,
    limit: u16,
) -> Result<Followed, QueryError> {
    in_one_snapshot(connection, |connection, snapshot| {
        match snapshot.check(connection, after)? {
            Check::Known => {}
            Check::NotReplayed => return Ok(Followed::NotReplayed),
            Check::Unknown => return Ok(Followed::Unknown),
        }
        let (records, has_more) = rows(connection, filter, after, snapshot, limit)?;
        let mut position = records.last().map_or(after, |(position, _)| *position);
        if !has_more && let Some(row) = snapshot.newest(connection, position.row)? {
            position.row = row;
        }
        Ok(Followed::Records(Committed {
            records,
            position,
            has_more,
            horizon: snapshot.horizon.xact(),
        }))
    })
}

fn rows(
    connection: &mut PgConnection,
    filter: &Filter,
    after: CommitPosition,
    snapshot: Snapshot,
    limit: u16,
) -> Result<(Vec<(CommitPosition, Found)>, bool), QueryError> {
    let rows = column::audit_records
        .select((Row::as_select(), sql::<BigInt>("xact::text::bigint")))
        .filter(filter.condition())
        .filter(behind(after.row))
        .filter(before(snapshot.horizon.xact()))
        .filter(snapshot.of_this_history())
        .order((column::xact.asc(), column::id.asc()))
        .limit(i64::from(limit))
        .load_iter::<(Row, i64), PgRowByRowLoadingMode>(connection)?;
    let mut records = Vec::new();
    let mut bytes = 0;
    for row in rows {
        let (row, xact) = row?;
        let position = CommitPosition {
            system: after.system,
            row: RowPosition {
                xact: xact.cast_unsigned(),
                id: row.id,
            },
        };
        let found = found(row)?;
        bytes += found.canonical.len();
        records.push((position, found));
        if bytes > PAGE_BYTES {
            break;
        }
    }
    let has_more = records.len() == usize::from(limit) || bytes > PAGE_BYTES;
    Ok((records, has_more))
}

fn behind(row: RowPosition) -> Bound {
    Box::new(
        sql::<Bool>("(xact, id) > (")
            .bind::<Text, _>(row.xact.to_string())
            .sql("::xid8, ")
            .bind::<SqlUuid, _>(row.id)
            .sql(")"),
    )
}

fn before(xact: u64) -> Bound {
    Box::new(
        sql::<Bool>("xact < ")
            .bind::<Text, _>(xact.to_string())
            .sql("::xid8"),
    )
}

/// The session or prepared transaction that has a transaction number, as far as the reader
/// may see it. On a standby there is none: transactions run on its primary.
#[derive(Clone, Debug, Default, PartialEq, Eq, QueryableByName)]
pub(crate) struct Holder {
    #[diesel(sql_type = Nullable<diesel::sql_types::Integer>)]
    pub(crate) pid: Option<i32>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) database: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) login: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) application: Option<String>,
    /// Only members of `pg_read_all_stats` see the state of other logins' sessions.
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) state: Option<String>,
    /// The same applies to this.
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) began_at: Option<String>,
    /// The name of a prepared transaction.
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) gid: Option<String>,
}

/// The holder of a transaction number.
pub(super) fn holder(
    connection: &mut PgConnection,
    xact: u64,
) -> Result<Option<Holder>, QueryError> {
    // `backend_xid` and `transaction` have the lower 32 bits.
    let xid = (xact & 0xffff_ffff).to_string();
    Ok(diesel::sql_query(
        "SELECT pid, datname::text AS database, usename::text AS login, \
             application_name AS application, state, xact_start::text AS began_at, \
             NULL::text AS gid \
         FROM pg_stat_activity WHERE backend_xid = $1::xid \
         UNION ALL \
         SELECT NULL, database::text, owner::text, NULL, 'prepared', prepared::text, gid \
         FROM pg_prepared_xacts WHERE transaction = $1::xid \
         LIMIT 1",
    )
    .bind::<Text, _>(xid)
    .get_result(connection)
    .optional()?)
}
