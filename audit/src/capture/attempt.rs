//! One attempt, from the moment its record has room to the moment it is handed
//! over.

use std::time::Instant;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, USER_AGENT};
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse};
use chrono::{DateTime, SubsecRound as _, Utc};
use uuid::{NoContext, Timestamp, Uuid};

use super::body::BodyCopy;
use super::identity::identified;
use super::request_id::{RequestId, trace_id};
use super::scope::AuditScope;
use super::{Spec, Unavailable};
use crate::handle::Audit;
use crate::journal::{Durability, Kept, Permit, Refusal};
use crate::problem::Code;
use crate::record::{Actor, Client, Http, JsonText, Outcome, Record, Resource, SCHEMA, Truncated};
use crate::redact::{Redacted, Redactor};

/// An attempt under way. It ends in a record in any case: when it is told its
/// end, or when it is dropped without one because the client went away.
pub(super) struct Attempt {
    audit: Audit,
    spec: &'static Spec,
    durability: Durability,
    /// Room for its record; none if it was let through without.
    permit: Option<Permit>,
    has_ended: bool,
    request: HttpRequest,
    scope: AuditScope,
    body: Option<BodyCopy>,
    id: Uuid,
    seq: i64,
    occurred_at: DateTime<Utc>,
    began: Instant,
}

/// How an attempt ended.
struct End {
    outcome: Outcome,
    reason: Option<String>,
    status: Option<StatusCode>,
    response: Redacted,
}

impl Attempt {
    /// Begins an attempt, if there is room to record it or it may go without.
    pub(super) fn begin(
        audit: &Audit,
        spec: &'static Spec,
        request: &HttpRequest,
    ) -> Result<Self, Refusal> {
        let permit = match audit.reserve(spec.action) {
            Ok(permit) => Some(permit),
            Err(_) if spec.unavailable == Unavailable::Allow => None,
            Err(refusal) => return Err(refusal),
        };
        let scope = AuditScope::default();
        request.extensions_mut().insert(scope.clone());
        let occurred_at = Utc::now().trunc_subsecs(6);
        Ok(Self {
            audit: audit.clone(),
            spec,
            durability: spec.durability.unwrap_or(audit.durability()),
            permit,
            has_ended: false,
            request: request.clone(),
            scope,
            body: None,
            id: id_at(occurred_at),
            seq: audit.next_seq(),
            occurred_at,
            began: Instant::now(),
        })
    }

    /// Looks on while the handler reads the request's body, if it is to be kept.
    pub(super) fn watch(&mut self, payload: &mut Payload) {
        if self.spec.capture.request() {
            self.body = BodyCopy::of(self.request.headers(), payload, self.audit.capture_bytes());
        }
    }

    pub(super) fn action(&self) -> &'static str {
        self.spec.action
    }

    pub(super) fn audit(&self) -> &Audit {
        &self.audit
    }

    pub(super) fn scope(&self) -> AuditScope {
        self.scope.clone()
    }

    /// Leaves the record that is to be told should the process die before there is
    /// another. The handler may run once it is confirmed.
    pub(super) fn intend(&self) -> Kept {
        let Some(permit) = &self.permit else {
            return Kept::nothing();
        };
        if self.durability == Durability::Memory {
            return Kept::nothing();
        }
        let record = self.record(End {
            outcome: Outcome::Unknown,
            reason: Some("process_died".to_owned()),
            status: None,
            response: Redacted::default(),
        });
        match self.audit.frame(record) {
            Ok(bytes) => permit.intend(self.id, bytes, self.durability),
            Err(_) => Kept::never(),
        }
    }

    /// Whether the attempt goes on although its record may not be kept.
    pub(super) fn may_go_without(&self) -> bool {
        self.spec.unavailable == Unavailable::Allow
    }

    /// Ends with the handler's answer, which is given back as it was and may go
    /// out once the record is confirmed.
    pub(super) fn answered(&mut self, response: HttpResponse) -> (HttpResponse, Kept) {
        let (response, captured) = if self.spec.capture.response() {
            capture_response(self.audit.redactor(), response, self.audit.capture_bytes())
        } else {
            (response, Redacted::default())
        };
        let status = response.status();
        let outcome = Outcome::from_status(status.as_u16());
        let reason = (outcome != Outcome::Success).then(|| {
            let code = response
                .extensions()
                .get::<Code>()
                .map(|code| code.0.to_owned());
            code.unwrap_or_else(|| name_of(status))
        });
        let kept = self.end(End {
            outcome,
            reason,
            status: Some(status),
            response: captured,
        });
        (response, kept)
    }

    /// Ends with a panic, which was answered with this status.
    pub(super) fn panicked(&mut self, status: StatusCode) -> Kept {
        self.end(End {
            outcome: Outcome::Failed,
            reason: Some("panic".to_owned()),
            status: Some(status),
            response: Redacted::default(),
        })
    }

    fn end(&mut self, end: End) -> Kept {
        self.has_ended = true;
        let Some(permit) = self.permit.take() else {
            self.audit
                .count_gap(self.spec.action, self.seq, self.occurred_at);
            return Kept::nothing();
        };
        match self.audit.frame(self.record(end)) {
            Ok(bytes) => permit.append(self.id, bytes, self.durability),
            Err(_) => Kept::never(),
        }
    }

    fn record(&self, end: End) -> Record {
        let redactor = self.audit.redactor();
        let said = self.scope.said();
        let actor = identified(&self.request).unwrap_or_else(Actor::anonymous);
        let mut findings = Findings::default();

        let request = match &self.body {
            Some(body) => findings.json(body.redacted(redactor, "/request")),
            None => None,
        };
        let response = findings.json(end.response);
        let notes = match serde_json::to_string(&said.notes) {
            Ok(text) => redactor
                .json("/notes", text)
                .ok()
                .and_then(|notes| findings.json(notes)),
            Err(_) => None,
        };
        if said.notes_left_out {
            findings.truncated.push(Truncated {
                path: "/notes".to_owned(),
                bytes: 0,
                sha256: None,
            });
        }

        let head = self.request.head();
        let http = Http {
            method: findings.text(redactor.text("/http/method", head.method.as_str())),
            route: self.request.match_pattern(),
            path: findings.text(redactor.text("/http/path", self.request.path())),
            query: (!self.request.query_string().is_empty())
                .then(|| findings.text(redactor.query("/http/query", self.request.query_string()))),
            status: end
                .status
                .and_then(|status| i16::try_from(status.as_u16()).ok()),
            request_id: RequestId::of(&self.request).as_str().to_owned(),
            trace_id: trace_id(&self.request),
        };
        let user_agent = head.headers().get(USER_AGENT).map(|value| {
            findings.text(redactor.text(
                "/client/user_agent",
                &String::from_utf8_lossy(value.as_bytes()),
            ))
        });
        let peer = self
            .request
            .peer_addr()
            .map(|address| address.ip().to_canonical());
        let resource_id = said
            .resource_id
            .map(|id| findings.text(redactor.text("/resource/id", &id)));

        Record {
            id: self.id,
            schema: SCHEMA,
            service: self.audit.service().to_owned(),
            instance: self.audit.instance().to_owned(),
            seq: self.seq,
            occurred_at: self.occurred_at,
            duration_us: i64::try_from(self.began.elapsed().as_micros()).unwrap_or(i64::MAX),
            action: self.spec.action.to_owned(),
            outcome: end.outcome,
            reason: end.reason,
            actor: findings.actor(redactor, &actor),
            resource: (self.spec.resource.is_some() || resource_id.is_some()).then(|| Resource {
                kind: self.spec.resource.map(str::to_owned),
                id: resource_id,
            }),
            http: Some(http),
            // Which proxies may speak for a client is not configurable yet, so
            // nobody may: the client is whoever holds the connection.
            client: Some(Client {
                ip: peer,
                peer,
                user_agent,
            }),
            request,
            response,
            changes: Vec::new(),
            notes: notes.unwrap_or_else(JsonText::empty_object),
            redacted: findings.redacted,
            truncated: findings.truncated,
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if self.has_ended {
            return;
        }
        // Nobody is left to wait for it.
        drop(self.end(End {
            outcome: Outcome::Aborted,
            reason: Some("client_gone".to_owned()),
            status: None,
            response: Redacted::default(),
        }));
    }
}

/// What the redactor hid and cut in all parts of one record.
#[derive(Default)]
struct Findings {
    redacted: Vec<String>,
    truncated: Vec<Truncated>,
}

impl Findings {
    fn text(&mut self, redacted: Redacted) -> String {
        self.redacted.extend(redacted.redacted);
        self.truncated.extend(redacted.truncated);
        redacted.text
    }

    /// The redactor writes JSON, so only the empty text, which stands for
    /// nothing, is not.
    fn json(&mut self, redacted: Redacted) -> Option<JsonText> {
        JsonText::new(self.text(redacted)).ok()
    }

    /// An actor's strings come from outside, through a token or a gateway.
    fn actor(&mut self, redactor: &Redactor, actor: &Actor) -> Actor {
        let mut bounded =
            |name: &str, text: &String| self.text(redactor.text(&format!("/actor/{name}"), text));
        Actor {
            kind: actor.kind,
            id: actor.id.as_ref().map(|id| bounded("id", id)),
            roles: actor
                .roles
                .iter()
                .take(ROLES)
                .map(|role| bounded("roles", role))
                .collect(),
            auth: actor.auth.as_ref().map(|auth| bounded("auth", auth)),
            credential: actor
                .credential
                .as_ref()
                .map(|id| bounded("credential", id)),
        }
    }
}

/// How many of an actor's roles a record keeps.
const ROLES: usize = 64;

/// A key whose milliseconds are those of `occurred_at`, so that it sorts, and can
/// be looked up, by time.
pub(crate) fn id_at(occurred_at: DateTime<Utc>) -> Uuid {
    let seconds = u64::try_from(occurred_at.timestamp()).unwrap_or(0);
    Uuid::new_v7(Timestamp::from_unix(
        NoContext,
        seconds,
        occurred_at.timestamp_subsec_nanos(),
    ))
}

/// The status as a code: `404 Not Found` is `not_found`.
fn name_of(status: StatusCode) -> String {
    match status.canonical_reason() {
        Some(reason) => reason
            .chars()
            .filter(|character| *character != '\'')
            .map(|character| {
                if character.is_ascii_alphanumeric() {
                    character.to_ascii_lowercase()
                } else {
                    '_'
                }
            })
            .collect(),
        None => format!("status_{}", status.as_u16()),
    }
}

/// Copies a response's body if it is JSON and whole in memory; a stream is left
/// alone, because waiting for its end would hold it up.
fn capture_response(
    redactor: &Redactor,
    response: HttpResponse,
    limit_bytes: usize,
) -> (HttpResponse, Redacted) {
    use actix_web::body::{BodySize, BoxBody, MessageBody as _};

    let is_json = response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| {
            value.starts_with("application/json") || value.starts_with("application/problem+json")
        });
    if !is_json {
        return (response, Redacted::default());
    }
    let mut captured = Redacted::default();
    let response =
        response.map_body(
            |_, body: BoxBody| match (body.size(), body.try_into_bytes()) {
                (_, Ok(bytes)) => {
                    captured = if bytes.len() <= limit_bytes {
                        redactor.json("/response", &bytes).unwrap_or_default()
                    } else {
                        left_out("/response", bytes.len() as u64)
                    };
                    BoxBody::new(bytes)
                }
                (BodySize::Sized(bytes), Err(body)) => {
                    captured = left_out("/response", bytes);
                    body
                }
                (_, Err(body)) => body,
            },
        );
    (response, captured)
}

fn left_out(path: &str, bytes: u64) -> Redacted {
    Redacted {
        truncated: vec![Truncated {
            path: path.to_owned(),
            bytes,
            sha256: None,
        }],
        ..Redacted::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_carries_the_instant_of_its_record() {
        let occurred_at = DateTime::from_timestamp_micros(1_795_514_400_123_456).unwrap();
        let (seconds, nanoseconds) = id_at(occurred_at).get_timestamp().unwrap().to_unix();
        assert_eq!(seconds, 1_795_514_400);
        assert_eq!(nanoseconds, 123_000_000);
    }

    #[test]
    fn a_status_without_a_problem_gives_a_readable_reason() {
        assert_eq!(name_of(StatusCode::NOT_FOUND), "not_found");
        assert_eq!(name_of(StatusCode::IM_A_TEAPOT), "im_a_teapot");
        assert_eq!(name_of(StatusCode::from_u16(599).unwrap()), "status_599");
    }
}
