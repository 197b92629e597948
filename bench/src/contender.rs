//! Who takes part in a comparison of services.

use std::path::Path;
use std::process::Command;

use bench::app::Variant;

use crate::{Bench, Result};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contender {
    /// An Actix-web service, with or without an audit trail.
    Own(Variant),
    /// The same service in Python; see `bench/reference`.
    Reference,
}

impl Contender {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Own(variant) => variant.name(),
            Self::Reference => "reference",
        }
    }

    /// What starts it.
    pub(crate) fn command(self, bench: &Bench, url: &str, journal: &Path) -> Result<Command> {
        let mut command = match self {
            Self::Own(variant) => {
                let mut command = Command::new(std::env::current_exe()?);
                command
                    .args(["serve", "--variant", variant.name()])
                    .arg("--journal")
                    .arg(journal);
                command
            }
            Self::Reference => {
                let mut command = Command::new(bench.python.join("python"));
                command.arg(bench.sources.join("reference/main.py"));
                command
            }
        };
        command.env("DATABASE_URL", url);
        Ok(command)
    }

    /// Where its records are, one for each answered request; nowhere, if it keeps none.
    pub(crate) fn records(self) -> Option<&'static str> {
        match self {
            Self::Own(Variant::Bare) => None,
            // The trail's own records are no answers.
            Self::Own(_) => Some("audit_records WHERE http_request_id IS NOT NULL"),
            Self::Reference => Some("reference_audit WHERE true"),
        }
    }
}
