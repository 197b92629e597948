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
//! - **Nothing holds the write up.** Async workers never wait for a disk, so the file system
//!   has to support writes that do not; see [`Log::try_append`].
//! - **Nobody is at the log for long.** Another caller is done in a microsecond, and one who
//!   lost the processor in the middle gets it back by being waited for, up to [`WAIT`]. If a
//!   disk stalls all the same, that is what it costs whoever comes next; those behind him
//!   see that his frame has gone to the commit thread, and go there at once.
//!
//! Every other frame goes to the commit thread. When that happens often, because many
//! threads want to write at once, frames gather there, and it writes them in one go: the
//! busier the log, the larger its batches.
//!
//! **The order** of one attempt's frames is kept: while a frame is on its way to the commit
//! thread, none is written at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SendError, Sender};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::chores::Done;
use super::frame::Kind;
use super::log::{Log, Write};
use super::shelf::Shelf;

/// How long a caller waits for another caller.
const WAIT: Duration = Duration::from_millis(1);

/// What the commit thread is asked to do.
pub(super) enum Command {
    /// Write a frame.
    Append(Write),
    /// Something was done at the disk.
    ChoreEnded(Done),
    /// Sync what was written so far, and say so.
    Flush(Sender<()>),
    /// Write and sync what is there, and end.
    Finish,
}

pub(super) struct Inlet {
    log: Mutex<Log>,
    shelf: Arc<Shelf>,
    commands: Sender<Command>,
    /// Frames that the commit thread has not dealt with, and one more while it is at the
    /// log, which may take it as long as the disk likes.
    under_way: AtomicUsize,
}

impl Inlet {
    pub(super) fn new(log: Log, shelf: Arc<Shelf>, commands: Sender<Command>) -> Self {
        Self {
            log: Mutex::new(log),
            shelf,
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
        self.under_way.fetch_add(1, Ordering::AcqRel);
        if let Err(SendError(Command::Append(write))) = self.commands.send(Command::Append(write))
            && write.kind == Kind::Record
        {
            tracing::error!(id = %write.id, "the journal has ended");
            self.shelf.deliver_unwritten(vec![write]);
        }
        kept
    }

    fn append_at_once(&self, write: Write) -> Result<(), Write> {
        // A thread that has sent a frame, and one that it has told of it, see that here.
        if write.sync || self.under_way.load(Ordering::Acquire) > 0 {
            return Err(write);
        }
        match self.log.try_lock_for(WAIT) {
            Some(mut log) => log.try_append(write, Instant::now()),
            None => Err(write),
        }
    }

    /// Asks the commit thread for something; false if it has ended.
    pub(super) fn command(&self, command: Command) -> bool {
        self.commands.send(command).is_ok()
    }

    /// Lets the commit thread work at the log; it says how many frames it has dealt with.
    pub(super) fn at_log<T>(&self, work: impl FnOnce(&mut Log) -> (usize, T)) -> T {
        self.under_way.fetch_add(1, Ordering::AcqRel);
        let (frames, result) = work(&mut self.log.lock());
        self.under_way.fetch_sub(frames + 1, Ordering::AcqRel);
        result
    }
}
