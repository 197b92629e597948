//! How far the trail can be followed, for all who follow it.
//!
//! Every follower reads from the store by itself, with its own filter; what they would
//! all ask again and again, namely whether there is anything new, is asked here once
//! for all of them. So many followers who have nothing to read cost no more than one.
//!
//! Nobody asks while nobody follows.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit, watch};

use crate::log_gate::LogGate;
use crate::postgres::{QueryError, Store};

/// How often it is asked whether there is something new.
const INTERVAL: Duration = Duration::from_millis(200);
/// The same while Postgres is away.
const RETRY: Duration = Duration::from_secs(1);
/// How many followers read at the same time. The rest waits, so that there are always
/// connections left for those who ask.
const READING_AT_ONCE: usize = 2;

/// What followers wait for.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    /// The transaction up to which there is something to read.
    horizon: u64,
    has_ended: bool,
}

/// The end of the trail, as far as it is known.
pub(crate) struct Tail {
    store: Store,
    progress: watch::Sender<Progress>,
    is_watched: Mutex<bool>,
    reading: Semaphore,
}

impl Tail {
    pub(crate) fn new(store: Store) -> Arc<Self> {
        Arc::new(Self {
            store,
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

    /// Tells followers what there is to read, until there are none.
    fn watch(&self) {
        let logged = LogGate::default();
        let mut told = None;
        while self.is_followed() {
            match self.news(told) {
                Ok(horizon) => {
                    told = Some(horizon);
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
    }

    /// Whether anybody follows. Once nobody does, the next one starts a new watch.
    fn is_followed(&self) -> bool {
        let mut is_watched = lock(&self.is_watched);
        *is_watched = self.progress.receiver_count() > 0;
        *is_watched
    }

    /// Tells how far there is something to read. What was there before the watch began
    /// may be news to somebody.
    fn news(&self, told: Option<u64>) -> Result<u64, QueryError> {
        let horizon = self.store.horizon()?;
        let is_news = match told {
            Some(told) => told < horizon && self.store.has_committed(told, horizon)?,
            None => true,
        };
        if is_news {
            self.progress
                .send_modify(|progress| progress.horizon = progress.horizon.max(horizon));
        }
        Ok(horizon)
    }
}

/// A panic elsewhere leaves a flag that is right or soon will be.
fn lock(is_watched: &Mutex<bool>) -> MutexGuard<'_, bool> {
    is_watched.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One who follows the trail.
pub(crate) struct Follower {
    tail: Arc<Tail>,
    progress: watch::Receiver<Progress>,
}

impl Follower {
    /// Waits until there is something to read behind the transactions before `horizon`, and
    /// says up to where; or `None` once the trail cannot be followed any more.
    pub(crate) async fn horizon_beyond(&mut self, horizon: u64) -> Option<u64> {
        let is_news = |progress: &Progress| progress.has_ended || progress.horizon > horizon;
        let progress = *self.progress.wait_for(is_news).await.ok()?;
        (!progress.has_ended).then_some(progress.horizon)
    }

    /// Waits until it may read from the store.
    pub(crate) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        self.tail.reading.acquire().await.ok()
    }
}
