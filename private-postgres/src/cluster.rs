//! PostgreSQL's own data folder: made once, checked at every start.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::account::{Ability, command_as};
use crate::binaries::Binaries;
use crate::command::{Finished, last_lines, run};
use crate::error::{Error, cannot};
use crate::home::Home;
use crate::server::{Durability, SUPERUSER};

/// How long `initdb` may take; it needs half a second on a good disk.
const INITDB_LIMIT: Duration = Duration::from_secs(180);

/// What letters are is taken from the first of these that the machine knows, so
/// that `lower` and trigrams work beyond ASCII. Texts are always sorted by
/// their bytes: an order taken from the machine's C library changes with its
/// updates, and silently breaks every index.
const LETTERS: [&str; 3] = ["C.UTF-8", "en_US.UTF-8", "C"];

/// Makes sure that there is a data folder that these programs can open and that
/// nobody uses. Returns the programs to use: another version's, when the data
/// need them and they are installed.
pub(crate) fn prepare(
    home: &Home,
    binaries: &Binaries,
    durability: Durability,
) -> Result<Binaries, Error> {
    let cluster = home.cluster();
    let version_file = cluster.join("PG_VERSION");
    let binaries = match fs::read_to_string(&version_file) {
        Ok(version) => matching(binaries, version.trim(), &cluster)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let is_empty = fs::read_dir(&cluster).map_or(true, |mut found| found.next().is_none());
            if !is_empty {
                return Err(Error::NotACluster { path: cluster });
            }
            check_executable(home, binaries)?;
            create(home, binaries, durability)?;
            binaries.clone()
        }
        Err(error) => return Err(cannot("read", &version_file)(error)),
    };
    check_executable(home, &binaries)?;
    remove_stale_pid_file(&cluster)?;
    Ok(binaries)
}

/// The programs for data of this version.
fn matching(binaries: &Binaries, version: &str, cluster: &Path) -> Result<Binaries, Error> {
    // Before version 10 the major version had two parts.
    let made_by = version.split('.').next().and_then(|part| part.parse().ok());
    let Some(made_by) = made_by else {
        return Err(Error::NotACluster {
            path: cluster.to_owned(),
        });
    };
    if made_by == binaries.version() {
        return Ok(binaries.clone());
    }
    // A distribution's update installs the new version beside the old one.
    let other = Binaries::of_version(made_by).ok_or_else(|| Error::OtherVersion {
        folder: cluster.to_owned(),
        made_by,
        found: binaries.version(),
    })?;
    tracing::info!(
        version = made_by,
        folder = %other.bin_dir().display(),
        "the data were made by another PostgreSQL, which is used for them"
    );
    Ok(other)
}

fn check_executable(home: &Home, binaries: &Binaries) -> Result<(), Error> {
    let program = binaries.program("postgres");
    match home.account() {
        Some(account) if !account.can(Ability::Execute, &program) => Err(Error::NotExecutable {
            user: account.name.clone(),
            program,
        }),
        _ => Ok(()),
    }
}

/// Makes the data folder under another name and renames it when it is complete.
/// A half-made one would look like a data folder for ever and never start.
fn create(home: &Home, binaries: &Binaries, durability: Durability) -> Result<(), Error> {
    let cluster = home.cluster();
    let partial = home.path().join("cluster.partial");
    tracing::info!(
        folder = %cluster.display(),
        version = binaries.version(),
        "making a new PostgreSQL database"
    );
    for (attempt, letters) in LETTERS.iter().enumerate() {
        remove(&partial)?;
        home.private_folder(&partial)
            .map_err(cannot("create", &partial))?;
        let command = initdb(home, binaries, durability, letters, &partial)?;
        let Finished { status, output } =
            run(command, INITDB_LIMIT).map_err(cannot("run initdb for", &partial))?;
        if status.success() {
            fs::rename(&partial, &cluster).map_err(cannot("rename", &partial))?;
            return fs::File::open(home.path())
                .and_then(|folder| folder.sync_all())
                .map_err(cannot("sync", home.path()));
        }
        let last_attempt = attempt + 1 == LETTERS.len();
        if last_attempt || !output.contains("locale name") {
            remove(&partial)?;
            return Err(Error::Initdb {
                folder: cluster,
                output: last_lines(&output, 20),
            });
        }
    }
    Ok(())
}

fn initdb(
    home: &Home,
    binaries: &Binaries,
    durability: Durability,
    letters: &str,
    folder: &Path,
) -> Result<Command, Error> {
    let mut command = command_as(home.account(), &binaries.program("initdb"));
    command
        .arg("--pgdata")
        .arg(folder)
        .arg(format!("--username={SUPERUSER}"))
        .args(["--encoding=UTF8", "--locale=C"])
        .arg(format!("--lc-ctype={letters}"))
        // Whoever can enter the socket's folder is the owner.
        .args(["--auth-local=trust", "--auth-host=reject"])
        .arg("--data-checksums");
    if durability == Durability::Throwaway {
        command.arg("--no-sync");
    }
    // It reads nothing from there. Holding the lock keeps the next owner away
    // while it still writes, in case this one is killed.
    command.stdin(Stdio::from(home.share_lock()?));
    Ok(command)
}

fn remove(folder: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(cannot("remove", folder)(error))
        }
        _ => Ok(()),
    }
}

/// Removes the file that a server leaves when it is killed. PostgreSQL does so
/// itself, unless the number of the dead process has been given to another one
/// by then, which is common in containers.
fn remove_stale_pid_file(cluster: &Path) -> Result<(), Error> {
    if let Some(process) = server_process(cluster) {
        return Err(Error::StartedByHand {
            folder: cluster.to_owned(),
            process: process.as_raw_nonzero().get(),
        });
    }
    let path = pid_file(cluster);
    match fs::remove_file(&path) {
        Ok(()) => {
            tracing::info!("PostgreSQL was not shut down the last time; it recovers by itself");
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(cannot("remove", &path)(error)),
    }
}

/// The file in which a running server tells its number and its state.
fn pid_file(cluster: &Path) -> PathBuf {
    cluster.join("postmaster.pid")
}

/// Whether the server says that it takes connections.
pub(crate) fn is_ready(cluster: &Path) -> bool {
    fs::read_to_string(pid_file(cluster)).is_ok_and(|text| {
        text.lines()
            .nth(7)
            .is_some_and(|line| line.trim() == "ready")
    })
}

/// Where the server says that its socket is.
pub(crate) fn socket_folder(cluster: &Path) -> Option<PathBuf> {
    let text = fs::read_to_string(pid_file(cluster)).ok()?;
    let folder = text.lines().nth(4)?;
    (!folder.is_empty()).then(|| folder.into())
}

/// The server that runs on this folder, if one does.
pub(crate) fn server_process(cluster: &Path) -> Option<Pid> {
    let text = fs::read_to_string(pid_file(cluster)).ok()?;
    // The number is negative while `postgres --single` has the folder.
    let number = text.lines().next()?.trim().parse::<i32>().ok()?;
    let number = number.checked_abs()?;
    let process = Pid::from_raw(number)?;
    // A process of another user's cannot be a server on this user's data.
    test_kill_process(process).ok()?;
    // The number may be another process's by now. A server's working folder is
    // its data folder, and a process that has ended but whose parent has not
    // noticed, as is common in containers, has none.
    let runs_here = match fs::read_link(format!("/proc/{number}/cwd")) {
        Ok(folder) => folder == cluster,
        Err(error) => {
            let has_proc = Path::new("/proc/self/cwd").exists();
            let has_none = has_proc && error.kind() == io::ErrorKind::NotFound;
            !has_none && is_named_postgres(number)
        }
    };
    runs_here.then_some(process)
}

/// Whether a process is a PostgreSQL, for systems that tell no more than that.
fn is_named_postgres(process: i32) -> bool {
    let mut command = command_as(None, Path::new("ps"));
    command
        .args(["-o", "stat=,comm=", "-p"])
        .arg(process.to_string());
    // Without an answer the file is believed: two servers on one folder would
    // do more harm than one that a person has to look at.
    run(command, Duration::from_secs(10)).map_or(true, |finished| {
        let has_ended = finished.output.trim_start().starts_with('Z');
        !has_ended && finished.output.contains("postgres")
    })
}

/// Asks the server on this folder for a fast shutdown.
pub(crate) fn ask_to_stop(cluster: &Path) {
    if let Some(process) = server_process(cluster)
        && let Err(error) = kill_process(process, Signal::INT)
    {
        tracing::warn!(%error, "the server could not be told to stop");
    }
}

/// Whether a process exists.
pub(crate) fn is_alive(process: i32) -> bool {
    Pid::from_raw(process.saturating_abs())
        .is_some_and(|process| matches!(test_kill_process(process), Ok(()) | Err(Errno::PERM)))
}
