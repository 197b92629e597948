//! Making the records up, in PostgreSQL itself.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use diesel::connection::SimpleConnection as _;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Double, Text, Timestamptz};

use crate::{Result, say};

/// The time that the records are spread over.
const DAYS: u8 = 90;
/// Records that are made up by one statement.
const CHUNK: u32 = 100_000;
/// Sessions that make them up.
const SESSIONS: usize = 2;

/// The records that were made up.
pub(super) struct Generated {
    pub(super) records: u32,
    pub(super) took: Duration,
    pub(super) vacuum_took: Duration,
}

/// What one relation takes, its partitions together.
#[derive(QueryableByName)]
pub(super) struct Size {
    #[diesel(sql_type = Text)]
    pub(super) name: String,
    #[diesel(sql_type = BigInt)]
    pub(super) bytes: i64,
}

/// Fills the empty table, in the order of time but for what the sessions overtake each
/// other by, with all its indexes and triggers in place.
pub(super) fn generate(url: &str, records: u32) -> Result<Generated> {
    let mut connection = PgConnection::establish(url)?;
    say("making up words");
    connection.batch_execute(include_str!("vocabulary.sql"))?;
    let now = Utc::now();
    for months in (0..=DAYS / 28).rev() {
        let month = now - TimeDelta::days(28 * i64::from(months));
        diesel::sql_query("SELECT audit_ensure_partitions($1, 0)")
            .bind::<Timestamptz, _>(month)
            .execute(&mut connection)?;
    }

    let began = Instant::now();
    let next = AtomicU32::new(0);
    let failure = Mutex::new(None);
    thread::scope(|scope| {
        for _ in 0..SESSIONS {
            scope.spawn(|| {
                if let Err(error) = fill(url, records, now, &next, began)
                    && let Ok(mut failure) = failure.lock()
                {
                    *failure = Some(error);
                }
            });
        }
    });
    if let Ok(Some(error)) = failure.into_inner() {
        return Err(error);
    }
    let took = began.elapsed();

    say("vacuuming");
    let began = Instant::now();
    connection.batch_execute("VACUUM (ANALYZE) audit_records")?;
    Ok(Generated {
        records,
        took,
        vacuum_took: began.elapsed(),
    })
}

fn fill(url: &str, records: u32, now: DateTime<Utc>, next: &AtomicU32, began: Instant) -> Result {
    let mut connection = PgConnection::establish(url)?;
    // The tables of words are hashed for each statement; any other way is slower.
    connection.batch_execute(
        "SET work_mem = '256MB'; SET enable_mergejoin = off; SET enable_nestloop = off",
    )?;
    loop {
        let first = next.fetch_add(CHUNK, Ordering::Relaxed);
        if first >= records {
            return Ok(());
        }
        let last = records.min(first + CHUNK);
        diesel::sql_query(include_str!("records.sql"))
            .bind::<BigInt, _>(i64::from(first) + 1)
            .bind::<BigInt, _>(i64::from(last))
            .bind::<BigInt, _>(i64::from(records))
            .bind::<Double, _>(f64::from(DAYS))
            .bind::<Timestamptz, _>(now)
            .execute(&mut connection)?;
        say(&format!(
            "{last} of {records} records after {} s",
            began.elapsed().as_secs()
        ));
    }
}

/// The table and its indexes, the largest first.
pub(super) fn sizes(connection: &mut PgConnection) -> Result<Vec<Size>> {
    Ok(diesel::sql_query(
        "SELECT coalesce(of_index.relname, 'the records themselves') AS name, sum(pg_table_size(relid))::bigint AS bytes \
         FROM ( \
             SELECT relid, NULL::oid AS index FROM pg_partition_tree('audit_records') WHERE isleaf \
             UNION ALL \
             SELECT tree.relid, indexrelid FROM pg_index, pg_partition_tree(indexrelid) AS tree \
             WHERE indrelid = 'audit_records'::regclass AND isleaf \
         ) AS relations \
         LEFT JOIN pg_class AS of_index ON of_index.oid = relations.index \
         GROUP BY 1 ORDER BY 2 DESC",
    )
    .load(connection)?)
}
