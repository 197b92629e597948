//! From a query string to a [`Filter`], or to a problem that names the parameter.
//!
//! All routes that find records take the same filters, and some a few parameters
//! of their own.

use chrono::{DateTime, Utc};

use super::parameter::{self, Parameter};
use crate::postgres::{Filter, PayloadMatch};
use crate::problem::{INVALID_PARAMETER, Problem, UNKNOWN_PARAMETER};

/// The filters, as a refusal lists them.
const FILTERS: &str = "actor, action, resource_type, resource_id, outcome, status, method, route, ip, \
                       request_id, trace_id, q, payload.<path>, from and to";

/// Reads a query string of filters alone; `now` is what relative times refer to.
pub(crate) fn parse(query: &str, now: DateTime<Utc>) -> Result<Filter, Problem> {
    parse_with("", query, now, |_| Ok(false))
}

/// Reads a query string of filters and of the route's own parameters: `own` lists them
/// for a refusal, and `take` says whether one is of them.
pub(crate) fn parse_with(
    own: &str,
    query: &str,
    now: DateTime<Utc>,
    mut take: impl FnMut(&Parameter<'_>) -> Result<bool, Problem>,
) -> Result<Filter, Problem> {
    let mut filter = Filter::default();
    parameter::read(query, |parameter| {
        if take(parameter)? || add(&mut filter, parameter, now)? {
            return Ok(());
        }
        let unknown = parameter.name();
        let own = if own.is_empty() {
            String::new()
        } else {
            format!("; besides, {own}")
        };
        Err(Problem::new(
            &UNKNOWN_PARAMETER,
            format!("`{unknown}` is unknown. The filters are {FILTERS}{own}."),
        ))
    })?;
    if let (Some(from), Some(to)) = (filter.from, filter.to)
        && from > to
    {
        return Err(Problem::new(
            &INVALID_PARAMETER,
            "`from` lies after `to`: exchange them.",
        ));
    }
    Ok(filter)
}

/// Adds a parameter to the filter, if it is one of its own.
fn add(
    filter: &mut Filter,
    parameter: &Parameter<'_>,
    now: DateTime<Utc>,
) -> Result<bool, Problem> {
    match parameter.name() {
        "actor" => filter.actors.push(parameter.text()),
        "action" => filter.actions.push(parameter.text_match()),
        "resource_type" => filter.resource_types.push(parameter.text()),
        "resource_id" => filter.resource_ids.push(parameter.text()),
        "outcome" => filter.outcomes.push(parameter.outcome()?),
        "status" => filter.statuses.push(parameter.status()?),
        "method" => filter.methods.push(parameter.method()),
        "route" => filter.routes.push(parameter.text()),
        "ip" => filter.ips.push(parameter.net()?),
        "request_id" => filter.request_ids.push(parameter.text()),
        "trace_id" => filter.trace_ids.push(parameter.trace_id()),
        "q" => filter.words.push(parameter.words()?),
        "from" => filter.from = Some(parameter.once()?.time(now)?),
        "to" => filter.to = Some(parameter.once()?.time(now)?),
        _ if parameter.is_payload() => add_payload(&mut filter.payloads, parameter)?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn add_payload(payloads: &mut Vec<PayloadMatch>, parameter: &Parameter<'_>) -> Result<(), Problem> {
    let path = parameter.path()?;
    match payloads.iter_mut().find(|payload| payload.path == path) {
        Some(payload) => payload.values.push(parameter.text()),
        None => payloads.push(PayloadMatch {
            path,
            values: vec![parameter.text()],
        }),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use actix_web::http::StatusCode;
    use proptest::prelude::*;

    use super::super::parameter::{MAX_VALUE_BYTES, MAX_VALUES, is_storable};
    use super::*;
    use crate::postgres::{StatusMatch, TextMatch};

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
            "from=-1h&from=-2h",
            "q=+",
            "q=1+2+3+4+5+6+7+8+9+10+11+12+13+14+15+16+17",
        ] {
            assert_eq!(code(query), "invalid_parameter", "{query}");
        }
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
            name in "from|to|status|ip|outcome",
            value in "[-+0-9a-zTZ:./ ]{0,40}",
        ) {
            match parse(&format!("{name}={value}"), now()) {
                Ok(filter) => {
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
