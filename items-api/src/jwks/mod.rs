//! Follows the document in which an issuer publishes its public keys.
//!
//! A thread of its own reads it at start, then every few minutes, and at once when a
//! token names a key that is not known. Keys are only ever replaced by a whole valid
//! set: while the document cannot be read, or makes no sense, the last good one stays
//! in force.

mod refresh;
mod source;
mod status;

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use audit::jwt::{Algorithm, Keys};

use refresh::{Pace, Refresher};
pub use source::{Source, SourceError};
pub(crate) use status::Status;

/// A document that is followed.
pub(crate) struct Jwks {
    /// The keys in it; none until it was read for the first time.
    pub(crate) keys: Keys,
    /// How reading it goes.
    pub(crate) status: Arc<Status>,
    wake: SyncSender<()>,
}

/// Begins to follow `source`, and to take keys of this algorithm from it.
///
/// # Errors
///
/// When the thread cannot be started. That the document cannot be read is none: it
/// may come later.
pub(crate) fn follow(source: Source, algorithm: Algorithm, refresh: Duration) -> io::Result<Jwks> {
    // One message says that somebody looks for a key; more would say nothing new.
    let (wake, woken) = sync_channel(1);
    let keys = Keys::default();
    let status = Arc::new(Status::default());
    let refresher = Refresher {
        name: source.to_string(),
        read: move || source.read(),
        algorithm,
        pace: Pace::every(refresh),
        keys: keys.clone(),
        status: Arc::clone(&status),
    };
    thread::Builder::new()
        .name("jwks-refresh".to_owned())
        .spawn(move || refresher.run(&woken))?;
    Ok(Jwks { keys, status, wake })
}

impl Jwks {
    /// Has the document read soon. It returns at once, however often it is called;
    /// the thread ends when nobody can call it any more.
    pub(crate) fn waker(self) -> impl Fn() + Send + Sync + 'static {
        move || {
            let _ = self.wake.try_send(());
        }
    }
}
