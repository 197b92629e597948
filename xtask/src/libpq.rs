//! libpq, the C library that Diesel speaks to Postgres with.
//!
//! The one of the system is used where it can be linked; as root on Debian and its
//! like it is installed. Everywhere else it is compiled from source, which needs
//! nothing but a C compiler. That one speaks no TLS, for which OpenSSL would have
//! to be compiled too; a private PostgreSQL, on a socket, needs none.

use std::path::Path;

use crate::Result;
use crate::command::{program, run, say, succeeds};

/// The features that cargo needs to link libpq.
///
/// The library names the feature, because all that link libpq depend on it: so the
/// same arguments fit the workspace and each of its services alone.
pub(crate) fn features() -> Vec<&'static str> {
    if is_linkable() {
        return Vec::new();
    }
    if is_root() && succeeds(program("apt-get").arg("--version")) {
        say("installing libpq-dev, which Diesel needs");
        let installed = install();
        if installed.is_ok() && is_linkable() {
            return Vec::new();
        }
    }
    say(
        "libpq is missing, so it is compiled from source, without TLS: install libpq-dev for a database over the network",
    );
    vec!["--features", "audit/bundled-libpq"]
}

/// The same two ways in which `pq-sys` looks for it.
fn is_linkable() -> bool {
    std::env::var_os("PQ_LIB_DIR").is_some()
        || succeeds(program("pkg-config").args(["--exists", "libpq"]))
        || has_library_beside_pg_config()
}

fn has_library_beside_pg_config() -> bool {
    let folder = crate::command::output(
        program("pg_config")
            .arg("--libdir")
            .stderr(std::process::Stdio::null()),
    );
    folder.is_ok_and(|folder| {
        let folder = Path::new(folder.trim());
        ["libpq.so", "libpq.dylib", "libpq.a"]
            .iter()
            .any(|name| folder.join(name).exists())
    })
}

fn install() -> Result {
    let apt = || {
        let mut apt = program("apt-get");
        apt.args(["--quiet", "--yes"])
            .env("DEBIAN_FRONTEND", "noninteractive");
        apt
    };
    run(apt().arg("update"))?;
    run(apt().args([
        "install",
        "--no-install-recommends",
        "libpq-dev",
        "pkg-config",
    ]))
}

fn is_root() -> bool {
    crate::command::output(program("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}
