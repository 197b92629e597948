//! `cargo xtask bench`: what the audit trail costs.

use std::ffi::OsString;

use crate::command::{cargo, program, run, say};
use crate::{Result, libpq, postgres, root};

pub(crate) fn bench(arguments: &[OsString]) -> Result {
    say("building with optimisations; the first time takes minutes");
    run(cargo()
        .args(["build", "--locked", "--release"])
        .args(["--package", "bench", "--package", "items-api"])
        .args(libpq::features()))?;
    postgres::programs()?;
    let whole = ["--output=docs/benchmarks.md", "--raw=docs/benchmarks.tsv"];
    run(program(root().join("target/release/bench"))
        .args(whole.iter().filter(|_| arguments.is_empty()))
        .args(arguments)
        .env("PRIVATE_POSTGRES_CACHE", postgres::program_cache()))
}
