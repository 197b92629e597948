//! Secrets that are known by how they look, wherever they stand in a string.
//!
//! Names decide first. What is left may still hold a secret that somebody put in the
//! wrong place: a token in a path, a key in a comment, a card number in a
//! description. Only what looks like nothing else is hidden, and only that part of
//! the string, because prose, ids and order numbers must stay readable.
//!
//! | rule | looks like | where |
//! |---|---|---|
//! | `json_web_token` | three or five parts of base64url with dots between them, the first of which is a JSON object with an `alg` | `markers` |
//! | `pem_block` | from `-----BEGIN` to its end, or to that of the string | `markers` |
//! | `http_credentials` | `Bearer` and a token that is no word, `Basic` and base64 with a colon in it | `markers` |
//! | `url_password` | what stands between the colon of `scheme://user:` and the `@` | `markers` |
//! | `api_key` | the prefix of a well-known issuer, and as much behind it as its keys have | `markers` |
//! | `password_hash` | the prefix of bcrypt, argon2, scrypt or crypt(3), and what follows | `markers` |
//! | `named_value` | the name of a secret and its value, as in a URL, a header, XML, a log line or a command | `named` |
//! | `card_number` | 14 to 19 digits (or 13, see there), in one or in the groups of cards, of a known issuer, with the right check digit | `cards` |
//!
//! What a string says in another way is read too, see `encodings`: JSON within a
//! string, percent-encoding and base64, up to [`LAYERS`] of them within each other.
//! What is wrapped more often than that is hidden unread.
//!
//! # In linear time
//!
//! One automaton, built when the service starts, finds where a marked secret may
//! begin; what is there is then looked at by hand. Every byte is looked at a bounded
//! number of times, whatever the string: a rule goes on behind what it has read, or
//! reads no further than it must to tell. There is no expression that is built from
//! input.
//!
//! A mark in the place of a secret changes what stands beside it: a value ends earlier,
//! a name is shorter. So a string in which something was hidden is looked at again,
//! until nothing is, or, after [`LOOKS`], all of it is. Whoever redacts a record once
//! more finds nothing, therefore, that it still showed.

mod cards;
mod encodings;
mod markers;
mod named;

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use super::names::NameRules;
use super::report::Rule;
use super::{REDACTED, Redactor, scan};
use markers::Markers;
use serde::Deserialize;

pub(super) use cards::is_card_literal;

/// How many encodings within each other are taken off to look at what they hold.
pub(super) const LAYERS: u8 = 3;
/// A shorter string holds no secret that could be told from a word, unless there is
/// punctuation in it.
const SHORTEST: usize = 9;
/// How many looks at a string may find something. What is left then is hidden unread.
const LOOKS: usize = 3;

/// What a secret is known by, if not by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// A key of a well-known issuer, or one that a service has added.
    ApiKey,
    /// The number of a payment card.
    CardNumber,
    /// Credentials behind the name of an HTTP authentication scheme.
    HttpCredentials,
    /// A JSON Web Token.
    JsonWebToken,
    /// A value behind the name of a secret.
    NamedValue,
    /// The hash of a password.
    PasswordHash,
    /// A block of PEM: keys and certificates.
    PemBlock,
    /// The password in a URL.
    UrlPassword,
}

impl Content {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::ApiKey,
        Self::CardNumber,
        Self::HttpCredentials,
        Self::JsonWebToken,
        Self::NamedValue,
        Self::PasswordHash,
        Self::PemBlock,
        Self::UrlPassword,
    ];

    /// What it is called in configurations and explanations.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ApiKey => "api_key",
            Self::CardNumber => "card_number",
            Self::HttpCredentials => "http_credentials",
            Self::JsonWebToken => "json_web_token",
            Self::NamedValue => "named_value",
            Self::PasswordHash => "password_hash",
            Self::PemBlock => "pem_block",
            Self::UrlPassword => "url_password",
        }
    }
}

impl fmt::Display for Content {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// No rule about contents is called so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no such rule: there are api_key, card_number, http_credentials, json_web_token, named_value, \
     password_hash, pem_block and url_password"
)]
pub struct UnknownContent;

impl FromStr for Content {
    type Err = UnknownContent;

    fn from_str(name: &str) -> Result<Self, UnknownContent> {
        let mut all = Self::ALL.into_iter();
        all.find(|content| content.as_str() == name)
            .ok_or(UnknownContent)
    }
}

/// Which contents are secret: rules that fit most services, and what a service adds to
/// them or takes from them.
///
/// ```
/// use audit::redact::{Content, ContentRules, Limits, NameRules, Redactor};
///
/// let contents = ContentRules::default()
///     .hide_prefix("acme_live_", 16)
///     .show(Content::CardNumber);
/// let redactor = Redactor::new(NameRules::default(), Limits::default()).with_contents(contents);
///
/// let note = r#"["acme_live_0123456789abcdef for card 4111 1111 1111 1111"]"#;
/// let shown = redactor.json("/request", note)?.text;
/// assert_eq!(shown, r#"["[REDACTED] for card 4111 1111 1111 1111"]"#);
/// # Ok::<(), audit::redact::InvalidJson>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ContentRules {
    markers: Markers,
    shown: Vec<Content>,
}

impl ContentRules {
    /// Hides what begins with this prefix, in just this spelling, and goes on with at
    /// least so many letters, digits, `_` and `-`: the keys that a service issues
    /// itself. An empty prefix hides nothing.
    #[must_use]
    pub fn hide_prefix(mut self, prefix: &str, bytes_behind: usize) -> Self {
        self.markers.add(prefix, bytes_behind);
        self
    }

    /// Shows what this rule would hide. Names are not contents: what is hidden for its
    /// name stays so.
    #[must_use]
    pub fn show(mut self, content: Content) -> Self {
        self.shown.push(content);
        self
    }

    /// The prefixes that a service has added, in order.
    pub(super) fn prefixes(&self) -> Vec<&str> {
        self.markers.own().collect()
    }

    /// The rules that a service does without, in order.
    pub(super) fn shown(&self) -> Vec<&'static str> {
        let shown = Content::ALL.iter().filter(|content| !self.hides(**content));
        shown.map(|content| content.as_str()).collect()
    }

    pub(super) fn hides(&self, content: Content) -> bool {
        !self.shown.contains(&content)
    }

    fn find(&self, string: &str, hints: &Hints, names: &NameRules) -> Vec<Secret> {
        let mut secrets = Vec::new();
        self.markers.find(string, names, &mut secrets);
        if hints.digits >= cards::DIGITS_MIN {
            cards::find(string, &mut secrets);
        }
        if hints.has_separator {
            named::find(string, names, &mut secrets);
        }
        secrets.retain(|secret| match secret.rule {
            Rule::Content(content) => self.hides(content),
            _ => true,
        });
        secrets
    }
}

/// What a string has of what rules look for, found in one pass: most strings have
/// nothing, and then most rules need not look.
struct Hints {
    digits: usize,
    /// One of the characters between a name and its value.
    has_separator: bool,
    /// A character that begins an escape: of URLs, JSON or XML.
    has_escapes: bool,
    /// The most characters of base64 side by side.
    longest_word: usize,
}

impl Hints {
    const DIGIT: u8 = 1;
    const SEPARATOR: u8 = 2;
    const ESCAPE: u8 = 4;
    const BASE64: u8 = 8;

    /// What each byte is, so that one look tells all of it.
    #[expect(
        clippy::indexing_slicing,
        reason = "the compiler evaluates it, and refuses an index that is out of bounds"
    )]
    const KINDS: [u8; 256] = {
        let mut kinds = [0; 256];
        let mut byte = 0;
        while byte <= u8::MAX as usize {
            kinds[byte] = Self::kinds(byte as u8);
            byte += 1;
        }
        kinds
    };

    const fn kinds(byte: u8) -> u8 {
        let mut kinds = 0;
        if byte.is_ascii_digit() {
            kinds |= Self::DIGIT;
        }
        if named::is_separator(byte) {
            kinds |= Self::SEPARATOR;
        }
        if matches!(byte, b'%' | b'\\' | b'&') {
            kinds |= Self::ESCAPE;
        }
        if encodings::is_base64(byte) {
            kinds |= Self::BASE64;
        }
        kinds
    }

    fn of(string: &str) -> Self {
        let mut all = 0;
        let mut digits = 0;
        let mut word = 0;
        let mut longest_word = 0;
        for byte in string.bytes() {
            let kinds = Self::KINDS
                .get(usize::from(byte))
                .copied()
                .unwrap_or_default();
            all |= kinds;
            digits += usize::from(kinds & Self::DIGIT);
            word = if kinds & Self::BASE64 == 0 {
                0
            } else {
                word + 1
            };
            longest_word = longest_word.max(word);
        }
        Self {
            digits,
            has_separator: all & Self::SEPARATOR != 0,
            has_escapes: all & Self::ESCAPE != 0,
            longest_word,
        }
    }

    fn has_encodings(&self) -> bool {
        self.has_escapes || self.longest_word >= encodings::BASE64_BYTES
    }
}

/// A part of a string that is to be hidden.
struct Secret {
    range: Range<usize>,
    rule: Rule,
}

impl Secret {
    fn new(range: Range<usize>, content: Content) -> Self {
        Self {
            range,
            rule: Rule::Content(content),
        }
    }
}

/// A string without its secrets.
pub(super) struct Cleaned {
    pub(super) text: String,
    /// What they were known by, each once.
    pub(super) rules: Vec<Rule>,
}

impl Cleaned {
    /// Takes the place of this one what is left of it.
    fn add(&mut self, more: Self) {
        self.text = more.text;
        for rule in more.rules {
            if !self.rules.contains(&rule) {
                self.rules.push(rule);
            }
        }
    }
}

impl Redactor {
    /// The string without its secrets, if it has any; `layers` more encodings may be
    /// taken off.
    ///
    /// It is looked at again until there is nothing to hide in what is left, for a mark
    /// changes what stands beside it. What was encoded is not: the string that it was
    /// found in is, with all that it holds.
    pub(super) fn without_secrets(&self, string: &str, layers: u8) -> Option<Cleaned> {
        let mut hidden = self.look(string, layers)?;
        if layers < LAYERS {
            return Some(hidden);
        }
        for _ in 0..LOOKS {
            match self.look(&hidden.text, layers) {
                Some(more) if more.text != hidden.text => hidden.add(more),
                _ => return Some(hidden),
            }
        }
        REDACTED.clone_into(&mut hidden.text);
        Some(hidden)
    }

    /// The same after one look.
    fn look(&self, string: &str, layers: u8) -> Option<Cleaned> {
        let hints = Hints::of(string);
        if string.len() < SHORTEST && !hints.has_separator && !hints.has_escapes {
            return None;
        }
        if encodings::may_be_json(string)
            && let Ok(inner) = scan::redact_inner(self, string, layers)
        {
            return inner.map(|(text, rule)| Cleaned {
                text,
                rules: vec![rule],
            });
        }
        let plain = replaced(string, self.contents.find(string, &hints, &self.names));
        let text = plain.as_ref().map_or(string, |hidden| &hidden.text);
        let encoded = hints
            .has_encodings()
            .then(|| replaced(text, encodings::find(self, text, layers)))
            .flatten();
        match (plain, encoded) {
            (Some(mut plain), Some(encoded)) => {
                plain.add(encoded);
                Some(plain)
            }
            (plain, encoded) => encoded.or(plain),
        }
    }
}

/// The string with a mark in the place of its secrets, if there are any.
fn replaced(string: &str, mut secrets: Vec<Secret>) -> Option<Cleaned> {
    if secrets.is_empty() {
        return None;
    }
    secrets.sort_by_key(|secret| secret.range.start);
    let mut text = String::with_capacity(string.len());
    let mut rules = Vec::new();
    let mut at = 0;
    for Secret { range, rule } in secrets {
        if range.start >= at {
            text.push_str(string.get(at..range.start).unwrap_or_default());
            text.push_str(REDACTED);
        }
        at = at.max(range.end);
        if !rules.contains(&rule) {
            rules.push(rule);
        }
    }
    text.push_str(string.get(at..).unwrap_or_default());
    Some(Cleaned { text, rules })
}

/// Where the bytes of one kind end that begin at `from`.
fn run(string: &str, from: usize, is_of_it: impl Fn(u8) -> bool) -> usize {
    let rest = string.as_bytes().get(from..).unwrap_or_default();
    let length = rest.iter().position(|byte| !is_of_it(*byte));
    from + length.unwrap_or(rest.len())
}

const fn is_url_safe(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

#[cfg(test)]
mod tests;
