//! How fast records leave, and how much memory that takes.

use super::cases::Case;
use super::client::{Client, Streamed};
use super::service::Service;
use crate::Result;

pub(super) struct Exported {
    pub(super) streamed: Streamed,
    /// The most memory that the service held meanwhile, in bytes.
    pub(super) peak_bytes: u64,
}

pub(super) fn measure(client: &Client, service: &Service, case: &Case) -> Result<Exported> {
    service.reset_peak_memory()?;
    let streamed = client.stream(&case.target)?;
    Ok(Exported {
        streamed,
        peak_bytes: service.peak_memory_bytes()?,
    })
}
