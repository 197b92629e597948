//! `cargo xtask faults` runs this.

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use clap::Parser;
use faults::{Length, Report, Result, SCENARIOS, World, document};

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
    let world = World::start(
        &cli.binary,
        cli.faulty_binary.as_deref(),
        &cli.postgres_cache,
    )?;
    let length = if cli.short {
        Length::Short
    } else {
        Length::Full
    };
    let mut reports = Vec::<Report>::new();
    for scenario in SCENARIOS {
        if !cli.only.is_empty() && !cli.only.iter().any(|name| name == scenario.name) {
            continue;
        }
        say(&format!("{} …", scenario.name));
        let report = scenario.run(&world, length);
        say(&report.line());
        reports.push(report);
    }
    let text = document(&conditions(cli, &world)?, &reports);
    match &cli.output {
        Some(path) => fs::write(path, text)?,
        None => writeln!(io::stdout(), "{text}")?,
    }
    Ok(!reports.iter().any(Report::has_failed))
}

fn conditions(cli: &Cli, world: &World) -> Result<Vec<(&'static str, String)>> {
    let uname = rustix::system::uname();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let is_release = cli
        .binary
        .components()
        .any(|part| part.as_os_str() == "release");
    Ok(vec![
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
            "PostgreSQL",
            format!("{}, fsync on", world.postgres_version()?),
        ),
        (
            "build",
            if is_release { "release" } else { "debug" }.to_owned(),
        ),
        ("form", if cli.short { "short" } else { "full" }.to_owned()),
    ])
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
