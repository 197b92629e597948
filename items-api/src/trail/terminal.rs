//! What a terminal is like.

use std::env;
use std::io::{self, IsTerminal as _};
use std::os::fd::AsFd;

use rustix::termios::tcgetwinsize;

/// Columns of the terminal behind a stream; none if it is none.
pub(super) fn columns(stream: impl AsFd) -> Option<usize> {
    let size = tcgetwinsize(stream).ok()?;
    // Some say 0 when they do not know.
    let columns = if size.ws_col == 0 { 80 } else { size.ws_col };
    Some(columns.into())
}

/// Whether the standard output may have colours, by <https://no-color.org>.
pub(super) fn has_colours() -> bool {
    io::stdout().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
