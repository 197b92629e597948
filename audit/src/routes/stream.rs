//! `GET /audit/stream`: records as they are stored, as server-sent events ([HTML, 9.2]).
//!
//! Events come in the order of commits, see `postgres::commit_order`: nothing is skipped,
//! and the position that an event has for its id is where a client goes on. The position
//! moves on without events too, in blocks that hold nothing else, so that a client whose
//! filter is never met does not begin from far behind.
//!
//! A position that is not in the history of the server, after a failover or a restore, is
//! refused with 409, or ends a stream under way with the event `problem`. Going on from the
//! present instead would skip records silently for every client that ignores the event.
//! `EventSource` stops at the 409 by itself, as the standard asks.
//!
//! A stream ends after a while, and the client connects again by itself: so a token that
//! is no longer good is not good for ever, and each quarter of an hour of following is
//! one record in the trail.
//!
//! [HTML, 9.2]: https://html.spec.whatwg.org/multipage/server-sent-events.html

use std::convert::Infallible;
use std::time::Duration;

use actix_web::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use chrono::Utc;
use futures_util::stream::{self, StreamExt as _};
use tokio::time::{Instant, sleep, timeout_at};

#[cfg(feature = "openapi")]
use super::parameters;
use super::reader::{Conversation, Reader};
use crate::audited;
use crate::postgres::{CommitPosition, Committed, Filter, Followed, PositionError};
use crate::problem::{INVALID_PARAMETER, POSITION_UNKNOWN, Problem, STORE_UNAVAILABLE};
use crate::query::filter;
use crate::tail::{Follower, INTERVAL, News};

/// How long a stream lasts at most.
const LIFETIME: Duration = Duration::from_secs(15 * 60);
/// The longest silence. Proxies often close what is silent for a minute or half of one.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// When a client connects again, in milliseconds.
const RECONNECT_MS: u64 = 2000;
/// How long to wait for a store that was not there.
const RETRY: Duration = Duration::from_secs(1);
/// How many records are read at a time.
const BATCH: u16 = 100;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Tells nginx and those like it to pass every event on at once.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Follow the records of a filter as they are stored.
///
/// Server-sent events called `record`, whose data is a record and whose id is its position in the
/// order of commits. A stream begins now, or behind the event that `Last-Event-ID` names. It ends
/// after a quarter of an hour at the latest: connect again with the last id, as browsers do by
/// themselves. `from` and `to` are filters like the others, and do not make it begin earlier.
///
/// The id belongs to one history of the database. It is refused with `position_unknown` after a
/// failover or a restore that lost the record it names, because records may have been missed:
/// begin again without `Last-Event-ID`, and fetch the gap with `/audit/export` from a moment
/// before the last event. Where the record is still there, the stream goes on without a gap.
///
/// An event called `held` says that a transaction (`reason` is `transaction`) or a standby that is
/// behind (`standby`) has kept new records back for `seconds`; `resumed` follows. Neither is needed
/// to follow the trail. An event called `problem` holds a problem document and is the last one.
#[cfg_attr(feature = "openapi", utoipa::path(
    get,
    path = "/audit/stream",
    operation_id = "follow_audit_records",
    tag = "audit",
    params(
        parameters::Filters,
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that one has"),
    ),
    responses(
        (status = 200, description = "Events, for as long as the stream lasts", body = String, content_type = "text/event-stream"),
        (status = 400, description = "A parameter is unknown or not valid", body = crate::problem::Document<'static>, content_type = "application/problem+json"),
        (status = 409, description = "`Last-Event-ID` names a record that is not in the history of this database: records may have been missed", body = crate::problem::Document<'static>, content_type = "application/problem+json"),
        crate::problem::AccessProblems,
        crate::problem::LimitProblems,
    ),
    security(("bearer" = [])),
))]
#[audited(
    action = "follow_audit_records",
    resource = "audit_record",
    capture = "metadata"
)]
pub(super) async fn follow(reader: Reader, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let filter = filter::parse(request.query_string(), Utc::now())?;
    let last_event = request.headers().get(LAST_EVENT_ID);
    let last_event = last_event.map(position).transpose()?;
    let store = reader.follow().await?;
    let tail = store.audit().tail();
    let follower = tail.and_then(|tail| tail.follow().ok()).ok_or_else(|| {
        Problem::new(&STORE_UNAVAILABLE, "Try again in a moment.").with_retry_after(RETRY)
    })?;
    let position = store
        .ask(move |store| store.begin_following(last_event))
        .await?;
    let position = position.ok_or_else(|| {
        follower.count_unknown_position();
        position_unknown()
    })?;
    let hello = Bytes::from(format!("retry: {RECONNECT_MS}\nid: {position}\n\n"));
    let following = Following {
        store,
        follower,
        filter,
        position,
        deadline: Instant::now() + LIFETIME,
        has_more: false,
        is_behind: false,
        not_replayed_since: None,
        is_wait_reported: false,
        has_ended: false,
    };
    let events = stream::unfold(following, async |mut following| {
        let part = following.next().await?;
        Some((Ok(part), following))
    });
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        .insert_header((X_ACCEL_BUFFERING, "no"))
        .streaming(stream::iter([Ok::<_, Infallible>(hello)]).chain(events)))
}

fn position(header: &HeaderValue) -> Result<CommitPosition, Problem> {
    let text = header.to_str().unwrap_or_default();
    text.parse().map_err(|error| match error {
        PositionError::NoSystem => position_unknown(),
        PositionError::Malformed => Problem::new(
            &INVALID_PARAMETER,
            "`Last-Event-ID` must be the id of an event of this stream; leave it out to begin now.",
        ),
    })
}

fn position_unknown() -> Problem {
    Problem::new(
        &POSITION_UNKNOWN,
        "The last event's record is not in this database, which was restored or has failed over: \
         records may have been missed. Begin again without `Last-Event-ID`, and fetch the gap with \
         /audit/export?from= a moment before the last event.",
    )
}

/// A stream under way.
struct Following {
    store: Conversation,
    follower: Follower,
    filter: Filter,
    /// All before it and at it has been told.
    position: CommitPosition,
    deadline: Instant,
    /// Whether there may be more records below the horizon that was read last.
    has_more: bool,
    /// Whether the last read was from a server that is behind another one.
    is_behind: bool,
    /// The time since when the server has not replayed the record at the position.
    not_replayed_since: Option<Instant>,
    /// Whether the client knows that new records are kept back.
    is_wait_reported: bool,
    has_ended: bool,
}

impl Following {
    /// The next part of the stream, or its end.
    async fn next(&mut self) -> Option<Bytes> {
        if self.has_ended {
            return None;
        }
        let silent_until = Instant::now() + HEARTBEAT;
        loop {
            if Instant::now() >= self.deadline {
                return None;
            }
            if self.wait().is_some() != self.is_wait_reported {
                return Some(self.report());
            }
            let is_silent = Instant::now() >= silent_until;
            if !self.has_more && !is_silent {
                if self.is_behind {
                    sleep(INTERVAL).await;
                }
                let wait_until = silent_until.min(self.deadline);
                match timeout_at(wait_until, self.follower.news()).await {
                    Ok(News::End) => return None,
                    Ok(News::Held) => continue,
                    // The last read before a sign of life shows that the position still holds.
                    Ok(News::Records) | Err(_) => {}
                }
            }
            match self.read().await {
                Ok(events) if !events.is_empty() => return Some(events.into()),
                Ok(_) if is_silent => return Some(self.report()),
                Ok(_) => {}
                Err(problem) if *problem.kind() == STORE_UNAVAILABLE => {
                    if is_silent {
                        return Some(self.report());
                    }
                    // It may come back, and the client need not notice.
                    sleep(RETRY).await;
                }
                Err(problem) => {
                    self.has_ended = true;
                    return Some(last_words(&problem));
                }
            }
        }
    }

    /// Reads on, up to the horizon of the server's snapshot.
    async fn read(&mut self) -> Result<Vec<u8>, Problem> {
        let seen = self.follower.current();
        let turn = self.follower.turn().await;
        let filter = self.filter.clone();
        let position = self.position;
        let question = self
            .store
            .ask(move |store| store.committed(&filter, position, BATCH));
        let followed = question.await?;
        drop(turn);
        let Committed {
            records,
            position,
            has_more,
            horizon,
        } = match followed {
            Followed::Records(committed) => committed,
            Followed::NotReplayed => {
                self.not_replayed_since.get_or_insert_with(Instant::now);
                self.follower.unsee();
                self.is_behind = true;
                self.has_more = false;
                return Ok(Vec::new());
            }
            Followed::Unknown => {
                self.follower.count_unknown_position();
                return Err(position_unknown());
            }
        };
        let bytes = records
            .iter()
            .map(|(_, record)| record.canonical.len() + 150)
            .sum();
        let mut events = Vec::with_capacity(bytes);
        for (position, record) in records {
            push_event(&mut events, position, &record.canonical);
        }
        self.position = position;
        self.has_more = has_more;
        self.is_behind = !has_more && !self.follower.saw(seen, horizon);
        self.not_replayed_since = None;
        Ok(events)
    }

    /// The time for which new records have been kept back, if that is long, and the reason.
    fn wait(&self) -> Option<(Duration, &'static str)> {
        let behind = self.not_replayed_since.map(|since| since.elapsed());
        if let Some(age) = behind.filter(|age| *age >= self.follower.held_after()) {
            return Some((age, "standby"));
        }
        Some((self.follower.held_for()?, "transaction"))
    }

    /// A sign of life, which moves the last id on. Without data it is no event.
    fn report(&mut self) -> Bytes {
        let position = self.position;
        let wait = self.wait();
        let was_reported = std::mem::replace(&mut self.is_wait_reported, wait.is_some());
        match wait {
            Some((age, reason)) => {
                let seconds = age.as_secs();
                format!(
                    "id: {position}\nevent: held\n\
                     data: {{\"reason\":\"{reason}\",\"seconds\":{seconds}}}\n\n"
                )
            }
            None if was_reported => format!("id: {position}\nevent: resumed\ndata: {{}}\n\n"),
            None => format!(": nothing new\nid: {position}\n\n"),
        }
        .into()
    }
}

fn push_event(events: &mut Vec<u8>, position: CommitPosition, data: &[u8]) {
    events.extend_from_slice(format!("id: {position}\nevent: record\n").as_bytes());
    // Canonical bytes are one line, but a line break in a row that somebody else wrote
    // must not end the event.
    for line in data.split(|byte| matches!(byte, b'\n' | b'\r')) {
        events.extend_from_slice(b"data: ");
        events.extend_from_slice(line);
        events.push(b'\n');
    }
    events.push(b'\n');
}

fn last_words(problem: &Problem) -> Bytes {
    let document = serde_json::to_string(&problem.document()).unwrap_or_default();
    format!("event: problem\ndata: {document}\n\n").into()
}
