//! How long to wait before trying again.

use std::hash::{BuildHasher as _, RandomState};
use std::thread;
use std::time::Duration;

use crate::postgres::Class;

/// How often a conflict is tried again without a wait.
const CONFLICTS_AT_ONCE: u32 = 3;

/// Waits that double, each shortened at random by up to a half so that many
/// writers do not come back in step.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Waits as long as an error of this class asks for.
    pub(super) fn wait(&mut self, class: Class) {
        thread::sleep(self.next(class));
    }

    /// Starts again with short waits.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    fn next(&mut self, class: Class) -> Duration {
        let (first_ms, longest_ms) = match class {
            Class::Conflict if self.failures < CONFLICTS_AT_ONCE => (0, 0),
            Class::Connection | Class::ReadOnly | Class::Conflict | Class::Timeout => (50, 5_000),
            // What needs somebody, or time, is not hurried by asking often.
            Class::Resources | Class::Operator | Class::Data => (500, 10_000),
        };
        let wait = Duration::from_millis(first_ms)
            .saturating_mul(2_u32.saturating_pow(self.failures))
            .min(Duration::from_millis(longest_ms));
        self.failures = self.failures.saturating_add(1);
        // A fresh hasher is seeded at random, which is random enough for jitter.
        let percent = 50 + RandomState::new().hash_one(self.failures) % 51;
        wait.mul_f64(percent as f64 / 100.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_start_again_after_a_success() {
        let first = Duration::from_millis(50);
        let longest = Duration::from_secs(5);
        let mut backoff = Backoff::default();
        assert!(backoff.next(Class::Connection) <= first);
        for _ in 0..100 {
            let wait = backoff.next(Class::Connection);
            assert!(wait >= first / 2 && wait <= longest, "{wait:?}");
        }
        assert!(backoff.next(Class::Connection) >= longest / 2);
        backoff.reset();
        assert!(backoff.next(Class::Connection) <= first);
    }

    #[test]
    fn a_conflict_is_tried_again_at_once_and_not_for_ever() {
        let mut backoff = Backoff::default();
        for _ in 0..CONFLICTS_AT_ONCE {
            assert_eq!(backoff.next(Class::Conflict), Duration::ZERO);
        }
        assert!(backoff.next(Class::Conflict) > Duration::ZERO);
    }
}
