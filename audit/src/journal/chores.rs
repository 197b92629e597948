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
    /// Lets what was written to a segment survive a power cut.
    Sync {
        segment: SegmentId,
        file: Arc<dyn LogFile>,
    },
    /// Gives back what was allocated for a segment and not used, and takes away what a
    /// failed write may have left. If it fails, the sequence shows at the next start that
    /// nothing is missing.
    Cut { file: Arc<dyn LogFile>, length: u64 },
    /// Removes segments that are on no shelf any more, or sets them aside if something in
    /// them cannot be read.
    Remove(Vec<(SegmentId, Segment)>),
}

/// How it went.
pub(super) enum Done {
    Synced {
        segment: SegmentId,
        result: io::Result<()>,
    },
    Cut,
    /// All but these were removed.
    Removed {
        failed: Vec<(SegmentId, Segment, io::Error)>,
    },
}

impl Chore {
    pub(super) fn run(self, files: &dyn FileSystem, folder: &Path) -> Done {
        match self {
            Self::Sync { segment, file } => Done::Synced {
                segment,
                result: file.sync(),
            },
            Self::Cut { file, length } => {
                let _ = file.cut(length);
                Done::Cut
            }
            Self::Remove(segments) => {
                let remove = |(id, segment): (SegmentId, Segment)| {
                    let error = take_away(files, folder, &segment).err()?;
                    Some((id, segment, error))
                };
                let failed = segments.into_iter().filter_map(remove).collect();
                // Should the folder's change be lost, its records are sent once more.
                let _ = files.sync_folder(folder);
                Done::Removed { failed }
            }
        }
    }
}

fn take_away(files: &dyn FileSystem, folder: &Path, segment: &Segment) -> io::Result<()> {
    if !segment.is_damaged {
        return files.remove(&segment.path);
    }
    let damaged = folder.join(DAMAGED);
    files.create_folder(&damaged)?;
    let name = segment.path.file_name().unwrap_or_default();
    files.rename(&segment.path, &damaged.join(name))
}
