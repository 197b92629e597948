//! What is to be done at the disk away from the log, because it may take as long as the
//! disk likes: a sync waits for writes, and to remove a large file throws away its memory,
//! which takes tens of milliseconds. Who has a frame to write must not wait for that.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::files::{FileSystem, LogFile};
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
}

/// How it went.
pub(super) enum Done {
    Synced(Vec<(SegmentId, io::Result<()>)>),
    Removed,
    /// It is still there.
    Left(SegmentId, Segment, io::Error),
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
