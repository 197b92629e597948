//! What the parts of the path of a request take: the times that criterion has measured,
//! and how many instructions callgrind counts, which no noise touches.

use std::fs;
use std::path::Path;
use std::process::Command;

use bench::pieces::PIECES;
use serde::Deserialize;

use crate::report::{PieceFigures, Report};
use crate::{Bench, Result, say};

/// Calls whose instructions are counted: those of twice as many, less those of as many, so
/// that what comes before and after is left out.
const CALLS: u64 = 2_000;

pub(crate) fn compare(bench: &Bench, report: &mut Report) -> Result {
    say("pieces");
    let has_valgrind = Command::new("valgrind")
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success());
    if !has_valgrind {
        say("without counts of instructions: there is no valgrind");
    }
    for piece in PIECES {
        let estimates = bench.criterion.join(piece.name).join("new/estimates.json");
        let instructions = if has_valgrind {
            Some(
                (instructions(piece.name, CALLS * 2)? - instructions(piece.name, CALLS)?)
                    / CALLS as f64,
            )
        } else {
            None
        };
        report.pieces.push(PieceFigures {
            name: piece.name,
            about: piece.about,
            ns: median_ns(&estimates),
            instructions,
        });
    }
    if report.pieces.iter().any(|piece| piece.ns.is_none()) {
        say("some times are missing: `cargo bench --package bench` measures them");
    }
    Ok(())
}

/// The lower end of what the median may be, the median, and the upper end.
fn median_ns(estimates: &Path) -> Option<[f64; 3]> {
    #[derive(Deserialize)]
    struct Estimates {
        median: Estimate,
    }
    #[derive(Deserialize)]
    struct Estimate {
        point_estimate: f64,
        confidence_interval: Interval,
    }
    #[derive(Deserialize)]
    struct Interval {
        lower_bound: f64,
        upper_bound: f64,
    }
    let text = fs::read_to_string(estimates).ok()?;
    let Estimates { median } = serde_json::from_str(&text).ok()?;
    let Interval {
        lower_bound,
        upper_bound,
    } = median.confidence_interval;
    Some([lower_bound, median.point_estimate, upper_bound])
}

/// The instructions of a whole run of the piece, of all its threads.
fn instructions(piece: &str, calls: u64) -> Result<f64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .args(["count", piece, "--calls", &calls.to_string()])
        .output()?;
    let told = String::from_utf8_lossy(&output.stderr);
    told.lines()
        .find_map(|line| line.rsplit_once("Collected :")?.1.trim().parse().ok())
        .filter(|_| output.status.success())
        .ok_or_else(|| format!("callgrind does not count {piece}: {told}").into())
}
