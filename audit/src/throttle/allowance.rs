//! How much is allowed, and the arithmetic of using it up.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

/// How often something may happen: so many times at once, and so many a second after
/// that.
///
/// As text it is `5000+50`, or `0` for no limit.
///
/// ```
/// use audit::Allowance;
///
/// let allowance: Allowance = "5000+50".parse()?;
/// assert_eq!(allowance, Allowance::new(5_000, 50));
/// assert_eq!("0".parse::<Allowance>()?, Allowance::UNLIMITED);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Allowance {
    at_once: u32,
    per_second: u32,
}

/// A text that is not an allowance.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "write how often at once and how often a second after that, both at least 1, like `5000+50`; or `0` for no limit"
)]
pub struct InvalidAllowance;

impl Allowance {
    /// There is no limit.
    pub const UNLIMITED: Self = Self {
        at_once: 0,
        per_second: 0,
    };

    /// So many times at once, and so many a second after that. If either is zero there
    /// is no limit.
    #[must_use]
    pub const fn new(at_once: u32, per_second: u32) -> Self {
        if at_once == 0 || per_second == 0 {
            return Self::UNLIMITED;
        }
        Self {
            at_once,
            per_second,
        }
    }

    /// How it is used up, unless there is no limit.
    pub(super) fn meter(self) -> Option<Meter> {
        let interval_ns = 1_000_000_000_u64
            .checked_div(self.per_second.into())?
            .max(1);
        Some(Meter {
            interval_ns,
            window_ns: interval_ns * u64::from(self.at_once),
        })
    }
}

impl FromStr for Allowance {
    type Err = InvalidAllowance;

    fn from_str(text: &str) -> Result<Self, InvalidAllowance> {
        if text.trim() == "0" {
            return Ok(Self::UNLIMITED);
        }
        let count = |text: &str| match text.trim().parse() {
            Ok(0) | Err(_) => Err(InvalidAllowance),
            Ok(count) => Ok(count),
        };
        let (at_once, per_second) = text.split_once('+').ok_or(InvalidAllowance)?;
        Ok(Self::new(count(at_once)?, count(per_second)?))
    }
}

impl TryFrom<String> for Allowance {
    type Error = InvalidAllowance;

    fn try_from(text: String) -> Result<Self, InvalidAllowance> {
        text.parse()
    }
}

impl fmt::Display for Allowance {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::UNLIMITED {
            return formatter.write_str("0");
        }
        write!(formatter, "{}+{}", self.at_once, self.per_second)
    }
}

/// The generic cell rate algorithm: an account is one number, the time at which it will
/// have been paid off if nothing more is charged
/// ([ITU-T I.371](https://www.itu.int/rec/T-REC-I.371), annex A).
///
/// Here it is asked before something is done and charged after, so what happens at the
/// same moment can overdraw an account, and a high price as well. What is owed is cut at
/// twice the window, so that nobody waits longer than one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meter {
    interval_ns: u64,
    window_ns: u64,
}

impl Meter {
    /// How long it takes until something may happen; zero if it may at once.
    pub(super) fn wait_ns(self, paid_off_at_ns: u64, now_ns: u64) -> u64 {
        let owed_ns = paid_off_at_ns.saturating_sub(now_ns);
        (owed_ns + self.interval_ns).saturating_sub(self.window_ns)
    }

    /// When the account is paid off after this charge.
    pub(super) fn charge(self, paid_off_at_ns: u64, units: f64, now_ns: u64) -> u64 {
        // The cast saturates, and an infinite price is all there is.
        let cost_ns = (self.interval_ns as f64 * units) as u64;
        let limit_ns = now_ns + 2 * self.window_ns;
        paid_off_at_ns
            .max(now_ns)
            .saturating_add(cost_ns.min(self.window_ns))
            .min(limit_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_NS: u64 = 1_000_000_000;

    #[test]
    fn an_allowance_is_written_as_it_is_read() {
        for text in ["5000+50", "1+1", "0"] {
            assert_eq!(text.parse::<Allowance>().unwrap().to_string(), text);
        }
        for text in ["", "5000", "5000+", "+50", "0+1", "1+0", "-1+1", "1+1+1"] {
            assert_eq!(text.parse::<Allowance>(), Err(InvalidAllowance), "{text}");
        }
        assert!(Allowance::UNLIMITED.meter().is_none());
        assert_eq!(Allowance::new(7, 0), Allowance::UNLIMITED);
    }

    #[test]
    fn what_is_allowed_at_once_comes_back_second_by_second() {
        let meter = Allowance::new(5, 2).meter().unwrap();
        let mut account = 0;
        let mut take = |now_ns: u64| {
            let wait_ns = meter.wait_ns(account, now_ns);
            if wait_ns == 0 {
                account = meter.charge(account, 1.0, now_ns);
            }
            wait_ns
        };
        let now_ns = 7 * SECOND_NS;
        for _ in 0..5 {
            assert_eq!(take(now_ns), 0);
        }
        assert_eq!(take(now_ns), SECOND_NS / 2);
        assert_eq!(take(now_ns + SECOND_NS / 2), 0);
        assert_eq!(take(now_ns + SECOND_NS / 2), SECOND_NS / 2);
        for _ in 0..5 {
            assert_eq!(take(now_ns + 60 * SECOND_NS), 0);
        }
        assert!(take(now_ns + 60 * SECOND_NS) > 0);
    }

    #[test]
    fn nobody_waits_longer_than_it_takes_to_pay_off_all_that_is_allowed() {
        let meter = Allowance::new(100, 10).meter().unwrap();
        let mut account = 0;
        for units in [f64::INFINITY, 1e300, 1.0, f64::INFINITY] {
            account = meter.charge(account, units, SECOND_NS);
            assert!(meter.wait_ns(account, SECOND_NS) <= 10 * SECOND_NS + SECOND_NS / 10);
        }
        let largest = Allowance::new(u32::MAX, 1).meter().unwrap();
        let account = largest.charge(u64::MAX, f64::INFINITY, u64::MAX / 4);
        assert!(largest.wait_ns(account, 0) > 0);
    }
}
