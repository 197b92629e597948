//! libpq, the C library that Diesel speaks to Postgres with.
//!
//! The one of the system is used where it can be linked; as root on Debian and its
//! like it is installed. Everywhere else it is compiled from source, which takes a
//! minute or two and needs nothing but a C compiler, perl and make.

use std::path::Path;

use crate::Result;
use crate::command::{program, run, say, succeeds};

/// The features that cargo needs to link libpq.
pub(crate) fn features() -> Result<Vec<&'static str>> {
    if is_linkable() {
        return Ok(Vec::new());
    }
    if is_root() && succeeds(program("apt-get").arg("--version")) {
        say("installing libpq-dev, which Diesel needs");
        let installed = install();
        if installed.is_ok() && is_linkable() {
            return Ok(Vec::new());
        }
    }
    for tool in ["perl", "make", "cc"] {
        if !succeeds(program(tool).arg(if tool == "perl" { "-v" } else { "--version" })) {
            return Err(format!(
                "libpq is missing, and so is `{tool}` to compile it: install libpq-dev (Debian, Ubuntu), \
                 libpq-devel (Fedora) or libpq (Homebrew)"
            )
            .into());
        }
    }
    say("libpq is missing, so it is compiled from source; install libpq-dev to save that time");
    Ok(vec!["--features", "items-api/bundled-libpq"])
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
