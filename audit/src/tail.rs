//! Notification of followers that there are new records.
//!
//! Every follower reads from the store by itself, with its own filter and up to the horizon
//! of its own snapshot. Whether there is anything new is polled here once for all of them,
//! so many followers that have nothing to read cost no more than one. What is found here is
//! a hint: the connection may be to another server than that of a follower.
//!
//! The same thread reports a transaction that holds the horizon back.
//!
//! Nothing is polled while there is no follower.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, SemaphorePermit, watch};

use crate::log_gate::LogGate;
use crate::metrics::Metrics;
use crate::postgres::{Horizon, QueryError, Store};

/// The time between two polls, and before a server that is behind is asked again.
pub(crate) const INTERVAL: Duration = Duration::from_millis(200);
/// The same while Postgres is away.
const RETRY: Duration = Duration::from_secs(1);
/// The time for which the horizon may be held back before it is reported.
pub(crate) const HELD_AFTER: Duration = Duration::from_secs(10);
/// The time between two log lines about that.
const HELD_LOGGED_EVERY: Duration = Duration::from_secs(60);
/// How many followers read at the same time. The others wait, so that there are always
/// connections left for queries.
const READING_AT_ONCE: usize = 2;

/// The state that followers wait for.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    /// A number that grows when there may be new records.
    news: u64,
    /// The horizon at that moment.
    horizon: u64,
    /// The time since when a transaction has held the horizon back, once it is reported.
    held_since: Option<Instant>,
    has_ended: bool,
}

/// The end of the trail, as far as it is known.
pub(crate) struct Tail {
    store: Store,
    metrics: Arc<Metrics>,
    held_after: Duration,
    progress: watch::Sender<Progress>,
    is_watched: Mutex<bool>,
    reading: Semaphore,
}

impl Tail {
    pub(crate) fn new(store: Store, metrics: Arc<Metrics>, held_after: Duration) -> Arc<Self> {
        Arc::new(Self {
            store,
            metrics,
            held_after,
            progress: watch::Sender::default(),
            is_watched: Mutex::new(false),
            reading: Semaphore::new(READING_AT_ONCE),
        })
    }

    /// Ends all followers, and those to come.
    pub(crate) fn end(&self) {
        self.progress
            .send_modify(|progress| progress.has_ended = true);
    }

    /// Begins to follow.
    ///
    /// # Errors
    ///
    /// When no thread can be started.
    pub(crate) fn follow(self: &Arc<Self>) -> io::Result<Follower> {
        let mut is_watched = lock(&self.is_watched);
        let follower = Follower {
            tail: Arc::clone(self),
            progress: self.progress.subscribe(),
            seen: None,
            was_held: false,
        };
        if !*is_watched {
            let tail = Arc::clone(self);
            thread::Builder::new()
                .name("audit-tail".to_owned())
                .spawn(move || tail.watch())?;
            *is_watched = true;
        }
        Ok(follower)
    }

    /// Polls until there are no followers.
    fn watch(&self) {
        let logged = LogGate::default();
        let mut held = Held::default();
        let mut told = None;
        while self.is_followed() {
            match self.poll(told) {
                Ok(horizon) => {
                    told = Some(horizon.xact());
                    self.report(&mut held, horizon);
                    thread::sleep(INTERVAL);
                }
                Err(error) => {
                    if let Some(since) = logged.admit() {
                        tracing::warn!(%error, since, "the trail cannot be followed at the moment");
                    }
                    thread::sleep(RETRY);
                }
            }
        }
        self.metrics.horizon_held_seconds.set(0.0);
        self.progress
            .send_modify(|progress| progress.held_since = None);
    }

    /// Whether there are followers. Once there are none, the next one starts a new watch.
    fn is_followed(&self) -> bool {
        let mut is_watched = lock(&self.is_watched);
        *is_watched = self.progress.receiver_count() > 0;
        *is_watched
    }

    /// Notifies followers if there may be new records up to the horizon, which is returned.
    fn poll(&self, told: Option<u64>) -> Result<Horizon, QueryError> {
        let horizon = self.store.horizon()?;
        let to = horizon.xact();
        let is_news = match told {
            Some(told) if told <= to => told < to && self.store.has_committed(told, to)?,
            // What was there before the watch began may be new for a follower, and a lower
            // horizon is that of another server.
            _ => true,
        };
        if is_news {
            self.progress.send_modify(|progress| {
                progress.news += 1;
                progress.horizon = to;
            });
        }
        Ok(horizon)
    }

    /// Reports a transaction that has held the horizon back for too long: to followers, as a
    /// metric, and in the log.
    fn report(&self, held: &mut Held, horizon: Horizon) {
        let since = held.since(horizon);
        let age = since.map_or(Duration::ZERO, |since| since.elapsed());
        self.metrics.horizon_held_seconds.set(age.as_secs_f64());
        let reported = since.filter(|_| age >= self.held_after);
        self.progress.send_if_modified(|progress| {
            let is_news = progress.held_since.is_some() != reported.is_some();
            progress.held_since = reported;
            is_news
        });
        if reported.is_none() {
            return;
        }
        let Some(held_back) = held.logged.admit() else {
            return;
        };
        // The holder is looked up only now: it is a scan of all sessions.
        let holder = self.store.holder(horizon.xact()).ok().flatten();
        let is_seen = holder.is_some();
        let holder = holder.unwrap_or_default();
        tracing::warn!(
            xact = horizon.xact(),
            held_seconds = age.as_secs(),
            pid = holder.pid,
            database = holder.database,
            login = holder.login,
            application = holder.application,
            state = holder.state,
            began_at = holder.began_at,
            prepared = holder.gid,
            since = held_back,
            "followers wait: {}",
            match (is_seen, holder.gid.is_some()) {
                (_, true) =>
                    "a prepared transaction holds new records back; \
                     end it with COMMIT PREPARED or ROLLBACK PREPARED",
                (true, false) =>
                    "an open transaction holds new records back; \
                     end it, or its session with pg_terminate_backend(pid)",
                (false, false) =>
                    "an open transaction holds new records back; it is not a session of this \
                     server, so look for it in pg_stat_activity and pg_prepared_xacts of the primary",
            }
        );
    }
}

/// The horizon while it stands still.
struct Held {
    xact: u64,
    since: Instant,
    logged: LogGate,
}

impl Default for Held {
    fn default() -> Self {
        Self {
            xact: 0,
            since: Instant::now(),
            logged: LogGate::every(HELD_LOGGED_EVERY),
        }
    }
}

impl Held {
    /// The time since when a transaction has held this horizon back.
    fn since(&mut self, horizon: Horizon) -> Option<Instant> {
        if self.xact != horizon.xact() || !horizon.is_held() {
            self.xact = horizon.xact();
            self.since = Instant::now();
        }
        horizon.is_held().then_some(self.since)
    }
}

/// A panic elsewhere leaves a flag that is right or soon will be.
fn lock(is_watched: &Mutex<bool>) -> MutexGuard<'_, bool> {
    is_watched.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One follower of the trail.
pub(crate) struct Follower {
    tail: Arc<Tail>,
    progress: watch::Receiver<Progress>,
    /// The last news that was read to its end.
    seen: Option<u64>,
    was_held: bool,
}

/// News at the moment before a read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    news: u64,
    horizon: u64,
}

/// A reason to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// There may be new records.
    Records,
    /// A transaction holds the horizon back, or does not any more.
    Held,
    /// The service stops.
    End,
}

impl Follower {
    /// Waits until there is a reason to go on.
    pub(crate) async fn news(&mut self) -> News {
        let (seen, was_held) = (self.seen, self.was_held);
        let is_news = |progress: &Progress| {
            progress.has_ended
                || Some(progress.news) != seen
                || progress.held_since.is_some() != was_held
        };
        let Ok(progress) = self
            .progress
            .wait_for(is_news)
            .await
            .map(|progress| *progress)
        else {
            return News::End;
        };
        if progress.has_ended {
            News::End
        } else if progress.held_since.is_some() != was_held {
            self.was_held = !was_held;
            News::Held
        } else {
            News::Records
        }
    }

    /// Returns the current news, to be marked as seen once they are read to their end.
    pub(crate) fn current(&self) -> Seen {
        let progress = *self.progress.borrow();
        Seen {
            news: progress.news,
            horizon: progress.horizon,
        }
    }

    /// Marks news as seen, and returns whether they are: they stay new if they were read from
    /// a server whose horizon is lower than the one they were found with.
    pub(crate) fn saw(&mut self, seen: Seen, horizon: u64) -> bool {
        let is_seen = horizon >= seen.horizon;
        self.seen = is_seen.then_some(seen.news);
        is_seen
    }

    /// Marks all news as not seen.
    pub(crate) fn unsee(&mut self) {
        self.seen = None;
    }

    /// Counts a follower whose last record is not in the history of the server.
    pub(crate) fn count_unknown_position(&self) {
        self.tail.metrics.positions_unknown.inc();
    }

    /// The time for which a transaction has held the horizon back, once it is reported.
    pub(crate) fn held_for(&self) -> Option<Duration> {
        Some(self.progress.borrow().held_since?.elapsed())
    }

    /// The time after which a follower reports that it waits.
    pub(crate) fn held_after(&self) -> Duration {
        self.tail.held_after
    }

    /// Waits until it may read from the store.
    pub(crate) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        self.tail.reading.acquire().await.ok()
    }
}

#[cfg(test)]
mod tests {
    use diesel::connection::SimpleConnection as _;

    use super::*;
    use crate::postgres::StoreSettings;
    use crate::testing::{TestDatabase, eventually};

    #[actix_web::test]
    async fn a_transaction_in_another_database_that_holds_followers_back_is_reported() {
        let database = TestDatabase::migrated(None);
        let store = Store::new(StoreSettings::new(database.url().to_owned()));
        let metrics = Arc::<Metrics>::default();
        let tail = Tail::new(store.clone(), Arc::clone(&metrics), Duration::ZERO);
        let elsewhere = TestDatabase::empty();
        let mut idle = elsewhere.connect();
        idle.batch_execute("BEGIN; SELECT pg_current_xact_id()")
            .unwrap();
        // Only a later transaction is held back by it.
        let mut connection = database.connect();
        connection
            .batch_execute("SELECT pg_current_xact_id()")
            .unwrap();

        let mut follower = tail.follow().unwrap();
        while follower.held_for().is_none() {
            follower.news().await;
            follower.saw(follower.current(), u64::MAX);
        }
        eventually("a metric", async || {
            (metrics.horizon_held_seconds.get() > 0.0).then_some(())
        })
        .await;
        idle.batch_execute("ROLLBACK").unwrap();
        while follower.held_for().is_some() {
            follower.news().await;
            follower.saw(follower.current(), u64::MAX);
        }
        drop(follower);
        eventually("no follower, no metric", async || {
            (metrics.horizon_held_seconds.get() == 0.0).then_some(())
        })
        .await;
    }
}
