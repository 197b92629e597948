//! Packages of Debian and its like.

use crate::Result;
use crate::command::{output, program, run, succeeds};

/// Whether packages can be installed here, and by us.
pub(crate) fn is_usable() -> bool {
    is_root() && succeeds(program("apt-get").arg("--version"))
}

/// Installs packages, and nothing that they only recommend.
pub(crate) fn install(packages: &[&str]) -> Result {
    let apt = || {
        let mut apt = program("apt-get");
        apt.args(["--quiet", "--yes"])
            .env("DEBIAN_FRONTEND", "noninteractive");
        apt
    };
    run(apt().arg("update"))?;
    run(apt()
        .args(["install", "--no-install-recommends"])
        .args(packages))
}

fn is_root() -> bool {
    output(program("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}
