//! Cargo's helpers, at the versions that this project was checked with.

use std::path::PathBuf;

use crate::command::{cargo, run, say};
use crate::{Result, cache};

/// A program that `cargo install` makes.
pub(crate) struct Tool {
    package: &'static str,
    binary: &'static str,
    version: &'static str,
    features: &'static [&'static str],
}

pub(crate) const DENY: Tool = Tool {
    package: "cargo-deny",
    binary: "cargo-deny",
    version: "0.20.2",
    features: &["--no-default-features"],
};
pub(crate) const MACHETE: Tool = Tool {
    package: "cargo-machete",
    binary: "cargo-machete",
    version: "0.9.2",
    features: &[],
};
pub(crate) const DIESEL: Tool = Tool {
    package: "diesel_cli",
    binary: "diesel",
    version: "2.3.14",
    features: &["--no-default-features", "--features", "postgres"],
};

impl Tool {
    /// Where the program is; it is installed into the project's own cache if it is
    /// not there in this very version.
    pub(crate) fn path(&self) -> Result<PathBuf> {
        let folder = cache().join(format!("{}-{}", self.package, self.version));
        let path = folder.join("bin").join(self.binary);
        if !path.exists() {
            say(&format!(
                "installing {} {}; this happens once",
                self.package, self.version
            ));
            run(cargo()
                .args(["install", "--quiet", "--locked", "--root"])
                .arg(&folder)
                .args(["--version", self.version])
                .args(self.features)
                .arg(self.package)
                // These run for seconds, so compiling them fast matters more.
                .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
                .env("CARGO_PROFILE_RELEASE_LTO", "off")
                .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
                .env("CARGO_TARGET_DIR", cache().join("build")))?;
        }
        Ok(path)
    }
}
