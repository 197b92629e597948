//! What a process finds in its journal when it starts.
//!
//! There is no ledger beside the segments that could disagree with them: all that
//! is known is read from the frames. So a crash can make records be sent twice,
//! which Postgres passes over, and never be left out.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use uuid::Uuid;

use super::OpenError;
use super::files::{FileSystem, LogFile};
use super::frame::{HEADER_BYTES, Item, Kind, Scanner, is_of_other_version};
use super::log::id_of;
use super::millis_of;
use super::shelf::{Segment, SegmentId, State};
use crate::metrics::Metrics;

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
    last_sequence: Option<u64>,
    records: u64,
    intents: HashSet<Uuid>,
    is_damaged: bool,
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
        recovery.next_sequence = recovery.next_sequence.max(id + 1);
        if let Some(before) = found.last_mut() {
            before.next.get_or_insert(id);
        }
        match read(files, id, &path, &mut open) {
            Ok(segment) => {
                if let Some(last) = segment.last_sequence {
                    recovery.next_sequence = recovery.next_sequence.max(last + 1);
                }
                found.push(segment);
            }
            Err(ReadError::NewerFormat) => return Err(OpenError::NewerFormat { path }),
            Err(ReadError::Io(error)) => {
                // It stays where it is, for another start on a better day.
                recovery.damaged += 1;
                metrics.journal_damage.inc();
                tracing::error!(path = %path.display(), %error, "a segment of the journal cannot be read and is left out");
            }
        }
    }
    // Not before all are understood: what another version has written stays whole.
    for segment in &mut found {
        if segment.ends_with_a_failed_write() {
            segment.cut();
        }
    }

    let now = Instant::now();
    for segment in found {
        let is_damaged = segment.is_damaged || segment.length > segment.end;
        if is_damaged {
            recovery.damaged += 1;
            metrics.journal_damage.inc();
            tracing::error!(
                path = %segment.path.display(),
                "a part of the journal is damaged: the records in it are lost, the others are \
                 delivered, and the file is set aside in the folder `damaged`"
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
    /// Whether bytes behind the last frame are a write that failed, and no loss. Behind
    /// the last segment's they are: they were never acknowledged. Elsewhere they are if
    /// the next segment goes on where this one ends, or before: the frames of such a
    /// write were written again. A segment is called after its first frame, so one
    /// without any lacks at least that.
    fn ends_with_a_failed_write(&self) -> bool {
        let end = self.last_sequence.map_or(self.id, |last| last + 1);
        self.next.is_none_or(|next| end >= next)
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
        is_damaged: false,
        first_ms: None,
    };
    let mut scanner = Scanner::new(file, 0..length);
    let mut gap = false;
    while let Some(item) = scanner.next()? {
        match item {
            Item::Damage(_) => gap = true,
            Item::Frame(_, frame) => {
                found.is_damaged |= gap;
                found.end = scanner.offset();
                found.last_sequence = Some(frame.sequence);
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
