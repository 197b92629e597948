//! Records as rows of a spreadsheet, after [RFC 4180].
//!
//! A file that was made here is opened by people in programs that calculate: a text that
//! begins like a formula would be run there ([OWASP, CSV Injection]). Such a cell begins
//! with an apostrophe instead, and what ends a line or turns the direction of a text is
//! shown as what it is, see [`printable`]. So this is for reading; what is to be verified
//! is exported as NDJSON.
//!
//! [RFC 4180]: https://www.rfc-editor.org/rfc/rfc4180
//! [OWASP, CSV Injection]: https://owasp.org/www-community/attacks/CSV_Injection

use std::borrow::Cow;
use std::io;
use std::net::IpAddr;

use serde::Serialize;

use crate::postgres::Found;
use crate::printable;
use crate::record::{JsonText, Record};

/// The names of the columns, which are those of the table.
const COLUMNS: [&str; 33] = [
    "id",
    "schema",
    "service",
    "instance",
    "seq",
    "occurred_at",
    "duration_us",
    "action",
    "outcome",
    "reason",
    "actor_kind",
    "actor_id",
    "actor_roles",
    "actor_auth",
    "actor_credential",
    "resource_type",
    "resource_id",
    "http_method",
    "http_route",
    "http_path",
    "http_query",
    "http_status",
    "http_request_id",
    "http_trace_id",
    "client_ip",
    "client_peer",
    "client_user_agent",
    "request",
    "response",
    "changes",
    "notes",
    "redacted",
    "truncated",
];

/// The first line.
pub(super) fn header() -> io::Result<Vec<u8>> {
    let mut writer = writer();
    writer.write_record(COLUMNS)?;
    finish(writer)
}

/// A line for each record.
pub(super) fn rows(records: &[Found]) -> io::Result<Vec<u8>> {
    let mut writer = writer();
    for found in records {
        let record = Record::from_canonical_bytes(&found.canonical)?;
        for cell in cells(&record)? {
            writer.write_field(cell.as_bytes())?;
        }
        writer.write_record(None::<&[u8]>)?;
    }
    finish(writer)
}

fn writer() -> csv::Writer<Vec<u8>> {
    csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new())
}

fn finish(writer: csv::Writer<Vec<u8>>) -> io::Result<Vec<u8>> {
    writer.into_inner().map_err(csv::IntoInnerError::into_error)
}

fn cells(record: &Record) -> serde_json::Result<[Cow<'_, str>; 33]> {
    let text =
        |text: &'_ str| -> Cow<'_, str> { Cow::Owned(cell(&printable::line(text)).into_owned()) };
    let optional = |value: Option<&String>| value.map_or(Cow::Borrowed(""), |value| text(value));
    let address = |address: Option<IpAddr>| {
        address.map_or(Cow::Borrowed(""), |address| address.to_string().into())
    };
    let http = record.http.as_ref();
    let client = record.client.as_ref();
    let resource = record.resource.as_ref();
    let number = |number: i64| -> Cow<'_, str> { number.to_string().into() };
    Ok([
        record.id.to_string().into(),
        number(record.schema.into()),
        text(&record.service),
        text(&record.instance),
        number(record.seq),
        record
            .occurred_at
            .format("%Y-%m-%dT%H:%M:%S%.6fZ")
            .to_string()
            .into(),
        number(record.duration_us),
        text(&record.action),
        record.outcome.as_str().into(),
        optional(record.reason.as_ref()),
        record.actor.kind.as_str().into(),
        optional(record.actor.id.as_ref()),
        json(&record.actor.roles)?,
        optional(record.actor.auth.as_ref()),
        optional(record.actor.credential.as_ref()),
        optional(resource.and_then(|resource| resource.kind.as_ref())),
        optional(resource.and_then(|resource| resource.id.as_ref())),
        optional(http.map(|http| &http.method)),
        optional(http.and_then(|http| http.route.as_ref())),
        optional(http.map(|http| &http.path)),
        optional(http.and_then(|http| http.query.as_ref())),
        http.and_then(|http| http.status)
            .map_or(Cow::Borrowed(""), |status| number(status.into())),
        optional(http.map(|http| &http.request_id)),
        optional(http.and_then(|http| http.trace_id.as_ref())),
        address(client.and_then(|client| client.ip)),
        address(client.and_then(|client| client.peer)),
        optional(client.and_then(|client| client.user_agent.as_ref())),
        payload(record.request.as_ref()),
        payload(record.response.as_ref()),
        json(&record.changes)?,
        payload(Some(&record.notes)),
        json(&record.redacted)?,
        json(&record.truncated)?,
    ])
}

fn json(value: &impl Serialize) -> serde_json::Result<Cow<'static, str>> {
    let text = serde_json::to_string(value)?;
    Ok(cell(&printable::json(&text)).into_owned().into())
}

fn payload(text: Option<&JsonText>) -> Cow<'static, str> {
    text.map_or(Cow::Borrowed(""), |text| {
        cell(&printable::json(text.as_str())).into_owned().into()
    })
}

/// A text that no spreadsheet takes for a formula. Some look behind spaces, and some take
/// wide characters for narrow ones.
fn cell(text: &str) -> Cow<'_, str> {
    const BEGINNINGS: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];
    if text.trim_start().starts_with(BEGINNINGS) {
        format!("'{text}").into()
    } else {
        text.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_formula_begins_with_an_apostrophe() {
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "＝1", "\u{a0}=1"] {
            assert_eq!(cell(formula), format!("'{formula}"));
        }
        for text in ["a=b", "alice", "", "1-1", "{\"a\":\"=1\"}"] {
            assert_eq!(cell(text), text);
        }
    }
}
