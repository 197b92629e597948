//! Values that are secret for what stands beside them.
//!
//! A generic payload does not name its members after what they hold. It has pairs, in
//! which one member says what the other one is: `{"name": "password", "value": "x"}` in
//! the settings of a form, `{"op": "replace", "path": "/password", "value": "x"}` in a
//! patch (RFC 6902), `["Authorization", "x"]` in a list of headers. And some objects say
//! by one member that others are secret: a key of RFC 7517 by its `kty`.
//!
//! Which of the two comes first is the sender's choice, so they are found in a pass of
//! their own over the same events, as soon as the scan comes to something that may be
//! one: most texts have nothing of the kind, and are read once. The state of the pass is
//! a few words per open level, and per value that may turn out to be secret.

use std::iter::Peekable;
use std::vec;

use super::events::{Container, Event, Events, Quoted};
use super::names::Folded;
use super::{InvalidJson, Redactor};

/// Members that say what another one is.
const NAMING: [&str; 10] = [
    "attribute",
    "field",
    "header",
    "k",
    "key",
    "name",
    "param",
    "parameter",
    "path",
    "property",
];

/// Members that hold what it is.
const VALUES: [&str; 16] = [
    "after",
    "before",
    "from",
    "new",
    "new_value",
    "newvalue",
    "old",
    "old_value",
    "oldvalue",
    "string_value",
    "stringvalue",
    "to",
    "v",
    "val",
    "value",
    "values",
];

/// What is private or secret in a JSON Web Key (RFC 7518, sections 6.2.2, 6.3.2 and 6.4.1).
const KEY_PARTS: [&str; 8] = ["d", "dp", "dq", "k", "oth", "p", "q", "qi"];

/// The longest name that is looked at.
const NAME_BYTES: usize = 256;

/// Whether the value of this name says what another value is.
pub(super) fn is_naming(name: &str) -> bool {
    NAMING.iter().any(|one| name.eq_ignore_ascii_case(one))
}

/// Whether the value of this name is what another one says.
pub(super) fn is_value(name: &str) -> bool {
    VALUES.iter().any(|one| name.eq_ignore_ascii_case(one))
}

/// Whether what stands beside a member may say that its value is secret.
pub(super) fn may_hold_a_secret(name: &str) -> bool {
    is_value(name) || is_key_part(name)
}

fn is_key_part(name: &str) -> bool {
    KEY_PARTS.contains(&name)
}

/// Where the secrets of a text are that only their siblings give away.
pub(super) struct Secrets<'t> {
    redactor: &'t Redactor,
    text: &'t str,
    layers: u8,
    /// Not looked for yet, as long as it is nothing.
    places: Option<Peekable<vec::IntoIter<usize>>>,
}

impl<'t> Secrets<'t> {
    /// Nothing is looked for before somebody asks. `layers` of encodings may be taken off
    /// a string.
    pub(super) fn new(redactor: &'t Redactor, text: &'t str, layers: u8) -> Self {
        Self {
            redactor,
            text,
            layers,
            places: None,
        }
    }

    /// Whether the value is one whose first event is read from here. Places must be
    /// asked for in their order; it is enough to ask for the values of members that
    /// [may hold a secret](may_hold_a_secret), and for the items of lists in lists.
    pub(super) fn hold(&mut self, at: usize) -> Result<bool, InvalidJson> {
        let places = match &mut self.places {
            Some(places) => places,
            nothing => {
                let found = find(self.redactor, self.text, self.layers)?;
                nothing.insert(found.into_iter().peekable())
            }
        };
        while places.next_if(|place| *place < at).is_some() {}
        Ok(places.peek() == Some(&at))
    }
}

fn find(redactor: &Redactor, text: &str, layers: u8) -> Result<Vec<usize>, InvalidJson> {
    let mut search = Search {
        redactor,
        layers,
        events: Events::new(text),
        levels: Vec::new(),
        candidates: Vec::new(),
        found: Vec::new(),
        unescaped: String::new(),
        folded: Folded::default(),
    };
    search.run()?;
    search.found.sort_unstable();
    Ok(search.found)
}

/// A value that is secret if something beside it says so.
struct Candidate {
    at: usize,
    part_of: Whole,
}

/// What an object or a list may be whose parts explain each other.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whole {
    /// The name of a secret and its value.
    Pair,
    /// A JSON Web Key.
    Key,
}

/// An array or object that is open.
struct Level {
    container: Container,
    /// Whether its parts so far say that it is a pair, and a key. It may be both.
    is_pair: bool,
    is_key: bool,
    /// How many candidates there were before it.
    candidates: usize,
    /// How many items an array has.
    items: usize,
}

struct Search<'t> {
    redactor: &'t Redactor,
    /// How many encodings may be taken off a string.
    layers: u8,
    events: Events<'t>,
    levels: Vec<Level>,
    /// Those of all open levels, the innermost last.
    candidates: Vec<Candidate>,
    found: Vec<usize>,
    unescaped: String,
    folded: Folded,
}

impl<'t> Search<'t> {
    fn run(&mut self) -> Result<(), InvalidJson> {
        let mut member = None;
        loop {
            let at = self.events.at();
            match self.events.next()? {
                None => return Ok(()),
                Some(Event::Name(name)) => member = Some(name),
                Some(Event::Close(_)) => self.close(),
                Some(value) => {
                    match member.take() {
                        Some(name) => self.member(name, at, value),
                        None => self.item(at, value),
                    }
                    self.open(value);
                }
            }
        }
    }

    fn member(&mut self, name: Quoted<'t>, at: usize, value: Event<'t>) {
        let (name, _) = name.read(&mut self.unescaped);
        let is_naming = is_naming(name);
        let is_value = is_value(name);
        let is_key_type = name == "kty";
        let is_key_part = is_key_part(name);
        if is_key_type {
            self.say(Whole::Key);
        }
        if is_value {
            self.may_be_secret(at, Whole::Pair);
        }
        if is_key_part {
            self.may_be_secret(at, Whole::Key);
        }
        if is_naming && self.names_a_secret(value) {
            self.say(Whole::Pair);
        }
    }

    /// A list within a list may be a name and its value.
    fn item(&mut self, at: usize, value: Event<'t>) {
        let [.., outer, level] = self.levels.as_mut_slice() else {
            return;
        };
        level.items += 1;
        let number = level.items;
        if outer.container == Container::Object {
            return;
        }
        match number {
            1 if self.names_a_secret(value) => self.say(Whole::Pair),
            2 => self.may_be_secret(at, Whole::Pair),
            _ => {}
        }
    }

    fn may_be_secret(&mut self, at: usize, part_of: Whole) {
        self.candidates.push(Candidate { at, part_of });
    }

    fn say(&mut self, whole: Whole) {
        if let Some(level) = self.levels.last_mut() {
            match whole {
                Whole::Pair => level.is_pair = true,
                Whole::Key => level.is_key = true,
            }
        }
    }

    /// A name of several words is a title for people to read, and mostly not that of a
    /// secret: a gift card is sold, and has a value.
    fn names_a_secret(&mut self, value: Event<'t>) -> bool {
        let Event::String(said) = value else {
            return false;
        };
        let (said, _) = said.read(&mut self.unescaped);
        let names = &self.redactor.names;
        let mut is_name_of_secret = |said: &str| {
            said.len() <= NAME_BYTES
                && !said.contains(char::is_whitespace)
                && names.hides_folded(said, &mut self.folded)
        };
        // A secret in it is no part of the name.
        is_name_of_secret(said)
            || self
                .redactor
                .without_secrets(said, self.layers)
                .is_some_and(|left| is_name_of_secret(&left.text))
    }

    fn open(&mut self, value: Event<'t>) {
        if let Event::Open(container) = value {
            self.levels.push(Level {
                container,
                is_pair: false,
                is_key: false,
                candidates: self.candidates.len(),
                items: 0,
            });
        }
    }

    fn close(&mut self) {
        let Some(level) = self.levels.pop() else {
            return;
        };
        let candidates = self.candidates.drain(level.candidates..);
        if level.container == Container::Array && level.items != 2 {
            return;
        }
        let secrets = candidates.filter(|candidate| match candidate.part_of {
            Whole::Pair => level.is_pair,
            Whole::Key => level.is_key,
        });
        self.found.extend(secrets.map(|secret| secret.at));
    }
}

#[cfg(test)]
mod tests {
    use super::super::{REDACTED, Redactor};

    #[test]
    fn a_value_is_hidden_if_the_name_beside_it_is_that_of_a_secret() {
        for text in [
            r#"{"name":"password","value":"$$"}"#,
            r#"{"value":"$$","name":"DB_PASSWORD"}"#,
            r#"{"Key":"api-key","Value":"$$"}"#,
            r#"{"header":"Authorization","values":"$$"}"#,
            r#"{"field":"pin","old_value":"$$","newValue":"$$"}"#,
            r#"{"op":"replace","path":"/users/0/password","value":"$$"}"#,
            r#"[{"value":"$$","op":"add","path":"/card/number"}]"#,
            r#"{"Operations":[{"op":"replace","path":"user.password","value":"$$"}]}"#,
            r#"{"headers":[["Accept","text/html"],["Authorization","$$"]]}"#,
            r#"{"name":"token","value":{"name":"a","value":"$$"}}"#,
            r#"{"kty":"RSA","n":"1","e":"2","d":"$$","p":"$$","q":"$$","dp":"$$","dq":"$$","qi":"$$"}"#,
            r#"{"keys":[{"k":"$$","kty":"oct"}]}"#,
            r#"{"kty":"oct","k":"$$","name":"token","value":"$$"}"#,
            r#"{"n\u0061me":"password","v\u0061lue":"$$"}"#,
        ] {
            for value in [
                "\"hunter2\"",
                "4711",
                "{\"a\":[\"hunter2\"]}",
                "[\"hunter2\"]",
            ] {
                let text = text.replace("\"$$\"", value);
                let found = Redactor::default().json("/request", &text).unwrap();
                assert!(
                    !found.text.contains("hunter2"),
                    "{text} shows {}",
                    found.text
                );
                assert!(!found.text.contains("4711"), "{text} shows {}", found.text);
                let shown: serde_json::Value = serde_json::from_str(&found.text).unwrap();
                assert!(!found.redacted.is_empty());
                for hidden in &found.redacted {
                    let place = hidden.path.strip_prefix("/request").unwrap();
                    assert_eq!(shown.pointer(place).unwrap(), REDACTED);
                }
            }
        }
    }

    #[test]
    fn a_secret_behind_a_name_does_not_keep_it_from_being_one() {
        let text = r#"{"name":"password:hunter2 or so","value":"hunter3"}"#;
        let found = Redactor::default().json("", text).unwrap();
        assert_eq!(
            found.text,
            r#"{"name":"password:[REDACTED]","value":"[REDACTED]"}"#
        );
        assert_eq!(found.redacted, ["/name", "/value"]);
    }

    #[test]
    fn what_stands_beside_other_names_is_shown() {
        for text in [
            r#"{"name":"Kettle","value":12.50}"#,
            r#"{"name":"Gift card","value":25}"#,
            r#"{"label":"Card","value":"card"}"#,
            r#"{"field":"password","message":"too short","code":"length"}"#,
            r#"{"name":"token","type":"string","required":true}"#,
            r#"[{"name":"password"},{"value":"1"}]"#,
            r#"{"value":"1","inner":{"name":"password"}}"#,
            r#"["password","email"]"#,
            r#"{"required":["password","email"]}"#,
            r#"[["token","pin","email"],["a","b"]]"#,
            r#"{"kind":"k","d":1,"p":2,"q":"search"}"#,
            r#"{"path":"/items/7/price","op":"test","value":1}"#,
        ] {
            let found = Redactor::default().json("", text).unwrap();
            assert_eq!(found.text, text);
        }
    }

    #[test]
    fn secrets_that_lie_too_deep_are_neither_shown_nor_hashed() {
        let nested = |secret: &str| {
            let pair = format!(r#"{{"value":"{secret}","name":"pin"}}"#);
            format!("{}{pair}{}", "[".repeat(40), "]".repeat(40))
        };
        let redactor = Redactor::default();
        assert_eq!(
            redactor.json("", nested("one")).unwrap(),
            redactor.json("", nested("other")).unwrap()
        );
    }
}
