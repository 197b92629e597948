//! `cargo xtask bench`: what the audit trail costs, and how fast it is read.

use std::ffi::OsString;

use clap::ValueEnum;

use crate::command::{cargo, program, run, say, succeeds};
use crate::python::Environment;
use crate::{Result, apt, libpq, postgres, root};

/// What the service in Python needs that is compared with.
const REFERENCE: Environment = Environment {
    name: "reference-python",
    requirements: "bench/reference/requirements.txt",
    what: "the service in Python that the benchmarks compare with",
};

/// What is measured.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Subject {
    /// What the audit trail costs; writes docs/benchmarks.md, the figures and the charts
    Cost,
    /// How fast ten million records are read; writes docs/benchmarks-query.md and docs/plans
    Query,
    /// Where the processors' time goes while requests are audited; writes docs/profiles
    Profile,
}

pub(crate) fn bench(subject: Subject, arguments: &[OsString]) -> Result {
    say("building with optimisations; the first time takes minutes");
    run(cargo()
        .args(["build", "--locked", "--release"])
        .args(["--package", "bench", "--package", "items-api"])
        .args(libpq::features()))?;
    postgres::programs()?;
    let mut bench = program(root().join("target/release/bench"));
    let is_whole = arguments.is_empty();
    let folder = match subject {
        Subject::Cost | Subject::Query => "docs",
        Subject::Profile => "docs/profiles",
    };
    match subject {
        Subject::Query => {
            bench.arg("query");
        }
        Subject::Profile => {
            ensure("perf", "linux-perf", "samples the processors")?;
            bench.arg("profile");
        }
        Subject::Cost => {
            if is_whole {
                measure_pieces()?;
            }
            bench.env("BENCH_PYTHON", REFERENCE.ensure()?);
        }
    }
    run(bench
        .args(is_whole.then(|| format!("--output={folder}")))
        .args(arguments)
        .env("PRIVATE_POSTGRES_CACHE", postgres::program_cache()))
}

/// Has criterion time the parts of the path of a request, and sees to it that their
/// instructions can be counted.
fn measure_pieces() -> Result {
    run(cargo()
        .args([
            "bench",
            "--locked",
            "--package",
            "bench",
            "--bench",
            "pieces",
        ])
        .args(libpq::features()))?;
    ensure("valgrind", "valgrind", "counts instructions")
}

/// Installs a program, where that is possible; the benchmarks say if it is missing.
fn ensure(name: &str, package: &str, what_it_does: &str) -> Result {
    if !succeeds(program(name).arg("--version")) && apt::is_usable() {
        say(&format!("installing {name}, which {what_it_does}"));
        apt::install(&[package])?;
    }
    Ok(())
}
