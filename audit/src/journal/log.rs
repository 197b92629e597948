//! The log itself, without threads.
//!
//! Every method runs to its end on the caller's thread, so a test can drive a log
//! step by step over a file system that fails.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{io, mem};

use tokio::sync::oneshot;
use uuid::Uuid;

use super::chores::{self, Chore, Done, OpenFile, Restored, Search};
use super::files::{FileSystem, Identity, LogFile};
use super::frame::{HEADER_BYTES, Kind, SEQUENCE_MAX, encode};
use super::room::{Reservation, Room};
use super::shelf::{Segment, SegmentId, Shelf, Written};
use crate::log_gate::LogGate;

/// The most bytes that are written at once, the last frame aside.
const BATCH_BYTES: usize = 1024 * 1024;
/// What a segment takes from a disk that cannot give a whole one.
const SMALL_SEGMENT_BYTES: u64 = 256 * 1024;
/// How long after its sealing a segment is kept only for open intents.
const CARRY_AFTER: Duration = Duration::from_secs(5);
/// How long to wait before a failed disk is tried again.
const RETRY: Duration = Duration::from_millis(500);
/// How long to wait before a failed search for damaged records is tried again.
const SEARCH_RETRY: Duration = Duration::from_secs(10);
/// How often the folder and the files on the disk are compared with those that are open.
const VERIFY_INTERVAL: Duration = Duration::from_millis(500);
/// A write that takes longer than this says that the disk is busy. It is more than a thread
/// waits for its turn on a processor that has too much to do.
pub(super) const SLOW_WRITE: Duration = Duration::from_millis(50);
/// For how long the disk is then taken to be busy.
pub(super) const BUSY: Duration = Duration::from_secs(1);
/// How often the log says that the journal fills up.
const ALARM_INTERVAL: Duration = Duration::from_secs(60);
const WRITE_FAILED: &str = "writing to the journal failed";
const EXTENSION: &str = "segment";

/// Segments are called after their first sequence, so that they sort.
fn name_of(id: SegmentId) -> String {
    format!("{id:020}.{EXTENSION}")
}

/// The segment of this name. A file that is called in another way is none of ours, even
/// if its name has the same number: there is one file for a segment.
pub(super) fn id_of(name: &str) -> Option<SegmentId> {
    let (id, _) = name.split_once('.')?;
    let id = id.parse().ok()?;
    (id <= SEQUENCE_MAX && name_of(id) == name).then_some(id)
}

/// How large a journal may become.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    pub(super) quota_bytes: u64,
    pub(super) reserve_bytes: u64,
    pub(super) segment_bytes: u64,
}

/// A frame to be written.
pub(super) struct Write {
    pub(super) id: Uuid,
    pub(super) kind: Kind,
    pub(super) payload: Vec<u8>,
    /// Whether it is to survive a power cut before it is acknowledged.
    pub(super) sync: bool,
    /// Told when it is kept.
    pub(super) done: Option<oneshot::Sender<()>>,
    /// Given back when it is written.
    pub(super) room: Option<Reservation>,
}

/// Where a frame stands, and how long its payload is.
struct Place {
    segment: SegmentId,
    offset: u64,
    length: usize,
}

impl Place {
    fn end(&self) -> u64 {
        self.offset + (HEADER_BYTES + self.length) as u64
    }
}

/// A segment that nobody needs any more.
#[derive(Clone, Copy)]
enum Leaving {
    /// It is removed when this sync has ended.
    AfterSync(SegmentId, u64),
    /// It is being removed.
    Now { bytes: u64 },
}

/// The segment that is written to.
struct Active {
    id: SegmentId,
    file: Arc<dyn LogFile>,
    position: u64,
    allocated: u64,
}

pub(super) struct Log {
    files: Arc<dyn FileSystem>,
    folder: PathBuf,
    limits: Limits,
    shelf: Arc<Shelf>,
    room: Arc<Room>,
    active: Option<Active>,
    next_sequence: u64,
    /// Intents of this process without a record.
    open: HashMap<Uuid, Place>,
    /// What waits to be written; it waits for as long as the disk fails.
    queue: VecDeque<Write>,
    /// Segments with writes that no sync has followed.
    unsynced: BTreeMap<SegmentId, Arc<dyn LogFile>>,
    /// How many syncs were requested. They end in this order.
    syncs_begun: u64,
    syncs_ended: u64,
    /// What is to be done at the disk while others go on at the log.
    chores: Vec<Chore>,
    /// The segment that is being removed.
    leaving: Option<Leaving>,
    /// When a segment that could not be removed is to be tried again. Nothing new is accepted
    /// meanwhile, but what was accepted is written.
    remove_again_at: Option<Instant>,
    /// Who is to be told that his frame is kept.
    kept: Vec<oneshot::Sender<()>>,
    /// What went wrong with a write outside of a batch, for the next one to deal with.
    failed_write: Option<io::Error>,
    /// Whether the file system can write without waiting.
    can_write_at_once: bool,
    /// Until when the disk is taken to be busy.
    busy_until: Option<Instant>,
    /// When a failed disk is to be tried again.
    retry_at: Option<Instant>,
    /// The folder that is locked.
    identity: Option<Identity>,
    /// Locks of folders that were made again.
    locks: Vec<Box<dyn Send + Sync>>,
    /// When the files were compared, unless that is under way.
    verified_at: Option<Instant>,
    /// The folder or a segment was removed or replaced: nothing is written until what is
    /// still needed is on the disk again.
    is_misplaced: bool,
    /// When that is to be tried again.
    restore_at: Option<Instant>,
    /// When a failed search for damaged records is to be tried again.
    search_again_at: Option<Instant>,
    /// Attempts that were recorded from their intents because their records are damaged.
    reported: HashSet<Uuid>,
    failures: LogGate,
    alarms: LogGate,
    buffer: Vec<u8>,
}

impl Log {
    /// A log that goes on behind what stands on the shelf.
    pub(super) fn new(
        files: Arc<dyn FileSystem>,
        folder: &Path,
        limits: Limits,
        shelf: Arc<Shelf>,
        room: Arc<Room>,
        next_sequence: u64,
    ) -> Self {
        let mut log = Self {
            files,
            folder: folder.to_owned(),
            limits,
            shelf,
            room,
            active: None,
            next_sequence,
            open: HashMap::new(),
            queue: VecDeque::new(),
            unsynced: BTreeMap::new(),
            syncs_begun: 0,
            syncs_ended: 0,
            chores: Vec::new(),
            leaving: None,
            remove_again_at: None,
            kept: Vec::new(),
            failed_write: None,
            can_write_at_once: true,
            busy_until: None,
            retry_at: None,
            identity: None,
            locks: Vec::new(),
            verified_at: Some(Instant::now()),
            is_misplaced: false,
            restore_at: None,
            search_again_at: None,
            reported: HashSet::new(),
            failures: LogGate::default(),
            alarms: LogGate::every(ALARM_INTERVAL),
            buffer: Vec::new(),
        };
        log.identity = log.files.identity(folder).ok();
        log.sync_what_was_left_behind();
        // The first segment is opened now, so that a disk that cannot be written
        // to shows before the first attempt.
        log.ensure_active(Instant::now());
        log.measure();
        log
    }

    /// A killed process did not live to sync its last frames. They count from now
    /// on, so an intent may be removed because of a record among them, and must
    /// not come to an end that a power cut undoes.
    fn sync_what_was_left_behind(&self) {
        for segment in self.shelf.lock().segments.values_mut() {
            if let Err(error) = segment.file.sync() {
                segment.is_doubtful = true;
                self.shelf.metrics.journal_failures.inc();
                tracing::error!(%error, path = %segment.path.display(), "syncing the journal failed: attempts are refused until this file is delivered");
            }
        }
    }

    /// Takes a frame; [`Log::commit`] writes it.
    pub(super) fn push(&mut self, write: Write) {
        self.queue.push_back(write);
    }

    /// Writes a frame at once, if it takes nothing but a write into the kernel's memory
    /// that nothing holds up; else it is handed back, to be pushed.
    ///
    /// Callers are async workers, which must not wait for a disk, so the file system has to
    /// refuse a write that would: with `RWF_NOWAIT`, which XFS and Btrfs know and ext4 and
    /// tmpfs do not. There, every frame is the commit thread's.
    pub(super) fn try_append(&mut self, write: Write, began: Instant) -> Result<(), Write> {
        let is_held_up = write.sync
            || !self.can_write_at_once
            || self.is_syncing()
            || self.failed_write.is_some()
            || self.retry_at.is_some()
            || self.busy_until.is_some_and(|until| began < until)
            || !self.queue.is_empty();
        let Some(active) = self.active.as_mut().filter(|_| !is_held_up) else {
            return Err(write);
        };
        let place = Place {
            segment: active.id,
            offset: active.position,
            length: write.payload.len(),
        };
        if place.end() > active.allocated {
            return Err(write);
        }
        self.buffer.clear();
        encode(
            &mut self.buffer,
            self.next_sequence,
            write.id,
            write.kind,
            &write.payload,
        );
        let written = active
            .file
            .write_without_waiting(&self.buffer, place.offset);
        match written {
            Ok(bytes) if bytes == self.buffer.len() => {}
            // The commit thread writes the frame as a whole, over its beginning.
            Ok(_) => return Err(write),
            Err(error) => {
                match error.kind() {
                    io::ErrorKind::Unsupported => self.can_write_at_once = false,
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => {}
                    _ => self.failed_write = Some(error),
                }
                return Err(write);
            }
        }
        let mut written = self.advance(1);
        written.count(write.kind, write.id);
        self.note(write, place, &mut written);
        self.publish(written, began);
        if began.elapsed() > SLOW_WRITE {
            self.busy_until = Some(began + BUSY);
        }
        Ok(())
    }

    /// Whether everything was written.
    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether a sync has failed, and what it was to keep is not in Postgres yet.
    pub(super) fn is_doubtful(&self) -> bool {
        let state = self.shelf.lock();
        let mut segments = state.segments.values();
        segments.any(|segment| segment.is_doubtful && !segment.is_delivered())
    }

    /// Writes what waits, as far as the disk allows; [`Log::take_kept`] says who is to be
    /// told.
    pub(super) fn commit(&mut self, now: Instant) {
        self.see_to_failed_write(now);
        while !self.queue.is_empty() && !self.is_misplaced {
            if self.retry_at.is_some_and(|at| now < at) || !self.ensure_active(now) {
                return;
            }
            if !self.write_batch(now) {
                return;
            }
        }
    }

    fn see_to_failed_write(&mut self, now: Instant) {
        if let Some(error) = self.failed_write.take() {
            self.fail(now, WRITE_FAILED, &error);
            self.seal(now);
        }
    }

    /// Writes one batch into the active segment; whether to go on.
    fn write_batch(&mut self, now: Instant) -> bool {
        let began = Instant::now();
        let Some(active) = &mut self.active else {
            return false;
        };
        let mut buffer = mem::take(&mut self.buffer);
        buffer.clear();
        let mut places = Vec::new();
        for write in &self.queue {
            let place = Place {
                segment: active.id,
                offset: active.position + buffer.len() as u64,
                length: write.payload.len(),
            };
            let fits = place.end() <= active.allocated || place.offset == 0;
            if !fits || buffer.len() >= BATCH_BYTES {
                break;
            }
            let sequence = self.next_sequence + places.len() as u64;
            encode(&mut buffer, sequence, write.id, write.kind, &write.payload);
            places.push(place);
        }
        if places.is_empty() {
            self.buffer = buffer;
            self.seal(now);
            return true;
        }

        let count = places.len();
        let result = active.file.write_all_at(&buffer, active.position);
        self.buffer = buffer;
        if let Err(error) = result {
            self.fail(now, WRITE_FAILED, &error);
            self.seal(now);
            return false;
        }
        let mut written = self.advance(count);

        let wants_sync = self.queue.iter().take(count).any(|write| write.sync);
        let synced = !wants_sync || self.sync_active(now);
        let mut again = Vec::new();
        let batch: Vec<Write> = self.queue.drain(..count).collect();
        for (write, place) in batch.into_iter().zip(places) {
            written.count(write.kind, write.id);
            if write.sync && !synced {
                again.push(write);
            } else {
                self.note(write, place, &mut written);
            }
        }
        for write in again.into_iter().rev() {
            // An intent that was only given a new place needs none if its attempt has ended
            // in this very batch; behind the end it would begin the attempt again.
            let is_carried = write.kind == Kind::Intent && write.done.is_none();
            if !is_carried || self.open.contains_key(&write.id) {
                self.queue.push_front(write);
            }
        }
        self.publish(written, began);
        synced
    }

    /// Goes on behind the frames in the buffer, which are in the active segment now.
    fn advance(&mut self, frames: usize) -> Written {
        self.next_sequence += frames as u64;
        let metrics = &self.shelf.metrics;
        metrics.journal_commit_frames.observe(frames as f64);
        self.room.lock().used += self.buffer.len() as u64;
        let Some(active) = &mut self.active else {
            return Written::new(self.next_sequence, 0);
        };
        active.position += self.buffer.len() as u64;
        self.unsynced
            .entry(active.id)
            .or_insert_with(|| Arc::clone(&active.file));
        Written::new(active.id, active.position)
    }

    /// Notes where a frame stands that is kept as it should be.
    fn note(&mut self, write: Write, place: Place, written: &mut Written) {
        let before = match write.kind {
            Kind::Intent => {
                written.opened += 1;
                self.open.insert(write.id, place)
            }
            Kind::Record | Kind::Settled => self.open.remove(&write.id),
        };
        written.closed.extend(before.map(|place| place.segment));
        written.done.extend(write.done);
        written.rooms.extend(write.room);
    }

    fn publish(&mut self, written: Written, began: Instant) {
        let kept = self.shelf.publish(written);
        self.kept.extend(kept);
        self.shelf
            .metrics
            .journal_commit_seconds
            .observe(began.elapsed().as_secs_f64());
    }

    /// Syncs the active segment because somebody waits for it.
    fn sync_active(&mut self, now: Instant) -> bool {
        let Some(active) = &self.active else {
            return false;
        };
        let id = active.id;
        let result = active.file.sync();
        self.unsynced.remove(&id);
        self.synced(now, id, result)
    }

    /// Who is to be told by now that his frame is kept.
    pub(super) fn take_kept(&mut self) -> Vec<oneshot::Sender<()>> {
        mem::take(&mut self.kept)
    }

    /// Has what was written synced; with the number that is given, [`Log::has_synced`] says
    /// whether that has ended.
    pub(super) fn request_sync(&mut self) -> u64 {
        if !self.unsynced.is_empty() {
            let unsynced = mem::take(&mut self.unsynced);
            self.syncs_begun += 1;
            self.chores
                .push(Chore::Sync(unsynced.into_iter().collect()));
        }
        self.syncs_begun
    }

    pub(super) fn has_synced(&self, sync: u64) -> bool {
        self.syncs_ended >= sync
    }

    /// Whether a sync was requested and has not ended.
    pub(super) fn is_syncing(&self) -> bool {
        !self.has_synced(self.syncs_begun)
    }

    /// What is to be done at the disk now; [`Log::chore_ended`] wants to know how it went.
    pub(super) fn take_chores(&mut self) -> Vec<Chore> {
        mem::take(&mut self.chores)
    }

    /// Does what is to be done at the disk, on this thread.
    fn do_chores(&mut self, now: Instant) {
        while !self.chores.is_empty() {
            for chore in self.take_chores() {
                let done = chore.run(&*self.files, &self.folder);
                self.chore_ended(now, done);
            }
        }
    }

    /// Notes how a chore went.
    pub(super) fn chore_ended(&mut self, now: Instant, done: Done) {
        match done {
            Done::Synced(results) => {
                self.syncs_ended += 1;
                for (segment, result) in results {
                    self.synced(now, segment, result);
                }
            }
            Done::Removed => {
                self.leaving = None;
                self.remove_again_at = None;
            }
            Done::Left(id, segment, error) => {
                self.leaving = None;
                self.remove_again_at = Some(now + RETRY);
                self.shelf.lock().segments.insert(id, segment);
                self.tell_failure("a spent segment of the journal cannot be removed", &error);
            }
            Done::Verified(flaw) => {
                self.verified_at = Some(now);
                // Not one that the log itself has removed meanwhile.
                let is_here = |id| self.shelf.lock().segments.contains_key(&id);
                if let Some(flaw) = flaw.filter(|flaw| flaw.segment.is_none_or(is_here)) {
                    self.leave_place(now, flaw.text);
                }
            }
            Done::Restored(restored, result) => {
                self.take_restored(restored);
                match result {
                    Ok(()) => {
                        self.is_misplaced = false;
                        self.retry_at = None;
                        tracing::warn!(folder = %self.folder.display(), "what the journal still needs is on the disk again");
                        self.ensure_active(now);
                        self.commit(now);
                        self.measure();
                    }
                    Err(error) => {
                        self.restore_at = Some(now + RETRY);
                        self.tell_failure("the journal's folder cannot be made again", &error);
                    }
                }
            }
            Done::Found(suspects, Ok(hits)) => {
                self.reported.extend(hits.iter().map(|(id, _)| *id));
                self.shelf.deliver_intents(&suspects, hits);
            }
            Done::Found(suspects, Err(error)) => {
                tracing::error!(%error, "a search for the intents of damaged records failed; trying again");
                self.search_again_at = Some(now + SEARCH_RETRY);
                let mut state = self.shelf.lock();
                state.suspects.extend(suspects);
                state.is_searching = false;
            }
        }
        self.remove_spent(now);
    }

    /// Notes how a sync went.
    ///
    /// The kernel reports a failed write-back once and then forgets it, so to sync
    /// the same file again could succeed without meaning anything. The segment
    /// gets no more frames, and nothing is accepted until what it holds has
    /// reached Postgres.
    fn synced(&mut self, now: Instant, id: SegmentId, result: io::Result<()>) -> bool {
        let Err(error) = result else {
            return true;
        };
        self.fail(now, "syncing the journal failed", &error);
        if let Some(segment) = self.shelf.lock().segments.get_mut(&id) {
            segment.is_doubtful = true;
        }
        if self.active.as_ref().is_some_and(|active| active.id == id) {
            self.seal(now);
        }
        false
    }

    fn fail(&mut self, now: Instant, what: &'static str, error: &io::Error) {
        self.retry_at = Some(now + RETRY);
        self.tell_failure(what, error);
    }

    fn tell_failure(&mut self, what: &'static str, error: &io::Error) {
        self.room.lock().is_impaired = true;
        self.shelf.metrics.journal_failures.inc();
        if let Some(since) = self.failures.admit() {
            tracing::error!(%error, folder = %self.folder.display(), since, "{what}: attempts are refused until the disk works again");
        }
    }

    /// Ends the active segment.
    fn seal(&mut self, now: Instant) {
        let Some(active) = self.active.take() else {
            return;
        };
        // Gives back what was allocated and not used, and takes away what a
        // failed write may have left. If it fails, the sequence shows at the next
        // start that nothing is missing.
        let _ = active.file.cut(active.position);
        let mut state = self.shelf.lock();
        let Some(segment) = state.segments.get_mut(&active.id) else {
            return;
        };
        segment.sealed_at = Some(now);
        if active.position == 0 {
            // Nothing is in it, and the next one gets its name.
            self.unsynced.remove(&active.id);
            let path = segment.path.clone();
            // Others look at the shelf, and must not wait for the disk.
            drop(state);
            if self.files.remove(&path).is_ok() {
                self.shelf.lock().segments.remove(&active.id);
            } else {
                self.next_sequence += 1;
            }
        }
    }

    /// Opens a segment, unless one is open; whether the disk is to be trusted again.
    fn ensure_active(&mut self, now: Instant) -> bool {
        let opened = if self.active.is_some() {
            Ok(())
        } else {
            self.open_segment()
        };
        match opened {
            Ok(()) => {
                self.retry_at = None;
                true
            }
            Err(error) => {
                self.fail(now, "a new segment of the journal cannot be made", &error);
                false
            }
        }
    }

    fn open_segment(&mut self) -> io::Result<()> {
        let id = self.next_sequence;
        // Frames beyond would not be read.
        if id > SEQUENCE_MAX - self.limits.segment_bytes {
            return Err(io::Error::other(
                "the journal's sequence is used up: let it be delivered, and give it a new folder",
            ));
        }
        let path = self.folder.join(name_of(id));
        let file = match self.files.create(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.next_sequence += 1;
                return Err(error);
            }
            result => result?,
        };
        let needed = self
            .queue
            .front()
            .map_or(0, |write| (HEADER_BYTES + write.payload.len()) as u64);
        let prepared = allocate(
            &*file,
            &[self.limits.segment_bytes, SMALL_SEGMENT_BYTES],
            needed,
        )
        .and_then(|allocated| {
            self.files.sync_folder(&self.folder)?;
            Ok(allocated)
        });
        let allocated = match prepared {
            Ok(allocated) => allocated,
            Err(error) => {
                drop(file);
                if self.files.remove(&path).is_err() {
                    self.next_sequence += 1;
                }
                return Err(error);
            }
        };
        let segment = Segment::new(Arc::clone(&file), path);
        self.shelf.lock().segments.insert(id, segment);
        self.active = Some(Active {
            id,
            file,
            position: 0,
            allocated,
        });
        Ok(())
    }

    /// What has to be done now and then: removes what is spent, moves what would
    /// pin a segment, tries a failed disk again, and measures the room.
    pub(super) fn tick(&mut self, now: Instant) {
        self.leave_small_remains(now);
        self.carry_open_intents(now);
        self.search_for_damaged_records(now);
        self.remove_spent(now);
        self.verify_place(now);
        if self.retry_at.is_some_and(|at| now >= at) && !self.is_misplaced {
            self.ensure_active(now);
        }
        self.commit(now);
        self.measure();
    }

    /// A quiet service should not keep records that were delivered long ago until
    /// a whole segment is full.
    fn leave_small_remains(&mut self, now: Instant) {
        let Some(active) = &self.active else {
            return;
        };
        if active.position < self.limits.segment_bytes / 16 {
            return;
        }
        let is_delivered = self
            .shelf
            .lock()
            .segments
            .get(&active.id)
            .is_some_and(Segment::is_delivered);
        if is_delivered {
            self.seal(now);
            self.ensure_active(now);
        }
    }

    /// Gives the intents of long-running handlers a new place at the end of the
    /// log, so that they do not keep whole segments from being removed.
    fn carry_open_intents(&mut self, now: Instant) {
        let state = self.shelf.lock();
        let pinned: BTreeMap<SegmentId, Arc<dyn LogFile>> = state
            .segments
            .iter()
            .filter(|(_, segment)| {
                let is_old = segment
                    .sealed_at
                    .is_some_and(|at| now.duration_since(at) >= CARRY_AFTER);
                segment.open_intents > 0
                    && segment.is_delivered()
                    && (is_old || (segment.is_doubtful && segment.sealed_at.is_some()))
            })
            .map(|(id, segment)| (*id, Arc::clone(&segment.file)))
            .collect();
        drop(state);
        if pinned.is_empty() || !self.queue.is_empty() {
            return;
        }
        for (id, place) in &self.open {
            let Some(file) = pinned.get(&place.segment) else {
                continue;
            };
            let mut payload = vec![0; place.length];
            match read_exact_at(&**file, &mut payload, place.offset + HEADER_BYTES as u64) {
                Ok(()) => self.queue.push_back(Write {
                    id: *id,
                    kind: Kind::Intent,
                    payload,
                    // Its first place may be synced, and goes away.
                    sync: true,
                    done: None,
                    room: None,
                }),
                Err(error) => {
                    tracing::warn!(%error, "an open intent cannot be read; it stays where it is")
                }
            }
        }
    }

    /// Has the folder and the files on the disk compared with those that are open, and once
    /// they differ, has what is still needed written again.
    fn verify_place(&mut self, now: Instant) {
        let is_due = |at: Instant| now.saturating_duration_since(at) >= VERIFY_INTERVAL;
        if self.is_misplaced {
            if self.restore_at.take_if(|at| now >= *at).is_some() {
                let place = self.place();
                self.chores.push(Chore::Restore(place));
            }
        } else if self.verified_at.take_if(|at| is_due(*at)).is_some() {
            let place = self.place();
            self.chores.push(Chore::Verify(place));
        }
    }

    fn place(&self) -> chores::Place {
        let state = self.shelf.lock();
        // One that nobody needs any more may go by whatever way.
        let needed = state.segments.iter().filter(|(_, segment)| {
            let is_active = segment.sealed_at.is_none();
            is_active || !segment.is_delivered() || segment.open_intents > 0
        });
        let files = needed.map(|(id, segment)| OpenFile {
            id: *id,
            file: Arc::clone(&segment.file),
            path: segment.path.clone(),
            end: segment.end,
        });
        chores::Place {
            folder: self.identity,
            files: files.collect(),
        }
    }

    /// Stops writing, because what is written would be lost with this process.
    fn leave_place(&mut self, now: Instant, flaw: &'static str) {
        if self.is_misplaced {
            return;
        }
        self.is_misplaced = true;
        self.restore_at = Some(now);
        self.room.lock().is_impaired = true;
        self.shelf.metrics.journal_failures.inc();
        tracing::error!(
            folder = %self.folder.display(),
            flaw,
            "the journal's folder is not as it was: attempts are refused until what is needed of \
             it is written again; let nothing else change this folder"
        );
        let Some(active) = self.active.take() else {
            return;
        };
        let mut state = self.shelf.lock();
        if active.position == 0 {
            self.unsynced.remove(&active.id);
            state.segments.remove(&active.id);
            self.next_sequence += 1;
        } else if let Some(segment) = state.segments.get_mut(&active.id) {
            segment.sealed_at = Some(now);
        }
    }

    fn take_restored(&mut self, restored: Restored) {
        self.identity = restored.folder.or(self.identity);
        self.locks.extend(restored.lock);
        let mut state = self.shelf.lock();
        for (id, file) in restored.files {
            // It is synced.
            self.unsynced.remove(&id);
            if let Some(segment) = state.segments.get_mut(&id) {
                segment.file = file;
                segment.is_doubtful = false;
            }
        }
    }

    /// Has the intents of damaged records found and delivered, once writers have come upon
    /// damage.
    fn search_for_damaged_records(&mut self, now: Instant) {
        if self.search_again_at.is_some_and(|at| now < at) {
            return;
        }
        let mut state = self.shelf.lock();
        if state.is_searching || state.suspects.is_empty() {
            return;
        }
        state.is_searching = true;
        let segments = state.segments.values();
        let readable = segments.filter(|segment| !segment.is_given_up);
        let files = readable.map(|segment| (Arc::clone(&segment.file), segment.end));
        let files = files.collect();
        let orphans = state.segments.values().map(|segment| &*segment.orphans);
        let mut passed_over: HashSet<Uuid> = orphans.flatten().copied().collect();
        let suspects = mem::take(&mut state.suspects);
        drop(state);
        passed_over.extend(self.open.keys());
        passed_over.extend(&self.reported);
        self.chores.push(Chore::FindHit(Search {
            suspects,
            files,
            passed_over,
        }));
    }

    /// Has a segment removed that nobody needs any more; the next one follows when it is
    /// gone, so that a sync waits for one removal at most.
    ///
    /// What answers its intents may stand in another one, and must survive a power cut
    /// before. Where a sync has failed, it must be in Postgres.
    fn remove_spent(&mut self, now: Instant) {
        if self.is_misplaced || self.remove_again_at.is_some_and(|at| now < at) {
            return;
        }
        if self.leaving.is_none() {
            let state = self.shelf.lock();
            let mut segments = state.segments.iter();
            let spent = segments.find(|(_, segment)| {
                segment.is_spent() && !state.is_suspect() && state.has_read_answers_of(segment)
            });
            let Some(id) = spent.map(|(id, _)| *id) else {
                return;
            };
            drop(state);
            self.unsynced.remove(&id);
            let sync = self.request_sync();
            self.leaving = Some(Leaving::AfterSync(id, sync));
        }
        let Some(Leaving::AfterSync(id, sync)) = self.leaving else {
            return;
        };
        if !self.has_synced(sync) || self.is_doubtful() || self.shelf.lock().is_suspect() {
            return;
        }
        let segment = self.shelf.lock().segments.remove(&id);
        self.leaving = segment.map(|segment| {
            let bytes = segment.end;
            self.chores.push(Chore::Remove(id, segment));
            Leaving::Now { bytes }
        });
    }

    /// Finds out how much room there is.
    fn measure(&mut self) {
        let state = self.shelf.lock();
        let kept: u64 = state.segments.values().map(|segment| segment.end).sum();
        let used = match self.leaving {
            Some(Leaving::Now { bytes }) => kept + bytes,
            Some(Leaving::AfterSync(..)) | None => kept,
        };
        let is_doubtful = state.segments.values().any(|segment| segment.is_doubtful);
        drop(state);
        let allocated = self
            .active
            .as_ref()
            .map_or(0, |active| active.allocated.saturating_sub(active.position));
        // A disk that does not say how full it is is taken at the quota's word.
        let on_disk = self
            .files
            .free_bytes(&self.folder)
            .map_or(u64::MAX, |free| {
                (free + allocated).saturating_sub(self.limits.reserve_bytes)
            });
        let mut accounts = self.room.lock();
        accounts.used = used;
        accounts.limit = self.limits.quota_bytes.min(used.saturating_add(on_disk));
        accounts.is_impaired = self.retry_at.is_some()
            || self.remove_again_at.is_some()
            || self.active.is_none()
            || self.is_misplaced
            || is_doubtful;
        let accounts = *accounts;
        if accounts.is_alarming()
            && !accounts.is_impaired
            && let Some(since) = self.alarms.admit()
        {
            tracing::error!(
                used = accounts.used,
                reserved = accounts.reserved,
                limit = accounts.limit,
                since,
                "the journal is more than four fifths full; attempts are refused when it is full: \
                 see why Postgres does not take the records, or give it more room"
            );
        }
    }

    /// Takes the frames that are not written.
    pub(super) fn take_unwritten(&mut self) -> Vec<Write> {
        self.queue.drain(..).collect()
    }

    /// Ends the log in order: all is written, synced, and what is spent removed.
    /// What could not be written stays in the queue.
    pub(super) fn finish(&mut self, now: Instant) {
        self.see_to_failed_write(now);
        self.retry_at = None;
        self.commit(now);
        self.request_sync();
        self.do_chores(now);
        self.seal(now);
        self.remove_spent(now);
        self.do_chores(now);
        self.measure();
    }
}

/// Takes the most of `sizes` that the disk gives, and returns it.
fn allocate(file: &dyn LogFile, sizes: &[u64], needed: u64) -> io::Result<u64> {
    let mut last = None;
    for size in sizes {
        let size = needed.max(*size);
        match file.allocate(size) {
            Ok(()) => return Ok(size),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| io::ErrorKind::StorageFull.into()))
}

pub(super) fn read_exact_at(
    file: &dyn LogFile,
    mut bytes: &mut [u8],
    mut offset: u64,
) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.read_at(bytes, offset)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => {
                bytes = bytes.get_mut(read..).unwrap_or_default();
                offset += read as u64;
            }
        }
    }
    Ok(())
}
