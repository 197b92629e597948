//! The plans of the statements that the service really sends.
//!
//! PostgreSQL's own module `auto_explain` writes them to its log, with the times; a copy of
//! the statements in here would sooner or later be of others.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection as _;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::cases::{Case, Range};
use super::client::Client;
use super::requests::{Times, milliseconds};
use crate::Result;

const ROUNDS: usize = 9;
/// How long a plan may take to get to the log, once its statement is answered.
const PATIENCE: Duration = Duration::from_secs(10);
/// What is looked for in the log once there is something, should there be more of it.
const SETTLED: Duration = Duration::from_millis(20);
/// Records that may be read in sequence beyond those of the range: reading a small
/// partition whole is right. A month of ten million records is far beyond.
const SLACK: u64 = 200_000;

/// What PostgreSQL says of one request.
#[derive(Default)]
pub(super) struct Explained {
    /// For each round the milliseconds of the request and of its statements alone.
    pub(super) rounds: Vec<(f64, f64)>,
    /// The statements of the last round and their plans.
    plans: Vec<String>,
}

/// One entry of the log.
struct Plan {
    milliseconds: f64,
    text: String,
}

/// Makes sessions that begin from now on explain what they run.
pub(super) fn begin(connection: &mut PgConnection, database: &str) -> Result {
    let mut settings = "LOAD 'auto_explain';".to_owned();
    for (name, value) in [
        ("session_preload_libraries", "auto_explain"),
        ("auto_explain.log_min_duration", "0"),
        ("auto_explain.log_analyze", "on"),
        ("auto_explain.log_buffers", "on"),
        // A look at the clock for each row would be most of what is measured.
        ("auto_explain.log_timing", "off"),
    ] {
        let _ = write!(
            settings,
            "ALTER DATABASE {database} SET {name} = '{value}';"
        );
    }
    Ok(connection.batch_execute(&settings)?)
}

pub(super) fn explain(
    client: &Client,
    log: &Path,
    case: &Case,
    asked: &Times,
) -> Result<Explained> {
    let mut explained = Explained::default();
    if asked.problem.is_some() {
        // What was given up has no plan to show.
        return Ok(explained);
    }
    for _ in 0..ROUNDS {
        let from = log.metadata()?.len();
        let answer = client.get(&case.target)?;
        if answer.problem.is_some() {
            // Explaining costs a little, which may be too much.
            return Ok(Explained::default());
        }
        let plans = plans_since(log, from)?;
        let alone = plans.iter().map(|plan| plan.milliseconds).sum();
        explained.rounds.push((milliseconds(answer.took), alone));
        explained.plans = plans.into_iter().map(|plan| plan.text).collect();
    }
    Ok(explained)
}

fn plans_since(log: &Path, from: u64) -> Result<Vec<Plan>> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if !plans(&text_since(log, from)?).is_empty() {
            thread::sleep(SETTLED);
            return Ok(plans(&text_since(log, from)?));
        }
        if Instant::now() > deadline {
            return Err(
                "PostgreSQL does not explain: is its module auto_explain installed?".into(),
            );
        }
        thread::sleep(SETTLED);
    }
}

fn text_since(log: &Path, from: u64) -> Result<String> {
    let mut file = File::open(log)?;
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The plans in a piece of the log that read the trail. An entry's further lines begin
/// with a tab.
fn plans(log: &str) -> Vec<Plan> {
    let mut plans: Vec<Plan> = Vec::new();
    let mut is_plan = false;
    for line in log.lines() {
        if let Some(more) = line.strip_prefix('\t') {
            if let Some(plan) = plans.last_mut().filter(|_| is_plan) {
                plan.text.push_str(more);
                plan.text.push('\n');
            }
            continue;
        }
        let duration = line
            .split_once("duration: ")
            .and_then(|(_, rest)| rest.strip_suffix(" ms  plan:"))
            .and_then(|duration| duration.parse().ok());
        is_plan = duration.is_some();
        plans.extend(duration.map(|milliseconds| Plan {
            milliseconds,
            text: String::new(),
        }));
    }
    plans.retain(|plan| plan.text.contains(" on audit_records_"));
    plans
}

impl Explained {
    /// The file of its plans.
    pub(super) fn text(&self, case: &Case) -> String {
        let mut text = format!("GET {}\n", case.target);
        if self.plans.is_empty() {
            text.push_str("\nIt was not answered in time, so there is no plan.\n");
        }
        for plan in &self.plans {
            let _ = write!(text, "\n{plan}");
        }
        text
    }

    /// The most records that one of its statements has read by sequential scans.
    fn read_in_sequence(&self) -> u64 {
        let read = self.plans.iter().map(|plan| read_in_sequence(plan));
        read.max().unwrap_or_default()
    }
}

fn read_in_sequence(plan: &str) -> u64 {
    let mut read = 0.0;
    // How often the scan at hand was run, while its lines last.
    let mut loops = None;
    for line in plan.lines() {
        if line.contains(" (cost=") {
            loops = None;
            if line.contains("Seq Scan on audit_records_") && line.contains("(actual ") {
                let times = number_after(line, "loops=");
                read += number_after(line, "rows=") * times;
                loops = Some(times);
            }
        } else if let Some(times) = loops {
            read += number_after(line, "Rows Removed by Filter: ") * times;
        }
    }
    read as u64
}

/// The number behind the last `mark`, or zero.
fn number_after(line: &str, mark: &str) -> f64 {
    line.rsplit_once(mark)
        .map(|(_, rest)| {
            let end = rest
                .find(|letter: char| !letter.is_ascii_digit() && letter != '.')
                .unwrap_or(rest.len());
            rest.get(..end).unwrap_or_default()
        })
        .and_then(|number| number.parse().ok())
        .unwrap_or_default()
}

/// Fails if a request that names a time was answered by reading beyond it: by sequential
/// scans over more records than there are of that time.
pub(super) fn refuse_whole_scans(
    connection: &mut PgConnection,
    cases: &[Case],
    explained: &[Explained],
) -> Result {
    let mut found = String::new();
    for (case, explained) in cases.iter().zip(explained) {
        let read = explained.read_in_sequence();
        if case.range == Range::Whole || read <= SLACK {
            continue;
        }
        let in_range = count(connection, case.range)?;
        if read > in_range + SLACK {
            let _ = write!(
                found,
                "\n{}: {read} records read in sequence, for a range of {in_range}",
                case.name
            );
        }
    }
    if found.is_empty() {
        Ok(())
    } else {
        Err(format!("plans read beyond the time that the request names:{found}").into())
    }
}

fn count(connection: &mut PgConnection, range: Range) -> Result<u64> {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        count: i64,
    }
    let count: Count = diesel::sql_query(format!(
        "SELECT count(*) AS count FROM audit_records WHERE {}",
        range.condition()
    ))
    .get_result(connection)?;
    Ok(count.count.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
2026-11-25 12:00:00.000 UTC [1] LOG:  duration: 0.100 ms  plan:
\tQuery Text: SELECT * FROM audit_insert_records($1)
\tFunction Scan on audit_insert_records  (cost=0.00..1.00 rows=1 width=1) (actual rows=1 loops=1)
2026-11-25 12:00:00.001 UTC [2] LOG:  duration: 12.500 ms  plan:
\tQuery Text: SELECT id FROM audit_records
\tAppend  (cost=0.00..9.00 rows=9 width=9) (actual rows=7 loops=1)
\t  ->  Parallel Seq Scan on audit_records_2026_10 audit_records_1  (cost=0.00..1.00 rows=1 width=1) (actual rows=2 loops=3)
\t        Filter: (outcome = 'failed'::text)
\t        Rows Removed by Filter: 100
\t  ->  Index Scan using x on audit_records_2026_11 audit_records_2  (cost=0.00..1.00 rows=1 width=1) (actual rows=1 loops=1)
\t        Rows Removed by Filter: 5000
\t  ->  Seq Scan on audit_records_default  (cost=0.00..1.00 rows=1 width=1) (never executed)
2026-11-25 12:00:00.002 UTC [2] LOG:  checkpoint starting
\tmore of it
";

    #[test]
    fn plans_that_read_the_trail_are_found_in_the_log() {
        let plans = plans(LOG);
        assert_eq!(plans.len(), 1);
        assert_eq!(plans[0].milliseconds, 12.5);
        assert!(plans[0].text.starts_with("Query Text: SELECT id"));
        assert!(!plans[0].text.contains("more of it"));
    }

    #[test]
    fn what_a_sequential_scan_reads_includes_what_it_throws_away() {
        assert_eq!(read_in_sequence(&plans(LOG)[0].text), 3 * (2 + 100));
    }
}
