//! The folder that holds everything of one server, and its lock.
//!
//! ```text
//! data_dir/
//!   owner.lock      held by the owner and by every process of the server
//!   cluster/        PostgreSQL's own data folder
//!   socket/         the socket, for this user only
//!   server.log      what the server says, since its last start
//!   server.log.1    what it said the time before
//! ```

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, lchown,
};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;

use crate::account::{Ability, Account};
use crate::cluster;
use crate::command::GLANCE;
use crate::error::{Error, cannot};

/// How long an owner that still lives is given to let go of the folder. It
/// covers an owner that is just being replaced, and is short enough for the
/// person who has started a service twice by mistake.
const LIVING_OWNER_LIMIT: Duration = Duration::from_secs(3);

/// How long the server of an owner that was killed is given to end.
const DEAD_OWNER_LIMIT: Duration = Duration::from_secs(60);

/// Where root puts the data when the server's user cannot enter the folder that
/// was asked for.
const ELSEWHERE: [&str; 2] = ["/var/lib/private-postgres", "/var/tmp/private-postgres"];

/// The folder, locked.
#[derive(Debug)]
pub(crate) struct Home {
    path: PathBuf,
    account: Option<Account>,
    lock: File,
}

impl Home {
    /// Makes the folder ready for the server's user and locks it.
    pub(crate) fn open(requested: &Path) -> Result<Self, Error> {
        let (path, account) = reachable(requested)?;
        let lock = lock(&path)?;
        Ok(Self {
            path,
            account,
            lock,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The user that the server runs as, when that is not the owner's.
    pub(crate) fn account(&self) -> Option<&Account> {
        self.account.as_ref()
    }

    pub(crate) fn cluster(&self) -> PathBuf {
        cluster_in(&self.path)
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.path.join("server.log")
    }

    /// The lock, for a child to hold as well.
    pub(crate) fn share_lock(&self) -> Result<File, Error> {
        self.lock
            .try_clone()
            .map_err(cannot("share the lock on", &self.path))
    }

    /// Begins a new log. The one before is kept, and the one before that is
    /// not, so that logs never fill the disk over many starts.
    pub(crate) fn new_log(&self) -> Result<File, Error> {
        let log = self.log();
        match fs::rename(&log, self.path.join("server.log.1")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(cannot("rename", &log)(error));
            }
            _ => {}
        }
        OpenOptions::new()
            .append(true)
            .create_new(true)
            .mode(0o600)
            .open(&log)
            .map_err(cannot("create", &log))
    }

    /// Makes a folder that only the server's user can enter.
    pub(crate) fn private_folder(&self, path: &Path) -> io::Result<()> {
        folder_of(self.account.as_ref(), path)
    }
}

/// Makes a folder that only the user can enter that a server with its data there has to
/// run as.
///
/// # Errors
///
/// When the folder exists or cannot be made.
pub fn private_folder(path: &Path) -> io::Result<()> {
    folder_of(Account::needed(path).as_ref(), path)
}

fn folder_of(account: Option<&Account>, path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)?;
    match account {
        Some(account) => lchown(path, Some(account.uid), Some(account.gid)),
        None => Ok(()),
    }
}

/// A short name for a path that is the same in every run and every build.
pub(crate) fn digest(path: &Path) -> String {
    // FNV-1a. The standard library's hasher may change from release to release,
    // and then yesterday's data would seem to be gone.
    let hash = path
        .as_os_str()
        .as_bytes()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
    format!("{hash:016x}")
}

/// PostgreSQL's own data folder.
pub(crate) fn cluster_in(home: &Path) -> PathBuf {
    home.join("cluster")
}

/// The folder to use, which is the one asked for unless root asks and the
/// server's user cannot get there.
fn reachable(requested: &Path) -> Result<(PathBuf, Option<Account>), Error> {
    let home = create(requested)?;
    let account = Account::needed(&cluster_in(&home));
    check_owner(&cluster_in(&home))?;
    let Some(account) = account else {
        return Ok((home, None));
    };

    let has_data = cluster_in(&home).exists();
    let substitutes = ELSEWHERE.map(|base| substitute(Path::new(base), &home));
    // Data that were put elsewhere stay there, even when the folder that was
    // asked for has become reachable: they must not seem to be gone.
    let earlier = substitutes
        .iter()
        .find(|path| !has_data && cluster_in(path).exists());
    if let Some(earlier) = earlier {
        return adopt(earlier, &home);
    }

    lend(&home, &account)?;
    if account.can(Ability::Enter, &home) {
        return Ok((home, Some(account)));
    }
    if !has_data {
        for path in &substitutes {
            match adopt(path, &home) {
                Ok(found) => return Ok(found),
                Err(error) => tracing::debug!(%error, "this folder cannot stand in"),
            }
        }
    }
    Err(Error::Unreachable {
        user: account.name,
        folder: home,
    })
}

/// Creates the folder, closed to others. Its parents are made as usual, because
/// the server's user may have to walk through them.
fn create(requested: &Path) -> Result<PathBuf, Error> {
    let path = std::path::absolute(requested).map_err(cannot("find", requested))?;
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(cannot("create", parent))?;
    }
    match DirBuilder::new().mode(0o700).create(&path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(cannot("create", &path)(error));
        }
        _ => {}
    }
    fs::canonicalize(&path).map_err(cannot("find", &path))
}

/// PostgreSQL opens only what belongs to the user it runs as.
fn check_owner(cluster: &Path) -> Result<(), Error> {
    let this_user = rustix::process::geteuid();
    match fs::metadata(cluster) {
        // Root lends the server the user that the data belong to, if only it is
        // another one than root.
        Ok(found) if (found.uid() == this_user.as_raw()) == this_user.is_root() => {
            Err(Error::OtherUser {
                path: cluster.to_owned(),
                uid: found.uid(),
            })
        }
        _ => Ok(()),
    }
}

/// Where the data of a folder go that the server's user cannot enter.
fn substitute(base: &Path, home: &Path) -> PathBuf {
    base.join(digest(home))
}

/// Uses a folder in place of the one that was asked for.
fn adopt(path: &Path, instead_of: &Path) -> Result<(PathBuf, Option<Account>), Error> {
    if let Some(base) = path.parent() {
        fs::create_dir_all(base).map_err(cannot("create", base))?;
        let found = fs::symlink_metadata(base).map_err(cannot("look at", base))?;
        // One of the places is under a folder that everybody may write to.
        let ours = found.is_dir() && found.uid() == 0 && found.mode() & 0o022 == 0;
        if !ours {
            return Err(Error::OtherUser {
                path: base.to_owned(),
                uid: found.uid(),
            });
        }
    }
    let path = create(path)?;
    check_owner(&cluster_in(&path))?;
    let account = Account::needed(&cluster_in(&path));
    if let Some(account) = &account {
        lend(&path, account)?;
        if !account.can(Ability::Enter, &path) {
            return Err(Error::Unreachable {
                user: account.name.clone(),
                folder: path,
            });
        }
        tracing::warn!(
            asked_for = %instead_of.display(),
            used = %path.display(),
            user = account.name,
            "PostgreSQL cannot run as root, and the user it runs as cannot enter the data \
             folder; the data are kept elsewhere"
        );
    }
    Ok((path, account))
}

/// Gives the folder to the server's user, when it holds nothing but its data:
/// it may be closed to everybody but root, as temporary folders are.
fn lend(home: &Path, account: &Account) -> Result<(), Error> {
    let found = fs::metadata(home).map_err(cannot("look at", home))?;
    let mut entries = fs::read_dir(home).map_err(cannot("list", home))?;
    let only_ours = entries.all(|entry| {
        entry.is_ok_and(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name == "owner.lock"
                || name == "socket"
                || name.starts_with("cluster")
                || name.starts_with("server.log")
        })
    });
    if found.uid() == 0 && only_ours {
        lchown(home, Some(account.uid), Some(account.gid)).map_err(cannot("hand over", home))?;
        fs::set_permissions(home, fs::Permissions::from_mode(found.mode() | 0o700))
            .map_err(cannot("open", home))?;
    }
    Ok(())
}

/// Where the data of a folder may be, of those places that there are.
pub(crate) fn places(requested: &Path) -> Vec<PathBuf> {
    let Ok(home) = fs::canonicalize(requested) else {
        return Vec::new();
    };
    let elsewhere = ELSEWHERE.map(|base| substitute(Path::new(base), &home));
    // Only root's data are put elsewhere.
    let is_root = rustix::process::geteuid().is_root();
    let elsewhere = elsewhere
        .into_iter()
        .filter(|path| is_root && path.exists());
    let elsewhere: Vec<PathBuf> = elsewhere.collect();
    std::iter::once(home).chain(elsewhere).collect()
}

/// Who holds the lock on the folder, if anybody does: the number of a process.
pub(crate) fn owner(home: &Path) -> Result<Option<String>, Error> {
    let path = home.join("owner.lock");
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(&path);
    let file = match file {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(cannot("open", &path)(error)),
    };
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        // It is given back at once, and an owner that wants it tries again.
        Ok(()) => Ok(None),
        Err(Errno::WOULDBLOCK | Errno::INTR) => {
            let owner = fs::read_to_string(&path).unwrap_or_default();
            Ok(Some(owner.trim().to_owned()))
        }
        Err(error) => Err(cannot("lock", &path)(error.into())),
    }
}

/// Takes the lock on the folder.
///
/// The server's processes hold it too, so whoever gets it knows that none of
/// them is left, even when the owner before was killed.
fn lock(home: &Path) -> Result<File, Error> {
    let path = home.join("owner.lock");
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        // Root must not follow a link that the server's user has put here.
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(&path)
        .map_err(cannot("open", &path))?;

    let started = Instant::now();
    let mut orphan_asked = false;
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => break,
            Err(Errno::WOULDBLOCK | Errno::INTR) => {}
            Err(error) => return Err(cannot("lock", &path)(error.into())),
        }
        let owner = fs::read_to_string(&path).unwrap_or_default();
        let owner = owner.trim();
        let living = owner.parse().is_ok_and(cluster::is_alive);
        let limit = if living {
            LIVING_OWNER_LIMIT
        } else {
            DEAD_OWNER_LIMIT
        };
        if started.elapsed() >= limit {
            return Err(Error::InUse {
                folder: home.to_owned(),
                owner: owner.to_owned(),
            });
        }
        // Its supervisor stops the server of a killed owner. When that one was
        // killed as well, nobody is left to do it but us.
        if !living && !orphan_asked && started.elapsed() >= LIVING_OWNER_LIMIT {
            tracing::warn!(folder = %home.display(), "stopping a server that has lost its owner");
            cluster::ask_to_stop(&cluster_in(home));
            orphan_asked = true;
        }
        thread::sleep(GLANCE);
    }
    file.set_len(0)
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .map_err(cannot("write to", &path))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_the_same_for_ever() {
        // Changing this would lose sight of data that are kept elsewhere.
        assert_eq!(
            digest(Path::new("/root/data")),
            digest(Path::new("/root/data"))
        );
        assert_eq!(digest(Path::new("")), "cbf29ce484222325");
        assert_eq!(digest(Path::new("a")), "af63dc4c8601ec8c");
    }
}
