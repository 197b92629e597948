//! `cargo xtask ci`: everything that must hold before a change is merged.

use std::fs;
use std::time::Instant;

use crate::command::{cargo, program, run, say, succeeds};
use crate::tools::{DENY, MACHETE};
use crate::{Result, fuzz, generate, libpq, root, security};

pub(crate) fn ci() -> Result {
    let features = libpq::features();
    step("format", || run(cargo().args(["fmt", "--all", "--check"])))?;
    step("lints", || {
        for package in [
            &["--workspace", "--all-targets"][..],
            // What is served: without what only tests ask for.
            &["--package=items-api", "--bins"],
            // The fault points are in no binary but that of the faults.
            &[
                "--package=items-api",
                "--all-targets",
                "--features=fault-injection",
            ],
        ] {
            run(cargo()
                .args(["clippy", "--locked", "--quiet"])
                .args(package)
                .args(&features)
                .args(["--", "--deny", "warnings"]))?;
        }
        Ok(())
    })?;
    step("documentation", || {
        run(cargo()
            .args(["doc", "--workspace", "--no-deps", "--locked", "--quiet"])
            .args(&features)
            .env("RUSTDOCFLAGS", "--deny warnings"))
    })?;
    step("tests, by the README's own command", test)?;
    step("fuzz targets, with what is known", fuzz::check)?;
    step("generated files", generate::check)?;
    step("what docs/security.md says of the code", security::check)?;
    step("dependencies", dependencies)?;
    say("all is well");
    Ok(())
}

fn step(name: &str, work: impl FnOnce() -> Result) -> Result {
    say(&format!("── {name}"));
    let began = Instant::now();
    work()?;
    say(&format!("── {name}: {} s", began.elapsed().as_secs()));
    Ok(())
}

/// Runs the line of the README that says how to test, so that it stays true.
fn test() -> Result {
    let readme = fs::read_to_string(root().join("README.md"))?;
    let line = readme
        .lines()
        .map(str::trim)
        .find(|line| line.starts_with("cargo xtask test"))
        .ok_or("README.md does not say how to test: it needs a line `cargo xtask test`")?;
    let command = line.split('#').next().unwrap_or(line);
    let mut words = command.split_whitespace().skip(1);
    run(cargo().args(&mut words))
}

fn dependencies() -> Result {
    let deny = DENY.path()?;
    run(program(&deny).args([
        "--log-level",
        "error",
        "check",
        "bans",
        "licenses",
        "sources",
    ]))?;
    // The database of advisories lives on GitHub, which not every machine reaches.
    if succeeds(program("git").args([
        "ls-remote",
        "--exit-code",
        "https://github.com/RustSec/advisory-db",
        "HEAD",
    ])) {
        run(program(&deny).args(["--log-level", "error", "check", "advisories"]))?;
    } else {
        say("advisories were not checked: github.com cannot be reached");
    }
    run(program(MACHETE.path()?).args(["--skip-target-dir"]))
}
