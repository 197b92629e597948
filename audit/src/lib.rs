//! An audit trail for Actix-web services.

extern crate self as audit;

pub mod problem;
pub mod record;
pub mod redact;
mod capture;
mod handle;
mod journal;
mod log_gate;
mod postgres;
mod writer;
