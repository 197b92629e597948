//! Storing records: one statement for a batch of any size.
//!
//! Every column goes over as one array, so the statement has the same text for
//! every batch and Postgres plans it once for each connection.

use chrono::{DateTime, Utc};
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{
    Array, Bytea, Inet, Int2, Int8, Json, Nullable, Text, Timestamptz, Uuid as SqlUuid,
};
use ipnet::IpNet;
use uuid::Uuid;

use super::Rejection;
use super::json::JsonColumn;
use crate::journal::Entry;
use crate::record::{Record, digest};

pub(super) fn insert(connection: &mut PgConnection, entries: &[Entry]) -> Result<(), Rejection> {
    let mut batch = Batch::with_capacity(entries.len());
    for entry in entries {
        let unreadable = |error: serde_json::Error| {
            Rejection::Refused(format!("a record cannot be read: {error}"))
        };
        let record = Record::from_canonical_bytes(entry).map_err(unreadable)?;
        batch.push(&record, digest(entry)).map_err(unreadable)?;
    }
    batch.execute(connection)?;
    Ok(())
}

/// Declares the columns once: their names in SQL, their types on both sides and
/// where their values come from.
macro_rules! batch {
    (|$record:ident, $digest:ident| $first:ident: $first_rust:ty as $first_sql:ty = $first_value:expr;
     $($name:ident: $rust:ty as $sql:ty = $value:expr;)+) => {
        /// Records by column.
        struct Batch {
            $first: Vec<$first_rust>,
            $($name: Vec<$rust>,)+
        }

        impl Batch {
            fn with_capacity(records: usize) -> Self {
                Self {
                    $first: Vec::with_capacity(records),
                    $($name: Vec::with_capacity(records),)+
                }
            }

            fn push(&mut self, $record: &Record, $digest: [u8; 32]) -> serde_json::Result<()> {
                self.$first.push($first_value);
                $(self.$name.push($value);)+
                Ok(())
            }
        }

        impl QueryFragment<Pg> for Batch {
            fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
                out.push_sql(concat!(
                    "INSERT INTO audit_records (", stringify!($first), $(", ", stringify!($name),)+
                    ") SELECT * FROM UNNEST("
                ));
                out.push_bind_param::<Array<$first_sql>, _>(&self.$first)?;
                $(
                    out.push_sql(", ");
                    out.push_bind_param::<Array<$sql>, _>(&self.$name)?;
                )+
                out.push_sql(") ON CONFLICT DO NOTHING");
                Ok(())
            }
        }
    };
}

batch! { |record, digest|
    id: Uuid as SqlUuid = record.id;
    schema: i16 as Int2 = record.schema;
    service: String as Text = record.service.clone();
    instance: String as Text = record.instance.clone();
    seq: i64 as Int8 = record.seq;
    occurred_at: DateTime<Utc> as Timestamptz = record.occurred_at;
    duration_us: i64 as Int8 = record.duration_us;
    action: String as Text = record.action.clone();
    outcome: &'static str as Text = record.outcome.as_str();
    reason: Option<String> as Nullable<Text> = record.reason.clone();
    actor_kind: &'static str as Text = record.actor.kind.as_str();
    actor_id: Option<String> as Nullable<Text> = record.actor.id.clone();
    actor_roles: JsonColumn as Json = JsonColumn::of(&record.actor.roles)?;
    actor_auth: Option<String> as Nullable<Text> = record.actor.auth.clone();
    actor_credential: Option<String> as Nullable<Text> = record.actor.credential.clone();
    resource_type: Option<String> as Nullable<Text> = record.resource.as_ref().and_then(|resource| resource.kind.clone());
    resource_id: Option<String> as Nullable<Text> = record.resource.as_ref().and_then(|resource| resource.id.clone());
    http_method: Option<String> as Nullable<Text> = record.http.as_ref().map(|http| http.method.clone());
    http_route: Option<String> as Nullable<Text> = record.http.as_ref().and_then(|http| http.route.clone());
    http_path: Option<String> as Nullable<Text> = record.http.as_ref().map(|http| http.path.clone());
    http_query: Option<String> as Nullable<Text> = record.http.as_ref().and_then(|http| http.query.clone());
    http_status: Option<i16> as Nullable<Int2> = record.http.as_ref().and_then(|http| http.status);
    http_request_id: Option<String> as Nullable<Text> = record.http.as_ref().map(|http| http.request_id.clone());
    http_trace_id: Option<String> as Nullable<Text> = record.http.as_ref().and_then(|http| http.trace_id.clone());
    client_ip: Option<IpNet> as Nullable<Inet> = record.client.as_ref().and_then(|client| client.ip).map(IpNet::from);
    client_peer: Option<IpNet> as Nullable<Inet> = record.client.as_ref().and_then(|client| client.peer).map(IpNet::from);
    client_user_agent: Option<String> as Nullable<Text> = record.client.as_ref().and_then(|client| client.user_agent.clone());
    request: Option<JsonColumn> as Nullable<Json> = record.request.as_ref().map(JsonColumn::text);
    response: Option<JsonColumn> as Nullable<Json> = record.response.as_ref().map(JsonColumn::text);
    changes: JsonColumn as Json = JsonColumn::of(&record.changes)?;
    notes: JsonColumn as Json = JsonColumn::text(&record.notes);
    redacted: JsonColumn as Json = JsonColumn::of(&record.redacted)?;
    truncated: JsonColumn as Json = JsonColumn::of(&record.truncated)?;
    digest: Vec<u8> as Bytea = digest.to_vec();
}

impl QueryId for Batch {
    type QueryId = Self;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl RunQueryDsl<PgConnection> for Batch {}
