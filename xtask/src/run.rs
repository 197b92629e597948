//! `cargo xtask run`: from a fresh clone to a service that answers.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt as _;
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
            .args(libpq::features()?)
            .args(release.then_some("--release")),
    )?;
    // Ctrl-C reaches the service as well as us. It stops in order, and we wait
    // until it has.
    let mut service = program(binary(release))
        .args(arguments)
        .env("PRIVATE_POSTGRES_CACHE", postgres::program_cache())
        .spawn()?;
    let status = loop {
        match service.wait() {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            status => break status?,
        }
    };
    match (status.code(), status.signal()) {
        (Some(0), _) => Ok(()),
        (Some(code), _) => std::process::exit(code),
        (None, signal) => {
            Err(format!("items-api was killed by signal {}", signal.unwrap_or(0)).into())
        }
    }
}

fn binary(release: bool) -> PathBuf {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    target
        .join(if release { "release" } else { "debug" })
        .join("items-api")
}
