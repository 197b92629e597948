//! `bench count`: does one piece over and over, for callgrind to count its instructions.

use bench::pieces;
use clap::Args;

use crate::Result;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Which piece
    name: String,
    /// How often
    #[arg(long)]
    calls: u64,
}

pub(crate) fn run(arguments: &Arguments) -> Result {
    let piece = pieces::find(&arguments.name)
        .ok_or_else(|| format!("there is no piece `{}`", arguments.name))?;
    let folder = tempfile::tempdir()?;
    let mut call = (piece.prepare)(folder.path())?;
    for _ in 0..arguments.calls {
        call()?;
    }
    Ok(())
}
