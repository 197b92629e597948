//! The project's own commands, the same on a laptop and in CI.
//!
//! They link nothing that needs a C library, so they start on a machine that has
//! only a Rust toolchain, and set up the rest.

mod apt;
mod axe;
mod bench;
mod chromium;
mod ci;
mod client;
mod command;
mod contract;
mod faults;
mod fuzz;
mod generate;
mod libpq;
mod postgres;
mod python;
mod run;
mod security;
mod test;
mod tools;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// What went wrong, in a sentence that names the fix.
type Error = Box<dyn std::error::Error>;
type Result<T = ()> = std::result::Result<T, Error>;

/// The project's own commands. Each sets up what it needs and is missing.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build and serve items-api, with a private PostgreSQL unless DATABASE_URL is set
    Run {
        /// Build with optimisations
        #[arg(long)]
        release: bool,
        /// Arguments of items-api, for example `-- --bind 127.0.0.1:9000`
        #[arg(last = true)]
        arguments: Vec<OsString>,
    },
    /// Run all tests, against a throwaway PostgreSQL unless TEST_DATABASE_URL is set
    Test {
        /// Arguments of `cargo test`, for example `-- --package audit`
        #[arg(last = true)]
        arguments: Vec<OsString>,
    },
    /// Break the service and its PostgreSQL in every way we know; writes docs/faults.md
    Faults {
        /// Arguments of the command itself, for example `-- --only disk-full` or `-- --list`
        #[arg(last = true)]
        arguments: Vec<OsString>,
    },
    /// Measure what the audit trail costs, or how fast it is read
    Bench {
        /// What is measured
        #[arg(value_enum, default_value_t = bench::Subject::Cost)]
        subject: bench::Subject,
        /// Arguments of the benchmarks themselves, for example `-- --rounds 1 --seconds 1`,
        /// or `query -- --records 200000`
        #[arg(last = true)]
        arguments: Vec<OsString>,
    },
    /// Hold the service against its OpenAPI document: with a client that is generated from
    /// it, and with made-up requests, as nobody and in every role; needs Python
    Contract {
        /// Arguments of `schemathesis run`, for example `-- --max-examples 500`
        #[arg(last = true)]
        arguments: Vec<OsString>,
    },
    /// Look for inputs that break what the library promises; needs a C++ compiler
    ///
    /// Builds the targets of fuzz/ with instruments and lets libFuzzer make up inputs, from
    /// the seeds in fuzz/seeds and from what earlier runs have kept in .cache/fuzz. What
    /// breaks a promise is kept in fuzz/findings, and the command fails.
    Fuzz {
        /// Which targets; without one, all of them, one after the other
        targets: Vec<String>,
        /// How long each of them runs
        #[arg(long, default_value_t = 60)]
        seconds: u64,
        /// Make nothing up: lint the targets, and try them with the seeds alone
        #[arg(long, conflicts_with_all = ["targets", "seconds"])]
        check: bool,
    },
    /// Everything that must hold before a change is merged
    Ci,
    /// Take the pictures of the viewer in docs/images anew
    Screenshots,
    /// Write docs/openapi.json and the Diesel schemas anew
    Generate,
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Run { release, arguments } => run::run(release, &arguments),
        Command::Test { arguments } => test::test(&arguments),
        Command::Faults { arguments } => faults::faults(&arguments),
        Command::Bench { subject, arguments } => bench::bench(subject, &arguments),
        Command::Contract { arguments } => contract::contract(&arguments),
        Command::Fuzz { check: true, .. } => fuzz::check(),
        Command::Fuzz {
            targets, seconds, ..
        } => fuzz::fuzz(&targets, seconds),
        Command::Ci => ci::ci(),
        Command::Screenshots => test::screenshots(),
        Command::Generate => generate::generate(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            command::say(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// The folder of the workspace.
fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_owned()
}

/// Where tools and programs that were fetched are kept.
fn cache() -> PathBuf {
    root().join(".cache")
}
