//! How far an export is, for whoever waits for it.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use audit::Record;

use super::terminal;

/// How often the line changes.
const INTERVAL: Duration = Duration::from_millis(200);

/// A line on the terminal behind the standard error, if there is one.
pub(super) struct Progress {
    began: Instant,
    shown: Option<Instant>,
    is_shown: bool,
    records: u64,
    bytes: u64,
}

impl Progress {
    /// Shows nothing where the records themselves go to the terminal.
    pub(super) fn begin(output_is_terminal: bool) -> Self {
        Self {
            began: Instant::now(),
            shown: None,
            is_shown: io::stderr().is_terminal() && !output_is_terminal,
            records: 0,
            bytes: 0,
        }
    }

    pub(super) fn advance(&mut self, records: usize, bytes: usize, last: Option<&Record>) {
        self.records += records as u64;
        self.bytes += bytes as u64;
        if !self.is_shown || self.shown.is_some_and(|shown| shown.elapsed() < INTERVAL) {
            return;
        }
        self.shown = Some(Instant::now());
        let mut line = self.so_far();
        if let Some(last) = last {
            line.push_str(
                &last
                    .occurred_at
                    .format(", at %Y-%m-%d %H:%M:%SZ")
                    .to_string(),
            );
        }
        let columns = terminal::columns(io::stderr()).unwrap_or(80);
        let line: String = line.chars().take(columns.saturating_sub(1)).collect();
        let _ = write!(io::stderr(), "\r{line}\u{1b}[K");
    }

    /// Leaves the line to somebody else.
    pub(super) fn end(&self) {
        if self.shown.is_some() {
            let _ = write!(io::stderr(), "\r\u{1b}[K");
        }
    }

    /// How much there is, and how fast it came.
    pub(super) fn so_far(&self) -> String {
        let seconds = self.began.elapsed().as_secs_f64();
        format!(
            "{} records, {:.1} MB in {seconds:.1} s ({:.0} records/s)",
            self.records,
            self.bytes as f64 / 1e6,
            self.records as f64 / seconds.max(0.001),
        )
    }
}
