//! Claims: filed by customers, with evidence, and decided by adjusters.

mod decide;
mod evidence;
mod expire;
mod file;
mod search;

use actix_web::web::ServiceConfig;
use audit::strict::Auditable;
use chrono::{DateTime, Utc};
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Error;
use crate::schema::claims;
pub(crate) use evidence::EVIDENCE_BYTES_MAX;
pub(crate) use evidence::Folder;
pub use expire::expire_drafts;

pub(crate) fn configure(config: &mut ServiceConfig) {
    config
        .service(file::file_claim)
        .service(search::search_claims)
        .service(evidence::upload_evidence)
        .service(decide::decide_claim);
}

/// A claim as it is stored and sent, and what a record may show of it.
#[derive(Clone, Debug, Serialize, Queryable, Selectable, Insertable, Auditable)]
#[diesel(table_name = claims, check_for_backend(Pg))]
struct Claim {
    #[audit(plain)]
    id: Uuid,
    #[audit(plain)]
    customer: String,
    #[audit(plain)]
    policy: String,
    #[audit(plain)]
    #[diesel(embed)]
    policy_holder: PolicyHolder,
    #[audit(plain)]
    amount_cents: i64,
    #[audit(plain)]
    description: String,
    #[audit(plain)]
    #[diesel(serialize_as = String, deserialize_as = String)]
    status: Status,
    /// Why it was decided so.
    #[audit(plain)]
    reason: Option<String>,
    #[audit(plain)]
    created_at: DateTime<Utc>,
}

/// Whom the policy insures, who need not be whoever files the claim.
#[derive(Clone, Debug, Serialize, Deserialize, Queryable, Selectable, Insertable, Auditable)]
#[diesel(table_name = claims, check_for_backend(Pg))]
#[serde(deny_unknown_fields)]
struct PolicyHolder {
    #[audit(secret)]
    tax_number: String,
    /// Its last characters are enough to talk about it.
    #[audit(mask)]
    iban: String,
    /// Found in the trail by its hash, by whoever knows the address already.
    #[audit(hash)]
    email: String,
}

/// How far a claim has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Auditable)]
#[serde(rename_all = "snake_case")]
enum Status {
    /// There is no evidence yet.
    Draft,
    /// It waits for a decision.
    Filed,
    Approved,
    Rejected,
    /// Nobody gave evidence in time.
    Expired,
}

impl Status {
    const ALL: [Self; 5] = [
        Self::Draft,
        Self::Filed,
        Self::Approved,
        Self::Rejected,
        Self::Expired,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Filed => "filed",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
        }
    }
}

impl From<Status> for String {
    fn from(status: Status) -> Self {
        status.as_str().to_owned()
    }
}

impl TryFrom<String> for Status {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let status = Self::ALL.into_iter().find(|status| status.as_str() == name);
        status.ok_or_else(|| format!("a claim cannot be `{name}`"))
    }
}

/// A claim that nobody else can change until the transaction ends.
fn lock(connection: &mut PgConnection, id: Uuid) -> Result<Claim, Error> {
    claims::table
        .find(id)
        .select(Claim::as_select())
        .for_update()
        .first(connection)
        .optional()?
        .ok_or(Error::ClaimNotFound)
}

/// Stores what can change of a claim.
fn save(connection: &mut PgConnection, claim: &Claim) -> Result<(), Error> {
    diesel::update(claims::table.find(claim.id))
        .set((
            claims::status.eq(claim.status.as_str()),
            claims::reason.eq(&claim.reason),
        ))
        .execute(connection)?;
    Ok(())
}

/// Fails unless the claim is what it must be for what is attempted.
fn require(claim: &Claim, allowed: &[Status]) -> Result<(), Error> {
    if allowed.contains(&claim.status) {
        Ok(())
    } else {
        Err(Error::WrongStatus(claim.status.as_str()))
    }
}
