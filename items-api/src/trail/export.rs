//! `items-api export`: all records of a filter as one file, of any size.

use std::io::{self, IsTerminal as _, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use audit::Format as FileFormat;
use audit::{Pages, Record, Records};
use clap::{Args, ValueEnum};
use items_api::config::Config;
use uuid::Uuid;

use super::filters::{Filters, Order};
use super::part::{Existing, Part};
use super::progress::Progress;
use super::{Result, interrupt, reader, trail};
use crate::postgres::Postgres;

const EXAMPLES: &str = "\
Examples:
  A year, for the archive
    items-api export --from 2025-01-01 --to 2026-01-01 --output 2025.ndjson
  The same, after it was interrupted
    items-api export --from 2025-01-01 --to 2026-01-01 --output 2025.ndjson --resume
  What alice did this week, for a spreadsheet
    items-api export --actor alice --from -7d --format csv --output alice.csv
  How often each action was attempted
    items-api export | jq -r .action | sort | uniq -c

While the service is stopped, a private PostgreSQL runs for the export, and the service
cannot start before it has ended.";

/// What a file consists of.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// A line for each record: its canonical bytes
    Ndjson,
    /// A row for each record, safe to open in a spreadsheet
    Csv,
}

impl From<Format> for FileFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Ndjson => Self::Ndjson,
            Format::Csv => Self::Csv,
        }
    }
}

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ExportArguments {
    #[command(flatten)]
    filters: Filters,
    /// ndjson, whose lines are the canonical bytes, or csv, for spreadsheets
    #[arg(
        long,
        value_enum,
        default_value = "ndjson",
        help_heading = "The file",
        hide_possible_values = true
    )]
    format: Format,
    /// Where to write; without it, the standard output
    #[arg(long, short, value_name = "FILE", help_heading = "The file")]
    output: Option<PathBuf>,
    /// Go on with what a broken export has left in FILE.part, with the same filters
    #[arg(long, requires = "output", conflicts_with_all = ["after", "force"], help_heading = "The file")]
    resume: bool,
    /// Write over what is there
    #[arg(long, requires = "output", help_heading = "The file")]
    force: bool,
    /// Begin behind the record with this id
    #[arg(long, value_name = "ID", help_heading = "The file")]
    after: Option<Uuid>,
    /// Which ones first: asc are the oldest
    #[arg(
        long,
        value_enum,
        default_value = "asc",
        help_heading = "The file",
        hide_possible_values = true
    )]
    order: Order,
}

pub(crate) fn export(config: &Config, arguments: &ExportArguments) -> Result {
    let is_interrupted = interrupt::watch()?;
    // Before anything is opened, what is asked for has to make sense.
    arguments.filters.query(&[])?;
    let mut output = Output::open(arguments)?;
    let result = run(config, arguments, &mut output, &is_interrupted);
    match result {
        Ok(summary) => {
            output.finish()?;
            writeln!(io::stderr(), "{summary}")?;
            Ok(())
        }
        Err(Broken { cause, last }) => Err(output.how_to_go_on(cause, last)),
    }
}

/// An export that did not get to its end.
struct Broken {
    cause: Box<dyn std::error::Error>,
    /// The last record that was written.
    last: Option<Uuid>,
}

fn run(
    config: &Config,
    arguments: &ExportArguments,
    output: &mut Output,
    is_interrupted: &AtomicBool,
) -> std::result::Result<String, Broken> {
    let format = arguments.format.into();
    let mut last = arguments.after.or(output.last());
    let mut progress = Progress::begin(output.is_terminal());
    let written = (|| -> Result<()> {
        let postgres = Postgres::open_for_reading(config)?;
        let pages = begin(config, arguments, &postgres, format, last)?;
        if output.is_empty() {
            output.write(&format.head()?)?;
        }
        for page in pages {
            let page = page?;
            let bytes = page.to_format(format)?;
            output.write(&bytes)?;
            let record = last_of(&page);
            last = record.as_ref().map(|record| record.id).or(last);
            progress.advance(page.len(), bytes.len(), record.as_ref());
            if is_interrupted.load(Ordering::Relaxed) && page.has_more() {
                return Err("interrupted".into());
            }
        }
        Ok(())
    })();
    progress.end();
    match written {
        Ok(()) => Ok(progress.so_far()),
        Err(cause) => Err(Broken { cause, last }),
    }
}

fn begin(
    config: &Config,
    arguments: &ExportArguments,
    postgres: &Postgres,
    format: FileFormat,
    after: Option<Uuid>,
) -> Result<Pages> {
    let after = after.map(|id| id.to_string());
    let mut more = vec![
        ("format", format.as_str()),
        ("order", arguments.order.as_str()),
    ];
    more.extend(after.as_deref().map(|id| ("after", id)));
    let query = arguments.filters.query(&more)?;
    Ok(trail(config, postgres)?.export(reader(), &query)?)
}

fn last_of(page: &Records) -> Option<Record> {
    let last = page.canonical().last()?;
    Record::from_canonical_bytes(last).ok()
}

/// Where the records go.
enum Output {
    Stdout { is_empty: bool },
    File(Part),
}

impl Output {
    fn open(arguments: &ExportArguments) -> Result<Self> {
        let Some(path) = &arguments.output else {
            return Ok(Self::Stdout { is_empty: true });
        };
        let existing = if arguments.resume {
            Existing::Resume
        } else if arguments.force {
            Existing::Replace
        } else {
            Existing::Refuse
        };
        Ok(Self::File(Part::open(
            path,
            arguments.format.into(),
            existing,
        )?))
    }

    fn is_terminal(&self) -> bool {
        matches!(self, Self::Stdout { .. }) && io::stdout().is_terminal()
    }

    /// Whether it still wants what a file begins with.
    fn is_empty(&self) -> bool {
        match self {
            Self::Stdout { is_empty } => *is_empty,
            Self::File(part) => part.is_empty(),
        }
    }

    /// The last record that was there before.
    fn last(&self) -> Option<Uuid> {
        match self {
            Self::Stdout { .. } => None,
            Self::File(part) => part.last(),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result {
        match self {
            Self::Stdout { is_empty } => {
                *is_empty = false;
                let mut stdout = io::stdout().lock();
                stdout.write_all(bytes)?;
                stdout.flush()?;
            }
            Self::File(part) => part.write(bytes)?,
        }
        Ok(())
    }

    fn finish(self) -> Result {
        if let Self::File(part) = self {
            part.finish()?;
        }
        Ok(())
    }

    /// The error, and what to do about what is written already.
    fn how_to_go_on(
        self,
        cause: Box<dyn std::error::Error>,
        last: Option<Uuid>,
    ) -> Box<dyn std::error::Error> {
        match (&self, last) {
            (Self::File(part), _) if part.is_empty() => {
                part.remove_if_empty();
                cause
            }
            (Self::File(part), _) => format!(
                "{cause}\n{} holds what was written; the same command with --resume goes on with it",
                part.path().display()
            )
            .into(),
            (Self::Stdout { is_empty: false }, Some(last)) if !crate::is_broken_pipe(&*cause) => {
                format!("{cause}\nthe same command with --after {last} goes on behind what was written").into()
            }
            _ => cause,
        }
    }
}
