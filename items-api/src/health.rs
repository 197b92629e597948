//! Whether the process lives, and whether it can work.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::rt::time::timeout;
use actix_web::web::{self, Data, ServiceConfig};
use audit::jwt::Keys;
use audit::methods::read_only;
use audit::{Audit, Problem};
use diesel::dsl::sql;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::result::DatabaseErrorKind;
use diesel::sql_types::Bool;

use crate::database::Database;
use crate::problem::{NOT_READY, ProblemDocument};

/// How long Postgres may take to answer whether it takes writes.
const PATIENCE: Duration = Duration::from_secs(3);

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
        (status = 503, description = "Postgres cannot be reached, takes no writes, or is not up to date yet, or nothing can be recorded, or no record has reached Postgres for a minute, or no token can be checked",
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
    let takes_writes = database.run(takes_writes);
    let answer = timeout(PATIENCE, takes_writes).await;
    answer.ok().and_then(Result::ok).ok_or_else(|| {
        not_ready(
            "Postgres cannot be reached, takes no writes, or is not up to date yet; the service keeps trying.",
        )
    })?;
    if !audit.is_delivering() {
        return Err(not_ready(
            "Audit records wait in the journal, because Postgres refuses them: see the service's log.",
        ));
    }
    Ok(HttpResponse::Ok().json(Health { status: "ready" }))
}

/// Fails where it does not, so that the connection leaves the pool: a server that takes
/// writes may have taken the place of this one.
fn takes_writes(connection: &mut PgConnection) -> QueryResult<()> {
    let takes_writes: bool = diesel::select(sql::<Bool>(
        "NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off'",
    ))
    .get_result(connection)?;
    if takes_writes {
        return Ok(());
    }
    Err(diesel::result::Error::DatabaseError(
        DatabaseErrorKind::ReadOnlyTransaction,
        Box::new("the server takes no writes".to_owned()),
    ))
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
