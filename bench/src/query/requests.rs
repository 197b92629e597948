//! Asking the same over and over.

use std::time::{Duration, Instant};

use serde::Deserialize;

use super::cases::Case;
use super::client::Client;
use crate::Result;

/// A request is asked again until it has been this often, or for this long.
const MOST_ROUNDS: usize = 300;
const ENOUGH: Duration = Duration::from_secs(3);
/// But this often in any case.
const FEWEST_ROUNDS: usize = 5;

/// The code of the problem of a question that takes too long.
const TIMED_OUT: &str = "query_timed_out";

/// The pages before the thousandth hold this many records, at fifty a page.
const RECORDS_BEFORE: usize = 999 * 50;
/// So many are skipped at once.
const STRIDE: usize = 1_000;
/// A walk whose steps take longer than this is given up.
const LONGEST_STEP: Duration = Duration::from_secs(2);

pub(super) struct Asked {
    pub(super) first: Times,
    pub(super) thousandth: Option<Times>,
}

#[derive(Default)]
pub(super) struct Times {
    /// In milliseconds.
    pub(super) rounds: Vec<f64>,
    /// The problem that it ended in instead.
    pub(super) problem: Option<String>,
}

#[derive(Deserialize)]
struct Page {
    next: Option<String>,
}

pub(super) fn measure(client: &Client, case: &Case) -> Result<Asked> {
    let first = rounds(client, &case.target)?;
    let thousandth = match case.is_walked && first.problem.is_none() {
        true => thousandth_page(client, &case.target)?
            .map(|target| rounds(client, &target))
            .transpose()?,
        false => None,
    };
    Ok(Asked { first, thousandth })
}

fn rounds(client: &Client, target: &str) -> Result<Times> {
    let mut times = Times::default();
    let began = Instant::now();
    while times.rounds.len() < FEWEST_ROUNDS
        || (times.rounds.len() < MOST_ROUNDS && began.elapsed() < ENOUGH)
    {
        let answer = client.get(target)?;
        times.rounds.push(milliseconds(answer.took));
        match answer.problem.as_deref() {
            None => {}
            // The answer to a question that takes too long; any other is a mistake here.
            Some(TIMED_OUT) => {
                times.problem = answer.problem;
                return Ok(times);
            }
            Some(problem) => {
                return Err(format!("{target} is answered with {problem}: {}", answer.body).into());
            }
        }
    }
    Ok(times)
}

/// Walks there. A cursor holds the place and not the way to it, so the steps may be
/// longer than the pages.
fn thousandth_page(client: &Client, target: &str) -> Result<Option<String>> {
    let separator = if target.contains('?') { '&' } else { '?' };
    let mut cursor = String::new();
    let mut left = RECORDS_BEFORE;
    while left > 0 {
        let limit = left.min(STRIDE);
        let answer = client.get(&format!("{target}{separator}limit={limit}{cursor}"))?;
        if answer.problem.is_some() || answer.took > LONGEST_STEP {
            return Ok(None);
        }
        let page: Page = serde_json::from_str(&answer.body)?;
        let Some(next) = page.next else {
            return Ok(None);
        };
        cursor = format!("&cursor={next}");
        left -= limit;
    }
    Ok(Some(format!("{target}{separator}limit=50{cursor}")))
}

pub(super) fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
