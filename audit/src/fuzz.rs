//! Doors to the inner rooms, for this project's fuzz targets alone.
//!
//! They show what the rooms do and judge nothing: what must hold stands in the
//! targets.

use std::net::IpAddr;

use actix_web::HttpRequest;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::client_address::ClientAddress;
pub use crate::journal::fuzz::{FrameKind, Journal, encode_frame};
use crate::postgres::{Filter, Order, PageRequest, Position, StatusMatch, TextMatch};
use crate::problem::Problem;
use crate::routes::{cursor, records};
use crate::{OpenError, TrustedProxies};

/// The key of a record, and whether the oldest comes first.
pub type Cursor = (DateTime<Utc>, Uuid, bool);

/// Writes a cursor.
#[must_use]
pub fn encode_cursor((occurred_at, id, is_oldest_first): Cursor) -> String {
    cursor::encode(Position { occurred_at, id }, order(is_oldest_first))
}

/// Reads a cursor, for a page of this order.
///
/// # Errors
///
/// What the client is told.
pub fn decode_cursor(text: &str, is_oldest_first: bool) -> Result<Cursor, Problem> {
    let Position { occurred_at, id } = cursor::decode(text, order(is_oldest_first))?;
    Ok((occurred_at, id, is_oldest_first))
}

fn order(is_oldest_first: bool) -> Order {
    if is_oldest_first {
        Order::OldestFirst
    } else {
        Order::NewestFirst
    }
}

/// What a query string asks for, as far as it has a size.
#[derive(Debug, PartialEq)]
pub struct Asked {
    /// Every text.
    pub texts: Vec<String>,
    /// How many values there are that are no texts.
    pub others: usize,
    /// Every instant: from, to, and that of the cursor.
    pub instants: Vec<DateTime<Utc>>,
    /// Whether `from` lies after `to`.
    pub is_reversed: bool,
    /// Every status, and every class of one.
    pub statuses: Vec<i16>,
    /// How many records are asked for.
    pub limit: u16,
}

/// Reads a query string.
///
/// # Errors
///
/// What the client is told.
pub fn parse_filter(query: &str, now: DateTime<Utc>) -> Result<Asked, Problem> {
    let PageRequest {
        filter,
        after,
        limit,
        order: _,
    } = records::page_request(query, now)?;
    let Filter {
        actors,
        actions,
        resource_types,
        resource_ids,
        outcomes,
        statuses,
        methods,
        routes,
        ips,
        request_ids,
        trace_ids,
        words,
        payloads,
        from,
        to,
    } = filter;
    let actions = actions.into_iter().map(|action| match action {
        TextMatch::Exactly(text) | TextMatch::Prefix(text) => text,
    });
    let texts = [
        actors,
        resource_types,
        resource_ids,
        methods,
        routes,
        request_ids,
        trace_ids,
        words,
    ];
    Ok(Asked {
        texts: texts
            .into_iter()
            .flatten()
            .chain(actions)
            .chain(payloads.into_iter().flat_map(|payload| payload.values))
            .collect(),
        others: outcomes.len() + ips.len(),
        is_reversed: from.zip(to).is_some_and(|(from, to)| from > to),
        instants: [from, to, after.map(|position| position.occurred_at)]
            .into_iter()
            .flatten()
            .collect(),
        statuses: statuses
            .into_iter()
            .map(|status| match status {
                StatusMatch::Exactly(status) | StatusMatch::Class(status) => status,
            })
            .collect(),
        limit,
    })
}

/// Who is the client of a request.
#[must_use]
pub fn client(request: &HttpRequest, proxies: &TrustedProxies) -> Option<IpAddr> {
    ClientAddress::of(request, proxies).ip
}

/// Whether a journal was refused only because a newer version wrote it.
#[must_use]
pub fn is_newer_format(error: &OpenError) -> bool {
    matches!(error, OpenError::NewerFormat { .. })
}
