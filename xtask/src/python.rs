//! What makes requests and clients from an OpenAPI document, in a Python environment of
//! its own.

use std::fs;
use std::path::PathBuf;

use crate::command::{program, run, say, succeeds};
use crate::{Result, cache, root};

/// The folder of its programs. They are installed into the project's own cache if they
/// are not there in the very versions that `contract/requirements.txt` names.
pub(crate) fn programs() -> Result<PathBuf> {
    let requirements = root().join("contract/requirements.txt");
    let wanted = fs::read_to_string(&requirements)?;
    let folder = cache().join("contract-python");
    // Written last, so that what was interrupted is done again.
    let installed = folder.join("requirements.txt");
    if fs::read_to_string(&installed).is_ok_and(|installed| installed == wanted) {
        return Ok(folder.join("bin"));
    }
    if !succeeds(program("python3").args(["-c", "import venv, ensurepip"])) {
        return Err(
            "Schemathesis and the generator of clients need Python with its venv module: on Debian and its like, `apt-get install python3-venv`"
                .into(),
        );
    }
    say("installing Schemathesis and the generator of clients; this happens once");
    run(program("python3")
        .args(["-m", "venv", "--clear"])
        .arg(&folder))?;
    run(program(folder.join("bin/pip"))
        .args(["install", "--quiet", "--disable-pip-version-check"])
        .args(["--no-deps", "--requirement"])
        .arg(&requirements))?;
    fs::write(installed, wanted)?;
    Ok(folder.join("bin"))
}
