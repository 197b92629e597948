//! Where frames come in.
//!
//! ```text
//!          ┌─ at once, on the caller's thread ───────┐
//! frame ─▶ ┤                                         ├─▶ log
//!          └─ by the commit thread, which is told ───┘
//! ```
//!
//! To write a frame into the kernel's memory takes a microsecond. To have another thread do
//! it, and to wait for its word, takes fifty, most of them spent waking. So whoever has a
//! frame writes it himself, if two things are certain enough:
//!
//! - **Nothing holds the write up.** Async workers must never wait for a disk. The log
//!   knows best; see [`Log::try_append`].
//! - **Nobody else is at the log.** It is tried for about a microsecond and not waited for,
//!   so a disk that stalls after all stalls the one thread that was writing.
//!
//! Every other frame goes to the commit thread. When that happens often, because many
//! threads want to write at once, frames gather there, and it writes them in one go: the
//! busier the log, the larger its batches.
//!
//! **The order** of one attempt's frames is kept: while a frame is on its way to the commit
//! thread, none is written at once.

use std::hint;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Instant;

use tokio::sync::oneshot;

use super::commit::Command;
use super::log::{Log, Write};

/// How often the lock is tried before the frame goes to the commit thread.
const TRIES: u32 = 64;

pub(super) struct Inlet {
    log: Mutex<Log>,
    commands: Sender<Command>,
    /// Frames on their way to the commit thread.
    under_way: AtomicUsize,
}

impl Inlet {
    pub(super) fn new(log: Log, commands: Sender<Command>) -> Self {
        Self {
            log: Mutex::new(log),
            commands,
            under_way: AtomicUsize::new(0),
        }
    }

    /// Takes a frame. If it is kept by now, or if nobody `asks`, there is nothing to wait
    /// for.
    pub(super) fn append(&self, write: Write, asks: bool) -> Option<oneshot::Receiver<()>> {
        let mut write = self.append_at_once(write).err()?;
        let mut kept = None;
        if asks {
            let (done, receiver) = oneshot::channel();
            write.done = Some(done);
            kept = Some(receiver);
        }
        let (id, kind) = (write.id, write.kind);
        self.under_way.fetch_add(1, Ordering::AcqRel);
        if !self.command(Command::Append(write)) {
            tracing::error!(%id, ?kind, "the journal has ended; a frame is lost");
        }
        kept
    }

    fn append_at_once(&self, write: Write) -> Result<(), Write> {
        let Some(mut log) = self.try_lock() else {
            return Err(write);
        };
        // A thread that has sent a frame, and one that it has told of it, see that here.
        if self.under_way.load(Ordering::Acquire) > 0 {
            return Err(write);
        }
        log.try_append(write, Instant::now())
    }

    fn try_lock(&self) -> Option<MutexGuard<'_, Log>> {
        for _ in 0..TRIES {
            match self.log.try_lock() {
                Ok(log) => return Some(log),
                Err(TryLockError::Poisoned(error)) => return Some(error.into_inner()),
                Err(TryLockError::WouldBlock) => hint::spin_loop(),
            }
        }
        None
    }

    /// Asks the commit thread for something; false if it has ended.
    pub(super) fn command(&self, command: Command) -> bool {
        self.commands.send(command).is_ok()
    }

    /// The log, for the commit thread. Nothing panics while it holds the lock, so a
    /// poisoned one is no reason to stop keeping records.
    pub(super) fn lock(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that so many frames have reached the log's own queue, by whoever has it locked.
    pub(super) fn arrived(&self, frames: usize) {
        self.under_way.fetch_sub(frames, Ordering::AcqRel);
    }
}
