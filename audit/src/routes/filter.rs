//! From a query string to a [`Filter`], or to a problem that names the parameter.

use std::net::IpAddr;

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use ipnet::IpNet;

use super::cursor;
use crate::postgres::{Filter, Order, PayloadMatch, StatusMatch, TextMatch};
use crate::problem::{INVALID_PARAMETER, Problem, UNKNOWN_PARAMETER};
use crate::record::Outcome;

/// All parameters, as a refusal lists them.
const PARAMETERS: &str = "actor, action, resource_type, resource_id, outcome, status, method, route, ip, \
                          request_id, trace_id, payload.<path>, from, to, order, limit and cursor";

/// How many records a page has, unless it is told.
const DEFAULT_LIMIT: u16 = 50;
const MAX_LIMIT: u16 = 1000;
/// How many values a query may name, all parameters together.
const MAX_VALUES: usize = 100;
/// The longest value, in bytes.
const MAX_VALUE_BYTES: usize = 1024;
/// Before the path of a place in the request.
const PAYLOAD: &str = "payload.";
/// The deepest place, and the longest name on the way: records hold no more.
const MAX_PATH_STEPS: usize = 32;
const MAX_STEP_BYTES: usize = 256;

/// Reads a query string; `now` is what relative times refer to.
pub(crate) fn parse(query: &str, now: DateTime<Utc>) -> Result<Filter, Problem> {
    let mut filter = Filter {
        limit: DEFAULT_LIMIT,
        ..Filter::default()
    };
    let mut seen = Once::default();
    let mut cursor = None;
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
        };
        parameter.check()?;
        match parameter.name {
            "actor" => filter.actors.push(parameter.text()),
            "action" => filter.actions.push(parameter.text_match()),
            "resource_type" => filter.resource_types.push(parameter.text()),
            "resource_id" => filter.resource_ids.push(parameter.text()),
            "outcome" => filter.outcomes.push(parameter.outcome()?),
            "status" => filter.statuses.push(parameter.status()?),
            "method" => filter.methods.push(parameter.value.to_ascii_uppercase()),
            "route" => filter.routes.push(parameter.text()),
            "ip" => filter.ips.push(parameter.net()?),
            "request_id" => filter.request_ids.push(parameter.text()),
            "trace_id" => filter.trace_ids.push(parameter.value.to_ascii_lowercase()),
            "from" => filter.from = Some(seen.once(&parameter)?.time(now)?),
            "to" => filter.to = Some(seen.once(&parameter)?.time(now)?),
            "order" => filter.order = seen.once(&parameter)?.order()?,
            "limit" => filter.limit = seen.once(&parameter)?.limit()?,
            "cursor" => cursor = Some(seen.once(&parameter)?.text()),
            name if name.starts_with(PAYLOAD) => {
                let path = parameter.path()?;
                let payloads = &mut filter.payloads;
                match payloads.iter_mut().find(|payload| payload.path == path) {
                    Some(payload) => payload.values.push(parameter.text()),
                    None => payloads.push(PayloadMatch {
                        path,
                        values: vec![parameter.text()],
                    }),
                }
            }
            unknown => {
                return Err(Problem::new(
                    &UNKNOWN_PARAMETER,
                    format!("`{unknown}` is unknown. The parameters are {PARAMETERS}."),
                ));
            }
        }
    }
    if let (Some(from), Some(to)) = (filter.from, filter.to)
        && from > to
    {
        return Err(Problem::new(
            &INVALID_PARAMETER,
            "`from` lies after `to`: exchange them.",
        ));
    }
    if let Some(cursor) = cursor {
        filter.after = Some(cursor::decode(&cursor, filter.order)?);
    }
    Ok(filter)
}

/// Refuses a second value where two would contradict each other.
#[derive(Default)]
struct Once(Vec<String>);

impl Once {
    fn once<'p>(&mut self, parameter: &'p Parameter<'p>) -> Result<&'p Parameter<'p>, Problem> {
        if self.0.iter().any(|name| name == parameter.name) {
            return Err(parameter.invalid("given once"));
        }
        self.0.push(parameter.name.to_owned());
        Ok(parameter)
    }
}

struct Parameter<'a> {
    name: &'a str,
    value: &'a str,
}

impl Parameter<'_> {
    /// `wanted` completes the sentence "must be …".
    fn invalid(&self, wanted: &str) -> Problem {
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

    fn text(&self) -> String {
        self.value.to_owned()
    }

    /// The steps to a place in the request.
    fn path(&self) -> Result<Vec<String>, Problem> {
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

    fn text_match(&self) -> TextMatch {
        match self.value.strip_suffix('*') {
            Some(prefix) => TextMatch::Prefix(prefix.to_owned()),
            None => TextMatch::Exactly(self.text()),
        }
    }

    fn outcome(&self) -> Result<Outcome, Problem> {
        Outcome::from_name(self.value).ok_or_else(|| {
            self.invalid(&format!(
                "one of {}",
                Outcome::ALL.map(Outcome::as_str).join(", ")
            ))
        })
    }

    fn status(&self) -> Result<StatusMatch, Problem> {
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

    fn net(&self) -> Result<IpNet, Problem> {
        let net = self.value.parse::<IpNet>().ok();
        net.or_else(|| self.value.parse::<IpAddr>().map(IpNet::from).ok())
            .ok_or_else(|| {
                self.invalid("an address such as 192.0.2.7, or a network such as 192.0.2.0/24")
            })
    }

    fn order(&self) -> Result<Order, Problem> {
        match self.value {
            "desc" => Ok(Order::NewestFirst),
            "asc" => Ok(Order::OldestFirst),
            _ => Err(self.invalid("desc (newest first) or asc (oldest first)")),
        }
    }

    fn limit(&self) -> Result<u16, Problem> {
        match self.value.parse() {
            Ok(limit @ 1..=MAX_LIMIT) => Ok(limit),
            _ => Err(self.invalid(&format!("a whole number from 1 to {MAX_LIMIT}"))),
        }
    }

    fn time(&self, now: DateTime<Utc>) -> Result<DateTime<Utc>, Problem> {
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

fn is_storable(time: &DateTime<Utc>) -> bool {
    use chrono::Datelike as _;
    (0..10_000).contains(&time.year())
}

#[cfg(test)]
mod tests {
    use actix_web::http::StatusCode;
    use proptest::prelude::*;

    use super::*;

    fn now() -> DateTime<Utc> {
        "2026-11-24T12:00:00Z".parse().unwrap()
    }

    fn time(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn code(query: &str) -> &'static str {
        parse(query, now()).unwrap_err().kind().code()
    }

    #[test]
    fn parameters_repeat_to_mean_or_and_a_star_makes_a_prefix() {
        let filter = parse(
            "actor=alice&actor=bob&action=create_item&action=read_*&status=404&status=5xx",
            now(),
        );
        assert_eq!(
            filter.unwrap(),
            Filter {
                actors: vec!["alice".into(), "bob".into()],
                actions: vec![
                    TextMatch::Exactly("create_item".into()),
                    TextMatch::Prefix("read_".into())
                ],
                statuses: vec![StatusMatch::Exactly(404), StatusMatch::Class(5)],
                limit: DEFAULT_LIMIT,
                ..Filter::default()
            }
        );
    }

    #[test]
    fn places_in_the_payload_are_named_by_paths_and_may_have_several_values() {
        let filter = parse("payload.a.0.b=1&payload.c=x&payload.a.0.b=2", now()).unwrap();
        let place = |path: &[&str], values: &[&str]| PayloadMatch {
            path: path.iter().map(|step| (*step).to_owned()).collect(),
            values: values.iter().map(|value| (*value).to_owned()).collect(),
        };
        assert_eq!(
            filter.payloads,
            [place(&["a", "0", "b"], &["1", "2"]), place(&["c"], &["x"])]
        );
        for query in ["payload.=1", "payload.a..b=1", "payload.%00=1"] {
            assert_eq!(code(query), "invalid_parameter", "{query}");
        }
        assert_eq!(
            code(&format!("payload.{}a=1", "a.".repeat(32))),
            "invalid_parameter"
        );
        assert_eq!(code("payload=1"), "unknown_parameter");
    }

    #[test]
    fn times_are_instants_days_or_ages() {
        for (text, expected) in [
            ("2026-11-24T10:00:00Z", "2026-11-24T10:00:00Z"),
            ("2026-11-24T10:00:00%2B01:00", "2026-11-24T09:00:00Z"),
            ("2026-11-24T10:00:00+01:00", "2026-11-24T09:00:00Z"),
            ("2026-11-23", "2026-11-23T00:00:00Z"),
            ("-24h", "2026-11-23T12:00:00Z"),
            ("-90m", "2026-11-24T10:30:00Z"),
            ("-2w", "2026-11-10T12:00:00Z"),
        ] {
            let filter = parse(&format!("from={text}"), now()).unwrap();
            assert_eq!(filter.from, Some(time(expected)), "{text}");
        }
    }

    #[test]
    fn an_address_is_a_network_of_one() {
        let filter = parse("ip=192.0.2.7&ip=2001:db8::/32", now()).unwrap();
        assert_eq!(
            filter.ips,
            [
                "192.0.2.7/32".parse().unwrap(),
                "2001:db8::/32".parse().unwrap()
            ]
        );
    }

    #[test]
    fn what_cannot_be_understood_is_refused_by_name() {
        assert_eq!(code("actr=alice"), "unknown_parameter");
        for query in [
            "actor=",
            "actor=a%00b",
            "outcome=great",
            "status=6xx",
            "status=42",
            "status=4XX",
            "ip=example.org",
            "from=yesterday",
            "from=-1y",
            "from=--1h",
            "from=-99999999999999999999h",
            "from=-9223372036854775807w",
            "from=%2B12026-01-01T00:00:00Z",
            "from=2026-11-24&to=2026-11-23",
            "limit=0",
            "limit=1001",
            "limit=-1",
            "limit=1&limit=2",
            "order=up",
        ] {
            assert_eq!(code(query), "invalid_parameter", "{query}");
        }
        assert_eq!(code("cursor=abc"), "invalid_cursor");
        assert_eq!(
            code(&"actor=a&".repeat(MAX_VALUES + 1)),
            "invalid_parameter"
        );
        assert_eq!(
            code(&format!("actor={}", "a".repeat(MAX_VALUE_BYTES + 1))),
            "invalid_parameter"
        );
    }

    proptest! {
        #[test]
        fn no_query_string_is_too_strange(query in ".{0,200}") {
            if let Err(problem) = parse(&query, now()) {
                prop_assert_eq!(problem.kind().status(), StatusCode::BAD_REQUEST);
            }
        }

        #[test]
        fn a_value_that_is_too_strange_is_refused_by_name(
            name in "from|to|limit|status|ip|cursor|order",
            value in "[-+0-9a-zTZ:./ ]{0,40}",
        ) {
            match parse(&format!("{name}={value}"), now()) {
                Ok(filter) => {
                    prop_assert!((1..=MAX_LIMIT).contains(&filter.limit));
                    let times = [filter.from, filter.to];
                    prop_assert!(times.iter().flatten().all(is_storable));
                }
                Err(problem) => {
                    let said = problem.to_string();
                    prop_assert!(said.to_lowercase().contains(&name), "{name}={value}: {said}");
                }
            }
        }
    }
}
