//! What the audit trail says about itself, for Prometheus.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::journal::{Journal, Status};

/// A label with one value. Both are ours, so that nothing from outside can be a line
/// of its own among the metrics, or a label for each of its whims.
pub(crate) type Label = [(&'static str, &'static str); 1];

/// Counters that the rooms keep; what the journal holds is read when it is asked
/// for.
pub(crate) struct Metrics {
    pub(crate) journal_commit_frames: Histogram,
    pub(crate) journal_commit_seconds: Histogram,
    pub(crate) journal_failures: Counter,
    pub(crate) journal_damage: Counter,
    pub(crate) recovered_unknown: Counter,
    pub(crate) refusals: Family<Label, Counter>,
    pub(crate) unconfirmed: Counter,
    pub(crate) contradictions: Counter,
    pub(crate) gaps: Counter,
    pub(crate) throttled: Family<Label, Counter>,
    pub(crate) queries_refused: Family<Label, Counter>,
    pub(crate) writer_records: Counter,
    pub(crate) writer_batch_records: Histogram,
    pub(crate) writer_batch_seconds: Histogram,
    pub(crate) writer_copies_refused: Counter,
    pub(crate) writer_retries: Family<Label, Counter>,
    pub(crate) writers_abandoned: Counter,
    pub(crate) dead_letters: Counter,
    pub(crate) horizon_held_seconds: Gauge<f64, AtomicU64>,
    pub(crate) positions_unknown: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        let seconds = || Histogram::new(exponential_buckets(0.000_05, 4.0, 10));
        let counts = || Histogram::new(exponential_buckets(1.0, 4.0, 7));
        Self {
            journal_commit_frames: counts(),
            journal_commit_seconds: seconds(),
            journal_failures: Counter::default(),
            journal_damage: Counter::default(),
            recovered_unknown: Counter::default(),
            refusals: Family::default(),
            unconfirmed: Counter::default(),
            contradictions: Counter::default(),
            gaps: Counter::default(),
            throttled: Family::default(),
            queries_refused: Family::default(),
            writer_records: Counter::default(),
            writer_batch_records: counts(),
            writer_batch_seconds: seconds(),
            writer_copies_refused: Counter::default(),
            writer_retries: Family::default(),
            writers_abandoned: Counter::default(),
            dead_letters: Counter::default(),
            horizon_held_seconds: Gauge::default(),
            positions_unknown: Counter::default(),
        }
    }
}

impl Metrics {
    /// Adds everything to a registry; the names begin with `audit_`.
    pub(crate) fn register(&self, journal: &Journal, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("audit");
        registry.register(
            "journal_commit_frames",
            "Frames written to the journal at once",
            self.journal_commit_frames.clone(),
        );
        registry.register(
            "journal_commit_seconds",
            "Time to write, and where asked for to sync, frames of the journal",
            self.journal_commit_seconds.clone(),
        );
        registry.register(
            "journal_failures",
            "Operations on the journal's disk that failed",
            self.journal_failures.clone(),
        );
        registry.register(
            "journal_damage",
            "Damaged parts of the journal's files",
            self.journal_damage.clone(),
        );
        registry.register(
            "recovered_unknown",
            "Attempts that an earlier process did not live to finish",
            self.recovered_unknown.clone(),
        );
        registry.register(
            "refusals",
            "Attempts refused because they could not be recorded",
            self.refusals.clone(),
        );
        registry.register(
            "unconfirmed",
            "Responses withheld because the journal did not confirm their record",
            self.unconfirmed.clone(),
        );
        registry.register(
            "contradictions",
            "Attempts that ended in another way than the record in their transaction says",
            self.contradictions.clone(),
        );
        registry.register(
            "gap_attempts",
            "Attempts let through without a record",
            self.gaps.clone(),
        );
        registry.register(
            "throttled",
            "Requests not admitted because too many attempts before them were refused, by whose allowance is used up",
            self.throttled.clone(),
        );
        registry.register(
            "queries_refused",
            "Queries of the trail refused because their actor asks too many, by the limit",
            self.queries_refused.clone(),
        );
        registry.register(
            "writer_records",
            "Records delivered to Postgres, each found present there",
            self.writer_records.clone(),
        );
        registry.register(
            "writer_batch_records",
            "Records delivered at once",
            self.writer_batch_records.clone(),
        );
        registry.register(
            "writer_batch_seconds",
            "Time to deliver a batch",
            self.writer_batch_seconds.clone(),
        );
        registry.register(
            "writer_copies_refused",
            "Batches that COPY did not take, for instance because a record was there already",
            self.writer_copies_refused.clone(),
        );
        registry.register(
            "writer_retries",
            "Batches that Postgres did not take, by the class of the error",
            self.writer_retries.clone(),
        );
        registry.register(
            "writers_abandoned",
            "Writers given up because Postgres did not answer them",
            self.writers_abandoned.clone(),
        );
        registry.register(
            "dead_letters",
            "Records that Postgres refuses, set aside in audit_dead_letters",
            self.dead_letters.clone(),
        );
        registry.register(
            "horizon_held_seconds",
            "Time for which an open transaction has held new records back from followers; 0 without followers",
            self.horizon_held_seconds.clone(),
        );
        registry.register(
            "positions_unknown",
            "Followers refused because their last record is not in the history of this Postgres",
            self.positions_unknown.clone(),
        );
        registry.register_collector(Box::new(JournalGauges(journal.clone())));
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// What the journal holds at the moment.
struct JournalGauges(Journal);

impl fmt::Debug for JournalGauges {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("JournalGauges")
            .finish_non_exhaustive()
    }
}

impl Collector for JournalGauges {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Status {
            used_bytes,
            limit_bytes,
            undelivered,
            oldest_ms,
            is_accepting,
        } = self.0.status();
        let now_ms = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_millis();
        let oldest = oldest_ms.map_or(0, |oldest| {
            u64::try_from(now_ms)
                .unwrap_or(u64::MAX)
                .saturating_sub(oldest)
        });
        let gauges: [(&str, &str, f64); 5] = [
            (
                "journal_bytes",
                "Bytes in the journal or promised to attempts under way",
                used_bytes as f64,
            ),
            (
                "journal_limit_bytes",
                "Bytes at which attempts are refused",
                limit_bytes as f64,
            ),
            (
                "journal_records",
                "Records in the journal that are not in Postgres yet",
                undelivered as f64,
            ),
            (
                "journal_oldest_seconds",
                "Age of the oldest record that is not in Postgres yet",
                Duration::from_millis(oldest).as_secs_f64(),
            ),
            (
                "journal_accepting",
                "Whether attempts can be recorded: 1, or 0 when the disk fails or the service stops",
                f64::from(u8::from(is_accepting)),
            ),
        ];
        for (name, help, value) in gauges {
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::<f64>::new(value).encode(metric)?;
        }
        Ok(())
    }
}
