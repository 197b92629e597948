//! Filing a claim.

use actix_web::web::{Data, Json};
use actix_web::{HttpResponse, post};
use audit::AuditScope;
use audit::strict::{Auditable, audited};
use chrono::{SubsecRound as _, Utc};
use diesel::prelude::*;
use serde::Deserialize;
use uuid::Uuid;

use super::{Claim, PolicyHolder, Status};
use crate::auth::{Caller, Customer};
use crate::schema::claims;
use crate::{Database, Error};

#[derive(Deserialize, Auditable)]
#[serde(deny_unknown_fields)]
struct NewClaim {
    #[audit(plain)]
    policy: String,
    #[audit(plain)]
    policy_holder: PolicyHolder,
    #[audit(plain)]
    amount_cents: i64,
    #[audit(plain)]
    description: String,
}

#[post("/claims")]
#[audited(action = "file_claim", resource = "claim")]
pub(super) async fn file_claim(
    customer: Caller<Customer>,
    Json(new): Json<NewClaim>,
    database: Data<Database>,
    scope: AuditScope,
) -> Result<HttpResponse, Error> {
    if new.amount_cents <= 0 {
        return Err(Error::Invalid("`amount_cents` is more than 0".to_owned()));
    }
    let claim = Claim {
        id: Uuid::now_v7(),
        customer: customer.id().to_owned(),
        policy: new.policy,
        policy_holder: new.policy_holder,
        amount_cents: new.amount_cents,
        description: new.description,
        status: Status::Draft,
        reason: None,
        created_at: Utc::now().trunc_subsecs(6),
    };
    scope.resource_id(claim.id);
    let row = claim.clone();
    let stored = database.run(move |connection| {
        diesel::insert_into(claims::table)
            .values(row)
            .execute(connection)?;
        Ok(())
    });
    stored.await?;
    Ok(HttpResponse::Created().json(claim))
}
