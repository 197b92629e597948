//! Forms and query strings: pairs of names and values, percent-encoded.
//!
//! Servers do not agree on what separates pairs. `&` does everywhere; some also
//! split at `;`, and a value may itself be a reference with a query or fragment
//! of its own. So a secret name counts behind any of `;`, `?` and `#`, while its
//! value is hidden up to the next `&`: under whichever reading the service
//! prefers, nothing of the secret is shown.
//!
//! What a type says of a field goes for the pairs of that name. Behind another
//! separator its names are taken for names of secrets, whatever their treatment:
//! the service has most likely not read them as its fields, so there is nothing to
//! be shown of them.

use std::borrow::Cow;
use std::collections::HashMap;

use super::contents::LAYERS;
use super::follow::Follow;
use super::names::Folded;
use super::report::{Report, Rule, Step};
use super::scan::Output;
use super::shape::{Shape, Treatment};
use super::{REDACTED, Redacted, Redactor, TRUNCATED, shorten, without_nul};

/// Redacts a query string into a query string.
pub(super) fn redact_query(
    redactor: &Redactor,
    root: &str,
    query: &str,
    shapes: &[&'static Shape],
) -> Redacted {
    let mut report = Report::new(root, &redactor.limits);
    let hidden = Fields::new(redactor, shapes).hide_secrets(query, &mut report);
    let hidden = without_nul(&hidden);
    let text = shorten(&hidden, redactor.limits.string_bytes, &[], &mut report).into_owned();
    report.finish(text)
}

/// Redacts a form into the text of a JSON object.
pub(super) fn redact_form(
    redactor: &Redactor,
    root: &str,
    body: &str,
    shapes: &[&'static Shape],
) -> Redacted {
    let mut report = Report::new(root, &redactor.limits);
    let (pairs, rest) = split_pairs(body, redactor.limits.fields);
    let mut fields = Fields::new(redactor, shapes);

    let mut output = Output::with_capacity(body.len() + 2 * pairs.len());
    output.push("{");
    for field in fields.collect(&pairs) {
        write_field(redactor, field, &mut output, &mut report);
    }
    if !rest.is_empty() {
        report.pause();
        let rest = fields.hide_secrets(rest, &mut report);
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
    /// How the values are treated that are not hidden.
    treatment: Option<Treatment>,
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

/// What is to be done to a pair.
enum Verdict<'p> {
    /// It hides a secret.
    Hidden(Secret<'p>),
    /// Its value is treated so, if at all.
    Treated(Option<Treatment>),
}

/// A secret within a pair; it reaches to the end of the pair.
struct Secret<'p> {
    /// The name that gives it away, as a record may show it.
    name: Cow<'p, str>,
    /// The part of the pair that may be shown.
    before: &'p str,
}

/// What a record shows of a pair, and tells of it.
struct Shown<'p> {
    /// Nothing if the pair is left out.
    text: Option<Cow<'p, str>>,
    /// Under which names, as they are shown, secrets were hidden, and by which rules.
    findings: Vec<(Cow<'p, str>, Rule)>,
}

/// Decides about the pairs of one form or query.
struct Fields<'r> {
    redactor: &'r Redactor,
    follow: Follow,
    folded: Folded,
}

impl<'r> Fields<'r> {
    fn new(redactor: &'r Redactor, shapes: &[&'static Shape]) -> Self {
        Self {
            redactor,
            follow: Follow::fields(shapes),
            folded: Folded::default(),
        }
    }

    fn collect<'b>(&mut self, pairs: &[&'b str]) -> Vec<Field<'b>> {
        let mut fields = Vec::<Field<'b>>::new();
        let mut by_name = HashMap::<Cow<'b, str>, usize>::new();
        for pair in pairs {
            let (name, value, secret, treatment) = self.read(pair);
            let known = by_name.get(&name).and_then(|&index| fields.get_mut(index));
            if let Some(field) = known {
                field.secret = field.secret.max(secret);
                field.treatment = field.treatment.max(treatment);
                field.values.push(value);
            } else {
                by_name.insert(name.clone(), fields.len());
                fields.push(Field {
                    name,
                    values: vec![value],
                    secret,
                    treatment,
                });
            }
        }
        fields
    }

    fn read<'b>(
        &mut self,
        pair: &'b str,
    ) -> (Cow<'b, str>, Cow<'b, str>, Exposure, Option<Treatment>) {
        let secret = match self.judge(pair) {
            Verdict::Treated(treatment) => {
                let (name, value) = split_pair(pair);
                return (decode(name), decode(value), Exposure::Harmless, treatment);
            }
            Verdict::Hidden(secret) => secret,
        };
        let (name, value, exposure) = match secret.before.split_once('=') {
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
        };
        (name, value, exposure, None)
    }

    /// The query, or a part of one, with what is secret in it replaced.
    fn hide_secrets(&mut self, query: &str, report: &mut Report<'_>) -> String {
        let mut hidden = String::with_capacity(query.len());
        let mut is_first = true;
        for pair in query.split('&') {
            let shown = self.shown(pair);
            if let Some(text) = shown.text {
                if !is_first {
                    hidden.push('&');
                }
                hidden.push_str(&text);
                is_first = false;
            }
            for (name, rule) in shown.findings {
                report.hidden(&[Step::Member(name)], rule);
            }
        }
        hidden
    }

    /// What is shown of a pair; nothing if another look would hide more of it.
    fn shown<'p>(&mut self, pair: &'p str) -> Shown<'p> {
        let verdict = match self.judge(pair) {
            Verdict::Treated(Some(treatment)) => return self.treated(pair, treatment),
            verdict => verdict,
        };
        let shown = self.look(pair, verdict);
        let Some(rule) = shown.findings.first().map(|(_, rule)| *rule) else {
            return shown;
        };
        let left = shown.text.as_deref().unwrap_or_default();
        let is_settled = match self.judge(left) {
            Verdict::Treated(Some(_)) => split_pair(left).1 == REDACTED,
            verdict => self.look(left, verdict).text.as_deref() == Some(left),
        };
        if is_settled {
            return shown;
        }
        Shown {
            text: Some(Cow::Borrowed(REDACTED)),
            findings: vec![(Cow::Borrowed(REDACTED), rule)],
        }
    }

    /// A pair whose value is treated in this way.
    fn treated<'p>(&self, pair: &'p str, treatment: Treatment) -> Shown<'p> {
        let (encoded, value) = split_pair(pair);
        let name = decode(encoded);
        let renamed = self
            .redactor
            .renamed(&name, true, LAYERS, &self.redactor.limits)
            .map(|renamed| renamed.name);
        let text = (treatment != Treatment::Skip).then(|| {
            let mut text = renamed.clone().unwrap_or_else(|| encoded.to_owned());
            text.push('=');
            let shown = self.redactor.glimpse(&decode(value), treatment);
            push_encoded(shown.as_deref().unwrap_or(REDACTED), &mut text);
            Cow::Owned(text)
        });
        let name = renamed.map_or(name, Cow::Owned);
        Shown {
            text,
            findings: vec![(name, Rule::Treatment(treatment))],
        }
    }

    /// A pair that is not treated, after one look at it.
    fn look<'p>(&self, pair: &'p str, verdict: Verdict<'p>) -> Shown<'p> {
        let Verdict::Hidden(secret) = verdict else {
            return self.without_contents(pair);
        };
        // A name gives away what stands behind it, and says nothing of what stands
        // before it.
        let Shown { text, mut findings } = self.without_contents(secret.before);
        let mut text = text.unwrap_or_default();
        if !text.ends_with(REDACTED) {
            text.to_mut().push_str(REDACTED);
        }
        findings.push((secret.name, Rule::Name));
        Shown {
            text: Some(text),
            findings,
        }
    }

    /// A pair whose name is no secret's, without what is known by its look.
    fn without_contents<'p>(&self, pair: &'p str) -> Shown<'p> {
        let (encoded, value) = split_pair(pair);
        let name = decode(encoded);
        let hidden_name = self.redactor.without_secrets(&name, LAYERS);
        let hidden_value = self.redactor.without_secrets(&decode(value), LAYERS);
        // The pointer leads to the name as it is shown.
        let place = match &hidden_name {
            Some(hidden) => Cow::Owned(hidden.text.clone()),
            None => name,
        };
        let hidden = [&hidden_name, &hidden_value];
        let rules = hidden
            .into_iter()
            .flatten()
            .flat_map(|hidden| &hidden.rules);
        let findings: Vec<_> = rules.map(|rule| (place.clone(), *rule)).collect();
        if findings.is_empty() {
            return Shown {
                text: Some(Cow::Borrowed(pair)),
                findings,
            };
        }
        let mut text = String::with_capacity(pair.len());
        match &hidden_name {
            Some(hidden) => push_encoded(&hidden.text, &mut text),
            None => text.push_str(encoded),
        }
        if pair.len() > encoded.len() {
            text.push('=');
            match &hidden_value {
                Some(hidden) => push_encoded(&hidden.text, &mut text),
                None => text.push_str(value),
            }
        }
        Shown {
            text: Some(Cow::Owned(text)),
            findings,
        }
    }

    fn judge<'p>(&mut self, pair: &'p str) -> Verdict<'p> {
        let (encoded, _) = split_pair(pair);
        let treatment = self.treatment(encoded);
        if treatment == Some(Treatment::Skip) {
            return Verdict::Treated(treatment);
        }
        let mut inner_start = 0;
        let inner_pairs = pair.split([';', '?', '#']).map(|inner| {
            let start = inner_start;
            inner_start += inner.len() + 1;
            (start, inner)
        });
        let is_secret = treatment == Some(Treatment::Secret);
        if let Some(secret) = self.find_secret(pair, 0, pair, is_secret) {
            return Verdict::Hidden(secret);
        }
        for (start, inner) in inner_pairs {
            let (inner_name, _) = split_pair(inner);
            // The first piece has the pair's own name, unless a separator ends it.
            let is_own = start == 0 && inner_name.len() == encoded.len();
            let is_field = !is_own && self.treatment(inner_name).is_some();
            if let Some(secret) = self.find_secret(pair, start, inner, is_field) {
                // The last characters of such a value may be those of the secret.
                return match treatment {
                    Some(_) => self.find_secret(pair, 0, pair, true),
                    None => None,
                }
                .map_or(Verdict::Hidden(secret), Verdict::Hidden);
            }
        }
        Verdict::Treated(treatment)
    }

    /// How the values of a field are treated, unless its name alone makes them secret.
    fn treatment(&mut self, encoded: &str) -> Option<Treatment> {
        if encoded.is_empty() {
            return None;
        }
        let name = decode(encoded);
        let names = &self.redactor.names;
        let by_name = names
            .treatment(&name, &mut self.folded)
            .filter(|treatment| *treatment != Treatment::Secret);
        if self.follow.knows_nothing() {
            return by_name;
        }
        by_name.max(self.follow.field(&name))
    }

    /// The secret that `inner` is, which begins at `start` of the pair, if its name
    /// is that of a secret or it is known to be one.
    fn find_secret<'p>(
        &mut self,
        pair: &'p str,
        start: usize,
        inner: &'p str,
        is_secret: bool,
    ) -> Option<Secret<'p>> {
        let (encoded, _) = split_pair(inner);
        let name = decode(encoded);
        let names = &self.redactor.names;
        if !is_secret && names.treatment(&name, &mut self.folded) != Some(Treatment::Secret) {
            return None;
        }
        let limits = &self.redactor.limits;
        if let Some(harmless) = self.redactor.renamed(&name, true, LAYERS, limits) {
            let before = pair.get(..start)?;
            return Some(Secret {
                name: Cow::Owned(harmless.name),
                before,
            });
        }
        let value = start + encoded.len() + 1;
        let before = pair.get(..value)?;
        Some(Secret { name, before })
    }
}

fn write_field(
    redactor: &Redactor,
    field: Field<'_>,
    output: &mut Output,
    report: &mut Report<'_>,
) {
    let renamed = redactor.renamed(
        &field.name,
        field.treatment.is_some(),
        LAYERS,
        report.limits(),
    );
    let name = renamed
        .as_ref()
        .map_or(&*field.name, |renamed| &renamed.name);
    let mut place = vec![Step::Member(Cow::Borrowed(name))];
    if field.treatment == Some(Treatment::Skip) {
        report.hidden(&place, Rule::Treatment(Treatment::Skip));
        return;
    }
    output.name(name);
    if let (Some(renamed), None) = (&renamed, field.treatment) {
        match renamed.hidden_by {
            Some(rule) => report.hidden(&place, rule),
            None => report.cut(&place, &field.name),
        }
    }
    match field.treatment {
        Some(treatment) => report.hidden(&place, Rule::Treatment(treatment)),
        None if field.secret != Exposure::Harmless => report.hidden(&place, Rule::Name),
        None => {}
    }
    let mut show = |value: &str, place: &[Step<'_>], output: &mut Output| match field.treatment {
        None => output.string(&redactor.string(value, LAYERS, place, report)),
        Some(treatment) => {
            let shown = redactor.glimpse(value, treatment);
            output.string(shown.as_deref().unwrap_or(REDACTED));
        }
    };
    match field.values.as_slice() {
        _ if field.secret == Exposure::Wholly => output.string(REDACTED),
        [value] => show(value, &place, output),
        values => {
            output.push("[");
            for (index, value) in values.iter().enumerate() {
                place.truncate(1);
                place.push(Step::Item(index + 1));
                output.begin();
                show(value, &place, output);
            }
            output.push("]");
        }
    }
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

/// Writes what is shown of a value so that the query still splits as it did. The
/// marks of a treatment are left as they are, to be found by one search, and so is what
/// stands for a NUL, which would become nine times as long.
fn push_encoded(shown: &str, query: &mut String) {
    for character in shown.chars() {
        match character {
            '[' | ']' | ':' | '*' | '\u{fffd}' => query.push(character),
            _ => query.extend(form_urlencoded::byte_serialize(
                character.encode_utf8(&mut [0; 4]).as_bytes(),
            )),
        }
    }
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
    fn what_stands_before_another_separator_is_searched_too() {
        let found = query("a=AKIAIOSFODNN7EXAMPLE;pin=1&b=2");
        assert_eq!(found.text, "a=[REDACTED]%3Bpin%3D[REDACTED]&b=2");
        assert_eq!(found.redacted, ["/http/query/a", "/http/query/pin"]);
        assert_eq!(
            query("next=https://app:hunter2@db/?token=1").text,
            "next=https:%2F%2Fapp:[REDACTED]%40db%2F%3Ftoken%3D[REDACTED]"
        );
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

    mod by_type {
        use super::*;
        use crate::redact::HashKey;
        use crate::redact::shape::{Member, Nested};

        const SECRET: Nested = || &Shape::Treated(Treatment::Secret);
        static PAYMENT: Shape = Shape::AllOf(&[
            || &PAYER,
            || {
                &Shape::Object(&[
                    Member {
                        names: &["email"],
                        shape: || &Shape::Treated(Treatment::Hash),
                    },
                    Member {
                        names: &["hint"],
                        shape: || &Shape::Treated(Treatment::Skip),
                    },
                    Member {
                        names: &["answers"],
                        shape: || &Shape::AllOf(&[|| &Shape::Each(SECRET)]),
                    },
                ])
            },
        ]);
        static PAYER: Shape = Shape::Object(&[
            Member {
                names: &["iban", "IBAN no."],
                shape: || &Shape::Treated(Treatment::Mask),
            },
            Member {
                names: &["amount", "hint"],
                shape: SECRET,
            },
        ]);

        fn redactor() -> Redactor {
            Redactor::default().with_hash_key(HashKey::new(&[b'k'; 32]).unwrap())
        }

        fn form(body: &str) -> Redacted {
            redactor().form_as("/request", body.as_bytes(), &PAYMENT)
        }

        fn query(query: &str) -> Redacted {
            redactor().query_as("/http/query", query, &PAYMENT)
        }

        #[test]
        fn fields_are_treated_as_their_type_wants_it() {
            let hash = redactor().hash("a b@c").unwrap();
            let found = form(
                "x=1&iban=DE89370400440532013000&email=a+b%40c&hint=2&amount=3&answers=4&answers=5&Amount=6",
            );
            let expected = format!(
                r#"{{"x":"1","iban":"****3000","email":"{hash}","amount":"[REDACTED]","answers":"[REDACTED]","Amount":"[REDACTED]"}}"#
            );
            assert_eq!(found.text, expected);
            let places = ["iban", "email", "hint", "amount", "answers", "Amount"];
            assert_eq!(
                found.redacted,
                places.map(|name| format!("/request/{name}"))
            );
        }

        #[test]
        fn every_value_of_a_repeated_field_is_treated() {
            let found = form("IBAN+no.=123456789012&hint=1&IBAN%20no%2E=22&hint=2&iban");
            assert_eq!(
                found.text,
                r#"{"IBAN no.":["****9012","****"],"iban":"****"}"#
            );
            assert_eq!(
                found.redacted,
                ["/request/IBAN no.", "/request/hint", "/request/iban"]
            );
        }

        #[test]
        fn a_query_is_treated_and_still_splits_as_it_did() {
            let hash = redactor().hash("é&").unwrap();
            let found = query(
                "hint=0&q=%C3%A9&hint=1&&IBAN+no.=12345678%269=%20&email=%C3%A9%26&amount=1&answers=2&hint=3",
            );
            assert_eq!(
                found.text,
                format!(
                    "q=%C3%A9&&IBAN+no.=****%269%3D+&email={hash}&amount=[REDACTED]&answers=[REDACTED]"
                )
            );
            assert_eq!(
                found.redacted,
                ["hint", "IBAN no.", "email", "amount", "answers", "hint"]
                    .map(|name| format!("/http/query/{name}"))
            );
            assert_eq!(query("hint=1").text, "");
        }

        #[test]
        fn a_field_behind_another_separator_is_hidden() {
            assert_eq!(query("q=1;iban=2;3&b=4").text, "q=1;iban=[REDACTED]&b=4");
            assert_eq!(query("q=/a?hint=2#x").text, "q=/a?hint=[REDACTED]");
            let found = form("q=1;iban=2");
            assert_eq!(found.text, r#"{"q":"1;iban=[REDACTED]"}"#);
            assert_eq!(found.redacted, ["/request/q"]);
        }

        #[test]
        fn a_treated_value_that_swallowed_a_secret_is_hidden() {
            assert_eq!(query("iban=1;pin=123456789012").text, "iban=[REDACTED]");
            assert_eq!(query("email=1;amount=2&b=3").text, "email=[REDACTED]&b=3");
            assert_eq!(query("hint=1;pin=2&b=3").text, "b=3");
            assert_eq!(query("iban=123456789012;3").text, "iban=****12%3B3");
            assert_eq!(
                form("iban=1;pin=123456789012&iban=2").text,
                r#"{"iban":"[REDACTED]"}"#
            );
        }

        #[test]
        fn a_map_and_a_list_of_pairs_are_treated_too() {
            static MAP: Shape = Shape::Each(SECRET);
            static PAIRS: Shape = Shape::Each(|| &Shape::Tuple(&[|| &Shape::Open, SECRET]));
            for shape in [&MAP, &PAIRS, SECRET()] {
                let found = redactor().query_as("", "a=1&&b=&c", shape);
                assert_eq!(found.text, "a=[REDACTED]&&b=[REDACTED]&c=[REDACTED]");
                let found = redactor().form_as("", b"a=1&&b=2&c", shape);
                assert_eq!(
                    found.text,
                    r#"{"a":"[REDACTED]","b":"[REDACTED]","c":"[REDACTED]"}"#
                );
            }
            let long = redactor().form_as("", format!("{}=1", "n".repeat(300)).as_bytes(), &MAP);
            assert_eq!(long.text, r#"{"[REDACTED]":"[REDACTED]"}"#);
        }

        #[test]
        fn a_form_that_is_json_in_truth_is_treated_too() {
            assert_eq!(
                form(r#"{"amount":1,"hint":2}"#).text,
                r#"{"amount":"[REDACTED]"}"#
            );
        }

        #[test]
        fn fields_beyond_the_limit_are_hashed_without_what_is_treated() {
            let limits = Limits {
                fields: 1,
                ..Limits::default()
            };
            let redactor = Redactor::new(NameRules::default(), limits);
            let one = redactor.form_as("", b"a=1&hint=2&b=3&amount=4", &PAYMENT);
            let other = redactor.form_as("", b"a=1&b=3&amount=5&hint=22", &PAYMENT);
            assert_eq!(one, other);
            assert_eq!(one.truncated[0].bytes, "b=3&amount=[REDACTED]".len() as u64);
        }
    }
}
