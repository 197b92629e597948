//! What following the document says about itself, for Prometheus.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;

/// How reading the document goes.
#[derive(Debug)]
pub(crate) struct Status {
    keys: Gauge,
    reads: Counter,
    failures: Counter,
    /// When the keys in force were found to be the published ones, or when looking
    /// for them began.
    confirmed_at: Mutex<Instant>,
}

impl Default for Status {
    fn default() -> Self {
        Self {
            keys: Gauge::default(),
            reads: Counter::default(),
            failures: Counter::default(),
            confirmed_at: Mutex::new(Instant::now()),
        }
    }
}

impl Status {
    /// So many keys came into force.
    pub(super) fn count(&self, keys: usize) {
        self.keys.set(i64::try_from(keys).unwrap_or(i64::MAX));
    }

    /// The document was read, and its keys are in force.
    pub(super) fn confirm(&self) {
        self.reads.inc();
        *self
            .confirmed_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// The document could not be read, or made no sense.
    pub(super) fn fail(&self) {
        self.reads.inc();
        self.failures.inc();
    }

    /// For how long nobody has known whether the keys in force are the published ones.
    pub(super) fn age(&self) -> Duration {
        self.confirmed_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .elapsed()
    }

    /// Adds everything to a registry; the names begin with `items_api_jwks_`.
    pub(crate) fn register(self: &Arc<Self>, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("items_api_jwks");
        registry.register(
            "keys",
            "Keys that tokens are checked with",
            self.keys.clone(),
        );
        registry.register(
            "reads",
            "Times that the JWKS was read, or tried to",
            self.reads.clone(),
        );
        registry.register(
            "failures",
            "Times that the JWKS could not be read or made no sense",
            self.failures.clone(),
        );
        registry.register_collector(Box::new(Age(Arc::clone(self))));
    }
}

/// The age at the moment that it is asked for.
#[derive(Debug)]
struct Age(Arc<Status>);

impl Collector for Age {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let metric = encoder.encode_descriptor(
            "age_seconds",
            "Time since the keys in force were last found in the JWKS, or since the start",
            None,
            MetricType::Gauge,
        )?;
        ConstGauge::<f64>::new(self.0.age().as_secs_f64()).encode(metric)
    }
}
