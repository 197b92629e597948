//! What was measured, as data. `markdown` and `chart` show it.

mod chart;
mod markdown;

use std::fmt::Write as _;

pub(crate) use chart::{Bar, Chart, Group};
pub(crate) use markdown::{Frame, markdown};

use crate::statistics::{median, ratios, spread};

/// A baseline that varies by more than this tells little.
const NOISY: f64 = 0.15;

/// All that came of a run.
#[derive(Default)]
pub(crate) struct Report {
    pub(crate) tables: Vec<Table>,
    pub(crate) pieces: Vec<PieceFigures>,
}

/// What one part of the path of a request takes.
pub(crate) struct PieceFigures {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// The lower end of what the median time may be, the median, and the upper end.
    pub(crate) ns: Option<[f64; 3]>,
    pub(crate) instructions: Option<f64>,
}

/// One comparison. Its first side is the baseline, its first figure is what is compared.
pub(crate) struct Table {
    pub(crate) title: String,
    pub(crate) about: String,
    pub(crate) figures: &'static [Figure],
    pub(crate) sides: Vec<Side>,
    pub(crate) promises: Vec<Promise>,
    pub(crate) charts: Vec<Chart>,
}

/// What is measured of each side.
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) decimals: usize,
    /// Whether it is a share of the processor time for one request, in µs.
    pub(crate) is_cpu: bool,
}

impl Figure {
    pub(crate) const fn new(name: &'static str, decimals: usize) -> Self {
        Self {
            name,
            decimals,
            is_cpu: false,
        }
    }

    pub(crate) const fn cpu(name: &'static str) -> Self {
        Self {
            name,
            decimals: 1,
            is_cpu: true,
        }
    }
}

/// What takes turns with others: the figures of each of its turns.
pub(crate) struct Side {
    pub(crate) name: String,
    pub(crate) turns: Vec<Vec<f64>>,
}

impl Side {
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            turns: Vec::new(),
        }
    }

    /// One figure of every turn.
    pub(crate) fn values(&self, figure: usize) -> Vec<f64> {
        self.turns
            .iter()
            .filter_map(|turn| turn.get(figure).copied())
            .collect()
    }

    pub(crate) fn median(&self, figure: usize) -> f64 {
        median(&self.values(figure))
    }
}

/// What one side is to reach.
pub(crate) struct Promise {
    /// The place of that side.
    pub(crate) side: usize,
    /// What is promised, for a reader who does not see the table.
    pub(crate) what: String,
    pub(crate) unit: &'static str,
    pub(crate) reached: f64,
    pub(crate) target: Target,
}

#[derive(Clone, Copy)]
pub(crate) enum Target {
    AtLeast(f64),
    AtMost(f64),
}

impl Promise {
    pub(crate) fn is_kept(&self) -> bool {
        match self.target {
            Target::AtLeast(least) => self.reached >= least,
            Target::AtMost(most) => self.reached <= most,
        }
    }
}

impl Table {
    pub(crate) fn new(
        title: impl Into<String>,
        about: impl Into<String>,
        figures: &'static [Figure],
        sides: Vec<Side>,
    ) -> Self {
        Self {
            title: title.into(),
            about: about.into(),
            figures,
            sides,
            promises: Vec::new(),
            charts: Vec::new(),
        }
    }

    /// Where a side of this name is.
    pub(crate) fn place(&self, name: &str) -> Option<usize> {
        self.sides.iter().position(|side| side.name == name)
    }

    /// One figure of a side as a multiple of that of the baseline, round by round, so
    /// that what slowed both cancels out.
    pub(crate) fn ratio(&self, side: usize, figure: usize) -> f64 {
        self.against_baseline(side, figure, ratios)
    }

    /// The same as a difference.
    pub(crate) fn difference(&self, side: usize, figure: usize) -> f64 {
        self.against_baseline(side, figure, |values, base| {
            values
                .iter()
                .zip(base)
                .map(|(value, base)| value - base)
                .collect()
        })
    }

    fn against_baseline(
        &self,
        side: usize,
        figure: usize,
        compare: impl Fn(&[f64], &[f64]) -> Vec<f64>,
    ) -> f64 {
        let (Some(side), Some(base)) = (self.sides.get(side), self.sides.first()) else {
            return f64::NAN;
        };
        median(&compare(&side.values(figure), &base.values(figure)))
    }

    /// Promises something of the side of this name, if it takes part: what it reaches as
    /// a multiple of the baseline.
    pub(crate) fn promise_ratio(&mut self, side: &str, figure: usize, what: &str, target: Target) {
        if let Some(place) = self.place(side) {
            let reached = self.ratio(place, figure);
            self.promise(place, what, "×", reached, target);
        }
    }

    pub(crate) fn promise(
        &mut self,
        side: usize,
        what: impl Into<String>,
        unit: &'static str,
        reached: f64,
        target: Target,
    ) {
        self.promises.push(Promise {
            side,
            what: what.into(),
            unit,
            reached,
            target,
        });
    }

    /// Whether the baseline itself varies so much that the ratios tell little.
    pub(crate) fn is_noisy(&self) -> bool {
        self.sides
            .first()
            .is_some_and(|side| spread(&side.values(0)) > NOISY)
    }

    /// Adds a chart of one figure of all sides, a rate.
    pub(crate) fn draw(&mut self, name: &'static str, title: &str, figure: usize) {
        let rate = self.figures.get(figure).map_or("", |figure| figure.name);
        self.charts.push(Chart {
            name,
            title: title.to_owned(),
            unit: format!("{rate}, with the lowest and the highest round; longer is better"),
            decimals: 0,
            legend: Vec::new(),
            groups: vec![Group {
                heading: String::new(),
                bars: self.bars(figure),
            }],
        });
    }

    /// The sides as bars of one figure, the baseline first.
    pub(crate) fn bars(&self, figure: usize) -> Vec<Bar> {
        self.sides
            .iter()
            .map(|side| Bar::with_range(&side.name, &side.values(figure)))
            .collect()
    }

    /// The sides as bars of the processor time for each request.
    pub(crate) fn cpu_bars(&self) -> Vec<Bar> {
        self.sides
            .iter()
            .map(|side| Bar {
                label: side.name.clone(),
                parts: self.cpu_parts(side).into_iter().map(|(_, us)| us).collect(),
                range: None,
            })
            .collect()
    }

    /// Who has used how much processor time for each request, in µs.
    pub(crate) fn cpu_parts(&self, side: &Side) -> Vec<(&'static str, f64)> {
        self.figures
            .iter()
            .enumerate()
            .filter(|(_, figure)| figure.is_cpu)
            .map(|(place, figure)| (figure.name, side.median(place)))
            .collect()
    }
}

impl Report {
    /// Every figure of every turn, separated by tabs.
    pub(crate) fn raw(&self) -> String {
        let mut text = String::from("comparison\tside\tround\tfigure\tvalue\n");
        for table in &self.tables {
            for side in &table.sides {
                for (round, turn) in side.turns.iter().enumerate() {
                    for (figure, value) in table.figures.iter().zip(turn) {
                        let (title, name) = (&table.title, &side.name);
                        let round = round + 1;
                        let figure = figure.name;
                        let _ = writeln!(text, "{title}\t{name}\t{round}\t{figure}\t{value:.3}");
                    }
                }
            }
        }
        for piece in &self.pieces {
            let figures = [
                ("ns", piece.ns.map(|[_, median, _]| median)),
                ("instructions", piece.instructions),
            ];
            for (figure, value) in figures {
                if let Some(value) = value {
                    let _ = writeln!(text, "pieces\t{}\t1\t{figure}\t{value:.3}", piece.name);
                }
            }
        }
        text
    }

    pub(crate) fn charts(&self) -> impl Iterator<Item = &Chart> {
        self.tables.iter().flat_map(|table| &table.charts)
    }
}
