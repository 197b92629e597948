//! `bench serve`: one variant of the app, in a process of its own, so that what it uses is
//! told apart from what the load uses.

use std::io;
use std::path::PathBuf;

use bench::app::{Service, Variant};
use clap::Args;

use crate::{Result, print};

#[derive(Args)]
pub(crate) struct Arguments {
    #[arg(long)]
    pub(crate) variant: Variant,
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub(crate) url: String,
    #[arg(long)]
    pub(crate) journal: PathBuf,
}

/// Says where it listens, serves until its standard input is closed, and succeeds if every
/// record is in Postgres then.
pub(crate) fn run(arguments: &Arguments) -> Result {
    let service = Service::start(arguments.variant, &arguments.url, &arguments.journal)?;
    print(&service.address().to_string())?;
    io::copy(&mut io::stdin().lock(), &mut io::sink())?;
    service.stop()
}
