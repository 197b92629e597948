//! An append to the journal against a bare write of the same bytes.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::time::Instant;

use audit::Durability;
use audit::bench::Journal;

use crate::report::{Report, Side};
use crate::statistics::median;
use crate::{Bench, Result, say};

const APPENDS: usize = 20_000;
const SYNCED_APPENDS: usize = 500;
const RECORD_BYTES: usize = 600;

pub(crate) fn compare(bench: &Bench, report: &mut Report) -> Result {
    say("journal");
    let mut write = Vec::new();
    let mut append = Vec::new();
    let mut sync = Vec::new();
    let mut synced_append = Vec::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    for round in 0..bench.rounds {
        let folder = bench.folder.path().join(format!("journal-{round}"));
        let record = vec![b'x'; RECORD_BYTES];
        let file = File::create(bench.folder.path().join(format!("bare-{round}")))?;
        write.push(p50(APPENDS, |number| {
            file.write_all_at(&record, (number * RECORD_BYTES) as u64)?;
            Ok(())
        })?);
        sync.push(p50(SYNCED_APPENDS, |number| {
            file.write_all_at(&record, (number * RECORD_BYTES) as u64)?;
            file.sync_data()?;
            Ok(())
        })?);
        let journal = Journal::open(&folder)?;
        for (figures, count, durability) in [
            (&mut append, APPENDS, Durability::Crash),
            (&mut synced_append, SYNCED_APPENDS, Durability::PowerLoss),
        ] {
            figures.push(p50(count, |_| {
                if runtime.block_on(journal.append(record.clone(), durability)) {
                    Ok(())
                } else {
                    Err("the journal does not keep a record".into())
                }
            })?);
        }
        drop(journal);
        std::fs::remove_dir_all(folder)?;
    }
    let side = |name, values| Side {
        name,
        values,
        notes: Vec::new(),
    };
    report.table(
        "Journal append",
        &format!(
            "One caller, one record of {RECORD_BYTES} bytes after the other, until it is acknowledged; the median\nof {APPENDS} (of {SYNCED_APPENDS} with a sync). A ratio above one is slower. The journal hands each\nrecord to another thread and back."
        ),
        "ns",
        &[],
        &[side("bare write", write), side("append at crash", append)],
    );
    report.table(
        "Journal append with a sync",
        "The same, with fdatasync after each.",
        "ns",
        &[],
        &[
            side("bare write and fdatasync", sync),
            side("append at power_loss", synced_append),
        ],
    );
    Ok(())
}

/// The median of as many calls, in nanoseconds.
fn p50(calls: usize, mut call: impl FnMut(usize) -> Result) -> Result<f64> {
    let mut times = Vec::with_capacity(calls);
    for number in 0..calls {
        let began = Instant::now();
        call(number)?;
        times.push(began.elapsed().as_nanos() as f64);
    }
    Ok(median(&times))
}
