//! Redacts JSON text into JSON text, in one pass beside that of [`siblings`].
//!
//! # Text to text
//!
//! The obvious way to redact JSON is to parse it into a tree, edit the tree and
//! print it. A record must not be made that way, because a tree is an opinion
//! about the text:
//!
//! - A number becomes a float. `9007199254740993` changes its last digit,
//!   `1.10` loses the zero that a customer typed, `1e300` is refused. An audit
//!   trail says what was sent, so a number is copied digit by digit.
//! - An object becomes a map, which forgets the order of its members and all but
//!   one of those that share a name. Which one the service believed is exactly
//!   what an auditor may have to find out, so every one of them is kept, and
//!   every one of them is redacted.
//! - Parsers recurse and therefore give up at some depth, or overflow the stack.
//!   A body nested 60,000 levels deep is an attack and for that reason belongs
//!   in the trail, with what is too deep cut out.
//!
//! So this reads [`Events`] and copies pieces of the text. Four things are not
//! copied as they stand:
//!
//! 1. Whitespace between tokens is dropped: the canonical bytes are compact.
//! 2. The value of a secret name, one that is secret for what stands beside it
//!    ([`siblings`]), or one that its type wants treated, is passed over
//!    unread, and a marker written or what its [`Treatment`] permits. Names are
//!    compared with escapes resolved, so `"pass\u0077ord"` hides too.
//! 3. A string or name that has to change, because it is too long or says what no
//!    store can hold, is written anew, with as few escapes as JSON permits. Any
//!    other keeps the escapes it came with.
//! 4. What lies too deep is written like everything else, secrets hidden, but
//!    then hashed, taken back and replaced by a marker. That way the hash covers
//!    nothing that the record would not have shown, and no memory is needed
//!    beyond that of the text.
//!
//! The state beside the two texts is one bit per open level and, as far as the
//! record shows them, one [`Step`] per open level; and where the type says
//! something, a few references per level.

use std::borrow::Cow;

use super::contents::{self, Content, LAYERS};
use super::digest::{self, Digest, Digester};
use super::events::{Container, Event, Events, Quoted, Unescaped};
use super::follow::Follow;
use super::names::Folded;
use super::report::{Finding, Report, Rule, Step};
use super::shape::{Shape, Treatment};
use super::siblings;
use super::{InvalidJson, Limits, REDACTED, Redacted, Redactor, TRUNCATED, shorten};

pub(super) fn redact(
    redactor: &Redactor,
    root: &str,
    text: &str,
    shapes: &[&'static Shape],
) -> Result<Redacted, InvalidJson> {
    let report = Report::new(root, &redactor.limits);
    let mut scan = Scan::new(redactor, text, shapes, LAYERS, report);
    scan.run()?;
    Ok(scan.report.finish(scan.output.finish()))
}

/// Hides the secrets in JSON that is a string in another text, and cuts nothing of it;
/// `None` if there are none. `layers` of encodings may be taken off, of which this is
/// one.
pub(super) fn redact_inner(
    redactor: &Redactor,
    text: &str,
    layers: u8,
) -> Result<Option<(String, Rule)>, InvalidJson> {
    let Some(layers) = layers.checked_sub(1) else {
        return Ok(Some((REDACTED.to_owned(), Rule::Unread)));
    };
    let report = Report::new("", &Limits::NONE);
    let mut scan = Scan::new(redactor, text, &[], layers, report);
    scan.run()?;
    let inner = scan.report.finish(scan.output.finish());
    let rule = inner.redacted.first().map(|hidden| hidden.rule);
    Ok(rule.map(|rule| (inner.text, rule)))
}

/// Redacts a text for somebody who is going to compare it with another one, and
/// has to know what the text says where it does not show it.
pub(super) fn track(
    redactor: &Redactor,
    text: &str,
    shapes: &[&'static Shape],
) -> Result<Tracked, InvalidJson> {
    let report = Report::tracking(&redactor.limits);
    let mut scan = Scan::new(redactor, text, shapes, LAYERS, report);
    scan.marks.list = Some(Vec::new());
    scan.run()?;
    Ok(Tracked {
        text: scan.output.finish(),
        marks: scan.marks.list.unwrap_or_default(),
    })
}

/// A redacted text, and where it does not say what the original did.
pub(super) struct Tracked {
    pub(super) text: String,
    /// In the order of their places.
    pub(super) marks: Vec<Mark>,
}

/// A place at which a redacted text does not say what the original did.
pub(super) struct Mark {
    /// Where in the redacted text the name or value begins.
    pub(super) at: usize,
    pub(super) what: Marked,
    /// What a report has to tell of it.
    pub(super) findings: Vec<Finding>,
}

/// What happened at a [`Mark`]. The digests are of what the original said.
pub(super) enum Marked {
    /// A name was cut or hidden.
    Name(Digest),
    /// A value was cut, hidden or replaced.
    Value(Digest),
    /// A value was replaced, and nothing about it is to be told.
    Skipped,
    /// A member of this name was left out.
    LeftOut(String),
}

/// All marks, if they are asked for.
#[derive(Default)]
struct Marks {
    list: Option<Vec<Mark>>,
}

impl Marks {
    fn add(&mut self, at: usize, report: &mut Report<'_>, what: impl FnOnce() -> Marked) {
        if let Some(list) = &mut self.list {
            list.push(Mark {
                at,
                what: what(),
                findings: report.take_tracked(),
            });
        }
    }

    /// Puts one mark in the place of all within a region that was replaced.
    fn unite(&mut self, start: usize, region: &str, report: &mut Report<'_>) {
        let Some(list) = &mut self.list else { return };
        let inner = list.partition_point(|mark| mark.at < start);
        let inner: Vec<Digest> = list
            .drain(inner..)
            .filter_map(|mark| match mark.what {
                Marked::Name(digest) | Marked::Value(digest) => Some(digest),
                Marked::Skipped | Marked::LeftOut(_) => None,
            })
            .collect();
        self.add(start, report, || {
            Marked::Value(digest::of_region(region, &inner))
        });
    }
}

struct Scan<'t> {
    redactor: &'t Redactor,
    events: Events<'t>,
    siblings: siblings::Secrets<'t>,
    /// Nothing if names and contents alone decide.
    follow: Option<Follow>,
    output: Output,
    place: Vec<Step<'t>>,
    report: Report<'t>,
    marks: Marks,
    /// How many encodings may be taken off a string.
    layers: u8,
    /// Where in the output the region begins that is going to be cut.
    too_deep: Option<usize>,
    /// Lent out for each string with escapes, and each name, to save allocations.
    unescaped: String,
    folded: Folded,
}

impl<'t> Scan<'t> {
    fn new(
        redactor: &'t Redactor,
        text: &'t str,
        shapes: &[&'static Shape],
        layers: u8,
        report: Report<'t>,
    ) -> Self {
        Self {
            redactor,
            events: Events::new(text),
            siblings: siblings::Secrets::new(redactor, text, layers),
            follow: shapes
                .iter()
                .any(|shape| !matches!(shape, Shape::Open))
                .then(|| Follow::new(shapes)),
            output: Output::with_capacity(text.len()),
            place: Vec::new(),
            report,
            marks: Marks::default(),
            layers,
            too_deep: None,
            unescaped: String::new(),
            folded: Folded::default(),
        }
    }

    fn run(&mut self) -> Result<(), InvalidJson> {
        loop {
            let at = self.events.at();
            let is_in_list_in_list = self.events.is_in_list_in_list();
            match self.events.next()? {
                None => return Ok(()),
                Some(Event::Name(name)) => self.name(name)?,
                Some(Event::Close(container)) => self.close(container),
                Some(value) => {
                    let is_secret = is_in_list_in_list && self.siblings.hold(at)?;
                    self.value(value, is_secret)?;
                }
            }
        }
    }

    fn name(&mut self, name: Quoted<'t>) -> Result<(), InvalidJson> {
        let (says, unescaped) = match name.plain() {
            Some(plain) => (Cow::Borrowed(plain), Unescaped::Faithfully),
            None => {
                let unescaped = name.unescape(&mut self.unescaped);
                (Cow::Owned(self.unescaped.clone()), unescaped)
            }
        };
        let is_secret =
            siblings::may_hold_a_secret(&says) && self.siblings.hold(self.events.at())?;
        let by_name = if is_secret {
            Some(Treatment::Secret)
        } else {
            self.redactor.names.treatment(&says, &mut self.folded)
        };
        let depth = self.events.depth();
        let by_type = self
            .follow
            .as_mut()
            .and_then(|follow| follow.member(depth, &says));
        let treatment = by_name.max(by_type);
        let rule = match (by_name, treatment) {
            (Some(Treatment::Secret), Some(Treatment::Secret)) => Rule::Name,
            (_, treatment) => Rule::Treatment(treatment.unwrap_or(Treatment::Secret)),
        };
        let limits = self.report.limits();
        let renamed = self
            .redactor
            .renamed(&says, treatment.is_some(), self.layers, limits);

        if self.too_deep.is_none()
            && let Some(step) = self.place.last_mut()
        {
            *step = Step::Member(match &renamed {
                Some(other) => Cow::Owned(other.name.clone()),
                None => says.clone(),
            });
        }
        if treatment == Some(Treatment::Skip) {
            let shown = renamed.map_or_else(|| says.into_owned(), |renamed| renamed.name);
            return self.leave_out(shown);
        }

        self.output.begin();
        let at = self.output.len();
        match &renamed {
            Some(other) => self.output.string(&other.name),
            None if unescaped == Unescaped::Altered => self.output.string(&says),
            None => self.output.push(name.as_written()),
        }
        self.output.push(":");

        if let Some(renamed) = &renamed {
            match renamed.hidden_by {
                Some(rule) if treatment.is_none() => self.report.hidden(&self.place, rule),
                None if treatment.is_none() && renamed.is_cut => {
                    self.report.cut(&self.place, &says);
                }
                _ => {}
            }
            self.marks.add(at, &mut self.report, || {
                Marked::Name(digest::of_name(&says))
            });
        }
        if let Some(treatment) = treatment
            && let Some(value) = self.events.next()?
        {
            self.treated(value, treatment, rule)?;
        }
        Ok(())
    }

    /// Leaves out the member whose name was just read.
    fn leave_out(&mut self, name: String) -> Result<(), InvalidJson> {
        if let Some(value) = self.events.next()? {
            self.pass_over(value)?;
        }
        let rule = Rule::Treatment(Treatment::Skip);
        self.report.hidden(&self.place, rule);
        self.marks.add(self.output.len(), &mut self.report, || {
            Marked::LeftOut(name)
        });
        Ok(())
    }

    /// Writes a value, unless it is secret for what stands beside it.
    fn value(&mut self, value: Event<'t>, is_secret: bool) -> Result<(), InvalidJson> {
        let treatment = self.treatment(value);
        self.begin_value();
        match (treatment, value) {
            (_, value) if is_secret => {
                self.treated(value, Treatment::Secret, Rule::Name)?;
            }
            (Some(treatment), value) => {
                self.treated(value, treatment, Rule::Treatment(treatment))?;
            }
            (None, Event::String(string)) => self.string(string),
            (None, Event::Literal(literal)) => self.literal(literal),
            (None, Event::Open(container)) => self.open(container),
            // These are no values, and do not come here.
            (None, Event::Name(_) | Event::Close(_)) => {}
        }
        Ok(())
    }

    /// How the type wants this value treated, unless that was told with its name.
    fn treatment(&mut self, value: Event<'t>) -> Option<Treatment> {
        let outside = self.outside(value);
        let is_object = value == Event::Open(Container::Object);
        self.follow.as_mut()?.value(outside, is_object)
    }

    /// Shows of a value what its treatment permits.
    fn treated(
        &mut self,
        value: Event<'t>,
        treatment: Treatment,
        rule: Rule,
    ) -> Result<(), InvalidJson> {
        let shown = match value {
            Event::String(string) if treatment < Treatment::Secret => {
                let (says, _) = string.read(&mut self.unescaped);
                self.redactor.glimpse(says, treatment)
            }
            Event::Literal(literal) if treatment == Treatment::Hash || is_number(literal) => {
                self.redactor.glimpse(literal, treatment)
            }
            _ => None,
        };
        let digest = self.pass_over(value)?;
        let at = self.output.len();
        self.output.string(shown.as_deref().unwrap_or(REDACTED));
        self.report.hidden(&self.place, rule);
        self.marks.add(at, &mut self.report, || match treatment {
            Treatment::Skip => Marked::Skipped,
            _ => Marked::Value(digest),
        });
        Ok(())
    }

    /// Passes over the value that begins with this event, however much it holds.
    /// Only if there are marks to be made the digest is that of the value.
    fn pass_over(&mut self, value: Event<'t>) -> Result<Digest, InvalidJson> {
        let outside = self.outside(value);
        let mut digester = self.marks.list.is_some().then(Digester::default);
        let mut next = Some(value);
        while let Some(event) = next {
            if let Some(digester) = &mut digester {
                digester.read(event);
            }
            if self.events.depth() <= outside {
                break;
            }
            next = self.events.next()?;
        }
        Ok(digester.map_or_else(Digest::default, |digester| digester.last()))
    }

    /// How many arrays and objects are open around a value that just began.
    fn outside(&self, value: Event<'_>) -> usize {
        let is_open = matches!(value, Event::Open(_));
        self.events.depth() - usize::from(is_open)
    }

    fn string(&mut self, string: Quoted<'t>) {
        let (says, unescaped) = string.read(&mut self.unescaped);
        let at = self.output.len();
        match (
            self.redactor
                .string(says, self.layers, &self.place, &mut self.report),
            unescaped,
        ) {
            (Cow::Borrowed(_), Unescaped::Faithfully) => self.output.push(string.as_written()),
            (Cow::Borrowed(shown), Unescaped::Altered) => self.output.string(shown),
            (Cow::Owned(shown), _) => {
                self.output.string(&shown);
                self.marks.add(at, &mut self.report, || {
                    Marked::Value(digest::of_string(says))
                });
            }
        }
    }

    fn literal(&mut self, literal: &str) {
        let at = self.output.len();
        let longest = self.report.limits().string_bytes;
        if self.redactor.contents.hides(Content::CardNumber) && contents::is_card_literal(literal) {
            self.report
                .hidden(&self.place, Rule::Content(Content::CardNumber));
            self.output.string(REDACTED);
        } else if is_beyond_floats(literal) && literal.len() <= longest {
            // Many readers hold numbers as floats and refuse a whole page of records
            // for one that is beyond them. As a string everybody can read it.
            self.report.cut(&self.place, literal);
            self.output.string(literal);
        } else {
            // The first digits of a number are another number, so one that is too
            // long can only be shown as a string.
            match shorten(literal, longest, &self.place, &mut self.report) {
                Cow::Borrowed(whole) => return self.output.push(whole),
                Cow::Owned(cut) => self.output.string(&cut),
            }
        }
        self.marks.add(at, &mut self.report, || {
            Marked::Value(digest::of_literal(literal))
        });
    }

    fn open(&mut self, container: Container) {
        if let Some(follow) = &mut self.follow {
            follow.open(container, self.events.depth());
        }
        if self.too_deep.is_none() {
            if self.events.depth() > self.report.limits().depth {
                self.too_deep = Some(self.output.len());
                self.report.pause();
            } else {
                self.place.push(match container {
                    Container::Array => Step::Item(0),
                    Container::Object => Step::Member(Cow::Borrowed("")),
                });
            }
        }
        self.output.push(match container {
            Container::Array => "[",
            Container::Object => "{",
        });
    }

    fn close(&mut self, container: Container) {
        if let Some(follow) = &mut self.follow {
            follow.close(self.events.depth());
        }
        self.output.push(match container {
            Container::Array => "]",
            Container::Object => "}",
        });
        match self.too_deep {
            None => {
                self.place.pop();
            }
            Some(start) if self.events.depth() == self.report.limits().depth => {
                self.cut_region(start)
            }
            Some(_) => {}
        }
    }

    /// Replaces the region that was too deep, and is now complete, by a marker.
    fn cut_region(&mut self, start: usize) {
        self.too_deep = None;
        self.report.resume();
        let region = self.output.take_from(start);
        self.report.cut(&self.place, &region);
        self.output.string(TRUNCATED);
        self.marks.unite(start, &region, &mut self.report);
    }

    fn begin_value(&mut self) {
        self.output.begin();
        if self.too_deep.is_none()
            && let Some(Step::Item(count)) = self.place.last_mut()
        {
            *count += 1;
        }
    }
}

/// Whether a reader that holds numbers as floats would have to take this one for infinite.
fn is_beyond_floats(literal: &str) -> bool {
    const DIGITS: usize = f64::MAX_10_EXP as usize;
    let may_be = literal.len() > DIGITS || literal.contains(['e', 'E']);
    may_be && literal.parse::<f64>().is_ok_and(f64::is_infinite)
}

fn is_number(literal: &str) -> bool {
    literal.starts_with(|first: char| first == '-' || first.is_ascii_digit())
}

/// The JSON text that is being written.
pub(super) struct Output {
    text: String,
}

impl Output {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self {
            text: String::with_capacity(bytes),
        }
    }

    /// Separates what comes next from what came before.
    ///
    /// What stands last tells whether a comma is due: no value ends in one of
    /// these bytes, for a string ends in its quote.
    pub(super) fn begin(&mut self) {
        if !matches!(self.text.as_bytes().last(), None | Some(b'[' | b'{' | b':')) {
            self.text.push(',');
        }
    }

    /// Writes a piece of JSON text as it is.
    pub(super) fn push(&mut self, written: &str) {
        self.text.push_str(written);
    }

    /// Writes the name of the next member.
    pub(super) fn name(&mut self, name: &str) {
        self.begin();
        self.string(name);
        self.push(":");
    }

    /// Writes a string with as few escapes as JSON permits.
    pub(super) fn string(&mut self, string: &str) {
        self.text.push('"');
        for character in string.chars() {
            match character {
                '"' => self.push("\\\""),
                '\\' => self.push("\\\\"),
                '\n' => self.push("\\n"),
                '\r' => self.push("\\r"),
                '\t' => self.push("\\t"),
                control @ '\0'..' ' => self.push(&format!("\\u{:04x}", u32::from(control))),
                other => self.text.push(other),
            }
        }
        self.text.push('"');
    }

    pub(super) fn finish(self) -> String {
        self.text
    }

    fn len(&self) -> usize {
        self.text.len()
    }

    fn take_from(&mut self, start: usize) -> String {
        self.text.split_off(start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::{Limits, NameRules};

    fn redacted(text: &str) -> Redacted {
        Redactor::default().json("/request", text).unwrap()
    }

    fn limited(limits: Limits, text: &str) -> Redacted {
        Redactor::new(NameRules::default(), limits)
            .json("/request", text)
            .unwrap()
    }

    #[test]
    fn text_without_secrets_loses_nothing_but_whitespace() {
        let text = " { \"b\" : [ 1.10 , -0 , 9007199254740993 , 1e300 , { } , [ ] , null ] ,\n \"a\" : \"\\u00e9\\/ x\" , \"a\" : 2 } ";
        let compact = r#"{"b":[1.10,-0,9007199254740993,1e300,{},[],null],"a":"\u00e9\/ x","a":2}"#;
        let expected = Redacted {
            text: compact.to_owned(),
            ..Redacted::default()
        };
        assert_eq!(redacted(text), expected);
    }

    #[test]
    fn a_secret_is_hidden_whatever_its_type() {
        for value in [
            "\"x\"",
            "\"\"",
            "1234",
            "-0.5e1",
            "true",
            "null",
            "[]",
            "[1,[2]]",
            r#"{"pin":{"a":[{}]}}"#,
        ] {
            let found = redacted(&format!(r#"{{"a":1,"password":{value},"b":2}}"#));
            assert_eq!(found.text, r#"{"a":1,"password":"[REDACTED]","b":2}"#);
            assert_eq!(found.redacted, ["/request/password"]);
        }
    }

    #[test]
    fn every_one_of_repeated_names_is_hidden() {
        let found = redacted(r#"[{"pin":1,"pin":2},{"pin":3}]"#);
        assert_eq!(
            found.text,
            r#"[{"pin":"[REDACTED]","pin":"[REDACTED]"},{"pin":"[REDACTED]"}]"#
        );
        assert_eq!(found.redacted, ["/request/0/pin", "/request/1/pin"]);
    }

    #[test]
    fn a_name_is_compared_with_its_escapes_resolved_and_shown_as_it_came() {
        let found = redacted(r#"{"pass\u0077ord":"x","a\/b":{"\u0070in":1}}"#);
        assert_eq!(
            found.text,
            r#"{"pass\u0077ord":"[REDACTED]","a\/b":{"\u0070in":"[REDACTED]"}}"#
        );
        assert_eq!(found.redacted, ["/request/password", "/request/a~1b/pin"]);
    }

    #[test]
    fn pointers_lead_to_what_was_hidden() {
        let found = redacted(
            r#"{"a":[[],{"b":1},{"c":[0,{"pin":1}]},[[{"otp":2}]]],"d":{"e":{}},"token":3}"#,
        );
        let shown: serde_json::Value = serde_json::from_str(&found.text).unwrap();
        assert_eq!(
            found.redacted,
            [
                "/request/a/2/c/1/pin",
                "/request/a/3/0/0/otp",
                "/request/token"
            ]
        );
        for pointer in &found.redacted {
            let value = shown.pointer(pointer.path.strip_prefix("/request").unwrap());
            assert_eq!(value.unwrap(), REDACTED);
        }
    }

    #[test]
    fn nul_and_half_surrogate_pairs_become_replacement_characters() {
        let found = redacted(r#"{"a\u0000":"x\u0000\"\n\ud800","b":"\\u0000"}"#);
        assert_eq!(
            found.text,
            "{\"a\u{fffd}\":\"x\u{fffd}\\\"\\n\u{fffd}\",\"b\":\"\\\\u0000\"}"
        );
    }

    #[test]
    fn a_string_is_cut_just_above_the_limit() {
        let limits = Limits {
            string_bytes: 4,
            ..Limits::default()
        };
        let found = limited(
            limits,
            r#"["abcd","abcde","\u0061bcd","\u0061bcde","abcé"]"#,
        );
        assert_eq!(
            found.text,
            r#"["abcd","abcd…[TRUNCATED]","\u0061bcd","abcd…[TRUNCATED]","abc…[TRUNCATED]"]"#
        );
        let paths: Vec<&str> = found
            .truncated
            .iter()
            .map(|cut| cut.path.as_str())
            .collect();
        assert_eq!(paths, ["/request/1", "/request/3", "/request/4"]);
        // printf abcde | sha256sum
        let hash = "36bbe50ed96841d10443bcb670d6554f0a34b761be67ec9c4a8ad2c0c44ca42c";
        assert_eq!(
            (
                found.truncated[1].bytes,
                found.truncated[1].sha256.as_deref().unwrap()
            ),
            (5, hash)
        );
    }

    #[test]
    fn a_number_that_is_too_long_is_shown_as_a_string() {
        let limits = Limits {
            string_bytes: 5,
            ..Limits::default()
        };
        let found = limited(limits, "[12345,123456]");
        assert_eq!(found.text, r#"[12345,"12345…[TRUNCATED]"]"#);
        assert_eq!(found.truncated[0].bytes, 6);
    }

    #[test]
    fn a_number_beyond_every_float_is_shown_as_a_string() {
        let found = redacted("[1e308,-1e309,1E+999999999999]");
        assert_eq!(found.text, r#"[1e308,"-1e309","1E+999999999999"]"#);
        assert_eq!(found.truncated.len(), 2);
        assert!(serde_json::from_str::<serde_json::Value>(&found.text).is_ok());
    }

    #[test]
    fn a_name_that_is_too_long_is_cut() {
        let name = "n".repeat(1_000_000);
        let found = redacted(&format!(r#"{{"{name}":{{"pin":1}}}}"#));
        let shown = format!("{}…[TRUNCATED]", "n".repeat(256));
        assert_eq!(
            found.text,
            format!(r#"{{"{shown}":{{"pin":"[REDACTED]"}}}}"#)
        );
        assert_eq!(found.redacted, [format!("/request/{shown}/pin")]);
        assert_eq!(
            (found.truncated[0].path.as_str(), found.truncated[0].bytes),
            (format!("/request/{shown}").as_str(), 1_000_000)
        );
    }

    #[test]
    fn a_name_that_swallowed_a_secret_is_hidden_with_it() {
        let found = redacted(r#"{"{\"password\":\"hunter2\"}":"","password: hunter2\n":1}"#);
        assert_eq!(
            found.text,
            r#"{"[REDACTED]":"[REDACTED]","[REDACTED]":"[REDACTED]"}"#
        );
        assert_eq!(found.redacted, ["/request/[REDACTED]"]);

        let long = redacted(&format!(r#"{{"password {}":1}}"#, "hunter2 ".repeat(40)));
        assert!(!long.text.contains("hunter2") && long.truncated.is_empty());
    }

    #[test]
    fn what_lies_too_deep_is_cut_and_the_rest_is_kept() {
        let limits = Limits {
            depth: 2,
            ..Limits::default()
        };
        let found = limited(
            limits,
            r#"{"a":[1,{"b": [2] },[ ],3],"c":{"d":{}},"pin":[[[]]]}"#,
        );
        assert_eq!(
            found.text,
            r#"{"a":[1,"[TRUNCATED]","[TRUNCATED]",3],"c":{"d":"[TRUNCATED]"},"pin":"[REDACTED]"}"#
        );
        let cuts: Vec<_> = found
            .truncated
            .iter()
            .map(|cut| (cut.path.as_str(), cut.bytes))
            .collect();
        assert_eq!(
            cuts,
            [
                ("/request/a/1", 9),
                ("/request/a/2", 2),
                ("/request/c/d", 2)
            ]
        );
        assert_eq!(found.redacted, ["/request/pin"]);
    }

    #[test]
    fn the_hash_of_what_lies_too_deep_does_not_depend_on_its_secrets() {
        let limits = Limits {
            depth: 1,
            ..Limits::default()
        };
        let one = limited(limits.clone(), r#"[{"pin":1234,"a":[{"b":1}]}]"#);
        let other = limited(limits.clone(), r#"[{"pin":[99],"a":[{"b":1}]}]"#);
        let visibly_other = limited(limits, r#"[{"pin":1234,"a":[{"b":2}]}]"#);
        assert_eq!(one, other);
        assert_ne!(one, visibly_other);
        assert!(one.redacted.is_empty());
    }

    #[test]
    fn sixty_thousand_levels_are_cut_and_not_lost() {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let text = format!("{}1{}", open.repeat(60_000), close.repeat(60_000));
            let found = redacted(&text);
            assert_eq!(
                found.text,
                format!("{}\"[TRUNCATED]\"{}", open.repeat(32), close.repeat(32))
            );
            assert_eq!(
                found.truncated[0].bytes as usize,
                text.len() - 32 * (open.len() + close.len())
            );
        }
        let hidden = redacted(&format!(
            r#"{{"pin":{}{}}}"#,
            "[".repeat(60_000),
            "]".repeat(60_000)
        ));
        assert_eq!(hidden.text, r#"{"pin":"[REDACTED]"}"#);
    }

    #[test]
    fn what_is_not_json_is_refused_even_inside_of_a_secret() {
        let json = |text: &[u8]| Redactor::default().json("/request", text);
        assert_eq!(json(b"\"\xff\""), Err(InvalidJson { offset: 1 }));
        assert_eq!(json(br#"{"pin":[1,}"#), Err(InvalidJson { offset: 10 }));
        assert_eq!(json(b""), Err(InvalidJson { offset: 0 }));
    }
}
