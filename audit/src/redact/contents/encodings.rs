//! What a string says in another way.
//!
//! JSON within a string is the whole string; its secrets are hidden in it, and it stays
//! JSON. Percent-encoding and base64 may be any part of a string. Of those the part is
//! hidden as a whole if there is a secret in it, because what it would be without has
//! no evidence left in it. The escapes of JSON and XML may stand anywhere in a string,
//! which is hidden as a whole if nothing but they keep a secret from being seen.

use std::borrow::Cow;
use std::ops::Range;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::GeneralPurposeConfig;
use base64::engine::{DecodePaddingMode, GeneralPurpose};
use percent_encoding::percent_decode_str;

use super::super::Redactor;
use super::super::report::Rule;
use super::{Secret, is_url_safe, run};

/// Base64 as people write it, with padding or without.
const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_allow_trailing_bits(true)
    .with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// The shortest base64 that is looked into.
pub(super) const BASE64_BYTES: usize = 12;

/// Whether the string, as a whole, looks as if it were JSON that can hold something.
pub(super) fn may_be_json(string: &str) -> bool {
    let bytes = string.trim_ascii().as_bytes();
    matches!(
        (bytes.first(), bytes.last()),
        (Some(b'{'), Some(b'}')) | (Some(b'['), Some(b']')) | (Some(b'"'), Some(b'"'))
    )
}

/// The encoded parts of a string that hold a secret.
pub(super) fn find(redactor: &Redactor, string: &str, layers: u8) -> Vec<Secret> {
    let mut secrets = Vec::new();
    let look = Look { redactor, layers };
    look.for_percent(string, &mut secrets);
    look.for_base64(string, &mut secrets);
    look.for_escapes(string, &mut secrets);
    secrets
}

/// Whether it is of either alphabet of base64.
pub(super) const fn is_base64(byte: u8) -> bool {
    is_url_safe(byte) || byte == b'+' || byte == b'/'
}

/// The text in base64 of either alphabet, if it is text.
pub(super) fn base64(encoded: &str) -> Option<String> {
    let bytes = STANDARD
        .decode(encoded)
        .or_else(|_| URL_SAFE.decode(encoded))
        .ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let is_text = |character: char| !character.is_control() || character.is_whitespace();
    text.chars().all(is_text).then_some(text)
}

struct Look<'r> {
    redactor: &'r Redactor,
    layers: u8,
}

impl Look<'_> {
    /// Whether something decoded holds a secret, or may, because nobody looks deeper.
    fn holds_secrets(&self, decoded: &str) -> Option<Rule> {
        match self.layers.checked_sub(1) {
            None => Some(Rule::Unread),
            Some(layers) => {
                let hidden = self.redactor.without_secrets(decoded, layers)?;
                hidden.rules.first().copied()
            }
        }
    }

    fn for_percent(&self, string: &str, secrets: &mut Vec<Secret>) {
        if !string.contains('%') {
            return;
        }
        for word in pieces(string, |byte| {
            byte.is_ascii_whitespace() || b"\"'<>".contains(&byte)
        }) {
            let Some(rule) = self.percent(string, &word) else {
                continue;
            };
            // The parts of a URL are looked at one by one, so that the rest of it can
            // be shown. What only all of it gives away is left to the next look.
            let text = string.get(word.clone()).unwrap_or_default();
            let parts = pieces(text, |byte| b"/?&#;=,:".contains(&byte));
            let found = secrets.len();
            secrets.extend(parts.filter_map(|part| {
                let rule = self.percent(text, &part)?;
                let range = word.start + part.start..word.start + part.end;
                Some(Secret { range, rule })
            }));
            if secrets.len() == found {
                secrets.push(Secret { range: word, rule });
            }
        }
    }

    fn percent(&self, string: &str, part: &Range<usize>) -> Option<Rule> {
        let part = string.get(part.clone())?;
        let decoded = part
            .contains('%')
            .then(|| percent_decode_str(part).decode_utf8_lossy())?;
        match decoded {
            Cow::Owned(decoded) if decoded != part => self.holds_secrets(&decoded),
            _ => None,
        }
    }

    fn for_escapes(&self, string: &str, secrets: &mut Vec<Secret>) {
        if let Some(rule) = unescaped(string).and_then(|says| self.holds_secrets(&says)) {
            let range = 0..string.len();
            secrets.push(Secret { range, rule });
        }
    }

    fn for_base64(&self, string: &str, secrets: &mut Vec<Secret>) {
        for word in pieces(string, |byte| !is_base64(byte)) {
            if word.len() < BASE64_BYTES {
                continue;
            }
            let padding = run(string, word.end, |byte| byte == b'=').min(word.end + 2);
            let word = word.start..padding;
            let text = string.get(word.clone()).unwrap_or_default();
            if let Some(rule) = self.base64(text) {
                secrets.push(Secret { range: word, rule });
                continue;
            }
            if !text.contains('/') {
                continue;
            }
            // A segment of a path.
            for segment in pieces(text, |byte| byte == b'/') {
                if segment.len() >= BASE64_BYTES
                    && let Some(rule) = self.base64(text.get(segment.clone()).unwrap_or_default())
                {
                    let range = word.start + segment.start..word.start + segment.end;
                    secrets.push(Secret { range, rule });
                }
            }
        }
    }

    fn base64(&self, encoded: &str) -> Option<Rule> {
        self.holds_secrets(&base64(encoded)?)
    }
}

/// The string with the escapes of JSON and XML resolved, if it has any.
fn unescaped(string: &str) -> Option<String> {
    let mut says = String::new();
    let mut rest = string;
    while let Some(at) = memchr::memchr2(b'&', b'\\', rest.as_bytes()) {
        let (before, escape) = rest.split_at_checked(at)?;
        says.push_str(before);
        let (character, length) = read_escape(escape).unwrap_or_else(|| {
            let itself = escape.chars().next().unwrap_or_default();
            (itself, itself.len_utf8())
        });
        says.push(character);
        rest = escape.get(length..)?;
    }
    says.push_str(rest);
    (says.len() < string.len()).then_some(says)
}

/// The character that is written here as `\u0022`, `&quot;` or `&#34;`, and how long that
/// is.
fn read_escape(escape: &str) -> Option<(char, usize)> {
    const ENTITIES: [(&str, char); 5] = [
        ("&quot;", '"'),
        ("&apos;", '\''),
        ("&amp;", '&'),
        ("&lt;", '<'),
        ("&gt;", '>'),
    ];
    let character = |digits, radix| {
        u32::from_str_radix(digits, radix)
            .ok()
            .and_then(char::from_u32)
    };
    if let Some(unit) = escape.strip_prefix("\\u") {
        return Some((character(unit.get(..4)?, 16)?, 6));
    }
    if let Some(number) = escape.strip_prefix("&#") {
        let end = number.bytes().take(8).position(|byte| byte == b';')?;
        let digits = number.get(..end)?;
        let character = match digits.strip_prefix(['x', 'X']) {
            Some(digits) => character(digits, 16),
            None => character(digits, 10),
        };
        return Some((character?, "&#;".len() + end));
    }
    let mut entities = ENTITIES.iter();
    let (entity, character) = entities.find(|(entity, _)| escape.starts_with(entity))?;
    Some((*character, entity.len()))
}

/// The pieces of a string between bytes of ASCII.
fn pieces(string: &str, is_delimiter: impl Fn(u8) -> bool) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = run(string, at, &is_delimiter);
        at = run(string, start, |byte| !is_delimiter(byte));
        (at > start).then_some(start..at)
    })
}
