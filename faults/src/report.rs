//! What came of a scenario, and of all.

use std::fmt::Write as _;
use std::time::Duration;

use crate::oracle::Findings;

/// What came of one scenario.
#[derive(Clone, Debug, Default)]
pub struct Report {
    name: &'static str,
    findings: Findings,
    remark: String,
    /// Why it has failed, if it has.
    failure: Option<String>,
    /// Why it was not run, if it was not.
    skipped: Option<String>,
    took: Duration,
}

impl Report {
    /// The findings decide.
    pub(crate) fn of(findings: Findings) -> Self {
        let shown = |what: &str, list: &[String]| {
            let examples: Vec<&str> = list.iter().take(3).map(String::as_str).collect();
            (!list.is_empty()).then(|| format!("{} {what}: {}", list.len(), examples.join(", ")))
        };
        let failures: Vec<String> = [
            shown("lost", &findings.lost),
            shown("duplicated", &findings.duplicated),
            shown("recorded wrongly", &findings.wrong),
            shown("changed without a record", &findings.untold),
            (findings.answered == 0).then(|| "nothing was answered".to_owned()),
        ]
        .into_iter()
        .flatten()
        .collect();
        Self {
            findings,
            failure: (!failures.is_empty()).then(|| failures.join("; ")),
            ..Self::default()
        }
    }

    /// It could not be run.
    pub(crate) fn skipped(reason: impl Into<String>) -> Self {
        Self {
            skipped: Some(reason.into()),
            ..Self::default()
        }
    }

    /// It broke down itself.
    pub(crate) fn failed(reason: impl Into<String>) -> Self {
        Self {
            failure: Some(reason.into()),
            ..Self::default()
        }
    }

    /// Says of which scenario it is, and how long that took.
    pub(crate) fn named(mut self, name: &'static str, took: Duration) -> Self {
        self.name = name;
        self.took = took;
        self
    }

    /// Adds what is worth knowing.
    pub(crate) fn remark(mut self, remark: impl Into<String>) -> Self {
        if !self.remark.is_empty() {
            self.remark.push_str("; ");
        }
        self.remark.push_str(&remark.into());
        self
    }

    /// Lets it fail unless something holds.
    pub(crate) fn demand(mut self, holds: bool, otherwise: impl Into<String>) -> Self {
        if !holds && self.failure.is_none() {
            self.failure = Some(otherwise.into());
        }
        self
    }

    /// Lets it fail if an answer took longer than documented.
    pub(crate) fn within(self, limit: Duration) -> Self {
        let worst = self.findings.worst_latency;
        self.demand(
            worst <= limit,
            format!(
                "an answer took {:.1} s, {:.0} s are documented",
                worst.as_secs_f64(),
                limit.as_secs_f64()
            ),
        )
    }

    /// Number of records that were answered and are not stored.
    pub(crate) fn lost(&self) -> usize {
        self.findings.lost.len()
    }

    /// Forgives that damage has cost so many records, or all but their intents.
    pub(crate) fn forgive(mut self, most: usize) -> Self {
        let cost = self.findings.lost.len() + self.findings.wrong.len();
        if cost <= most && self.findings.duplicated.is_empty() && self.findings.answered > 0 {
            self.failure = None;
        }
        self
    }

    /// Whether it has failed.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.failure.is_some()
    }

    /// One line for whoever waits.
    #[must_use]
    pub fn line(&self) -> String {
        format!(
            "{}: {} ({} answered, {} lost, {:.1} s)",
            self.name,
            self.verdict(),
            self.findings.answered,
            self.findings.lost.len(),
            self.took.as_secs_f64()
        )
    }

    fn verdict(&self) -> String {
        match (&self.failure, &self.skipped) {
            (Some(failure), _) => format!("FAILED: {failure}"),
            (None, Some(reason)) => format!("not run: {reason}"),
            (None, None) => "held".to_owned(),
        }
    }
}

/// What came of all scenarios on one PostgreSQL.
#[derive(Debug)]
pub struct Run {
    /// Version of the server.
    pub postgres: String,
    /// What came of each scenario.
    pub reports: Vec<Report>,
}

/// The tables of all scenarios, in Markdown.
#[must_use]
pub fn document(conditions: &[(&str, String)], runs: &[Run]) -> String {
    let mut text = String::from(
        "# Faults\n\n\
         Written by `cargo xtask faults`. Every scenario runs the real `items-api` and a real\n\
         PostgreSQL, breaks something under load, repairs it, and compares what the clients were\n\
         told with what is stored. *Answered* are requests whose whole response the client holds\n\
         and which were not refused; *found* those with a record; *refused* those answered 503\n\
         because they could not be recorded; *unknown* attempts that a process did not live to\n\
         finish. A scenario holds when nothing is lost, doubled or recorded wrongly, and no item\n\
         was created without a record.\n\n",
    );
    for (name, value) in conditions {
        let _ = writeln!(text, "- {name}: {value}");
    }
    for run in runs {
        let _ = writeln!(text, "\n## {}, fsync on", run.postgres);
        table(&mut text, &run.reports);
    }
    text.push_str(
        "\nNot run: a power cut on a real disk (the journal's model cuts the power of a simulated one,\n\
         `audit/src/journal/tests.rs`), and a clock that goes back (the keys of records are made from the\n\
         clock and random bits, and nothing depends on their order).\n",
    );
    text
}

fn table(text: &mut String, reports: &[Report]) {
    text.push_str(
        "\n| scenario | sent | answered | found | lost | doubled | refused | unknown | worst ms | s | verdict |\n\
         |---|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|\n",
    );
    for report in reports {
        let Report {
            name,
            findings,
            took,
            ..
        } = report;
        let _ = writeln!(
            text,
            "| {name} | {} | {} | {} | {} | {} | {} | {} | {} | {:.0} | {} |",
            findings.requests,
            findings.answered,
            findings.found,
            findings.lost.len(),
            findings.duplicated.len(),
            findings.refused,
            findings.unknown,
            findings.worst_latency.as_millis(),
            took.as_secs_f64(),
            report.verdict().replace('|', "/"),
        );
    }
    text.push('\n');
    for report in reports.iter().filter(|report| !report.remark.is_empty()) {
        let _ = writeln!(text, "- **{}**: {}.", report.name, report.remark);
    }
}
