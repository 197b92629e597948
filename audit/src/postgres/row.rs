//! A row of `audit_records` and the record it was.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use ipnet::IpNet;
use uuid::Uuid;

use super::json::JsonColumn;
use super::schema::audit_records;
use crate::record::{Actor, ActorKind, Client, Http, Outcome, Record, Resource};

/// The columns that make up a record, and its digest.
#[derive(Queryable, Selectable)]
#[diesel(table_name = audit_records, check_for_backend(diesel::pg::Pg))]
pub(super) struct Row {
    pub(super) id: Uuid,
    schema: i16,
    service: String,
    instance: String,
    seq: i64,
    pub(super) occurred_at: DateTime<Utc>,
    duration_us: i64,
    action: String,
    outcome: String,
    reason: Option<String>,
    actor_kind: String,
    actor_id: Option<String>,
    actor_roles: JsonColumn,
    actor_auth: Option<String>,
    actor_credential: Option<String>,
    resource_type: Option<String>,
    resource_id: Option<String>,
    http_method: Option<String>,
    http_route: Option<String>,
    http_path: Option<String>,
    http_query: Option<String>,
    http_status: Option<i16>,
    http_request_id: Option<String>,
    http_trace_id: Option<String>,
    client_ip: Option<IpNet>,
    client_peer: Option<IpNet>,
    client_user_agent: Option<String>,
    request: Option<JsonColumn>,
    response: Option<JsonColumn>,
    changes: JsonColumn,
    notes: JsonColumn,
    redacted: JsonColumn,
    truncated: JsonColumn,
    pub(super) digest: Vec<u8>,
}

/// A row that no record can have become: somebody else wrote it.
#[derive(Debug, thiserror::Error)]
#[error("the stored record {id} cannot be read: {cause}")]
pub(super) struct UnreadableRow {
    id: Uuid,
    cause: String,
}

impl Row {
    pub(super) fn into_record(self) -> Result<Record, UnreadableRow> {
        let id = self.id;
        self.try_into_record()
            .map_err(|cause| UnreadableRow { id, cause })
    }

    fn try_into_record(self) -> Result<Record, String> {
        let text = |error: serde_json::Error| error.to_string();
        let outcome = Outcome::from_name(&self.outcome)
            .ok_or_else(|| format!("unknown outcome {:?}", self.outcome))?;
        let kind = ActorKind::from_name(&self.actor_kind)
            .ok_or_else(|| format!("unknown kind of actor {:?}", self.actor_kind))?;
        let http = match (self.http_method, self.http_path, self.http_request_id) {
            (Some(method), Some(path), Some(request_id)) => Some(Http {
                method,
                route: self.http_route,
                path,
                query: self.http_query,
                status: self.http_status,
                request_id,
                trace_id: self.http_trace_id,
            }),
            _ => None,
        };
        let client = Client {
            ip: self.client_ip.map(|net| net.addr()),
            peer: self.client_peer.map(|net| net.addr()),
            user_agent: self.client_user_agent,
        };
        // A record of a request always has a client, even if nothing is known of it;
        // one without a request has a client if something is, such as a record that
        // tells of many requests.
        let is_known = client.ip.is_some() || client.peer.is_some() || client.user_agent.is_some();
        let client = (http.is_some() || is_known).then_some(client);
        let resource =
            (self.resource_type.is_some() || self.resource_id.is_some()).then_some(Resource {
                kind: self.resource_type,
                id: self.resource_id,
            });
        Ok(Record {
            id: self.id,
            schema: self.schema,
            service: self.service,
            instance: self.instance,
            seq: self.seq,
            occurred_at: self.occurred_at,
            duration_us: self.duration_us,
            action: self.action,
            outcome,
            reason: self.reason,
            actor: Actor {
                kind,
                id: self.actor_id,
                roles: self.actor_roles.parse().map_err(text)?,
                auth: self.actor_auth,
                credential: self.actor_credential,
            },
            resource,
            http,
            client,
            request: self
                .request
                .map(JsonColumn::into_text)
                .transpose()
                .map_err(text)?,
            response: self
                .response
                .map(JsonColumn::into_text)
                .transpose()
                .map_err(text)?,
            changes: self.changes.parse().map_err(text)?,
            notes: self.notes.into_text().map_err(text)?,
            redacted: self.redacted.parse().map_err(text)?,
            truncated: self.truncated.parse().map_err(text)?,
        })
    }
}
