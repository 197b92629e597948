//! Counting records: how many in each stretch of time, and of each value.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::connection::SimpleConnection as _;
use diesel::dsl::{count_star, min, sql};
use diesel::pg::{PgConnection, PgRowByRowLoadingMode};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};

use super::filter::Filter;
use super::schema::audit_records::dsl as column;
use super::{QUERY_TIMEOUT, QueryError};
use crate::record::Outcome;

/// The most stretches of time in one answer.
const BUCKETS_MAX: i64 = 120;
/// The most values of one dimension in one answer: those with the most records.
const VALUES_MAX: usize = 20;
/// How long a stretch of time may be, in seconds: what people read well on an axis.
const STEPS_S: [i64; 16] = [
    1,
    5,
    15,
    60,
    5 * 60,
    15 * 60,
    60 * 60,
    3 * 60 * 60,
    6 * 60 * 60,
    12 * 60 * 60,
    DAY_S,
    2 * DAY_S,
    7 * DAY_S,
    28 * DAY_S,
    91 * DAY_S,
    364 * DAY_S,
];
const DAY_S: i64 = 24 * 60 * 60;
/// A Monday, midnight, from which all stretches are measured, so that days begin at
/// midnight and weeks on Mondays.
const ORIGIN_S: i64 = 4 * DAY_S;

/// What records are told apart by when they are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Dimension {
    Action,
    Actor,
    Outcome,
    Route,
    ResourceType,
}

impl Dimension {
    pub(crate) const ALL: [Self; 5] = [
        Self::Action,
        Self::Actor,
        Self::Outcome,
        Self::Route,
        Self::ResourceType,
    ];

    /// The name that filters call it by.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Action => "action",
            Self::Actor => "actor",
            Self::Outcome => "outcome",
            Self::Route => "route",
            Self::ResourceType => "resource_type",
        }
    }

    fn column(self) -> &'static str {
        match self {
            Self::Action => "action",
            Self::Actor => "actor_id",
            Self::Outcome => "outcome",
            Self::Route => "http_route",
            Self::ResourceType => "resource_type",
        }
    }
}

/// Which records are counted, and how.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StatsRequest {
    pub(crate) filter: Filter,
    /// The end of the range, if the filter names none.
    pub(crate) now: DateTime<Utc>,
    /// By what, each at most once.
    pub(crate) by: Vec<Dimension>,
}

/// How many records there are.
#[derive(Debug, PartialEq)]
pub(crate) struct Stats {
    pub(crate) from: DateTime<Utc>,
    pub(crate) to: DateTime<Utc>,
    pub(crate) bucket: TimeDelta,
    /// Side by side, from the first to the last.
    pub(crate) buckets: Vec<Bucket>,
    pub(crate) by: Vec<(Dimension, Vec<Count>)>,
}

/// How many records of one stretch of time there are.
#[derive(Debug, PartialEq)]
pub(crate) struct Bucket {
    pub(crate) from: DateTime<Utc>,
    /// Only those that there are any of.
    pub(crate) outcomes: BTreeMap<Outcome, i64>,
}

/// How many records have a value.
#[derive(Debug, PartialEq)]
pub(crate) struct Count {
    /// There is none in records without it.
    pub(crate) value: Option<String>,
    pub(crate) count: i64,
}

pub(super) fn stats(
    connection: &mut PgConnection,
    request: &StatsRequest,
) -> Result<Stats, QueryError> {
    let started = Instant::now();
    let mut transaction = connection.build_transaction().repeatable_read().read_only();
    // All is counted at the same moment, whatever arrives meanwhile.
    transaction.run(|connection| {
        let mut counting = Counting {
            connection,
            started,
        };
        let range = counting.range(request)?;
        let filter = Filter {
            from: Some(range.from),
            to: Some(range.to),
            ..request.filter.clone()
        };
        let mut tally = counting.tally(&range, &filter, &request.by)?;
        let by = request.by.iter().map(|&dimension| {
            let counts = match dimension {
                Dimension::Actor => counting.actors(&filter)?,
                _ => tally.largest(dimension),
            };
            Ok((dimension, counts))
        });
        let by = by.collect::<Result<_, QueryError>>()?;
        Ok(Stats {
            by,
            buckets: tally.buckets(&range),
            from: range.from,
            to: range.to,
            bucket: TimeDelta::seconds(range.step_s),
        })
    })
}

struct Counting<'a> {
    connection: &'a mut PgConnection,
    started: Instant,
}

impl Counting<'_> {
    /// Leaves the next statement as much time as is left for all of them.
    fn hurry(&mut self) -> Result<&mut PgConnection, QueryError> {
        let left = QUERY_TIMEOUT.saturating_sub(self.started.elapsed());
        if left.as_millis() == 0 {
            return Err(QueryError::TimedOut);
        }
        let timeout = format!("SET LOCAL statement_timeout = {}", left.as_millis());
        self.connection.batch_execute(&timeout)?;
        Ok(self.connection)
    }

    fn range(&mut self, request: &StatsRequest) -> Result<Range, QueryError> {
        let to = request.filter.to.unwrap_or(request.now);
        let from = match request.filter.from {
            Some(from) => from,
            // The end of an index, so it takes no longer the more records there are.
            None => column::audit_records
                .select(min(column::occurred_at))
                .first::<Option<DateTime<Utc>>>(self.hurry()?)?
                .unwrap_or(to),
        };
        Ok(Range::new(from.min(to), to))
    }

    /// Counts records by everything that has few values, all at once: the groups are so
    /// few that it takes hardly longer than to count by one of them.
    fn tally(
        &mut self,
        range: &Range,
        filter: &Filter,
        by: &[Dimension],
    ) -> Result<Tally, QueryError> {
        let bucket = sql::<BigInt>("extract(epoch FROM date_bin(make_interval(secs => ")
            .bind::<BigInt, _>(range.step_s)
            .sql("), occurred_at, to_timestamp(")
            .bind::<BigInt, _>(ORIGIN_S)
            .sql(")))::bigint");
        let value = |dimension: Dimension| {
            let is_wanted = by.contains(&dimension);
            sql::<Nullable<Text>>(if is_wanted {
                dimension.column()
            } else {
                "NULL::text"
            })
        };
        let groups = column::audit_records
            .filter(filter.condition())
            // Outputs are grouped by their numbers, because an expression with parameters
            // is never the same as another one.
            .group_by(sql::<Text>("1, 2, 3, 4, 5"))
            .select((
                bucket,
                sql::<Text>("outcome"),
                value(Dimension::Action),
                value(Dimension::Route),
                value(Dimension::ResourceType),
                count_star(),
            ))
            .load_iter::<Group, PgRowByRowLoadingMode>(self.hurry()?)?;
        let mut tally = Tally::default();
        for group in groups {
            tally.add(group?)?;
        }
        Ok(tally)
    }

    /// Counts records by actor. There may be very many.
    fn actors(&mut self, filter: &Filter) -> Result<Vec<Count>, QueryError> {
        let rows: Vec<(Option<String>, i64)> = column::audit_records
            .filter(filter.condition())
            .group_by(column::actor_id)
            .select((column::actor_id, count_star()))
            .order((count_star().desc(), column::actor_id.asc()))
            .limit(VALUES_MAX as i64)
            .load(self.hurry()?)?;
        let counts = rows
            .into_iter()
            .map(|(value, count)| Count { value, count });
        Ok(counts.collect())
    }
}

/// The start of a stretch, an outcome, an action, a route, a type of resource, and how
/// many records have them all.
type Group = (
    i64,
    String,
    Option<String>,
    Option<String>,
    Option<String>,
    i64,
);

/// Groups, added up by each of what they are made of.
#[derive(Default)]
struct Tally {
    buckets: HashMap<i64, BTreeMap<Outcome, i64>>,
    values: HashMap<Dimension, HashMap<Option<String>, i64>>,
}

impl Tally {
    fn add(&mut self, group: Group) -> Result<(), QueryError> {
        let (bucket, outcome, action, route, resource_type, count) = group;
        let known = Outcome::from_name(&outcome).ok_or(QueryError::Failed)?;
        let outcomes = self.buckets.entry(bucket).or_default();
        *outcomes.entry(known).or_default() += count;
        for (dimension, value) in [
            (Dimension::Outcome, Some(outcome)),
            (Dimension::Action, action),
            (Dimension::Route, route),
            (Dimension::ResourceType, resource_type),
        ] {
            let values = self.values.entry(dimension).or_default();
            *values.entry(value).or_default() += count;
        }
        Ok(())
    }

    fn buckets(&mut self, range: &Range) -> Vec<Bucket> {
        let buckets = range.buckets().map(|(from_s, from)| Bucket {
            from,
            outcomes: self.buckets.remove(&from_s).unwrap_or_default(),
        });
        buckets.collect()
    }

    /// The values with the most records.
    fn largest(&mut self, dimension: Dimension) -> Vec<Count> {
        let values = self.values.remove(&dimension).unwrap_or_default();
        let mut counts: Vec<Count> = values
            .into_iter()
            .map(|(value, count)| Count { value, count })
            .collect();
        counts.sort_by(|one, other| (other.count, &one.value).cmp(&(one.count, &other.value)));
        counts.truncate(VALUES_MAX);
        counts
    }
}

/// A range of time in stretches, of which the first and the last may reach beyond it.
struct Range {
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    step_s: i64,
}

impl Range {
    fn new(from: DateTime<Utc>, to: DateTime<Utc>) -> Self {
        // It may begin and end in the middle of a stretch.
        const WHOLE_MAX: i64 = BUCKETS_MAX - 2;
        let seconds = (to - from).num_seconds();
        let fits = |step_s: &i64| seconds / step_s <= WHOLE_MAX;
        Self {
            from,
            to,
            step_s: STEPS_S
                .into_iter()
                .find(fits)
                .unwrap_or(seconds / WHOLE_MAX + 1),
        }
    }

    /// When each stretch begins.
    fn buckets(&self) -> impl Iterator<Item = (i64, DateTime<Utc>)> {
        let floor = |time: DateTime<Utc>| (time.timestamp() - ORIGIN_S).div_euclid(self.step_s);
        // The end does not belong to the range, so a range of no time has no stretch.
        let end = if self.from == self.to {
            floor(self.from)
        } else {
            floor(self.to - TimeDelta::nanoseconds(1)) + 1
        };
        (floor(self.from)..end).filter_map(|number| {
            let from_s = number * self.step_s + ORIGIN_S;
            Some((from_s, DateTime::from_timestamp(from_s, 0)?))
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_range_has_few_stretches_that_cover_it_without_gaps(
            from_ms in -62_000_000_000_000_i64..250_000_000_000_000,
            width_ms in prop_oneof![0..10_000_i64, 0..100_000_000_i64, 0..62_000_000_000_000_i64],
        ) {
            let from = DateTime::from_timestamp_millis(from_ms).unwrap();
            let to = from + TimeDelta::milliseconds(width_ms);
            let range = Range::new(from, to);
            let starts: Vec<DateTime<Utc>> = range.buckets().map(|(_, from)| from).collect();
            prop_assert!(starts.len() <= BUCKETS_MAX as usize, "{}", starts.len());
            prop_assert_eq!(starts.is_empty(), width_ms == 0);
            let step = TimeDelta::seconds(range.step_s);
            for neighbours in starts.windows(2) {
                prop_assert_eq!(neighbours[1] - neighbours[0], step);
            }
            if let (Some(first), Some(last)) = (starts.first(), starts.last()) {
                prop_assert!(*first <= from && from < *first + step);
                prop_assert!(*last < to && to <= *last + step);
            }
        }
    }

    #[test]
    fn days_begin_at_midnight_and_weeks_on_mondays() {
        let first = |from: &str, to: &str| {
            let range = Range::new(from.parse().unwrap(), to.parse().unwrap());
            range.buckets().next().unwrap().1.to_rfc3339()
        };
        assert_eq!(
            first("2026-09-02T13:00:00Z", "2026-11-25T00:00:00Z"),
            "2026-09-02T00:00:00+00:00"
        );
        // Two years, in weeks; the first of November 2024 was a Friday.
        assert_eq!(
            first("2024-11-01T13:00:00Z", "2026-11-25T00:00:00Z"),
            "2024-10-28T00:00:00+00:00"
        );
    }
}
