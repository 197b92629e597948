//! How much may still be accepted.
//!
//! A handler runs only while there is room for its record. What the record will
//! weigh is not known beforehand, so an attempt reserves a usual amount, and its
//! record counts with its own weight once it is there. The bound is therefore
//! soft by what is under way, and the space that is kept free on the disk takes
//! that up.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Refusal;

/// What an attempt reserves for its intent and its record.
const ATTEMPT_BYTES: u64 = 16 * 1024;

/// The room of a journal.
#[derive(Default)]
pub(super) struct Room {
    accounts: Mutex<Accounts>,
}

#[derive(Clone, Copy, Default)]
pub(super) struct Accounts {
    /// Bytes in the segments.
    pub(super) used: u64,
    /// Bytes promised to attempts under way and to records not written yet.
    pub(super) reserved: u64,
    /// What both may come to: the quota, or less on a disk that fills up.
    pub(super) limit: u64,
    /// Attempts under way, and records not written yet.
    pub(super) reservations: u64,
    /// The disk fails; nothing may be accepted until it works again.
    pub(super) is_impaired: bool,
    pub(super) is_closed: bool,
    /// A thread of the journal has died: nothing may be accepted until the next start.
    pub(super) is_broken: bool,
}

impl Accounts {
    /// How much of the room is taken, between 0 and 1 unless a disk fills up from
    /// elsewhere.
    pub(super) fn fullness(&self) -> f64 {
        if self.limit == 0 {
            return 1.0;
        }
        (self.used + self.reserved) as f64 / self.limit as f64
    }

    /// Whether four fifths are taken: time for somebody to look.
    pub(super) fn is_alarming(&self) -> bool {
        (self.used + self.reserved).saturating_mul(5) >= self.limit.saturating_mul(4)
    }
}

impl Room {
    pub(super) fn lock(&self) -> MutexGuard<'_, Accounts> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reserves room for one attempt.
    pub(super) fn reserve(self: &Arc<Self>) -> Result<Reservation, Refusal> {
        let mut accounts = self.lock();
        if accounts.is_closed {
            return Err(Refusal::Closed);
        }
        if accounts.is_impaired || accounts.is_broken {
            return Err(Refusal::Impaired);
        }
        if accounts.used + accounts.reserved + ATTEMPT_BYTES > accounts.limit {
            return Err(Refusal::Full);
        }
        accounts.reserved += ATTEMPT_BYTES;
        accounts.reservations += 1;
        Ok(Reservation {
            room: Arc::clone(self),
            bytes: ATTEMPT_BYTES,
        })
    }
}

/// Room for one attempt; it is given back when this is dropped.
pub(super) struct Reservation {
    room: Arc<Room>,
    bytes: u64,
}

impl Reservation {
    /// Exchanges what was reserved by what the record weighs.
    pub(super) fn weigh(&mut self, bytes: usize) {
        let bytes = bytes as u64;
        let mut accounts = self.room.lock();
        accounts.reserved = (accounts.reserved + bytes).saturating_sub(self.bytes);
        self.bytes = bytes;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut accounts = self.room.lock();
        accounts.reserved = accounts.reserved.saturating_sub(self.bytes);
        accounts.reservations = accounts.reservations.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(limit: u64) -> Arc<Room> {
        let room = Arc::<Room>::default();
        room.lock().limit = limit;
        room
    }

    #[test]
    fn what_is_reserved_counts_until_it_is_given_back() {
        let room = room(2 * ATTEMPT_BYTES);
        let first = room.reserve().unwrap();
        let _second = room.reserve().unwrap();
        assert_eq!(room.reserve().err(), Some(Refusal::Full));
        drop(first);
        assert!(room.reserve().is_ok());
    }

    #[test]
    fn a_record_counts_with_its_own_weight() {
        let room = room(10 * ATTEMPT_BYTES);
        let mut light = room.reserve().unwrap();
        light.weigh(100);
        let mut heavy = room.reserve().unwrap();
        heavy.weigh(3 * 1024 * 1024);
        assert_eq!(room.lock().reserved, 100 + 3 * 1024 * 1024);
        assert_eq!(room.reserve().err(), Some(Refusal::Full));
        drop((light, heavy));
        assert_eq!(room.lock().reserved, 0);
    }

    #[test]
    fn the_alarm_comes_at_four_fifths() {
        let room = room(1_000);
        room.lock().used = 799;
        assert!(!room.lock().is_alarming());
        room.lock().reserved = 1;
        assert!(room.lock().is_alarming());
    }
}
