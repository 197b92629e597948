//! The commit thread: the only one that writes to the journal.
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

use super::log::{Log, SyncJob, Write};
use super::shelf::{SegmentId, Shelf};

/// How often the log looks after itself.
const TICK: Duration = Duration::from_millis(100);
/// The longest time between a write and the sync that follows it.
const SYNC_INTERVAL: Duration = Duration::from_millis(500);
/// The most commands that are taken before they are written.
const COMMANDS: usize = 4_096;

/// What the commit thread is asked to do.
pub(super) enum Command {
    /// Write a frame.
    Append(Write),
    /// A sync in the background has ended.
    Synced(SegmentId, io::Result<()>),
    /// Sync what was written so far, and say so.
    Flush(Sender<()>),
    /// Write and sync what is there, and end.
    Finish,
}

/// Starts the thread.
pub(super) fn start(
    log: Log,
    shelf: Arc<Shelf>,
    lock: Box<dyn Send + Sync>,
) -> io::Result<(Sender<Command>, JoinHandle<()>)> {
    let (sender, commands) = channel();
    let (jobs, syncs) = channel::<SyncJob>();
    let answers = sender.clone();
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
    let thread = thread::Builder::new()
        .name("audit-commit".to_owned())
        .spawn(move || {
            let mut thread = Thread {
                log,
                jobs,
                syncing: 0,
                synced_at: Instant::now(),
                ticked_at: Instant::now(),
                flushes: Vec::new(),
            };
            thread.run(&commands);
            shelf.complete();
            drop(lock);
        })?;
    Ok((sender, thread))
}

struct Thread {
    log: Log,
    jobs: Sender<SyncJob>,
    /// Syncs that have not ended yet.
    syncing: usize,
    synced_at: Instant,
    ticked_at: Instant,
    /// Who waits for a sync.
    flushes: Vec<Sender<()>>,
}

impl Thread {
    fn run(&mut self, commands: &Receiver<Command>) {
        loop {
            let first = match commands.recv_timeout(TICK) {
                Ok(command) => Some(command),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let waiting = first.into_iter().chain(commands.try_iter()).take(COMMANDS);
            let mut is_last = false;
            for command in waiting {
                is_last |= self.take(command);
            }
            let now = Instant::now();
            self.log.commit(now);
            if is_last {
                break;
            }
            self.sync_if_due(now);
            if now.duration_since(self.ticked_at) >= TICK {
                self.ticked_at = now;
                self.log.tick(now);
            }
        }
        let lost = self.log.finish(Instant::now());
        if lost > 0 {
            tracing::error!(
                frames = lost,
                "the journal ends with frames that the disk did not take"
            );
        }
    }

    /// Whether this was the last command.
    fn take(&mut self, command: Command) -> bool {
        match command {
            Command::Append(write) => self.log.push(write),
            Command::Synced(segment, result) => {
                self.syncing = self.syncing.saturating_sub(1);
                self.log.synced(Instant::now(), segment, result);
            }
            Command::Flush(done) => self.flushes.push(done),
            Command::Finish => return true,
        }
        false
    }

    /// Has what was written synced, but only one sync at a time: a disk that is
    /// slower than the interval is not helped by a second one.
    fn sync_if_due(&mut self, now: Instant) {
        if !self.flushes.is_empty() {
            for job in self.log.sync_jobs() {
                let result = job.file.sync();
                self.log.synced(now, job.segment, result);
            }
            if self.log.is_idle() {
                for done in mem::take(&mut self.flushes) {
                    let _ = done.send(());
                }
            }
        }
        if self.syncing > 0 || now.duration_since(self.synced_at) < SYNC_INTERVAL {
            return;
        }
        self.synced_at = now;
        for job in self.log.sync_jobs() {
            self.syncing += 1;
            if self.jobs.send(job).is_err() {
                tracing::error!("the thread that syncs the journal is gone");
            }
        }
    }
}
