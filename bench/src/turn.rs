//! One turn of a service: it is started, warmed up, kept busy, stopped in order, and held
//! against what it has stored.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use diesel::connection::SimpleConnection as _;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Timestamptz};

use crate::contender::Contender;
use crate::load::{self, Until};
use crate::process::Process;
use crate::report::Figure;
use crate::statistics::quantile;
use crate::{Bench, Result, proc};

/// What a turn tells, in this order.
pub(crate) const FIGURES: &[Figure] = &[
    Figure::new("requests/s", 0),
    Figure::new("p99 ms", 1),
    Figure::cpu("service"),
    Figure::cpu("PostgreSQL"),
    Figure::cpu("load"),
    Figure::new("MiB", 0),
    Figure::new("behind", 0),
    Figure::new("drain s", 1),
];
/// Places in it.
pub(crate) const P99: usize = 1;
pub(crate) const SERVICE_CPU: usize = 2;

/// What a reader has to know of them.
pub(crate) const ABOUT: &str = "*CPU* is µs for each request, drain included: what the service, PostgreSQL \
    and the load have used. *MiB* is the memory of the service in the end, *behind* how many records were \
    not in PostgreSQL when the load ended, and *drain* how long the service took to end with all of them there.";

/// How long what was answered in the warm-up may take to be stored.
const PATIENCE: Duration = Duration::from_secs(60);

/// Takes a turn with a database and a journal of its own: nobody works on what another has
/// filled.
pub(crate) fn take(
    bench: &Bench,
    contender: Contender,
    path: &str,
    connections: usize,
) -> Result<Vec<f64>> {
    const DATABASE: &str = "turn";
    let url = bench.database(DATABASE)?;
    let mut connection = PgConnection::establish(&url)?;
    connection.batch_execute(include_str!("schema.sql"))?;
    let journal = bench.folder.path().join("turn");

    let service = Process::start(&mut contender.command(bench, &url, &journal)?)?;
    let warm_up = load::run(
        service.address,
        path,
        connections,
        Until::Elapsed(bench.turn / 4),
    )?;
    wait_until_stored(&mut connection, contender, warm_up.answered)?;

    let cpu_before = service.cpu_seconds()?;
    let postgres_before = bench.postgres_cpu_seconds()?;
    let load_before = proc::own_cpu_seconds()?;
    let load = load::run(
        service.address,
        path,
        connections,
        Until::Elapsed(bench.turn),
    )?;
    let ended_at = Utc::now();
    let load_cpu = proc::own_cpu_seconds()? - load_before;
    let resident_mib = service.resident_mib()?;
    let drain_began = Instant::now();
    let cpu = service.stop()? - cpu_before;
    let drain = drain_began.elapsed();
    let postgres_cpu = bench.postgres_cpu_seconds()? - postgres_before;

    let answered = load.answered + warm_up.answered;
    let mut behind = 0;
    if let Some(records) = contender.records() {
        expect_all(&mut connection, records, answered)?;
        behind = count_since(&mut connection, records, ended_at)?;
    }
    if path == "/items/" {
        expect_all(&mut connection, "bench_items", answered)?;
    }
    drop(connection);
    if journal.exists() {
        fs::remove_dir_all(&journal)?;
    }
    bench.drop_database(DATABASE)?;

    let us_each = |seconds: f64| seconds * 1e6 / load.answered as f64;
    Ok(vec![
        load.per_second(),
        quantile(&load.latencies_us, 0.99) / 1_000.0,
        us_each(cpu),
        us_each(postgres_cpu),
        us_each(load_cpu),
        resident_mib,
        behind as f64,
        drain.as_secs_f64(),
    ])
}

/// What the warm-up has left to do is not to be done in the time that is measured.
fn wait_until_stored(connection: &mut PgConnection, contender: Contender, answered: u64) -> Result {
    let Some(records) = contender.records() else {
        return Ok(());
    };
    let began = Instant::now();
    while count(connection, records)? < answered {
        if began.elapsed() > PATIENCE {
            return Err("the records of the warm-up do not reach PostgreSQL".into());
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Every answer has left what it says, once, or the figures are worth nothing. Nobody is
/// cut off: clients wait for their last answer.
fn expect_all(connection: &mut PgConnection, table: &str, answered: u64) -> Result {
    let stored = count(connection, table)?;
    if stored == answered {
        return Ok(());
    }
    Err(format!("{answered} requests were answered, but of {table} there are {stored}").into())
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// How many rows there are.
pub(crate) fn count(connection: &mut PgConnection, table: &str) -> Result<u64> {
    let Count { count } = diesel::sql_query(format!("SELECT count(*) AS count FROM {table}"))
        .get_result(connection)?;
    Ok(count.try_into()?)
}

fn count_since(connection: &mut PgConnection, table: &str, since: DateTime<Utc>) -> Result<u64> {
    let Count { count } = diesel::sql_query(format!(
        "SELECT count(*) AS count FROM {table} AND recorded_at > $1"
    ))
    .bind::<Timestamptz, _>(since)
    .get_result(connection)?;
    Ok(count.try_into()?)
}
