//! The figures as text.

use std::fmt::Write as _;
use std::time::Duration;

use diesel::pg::PgConnection;

use super::cases::Cases;
use super::explain::Explained;
use super::export::Exported;
use super::records::{Generated, Size};
use super::requests::{Asked, Times};
use crate::Result;
use crate::conditions::{self, load_average};
use crate::statistics::{median, quantile};

pub(super) struct Report<'a> {
    pub(super) generated: &'a Generated,
    pub(super) sizes: &'a [Size],
    pub(super) measuring: Duration,
    pub(super) cases: &'a Cases,
    pub(super) asked: &'a [Asked],
    pub(super) exports: &'a [Exported],
    pub(super) explained: &'a [Explained],
}

impl Report<'_> {
    pub(super) fn markdown(&self, connection: &mut PgConnection) -> Result<String> {
        let mut text = String::from(ABOUT);
        for (name, value) in conditions::of(connection)? {
            let _ = writeln!(text, "- {name}: {value}");
        }
        let _ = writeln!(
            text,
            "- PostgreSQL's settings: its defaults (shared_buffers 128 MB), jit off, fsync off, on a unix socket\n\
             - load average at the end: {}; what is above one was somebody else's\n\
             - records: {}, made up and stored with all indexes in {} s ({:.0} a second), vacuumed in {} s\n\
             - asking and explaining took {} s",
            load_average(),
            self.generated.records,
            self.generated.took.as_secs(),
            f64::from(self.generated.records) / self.generated.took.as_secs_f64(),
            self.generated.vacuum_took.as_secs(),
            self.measuring.as_secs(),
        );
        self.sizes(&mut text);
        self.pages(&mut text);
        self.stats(&mut text);
        self.exports(&mut text);
        Ok(text)
    }

    fn sizes(&self, text: &mut String) {
        text.push_str("\n## The table\n\n| | MB | bytes a record |\n|---|--:|--:|\n");
        for size in self.sizes {
            let bytes = size.bytes as f64;
            let _ = writeln!(
                text,
                "| {} | {:.0} | {:.0} |",
                size.name,
                bytes / 1e6,
                bytes / f64::from(self.generated.records)
            );
        }
    }

    fn pages(&self, text: &mut String) {
        text.push_str(PAGES);
        for ((case, asked), explained) in self.all().filter(|((case, _), _)| case.is_page) {
            let _ = write!(
                text,
                "| [{}](plans/{}) | {}",
                case.name,
                case.file_name(),
                cells(&asked.first)
            );
            match &asked.thousandth {
                Some(times) => {
                    let _ = write!(text, " | {}", cells(times));
                }
                None => text.push_str(" | – | –"),
            }
            let _ = writeln!(
                text,
                " | {} | {} |",
                alone(explained),
                asked.first.rounds.len()
            );
        }
    }

    fn stats(&self, text: &mut String) {
        text.push_str(STATS);
        for ((case, asked), explained) in self.all().filter(|((case, _), _)| !case.is_page) {
            let _ = writeln!(
                text,
                "| [{}](plans/{}) | {} | {} | {} |",
                case.name,
                case.file_name(),
                cells(&asked.first),
                alone(explained),
                asked.first.rounds.len()
            );
        }
    }

    fn exports(&self, text: &mut String) {
        if self.exports.is_empty() {
            return;
        }
        text.push_str(EXPORTS);
        for (case, exported) in self.cases.exports.iter().zip(self.exports) {
            let streamed = &exported.streamed;
            let seconds = streamed.took.as_secs_f64();
            let _ = writeln!(
                text,
                "| {} | {} | {:.0} | {:.1} | {:.1} | {:.1} | {:.0} |",
                case.name,
                streamed.lines,
                streamed.lines as f64 / seconds,
                streamed.bytes as f64 / 1e6 / seconds,
                seconds,
                streamed.first_byte.as_secs_f64() * 1e3,
                exported.peak_bytes as f64 / 1e6
            );
        }
    }

    fn all(&self) -> impl Iterator<Item = ((&super::cases::Case, &Asked), &Explained)> {
        self.cases
            .requests
            .iter()
            .zip(self.asked)
            .zip(self.explained)
    }
}

/// Median and 99th percentile, or the problem.
fn cells(times: &Times) -> String {
    match &times.problem {
        Some(problem) => format!("`{problem}` after {:.0} | –", median(&times.rounds)),
        None => format!(
            "{:.1} | {:.1}",
            median(&times.rounds),
            quantile(&times.rounds, 0.99)
        ),
    }
}

/// What PostgreSQL takes, and how much longer the whole request does.
fn alone(explained: &Explained) -> String {
    if explained.rounds.is_empty() {
        return "– | –".to_owned();
    }
    let of = |figure: fn(&(f64, f64)) -> f64| {
        median(&explained.rounds.iter().map(figure).collect::<Vec<_>>())
    };
    format!(
        "{:.1} | {:.1}",
        of(|(_, alone)| *alone),
        of(|(request, alone)| request / alone.max(f64::MIN_POSITIVE))
    )
}

const ABOUT: &str = "\
# Reading a large trail

Written by `cargo xtask bench query`. One client asks the real service over one connection, again
and again, with everything audited as always; service, client and PostgreSQL share the machine's
cores. Times are in milliseconds. Whatever is asked first is asked while PostgreSQL may have to
read it from the system's cache, so the 99th percentile of few rounds is that of a cold start.

";

const PAGES: &str = "
## Pages

Fifty records, newest first; a hundred on the viewer's first screen, which asks for stats beside it.
*PostgreSQL* is what it reports for the service's own statements of the
first page (`auto_explain`, in rounds of their own, and with what explaining costs), and
*ratio* the whole request, seen by the client, to that. The thousandth page has a dash where there
are fewer, or where walking there takes too long.

| | first page | p99 | thousandth page | p99 | PostgreSQL | ratio | rounds |
|---|--:|--:|--:|--:|--:|--:|--:|
";

const STATS: &str = "
## Stats

Counts over time and by all five of action, actor, outcome, route and resource type.

| | median | p99 | PostgreSQL | ratio | rounds |
|---|--:|--:|--:|--:|--:|
";

const EXPORTS: &str = "
## Export

To a client that throws it away. *Memory* is the most that the service's process held meanwhile.

| | lines | lines/s | MB/s | seconds | first byte, ms | memory, MB |
|---|--:|--:|--:|--:|--:|--:|
";
