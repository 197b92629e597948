//! Records as a table for people, no wider than it may be.

use audit::record::{ActorKind, Record};
use audit::{Outcome, printable};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Between two columns.
const GAP: &str = "  ";
/// What stands for the end of a text that was cut.
const CUT: char = '…';
/// To how many characters a text is cut before a column is left out.
const NARROW: usize = 10;
/// How wide a column gets although there is room: one long text should not push the others
/// out of sight.
const WIDE: usize = 60;

struct Column {
    title: &'static str,
    cell: fn(&Record) -> String,
    /// Whether its texts may be cut.
    is_elastic: bool,
}

const COLUMNS: [Column; 7] = [
    Column {
        title: "TIME",
        cell: |record| {
            record
                .occurred_at
                .format("%Y-%m-%dT%H:%M:%S%.3fZ")
                .to_string()
        },
        is_elastic: false,
    },
    Column {
        title: "ACTOR",
        cell: actor,
        is_elastic: true,
    },
    Column {
        title: "ACTION",
        cell: |record| record.action.clone(),
        is_elastic: true,
    },
    Column {
        title: "OUTCOME",
        cell: outcome,
        is_elastic: false,
    },
    Column {
        title: "RESOURCE",
        cell: resource,
        is_elastic: true,
    },
    Column {
        title: "ROUTE",
        cell: route,
        is_elastic: true,
    },
    Column {
        title: "IP",
        cell: |record| {
            let address = record.client.as_ref().and_then(|client| client.ip);
            address.map_or_else(String::new, |address| address.to_string())
        },
        is_elastic: false,
    },
];
/// The column that has colours.
const OUTCOME: usize = 3;
/// Which columns are left out where there is no room, the first one first.
const DISPENSABLE: [usize; 3] = [6, 5, 4];

fn actor(record: &Record) -> String {
    let actor = &record.actor;
    match (actor.kind, &actor.id) {
        (ActorKind::User, Some(id)) => id.clone(),
        (kind, Some(id)) => format!("{}:{id}", kind.as_str()),
        (kind, None) => kind.as_str().to_owned(),
    }
}

fn outcome(record: &Record) -> String {
    let outcome = record.outcome.as_str();
    match record.http.as_ref().and_then(|http| http.status) {
        Some(status) => format!("{outcome} {status}"),
        None => outcome.to_owned(),
    }
}

fn resource(record: &Record) -> String {
    let resource = record.resource.as_ref();
    let kind = resource.and_then(|resource| resource.kind.as_deref());
    let id = resource.and_then(|resource| resource.id.as_deref());
    [kind, id]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(" ")
}

fn route(record: &Record) -> String {
    record.http.as_ref().map_or_else(String::new, |http| {
        format!(
            "{} {}",
            http.method,
            http.route.as_ref().unwrap_or(&http.path)
        )
    })
}

/// A table whose columns are as wide as the first page wants them.
pub(super) struct Table {
    /// The columns of the terminal; without one no text is cut.
    room: Option<usize>,
    has_colours: bool,
    widths: Option<Widths>,
}

/// How wide each column is; none is left out if it has none.
type Widths = [Option<usize>; COLUMNS.len()];

impl Table {
    pub(super) fn new(room: Option<usize>, has_colours: bool) -> Self {
        Self {
            room,
            has_colours,
            widths: None,
        }
    }

    /// The lines for some more records, below the titles if they are the first.
    pub(super) fn lines(&mut self, records: &[Record]) -> String {
        let rows: Vec<(Outcome, [String; COLUMNS.len()])> = records
            .iter()
            .map(|record| {
                let cell = |column: &Column| printable::line(&(column.cell)(record)).into_owned();
                (record.outcome, COLUMNS.each_ref().map(cell))
            })
            .collect();
        let mut lines = String::new();
        let widths = match self.widths {
            Some(widths) => widths,
            None => {
                let titles = COLUMNS.each_ref().map(|column| column.title.to_owned());
                let all = rows.iter().map(|(_, row)| row).chain([&titles]);
                let widths = fit(natural(all, self.room.is_some()), self.room);
                self.line(&mut lines, &titles, &widths, None);
                widths
            }
        };
        self.widths = Some(widths);
        for (outcome, row) in &rows {
            let colour = self.has_colours.then(|| colour(*outcome));
            self.line(&mut lines, row, &widths, colour);
        }
        lines
    }

    fn line(
        &self,
        lines: &mut String,
        cells: &[String; COLUMNS.len()],
        widths: &Widths,
        colour: Option<&str>,
    ) {
        let mut line = String::new();
        for (number, (cell, width)) in cells.iter().zip(widths).enumerate() {
            let Some(width) = width else {
                continue;
            };
            if number > 0 {
                line.push_str(GAP);
            }
            let cell = match self.room {
                Some(_) => cut(cell, *width),
                None => cell.clone(),
            };
            let padding = " ".repeat(width.saturating_sub(cell.width()));
            match colour {
                Some(colour) if number == OUTCOME => {
                    line.push_str(&format!("\u{1b}[{colour}m{cell}\u{1b}[0m{padding}"));
                }
                _ => line.push_str(&format!("{cell}{padding}")),
            }
        }
        lines.push_str(line.trim_end());
        lines.push('\n');
    }
}

fn colour(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Success => "32",
        Outcome::Rejected => "33",
        Outcome::Denied => "35",
        Outcome::Failed => "31",
        Outcome::Aborted | Outcome::Unknown => "36",
    }
}

/// How wide the columns want to be.
fn natural<'r>(
    rows: impl Iterator<Item = &'r [String; COLUMNS.len()]>,
    is_bounded: bool,
) -> [usize; COLUMNS.len()] {
    let mut widths = [0; COLUMNS.len()];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.width());
        }
    }
    if is_bounded {
        for (width, column) in widths.iter_mut().zip(&COLUMNS) {
            if column.is_elastic {
                *width = (*width).min(WIDE);
            }
        }
    }
    widths
}

/// Cuts the widest columns until all fit, and leaves some out where that is not enough.
fn fit(natural: [usize; COLUMNS.len()], room: Option<usize>) -> Widths {
    let mut widths = natural.map(Some);
    let Some(room) = room else {
        return widths;
    };
    let mut dispensable = DISPENSABLE.iter();
    loop {
        let shown = widths.iter().flatten().count();
        let wanted = widths.iter().flatten().sum::<usize>() + GAP.len() * shown.saturating_sub(1);
        if wanted <= room {
            return widths;
        }
        let elastic = widths
            .iter_mut()
            .zip(&COLUMNS)
            .filter(|(_, column)| column.is_elastic)
            .filter_map(|(width, _)| width.as_mut());
        let widest = elastic.max_by_key(|width| **width);
        match widest {
            Some(widest) if *widest > NARROW => *widest -= 1,
            _ => {
                let Some(left_out) = dispensable.next() else {
                    // Lines that are broken by the terminal are better than none.
                    return widths;
                };
                for (number, (width, natural)) in widths.iter_mut().zip(natural).enumerate() {
                    // What there is room for now may be wide again.
                    *width = match width {
                        Some(_) if number != *left_out => Some(natural),
                        _ => None,
                    };
                }
            }
        }
    }
}

/// The beginning of a text that is too wide, and a sign that it goes on.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut room = width.saturating_sub(1);
    let mut beginning = String::new();
    for character in text.chars() {
        let wanted = character.width().unwrap_or_default();
        if wanted > room {
            break;
        }
        room -= wanted;
        beginning.push(character);
    }
    beginning.push(CUT);
    beginning
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(changes: &serde_json::Value) -> Record {
        let mut record = serde_json::json!({
            "id": "01932b00-0000-7000-8000-000000000000",
            "schema": 1,
            "service": "items-api",
            "instance": "i",
            "seq": 1,
            "occurred_at": "2026-11-24T10:00:00.123456Z",
            "duration_us": 1,
            "action": "replace_item",
            "outcome": "success",
            "reason": null,
            "actor": { "kind": "user", "id": "alice", "roles": [], "auth": "jwt", "credential": null },
            "resource": { "type": "item", "id": "01932b00-0000-7000-8000-000000000001" },
            "http": {
                "method": "PUT", "route": "/items/{item_id}", "path": "/items/1", "query": null,
                "status": 200, "request_id": "r", "trace_id": null
            },
            "client": { "ip": "192.0.2.7", "peer": null, "user_agent": null },
            "request": null,
            "response": null,
            "changes": [],
            "notes": {},
            "redacted": [],
            "truncated": []
        });
        for (name, value) in changes.as_object().unwrap() {
            record[name] = value.clone();
        }
        serde_json::from_value::<Record>(record).unwrap()
    }

    fn lines(room: Option<usize>, records: &[Record]) -> Vec<String> {
        let lines = Table::new(room, false).lines(records);
        lines.lines().map(str::to_owned).collect()
    }

    fn plain() -> Record {
        record(&serde_json::json!({}))
    }

    #[test]
    fn where_there_is_room_everything_is_shown() {
        assert_eq!(
            lines(Some(160), &[plain()]),
            [
                "TIME                      ACTOR  ACTION        OUTCOME      RESOURCE                                   ROUTE                 IP",
                "2026-11-24T10:00:00.123Z  alice  replace_item  success 200  item 01932b00-0000-7000-8000-000000000001  PUT /items/{item_id}  192.0.2.7",
            ]
        );
        assert_eq!(lines(None, &[plain()]), lines(Some(160), &[plain()]));
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_and_the_widest_texts_are_cut_first() {
        let wide = record(&serde_json::json!({
            "action": "a".repeat(64),
            "actor": { "kind": "service", "id": "请".repeat(100), "roles": [], "auth": null, "credential": null },
        }));
        let records = [plain(), wide];
        for room in 61..200 {
            for line in lines(Some(room), &records) {
                assert!(line.width() <= room, "{room}: {line}");
            }
        }
        let narrow = lines(Some(100), &[plain()]);
        assert_eq!(
            narrow[1],
            "2026-11-24T10:00:00.123Z  alice  replace_item  success 200  item 01932b00…  PUT /items/{…  192.0.2.7"
        );
    }

    #[test]
    fn where_texts_would_be_cut_too_short_columns_are_left_out() {
        let titles = |room| lines(Some(room), &[plain()])[0].clone();
        assert!(titles(100).ends_with("IP"));
        assert!(titles(80).ends_with("ROUTE"), "{}", titles(80));
        assert!(titles(72).ends_with("RESOURCE"), "{}", titles(72));
        assert!(titles(64).ends_with("OUTCOME"), "{}", titles(64));
    }

    #[test]
    fn what_a_text_would_do_to_the_terminal_is_shown_instead() {
        let nasty = record(&serde_json::json!({ "action": "a\n\u{1b}[2J" }));
        let lines = lines(Some(200), &[nasty]);
        assert_eq!(lines.len(), 2);
        assert!(lines[1].contains(r"a\n\u{1b}[2J"));
    }

    #[test]
    fn only_the_outcome_has_a_colour() {
        let failed = record(&serde_json::json!({ "outcome": "failed" }));
        let lines = Table::new(Some(160), true).lines(&[failed]);
        assert!(lines.contains("\u{1b}[31mfailed 200\u{1b}[0m"));
        assert_eq!(lines.matches('\u{1b}').count(), 2);
    }

    #[test]
    fn later_pages_keep_the_columns_and_have_no_titles() {
        let mut table = Table::new(Some(160), false);
        let first = table.lines(&[plain()]);
        let later = table.lines(&[plain()]);
        assert!(first.ends_with(&later));
        assert_eq!(later.lines().count(), 1);
    }
}
