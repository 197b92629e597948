//! What is asked.

use std::fmt::Write as _;

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;

use crate::Result;

/// The part of the trail that a request names.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Range {
    Whole,
    Week,
    Day,
    /// A day long ago.
    OldDay,
}

/// One request.
pub(super) struct Case {
    pub(super) name: String,
    /// The path and the query.
    pub(super) target: String,
    pub(super) range: Range,
    /// Whether its answer is a page of records.
    pub(super) is_page: bool,
    /// Whether the thousandth page is asked for as well.
    pub(super) is_walked: bool,
}

pub(super) struct Cases {
    pub(super) requests: Vec<Case>,
    pub(super) exports: Vec<Case>,
}

/// A record of some weeks ago that requests look for.
#[derive(QueryableByName)]
struct Wanted {
    #[diesel(sql_type = Text)]
    resource_id: String,
    #[diesel(sql_type = Text)]
    request_id: String,
    #[diesel(sql_type = Text)]
    trace_id: String,
    #[diesel(sql_type = Text)]
    ip: String,
    #[diesel(sql_type = Text)]
    sku: String,
}

impl Range {
    /// What the query says of it.
    fn parameters(self) -> &'static str {
        match self {
            Self::Whole => "",
            Self::Week => "from=-7d",
            Self::Day => "from=-24h",
            Self::OldDay => "from=-40d&to=-39d",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Whole => "all time",
            Self::Week => "7 days",
            Self::Day => "24 hours",
            Self::OldDay => "a day 40 days ago",
        }
    }

    /// The same in SQL.
    pub(super) fn condition(self) -> &'static str {
        match self {
            Self::Whole => "true",
            Self::Week => "occurred_at >= now() - interval '7 days'",
            Self::Day => "occurred_at >= now() - interval '1 day'",
            Self::OldDay => {
                "occurred_at >= now() - interval '40 days' AND occurred_at < now() - interval '39 days'"
            }
        }
    }
}

impl Case {
    fn new(path: &str, name: &str, filter: &str, range: Range) -> Self {
        let query = [filter, range.parameters()]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join("&");
        let mut target = path.to_owned();
        if !query.is_empty() {
            let _ = write!(
                target,
                "{}{query}",
                if path.contains('?') { '&' } else { '?' }
            );
        }
        Self {
            name: format!("{name}, {}", range.name()),
            target,
            range,
            is_page: path == "/audit/records",
            is_walked: path == "/audit/records",
        }
    }

    /// The file that its plan is written to.
    pub(super) fn file_name(&self) -> String {
        let words: Vec<String> = self
            .name
            .split(|letter: char| !letter.is_ascii_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(str::to_ascii_lowercase)
            .collect();
        format!("{}.txt", words.join("-"))
    }
}

impl Cases {
    pub(super) fn new(connection: &mut PgConnection, only: &str) -> Result<Self> {
        let wanted: Wanted = diesel::sql_query(
            "SELECT resource_id, http_request_id AS request_id, http_trace_id AS trace_id, host(client_ip) AS ip, \
             request->>'sku' AS sku FROM audit_records \
             WHERE action = 'create_item' AND http_trace_id IS NOT NULL AND actor_id >= 'user-00100' \
             AND occurred_at < now() - interval '20 days' ORDER BY occurred_at DESC LIMIT 1",
        )
        .get_result(connection)?;
        let filters = filters(&wanted);
        let filters = filters
            .iter()
            .map(|(name, filter)| (*name, filter.as_str()))
            .chain(COMBINATIONS.iter().copied());

        let mut requests = Vec::new();
        for (name, filter) in filters {
            for range in [Range::Whole, Range::Week] {
                requests.push(Case::new("/audit/records", name, filter, range));
            }
        }
        requests.push(Case::new("/audit/records", "no filter", "", Range::OldDay));
        requests.push(Case {
            is_walked: false,
            ..Case::new(
                "/audit/records",
                "first screen of the viewer",
                "limit=100",
                Range::Day,
            )
        });
        for (name, filter) in STATS {
            for range in [Range::Day, Range::Week, Range::Whole] {
                requests.push(Case::new("/audit/stats", name, filter, range));
            }
        }
        requests.retain(|case| case.name.contains(only));
        let mut exports = vec![
            Case::new("/audit/export?format=ndjson", "NDJSON", "", Range::Week),
            Case::new("/audit/export?format=csv", "CSV", "", Range::Week),
        ];
        exports.retain(|case| case.name.contains(only));
        Ok(Self { requests, exports })
    }
}

/// Each filter alone, with a value that many records have and one that few have.
fn filters(wanted: &Wanted) -> Vec<(&'static str, String)> {
    let set = |name, filter: &str| (name, filter.to_owned());
    vec![
        set("no filter", ""),
        set("actor, frequent", "actor=user-00001"),
        set("actor, rare", "actor=user-04900"),
        set(
            "two actors, frequent and rare",
            "actor=user-00001&actor=user-04900",
        ),
        set("action, frequent", "action=patch_item"),
        set("action, rare", "action=purge_records"),
        set("action by prefix, frequent", "action=read_audit_*"),
        set("action by prefix, rare", "action=purge_*"),
        set("resource type, frequent", "resource_type=item"),
        set("resource type, rare", "resource_type=key"),
        ("resource id", format!("resource_id={}", wanted.resource_id)),
        set("outcome, frequent", "outcome=success"),
        set("outcome, rare", "outcome=unknown"),
        set("status, frequent", "status=201"),
        set("status, rare", "status=503"),
        set("status that nothing has", "status=418"),
        set("class of status", "status=5xx"),
        set("method", "method=DELETE"),
        set("route, frequent", "route=/items/{item_id}"),
        set("route, rare", "route=/keys/rotate"),
        set("network", "ip=10.0.100.0/24"),
        ("address", format!("ip={}", wanted.ip)),
        set("address that nothing has", "ip=192.0.2.1"),
        ("request id", format!("request_id={}", wanted.request_id)),
        ("trace id", format!("trace_id={}", wanted.trace_id)),
        set("word, frequent", "q=red"),
        set("word, rare", "q=walrus"),
        ("word that one record has", format!("q={}", wanted.sku)),
        set("word that nothing has", "q=xylophone"),
        set("two words", "q=apple+walrus"),
        set("payload, frequent", "payload.attributes.colour=red"),
        set("payload, rare", "payload.attributes.supplier.code=SUP-2900"),
        (
            "payload that one record has",
            format!("payload.sku={}", wanted.sku),
        ),
    ]
}

/// What people combine.
const COMBINATIONS: &[(&str, &str)] = &[
    (
        "what one actor deleted",
        "actor=user-00010&action=delete_item",
    ),
    ("changes that failed", "action=patch_item&outcome=failed"),
    (
        "what one actor was denied",
        "actor=user-00001&outcome=denied",
    ),
    ("errors of one route", "route=/items/{item_id}&status=5xx"),
    ("a word in what one actor did", "actor=user-00010&q=kettle"),
];

const STATS: &[(&str, &str)] = &[
    ("stats", ""),
    ("stats of one actor", "actor=user-00001"),
    ("stats of failures", "outcome=failed"),
];
