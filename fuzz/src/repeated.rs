//! No text is so made that redacting many of it takes longer than reading them.

use crate::input::Input;
use crate::promises::{ROOT, Rules};
use crate::time::linear;

/// How long the text becomes: long enough that what takes a second look at each byte
/// takes seconds.
const LONG_BYTES: usize = 32 * 1024;

/// Repeats the input, and redacts that as everything that it may be.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let redactor = &Rules::choose(&mut input).redactor;
    let piece = String::from_utf8_lossy(input.rest());
    let text = piece.repeat(LONG_BYTES.checked_div(piece.len()).unwrap_or(0));
    linear(text.len(), || redactor.text(ROOT, &text));
    linear(text.len(), || redactor.query(ROOT, &text));
    linear(text.len(), || redactor.form(ROOT, text.as_bytes()));
    let string = serde_json::Value::from(text).to_string();
    linear(string.len(), || redactor.json(ROOT, &string)).expect("a string is JSON");
}
