//! How fast records are written whose payloads are small, and large.

use bench::sample;

use super::writer;
use crate::report::{Figure, Report, Side, Table};
use crate::{Bench, Result, say};

/// What a turn writes.
const TURN_BYTES: usize = 64 * 1024 * 1024;
const RECORDS_MAX: usize = 40_000;
const PAYLOADS: [(&str, usize); 4] = [
    ("0.2 kB", 200),
    ("1 kB", 1_000),
    ("10 kB", 10_000),
    ("60 kB", 60_000),
];
const FIGURES: &[Figure] = &[Figure::new("records/s", 0), Figure::new("MB/s", 1)];
const DATABASE: &str = "payloads";

pub(crate) fn compare(bench: &Bench, report: &mut Report) -> Result {
    say("payloads");
    let mut sides = PAYLOADS.map(|(name, _)| Side::new(name));
    for _ in 0..bench.rounds {
        for ((_, bytes), side) in PAYLOADS.iter().zip(&mut sides) {
            let count = (TURN_BYTES / bytes).min(RECORDS_MAX);
            let records = sample::records(count, &sample::payload(*bytes))?;
            let total: usize = records.iter().map(Vec::len).sum();
            let url = bench.database(DATABASE)?;
            let per_second = writer::write(&url, &records, 1)?;
            bench.drop_database(DATABASE)?;
            let mb_per_second = per_second * total as f64 / count as f64 / 1e6;
            side.turns.push(vec![per_second, mb_per_second]);
        }
    }
    let about = format!(
        "One writer, with payloads of words; {RECORDS_MAX} records in a turn, or as many as make 64 MiB. *MB/s* counts \
         whole records."
    );
    let mut table = Table::new("Ingest by payloads", about, FIGURES, sides.into());
    table.draw("ingest-by-payload", "Ingest by payloads: records", 0);
    table.draw("ingest-by-payload-bytes", "Ingest by payloads: bytes", 1);
    report.tables.push(table);
    Ok(())
}
