//! Doors to the inner rooms, for the benchmarks of this project alone.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;
use uuid::Uuid;

use crate::Durability;
use crate::journal::{self, JournalSettings};
use crate::metrics::Metrics;
use crate::postgres::{self, StoreSettings};
use crate::writer::BATCH;

/// Parts records, given by canonical bytes, into batches as the writers would take them
/// from the journal.
pub fn batches(mut records: &[Vec<u8>]) -> impl Iterator<Item = &[Vec<u8>]> {
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let count = records
            .iter()
            .take(BATCH)
            .take_while(|record| {
                let goes_on = bytes < journal::LEASE_BYTES;
                bytes += record.len();
                goes_on
            })
            .count();
        let (batch, others) = records.split_at_checked(count)?;
        records = others;
        (!batch.is_empty()).then_some(batch)
    })
}

/// Writes a batch, given by canonical bytes, as it is sent to Postgres.
///
/// # Errors
///
/// When it is none of records.
pub fn encode(records: &[Vec<u8>], out: &mut Vec<u8>) -> Result<(), String> {
    postgres::write(records, out).map_err(|error| error.to_string())
}

/// The writer's way into Postgres.
pub struct Store(postgres::Store);

impl Store {
    /// A store; whoever inserts from one thread uses one connection.
    #[must_use]
    pub fn new(url: &str) -> Self {
        Self(postgres::Store::new(StoreSettings::new(url.to_owned())))
    }

    /// Stores one batch of new records, given by canonical bytes.
    ///
    /// # Errors
    ///
    /// When Postgres does not take it.
    pub fn insert(&self, records: &[Vec<u8>]) -> Result<(), String> {
        match self.0.copy(records) {
            Ok(true) => Ok(()),
            Ok(false) => Err("COPY was refused".to_owned()),
            Err(rejection) => Err(rejection.message),
        }
    }
}

/// A journal that nobody empties.
#[derive(Clone)]
pub struct Journal {
    journal: journal::Journal,
    metrics: Arc<Metrics>,
}

impl Journal {
    /// Opens one.
    ///
    /// # Errors
    ///
    /// When its folder cannot be used.
    pub fn open(folder: &Path) -> Result<Self, journal::OpenError> {
        let settings = JournalSettings::new(folder);
        let metrics = Arc::<Metrics>::default();
        let (journal, _) = journal::Journal::open(&settings, Arc::clone(&metrics))?;
        Ok(Self { journal, metrics })
    }

    /// Appends a record and waits until it is kept. False if it is not.
    pub async fn append(&self, record: Vec<u8>, durability: Durability) -> bool {
        let Ok(permit) = self.journal.reserve() else {
            return false;
        };
        permit
            .append(Uuid::now_v7(), record, durability)
            .confirmed()
            .await
            .is_ok()
    }

    /// Waits until everything that was appended survives a power cut. False if it does
    /// not within a minute.
    #[must_use]
    pub fn flush(&self) -> bool {
        self.journal.flush(Duration::from_secs(60))
    }

    /// How many frames it has written so far, and in how many writes.
    ///
    /// # Errors
    ///
    /// When the metrics do not tell.
    pub fn frames_and_commits(&self) -> Result<(f64, f64), fmt::Error> {
        // A histogram shows what it has counted to whoever encodes it, and to nobody else.
        let mut registry = Registry::default();
        self.metrics.register(&self.journal, &mut registry);
        let mut shown = String::new();
        text::encode(&mut shown, &registry)?;
        let value = |name: &str| {
            shown
                .lines()
                .find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
                .ok_or(fmt::Error)
        };
        Ok((
            value("audit_journal_commit_frames_sum")?,
            value("audit_journal_commit_frames_count")?,
        ))
    }
}
