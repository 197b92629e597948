//! Others than the owner find its server.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a helper of a test fails by panicking, as the test itself does"
)]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use private_postgres::{Error, RunningPostgres};
use support::{folder, run, socket_folder, start};

#[test]
fn a_server_is_found_for_as_long_as_its_owner_has_it() {
    let folder = folder();
    let data_dir = folder.path().join("data");
    assert!(RunningPostgres::find(&data_dir).unwrap().is_none());
    assert!(!data_dir.exists(), "looking makes nothing");

    let server = start(&data_dir);
    let found = RunningPostgres::find(&data_dir).unwrap().unwrap();
    assert_eq!(
        found.database_url("postgres"),
        server.database_url("postgres")
    );
    assert_eq!(
        found.database_url_as("items", "reader"),
        server.database_url_as("items", "reader")
    );
    run(&server, "postgres", "SELECT 1").unwrap();

    server.stop().unwrap();
    assert!(RunningPostgres::find(&data_dir).unwrap().is_none());
}

#[test]
fn a_socket_that_others_could_have_made_is_not_used() {
    let folder = folder();
    let server = start(&folder.path().join("data"));
    let socket = socket_folder(&server);
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o755)).unwrap();
    let found = RunningPostgres::find(&folder.path().join("data"));
    assert!(matches!(found, Err(Error::UnsafeSocketFolder { .. })));
}
