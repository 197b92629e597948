//! A small HTTP service for items whose every change leaves an audit record.
//!
//! - [`config`]: what can be set, and where.
//! - [`serve`]: the service from start to stop; the app is a value.
//! - [`auth`]: who may do what, and tokens for local use.
//! - [`jwks`]: the public keys of an issuer, and how new ones arrive.
//! - [`items`]: the feature itself.

pub mod auth;
mod body;
pub mod config;
mod database;
pub mod docs;
mod health;
pub mod items;
pub mod jwks;
mod metrics;
mod problem;
pub mod serve;
