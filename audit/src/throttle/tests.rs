//! Who is let through, who is not, and what it takes to know.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use chrono::TimeDelta;

use super::*;
use crate::journal::memory::Memory;
use crate::record::Actor;

/// A throttle on a clock that only the test moves.
struct Bench {
    throttle: Throttle,
    clock: Clock,
    journal: Journal,
}

const SETTINGS: ThrottleSettings = ThrottleSettings {
    refusals: Allowance::new(100, 10),
    unknown_refusals: Allowance::UNLIMITED,
    queries: Allowance::UNLIMITED,
    queries_at_once: 0,
};

impl Bench {
    fn new(settings: ThrottleSettings) -> Self {
        let clock = Clock::fixed(DateTime::from_timestamp(1_795_514_400, 0).unwrap());
        let journal = Journal::in_memory(Arc::<Memory>::default());
        let throttle = Throttle::new(settings, journal.clone(), clock.clone(), Arc::default());
        Self {
            throttle,
            clock,
            journal,
        }
    }

    /// Makes an attempt that is refused, if it is admitted at all.
    fn refused(&self, subject: &Subject<'_>, bytes: usize) -> bool {
        let admitted = self.throttle.admit(subject, "try");
        admitted
            .map(|account| self.throttle.charge(account, Outcome::Denied, bytes))
            .is_ok()
    }

    /// How many of so many refused attempts are admitted.
    fn admitted(&self, subject: &Subject<'_>, attempts: usize, bytes: usize) -> usize {
        (0..attempts)
            .filter(|_| self.refused(subject, bytes))
            .count()
    }

    fn is_admitted(&self, subject: &Subject<'_>) -> bool {
        self.throttle.admit(subject, "try").is_ok()
    }
}

fn address(number: u32) -> Subject<'static> {
    Subject::of(None, Some(IpAddr::V4(Ipv4Addr::from_bits(number))))
}

fn actor(id: &'static str) -> Subject<'static> {
    Subject::of(Some(&Actor::user(id, "test")), None).into_owned()
}

#[test]
fn whoever_is_refused_too_often_has_to_wait_and_nobody_else_has() {
    let bench = Bench::new(SETTINGS);
    assert_eq!(bench.admitted(&address(1), 1_000, 500), 100);
    assert_eq!(bench.admitted(&actor("mallory"), 1_000, 500), 100);
    assert!(bench.is_admitted(&address(2)));
    assert!(bench.is_admitted(&actor("alice")));

    let wait = bench.throttle.admit(&address(1), "try").unwrap_err();
    assert_eq!(wait.retry_after, Duration::from_millis(100));
    bench.clock.advance(Duration::from_secs(2));
    assert_eq!(bench.admitted(&address(1), 1_000, 500), 20);
    bench.clock.advance(Duration::from_secs(3_600));
    assert_eq!(bench.admitted(&address(1), 1_000, 500), 100);
}

#[test]
fn what_succeeds_or_fails_by_the_services_fault_is_free() {
    let bench = Bench::new(SETTINGS);
    for outcome in [Outcome::Success, Outcome::Failed] {
        for _ in 0..1_000 {
            let account = bench.throttle.admit(&actor("alice"), "try").unwrap();
            bench.throttle.charge(account, outcome, 500);
        }
    }
    assert_eq!(bench.admitted(&actor("alice"), 1_000, 500), 100);
}

#[test]
fn a_refusal_is_charged_for_what_it_takes_of_the_journal() {
    let bench = Bench::new(SETTINGS);
    assert_eq!(bench.admitted(&address(1), 1_000, UNIT_BYTES), 100);
    assert_eq!(bench.admitted(&address(2), 1_000, UNIT_BYTES + 1), 50);
    assert_eq!(bench.admitted(&address(3), 1_000, 10 * UNIT_BYTES), 10);
}

#[test]
fn a_client_has_one_allowance_for_all_its_ipv6_addresses() {
    let bench = Bench::new(SETTINGS);
    let network = u128::from(0x2001_0db8_0000_0001_u64) << 64;
    let address = |bits: u128| Subject::of(None, Some(IpAddr::V6(Ipv6Addr::from_bits(bits))));
    let admitted: usize = (0..1_000)
        .map(|host| bench.admitted(&address(network + host), 1, 500))
        .sum();
    assert_eq!(admitted, 100);
    assert!(bench.is_admitted(&address(network + (1 << 64))));
}

#[test]
fn a_million_addresses_share_one_allowance_and_take_no_more_room_than_one() {
    let bench = Bench::new(ThrottleSettings {
        unknown_refusals: Allowance::new(5_000, 10),
        ..SETTINGS
    });
    let throttle = &bench.throttle;
    let size_bytes = || throttle.refusals.size_bytes() + throttle.unknown_refusals.size_bytes();
    let before = size_bytes();
    let admitted: usize = (0..1_000_000)
        .map(|number| bench.admitted(&address(number), 1, 500))
        .sum();
    assert_eq!(admitted, 5_000);
    assert!(
        bench.is_admitted(&actor("alice")),
        "who is known is not hindered"
    );
    assert_eq!(size_bytes(), before);
    assert!(before < 1024 * 1024, "{before}");

    let mut tallies = 0;
    while throttle.take_tally(When::AtOnce).is_some() {
        tallies += 1;
    }
    assert_eq!(tallies, 65, "64 addresses, and all others together");
}

/// The bound that `cells` states, at a thousand accounts that are used up.
#[test]
fn strangers_are_seldom_taken_for_those_who_have_used_up_their_allowance() {
    const USED_UP: u32 = 1_000;
    const STRANGERS: u32 = 200_000;
    let bench = Bench::new(ThrottleSettings {
        refusals: Allowance::new(1, 1),
        ..SETTINGS
    });
    for number in 0..USED_UP {
        bench.refused(&address(number), 500);
    }
    let hindered = (USED_UP..USED_UP + STRANGERS)
        .filter(|&number| !bench.is_admitted(&address(number)))
        .count();
    let share = 1.0 - (1.0 - 1.0 / ACCOUNTS as f64).powi(1_000);
    let expected = share * share * f64::from(STRANGERS);
    assert!(
        (hindered as f64) < 1.5 * expected,
        "{hindered}, not {expected}"
    );
    assert!(
        (hindered as f64) > 0.5 * expected,
        "{hindered}, not {expected}"
    );
}

#[test]
fn allowances_shrink_as_the_journal_fills_and_work_that_succeeds_stays_free() {
    for (percent, admitted) in [
        (0, 100),
        (50, 100),
        (60, 60),
        (70, 20),
        (74, 4),
        (75, 1),
        (99, 1),
    ] {
        let bench = Bench::new(SETTINGS);
        bench.journal.set_fullness(percent);
        let actual = bench.admitted(&address(1), 1_000, 500);
        assert!(
            actual.abs_diff(admitted) <= 1,
            "{actual} at {percent} per cent, not {admitted}"
        );
        assert!(bench.is_admitted(&actor("alice")));
    }
    let bench = Bench::new(SETTINGS);
    bench.journal.set_fullness(80);
    bench.refused(&address(1), 500);
    assert_eq!(
        bench
            .throttle
            .admit(&address(1), "try")
            .unwrap_err()
            .retry_after,
        Duration::from_millis(100),
        "one refusal costs all there is"
    );
    bench.clock.advance(Duration::from_millis(100));
    bench.refused(&address(1), 500);
    let wait = bench.throttle.admit(&address(1), "try").unwrap_err();
    assert_eq!(
        wait.retry_after,
        Duration::from_secs(10),
        "and the next one as much again"
    );
}

/// A flood from ever new addresses, with the largest records that there are, against a
/// journal of the usual size that nothing drains.
#[test]
fn for_days_refusals_leave_the_last_quarter_of_the_journal_to_real_work() {
    const QUOTA_BYTES: f64 = 4.0 * 1024.0 * 1024.0 * 1024.0;
    const RECORD_BYTES: usize = 66 * 1024;
    let bench = Bench::new(ThrottleSettings::default());
    let mut used_bytes = 0.0;
    let mut after = |minutes: u32| {
        for number in 0..minutes {
            let percent = (used_bytes / QUOTA_BYTES * 100.0) as u64;
            bench.journal.set_fullness(percent);
            while bench.refused(&address(number), RECORD_BYTES) {
                used_bytes += RECORD_BYTES as f64;
            }
            bench.clock.advance(Duration::from_secs(60));
        }
        used_bytes / QUOTA_BYTES
    };
    assert!(after(30) < 0.5);
    assert!((0.6..0.78).contains(&after(24 * 60)));
}

#[test]
fn what_is_not_admitted_is_told_every_minute_and_when_it_is_over() {
    let bench = Bench::new(SETTINGS);
    let told = || {
        bench
            .throttle
            .take_tally(When::Due)
            .map(|tally| tally.record())
    };
    bench.admitted(&address(1), 100, 500);
    assert!(told().is_none());

    let mut counted = 0_u64;
    let mut told_of = Vec::new();
    for _ in 0..90 {
        counted += (10 - bench.admitted(&address(1), 10, 3 * UNIT_BYTES)) as u64;
        told_of.extend(told());
        bench.clock.advance(Duration::from_secs(1));
    }
    assert_eq!(told_of.len(), 1, "after a minute");
    bench.clock.advance(Duration::from_secs(10));
    told_of.extend(told());
    assert_eq!(told_of.len(), 2, "and when it is over");
    assert!(told().is_none());

    let requests = told_of
        .iter()
        .map(|record| record.notes["requests"].as_u64().unwrap());
    assert_eq!(requests.sum::<u64>(), counted);
    for record in &told_of {
        assert_eq!(record.notes["network"], "0.0.0.1/32");
        assert_eq!(
            record.client.as_ref().unwrap().ip.unwrap().to_string(),
            "0.0.0.1"
        );
        assert_eq!(record.actor, Actor::anonymous());
    }
    assert!(told_of[1].occurred_at - told_of[0].occurred_at > TimeDelta::seconds(59));
}

#[test]
fn queries_are_charged_before_they_are_answered() {
    let bench = Bench::new(ThrottleSettings {
        queries: Allowance::new(10, 5),
        ..SETTINGS
    });
    let ask = |id| {
        let account = bench.throttle.account(&actor(id));
        bench.throttle.charge_query(account)
    };
    for _ in 0..10 {
        assert_eq!(ask("otto"), Ok(()));
    }
    let retry_after = Duration::from_millis(200);
    assert_eq!(ask("otto"), Err(UsedUp { retry_after }));
    assert_eq!(ask("ada"), Ok(()));
    bench.clock.advance(retry_after);
    assert_eq!(ask("otto"), Ok(()));
    assert!(
        bench.is_admitted(&actor("otto")),
        "queries and refusals are not the same"
    );
}
