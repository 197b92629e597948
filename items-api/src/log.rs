//! The log, on the standard error.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io;
use std::panic::{self, PanicHookInfo};

use audit::printable::Lines;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use crate::config::{Config, LogFormat};

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
#[error("`{filter}` is not a log filter ({reason}); try `info`")]
pub struct LogError {
    filter: String,
    reason: ParseError,
}

/// Starts logging as configured, one line an event; panics are events too.
///
/// There are no colours: what looks like one in the log came from outside, and is
/// escaped with the rest.
///
/// # Errors
///
/// When the filter cannot be understood.
pub fn start(config: &Config) -> Result<(), LogError> {
    let filter = EnvFilter::try_new(&config.log).map_err(|reason| LogError {
        filter: config.log.clone(),
        reason,
    })?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false);
    match config.log_format {
        LogFormat::Text => log.with_writer(|| Lines::of_text(io::stderr())).init(),
        LogFormat::Json => log
            .json()
            .with_writer(|| Lines::of_json(io::stderr()))
            .init(),
    }
    panic::set_hook(Box::new(report));
    Ok(())
}

/// Panics have their own way to the standard error, and their messages may quote what
/// a client sent.
fn report(panic: &PanicHookInfo<'_>) {
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then_some(&backtrace);
    tracing::error!(%panic, backtrace = backtrace.map(tracing::field::display), "a thread panicked");
}
