//! Text from outside, made safe for a line on a terminal or in a log.
//!
//! A line break in a path or in an error of Postgres forges a second line
//! ([CWE-117]), an escape sequence erases what an operator should see ([CWE-150]),
//! and a bidirectional control shows a text in another order than it has
//! ([UTR 36], section 2.5). All of them are shown as what they are instead.
//!
//! Only what people read is changed: records, items and their JSON hold every text
//! as it came.
//!
//! [CWE-117]: https://cwe.mitre.org/data/definitions/117.html
//! [CWE-150]: https://cwe.mitre.org/data/definitions/150.html
//! [UTR 36]: https://www.unicode.org/reports/tr36/#Bidirectional_Text_Spoofing

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write};

/// Whether a character shows itself and leaves its neighbours alone. Controls do
/// not, nor what ends a line, turns the direction of a text, or cannot be seen.
#[must_use]
pub fn is_printable(character: char) -> bool {
    !character.is_control()
        && !matches!(
            character,
            // The soft hyphen, the Arabic letter mark and the Mongolian vowel separator.
            '\u{ad}' | '\u{61c}' | '\u{180e}'
            // Zero-width characters, and the marks of direction.
            | '\u{200b}'..='\u{200f}'
            // Separators of lines and paragraphs; embeddings and overrides.
            | '\u{2028}'..='\u{202e}'
            // Joiners, invisible operators, isolates, and deprecated controls.
            | '\u{2060}'..='\u{206f}'
            // The byte order mark, interlinear annotations, and tags.
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
}

/// A text for people, on one line.
///
/// ```
/// use audit::printable;
///
/// assert_eq!(printable::line("Grüße, 世界 🫖"), "Grüße, 世界 🫖");
/// assert_eq!(printable::line("ok\n\u{1b}[2Jforged\u{202e}"), r"ok\n\u{1b}[2Jforged\u{202e}");
/// ```
#[must_use]
pub fn line(text: &str) -> Cow<'_, str> {
    escaped(text, |character, line| {
        line.extend(character.escape_default());
    })
}

/// A JSON text without line breaks between its tokens, on one line. It means the
/// same as before.
///
/// ```
/// use audit::printable;
///
/// assert_eq!(printable::json("[\"\u{202e}\"]"), r#"["\u202e"]"#);
/// ```
#[must_use]
pub fn json(text: &str) -> Cow<'_, str> {
    escaped(text, |character, line| {
        for unit in character.encode_utf16(&mut [0; 2]) {
            let _ = write!(line, "\\u{unit:04x}");
        }
    })
}

fn escaped(text: &str, escape: impl Fn(char, &mut String)) -> Cow<'_, str> {
    if text.chars().all(is_printable) {
        return Cow::Borrowed(text);
    }
    let mut line = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_printable(character) {
            line.push(character);
        } else {
            escape(character, &mut line);
        }
    }
    Cow::Owned(line)
}

/// A log in which every write is one line, whatever it holds.
///
/// `tracing-subscriber` writes each event at once. Its own escapes leave line breaks
/// and bidirectional controls in texts, so it gets this for a writer. The log should
/// have no colours, because their escape sequences would be escaped too.
///
/// ```
/// use audit::printable::Lines;
/// use std::io;
///
/// tracing_subscriber::fmt()
///     .with_ansi(false)
///     .with_writer(|| Lines::of_text(io::stderr()))
///     .init();
/// ```
#[derive(Debug)]
pub struct Lines<W> {
    destination: W,
    escape: fn(&str) -> Cow<'_, str>,
}

impl<W: Write> Lines<W> {
    /// Lines for people.
    pub fn of_text(destination: W) -> Self {
        Self {
            destination,
            escape: line,
        }
    }

    /// Lines for programs, each a JSON text.
    pub fn of_json(destination: W) -> Self {
        Self {
            destination,
            escape: json,
        }
    }
}

impl<W: Write> Write for Lines<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let mut line = (self.escape)(text).into_owned();
        line.push('\n');
        self.destination.write_all(line.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.destination.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use proptest::prelude::*;
    use serde_json::Value;
    use tracing::subscriber::with_default;

    use super::*;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Log {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Logs a text in every way that there is.
    fn log(text: &str) {
        let span = tracing::error_span!("request", path = %text, debug = ?text, plain = text);
        let _entered = span.enter();
        let error: &dyn std::error::Error = &io::Error::other(text.to_owned());
        tracing::error!(path = %text, debug = ?text, plain = text, error, "it said {text}");
    }

    fn text_log(text: &str) -> String {
        let written = Log::default();
        let destination = written.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || Lines::of_text(destination.clone()));
        with_default(subscriber.finish(), || log(text));
        written.text()
    }

    fn json_log(text: &str) -> String {
        let written = Log::default();
        let destination = written.clone();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .with_writer(move || Lines::of_json(destination.clone()));
        with_default(subscriber.finish(), || log(text));
        written.text()
    }

    /// Anything, and far more often than by chance what does harm.
    fn nasty() -> impl Strategy<Value = String> {
        let character = prop_oneof![
            any::<char>(),
            prop::char::range('\0', '\u{a0}'),
            prop::char::range('\u{2000}', '\u{2070}'),
            prop::sample::select(vec!['\n', '\r', '\u{1b}', '\u{61c}', '\u{feff}', '"', '\\']),
        ];
        prop::collection::vec(character, 0..40).prop_map(String::from_iter)
    }

    fn assert_one_line(log: &str) {
        let line = log.strip_suffix('\n').unwrap();
        assert!(line.chars().all(is_printable), "{line:?}");
    }

    proptest! {
        #[test]
        fn an_event_is_one_line_of_text_whatever_it_holds(text in nasty()) {
            assert_one_line(&text_log(&text));
        }

        #[test]
        fn an_event_is_one_line_of_json_and_still_tells_what_it_held(text in nasty()) {
            let log = json_log(&text);
            assert_one_line(&log);
            let event: Value = serde_json::from_str(&log).unwrap();
            prop_assert_eq!(&event["fields"]["plain"], &text);
            prop_assert_eq!(&event["fields"]["path"], &text);
        }

        #[test]
        fn a_json_text_means_the_same_on_its_line(text in nasty()) {
            let json_text = serde_json::to_string(&text).unwrap();
            let line = json(&json_text);
            prop_assert!(line.chars().all(is_printable));
            prop_assert_eq!(serde_json::from_str::<String>(&line).unwrap(), text);
        }
    }

    /// Why the writer is there at all: should this fail one day, it may go.
    #[test]
    fn the_subscriber_alone_lets_line_breaks_and_directions_through() {
        let written = Log::default();
        let destination = written.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || destination.clone());
        with_default(subscriber.finish(), || log("one\ntwo\u{202e}"));
        assert!(written.text().contains("one\ntwo\u{202e}"));
    }
}
