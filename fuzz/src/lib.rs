//! What must hold in audit whatever comes from outside.
//!
//! Each target is a function that takes bytes and fails if a promise does not hold
//! for them. `fuzz_targets/` gives them to libFuzzer, which makes the bytes up;
//! `tests/seeds.rs` gives them what is known, as an ordinary test.
//!
//! A target that has several things to try takes the choice from the first byte.

#![forbid(unsafe_code)]

pub mod client_address;
pub mod cursor;
pub mod differences;
pub mod filter;
pub mod journal;
pub mod redactor;
pub mod repeated;
pub mod secrets;
pub mod token;

mod input;
mod promises;
mod time;
