//! Chromium and its driver, with which the viewer is tested.
//!
//! Those of the system are used where there are any; as root on Debian and its like they
//! are installed. A browser and its driver have to be of one version, so both come from
//! the same place.

use std::path::{Path, PathBuf};

use crate::command::say;
use crate::{Result, apt};

/// What browsers are called that the driver can drive.
const BROWSERS: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];
const DRIVER: &str = "chromedriver";
/// Where GitHub's machines have the driver.
const DRIVER_FOLDER: &str = "CHROMEWEBDRIVER";

/// Both programs.
pub(crate) struct Chromium {
    pub(crate) browser: PathBuf,
    pub(crate) driver: PathBuf,
}

/// Finds them, or installs them.
pub(crate) fn find_or_install() -> Result<Chromium> {
    if let Some(found) = find() {
        return Ok(found);
    }
    if apt::is_usable() {
        say("installing Chromium, with which the viewer is tested");
        apt::install(&["chromium", "chromium-driver"])?;
        if let Some(found) = find() {
            return Ok(found);
        }
    }
    Err(
        "the viewer is tested with Chromium, which is missing: install it and its driver, so that \
         `chromium` and `chromedriver` can be called (on Debian, `apt-get install chromium chromium-driver`)"
            .into(),
    )
}

fn find() -> Option<Chromium> {
    let driver = std::env::var_os(DRIVER_FOLDER)
        .map(|folder| Path::new(&folder).join(DRIVER))
        .filter(|driver| driver.is_file())
        .or_else(|| on_path(DRIVER))?;
    let browser = BROWSERS.iter().find_map(|name| on_path(name))?;
    Some(Chromium { browser, driver })
}

/// The program of this name that a shell would find.
fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
}
