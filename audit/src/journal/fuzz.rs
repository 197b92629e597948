//! A journal without its threads, so that a fuzz target drives it step by step.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::OpenError;
use super::files::Disk;
use super::frame::{self, Kind};
use super::log::{Limits, Log};
use super::recovery::recover;
use super::room::Room;
use super::shelf::{Lease, Shelf};
use crate::metrics::Metrics;

/// Enough for whatever a target writes, so that none is refused for its size.
const BYTES: u64 = 64 * 1024 * 1024;
/// So that every lease has to be followed by another one.
const LEASE_ENTRIES: usize = 3;

/// What a frame tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// An attempt has begun.
    Intent,
    /// An attempt has ended.
    Record,
    /// An attempt has ended, and Postgres has its record already.
    Settled,
}

/// Writes a frame to the end of `out`.
pub fn encode_frame(out: &mut Vec<u8>, sequence: u64, id: Uuid, kind: FrameKind, payload: &[u8]) {
    let kind = match kind {
        FrameKind::Intent => Kind::Intent,
        FrameKind::Record => Kind::Record,
        FrameKind::Settled => Kind::Settled,
    };
    frame::encode(out, sequence, id, kind, payload);
}

/// A journal that was found in a folder.
pub struct Journal {
    shelf: Arc<Shelf>,
    log: Log,
    damaged: u64,
}

impl Journal {
    /// Reads what the folder holds, which must exist.
    ///
    /// # Errors
    ///
    /// As when a service opens it.
    pub fn open(folder: &Path) -> Result<Self, OpenError> {
        let metrics = Arc::<Metrics>::default();
        let shelf = Arc::new(Shelf::new(Arc::clone(&metrics)));
        let recovery = recover(&Disk, folder, &mut shelf.lock(), &metrics)?;
        let limits = Limits {
            quota_bytes: BYTES,
            reserve_bytes: 0,
            segment_bytes: 4096,
        };
        let log = Log::new(
            Arc::new(Disk),
            folder,
            limits,
            Arc::clone(&shelf),
            Arc::<Room>::default(),
            recovery.next_sequence,
        );
        Ok(Self {
            shelf,
            log,
            damaged: recovery.damaged,
        })
    }

    /// How many segments are known to be damaged.
    #[must_use]
    pub fn damaged(&self) -> u64 {
        self.damaged
    }

    /// How many records wait for a writer.
    #[must_use]
    pub fn undelivered(&self) -> u64 {
        self.shelf.lock().undelivered
    }

    /// What writers would get, which they give up.
    #[must_use]
    pub fn peek(&self) -> Vec<(Uuid, Vec<u8>)> {
        entries(&self.lease_all())
    }

    /// Delivers everything, lets time pass, and ends.
    #[must_use]
    pub fn deliver(mut self) -> Vec<(Uuid, Vec<u8>)> {
        let leases = self.lease_all();
        let delivered = entries(&leases);
        leases.into_iter().for_each(Lease::delivered);
        // A writer asks on, and so comes to the end of what holds no more records.
        self.shelf.complete();
        while let Some(more) = self.shelf.lease(LEASE_ENTRIES, Duration::ZERO) {
            more.delivered();
        }
        let later = Instant::now() + Duration::from_secs(60);
        self.log.tick(later);
        self.log.finish(later);
        delivered
    }

    /// A writer that asks for more than there is would wait for ever, and so does
    /// this: the fuzzer tells.
    fn lease_all(&self) -> Vec<Lease> {
        let mut leases = Vec::<Lease>::new();
        let mut leased = 0;
        while leased < self.undelivered()
            && let Some(lease) = self.shelf.lease(LEASE_ENTRIES, Duration::ZERO)
        {
            leased += lease.entries().len() as u64;
            leases.push(lease);
        }
        leases
    }
}

fn entries(leases: &[Lease]) -> Vec<(Uuid, Vec<u8>)> {
    leases
        .iter()
        .flat_map(Lease::entries)
        .map(|entry| (entry.id, entry.bytes.to_vec()))
        .collect()
}
