//! Values behind the name of a secret, where text is no JSON: the query of a URL, a
//! header, XML, a configuration, a line of a log, JSON that is broken or within prose.
//!
//! Three characters may stand between a name and its value.
//!
//! - `=` (or `=>`, or `:=`): up to the next space, quote or separator; in quotes, up to
//!   the quote, also if something stands before it, as in `Some("x")`.
//! - `:` behind a name in quotes: the same. Behind a name that begins a line or a
//!   quoted text, as in a header: to the end of the line, because a cookie or a
//!   passphrase has spaces. Behind the names of headers that carry credentials: the
//!   same, wherever they stand. Behind any other name: the next word, if it is none.
//! - `>` of an XML tag: up to the next tag.
//!
//! Of a pair such as `name="password" value="x"`, in XML, YAML or broken JSON, the first
//! half is the name of the second one.

use std::ops::Range;

use super::super::names::{Folded, NameRules};
use super::super::siblings;
use super::super::{REDACTED, beginning, without_mark};
use super::{Content, Secret, is_url_safe};

/// How far back a name is read.
pub(super) const NAME_BYTES: usize = 64;
/// With how many backslashes a quote may be escaped: JSON in JSON in JSON has seven.
const ESCAPES: usize = 7;
/// How far back the tag of a name is read.
const TAG_BYTES: usize = 256;

/// How far behind the first half of a pair the second one may begin.
const PAIR_BYTES: usize = 128;

/// Whether it may stand between a name and its value.
pub(super) const fn is_separator(byte: u8) -> bool {
    matches!(byte, b'=' | b':' | b'>')
}

pub(super) fn find(string: &str, names: &NameRules, secrets: &mut Vec<Secret>) {
    let mut folded = Folded::default();
    let mut read_to = 0;
    let mut pair_to = 0;
    for at in memchr::memchr3_iter(b'=', b':', b'>', string.as_bytes()) {
        if at < read_to {
            continue;
        }
        let Some(name) = Name::before(string, at) else {
            continue;
        };
        let is_named = names.hides_folded(name.without_line(string, at), &mut folded);
        let is_second_half =
            at < pair_to && (name.place == Place::Tag || siblings::is_value(name.text));
        if is_second_half {
            pair_to = 0;
        }
        if is_named || is_second_half {
            if let Some(value) = name.value(string, at, is_second_half) {
                // What was taken for a value may end as a name does, with one behind it.
                read_to = value.end.saturating_sub(1);
                secrets.push(Secret::new(value, Content::NamedValue));
            }
        } else if siblings::is_naming(name.text)
            && let Some(said) = name.short_value(string, at)
            && names.hides_folded(said, &mut folded)
        {
            pair_to = at + PAIR_BYTES;
        }
    }
}

/// What stands before a separator.
struct Name<'s> {
    text: &'s str,
    place: Place,
}

/// Where a name stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Quoted,
    /// At the beginning of a line, or behind an opening quote.
    First,
    Within,
    Tag,
}

impl<'s> Name<'s> {
    fn before(string: &'s str, at: usize) -> Option<Self> {
        if string.as_bytes().get(at) == Some(&b'>') {
            return Self::of_tag(string, at);
        }
        let before = string.as_bytes().get(at.saturating_sub(NAME_BYTES)..at)?;
        // Of `:=` the name stands before the colon.
        let before = match string.as_bytes().get(at) {
            Some(b'=') => before.strip_suffix(b":").unwrap_or(before),
            _ => before,
        };
        let spaces = before
            .iter()
            .rev()
            .take_while(|byte| b" \t".contains(byte))
            .count();
        let before = before.get(..before.len() - spaces)?;
        let unquoted = before
            .strip_suffix(b"\"")
            .or_else(|| before.strip_suffix(b"'"))
            .map(|name| {
                let escapes = backslashes(name.iter().rev());
                name.get(..name.len() - escapes).unwrap_or_default()
            });
        let before = unquoted.unwrap_or(before);
        let length = before
            .iter()
            .rev()
            .take_while(|byte| is_in_name(**byte))
            .count();
        let outside = before.get(..before.len() - length)?;
        let text = str::from_utf8(before.get(before.len() - length..)?).ok()?;
        if !text.bytes().any(|byte| byte.is_ascii_alphabetic()) {
            return None;
        }
        let place = match outside.trim_ascii_end().last() {
            _ if unquoted.is_some() => Place::Quoted,
            None => Place::First,
            Some(b'"' | b'\'') => Place::First,
            Some(_) if outside.ends_with(b"\n") || outside.ends_with(b"\r") => Place::First,
            Some(_) => Place::Within,
        };
        Some(Self { text, place })
    }

    /// The name of the tag that ends here: of `<ns:Password type="x">` it is
    /// `ns:Password`.
    fn of_tag(string: &'s str, at: usize) -> Option<Self> {
        let before = string.as_bytes().get(at.saturating_sub(TAG_BYTES)..at)?;
        let tag = before.get(memchr::memrchr(b'<', before)? + 1..)?;
        let length = tag
            .iter()
            .position(|byte| !is_in_name(*byte) && *byte != b':');
        let text = str::from_utf8(tag.get(..length.unwrap_or(tag.len()))?).ok()?;
        (!text.is_empty()).then_some(Self {
            text,
            place: Place::Tag,
        })
    }

    /// Whether it is that of a header whose value has several words.
    fn is_header(&self) -> bool {
        const HEADERS: [&str; 4] = [
            "authorization",
            "cookie",
            "proxy-authorization",
            "set-cookie",
        ];
        self.place != Place::Quoted
            && HEADERS
                .iter()
                .any(|header| self.text.eq_ignore_ascii_case(header))
    }

    /// The name, or the end of one that is most likely that of a file, if what follows
    /// looks like the number of a line: `TokenFilter.java:42`.
    fn without_line(&self, string: &str, separator: usize) -> &'s str {
        let is_line = string.as_bytes().get(separator) == Some(&b':')
            && string
                .as_bytes()
                .get(separator + 1)
                .is_some_and(u8::is_ascii_digit);
        match self.text.rsplit_once('.') {
            Some((_, extension)) if is_line => extension,
            _ => self.text,
        }
    }

    /// The value of something that only names something else, if it is short.
    fn short_value(&self, string: &'s str, separator: usize) -> Option<&'s str> {
        let longest = separator + 1 + NAME_BYTES;
        let string = beginning(string, longest).unwrap_or(string);
        let behind = string.get(separator + 1..)?;
        let start = string.len() - behind.trim_start_matches(' ').len();
        let said = string.get(word(string, start)?)?;
        (!said.contains(char::is_whitespace)).then_some(said)
    }

    /// The value behind the separator, if it shows something.
    fn value(&self, string: &str, separator: usize, is_second_half: bool) -> Option<Range<usize>> {
        let behind = string.get(separator + 1..)?;
        let is_colon = string.as_bytes().get(separator) == Some(&b':');
        let arrow = usize::from(self.place != Place::Tag && !is_colon && behind.starts_with('>'));
        let rest = behind.get(arrow..)?;
        let is_space = |character: char| match self.place {
            Place::Quoted => character.is_ascii_whitespace(),
            _ => character == ' ' || character == '\t',
        };
        let spaces = rest.len() - rest.trim_start_matches(is_space).len();
        let start = separator + 1 + arrow + spaces;
        let rest = string.get(start..)?;
        if is_placeholder(rest) {
            return None;
        }
        let to_line_end =
            |start: usize| start..start + rest.find(['\n', '\r']).unwrap_or(rest.len());
        let value = match self.place {
            Place::Tag => start..start + text_of_tag(rest),
            // A comparison, the padding of base64, or a path of Rust.
            _ if rest.starts_with(['=', ':']) && spaces == 0 => return None,
            _ if is_colon && self.is_header() => to_line_end(start),
            Place::First if is_colon && quoted(string, start).is_none() => to_line_end(start),
            Place::Within if is_colon && !is_second_half && is_plain_word(rest) => return None,
            _ => word(string, start)?,
        };
        let shown = string.get(value.clone())?;
        let is_shown = !shown.trim().is_empty() && !is_hidden_already(shown);
        is_shown.then_some(value)
    }
}

/// Whether a word of prose begins here: short, and without digits and quotes. No more is
/// read than it takes to tell, because this is asked behind each colon.
fn is_plain_word(rest: &str) -> bool {
    let bytes = rest.as_bytes();
    let is_quote = |at: usize| matches!(bytes.get(at), Some(b'"' | b'\''));
    let beginning = bytes.iter().take(NAME_BYTES + 1);
    let length = beginning.take_while(|byte| !ends_word(**byte)).count();
    let word = rest.get(..length).unwrap_or_default();
    let begins_quoted = is_quote(backslashes(bytes.iter()));
    let is_wrapped = is_quote(length) && is_wrapper(word.trim_end_matches('\\'));
    if begins_quoted || is_wrapped {
        return false;
    }
    length <= NAME_BYTES && !word.bytes().any(|byte| byte.is_ascii_digit())
}

/// Whether the quotes that follow belong to this word, as in `Some("x")` and `b'x'`.
fn is_wrapper(word: &str) -> bool {
    word.ends_with('(') || matches!(word, "b" | "f" | "r" | "u" | "N")
}

/// Whether no word goes on here that is not in quotes.
fn ends_word(byte: u8) -> bool {
    byte.is_ascii_whitespace() || b"&;,\"'<>)}".contains(&byte)
}

/// How long the text is that follows a tag.
fn text_of_tag(rest: &str) -> usize {
    const END: &str = "]]>";
    let end = if rest.starts_with("<![CDATA[") {
        rest.find(END).map(|end| end + END.len())
    } else {
        rest.find('<')
    };
    end.unwrap_or(rest.len())
}

/// Whether what begins here stands for a value: in a template, in a script, or because a
/// treatment has put it there. It tells by the beginning, so that no more is read.
fn is_placeholder(rest: &str) -> bool {
    let rest = rest.trim_start_matches(['\\', '"', '\'']);
    let mut beginnings = ["${", "{{", "%s", "****", "hmac-sha256:"].iter();
    beginnings.any(|beginning| rest.starts_with(*beginning))
}

/// The word that begins here, or what stands in the quotes that begin here. To a word
/// that wraps something in quotes, as in `Some("x")` and `b'x'`, they belong.
pub(super) fn word(string: &str, start: usize) -> Option<Range<usize>> {
    if let Some(inside) = quoted(string, start) {
        return Some(inside);
    }
    let rest = string.get(start..)?;
    let length = rest.bytes().position(ends_word);
    let end = start + length.unwrap_or(rest.len());
    let word = string.get(start..end)?.trim_end_matches('\\');
    let inside = is_wrapper(word)
        .then(|| quoted(string, start + word.len()))
        .flatten();
    Some(start..inside.map_or(end, |inside| inside.end))
}

/// What stands in the quotes that begin here.
fn quoted(string: &str, start: usize) -> Option<Range<usize>> {
    let rest = string.get(start..)?.as_bytes();
    let escapes = backslashes(rest.iter());
    let quote = rest.get(escapes).filter(|byte| b"\"'".contains(byte))?;
    if escapes > ESCAPES {
        return None;
    }
    let inside = rest.get(escapes + 1..)?;
    let start = start + escapes + 1;
    let mut before = 0;
    let end = inside.iter().position(|byte| {
        // A quote within the quotes, and a backslash before the last one, have more
        // backslashes than the quotes themselves.
        let ends = byte == quote && before % (2 * (escapes + 1)) == escapes;
        before = if *byte == b'\\' { before + 1 } else { 0 };
        ends
    });
    let end = end.map_or(inside.len(), |end| end - escapes);
    Some(start..start + end)
}

fn backslashes<'b>(bytes: impl Iterator<Item = &'b u8>) -> usize {
    bytes
        .take_while(|byte| **byte == b'\\')
        .take(ESCAPES + 1)
        .count()
}

fn is_in_name(byte: u8) -> bool {
    is_url_safe(byte) || b".[]".contains(&byte)
}

/// Whether this is what an earlier look at the same text has left, cut or whole.
pub(super) fn is_hidden_already(shown: &str) -> bool {
    let beginning = without_mark(shown);
    shown == REDACTED || beginning.len() < shown.len() && REDACTED.starts_with(beginning)
}
