//! A handler with an audit trail against the same handler without.

use bench::app::Variant;

use crate::contender::Contender;
use crate::report::{Chart, Figure, Group, Report, Side, Table, Target};
use crate::turn::{self, P99, SERVICE_CPU};
use crate::{Bench, Result, say};

const CONNECTIONS: [usize; 2] = [32, 256];

/// A handler that is compared.
struct Handler {
    path: &'static str,
    about: &'static str,
    variants: &'static [Variant],
    /// What share of the bare one's throughput each is to reach.
    throughput: &'static [(Variant, f64)],
    /// At most how many times its p99.
    p99: Option<f64>,
    throughput_chart: &'static str,
    cpu_chart: &'static str,
}

const HANDLERS: [Handler; 2] = [
    Handler {
        path: "/items/",
        about: "The handler inserts the item into PostgreSQL and answers 201.",
        variants: &Variant::ALL,
        throughput: &[
            (Variant::Crash, 0.95),
            (Variant::PowerLoss, 0.85),
            (Variant::Transaction, 0.75),
        ],
        p99: Some(1.10),
        throughput_chart: "items-throughput",
        cpu_chart: "items-cpu",
    },
    Handler {
        path: "/echo",
        about: "The handler answers with what it was sent; there is no work that could hide the cost.",
        variants: &Variant::PLAIN,
        throughput: &[(Variant::Crash, 0.75)],
        p99: None,
        throughput_chart: "echo-throughput",
        cpu_chart: "echo-cpu",
    },
];

/// The most that a record may cost the service, in µs of processor time.
const CPU_US_MAX: f64 = 15.0;

pub(crate) fn compare(bench: &Bench, report: &mut Report) -> Result {
    for handler in &HANDLERS {
        let mut tables = CONNECTIONS
            .iter()
            .map(|connections| one(bench, handler, *connections))
            .collect::<Result<Vec<_>>>()?;
        let charts = charts(handler, &tables);
        if let Some(last) = tables.last_mut() {
            last.charts = charts;
        }
        report.tables.extend(tables);
    }
    Ok(())
}

fn one(bench: &Bench, handler: &Handler, connections: usize) -> Result<Table> {
    let title = format!("POST {}, {connections} connections", handler.path);
    say(&title);
    let contenders: Vec<Contender> = handler
        .variants
        .iter()
        .copied()
        .map(Contender::Own)
        .collect();
    let sides = take_turns(bench, &contenders, handler.path, connections)?;
    let about = format!("{} {}", handler.about, turn::ABOUT);
    let mut table = Table::new(&title, about, turn::FIGURES, sides);
    for (variant, least) in handler.throughput {
        let name = variant.name();
        let what = format!(
            "`POST {}` at `{name}`, {connections} connections: throughput of the bare handler",
            handler.path
        );
        table.promise_ratio(name, 0, &what, Target::AtLeast(*least));
    }
    let crash = Variant::Crash.name();
    if let Some(most) = handler.p99 {
        let what = format!(
            "`POST {}` at `{crash}`, {connections} connections: p99 of the bare handler",
            handler.path
        );
        table.promise_ratio(crash, P99, &what, Target::AtMost(most));
    }
    // With fewer connections there is less to hide in.
    if connections == 32
        && let Some(place) = table.place(crash)
    {
        let what = format!(
            "`POST {}` at `{crash}`, {connections} connections: CPU of the service for a record",
            handler.path
        );
        let more = table.difference(place, SERVICE_CPU);
        table.promise(place, what, "µs", more, Target::AtMost(CPU_US_MAX));
    }
    Ok(table)
}

/// Lets each of them take its turn, as often as there are rounds.
pub(super) fn take_turns(
    bench: &Bench,
    contenders: &[Contender],
    path: &str,
    connections: usize,
) -> Result<Vec<Side>> {
    let mut sides: Vec<Side> = contenders
        .iter()
        .map(|contender| Side::new(contender.name()))
        .collect();
    for _ in 0..bench.rounds {
        for (contender, side) in contenders.iter().zip(&mut sides) {
            let figures = turn::take(bench, *contender, path, connections)
                .map_err(|error| format!("{}: {error}", contender.name()))?;
            side.turns.push(figures);
        }
    }
    Ok(sides)
}

fn charts(handler: &Handler, tables: &[Table]) -> Vec<Chart> {
    let groups = |bars: fn(&Table) -> Vec<_>| {
        CONNECTIONS
            .iter()
            .zip(tables)
            .map(|(connections, table)| Group {
                heading: format!("{connections} connections"),
                bars: bars(table),
            })
            .collect()
    };
    let cpu = turn::FIGURES.iter().filter(|figure| figure.is_cpu);
    vec![
        Chart {
            name: handler.throughput_chart,
            title: format!("POST {}: throughput", handler.path),
            unit: "requests/s, with the lowest and the highest round; longer is better".to_owned(),
            decimals: 0,
            legend: Vec::new(),
            groups: groups(|table| table.bars(0)),
        },
        Chart {
            name: handler.cpu_chart,
            title: format!("POST {}: who uses the processor", handler.path),
            unit: "µs for each request; shorter is better".to_owned(),
            decimals: 1,
            legend: cpu.map(|Figure { name, .. }| *name).collect(),
            groups: groups(Table::cpu_bars),
        },
    ]
}
