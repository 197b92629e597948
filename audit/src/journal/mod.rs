//! The hand-off between capture and the writers.
//!
//! ```text
//! reserve ─▶ Permit ─▶ append ─▶ [ entries ] ─▶ lease ─▶ Lease ─▶ delivered
//! ```
//!
//! # Invariants
//!
//! - **Room before work.** A handler runs only while a [`Permit`] holds room for
//!   its record, so an append can never find the journal full.
//! - **Nothing leaves unless delivered.** Writers borrow entries under a
//!   [`Lease`]. A lease that is dropped, by an error or a panic, puts its
//!   entries back at the front.
//! - **Bounded twice**, by entries and by bytes: a thousand large records must
//!   not cost what a million small ones may.
//!
//! The entries live in memory for now, so they survive an outage of Postgres
//! but not of the process. The durable log will take their place behind these
//! same four steps.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How much the journal may hold.
#[derive(Clone, Copy, Debug)]
pub struct Capacity {
    /// Records waiting for Postgres, including those whose handler still runs.
    pub entries: usize,
    /// Bytes of the records waiting for Postgres.
    pub bytes: usize,
}

impl Default for Capacity {
    fn default() -> Self {
        Self {
            entries: 16_384,
            bytes: 64 * 1024 * 1024,
        }
    }
}

/// The canonical bytes of one record.
pub(crate) type Entry = Arc<[u8]>;

/// Why no room could be reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("the audit journal is full")]
    Full,
    #[error("the audit journal is closed")]
    Closed,
}

/// The hand-off; clones share it.
#[derive(Clone)]
pub(crate) struct Journal {
    shared: Arc<Shared>,
}

struct Shared {
    capacity: Capacity,
    state: Mutex<State>,
    /// Woken when there is an entry to lease, or when nothing more will come.
    available: Condvar,
    /// Woken when the last entry was delivered.
    drained: Condvar,
}

#[derive(Default)]
struct State {
    entries: VecDeque<Entry>,
    /// Bytes of the entries that wait or are leased.
    bytes: usize,
    reserved: usize,
    leased: usize,
    closed: bool,
}

impl State {
    fn pending(&self) -> usize {
        self.entries.len() + self.leased
    }
}

impl Journal {
    pub(crate) fn new(capacity: Capacity) -> Self {
        Self {
            shared: Arc::new(Shared {
                capacity,
                state: Mutex::new(State::default()),
                available: Condvar::new(),
                drained: Condvar::new(),
            }),
        }
    }

    /// Reserves room for one record.
    pub(crate) fn reserve(&self) -> Result<Permit, Refusal> {
        let Capacity { entries, bytes } = self.shared.capacity;
        let mut state = self.shared.lock();
        if state.closed {
            return Err(Refusal::Closed);
        }
        if state.pending() + state.reserved >= entries || state.bytes >= bytes {
            return Err(Refusal::Full);
        }
        state.reserved += 1;
        Ok(Permit {
            shared: Arc::clone(&self.shared),
        })
    }

    /// Waits for entries and borrows up to `limit` of them, oldest first.
    ///
    /// `None` means that the journal is closed and empty: the writer's work is
    /// done. Whatever is there is taken at once, so batches are small when it is
    /// quiet and large under load, without anybody waiting for a batch to fill.
    pub(crate) fn lease(&self, limit: usize) -> Option<Lease> {
        let mut state = self.shared.lock();
        loop {
            if !state.entries.is_empty() {
                let count = state.entries.len().min(limit);
                let entries: Vec<Entry> = state.entries.drain(..count).collect();
                state.leased += entries.len();
                return Some(Lease {
                    shared: Arc::clone(&self.shared),
                    entries,
                });
            }
            if state.closed && state.reserved == 0 && state.leased == 0 {
                return None;
            }
            state = self
                .shared
                .available
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Refuses new records from now on. Those under way still arrive.
    pub(crate) fn close(&self) {
        self.shared.lock().closed = true;
        self.shared.available.notify_all();
    }

    /// Waits until every record is delivered, at most until `deadline`, and
    /// returns how many are not.
    pub(crate) fn wait_until_drained(&self, deadline: Instant) -> usize {
        let mut state = self.shared.lock();
        loop {
            let outstanding = state.pending() + state.reserved;
            let left = deadline.saturating_duration_since(Instant::now());
            if outstanding == 0 || left == Duration::ZERO {
                return outstanding;
            }
            (state, _) = self
                .shared
                .drained
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Shared {
    /// No code panics while it holds the lock, and every section leaves the
    /// state whole, so a poisoned lock is no reason to stop keeping records.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes whoever waits for the end, if this was it.
    fn settle(&self, state: &State) {
        if state.pending() + state.reserved == 0 {
            self.drained.notify_all();
            if state.closed {
                self.available.notify_all();
            }
        }
    }
}

/// Room for one record. Dropping it gives the room back.
#[must_use = "the room is given back when the permit is dropped"]
pub(crate) struct Permit {
    shared: Arc<Shared>,
}

impl Permit {
    /// Hands a record over; it is the writers' from here on.
    pub(crate) fn append(self, entry: Entry) {
        let mut state = self.shared.lock();
        state.bytes += entry.len();
        state.entries.push_back(entry);
        drop(state);
        self.shared.available.notify_one();
        // Dropping `self` now turns the reserved room into the entry's own. In
        // between the record counts twice, which errs on the safe side.
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.reserved = state.reserved.saturating_sub(1);
        self.shared.settle(&state);
    }
}

/// Entries on loan to a writer.
#[must_use = "a lease that is dropped puts its entries back"]
pub(crate) struct Lease {
    shared: Arc<Shared>,
    entries: Vec<Entry>,
}

impl Lease {
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Halves the lease: the second half goes into a lease of its own.
    pub(crate) fn split_off_half(&mut self) -> Self {
        let second = self.entries.split_off(self.entries.len() / 2);
        Self {
            shared: Arc::clone(&self.shared),
            entries: second,
        }
    }

    /// The entries are in Postgres: forget them.
    pub(crate) fn delivered(mut self) {
        let entries = std::mem::take(&mut self.entries);
        let mut state = self.shared.lock();
        state.leased = state.leased.saturating_sub(entries.len());
        let bytes: usize = entries.iter().map(|entry| entry.len()).sum();
        state.bytes = state.bytes.saturating_sub(bytes);
        self.shared.settle(&state);
    }

    /// Puts the entries back at the end of the line, so that what stands behind
    /// them is not held up by them.
    pub(crate) fn postpone(mut self) {
        let entries = std::mem::take(&mut self.entries);
        let mut state = self.shared.lock();
        state.leased = state.leased.saturating_sub(entries.len());
        state.entries.extend(entries);
        drop(state);
        self.shared.available.notify_one();
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.entries.is_empty() {
            return;
        }
        let mut state = self.shared.lock();
        state.leased = state.leased.saturating_sub(self.entries.len());
        for entry in self.entries.drain(..).rev() {
            state.entries.push_front(entry);
        }
        drop(state);
        self.shared.available.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal(entries: usize, bytes: usize) -> Journal {
        Journal::new(Capacity { entries, bytes })
    }

    fn entry(text: &str) -> Entry {
        Entry::from(text.as_bytes())
    }

    fn append(journal: &Journal, text: &str) {
        journal.reserve().unwrap().append(entry(text));
    }

    fn texts(lease: &Lease) -> Vec<String> {
        lease
            .entries()
            .iter()
            .map(|entry| String::from_utf8(entry.to_vec()).unwrap())
            .collect()
    }

    #[test]
    fn a_permit_takes_room_before_there_is_a_record() {
        let journal = journal(2, 1_000);
        let _one = journal.reserve().unwrap();
        let two = journal.reserve().unwrap();
        assert_eq!(journal.reserve().err(), Some(Refusal::Full));
        drop(two);
        assert!(journal.reserve().is_ok());
    }

    #[test]
    fn few_large_records_fill_it_as_many_small_ones_do() {
        let journal = journal(1_000, 10);
        append(&journal, "0123456789");
        assert_eq!(journal.reserve().err(), Some(Refusal::Full));
        journal.lease(10).unwrap().delivered();
        assert!(journal.reserve().is_ok());
    }

    #[test]
    fn entries_leave_in_order_and_a_dropped_lease_returns_them_to_the_front() {
        let journal = journal(10, 1_000);
        for text in ["a", "b", "c"] {
            append(&journal, text);
        }
        drop(journal.lease(2).unwrap());
        let lease = journal.lease(10).unwrap();
        assert_eq!(texts(&lease), ["a", "b", "c"]);
    }

    #[test]
    fn a_postponed_entry_lets_the_others_pass() {
        let journal = journal(10, 1_000);
        append(&journal, "poison");
        append(&journal, "next");
        journal.lease(1).unwrap().postpone();
        assert_eq!(texts(&journal.lease(2).unwrap()), ["next", "poison"]);
    }

    #[test]
    fn leased_entries_still_count_against_the_capacity() {
        let journal = journal(1, 1_000);
        append(&journal, "a");
        let lease = journal.lease(1).unwrap();
        assert_eq!(journal.reserve().err(), Some(Refusal::Full));
        lease.delivered();
        assert!(journal.reserve().is_ok());
    }

    #[test]
    fn closing_lets_what_is_under_way_arrive_and_then_ends_the_writers() {
        let journal = journal(10, 1_000);
        let permit = journal.reserve().unwrap();
        journal.close();
        assert_eq!(journal.reserve().err(), Some(Refusal::Closed));
        let writer = std::thread::spawn({
            let journal = journal.clone();
            move || {
                let mut delivered = 0;
                while let Some(lease) = journal.lease(10) {
                    delivered += lease.entries().len();
                    lease.delivered();
                }
                delivered
            }
        });
        permit.append(entry("late"));
        assert_eq!(writer.join().unwrap(), 1);
        assert_eq!(journal.wait_until_drained(Instant::now()), 0);
    }

    #[test]
    fn draining_gives_up_at_its_deadline_and_says_what_is_left() {
        let journal = journal(10, 1_000);
        append(&journal, "a");
        assert_eq!(journal.wait_until_drained(Instant::now()), 1);
    }

    #[test]
    fn two_writers_share_the_entries_without_seeing_one_twice() {
        let journal = journal(10_000, 1_000_000);
        let writers: Vec<_> = (0..2)
            .map(|_| {
                let journal = journal.clone();
                std::thread::spawn(move || {
                    let mut seen = Vec::new();
                    while let Some(lease) = journal.lease(7) {
                        seen.extend(texts(&lease));
                        lease.delivered();
                    }
                    seen
                })
            })
            .collect();
        for number in 0..1_000 {
            append(&journal, &number.to_string());
        }
        journal.close();
        let mut seen: Vec<String> = writers
            .into_iter()
            .flat_map(|writer| writer.join().unwrap())
            .collect();
        seen.sort_by_key(|text| text.parse::<u32>().unwrap());
        assert_eq!(
            seen,
            (0..1_000)
                .map(|number| number.to_string())
                .collect::<Vec<_>>()
        );
    }
}
