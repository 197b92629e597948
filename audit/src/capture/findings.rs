//! What redaction did to the parts of one record, put together.

use serde::Serialize;
use serde_json::Value;

use crate::auditable::Auditable;
use crate::handle::Audit;
use crate::record::{Actor, JsonText};
use crate::redact::{Redacted, Redactor, Truncated};

/// How many of an actor's roles a record keeps.
const ROLES: usize = 64;

/// What the redactor hid and cut in all parts of one record.
#[derive(Clone, Debug, Default)]
pub(super) struct Findings {
    pub(super) redacted: Vec<String>,
    pub(super) truncated: Vec<Truncated>,
}

impl Findings {
    pub(super) fn text(&mut self, redacted: Redacted) -> String {
        let hidden = redacted.redacted.into_iter();
        self.redacted.extend(hidden.map(|hidden| hidden.path));
        self.truncated.extend(redacted.truncated);
        redacted.text
    }

    /// The redactor writes JSON, so only the empty text, which stands for
    /// nothing, is not.
    pub(super) fn json(&mut self, redacted: Redacted) -> Option<JsonText> {
        JsonText::new(self.text(redacted)).ok()
    }

    /// Notes that something of this size was left out. What is left out of one place
    /// is one entry, however often that happens.
    pub(super) fn leave_out(&mut self, path: &str, bytes: u64) {
        let known = self.truncated.iter_mut();
        match known
            .into_iter()
            .find(|cut| cut.path == path && cut.sha256.is_none())
        {
            Some(cut) => cut.bytes = cut.bytes.saturating_add(bytes),
            None => self.truncated.push(cut(path, bytes)),
        }
    }

    pub(super) fn extend(&mut self, others: &Self) {
        self.redacted.extend_from_slice(&others.redacted);
        self.truncated.extend_from_slice(&others.truncated);
    }

    /// Puts notes together. Their values were redacted when they were made; now
    /// their names decide, and what a value hid stays listed if it is still there.
    pub(super) fn notes(&mut self, redactor: &Redactor, notes: &[(String, Redacted)]) -> JsonText {
        if notes.is_empty() {
            return JsonText::empty_object();
        }
        let mut text = String::from("{");
        for (name, value) in notes {
            if text.len() > 1 {
                text.push(',');
            }
            text.push_str(&Value::from(name.as_str()).to_string());
            text.push(':');
            text.push_str(&value.text);
        }
        text.push('}');
        let Ok(whole) = redactor.json("/notes", text) else {
            return JsonText::empty_object();
        };
        let hidden = whole.redacted.clone();
        let is_visible = |path: &str| {
            !hidden.iter().any(|hidden| {
                path.strip_prefix(hidden.path.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
        };
        for (_, value) in notes {
            let paths = value.redacted.iter().map(|hidden| &hidden.path);
            self.redacted
                .extend(paths.filter(|path| is_visible(path)).cloned());
            let truncated = value.truncated.iter().filter(|cut| is_visible(&cut.path));
            self.truncated.extend(truncated.cloned());
        }
        self.json(whole).unwrap_or_else(JsonText::empty_object)
    }

    /// An actor's strings come from outside, through a token or a gateway.
    pub(super) fn actor(&mut self, redactor: &Redactor, actor: &Actor) -> Actor {
        let mut bounded = |name: &str, text: &String| {
            self.text(redactor.identifier(&format!("/actor/{name}"), text))
        };
        Actor {
            kind: actor.kind,
            id: actor.id.as_ref().map(|id| bounded("id", id)),
            roles: actor
                .roles
                .iter()
                .take(ROLES)
                .enumerate()
                .map(|(index, role)| bounded(&format!("roles/{index}"), role))
                .collect(),
            auth: actor.auth.as_ref().map(|auth| bounded("auth", auth)),
            credential: actor
                .credential
                .as_ref()
                .map(|id| bounded("credential", id)),
        }
    }
}

/// The JSON text of a value as a record shows it; an error is the size of one that is
/// too large, or zero of one that has no JSON text.
pub(super) fn redacted<T: Serialize + Auditable + ?Sized>(
    audit: &Audit,
    root: &str,
    value: &T,
) -> Result<Redacted, u64> {
    let text = json_text(audit, value)?;
    audit
        .redactor()
        .json_as(root, &text, T::SHAPE)
        .map_err(|_| text.len() as u64)
}

pub(super) fn json_text<T: Serialize + ?Sized>(audit: &Audit, value: &T) -> Result<String, u64> {
    let text = serde_json::to_string(value).map_err(|_| 0_u64)?;
    if text.len() <= audit.capture_bytes() {
        Ok(text)
    } else {
        Err(text.len() as u64)
    }
}

/// The mark of something that was left out.
pub(super) fn cut(path: &str, bytes: u64) -> Truncated {
    Truncated {
        path: path.to_owned(),
        bytes,
        sha256: None,
    }
}
