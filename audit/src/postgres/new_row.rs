//! A record on its way into `audit_records`.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{
    Array, Bytea, Inet, Int2, Int8, Nullable, Text, Timestamptz, Uuid as SqlUuid,
};
use ipnet::IpNet;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::binary_copy::Field as _;
use super::schema::audit_records;
use crate::record::RecordView;

/// Declares the columns once, for all ways in: their names in SQL, their types on both
/// sides, and where their values come from. JSON is text until Postgres has it.
macro_rules! columns {
    (|$record:ident, $digest:ident| $($name:ident: $rust:ty as $sql:ty = $value:expr;)+) => {
        /// A row, which borrows from the record that it shall hold.
        pub(super) struct NewRow<'r> {
            $($name: $rust,)+
        }

        /// The columns of a row, in the order in which it is written.
        pub(super) const COLUMNS: ($(audit_records::$name,)+) = ($(audit_records::$name,)+);
        const COLUMN_COUNT: i16 = [$(stringify!($name)),+].len() as i16;

        impl<'r> NewRow<'r> {
            pub(super) fn of($record: &'r RecordView<'_>, $digest: [u8; 32]) -> Self {
                Self { $($name: $value,)+ }
            }

            /// Appends the row in the binary format of `COPY`.
            pub(super) fn write(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&COLUMN_COUNT.to_be_bytes());
                $(self.$name.write(out);)+
            }
        }

        /// The row as the arguments of `audit_insert_record`.
        impl QueryFragment<Pg> for NewRow<'_> {
            fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
                out.push_sql("SELECT stored FROM audit_insert_record");
                let mut separator = "(";
                $(
                    out.push_sql(std::mem::replace(&mut separator, ", "));
                    out.push_sql(concat!(stringify!($name), " => "));
                    out.push_bind_param::<$sql, _>(&self.$name)?;
                )+
                out.push_sql(")");
                Ok(())
            }
        }

        /// Rows by column, as the arguments of `audit_insert_records`.
        ///
        /// The statement has the same text for batches of every size, so Postgres plans
        /// it once for each connection.
        pub(super) struct Columns<'r> {
            $($name: Vec<$rust>,)+
        }

        impl<'r> Columns<'r> {
            pub(super) fn of(rows: &[NewRow<'r>]) -> Self {
                Self { $($name: rows.iter().map(|row| row.$name).collect(),)+ }
            }
        }

        impl QueryFragment<Pg> for Columns<'_> {
            fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
                out.push_sql("SELECT failed_sqlstate, failed_message, stored FROM audit_insert_records");
                let mut separator = "(";
                $(
                    out.push_sql(std::mem::replace(&mut separator, ", "));
                    out.push_sql(concat!(stringify!($name), " => "));
                    out.push_bind_param::<Array<$sql>, _>(&self.$name)?;
                )+
                out.push_sql(")");
                Ok(())
            }
        }
    };
}

columns! { |record, digest|
    id: Uuid as SqlUuid = record.id;
    schema: i16 as Int2 = record.schema;
    service: &'r str as Text = &record.service;
    instance: &'r str as Text = &record.instance;
    seq: i64 as Int8 = record.seq;
    occurred_at: DateTime<Utc> as Timestamptz = record.occurred_at;
    duration_us: i64 as Int8 = record.duration_us;
    action: &'r str as Text = &record.action;
    outcome: &'static str as Text = record.outcome.as_str();
    reason: Option<&'r str> as Nullable<Text> = record.reason.as_deref();
    actor_kind: &'static str as Text = record.actor.kind.as_str();
    actor_id: Option<&'r str> as Nullable<Text> = record.actor.id.as_deref();
    actor_roles: &'r str as Text = record.actor.roles.get();
    actor_auth: Option<&'r str> as Nullable<Text> = record.actor.auth.as_deref();
    actor_credential: Option<&'r str> as Nullable<Text> = record.actor.credential.as_deref();
    resource_type: Option<&'r str> as Nullable<Text> = record.resource.as_ref().and_then(|resource| resource.kind.as_deref());
    resource_id: Option<&'r str> as Nullable<Text> = record.resource.as_ref().and_then(|resource| resource.id.as_deref());
    http_method: Option<&'r str> as Nullable<Text> = record.http.as_ref().map(|http| &*http.method);
    http_route: Option<&'r str> as Nullable<Text> = record.http.as_ref().and_then(|http| http.route.as_deref());
    http_path: Option<&'r str> as Nullable<Text> = record.http.as_ref().map(|http| &*http.path);
    http_query: Option<&'r str> as Nullable<Text> = record.http.as_ref().and_then(|http| http.query.as_deref());
    http_status: Option<i16> as Nullable<Int2> = record.http.as_ref().and_then(|http| http.status);
    http_request_id: Option<&'r str> as Nullable<Text> = record.http.as_ref().map(|http| &*http.request_id);
    http_trace_id: Option<&'r str> as Nullable<Text> = record.http.as_ref().and_then(|http| http.trace_id.as_deref());
    client_ip: Option<IpNet> as Nullable<Inet> = record.client.as_ref().and_then(|client| client.ip).map(IpNet::from);
    client_peer: Option<IpNet> as Nullable<Inet> = record.client.as_ref().and_then(|client| client.peer).map(IpNet::from);
    client_user_agent: Option<&'r str> as Nullable<Text> = record.client.as_ref().and_then(|client| client.user_agent.as_deref());
    request: Option<&'r str> as Nullable<Text> = record.request.map(RawValue::get);
    response: Option<&'r str> as Nullable<Text> = record.response.map(RawValue::get);
    changes: &'r str as Text = record.changes.get();
    notes: &'r str as Text = record.notes.get();
    redacted: &'r str as Text = record.redacted.get();
    truncated: &'r str as Text = record.truncated.get();
    digest: [u8; 32] as Bytea = digest;
}

impl Query for NewRow<'_> {
    type SqlType = Nullable<Int8>;
}

impl QueryId for NewRow<'_> {
    type QueryId = NewRow<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl RunQueryDsl<PgConnection> for NewRow<'_> {}

impl Query for Columns<'_> {
    type SqlType = (Nullable<Text>, Nullable<Text>, Nullable<Int8>);
}

impl QueryId for Columns<'_> {
    type QueryId = Columns<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl RunQueryDsl<PgConnection> for Columns<'_> {}
