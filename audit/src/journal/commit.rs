//! The threads behind the log.
//!
//! ```text
//! commands ─▶ commit thread ─ chores ─▶ disk thread
//!                   ▲                        │
//!                   └───── how it went ──────┘
//! ```
//!
//! The **commit thread** looks after the log, and writes what is not written at once. It
//! takes whatever waits, writes it in one go and acknowledges all of it, so a busy service
//! pays for one write what a quiet one pays for each.
//!
//! The **disk thread** does what may take as long as the disk likes, and what nobody waits
//! for: see [`Chore`].

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::chores::Chore;
use super::files::FileSystem;
use super::inlet::{Command, Inlet};
use super::log::Log;
use super::room::Room;
use super::shelf::Shelf;
use super::wake_queue::together;

/// How often the log looks after itself.
const TICK: Duration = Duration::from_millis(100);
/// The longest time between a write and the sync that follows it.
const SYNC_INTERVAL: Duration = Duration::from_millis(500);
/// How long the end waits for an operation on the disk.
const DISK_PATIENCE: Duration = Duration::from_secs(1);
/// The most commands that are taken before they are written.
const COMMANDS: usize = 4_096;

/// Where the journal is.
pub(super) struct Site {
    pub(super) files: Arc<dyn FileSystem>,
    pub(super) folder: PathBuf,
    /// The folder belongs to this process until both threads have dropped it.
    pub(super) lock: Box<dyn Send + Sync>,
}

/// Starts the threads. The receiver is disconnected when the commit thread has ended.
pub(super) fn start(
    log: Log,
    shelf: Arc<Shelf>,
    room: Arc<Room>,
    site: Site,
) -> io::Result<(Arc<Inlet>, Receiver<()>)> {
    let (sender, commands) = channel();
    let Site {
        files,
        folder,
        lock,
    } = site;
    let answers = sender.clone();
    // Whoever takes the folder next finds nobody at work in it.
    let lock = Arc::new(lock);
    let (disk_runs, disk_ended) = channel();
    let disk = (Arc::clone(&lock), disk_runs, Alarm(Arc::clone(&room)));
    let (chores, waiting) = channel::<Chore>();
    thread::Builder::new()
        .name("audit-disk".to_owned())
        .spawn(move || {
            let _disk = disk;
            for chore in waiting {
                let done = chore.run(&*files, &folder);
                // Once the commit thread has ended, nobody needs to know.
                let _ = answers.send(Command::ChoreEnded(done));
            }
        })?;
    let inlet = Arc::new(Inlet::new(log, Arc::clone(&shelf), sender));
    let mut commit = Commit {
        inlet: Arc::clone(&inlet),
        chores,
        synced_at: Instant::now(),
        ticked_at: Instant::now(),
        flushes: Vec::new(),
    };
    let (runs, ended) = channel();
    thread::Builder::new()
        .name("audit-commit".to_owned())
        .spawn(move || {
            // Dropped in this order: a journal that has ended has released its folder.
            let _runs = (lock, runs);
            let rescue = Rescue {
                inlet: Arc::clone(&commit.inlet),
                commands,
                shelf: Arc::clone(&shelf),
                _alarm: Alarm(room),
            };
            commit.run(&rescue.commands);
            commit.finish(&rescue.commands, &disk_ended);
            drop(rescue);
            shelf.complete();
        })?;
    Ok((inlet, ended))
}

/// Refuses attempts from now on if its thread panics.
struct Alarm(Arc<Room>);

impl Drop for Alarm {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.lock().is_broken = true;
            tracing::error!(
                "a thread of the journal has died: attempts are refused; restart the service"
            );
        }
    }
}

/// Has the frames that the commit thread leaves behind delivered without it.
struct Rescue {
    inlet: Arc<Inlet>,
    commands: Receiver<Command>,
    shelf: Arc<Shelf>,
    _alarm: Alarm,
}

impl Drop for Rescue {
    fn drop(&mut self) {
        let mut unwritten = self.inlet.at_log(|log| (0, log.take_unwritten()));
        let commands = self.commands.try_iter();
        unwritten.extend(commands.filter_map(|command| match command {
            Command::Append(write) => Some(write),
            Command::ChoreEnded(_) | Command::Flush(_) | Command::Finish => None,
        }));
        self.shelf.deliver_unwritten(unwritten);
    }
}

fn tell(kept: Vec<oneshot::Sender<()>>) {
    together(|| {
        for done in kept {
            // Whoever waited may have gone away; the frame is kept all the same.
            let _ = done.send(());
        }
    });
}

/// What the commit thread works with.
struct Commit {
    inlet: Arc<Inlet>,
    chores: Sender<Chore>,
    synced_at: Instant,
    ticked_at: Instant,
    flushes: Vec<Flush>,
}

/// Somebody who waits for a sync.
struct Flush {
    done: Sender<()>,
    /// Of this number, once all that was appended before is written.
    sync: Option<u64>,
}

/// What comes of a turn at the log.
struct Turn {
    /// Who is to be told that his frame is kept.
    kept: Vec<oneshot::Sender<()>>,
    chores: Vec<Chore>,
    is_last: bool,
}

impl Commit {
    fn run(&mut self, commands: &Receiver<Command>) {
        let inlet = Arc::clone(&self.inlet);
        loop {
            let first = match commands.recv_timeout(TICK) {
                Ok(command) => Some(command),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let waiting = first.into_iter().chain(commands.try_iter()).take(COMMANDS);
            let turn = inlet.at_log(|log| self.work(log, waiting));
            tell(turn.kept);
            for chore in turn.chores {
                if self.chores.send(chore).is_err() {
                    tracing::error!("the thread that works at the journal's disk is gone");
                }
            }
            if turn.is_last {
                break;
            }
        }
    }

    /// Ends the log in order, unless the disk hangs.
    fn finish(self, commands: &Receiver<Command>, disk_ended: &Receiver<()>) {
        let Self { inlet, chores, .. } = self;
        drop(chores);
        let hangs = disk_ended.recv_timeout(DISK_PATIENCE) == Err(RecvTimeoutError::Timeout);
        if hangs {
            tracing::error!("the journal's disk hangs: what it holds may not survive a power cut");
        }
        let kept = inlet.at_log(|log| {
            for command in commands.try_iter() {
                match command {
                    Command::Append(write) => log.push(write),
                    Command::ChoreEnded(done) => log.chore_ended(Instant::now(), done),
                    Command::Flush(_) | Command::Finish => {}
                }
            }
            if !hangs {
                log.finish(Instant::now());
            }
            (0, log.take_kept())
        });
        tell(kept);
    }

    /// Does what waits to be done; how many frames there were, and what comes of it.
    fn work(&mut self, log: &mut Log, waiting: impl Iterator<Item = Command>) -> (usize, Turn) {
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
        let turn = Turn {
            kept: log.take_kept(),
            chores: log.take_chores(),
            is_last,
        };
        (frames, turn)
    }

    /// Whether this was the last command.
    fn take(&mut self, log: &mut Log, command: Command) -> bool {
        match command {
            Command::Append(write) => log.push(write),
            Command::ChoreEnded(done) => log.chore_ended(Instant::now(), done),
            Command::Flush(done) => self.flushes.push(Flush { done, sync: None }),
            Command::Finish => return true,
        }
        false
    }

    /// Has what was written synced, but only one sync at a time: a disk that is
    /// slower than the interval is not helped by a second one.
    fn sync_if_due(&mut self, log: &mut Log, now: Instant) {
        if log.is_idle() {
            for flush in &mut self.flushes {
                flush.sync.get_or_insert_with(|| log.request_sync());
            }
        }
        let ended = |flush: &mut Flush| flush.sync.is_some_and(|sync| log.has_synced(sync));
        for flush in self.flushes.extract_if(.., ended) {
            // Dropped, it says no.
            let _ = (!log.is_doubtful()).then(|| flush.done.send(()));
        }
        if log.is_syncing() || now.duration_since(self.synced_at) < SYNC_INTERVAL {
            return;
        }
        self.synced_at = now;
        log.request_sync();
    }
}
