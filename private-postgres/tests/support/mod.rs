//! What the tests share.

#![allow(
    dead_code,
    reason = "every test file compiles this anew and uses a part of it"
)]

#[path = "../../src/wire.rs"]
mod wire;

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use private_postgres::{Binaries, Durability, PrivatePostgres, Settings};
use rustix::process::{Pid, Signal};
use tempfile::TempDir;
pub(crate) use wire::Answer;

/// Tells a re-executed test that it is the child, and what its folder is.
pub(crate) const FOLDER: &str = "PRIVATE_POSTGRES_TEST_FOLDER";

/// How long anything here is waited for.
const LIMIT: Duration = Duration::from_secs(60);

/// A temporary folder that the server's user can enter, also under root.
pub(crate) fn folder() -> TempDir {
    tempfile::Builder::new()
        .permissions(fs::Permissions::from_mode(0o755))
        .tempdir()
        .unwrap()
}

/// The PostgreSQL to test with. The tests fail without one: skipped tests look
/// just like passed ones.
pub(crate) fn binaries() -> Binaries {
    let cache = std::env::var_os("PRIVATE_POSTGRES_CACHE").unwrap_or_default();
    Binaries::find(Path::new(&cache)).expect("these tests need PostgreSQL: run `cargo xtask test`")
}

pub(crate) fn settings(data_dir: &Path) -> Settings {
    Settings {
        data_dir: data_dir.to_owned(),
        durability: Durability::Throwaway,
        max_connections: 10,
    }
}

pub(crate) fn start(data_dir: &Path) -> PrivatePostgres {
    PrivatePostgres::start(&binaries(), settings(data_dir)).unwrap()
}

/// The folder of the socket, as a client would read it from the address.
pub(crate) fn socket_folder(server: &PrivatePostgres) -> PathBuf {
    let url = server.database_url("postgres");
    let (_, host) = url.split_once("host=").unwrap();
    let (host, _) = host.split_once('&').unwrap();
    let mut bytes = Vec::new();
    let mut rest = host.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first == b'%' {
            let digits = std::str::from_utf8(&after[..2]).unwrap();
            bytes.push(u8::from_str_radix(digits, 16).unwrap());
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    PathBuf::from(String::from_utf8(bytes).unwrap())
}

/// Carries out a statement in a database of the server's.
pub(crate) fn run(
    server: &PrivatePostgres,
    database: &str,
    statement: &str,
) -> std::io::Result<Answer> {
    let socket = socket_folder(server).join(".s.PGSQL.5432");
    wire::Session::connect(&socket, "postgres", database, LIMIT)?.run(statement)
}

pub(crate) fn pid_file(data_dir: &Path) -> PathBuf {
    data_dir.join("cluster/postmaster.pid")
}

/// The server's process, once it says that it is ready.
pub(crate) fn ready_process(data_dir: &Path) -> Pid {
    eventually("the server is ready", || {
        let text = fs::read_to_string(pid_file(data_dir)).ok()?;
        let mut lines = text.lines();
        let process = Pid::from_raw(lines.next()?.parse().ok()?)?;
        (lines.nth(6)?.trim() == "ready").then_some(process)
    })
}

/// Whether a process has ended. One whose new parent has not noticed yet still
/// has its number.
pub(crate) fn is_gone(process: Pid) -> Option<()> {
    let mut command = Command::new("ps");
    command
        .args(["-o", "stat=", "-p"])
        .arg(process.as_raw_nonzero().to_string());
    let output = String::from_utf8(command.output().unwrap().stdout).unwrap();
    let state = output.trim();
    (state.is_empty() || state.starts_with('Z')).then_some(())
}

pub(crate) fn kill(process: Pid) {
    rustix::process::kill_process(process, Signal::KILL).unwrap();
}

/// Looks again and again until there is something to see.
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

pub(crate) fn am_root() -> bool {
    rustix::process::geteuid().is_root()
}

pub(crate) fn owner_of(path: &Path) -> u32 {
    fs::metadata(path).unwrap().uid()
}

/// Runs one test of this very program in another process. That test finds the
/// folder in its environment and there plays the part of an owner.
pub(crate) fn in_another_process(
    test: &str,
    data_dir: &Path,
    user: Option<u32>,
    room: &Path,
) -> Child {
    // Another user may not be able to reach the place where it was built.
    let program = room.join("program");
    if !program.exists() {
        fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    }
    let mut command = Command::new(program);
    command
        .args(["--exact", test, "--nocapture"])
        .env(FOLDER, data_dir)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null());
    if let Some(user) = user {
        command.uid(user).gid(user);
    }
    command.spawn().unwrap()
}

/// The folder, in a process made by [`in_another_process`].
pub(crate) fn part_to_play() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}
