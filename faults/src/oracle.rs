//! What must hold, whatever was broken.

use std::collections::{HashMap, HashSet};
use std::thread;
use std::time::{Duration, Instant};

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use crate::Result;
use crate::load::Clients;
use crate::world::Stage;

/// What the oracle found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Findings {
    pub(crate) requests: u64,
    pub(crate) answered: u64,
    pub(crate) refused: u64,
    pub(crate) found: u64,
    /// Answered, and neither stored nor set aside.
    pub(crate) lost: Vec<String>,
    /// Stored more than once.
    pub(crate) duplicated: Vec<String>,
    /// Stored with another outcome than was answered.
    pub(crate) wrong: Vec<String>,
    /// Items that were created without a record.
    pub(crate) untold: Vec<String>,
    /// Records of attempts that a process did not live to finish.
    pub(crate) unknown: u64,
    pub(crate) dead_letters: u64,
    pub(crate) worst_latency: Duration,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    request_id: String,
    #[diesel(sql_type = Text)]
    outcome: String,
}

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

/// Waits until all records are there, or for long enough, and compares.
pub(crate) fn ask(stage: &Stage<'_>, clients: &Clients) -> Result<Findings> {
    let deadline = Instant::now() + stage.world.options.patience;
    loop {
        let findings = compare(stage, clients);
        let is_over = Instant::now() > deadline;
        match findings {
            Ok(findings) if is_over || findings.is_complete() => return Ok(findings),
            Err(error) if is_over => return Err(error),
            _ => thread::sleep(Duration::from_millis(100)),
        }
    }
}

impl Findings {
    fn is_complete(&self) -> bool {
        self.lost.is_empty() && self.untold.is_empty()
    }
}

/// Compares answers with rows as they are now.
pub(crate) fn compare(stage: &Stage<'_>, clients: &Clients) -> Result<Findings> {
    let mut connection = stage.connect()?;
    let rows: Vec<Row> = diesel::sql_query(
        "SELECT http_request_id AS request_id, outcome FROM audit_records \
         WHERE http_request_id IS NOT NULL \
         UNION ALL \
         SELECT convert_from(record, 'UTF8')::json #>> '{http,request_id}', 'dead_letter' \
         FROM audit_dead_letters",
    )
    .load(&mut connection)?;
    // A commit whose reply was cut off, or whose handler was dropped, has happened,
    // and the record cannot know; but it may not say that nothing was allowed.
    let untold: Vec<Name> = diesel::sql_query(
        "SELECT name FROM items WHERE NOT EXISTS (SELECT FROM audit_records \
         WHERE http_request_id = items.name AND outcome NOT IN ('rejected', 'denied')) \
         AND NOT EXISTS (SELECT FROM audit_dead_letters \
         WHERE convert_from(record, 'UTF8')::json #>> '{http,request_id}' = items.name)",
    )
    .load(&mut connection)?;

    let mut stored = HashMap::<&str, &str>::new();
    let mut findings = Findings {
        requests: clients.sent,
        untold: untold.into_iter().map(|row| row.name).collect(),
        ..Findings::default()
    };
    let mut duplicated = HashSet::new();
    for row in &rows {
        if stored.insert(&row.request_id, &row.outcome).is_some() {
            duplicated.insert(row.request_id.clone());
        }
        match row.outcome.as_str() {
            "unknown" => findings.unknown += 1,
            "dead_letter" => findings.dead_letters += 1,
            _ => {}
        }
    }
    findings.duplicated = duplicated.into_iter().collect();
    for answer in &clients.answers {
        findings.worst_latency = findings.worst_latency.max(answer.latency);
        if answer.is_refused {
            findings.refused += 1;
            continue;
        }
        findings.answered += 1;
        match stored.get(answer.request_id.as_str()) {
            // It was said not to be certain, so it is only counted.
            None if answer.is_unconfirmed => {}
            None => findings.lost.push(answer.request_id.clone()),
            Some(outcome) => {
                findings.found += 1;
                // Unconfirmed is for attempts whose handler ran: all others are refused.
                let ran = !matches!(*outcome, "denied" | "rejected");
                let is_right = (answer.is_unconfirmed && ran)
                    || *outcome == "dead_letter"
                    || *outcome == expected(answer.status);
                if !is_right {
                    findings.wrong.push(format!(
                        "{}: {} is {outcome}",
                        answer.request_id, answer.status
                    ));
                }
            }
        }
    }
    Ok(findings)
}

/// How many rows a query counts.
pub(crate) fn count(stage: &Stage<'_>, query: &str) -> Result<i64> {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        count: i64,
    }
    let count: Count = diesel::sql_query(query).get_result(&mut stage.connect()?)?;
    Ok(count.count)
}

fn expected(status: u16) -> &'static str {
    match status {
        401 | 403 => "denied",
        400..=499 => "rejected",
        500.. => "failed",
        _ => "success",
    }
}
