//! An append to the journal against a bare write of the same bytes, and many at once
//! against what the disk can sync.

use std::fs::{self, File};
use std::io::Write as _;
use std::time::{Duration, Instant};

use actix_web::rt::{System, spawn};
use audit::Durability;
use audit::bench::Journal;
use bench::sample;

use crate::report::{Figure, Report, Side, Table, Target};
use crate::statistics::median;
use crate::{Bench, Error, Result, say};

const APPENDS: usize = 20_000;
const PRODUCERS: usize = 64;
/// How often the disk and the journal take turns within one: a disk's moods are short.
const SLICES: u32 = 4;
const WRITE_FIGURES: &[Figure] = &[Figure::new("ns", 0)];
const SYNC_FIGURES: &[Figure] = &[
    Figure::new("records/s", 0),
    Figure::new("syncs/s", 0),
    Figure::new("records at once", 1),
];

pub(crate) fn compare(bench: &Bench, report: &mut Report) -> Result {
    say("journal");
    let record = sample::record(0, sample::PAYLOAD)?.canonical_bytes()?;
    let mut write = Side::new("bare write");
    let mut append = Side::new("append at crash");
    let mut disk = Side::new("bare write and fdatasync");
    let mut synced_append = Side::new("append at power_loss");
    for _ in 0..bench.rounds {
        let folder = bench.folder.path().join("journal");
        fs::create_dir_all(&folder)?;
        let mut file = File::create(folder.join("bare"))?;
        write
            .turns
            .push(vec![p50(|| Ok(file.write_all(&record)?))?]);

        let journal = Journal::open(&folder.join("one"))?;
        append.turns.push(vec![append_p50(&journal, &record)?]);
        drop(journal);

        let journal = Journal::open(&folder.join("many"))?;
        for _ in 0..SLICES {
            let figures = appends_per_second(bench.turn / SLICES, &journal, &record)?;
            let batch = figures.last().copied().unwrap_or_default();
            let bytes = vec![b'x'; (record.len() as f64 * batch) as usize];
            let syncs = syncs_per_second(bench.turn / SLICES, &mut file, &bytes)?;
            synced_append.turns.push(figures);
            disk.turns.push(vec![syncs * batch, syncs, batch]);
        }
        drop(journal);
        fs::remove_dir_all(folder)?;
    }

    let about = format!(
        "One caller, one record of {} bytes after the other, until it is acknowledged; the median of {APPENDS}. A ratio \
         above one is slower.",
        record.len()
    );
    let mut table = Table::new(
        "Journal at crash",
        about,
        WRITE_FIGURES,
        vec![write, append],
    );
    let what = "append to the journal at `crash`, p50: time of a bare write of the same bytes";
    table.promise_ratio("append at crash", 0, what, Target::AtMost(3.0));
    report.tables.push(table);

    let about = format!(
        "{PRODUCERS} callers on one worker at the same time, each with one record after the other. The baseline is what the disk can: \
         in the same moments, one write and fdatasync after the other, of as many bytes as the journal has written at \
         once on average, times the records in them."
    );
    let mut table = Table::new(
        "Journal at power_loss",
        about,
        SYNC_FIGURES,
        vec![disk, synced_append],
    );
    let what = format!(
        "journal at `power_loss`, {PRODUCERS} producers: the disk's fdatasync rate × mean batch"
    );
    table.promise_ratio("append at power_loss", 0, &what, Target::AtLeast(0.90));
    report.tables.push(table);
    Ok(())
}

/// The median of as many calls, in nanoseconds.
fn p50(mut call: impl FnMut() -> Result) -> Result<f64> {
    let mut times = Vec::with_capacity(APPENDS);
    for _ in 0..APPENDS {
        let began = Instant::now();
        call()?;
        times.push(began.elapsed().as_nanos() as f64);
    }
    Ok(median(&times))
}

fn append_p50(journal: &Journal, record: &[u8]) -> Result<f64> {
    let system = System::new();
    p50(|| system.block_on(append(journal, record, Durability::Crash)))
}

/// Appends, writes, and how many of the former one of the latter holds on average.
fn appends_per_second(turn: Duration, journal: &Journal, record: &[u8]) -> Result<Vec<f64>> {
    let (frames_before, commits_before) = journal.frames_and_commits()?;
    let began = Instant::now();
    let appended = keep_busy(journal, record, turn)?;
    let seconds = began.elapsed().as_secs_f64();
    let (frames, commits) = journal.frames_and_commits()?;
    let commits = commits - commits_before;
    Ok(vec![
        appended as f64 / seconds,
        commits / seconds,
        (frames - frames_before) / commits,
    ])
}

/// Lets many append at the same time, each waiting for the disk, and returns how often they did.
pub(crate) fn keep_busy(journal: &Journal, record: &[u8], time: Duration) -> Result<u64> {
    let began = Instant::now();
    System::new().block_on(async {
        let producers: Vec<_> = (0..PRODUCERS)
            .map(|_| {
                let (journal, record) = (journal.clone(), record.to_vec());
                spawn(async move {
                    let mut appended = 0_u64;
                    while began.elapsed() < time {
                        append(&journal, &record, Durability::PowerLoss).await?;
                        appended += 1;
                    }
                    Ok::<_, Error>(appended)
                })
            })
            .collect();
        let mut appended = 0;
        for producer in producers {
            appended += producer.await??;
        }
        Ok(appended)
    })
}

async fn append(journal: &Journal, record: &[u8], durability: Durability) -> Result {
    if journal.append(record.to_vec(), durability).await {
        Ok(())
    } else {
        Err("the journal does not keep a record".into())
    }
}

fn syncs_per_second(turn: Duration, file: &mut File, bytes: &[u8]) -> Result<f64> {
    let began = Instant::now();
    let mut syncs = 0_u32;
    while began.elapsed() < turn {
        file.write_all(bytes)?;
        file.sync_data()?;
        syncs += 1;
    }
    Ok(f64::from(syncs) / began.elapsed().as_secs_f64())
}
