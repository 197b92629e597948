//! API keys: shown once, when they are issued, and kept as hashes.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Data;
use actix_web::{HttpResponse, post};
use audit::strict::audited;
use audit::{Actor, Audit, AuditScope, TaskError};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::auth::{Anybody, Caller};
use crate::schema::api_keys;
use crate::{Database, Error, Role};

/// A key that nobody has seen yet.
#[derive(Serialize)]
pub struct NewKey {
    /// What records call it.
    pub id: Uuid,
    /// The key itself, which cannot be shown again.
    pub key: String,
}

/// Issues another key for the same holder and role.
///
/// The answer is the secret, so of this attempt the metadata are kept and nothing
/// else.
#[post("/keys")]
#[audited(action = "issue_key", resource = "api_key", capture = "metadata")]
pub(crate) async fn issue_key(
    caller: Caller<Anybody>,
    database: Data<Database>,
    scope: AuditScope,
) -> Result<HttpResponse, Error> {
    let new = database.run(move |connection| {
        let role = caller.0.roles.first().ok_or(Error::KeyRequired)?;
        issue(connection, caller.id(), role)
    });
    let new = new.await?;
    scope.resource_id(new.id);
    Ok(HttpResponse::Created()
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(new))
}

/// Issues the key of somebody who has none yet, from the command line.
///
/// # Errors
///
/// When it cannot be stored, or the attempt not recorded.
pub fn create_key(
    audit: &Audit,
    database: &Database,
    holder: &str,
    role: Role,
) -> Result<NewKey, TaskError<Error>> {
    let task = audit
        .task("issue_key")
        .actor(Actor::system("command_line"))
        .resource("api_key");
    task.run_blocking(|scope| {
        scope.note("holder", holder);
        scope.note("role", role.as_str());
        let new = issue(&mut *database.connection()?, holder, role.as_str())?;
        scope.resource_id(new.id);
        Ok(new)
    })
}

fn issue(connection: &mut PgConnection, holder: &str, role: &str) -> Result<NewKey, Error> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(Error::broken)?;
    let random: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let new = NewKey {
        id: Uuid::now_v7(),
        key: format!("claims_{random}"),
    };
    diesel::insert_into(api_keys::table)
        .values((
            api_keys::id.eq(new.id),
            api_keys::hash.eq(hash(&new.key)),
            api_keys::holder.eq(holder),
            api_keys::role.eq(role),
        ))
        .execute(connection)?;
    Ok(new)
}

/// Whose key it is.
pub(crate) fn actor(connection: &mut PgConnection, key: &str) -> Result<Option<Actor>, Error> {
    let found: Option<(Uuid, String, String)> = api_keys::table
        .filter(api_keys::hash.eq(hash(key)))
        .select((api_keys::id, api_keys::holder, api_keys::role))
        .first(connection)
        .optional()?;
    Ok(found.map(|(id, holder, role)| Actor {
        roles: vec![role],
        credential: Some(id.to_string()),
        ..Actor::user(holder, "api_key")
    }))
}

/// What is kept of a key, and looked up by it. How long the search takes may tell of
/// the hash, and the hash nothing of a key of 256 random bits.
fn hash(key: &str) -> Vec<u8> {
    Sha256::digest(key).to_vec()
}
