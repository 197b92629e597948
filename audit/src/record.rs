//! The record and its canonical bytes.
//!
//! # Canonical bytes
//!
//! A record is serialised exactly once, when it leaves the capture room, to
//! compact JSON whose fields stand in the order in which [`Record`] declares
//! them. Those bytes are the record: they are what is hashed, what an export
//! writes as one line and what is verified offline. Three rules keep them
//! stable on the way through Postgres and back:
//!
//! - Every field is always present; what is not known is `null`, and a list
//!   without entries is `[]`. Leaving a field out would make "absent" and
//!   "null" two spellings of one fact.
//! - Times have exactly six decimals and the zone `Z`, because that is what a
//!   `timestamptz` holds.
//! - Payloads are carried as the text they came as ([`JsonText`]) and stored in
//!   `json` columns, which keep text. Parsing `1.230e-5` into a number and
//!   printing it again would give other bytes.
//!
//! The digest of a record is SHA-256 over a zero byte and the canonical bytes:
//! the leaf hash of [RFC 6962](https://www.rfc-editor.org/rfc/rfc6962#section-2.1),
//! so that the tree to be built over the records needs no second hash.

mod view;

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

pub use crate::redact::Truncated;
pub(crate) use view::RecordView;

/// The version of the record's shape, its field `schema`.
pub const SCHEMA: i16 = 1;

/// What most records fit into.
const USUAL_BYTES: usize = 1024;

/// One attempt to use an audited action.
///
/// The order of the fields is the order of the canonical bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(example = json!({
    "id": "01932b00-0000-7000-8000-000000000000",
    "schema": 1,
    "service": "items-api",
    "instance": "6f1c2b7e0d3a4f5e8a9b0c1d2e3f4a5b",
    "seq": 42,
    "occurred_at": "2024-11-14T12:45:13.728000Z",
    "duration_us": 1830,
    "action": "create_item",
    "outcome": "success",
    "reason": null,
    "actor": { "kind": "user", "id": "alice", "roles": ["user"], "auth": "jwt", "credential": null },
    "resource": { "type": "item", "id": "7d3f2a10-5b7c-4c1e-9a51-0f6f3f0f6a11" },
    "http": {
        "method": "POST",
        "route": "/items/",
        "path": "/items/",
        "query": null,
        "status": 201,
        "request_id": "5a0c4bb2-56a1-4a8e-8c39-07b9e1f0e2d4",
        "trace_id": null
    },
    "client": { "ip": "192.0.2.7", "peer": "192.0.2.7", "user_agent": "curl/8.14.1" },
    "request": { "name": "Kettle", "attributes": { "password": "[REDACTED]" } },
    "response": null,
    "changes": [],
    "notes": {},
    "redacted": ["/request/attributes/password"],
    "truncated": []
})))]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// UUIDv7, fixed at capture: the key that makes every write idempotent.
    pub id: Uuid,
    /// The version of this shape: [`SCHEMA`].
    pub schema: i16,
    /// The service that captured the record.
    pub service: String,
    /// One run of one process of that service.
    pub instance: String,
    /// Counts the records of an instance from 1; a gap is a loss.
    pub seq: i64,
    /// When the attempt began, in UTC with microseconds; the same instant as `id`.
    #[serde(with = "micros")]
    pub occurred_at: DateTime<Utc>,
    /// From the beginning of the attempt to its response, in microseconds.
    pub duration_us: i64,
    /// The stable name of what was attempted.
    pub action: String,
    /// How it ended.
    pub outcome: Outcome,
    /// A stable code that says why it did not succeed; never raw error text.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub reason: Option<String>,
    /// Who attempted it.
    pub actor: Actor,
    /// What it was attempted on.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub resource: Option<Resource>,
    /// The request that carried it.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub http: Option<Http>,
    /// Where the request came from.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub client: Option<Client>,
    /// The request's payload, redacted.
    #[cfg_attr(feature = "openapi", schema(required, value_type = Option<serde_json::Value>))]
    pub request: Option<JsonText>,
    /// The response's payload, redacted.
    #[cfg_attr(feature = "openapi", schema(required, value_type = Option<serde_json::Value>))]
    pub response: Option<JsonText>,
    /// The fields that the attempt changed.
    pub changes: Vec<Change>,
    /// What the handler had to add, an object.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub notes: JsonText,
    /// JSON pointers into this record: where a secret was hidden.
    pub redacted: Vec<String>,
    /// Where something was cut to keep within the limits.
    pub truncated: Vec<Truncated>,
}

impl Record {
    /// The record's canonical bytes: compact JSON in the declared field order.
    ///
    /// # Errors
    ///
    /// Serialising into memory can fail only if a field's own serialisation
    /// does, which none of these do; the error is passed on rather than assumed
    /// away.
    pub fn canonical_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = Vec::with_capacity(USUAL_BYTES);
        serde_json::to_writer(&mut bytes, self)?;
        Ok(bytes)
    }

    /// Reads a record back from its canonical bytes.
    ///
    /// # Errors
    ///
    /// When the bytes are not a record of this [`SCHEMA`].
    pub fn from_canonical_bytes(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }
}

/// SHA-256 over a zero byte and the canonical bytes.
#[must_use]
pub fn digest(canonical: &[u8]) -> [u8; 32] {
    Sha256::new()
        .chain_update([0])
        .chain_update(canonical)
        .finalize()
        .into()
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Answered with 2xx or 3xx.
    Success,
    /// Answered with 4xx: the request was at fault.
    Rejected,
    /// Answered with 401 or 403: the actor was not allowed to.
    Denied,
    /// Answered with 5xx, or the handler panicked.
    Failed,
    /// The client went away before there was an answer.
    Aborted,
    /// The process died in the middle; found out after its restart.
    Unknown,
}

impl Outcome {
    /// All outcomes, in the order of their declaration.
    pub const ALL: [Self; 6] = [
        Self::Success,
        Self::Rejected,
        Self::Denied,
        Self::Failed,
        Self::Aborted,
        Self::Unknown,
    ];

    /// The outcome's name in records, SQL and queries.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Rejected => "rejected",
            Self::Denied => "denied",
            Self::Failed => "failed",
            Self::Aborted => "aborted",
            Self::Unknown => "unknown",
        }
    }

    /// The outcome of that name, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|outcome| outcome.as_str() == name)
    }

    /// The outcome that a response with this status stands for.
    #[must_use]
    pub fn from_status(status: u16) -> Self {
        match status {
            401 | 403 => Self::Denied,
            400..=499 => Self::Rejected,
            500.. => Self::Failed,
            _ => Self::Success,
        }
    }
}

/// Who attempted an action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Actor {
    /// What kind of actor it is.
    pub kind: ActorKind,
    /// The actor's id as the service's authentication knows it.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub id: Option<String>,
    /// The roles the actor held at that moment.
    pub roles: Vec<String>,
    /// How the actor was authenticated, for instance `jwt`.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub auth: Option<String>,
    /// The id of the credential used, never the credential itself.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub credential: Option<String>,
}

impl Actor {
    /// Somebody of whom nothing is known.
    #[must_use]
    pub fn anonymous() -> Self {
        Self {
            kind: ActorKind::Anonymous,
            id: None,
            roles: Vec::new(),
            auth: None,
            credential: None,
        }
    }

    /// A person with this id, authenticated in this way.
    #[must_use]
    pub fn user(id: impl Into<String>, auth: impl Into<String>) -> Self {
        Self {
            kind: ActorKind::User,
            id: Some(id.into()),
            roles: Vec::new(),
            auth: Some(auth.into()),
            credential: None,
        }
    }

    /// The service itself, by the name of the part that acts: a scheduler, a command.
    #[must_use]
    pub fn system(id: impl Into<String>) -> Self {
        Self {
            kind: ActorKind::System,
            id: Some(id.into()),
            ..Self::anonymous()
        }
    }

    /// Whether the actor holds at least one of `roles`.
    #[must_use]
    pub fn has_any_role(&self, roles: &[&str]) -> bool {
        self.roles.iter().any(|held| roles.contains(&held.as_str()))
    }
}

/// What kind of actor it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ActorKind {
    /// A person.
    User,
    /// Another program, with an identity of its own.
    Service,
    /// The service itself: a background job, a command.
    System,
    /// Nobody the service could identify.
    Anonymous,
}

impl ActorKind {
    /// The kind's name in records and SQL.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Service => "service",
            Self::System => "system",
            Self::Anonymous => "anonymous",
        }
    }

    /// The kind of that name, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::User, Self::Service, Self::System, Self::Anonymous]
            .into_iter()
            .find(|kind| kind.as_str() == name)
    }
}

/// What an action was attempted on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Resource {
    /// The kind of thing, as the annotation names it.
    #[cfg_attr(feature = "openapi", schema(required))]
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Which one.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub id: Option<String>,
}

/// The request that carried an attempt, and the status of its response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// The request's method.
    pub method: String,
    /// The pattern of the route that matched, for instance `/items/{item_id}`.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub route: Option<String>,
    /// The path as it was requested.
    pub path: String,
    /// The query string as it was requested, redacted.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub query: Option<String>,
    /// The status of the response, if there was one.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub status: Option<i16>,
    /// The request's id, which the response carries too.
    pub request_id: String,
    /// The trace the request belongs to, from its `traceparent`.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub trace_id: Option<String>,
}

/// Where a request came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// The client's address.
    #[cfg_attr(feature = "openapi", schema(required, value_type = Option<String>))]
    pub ip: Option<IpAddr>,
    /// The other end of the connection: the last proxy, or the client itself.
    #[cfg_attr(feature = "openapi", schema(required, value_type = Option<String>))]
    pub peer: Option<IpAddr>,
    /// What the client calls itself.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub user_agent: Option<String>,
}

/// One field that an attempt changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// JSON pointer to the field.
    pub path: String,
    /// Its value before, redacted.
    #[cfg_attr(feature = "openapi", schema(required, value_type = Option<serde_json::Value>))]
    pub old: Option<JsonText>,
    /// Its value after, redacted.
    #[cfg_attr(feature = "openapi", schema(required, value_type = Option<serde_json::Value>))]
    pub new: Option<JsonText>,
}

/// A JSON value as text, kept exactly as it was written.
#[derive(Clone)]
pub struct JsonText(Box<RawValue>);

impl JsonText {
    /// Takes a JSON text.
    ///
    /// # Errors
    ///
    /// When `text` is not one JSON value.
    pub fn new(text: String) -> Result<Self, serde_json::Error> {
        RawValue::from_string(text).map(Self)
    }

    /// The empty object.
    #[must_use]
    pub fn empty_object() -> Self {
        // `{}` is JSON, so the fallback is never taken; it is there because a
        // library that keeps evidence has no `unwrap` that data could reach.
        Self::new("{}".to_owned()).unwrap_or_else(|_| Self(RawValue::NULL.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.get()
    }
}

impl PartialEq for JsonText {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl std::fmt::Debug for JsonText {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl Serialize for JsonText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for JsonText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(Self)
    }
}

/// RFC 3339 with exactly six decimals and `Z`.
mod micros {
    use chrono::SecondsFormat;

    use super::{DateTime, Deserialize, Deserializer, Serializer, Utc};

    pub(super) fn serialize<S: Serializer>(
        time: &DateTime<Utc>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&time.to_rfc3339_opts(SecondsFormat::Micros, true))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<DateTime<Utc>, D::Error> {
        DateTime::deserialize(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_bytes_stand_in_the_documented_order_with_every_field_present() {
        let record = Record {
            id: Uuid::nil(),
            schema: SCHEMA,
            service: "items-api".into(),
            instance: "a".into(),
            seq: 1,
            occurred_at: DateTime::from_timestamp_micros(1_000_000).unwrap(),
            duration_us: 5,
            action: "create_item".into(),
            outcome: Outcome::Success,
            reason: None,
            actor: Actor::anonymous(),
            resource: None,
            http: None,
            client: None,
            request: Some(JsonText::new(r#"{"price":1.230e-5}"#.into()).unwrap()),
            response: None,
            changes: vec![],
            notes: JsonText::empty_object(),
            redacted: vec![],
            truncated: vec![],
        };
        let bytes = record.canonical_bytes().unwrap();
        assert_eq!(
            std::str::from_utf8(&bytes).unwrap(),
            concat!(
                r#"{"id":"00000000-0000-0000-0000-000000000000","schema":1,"service":"items-api","instance":"a","seq":1,"#,
                r#""occurred_at":"1970-01-01T00:00:01.000000Z","duration_us":5,"action":"create_item","outcome":"success","#,
                r#""reason":null,"actor":{"kind":"anonymous","id":null,"roles":[],"auth":null,"credential":null},"#,
                r#""resource":null,"http":null,"client":null,"request":{"price":1.230e-5},"response":null,"#,
                r#""changes":[],"notes":{},"redacted":[],"truncated":[]}"#,
            )
        );
        assert_eq!(Record::from_canonical_bytes(&bytes).unwrap(), record);
    }

    #[test]
    fn the_digest_is_the_leaf_hash_of_rfc_6962() {
        // The hash of an empty leaf, from the RFC's own test vectors.
        let hex: String = digest(b"")
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(
            hex,
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
        );
    }

    #[test]
    fn outcomes_follow_the_status() {
        for (status, outcome) in [
            (201, Outcome::Success),
            (304, Outcome::Success),
            (400, Outcome::Rejected),
            (401, Outcome::Denied),
            (403, Outcome::Denied),
            (404, Outcome::Rejected),
            (500, Outcome::Failed),
            (503, Outcome::Failed),
        ] {
            assert_eq!(Outcome::from_status(status), outcome, "{status}");
        }
    }
}
