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
    match subject {
        Subject::Query => {
            bench.arg("query");
        }
        Subject::Cost => {
            if is_whole {
                measure_pieces()?;
            }
            bench.env("BENCH_PYTHON", REFERENCE.ensure()?);
        }
    }
    run(bench
        .args(is_whole.then_some("--output=docs"))
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
    prepare_valgrind()
}

/// Installs what counts instructions, where that is possible; the benchmarks say if it is
/// missing.
fn prepare_valgrind() -> Result {
    if !succeeds(program("valgrind").arg("--version")) && apt::is_usable() {
        say("installing Valgrind, which counts instructions");
        apt::install(&["valgrind"])?;
    }
    Ok(())
}
