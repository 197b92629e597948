//! The tables, as Diesel sees them.

#![allow(
    missing_docs,
    unreachable_pub,
    reason = "they are described in the migrations"
)]

diesel::table! {
    api_keys (id) {
        id -> Uuid,
        hash -> Bytea,
        holder -> Text,
        role -> Text,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    claims (id) {
        id -> Uuid,
        customer -> Text,
        policy -> Text,
        tax_number -> Text,
        iban -> Text,
        email -> Text,
        amount_cents -> BigInt,
        description -> Text,
        status -> Text,
        reason -> Nullable<Text>,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    evidence (id) {
        id -> Uuid,
        claim_id -> Uuid,
        media_type -> Text,
        bytes -> BigInt,
        sha256 -> Text,
        created_at -> Timestamptz,
    }
}
