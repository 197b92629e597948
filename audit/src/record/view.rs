//! The record as its canonical bytes show it, without a copy of what stands in them.
//!
//! The writers have no use for a record of their own: they hand each value on and
//! forget it. A view reads the same bytes as [`Record`](super::Record), refuses the
//! same, and lends what it has read.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::net::IpAddr;
use std::ops::Deref;

use chrono::{DateTime, Utc};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{ActorKind, Change, Outcome, Truncated, micros};

/// A [`Record`](super::Record), field by field.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecordView<'a> {
    pub(crate) id: Uuid,
    pub(crate) schema: i16,
    #[serde(borrow)]
    pub(crate) service: Text<'a>,
    pub(crate) instance: Text<'a>,
    pub(crate) seq: i64,
    #[serde(with = "micros")]
    pub(crate) occurred_at: DateTime<Utc>,
    pub(crate) duration_us: i64,
    pub(crate) action: Text<'a>,
    pub(crate) outcome: Outcome,
    pub(crate) reason: Option<Text<'a>>,
    pub(crate) actor: ActorView<'a>,
    pub(crate) resource: Option<ResourceView<'a>>,
    pub(crate) http: Option<HttpView<'a>>,
    pub(crate) client: Option<ClientView<'a>>,
    pub(crate) request: Option<&'a RawValue>,
    pub(crate) response: Option<&'a RawValue>,
    pub(crate) changes: List<'a, Change>,
    pub(crate) notes: &'a RawValue,
    pub(crate) redacted: List<'a, String>,
    pub(crate) truncated: List<'a, Truncated>,
}

/// An [`Actor`](super::Actor).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ActorView<'a> {
    pub(crate) kind: ActorKind,
    #[serde(borrow)]
    pub(crate) id: Option<Text<'a>>,
    pub(crate) roles: List<'a, String>,
    pub(crate) auth: Option<Text<'a>>,
    pub(crate) credential: Option<Text<'a>>,
}

/// A [`Resource`](super::Resource).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResourceView<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Option<Text<'a>>,
    pub(crate) id: Option<Text<'a>>,
}

/// An [`Http`](super::Http).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HttpView<'a> {
    #[serde(borrow)]
    pub(crate) method: Text<'a>,
    pub(crate) route: Option<Text<'a>>,
    pub(crate) path: Text<'a>,
    pub(crate) query: Option<Text<'a>>,
    pub(crate) status: Option<i16>,
    pub(crate) request_id: Text<'a>,
    pub(crate) trace_id: Option<Text<'a>>,
}

/// A [`Client`](super::Client).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClientView<'a> {
    pub(crate) ip: Option<IpAddr>,
    pub(crate) peer: Option<IpAddr>,
    #[serde(borrow)]
    pub(crate) user_agent: Option<Text<'a>>,
}

impl<'a> RecordView<'a> {
    /// Reads canonical bytes.
    ///
    /// # Errors
    ///
    /// When the bytes are not a record.
    pub(crate) fn of(canonical: &'a [u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(canonical)
    }
}

/// A text, lent by the bytes unless it is written with escapes.
///
/// Serde lends a [`Cow`] only where a field is nothing else: behind an [`Option`]
/// it would be a copy each time.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// The JSON text of a list, known to hold `T`s alone.
#[derive(Debug)]
pub(crate) struct List<'a, T> {
    text: &'a RawValue,
    entries: PhantomData<T>,
}

impl<'a, T> List<'a, T> {
    /// The text.
    pub(crate) fn get(&self) -> &'a str {
        self.text.get()
    }
}

impl<'de: 'a, 'a, T: DeserializeOwned> Deserialize<'de> for List<'a, T> {
    /// The entries are read and let go: what could not be read back from Postgres
    /// must not get there.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <&RawValue>::deserialize(deserializer)?;
        serde_json::from_str::<Vec<T>>(text.get()).map_err(D::Error::custom)?;
        Ok(Self {
            text,
            entries: PhantomData,
        })
    }
}
