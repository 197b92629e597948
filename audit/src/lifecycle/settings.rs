//! The settings that decide what evidence there is, and whether a change of them
//! leaves less of it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::journal::Durability;
use crate::postgres::Rights;
use crate::record::{Change, JsonText};

/// What the record of a start says of the settings in force: names, numbers and
/// ids, never a secret and never a connection string, which may hold one.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) durability: Durability,
    pub(crate) capture_bytes: usize,
    pub(crate) journal_quota_bytes: u64,
    pub(crate) journal_reserve_bytes: u64,
    /// As the redactor describes itself.
    pub(crate) redaction: Value,
    /// How it is told who makes a request.
    pub(crate) authentication: String,
    /// Whose word on the client's address counts.
    pub(crate) trusted_proxies: Value,
    /// How much anybody may ask for.
    pub(crate) throttle: Value,
    /// What the login at Postgres may do; unknown while Postgres is away.
    pub(crate) database_rights: Option<Rights>,
}

impl Settings {
    pub(super) fn to_json(&self) -> Value {
        json!({
            "library_version": env!("CARGO_PKG_VERSION"),
            "durability": self.durability.as_str(),
            "capture_bytes": self.capture_bytes,
            "journal_quota_bytes": self.journal_quota_bytes,
            "journal_reserve_bytes": self.journal_reserve_bytes,
            "redaction": self.redaction,
            "authentication": self.authentication,
            "trusted_proxies": self.trusted_proxies,
            "throttle": self.throttle,
            "database_rights": self.database_rights.map(Rights::as_str),
        })
    }
}

/// What differs between two starts.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Comparison {
    pub(super) changes: Vec<Change>,
    /// Whether any of it may leave less evidence, or more of a secret.
    pub(super) is_weaker: bool,
}

/// Compares the settings of two starts, field by field.
pub(super) fn compare(old: &Value, new: &Value) -> Comparison {
    let mut fields = BTreeMap::<String, (Option<&Value>, Option<&Value>)>::new();
    for_each_field(old, String::new(), &mut |path, value| {
        fields.entry(path).or_default().0 = Some(value);
    });
    for_each_field(new, String::new(), &mut |path, value| {
        fields.entry(path).or_default().1 = Some(value);
    });
    let mut comparison = Comparison::default();
    for (path, (old, new)) in fields {
        if old == new {
            continue;
        }
        if let (Some(old), Some(new)) = (old, new) {
            comparison.is_weaker |= is_weaker(&path, old, new);
        }
        comparison.changes.push(Change {
            path,
            old: old.and_then(json_text),
            new: new.and_then(json_text),
        });
    }
    comparison
}

/// Visits what is not an object, by its JSON pointer. The names are our own, so none
/// needs escaping.
fn for_each_field<'v>(value: &'v Value, path: String, visit: &mut impl FnMut(String, &'v Value)) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                for_each_field(member, format!("{path}/{name}"), visit);
            }
        }
        _ => visit(path, value),
    }
}

fn json_text(value: &Value) -> Option<JsonText> {
    JsonText::new(value.to_string()).ok()
}

/// Whether a setting that has changed is weaker than it was. What cannot be ranked
/// counts as weaker: better one look too many than one too few.
fn is_weaker(path: &str, old: &Value, new: &Value) -> bool {
    match path {
        "/library_version" | "/journal_reserve_bytes" => false,
        "/durability" => !matches!(
            (old.as_str(), new.as_str()),
            (Some("memory"), Some(_)) | (Some("crash"), Some("power_loss" | "transaction"))
        ),
        // What was not known is no weaker once it is known, and the other way round.
        "/database_rights" => {
            let rank = |value: &Value| {
                let name = value.as_str()?;
                ["least", "excess", "owner", "superuser"]
                    .iter()
                    .position(|rights| *rights == name)
            };
            matches!((rank(old), rank(new)), (Some(old), Some(new)) if new > old)
        }
        "/redaction/hash_key" => new.is_null(),
        _ => match (old.as_u64(), new.as_u64()) {
            (Some(old), Some(new)) => new < old,
            _ => true,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leaves_less_evidence_or_more_of_a_secret_is_weaker() {
        for (path, old, new, expected) in [
            ("durability", json!("crash"), json!("memory"), true),
            ("durability", json!("memory"), json!("crash"), false),
            ("durability", json!("crash"), json!("power_loss"), false),
            (
                "durability",
                json!("power_loss"),
                json!("transaction"),
                true,
            ),
            ("capture_bytes", json!(65536), json!(1024), true),
            ("capture_bytes", json!(1024), json!(65536), false),
            ("journal_quota_bytes", json!(10), json!(9), true),
            ("database_rights", json!("least"), json!("owner"), true),
            ("database_rights", json!("superuser"), json!("least"), false),
            ("database_rights", json!("least"), json!(null), false),
            ("authentication", json!("jwt"), json!("gateway"), true),
            ("library_version", json!("1.0.0"), json!("0.9.0"), false),
        ] {
            let comparison = compare(&json!({ path: old }), &json!({ path: new }));
            assert_eq!(comparison.is_weaker, expected, "{path}: {old} to {new}");
            assert_eq!(comparison.changes.len(), 1);
        }
        for (field, old, new, expected) in [
            ("names_hidden", json!(["a", "b"]), json!(["a"]), true),
            ("names_shown", json!([]), json!(["a"]), true),
            ("hash_key", json!("12345678"), json!(null), true),
            ("hash_key", json!(null), json!("12345678"), false),
        ] {
            let comparison = compare(
                &json!({ "redaction": { field: old } }),
                &json!({ "redaction": { field: new } }),
            );
            assert_eq!(comparison.is_weaker, expected, "{field}: {old} to {new}");
            assert_eq!(comparison.changes[0].path, format!("/redaction/{field}"));
        }
    }

    #[test]
    fn what_only_one_version_knows_is_a_change_and_no_weakness() {
        let comparison = compare(&json!({ "old": 1 }), &json!({ "new": 2 }));
        assert!(!comparison.is_weaker);
        assert_eq!(comparison.changes.len(), 2);
        assert_eq!(comparison.changes[0].path, "/new");
        assert_eq!(comparison.changes[0].old, None);
        assert_eq!(
            compare(&json!({ "a": 1 }), &json!({ "a": 1 })),
            Comparison::default()
        );
    }
}
