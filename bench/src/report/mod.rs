//! The figures as text.

use std::fmt::Write as _;

use diesel::Connection as _;
use diesel::pg::PgConnection;

use crate::statistics::{median, quantile, spread};
use crate::{Bench, Result, conditions};

/// A baseline that varies by more than this tells little.
const NOISY: f64 = 0.15;

pub(crate) struct Report {
    text: String,
    raw: String,
}

/// One side of a comparison: a figure for each round.
pub(crate) struct Side<'a> {
    pub(crate) name: &'a str,
    pub(crate) values: Vec<f64>,
    /// More to be shown of it.
    pub(crate) notes: Vec<String>,
}

impl Report {
    pub(crate) fn new(bench: &Bench) -> Result<Self> {
        let mut connection = PgConnection::establish(&bench.postgres.database_url("postgres"))?;
        let mut text = String::from(
            "# Benchmarks\n\nWritten by `cargo xtask bench`. All sides of a comparison take turns within one run; figures are\nmedians over the rounds, and the ratio to the baseline of the same run is what counts. Load,\nservice and PostgreSQL share the machine's cores.\n\n",
        );
        for (name, value) in conditions::of(&mut connection)? {
            let _ = writeln!(text, "- {name}: {value}");
        }
        let _ = writeln!(
            text,
            "- PostgreSQL's settings: fsync on, on a unix socket\n- rounds: {}, turns of {} s",
            bench.rounds,
            bench.turn.as_secs()
        );
        Ok(Self {
            text,
            raw: "comparison\tside\tround\tvalue\n".to_owned(),
        })
    }

    /// Adds a table; the first side is the baseline. `more_is_better` says whether
    /// the values are rates or times.
    pub(crate) fn table(
        &mut self,
        title: &str,
        about: &str,
        unit: &str,
        columns: &[&str],
        sides: &[Side<'_>],
    ) {
        let _ = write!(
            self.text,
            "\n## {title}\n\n{about}\n\n| | ratio | {unit} | lowest – highest | spread |"
        );
        for column in columns {
            let _ = write!(self.text, " {column} |");
        }
        let _ = writeln!(
            self.text,
            "\n|---|--:|--:|--:|--:|{}",
            "--:|".repeat(columns.len())
        );
        let Some(baseline) = sides.first() else {
            return;
        };
        for side in sides {
            // Round by round, so that what slowed both sides cancels out.
            let ratios: Vec<f64> = side
                .values
                .iter()
                .zip(&baseline.values)
                .map(|(value, base)| value / base)
                .collect();
            let _ = write!(
                self.text,
                "| {} | {:.2} | {:.0} | {:.0} – {:.0} | {:.0} % |",
                side.name,
                median(&ratios),
                median(&side.values),
                quantile(&side.values, 0.0),
                quantile(&side.values, 1.0),
                spread(&side.values) * 100.0
            );
            for note in &side.notes {
                let _ = write!(self.text, " {note} |");
            }
            self.text.push('\n');
            for (round, value) in side.values.iter().enumerate() {
                let _ = writeln!(
                    self.raw,
                    "{title}\t{}\t{}\t{value:.3}",
                    side.name,
                    round + 1
                );
            }
        }
        if spread(&baseline.values) > NOISY {
            self.text.push_str("\nThe machine was too noisy to tell: the baseline itself varies by more than 15 %.\n");
        }
    }

    pub(crate) fn markdown(&self) -> &str {
        &self.text
    }

    pub(crate) fn raw(&self) -> &str {
        &self.raw
    }
}
