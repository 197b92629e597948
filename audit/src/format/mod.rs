//! What records look like in a file.

mod csv;

use std::io;

use crate::postgres::Found;

/// What an export consists of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// A line for each record: its canonical bytes.
    #[default]
    Ndjson,
    /// A row for each record, for people with spreadsheets.
    Csv,
}

impl Format {
    /// All formats and their names.
    pub(crate) const ALL: [(&str, Self); 2] = [("ndjson", Self::Ndjson), ("csv", Self::Csv)];

    /// The format's name in queries, and at the end of the names of files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
        }
    }

    pub(crate) fn media_type(self) -> &'static str {
        match self {
            // https://github.com/ndjson/ndjson-spec, which is in no standard's register.
            Self::Ndjson => "application/x-ndjson",
            // RFC 4180, section 3, and RFC 7111.
            Self::Csv => "text/csv; charset=utf-8; header=present",
        }
    }

    /// What a file begins with, before its first record.
    ///
    /// # Errors
    ///
    /// Only writing into memory could fail.
    pub fn head(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Ndjson => Ok(Vec::new()),
            Self::Csv => csv::header(),
        }
    }

    /// The records as the file holds them, each ended by the end of its line.
    pub(crate) fn part(self, records: &[Found]) -> io::Result<Vec<u8>> {
        match self {
            Self::Ndjson => {
                let bytes = records
                    .iter()
                    .map(|record| record.canonical.len() + 1)
                    .sum();
                let mut lines = Vec::with_capacity(bytes);
                for record in records {
                    lines.extend_from_slice(&record.canonical);
                    lines.push(b'\n');
                }
                Ok(lines)
            }
            Self::Csv => csv::rows(records),
        }
    }
}
