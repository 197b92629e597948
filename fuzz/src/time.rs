//! Time that an input may take.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// What is spent whatever the input.
const BASE: Duration = Duration::from_millis(100);
/// Far more than a pass over an instrumented byte takes, and far less than a second
/// pass for every byte does.
const PER_BYTE: Duration = Duration::from_micros(20);

/// Fails if the work took longer than is linear in so many bytes. Only what this
/// thread computes counts, so a busy machine does not matter.
pub(crate) fn linear<T>(bytes: usize, work: impl FnOnce() -> T) -> T {
    let began = spent();
    let done = work();
    let took = spent().saturating_sub(began);
    let allowed = BASE + PER_BYTE * u32::try_from(bytes).unwrap_or(u32::MAX);
    assert!(
        took <= allowed,
        "{bytes} bytes took {took:?}, more than {allowed:?}"
    );
    done
}

fn spent() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}
