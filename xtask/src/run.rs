//! `cargo xtask run`: from a fresh clone to a service that answers.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;

use crate::command::{cargo, program, run as run_to_end, say};
use crate::{Result, libpq, postgres, root};

pub(crate) fn run(release: bool, arguments: &[OsString]) -> Result {
    if std::env::var_os("DATABASE_URL").is_none() {
        postgres::programs()?;
    }
    say("building items-api; the first time takes a few minutes");
    run_to_end(
        cargo()
            .args(["build", "--locked", "--package", "items-api"])
            .args(libpq::features())
            .args(release.then_some("--release")),
    )?;
    // The service takes our place, so a signal and its exit status have one
    // address.
    let error = program(binary(release))
        .args(arguments)
        .env("PRIVATE_POSTGRES_CACHE", postgres::program_cache())
        .exec();
    Err(format!("items-api cannot be started: {error}").into())
}

pub(crate) fn binary(release: bool) -> PathBuf {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    target
        .join(if release { "release" } else { "debug" })
        .join("items-api")
}
