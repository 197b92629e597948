//! `cargo xtask bench` runs this.
//!
//! Every comparison takes turns (A B C A B C …) within one run, so that what the
//! machine does meanwhile meets all sides alike. Figures are medians over the
//! rounds; ratios are what counts.

mod app;
mod conditions;
mod handlers;
mod journal;
mod load;
mod query;
mod redaction;
mod report;
mod statistics;
mod writer;

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use private_postgres::{Binaries, Durability, PrivatePostgres, Settings};
use tempfile::TempDir;

use report::Report;

type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T = ()> = std::result::Result<T, Error>;

/// Measures what the audit trail costs, side by side with doing without.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    instead: Option<Instead>,
    /// How often each side takes its turn
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// How long a turn of the handlers lasts
    #[arg(long, default_value_t = 4, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Only this comparison
    #[arg(long, value_name = "NAME")]
    only: Option<Comparison>,
    /// Write the tables to this file
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write every single figure to this file, separated by tabs
    #[arg(long, value_name = "FILE")]
    raw: Option<PathBuf>,
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
}

/// What is compared.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Comparison {
    Redaction,
    Journal,
    Writer,
    Handlers,
}

type Compare = fn(&Bench, &mut Report) -> Result;

const COMPARISONS: &[(Comparison, Compare)] = &[
    (Comparison::Redaction, redaction::compare),
    (Comparison::Journal, journal::compare),
    (Comparison::Writer, writer::compare),
    (Comparison::Handlers, handlers::compare),
];

/// What all comparisons need.
struct Bench {
    rounds: u32,
    turn: Duration,
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
    let binaries = Binaries::find_or_install(&cli.postgres_cache, &mut |step| say(step))?;
    if let Some(Instead::Query(arguments)) = &cli.instead {
        return query::run(arguments, &binaries);
    }
    let folder = tempfile::Builder::new().prefix("bench-").tempdir()?;
    let bench = Bench {
        rounds: cli.rounds,
        turn: Duration::from_secs(cli.seconds),
        postgres: PrivatePostgres::start(
            &binaries,
            Settings {
                data_dir: folder.path().join("postgres"),
                durability: Durability::Full,
                max_connections: 200,
            },
        )?,
        folder,
    };
    let mut report = Report::new(&bench)?;
    for (comparison, compare) in COMPARISONS {
        if cli.only.is_none_or(|only| only == *comparison) {
            compare(&bench, &mut report)?;
        }
    }
    match &cli.output {
        Some(path) => fs::write(path, report.markdown())?,
        None => print(report.markdown())?,
    }
    if let Some(path) = &cli.raw {
        fs::write(path, report.raw())?;
    }
    Ok(())
}

impl Bench {
    /// An empty database with the tables of the audit trail.
    fn database(&self, name: &str) -> Result<String> {
        self.postgres.ensure_database(name)?;
        let url = self.postgres.database_url(name);
        audit::migrate(&url, None)?;
        Ok(url)
    }
}

fn print(text: &str) -> Result {
    Ok(writeln!(io::stdout(), "{text}")?)
}

fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
