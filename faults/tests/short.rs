//! The short form of the scenarios: seconds each, part of every run of the tests.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use faults::{Length, SCENARIOS, World};

#[test]
fn nothing_is_lost_or_doubled_whatever_breaks() {
    let cache = std::env::var_os("PRIVATE_POSTGRES_CACHE").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache/postgres"),
        PathBuf::from,
    );
    let world = World::start(&binary(), None, &cache).unwrap();
    let mut failed = Vec::new();
    for scenario in SCENARIOS.iter().filter(|scenario| scenario.is_short) {
        let report = scenario.run(&world, Length::Short);
        if report.has_failed() {
            failed.push(report.line());
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

/// The service, which cargo has built beside this test.
fn binary() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    own.parent().unwrap().join("../items-api")
}
