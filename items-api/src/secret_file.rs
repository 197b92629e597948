//! Secrets that the service makes itself, each in a file that nobody else may read.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use uuid::Uuid;

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    /// The file cannot be read or made.
    #[error("cannot read or create {path}: {source}")]
    File {
        /// Which file.
        path: String,
        /// Why not.
        source: io::Error,
    },
    /// The operating system has no random numbers.
    #[error("cannot make a secret: {0}")]
    Random(String),
}

/// What the file holds: 64 hexadecimal characters, unless somebody else wrote it.
/// Whoever comes first makes it; a link rather than a write puts it in place, so
/// nobody ever sees half of it.
///
/// # Errors
///
/// When it cannot be read, or made.
pub(crate) fn read_or_make(path: &Path) -> Result<Vec<u8>, SecretFileError> {
    let failed = |source| SecretFileError::File {
        path: path.display().to_string(),
        source,
    };
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        read => return read.map_err(failed),
    }
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| SecretFileError::Random(error.to_string()))?;
    let secret: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}", Uuid::new_v4().simple()));
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)
        .and_then(|mut file| {
            file.write_all(secret.as_bytes())?;
            file.sync_all()
        })
        .map_err(failed)?;
    let linked = fs::hard_link(&draft, path);
    let _ = fs::remove_file(&draft);
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(failed(error)),
        _ => fs::read(path).map_err(failed),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_secret_is_made_once_and_is_nobody_elses_to_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let secrets: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| read_or_make(&path).unwrap()))
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        assert!(secrets.windows(2).all(|pair| pair[0] == pair[1]));
        let files: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert_eq!(files.len(), 1);
        let mode = files[0].metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
