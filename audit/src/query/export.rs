//! Which records are to be in a file, and how.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::filter;
use crate::format::Format;
use crate::postgres::{Filter, Order};
use crate::problem::Problem;

/// What is asked for.
#[derive(Clone)]
pub(crate) struct ExportRequest {
    pub(crate) format: Format,
    pub(crate) filter: Filter,
    pub(crate) order: Option<Order>,
    /// Records behind this one.
    pub(crate) after: Option<Uuid>,
}

/// Reads a query string; `now` is what relative times refer to.
pub(crate) fn export_request(query: &str, now: DateTime<Utc>) -> Result<ExportRequest, Problem> {
    let mut format = Format::default();
    let mut order = None;
    let mut after = None;
    let filter = filter::parse_with("format, order and after", query, now, |parameter| {
        match parameter.name() {
            "format" => format = parameter.once()?.one_of(&Format::ALL)?,
            "order" => order = Some(parameter.once()?.order()?),
            "after" => after = Some(parameter.once()?.uuid()?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(ExportRequest {
        format,
        filter,
        order,
        after,
    })
}
