//! Whether the process lives, and whether it can work.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::{self, Data, ServiceConfig};
use audit::jwt::Keys;
use audit::methods::read_only;
use audit::{Audit, Problem};
use diesel::connection::SimpleConnection as _;

use crate::database::Database;
use crate::problem::{NOT_READY, ProblemDocument};

pub(crate) fn configure(config: &mut ServiceConfig) {
    config
        .service(read_only(web::resource("/health/live"), live))
        .service(read_only(web::resource("/health/ready"), ready));
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
        (status = 503, description = "Postgres cannot be reached, or is not up to date yet, or nothing can be recorded, or no token can be checked",
            body = ProblemDocument, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn ready(
    audit: Audit,
    keys: Data<Keys>,
    database: Data<Database>,
) -> Result<HttpResponse, Problem> {
    if !audit.is_accepting() {
        return Err(not_ready(
            "The disk of the audit journal fails, or the service is stopping.",
        ));
    }
    if !keys.are_there() {
        return Err(not_ready(
            "The keys to check tokens with have not arrived; the service keeps trying.",
        ));
    }
    let answer = database
        .run(|connection| connection.batch_execute("SELECT 1"))
        .await;
    answer.map_err(|_| {
        not_ready("Postgres cannot be reached, or is not up to date yet; the service keeps trying.")
    })?;
    Ok(HttpResponse::Ok().json(Health { status: "ready" }))
}

fn not_ready(detail: &str) -> Problem {
    Problem::new(&NOT_READY, detail).with_retry_after(Duration::from_secs(1))
}

/// What a healthy service answers.
#[derive(serde::Serialize, utoipa::ToSchema)]
pub(crate) struct Health {
    /// `live` or `ready`.
    #[schema(example = "ready")]
    status: &'static str,
}
