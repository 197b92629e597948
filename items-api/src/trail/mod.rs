//! `items-api query` and `items-api export`: the audit trail on the command line.

mod export;
mod filters;
mod interrupt;
mod part;
mod progress;
mod query;
mod table;
mod terminal;

use std::process::{Command, Stdio};

use audit::{Actor, Trail};
use items_api::config::Config;
use items_api::{redaction, serve};
use rustix::process::getuid;

use crate::postgres::Postgres;
pub(crate) use export::{ExportArguments, export};
pub(crate) use query::{QueryArguments, query};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The trail in the database that the service uses.
fn trail(config: &Config, postgres: &Postgres) -> Result<Trail> {
    if !config.redaction.hash.is_empty() {
        // The keys lie there.
        serve::prepare_data_dir(&config.data_dir)?;
    }
    let redactor = redaction::redactor(&config.redaction)?;
    let trail = Trail::new("items-api", &postgres.url).redactor(redactor);
    Ok(match &config.audit_read_url {
        Some(url) => trail.read_url(url),
        None => trail,
    })
}

/// Who reads: the user of this machine, by name where there is one.
fn reader() -> Actor {
    Actor {
        auth: Some("local".to_owned()),
        ..Actor::system(user_name().unwrap_or_else(|| getuid().to_string()))
    }
}

/// What the machine calls its user. Names may come from a directory service, which `id`
/// knows how to ask; neither PATH nor anything else of the environment has a say in it.
fn user_name() -> Option<String> {
    let mut id = Command::new("/usr/bin/id");
    id.args(["-r", "-u", "-n"]).env_clear();
    let output = id
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let name = String::from_utf8(output.stdout).ok()?;
    let name = name.trim();
    (output.status.success() && !name.is_empty()).then(|| name.to_owned())
}
