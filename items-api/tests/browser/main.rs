//! The viewer as people use it: a real service, a real Postgres, and Chromium, which is
//! driven like a person would, with mouse and keyboard.
//!
//! `cargo xtask test` installs what this needs and says in the environment where it is.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and so do its helpers"
)]

mod accessibility;
mod bounds;
mod export;
mod filters;
#[path = "../api/harness.rs"]
#[allow(dead_code, reason = "the tests of the API use all of it")]
mod harness;
mod histogram;
mod hostile;
mod keyboard;
mod links;
mod live;
mod panel;
mod problems;
mod screenshots;
mod seed;
mod signing_in;
mod viewer;
