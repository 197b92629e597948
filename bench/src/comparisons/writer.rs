//! The writer's inserts against PostgreSQL's own COPY of the same rows.

use std::path::PathBuf;
use std::thread;
use std::time::Instant;

use audit::bench::{Store, batches};
use bench::sample;
use diesel::connection::SimpleConnection as _;
use diesel::pg::PgConnection;
use diesel::prelude::*;

use crate::report::{Figure, Report, Side, Table, Target};
use crate::{Bench, Result, say};

const RECORDS: usize = 40_000;
const FIGURES: &[Figure] = &[Figure::new("records/s", 0)];
const DATABASE: &str = "writer";

pub(crate) fn compare(bench: &Bench, report: &mut Report) -> Result {
    for connections in [1, 2] {
        report.tables.push(one(bench, connections)?);
    }
    Ok(())
}

fn one(bench: &Bench, connections: usize) -> Result<Table> {
    let counted = if connections == 1 {
        "1 connection".to_owned()
    } else {
        format!("{connections} connections")
    };
    let title = format!("Writer, {counted}");
    say(&title);
    let records = sample::records(RECORDS, sample::PAYLOAD)?;
    let files = copy_out(bench, &records, connections)?;
    let mut copy = Side::new("COPY");
    let mut insert = Side::new("writer");
    for _ in 0..bench.rounds {
        let url = bench.database(DATABASE)?;
        copy.turns.push(vec![copy_in(&url, &files)?]);
        bench.drop_database(DATABASE)?;
        let url = bench.database(DATABASE)?;
        insert.turns.push(vec![write(&url, &records, connections)?]);
        bench.drop_database(DATABASE)?;
    }
    let about = format!(
        "{RECORDS} records into the real table with all its indexes and triggers. The writer sends them in the batches \
         in which it takes them from the journal, each a transaction that can be repeated, from canonical bytes; the \
         baseline is a server-side COPY of the same rows from binary files, one and one transaction for each connection."
    );
    let mut table = Table::new(title, about, FIGURES, vec![copy, insert]);
    let what = format!("writer, {counted}: records/s of a server-side binary COPY");
    table.promise_ratio("writer", 0, &what, Target::AtLeast(0.80));
    Ok(table)
}

/// Writes records over as many connections at the same time, and returns how many a second.
pub(super) fn write(url: &str, records: &[Vec<u8>], connections: usize) -> Result<f64> {
    let parts: Vec<&[Vec<u8>]> = records
        .chunks(records.len().div_ceil(connections))
        .collect();
    at_once(records.len(), &parts, |part| {
        let store = Store::new(url);
        // The connection is made beforehand, as a writer has it.
        store.insert(&[])?;
        Ok(move || {
            for batch in batches(part) {
                store.insert(batch)?;
            }
            Ok(())
        })
    })
}

/// Has PostgreSQL write the rows of the records to files, one for each connection.
fn copy_out(bench: &Bench, records: &[Vec<u8>], connections: usize) -> Result<Vec<PathBuf>> {
    let url = bench.database(DATABASE)?;
    write(&url, records, 1)?;
    let mut connection = PgConnection::establish(&url)?;
    let columns = columns(&mut connection)?;
    let files = (0..connections)
        .map(|part| {
            // The server writes and reads it itself, in a folder of its own.
            let file = bench.postgres.data_dir().join(format!("cluster/bench-{part}.copy"));
            connection.batch_execute(&format!(
                "COPY (SELECT {columns} FROM audit_records WHERE seq * {connections} / {RECORDS} = {part} ORDER BY seq) \
                 TO '{}' WITH (FORMAT binary)",
                file.display()
            ))?;
            Ok(file)
        })
        .collect::<Result<_>>()?;
    drop(connection);
    bench.drop_database(DATABASE)?;
    Ok(files)
}

fn copy_in(url: &str, files: &[PathBuf]) -> Result<f64> {
    at_once(RECORDS, files, |file| {
        let mut connection = PgConnection::establish(url)?;
        let columns = columns(&mut connection)?;
        let statement = format!(
            "COPY audit_records ({columns}) FROM '{}' WITH (FORMAT binary)",
            file.display()
        );
        Ok(move || Ok(connection.batch_execute(&statement)?))
    })
}

/// Does every part on a thread of its own, once all are prepared, and returns how many
/// records a second that makes.
fn at_once<'a, P: Sync, W: FnOnce() -> Result + Send + 'a>(
    records: usize,
    parts: &'a [P],
    prepare: impl Fn(&'a P) -> Result<W>,
) -> Result<f64> {
    let prepared = parts.iter().map(prepare).collect::<Result<Vec<_>>>()?;
    let began = Instant::now();
    thread::scope(|scope| {
        let threads: Vec<_> = prepared.into_iter().map(|work| scope.spawn(work)).collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().map_err(|_| "a thread has panicked")?)
    })?;
    Ok(records as f64 / began.elapsed().as_secs_f64())
}

/// All columns but those that PostgreSQL fills itself.
fn columns(connection: &mut PgConnection) -> Result<String> {
    #[derive(QueryableByName)]
    struct Columns {
        #[diesel(sql_type = diesel::sql_types::Text)]
        columns: String,
    }
    let Columns { columns } = diesel::sql_query(
        "SELECT string_agg(attname, ', ' ORDER BY attnum) AS columns FROM pg_attribute \
         WHERE attrelid = 'audit_records'::regclass AND attnum > 0 \
         AND attname NOT IN ('recorded_at', 'xact')",
    )
    .get_result(connection)?;
    Ok(columns)
}
