//! What the service says about itself, for Prometheus.

use std::sync::Arc;

use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpResponse, ResponseError as _};
use audit::methods::read_only;
use audit::problem::INTERNAL_ERROR;
use audit::{Audit, Problem};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

use crate::jwks;

/// The media type of the OpenMetrics text format, which Prometheus reads.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Everything that is counted.
#[derive(Clone)]
pub(crate) struct Metrics(Arc<Registry>);

impl Metrics {
    pub(crate) fn of(audit: &Audit, jwks: Option<&Arc<jwks::Status>>) -> Self {
        let mut registry = Registry::default();
        audit.register_metrics(&mut registry);
        if let Some(jwks) = jwks {
            jwks.register(&mut registry);
        }
        Self(Arc::new(registry))
    }
}

pub(crate) fn configure(config: &mut ServiceConfig) {
    config.service(read_only(web::resource("/metrics"), metrics));
}

/// Counters and gauges of the audit trail and of the JWKS, in the OpenMetrics text format.
#[utoipa::path(
    get, path = "/metrics", tag = "service",
    responses(
        (status = 200, description = "Metrics whose names begin with `audit_` and `items_api_`", body = String,
            content_type = "application/openmetrics-text"),
    ),
)]
pub(crate) async fn metrics(metrics: Data<Metrics>) -> HttpResponse {
    let mut text = String::new();
    match encode(&mut text, &metrics.0) {
        Ok(()) => HttpResponse::Ok().content_type(OPEN_METRICS).body(text),
        Err(error) => {
            tracing::error!(%error, "the metrics cannot be written");
            Problem::new(&INTERNAL_ERROR, "The metrics cannot be written.").error_response()
        }
    }
}
