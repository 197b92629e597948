//! What the benchmarks' own program and those of criterion work on alike.

pub mod app;
pub mod pieces;
pub mod sample;

/// Whatever went wrong; a benchmark tells of it and ends.
pub type Error = Box<dyn std::error::Error + Send + Sync>;
/// What may have gone wrong.
pub type Result<T = ()> = std::result::Result<T, Error>;
