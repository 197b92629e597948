//! Whatever is redacted keeps its bounds and its form, and is done.

use audit::redact::{Limits, Redacted};

use crate::input::Input;
use crate::promises::{ROOT, Rules, is_json};
use crate::time::linear;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Door {
    Json,
    Form,
    Query,
    Text,
}

/// Redacts the input as one of the things that come from outside.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let door = input.choose(&[Door::Json, Door::Form, Door::Query, Door::Text]);
    let rules = Rules::choose(&mut input);
    let bytes = input.rest();
    let redactor = &rules.redactor;
    match door {
        Door::Json => json(rules, bytes),
        Door::Form => {
            let form = |bytes: &[u8]| redactor.form(ROOT, bytes);
            let found = linear(bytes.len(), || form(bytes));
            rules.keep(&found, bytes.len());
            assert!(is_json(&found.text), "{}", found.text);
        }
        Door::Query => {
            let query = String::from_utf8_lossy(bytes);
            let found = linear(query.len(), || redactor.query(ROOT, &query));
            rules.keep(&found, query.len());
            if found.truncated.is_empty() {
                let pairs = |query: &str| query.split('&').count();
                assert_eq!(pairs(&found.text), pairs(&query), "it splits as it did");
            }
            settle(rules, &found, |text| redactor.query(ROOT, text));
        }
        Door::Text => {
            let text = String::from_utf8_lossy(bytes);
            let found = linear(text.len(), || redactor.text(ROOT, &text));
            rules.keep(&found, text.len());
            settle(rules, &found, |text| redactor.text(ROOT, text));
        }
    }
}

fn json(rules: &Rules, bytes: &[u8]) {
    let is_valid = str::from_utf8(bytes).is_ok_and(is_json);
    match linear(bytes.len(), || rules.redactor.json(ROOT, bytes)) {
        Ok(found) => {
            assert!(is_valid, "what is no JSON was taken for it: {found:?}");
            rules.keep(&found, bytes.len());
            assert!(is_json(&found.text), "{}", found.text);
            settle(rules, &found, |text| {
                rules.redactor.json(ROOT, text).expect("it is JSON")
            });
        }
        Err(error) => {
            assert!(!is_valid, "JSON was refused: {error}");
            assert!(error.offset <= bytes.len(), "{error}");
        }
    }
}

/// What was redacted and lost nothing to limits says nothing that a second look would
/// hide. Under small limits even a mark may be too long.
fn settle(rules: &Rules, found: &Redacted, again: impl FnOnce(&str) -> Redacted) {
    if found.truncated.is_empty() && rules.limits == Limits::default() {
        let twice = again(&found.text);
        if twice.truncated.is_empty() {
            assert_eq!(twice.text, found.text, "the second look sees more");
        }
    }
}
