//! The writers: dedicated threads that carry records from the journal to
//! Postgres.
//!
//! Each thread leases what waits and stores it in one statement: by `COPY`, or if that
//! is refused by a function that says why. A quiet service
//! writes each record at once. A busy one would commit many small batches, which
//! costs Postgres more than the records do, so what does not fill a batch is taken
//! forty milliseconds after the batch before, by whichever writer, and has found company.
//!
//! An insert can be repeated without harm, so an error is never final. What
//! happens depends on its [`Class`](crate::postgres::Class):
//!
//! | class | what the writer does |
//! |---|---|
//! | connection, read-only | connects again, waits a little longer each time, for ever |
//! | conflict | tries again at once three times, then waits |
//! | timeout | halves the batch, and the next ones, until they fit the time |
//! | resources | logs an error, waits longer, for ever |
//! | data, operator | halves the batch until the record at fault stands alone |
//!
//! A record that fails alone is set aside as a dead letter, with its bytes, if
//! Postgres takes another record of the same moment and then refuses this one
//! again; otherwise the fault is not the record's, and it waits like the others.
//!
//! A record counts as delivered once it is present, not once a statement has succeeded: a
//! trigger can discard rows without an error. See [`insert`](crate::postgres).
//!
//! A server that is alive and silent gets past every timeout of a client library.
//! A watchdog gives such a writer up: its records go back to the journal and to
//! another thread with another connection.

mod backoff;
mod watchdog;
mod worker;

use std::io;
use std::sync::Arc;

use crate::journal::Journal;
use crate::metrics::Metrics;
use crate::postgres::Store;
#[cfg(feature = "bench")]
pub(crate) use worker::BATCH;
use worker::Worker;

/// Starts as many writers as the store asks for. They end when the journal has
/// ended and is empty.
pub(crate) fn start(journal: &Journal, store: &Store, metrics: &Arc<Metrics>) -> io::Result<()> {
    let workers = (0..store.writers)
        .map(|_| Worker::start(journal.outlet(), store.clone(), Arc::clone(metrics)))
        .collect::<io::Result<Vec<_>>>()?;
    watchdog::start(workers, store.insert_timeout)
}
