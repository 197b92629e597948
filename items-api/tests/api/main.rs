//! The service from outside: a real server, a real Postgres, requests over TCP.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and so do its helpers"
)]

mod audit_trail;
mod bad_input;
mod changes;
mod harness;
mod items;
mod lifecycle;
mod privileges;
mod service;
