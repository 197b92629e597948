//! Which records are asked for, and what that is in SQL: every question to the table
//! begins here, whatever is done with the records that are found.

use chrono::{DateTime, Utc};
use diesel::BoxableExpression;
use diesel::dsl::sql;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Array, Bool, Nullable, Text};
use ipnet::IpNet;

use super::schema::audit_records::dsl as column;
use crate::record::Outcome;

/// Which records are asked for. An empty list asks for all; several entries of
/// one list mean *or*, several lists mean *and*.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Filter {
    pub(crate) actors: Vec<String>,
    pub(crate) actions: Vec<TextMatch>,
    pub(crate) resource_types: Vec<String>,
    pub(crate) resource_ids: Vec<String>,
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) statuses: Vec<StatusMatch>,
    pub(crate) methods: Vec<String>,
    pub(crate) routes: Vec<String>,
    pub(crate) ips: Vec<IpNet>,
    pub(crate) request_ids: Vec<String>,
    pub(crate) trace_ids: Vec<String>,
    /// Each some words, with spaces between them, all of which the payloads hold.
    pub(crate) words: Vec<String>,
    /// Each a place in the request, of which one list holds the values asked for.
    pub(crate) payloads: Vec<PayloadMatch>,
    /// Records of this instant and later.
    pub(crate) from: Option<DateTime<Utc>>,
    /// Records before this instant.
    pub(crate) to: Option<DateTime<Utc>>,
}

/// A text, or all texts that begin with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TextMatch {
    Exactly(String),
    Prefix(String),
}

/// What stands at one place of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PayloadMatch {
    /// The names of members, and the numbers of items from 0, from the outside in.
    pub(crate) path: Vec<String>,
    /// The texts of strings, or numbers as they were written; any of them.
    pub(crate) values: Vec<String>,
}

/// A status, or all of a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StatusMatch {
    Exactly(i16),
    /// The first digit: 4 for 400 to 499.
    Class(i16),
}

/// What a record must be.
pub(super) type Condition<'a> =
    Box<dyn BoxableExpression<column::audit_records, Pg, SqlType = Nullable<Bool>> + 'a>;

/// Whether a column has one of these values, if there are any. A single one is compared
/// by `=`, because Postgres takes no order from an index behind a list.
macro_rules! one_of {
    ($column:expr, $values:expr) => {
        match $values.as_slice() {
            [] => None,
            [value] => Some(Box::new($column.eq(value.to_owned()).nullable()) as Condition<'_>),
            values => Some(Box::new($column.eq_any(values.to_vec()).nullable()) as Condition<'_>),
        }
    };
}

impl Filter {
    /// Whether records have to be looked for all over the range, by columns that stand
    /// beside its key in the index and in no order.
    pub(super) fn is_scattered(&self) -> bool {
        let is_prefix = |action: &TextMatch| matches!(action, TextMatch::Prefix(_));
        let is_ordered = [
            &self.actors,
            &self.resource_ids,
            &self.request_ids,
            &self.trace_ids,
        ]
        .iter()
        .any(|values| !values.is_empty())
            || self.actions.iter().any(|action| !is_prefix(action))
            || (!self.outcomes.is_empty() && !self.outcomes.contains(&Outcome::Success));
        let is_elsewhere = !self.words.is_empty() || !self.payloads.is_empty();
        let is_beside = [&self.resource_types, &self.methods, &self.routes]
            .iter()
            .any(|values| !values.is_empty())
            || !self.statuses.is_empty()
            || !self.ips.is_empty()
            || self.actions.iter().any(is_prefix);
        is_beside && !is_ordered && !is_elsewhere
    }

    /// What a record must be that the filter lets through.
    pub(super) fn condition(&self) -> Condition<'_> {
        let mut all: Vec<Condition<'_>> = Vec::new();
        if let Some(from) = self.from {
            all.push(Box::new(column::occurred_at.ge(from).nullable()));
        }
        if let Some(to) = self.to {
            all.push(Box::new(column::occurred_at.lt(to).nullable()));
        }
        all.extend(one_of!(column::actor_id, &self.actors));
        all.extend(any(self.actions.iter().map(action)));
        all.extend(one_of!(column::resource_type, &self.resource_types));
        all.extend(one_of!(column::resource_id, &self.resource_ids));
        let outcomes: Vec<&str> = self
            .outcomes
            .iter()
            .map(|outcome| outcome.as_str())
            .collect();
        all.extend(one_of!(column::outcome, outcomes));
        all.extend(any(self.statuses.iter().copied().map(status)));
        all.extend(one_of!(column::http_method, &self.methods));
        all.extend(one_of!(column::http_route, &self.routes));
        all.extend(any(self.ips.iter().copied().map(within)));
        all.extend(any(self.request_ids.iter().map(request_id)));
        all.extend(one_of!(column::http_trace_id, &self.trace_ids));
        all.extend(any(self.words.iter().map(|words| holds_words(words))));
        all.extend(self.payloads.iter().map(holds_at));
        let both = |one, other| Box::new(Condition::and(one, other)) as Condition<'_>;
        all.into_iter()
            .reduce(both)
            .unwrap_or_else(|| Box::new(sql("TRUE")))
    }
}

fn any<'a>(conditions: impl Iterator<Item = Condition<'a>>) -> Option<Condition<'a>> {
    conditions.reduce(|one, other| Box::new(one.or(other)))
}

fn action(wanted: &TextMatch) -> Condition<'_> {
    match wanted {
        TextMatch::Exactly(action) => Box::new(column::action.eq(action).nullable()),
        TextMatch::Prefix(prefix) => Box::new(
            column::action
                .like(format!("{}%", escaped(prefix)))
                .nullable(),
        ),
    }
}

/// Some ids are in one index and some in another, and Postgres knows which from a
/// comparison with a single value only.
fn request_id(wanted: &String) -> Condition<'_> {
    Box::new(column::http_request_id.eq(wanted))
}

/// A text in which `LIKE` finds no wildcards.
fn escaped(text: &str) -> String {
    text.replace('\\', r"\\")
        .replace('%', r"\%")
        .replace('_', r"\_")
}

fn status<'a>(wanted: StatusMatch) -> Condition<'a> {
    match wanted {
        StatusMatch::Exactly(status) => Box::new(column::http_status.eq(status)),
        StatusMatch::Class(class) => {
            Box::new(column::http_status.between(class * 100, class * 100 + 99))
        }
    }
}

fn within<'a>(net: IpNet) -> Condition<'a> {
    Box::new(column::client_ip.is_contained_by_or_eq(net))
}

/// The payloads of a record as one text. An index can be over this very expression.
const PAYLOAD_TEXT: &str = "audit_payload_text(request, response, changes, notes) COLLATE \"C\"";

/// Whether the payloads hold this text, in any case. In the collation `C`, which is by
/// far the fastest, letters beyond ASCII have no case, so a text with such letters is
/// looked for as it is given, in small letters and in capitals.
fn holds_text<'a>(text: &str) -> Condition<'a> {
    let holds = |spelling: &str| -> Condition<'a> {
        Box::new(
            sql::<Nullable<Bool>>(PAYLOAD_TEXT)
                .sql(" ILIKE ")
                .bind::<Text, _>(format!("%{}%", escaped(spelling))),
        )
    };
    if text.is_ascii() {
        return holds(text);
    }
    let (small, capital) = (text.to_lowercase(), text.to_uppercase());
    Box::new(holds(text).or(holds(&small)).or(holds(&capital)))
}

/// Whether the payloads hold every one of these words.
fn holds_words<'a>(words: &str) -> Condition<'a> {
    let all = words.split_whitespace().map(holds_text);
    all.reduce(|one, other| Box::new(one.and(other)))
        .unwrap_or_else(|| Box::new(sql("TRUE")))
}

/// The column is `json`, which keeps the text as it came, so numbers are compared as
/// they were written.
fn holds_at(payload: &PayloadMatch) -> Condition<'_> {
    Box::new(
        sql::<Nullable<Bool>>("request #>> ")
            .bind::<Array<Text>, _>(&payload.path)
            .sql(" = ANY(")
            .bind::<Array<Text>, _>(&payload.values)
            .sql(")"),
    )
}
