//! What is to be done at the disk away from the log, because it may take as long as the
//! disk likes: a sync waits for writes, and to remove a large file throws away its memory,
//! which takes tens of milliseconds. Who has a frame to write must not wait for that.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use actix_web::web::Bytes;
use uuid::Uuid;

use super::files::{FileSystem, Identity, LogFile};
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
    /// Checks that the folder and the files that are open are those on the disk.
    Verify(Place),
    /// Writes files that are open and no longer on the disk again.
    Restore(Place),
}

/// The folder, and the files in it that are still needed.
pub(super) struct Place {
    pub(super) folder: Option<Identity>,
    pub(super) files: Vec<OpenFile>,
}

/// An open file that is still needed.
pub(super) struct OpenFile {
    pub(super) id: SegmentId,
    pub(super) file: Arc<dyn LogFile>,
    pub(super) path: PathBuf,
    /// Whole frames end here.
    pub(super) end: u64,
}

/// What is not as it should be.
pub(super) struct Flaw {
    pub(super) text: &'static str,
    /// Which segment it is about, if one.
    pub(super) segment: Option<SegmentId>,
}

/// What was restored.
#[derive(Default)]
pub(super) struct Restored {
    pub(super) folder: Option<Identity>,
    /// Lock of a folder that was made again.
    pub(super) lock: Option<Box<dyn Send + Sync>>,
    pub(super) files: Vec<(SegmentId, Arc<dyn LogFile>)>,
}

/// Bytes that are copied at once.
const COPY_BYTES: usize = 1024 * 1024;

impl OpenFile {
    /// Whether its path leads to it.
    fn is_in_place(&self, files: &dyn FileSystem) -> io::Result<bool> {
        match files.identity(&self.path) {
            Ok(found) => Ok(found == self.file.identity()?),
            Err(error) if is_absence(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Writes what the open file holds to its path.
    fn restore(&self, files: &dyn FileSystem, folder: &Path) -> io::Result<Arc<dyn LogFile>> {
        if files.identity(&self.path).is_ok() {
            set_aside(files, folder, &self.path)?;
        }
        let copy = files.create(&self.path)?;
        let copied = self.copy_to(&*copy);
        if let Err(error) = copied {
            let _ = files.remove(&self.path);
            return Err(error);
        }
        Ok(copy)
    }

    fn copy_to(&self, copy: &dyn LogFile) -> io::Result<()> {
        let mut buffer = vec![0; COPY_BYTES];
        let mut position = 0;
        while position < self.end {
            let left = usize::try_from(self.end - position).unwrap_or(COPY_BYTES);
            let part = buffer.get_mut(..left.min(COPY_BYTES)).unwrap_or_default();
            match self.file.read_at(part, position)? {
                // The rest was lost before; readers report it.
                0 => break,
                read => {
                    copy.write_all_at(part.get(..read).unwrap_or_default(), position)?;
                    position += read as u64;
                }
            }
        }
        copy.sync()
    }
}

fn is_absence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

impl Place {
    fn verify(&self, files: &dyn FileSystem, folder: &Path) -> Option<Flaw> {
        let of_folder = |text| {
            Some(Flaw {
                text,
                segment: None,
            })
        };
        match files.identity(folder) {
            Ok(found) if Some(found) == self.folder => {}
            Ok(_) => return of_folder("another folder is at its path"),
            Err(error) if is_absence(&error) => return of_folder("it is gone"),
            // A disk that fails shows in writes and syncs.
            Err(_) => return None,
        }
        let is_lost = |file: &OpenFile| file.is_in_place(files).is_ok_and(|is_there| !is_there);
        let mut lost = self.files.iter().filter(|file| is_lost(file));
        lost.next().map(|file| Flaw {
            text: "a segment in it was removed or replaced",
            segment: Some(file.id),
        })
    }

    /// Restores what it can, and returns that also where something fails.
    fn restore(&self, files: &dyn FileSystem, folder: &Path) -> (Restored, io::Result<()>) {
        let mut restored = Restored::default();
        let result = self.restore_into(&mut restored, files, folder);
        (restored, result)
    }

    fn restore_into(
        &self,
        restored: &mut Restored,
        files: &dyn FileSystem,
        folder: &Path,
    ) -> io::Result<()> {
        files.create_folder(folder)?;
        let found = files.identity(folder)?;
        if Some(found) != self.folder {
            restored.lock = Some(files.lock(folder)?);
        }
        restored.folder = Some(found);
        for open in &self.files {
            if !open.is_in_place(files)? {
                let copy = open.restore(files, folder)?;
                restored.files.push((open.id, copy));
            }
        }
        files.sync_folder(folder)
    }
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
    Verified(Option<Flaw>),
    Restored(Restored, io::Result<()>),
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
            Self::Verify(place) => Done::Verified(place.verify(files, folder)),
            Self::Restore(place) => {
                let (restored, result) = place.restore(files, folder);
                Done::Restored(restored, result)
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
