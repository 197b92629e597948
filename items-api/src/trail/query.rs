//! `items-api query`: records for whoever looks for something.

use std::io::{self, IsTerminal as _, Write};
use std::num::NonZeroU64;

use audit::Format as FileFormat;
use audit::{Records, printable};
use clap::{Args, ValueEnum};
use items_api::config::Config;

use super::filters::{Filters, Order};
use super::table::Table;
use super::{Result, reader, terminal, trail};
use crate::postgres::Postgres;

const EXAMPLES: &str = "\
Examples:
  Who failed to create anything since yesterday
    items-api query --action 'create_*' --outcome failed --outcome rejected --from -24h
  The history of one item, from its beginning
    items-api query --resource-type item --resource-id ID --order asc
  What became of one request
    items-api query --request-id ID --format ndjson | jq
  Everything with a red teapot in it
    items-api query --q teapot --payload attributes.colour=red --from -7d";

/// What records look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A line of the most important, as wide as the terminal
    Table,
    /// A line for each record: its canonical bytes
    Ndjson,
    /// A row for each record, safe to open in a spreadsheet
    Csv,
}

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct QueryArguments {
    #[command(flatten)]
    filters: Filters,
    /// The most records
    #[arg(
        long,
        value_name = "COUNT",
        default_value = "50",
        help_heading = "How to show them"
    )]
    limit: NonZeroU64,
    /// Which ones first: desc are the newest
    #[arg(
        long,
        value_enum,
        default_value = "desc",
        help_heading = "How to show them",
        hide_possible_values = true
    )]
    order: Order,
    /// table, ndjson or csv [default: table on a terminal, ndjson in a pipe]
    #[arg(
        long,
        value_enum,
        help_heading = "How to show them",
        hide_possible_values = true
    )]
    format: Option<Format>,
}

pub(crate) fn query(config: &Config, arguments: &QueryArguments) -> Result {
    let is_terminal = io::stdout().is_terminal();
    let format = match arguments.format {
        Some(format) => format,
        None if is_terminal => Format::Table,
        None => Format::Ndjson,
    };
    let query = arguments
        .filters
        .query(&[("order", arguments.order.as_str())])?
        .limit(arguments.limit.get());
    let postgres = Postgres::open_for_reading(config)?;
    let pages = trail(config, &postgres)?.read(reader(), &query)?;

    let mut output = Output::begin(format, is_terminal)?;
    let (mut records, mut has_more) = (0, false);
    for page in pages {
        let page = page?;
        output.show(&page)?;
        records += page.len();
        has_more = page.has_more();
    }
    if is_terminal && format == Format::Table {
        writeln!(io::stderr(), "{}", summary(records, has_more))?;
    }
    Ok(())
}

fn summary(records: usize, has_more: bool) -> String {
    match (records, has_more) {
        (0, _) => "no record is like this".to_owned(),
        (1, false) => "1 record".to_owned(),
        (records, false) => format!("{records} records"),
        (records, true) => {
            format!("{records} records, and there are more: ask for them by --limit")
        }
    }
}

/// The standard output, a page at a time.
enum Output {
    Table(Table),
    File {
        format: FileFormat,
        is_terminal: bool,
    },
}

impl Output {
    fn begin(format: Format, is_terminal: bool) -> Result<Self> {
        let format = match format {
            Format::Table => {
                let columns = terminal::columns(io::stdout());
                return Ok(Self::Table(Table::new(columns, terminal::has_colours())));
            }
            Format::Ndjson => FileFormat::Ndjson,
            Format::Csv => FileFormat::Csv,
        };
        io::stdout().write_all(&format.head()?)?;
        Ok(Self::File {
            format,
            is_terminal,
        })
    }

    fn show(&mut self, page: &Records) -> Result {
        let mut stdout = io::stdout().lock();
        match self {
            Self::Table(table) => stdout.write_all(table.lines(&page.decoded()?).as_bytes())?,
            // It means the same, and shows itself.
            Self::File {
                format: FileFormat::Ndjson,
                is_terminal: true,
            } => {
                for record in page.canonical() {
                    let record = String::from_utf8_lossy(record);
                    writeln!(stdout, "{}", printable::json(&record))?;
                }
            }
            Self::File { format, .. } => stdout.write_all(&page.to_format(*format)?)?,
        }
        stdout.flush()?;
        Ok(())
    }
}
