//! Keeps a flood of one kind of event from becoming a flood of log lines.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// At most one line in this time, unless it is said otherwise.
const INTERVAL: Duration = Duration::from_secs(1);

/// Lets one event through in each interval and counts those between.
#[derive(Debug)]
pub(crate) struct LogGate {
    interval: Duration,
    state: Mutex<State>,
}

impl Default for LogGate {
    fn default() -> Self {
        Self::every(INTERVAL)
    }
}

#[derive(Debug, Default)]
struct State {
    opened_at: Option<Instant>,
    held_back: u64,
}

impl LogGate {
    pub(crate) fn every(interval: Duration) -> Self {
        Self {
            interval,
            state: Mutex::default(),
        }
    }

    /// Whether this event may be logged: if so, how many were held back since
    /// the last one.
    pub(crate) fn admit(&self) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if state
            .opened_at
            .is_some_and(|opened| now.duration_since(opened) < self.interval)
        {
            state.held_back += 1;
            return None;
        }
        state.opened_at = Some(now);
        Some(std::mem::take(&mut state.held_back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_event_passes_and_the_flood_behind_it_is_counted() {
        let gate = LogGate::default();
        assert_eq!(gate.admit(), Some(0));
        for _ in 0..1_000 {
            gate.admit();
        }
        assert!(gate.state.lock().unwrap().held_back > 0);
    }
}
