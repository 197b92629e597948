//! How fast records are written into a table that holds many already.

mod rows;

use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use bench::sample;
use diesel::connection::SimpleConnection as _;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use private_postgres::{Durability, PrivatePostgres, Settings};

use super::writer;
use crate::report::{Figure, Report, Side, Table, Target};
use crate::{Bench, Result, say};

/// Records of one turn.
const RECORDS: usize = 150_000;
/// Databases that are filled at the same time.
const SESSIONS: usize = 2;
/// What they leave of the disk.
const DISK_BYTES_LEFT: u64 = 8_000_000_000;
/// The least share of the empty table's rate that is promised of the others.
const SHARE: f64 = 0.90;
const FIGURES: &[Figure] = &[Figure::new("records/s", 0)];

/// A table that holds rows already.
struct Trail {
    name: &'static str,
    database: &'static str,
    rows: u64,
    age: Age,
}

/// How old the oldest row is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Age {
    Months,
    AYear,
}

const TRAILS: [Trail; 5] = [
    trail("empty", "growth_0", 0, Age::AYear),
    trail("1 million", "growth_1", 1_000_000, Age::AYear),
    trail("10 million", "growth_10", 10_000_000, Age::AYear),
    trail("50 million", "growth_50", 50_000_000, Age::AYear),
    trail(
        "10 million this month",
        "growth_month",
        10_000_000,
        Age::Months,
    ),
];

const fn trail(name: &'static str, database: &'static str, rows: u64, age: Age) -> Trail {
    Trail {
        name,
        database,
        rows,
        age,
    }
}

pub(crate) fn compare(bench: &Bench, report: &mut Report) -> Result {
    say("growth");
    let (trails, left_out) = those_that_fit(bench)?;
    let folder = bench.folder.path().join("growth");
    let start = |durability| {
        PrivatePostgres::start(
            &bench.binaries,
            Settings {
                data_dir: folder.clone(),
                durability,
                max_connections: 50,
            },
        )
    };
    // Nothing has to survive while rows are made up. What is measured is measured with
    // fsync, as everywhere.
    let postgres = start(Durability::Throwaway)?;
    let began = Instant::now();
    fill_all(&postgres, &trails)?;
    let minutes = began.elapsed().as_secs_f64() / 60.0;
    postgres.stop()?;
    rustix::fs::sync();
    let postgres = start(Durability::Full)?;

    let mut sides: Vec<Side> = trails.iter().map(|trail| Side::new(trail.name)).collect();
    for _ in 0..bench.rounds {
        for (trail, side) in trails.iter().zip(&mut sides) {
            let url = postgres.database_url(trail.database);
            if trail.rows == 0 {
                make_empty(&postgres, trail)?;
            }
            // So that no turn pays for the checkpoint of another.
            PgConnection::establish(&url)?.batch_execute("CHECKPOINT")?;
            let records = sample::records(RECORDS, sample::PAYLOAD)?;
            side.turns.push(vec![writer::write(&url, &records, 1)?]);
        }
    }
    postgres.stop()?;
    std::fs::remove_dir_all(&folder)?;

    let about = format!(
        "{RECORDS} records a turn over one connection, after a checkpoint, into tables that hold rows already: spread evenly over the year \
         until now, in monthly partitions, or all in the current month. All rows that this month holds have what \
         measured ones have but the payload; older ones are slim, with what every row must have, and an entry in each \
         index that takes all rows. They were made up in {minutes:.1} minutes.{left_out}"
    );
    let mut table = Table::new("Ingest by rows", about, FIGURES, sides);
    for trail in trails.iter().skip(1) {
        let what = format!(
            "records/s into a table that holds {}: those into an empty one",
            trail.name
        );
        table.promise_ratio(trail.name, 0, &what, Target::AtLeast(SHARE));
    }
    table.draw("ingest-by-rows", "Ingest by rows that are there already", 0);
    report.tables.push(table);
    Ok(())
}

/// Those that are asked for and fit on the disk, and a sentence about those that do not.
fn those_that_fit(bench: &Bench) -> Result<(Vec<&'static Trail>, String)> {
    let disk = rustix::fs::statvfs(bench.folder.path())?;
    let free = disk.f_bavail * disk.f_frsize;
    let mut budget = free.saturating_sub(DISK_BYTES_LEFT);
    let mut left_out = String::new();
    let mut trails = Vec::new();
    for trail in TRAILS.iter().filter(|trail| trail.rows <= bench.rows) {
        let bytes = rows::bytes(trail);
        if bytes <= budget {
            budget -= bytes;
            trails.push(trail);
        } else {
            left_out = format!(
                "{left_out} {} rows were left out, because the disk has no room for them.",
                trail.name
            );
        }
    }
    Ok((trails, left_out))
}

/// Takes away what earlier turns have written; records themselves cannot be deleted.
fn make_empty(postgres: &PrivatePostgres, trail: &Trail) -> Result {
    let statement = format!("DROP DATABASE {} WITH (FORCE)", trail.database);
    PgConnection::establish(&postgres.database_url("postgres"))?.batch_execute(&statement)?;
    postgres.ensure_database(trail.database)?;
    Ok(audit::migrate(
        &postgres.database_url(trail.database),
        None,
    )?)
}

/// Fills the largest first, so that the sessions end at about the same time.
fn fill_all(postgres: &PrivatePostgres, trails: &[&Trail]) -> Result {
    let mut waiting = trails.to_vec();
    waiting.sort_by_key(|trail| rows::bytes(trail));
    let waiting = Mutex::new(waiting);
    let next = || waiting.lock().ok().and_then(|mut waiting| waiting.pop());
    thread::scope(|scope| {
        let sessions: Vec<_> = (0..SESSIONS)
            .map(|_| {
                scope.spawn(|| {
                    while let Some(trail) = next() {
                        postgres.ensure_database(trail.database)?;
                        let url = postgres.database_url(trail.database);
                        audit::migrate(&url, None)?;
                        rows::fill(&url, trail)?;
                    }
                    Ok(())
                })
            })
            .collect();
        sessions
            .into_iter()
            .try_for_each(|session| session.join().map_err(|_| "a session has panicked")?)
    })
}
