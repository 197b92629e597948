//! Bars, as SVG. They bring their own background, light or dark as the reader prefers, so
//! that they can be read on any page.

use std::fmt::Write as _;

use crate::statistics::{median, quantile};

const WIDTH: f64 = 760.0;
const MARGIN: f64 = 24.0;
/// Where bars begin and where the longest ends.
const LEFT: f64 = 190.0;
const RIGHT: f64 = WIDTH - 110.0;
const BAR: f64 = 18.0;
const STEP: f64 = 27.0;
const HEAD: f64 = 64.0;
const LEGEND: f64 = 24.0;
const GROUP: f64 = 30.0;

const STYLE: &str = "\
    .page{fill:#fff;stroke:#d8dee4}.text{fill:#1f2328}.faint{fill:#59636e}.line{stroke:#1f2328}\
    .part0{fill:#0969da}.part1{fill:#bf8700}.part2{fill:#8c959f}.base{fill:#8c959f}\
    text{font:13px system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif}\
    .title{font-size:15px;font-weight:600}.group{font-weight:600}\
    @media(prefers-color-scheme:dark){.page{fill:#0d1117;stroke:#3d444d}.text{fill:#f0f6fc}.faint{fill:#9198a1}\
    .line{stroke:#f0f6fc}.part0{fill:#4493f8}.part1{fill:#d29922}.part2{fill:#656c76}.base{fill:#656c76}}";

pub(crate) struct Chart {
    /// The name of its file, without the ending.
    pub(crate) name: &'static str,
    pub(crate) title: String,
    pub(crate) unit: String,
    pub(crate) decimals: usize,
    /// What the parts of a bar are, if it has several.
    pub(crate) legend: Vec<&'static str>,
    pub(crate) groups: Vec<Group>,
}

/// Bars with a heading, or with none. The first is the baseline of the others.
pub(crate) struct Group {
    pub(crate) heading: String,
    pub(crate) bars: Vec<Bar>,
}

pub(crate) struct Bar {
    pub(crate) label: String,
    /// One after the other; their sum is written beside them.
    pub(crate) parts: Vec<f64>,
    /// The lowest and the highest of what the bar is the median of.
    pub(crate) range: Option<(f64, f64)>,
}

impl Bar {
    pub(crate) fn with_range(label: &str, values: &[f64]) -> Self {
        Self {
            label: label.to_owned(),
            parts: vec![median(values)],
            range: Some((quantile(values, 0.0), quantile(values, 1.0))),
        }
    }

    fn sum(&self) -> f64 {
        self.parts.iter().sum()
    }

    fn end(&self) -> f64 {
        self.range
            .map_or(self.sum(), |(_, highest)| highest.max(self.sum()))
    }
}

impl Chart {
    pub(crate) fn svg(&self) -> String {
        let longest = self
            .groups
            .iter()
            .flat_map(|group| &group.bars)
            .map(Bar::end)
            .fold(f64::MIN_POSITIVE, f64::max);
        let scale = (RIGHT - LEFT) / longest;

        let mut body = String::new();
        let mut y = HEAD;
        text(&mut body, MARGIN, 30.0, "text title", "start", &self.title);
        text(&mut body, MARGIN, 48.0, "faint", "start", &self.unit);
        if self.legend.len() > 1 {
            self.draw_legend(&mut body, y);
            y += LEGEND;
        }
        for group in &self.groups {
            if !group.heading.is_empty() {
                text(
                    &mut body,
                    MARGIN,
                    y + 18.0,
                    "text group",
                    "start",
                    &group.heading,
                );
                y += GROUP;
            }
            for (place, bar) in group.bars.iter().enumerate() {
                let is_base = place == 0 && self.legend.is_empty();
                self.draw_bar(&mut body, bar, y, scale, is_base);
                y += STEP;
            }
            y += 8.0;
        }
        let height = y + 10.0;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" role=\"img\">\n\
             <title>{}</title>\n<style>{STYLE}</style>\n\
             <rect class=\"page\" x=\".5\" y=\".5\" width=\"{}\" height=\"{}\" rx=\"8\"/>\n{body}</svg>\n",
            escaped(&self.title),
            WIDTH - 1.0,
            height - 1.0,
        )
    }

    fn draw_legend(&self, body: &mut String, y: f64) {
        for (place, name) in self.legend.iter().enumerate() {
            let x = LEFT + 120.0 * place as f64;
            rectangle(body, x, y, 12.0, 12.0, &format!("part{place}"));
            text(body, x + 18.0, y + 11.0, "text", "start", name);
        }
    }

    fn draw_bar(&self, body: &mut String, bar: &Bar, y: f64, scale: f64, is_base: bool) {
        let middle = y + BAR / 2.0;
        text(body, LEFT - 10.0, middle + 4.5, "text", "end", &bar.label);
        let mut x = LEFT;
        for (place, part) in bar.parts.iter().enumerate() {
            let class = if is_base {
                "base".to_owned()
            } else {
                format!("part{place}")
            };
            rectangle(body, x, y, part * scale, BAR, &class);
            x += part * scale;
        }
        if let Some((lowest, highest)) = bar.range {
            let (from, to) = (LEFT + lowest * scale, LEFT + highest * scale);
            let (top, bottom) = (middle - 4.0, middle + 4.0);
            let _ = writeln!(
                body,
                "<path class=\"line\" fill=\"none\" d=\"M{from:.1} {top:.1}V{bottom:.1}M{from:.1} {middle:.1}H{to:.1}M{to:.1} {top:.1}V{bottom:.1}\"/>"
            );
        }
        let end = LEFT + bar.end() * scale;
        text(
            body,
            end + 10.0,
            middle + 4.5,
            "text",
            "start",
            &grouped(bar.sum(), self.decimals),
        );
    }
}

fn rectangle(body: &mut String, x: f64, y: f64, width: f64, height: f64, class: &str) {
    let _ = writeln!(
        body,
        "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/>"
    );
}

fn text(body: &mut String, x: f64, y: f64, class: &str, anchor: &str, text: &str) {
    let text = escaped(text);
    let _ = writeln!(
        body,
        "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

/// A number with a thin space between thousands.
fn grouped(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let (whole, fraction) = text
        .split_once('.')
        .map_or((text.as_str(), None), |(whole, fraction)| {
            (whole, Some(fraction))
        });
    let mut grouped = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place) % 3 == 0 {
            grouped.push('\u{2009}');
        }
        grouped.push(digit);
    }
    if let Some(fraction) = fraction {
        grouped.push('.');
        grouped.push_str(fraction);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        assert_eq!(grouped(1_234_567.0, 0), "1\u{2009}234\u{2009}567");
        assert_eq!(grouped(999.0, 0), "999");
        assert_eq!(grouped(1_000.25, 1), "1\u{2009}000.2");
    }
}
