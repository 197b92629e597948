//! What a redaction tells about itself: where something was hidden or cut.

use std::borrow::Cow;
use std::fmt;
use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::contents::Content;
use super::shape::Treatment;
use super::{Limits, Redacted, Truncated};

/// Where something was hidden, and by which rule.
///
/// It is equal to its pointer, which is what a record keeps of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hidden {
    /// JSON pointer to the place.
    pub path: String,
    /// What hid it.
    pub rule: Rule,
}

impl PartialEq<str> for Hidden {
    fn eq(&self, path: &str) -> bool {
        self.path == path
    }
}

impl PartialEq<&str> for Hidden {
    fn eq(&self, path: &&str) -> bool {
        self.path == *path
    }
}

impl PartialEq<String> for Hidden {
    fn eq(&self, path: &String) -> bool {
        self.path == *path
    }
}

/// What hides a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Its name.
    Name,
    /// What its type, or the configuration of names, wants done to it.
    Treatment(Treatment),
    /// How it looks.
    Content(Content),
    /// It is wrapped in more encodings than anybody looks into.
    Unread,
    /// Several rules, in more places than are listed.
    More,
}

impl fmt::Display for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => formatter.write_str("name"),
            Self::Treatment(treatment) => formatter.write_str(treatment.as_str()),
            Self::Content(content) => content.fmt(formatter),
            Self::Unread => formatter.write_str("unread"),
            Self::More => formatter.write_str("more"),
        }
    }
}

/// Collects what was hidden and cut below one root.
pub(super) struct Report<'r> {
    root: &'r str,
    limits: &'r Limits,
    redacted: Vec<Hidden>,
    more_redacted: bool,
    truncated: Vec<Truncated>,
    more_truncated: Option<Fingerprint>,
    paused: bool,
    /// Instead of all of the above: what was found since it was last asked for.
    tracked: Option<Vec<Finding>>,
}

/// Something that was hidden or cut, at a place that is kept elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// A secret was hidden by this rule.
    Hidden(Rule),
    /// This was cut.
    Cut(String),
}

/// One step from a value to a value inside of it.
#[derive(Clone, Debug)]
pub(super) enum Step<'t> {
    /// To the member of this name, as the record shows the name.
    Member(Cow<'t, str>),
    /// To the last of so many items.
    Item(usize),
}

impl<'r> Report<'r> {
    pub(super) fn new(root: &'r str, limits: &'r Limits) -> Self {
        Self {
            root,
            limits,
            redacted: Vec::new(),
            more_redacted: false,
            truncated: Vec::new(),
            more_truncated: None,
            paused: false,
            tracked: None,
        }
    }

    /// One that hands out what it is told instead of listing it, to somebody who
    /// does not know yet what of it will be shown.
    pub(super) fn tracking(limits: &'r Limits) -> Self {
        Self {
            tracked: Some(Vec::new()),
            ..Self::new("", limits)
        }
    }

    /// What was found since this was last asked, by one that is tracking.
    pub(super) fn take_tracked(&mut self) -> Vec<Finding> {
        self.tracked
            .as_mut()
            .map(std::mem::take)
            .unwrap_or_default()
    }

    /// Notes nothing until [`Report::resume`]: for what no record will show.
    pub(super) fn pause(&mut self) {
        self.paused = true;
    }

    pub(super) fn resume(&mut self) {
        self.paused = false;
    }

    /// The limits that hold for what is reported, and for what is shown.
    pub(super) fn limits(&self) -> &'r Limits {
        self.limits
    }

    /// Notes that a secret was hidden at this place. What several rules hide there is
    /// one finding, of the first of them.
    pub(super) fn hidden(&mut self, place: &[Step<'_>], rule: Rule) {
        if self.paused || self.more_redacted {
            return;
        }
        if let Some(tracked) = &mut self.tracked {
            tracked.push(Finding::Hidden(rule));
            return;
        }
        if self.redacted.len() >= self.limits.findings {
            self.more_redacted = true;
            self.redacted.push(Hidden {
                path: self.root.to_owned(),
                rule: Rule::More,
            });
            return;
        }
        let path = self.pointer(place);
        if self.redacted.last().is_none_or(|last| last.path != path) {
            self.redacted.push(Hidden { path, rule });
        }
    }

    /// Notes that `whole` was cut, or left out, at this place.
    pub(super) fn cut(&mut self, place: &[Step<'_>], whole: &str) {
        if self.paused {
            return;
        }
        if let Some(tracked) = &mut self.tracked {
            tracked.push(Finding::Cut(whole.to_owned()));
            return;
        }
        if self.truncated.len() >= self.limits.findings {
            self.more_truncated.get_or_insert_default().add(whole);
            return;
        }
        let mut fingerprint = Fingerprint::default();
        fingerprint.add(whole);
        let path = self.pointer(place);
        self.truncated.push(fingerprint.truncated_at(path));
    }

    pub(super) fn finish(mut self, text: String) -> Redacted {
        if let Some(rest) = self.more_truncated.take() {
            self.truncated.push(rest.truncated_at(self.root.to_owned()));
        }
        Redacted {
            text,
            redacted: self.redacted,
            truncated: self.truncated,
        }
    }

    /// The JSON pointer (RFC 6901) of a place. One that would grow too long ends
    /// at the last ancestor that fits, which still is a true answer to "where".
    fn pointer(&self, place: &[Step<'_>]) -> String {
        let longest = self.root.len() + self.limits.pointer_bytes;
        let mut pointer = self.root.to_owned();
        for step in place {
            let parent = pointer.len();
            step.push_onto(&mut pointer);
            if pointer.len() > longest {
                pointer.truncate(parent);
                break;
            }
        }
        pointer
    }
}

impl Step<'_> {
    pub(super) fn push_onto(&self, pointer: &mut String) {
        pointer.push('/');
        match self {
            Self::Member(name) => {
                for character in name.chars() {
                    match character {
                        '~' => pointer.push_str("~0"),
                        '/' => pointer.push_str("~1"),
                        other => pointer.push(other),
                    }
                }
            }
            Self::Item(count) => pointer.push_str(&count.saturating_sub(1).to_string()),
        }
    }
}

impl Truncated {
    /// That a redacted text is left out as a whole.
    pub(crate) fn whole(path: &str, text: &str) -> Self {
        let mut fingerprint = Fingerprint::default();
        fingerprint.add(text);
        fingerprint.truncated_at(path.to_owned())
    }
}

/// The size and hash of what was cut.
#[derive(Default)]
struct Fingerprint {
    bytes: u64,
    hash: Sha256,
}

impl Fingerprint {
    fn add(&mut self, text: &str) {
        self.bytes += text.len() as u64;
        self.hash.update(text);
    }

    fn truncated_at(self, path: String) -> Truncated {
        let mut sha256 = String::with_capacity(64);
        for byte in self.hash.finalize() {
            // Writing to a String cannot fail.
            let _ = write!(sha256, "{byte:02x}");
        }
        Truncated {
            path,
            bytes: self.bytes,
            sha256: Some(sha256),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str) -> Step<'_> {
        Step::Member(Cow::Borrowed(name))
    }

    #[test]
    fn pointers_are_escaped_as_rfc_6901_demands() {
        let limits = Limits::default();
        let report = Report::new("/request", &limits);
        let place = [member("a/b"), Step::Item(3), member("~1"), member("")];
        assert_eq!(report.pointer(&place), "/request/a~1b/2/~01/");
        assert_eq!(report.pointer(&[]), "/request");
    }

    #[test]
    fn a_pointer_that_grows_too_long_ends_at_an_ancestor() {
        let limits = Limits {
            pointer_bytes: 6,
            ..Limits::default()
        };
        let report = Report::new("/r", &limits);
        assert_eq!(report.pointer(&[member("abc"), member("d")]), "/r/abc/d");
        assert_eq!(report.pointer(&[member("abc"), member("de")]), "/r/abc");
    }

    #[test]
    fn after_enough_findings_the_root_stands_for_the_rest() {
        let limits = Limits {
            findings: 2,
            ..Limits::default()
        };
        let mut report = Report::new("/r", &limits);
        for name in ["a", "b", "c", "d"] {
            report.hidden(&[member(name)], Rule::Name);
            report.cut(&[member(name)], name);
        }
        let redacted = report.finish(String::new());
        assert_eq!(redacted.redacted, ["/r/a", "/r/b", "/r"]);

        let paths: Vec<&str> = redacted
            .truncated
            .iter()
            .map(|cut| cut.path.as_str())
            .collect();
        assert_eq!(paths, ["/r/a", "/r/b", "/r"]);
        assert_eq!(redacted.truncated[2].bytes, 2);
        // printf cd | sha256sum
        let hash = "21e721c35a5823fdb452fa2f9f0a612c74fb952e06927489c6b27a43b817bed4";
        assert_eq!(redacted.truncated[2].sha256.as_deref(), Some(hash));
    }

    #[test]
    fn a_repeated_place_is_listed_once() {
        let limits = Limits::default();
        let mut report = Report::new("", &limits);
        report.hidden(&[member("pin")], Rule::Name);
        report.hidden(&[member("pin")], Rule::Name);
        assert_eq!(report.finish(String::new()).redacted, ["/pin"]);
    }
}
