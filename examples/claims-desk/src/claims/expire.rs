//! Drafts that nobody gave evidence for, and their end.

use audit::{Actor, Audit, Durability, TaskError};
use chrono::{TimeDelta, Utc};
use diesel::prelude::*;
use uuid::Uuid;

use super::{Claim, Status, lock, save};
use crate::schema::claims;
use crate::{Database, Error};

/// Expires the drafts that are older than `age`, and says how many. It blocks.
///
/// Each is an attempt of its own, so that whoever asks the trail about a claim is
/// told how it ended.
///
/// # Errors
///
/// When Postgres fails, or an attempt cannot be recorded. What has expired until
/// then stays so; the rest is for the next night.
pub fn expire_drafts(
    audit: &Audit,
    database: &Database,
    age: TimeDelta,
) -> Result<usize, TaskError<Error>> {
    let connection = &mut *database.connection()?;
    let due: Vec<Uuid> = claims::table
        .filter(claims::status.eq(Status::Draft.as_str()))
        .filter(claims::created_at.lt(Utc::now() - age))
        .select(claims::id)
        .load(connection)
        .map_err(Error::from)?;
    let mut expired = 0;
    for id in due {
        if expire(audit, connection, id)? {
            expired += 1;
        }
    }
    Ok(expired)
}

/// Expires one draft, unless it is none any more.
fn expire(
    audit: &Audit,
    connection: &mut PgConnection,
    id: Uuid,
) -> Result<bool, TaskError<Error>> {
    let task = audit
        .task("expire_draft")
        .actor(Actor::system("expiry"))
        .resource("claim")
        .durability(Durability::Transaction);
    task.run_blocking(|scope| {
        scope.resource_id(id);
        scope.transaction(connection, |connection| {
            let before = lock(connection, id)?;
            if before.status != Status::Draft {
                scope.note("skipped", before.status.as_str());
                return Ok(false);
            }
            let after = Claim {
                status: Status::Expired,
                ..before.clone()
            };
            save(connection, &after)?;
            scope.change(&before, &after);
            Ok(true)
        })
    })
}
