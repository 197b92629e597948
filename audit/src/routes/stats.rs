//! `GET /audit/stats`.

use std::collections::BTreeMap;

use actix_web::HttpRequest;
use actix_web::web::Json;
use chrono::{DateTime, SubsecRound as _, Utc};
use serde::Serialize;

#[cfg(feature = "openapi")]
use super::parameters;
use super::reader::Reader;
use crate::audited;
use crate::postgres::{Dimension, Stats, StatsRequest};
use crate::problem::Problem;
use crate::query::filter;
use crate::record::Outcome;

/// Count records over time, and by what they have in common.
///
/// The stretches of time follow the range: at most 120 of them, side by side, those without
/// records too. They are aligned, so the first and the last may reach beyond the range; what
/// lies beyond it is not counted. Without `from` the range begins at the first record that
/// there is, and without `to` it ends now.
///
/// Of each dimension that `by` asks for, the 20 values with the most records are counted. Where
/// a range is too wide to be counted in time, the problem is `query_timed_out`.
#[cfg_attr(feature = "openapi", utoipa::path(
    get,
    path = "/audit/stats",
    operation_id = "count_audit_records",
    tag = "audit",
    params(
        parameters::Filters,
        ("by" = inline(Option<Vec<parameters::Dimension>>), Query, description = "What to count by; all of them by default", example = json!(["action", "outcome"])),
    ),
    responses(
        (status = 200, description = "The counts", body = AuditStats),
        (status = 400, description = "A parameter is unknown or not valid", body = crate::problem::Document<'static>, content_type = "application/problem+json"),
        crate::problem::AccessProblems,
        crate::problem::LimitProblems,
    ),
    security(("bearer" = [])),
))]
#[audited(
    action = "read_audit_stats",
    resource = "audit_record",
    capture = "metadata"
)]
pub(super) async fn stats(
    reader: Reader,
    request: HttpRequest,
) -> Result<Json<AuditStats>, Problem> {
    // Postgres knows no smaller parts of a second.
    let now = Utc::now().trunc_subsecs(6);
    let wanted = stats_request(request.query_string(), now)?;
    let stats = reader.ask(move |store| store.stats(&wanted)).await?;
    Ok(Json(AuditStats::from(stats)))
}

fn stats_request(query: &str, now: DateTime<Utc>) -> Result<StatsRequest, Problem> {
    let mut by = Vec::new();
    let filter = filter::parse_with("by", query, now, |parameter| {
        if parameter.name() != "by" {
            return Ok(false);
        }
        let all = Dimension::ALL.map(|dimension| (dimension.as_str(), dimension));
        let dimension = parameter.one_of(&all)?;
        if !by.contains(&dimension) {
            by.push(dimension);
        }
        Ok(true)
    })?;
    if by.is_empty() {
        by.extend(Dimension::ALL);
    }
    Ok(StatsRequest { filter, now, by })
}

/// How many records there are.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub(super) struct AuditStats {
    /// Where the range begins.
    from: DateTime<Utc>,
    /// Where it ends: records of this instant are not counted.
    to: DateTime<Utc>,
    /// How long each stretch of time is, in seconds.
    bucket_s: i64,
    /// How many records there are in all.
    total: i64,
    /// Over time, without gaps.
    buckets: Vec<Bucket>,
    /// By what they have in common.
    by: By,
}

/// One stretch of time.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub(super) struct Bucket {
    /// When it begins.
    from: DateTime<Utc>,
    /// How many records there are of it.
    count: i64,
    /// The same by how the attempts ended; what there is none of is left out.
    #[cfg_attr(
        feature = "openapi",
        schema(value_type = BTreeMap<String, i64>, example = json!({"success": 15, "failed": 2}))
    )]
    outcomes: BTreeMap<Outcome, i64>,
}

/// The values with the most records of each dimension that was asked for.
#[derive(Default, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub(super) struct By {
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<Vec<Count>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<Vec<Count>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<Vec<Count>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<Vec<Count>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_type: Option<Vec<Count>>,
}

/// A value and how many records have it.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = ValueCount))]
pub(super) struct Count {
    /// Null for records without any.
    #[cfg_attr(feature = "openapi", schema(required, example = "create_item"))]
    value: Option<String>,
    #[cfg_attr(feature = "openapi", schema(example = 700))]
    count: i64,
}

impl From<Stats> for AuditStats {
    fn from(stats: Stats) -> Self {
        let buckets: Vec<Bucket> = stats.buckets.into_iter().map(Bucket::from).collect();
        let mut by = By::default();
        for (dimension, counts) in stats.by {
            let counts = counts.into_iter().map(|count| Count {
                value: count.value,
                count: count.count,
            });
            let place = match dimension {
                Dimension::Action => &mut by.action,
                Dimension::Actor => &mut by.actor,
                Dimension::Outcome => &mut by.outcome,
                Dimension::Route => &mut by.route,
                Dimension::ResourceType => &mut by.resource_type,
            };
            *place = Some(counts.collect());
        }
        Self {
            from: stats.from,
            to: stats.to,
            bucket_s: stats.bucket.num_seconds(),
            total: buckets.iter().map(|bucket| bucket.count).sum(),
            buckets,
            by,
        }
    }
}

impl From<crate::postgres::Bucket> for Bucket {
    fn from(bucket: crate::postgres::Bucket) -> Self {
        Self {
            from: bucket.from,
            count: bucket.outcomes.values().sum(),
            outcomes: bucket.outcomes,
        }
    }
}
