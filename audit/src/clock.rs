//! When attempts begin, and the ids that say so.

use std::sync::OnceLock;
use std::time::Instant;
#[cfg(any(test, feature = "testing"))]
use std::{
    sync::Arc,
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
    time::Duration,
};

use chrono::{DateTime, SubsecRound as _, Utc};
use uuid::{NoContext, Timestamp, Uuid};

/// Where time and ids come from.
#[derive(Clone, Debug, Default)]
pub(crate) enum Clock {
    /// From the machine.
    #[default]
    System,
    /// Always the same, for tests that compare whole records.
    #[cfg(any(test, feature = "testing"))]
    Fixed(Arc<Fixed>),
}

/// Time that passes by a second for each attempt, and when a test says so.
#[cfg(any(test, feature = "testing"))]
#[derive(Debug)]
pub(crate) struct Fixed {
    start: DateTime<Utc>,
    attempts: AtomicI64,
    requests: AtomicI64,
    /// What a test has let pass, in nanoseconds.
    passed_ns: AtomicU64,
}

/// Where monotonic time begins.
static START: OnceLock<Instant> = OnceLock::new();

/// The beginning of an attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) id: Uuid,
    pub(crate) occurred_at: DateTime<Utc>,
    began: Option<Instant>,
}

impl Clock {
    /// A clock that stands at `start` for the first attempt.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn fixed(start: DateTime<Utc>) -> Self {
        Self::Fixed(Arc::new(Fixed {
            start: start.trunc_subsecs(6),
            attempts: AtomicI64::new(0),
            requests: AtomicI64::new(0),
            passed_ns: AtomicU64::new(0),
        }))
    }

    /// An attempt begins now.
    pub(crate) fn begin(&self) -> Moment {
        match self {
            Self::System => {
                let occurred_at = Utc::now().trunc_subsecs(6);
                Moment {
                    id: id_at(occurred_at),
                    occurred_at,
                    began: Some(Instant::now()),
                }
            }
            #[cfg(any(test, feature = "testing"))]
            Self::Fixed(fixed) => {
                let number = fixed.attempts.fetch_add(1, Ordering::Relaxed);
                let occurred_at = fixed.now() + chrono::TimeDelta::seconds(number);
                Moment {
                    id: numbered(id_at(occurred_at), number),
                    occurred_at,
                    began: None,
                }
            }
        }
    }

    /// The time of day.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        match self {
            Self::System => Utc::now().trunc_subsecs(6),
            #[cfg(any(test, feature = "testing"))]
            Self::Fixed(fixed) => fixed.now(),
        }
    }

    /// Time that never goes back, in nanoseconds since some moment before.
    pub(crate) fn monotonic_ns(&self) -> u64 {
        match self {
            Self::System => {
                let start = START.get_or_init(Instant::now);
                u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
            }
            #[cfg(any(test, feature = "testing"))]
            Self::Fixed(fixed) => fixed.passed_ns.load(Ordering::Relaxed),
        }
    }

    /// Lets time pass on a clock that stands still, and says whether it is one.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn advance(&self, time: Duration) -> bool {
        let Self::Fixed(fixed) = self else {
            return false;
        };
        let time_ns = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        fixed.passed_ns.fetch_add(time_ns, Ordering::Relaxed);
        true
    }

    /// A request without an id gets this one. It begins with the time, so that an index of
    /// many grows at its end.
    pub(crate) fn request_id(&self) -> Uuid {
        match self {
            Self::System => id_at(Utc::now()),
            #[cfg(any(test, feature = "testing"))]
            Self::Fixed(fixed) => {
                let number = fixed.requests.fetch_add(1, Ordering::Relaxed);
                numbered(
                    uuid::Builder::from_random_bytes([0; 16]).into_uuid(),
                    number,
                )
            }
        }
    }
}

#[cfg(any(test, feature = "testing"))]
impl Fixed {
    fn now(&self) -> DateTime<Utc> {
        let passed = Duration::from_nanos(self.passed_ns.load(Ordering::Relaxed));
        self.start + passed
    }
}

impl Moment {
    /// The time that has passed since, in microseconds.
    pub(crate) fn elapsed_us(&self) -> i64 {
        self.began.map_or(0, |began| {
            i64::try_from(began.elapsed().as_micros()).unwrap_or(i64::MAX)
        })
    }
}

/// A key whose milliseconds are those of `occurred_at`, so that it sorts, and can
/// be looked up, by time.
pub(crate) fn id_at(occurred_at: DateTime<Utc>) -> Uuid {
    let seconds = u64::try_from(occurred_at.timestamp()).unwrap_or(0);
    Uuid::new_v7(Timestamp::from_unix(
        NoContext,
        seconds,
        occurred_at.timestamp_subsec_nanos(),
    ))
}

/// The same id with a number in the place of what is random in it.
#[cfg(any(test, feature = "testing"))]
fn numbered(id: Uuid, number: i64) -> Uuid {
    const TIME_AND_VERSION: u128 = !0 << 64 & !(0x0fff << 64);
    const VARIANT: u128 = 0b10 << 62;
    let number = u128::from(number.unsigned_abs()) & !(0b11 << 62);
    Uuid::from_u128(id.as_u128() & TIME_AND_VERSION | VARIANT | number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_carries_the_instant_of_its_record() {
        let occurred_at = DateTime::from_timestamp_micros(1_795_514_400_123_456).unwrap();
        let (seconds, nanoseconds) = id_at(occurred_at).get_timestamp().unwrap().to_unix();
        assert_eq!(seconds, 1_795_514_400);
        assert_eq!(nanoseconds, 123_000_000);
    }

    #[test]
    fn a_fixed_clock_gives_the_same_ids_again_and_no_id_twice() {
        let start = DateTime::from_timestamp(1_795_514_400, 0).unwrap();
        let ids = || {
            let clock = Clock::fixed(start);
            let moments = [clock.begin(), clock.begin()];
            moments.map(|moment| moment.id.to_string())
        };
        assert_eq!(ids(), ids());
        assert_eq!(
            ids(),
            [
                "01a20cff-7d00-7000-8000-000000000000",
                "01a20cff-80e8-7000-8000-000000000001"
            ]
        );
        let clock = Clock::fixed(start);
        assert_eq!(
            clock.request_id().to_string(),
            "00000000-0000-4000-8000-000000000000"
        );
        assert_ne!(clock.request_id(), clock.request_id());
        assert_eq!(clock.begin().elapsed_us(), 0);
    }
}
