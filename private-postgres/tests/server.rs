//! A server is started, found, shared out, recovered and stopped.

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
use std::path::Path;

use private_postgres::{Durability, Error, PrivatePostgres, Settings};
use support::{Answer, binaries, eventually, folder, is_gone, ready_process, run, settings, start};

#[test]
fn it_starts_and_answers() {
    let folder = folder();
    let server = start(&folder.path().join("made/on/the/way"));
    assert_eq!(
        run(&server, "postgres", "SELECT 1").unwrap(),
        Answer::Rows(1)
    );
    assert!(server.log_file().is_file());
}

#[test]
fn everything_is_closed_to_others_and_nothing_listens_on_the_network() {
    let folder = folder();
    let server = start(&folder.path().join("data"));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(server.data_dir()), 0o700);
    assert_eq!(mode(&support::socket_folder(&server)), 0o700);
    assert_eq!(mode(&server.log_file()), 0o600);
    let setting = "SELECT 1 FROM pg_settings WHERE name = 'listen_addresses' AND setting = ''";
    assert_eq!(run(&server, "postgres", setting).unwrap(), Answer::Rows(1));
}

#[test]
fn databases_are_made_once_whatever_their_name() {
    let folder = folder();
    let server = start(&folder.path().join("data"));
    for name in ["items", "it's \"quoted\"", "Größe"] {
        server.ensure_database(name).unwrap();
        server.ensure_database(name).unwrap();
        assert_eq!(run(&server, name, "SELECT 1").unwrap(), Answer::Rows(1));
    }
    for name in ["", "a\0b", &"x".repeat(64)] {
        let refused = server.ensure_database(name);
        assert!(matches!(refused, Err(Error::Database { .. })));
    }
    assert!(
        server
            .database_url("a b")
            .starts_with("postgresql:///a%20b?host=/")
    );
}

#[test]
fn eight_threads_may_want_the_same_database_at_once() {
    let folder = folder();
    let server = start(&folder.path().join("data"));
    std::thread::scope(|scope| {
        let wishes: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| server.ensure_database("wanted")))
            .collect();
        for wish in wishes {
            wish.join().unwrap().unwrap();
        }
    });
}

#[test]
fn full_durability_is_on_even_where_the_configuration_says_otherwise() {
    let folder = folder();
    let data_dir = folder.path().join("data");
    start(&data_dir).stop().unwrap();
    let configuration = data_dir.join("cluster/postgresql.conf");
    let text = fs::read_to_string(&configuration).unwrap();
    fs::write(&configuration, text + "\nfsync = off\n").unwrap();

    for (durability, wanted) in [(Durability::Full, "on"), (Durability::Throwaway, "off")] {
        let server = PrivatePostgres::start(
            &binaries(),
            Settings {
                durability,
                ..settings(&data_dir)
            },
        )
        .unwrap();
        let question = format!(
            "SELECT 1 FROM pg_settings WHERE setting = '{wanted}' \
             AND name IN ('fsync', 'synchronous_commit', 'full_page_writes')"
        );
        assert_eq!(
            run(&server, "postgres", &question).unwrap(),
            Answer::Rows(3)
        );
        server.stop().unwrap();
    }
}

#[test]
fn letters_beyond_ascii_have_a_lower_case() {
    let folder = folder();
    let server = start(&folder.path().join("data"));
    let question = "SELECT 1 WHERE lower('ÄÖÜ') = 'äöü' AND 'Z' < 'a'";
    assert_eq!(run(&server, "postgres", question).unwrap(), Answer::Rows(1));
}

#[test]
fn stopping_it_keeps_the_data_and_leaves_no_process() {
    let folder = folder();
    let data_dir = folder.path().join("data");
    let server = start(&data_dir);
    let process = ready_process(server.data_dir());
    run(&server, "postgres", "CREATE TABLE kept AS SELECT 1").unwrap();
    server.stop().unwrap();
    assert!(is_gone(process).is_some());
    assert!(!support::pid_file(&data_dir).exists());

    let server = start(&data_dir);
    let kept = run(&server, "postgres", "SELECT * FROM kept").unwrap();
    assert_eq!(kept, Answer::Rows(1));
}

#[test]
fn dropping_it_stops_it() {
    let folder = folder();
    let server = start(&folder.path().join("data"));
    let process = ready_process(server.data_dir());
    drop(server);
    assert!(is_gone(process).is_some());
}

#[test]
fn it_comes_back_when_it_is_killed_and_still_stops_with_its_owner() {
    let folder = folder();
    let durable = Settings {
        durability: Durability::Full,
        ..settings(&folder.path().join("data"))
    };
    let server = PrivatePostgres::start(&binaries(), durable).unwrap();
    run(&server, "postgres", "CREATE TABLE kept AS SELECT 1").unwrap();
    let first = ready_process(server.data_dir());
    support::kill(first);
    let second = eventually("another server is ready", || {
        let process = ready_process(server.data_dir());
        (process != first).then_some(process)
    });
    let kept = eventually("it answers again", || {
        run(&server, "postgres", "SELECT * FROM kept").ok()
    });
    assert_eq!(kept, Answer::Rows(1));
    server.stop().unwrap();
    assert!(is_gone(second).is_some());
}

#[test]
fn it_is_out_of_reach_of_a_terminals_ctrl_c() {
    let folder = folder();
    let server = start(&folder.path().join("data"));
    let process = ready_process(server.data_dir());
    let group = rustix::process::getpgid(Some(process)).unwrap();
    assert_ne!(group, rustix::process::getpgid(None).unwrap());
}

#[test]
fn a_signal_to_all_its_processes_leaves_the_supervisor_at_work() {
    let folder = folder();
    let server = start(&folder.path().join("data"));
    let first = ready_process(server.data_dir());
    let group = rustix::process::getpgid(Some(first)).unwrap();
    rustix::process::kill_process_group(group, rustix::process::Signal::TERM).unwrap();
    eventually("the server was started again", || {
        (ready_process(server.data_dir()) != first).then_some(())
    });
    let last = ready_process(server.data_dir());
    server.stop().unwrap();
    assert!(is_gone(last).is_some());
}

#[test]
fn a_path_that_is_too_long_for_a_socket_works() {
    let folder = folder();
    let data_dir = folder.path().join("long-".repeat(30));
    let server = start(&data_dir);
    let socket_folder = support::socket_folder(&server);
    assert!(!socket_folder.starts_with(folder.path()));
    let mode = fs::metadata(&socket_folder).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    assert_eq!(
        run(&server, "postgres", "SELECT 1").unwrap(),
        Answer::Rows(1)
    );
    server.stop().unwrap();

    // A folder that others can enter is not trusted.
    fs::set_permissions(&socket_folder, fs::Permissions::from_mode(0o755)).unwrap();
    let refused = PrivatePostgres::start(&binaries(), settings(&data_dir));
    assert!(matches!(refused, Err(Error::UnsafeSocketFolder { .. })));
    fs::remove_dir_all(socket_folder).unwrap();
}

#[test]
fn a_path_with_spaces_commas_and_umlauts_works() {
    let folder = folder();
    for name in ["a b", "ü", "per%cent", "o'clock"] {
        let server = start(&folder.path().join(name));
        assert!(support::socket_folder(&server).starts_with(folder.path()));
        assert_eq!(
            run(&server, "postgres", "SELECT 1").unwrap(),
            Answer::Rows(1)
        );
    }
    let server = start(&folder.path().join("a,b"));
    assert_eq!(
        run(&server, "postgres", "SELECT 1").unwrap(),
        Answer::Rows(1)
    );
    let socket_folder = support::socket_folder(&server);
    server.stop().unwrap();
    fs::remove_dir_all(socket_folder).unwrap();
}

#[test]
fn a_half_done_initdb_is_redone() {
    let folder = folder();
    let data_dir = folder.path().join("data");
    let partial = data_dir.join("cluster.partial");
    fs::create_dir_all(partial.join("base")).unwrap();
    fs::write(partial.join("PG_VERSION"), binaries().version().to_string()).unwrap();
    let server = start(&data_dir);
    assert!(!partial.exists());
    assert_eq!(
        run(&server, "postgres", "SELECT 1").unwrap(),
        Answer::Rows(1)
    );
}

#[test]
fn a_stale_pid_file_with_the_number_of_a_living_process_is_no_obstacle() {
    let folder = folder();
    let data_dir = folder.path().join("data");
    start(&data_dir).stop().unwrap();
    let this_process = format!("{}\n{}\n", std::process::id(), data_dir.display());
    fs::write(support::pid_file(&data_dir), this_process).unwrap();
    let lock = format!("{}\n", std::process::id());
    fs::write(data_dir.join("socket/.s.PGSQL.5432.lock"), lock).unwrap();
    let server = start(&data_dir);
    assert_eq!(
        run(&server, "postgres", "SELECT 1").unwrap(),
        Answer::Rows(1)
    );
}

#[test]
fn a_second_owner_is_told_who_the_first_one_is() {
    let folder = folder();
    let data_dir = folder.path().join("data");
    let server = start(&data_dir);
    let refused = PrivatePostgres::start(&binaries(), settings(&data_dir)).unwrap_err();
    let Error::InUse { owner, .. } = &refused else {
        panic!("another error: {refused}");
    };
    assert_eq!(*owner, std::process::id().to_string());
    assert_eq!(
        run(&server, "postgres", "SELECT 1").unwrap(),
        Answer::Rows(1)
    );
    server.stop().unwrap();
    start(&data_dir);
}

#[test]
fn of_eight_that_start_at_once_on_a_new_folder_each_gets_its_turn_or_a_clear_answer() {
    let folder = folder();
    let data_dir = folder.path().join("data");
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let owners: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let server = PrivatePostgres::start(&binaries(), settings(&data_dir))?;
                    let answer = run(&server, "postgres", "SELECT 1");
                    server.stop()?;
                    Ok::<_, Error>(answer.unwrap())
                })
            })
            .collect();
        owners
            .into_iter()
            .map(|owner| owner.join().unwrap())
            .collect()
    });
    assert!(outcomes.iter().any(Result::is_ok));
    for outcome in outcomes {
        match outcome {
            Ok(answer) => assert_eq!(answer, Answer::Rows(1)),
            Err(error) => assert!(matches!(error, Error::InUse { .. }), "{error}"),
        }
    }
}

#[test]
fn data_of_another_version_are_left_alone() {
    let folder = folder();
    let data_dir = folder.path().join("data");
    start(&data_dir).stop().unwrap();
    fs::write(data_dir.join("cluster/PG_VERSION"), "9.6\n").unwrap();
    let refused = PrivatePostgres::start(&binaries(), settings(&data_dir)).unwrap_err();
    assert!(matches!(refused, Error::OtherVersion { made_by: 9, .. }));
    assert!(refused.to_string().contains("set PG_BINDIR"));
}

#[test]
fn something_else_in_the_place_of_the_data_is_left_alone() {
    let folder = folder();
    let data_dir = folder.path().join("data");
    start(&data_dir).stop().unwrap();
    fs::remove_file(data_dir.join("cluster/PG_VERSION")).unwrap();
    let refused = PrivatePostgres::start(&binaries(), settings(&data_dir));
    assert!(matches!(refused, Err(Error::NotACluster { .. })));
}

#[test]
fn a_server_that_cannot_start_says_why() {
    let folder = folder();
    let data_dir = folder.path().join("data");
    start(&data_dir).stop().unwrap();
    let configuration = data_dir.join("cluster/postgresql.conf");
    fs::write(configuration, "no_such_setting = 1\n").unwrap();
    let refused = PrivatePostgres::start(&binaries(), settings(&data_dir)).unwrap_err();
    assert!(matches!(refused, Error::Start { .. }));
    assert!(refused.to_string().contains("no_such_setting"), "{refused}");
}

#[test]
fn the_log_of_the_last_start_is_kept_and_no_more() {
    let folder = folder();
    let data_dir = folder.path().join("data");
    for _ in 0..3 {
        start(&data_dir).stop().unwrap();
    }
    let mut logs: Vec<_> = fs::read_dir(&data_dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("server.log"))
        .collect();
    logs.sort();
    assert_eq!(logs, ["server.log", "server.log.1"]);
}
