//! Accounts in a table that does not grow.
//!
//! An account has one cell in each of two rows, found by a hash with a key that nobody
//! outside knows. A charge goes to both, and the lower of the two counts: it is what this
//! account has used up, and what others have that share both cells. An account is never
//! better off for that, so nothing is let through that should not be.
//!
//! A stranger is hindered only if both its cells are shared with accounts that are used
//! up. While `k` are, among `n` cells in a row, the probability of that is
//! `(1 - (1 - 1/n)^k)²`, about `(k/n)²`. At 32,768 cells that is one in a billion for one,
//! one in 100,000 for a hundred, and one in a thousand for a thousand.
//!
//! Why not the `governor` crate: it charges when it asks, and what was refused is known
//! only afterwards; and its keyed limiters keep a map that grows with the keys until
//! somebody sweeps it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::allowance::{Allowance, Meter};

/// The accounts of one allowance.
pub(super) struct Cells {
    /// Nothing is counted where there is no limit.
    meter: Option<Meter>,
    /// When each is paid off, in nanoseconds of the clock.
    rows: [Box<[AtomicU64]>; 2],
}

impl Cells {
    /// A table with so many cells in each of its rows.
    pub(super) fn new(allowance: Allowance, cells: usize) -> Self {
        let meter = allowance.meter();
        let cells = if meter.is_some() { cells } else { 0 };
        let row = || (0..cells).map(|_| AtomicU64::new(0)).collect();
        Self {
            meter,
            rows: [row(), row()],
        }
    }

    /// How long this account has to wait; zero if it need not.
    pub(super) fn wait(&self, account: u64, now_ns: u64) -> Duration {
        let Some(meter) = self.meter else {
            return Duration::ZERO;
        };
        let paid_off_at = self.of(account).map(|cell| cell.load(Ordering::Relaxed));
        let wait_ns = paid_off_at.map(|at_ns| meter.wait_ns(at_ns, now_ns)).min();
        Duration::from_nanos(wait_ns.unwrap_or(0))
    }

    /// Charges this account.
    pub(super) fn charge(&self, account: u64, units: f64, now_ns: u64) {
        let Some(meter) = self.meter else {
            return;
        };
        for cell in self.of(account) {
            let charged = |at_ns| Some(meter.charge(at_ns, units, now_ns));
            // It always gives a number, so it cannot fail.
            let _ = cell.fetch_update(Ordering::Relaxed, Ordering::Relaxed, charged);
        }
    }

    /// The two cells of an account, by the two halves of its hash.
    fn of(&self, account: u64) -> impl Iterator<Item = &AtomicU64> {
        let halves = [account >> 32, account & u64::from(u32::MAX)];
        self.rows.iter().zip(halves).filter_map(|(row, half)| {
            let place = half.checked_rem(row.len() as u64)?;
            row.get(usize::try_from(place).ok()?)
        })
    }

    #[cfg(test)]
    pub(super) fn size_bytes(&self) -> usize {
        self.rows.iter().map(|row| size_of_val(&**row)).sum()
    }
}
