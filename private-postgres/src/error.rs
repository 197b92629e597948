//! What can go wrong, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

/// Why there is no server. Every message says what to do next.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No PostgreSQL is on this machine, and fetching one did not work.
    #[error(
        "no PostgreSQL was found and none could be fetched ({reason}): install one \
         (apt install postgresql, dnf install postgresql-server, brew install postgresql), \
         set PG_BINDIR to the folder of its programs, or use a server by its URL"
    )]
    NotFound {
        /// What the last attempt said.
        reason: String,
    },

    /// The user that the server has to run as cannot run its programs.
    #[error(
        "the user {user}, which PostgreSQL has to run as instead of root, cannot run \
         {}: move it to a folder that every user can enter, or set PG_BINDIR to another one",
        program.display()
    )]
    NotExecutable {
        /// The user.
        user: String,
        /// The program.
        program: PathBuf,
    },

    /// The data were written by another major version.
    #[error(
        "{} was made by PostgreSQL {made_by}, and the one found is {found}: set PG_BINDIR to \
         the programs of PostgreSQL {made_by}, or move the folder away to begin an empty one",
        folder.display()
    )]
    OtherVersion {
        /// The folder with the data.
        folder: PathBuf,
        /// The major version that made it.
        made_by: u32,
        /// The major version of the programs.
        found: u32,
    },

    /// The folder has an owner already, another process or this one.
    #[error(
        "{} is in use by process {owner}: stop that one, or give this one a data folder of its own",
        folder.display()
    )]
    InUse {
        /// The data folder.
        folder: PathBuf,
        /// The process that owns it.
        owner: String,
    },

    /// Somebody started a server on the folder without this crate.
    #[error(
        "a PostgreSQL that was started by hand runs in {}: stop it with `kill -INT {process}`",
        folder.display()
    )]
    StartedByHand {
        /// The folder with the data.
        folder: PathBuf,
        /// The server's process.
        process: i32,
    },

    /// The folder belongs to another user.
    #[error(
        "{} belongs to user {uid}: run as that user, or hand it over with `chown -R`",
        path.display()
    )]
    OtherUser {
        /// The folder.
        path: PathBuf,
        /// The number of the user it belongs to.
        uid: u32,
    },

    /// Something else is where the data should be.
    #[error("{} is not a PostgreSQL data folder: move it away", path.display())]
    NotACluster {
        /// The folder.
        path: PathBuf,
    },

    /// No folder was found that the server's user can reach.
    #[error(
        "the user {user}, which PostgreSQL has to run as instead of root, cannot enter {}: \
         choose a data folder that every user can reach",
        folder.display()
    )]
    Unreachable {
        /// The user.
        user: String,
        /// The data folder.
        folder: PathBuf,
    },

    /// A folder for the socket under a shared one belongs to somebody else.
    #[error(
        "{} is not a folder that only this user can enter: remove it, or choose a data folder \
         with a shorter path",
        path.display()
    )]
    UnsafeSocketFolder {
        /// The folder.
        path: PathBuf,
    },

    /// `initdb` failed.
    #[error("initdb could not make the database in {}; it says:\n{output}", folder.display())]
    Initdb {
        /// Where it was to be made.
        folder: PathBuf,
        /// The end of what it said.
        output: String,
    },

    /// The server ended before it was ready.
    #[error("PostgreSQL did not start; the end of its log, {}, says why:\n{tail}", log.display())]
    Start {
        /// The server's log.
        log: PathBuf,
        /// Its last lines.
        tail: String,
    },

    /// The server was not ready in time.
    #[error(
        "PostgreSQL was not ready after {seconds} s; start again, the end of its log, {}, is:\n{tail}",
        log.display()
    )]
    StartTimeout {
        /// How long it had.
        seconds: u64,
        /// The server's log.
        log: PathBuf,
        /// Its last lines.
        tail: String,
    },

    /// The server did not end in time and was killed.
    #[error(
        "PostgreSQL did not stop within {seconds} s and was killed; nothing that was committed \
         is lost, its log, {}, may say why",
        log.display()
    )]
    StopTimeout {
        /// How long it had.
        seconds: u64,
        /// The server's log.
        log: PathBuf,
    },

    /// A database could not be created.
    #[error("the database {name:?} could not be created: {reason}")]
    Database {
        /// Its name.
        name: String,
        /// What the server said.
        reason: String,
    },

    /// The operating system refused something.
    #[error("cannot {action} {}: {source}", path.display())]
    System {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What it answered.
        source: io::Error,
    },
}

/// Says what was tried when the operating system refused.
pub(crate) fn cannot(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::System {
        action,
        path: path.to_owned(),
        source,
    }
}
