//! The writers: dedicated threads that carry records from the journal to
//! Postgres.
//!
//! Each thread leases what waits, at most [`BATCH`] records, and inserts it in
//! one statement. There is no lingering for a batch to fill: a quiet service
//! writes each record at once, and a busy one finds many waiting when the last
//! insert returns.
//!
//! An insert can be repeated without harm, so an error is never final:
//!
//! - **Postgres cannot be reached.** The lease stays, the thread waits, longer
//!   each time, and tries again for ever.
//! - **Postgres refuses the statement.** Somewhere in the batch may be a record
//!   that cannot be stored, so the batch is halved until it stands alone. It
//!   goes to the end of the queue, where it hinders nobody and is tried again.

mod backoff;

use std::io;
use std::thread;

use backoff::Backoff;

use crate::journal::{Journal, Lease};
use crate::postgres::{Rejection, Store};

/// The most records in one statement.
const BATCH: usize = 512;

/// Starts as many writers. They end when the journal is closed and empty.
pub(crate) fn start(writers: u32, journal: &Journal, store: &Store) -> io::Result<()> {
    for number in 0..writers {
        let mut writer = Writer {
            journal: journal.clone(),
            store: store.clone(),
            backoff: Backoff::default(),
        };
        thread::Builder::new()
            .name(format!("audit-writer-{number}"))
            .spawn(move || writer.run())?;
    }
    Ok(())
}

struct Writer {
    journal: Journal,
    store: Store,
    backoff: Backoff,
}

impl Writer {
    fn run(&mut self) {
        while let Some(lease) = self.journal.lease(BATCH) {
            self.deliver(lease);
        }
    }

    /// Delivers a lease, or leaves what cannot be delivered in the journal.
    fn deliver(&mut self, mut lease: Lease) {
        loop {
            match self.store.insert(lease.entries()) {
                Ok(()) => {
                    self.backoff.reset();
                    lease.delivered();
                    return;
                }
                Err(Rejection::Unavailable(cause)) => {
                    tracing::warn!(records = lease.entries().len(), %cause, "Postgres cannot be written to; trying again");
                    self.backoff.wait();
                }
                Err(Rejection::Refused(cause)) if lease.entries().len() == 1 => {
                    tracing::error!(%cause, "Postgres refuses a record; it waits and is tried again");
                    lease.postpone();
                    self.backoff.wait();
                    return;
                }
                Err(Rejection::Refused(_)) => {
                    let second = lease.split_off_half();
                    self.deliver(lease);
                    lease = second;
                }
            }
        }
    }
}
