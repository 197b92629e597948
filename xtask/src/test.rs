//! `cargo xtask test`: every test, from a fresh clone.

use std::ffi::OsString;

use crate::command::{cargo, run, say};
use crate::postgres::{self, Throwaway};
use crate::{Result, libpq};

pub(crate) fn test(arguments: &[OsString]) -> Result {
    let features = libpq::features();
    // Compiled first, so that no server waits for a compiler and errors come early.
    say("compiling the tests; the first time takes a few minutes");
    run(cargo()
        .args(["test", "--workspace", "--locked", "--no-run", "--quiet"])
        .args(&features))?;

    // The tests of private-postgres need the programs even if there is a server.
    postgres::programs()?;
    let server = match std::env::var("TEST_DATABASE_URL") {
        Ok(_) => None,
        Err(_) => Some(Throwaway::start()?),
    };
    let mut tests = cargo();
    tests.args(["test", "--locked"]).args(&features);
    if arguments.is_empty() {
        tests.arg("--workspace");
    }
    tests
        .args(arguments)
        .env("PRIVATE_POSTGRES_CACHE", postgres::program_cache());
    if let Some(server) = &server {
        tests.env("TEST_DATABASE_URL", server.url());
    }
    run(&mut tests)
}
