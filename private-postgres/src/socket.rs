//! The folder of the server's socket.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::error::{Error, cannot};
use crate::home::{Home, digest};

/// The server listens on no port; this one only names the socket.
pub(crate) const PORT: u16 = 5432;

/// The longest path of a socket. Linux allows 107 bytes, macOS 103.
const LONGEST_PATH: usize = 103;

/// The socket in its folder.
pub(crate) fn in_folder(folder: &Path) -> PathBuf {
    folder.join(format!(".s.PGSQL.{PORT}"))
}

/// Makes a folder that only the server's user can enter, so that reaching the
/// socket is proof enough of who asks. It is inside the data folder, unless its
/// path is too long there.
pub(crate) fn prepare(home: &Home) -> Result<PathBuf, Error> {
    let inside = home.path().join("socket");
    let folder = if is_usable(&inside) {
        inside.clone()
    } else {
        short_folder(home)
    };
    match home.private_folder(&folder) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            check(home, &folder, folder == inside)?;
        }
        Err(error) => return Err(cannot("create", &folder)(error)),
    }
    remove_leftovers(&folder)?;
    Ok(folder)
}

/// Whether both PostgreSQL and libpq can use a folder for the socket.
fn is_usable(folder: &Path) -> bool {
    let path = in_folder(folder);
    let bytes = path.as_os_str().as_bytes();
    // Both take a comma for the end of a name, and PostgreSQL a quote for the
    // beginning of one.
    let is_plain = |byte: &u8| !byte.is_ascii_control() && !matches!(byte, b',' | b'"');
    bytes.len() <= LONGEST_PATH && bytes.iter().all(is_plain)
}

/// A folder with a short path, always the same one for a data folder.
fn short_folder(home: &Home) -> PathBuf {
    let digest = digest(home.path());
    let user = home.account().map_or_else(
        || rustix::process::geteuid().as_raw(),
        |account| account.uid,
    );
    // The folder for this is the session's, which root's server is no part of.
    let runtime = std::env::var_os("XDG_RUNTIME_DIR")
        .filter(|_| home.account().is_none())
        .map(PathBuf::from)
        .filter(|folder| folder.is_absolute() && folder.is_dir())
        .map(|folder| folder.join(format!("private-postgres-{digest}")))
        .filter(|folder| is_usable(folder));
    runtime.unwrap_or_else(|| PathBuf::from(format!("/tmp/private-postgres-{user}-{digest}")))
}

/// Accepts a folder that exists, if it is one this crate has made. Everybody
/// can make a folder under `/tmp`, and so catch whoever connects there.
fn check(home: &Home, folder: &Path, inside_data_folder: bool) -> Result<(), Error> {
    let found = fs::symlink_metadata(folder).map_err(cannot("look at", folder))?;
    let user = home.account().map_or_else(
        || rustix::process::geteuid().as_raw(),
        |account| account.uid,
    );
    let is_ours = found.is_dir() && found.uid() == user;
    if is_ours && inside_data_folder {
        // A copy of the data folder may have lost the modes.
        return fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
            .map_err(cannot("close", folder));
    }
    if is_ours && found.mode() & 0o077 == 0 {
        return Ok(());
    }
    Err(Error::UnsafeSocketFolder {
        path: folder.to_owned(),
    })
}

/// Removes what a killed server has left. Nobody listens there: the lock on the
/// data folder is held.
fn remove_leftovers(folder: &Path) -> Result<(), Error> {
    let socket = in_folder(folder);
    let mut lock = socket.clone().into_os_string();
    lock.push(".lock");
    for path in [socket, PathBuf::from(lock)] {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(cannot("remove", &path)(error));
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_and_ambiguous_paths_are_not_used() {
        assert!(is_usable(Path::new("/var/lib/a b/socket")));
        assert!(!is_usable(Path::new("/var/lib/a,b/socket")));
        assert!(!is_usable(Path::new("/var/lib/a\"b/socket")));
        assert!(!is_usable(&Path::new("/").join("x".repeat(90))));
        assert!(is_usable(&Path::new("/").join("x".repeat(88))));
    }
}
