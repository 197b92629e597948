//! Gives up writers that Postgres does not answer.

use std::io;
use std::thread;
use std::time::Duration;

use super::worker::Worker;

/// How long after its own timeout a statement should long have ended.
const GRACE: Duration = Duration::from_secs(2);
/// How often the writers are looked at.
const INTERVAL: Duration = Duration::from_millis(500);
/// How many writers may hang at once. Each keeps a thread and a connection until
/// the kernel gives its connection up.
const ABANDONED_MAX: usize = 4;

pub(super) fn start(mut workers: Vec<Worker>, timeout: Duration) -> io::Result<()> {
    thread::Builder::new()
        .name("audit-watchdog".to_owned())
        .spawn(move || {
            let mut abandoned = Vec::<Worker>::new();
            while !workers.iter().all(Worker::has_ended) {
                abandoned.retain(|worker| !worker.has_ended());
                for worker in &mut workers {
                    if abandoned.len() < ABANDONED_MAX
                        && worker.abandon_if_stuck(timeout + GRACE)
                        && let Some(replacement) = replace(worker)
                    {
                        abandoned.push(std::mem::replace(worker, replacement));
                    }
                }
                thread::sleep(INTERVAL);
            }
        })
        .map(drop)
}

fn replace(worker: &Worker) -> Option<Worker> {
    tracing::error!(
        "Postgres does not answer a writer; its records are sent again on another connection"
    );
    worker
        .replace()
        .inspect_err(|error| tracing::error!(%error, "no thread for another writer"))
        .ok()
}
