//! That the trail starts and stops, and with which settings: records of its own, so
//! that it cannot be switched off or weakened without a trace.
//!
//! `audit.start` is the first record of an instance and holds the settings in force;
//! `audit.stop` is its last, after the last attempt. An instance without the second
//! was killed, or is still running.
//!
//! What is known of the run before is kept in a file beside the journal's segments
//! (`last_run`), because Postgres need not be there when a service starts. The file
//! is a hint: whoever can write to the folder can forge or remove it. So the record
//! names the record that it compares with by id and digest, which those in Postgres
//! must match, and says when it knows of none.

mod last_run;
mod settings;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, SubsecRound as _, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::journal::Found;
use crate::own_record::{OwnRecord, time};
use crate::postgres::Rights;
use crate::record::Outcome;
use last_run::LastRun;
pub(crate) use settings::Settings;

const START: &str = "audit.start";
const STOP: &str = "audit.stop";
/// Tells what the start could not know, because Postgres was away.
const RIGHTS: &str = "audit.rights";

/// A record that waits for room.
pub(crate) type Frame = (Uuid, Vec<u8>);

/// What one run of the trail tells of itself.
#[derive(Debug)]
pub(crate) struct Lifecycle {
    folder: PathBuf,
    began_at: DateTime<Utc>,
    /// The record of the start, until there was room for it.
    untold_start: Mutex<Option<Frame>>,
    /// Whether it was told what the login at Postgres may do.
    has_told_rights: AtomicBool,
    has_stopped: AtomicBool,
}

impl Lifecycle {
    /// A run whose journal lies in `folder` begins now.
    pub(crate) fn begin(folder: PathBuf) -> Self {
        Self {
            folder,
            began_at: Utc::now().trunc_subsecs(6),
            untold_start: Mutex::default(),
            has_told_rights: AtomicBool::new(false),
            has_stopped: AtomicBool::new(false),
        }
    }

    /// The record of the start: the settings, what has changed since the start before,
    /// and what the run before has left in the journal.
    pub(crate) fn start(&self, settings: &Settings, found: Found) -> OwnRecord {
        if let Some(rights) = settings.database_rights {
            self.has_told_rights.store(true, Ordering::Release);
            warn_of_excess(rights);
        }
        let settings = settings.to_json();
        let last = last_run::read(&self.folder);
        let comparison = last
            .as_ref()
            .map(|last| settings::compare(&last.settings, &settings))
            .unwrap_or_default();
        let reason = match &last {
            _ if comparison.is_weaker => Some("settings_weakened"),
            Some(last) if !last.has_stopped => Some("previous_not_stopped"),
            Some(_) => None,
            None => Some("previous_unknown"),
        };
        if comparison.is_weaker {
            tracing::warn!(
                changes = ?comparison.changes,
                "the audit trail starts with weaker settings than the last time"
            );
        }
        OwnRecord {
            reason,
            changes: comparison.changes,
            notes: json!({
                "settings": settings,
                "previous": last.as_ref().map_or(Value::Null, LastRun::to_json),
                "recovered": { "records": found.records, "unknown": found.unknown },
            }),
            ..OwnRecord::new(START, self.began_at, Outcome::Success)
        }
    }

    /// Keeps the record of the start for the run after this one, and until there is
    /// room for it.
    pub(crate) fn keep_start(&self, (id, bytes): Frame) {
        if let Err(error) = last_run::write_start(&self.folder, &bytes) {
            tracing::warn!(%error, folder = %self.folder.display(), "the next start will not know the settings of this one");
        }
        *self.untold_start() = Some((id, bytes));
    }

    /// Hands the record of the start to `tell`, unless it was told; what that gives
    /// back waits for another time.
    pub(crate) fn tell_start(&self, tell: impl FnOnce(Frame) -> Option<Frame>) {
        let mut untold = self.untold_start();
        *untold = untold.take().and_then(tell);
    }

    pub(crate) fn has_told_start(&self) -> bool {
        self.untold_start().is_none()
    }

    fn untold_start(&self) -> MutexGuard<'_, Option<Frame>> {
        self.untold_start
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it was told what the login at Postgres may do.
    pub(crate) fn has_told_rights(&self) -> bool {
        self.has_told_rights.load(Ordering::Acquire)
    }

    /// The record of what the login may do, where the start did not know.
    pub(crate) fn rights(&self, rights: Rights) -> OwnRecord {
        self.has_told_rights.store(true, Ordering::Release);
        warn_of_excess(rights);
        OwnRecord {
            notes: json!({ "database_rights": rights.as_str() }),
            ..OwnRecord::new(RIGHTS, Utc::now().trunc_subsecs(6), Outcome::Success)
        }
    }

    /// Whether the run stops only now.
    pub(crate) fn stops(&self) -> bool {
        !self.has_stopped.swap(true, Ordering::AcqRel)
    }

    /// The record of the stop.
    pub(crate) fn stop(&self, attempts_under_way: u64) -> OwnRecord {
        OwnRecord {
            notes: json!({
                "started_at": time(self.began_at),
                "attempts_under_way": attempts_under_way,
            }),
            ..OwnRecord::new(STOP, Utc::now().trunc_subsecs(6), Outcome::Success)
        }
    }

    /// Lets the run after this one know that this one stopped in order.
    pub(crate) fn keep_stop(&self, bytes: &[u8]) {
        if let Err(error) = last_run::append_stop(&self.folder, bytes) {
            tracing::warn!(%error, folder = %self.folder.display(), "the next start will take this stop for a crash");
        }
    }
}

fn warn_of_excess(rights: Rights) {
    if rights != Rights::Least {
        tracing::warn!(
            database_rights = rights.as_str(),
            "the service's login at Postgres may do more than it needs, such as to remove what \
             protects the records: give it a login that owns nothing"
        );
    }
}
