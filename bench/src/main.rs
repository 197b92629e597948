//! `cargo xtask bench` runs this.
//!
//! Every comparison takes turns (A B C A B C …) within one run, so that what the
//! machine does meanwhile meets all sides alike. Figures are medians over the
//! rounds; ratios are what counts.

mod comparisons;
mod conditions;
mod contender;
mod count;
mod load;
mod proc;
mod process;
mod profile;
mod query;
mod report;
mod serve;
mod statistics;
mod turn;

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use bench::{Error, Result};
use clap::{Parser, Subcommand, ValueEnum as _};
use diesel::connection::SimpleConnection as _;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use private_postgres::{Binaries, Durability, PrivatePostgres, Settings};
use tempfile::TempDir;

use comparisons::Comparison;
use report::{Frame, Report};

/// The folder of the charts, beside the report.
const IMAGES: &str = "images/benchmarks";
/// What is written by hand, beside the report.
const NOTES: &str = "benchmarks-notes.md";

/// Measures what the audit trail costs, side by side with doing without.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    instead: Option<Instead>,
    /// How often each side takes its turn
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// How long a turn of a service lasts
    #[arg(long, default_value_t = 3, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Only these comparisons; may repeat
    #[arg(long, value_name = "NAME")]
    only: Vec<Comparison>,
    /// No tables that hold more rows than this when they are written to
    #[arg(long, default_value_t = 50_000_000, value_name = "NUMBER")]
    rows: u64,
    /// Write benchmarks.md, benchmarks.tsv and the charts to this folder; else the report
    /// to the standard output
    #[arg(long, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// Where the Python of the service is that is compared with
    #[arg(
        long,
        env = "BENCH_PYTHON",
        default_value = ".cache/reference-python/bin",
        value_name = "FOLDER"
    )]
    python: PathBuf,
    /// Where criterion keeps what it has measured
    #[arg(long, default_value = "target/criterion", value_name = "FOLDER")]
    criterion: PathBuf,
    /// Where PostgreSQL's programs may be
    #[arg(
        long,
        env = "PRIVATE_POSTGRES_CACHE",
        default_value = ".cache/postgres",
        global = true
    )]
    postgres_cache: PathBuf,
}

#[derive(Subcommand)]
enum Instead {
    /// Measures how fast the trail is read when it is large
    Query(query::Arguments),
    /// Shows where the processors' time goes while requests are audited
    Profile(profile::Arguments),
    #[command(hide = true)]
    Serve(serve::Arguments),
    #[command(hide = true)]
    Count(count::Arguments),
}

/// What all comparisons need.
struct Bench {
    rounds: u32,
    turn: Duration,
    rows: u64,
    python: PathBuf,
    criterion: PathBuf,
    /// The folder that this program was built from.
    sources: PathBuf,
    binaries: Binaries,
    postgres: PrivatePostgres,
    // Dropped last: the server writes to it until it has stopped.
    folder: TempDir,
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("bench: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result {
    let binaries = || Binaries::find_or_install(&cli.postgres_cache, &mut |step| say(step));
    match &cli.instead {
        Some(Instead::Query(arguments)) => query::run(arguments, &binaries()?),
        Some(Instead::Profile(arguments)) => {
            profile::run(&Bench::start(cli, binaries()?)?, arguments)
        }
        Some(Instead::Serve(arguments)) => serve::run(arguments),
        Some(Instead::Count(arguments)) => count::run(arguments),
        None => compare(cli, binaries()?),
    }
}

fn compare(cli: &Cli, binaries: Binaries) -> Result {
    let bench = Bench::start(cli, binaries)?;
    let mut conditions = conditions::of(&mut PgConnection::establish(
        &bench.postgres.database_url("postgres"),
    )?)?;
    conditions.extend(conditions::of_costs(&bench)?);
    let load_before = conditions::load_average();
    let mut report = Report::default();
    let wanted = Comparison::value_variants()
        .iter()
        .filter(|comparison| cli.only.is_empty() || cli.only.contains(comparison));
    // What one comparison fails at does not take along what the others have measured.
    let failures: Vec<String> = wanted
        .filter_map(|comparison| comparison.compare(&bench, &mut report).err())
        .map(|error| error.to_string())
        .collect();
    for failure in &failures {
        say(failure);
    }
    conditions.push((
        "load average",
        format!(
            "{load_before} at the beginning, {} at the end",
            conditions::load_average()
        ),
    ));
    write(cli.output.as_deref(), &report, &conditions)?;
    if failures.is_empty() {
        Ok(())
    } else {
        Err("some comparisons have failed, and are missing in the report".into())
    }
}

fn write(folder: Option<&Path>, report: &Report, conditions: &[(&'static str, String)]) -> Result {
    let notes = folder.and_then(|folder| fs::read_to_string(folder.join(NOTES)).ok());
    let text = report::markdown(
        report,
        &Frame {
            conditions,
            notes: notes.as_deref(),
            images: IMAGES,
        },
    );
    let Some(folder) = folder else {
        return print(&text);
    };
    let images = folder.join(IMAGES);
    fs::create_dir_all(&images)?;
    for chart in report.charts() {
        fs::write(images.join(chart.name).with_extension("svg"), chart.svg())?;
    }
    fs::write(folder.join("benchmarks.tsv"), report.raw())?;
    Ok(fs::write(folder.join("benchmarks.md"), text)?)
}

impl Bench {
    fn start(cli: &Cli, binaries: Binaries) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("bench-").tempdir()?;
        Ok(Self {
            rounds: cli.rounds,
            turn: Duration::from_secs(cli.seconds),
            rows: cli.rows,
            python: std::path::absolute(&cli.python)?,
            criterion: cli.criterion.clone(),
            sources: PathBuf::from(env!("CARGO_MANIFEST_DIR")),
            postgres: PrivatePostgres::start(
                &binaries,
                Settings {
                    data_dir: folder.path().join("postgres"),
                    durability: Durability::Full,
                    max_connections: 200,
                },
            )?,
            binaries,
            folder,
        })
    }

    /// An empty database with the tables of the audit trail.
    fn database(&self, name: &str) -> Result<String> {
        self.postgres.ensure_database(name)?;
        let url = self.postgres.database_url(name);
        audit::migrate(&url, None)?;
        Ok(url)
    }

    /// Gives the disk back, and leaves nothing to write to whoever comes next.
    fn drop_database(&self, name: &str) -> Result {
        let url = self.postgres.database_url("postgres");
        let statement = format!("DROP DATABASE {name} WITH (FORCE)");
        Ok(PgConnection::establish(&url)?.batch_execute(&statement)?)
    }

    /// Processor time that all of PostgreSQL has used so far.
    fn postgres_cpu_seconds(&self) -> Result<f64> {
        let file = self.postgres.data_dir().join("cluster/postmaster.pid");
        let text = fs::read_to_string(file)?;
        let pid = text.lines().next().unwrap_or_default().trim().parse()?;
        proc::cpu_seconds(pid)
    }
}

fn print(text: &str) -> Result {
    Ok(writeln!(io::stdout(), "{text}")?)
}

fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
