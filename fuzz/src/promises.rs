//! What `audit::redact` promises of everything that it gives back.

use std::sync::LazyLock;

use audit::redact::{HashKey, Limits, NameRules, Redacted, Redactor};
use serde::de::IgnoredAny;

use crate::input::Input;

/// Where texts are said to stand.
pub(crate) const ROOT: &str = "/request";

/// A redactor and its limits.
pub(crate) struct Rules {
    pub(crate) limits: Limits,
    pub(crate) redactor: Redactor,
}

/// With the usual limits, and with such that small inputs exceed them. A redactor takes
/// longer to build than an input to redact.
static RULES: LazyLock<[Rules; 2]> = LazyLock::new(|| {
    let small = Limits {
        depth: 2,
        string_bytes: 24,
        name_bytes: 12,
        pointer_bytes: 16,
        fields: 2,
        findings: 2,
    };
    [Limits::default(), small].map(|limits| {
        let key = HashKey::new(&[7; 32]).expect("a strong key");
        Rules {
            redactor: Redactor::new(NameRules::default(), limits.clone()).with_hash_key(key),
            limits,
        }
    })
});

impl Rules {
    pub(crate) fn choose(input: &mut Input<'_>) -> &'static Self {
        let [usual, small] = &*RULES;
        input.choose(&[usual, small])
    }

    /// Fails if something is longer, or more, than it is said to be at most.
    pub(crate) fn keep(&self, found: &Redacted, bytes_in: usize) {
        // A form of one field is put into an object of one member.
        let allowed = 7 * bytes_in + r#"{"":""}"#.len();
        assert!(
            found.text.len() <= allowed,
            "{bytes_in} bytes became {}: {found:?}",
            found.text.len()
        );
        assert!(!found.text.contains('\0'), "no store could hold it");
        let findings = self.limits.findings + 1;
        assert!(found.redacted.len() <= findings, "{found:?}");
        assert!(found.truncated.len() <= findings, "{found:?}");
        let hidden = found.redacted.iter().map(|hidden| hidden.path.as_str());
        let cut = found.truncated.iter().map(|cut| cut.path.as_str());
        for path in hidden.chain(cut) {
            assert!(path.starts_with(ROOT), "{path} is not below {ROOT}");
            assert!(
                path.len() <= ROOT.len() + self.limits.pointer_bytes,
                "{path} is too long"
            );
        }
    }
}

pub(crate) fn is_json(text: &str) -> bool {
    let mut reader = serde_json::Deserializer::from_str(text);
    reader.disable_recursion_limit();
    serde::Deserialize::deserialize(&mut reader)
        .and_then(|IgnoredAny| reader.end())
        .is_ok()
}
