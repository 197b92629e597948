//! A disk in memory that can fail at every operation, lose its power and be full.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::files::{FileSystem, Identity, LogFile};

/// What can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Operation {
    Create,
    Write,
    Sync,
    SyncFolder,
    Remove,
    Cut,
    Allocate,
    Read,
}

/// How an operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Error,
    NoSpace,
    /// A part of it happens, then it fails.
    Short,
    /// It works, and takes its time.
    Slow,
    /// Like `Error`, and so does every one that follows until the disk is disarmed.
    Always,
    /// Writes wait until the disk is disarmed.
    Frozen,
    /// The thread panics.
    Panic,
}

impl Fault {
    fn error(self) -> io::Error {
        match self {
            Self::NoSpace => io::ErrorKind::StorageFull.into(),
            _ => io::Error::from_raw_os_error(5),
        }
    }
}

/// How much of what was not synced survives a power cut: asked block by block and
/// name by name.
pub(super) type Luck<'a> = &'a mut dyn FnMut() -> bool;

const BLOCK: usize = 512;

#[derive(Clone, Default)]
pub(super) struct FakeDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    files: BTreeMap<PathBuf, Arc<Mutex<Content>>>,
    /// The names that survive a power cut.
    durable: BTreeMap<PathBuf, Arc<Mutex<Content>>>,
    faults: HashMap<Operation, Fault>,
    capacity: Option<usize>,
}

#[derive(Clone, Default)]
struct Content {
    cached: Vec<u8>,
    durable: Vec<u8>,
}

struct FakeFile {
    disk: FakeDisk,
    content: Arc<Mutex<Content>>,
}

impl FakeDisk {
    /// Lets the next operation of this kind fail.
    pub(super) fn arm(&self, operation: Operation, fault: Fault) {
        self.state.lock().unwrap().faults.insert(operation, fault);
    }

    pub(super) fn disarm(&self) {
        self.state.lock().unwrap().faults.clear();
    }

    pub(super) fn set_capacity(&self, bytes: Option<usize>) {
        self.state.lock().unwrap().capacity = bytes;
    }

    pub(super) fn used(&self) -> usize {
        self.state.lock().unwrap().used()
    }

    pub(super) fn names(&self) -> Vec<String> {
        let state = self.state.lock().unwrap();
        let names = state.files.keys();
        names.map(|path| path.display().to_string()).collect()
    }

    /// Changes the bytes of a file behind everybody's back.
    pub(super) fn tamper(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let state = self.state.lock().unwrap();
        let content = &state.files[Path::new(name)];
        change(&mut content.lock().unwrap().cached);
    }

    /// What was not synced is lost, as far as luck has it.
    pub(super) fn cut_power(&self, luck: Luck<'_>) {
        let mut state = self.state.lock().unwrap();
        let mut survivors = state.durable.clone();
        for (path, content) in &state.files {
            if !survivors.contains_key(path) && luck() {
                survivors.insert(path.clone(), Arc::clone(content));
            }
        }
        survivors.retain(|path, _| state.files.contains_key(path) || luck());
        for content in survivors.values() {
            let mut content = content.lock().unwrap();
            let length = if luck() {
                content.cached.len()
            } else {
                content.durable.len()
            };
            let mut bytes = vec![0; length];
            for begin in (0..length).step_by(BLOCK) {
                let end = (begin + BLOCK).min(length);
                let is_durable = content.durable.get(begin..end) == content.cached.get(begin..end);
                let source = if is_durable || luck() {
                    &content.cached
                } else {
                    &content.durable
                };
                let from = source.get(begin..end.min(source.len())).unwrap_or_default();
                bytes[begin..begin + from.len()].copy_from_slice(from);
            }
            content.cached.clone_from(&bytes);
            content.durable = bytes;
        }
        state.files.clone_from(&survivors);
        state.durable = survivors;
    }

    fn fail(&self, operation: Operation) -> Option<Fault> {
        let faults = &mut self.state.lock().unwrap().faults;
        match faults.get(&operation) {
            Some(fault @ (Fault::Always | Fault::Frozen)) => Some(*fault),
            _ => faults.remove(&operation),
        }
    }

    fn check(&self, operation: Operation) -> io::Result<()> {
        self.fail(operation)
            .map_or(Ok(()), |fault| Err(fault.error()))
    }

    fn file(&self, content: &Arc<Mutex<Content>>) -> Arc<dyn LogFile> {
        Arc::new(FakeFile {
            disk: self.clone(),
            content: Arc::clone(content),
        })
    }
}

impl State {
    fn used(&self) -> usize {
        let contents = self.files.values();
        contents
            .map(|content| content.lock().unwrap().cached.len())
            .sum()
    }

    fn is_frozen(&self) -> bool {
        self.faults.get(&Operation::Write) == Some(&Fault::Frozen)
    }

    fn free(&self) -> usize {
        self.capacity.map_or(usize::MAX / 2, |capacity| {
            capacity.saturating_sub(self.used())
        })
    }
}

impl FileSystem for FakeDisk {
    fn create_folder(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self, _: &Path) -> io::Result<Box<dyn Send + Sync>> {
        Ok(Box::new(()))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let state = self.state.lock().unwrap();
        let own = state
            .files
            .keys()
            .filter(|path| path.parent() == Some(folder));
        Ok(own
            .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
            .collect())
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn LogFile>> {
        self.check(Operation::Create)?;
        let mut state = self.state.lock().unwrap();
        if state.files.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let content = Arc::<Mutex<Content>>::default();
        state.files.insert(path.to_owned(), Arc::clone(&content));
        drop(state);
        Ok(self.file(&content))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn LogFile>> {
        let content = Arc::clone(&self.state.lock().unwrap().files[path]);
        Ok(self.file(&content))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        let content = state.files.remove(from).unwrap();
        state.files.insert(to.to_owned(), content);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.check(Operation::Remove)?;
        self.state.lock().unwrap().files.remove(path);
        Ok(())
    }

    fn sync_folder(&self, _: &Path) -> io::Result<()> {
        self.check(Operation::SyncFolder)?;
        let mut state = self.state.lock().unwrap();
        state.durable = state.files.clone();
        Ok(())
    }

    fn identity(&self, path: &Path) -> io::Result<Identity> {
        if path == Path::new("") {
            return Ok(Identity {
                device: 0,
                inode: 0,
            });
        }
        let state = self.state.lock().unwrap();
        let content = state.files.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(identity_of(content))
    }

    fn free_bytes(&self, _: &Path) -> io::Result<u64> {
        Ok(self.state.lock().unwrap().free() as u64)
    }
}

fn identity_of(content: &Arc<Mutex<Content>>) -> Identity {
    Identity {
        device: 0,
        inode: Arc::as_ptr(content) as u64,
    }
}

impl LogFile for FakeFile {
    fn identity(&self) -> io::Result<Identity> {
        Ok(identity_of(&self.content))
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.content.lock().unwrap().cached.len() as u64)
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.disk.check(Operation::Read)?;
        let content = self.content.lock().unwrap();
        let from = content.cached.get(offset as usize..).unwrap_or_default();
        let count = from.len().min(bytes.len());
        bytes[..count].copy_from_slice(&from[..count]);
        Ok(count)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let fault = self.disk.fail(Operation::Write);
        let bytes = match fault {
            None => bytes,
            Some(Fault::Short) => &bytes[..bytes.len() / 2],
            Some(Fault::Slow) => {
                thread::sleep(super::log::SLOW_WRITE + Duration::from_millis(1));
                bytes
            }
            Some(Fault::Frozen) => {
                while self.disk.state.lock().unwrap().is_frozen() {
                    thread::sleep(Duration::from_millis(1));
                }
                bytes
            }
            Some(Fault::Panic) => panic!("a fault of the test"),
            Some(fault) => return Err(fault.error()),
        };
        let end = offset as usize + bytes.len();
        let grows = end.saturating_sub(self.content.lock().unwrap().cached.len());
        if grows > self.disk.state.lock().unwrap().free() {
            return Err(Fault::NoSpace.error());
        }
        let mut content = self.content.lock().unwrap();
        if content.cached.len() < end {
            content.cached.resize(end, 0);
        }
        content.cached[offset as usize..end].copy_from_slice(bytes);
        match fault {
            None | Some(Fault::Slow | Fault::Frozen) => Ok(bytes.len()),
            Some(fault) => Err(fault.error()),
        }
    }

    fn write_without_waiting(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        if self.disk.state.lock().unwrap().is_frozen() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.write_at(bytes, offset)
    }

    fn allocate(&self, bytes: u64) -> io::Result<()> {
        self.disk.check(Operation::Allocate)?;
        if bytes as usize > self.disk.state.lock().unwrap().free() {
            return Err(Fault::NoSpace.error());
        }
        Ok(())
    }

    fn cut(&self, length: u64) -> io::Result<()> {
        self.disk.check(Operation::Cut)?;
        let mut content = self.content.lock().unwrap();
        content.cached.truncate(length as usize);
        Ok(())
    }

    /// A sync that fails has lost what it should have written: what is in the
    /// cache counts as clean and is not written by the next one either.
    fn sync(&self) -> io::Result<()> {
        self.disk.check(Operation::Sync)?;
        let mut content = self.content.lock().unwrap();
        content.durable = content.cached.clone();
        Ok(())
    }
}
