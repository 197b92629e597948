//! A disk that fails when it is told to, and a process that dies.
//!
//! `AUDIT_FAULT` is a list of `what@where:n`, separated by commas: at the n-th time
//! the process reaches `where`, `what` happens, once.
//!
//! | what | happens |
//! |---|---|
//! | `kill` | the process kills itself, before the operation |
//! | `eio`, `enospc` | the operation fails |
//! | `short` | half of it is written, then it fails |
//!
//! `where` is `write`, `sync`, `create` or `remove`, an operation on the journal's
//! files, `stored`, the moment after Postgres has committed a batch, or `inserted` and
//! `committed`, those before and after a handler's transaction is committed with its
//! record.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::{Signal, getpid, kill_process};

use super::files::{Disk, FileSystem, Identity, LogFile};

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Kill,
    Short,
    Error(rustix::io::Errno),
}

struct Fault {
    what: What,
    place: String,
    left: AtomicU64,
}

fn faults() -> &'static [Fault] {
    static FAULTS: OnceLock<Vec<Fault>> = OnceLock::new();
    FAULTS.get_or_init(|| {
        let list = std::env::var("AUDIT_FAULT").unwrap_or_default();
        list.split(',').filter_map(parse).collect()
    })
}

fn parse(fault: &str) -> Option<Fault> {
    let (what, rest) = fault.trim().split_once('@')?;
    let (place, count) = rest.split_once(':')?;
    let what = match what {
        "kill" => What::Kill,
        "short" => What::Short,
        "eio" => What::Error(rustix::io::Errno::IO),
        "enospc" => What::Error(rustix::io::Errno::NOSPC),
        _ => return None,
    };
    Some(Fault {
        what,
        place: place.to_owned(),
        left: AtomicU64::new(count.parse().ok()?),
    })
}

/// What is to happen here and now.
fn due(place: &str) -> Option<What> {
    let mut due = None;
    for fault in faults().iter().filter(|fault| fault.place == place) {
        let before = fault
            .left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            });
        if before == Ok(1) {
            due = Some(fault.what);
        }
    }
    if due == Some(What::Kill) {
        let _ = kill_process(getpid(), Signal::KILL);
    }
    due
}

/// Dies here, if that is due.
pub(super) fn reach(place: &str) {
    let _ = due(place);
}

fn fail(place: &str) -> io::Result<()> {
    match due(place) {
        Some(What::Error(errno)) => Err(errno.into()),
        Some(What::Short) => Err(rustix::io::Errno::IO.into()),
        Some(What::Kill) | None => Ok(()),
    }
}

pub(super) struct FaultyDisk(Disk);

impl FaultyDisk {
    pub(super) fn from_environment() -> Self {
        if !faults().is_empty() {
            tracing::warn!("AUDIT_FAULT is set: the journal's disk fails on purpose");
        }
        Self(Disk)
    }
}

impl FileSystem for FaultyDisk {
    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        self.0.create_folder(folder)
    }

    fn lock(&self, folder: &Path) -> io::Result<Box<dyn Send + Sync>> {
        self.0.lock(folder)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        self.0.list(folder)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn LogFile>> {
        fail("create")?;
        Ok(Arc::new(FaultyFile(self.0.create(path)?)))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn LogFile>> {
        self.0.open(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fail("remove")?;
        self.0.remove(path)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.0.sync_folder(folder)
    }

    fn identity(&self, path: &Path) -> io::Result<Identity> {
        self.0.identity(path)
    }

    fn free_bytes(&self, folder: &Path) -> io::Result<u64> {
        self.0.free_bytes(folder)
    }
}

struct FaultyFile(Arc<dyn LogFile>);

impl LogFile for FaultyFile {
    fn identity(&self) -> io::Result<Identity> {
        self.0.identity()
    }

    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        match due("write") {
            Some(What::Error(errno)) => Err(errno.into()),
            Some(What::Short) => {
                let half = bytes.get(..bytes.len() / 2).unwrap_or_default();
                self.0.write_all_at(half, offset)?;
                Err(rustix::io::Errno::IO.into())
            }
            Some(What::Kill) | None => self.0.write_at(bytes, offset),
        }
    }

    fn allocate(&self, bytes: u64) -> io::Result<()> {
        self.0.allocate(bytes)
    }

    fn cut(&self, length: u64) -> io::Result<()> {
        self.0.cut(length)
    }

    fn sync(&self) -> io::Result<()> {
        fail("sync")?;
        self.0.sync()
    }
}
