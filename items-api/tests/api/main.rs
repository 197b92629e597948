//! The service from outside: a real server, a real Postgres, requests over TCP.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and so do its helpers"
)]

mod abuse;
mod audit_trail;
mod authorisation;
mod bad_input;
mod canaries;
mod changes;
mod commands;
mod failing_store;
mod finding;
mod harness;
mod issuer;
mod items;
mod lifecycle;
mod lost_primary;
mod outputs;
mod payloads;
mod privileges;
mod program;
mod redaction;
mod service;
mod sessions;
mod tokens;
