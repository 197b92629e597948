//! Forms and query strings: pairs of names and values, percent-encoded.
//!
//! Servers do not agree on what separates pairs. `&` does everywhere; some also
//! split at `;`, and a value may itself be a reference with a query or fragment
//! of its own. So a secret name counts behind any of `;`, `?` and `#`, while its
//! value is hidden up to the next `&`: under whichever reading the service
//! prefers, nothing of the secret is shown.

use std::borrow::Cow;
use std::collections::HashMap;

use super::names::Folded;
use super::report::{Report, Step};
use super::scan::Output;
use super::{REDACTED, Redacted, Redactor, TRUNCATED, without_nul};

/// Redacts a query string into a query string.
pub(super) fn redact_query(redactor: &Redactor, root: &str, query: &str) -> Redacted {
    let mut report = Report::new(root, &redactor.limits);
    let hidden = hide_secrets(redactor, query, &mut report);
    let hidden = without_nul(&hidden);
    let text = redactor.string(&hidden, &[], &mut report).into_owned();
    report.finish(text)
}

/// Redacts a form into the text of a JSON object.
pub(super) fn redact_form(redactor: &Redactor, root: &str, body: &str) -> Redacted {
    let mut report = Report::new(root, &redactor.limits);
    let (pairs, rest) = split_pairs(body, redactor.limits.fields);

    let mut output = Output::with_capacity(body.len() + 2 * pairs.len());
    output.push("{");
    for field in collect_fields(redactor, &pairs) {
        write_field(redactor, field, &mut output, &mut report);
    }
    if !rest.is_empty() {
        report.pause();
        let rest = hide_secrets(redactor, rest, &mut report);
        report.resume();
        report.cut(&[], &rest);
        output.name(TRUNCATED);
        output.string(TRUNCATED);
    }
    output.push("}");
    report.finish(output.finish())
}

/// All the values of one name.
struct Field<'b> {
    name: Cow<'b, str>,
    values: Vec<Cow<'b, str>>,
    secret: Exposure,
}

/// How much of a field is a secret.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Exposure {
    Harmless,
    /// A value holds, behind another separator, a secret name and its value.
    Partly,
    /// The field's own name is that of a secret.
    Wholly,
}

fn collect_fields<'b>(redactor: &Redactor, pairs: &[&'b str]) -> Vec<Field<'b>> {
    let mut fields = Vec::<Field<'b>>::new();
    let mut by_name = HashMap::<Cow<'b, str>, usize>::new();
    let mut folded = Folded::default();
    for pair in pairs {
        let (name, value, secret) = read_pair(redactor, pair, &mut folded);
        let known = by_name.get(&name).and_then(|&index| fields.get_mut(index));
        if let Some(field) = known {
            field.secret = field.secret.max(secret);
            field.values.push(value);
        } else {
            by_name.insert(name.clone(), fields.len());
            fields.push(Field {
                name,
                values: vec![value],
                secret,
            });
        }
    }
    fields
}

fn read_pair<'b>(
    redactor: &Redactor,
    pair: &'b str,
    folded: &mut Folded,
) -> (Cow<'b, str>, Cow<'b, str>, Exposure) {
    let Some(secret) = find_secret(redactor, pair, folded) else {
        let (name, value) = split_pair(pair);
        return (decode(name), decode(value), Exposure::Harmless);
    };
    match secret.before.split_once('=') {
        None => (
            Cow::Borrowed(REDACTED),
            Cow::Borrowed(REDACTED),
            Exposure::Wholly,
        ),
        Some((name, "")) => (decode(name), Cow::Borrowed(REDACTED), Exposure::Wholly),
        Some((name, before)) => {
            let value = decode(before) + REDACTED;
            (decode(name), value, Exposure::Partly)
        }
    }
}

fn write_field(
    redactor: &Redactor,
    field: Field<'_>,
    output: &mut Output,
    report: &mut Report<'_>,
) {
    let renamed = redactor.renamed(&field.name, false);
    let name = renamed.as_deref().unwrap_or(&field.name);
    let mut place = vec![Step::Member(Cow::Borrowed(name))];
    output.name(name);
    if renamed.is_some() {
        report.cut(&place, &field.name);
    }
    if field.secret != Exposure::Harmless {
        report.hidden(&place);
    }
    match field.values.as_slice() {
        _ if field.secret == Exposure::Wholly => output.string(REDACTED),
        [value] => output.string(&redactor.string(value, &place, report)),
        values => {
            output.push("[");
            for (index, value) in values.iter().enumerate() {
                place.truncate(1);
                place.push(Step::Item(index + 1));
                output.begin();
                output.string(&redactor.string(value, &place, report));
            }
            output.push("]");
        }
    }
}

/// The query, or a part of one, with the values of secret names replaced.
fn hide_secrets(redactor: &Redactor, query: &str, report: &mut Report<'_>) -> String {
    let mut hidden = String::with_capacity(query.len());
    let mut folded = Folded::default();
    for (index, pair) in query.split('&').enumerate() {
        if index > 0 {
            hidden.push('&');
        }
        match find_secret(redactor, pair, &mut folded) {
            None => hidden.push_str(pair),
            Some(secret) => {
                hidden.push_str(secret.before);
                hidden.push_str(REDACTED);
                report.hidden(&[Step::Member(secret.name)]);
            }
        }
    }
    hidden
}

/// A secret within a pair; it reaches to the end of the pair.
struct Secret<'p> {
    /// The name that gives it away, as a record may show it.
    name: Cow<'p, str>,
    /// The part of the pair that may be shown.
    before: &'p str,
}

fn find_secret<'p>(redactor: &Redactor, pair: &'p str, folded: &mut Folded) -> Option<Secret<'p>> {
    let mut inner_start = 0;
    let inner_pairs = pair.split([';', '?', '#']).map(|inner| {
        let start = inner_start;
        inner_start += inner.len() + 1;
        (start, inner)
    });
    for (start, inner) in std::iter::once((0, pair)).chain(inner_pairs) {
        let (encoded, _) = split_pair(inner);
        let name = decode(encoded);
        if !redactor.names.hides_folded(&name, folded) {
            continue;
        }
        let value = start + encoded.len() + 1;
        if let Some(harmless) = redactor.renamed(&name, true) {
            let before = pair.get(..start)?;
            return Some(Secret {
                name: Cow::Owned(harmless),
                before,
            });
        }
        if let Some(before) = pair.get(..value) {
            return Some(Secret { name, before });
        }
    }
    None
}

/// The first pairs, and the rest of the body if there are more than `limit`.
fn split_pairs(body: &str, limit: usize) -> (Vec<&str>, &str) {
    let mut pairs = Vec::new();
    let mut rest = body;
    while pairs.len() < limit && !rest.is_empty() {
        let (pair, behind) = rest.split_once('&').unwrap_or((rest, ""));
        if !pair.is_empty() {
            pairs.push(pair);
        }
        rest = behind;
    }
    (pairs, rest)
}

fn split_pair(pair: &str) -> (&str, &str) {
    pair.split_once('=').unwrap_or((pair, ""))
}

/// Resolves `+` and `%XX`. A percent sign that begins no escape stands for
/// itself, as it does in browsers; what is not UTF-8 becomes U+FFFD.
fn decode(encoded: &str) -> Cow<'_, str> {
    if !encoded.contains(['%', '+', '\0']) {
        return Cow::Borrowed(encoded);
    }
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut rest = encoded.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        decoded.push(match (byte, behind) {
            (b'+', _) => b' ',
            (b'%', [high, low, behind @ ..]) => match (hex_digit(*high), hex_digit(*low)) {
                (Some(high), Some(low)) => {
                    rest = behind;
                    high << 4 | low
                }
                _ => b'%',
            },
            _ => byte,
        });
    }
    let decoded = String::from_utf8_lossy(&decoded);
    Cow::Owned(without_nul(&decoded).into_owned())
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::{Limits, NameRules};

    fn form(body: &str) -> Redacted {
        Redactor::default().form("/request", body.as_bytes())
    }

    fn query(query: &str) -> Redacted {
        Redactor::default().query("/http/query", query)
    }

    #[test]
    fn a_form_becomes_an_object_in_the_order_of_first_appearance() {
        let found = form("b=1&a=%C3%A9+x&b=2&&c&=d&a=%zz%");
        assert_eq!(
            found.text,
            r#"{"b":["1","2"],"a":["é x","%zz%"],"c":"","":"d"}"#
        );
        assert_eq!(form("").text, "{}");
    }

    #[test]
    fn secrets_of_a_form_are_hidden_under_every_way_of_writing_a_name() {
        for name in [
            "password",
            "pass%77ord",
            "Pass+Word",
            "user[password]",
            "user%5Bpassword%5D",
            "user.password",
            "%70%69%6E",
        ] {
            let found = form(&format!("a=1&{name}=hunter2&{name}=hunter3"));
            assert!(found.text.ends_with(r#":"[REDACTED]"}"#), "{}", found.text);
            assert_eq!(found.redacted.len(), 1);
        }
        assert_eq!(form("user%5Bpin%5D=1").redacted, ["/request/user[pin]"]);
    }

    #[test]
    fn a_form_that_is_json_in_truth_is_treated_as_json() {
        let found = form(r#" {"password":"hunter2=&"}"#);
        assert_eq!(found.text, r#"{"password":"[REDACTED]"}"#);
    }

    #[test]
    fn a_form_that_is_almost_json_does_not_show_a_secret_as_a_name() {
        let found = form(r#"{"password":"hunter2","#);
        assert_eq!(found.text, r#"{"[REDACTED]":"[REDACTED]"}"#);
    }

    #[test]
    fn bytes_that_no_record_can_hold_are_replaced_in_forms() {
        let found = Redactor::default().form("", b"a%00\0=\xff%FF\x01");
        assert_eq!(
            found.text,
            "{\"a\u{fffd}\u{fffd}\":\"\u{fffd}\u{fffd}\\u0001\"}"
        );
    }

    #[test]
    fn fields_beyond_the_limit_are_cut_and_hashed_without_their_secrets() {
        let redactor = Redactor::new(
            NameRules::default(),
            Limits {
                fields: 2,
                ..Limits::default()
            },
        );
        let found = redactor.form("/request", b"a=1&b=2&c=3&pin=1234");
        assert_eq!(
            found.text,
            r#"{"a":"1","b":"2","[TRUNCATED]":"[TRUNCATED]"}"#
        );
        assert_eq!(found, redactor.form("/request", b"a=1&b=2&c=3&pin=99"));
        assert_eq!(
            (found.truncated[0].path.as_str(), found.truncated[0].bytes),
            ("/request", 18)
        );
        assert!(found.redacted.is_empty());
    }

    #[test]
    fn long_names_and_values_of_a_form_are_cut() {
        let redactor = Redactor::new(
            NameRules::default(),
            Limits {
                string_bytes: 2,
                name_bytes: 3,
                ..Limits::default()
            },
        );
        let found = redactor.form("", b"abcd=xyz&e=1&e=123");
        assert_eq!(
            found.text,
            r#"{"abc…[TRUNCATED]":"xy…[TRUNCATED]","e":["1","12…[TRUNCATED]"]}"#
        );
        let paths: Vec<&str> = found
            .truncated
            .iter()
            .map(|cut| cut.path.as_str())
            .collect();
        assert_eq!(paths, ["/abc…[TRUNCATED]", "/abc…[TRUNCATED]", "/e/1"]);
    }

    #[test]
    fn a_query_stays_as_it_was_apart_from_its_secrets() {
        let found = query("q=caf%C3%A9+x&&token=abc=&page=2&flag&user[pin]=&=");
        assert_eq!(
            found.text,
            "q=caf%C3%A9+x&&token=[REDACTED]&page=2&flag&user[pin]=[REDACTED]&="
        );
        assert_eq!(
            found.redacted,
            ["/http/query/token", "/http/query/user[pin]"]
        );
    }

    #[test]
    fn a_secret_behind_another_separator_is_hidden_to_the_next_ampersand() {
        assert_eq!(query("a=1;pin=2;3&b=4").text, "a=1;pin=[REDACTED]&b=4");
        assert_eq!(query("pin=2;3&b=4").text, "pin=[REDACTED]&b=4");
        assert_eq!(query("pin;x=2").text, "pin;x=[REDACTED]");
        assert_eq!(
            query("next=/in?token=2&b=4").text,
            "next=/in?token=[REDACTED]&b=4"
        );
        assert_eq!(
            query("next=/in#access_token=2").text,
            "next=/in#access_token=[REDACTED]"
        );

        let found = form("a=1;pin=2;3&a=4");
        assert_eq!(found.text, r#"{"a":["1;pin=[REDACTED]","4"]}"#);
        assert_eq!(found.redacted, ["/request/a"]);
    }

    #[test]
    fn a_query_that_swallowed_a_secret_into_a_name_is_hidden() {
        assert_eq!(
            query(r#"a=1&{"password":"hunter2"}"#).text,
            "a=1&[REDACTED]"
        );
        assert_eq!(
            query("a=1&%7B%22password%22:%22hunter2%22%7D=").text,
            "a=1&[REDACTED]"
        );
    }

    #[test]
    fn a_long_query_is_cut_after_its_secrets_are_hidden() {
        let redactor = Redactor::new(
            NameRules::default(),
            Limits {
                string_bytes: 8,
                ..Limits::default()
            },
        );
        let found = redactor.query("/http/query", "pin=123456789&a=\0");
        assert_eq!(found.text, "pin=[RED…[TRUNCATED]");
        assert_eq!(
            found.truncated[0].bytes,
            "pin=[REDACTED]&a=\u{fffd}".len() as u64
        );
    }
}
