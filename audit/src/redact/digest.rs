//! What a JSON value says, in 32 bytes.
//!
//! Two values have the same digest if they say the same, however they are written:
//! strings by their text, numbers by their digits, objects in any order of their
//! members. Members that share a name count in their order, because that decides
//! which of them is believed.
//!
//! Digests are for comparing within one process. None is ever shown: that of a
//! short secret would give it away.

use sha2::{Digest as _, Sha256};

use super::events::{Container, Event};

pub(super) type Digest = [u8; 32];

/// Takes digests of values, one [`Event`] at a time and without recursion.
#[derive(Default)]
pub(super) struct Digester {
    /// Those of all names and values that are not yet part of another.
    digests: Vec<Digest>,
    /// Where in `digests` each open array or object begins.
    open: Vec<usize>,
    unescaped: String,
}

impl Digester {
    pub(super) fn read(&mut self, event: Event<'_>) {
        match event {
            Event::Open(_) => self.open.push(self.digests.len()),
            Event::Close(container) => self.close(container),
            Event::Name(name) => {
                let (says, _) = name.read(&mut self.unescaped);
                self.digests.push(of_name(says));
            }
            Event::String(string) => {
                let (says, _) = string.read(&mut self.unescaped);
                self.digests.push(of_string(says));
            }
            Event::Literal(literal) => self.digests.push(of_literal(literal)),
        }
    }

    /// Takes this instead of a name or of a value without inner ones.
    pub(super) fn put(&mut self, digest: Digest) {
        self.digests.push(digest);
    }

    /// That of the name or value that was completed last.
    pub(super) fn last(&self) -> Digest {
        self.digests.last().copied().unwrap_or_default()
    }

    fn close(&mut self, container: Container) {
        let start = self.open.pop().unwrap_or_default();
        let inner = self.digests.get_mut(start..).unwrap_or_default();
        let kind = match container {
            Container::Array => b'[',
            Container::Object => {
                let (members, _) = inner.as_chunks_mut::<2>();
                members.sort_by_key(|[name, _]| *name);
                b'{'
            }
        };
        let digest = of(kind, inner.as_flattened());
        self.digests.truncate(start);
        self.digests.push(digest);
    }
}

pub(super) fn of_name(says: &str) -> Digest {
    of(b':', says.as_bytes())
}

pub(super) fn of_string(says: &str) -> Digest {
    of(b'"', says.as_bytes())
}

pub(super) fn of_literal(literal: &str) -> Digest {
    of(b'0', literal.as_bytes())
}

/// That of a region, as far as it is shown and by those of what is not.
pub(super) fn of_region(shown: &str, hidden: &[Digest]) -> Digest {
    let parts = [of(b'?', shown.as_bytes()), of(b'?', hidden.as_flattened())];
    of(b'?', parts.as_flattened())
}

fn of(kind: u8, bytes: &[u8]) -> Digest {
    Sha256::new()
        .chain_update([kind])
        .chain_update(bytes)
        .finalize()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::events::Events;

    fn digest(text: &str) -> Digest {
        let mut events = Events::new(text);
        let mut digester = Digester::default();
        while let Some(event) = events.next().unwrap() {
            digester.read(event);
        }
        assert_eq!(digester.digests.len(), 1);
        digester.last()
    }

    #[test]
    fn values_that_say_the_same_have_the_same_digest() {
        for (one, other) in [
            (r#""a\/\u0062""#, r#""a/b""#),
            (
                r#"{"a":1,"b":[{}]}"#,
                r#" { "b" : [ { } ] , "\u0061" : 1 } "#,
            ),
            (r#"{"a":1,"b":2,"a":3}"#, r#"{"a":1,"a":3,"b":2}"#),
        ] {
            assert_eq!(digest(one), digest(other), "{one} {other}");
        }
    }

    #[test]
    fn values_that_say_something_else_have_another_digest() {
        let values = [
            "null",
            "\"null\"",
            "1",
            "1.0",
            "\"1\"",
            "[]",
            "{}",
            "[[]]",
            "[{}]",
            "[1]",
            "[1,1]",
            "[1,2]",
            "[2,1]",
            "[[1],2]",
            "[[1,2]]",
            r#"{"a":1}"#,
            r#"{"a":2}"#,
            r#"{"b":1}"#,
            r#"["a",1]"#,
            r#"{"a":"b"}"#,
            r#"{"b":"a"}"#,
            r#"{"a":1,"a":2}"#,
            r#"{"a":2,"a":1}"#,
            r#"{"a":{"b":1}}"#,
            r#"{"a":{},"b":1}"#,
        ];
        for (at, one) in values.iter().enumerate() {
            for other in values.iter().skip(at + 1) {
                assert_ne!(digest(one), digest(other), "{one} {other}");
            }
        }
    }

    #[test]
    fn sixty_thousand_levels_are_no_deeper_than_one() {
        let deep = |inner| format!("{}{inner}{}", "[".repeat(60_000), "]".repeat(60_000));
        assert_ne!(digest(&deep("1")), digest(&deep("2")));
    }
}
