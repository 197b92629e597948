//! `cargo xtask faults` runs this.

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Duration;

use clap::Parser;
use faults::{Length, Options, Report, Result, Run, SCENARIOS, World, document};
use private_postgres::Binaries;

/// Breaks items-api and its PostgreSQL in every way we know, and counts what is lost.
#[derive(Parser)]
struct Cli {
    /// The items-api to break
    #[arg(long, value_name = "FILE", default_value = "target/debug/items-api")]
    binary: PathBuf,
    /// The same, compiled with its fault points (feature `fault-injection`)
    #[arg(long, value_name = "FILE")]
    faulty_binary: Option<PathBuf>,
    /// Run only this scenario; may be given several times
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Take seconds instead of minutes
    #[arg(long)]
    short: bool,
    /// Run everything a second time, on the newest PostgreSQL that can be fetched
    #[arg(long)]
    newest_postgres: bool,
    /// Seconds that records may take to arrive once everything is repaired
    #[arg(long, value_name = "S", default_value_t = 90)]
    patience: u64,
    /// Number of orders of `year-of-kills`
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    orders: u32,
    /// Seed of `year-of-kills`; by default another one each time
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Say what there is and exit
    #[arg(long)]
    list: bool,
    /// Write the table to this file
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Where PostgreSQL's programs may be
    #[arg(
        long,
        env = "PRIVATE_POSTGRES_CACHE",
        default_value = ".cache/postgres"
    )]
    postgres_cache: PathBuf,
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("faults: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<bool> {
    if cli.list {
        for scenario in SCENARIOS {
            say(&format!("{:26} {}", scenario.name, scenario.about));
        }
        return Ok(true);
    }
    if let Some(unknown) = cli
        .only
        .iter()
        .find(|name| !SCENARIOS.iter().any(|scenario| scenario.name == **name))
    {
        return Err(format!("there is no scenario {unknown}; --list tells all").into());
    }
    let mut progress = |step: &str| say(step);
    let mut servers = vec![Binaries::find_or_install(
        &cli.postgres_cache,
        &mut progress,
    )?];
    if cli.newest_postgres {
        servers.push(Binaries::newest(&cli.postgres_cache, &mut progress)?);
    }
    let mut runs = Vec::new();
    for binaries in &servers {
        runs.push(run_on(cli, binaries)?);
    }
    let text = document(&conditions(cli), &runs);
    match &cli.output {
        Some(path) => fs::write(path, text)?,
        None => writeln!(io::stdout(), "{text}")?,
    }
    Ok(!runs
        .iter()
        .flat_map(|run| &run.reports)
        .any(Report::has_failed))
}

/// Runs the scenarios that were asked for.
fn run_on(cli: &Cli, binaries: &Binaries) -> Result<Run> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let options = Options {
        patience: Duration::from_secs(cli.patience),
        orders: cli.orders,
        seed: cli.seed.unwrap_or(now.as_secs()),
    };
    let world = World::on(binaries, &cli.binary, cli.faulty_binary.as_deref(), options)?;
    let postgres = world.postgres_version()?;
    say(&postgres);
    let length = if cli.short {
        Length::Short
    } else {
        Length::Full
    };
    let mut reports = Vec::new();
    for scenario in SCENARIOS {
        let is_wanted = if cli.only.is_empty() {
            !scenario.is_on_request()
        } else {
            cli.only.iter().any(|name| name == scenario.name)
        };
        if is_wanted {
            say(&format!("{} …", scenario.name));
            let report = scenario.run(&world, length);
            say(&report.line());
            reports.push(report);
        }
    }
    Ok(Run { postgres, reports })
}

fn conditions(cli: &Cli) -> Vec<(&'static str, String)> {
    let uname = rustix::system::uname();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let is_release = cli
        .binary
        .components()
        .any(|part| part.as_os_str() == "release");
    vec![
        ("date", output("date", &["-u", "+%Y-%m-%d"])),
        (
            "commit",
            output("git", &["describe", "--always", "--dirty"]),
        ),
        (
            "machine",
            format!(
                "{} {}, {cores} cores shared by the service, PostgreSQL and the load",
                uname.sysname().to_string_lossy(),
                uname.release().to_string_lossy()
            ),
        ),
        (
            "build",
            if is_release { "release" } else { "debug" }.to_owned(),
        ),
        ("form", if cli.short { "short" } else { "full" }.to_owned()),
    ]
}

fn output(program: &str, arguments: &[&str]) -> String {
    Command::new(program).args(arguments).output().map_or_else(
        |_| "unknown".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}

fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
