//! `cargo xtask faults`: what is lost when things break.

use std::ffi::OsString;

use crate::command::{cargo, program, run, say};
use crate::{Result, libpq, postgres, root};

/// Steps of the journal's model in the long form: cases of thirty steps on average.
const MODEL_CASES: &str = "10000";

pub(crate) fn faults(arguments: &[OsString]) -> Result {
    let target = root().join("target");
    // The fault points are compiled in only here, and in a folder of their own, so
    // that they cannot end up in a binary that somebody serves with.
    let faulty_target = target.join("fault-injection");
    say("building the service with and without its fault points; the first time takes minutes");
    let features = libpq::features();
    run(cargo()
        .args(["build", "--locked", "--release"])
        .args(["--package", "items-api", "--package", "faults"])
        .args(&features))?;
    run(cargo()
        .args(["build", "--locked", "--package", "items-api"])
        .args(["--features", "items-api/fault-injection"])
        .args(&features)
        .arg("--target-dir")
        .arg(&faulty_target))?;
    postgres::programs()?;
    // Everything, on one version or two: what docs/faults.md is written from.
    let is_whole = arguments
        .iter()
        .all(|argument| argument == "--newest-postgres");
    if is_whole {
        say("the journal's model, over a simulated disk");
        run(cargo()
            .args([
                "test",
                "--locked",
                "--package",
                "audit",
                "--package",
                "items-api",
            ])
            .args(["--lib", "journal::"])
            .args(&features)
            .env("PROPTEST_CASES", MODEL_CASES))?;
    }
    run(program(target.join("release/faults"))
        .arg("--binary")
        .arg(target.join("release/items-api"))
        .arg("--faulty-binary")
        .arg(faulty_target.join("debug/items-api"))
        .args(is_whole.then_some("--output=docs/faults.md"))
        .args(arguments)
        .env("PRIVATE_POSTGRES_CACHE", postgres::program_cache()))
}
