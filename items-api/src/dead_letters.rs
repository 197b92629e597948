//! `items-api dead-letters`: audit records that Postgres refuses.

use audit::{Requeued, printable};
use serde_json::json;
use uuid::Uuid;

use super::print;

type Result = std::result::Result<(), Box<dyn std::error::Error>>;

pub(super) fn list(database_url: &str) -> Result {
    for letter in audit::dead_letters(database_url)? {
        let line = json!({
            "id": letter.id,
            "refused_at": letter.refused_at,
            "sqlstate": letter.sqlstate,
            "message": letter.message,
            "record": String::from_utf8_lossy(&letter.record),
        });
        print(&printable::json(&line.to_string()))?;
    }
    Ok(())
}

pub(super) fn requeue(database_url: &str, ids: &[Uuid]) -> Result {
    let mut refused = 0;
    for Requeued { id, refusal } in audit::requeue_dead_letters(database_url, ids)? {
        match refusal {
            None => print(&format!("{id} stored"))?,
            Some(reason) => {
                refused += 1;
                print(&printable::line(&format!("{id} refused again: {reason}")))?;
            }
        }
    }
    if refused > 0 {
        return Err(
            format!("{refused} records are still refused; mend the cause and try again").into(),
        );
    }
    Ok(())
}
