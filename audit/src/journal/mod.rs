//! The journal: a log on the local disk that holds every record until it is in
//! Postgres.
//!
//! ```text
//!            intent, record           segments                       lease
//! reserve ─▶ Permit ─▶ inlet ─▶ log ─▶ 00000001.segment … ─▶ shelf ─▶ writers ─▶ delivered
//! ```
//!
//! # How a record is kept
//!
//! 1. [`Journal::reserve`] answers at once whether there is room. Without room
//!    nothing happens.
//! 2. An intent is appended before the handler runs. It is itself a record, with
//!    the outcome `unknown`, and it is forgotten when the real one follows.
//! 3. The record is appended before the response goes out.
//!    A record that went to Postgres within the handler's own transaction is not:
//!    a settled frame says that its intent is answered.
//! 4. Writers lease records in order and report what is delivered. A segment
//!    without undelivered records and open intents is removed.
//!
//! # What survives what
//!
//! | durability | is acknowledged | a killed process loses | a power cut loses |
//! |---|---|---|---|
//! | `memory` | at once | what was handed over in the last moments | the last second |
//! | `crash` | when the kernel has it | nothing | the last second |
//! | `power_loss` | when the disk has it | nothing | nothing |
//!
//! # Invariants
//!
//! - **The segments are all there is.** No ledger, no cursor: state is rebuilt
//!   from the frames, so nothing can disagree with them. What a crash makes
//!   uncertain is sent again, and Postgres passes over what it has.
//! - **Async workers wait for no disk.** They write into the kernel's memory only where the
//!   file system refuses a write that would wait, which `inlet` is about. Everything else is
//!   the commit thread's, and its acknowledgement is awaited for at most [`PATIENCE`], for
//!   intent and record together.
//! - **A frame that was accepted is held until it is written.** When the disk
//!   fails, new attempts are refused, and the frames of those under way wait in
//!   memory for a disk that works. A failed sync is never repeated on its file.
//! - **Removing needs no space.** A full disk drains by itself.
//! - **An intent goes only when its answer is safe.** A segment is removed after a sync of
//!   all that was written until then, or when what that sync failed to keep is in Postgres.
//! - **A long-running handler pins no segment.** Once the rest of a segment is
//!   delivered, its open intents are written again at the end of the log.
//! - **One process for one folder**, by a lock on the folder.
//!
//! `frame` describes the bytes.

mod chores;
mod commit;
#[cfg(test)]
mod fake;
#[cfg(feature = "fault-injection")]
mod faulty;
mod files;
mod frame;
#[cfg(feature = "fuzz")]
pub(crate) mod fuzz;
mod inlet;
mod log;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod memory;
mod recovery;
mod room;
mod shelf;
#[cfg(test)]
mod tests;
mod wake_queue;

use std::future::poll_fn;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use uuid::Uuid;

use commit::Site;
#[cfg(not(feature = "fault-injection"))]
use files::Disk;
use files::FileSystem;
use frame::Kind;
pub(crate) use frame::PAYLOAD_BYTES_MAX;
use inlet::{Command, Inlet};
use log::{Limits, Log, Write};
use room::{Reservation, Room};
#[cfg(feature = "bench")]
pub(crate) use shelf::LEASE_BYTES;
use shelf::Shelf;
pub(crate) use shelf::{Entry, Lease};
use wake_queue::WakeQueue;

use crate::metrics::Metrics;

/// How long an attempt waits for the disk.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
/// How long the end of the journal waits for its threads, at least.
const FINISH_PATIENCE: Duration = Duration::from_secs(3);
/// The largest segment.
const SEGMENT_BYTES: u64 = 64 * 1024 * 1024;
/// The smallest quota that makes sense.
const QUOTA_BYTES_MIN: u64 = 1024 * 1024;

/// What a record survives before its response goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// The record is on its way to the disk, and there is no intent. A process
    /// that is killed loses the records of its last moments, and every attempt
    /// that was under way leaves no trace.
    Memory,
    /// The kernel has the record. A process that is killed loses nothing; a
    /// machine that loses power loses about the last second.
    Crash,
    /// The disk has the record. Losing power loses nothing that was answered.
    PowerLoss,
    /// The record is in the handler's own transaction, through
    /// [`AuditScope::transaction`](crate::AuditScope::transaction): both are there
    /// or neither is. An attempt that commits no transaction, because it is refused
    /// or fails, is recorded as with [`Durability::Crash`].
    Transaction,
}

impl Durability {
    /// The name in annotations and records.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Crash => "crash",
            Self::PowerLoss => "power_loss",
            Self::Transaction => "transaction",
        }
    }
}

/// Where the journal lies and how large it may become.
#[derive(Clone, Debug)]
pub(crate) struct JournalSettings {
    /// The folder, for this process alone.
    pub(crate) folder: PathBuf,
    /// The most bytes that may wait for Postgres. At four fifths of it there is an
    /// alarm in the log; when it is reached, attempts are refused.
    pub(crate) quota_bytes: u64,
    /// Bytes of the disk that are left to others.
    pub(crate) reserve_bytes: u64,
}

impl JournalSettings {
    /// A journal in `folder` of at most 4 GiB, on a disk of which 256 MiB are left
    /// to others.
    pub(crate) fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            quota_bytes: 4 * 1024 * 1024 * 1024,
            reserve_bytes: 256 * 1024 * 1024,
        }
    }
}

/// Why a journal cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error(
        "the journal folder {} is in use by another process: give each process a folder of its own",
        .path.display()
    )]
    InUse {
        /// Which folder.
        path: PathBuf,
    },
    /// The folder cannot be used.
    #[error("cannot use the journal folder {}: {source}", .path.display())]
    Folder {
        /// Which folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A newer version wrote it.
    #[error(
        "{} was written by a newer version of this program: let that version deliver it first",
        .path.display()
    )]
    NewerFormat {
        /// Which file.
        path: PathBuf,
    },
    /// A segment cannot be read.
    #[error(
        "cannot read the journal segment {}: {source}: repair the disk and start again; only if \
         the file is beyond repair, move it into the folder `damaged` beside it: attempts whose \
         records are in it are then recorded with the outcome `unknown`",
        .path.display()
    )]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The threads cannot be started.
    #[error("cannot start the journal's threads: {0}")]
    Threads(io::Error),
}

/// Why no room could be reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("the audit journal is full")]
    Full,
    #[error("the audit journal's disk fails")]
    Impaired,
    #[error("the audit journal is closed")]
    Closed,
}

impl Refusal {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Impaired => "impaired",
            Self::Closed => "closed",
        }
    }
}

/// The journal; clones share it.
#[derive(Clone)]
pub(crate) struct Journal {
    inner: Arc<Inner>,
}

struct Inner {
    room: Arc<Room>,
    shelf: Arc<Shelf>,
    frames: Frames,
    /// Disconnected when the commit thread has ended.
    ended: Mutex<Option<Receiver<()>>>,
}

/// Where frames go.
#[derive(Clone)]
enum Frames {
    /// To the disk.
    Disk(Arc<Inlet>),
    /// To a test.
    #[cfg(any(test, feature = "testing"))]
    Memory(Arc<memory::Memory>),
}

impl Frames {
    fn keep(
        &self,
        id: Uuid,
        kind: Kind,
        payload: Vec<u8>,
        durability: Durability,
        room: Option<Reservation>,
    ) -> Option<oneshot::Receiver<()>> {
        let write = Write {
            id,
            kind,
            payload,
            sync: durability == Durability::PowerLoss,
            done: None,
            room,
        };
        self.append(write, durability != Durability::Memory)
    }

    /// Takes a frame. If it is kept by now, or if nobody `asks`, there is nothing to wait
    /// for.
    fn append(&self, write: Write, asks: bool) -> Option<oneshot::Receiver<()>> {
        match self {
            Self::Disk(inlet) => inlet.append(write, asks),
            #[cfg(any(test, feature = "testing"))]
            Self::Memory(memory) => {
                memory.keep(write);
                // The sender is dropped, so that a test need not wait for the time limit.
                (asks && memory.is_stalled()).then(|| oneshot::channel().1)
            }
        }
    }

    /// What a settled frame carries: nothing, where Postgres has the record.
    fn settled(&self, record: Vec<u8>) -> Vec<u8> {
        match self {
            Self::Disk(_) => {
                drop(record);
                Vec::new()
            }
            #[cfg(any(test, feature = "testing"))]
            Self::Memory(_) => record,
        }
    }

    /// What asks the commit thread for something; in memory there is nothing to do.
    fn command(&self, command: Command) -> bool {
        match self {
            Self::Disk(inlet) => inlet.command(command),
            #[cfg(any(test, feature = "testing"))]
            Self::Memory(_) => false,
        }
    }
}

/// How a journal is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) used_bytes: u64,
    pub(crate) limit_bytes: u64,
    pub(crate) undelivered: u64,
    pub(crate) oldest_ms: Option<u64>,
    pub(crate) is_accepting: bool,
}

/// What a process left behind for this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) records: u64,
    pub(crate) unknown: u64,
}

impl Journal {
    /// Opens the journal in a folder, which is made if it is not there.
    pub(crate) fn open(
        settings: &JournalSettings,
        metrics: Arc<Metrics>,
    ) -> Result<(Self, Found), OpenError> {
        #[cfg(feature = "fault-injection")]
        let files = Arc::new(faulty::FaultyDisk::from_environment());
        #[cfg(not(feature = "fault-injection"))]
        let files = Arc::new(Disk);
        Self::open_on(files, settings, metrics)
    }

    fn open_on(
        files: Arc<dyn FileSystem>,
        settings: &JournalSettings,
        metrics: Arc<Metrics>,
    ) -> Result<(Self, Found), OpenError> {
        let folder = settings.folder.as_path();
        let lock = prepare(&*files, folder)?;
        let shelf = Arc::new(Shelf::new(Arc::clone(&metrics)));
        let recovery = recovery::recover(&*files, folder, &mut shelf.lock(), &metrics)?;
        let room = Arc::new(Room::default());
        let quota_bytes = settings.quota_bytes.max(QUOTA_BYTES_MIN);
        let log = Log::new(
            Arc::clone(&files),
            folder,
            Limits {
                quota_bytes,
                reserve_bytes: settings.reserve_bytes,
                // So that a small journal too gives back what is delivered.
                segment_bytes: SEGMENT_BYTES.min(quota_bytes / 8),
            },
            Arc::clone(&shelf),
            Arc::clone(&room),
            recovery.next_sequence,
        );
        let site = Site {
            files,
            folder: folder.to_owned(),
            lock,
        };
        let (inlet, ended) = commit::start(log, Arc::clone(&shelf), Arc::clone(&room), site)
            .map_err(OpenError::Threads)?;
        let found = Found {
            records: recovery.records,
            unknown: recovery.unknown,
        };
        let inner = Inner {
            room,
            shelf,
            frames: Frames::Disk(inlet),
            ended: Mutex::new(Some(ended)),
        };
        Ok((
            Self {
                inner: Arc::new(inner),
            },
            found,
        ))
    }

    /// A journal that keeps everything in memory, for tests.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn in_memory(memory: Arc<memory::Memory>) -> Self {
        let room = Arc::<Room>::default();
        room.lock().limit = u64::MAX;
        Self {
            inner: Arc::new(Inner {
                room,
                shelf: Arc::new(Shelf::new(Arc::default())),
                frames: Frames::Memory(memory),
                ended: Mutex::new(None),
            }),
        }
    }

    /// Lets a test see what happens when there is no room, and when there is again.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn set_full(&self, is_full: bool) {
        self.inner.room.lock().limit = if is_full { 0 } else { u64::MAX };
    }

    /// Lets a test see what happens when so much of the room is taken.
    #[cfg(test)]
    pub(crate) fn set_fullness(&self, percent: u64) {
        let mut accounts = self.inner.room.lock();
        accounts.limit = u64::MAX;
        accounts.used = u64::MAX / 100 * percent;
    }

    /// Reserves room for one attempt.
    pub(crate) fn reserve(&self) -> Result<Permit, Refusal> {
        Ok(Permit {
            reservation: self.inner.room.reserve()?,
            frames: self.inner.frames.clone(),
            patience: Patience::default(),
        })
    }

    /// Where writers take records from.
    pub(crate) fn outlet(&self) -> Outlet {
        Outlet(Arc::clone(&self.inner.shelf))
    }

    pub(crate) fn status(&self) -> Status {
        let accounts = *self.inner.room.lock();
        let state = self.inner.shelf.lock();
        Status {
            used_bytes: accounts.used + accounts.reserved,
            limit_bytes: accounts.limit,
            undelivered: state.undelivered,
            oldest_ms: state.oldest_ms(),
            is_accepting: !accounts.is_impaired && !accounts.is_closed && !accounts.is_broken,
        }
    }

    /// How much of its room is taken: 1 when it is full.
    pub(crate) fn fullness(&self) -> f64 {
        self.inner.room.lock().fullness()
    }

    /// Refuses new attempts from now on. Those under way are still recorded.
    pub(crate) fn close(&self) {
        self.inner.room.lock().is_closed = true;
    }

    /// Waits, at most until `deadline`, until no more than `count` attempts hold room,
    /// and returns how many do.
    pub(crate) fn wait_for_attempts(&self, count: u64, deadline: Instant) -> u64 {
        loop {
            let reservations = self.inner.room.lock().reservations;
            if reservations <= count || Instant::now() >= deadline {
                return reservations;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Lets everything that was appended so far survive a power cut. It blocks,
    /// for at most `timeout`, and says whether it has worked.
    pub(crate) fn flush(&self, timeout: Duration) -> bool {
        let (done, flushed) = channel();
        self.inner.frames.command(Command::Flush(done)) && flushed.recv_timeout(timeout).is_ok()
    }

    /// Closes the journal, waits until every record is delivered, at most until
    /// `deadline`, and ends. Returns how many records stay behind. What the disk does not
    /// take goes to Postgres directly.
    pub(crate) fn drain(&self, deadline: Instant) -> u64 {
        self.close();
        let now = Instant::now();
        // A disk that fails leaves half of the time to the writers.
        let time_for_disk = (deadline.saturating_duration_since(now) / 2).min(PATIENCE);
        if self.flush(time_for_disk) {
            self.wait_for_attempts(0, deadline);
            self.inner.shelf.wait_until_delivered(deadline);
        } else {
            self.wait_for_attempts(0, now + time_for_disk);
        }
        self.inner
            .finish(deadline.min(Instant::now() + FINISH_PATIENCE));
        self.inner.shelf.wait_until_delivered(deadline)
    }
}

impl Inner {
    /// Ends the threads, or leaves them to a disk that hangs.
    fn finish(&self, deadline: Instant) {
        let ended = self
            .ended
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(ended) = ended else {
            return;
        };
        self.frames.command(Command::Finish);
        let time = deadline.saturating_duration_since(Instant::now());
        if ended.recv_timeout(time.max(FINISH_PATIENCE)) == Err(RecvTimeoutError::Timeout) {
            tracing::error!("the journal does not end in time: an operation on its disk hangs");
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.finish(Instant::now());
    }
}

/// Makes the folder and takes it for this process.
fn prepare(files: &dyn FileSystem, folder: &Path) -> Result<Box<dyn Send + Sync>, OpenError> {
    let unusable = |source| OpenError::Folder {
        path: folder.to_owned(),
        source,
    };
    files.create_folder(folder).map_err(unusable)?;
    files.lock(folder).map_err(|error| {
        if error.kind() == io::ErrorKind::WouldBlock {
            OpenError::InUse {
                path: folder.to_owned(),
            }
        } else {
            unusable(error)
        }
    })
}

/// Where writers take records from; clones share the journal.
#[derive(Clone)]
pub(crate) struct Outlet(Arc<Shelf>);

impl Outlet {
    /// Waits for records and borrows up to `limit` of them, oldest first; nothing
    /// once the journal has ended and all is delivered. Fewer than `limit` wait for
    /// company until `pace` has passed since the last lease.
    pub(crate) fn lease(&self, limit: usize, pace: Duration) -> Option<Lease> {
        self.0.lease(limit, pace)
    }
}

/// Room for one attempt. Dropping it gives the room back.
#[must_use = "the room is given back when the permit is dropped"]
pub(crate) struct Permit {
    reservation: Reservation,
    frames: Frames,
    patience: Patience,
}

/// What is left of [`PATIENCE`] to an attempt, in milliseconds: its intent and its record
/// share it.
#[derive(Clone)]
struct Patience(Arc<AtomicU64>);

impl Default for Patience {
    fn default() -> Self {
        Self(Arc::new(AtomicU64::new(PATIENCE.as_millis() as u64)))
    }
}

impl Patience {
    fn left(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }

    /// Takes away the time since an instant.
    fn spend(&self, began: Instant) {
        let left = self.left().saturating_sub(began.elapsed());
        let left = u64::try_from(left.as_millis()).unwrap_or_default();
        self.0.store(left, Ordering::Relaxed);
    }
}

impl Permit {
    /// Appends the record that is to be told if this process dies before there is
    /// another.
    pub(crate) fn intend(&self, id: Uuid, record: Vec<u8>, durability: Durability) -> Kept {
        let kept = self.frames.keep(id, Kind::Intent, record, durability, None);
        Kept(kept, self.patience.clone())
    }

    /// Appends the record; it is the writers' from here on.
    pub(crate) fn append(mut self, id: Uuid, record: Vec<u8>, durability: Durability) -> Kept {
        self.reservation.weigh(record.len());
        let room = Some(self.reservation);
        let kept = self.frames.keep(id, Kind::Record, record, durability, room);
        Kept(kept, self.patience)
    }

    /// Forgets the intent, because Postgres has the record already.
    pub(crate) fn settle(mut self, id: Uuid, record: Vec<u8>) {
        self.reservation.weigh(0);
        let payload = self.frames.settled(record);
        let room = Some(self.reservation);
        // Nobody waits: were the frame lost, Postgres would pass over the intent.
        drop(
            self.frames
                .keep(id, Kind::Settled, payload, Durability::Memory, room),
        );
    }
}

/// Why it is not known whether a record is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the audit journal does not confirm that the record is kept")]
pub(crate) struct Unconfirmed;

/// After how long who waits for a frame looks himself, should his worker's queue be late;
/// then after twice as long, and so on.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// The acknowledgement of a frame. Dropping it is no harm: the frame is kept as
/// soon as it can be.
#[must_use = "the frame is kept only when this says so"]
pub(crate) struct Kept(Option<oneshot::Receiver<()>>, Patience);

impl Kept {
    /// Nothing was appended, so there is nothing to wait for.
    pub(crate) fn nothing() -> Self {
        Self(None, Patience::default())
    }

    /// Nothing could be appended.
    pub(crate) fn never() -> Self {
        let (_, kept) = oneshot::channel();
        Self(Some(kept), Patience::default())
    }

    /// The same on a thread that may block.
    pub(crate) fn wait(self) -> Result<(), Unconfirmed> {
        let Some(mut kept) = self.0 else {
            return Ok(());
        };
        let patience = self.1;
        let began = Instant::now();
        let deadline = began + patience.left();
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut context = Context::from_waker(&waker);
        loop {
            if let Poll::Ready(kept) = Pin::new(&mut kept).poll(&mut context) {
                patience.spend(began);
                return kept.map_err(|_| Unconfirmed);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                patience.spend(began);
                return Err(Unconfirmed);
            }
            thread::park_timeout(left);
        }
    }

    /// Waits until the frame is kept as it should be.
    pub(crate) async fn confirmed(self) -> Result<(), Unconfirmed> {
        let Some(mut kept) = self.0 else {
            return Ok(());
        };
        let patience = self.1;
        let began = Instant::now();
        let confirmed = Self::confirmed_within(&mut kept, began + patience.left()).await;
        patience.spend(began);
        confirmed
    }

    async fn confirmed_within(
        mut kept: &mut oneshot::Receiver<()>,
        deadline: Instant,
    ) -> Result<(), Unconfirmed> {
        let queue = WakeQueue::of_this_worker();
        let mut poll = |context: &mut Context<'_>| match &queue {
            None => Pin::new(&mut kept).poll(context),
            Some(queue) => {
                let waker = queue.waker(context.waker());
                Pin::new(&mut kept).poll(&mut Context::from_waker(&waker))
            }
        };
        let left = deadline.saturating_duration_since(Instant::now());
        let mut patience = if queue.is_some() {
            LOOK_AGAIN.min(left)
        } else {
            left
        };
        loop {
            match tokio::time::timeout(patience, poll_fn(&mut poll)).await {
                Ok(kept) => return kept.map_err(|_| Unconfirmed),
                Err(_) if Instant::now() >= deadline => return Err(Unconfirmed),
                Err(_) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    patience = (patience * 2).min(left);
                }
            }
        }
    }
}

/// Wakes a thread that waits for a frame.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// When the record of an id was made, in milliseconds since 1970.
fn millis_of(id: Uuid) -> u64 {
    id.get_timestamp().map_or(0, |timestamp| {
        let (seconds, nanoseconds) = timestamp.to_unix();
        seconds * 1_000 + u64::from(nanoseconds) / 1_000_000
    })
}

/// A place at which a test may let the process die; see `faulty`.
pub(crate) fn fault_point(name: &str) {
    #[cfg(feature = "fault-injection")]
    faulty::reach(name);
    #[cfg(not(feature = "fault-injection"))]
    let _ = name;
}
