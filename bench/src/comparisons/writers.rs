//! How fast records are written by one writer and by several.

use bench::sample;

use super::writer;
use crate::report::{Figure, Report, Side, Table};
use crate::{Bench, Result, say};

const RECORDS: usize = 40_000;
const WRITERS: [usize; 4] = [1, 2, 4, 8];
const FIGURES: &[Figure] = &[Figure::new("records/s", 0)];
const DATABASE: &str = "writers";

pub(crate) fn compare(bench: &Bench, report: &mut Report) -> Result {
    say("writers");
    let records = sample::records(RECORDS, sample::PAYLOAD)?;
    let mut sides = WRITERS.map(|writers| Side::new(writers.to_string()));
    for _ in 0..bench.rounds {
        for (writers, side) in WRITERS.iter().zip(&mut sides) {
            let url = bench.database(DATABASE)?;
            side.turns
                .push(vec![writer::write(&url, &records, *writers)?]);
            bench.drop_database(DATABASE)?;
        }
    }
    let about = format!(
        "{RECORDS} records, each writer with a connection of its own. A service has two unless it says otherwise."
    );
    let mut table = Table::new("Ingest by writers", about, FIGURES, sides.into());
    table.draw("ingest-by-writers", "Ingest by writers", 0);
    report.tables.push(table);
    Ok(())
}
