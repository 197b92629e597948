//! Records in the order in which their transactions began, which is how they can be
//! followed without missing one.
//!
//! Records become visible when their transaction commits, and transactions overlap: a
//! record that was inserted first can be seen last, so whoever asks for "what is newer
//! than the newest that I know" misses it. Every row holds the number of its
//! transaction, `xact`, and Postgres knows the oldest one that is still running: the
//! *horizon*. Below it nothing can appear any more. So followers read up to the
//! horizon, in the order (`xact`, `id`), and remember where they were.

use std::fmt;
use std::str::FromStr;

use diesel::dsl::sql;
use diesel::pg::{PgConnection, PgRowByRowLoadingMode};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text, Uuid as SqlUuid};
use uuid::Uuid;

use super::QueryError;
use super::filter::Filter;
use super::query::{Bound, Found, PAGE_BYTES, found};
use super::row::Row;
use super::schema::audit_records::dsl as column;

/// Where a record stands in the order of commits. As a text it is `xact-id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CommitPosition {
    pub(crate) xact: u64,
    pub(crate) id: Uuid,
}

impl CommitPosition {
    /// Before every record of this transaction, and after those of all earlier ones.
    pub(crate) fn before(xact: u64) -> Self {
        Self {
            xact,
            id: Uuid::nil(),
        }
    }
}

impl fmt::Display for CommitPosition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.xact, self.id.simple())
    }
}

/// A text that is no position.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotAPosition;

impl FromStr for CommitPosition {
    type Err = NotAPosition;

    fn from_str(text: &str) -> Result<Self, NotAPosition> {
        let (xact, id) = text.split_once('-').ok_or(NotAPosition)?;
        let is_number = !xact.is_empty() && xact.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number || id.len() != 32 {
            return Err(NotAPosition);
        }
        Ok(Self {
            // Postgres counts transactions from 3, and not beyond what fits here.
            xact: xact
                .parse::<i64>()
                .map_err(|_| NotAPosition)?
                .cast_unsigned(),
            id: Uuid::try_parse(id).map_err(|_| NotAPosition)?,
        })
    }
}

/// The oldest transaction that is still running, or the next one: all before it have
/// committed or come to nothing.
pub(super) fn horizon(connection: &mut PgConnection) -> Result<u64, QueryError> {
    let horizon: i64 = diesel::select(sql::<BigInt>(
        "pg_snapshot_xmin(pg_current_snapshot())::text::bigint",
    ))
    .get_result(connection)?;
    Ok(horizon.cast_unsigned())
}

/// Whether any records stand in the order at or behind one transaction and before another.
pub(super) fn has_any(
    connection: &mut PgConnection,
    from: u64,
    to: u64,
) -> Result<bool, QueryError> {
    let any = column::audit_records
        .filter(behind(CommitPosition::before(from)))
        .filter(before(to));
    Ok(diesel::select(diesel::dsl::exists(any)).get_result(connection)?)
}

/// Some records in the order of commits.
pub(crate) struct Committed {
    pub(crate) records: Vec<(CommitPosition, Found)>,
    /// Whether there may be more of them before the horizon.
    pub(crate) has_more: bool,
}

/// The next records that the filter lets through, behind a position and before a
/// transaction that is not above the horizon.
pub(super) fn committed(
    connection: &mut PgConnection,
    filter: &Filter,
    after: CommitPosition,
    horizon: u64,
    limit: u16,
) -> Result<Committed, QueryError> {
    let rows = column::audit_records
        .select((Row::as_select(), sql::<BigInt>("xact::text::bigint")))
        .filter(filter.condition())
        .filter(behind(after))
        .filter(before(horizon))
        .order((column::xact.asc(), column::id.asc()))
        .limit(i64::from(limit))
        .load_iter::<(Row, i64), PgRowByRowLoadingMode>(connection)?;
    let mut records = Vec::new();
    let mut bytes = 0;
    for row in rows {
        let (row, xact) = row?;
        let position = CommitPosition {
            xact: xact.cast_unsigned(),
            id: row.id,
        };
        let found = found(row)?;
        bytes += found.canonical.len();
        records.push((position, found));
        if bytes > PAGE_BYTES {
            break;
        }
    }
    Ok(Committed {
        has_more: records.len() == usize::from(limit) || bytes > PAGE_BYTES,
        records,
    })
}

fn behind(position: CommitPosition) -> Bound {
    Box::new(
        sql::<Bool>("(xact, id) > (")
            .bind::<Text, _>(position.xact.to_string())
            .sql("::xid8, ")
            .bind::<SqlUuid, _>(position.id)
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_position_comes_back_as_what_it_was(xact in 0..u64::MAX / 2, id: u128) {
            let position = CommitPosition { xact, id: Uuid::from_u128(id) };
            prop_assert_eq!(position.to_string().parse(), Ok(position));
        }

        #[test]
        fn what_is_no_position_is_refused(text in "[-0-9a-f+ ]{0,60}") {
            if let Ok(position) = text.parse::<CommitPosition>() {
                prop_assert!(text.ends_with(&position.id.simple().to_string()));
            }
        }
    }
}
