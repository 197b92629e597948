//! Numbers of payment cards.
//!
//! A number counts if an issuer gives out such numbers (ISO/IEC 7812), if its check
//! digit is right, and if it stands alone: in one, or in the groups that are printed on
//! cards, with one space, hyphen, dot or slash between them. What a magnetic stripe has
//! behind the number (ISO/IEC 7813) is hidden with it, because there is a code in it that
//! stands for the card. One in ten numbers has the right check
//! digit by chance, so an order number of sixteen digits that begins like a card's may
//! be hidden; numbers of other lengths, and those that stand within letters, are not.
//!
//! Thirteen digits were the length of Visa's first cards, and are that of most goods'
//! numbers today. Those that have the check digit of a GTIN are taken for one.

use std::ops::Range;

use super::{Content, Secret, run};

/// The fewest digits of a card's number.
pub(super) const DIGITS_MIN: usize = 13;
const DIGITS_MAX: usize = 19;

/// As they are printed on cards.
const PRINTED: [&[usize]; 4] = [&[4, 4, 4, 4, 3], &[4, 4, 4, 4], &[4, 6, 5], &[4, 6, 4]];

/// The longest rest of a track.
const TRACK_BYTES: usize = 107;

/// What people and their programs put between groups of digits.
const SEPARATORS: [char; 10] = [
    ' ', '-', '.', '/', '\u{a0}', '\u{2009}', '\u{2010}', '\u{2011}', '\u{2013}', '\u{202f}',
];

/// Whether a number, as JSON writes it, is a card's. One that went through a float may
/// have a fraction of zero or an exponent.
pub(in super::super) fn is_card_literal(literal: &str) -> bool {
    /// Beyond it, floats do not tell whole numbers apart.
    const WHOLE: f64 = 9_007_199_254_740_992.0;
    if !literal.contains(['.', 'e', 'E']) {
        return is_card_number(literal);
    }
    let whole = literal.parse::<f64>().ok();
    whole
        .filter(|number| number.fract() == 0.0 && (0.0..WHOLE).contains(number))
        .is_some_and(|number| is_card_number(&format!("{number:.0}")))
}

fn is_card_number(digits: &str) -> bool {
    (DIGITS_MIN..=DIGITS_MAX).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && is_issued(digits)
        && weighted_sum(digits, luhn).is_multiple_of(10)
        && !(digits.len() == DIGITS_MIN && weighted_sum(digits, gtin).is_multiple_of(10))
}

pub(super) fn find(string: &str, secrets: &mut Vec<Secret>) {
    let bytes = string.as_bytes();
    let mut at = 0;
    while let Some(start) = next_digit(bytes, at) {
        let run = Run::at(string, start);
        at = run.end();
        let mut groups = run.alone(bytes);
        while !groups.is_empty() {
            let count = card_at(string, groups);
            if let Some((first, last)) = groups.first().zip(groups.get(count.max(1) - 1))
                && count > 0
            {
                let end = track_end(string, last.end).unwrap_or(last.end);
                secrets.push(Secret::new(first.start..end, Content::CardNumber));
            }
            groups = groups.get(count.max(1)..).unwrap_or_default();
        }
    }
}

/// Where the track ends whose number ends here, if one does.
fn track_end(string: &str, number_end: usize) -> Option<usize> {
    let rest = string.as_bytes().get(number_end..)?;
    let rest = rest.get(..TRACK_BYTES.min(rest.len()))?;
    let is_track = match rest {
        [b'^', ..] => true,
        [b'=', next, ..] => next.is_ascii_digit(),
        _ => false,
    };
    let end = rest.iter().position(|byte| *byte == b'?')?;
    is_track.then_some(number_end + end + 1)
}

fn next_digit(bytes: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    rest.iter()
        .position(u8::is_ascii_digit)
        .map(|position| from + position)
}

/// Groups of digits with one separator between them.
struct Run {
    groups: Vec<Range<usize>>,
}

impl Run {
    fn at(string: &str, start: usize) -> Self {
        let mut groups = Vec::new();
        let mut at = start;
        loop {
            let end = run(string, at, |byte| byte.is_ascii_digit());
            groups.push(at..end);
            let mut behind = string.get(end..).unwrap_or_default().chars();
            match behind.next().filter(|next| SEPARATORS.contains(next)) {
                Some(separator) if behind.next().is_some_and(|next| next.is_ascii_digit()) => {
                    at = end + separator.len_utf8();
                }
                _ => return Self { groups },
            }
        }
    }

    fn end(&self) -> usize {
        self.groups.last().map_or(usize::MAX, |group| group.end)
    }

    /// Those groups that are not part of something else: a word, a decimal fraction, a
    /// phone number, an IBAN. The `B` of a track is no word.
    fn alone(&self, bytes: &[u8]) -> &[Range<usize>] {
        let groups = self.groups.as_slice();
        let Some((first, last)) = groups.first().zip(groups.last()) else {
            return &[];
        };
        let before = |back: usize| {
            let at = first.start.checked_sub(back)?;
            bytes.get(at).copied()
        };
        let is_letter = |byte: u8| byte.is_ascii_alphabetic() || !byte.is_ascii();
        let is_iban = first.len() == 2
            && [1, 2]
                .map(before)
                .iter()
                .all(|byte| byte.is_some_and(|byte| byte.is_ascii_uppercase()));
        if is_iban {
            return &[];
        }
        let is_track = before(1) == Some(b'B') && before(2) == Some(b'%');
        let begins_within =
            !is_track && before(1).is_some_and(|byte| is_letter(byte) || b".+_".contains(&byte));
        let ends_within = bytes
            .get(last.end)
            .is_some_and(|byte| is_letter(*byte) || *byte == b'_');
        let from = usize::from(begins_within);
        let to = groups.len() - usize::from(ends_within);
        groups.get(from..to).unwrap_or_default()
    }
}

/// How many of these groups are one card number, beginning with the first; 0 if none.
fn card_at(string: &str, groups: &[Range<usize>]) -> usize {
    let is_fraction = groups.first().is_some_and(|first| {
        let before = string.get(..first.start).unwrap_or_default();
        before.ends_with('.')
    });
    let is_card = |groups: &[Range<usize>]| {
        let digits = groups.iter().filter_map(|group| string.get(group.clone()));
        is_card_number(&digits.collect::<String>())
    };
    if groups
        .first()
        .is_some_and(|first| first.len() >= DIGITS_MIN)
    {
        return usize::from(!is_fraction && groups.get(..1).is_some_and(is_card));
    }
    let printed = PRINTED.iter().find(|lengths| {
        groups.get(..lengths.len()).is_some_and(|groups| {
            groups.iter().map(Range::len).eq(lengths.iter().copied()) && is_card(groups)
        })
    });
    printed.map_or(0, |lengths| lengths.len())
}

/// Whether an issuer gives out numbers that begin so and are as long (ISO/IEC 7812).
fn is_issued(digits: &str) -> bool {
    let begins = |length: usize, range: std::ops::RangeInclusive<u32>| {
        let prefix = digits.get(..length).and_then(|prefix| prefix.parse().ok());
        prefix.is_some_and(|prefix| range.contains(&prefix))
    };
    match digits.len() {
        13 => begins(1, 4..=4),
        14 => begins(3, 300..=305) || begins(2, 36..=36) || begins(2, 38..=39),
        15 => begins(2, 34..=34) || begins(2, 37..=37),
        16 => {
            begins(1, 4..=4)
                || begins(2, 51..=55)
                || begins(4, 2221..=2720)
                || begins(4, 3528..=3589)
                || begins(4, 6011..=6011)
                || begins(3, 644..=659)
                || begins(2, 62..=62)
                || begins(4, 5018..=5038)
                || begins(2, 81..=82)
                || begins(4, 2200..=2204)
        }
        17 | 18 => begins(2, 62..=62),
        19 => begins(1, 4..=4) || begins(2, 62..=62) || begins(4, 6011..=6011),
        _ => false,
    }
}

/// The sum of the digits, each by its weight, counted from the last.
fn weighted_sum(digits: &str, weigh: impl Fn(usize, u32) -> u32) -> u32 {
    let digits = digits.bytes().rev().enumerate();
    digits
        .map(|(place, byte)| weigh(place, u32::from(byte.saturating_sub(b'0'))))
        .sum()
}

/// ISO/IEC 7812-1, annex B.
fn luhn(place: usize, digit: u32) -> u32 {
    match (place % 2, digit) {
        (0, digit) => digit,
        (_, digit @ 0..=4) => digit * 2,
        (_, digit) => digit * 2 - 9,
    }
}

/// GS1 General Specifications, section 7.9.
fn gtin(place: usize, digit: u32) -> u32 {
    if place.is_multiple_of(2) {
        digit
    } else {
        digit * 3
    }
}
