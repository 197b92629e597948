//! Making rows up, in PostgreSQL itself.

use chrono::{DateTime, Datelike as _, Months, NaiveDate, TimeDelta, Utc};
use diesel::connection::SimpleConnection as _;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Timestamptz};

use super::{Age, Trail};
use crate::{Result, say};

/// About what a row takes, with its indexes.
const SLIM_ROW_BYTES: u64 = 440;
const WHOLE_ROW_BYTES: u64 = 800;

/// The rows of one month.
struct Month {
    first: DateTime<Utc>,
    next: DateTime<Utc>,
    rows: u64,
    is_current: bool,
}

/// About what its rows take, with their indexes.
pub(super) fn bytes(trail: &Trail) -> u64 {
    months(trail, Utc::now())
        .iter()
        .map(|month| {
            month.rows
                * if month.is_current {
                    WHOLE_ROW_BYTES
                } else {
                    SLIM_ROW_BYTES
                }
        })
        .sum()
}

/// Fills the empty table.
///
/// A month's partition is filled first and attached then, which makes its indexes at once
/// and so in a fraction of the time.
pub(super) fn fill(url: &str, trail: &Trail) -> Result {
    let mut connection = PgConnection::establish(url)?;
    connection.batch_execute("SET maintenance_work_mem = '1GB'; SET timezone TO 'UTC'")?;
    let now = Utc::now();
    for month in months(trail, now) {
        fill_month(&mut connection, &month, now)?;
        say(&format!(
            "  {}: {} rows of {}",
            trail.name,
            month.rows,
            month.first.format("%Y-%m")
        ));
    }
    connection.batch_execute("SELECT audit_vacuum_often()")?;
    let partition = partition(now);
    Ok(connection.batch_execute(&format!("VACUUM (ANALYZE) {partition}"))?)
}

/// The months that hold rows, the oldest first, each with its share of them.
fn months(trail: &Trail, now: DateTime<Utc>) -> Vec<Month> {
    let current = first_of_month(now);
    let oldest = match trail.age {
        Age::AYear => now - TimeDelta::days(365),
        Age::Months => current,
    };
    let seconds = |from: DateTime<Utc>, to: DateTime<Utc>| (to - from).num_seconds().max(0) as f64;
    let mut months = Vec::new();
    let mut first = first_of_month(oldest);
    while first <= current && trail.rows > 0 {
        let next = first + Months::new(1);
        let share = seconds(first.max(oldest), next.min(now)) / seconds(oldest, now);
        months.push(Month {
            first,
            next,
            rows: (trail.rows as f64 * share) as u64,
            is_current: first == current,
        });
        first = next;
    }
    months
}

fn fill_month(connection: &mut PgConnection, month: &Month, now: DateTime<Utc>) -> Result {
    let partition = partition(month.first);
    connection.batch_execute(&format!(
        "DROP TABLE IF EXISTS {partition}; \
         CREATE TABLE {partition} (LIKE audit_records INCLUDING DEFAULTS INCLUDING CONSTRAINTS)"
    ))?;
    let insert = if month.is_current {
        include_str!("whole_rows.sql")
    } else {
        // Nobody writes there any more, and nobody shall tidy up while others measure.
        connection.batch_execute(&format!(
            "ALTER TABLE {partition} SET (autovacuum_enabled = off)"
        ))?;
        include_str!("slim_rows.sql")
    };
    diesel::sql_query(insert.replace("PARTITION", &partition))
        .bind::<BigInt, _>(i64::try_from(month.rows)?)
        .bind::<Timestamptz, _>(month.first)
        .bind::<Timestamptz, _>(month.next.min(now))
        .execute(connection)?;
    connection.batch_execute(&format!(
        "ALTER TABLE audit_records ATTACH PARTITION {partition} FOR VALUES FROM ('{}') TO ('{}')",
        month.first.to_rfc3339(),
        month.next.to_rfc3339()
    ))?;
    Ok(())
}

/// The name that `audit_ensure_partitions` gives.
fn partition(month: DateTime<Utc>) -> String {
    format!("audit_records_{}", month.format("%Y_%m"))
}

fn first_of_month(time: DateTime<Utc>) -> DateTime<Utc> {
    NaiveDate::from_ymd_opt(time.year(), time.month(), 1)
        .and_then(|day| day.and_hms_opt(0, 0, 0))
        .map_or(time, |midnight| midnight.and_utc())
}
