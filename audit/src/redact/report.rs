//! What a redaction tells about itself: where something was hidden or cut.

use std::borrow::Cow;
use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::{Limits, Redacted, Truncated};

/// Collects what was hidden and cut below one root.
pub(super) struct Report<'r> {
    root: &'r str,
    limits: &'r Limits,
    redacted: Vec<String>,
    more_redacted: bool,
    truncated: Vec<Truncated>,
    more_truncated: Option<Fingerprint>,
    paused: bool,
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
        }
    }

    /// Notes nothing until [`Report::resume`]: for what no record will show.
    pub(super) fn pause(&mut self) {
        self.paused = true;
    }

    pub(super) fn resume(&mut self) {
        self.paused = false;
    }

    /// Notes that a secret was hidden at this place.
    pub(super) fn hidden(&mut self, place: &[Step<'_>]) {
        if self.paused || self.more_redacted {
            return;
        }
        if self.redacted.len() >= self.limits.findings {
            self.more_redacted = true;
            self.redacted.push(self.root.to_owned());
            return;
        }
        let pointer = self.pointer(place);
        if self.redacted.last() != Some(&pointer) {
            self.redacted.push(pointer);
        }
    }

    /// Notes that `whole` was cut, or left out, at this place.
    pub(super) fn cut(&mut self, place: &[Step<'_>], whole: &str) {
        if self.paused {
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
    fn push_onto(&self, pointer: &mut String) {
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
            sha256,
        }
    }
}
