//! What a process finds in its journal when it starts.
//!
//! There is no ledger beside the segments that could disagree with them: all that
//! is known is read from the frames. So a crash can make records be sent twice,
//! which Postgres passes over, and never be left out.

use std::collections::HashSet;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::OpenError;
use super::files::{FileSystem, LogFile};
use super::frame::{HEADER_BYTES, Item, Kind, Scanner, is_of_other_version, is_torn_write};
use super::log::{id_of, read_exact_at};
use super::millis_of;
use super::shelf::{Segment, SegmentId, State, report_damage};
use crate::metrics::Metrics;

/// How often a segment that cannot be read is tried before the start is refused.
const READ_ATTEMPTS: u32 = 10;
/// Pause between these attempts.
const READ_RETRY: Duration = Duration::from_millis(if cfg!(test) { 1 } else { 500 });
/// How far a segment's name may be ahead of the frames before it if no frame in it agrees.
/// Names are first sequences; failures to tidy up leave small gaps.
const SEQUENCE_GAP_MAX: u64 = 1 << 32;

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Recovery {
    /// The sequence that the next frame gets.
    pub(super) next_sequence: u64,
    /// Records that are to be delivered.
    pub(super) records: u64,
    /// Attempts that a process did not live to finish.
    pub(super) unknown: u64,
    /// Segments in which something cannot be read.
    pub(super) damaged: u64,
}

/// A segment, read through.
struct Found {
    id: SegmentId,
    path: PathBuf,
    file: Arc<dyn LogFile>,
    length: u64,
    /// Where the last whole frame ends.
    end: u64,
    /// The segment behind this one.
    next: Option<SegmentId>,
    /// The last sequence that agrees with the segment's name.
    last_sequence: Option<u64>,
    records: u64,
    intents: HashSet<Uuid>,
    /// Damaged byte ranges with frames behind them.
    damage: Vec<Range<u64>>,
    /// The name is far ahead of the sequence, and no frame agrees with it.
    is_misnamed: bool,
    first_ms: Option<u64>,
}

/// Puts the segments of a folder on the shelf.
pub(super) fn recover(
    files: &dyn FileSystem,
    folder: &Path,
    shelf: &mut State,
    metrics: &Metrics,
) -> Result<Recovery, OpenError> {
    let unreadable = |source: io::Error| OpenError::Folder {
        path: folder.to_owned(),
        source,
    };
    let mut names: Vec<(SegmentId, String)> = files
        .list(folder)
        .map_err(unreadable)?
        .into_iter()
        .filter_map(|name| Some((id_of(&name)?, name)))
        .collect();
    names.sort();

    let mut recovery = Recovery {
        next_sequence: 1,
        ..Recovery::default()
    };
    let mut open = HashSet::new();
    let mut found = Vec::<Found>::new();
    for (id, name) in names {
        let path = folder.join(name);
        let mut segment = match read_patiently(files, id, &path, &mut open) {
            Ok(segment) => segment,
            Err(ReadError::NewerFormat) => return Err(OpenError::NewerFormat { path }),
            // Without its records, its intents would be reported as `unknown`, for good.
            Err(ReadError::Io(source)) => return Err(OpenError::Unreadable { path, source }),
        };
        segment.is_misnamed = segment.last_sequence.is_none()
            && id > recovery.next_sequence.saturating_add(SEQUENCE_GAP_MAX);
        if !segment.is_misnamed {
            if let Some(before) = found.iter_mut().rfind(|before| !before.is_misnamed) {
                before.next.get_or_insert(id);
            }
            let last = segment.last_sequence.unwrap_or(id);
            recovery.next_sequence = recovery.next_sequence.max(last + 1);
        }
        found.push(segment);
    }
    // Not before all are understood: what another version has written stays whole.
    for segment in &mut found {
        if segment.ends_with_a_failed_write() {
            segment.cut();
        } else if segment.next.is_none() && !segment.is_misnamed {
            // So that the next start sees in the sequence that something is missing.
            let skipped = (segment.length - segment.end) / HEADER_BYTES as u64 + 1;
            recovery.next_sequence = recovery.next_sequence.saturating_add(skipped);
        }
    }

    let now = Instant::now();
    for segment in found {
        let mut damage = segment.damage;
        if segment.length > segment.end {
            damage.push(segment.end..segment.length);
        }
        let is_damaged = segment.is_misnamed || !damage.is_empty();
        recovery.damaged += u64::from(is_damaged);
        report_damage(metrics, &segment.path, &damage);
        if segment.is_misnamed && damage.is_empty() {
            metrics.journal_damage.inc();
            tracing::error!(
                path = %segment.path.display(),
                next_sequence = recovery.next_sequence,
                "a file is named as a segment far ahead of the journal and holds no such frame: \
                 it is set aside in the folder `damaged`; see how it came there"
            );
        }
        let orphans: HashSet<Uuid> = segment.intents.intersection(&open).copied().collect();
        // An intent that was carried stands in two segments and is told once.
        open.retain(|id| !orphans.contains(id));
        let deliverable = segment.records + orphans.len() as u64;
        recovery.records += segment.records;
        recovery.unknown += orphans.len() as u64;
        let mut entry = Segment::new(segment.file, segment.path);
        entry.end = segment.end;
        entry.sealed_at = Some(now);
        entry.unread = deliverable;
        entry.is_damaged = is_damaged;
        entry.damage = damage;
        entry.read_to = if deliverable == 0 { segment.end } else { 0 };
        entry.orphans = Arc::new(orphans);
        if deliverable > 0 {
            shelf.wait_since(segment.first_ms);
        }
        shelf.undelivered += deliverable;
        shelf.segments.insert(segment.id, entry);
    }
    Ok(recovery)
}

impl Found {
    /// Whether bytes behind the last frame are a write that failed, and no loss. In the last
    /// segment they are if they are the beginning of a frame: it was never acknowledged.
    /// Elsewhere they are if the next segment goes on where this one ends, or before: the
    /// frames of such a write were written again. A segment is called after its first
    /// frame, so one without any lacks at least that.
    fn ends_with_a_failed_write(&self) -> bool {
        let end = self.last_sequence.map_or(self.id, |last| last + 1);
        match self.next {
            Some(next) => end >= next,
            None => self.length == self.end || (!self.is_misnamed && self.tail_is_torn()),
        }
    }

    fn tail_is_torn(&self) -> bool {
        let mut head = [0; HEADER_BYTES];
        let tail = self.length - self.end;
        let wanted = usize::try_from(tail).map_or(HEADER_BYTES, |tail| tail.min(HEADER_BYTES));
        let Some(head) = head.get_mut(..wanted) else {
            return false;
        };
        read_exact_at(&*self.file, head, self.end).is_ok() && is_torn_write(head, tail)
    }

    fn cut(&mut self) {
        if self.length > self.end {
            // If it cannot be cut now, the next start comes to the same conclusion.
            let _ = self.file.cut(self.end);
            self.length = self.end;
        }
    }
}

enum ReadError {
    NewerFormat,
    Io(io::Error),
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Reads a segment, again and again while the disk fails, within bounds.
fn read_patiently(
    files: &dyn FileSystem,
    id: SegmentId,
    path: &Path,
    open: &mut HashSet<Uuid>,
) -> Result<Found, ReadError> {
    let mut attempt = 1;
    loop {
        match read(files, id, path, open) {
            Err(ReadError::Io(error)) if attempt < READ_ATTEMPTS => {
                tracing::error!(path = %path.display(), %error, attempt, "a segment of the journal cannot be read; trying again");
                attempt += 1;
                thread::sleep(READ_RETRY);
            }
            result => return result,
        }
    }
}

fn read(
    files: &dyn FileSystem,
    id: SegmentId,
    path: &Path,
    open: &mut HashSet<Uuid>,
) -> Result<Found, ReadError> {
    let file = files.open(path)?;
    let length = file.len()?;
    let mut head = [0; HEADER_BYTES];
    let read = file.read_at(&mut head, 0)?;
    if head.get(..read).is_some_and(is_of_other_version) {
        return Err(ReadError::NewerFormat);
    }
    let mut found = Found {
        id,
        path: path.to_owned(),
        file: Arc::clone(&file),
        length,
        end: 0,
        next: None,
        last_sequence: None,
        records: 0,
        intents: HashSet::new(),
        damage: Vec::new(),
        is_misnamed: false,
        first_ms: None,
    };
    let mut scanner = Scanner::new(file, 0..length);
    let mut gaps = Vec::new();
    // A frame is at least as long as its header.
    let sequences = id..=id.saturating_add(length / HEADER_BYTES as u64);
    while let Some(item) = scanner.next()? {
        match item {
            Item::Damage(range) => gaps.push(range),
            Item::Frame(_, frame) => {
                found.damage.append(&mut gaps);
                found.end = scanner.offset();
                if sequences.contains(&frame.sequence) {
                    found.last_sequence = Some(frame.sequence);
                }
                found.first_ms.get_or_insert(millis_of(frame.id));
                match frame.kind {
                    Kind::Intent => {
                        open.insert(frame.id);
                        found.intents.insert(frame.id);
                    }
                    Kind::Record => {
                        found.records += 1;
                        open.remove(&frame.id);
                    }
                    Kind::Settled => {
                        open.remove(&frame.id);
                    }
                }
            }
        }
    }
    Ok(found)
}
