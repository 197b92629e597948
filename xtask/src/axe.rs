//! axe-core, which looks for what keeps people from using a page, from npm.

use std::fs;
use std::path::PathBuf;

use crate::command::{program, run, say, succeeds};
use crate::{Result, apt, cache, root};

/// Where its script is; it is installed into the project's own cache if it is not there
/// as the lock file says, which names its digest.
pub(crate) fn path() -> Result<PathBuf> {
    let manifests = root().join("items-api/tests/browser");
    let lock = "package-lock.json";
    let wanted = fs::read_to_string(manifests.join(lock))?;
    let folder = cache().join("axe-core");
    let script = folder.join("node_modules/axe-core/axe.min.js");
    // Written last, so that what was interrupted is done again.
    let installed = folder.join("installed.json");
    if fs::read_to_string(&installed).is_ok_and(|installed| installed == wanted) {
        return Ok(script);
    }
    if !has_npm() {
        if apt::is_usable() {
            say("installing npm, which fetches axe-core");
            apt::install(&["npm"])?;
        }
        if !has_npm() {
            return Err(
                "axe-core comes from npm, which is missing: install Node.js with npm".into(),
            );
        }
    }
    say("installing axe-core; this happens once");
    fs::create_dir_all(&folder)?;
    for manifest in ["package.json", lock] {
        fs::copy(manifests.join(manifest), folder.join(manifest))?;
    }
    run(program("npm")
        .args([
            "ci",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--silent",
        ])
        .current_dir(&folder))?;
    fs::write(installed, wanted)?;
    Ok(script)
}

fn has_npm() -> bool {
    succeeds(program("npm").arg("--version"))
}
