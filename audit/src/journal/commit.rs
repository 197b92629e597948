//! The commit thread: it looks after the log, and writes what is not written at once.
//!
//! It takes whatever waits, writes it in one go and acknowledges all of it, so a
//! busy service pays for one write what a quiet one pays for each. A second thread
//! syncs in the background, because a sync may take as long as the disk likes and
//! most do not wait for it.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{io, mem};

use super::inlet::{Command, Inlet};
use super::log::{Log, SyncJob};
use super::shelf::Shelf;

/// How often the log looks after itself.
const TICK: Duration = Duration::from_millis(100);
/// The longest time between a write and the sync that follows it.
const SYNC_INTERVAL: Duration = Duration::from_millis(500);
/// The most commands that are taken before they are written.
const COMMANDS: usize = 4_096;

/// Starts the thread.
pub(super) fn start(
    log: Log,
    shelf: Arc<Shelf>,
    lock: Box<dyn Send + Sync>,
) -> io::Result<(Arc<Inlet>, JoinHandle<()>)> {
    let (sender, commands) = channel();
    let (jobs, syncs) = channel::<SyncJob>();
    let answers = sender.clone();
    let inlet = Arc::new(Inlet::new(log, sender));
    thread::Builder::new()
        .name("audit-sync".to_owned())
        .spawn(move || {
            for job in syncs {
                let result = job.file.sync();
                if answers.send(Command::Synced(job.segment, result)).is_err() {
                    return;
                }
            }
        })?;
    let mut thread = Thread {
        inlet: Arc::clone(&inlet),
        jobs,
        synced_at: Instant::now(),
        ticked_at: Instant::now(),
        flushes: Vec::new(),
    };
    let thread = thread::Builder::new()
        .name("audit-commit".to_owned())
        .spawn(move || {
            thread.run(&commands);
            shelf.complete();
            drop(lock);
        })?;
    Ok((inlet, thread))
}

struct Thread {
    inlet: Arc<Inlet>,
    jobs: Sender<SyncJob>,
    synced_at: Instant,
    ticked_at: Instant,
    /// Who waits for a sync.
    flushes: Vec<Sender<()>>,
}

impl Thread {
    fn run(&mut self, commands: &Receiver<Command>) {
        let inlet = Arc::clone(&self.inlet);
        loop {
            let first = match commands.recv_timeout(TICK) {
                Ok(command) => Some(command),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let waiting = first.into_iter().chain(commands.try_iter()).take(COMMANDS);
            if inlet.at_log(|log| self.work(log, waiting)) {
                break;
            }
        }
        let lost = inlet.at_log(|log| (0, log.finish(Instant::now())));
        if lost > 0 {
            tracing::error!(
                frames = lost,
                "the journal ends with frames that the disk did not take"
            );
        }
    }

    /// Does what waits to be done; how many frames there were, and whether to end.
    fn work(&mut self, log: &mut Log, waiting: impl Iterator<Item = Command>) -> (usize, bool) {
        let mut frames = 0;
        let mut is_last = false;
        for command in waiting {
            frames += usize::from(matches!(command, Command::Append(_)));
            is_last |= self.take(log, command);
        }
        let now = Instant::now();
        log.commit(now);
        if !is_last {
            self.sync_if_due(log, now);
            if now.duration_since(self.ticked_at) >= TICK {
                self.ticked_at = now;
                log.tick(now);
            }
        }
        (frames, is_last)
    }

    /// Whether this was the last command.
    fn take(&mut self, log: &mut Log, command: Command) -> bool {
        match command {
            Command::Append(write) => log.push(write),
            Command::Synced(segment, result) => log.sync_ended(Instant::now(), segment, result),
            Command::Flush(done) => self.flushes.push(done),
            Command::Finish => return true,
        }
        false
    }

    /// Has what was written synced, but only one sync at a time: a disk that is
    /// slower than the interval is not helped by a second one.
    fn sync_if_due(&mut self, log: &mut Log, now: Instant) {
        if !self.flushes.is_empty() {
            for job in log.sync_jobs() {
                let result = job.file.sync();
                log.sync_ended(now, job.segment, result);
            }
            // One in the background holds what was written before it began.
            if log.is_idle() && !log.is_syncing() {
                for done in mem::take(&mut self.flushes) {
                    let _ = done.send(());
                }
            }
        }
        if log.is_syncing() || now.duration_since(self.synced_at) < SYNC_INTERVAL {
            return;
        }
        self.synced_at = now;
        for job in log.sync_jobs() {
            if self.jobs.send(job).is_err() {
                tracing::error!("the thread that syncs the journal is gone");
            }
        }
    }
}
