// @generated automatically by Diesel CLI.

pub mod sql_types {
    #[derive(diesel::sql_types::SqlType)]
    #[diesel(postgres_type(name = "xid8", schema = "pg_catalog"))]
    pub struct Xid8;
}

diesel::table! {
    use diesel::sql_types::*;
    use super::sql_types::Xid8;

    audit_records (occurred_at, id) {
        id -> Uuid,
        schema -> Int2,
        service -> Text,
        instance -> Text,
        seq -> Int8,
        occurred_at -> Timestamptz,
        duration_us -> Int8,
        action -> Text,
        outcome -> Text,
        reason -> Nullable<Text>,
        actor_kind -> Text,
        actor_id -> Nullable<Text>,
        actor_roles -> Json,
        actor_auth -> Nullable<Text>,
        actor_credential -> Nullable<Text>,
        resource_type -> Nullable<Text>,
        resource_id -> Nullable<Text>,
        http_method -> Nullable<Text>,
        http_route -> Nullable<Text>,
        http_path -> Nullable<Text>,
        http_query -> Nullable<Text>,
        http_status -> Nullable<Int2>,
        http_request_id -> Nullable<Text>,
        http_trace_id -> Nullable<Text>,
        client_ip -> Nullable<Inet>,
        client_peer -> Nullable<Inet>,
        client_user_agent -> Nullable<Text>,
        request -> Nullable<Json>,
        response -> Nullable<Json>,
        changes -> Json,
        notes -> Json,
        redacted -> Json,
        truncated -> Json,
        digest -> Bytea,
        recorded_at -> Timestamptz,
        xact -> Xid8,
    }
}
