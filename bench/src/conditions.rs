//! Under which conditions it was measured.

use std::fs;
use std::process::Command;

use diesel::RunQueryDsl as _;
use diesel::pg::PgConnection;

use crate::Result;

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
