//! A strict reader of JSON text that never recurses.
//!
//! It accepts exactly what RFC 8259 calls a JSON text, at any depth: what is
//! open is one bit per level, so that 60,000 levels cost 7.5 KiB and no stack.
//! It hands out pieces of the text as they stand there, numbers and strings
//! unparsed, and touches every byte once.

use super::InvalidJson;

/// Reads one JSON text, one [`Event`] at a time.
pub(super) struct Events<'t> {
    text: &'t str,
    at: usize,
    open: Nesting,
    expected: Expected,
}

/// The next thing that stands in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event<'t> {
    /// An array or object begins.
    Open(Container),
    /// The innermost array or object ends.
    Close(Container),
    /// The name of an object's member; its value is the next event.
    Name(Quoted<'t>),
    /// A string.
    String(Quoted<'t>),
    /// A number, `true`, `false` or `null`, as written.
    Literal(&'t str),
}

/// What can hold other values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Container {
    /// `[…]`
    Array,
    /// `{…}`
    Object,
}

/// What the grammar allows at this point.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expected {
    Value,
    FirstItem,
    FirstName,
    Name,
    AfterValue,
}

impl<'t> Events<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self {
            text,
            at: 0,
            open: Nesting::default(),
            expected: Expected::Value,
        }
    }

    /// How many arrays and objects are open.
    pub(super) fn depth(&self) -> usize {
        self.open.depth
    }

    /// Whether the innermost level is an array within an array. More than 64 levels deep it
    /// may say so of one within an object, never the other way round.
    pub(super) fn is_in_list_in_list(&self) -> bool {
        self.open.depth >= 2 && self.open.inner & 0b11 == 0
    }

    /// How much of the text has been read. Behind a name that includes its colon.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// The next event, or `None` behind the end of a valid text.
    pub(super) fn next(&mut self) -> Result<Option<Event<'t>>, InvalidJson> {
        self.skip_whitespace();
        if self.expected == Expected::AfterValue {
            match (self.peek(), self.open.innermost()) {
                (None, None) => return Ok(None),
                (Some(b','), Some(container)) => {
                    self.at += 1;
                    self.skip_whitespace();
                    self.expected = match container {
                        Container::Array => Expected::Value,
                        Container::Object => Expected::Name,
                    };
                }
                (Some(b']'), Some(Container::Array)) => {
                    return Ok(Some(self.close(Container::Array)));
                }
                (Some(b'}'), Some(Container::Object)) => {
                    return Ok(Some(self.close(Container::Object)));
                }
                _ => return Err(self.invalid()),
            }
        }
        let Some(byte) = self.peek() else {
            return Err(self.invalid());
        };
        match (self.expected, byte) {
            (Expected::FirstItem, b']') => Ok(Some(self.close(Container::Array))),
            (Expected::FirstName, b'}') => Ok(Some(self.close(Container::Object))),
            (Expected::FirstName | Expected::Name, b'"') => self.name().map(Some),
            (Expected::Value | Expected::FirstItem, _) => self.value(byte).map(Some),
            _ => Err(self.invalid()),
        }
    }

    fn name(&mut self) -> Result<Event<'t>, InvalidJson> {
        let name = self.string()?;
        self.skip_whitespace();
        self.require(b':')?;
        self.expected = Expected::Value;
        Ok(Event::Name(name))
    }

    fn value(&mut self, first: u8) -> Result<Event<'t>, InvalidJson> {
        match first {
            b'{' => Ok(self.open(Container::Object, Expected::FirstName)),
            b'[' => Ok(self.open(Container::Array, Expected::FirstItem)),
            b'"' => {
                let string = self.string()?;
                self.expected = Expected::AfterValue;
                Ok(Event::String(string))
            }
            b'-' | b'0'..=b'9' => self.number(),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            _ => Err(self.invalid()),
        }
    }

    fn open(&mut self, container: Container, expected: Expected) -> Event<'t> {
        self.at += 1;
        self.open.push(container);
        self.expected = expected;
        Event::Open(container)
    }

    fn close(&mut self, container: Container) -> Event<'t> {
        self.at += 1;
        self.open.pop();
        self.expected = Expected::AfterValue;
        Event::Close(container)
    }

    fn string(&mut self) -> Result<Quoted<'t>, InvalidJson> {
        let start = self.at;
        let mut escaped = false;
        self.at += 1;
        loop {
            self.at += plain_prefix(self.rest());
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                _ => return Err(self.invalid()),
            }
        }
        self.at += 1;
        Ok(Quoted {
            text: self.since(start),
            escaped,
        })
    }

    fn escape(&mut self) -> Result<(), InvalidJson> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    if !self.peek().is_some_and(|byte| byte.is_ascii_hexdigit()) {
                        return Err(self.invalid());
                    }
                    self.at += 1;
                }
            }
            _ => return Err(self.invalid()),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<Event<'t>, InvalidJson> {
        let start = self.at;
        self.take(b"-");
        if !self.take(b"0") {
            self.digits()?;
        }
        if self.take(b".") {
            self.digits()?;
        }
        if self.take(b"eE") {
            self.take(b"+-");
            self.digits()?;
        }
        self.expected = Expected::AfterValue;
        Ok(Event::Literal(self.since(start)))
    }

    fn digits(&mut self) -> Result<(), InvalidJson> {
        let count = self
            .rest()
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        self.at += count;
        if count == 0 {
            Err(self.invalid())
        } else {
            Ok(())
        }
    }

    fn word(&mut self, word: &'static str) -> Result<Event<'t>, InvalidJson> {
        if !self.rest().starts_with(word.as_bytes()) {
            return Err(self.invalid());
        }
        self.at += word.len();
        self.expected = Expected::AfterValue;
        Ok(Event::Literal(word))
    }

    fn skip_whitespace(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn take(&mut self, any_of: &[u8]) -> bool {
        let taken = self.peek().is_some_and(|byte| any_of.contains(&byte));
        self.at += usize::from(taken);
        taken
    }

    fn require(&mut self, byte: u8) -> Result<(), InvalidJson> {
        if self.take(&[byte]) {
            Ok(())
        } else {
            Err(self.invalid())
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &'t [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    fn since(&self, start: usize) -> &'t str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    fn invalid(&self) -> InvalidJson {
        InvalidJson { offset: self.at }
    }
}

/// A string as it stands in the text, with its quotes and escapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quoted<'t> {
    text: &'t str,
    escaped: bool,
}

impl<'t> Quoted<'t> {
    /// As it stands in the text, quotes included.
    pub(super) fn as_written(&self) -> &'t str {
        self.text
    }

    /// What it says, if that can be read without resolving escapes.
    pub(super) fn plain(&self) -> Option<&'t str> {
        (!self.escaped).then(|| self.between_quotes())
    }

    /// Puts what it says into `value` and tells whether it had to be altered.
    ///
    /// U+0000, which Postgres cannot hold in a text, and half a surrogate pair,
    /// which no Unicode text can hold, become U+FFFD.
    pub(super) fn unescape(&self, value: &mut String) -> Unescaped {
        value.clear();
        let mut unescaped = Unescaped::Faithfully;
        let mut rest = self.between_quotes();
        while let Some((before, from_escape)) = rest.split_once('\\') {
            value.push_str(before);
            let (character, behind) = read_escape(from_escape);
            value.push(character.unwrap_or(char::REPLACEMENT_CHARACTER));
            if character.is_none() {
                unescaped = Unescaped::Altered;
            }
            rest = behind;
        }
        value.push_str(rest);
        unescaped
    }

    /// What it says and whether that had to be altered, with memory lent by the
    /// caller for what is written with escapes.
    pub(super) fn read<'s>(&self, memory: &'s mut String) -> (&'s str, Unescaped)
    where
        't: 's,
    {
        match self.plain() {
            Some(plain) => (plain, Unescaped::Faithfully),
            None => {
                let unescaped = self.unescape(memory);
                (memory, unescaped)
            }
        }
    }

    fn between_quotes(&self) -> &'t str {
        let end = self.text.len().saturating_sub(1);
        self.text.get(1..end).unwrap_or_default()
    }
}

/// Whether a text still says what it said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unescaped {
    /// Every character is the one that was written.
    Faithfully,
    /// Something that no record can hold was replaced.
    Altered,
}

/// Reads the escape behind a backslash: its character, if a text can hold it,
/// and what comes after.
fn read_escape(escape: &str) -> (Option<char>, &str) {
    let mut characters = escape.chars();
    let character = match characters.next() {
        Some('b') => '\u{8}',
        Some('f') => '\u{c}',
        Some('n') => '\n',
        Some('r') => '\r',
        Some('t') => '\t',
        Some('u') => return read_code_unit(characters.as_str()),
        Some(itself) => itself,
        None => char::REPLACEMENT_CHARACTER,
    };
    (Some(character), characters.as_str())
}

fn read_code_unit(digits: &str) -> (Option<char>, &str) {
    let (unit, rest) = split_hex(digits);
    if let high @ 0xD800..=0xDBFF = unit
        && let Some(next) = rest.strip_prefix("\\u")
        && let (low @ 0xDC00..=0xDFFF, behind) = split_hex(next)
    {
        let scalar = 0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00);
        return (char::from_u32(scalar), behind);
    }
    (
        char::from_u32(unit).filter(|character| *character != '\0'),
        rest,
    )
}

fn split_hex(text: &str) -> (u32, &str) {
    text.split_at_checked(4)
        .and_then(|(digits, rest)| Some((u32::from_str_radix(digits, 16).ok()?, rest)))
        .unwrap_or((u32::from(char::REPLACEMENT_CHARACTER), ""))
}

/// How many bytes come before the next quote, backslash or control character.
///
/// Most bytes of a body are inside strings, so this looks at eight at a time: a
/// subtraction borrows into a byte's top bit exactly where the byte was smaller
/// than what was subtracted. Borrows travel upwards and may mark later bytes
/// wrongly, but never an earlier one, and only the first mark is used.
fn plain_prefix(bytes: &[u8]) -> usize {
    const EACH: u64 = u64::from_ne_bytes([0x01; 8]);
    const TOP: u64 = u64::from_ne_bytes([0x80; 8]);
    let below = |word: u64, bound: u8| word.wrapping_sub(EACH * u64::from(bound)) & !word & TOP;
    let equal = |word: u64, byte: u8| below(word ^ (EACH * u64::from(byte)), 1);

    let (words, tail) = bytes.as_chunks::<8>();
    let mut plain = 0;
    for word in words {
        let word = u64::from_le_bytes(*word);
        let marks = below(word, 0x20) | equal(word, b'"') | equal(word, b'\\');
        if marks != 0 {
            return plain + marks.trailing_zeros() as usize / 8;
        }
        plain += 8;
    }
    let ends = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
    plain + tail.iter().position(ends).unwrap_or(tail.len())
}

/// The arrays and objects that are open, one bit each.
#[derive(Default)]
struct Nesting {
    depth: usize,
    /// The innermost levels, the last one in the lowest bit.
    inner: u64,
    /// The levels outside of those, by 64.
    outer: Vec<u64>,
}

impl Nesting {
    fn push(&mut self, container: Container) {
        if self.inner_is_full_or_empty() {
            self.outer.push(self.inner);
        }
        self.inner = self.inner << 1 | u64::from(container == Container::Object);
        self.depth += 1;
    }

    fn pop(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        self.inner >>= 1;
        if self.inner_is_full_or_empty() {
            self.inner = self.outer.pop().unwrap_or_default();
        }
    }

    fn innermost(&self) -> Option<Container> {
        if self.depth == 0 {
            None
        } else if self.inner & 1 == 1 {
            Some(Container::Object)
        } else {
            Some(Container::Array)
        }
    }

    fn inner_is_full_or_empty(&self) -> bool {
        self.depth != 0 && self.depth.is_multiple_of(64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<usize, InvalidJson> {
        let mut events = Events::new(text);
        let mut count = 0;
        while events.next()?.is_some() {
            count += 1;
        }
        Ok(count)
    }

    fn unescape(string: &str) -> (String, Unescaped) {
        let mut value = String::new();
        let text = format!("\"{string}\"");
        let Ok(Some(Event::String(quoted))) = Events::new(&text).next() else {
            panic!("{text} is a string");
        };
        let unescaped = quoted.unescape(&mut value);
        (value, unescaped)
    }

    #[test]
    fn what_rfc_8259_calls_json_is_read() {
        for text in [
            "0",
            "-0",
            "-0.0e-0",
            "1E+9",
            "1e400",
            "12.340",
            "true",
            "false",
            "null",
            "\"\"",
            "[]",
            "{}",
            " \t\r\n[ 1 , 2 ] ",
            r#"{"":{"":[]}}"#,
            r#"{"a":1,"a":2}"#,
            r#""\"\\\/\b\f\n\r\t\u00e9\ud800""#,
            "\"\u{7f}\u{2028}é\"",
        ] {
            assert!(read(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_is_almost_json_is_refused() {
        for text in [
            "",
            " ",
            "00",
            "01",
            "-",
            "+1",
            ".1",
            "1.",
            "1.e1",
            "1e",
            "1e+",
            "0x1",
            "1 2",
            "truex",
            "tru",
            "nul",
            "True",
            "NaN",
            "[",
            "]",
            "[1",
            "[1,",
            "[1,]",
            "[,1]",
            "[1 2]",
            "{",
            "}",
            "{]",
            "[}",
            "{1:2}",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1,}"#,
            r#"{"a" 1}"#,
            r#"{"a":1 "b":2}"#,
            r#"{,}"#,
            "{'a':1}",
            "\"",
            r#""\"#,
            r#""\""#,
            r#""\x""#,
            r#""\u12""#,
            r#""\u12g4""#,
            "\"\n\"",
            "\"\t\"",
            "\"\0\"",
            "\u{feff}1",
            "\u{a0}1",
            "// c\n1",
            "[]]",
            "{}}",
            "\u{c}1",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_error_tells_where_the_text_stops_being_json() {
        assert_eq!(read("[1, 2 3]"), Err(InvalidJson { offset: 6 }));
        assert_eq!(read(r#"{"a":1"#), Err(InvalidJson { offset: 6 }));
    }

    #[test]
    fn containers_are_told_apart_at_every_depth() {
        let depth = 1000;
        let open = "[{\"\":".repeat(depth);
        let close = "}]".repeat(depth);
        assert_eq!(read(&format!("{open}1{close}")), Ok(5 * depth + 1));
        for at in [0, 1, 63, 64, 65, 127, 128, 129, 1999] {
            let mut wrong = close.clone().into_bytes();
            wrong[at] = if wrong[at] == b'}' { b']' } else { b'}' };
            let text = format!("{open}1{}", String::from_utf8(wrong).unwrap());
            assert_eq!(
                read(&text),
                Err(InvalidJson {
                    offset: open.len() + 1 + at
                })
            );
        }
    }

    #[test]
    fn a_string_ends_at_its_first_quote_wherever_that_stands() {
        for length in 0..40 {
            for special in [b'"', b'\\', b'\n', 0, 0x1f] {
                let mut bytes = vec![b'a'; length];
                bytes.push(special);
                bytes.extend_from_slice(b"\"\\\x00 \xff");
                assert_eq!(plain_prefix(&bytes), length);
            }
            let harmless =
                [b' ', b'!', b'#', b'[', b']', 0x7f, 0x80, 0xa2, 0xdc, 0xff].repeat(length);
            assert_eq!(plain_prefix(&harmless), harmless.len());
        }
    }

    #[test]
    fn escapes_are_resolved() {
        let faithful = |text: &str| (text.to_owned(), Unescaped::Faithfully);
        assert_eq!(
            unescape(r#"a\"\\\/\b\f\n\r\tz"#),
            faithful("a\"\\/\u{8}\u{c}\n\r\tz")
        );
        assert_eq!(unescape(r"pass\u0077ord"), faithful("password"));
        assert_eq!(unescape(r"\u00e9\u20AC\ud83d\ude00!"), faithful("é€😀!"));
    }

    #[test]
    fn a_backslash_before_u0000_is_text_and_no_nul() {
        assert_eq!(
            unescape(r"\\u0000"),
            ("\\u0000".to_owned(), Unescaped::Faithfully)
        );
    }

    #[test]
    fn nul_and_half_surrogate_pairs_are_replaced() {
        for (written, shown) in [
            (r"a\u0000b", "a\u{fffd}b"),
            (r"\ud800", "\u{fffd}"),
            (r"\udc00\ud800", "\u{fffd}\u{fffd}"),
            (r"\ud800\ud83d\ude00", "\u{fffd}😀"),
            (r"\ud800\n", "\u{fffd}\n"),
            (r"\ud800\u0041", "\u{fffd}A"),
        ] {
            assert_eq!(unescape(written), (shown.to_owned(), Unescaped::Altered));
        }
    }
}
