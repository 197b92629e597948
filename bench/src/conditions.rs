//! Under which conditions it was measured.

use std::fs;
use std::io::Write as _;
use std::process::Command;
use std::time::Instant;

use diesel::pg::PgConnection;
use diesel::prelude::*;

use crate::statistics::median;
use crate::{Bench, Result};

/// Syncs of which the median is told.
const SYNCS: usize = 200;
/// What the comparisons with the service in Python depend on.
const PACKAGES: [&str; 4] = ["fastapi", "uvicorn", "SQLAlchemy", "asyncpg"];

/// What a reader has to know before he compares, each with its name.
pub(crate) fn of(connection: &mut PgConnection) -> Result<Vec<(&'static str, String)>> {
    let uname = rustix::system::uname();
    let version: String = diesel::select(diesel::dsl::sql::<diesel::sql_types::Text>("version()"))
        .get_result(connection)?;
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("unknown", |name| name.trim_start_matches([' ', '\t', ':']));
    Ok(vec![
        ("date", output("date", &["-u", "+%Y-%m-%d"])),
        (
            "commit",
            output("git", &["describe", "--always", "--dirty"]),
        ),
        (
            "machine",
            format!(
                "{cpu}, {} cores, {} {}",
                std::thread::available_parallelism().map_or(0, usize::from),
                uname.sysname().to_string_lossy(),
                uname.release().to_string_lossy()
            ),
        ),
        ("compiler", output("rustc", &["--version"])),
        ("PostgreSQL", version),
    ])
}

/// And what he has to know of these comparisons besides.
pub(crate) fn of_costs(bench: &Bench) -> Result<Vec<(&'static str, String)>> {
    Ok(vec![
        (
            "PostgreSQL's settings",
            "fsync on, on a unix socket, its defaults otherwise".to_owned(),
        ),
        ("reference", reference(bench)?),
        (
            "disk",
            format!(
                "{:.0} µs for a write and fdatasync of 4 KiB",
                sync_us(bench)?
            ),
        ),
        (
            "command",
            format!(
                "`cargo xtask bench`; {} rounds, turns of {} s",
                bench.rounds,
                bench.turn.as_secs()
            ),
        ),
    ])
}

/// The versions of the service in Python.
fn reference(bench: &Bench) -> Result<String> {
    let requirements = fs::read_to_string(bench.sources.join("reference/requirements.txt"))?;
    let python = bench.python.join("python").display().to_string();
    let versions: Vec<String> = requirements
        .lines()
        .filter_map(|line| line.split_once("=="))
        .filter(|(package, _)| PACKAGES.contains(package))
        .map(|(package, version)| format!("{package} {version}"))
        .collect();
    Ok(format!(
        "{}, {}",
        output(&python, &["--version"]),
        versions.join(", ")
    ))
}

/// The median time of a write and its sync, in microseconds.
fn sync_us(bench: &Bench) -> Result<f64> {
    let mut file = tempfile::tempfile_in(bench.folder.path())?;
    let block = [b'x'; 4096];
    let mut times = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let began = Instant::now();
        file.write_all(&block)?;
        file.sync_data()?;
        times.push(began.elapsed().as_secs_f64() * 1e6);
    }
    Ok(median(&times))
}

/// How many processes wanted to run, on average over the last minute.
pub(crate) fn load_average() -> String {
    fs::read_to_string("/proc/loadavg")
        .ok()
        .and_then(|averages| averages.split_whitespace().next().map(str::to_owned))
        .unwrap_or_else(|| "unknown".to_owned())
}

fn output(program: &str, arguments: &[&str]) -> String {
    Command::new(program).args(arguments).output().map_or_else(
        |_| "unknown".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}
