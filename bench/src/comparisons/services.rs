//! A handler with an audit trail against the same handler without.

use diesel::Connection as _;
use diesel::RunQueryDsl as _;
use diesel::connection::SimpleConnection as _;
use diesel::pg::PgConnection;

use crate::app::{Service, Variant};
use crate::load;
use crate::report::{Report, Side};
use crate::statistics::{median, quantile};
use crate::{Bench, Result, say};

pub(crate) fn compare(bench: &Bench, report: &mut Report) -> Result {
    for (path, variants, about) in [
        (
            "/items/",
            &Variant::ALL[..],
            "The handler inserts the item into PostgreSQL and answers 201.",
        ),
        (
            "/echo",
            &Variant::PLAIN[..],
            "The handler answers with what it was sent; there is no work that could hide the cost.",
        ),
    ] {
        for connections in [32, 256] {
            one(bench, report, path, variants, connections, about)?;
        }
    }
    Ok(())
}

fn one(
    bench: &Bench,
    report: &mut Report,
    path: &str,
    variants: &[Variant],
    connections: usize,
    about: &str,
) -> Result {
    let title = format!("POST {path}, {connections} connections");
    say(&title);
    let name = format!("{}_{connections}", path.trim_matches('/'));
    let mut sides: Vec<(Side<'_>, Vec<f64>, Vec<f64>)> = variants
        .iter()
        .map(|variant| {
            let side = Side {
                name: variant.name(),
                values: Vec::new(),
                notes: Vec::new(),
            };
            (side, Vec::new(), Vec::new())
        })
        .collect();
    for round in 0..bench.rounds {
        for (variant, (side, latencies, cpu)) in variants.iter().zip(&mut sides) {
            // Each turn has tables of its own: none works on what another has filled.
            let database = format!("{name}_{}_{round}", variant.name());
            let url = bench.database(&database)?;
            let mut connection = PgConnection::establish(&url)?;
            connection.batch_execute(
                "CREATE TABLE bench_items (id uuid PRIMARY KEY, name text, attributes text, owner text)",
            )?;
            let journal = bench.folder.path().join(&database);
            let service = Service::start(*variant, &url, &journal)?;
            load::run(service.address, path, connections, bench.turn / 4)?;
            let before = cpu_seconds()?;
            let outcome = load::run(service.address, path, connections, bench.turn)?;
            let used = cpu_seconds()? - before;
            service.stop()?;
            if *variant != Variant::Bare {
                complete(&mut connection, &outcome)?;
            }
            drop(connection);
            std::fs::remove_dir_all(&journal)?;
            side.values.push(outcome.per_second());
            latencies.push(quantile(&outcome.latencies_us, 0.99));
            cpu.push(used * 1e6 / outcome.answered as f64);
        }
    }
    let sides: Vec<Side<'_>> = sides
        .into_iter()
        .map(|(mut side, latencies, cpu)| {
            side.notes = vec![
                format!("{:.1}", median(&latencies) / 1_000.0),
                format!("{:.0}", median(&cpu)),
            ];
            side
        })
        .collect();
    report.table(
        &title,
        &format!("{about} *CPU* is that of the whole process, load included, for each request."),
        "requests/s",
        &["p99 ms", "CPU µs"],
        &sides,
    );
    Ok(())
}

/// Every answer has its record, or the figures are worth nothing.
fn complete(connection: &mut PgConnection, outcome: &load::Outcome) -> Result {
    #[derive(diesel::QueryableByName)]
    struct Count {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        count: i64,
    }
    // The trail's own records are no answers.
    let stored: Count = diesel::sql_query(
        "SELECT count(*) AS count FROM audit_records WHERE http_request_id IS NOT NULL",
    )
    .get_result(connection)?;
    if stored.count < i64::try_from(outcome.answered)? {
        return Err(format!(
            "{} requests were answered and only {} records are stored",
            outcome.answered, stored.count
        )
        .into());
    }
    Ok(())
}

/// Processor time of this process so far.
fn cpu_seconds() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The name of the program, in parentheses, may hold spaces.
    let (_, fields) = stat.rsplit_once(')').ok_or("/proc/self/stat is odd")?;
    let ticks: f64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|ticks| ticks.parse::<f64>().ok())
        .sum();
    // A tick has been a hundredth of a second on Linux for as long as it is visible.
    Ok(ticks / 100.0)
}
