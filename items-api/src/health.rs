//! Whether the process lives, and whether it can work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::web::{self, Data, ServiceConfig};
use actix_web::HttpResponse;
use audit::Problem;
use diesel::connection::SimpleConnection as _;

use crate::database::Database;
use crate::problem::NOT_READY;

/// Whether the tables are there; shared with whoever brings them up to date.
#[derive(Clone, Default)]
pub(crate) struct Readiness(Arc<AtomicBool>);

impl Readiness {
    pub(crate) fn set_ready(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn is_ready(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

pub(crate) fn configure(config: &mut ServiceConfig) {
    config
        .route("/health/live", web::get().to(live))
        .route("/health/ready", web::get().to(ready));
}

/// Says that the process lives.
#[utoipa::path(
    get, path = "/health/live", tag = "service",
    responses((status = 200, description = "The process lives", body = Health)),
)]
pub(crate) async fn live() -> HttpResponse {
    HttpResponse::Ok().json(Health { status: "live" })
}

/// Says whether requests can be served.
#[utoipa::path(
    get, path = "/health/ready", tag = "service",
    responses(
        (status = 200, description = "Requests can be served", body = Health),
        (status = 503, description = "Postgres cannot be reached, or is not up to date yet",
            body = crate::docs::ProblemDocument, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn ready(readiness: Data<Readiness>, database: Data<Database>) -> Result<HttpResponse, Problem> {
    let not_ready = |detail| Problem::new(&NOT_READY, detail).with_retry_after(Duration::from_secs(1));
    if !readiness.is_ready() {
        return Err(not_ready("Postgres is not up to date yet; the service keeps trying."));
    }
    database
        .run(|connection| connection.batch_execute("SELECT 1"))
        .await
        .map_err(|_| not_ready("Postgres cannot be reached; the service keeps trying."))?;
    Ok(HttpResponse::Ok().json(Health { status: "ready" }))
}

/// What a healthy service answers.
#[derive(serde::Serialize, utoipa::ToSchema)]
pub(crate) struct Health {
    /// `live` or `ready`.
    #[schema(example = "ready")]
    status: &'static str,
}
