//! A small HTTP service for items whose every change leaves an audit record.
//!
//! - [`config`]: what can be set, and where.
//! - [`serve`]: the service from start to stop; the app is a value.
//! - [`auth`]: who may do what, and tokens for local use.
//! - [`logins`]: whom the service is to a Postgres of its own.
//! - [`redaction`]: what audit records do not show.
//! - [`jwks`]: the public keys of an issuer, and how new ones arrive.
//! - [`items`]: the feature itself.
//! - [`log`]: what is wrong, one line an event.

pub mod auth;
mod body;
pub mod config;
mod database;
pub mod docs;
mod health;
pub mod items;
pub mod jwks;
pub mod log;
pub mod logins;
mod metrics;
mod problem;
pub mod redaction;
mod secret_file;
pub mod serve;
