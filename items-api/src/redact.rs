//! `items-api redact`: what audit records would show of a text.

use std::io::{self, Read as _, Write as _};

use audit::printable;
use audit::redact::{Redacted, Redactor};
use clap::ValueEnum;
use items_api::config::RedactionConfig;
use items_api::redaction;

/// The longest text that is read: no record holds a longer one.
const BYTES_MAX: u64 = 4 * 1024 * 1024;
const ROOT: &str = "";

/// What a text is read as.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Format {
    /// A JSON body.
    Json,
    /// A form (application/x-www-form-urlencoded).
    Form,
    /// A query string, without its question mark.
    Query,
    /// Any other text, such as a path.
    Text,
}

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Prints what records show of standard input, and where and by which rule something
/// was hidden.
pub(crate) fn redact(config: &RedactionConfig, format: Format, explain: bool) -> Result {
    let redactor = redaction::redactor(config)?;
    let input = standard_input()?;
    let redacted = redacted(&redactor, format, &input)?;
    let mut output = io::stdout().lock();
    let text = match format {
        Format::Json | Format::Form => printable::json(&redacted.text),
        Format::Query | Format::Text => printable::line(&redacted.text),
    };
    writeln!(output, "{text}")?;
    if explain {
        write!(output, "\n{}", explained(&redacted))?;
    }
    Ok(())
}

/// Prints what records show of a value that is hashed: with the key in use, and then
/// with each of the older ones.
pub(crate) fn hash(config: &RedactionConfig) -> Result {
    let input = standard_input()?;
    let value = str::from_utf8(&input)?;
    let value = value.strip_suffix('\n').unwrap_or(value);
    let mut output = io::stdout().lock();
    for hash in redaction::redactors(config)?
        .iter()
        .filter_map(|redactor| redactor.hash(value))
    {
        writeln!(output, "{hash}")?;
    }
    Ok(())
}

fn standard_input() -> Result<Vec<u8>> {
    let mut input = Vec::new();
    io::stdin().take(BYTES_MAX + 1).read_to_end(&mut input)?;
    if input.len() as u64 > BYTES_MAX {
        return Err(
            format!("the text is longer than {BYTES_MAX} bytes; no record holds it").into(),
        );
    }
    Ok(input)
}

fn redacted(redactor: &Redactor, format: Format, input: &[u8]) -> Result<Redacted> {
    let text = || str::from_utf8(input).map(|text| text.strip_suffix('\n').unwrap_or(text));
    Ok(match format {
        Format::Json => redactor.json(ROOT, input).map_err(|error| {
            format!(
                "{error}, so nothing of it would be kept; is it `--as form`, `query` or `text`?"
            )
        })?,
        Format::Form => redactor.form(ROOT, input.trim_ascii_end()),
        Format::Query => redactor.query(ROOT, text()?),
        Format::Text => redactor.text(ROOT, text()?),
    })
}

/// A line for each place, those of one width so that the rules stand in a column.
fn explained(redacted: &Redacted) -> String {
    let hidden = redacted
        .redacted
        .iter()
        .map(|hidden| (shown(&hidden.path), hidden.rule.to_string()));
    let cut = redacted
        .truncated
        .iter()
        .map(|cut| (shown(&cut.path), format!("cut, {} bytes", cut.bytes)));
    let lines: Vec<(String, String)> = hidden.chain(cut).collect();
    if lines.is_empty() {
        return "nothing is hidden\n".to_owned();
    }
    let width = lines.iter().map(|(path, _)| path.chars().count()).max();
    let width = width.unwrap_or_default();
    lines
        .iter()
        .map(|(path, rule)| format!("{path:width$}  {rule}\n"))
        .collect()
}

/// The pointer of the whole text is empty.
fn shown(path: &str) -> String {
    let path = if path.is_empty() { "(all of it)" } else { path };
    printable::line(path).into_owned()
}
