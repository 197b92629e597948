//! The segments, as the commit thread and the writers share them.
//!
//! The commit thread puts segments on the shelf, moves their ends and takes off
//! what is spent. Writers read from the front: one at a time, because reading is
//! quick and what it must not do is give a record to two of them. Delivering is
//! slow, and done side by side.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use actix_web::web::Bytes;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::files::LogFile;
use super::frame::{Item, Kind, Scanner};
use super::log::Write;
use super::millis_of;
use super::room::Reservation;
use crate::metrics::Metrics;

/// The most bytes of records that one lease holds, the last record aside.
pub(crate) const LEASE_BYTES: usize = 2 * 1024 * 1024;
/// How long a segment that cannot be read is tried again before it is set aside.
const READ_PATIENCE: Duration = Duration::from_secs(600);
/// Pause before the first of these attempts; each pause is twice the one before.
const READ_RETRY: Duration = Duration::from_millis(200);
/// The longest of these pauses.
const READ_RETRY_MAX: Duration = Duration::from_secs(30);
/// Most damaged byte ranges of one file that are logged one by one.
const RANGES_LOGGED: usize = 16;

/// The first sequence of a segment, which is its name.
pub(super) type SegmentId = u64;
/// Segment of records that are in none. Sequences begin with 1.
const NO_SEGMENT: SegmentId = 0;

/// What is known of a segment.
pub(super) struct Segment {
    pub(super) file: Arc<dyn LogFile>,
    pub(super) path: PathBuf,
    /// Whole frames end here.
    pub(super) end: u64,
    /// When nothing more was to be written to it.
    pub(super) sealed_at: Option<Instant>,
    /// Intents of a process that died, to be delivered like records.
    pub(super) orphans: Arc<HashSet<Uuid>>,
    /// Intents of this process whose record is not written yet.
    pub(super) open_intents: usize,
    /// Writers have read as far as this.
    pub(super) read_to: u64,
    /// Records that are to be read.
    pub(super) unread: u64,
    /// Records that were read and are not delivered yet.
    pub(super) outstanding: usize,
    /// Its last sync failed: what it holds may not survive a power cut.
    pub(super) is_doubtful: bool,
    /// Something in it cannot be read: it is set aside, not removed.
    pub(super) is_damaged: bool,
    /// Reading it has failed for so long that it is given up.
    pub(super) is_given_up: bool,
    /// Damaged byte ranges that are reported.
    pub(super) damage: Vec<Range<u64>>,
    /// The last place of a record that answers one of its intents. Until that is read, the
    /// intent is needed: should the record be damaged, nothing else is known of the attempt.
    answered_to: Option<(SegmentId, u64)>,
    /// Reading it fails.
    failing: Option<Failing>,
}

/// Failed reads of a segment.
struct Failing {
    since: Instant,
    again_at: Instant,
    pause: Duration,
}

impl Segment {
    pub(super) fn new(file: Arc<dyn LogFile>, path: PathBuf) -> Self {
        Self {
            file,
            path,
            end: 0,
            sealed_at: None,
            orphans: Arc::default(),
            open_intents: 0,
            read_to: 0,
            unread: 0,
            outstanding: 0,
            is_doubtful: false,
            is_damaged: false,
            is_given_up: false,
            damage: Vec::new(),
            answered_to: None,
            failing: None,
        }
    }

    /// Whether all its records have reached Postgres.
    pub(super) fn is_delivered(&self) -> bool {
        self.read_to >= self.end && self.outstanding == 0
    }

    /// Whether nothing in it is needed any more.
    pub(super) fn is_spent(&self) -> bool {
        self.sealed_at.is_some() && self.is_delivered() && self.open_intents == 0
    }

    /// Whether there is something to read, and now is the time to try it.
    fn is_readable(&self, now: Instant) -> bool {
        let is_due = |failing: &Failing| now >= failing.again_at;
        self.read_to < self.end && self.failing.as_ref().is_none_or(is_due)
    }
}

/// A batch that was written to a segment.
pub(super) struct Written {
    segment: SegmentId,
    end: u64,
    records: u64,
    /// When the first of the records was made.
    since_ms: Option<u64>,
    /// How many intents it holds.
    pub(super) opened: usize,
    /// Where the intents stand that its records answer.
    pub(super) closed: Vec<SegmentId>,
    pub(super) done: Vec<oneshot::Sender<()>>,
    /// Given back when the batch counts as used.
    pub(super) rooms: Vec<Reservation>,
}

impl Written {
    pub(super) fn new(segment: SegmentId, end: u64) -> Self {
        Self {
            segment,
            end,
            records: 0,
            since_ms: None,
            opened: 0,
            closed: Vec::new(),
            done: Vec::new(),
            rooms: Vec::new(),
        }
    }

    /// Counts a frame that was written, whether or not it is kept as it should be.
    pub(super) fn count(&mut self, kind: Kind, id: Uuid) {
        if kind == Kind::Record {
            self.records += 1;
            self.since_ms.get_or_insert(millis_of(id));
        }
    }
}

/// One record on its way to Postgres.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    segment: SegmentId,
    pub(crate) id: Uuid,
    /// The record's canonical bytes.
    pub(crate) bytes: Bytes,
}

impl AsRef<[u8]> for Entry {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The shelf.
pub(super) struct Shelf {
    state: Mutex<State>,
    /// Held by the writer that reads.
    turn: Mutex<()>,
    /// Woken when there is something to read, or when nothing more will come.
    available: Condvar,
    /// Woken when the last record was delivered.
    delivered: Condvar,
    pub(super) metrics: Arc<Metrics>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) segments: BTreeMap<SegmentId, Segment>,
    /// Entries of leases that were given up, to be leased again first.
    returned: VecDeque<Entry>,
    /// Records on the shelf that are not delivered.
    pub(super) undelivered: u64,
    /// Nothing more will be written.
    is_complete: bool,
    next_lease: u64,
    /// When the first record of each lease was made.
    leases: BTreeMap<u64, u64>,
    /// When the first record that waits unread was made, or a bit earlier.
    unread_since: Option<u64>,
    /// When the last lease was given.
    leased_at: Option<Instant>,
    /// How many records the writer waits for that wants to read next. Waking costs a call
    /// into the kernel even where nobody sleeps.
    pub(super) awaited: Option<usize>,
    /// Segments in which damage was found that no search for the intents of the records in
    /// it has followed.
    pub(super) suspects: BTreeSet<SegmentId>,
    /// Whether such a search is under way.
    pub(super) is_searching: bool,
}

impl State {
    /// When the oldest undelivered record was made, in milliseconds since 1970.
    pub(super) fn oldest_ms(&self) -> Option<u64> {
        let returned = self.returned.iter().map(|entry| millis_of(entry.id));
        let leased = self.leases.values().copied();
        returned.chain(leased).chain(self.unread_since).min()
    }

    /// Notes that a record of this age waits.
    pub(super) fn wait_since(&mut self, since_ms: Option<u64>) {
        if let Some(since) = since_ms {
            self.unread_since.get_or_insert(since);
        }
    }

    /// Whether so many records can be read, or as many bytes as a lease holds.
    fn has_unread(&self, records: usize) -> bool {
        let mut unread = 0;
        let mut bytes = 0;
        for segment in self.segments.values() {
            unread += segment.unread;
            bytes += segment.end.saturating_sub(segment.read_to);
        }
        unread >= records as u64 || bytes >= LEASE_BYTES as u64
    }

    /// Whether records may be missing whose intents are not found yet: no segment is removed.
    pub(super) fn is_suspect(&self) -> bool {
        self.is_searching || !self.suspects.is_empty()
    }

    /// Whether the records that answer the segment's intents have been read.
    pub(super) fn has_read_answers_of(&self, segment: &Segment) -> bool {
        segment.answered_to.is_none_or(|(id, to)| {
            let answering = self.segments.get(&id);
            answering.is_none_or(|answering| answering.read_to >= to)
        })
    }

    fn segment(&mut self, id: SegmentId) -> Option<&mut Segment> {
        self.segments.get_mut(&id)
    }
}

impl Shelf {
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            state: Mutex::default(),
            turn: Mutex::default(),
            available: Condvar::new(),
            delivered: Condvar::new(),
            metrics,
        }
    }

    /// Nothing panics while it holds the lock, so a poisoned one is no reason to
    /// stop keeping records.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes what was written visible to writers, and gives back who is to be told.
    pub(super) fn publish(&self, written: Written) -> Vec<oneshot::Sender<()>> {
        let mut state = self.lock();
        if let Some(segment) = state.segment(written.segment) {
            // What holds no record needs no reader, and wakes none. One that reads
            // meanwhile is behind the old end, and comes to the new one by itself.
            if written.records == 0 && segment.read_to == segment.end {
                segment.read_to = written.end;
            }
            segment.end = written.end;
            segment.unread += written.records;
            segment.open_intents += written.opened;
        }
        for id in written.closed {
            if let Some(segment) = state.segment(id) {
                segment.open_intents = segment.open_intents.saturating_sub(1);
                segment.answered_to = Some((written.segment, written.end));
            }
        }
        state.undelivered += written.records;
        state.wait_since(written.since_ms);
        let wakes = state
            .awaited
            .is_some_and(|records| written.records > 0 && state.has_unread(records));
        drop(state);
        if wakes {
            self.available.notify_one();
        }
        written.done
    }

    /// Says that nothing more will be written.
    pub(super) fn complete(&self) {
        self.lock().is_complete = true;
        self.available.notify_all();
        self.delivered.notify_all();
    }

    /// Waits until all that was written is delivered.
    pub(super) fn wait_until_delivered(&self, deadline: Instant) -> u64 {
        let mut state = self.lock();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if (state.undelivered == 0 && !state.is_suspect()) || left.is_zero() {
                return state.undelivered;
            }
            (state, _) = self
                .delivered
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits for records and borrows up to `limit` of them, oldest first. Fewer than
    /// that wait for company until `pace` has passed since the last lease, whoever got
    /// it; after a pause nothing waits. `None` means that all is delivered and nothing more
    /// will come.
    pub(super) fn lease(self: &Arc<Self>, limit: usize, pace: Duration) -> Option<Lease> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = self.lock();
        loop {
            if !state.returned.is_empty() {
                let count = state.returned.len().min(limit);
                let entries = state.returned.drain(..count).collect();
                return Some(Lease::new(self, &mut state, entries));
            }
            let now = Instant::now();
            let next = state
                .segments
                .iter()
                .find(|(_, segment)| segment.is_readable(now));
            if let Some((id, segment)) = next {
                let since = state.leased_at.map_or(pace, |at| at.elapsed());
                let wait = pace.saturating_sub(since);
                if !wait.is_zero() && !state.is_complete && !state.has_unread(limit) {
                    state = self.wait(state, limit, Some(wait));
                    continue;
                }
                let id = *id;
                let part = segment.read_to..segment.end;
                let file = Arc::clone(&segment.file);
                let orphans = Arc::clone(&segment.orphans);
                drop(state);
                let read = Read::of(id, file, part.clone(), &orphans, limit);
                state = self.lock();
                let lease = match read {
                    Ok(read) => self.take(&mut state, id, read),
                    Err(error) => self.note_failed_read(&mut state, id, part, &error),
                };
                if lease.is_some() {
                    return lease;
                }
                continue;
            }
            let failing = state.segments.values();
            let failing = failing.filter_map(|segment| segment.failing.as_ref());
            if let Some(again_at) = failing.map(|failing| failing.again_at).min() {
                if state.is_complete {
                    // They stay on the disk for the next start.
                    return None;
                }
                let wait = again_at.saturating_duration_since(now);
                state = self.wait(state, 1, Some(wait));
                continue;
            }
            state.unread_since = None;
            if state.is_complete && state.undelivered == 0 {
                return None;
            }
            state = self.wait(state, 1, None);
        }
    }

    /// Waits until so many records can be read, something is returned, or the time is up.
    fn wait<'s>(
        &self,
        mut state: MutexGuard<'s, State>,
        records: usize,
        timeout: Option<Duration>,
    ) -> MutexGuard<'s, State> {
        state.awaited = Some(records);
        let mut state = match timeout {
            None => self.available.wait(state),
            Some(timeout) => self
                .available
                .wait_timeout(state, timeout)
                .map(|(state, _)| state)
                .map_err(|error| PoisonError::new(error.into_inner().0)),
        }
        .unwrap_or_else(PoisonError::into_inner);
        state.awaited = None;
        state
    }

    /// Notes what was read, and lends it.
    fn take(self: &Arc<Self>, state: &mut State, id: SegmentId, read: Read) -> Option<Lease> {
        let segment = state.segment(id)?;
        segment.failing = None;
        segment.read_to = read.to;
        segment.outstanding += read.entries.len();
        segment.unread = segment.unread.saturating_sub(read.entries.len() as u64);
        let mut damage = read.damage;
        damage.retain(|range| !segment.damage.contains(range));
        if !damage.is_empty() {
            report_damage(&self.metrics, &segment.path, &damage);
            segment.damage.append(&mut damage);
            segment.is_damaged = true;
            state.suspects.insert(id);
        }
        let segment = state.segment(id)?;
        if segment.read_to >= segment.end {
            // Only damage leaves records unread.
            let lost = std::mem::take(&mut segment.unread);
            if lost > 0 {
                tracing::error!(
                    path = %segment.path.display(),
                    lost,
                    "records that were written to the journal are not found in it: attempts with \
                     an intent are recorded from that, with the outcome `unknown`"
                );
                if !segment.is_damaged {
                    segment.is_damaged = true;
                    self.metrics.journal_damage.inc();
                }
                state.suspects.insert(id);
            }
            state.undelivered = state.undelivered.saturating_sub(lost);
        }
        if state.undelivered == 0 {
            self.delivered.notify_all();
        }
        let last = read.entries.last()?;
        // What is unread is younger than what was read.
        state.unread_since = Some(millis_of(last.id));
        Some(Lease::new(self, state, read.entries))
    }

    /// Notes that a segment cannot be read. It is tried again while the others are delivered,
    /// and passes for damaged only after [`READ_PATIENCE`].
    fn note_failed_read(
        self: &Arc<Self>,
        state: &mut State,
        id: SegmentId,
        part: Range<u64>,
        error: &io::Error,
    ) -> Option<Lease> {
        let now = Instant::now();
        let segment = state.segment(id)?;
        let (since, pause) = match &segment.failing {
            None => (now, READ_RETRY),
            Some(failing) => (failing.since, (failing.pause * 2).min(READ_RETRY_MAX)),
        };
        self.metrics.journal_failures.inc();
        let path = segment.path.display();
        if now.duration_since(since) < READ_PATIENCE {
            tracing::error!(%error, %path, retry_ms = pause.as_millis(), "a segment of the journal cannot be read; trying again while the others are delivered");
            segment.failing = Some(Failing {
                since,
                again_at: now + pause,
                pause,
            });
            return None;
        }
        tracing::error!(%error, %path, "a segment of the journal cannot be read for ten minutes and is set aside");
        segment.is_given_up = true;
        let read = Read {
            entries: Vec::new(),
            to: part.end,
            damage: vec![part],
        };
        self.take(state, id, read)
    }

    /// Has the intents of records that cannot be read delivered in their place.
    pub(super) fn deliver_intents(&self, suspects: &BTreeSet<SegmentId>, hits: Vec<(Uuid, Bytes)>) {
        let mut state = self.lock();
        state.is_searching = false;
        tracing::error!(
            attempts = hits.len(),
            "the records of these attempts are damaged; they are recorded from their intents, \
             with the outcome `unknown`"
        );
        // The damaged segment stays until they are delivered.
        let found = suspects.iter().find(|id| state.segments.contains_key(id));
        let segment = found.copied().unwrap_or_default();
        if let Some(segment) = state.segment(segment) {
            segment.outstanding += hits.len();
        }
        state.undelivered += hits.len() as u64;
        let entries = hits
            .into_iter()
            .map(|(id, bytes)| Entry { segment, id, bytes });
        state.returned.extend(entries);
        if state.undelivered == 0 {
            self.delivered.notify_all();
        }
        drop(state);
        self.available.notify_one();
    }

    /// Has frames that no disk has taken delivered from memory: records, and intents without
    /// one.
    pub(super) fn deliver_unwritten(&self, frames: Vec<Write>) {
        let has_ended = |frame: &&Write| frame.kind != Kind::Intent;
        let ended: HashSet<Uuid> = frames
            .iter()
            .filter(has_ended)
            .map(|frame| frame.id)
            .collect();
        let due: Vec<Entry> = frames
            .into_iter()
            .filter(|frame| match frame.kind {
                Kind::Record => true,
                Kind::Intent => !ended.contains(&frame.id),
                Kind::Settled => false,
            })
            .map(|frame| Entry {
                segment: NO_SEGMENT,
                id: frame.id,
                bytes: frame.payload.into(),
            })
            .collect();
        if due.is_empty() {
            return;
        }
        tracing::error!(
            records = due.len(),
            "records that the journal's disk did not take go to Postgres directly; until it has \
             them they are in memory only"
        );
        let mut state = self.lock();
        state.undelivered += due.len() as u64;
        state.returned.extend(due);
        drop(state);
        self.available.notify_all();
    }

    fn settle(&self, state: &mut State, entries: &[Entry]) {
        state.undelivered = state.undelivered.saturating_sub(entries.len() as u64);
        for entry in entries {
            if let Some(segment) = state.segment(entry.segment) {
                segment.outstanding = segment.outstanding.saturating_sub(1);
            }
        }
        if state.undelivered == 0 {
            self.delivered.notify_all();
            if state.is_complete {
                self.available.notify_all();
            }
        }
    }
}

/// Counts and logs damaged parts of a segment.
pub(super) fn report_damage(metrics: &Metrics, path: &Path, damage: &[Range<u64>]) {
    metrics.journal_damage.inc_by(damage.len() as u64);
    for range in damage.iter().take(RANGES_LOGGED) {
        tracing::error!(
            path = %path.display(),
            from = range.start,
            to = range.end,
            "a part of the journal is damaged: what can be read is delivered, and the file is \
             set aside in the folder `damaged`"
        );
    }
    if let Some(more) = damage
        .len()
        .checked_sub(RANGES_LOGGED)
        .filter(|more| *more > 0)
    {
        tracing::error!(path = %path.display(), more, "more parts of this file are damaged");
    }
}

/// What was read from one segment.
struct Read {
    entries: Vec<Entry>,
    /// How far.
    to: u64,
    damage: Vec<Range<u64>>,
}

impl Read {
    fn of(
        segment: SegmentId,
        file: Arc<dyn LogFile>,
        part: Range<u64>,
        orphans: &HashSet<Uuid>,
        limit: usize,
    ) -> io::Result<Self> {
        let end = part.end;
        let mut scanner = Scanner::new(file, part);
        let mut read = Self {
            entries: Vec::new(),
            to: end,
            damage: Vec::new(),
        };
        let mut bytes = 0;
        while read.entries.len() < limit && bytes < LEASE_BYTES {
            match scanner.next()? {
                None => {
                    // The file is shorter than what was written to it.
                    if scanner.offset() < end {
                        read.damage.push(scanner.offset()..end);
                    }
                    return Ok(read);
                }
                Some(Item::Damage(range)) => {
                    if !range.is_empty() {
                        read.damage.push(range);
                    }
                }
                Some(Item::Frame(_, frame)) => {
                    let is_due = match frame.kind {
                        Kind::Record => true,
                        Kind::Intent => orphans.contains(&frame.id),
                        Kind::Settled => false,
                    };
                    if is_due {
                        bytes += frame.payload.len();
                        read.entries.push(Entry {
                            segment,
                            id: frame.id,
                            bytes: frame.payload,
                        });
                    }
                }
            }
        }
        read.to = scanner.offset();
        Ok(read)
    }
}

/// Records on loan to a writer.
#[must_use = "a lease that is dropped puts its records back"]
pub(crate) struct Lease {
    shelf: Arc<Shelf>,
    number: u64,
    entries: Vec<Entry>,
}

impl Lease {
    fn new(shelf: &Arc<Shelf>, state: &mut State, entries: Vec<Entry>) -> Self {
        state.leased_at = Some(Instant::now());
        let number = state.next_lease;
        state.next_lease += 1;
        if let Some(first) = entries.first() {
            state.leases.insert(number, millis_of(first.id));
        }
        Self {
            shelf: Arc::clone(shelf),
            number,
            entries,
        }
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The records are in Postgres: forget them.
    pub(crate) fn delivered(mut self) {
        let entries = std::mem::take(&mut self.entries);
        let mut state = self.shelf.lock();
        state.leases.remove(&self.number);
        self.shelf.settle(&mut state, &entries);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.entries.is_empty() {
            return;
        }
        let mut state = self.shelf.lock();
        state.leases.remove(&self.number);
        for entry in self.entries.drain(..).rev() {
            state.returned.push_front(entry);
        }
        drop(state);
        self.shelf.available.notify_one();
    }
}
