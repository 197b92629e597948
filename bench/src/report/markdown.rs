//! The report as people read it.

use std::fmt::Write as _;

use super::{PieceFigures, Promise, Report, Table, Target};
use crate::statistics::{median, quantile, spread};

const INTRODUCTION: &str = "# Benchmarks

Written by `cargo xtask bench`. All sides of a comparison take turns within one run (A B C A B C …); figures
are medians over the rounds, *spread* is the distance between the quarters, and ratios and what is promised
of differences are taken round by round against the first row. (Where a target is missed, a table of the CPU
subtracts medians instead, and may differ a little.) Load, service and PostgreSQL are processes of their own
and share the machine's cores, so what any of them uses is missing to the others.

What makes it fair: all sides do the same work with the same handler, the same load, the same PostgreSQL with
`fsync` on, and tables and a journal of their own that begin empty. The time of a turn begins when all of the
warm-up is stored. After each turn the service has to end in order, with every record in PostgreSQL, and
as many records and items are counted there as requests were answered: neither fewer nor more.
";

/// What is around the tables.
pub(crate) struct Frame<'a> {
    /// Under which conditions was measured, each with its name.
    pub(crate) conditions: &'a [(&'static str, String)],
    /// What was written by hand about the outcome.
    pub(crate) notes: Option<&'a str>,
    /// Where the charts are, as a link from the report.
    pub(crate) images: &'a str,
}

pub(crate) fn markdown(report: &Report, frame: &Frame<'_>) -> String {
    let mut text = INTRODUCTION.to_owned();
    promises(&mut text, report);
    text.push_str("\n## Conditions\n\n");
    for (name, value) in frame.conditions {
        let _ = writeln!(text, "- {name}: {value}");
    }
    for shown in &report.tables {
        table(&mut text, shown, frame.images);
    }
    pieces(&mut text, &report.pieces);
    missed(&mut text, report);
    if let Some(notes) = frame.notes {
        let _ = write!(text, "\n{notes}");
    }
    text
}

fn promises(text: &mut String, report: &Report) {
    if report.tables.iter().all(|table| table.promises.is_empty()) {
        return;
    }
    text.push_str("\n## What is promised\n\n| what | reached | target | |\n|---|--:|--:|---|\n");
    for table in &report.tables {
        for promise in &table.promises {
            let _ = writeln!(
                text,
                "| {} | {} | {} | {}{} |",
                promise.what,
                amount(promise.reached, promise.unit),
                target(promise),
                verdict(promise),
                if table.is_noisy() { ", but noisy" } else { "" },
            );
        }
    }
}

fn table(text: &mut String, table: &Table, images: &str) {
    let Some((first, others)) = table.figures.split_first() else {
        return;
    };
    let has_promises = !table.promises.is_empty();
    let _ = write!(
        text,
        "\n## {}\n\n{}\n\n| | ratio | {} | lowest – highest | spread |",
        table.title, table.about, first.name
    );
    for figure in others {
        let unit = if figure.is_cpu { "CPU of " } else { "" };
        let _ = write!(text, " {unit}{} |", figure.name);
    }
    text.push_str(if has_promises { " target |\n" } else { "\n" });
    let _ = write!(text, "|---|--:|--:|--:|--:|{}", "--:|".repeat(others.len()));
    text.push_str(if has_promises { "---|\n" } else { "\n" });
    for (place, side) in table.sides.iter().enumerate() {
        let values = side.values(0);
        let decimals = first.decimals;
        let _ = write!(
            text,
            "| {} | {:.2} | {:.decimals$} | {:.decimals$} – {:.decimals$} | {:.0} % |",
            side.name,
            table.ratio(place, 0),
            median(&values),
            quantile(&values, 0.0),
            quantile(&values, 1.0),
            spread(&values) * 100.0
        );
        for (other, figure) in others.iter().enumerate() {
            let _ = write!(text, " {:.*} |", figure.decimals, side.median(other + 1));
        }
        if has_promises {
            let targets: Vec<String> = table
                .promises
                .iter()
                .filter(|promise| promise.side == place)
                .map(|promise| format!("{} {}", target(promise), verdict(promise)))
                .collect();
            let _ = write!(text, " {} |", targets.join("<br>"));
        }
        text.push('\n');
    }
    if table.is_noisy() {
        text.push_str(
            "\nThe machine was too noisy to tell: the baseline itself varies by more than 15 %.\n",
        );
    }
    for chart in &table.charts {
        let _ = writeln!(text, "\n![{}]({images}/{}.svg)", chart.title, chart.name);
    }
}

fn pieces(text: &mut String, pieces: &[PieceFigures]) {
    if pieces.is_empty() {
        return;
    }
    text.push_str(
        "\n## Pieces\n\nParts of the path of a request, one by one: the median time and the range that it lies in by 95 %, as \
         criterion measures them, and the instructions of one call, as callgrind counts them, which no noise touches. \
         `cargo bench --package bench` runs them again and says what has changed.\n\n\
         | piece | what it does | ns | range | instructions |\n|---|---|--:|--:|--:|\n",
    );
    for piece in pieces {
        let (ns, range) = piece.ns.map_or_else(
            || ("–".to_owned(), "–".to_owned()),
            |[lower, median, upper]| (format!("{median:.0}"), format!("{lower:.0} – {upper:.0}")),
        );
        let instructions = piece
            .instructions
            .map_or_else(|| "–".to_owned(), |count| format!("{count:.0}"));
        let _ = writeln!(
            text,
            "| {} | {} | {ns} | {range} | {instructions} |",
            piece.name, piece.about
        );
    }
}

fn missed(text: &mut String, report: &Report) {
    let mut has_heading = false;
    for table in &report.tables {
        for place in 0..table.sides.len() {
            let missed: Vec<&Promise> = table
                .promises
                .iter()
                .filter(|promise| promise.side == place && !promise.is_kept())
                .collect();
            if missed.is_empty() {
                continue;
            }
            if !has_heading {
                text.push_str("\n## Targets missed\n");
                has_heading = true;
            }
            text.push('\n');
            for promise in missed {
                let _ = writeln!(
                    text,
                    "- {}: {} instead of {}",
                    promise.what,
                    amount(promise.reached, promise.unit),
                    target(promise)
                );
            }
            where_the_time_goes(text, table, place);
        }
    }
}

/// Who uses the processor, in comparison to the baseline. With all cores busy, that is what
/// decides about the throughput.
fn where_the_time_goes(text: &mut String, table: &Table, side: usize) {
    let (Some(base), Some(side)) = (table.sides.first(), table.sides.get(side)) else {
        return;
    };
    let (of_base, of_side) = (table.cpu_parts(base), table.cpu_parts(side));
    if of_base.is_empty() {
        return;
    }
    let sum = |parts: &[(&str, f64)]| parts.iter().map(|(_, us)| us).sum::<f64>();
    let _ = writeln!(
        text,
        "\n| µs of CPU for each request | {} | {} | more |\n|---|--:|--:|--:|",
        base.name, side.name
    );
    for ((name, base), (_, side)) in of_base.iter().zip(&of_side) {
        let _ = writeln!(
            text,
            "| {name} | {base:.1} | {side:.1} | {:+.1} |",
            side - base
        );
    }
    let (base, side) = (sum(&of_base), sum(&of_side));
    let _ = writeln!(
        text,
        "| together | {base:.1} | {side:.1} | {:+.1} |\n\nThat alone, with every core busy, allows a ratio of {:.2}.",
        side - base,
        base / side
    );
}

fn amount(value: f64, unit: &str) -> String {
    match unit {
        "×" | "s" => format!("{value:.2} {unit}"),
        _ => format!("{value:.1} {unit}"),
    }
}

fn target(promise: &Promise) -> String {
    match promise.target {
        Target::AtLeast(least) => format!("≥ {least} {}", promise.unit),
        Target::AtMost(most) => format!("≤ {most} {}", promise.unit),
    }
}

fn verdict(promise: &Promise) -> &'static str {
    if promise.is_kept() {
        "met"
    } else {
        "**missed**"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Figure, Side};

    const FIGURES: &[Figure] = &[Figure::new("requests/s", 0), Figure::cpu("service")];

    fn side(name: &str, turns: &[[f64; 2]]) -> Side {
        let mut side = Side::new(name);
        side.turns = turns.iter().map(|turn| turn.to_vec()).collect();
        side
    }

    fn report(audited: &[[f64; 2]]) -> String {
        let bare = side("bare", &[[100.0, 10.0], [110.0, 10.0]]);
        let mut table = Table::new(
            "Echo",
            "Echoes.",
            FIGURES,
            vec![bare, side("crash", audited)],
        );
        table.promise_ratio("crash", 0, "throughput", Target::AtLeast(0.75));
        let report = Report {
            tables: vec![table],
            pieces: Vec::new(),
        };
        let frame = Frame {
            conditions: &[],
            notes: None,
            images: "images",
        };
        markdown(&report, &frame)
    }

    #[test]
    fn a_kept_promise_stands_in_the_summary_and_in_its_row() {
        let text = report(&[[80.0, 15.0], [88.0, 15.0]]);
        assert!(
            text.contains("| throughput | 0.80 × | ≥ 0.75 × | met |"),
            "{text}"
        );
        assert!(
            text.contains("| crash | 0.80 | 84 | 80 – 88 | 5 % | 15.0 | ≥ 0.75 × met |"),
            "{text}"
        );
        assert!(!text.contains("Targets missed"), "{text}");
    }

    #[test]
    fn a_missed_promise_is_told_with_where_the_time_goes() {
        let text = report(&[[50.0, 20.0], [55.0, 20.0]]);
        assert!(
            text.contains("- throughput: 0.50 × instead of ≥ 0.75 ×"),
            "{text}"
        );
        assert!(text.contains("| service | 10.0 | 20.0 | +10.0 |"), "{text}");
        assert!(text.contains("allows a ratio of 0.50"), "{text}");
    }
}
