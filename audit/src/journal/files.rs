//! The operations on files that the journal needs, so that a test can let each of
//! them fail.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileExt, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{FallocateFlags, fallocate, statvfs};
use rustix::io::Errno;
#[cfg(target_os = "linux")]
use rustix::io::{ReadWriteFlags, pwritev2};

/// Identity of a file or folder: its device and its inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(super) device: u64,
    pub(super) inode: u64,
}

/// A file system, as far as the journal uses it.
pub(crate) trait FileSystem: Send + Sync {
    /// Makes a folder and those above it.
    fn create_folder(&self, folder: &Path) -> io::Result<()>;
    /// Keeps the folder for this process as long as the guard lives.
    fn lock(&self, folder: &Path) -> io::Result<Box<dyn Send + Sync>>;
    /// The names in a folder, in any order.
    fn list(&self, folder: &Path) -> io::Result<Vec<String>>;
    /// Creates a file that must not exist.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn LogFile>>;
    /// Opens a file that exists.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn LogFile>>;
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Lets what was created, renamed and removed in a folder survive a power cut.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
    /// Identity of what is found at a path now.
    fn identity(&self, path: &Path) -> io::Result<Identity>;
    /// Bytes that can still be written by this process.
    fn free_bytes(&self, folder: &Path) -> io::Result<u64>;
}

/// An open file.
pub(crate) trait LogFile: Send + Sync {
    /// Identity of the open file, whatever its name is now.
    fn identity(&self) -> io::Result<Identity>;
    fn len(&self) -> io::Result<u64>;
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize>;
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;
    /// Writes as much as goes into the kernel's memory without waiting for the disk, where the
    /// file system can say so; `WouldBlock` or `Unsupported` otherwise.
    fn write_without_waiting(&self, _bytes: &[u8], _offset: u64) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }
    /// Takes space for writes up to this length, if the file system can. The
    /// file's own length stays.
    fn allocate(&self, bytes: u64) -> io::Result<()>;
    /// Cuts the file, and gives back what was allocated behind its end.
    fn cut(&self, length: u64) -> io::Result<()>;
    /// Lets what was written survive a power cut.
    fn sync(&self) -> io::Result<()>;

    fn write_all_at(&self, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.write_at(bytes, offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    bytes = bytes.get(written..).unwrap_or_default();
                    offset += written as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// The file system of the machine.
pub(crate) struct Disk;

impl FileSystem for Disk {
    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        // Records are nobody else's business.
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
    }

    fn lock(&self, folder: &Path) -> io::Result<Box<dyn Send + Sync>> {
        // The folder itself is locked, so that it can be done on a full disk.
        let folder = File::open(folder)?;
        folder.try_lock()?;
        Ok(Box::new(folder))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        fs::read_dir(folder)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect()
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn LogFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        Ok(Arc::new(options.open(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn LogFile>> {
        Ok(Arc::new(
            OpenOptions::new().read(true).write(true).open(path)?,
        ))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }

    fn identity(&self, path: &Path) -> io::Result<Identity> {
        Ok(Identity::of(&fs::metadata(path)?))
    }

    fn free_bytes(&self, folder: &Path) -> io::Result<u64> {
        let status = statvfs(folder)?;
        Ok(status.f_bavail.saturating_mul(status.f_frsize))
    }
}

impl Identity {
    fn of(metadata: &fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }
}

impl LogFile for File {
    fn identity(&self) -> io::Result<Identity> {
        Ok(Identity::of(&self.metadata()?))
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        FileExt::write_at(self, bytes, offset)
    }

    #[cfg(target_os = "linux")]
    fn write_without_waiting(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let parts = [io::IoSlice::new(bytes)];
        match pwritev2(self, &parts, offset, ReadWriteFlags::NOWAIT) {
            // ext4 and tmpfs answer so, XFS and Btrfs do not.
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                Err(io::ErrorKind::Unsupported.into())
            }
            result => Ok(result?),
        }
    }

    fn allocate(&self, bytes: u64) -> io::Result<()> {
        match fallocate(self, FallocateFlags::KEEP_SIZE, 0, bytes) {
            // Without it a full disk shows a little later, when writing.
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => Ok(()),
            result => Ok(result?),
        }
    }

    fn cut(&self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}
