//! `cargo xtask test`: every test, from a fresh clone.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::command::{cargo, run, say};
use crate::postgres::{self, Throwaway};
use crate::{Result, axe, chromium, libpq, root};

pub(crate) fn test(arguments: &[OsString]) -> Result {
    run_tests(arguments, &[])
}

/// Looks at the viewer in a browser, and keeps what it sees in docs/images.
pub(crate) fn screenshots() -> Result {
    let arguments = ["--package", "items-api", "--test", "browser", "--"];
    let only = [
        "--ignored",
        "--exact",
        "screenshots::the_guide_is_illustrated",
    ];
    let arguments: Vec<OsString> = arguments.iter().chain(&only).map(Into::into).collect();
    let images = root().join("docs/images");
    run_tests(&arguments, &[("SCREENSHOTS", images)])
}

fn run_tests(arguments: &[OsString], environment: &[(&str, PathBuf)]) -> Result {
    let features = libpq::features();
    // Compiled first, so that no server waits for a compiler and errors come early.
    say("compiling the tests; the first time takes a few minutes");
    run(cargo()
        .args(["test", "--workspace", "--locked", "--no-run", "--quiet"])
        .args(&features))?;

    // The tests of private-postgres need the programs even if there is a server.
    postgres::programs()?;
    // Those of the viewer need a browser.
    let chromium = chromium::find_or_install()?;
    let axe = axe::path()?;
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
        .env("PRIVATE_POSTGRES_CACHE", postgres::program_cache())
        .env("TEST_CHROMIUM", chromium.browser)
        .env("TEST_CHROMEDRIVER", chromium.driver)
        .env("TEST_AXE", axe)
        .envs(environment.iter().map(|(name, value)| (name, value)));
    if let Some(server) = &server {
        tests.env("TEST_DATABASE_URL", server.url());
    }
    run(&mut tests)
}
