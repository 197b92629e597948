//! Owners that are killed, and owners of every rank.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a helper of a test fails by panicking, as the test itself does"
)]

mod support;

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use private_postgres::{Error, PrivatePostgres};
use rustix::process::Pid;
use support::{
    Answer, am_root, binaries, eventually, folder, in_another_process, is_gone, kill, owner_of,
    part_to_play, ready_process, run, settings, start,
};

/// Any user that is neither root nor the one the server runs as under root.
const SOMEBODY: u32 = 54_321;

/// The part that the tests below have another process play.
#[test]
fn an_owner_that_waits() {
    let Some(data_dir) = part_to_play() else {
        return;
    };
    let server = start(&data_dir);
    assert_eq!(
        run(&server, "postgres", "SELECT 1").unwrap(),
        Answer::Rows(1)
    );
    // Until the test closes the pipe or kills this process.
    let mut rest = Vec::new();
    std::io::stdin().read_to_end(&mut rest).unwrap();
    server.stop().unwrap();
}

fn process_of(child: &std::process::Child) -> Pid {
    Pid::from_raw(child.id().try_into().unwrap()).unwrap()
}

#[test]
fn it_ends_when_its_owner_is_killed() {
    let room = folder();
    let data_dir = room.path().join("data");
    let mut owner = in_another_process("an_owner_that_waits", &data_dir, None, room.path());
    let server = ready_process(&data_dir);
    owner.kill().unwrap();
    owner.wait().unwrap();
    eventually("the server is gone", || is_gone(server));
    // It was shut down, not killed: it has removed its file.
    assert!(!support::pid_file(&data_dir).exists());
}

#[test]
fn the_next_owner_waits_for_the_server_of_a_killed_one() {
    let room = folder();
    let data_dir = room.path().join("data");
    let mut owner = in_another_process("an_owner_that_waits", &data_dir, None, room.path());
    let first = ready_process(&data_dir);
    owner.kill().unwrap();
    owner.wait().unwrap();
    let server = start(&data_dir);
    assert!(is_gone(first).is_some());
    assert_eq!(
        run(&server, "postgres", "SELECT 1").unwrap(),
        Answer::Rows(1)
    );
}

#[test]
fn the_next_owner_stops_a_server_whose_supervisor_was_killed_too() {
    let room = folder();
    let data_dir = room.path().join("data");
    let mut owner = in_another_process("an_owner_that_waits", &data_dir, None, room.path());
    let first = ready_process(&data_dir);
    // The supervisor leads the group; what watches the pipe for it then has
    // nobody to tell.
    let supervisor = rustix::process::getpgid(Some(first)).unwrap();
    assert_ne!(supervisor, process_of(&owner));
    kill(supervisor);
    eventually("the supervisor is gone", || {
        (parent_of(first) != Some(supervisor)).then_some(())
    });
    owner.kill().unwrap();
    owner.wait().unwrap();
    let server = start(&data_dir);
    assert!(is_gone(first).is_some());
    assert_eq!(
        run(&server, "postgres", "SELECT 1").unwrap(),
        Answer::Rows(1)
    );
}

fn parent_of(process: Pid) -> Option<Pid> {
    let mut command = std::process::Command::new("ps");
    command
        .args(["-o", "ppid=", "-p"])
        .arg(process.as_raw_nonzero().to_string());
    let output = command.output().unwrap().stdout;
    let parent = String::from_utf8(output).unwrap().trim().parse().ok()?;
    Pid::from_raw(parent)
}

#[test]
fn an_owner_stops_a_server_whose_supervisor_was_killed() {
    let room = folder();
    let server = start(&room.path().join("data"));
    let process = ready_process(server.data_dir());
    kill(rustix::process::getpgid(Some(process)).unwrap());
    server.stop().unwrap();
    assert!(is_gone(process).is_some());
}

#[test]
fn a_power_cut_leaves_a_folder_that_starts_again() {
    let room = folder();
    let data_dir = room.path().join("data");
    let mut owner = in_another_process("an_owner_that_waits", &data_dir, None, room.path());
    let first = ready_process(&data_dir);
    let group = rustix::process::getpgid(Some(first)).unwrap();
    owner.kill().unwrap();
    rustix::process::kill_process_group(group, rustix::process::Signal::KILL).unwrap();
    owner.wait().unwrap();
    let server = start(&data_dir);
    assert_eq!(
        run(&server, "postgres", "SELECT 1").unwrap(),
        Answer::Rows(1)
    );
}

#[test]
fn another_process_cannot_become_a_second_owner() {
    let room = folder();
    let data_dir = room.path().join("data");
    let mut owner = in_another_process("an_owner_that_waits", &data_dir, None, room.path());
    ready_process(&data_dir);
    let refused = PrivatePostgres::start(&binaries(), settings(&data_dir)).unwrap_err();
    assert!(matches!(&refused, Error::InUse { owner: by, .. } if *by == owner.id().to_string()));
    drop(owner.stdin.take());
    assert!(owner.wait().unwrap().success());
}

#[test]
fn it_works_without_being_root() {
    // Whoever is not root has tested this with every other test.
    if !am_root() {
        return;
    }
    let nobody = 65534;
    let room = folder();
    fs::set_permissions(room.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let data_dir = room.path().join("data");
    let mut owner = in_another_process("an_owner_that_waits", &data_dir, Some(nobody), room.path());
    ready_process(&data_dir);
    assert_eq!(owner_of(&data_dir.join("cluster")), nobody);
    drop(owner.stdin.take());
    assert!(owner.wait().unwrap().success());

    // Root takes over what another user has made, as that user.
    let server = start(&data_dir);
    assert_eq!(
        run(&server, "postgres", "SELECT 1").unwrap(),
        Answer::Rows(1)
    );
    assert_eq!(owner_of(&server.data_dir().join("socket")), nobody);
    server.stop().unwrap();
}

#[test]
fn a_normal_user_is_told_whose_data_they_are() {
    if !am_root() {
        return;
    }
    let room = folder();
    let data_dir = room.path().join("data");
    start(&data_dir).stop().unwrap();
    fs::set_permissions(&data_dir, fs::Permissions::from_mode(0o777)).unwrap();
    let mut owner = in_another_process(
        "an_owner_that_is_refused",
        &data_dir,
        Some(SOMEBODY),
        room.path(),
    );
    assert!(owner.wait().unwrap().success());
}

/// The part of the test above.
#[test]
fn an_owner_that_is_refused() {
    let Some(data_dir) = part_to_play() else {
        return;
    };
    let refused = PrivatePostgres::start(&binaries(), settings(&data_dir));
    assert!(matches!(refused, Err(Error::OtherUser { .. })));
}

#[test]
fn a_closed_temporary_folder_is_handed_to_the_servers_user() {
    let closed = folder();
    close(closed.path());
    let server = start(closed.path());
    assert_eq!(server.data_dir(), fs::canonicalize(closed.path()).unwrap());
    assert_eq!(
        run(&server, "postgres", "SELECT 1").unwrap(),
        Answer::Rows(1)
    );
}

#[test]
fn a_folder_that_only_root_can_reach_is_replaced_by_another() {
    if !am_root() {
        return;
    }
    let closed = folder();
    close(closed.path());
    let asked_for = closed.path().join("data");
    let server = start(&asked_for);
    let used = server.data_dir().to_owned();
    assert!(!used.starts_with(closed.path()));
    run(&server, "postgres", "CREATE TABLE kept AS SELECT 1").unwrap();
    server.stop().unwrap();

    // It is the same one the next time, even when the way has become free.
    fs::set_permissions(closed.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let server = start(&asked_for);
    assert_eq!(server.data_dir(), used);
    let kept = run(&server, "postgres", "SELECT * FROM kept").unwrap();
    assert_eq!(kept, Answer::Rows(1));
    server.stop().unwrap();
    fs::remove_dir_all(used).unwrap();
}

#[test]
fn data_that_have_become_unreachable_are_not_replaced_by_empty_ones() {
    if !am_root() {
        return;
    }
    let room = folder();
    let data_dir = room.path().join("data");
    start(&data_dir).stop().unwrap();
    close(room.path());
    let refused = PrivatePostgres::start(&binaries(), settings(&data_dir));
    assert!(matches!(refused, Err(Error::Unreachable { .. })));
}

fn close(folder: &Path) {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).unwrap();
}
