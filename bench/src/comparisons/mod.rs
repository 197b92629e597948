//! What is compared: one room for each.

mod growth;
pub(crate) mod journal;
mod payloads;
mod pending;
mod pieces;
mod redaction;
mod reference;
mod services;
mod writer;
mod writers;

use clap::ValueEnum;

use crate::report::Report;
use crate::{Bench, Result};

/// What is compared, in the order of the report.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Comparison {
    /// Handlers with an audit trail and without
    Services,
    /// The same service in Python
    Reference,
    /// The writer and COPY
    Writer,
    /// The writer, by how many there are
    Writers,
    /// The writer, by the size of payloads
    Payloads,
    /// The writer, by what the table holds already
    Growth,
    /// An append and a bare write
    Journal,
    /// A service with a million records that wait
    Pending,
    /// Redacting a payload and serialising it
    Redaction,
    /// Parts of the path of a request, one by one
    Pieces,
}

impl Comparison {
    pub(crate) fn compare(self, bench: &Bench, report: &mut Report) -> Result {
        match self {
            Self::Services => services::compare(bench, report),
            Self::Reference => reference::compare(bench, report),
            Self::Writer => writer::compare(bench, report),
            Self::Writers => writers::compare(bench, report),
            Self::Payloads => payloads::compare(bench, report),
            Self::Growth => growth::compare(bench, report),
            Self::Journal => journal::compare(bench, report),
            Self::Pending => pending::compare(bench, report),
            Self::Redaction => redaction::compare(bench, report),
            Self::Pieces => pieces::compare(bench, report),
        }
    }
}
