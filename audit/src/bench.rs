//! Doors to the inner rooms, for the benchmarks of this project alone.

use std::path::Path;
use std::sync::Arc;

use uuid::Uuid;

use crate::Durability;
use crate::journal::{self, JournalSettings};
use crate::metrics::Metrics;
use crate::postgres::{self, StoreSettings};

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
pub struct Journal(journal::Journal);

impl Journal {
    /// Opens one.
    ///
    /// # Errors
    ///
    /// When its folder cannot be used.
    pub fn open(folder: &Path) -> Result<Self, journal::OpenError> {
        let settings = JournalSettings::new(folder);
        let (journal, _) = journal::Journal::open(&settings, Arc::<Metrics>::default())?;
        Ok(Self(journal))
    }

    /// Appends a record and waits until it is kept. False if it is not.
    pub async fn append(&self, record: Vec<u8>, durability: Durability) -> bool {
        let Ok(permit) = self.0.reserve() else {
            return false;
        };
        permit
            .append(Uuid::now_v7(), record, durability)
            .confirmed()
            .await
            .is_ok()
    }
}
