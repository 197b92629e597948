//! Reading the trail without a service, straight from Postgres: for commands and jobs.
//!
//! The same filters, the same pages and the same bytes as under `/audit`; and the trail
//! watches itself here too. Whoever reads leaves a record first, and where Postgres does
//! not take it, nothing is read.

use std::io;

use chrono::{DateTime, SubsecRound as _, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::format::Format;
use crate::own_record::OwnRecord;
use crate::postgres::{
    Found, Order, Page, PageRequest, Position, QueryError, Rejection, Store, StoreSettings,
};
use crate::problem::Problem;
use crate::query::export::{ExportRequest, export_request};
use crate::record::{Actor, Outcome, Record, Resource};
use crate::redact::Redactor;

/// What the routes call the same.
const READ: &str = "read_audit_records";
const EXPORT: &str = "export_audit_records";
const RESOURCE: &str = "audit_record";

/// How many records are held at a time, at most; a page is bounded in bytes as well.
const PAGE_RECORDS: u16 = 1000;

/// The records in a Postgres, to be read by somebody who has a login there.
///
/// ```no_run
/// use audit::{Actor, Trail, TrailQuery};
///
/// let operator = Actor {
///     auth: Some("local".to_owned()),
///     ..Actor::system("alice")
/// };
/// let query = TrailQuery::parse("action=create_*&outcome=failed&from=-24h")?.limit(50);
/// let trail = Trail::new("shop", "postgresql://localhost/shop");
/// for page in trail.read(operator, &query)? {
///     for record in page?.decoded()? {
///         println!("{} {}", record.occurred_at, record.action);
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Everything here blocks.
#[derive(Clone, Debug)]
pub struct Trail {
    service: String,
    url: String,
    read_url: Option<String>,
    redactor: Redactor,
}

impl Trail {
    /// The trail in the database at `url`, whose login may take on the roles
    /// `audit_reader` and `audit_writer`. The record of a reading is one of `service`.
    #[must_use]
    pub fn new(service: impl Into<String>, url: impl Into<String>) -> Self {
        Self {
            service: service.into(),
            url: url.into(),
            read_url: None,
            redactor: Redactor::default(),
        }
    }

    /// Where records are read, when that is not where they are written: a replica.
    #[must_use]
    pub fn read_url(mut self, url: impl Into<String>) -> Self {
        self.read_url = Some(url.into());
        self
    }

    /// What hides secrets in the record of a reading: a query may name one.
    #[must_use]
    pub fn redactor(mut self, redactor: Redactor) -> Self {
        self.redactor = redactor;
        self
    }

    /// Reads records, newest first unless the query says otherwise, and those until now
    /// unless it says until when. A record of the action `read_audit_records` is in Postgres
    /// when this returns; it is none of those that are read.
    ///
    /// # Errors
    ///
    /// When that record is not stored; and when the query goes on behind a record that
    /// there is not.
    pub fn read(&self, reader: Actor, query: &TrailQuery) -> Result<Pages, TrailError> {
        self.begin(READ, reader, query, Order::NewestFirst)
    }

    /// The same for a whole file: oldest first unless the query says otherwise. The action is
    /// `export_audit_records`.
    ///
    /// # Errors
    ///
    /// Those of [`Trail::read`].
    pub fn export(&self, reader: Actor, query: &TrailQuery) -> Result<Pages, TrailError> {
        self.begin(EXPORT, reader, query, Order::OldestFirst)
    }

    fn begin(
        &self,
        action: &'static str,
        reader: Actor,
        query: &TrailQuery,
        order: Order,
    ) -> Result<Pages, TrailError> {
        let mut settings = StoreSettings::new(self.url.clone());
        settings.read_url.clone_from(&self.read_url);
        settings.writers = 1;
        settings.readers = 1;
        let store = Store::new(settings);
        store.insert(&[self.record(action, reader, query)?])?;
        let after = match query.wanted.after {
            Some(id) => Some(store.position(id)?.ok_or(TrailError::UnknownRecord(id))?),
            None => None,
        };
        let mut filter = query.wanted.filter.clone();
        // Otherwise the record of the reading would be one of them, and whoever reads the
        // oldest first would go on for as long as records arrive.
        filter.to.get_or_insert(query.now);
        Ok(Pages {
            store,
            request: PageRequest {
                filter,
                order: query.wanted.order.unwrap_or(order),
                after,
                limit: PAGE_RECORDS,
            },
            left: query.limit,
            is_done: false,
        })
    }

    /// The record of a reading, which is the only one of its instance.
    fn record(
        &self,
        action: &'static str,
        reader: Actor,
        query: &TrailQuery,
    ) -> Result<Vec<u8>, TrailError> {
        let shown = self.redactor.query("/notes/query", &query.text);
        let own = OwnRecord {
            actor: reader,
            resource: Some(Resource {
                kind: Some(RESOURCE.to_owned()),
                id: None,
            }),
            notes: json!({
                "query": shown.text,
                "limit": query.limit.map_or(Value::Null, Value::from),
            }),
            ..OwnRecord::new(action, Utc::now().trunc_subsecs(6), Outcome::Success)
        };
        let instance = Uuid::new_v4().simple().to_string();
        let mut record = own.into_record(&self.redactor, &self.service, &instance, 1);
        let hidden = shown.redacted.into_iter().map(|hidden| hidden.path);
        record.redacted.extend(hidden);
        record.truncated.extend(shown.truncated);
        record
            .canonical_bytes()
            .map_err(|error| TrailError::NotRecorded(error.to_string()))
    }
}

/// Which records are asked for.
#[derive(Clone)]
pub struct TrailQuery {
    text: String,
    now: DateTime<Utc>,
    wanted: ExportRequest,
    limit: Option<u64>,
}

impl TrailQuery {
    /// Reads the query string of `GET /audit/export`: the filters, `order`, `format`, and
    /// `after`, the id of the last record that one has already.
    ///
    /// # Errors
    ///
    /// What the route would answer.
    pub fn parse(query: &str) -> Result<Self, Problem> {
        let now = Utc::now();
        Ok(Self {
            text: query.to_owned(),
            now,
            wanted: export_request(query, now)?,
            limit: None,
        })
    }

    /// No more records than these; without it, all.
    #[must_use]
    pub fn limit(mut self, records: u64) -> Self {
        self.limit = Some(records);
        self
    }

    /// What the records are to be written as.
    #[must_use]
    pub fn format(&self) -> Format {
        self.wanted.format
    }
}

impl std::fmt::Debug for TrailQuery {
    /// Without the values, which may be what is looked for because it is secret.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("TrailQuery")
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

/// The records of a query, a page at a time; each is read when it is asked for. None is
/// empty. After an error there is no more.
pub struct Pages {
    store: Store,
    /// The next page.
    request: PageRequest,
    left: Option<u64>,
    is_done: bool,
}

impl Pages {
    fn read(&mut self) -> Result<Option<Records>, TrailError> {
        let left = self.left.unwrap_or(u64::MAX);
        if self.is_done || left == 0 {
            return Ok(None);
        }
        self.is_done = true;
        self.request.limit = left
            .min(PAGE_RECORDS.into())
            .try_into()
            .unwrap_or(PAGE_RECORDS);
        let Page { records, next } = self.store.find(&self.request)?;
        if records.is_empty() {
            return Ok(None);
        }
        self.left = self
            .left
            .map(|left| left.saturating_sub(records.len() as u64));
        self.go_on_behind(next);
        Ok(Some(Records {
            found: records,
            has_more: next.is_some(),
        }))
    }

    fn go_on_behind(&mut self, next: Option<Position>) {
        self.request.after = next;
        self.is_done = next.is_none();
    }
}

impl Iterator for Pages {
    type Item = Result<Records, TrailError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

impl std::fmt::Debug for Pages {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Pages").finish_non_exhaustive()
    }
}

/// A page of records.
pub struct Records {
    found: Vec<Found>,
    has_more: bool,
}

impl Records {
    /// How many they are; never none.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "there is no empty page")]
    pub fn len(&self) -> usize {
        self.found.len()
    }

    /// Whether the filters let more records through than these and those before.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.has_more
    }

    /// Each record's canonical bytes, which its digest is taken over.
    pub fn canonical(&self) -> impl Iterator<Item = &[u8]> {
        self.found.iter().map(|found| found.canonical.as_slice())
    }

    /// The records as values.
    ///
    /// # Errors
    ///
    /// When one has a shape that this version does not know.
    pub fn decoded(&self) -> Result<Vec<Record>, serde_json::Error> {
        self.canonical().map(Record::from_canonical_bytes).collect()
    }

    /// The records as a file of this format holds them.
    ///
    /// # Errors
    ///
    /// When one has a shape that this version does not know.
    pub fn to_format(&self, format: Format) -> io::Result<Vec<u8>> {
        format.part(&self.found)
    }
}

impl std::fmt::Debug for Records {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Records")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

/// Why records cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TrailError {
    /// The record of the reading is not in Postgres, so nothing is read.
    #[error(
        "reading the trail leaves a record, and Postgres did not take it, so nothing is shown: {0}"
    )]
    NotRecorded(String),
    /// There is no record with the id behind which to go on.
    #[error("there is no record {0} to go on behind: `after` takes the `id` of one that there is")]
    UnknownRecord(Uuid),
    /// Postgres cannot be reached any more.
    #[error("Postgres cannot be reached: try again in a moment")]
    Unavailable,
    /// The query took too long.
    #[error("the query took too long: narrow it by `from` and `to`, or by actor or action")]
    TimedOut,
    /// Anything else, which is in the log.
    #[error("the query failed: the log on the standard error says why")]
    Failed,
}

impl From<Rejection> for TrailError {
    fn from(rejection: Rejection) -> Self {
        Self::NotRecorded(rejection.message)
    }
}

impl From<QueryError> for TrailError {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::Unavailable => Self::Unavailable,
            QueryError::TimedOut => Self::TimedOut,
            QueryError::Failed => Self::Failed,
        }
    }
}
