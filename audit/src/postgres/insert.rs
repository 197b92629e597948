//! Storing records: one statement for a batch of any size.
//!
//! Every column goes over as one array, so the statement has the same text for
//! every batch and Postgres plans it once for each connection. It calls a
//! function, `audit_insert_records`, because that can answer with the SQLSTATE of
//! a failure, which Diesel does not pass on.

use chrono::{DateTime, Utc};
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{
    Array, Bytea, Inet, Int2, Int8, Nullable, Text, Timestamptz, Uuid as SqlUuid,
};
use ipnet::IpNet;
use serde::Serialize;
use uuid::Uuid;

use super::sqlstate::Rejection;
use crate::record::{Actor, JsonText, Outcome, Record, SCHEMA, digest};

/// Stores records, given by their canonical bytes; those that are there already
/// are passed over. Returns how many were not.
pub(super) fn insert(
    connection: &mut PgConnection,
    records: &[impl AsRef<[u8]>],
) -> Result<i64, Rejection> {
    let mut batch = Batch::with_capacity(records.len());
    for bytes in records {
        let bytes = bytes.as_ref();
        let unreadable = |error: serde_json::Error| {
            Rejection::unreadable(&format!("the record cannot be read: {error}"))
        };
        let record = Record::from_canonical_bytes(bytes).map_err(unreadable)?;
        batch.push(&record, digest(bytes)).map_err(unreadable)?;
    }
    match batch.get_result::<(Option<String>, Option<String>, Option<i64>)>(connection)? {
        (None, _, stored) => Ok(stored.unwrap_or_default()),
        (Some(sqlstate), message, _) => Err(Rejection::caught(
            sqlstate,
            message.as_deref().unwrap_or_default(),
        )),
    }
}

/// Stores a record on a connection that is not the writers' own, and says whether
/// it was not there already.
pub(crate) fn insert_within(
    connection: &mut PgConnection,
    record: &[u8],
) -> Result<bool, Rejection> {
    Ok(insert(connection, &[record])? == 1)
}

/// Whether a record of the same moment as this one could be stored: if so, it is
/// this one that Postgres refuses, and not all.
pub(super) fn accepts_neighbour(
    connection: &mut PgConnection,
    refused: &[u8],
) -> Result<(), Rejection> {
    let occurred_at = Record::from_canonical_bytes(refused)
        .map_or_else(|_| Utc::now(), |record| record.occurred_at);
    let neighbour = plain_record(occurred_at)
        .canonical_bytes()
        .map_err(|error| Rejection::unreadable(&error.to_string()))?;
    let mut result = Ok(());
    let rolled_back = connection.transaction(|connection| {
        result = insert(connection, &[neighbour]).map(drop);
        Err::<(), _>(diesel::result::Error::RollbackTransaction)
    });
    match (result, rolled_back) {
        (Ok(()), Err(diesel::result::Error::RollbackTransaction) | Ok(())) => Ok(()),
        (Ok(()), Err(error)) => Err(error.into()),
        (Err(rejection), _) => Err(rejection),
    }
}

/// A record with nothing in it that could be refused.
fn plain_record(occurred_at: DateTime<Utc>) -> Record {
    Record {
        id: Uuid::now_v7(),
        schema: SCHEMA,
        service: "audit".to_owned(),
        instance: "audit".to_owned(),
        seq: 0,
        occurred_at,
        duration_us: 0,
        action: "audit.probe".to_owned(),
        outcome: Outcome::Success,
        reason: None,
        actor: Actor::anonymous(),
        resource: None,
        http: None,
        client: None,
        request: None,
        response: None,
        changes: Vec::new(),
        notes: JsonText::empty_object(),
        redacted: Vec::new(),
        truncated: Vec::new(),
    }
}

fn json(value: &impl Serialize) -> serde_json::Result<String> {
    serde_json::to_string(value)
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
                    "SELECT failed_sqlstate, failed_message, stored FROM audit_insert_records(",
                    stringify!($first),
                    " => "
                ));
                out.push_bind_param::<Array<$first_sql>, _>(&self.$first)?;
                $(
                    out.push_sql(concat!(", ", stringify!($name), " => "));
                    out.push_bind_param::<Array<$sql>, _>(&self.$name)?;
                )+
                out.push_sql(")");
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
    actor_roles: String as Text = json(&record.actor.roles)?;
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
    request: Option<String> as Nullable<Text> = record.request.as_ref().map(|json| json.as_str().to_owned());
    response: Option<String> as Nullable<Text> = record.response.as_ref().map(|json| json.as_str().to_owned());
    changes: String as Text = json(&record.changes)?;
    notes: String as Text = record.notes.as_str().to_owned();
    redacted: String as Text = json(&record.redacted)?;
    truncated: String as Text = json(&record.truncated)?;
    digest: Vec<u8> as Bytea = digest.to_vec();
}

impl Query for Batch {
    type SqlType = (Nullable<Text>, Nullable<Text>, Nullable<Int8>);
}

impl QueryId for Batch {
    type QueryId = Self;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl RunQueryDsl<PgConnection> for Batch {}
