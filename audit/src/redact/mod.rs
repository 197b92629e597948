//! What never leaves the process: redaction, before anything is journaled.
//!
//! A record goes through this room once, on its way out of the capture room,
//! and nothing downstream knows what a secret is. The room takes text and gives
//! text: JSON bodies ([`Redactor::json`]), forms ([`Redactor::form`]), query
//! strings ([`Redactor::query`]) and plain strings ([`Redactor::text`]).
//!
//! - **Secrets are found by name** ([`NameRules`]), at any depth, and their value
//!   is replaced by [`REDACTED`] whatever it is: a string, a number, a whole
//!   object, and `null` as well, because whether somebody has a password is
//!   already something about the password. When in doubt a value is hidden; a
//!   service shows what it knows to be harmless. A name may also stand beside the
//!   value, as in `{"name": "password", "value": "x"}` and JSON Patch.
//! - **Secrets are found by content** ([`ContentRules`]), in any string, for somebody may
//!   have put one where none is expected: keys, tokens, passwords in URLs, card
//!   numbers. Of such a string only the secret is replaced.
//! - **Secrets are declared by type** ([`shape::Shape`]), wherever a service knows
//!   the type of a text: [`Redactor::json_as`], [`Redactor::form_as`] and
//!   [`Redactor::query_as`]. A type may hide a value, show its last characters or a
//!   keyed hash, or leave it out. It adds to the rules about names: what either
//!   hides is hidden, and of several treatments the strictest counts.
//! - **What changed is found without showing secrets**
//!   ([`Redactor::differences`]): that a secret changed is told, never from what
//!   to what.
//! - **Everything has a bound** ([`Limits`]): depth, strings, names, findings.
//!   What exceeds one is cut with the marker [`TRUNCATED`], never lost without a
//!   trace: its size and hash are reported. The text that comes out is at most
//!   seven times as long as what went in and seven bytes, or thirty times where a
//!   type wants short values hashed, so a caller that bounds bodies bounds records;
//!   the time taken is linear in the input.
//! - **What no store could hold is replaced**: U+0000 and lone surrogates become
//!   U+FFFD. Line breaks and other control characters stay, escaped as JSON
//!   demands; whoever prints a record must neutralise them for that output.
//!
//! # What a hash may tell
//!
//! The hash of something short can be reversed by trying, so a hash is only ever
//! taken of what would have stood in the record had there been no limit: of a
//! string its UTF-8 text, of a region that lies too deep its compact JSON text,
//! both *after* secrets were hidden in them.
//!
//! A secret that a type wants hashed is hashed under a [`HashKey`], which no record
//! holds. Such a hash tells everybody which values are equal, and how often each
//! occurs; where there are few values, as with `true` and `false`, that may be
//! enough to tell which is which. To whoever has the key it tells every value that
//! can be found by trying. It tells nothing more, and without a key nothing is
//! hashed.

mod contents;
mod diff;
mod digest;
mod events;
mod follow;
mod form;
mod hash;
mod names;
mod report;
mod scan;
pub mod shape;
mod siblings;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use contents::LAYERS;
pub use contents::{Content, ContentRules, UnknownContent};
pub use diff::{Difference, Differences};
use follow::Follow;
pub use hash::{HashKey, WeakKey};
pub use names::NameRules;
pub use report::{Hidden, Rule};
use report::{Report, Step};
use shape::{Shape, Treatment};

/// What a record shows in the place of a secret.
pub const REDACTED: &str = "[REDACTED]";

/// What a record shows in the place of something too large or too deep, and
/// behind the beginning of a string that was cut.
pub const TRUNCATED: &str = "[TRUNCATED]";

/// What stands between the beginning of a string and [`TRUNCATED`].
const ELLIPSIS: char = '…';

/// The longest id of an actor or a resource, and the longest method: an entry of an index has
/// room for 2,704 bytes, and holds several of them.
const IDENTIFIER_BYTES: usize = 256;

/// Hides secrets in payloads and keeps payloads within limits.
///
/// Build one when the service starts and share it; it never changes.
///
/// ```
/// use audit::redact::Redactor;
///
/// let body = r#"{ "user": "alice", "login": { "Pass-Word": 1234 }, "price": 1.230e-5 }"#;
/// let redacted = Redactor::default().json("/request", body)?;
///
/// assert_eq!(
///     redacted.text,
///     r#"{"user":"alice","login":{"Pass-Word":"[REDACTED]"},"price":1.230e-5}"#,
/// );
/// assert_eq!(redacted.redacted, ["/request/login/Pass-Word"]);
/// # Ok::<(), audit::redact::InvalidJson>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Redactor {
    names: NameRules,
    contents: ContentRules,
    limits: Limits,
    hash_key: Option<HashKey>,
}

impl Redactor {
    /// A redactor with these rules and limits.
    #[must_use]
    pub fn new(names: NameRules, limits: Limits) -> Self {
        Self {
            names,
            contents: ContentRules::default(),
            limits,
            hash_key: None,
        }
    }

    /// Hides contents by these rules instead of the usual ones.
    #[must_use]
    pub fn with_contents(mut self, contents: ContentRules) -> Self {
        self.contents = contents;
        self
    }

    /// Hashes under this key what types or names want hashed, and would otherwise be
    /// hidden.
    #[must_use]
    pub fn with_hash_key(mut self, key: HashKey) -> Self {
        self.hash_key = Some(key);
        self
    }

    /// Its rules, as the trail tells them when it starts: what was added to the
    /// built-in rules and taken from them, the id of the key, the limits.
    pub(crate) fn settings(&self) -> serde_json::Value {
        let Limits {
            depth,
            string_bytes,
            name_bytes,
            pointer_bytes,
            fields,
            findings,
        } = self.limits;
        serde_json::json!({
            "names_hidden": self.names.own(Some(Treatment::Secret)),
            "names_hashed": self.names.own(Some(Treatment::Hash)),
            "names_shown": self.names.own(None),
            "prefixes_hidden": self.contents.prefixes(),
            "contents_shown": self.contents.shown(),
            "hash_key": self.hash_key.as_ref().map(HashKey::id),
            "limits": {
                "depth": depth,
                "string_bytes": string_bytes,
                "name_bytes": name_bytes,
                "pointer_bytes": pointer_bytes,
                "fields": fields,
                "findings": findings,
            },
        })
    }

    /// The names whose values it hides.
    #[must_use]
    pub fn names(&self) -> &NameRules {
        &self.names
    }

    /// What records show of this value where a type wants it hashed, so that it can
    /// be searched for; `None` without a key.
    ///
    /// A string is given as what it says, anything else as JSON: `123` and `"123"`
    /// have the same hash.
    #[must_use]
    pub fn hash(&self, value: &str) -> Option<String> {
        let key = self.hash_key.as_ref()?;
        Some(key.hash(&without_nul(value)))
    }

    /// Redacts a JSON text; what is found is reported below `root`, the JSON
    /// pointer of the place that the text will take in the record.
    ///
    /// Numbers, the order of members and repeated names stay as they were
    /// written; insignificant whitespace goes. A number too long, or too large
    /// for a double, becomes a string and is reported as cut.
    ///
    /// # Errors
    ///
    /// When `text` is not one JSON value in UTF-8. Nothing of it has been
    /// redacted then, so nothing of it may be kept.
    pub fn json(&self, root: &str, text: impl AsRef<[u8]>) -> Result<Redacted, InvalidJson> {
        self.json_as(root, text, &Shape::Open)
    }

    /// The same for the JSON of a type that says where its secrets are.
    ///
    /// ```
    /// use audit::redact::Redactor;
    /// use audit::redact::shape::{Member, Shape, Treatment};
    ///
    /// static ACCOUNT: Shape = Shape::Object(&[
    ///     Member { names: &["iban"], shape: || &Shape::Treated(Treatment::Mask) },
    ///     Member { names: &["salary"], shape: || &Shape::Treated(Treatment::Secret) },
    ///     Member { names: &["notes"], shape: || &Shape::Treated(Treatment::Skip) },
    /// ]);
    /// let body = r#"{"iban":"DE89370400440532013000","salary":5200,"notes":"…"}"#;
    /// let redacted = Redactor::default().json_as("/request", body, &ACCOUNT)?;
    ///
    /// assert_eq!(redacted.text, r#"{"iban":"****3000","salary":"[REDACTED]"}"#);
    /// assert_eq!(redacted.redacted, ["/request/iban", "/request/salary", "/request/notes"]);
    /// # Ok::<(), audit::redact::InvalidJson>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When `text` is not one JSON value in UTF-8. Nothing of it has been
    /// redacted then, so nothing of it may be kept.
    pub fn json_as(
        &self,
        root: &str,
        text: impl AsRef<[u8]>,
        shape: &'static Shape,
    ) -> Result<Redacted, InvalidJson> {
        self.json_by(root, text, &[shape])
    }

    /// The same for a text to which several types have something to say.
    pub(crate) fn json_by(
        &self,
        root: &str,
        text: impl AsRef<[u8]>,
        shapes: &[&'static Shape],
    ) -> Result<Redacted, InvalidJson> {
        let text = str::from_utf8(text.as_ref()).map_err(|error| InvalidJson {
            offset: error.valid_up_to(),
        })?;
        scan::redact(self, root, text, shapes)
    }

    /// Redacts an `application/x-www-form-urlencoded` body into the text of a
    /// JSON object, in which a repeated name holds an array.
    ///
    /// A body that is JSON in truth, as `curl -d` sends it by default, is treated
    /// as JSON: read as a form, all of it would be a name, and names are shown.
    ///
    /// ```
    /// use audit::redact::Redactor;
    ///
    /// let redacted = Redactor::default().form("/request", b"tag=a&user%5Bpin%5D=1234&tag=b");
    ///
    /// assert_eq!(redacted.text, r#"{"tag":["a","b"],"user[pin]":"[REDACTED]"}"#);
    /// assert_eq!(redacted.redacted, ["/request/user[pin]"]);
    /// ```
    #[must_use]
    pub fn form(&self, root: &str, body: &[u8]) -> Redacted {
        self.form_as(root, body, &Shape::Open)
    }

    /// The same for the form of a type that says where its secrets are.
    ///
    /// What it says of the items of a field that may be repeated goes for every
    /// value of that field.
    #[must_use]
    pub fn form_as(&self, root: &str, body: &[u8], shape: &'static Shape) -> Redacted {
        self.form_by(root, body, &[shape])
    }

    /// The same for a form to which several types have something to say.
    pub(crate) fn form_by(&self, root: &str, body: &[u8], shapes: &[&'static Shape]) -> Redacted {
        if let Some(b'{' | b'[') = body.trim_ascii_start().first()
            && let Ok(redacted) = self.json_by(root, body, shapes)
        {
            return redacted;
        }
        form::redact_form(self, root, &String::from_utf8_lossy(body), shapes)
    }

    /// Redacts a query string, which stays a query string.
    ///
    /// The marker is not percent-encoded, so that one search for it finds every
    /// secret that was hidden; it holds no `&` and no `=`, so the query still
    /// splits as it did.
    ///
    /// ```
    /// use audit::redact::Redactor;
    ///
    /// let redacted = Redactor::default().query("/http/query", "page=2&api%5Fkey=k-123");
    ///
    /// assert_eq!(redacted.text, "page=2&api%5Fkey=[REDACTED]");
    /// assert_eq!(redacted.redacted, ["/http/query/api_key"]);
    /// ```
    #[must_use]
    pub fn query(&self, root: &str, query: &str) -> Redacted {
        self.query_as(root, query, &Shape::Open)
    }

    /// The same for the query of a type that says where its secrets are.
    #[must_use]
    pub fn query_as(&self, root: &str, query: &str, shape: &'static Shape) -> Redacted {
        self.query_by(root, query, &[shape])
    }

    /// The same for a query to which several types have something to say.
    pub(crate) fn query_by(&self, root: &str, query: &str, shapes: &[&'static Shape]) -> Redacted {
        form::redact_query(self, root, query, shapes)
    }

    /// Keeps a plain string, such as a path or a user agent, within the limits.
    #[must_use]
    pub fn text(&self, root: &str, text: &str) -> Redacted {
        let mut report = Report::new(root, &self.limits);
        let text = without_nul(text);
        let text = self.string(&text, LAYERS, &[], &mut report).into_owned();
        report.finish(text)
    }

    /// The same for a name that records are found by: it is short whatever the limits are,
    /// because Postgres refuses what is too long for an index.
    pub(crate) fn identifier(&self, root: &str, text: &str) -> Redacted {
        let limits = Limits {
            string_bytes: IDENTIFIER_BYTES,
            ..self.limits.clone()
        };
        let mut report = Report::new(root, &limits);
        let text = without_nul(text);
        let text = self.string(&text, LAYERS, &[], &mut report).into_owned();
        report.finish(text)
    }

    /// What a record shows of one string.
    ///
    /// Every string that is not hidden by its name passes here: as a whole, with
    /// its escapes resolved. The rules about contents look before the cut, or
    /// the first half of a secret would slip through, and so that the hash is
    /// taken of what they have left.
    fn string<'s>(
        &self,
        string: &'s str,
        layers: u8,
        place: &[Step<'_>],
        report: &mut Report<'_>,
    ) -> Cow<'s, str> {
        let longest = report.limits().string_bytes;
        let Some(hidden) = self.without_secrets(string, layers) else {
            return shorten(string, longest, place, report);
        };
        for rule in hidden.rules {
            report.hidden(place, rule);
        }
        Cow::Owned(shorten(&hidden.text, longest, place, report).into_owned())
    }

    /// Whether a field of this name is hidden or treated, in something flat like a path.
    pub(crate) fn treats_field(&self, name: &str, shapes: &[&'static Shape]) -> bool {
        self.names.hides(name) || Follow::fields(shapes).field(name).is_some()
    }

    /// A name as a record shows it.
    pub(crate) fn shown_name<'n>(&self, name: &'n str) -> Cow<'n, str> {
        let renamed = self.renamed(name, self.names.hides(name), LAYERS, &self.limits);
        renamed.map_or(Cow::Borrowed(name), |renamed| Cow::Owned(renamed.name))
    }

    /// What a record shows of a string, or of a number's text, that is treated in
    /// this way; `None` if only that there is one.
    fn glimpse(&self, text: &str, treatment: Treatment) -> Option<String> {
        match treatment {
            Treatment::Mask => Some(masked(text)),
            Treatment::Hash => self.hash(text),
            Treatment::Secret | Treatment::Skip => None,
        }
    }

    /// What a record shows in the place of a name, unless it shows the name.
    ///
    /// A secret's name that is too long is not cut but hidden, as one that may
    /// have swallowed the secret. So is one that is a secret's only without what was
    /// hidden in it.
    fn renamed(&self, name: &str, secret: bool, layers: u8, limits: &Limits) -> Option<Renamed> {
        let hidden = self.without_secrets(name, layers);
        let shown = hidden.as_ref().map_or(name, |hidden| &hidden.text);
        let is_too_long = name.len().max(shown.len()) > limits.name_bytes;
        let may_be_the_secret = secret && (is_too_long || names::may_carry_a_value(name));
        let becomes_a_secrets = !secret && hidden.is_some() && self.names.hides(shown);
        if may_be_the_secret || becomes_a_secrets {
            return Some(Renamed {
                name: REDACTED.to_owned(),
                hidden_by: Some(Rule::Name),
                is_cut: false,
            });
        }
        let hidden_by = hidden
            .as_ref()
            .and_then(|hidden| hidden.rules.first().copied());
        match beginning(shown, limits.name_bytes) {
            Some(beginning) => Some(Renamed {
                name: marked_as_cut(beginning),
                hidden_by,
                is_cut: true,
            }),
            None => hidden.map(|hidden| Renamed {
                name: hidden.text,
                hidden_by,
                is_cut: false,
            }),
        }
    }
}

/// What a record shows in the place of a name.
struct Renamed {
    name: String,
    /// What hid something in it.
    hidden_by: Option<Rule>,
    is_cut: bool,
}

/// A redacted text and what was done to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redacted {
    /// The text that the record keeps.
    pub text: String,
    /// JSON pointers to where secrets were hidden. After [`Limits::findings`] of
    /// them comes the root as the last entry: more were hidden somewhere below.
    pub redacted: Vec<Hidden>,
    /// What was cut. After [`Limits::findings`] of them comes the root as the
    /// last entry, with the size and hash of all further ones put together.
    pub truncated: Vec<Truncated>,
}

/// Something that was cut to keep within the limits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Truncated {
    /// The JSON pointer of the value that was cut, or whose name was.
    pub path: String,
    /// How many bytes would have stood there without the limit.
    pub bytes: u64,
    /// SHA-256 of those bytes, in hexadecimal; `None` where the bytes were not all
    /// seen, or where a hash would tell too much.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub sha256: Option<String>,
}

/// How much of a payload a record keeps.
///
/// ```
/// use audit::redact::{Limits, NameRules, Redactor};
///
/// let limits = Limits { depth: 1, ..Limits::default() };
/// let redacted = Redactor::new(NameRules::default(), limits).json("/request", "[[1,2],3]")?;
///
/// assert_eq!(redacted.text, r#"["[TRUNCATED]",3]"#);
/// assert_eq!(redacted.truncated[0].path, "/request/0");
/// assert_eq!(redacted.truncated[0].bytes, 5);
/// # Ok::<(), audit::redact::InvalidJson>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many arrays and objects may lie within each other.
    pub depth: usize,
    /// The longest string, and the longest number.
    pub string_bytes: usize,
    /// The longest name of an object's member or of a form's field.
    pub name_bytes: usize,
    /// The longest pointer below its root; a longer one ends at an ancestor.
    pub pointer_bytes: usize,
    /// How many fields of a form are kept.
    pub fields: usize,
    /// How many places are reported as hidden, and how many as cut.
    pub findings: usize,
}

impl Limits {
    /// For a text that is cut later, as part of another one.
    const NONE: Self = Self {
        depth: usize::MAX,
        string_bytes: usize::MAX,
        name_bytes: usize::MAX,
        pointer_bytes: 0,
        fields: usize::MAX,
        findings: 1,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth: 32,
            string_bytes: 8192,
            name_bytes: 256,
            pointer_bytes: 1024,
            fields: 1024,
            findings: 128,
        }
    }
}

/// A text was not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not valid JSON at byte {offset}")]
pub struct InvalidJson {
    /// Where the text stops being JSON.
    pub offset: usize,
}

/// The last characters of a text that is so long that they do not give it away,
/// behind asterisks that do not tell how long it is.
fn masked(text: &str) -> String {
    let shown = match text.chars().take(12).count() {
        12.. => 4,
        8.. => 2,
        _ => 0,
    };
    let characters = text.char_indices().rev().take(shown);
    let start = characters.last().map_or(text.len(), |(start, _)| start);
    format!("****{}", text.get(start..).unwrap_or_default())
}

/// The text, or its beginning and the marker if it is longer than `bytes`.
fn shorten<'s>(
    text: &'s str,
    bytes: usize,
    place: &[Step<'_>],
    report: &mut Report<'_>,
) -> Cow<'s, str> {
    match beginning(text, bytes) {
        Some(beginning) => {
            report.cut(place, text);
            Cow::Owned(marked_as_cut(beginning))
        }
        None => Cow::Borrowed(text),
    }
}

/// As many whole characters as fit into `bytes`, unless all of them do, or the text was
/// cut before.
fn beginning(text: &str, bytes: usize) -> Option<&str> {
    let left = without_mark(text).len();
    let was_cut = left < text.len() && left <= bytes;
    if text.len() <= bytes || was_cut {
        return None;
    }
    (0..=bytes).rev().find_map(|end| text.get(..end))
}

/// What is left of a text that was cut; another one as it is.
fn without_mark(text: &str) -> &str {
    text.strip_suffix(TRUNCATED)
        .and_then(|text| text.strip_suffix(ELLIPSIS))
        .unwrap_or(text)
}

fn marked_as_cut(beginning: &str) -> String {
    format!("{beginning}{ELLIPSIS}{TRUNCATED}")
}

fn without_nul(text: &str) -> Cow<'_, str> {
    if text.contains('\0') {
        Cow::Owned(text.replace('\0', "\u{fffd}"))
    } else {
        Cow::Borrowed(text)
    }
}
