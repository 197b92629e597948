//! The service from outside: a real server, a real Postgres, requests over TCP.

mod audit_trail;
mod bad_input;
mod harness;
mod items;
mod lifecycle;
mod service;
