//! The report as people read it.

use std::fmt::Write as _;

use super::{PieceFigures, Promise, Report, Table, Target};
use crate::statistics::{median, quantile, spread};

const INTRODUCTION: &str = "# Benchmarks

Written by `cargo xtask bench`. All sides of a comparison take turns within one run (A B C A B C …); figures
are medians over the rounds, *spread* is the distance between the quarters, and ratios are taken round by
round against the first row. Load, service and PostgreSQL are processes of their own and share the machine's
cores, so what any of them uses is missing to the others.

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
    let is_missed = |promise: &&Promise| !promise.is_kept();
    if report
        .tables
        .iter()
        .all(|table| table.promises.iter().find(is_missed).is_none())
    {
        return;
    }
    text.push_str("\n## Targets missed\n");
    for table in &report.tables {
        for promise in table.promises.iter().filter(is_missed) {
            let _ = writeln!(
                text,
                "\n**{}**: {} instead of {}.",
                promise.what,
                amount(promise.reached, promise.unit),
                target(promise)
            );
            where_the_time_goes(text, table, promise.side);
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
        "×" => format!("{value:.2} ×"),
        unit => format!("{value:.1} {unit}"),
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
