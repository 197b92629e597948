//! One parameter of a query string, and what its value may be.

use std::collections::HashSet;
use std::net::IpAddr;

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use ipnet::IpNet;
use uuid::Uuid;

use crate::postgres::{Order, StatusMatch, TextMatch};
use crate::problem::{INVALID_PARAMETER, Problem};
use crate::record::Outcome;

/// How many values a query may name, all parameters together.
pub(crate) const MAX_VALUES: usize = 100;
/// The longest value, in bytes.
pub(crate) const MAX_VALUE_BYTES: usize = 1024;
/// How many words one search may name: each is looked for by itself.
const MAX_WORDS: usize = 16;
/// The most records that a page may have.
pub(crate) const MAX_LIMIT: u16 = 1000;
/// Before the path of a place in the request.
const PAYLOAD: &str = "payload.";
/// The deepest place, and the longest name on the way: records hold no more.
const MAX_PATH_STEPS: usize = 32;
const MAX_STEP_BYTES: usize = 256;

/// Reads a query string, one parameter after the other.
pub(crate) fn read(
    query: &str,
    mut take: impl FnMut(&Parameter<'_>) -> Result<(), Problem>,
) -> Result<(), Problem> {
    let mut names = HashSet::new();
    for (number, (name, value)) in form_urlencoded::parse(query.as_bytes()).enumerate() {
        if number >= MAX_VALUES {
            return Err(Problem::new(
                &INVALID_PARAMETER,
                format!("A query names at most {MAX_VALUES} values; split it into several."),
            ));
        }
        let parameter = Parameter {
            name: &name,
            value: &value,
            is_repeated: names.contains(&name),
        };
        parameter.check()?;
        take(&parameter)?;
        names.insert(name);
    }
    Ok(())
}

/// One name and value of a query string.
pub(crate) struct Parameter<'a> {
    name: &'a str,
    value: &'a str,
    is_repeated: bool,
}

impl<'a> Parameter<'a> {
    pub(crate) fn name(&self) -> &'a str {
        self.name
    }

    /// The parameter, unless another one before it has the same name: for those of
    /// which two would contradict each other.
    pub(crate) fn once(&self) -> Result<&Self, Problem> {
        if self.is_repeated {
            return Err(self.invalid("given once"));
        }
        Ok(self)
    }

    /// `wanted` completes the sentence "must be …".
    pub(crate) fn invalid(&self, wanted: &str) -> Problem {
        Problem::new(
            &INVALID_PARAMETER,
            format!("`{}` must be {wanted}.", self.name),
        )
    }

    fn check(&self) -> Result<(), Problem> {
        if self.value.is_empty() || self.value.len() > MAX_VALUE_BYTES || self.value.contains('\0')
        {
            return Err(self.invalid(&format!(
                "1 to {MAX_VALUE_BYTES} bytes long and without NUL"
            )));
        }
        Ok(())
    }

    pub(crate) fn text(&self) -> String {
        self.value.to_owned()
    }

    /// Whether it names a place in the request.
    pub(crate) fn is_payload(&self) -> bool {
        self.name.starts_with(PAYLOAD)
    }

    /// The steps to a place in the request.
    pub(crate) fn path(&self) -> Result<Vec<String>, Problem> {
        let path = self.name.strip_prefix(PAYLOAD).unwrap_or_default();
        let steps: Vec<String> = path.split('.').map(str::to_owned).collect();
        let is_step =
            |step: &String| (1..=MAX_STEP_BYTES).contains(&step.len()) && !step.contains('\0');
        if steps.len() > MAX_PATH_STEPS || !steps.iter().all(is_step) {
            return Err(Problem::new(
                &INVALID_PARAMETER,
                format!(
                    "Behind `payload.` stands a place in the request, such as `payload.attributes.colour=red`: \
                     1 to {MAX_PATH_STEPS} names of 1 to {MAX_STEP_BYTES} bytes, with dots between them."
                ),
            ));
        }
        Ok(steps)
    }

    /// Some words, with spaces between them.
    pub(crate) fn words(&self) -> Result<String, Problem> {
        if !(1..=MAX_WORDS).contains(&self.value.split_whitespace().count()) {
            return Err(self.invalid(&format!("1 to {MAX_WORDS} words, such as `red apple`")));
        }
        Ok(self.text())
    }

    pub(crate) fn method(&self) -> String {
        self.value.to_ascii_uppercase()
    }

    pub(crate) fn trace_id(&self) -> String {
        self.value.to_ascii_lowercase()
    }

    /// One of the names of a closed set.
    pub(crate) fn one_of<T: Copy>(&self, all: &[(&str, T)]) -> Result<T, Problem> {
        let found = all.iter().find(|(name, _)| *name == self.value);
        found.map(|(_, value)| *value).ok_or_else(|| {
            let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
            self.invalid(&format!("one of {}", names.join(", ")))
        })
    }

    pub(crate) fn uuid(&self) -> Result<Uuid, Problem> {
        Uuid::try_parse(self.value).map_err(|_| self.invalid("the `id` of a record"))
    }

    pub(crate) fn text_match(&self) -> TextMatch {
        match self.value.strip_suffix('*') {
            Some(prefix) => TextMatch::Prefix(prefix.to_owned()),
            None => TextMatch::Exactly(self.text()),
        }
    }

    pub(crate) fn outcome(&self) -> Result<Outcome, Problem> {
        Outcome::from_name(self.value).ok_or_else(|| {
            self.invalid(&format!(
                "one of {}",
                Outcome::ALL.map(Outcome::as_str).join(", ")
            ))
        })
    }

    pub(crate) fn status(&self) -> Result<StatusMatch, Problem> {
        let class = self
            .value
            .strip_suffix("xx")
            .and_then(|class| class.parse().ok());
        match (class, self.value.parse()) {
            (Some(class @ 1..=5), _) => Ok(StatusMatch::Class(class)),
            (None, Ok(status @ 100..=599)) => Ok(StatusMatch::Exactly(status)),
            _ => Err(self.invalid("a status such as 404, or a class such as 4xx")),
        }
    }

    pub(crate) fn net(&self) -> Result<IpNet, Problem> {
        let net = self.value.parse::<IpNet>().ok();
        net.or_else(|| self.value.parse::<IpAddr>().map(IpNet::from).ok())
            .ok_or_else(|| {
                self.invalid("an address such as 192.0.2.7, or a network such as 192.0.2.0/24")
            })
    }

    pub(crate) fn order(&self) -> Result<Order, Problem> {
        match self.value {
            "desc" => Ok(Order::NewestFirst),
            "asc" => Ok(Order::OldestFirst),
            _ => Err(self.invalid("desc (newest first) or asc (oldest first)")),
        }
    }

    pub(crate) fn limit(&self) -> Result<u16, Problem> {
        match self.value.parse() {
            Ok(limit @ 1..=MAX_LIMIT) => Ok(limit),
            _ => Err(self.invalid(&format!("a whole number from 1 to {MAX_LIMIT}"))),
        }
    }

    pub(crate) fn time(&self, now: DateTime<Utc>) -> Result<DateTime<Utc>, Problem> {
        read_time(self.value, now)
            .filter(is_storable)
            .ok_or_else(|| self.invalid("a time such as 2026-11-24T10:00:00Z, a day such as 2026-11-24, or an age such as -24h (s, m, h, d, w)"))
    }
}

fn read_time(text: &str, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    if let Some(age) = text.strip_prefix('-') {
        return now.checked_sub_signed(read_age(age)?);
    }
    if let Ok(day) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Some(day.and_time(NaiveTime::MIN).and_utc());
    }
    // In a query string a bare `+` is a space, and `+01:00` is easily left bare.
    let time = DateTime::parse_from_rfc3339(text)
        .or_else(|_| DateTime::parse_from_rfc3339(&text.replace(' ', "+")));
    Some(time.ok()?.to_utc())
}

fn read_age(age: &str) -> Option<TimeDelta> {
    let unit = age.chars().last()?;
    let number = age.strip_suffix(unit)?;
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let seconds_in_unit = match unit {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        'd' => 24 * 60 * 60,
        'w' => 7 * 24 * 60 * 60,
        _ => return None,
    };
    TimeDelta::try_seconds(number.parse::<i64>().ok()?.checked_mul(seconds_in_unit)?)
}

pub(crate) fn is_storable(time: &DateTime<Utc>) -> bool {
    use chrono::Datelike as _;
    (0..10_000).contains(&time.year())
}
