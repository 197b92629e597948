//! What is to be done at the disk away from the log, because it may take as long as the
//! disk likes: a sync waits for writes, and to remove a large file throws away its memory,
//! which takes tens of milliseconds. Who has a frame to write must not wait for that.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io;
use std::path::Path;
use std::sync::Arc;

use actix_web::web::Bytes;
use uuid::Uuid;

use super::files::{FileSystem, LogFile};
use super::frame::{Item, Kind, Scanner};
use super::shelf::{Segment, SegmentId};

/// The folder for files that cannot be read through.
pub(super) const DAMAGED: &str = "damaged";

/// Something to be done.
pub(super) enum Chore {
    /// Lets what was written to these segments survive a power cut.
    Sync(Vec<(SegmentId, Arc<dyn LogFile>)>),
    /// Removes a segment that is on no shelf any more, or sets it aside if something in it
    /// cannot be read.
    Remove(SegmentId, Segment),
    /// Finds the intents whose records are damaged.
    FindHit(Search),
}

/// A search for intents whose records are damaged.
pub(super) struct Search {
    /// The damaged segments.
    pub(super) suspects: BTreeSet<SegmentId>,
    /// All segments in order, and how long they are.
    pub(super) files: Vec<(Arc<dyn LogFile>, u64)>,
    /// Attempts under way, and those that are reported already.
    pub(super) passed_over: HashSet<Uuid>,
}

impl Search {
    /// The intents without a record, as far as it can be read.
    fn run(&self) -> io::Result<Vec<(Uuid, Bytes)>> {
        let mut open = HashMap::new();
        for (file, end) in &self.files {
            let mut scanner = Scanner::new(Arc::clone(file), 0..*end);
            while let Some(item) = scanner.next()? {
                let Item::Frame(_, frame) = item else {
                    continue;
                };
                match frame.kind {
                    // Copied, because a slice keeps a whole buffer.
                    Kind::Intent => {
                        open.insert(frame.id, Bytes::copy_from_slice(&frame.payload));
                    }
                    Kind::Record | Kind::Settled => {
                        open.remove(&frame.id);
                    }
                }
            }
        }
        open.retain(|id, _| !self.passed_over.contains(id));
        Ok(open.into_iter().collect())
    }
}

/// How it went.
pub(super) enum Done {
    Synced(Vec<(SegmentId, io::Result<()>)>),
    Removed,
    /// It is still there.
    Left(SegmentId, Segment, io::Error),
    Found(BTreeSet<SegmentId>, io::Result<Vec<(Uuid, Bytes)>>),
}

impl Chore {
    pub(super) fn run(self, files: &dyn FileSystem, folder: &Path) -> Done {
        match self {
            Self::Sync(unsynced) => {
                let synced = unsynced.into_iter().map(|(id, file)| (id, file.sync()));
                Done::Synced(synced.collect())
            }
            Self::Remove(id, segment) => match take_away(files, folder, &segment) {
                Ok(()) => Done::Removed,
                Err(error) => Done::Left(id, segment, error),
            },
            Self::FindHit(search) => {
                let found = search.run();
                Done::Found(search.suspects, found)
            }
        }
    }
}

fn take_away(files: &dyn FileSystem, folder: &Path, segment: &Segment) -> io::Result<()> {
    let result = if segment.is_damaged {
        set_aside(files, folder, &segment.path)
    } else {
        files.remove(&segment.path)
    };
    match result {
        // Somebody else has removed it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => {
            // Should the folder's change be lost, its records are sent once more.
            let _ = files.sync_folder(folder);
            result
        }
    }
}

fn set_aside(files: &dyn FileSystem, folder: &Path, path: &Path) -> io::Result<()> {
    let damaged = folder.join(DAMAGED);
    files.create_folder(&damaged)?;
    files.rename(path, &damaged.join(path.file_name().unwrap_or_default()))
}
