//! What a million records cost that wait for PostgreSQL: memory, and time at the start.

use std::fs;
use std::path::Path;
use std::time::Instant;

use audit::Durability;
use audit::bench::Journal;
use bench::app::Variant;
use bench::sample;
use diesel::pg::PgConnection;
use diesel::prelude::*;

use crate::contender::Contender;
use crate::load::{self, Until};
use crate::process::Process;
use crate::report::{Figure, Report, Side, Table, Target};
use crate::{Bench, Result, say, turn};

const RECORDS: u64 = 1_000_000;
/// Records that may be on their way to the journal's file.
const UNFLUSHED: u64 = 8_192;
const CONNECTIONS: usize = 32;
/// Requests before the memory of an idle service is read.
const WARM_UP: u64 = 1_000;
const CONTENDER: Contender = Contender::Own(Variant::Crash);
const DATABASE: &str = "pending";

const START_FIGURES: &[Figure] = &[Figure::new("s to ready", 2), Figure::new("MiB", 1)];
const MEMORY_FIGURES: &[Figure] = &[Figure::new("MiB", 1)];

pub(crate) fn compare(bench: &Bench, report: &mut Report) -> Result {
    say("a million records that wait");
    let folder = bench.folder.path().join("pending");
    fs::create_dir_all(&folder)?;
    let journal = folder.join("filled");
    let record_bytes = fill(&journal)?;

    // Nobody listens in this folder.
    let nowhere = format!(
        "postgresql:///pending?host={}&user=nobody",
        folder.display()
    );
    let mut empty = Side::new("start with an empty journal");
    let mut filled = Side::new("start with a million");
    let mut idle = Side::new("idle");
    let mut taken = Side::new("after a million requests");
    for _ in 0..bench.rounds {
        let own = folder.join("own");
        empty.turns.push(start(bench, &nowhere, &own)?.1);
        fs::remove_dir_all(&own)?;
        filled.turns.push(start(bench, &nowhere, &journal)?.1);
    }
    // Once is enough for what takes so long and does not depend on noise.
    let own = folder.join("own");
    let (service, _) = start(bench, &nowhere, &own)?;
    idle.turns.push(vec![service.resident_mib()?]);
    load::run(service.address, "/echo", CONNECTIONS, Until::Asked(RECORDS))?;
    taken.turns.push(vec![service.resident_mib()?]);
    drop(service);
    fs::remove_dir_all(own)?;

    // Every service that has found them was killed, and what it had answered waits too.
    let waiting = RECORDS + u64::from(bench.rounds) * WARM_UP;
    let delivered = deliver(bench, &journal, waiting)?;
    fs::remove_dir_all(folder)?;

    let mut table = Table::new(
        "A million records that wait, found at the start",
        format!(
            "The service is started while PostgreSQL does not answer, on a journal without records and on one with a \
             million of {record_bytes} bytes. It is ready when it listens; its memory is that after {WARM_UP} requests, \
             and then it is killed. Once PostgreSQL answered again, all {waiting} records of the filled journal were \
             there, once each, after {delivered:.1} s."
        ),
        START_FIGURES,
        vec![empty, filled],
    );
    let seconds = table.difference(1, 0);
    table.promise(
        1,
        "a million records that wait: time that they add to a start",
        "s",
        seconds,
        Target::AtMost(1.0),
    );
    let mib = table.difference(1, 1);
    table.promise(
        1,
        "a million records that wait, found at the start: memory",
        "MiB",
        mib,
        Target::AtMost(64.0),
    );
    report.tables.push(table);

    let mut table = Table::new(
        "A million records that wait, taken by the service",
        format!(
            "The same service is sent {RECORDS} requests over {CONNECTIONS} connections; *idle* is after {WARM_UP}."
        ),
        MEMORY_FIGURES,
        vec![idle, taken],
    );
    let mib = table.difference(1, 0);
    table.promise(
        1,
        "a million records that wait, taken by the service: memory",
        "MiB",
        mib,
        Target::AtMost(64.0),
    );
    report.tables.push(table);
    Ok(())
}

/// Leaves a journal with a million records, as a service does whose PostgreSQL is away, and
/// returns the size of one.
fn fill(folder: &Path) -> Result<usize> {
    let journal = Journal::open(folder)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut record_bytes = 0;
    for number in 0..RECORDS {
        let record = sample::record(number.try_into()?, sample::PAYLOAD)?.canonical_bytes()?;
        record_bytes = record.len();
        let is_kept = runtime.block_on(journal.append(record, Durability::Memory));
        let is_flushed = (number + 1) % UNFLUSHED != 0 && number + 1 < RECORDS || journal.flush();
        if !is_kept || !is_flushed {
            return Err("the journal does not keep a million records".into());
        }
    }
    Ok(record_bytes)
}

/// Starts the service; how long it took to listen, and the memory that it holds once it has
/// answered a few requests.
fn start(bench: &Bench, url: &str, journal: &Path) -> Result<(Process, Vec<f64>)> {
    let began = Instant::now();
    let service = Process::start(&mut CONTENDER.command(bench, url, journal)?)?;
    let seconds = began.elapsed().as_secs_f64();
    load::run(service.address, "/echo", CONNECTIONS, Until::Asked(WARM_UP))?;
    let mib = service.resident_mib()?;
    Ok((service, vec![seconds, mib]))
}

/// Starts the service on a PostgreSQL that answers, and returns after how many seconds
/// every record was there.
fn deliver(bench: &Bench, journal: &Path, waiting: u64) -> Result<f64> {
    let url = bench.database(DATABASE)?;
    let began = Instant::now();
    Process::start(&mut CONTENDER.command(bench, &url, journal)?)?.stop()?;
    let seconds = began.elapsed().as_secs_f64();
    let mut connection = PgConnection::establish(&url)?;
    let records = CONTENDER.records().unwrap_or_default();
    let stored = turn::count(&mut connection, records)?;
    drop(connection);
    bench.drop_database(DATABASE)?;
    if stored != waiting {
        return Err(format!("of {waiting} records that waited, {stored} are stored").into());
    }
    Ok(seconds)
}
