//! Deciding a claim.

use actix_web::http::StatusCode;
use actix_web::put;
use actix_web::web::{Data, Json, Path};
use audit::AuditScope;
use audit::strict::{Auditable, audited};
use serde::Deserialize;
use uuid::Uuid;

use super::{Claim, Status, lock, require, save};
use crate::auth::{Adjuster, Caller};
use crate::{Database, Error};

#[derive(Deserialize, Auditable)]
#[serde(deny_unknown_fields)]
struct Decision {
    #[audit(plain)]
    verdict: Verdict,
    #[audit(plain)]
    reason: String,
}

#[derive(Clone, Copy, Deserialize, Auditable)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Approved,
    Rejected,
}

/// Money follows from this, so the decision and its record are committed together
/// or not at all.
#[put("/claims/{id}/decision")]
#[audited(
    action = "decide_claim",
    resource = "claim",
    resource_id = id,
    durability = "transaction"
)]
pub(super) async fn decide_claim(
    _: Caller<Adjuster>,
    id: Path<Uuid>,
    Json(decision): Json<Decision>,
    database: Data<Database>,
    scope: AuditScope,
) -> Result<Json<Claim>, Error> {
    // The record is there before the answer is.
    scope.status(StatusCode::OK);
    let decided = database.run(move |connection| {
        scope.transaction(connection, |connection| {
            let before = lock(connection, *id)?;
            require(&before, &[Status::Filed])?;
            let after = Claim {
                status: match decision.verdict {
                    Verdict::Approved => Status::Approved,
                    Verdict::Rejected => Status::Rejected,
                },
                reason: Some(decision.reason),
                ..before.clone()
            };
            save(connection, &after)?;
            scope.change(&before, &after);
            Ok(after)
        })
    });
    Ok(Json(decided.await?))
}
