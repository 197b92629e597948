//! A journal without a disk, for tests of services: what is kept can be looked at.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use super::frame::Kind;
use super::log::Write;

/// What was kept.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    kept: Mutex<Kept>,
    is_stalled: AtomicBool,
}

#[derive(Debug, Default)]
struct Kept {
    records: Vec<Vec<u8>>,
    intents: Vec<(Uuid, Vec<u8>)>,
}

impl Memory {
    /// Sets whether frames stay without an ack, as on a disk that does not answer.
    pub(crate) fn set_stalled(&self, is_stalled: bool) {
        self.is_stalled.store(is_stalled, Ordering::Release);
    }

    pub(super) fn is_stalled(&self) -> bool {
        self.is_stalled.load(Ordering::Acquire)
    }

    pub(super) fn keep(&self, write: Write) {
        let mut kept = self.lock();
        match write.kind {
            Kind::Intent => kept.intents.push((write.id, write.payload)),
            Kind::Record | Kind::Settled => {
                kept.intents.retain(|(id, _)| *id != write.id);
                kept.records.push(write.payload);
            }
        }
    }

    /// The canonical bytes of all records, in the order in which they ended.
    pub(crate) fn records(&self) -> Vec<Vec<u8>> {
        self.lock().records.clone()
    }

    /// Those of the attempts under way: what would be told should the process die.
    pub(crate) fn intents(&self) -> Vec<Vec<u8>> {
        let kept = self.lock();
        kept.intents
            .iter()
            .map(|(_, bytes)| bytes.clone())
            .collect()
    }

    /// Forgets all records.
    pub(crate) fn clear(&self) {
        self.lock().records.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
