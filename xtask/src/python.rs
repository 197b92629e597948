//! Python environments of the project's own, each for one purpose.

use std::fs;
use std::path::PathBuf;

use crate::command::{program, run, say, succeeds};
use crate::{Result, cache, root};

/// An environment and what is in it.
pub(crate) struct Environment {
    /// The name of its folder in the project's own cache.
    pub(crate) name: &'static str,
    /// Where the packages stand, with the very versions that are wanted.
    pub(crate) requirements: &'static str,
    /// What they are, for whoever waits for them.
    pub(crate) what: &'static str,
}

impl Environment {
    /// The folder of its programs.
    pub(crate) fn programs(&self) -> PathBuf {
        cache().join(self.name).join("bin")
    }

    /// Installs the packages if they are not there in the wanted versions, and returns the
    /// folder of the programs.
    pub(crate) fn ensure(&self) -> Result<PathBuf> {
        let requirements = root().join(self.requirements);
        let wanted = fs::read_to_string(&requirements)?;
        let folder = cache().join(self.name);
        // Written last, so that what was interrupted is done again.
        let installed = folder.join("requirements.txt");
        if fs::read_to_string(&installed).is_ok_and(|installed| installed == wanted) {
            return Ok(self.programs());
        }
        if !succeeds(program("python3").args(["-c", "import venv, ensurepip"])) {
            return Err(format!(
                "{} needs Python with its venv module: on Debian and its like, `apt-get install python3-venv`",
                self.what
            )
            .into());
        }
        say(&format!("installing {}; this happens once", self.what));
        run(program("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&folder))?;
        run(program(folder.join("bin/pip"))
            .args(["install", "--quiet", "--disable-pip-version-check"])
            .args(["--no-deps", "--requirement"])
            .arg(&requirements))?;
        fs::write(installed, wanted)?;
        Ok(self.programs())
    }
}
