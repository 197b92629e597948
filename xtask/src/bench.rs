//! `cargo xtask bench`: what the audit trail costs, and how fast it is read.

use std::ffi::OsString;

use clap::ValueEnum;

use crate::command::{cargo, program, run, say};
use crate::{Result, libpq, postgres, root};

/// What is measured.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Subject {
    /// What the audit trail costs; writes docs/benchmarks.md and .tsv
    Cost,
    /// How fast ten million records are read; writes docs/benchmarks-query.md and docs/plans
    Query,
}

impl Subject {
    /// The arguments of a whole run, whose figures are kept.
    fn whole(self) -> &'static [&'static str] {
        match self {
            Self::Cost => &["--output=docs/benchmarks.md", "--raw=docs/benchmarks.tsv"],
            Self::Query => &["--output=docs"],
        }
    }
}

pub(crate) fn bench(subject: Subject, arguments: &[OsString]) -> Result {
    say("building with optimisations; the first time takes minutes");
    run(cargo()
        .args(["build", "--locked", "--release"])
        .args(["--package", "bench", "--package", "items-api"])
        .args(libpq::features()))?;
    postgres::programs()?;
    let mut bench = program(root().join("target/release/bench"));
    if matches!(subject, Subject::Query) {
        bench.arg("query");
    }
    run(bench
        .args(subject.whole().iter().filter(|_| arguments.is_empty()))
        .args(arguments)
        .env("PRIVATE_POSTGRES_CACHE", postgres::program_cache()))
}
