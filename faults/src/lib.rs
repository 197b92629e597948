//! Breaks the real service and its real PostgreSQL in every way we know, and
//! counts what is lost.
//!
//! ```text
//! load ──HTTP──▶ items-api ──TCP──▶ proxy ──socket──▶ PostgreSQL ◀── oracle
//!                    └──▶ journal
//! ```
//!
//! A scenario lets a load run, breaks something, repairs it and asks the oracle:
//! what the client was told is a subset of what is stored, every request stands
//! there once, and nothing was changed without a record.

mod cluster;
mod follower;
mod load;
mod oracle;
mod proxy;
mod report;
mod scenarios;
mod service;
mod world;

pub use report::{Report, Run, document};
pub use scenarios::{Length, SCENARIOS, Scenario};
pub use world::{Options, World};

/// What went wrong with a scenario itself.
pub type Error = Box<dyn std::error::Error + Send + Sync>;
/// The outcome of a step of a scenario.
pub type Result<T = ()> = std::result::Result<T, Error>;
