//! Differences of two texts are few enough, JSON, and none where nothing differs.

use audit::redact::InvalidJson;
use audit::redact::shape::{Member, Shape, Treatment};

use crate::input::Input;
use crate::promises::{Rules, is_json};
use crate::time::linear;

/// What a type may say of itself.
static SHAPE: Shape = Shape::AllOf(&[
    || &Shape::Each(|| &SHAPE),
    || {
        &Shape::Object(&[
            Member {
                names: &["m"],
                shape: || &Shape::Treated(Treatment::Mask),
            },
            Member {
                names: &["h"],
                shape: || &Shape::Treated(Treatment::Hash),
            },
            Member {
                names: &["s"],
                shape: || &Shape::Treated(Treatment::Skip),
            },
        ])
    },
]);

/// Compares the two halves of the input, with each other and with themselves.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let rules = Rules::choose(&mut input);
    let shape = input.choose(&[&Shape::Open, &SHAPE]);
    let limit = usize::from(input.byte() % 8);
    let Some(text) = input.text() else {
        return;
    };
    let (before, after) = text.split_once('|').unwrap_or((text, text));
    let compare = |before: &str, after: &str, limit: usize| {
        linear(before.len() + after.len(), || {
            rules.redactor.differences(before, after, shape, 0, limit)
        })
    };

    let found = match compare(before, after, limit) {
        Ok(found) => found,
        Err(InvalidJson { offset }) => {
            assert!(!is_json(before) || !is_json(after), "JSON was refused");
            assert!(offset <= before.len().max(after.len()));
            return;
        }
    };
    assert!(is_json(before) && is_json(after), "that is no JSON");
    assert!(found.changes.len() <= limit, "{found:?}");
    let findings = rules.limits.findings + 1;
    assert!(found.redacted.len() <= findings, "{found:?}");
    assert!(found.truncated.len() <= findings + 1, "{found:?}");
    for change in &found.changes {
        assert!(change.old.is_some() || change.new.is_some(), "{change:?}");
        assert!(change.path.is_empty() || change.path.starts_with('/'));
        for value in [&change.old, &change.new].into_iter().flatten() {
            assert!(is_json(value), "{value}");
        }
    }
    for hidden in &found.redacted {
        assert!(hidden.path.starts_with("/changes"), "{}", hidden.path);
    }

    let all = |before, after| compare(before, after, usize::MAX).expect("both are JSON");
    assert!(all(before, before).changes.is_empty(), "it is the same");
    assert!(all(after, after).changes.is_empty(), "it is the same");
    assert_eq!(
        all(before, after).changes.is_empty(),
        all(after, before).changes.is_empty(),
        "a difference in one direction only"
    );
}
