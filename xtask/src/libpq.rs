//! libpq, the C library that Diesel speaks to Postgres with.
//!
//! The one of the system is used where it can be linked; as root on Debian and its
//! like it is installed. Everywhere else it is compiled from source, which needs
//! nothing but a C compiler. That one speaks no TLS, for which OpenSSL would have
//! to be compiled too; a private PostgreSQL, on a socket, needs none.

use std::path::Path;

use crate::apt;
use crate::command::{program, say, succeeds};

/// The features that cargo needs to link libpq.
///
/// The library names the feature, because all that link libpq depend on it: so the
/// same arguments fit the workspace and each of its services alone.
pub(crate) fn features() -> Vec<&'static str> {
    if is_linkable() {
        return Vec::new();
    }
    if apt::is_usable() {
        say("installing libpq-dev, which Diesel needs");
        let installed = apt::install(&["libpq-dev", "pkg-config"]);
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
