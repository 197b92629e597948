//! One writer.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::backoff::Backoff;
use crate::journal::{Entry, Lease, Outlet};
use crate::log_gate::LogGate;
use crate::metrics::Metrics;
use crate::postgres::{Class, Rejection, Store};

/// The most records in one statement. Whatever their number, a statement and its commit
/// take a millisecond or two.
pub(crate) const BATCH: usize = 2_048;
/// The least time between two batches, unless the next one is full. It is what a record
/// may wait for company; one that comes after a pause does not wait.
const PACE: Duration = Duration::from_millis(40);

/// What a writer is doing, for the watchdog to see.
#[derive(Clone)]
pub(super) struct Worker {
    outlet: Outlet,
    store: Store,
    metrics: Arc<Metrics>,
    task: Arc<Mutex<Task>>,
}

#[derive(Default)]
struct Task {
    lease: Option<Lease>,
    /// Since when Postgres has been asked without an answer.
    asked_at: Option<Instant>,
    is_abandoned: bool,
    has_ended: bool,
}

/// Another thread has the records now.
struct Abandoned;

impl Worker {
    pub(super) fn start(outlet: Outlet, store: Store, metrics: Arc<Metrics>) -> io::Result<Self> {
        let worker = Self {
            outlet,
            store,
            metrics,
            task: Arc::default(),
        };
        let mut thread = Thread {
            worker: worker.clone(),
            batch: BATCH,
            backoff: Backoff::default(),
            gate: LogGate::default(),
        };
        thread::Builder::new()
            .name("audit-writer".to_owned())
            .spawn(move || thread.run())?;
        Ok(worker)
    }

    /// Another writer in the place of this one.
    pub(super) fn replace(&self) -> io::Result<Self> {
        Self::start(
            self.outlet.clone(),
            self.store.clone(),
            Arc::clone(&self.metrics),
        )
    }

    /// Gives the writer up if Postgres has not answered it for so long; its
    /// records go back to the journal.
    pub(super) fn abandon_if_stuck(&self, patience: Duration) -> bool {
        let mut task = self.lock();
        let is_stuck = task
            .asked_at
            .is_some_and(|asked_at| asked_at.elapsed() > patience);
        if is_stuck {
            task.is_abandoned = true;
            task.lease = None;
            self.store.note_delivery(false);
            self.metrics.writers_abandoned.inc();
        }
        is_stuck
    }

    pub(super) fn has_ended(&self) -> bool {
        self.lock().has_ended
    }

    fn lock(&self) -> MutexGuard<'_, Task> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks Postgres for something, under the eyes of the watchdog.
    fn ask<T>(
        &self,
        question: impl FnOnce(&Store) -> Result<T, Rejection>,
    ) -> Result<Result<T, Rejection>, Abandoned> {
        self.lock().asked_at = Some(Instant::now());
        let answer = question(&self.store);
        let mut task = self.lock();
        task.asked_at = None;
        if task.is_abandoned {
            return Err(Abandoned);
        }
        Ok(answer)
    }
}

struct Thread {
    worker: Worker,
    /// The most records in the next batch.
    batch: usize,
    backoff: Backoff,
    gate: LogGate,
}

impl Thread {
    fn run(&mut self) {
        while let Some(lease) = self.worker.outlet.lease(self.batch, PACE) {
            let entries = lease.entries().to_vec();
            self.worker.lock().lease = Some(lease);
            if self.deliver(&entries).is_err() {
                break;
            }
            let lease = self.worker.lock().lease.take();
            if let Some(lease) = lease {
                lease.delivered();
            }
        }
        self.worker.lock().has_ended = true;
    }

    /// Delivers all of them, however long that takes.
    fn deliver(&mut self, entries: &[Entry]) -> Result<(), Abandoned> {
        let mut parts = vec![entries];
        while let Some(part) = parts.pop() {
            let Err(rejection) = self.insert(part)? else {
                self.backoff.reset();
                continue;
            };
            self.note(&rejection, part.len());
            match (rejection.class, part) {
                (Class::Timeout, [_, _, ..]) => {
                    self.batch = (part.len() / 2).max(1);
                    halve(part, &mut parts);
                }
                // An operator's trigger can fail for one record with any SQLSTATE.
                (Class::Data | Class::Operator, [_, _, ..]) => halve(part, &mut parts),
                (Class::Data | Class::Operator, [entry]) => {
                    if let Err(rejection) = self.set_aside(entry, &rejection)? {
                        // Nothing can be stored, so the others need not be tried
                        // one by one.
                        self.note(&rejection, entries.len());
                        parts = vec![entries];
                        self.backoff.wait(rejection.class);
                    }
                }
                (class, _) => {
                    parts.push(part);
                    self.backoff.wait(class);
                }
            }
        }
        Ok(())
    }

    fn insert(&mut self, part: &[Entry]) -> Result<Result<(), Rejection>, Abandoned> {
        let began = Instant::now();
        let answer = self.store(part)?;
        if answer.is_ok() {
            // What is stored is stored, whatever becomes of this process now.
            crate::journal::fault_point("stored");
            let metrics = &self.worker.metrics;
            metrics.writer_records.inc_by(part.len() as u64);
            metrics.writer_batch_records.observe(part.len() as f64);
            metrics
                .writer_batch_seconds
                .observe(began.elapsed().as_secs_f64());
            self.batch = (self.batch * 2).min(BATCH);
            self.worker.store.note_delivery(true);
        }
        Ok(answer)
    }

    /// Stores records by the fast way, or else by the one that passes over what is
    /// stored already and says what is wrong. They are two questions, so that each has
    /// the time of a statement before the watchdog loses patience.
    fn store(&self, part: &[Entry]) -> Result<Result<(), Rejection>, Abandoned> {
        match self.worker.ask(|store| store.copy(part))? {
            Ok(true) => Ok(Ok(())),
            Ok(false) => {
                self.worker.metrics.writer_copies_refused.inc();
                self.worker.ask(|store| store.insert(part))
            }
            Err(rejection) => Ok(Err(rejection)),
        }
    }

    /// Sets a record aside, unless Postgres would not take any other either, or
    /// takes it after all.
    fn set_aside(
        &self,
        entry: &Entry,
        refusal: &Rejection,
    ) -> Result<Result<(), Rejection>, Abandoned> {
        if let Err(rejection) = self.worker.ask(|store| store.accepts_neighbour(entry))? {
            return Ok(Err(rejection));
        }
        // What was wrong with all of them may have been mended in between.
        let alone = std::slice::from_ref(entry);
        if self.worker.ask(|store| store.insert(alone))?.is_ok() {
            self.worker.metrics.writer_records.inc();
            return Ok(Ok(()));
        }
        let answer = self.worker.ask(|store| store.set_aside(entry, refusal))?;
        if answer.is_ok() {
            self.worker.metrics.dead_letters.inc();
            tracing::error!(
                id = %entry.id,
                sqlstate = refusal.sqlstate.as_deref().unwrap_or("unknown"),
                message = refusal.message,
                "Postgres refuses a record; it is kept in audit_dead_letters until it is requeued"
            );
        }
        Ok(answer)
    }

    /// Counts a rejection, and tells of it once a second.
    fn note(&self, rejection: &Rejection, records: usize) {
        self.worker.store.note_delivery(false);
        let class = rejection.class.as_str();
        self.worker
            .metrics
            .writer_retries
            .get_or_create(&[("class", class)])
            .inc();
        let Some(since) = self.gate.admit() else {
            return;
        };
        let sqlstate = rejection.sqlstate.as_deref().unwrap_or("unknown");
        let message = &rejection.message;
        match rejection.class {
            Class::Resources | Class::Operator => tracing::error!(
                class,
                sqlstate,
                message,
                records,
                since,
                "Postgres cannot take records, and somebody has to see to it; they wait in the journal"
            ),
            _ => tracing::warn!(
                class,
                sqlstate,
                message,
                records,
                since,
                "Postgres did not take records; trying again"
            ),
        }
    }
}

fn halve<'a>(part: &'a [Entry], parts: &mut Vec<&'a [Entry]>) {
    let (first, second) = part.split_at(part.len() / 2);
    parts.push(second);
    parts.push(first);
}
