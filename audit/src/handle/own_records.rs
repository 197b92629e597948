//! When the trail's own records are told: the start first, the stop last, and what there
//! is to tell in between as soon as there is room for it.

use std::sync::Weak;
use std::thread;
use std::time::{Duration, Instant};

use super::{Shared, frame};
use crate::journal::{Durability, Found};
use crate::lifecycle::{Frame, Lifecycle, Settings};
use crate::own_record::OwnRecord;
use crate::postgres::Store;
use crate::throttle::When;

/// How long what the trail tells of itself waits for its record, at least.
const INTERVAL: Duration = Duration::from_millis(500);

impl Shared {
    /// Records what the trail has to tell of itself, once there is room to: attempts that
    /// went without a record, and requests that were not admitted.
    pub(super) fn tell_what_waits(&self, when: When) {
        if self.gaps.is_open() {
            self.tell(|| self.gaps.take().map(|gap| warned(gap.record())));
        }
        while self.throttle.has_tally(when)
            && self.tell(|| {
                self.throttle
                    .take_tally(when)
                    .map(|tally| warned(tally.record()))
            })
        {}
    }

    /// Appends one of the trail's own records, which is taken only if there is room for
    /// it. Says whether it was.
    fn tell(&self, take: impl FnOnce() -> Option<OwnRecord>) -> bool {
        let Ok(permit) = self.journal.reserve() else {
            return false;
        };
        let Some(own) = take() else {
            return false;
        };
        if let Some((id, bytes)) = self.own_record(own) {
            // Nobody's response depends on it, so it is not waited for.
            drop(permit.append(id, bytes, Durability::Crash));
        }
        true
    }

    /// Records the start, as the first record of the instance. Without room for it
    /// the service starts all the same, and it is told as soon as there is some.
    pub(super) fn record_start(&self, settings: &Settings, found: Found) {
        let Some(lifecycle) = &self.lifecycle else {
            return;
        };
        let Some(start) = self.own_record(lifecycle.start(settings, found)) else {
            return;
        };
        lifecycle.keep_start(start);
        self.tell_start(lifecycle);
        if !lifecycle.has_told_start() {
            tracing::error!(
                "the journal has no room for the record audit.start, which waits in memory for some"
            );
        }
    }

    fn tell_start(&self, lifecycle: &Lifecycle) {
        lifecycle.tell_start(|(id, bytes)| match self.journal.reserve() {
            Ok(permit) => {
                drop(permit.append(id, bytes, Durability::Crash));
                None
            }
            Err(_) => Some((id, bytes)),
        });
    }

    /// Records what the login at Postgres may do, if the start could not know.
    fn record_rights(&self, lifecycle: &Lifecycle) {
        if lifecycle.has_told_rights() {
            return;
        }
        let Some(rights) = self.store.as_ref().and_then(Store::rights) else {
            return;
        };
        self.tell(|| Some(lifecycle.rights(rights)));
    }

    /// Records the stop, as the last record of the instance: nothing new is let in,
    /// and what is under way ends first, or has until `deadline`.
    pub(super) fn record_stop(&self, deadline: Instant) {
        let Some(lifecycle) = self.lifecycle.as_ref().filter(|one| one.stops()) else {
            return;
        };
        self.tell_start(lifecycle);
        let permit = match self.journal.reserve() {
            Ok(permit) => permit,
            Err(refusal) => {
                tracing::error!(%refusal, "the record audit.stop cannot be kept, so this stop will look like a crash");
                return;
            }
        };
        self.journal.close();
        // The room for this record is no attempt.
        let attempts = self.journal.wait_for_attempts(1, deadline) - 1;
        let Some((id, bytes)) = self.own_record(lifecycle.stop(attempts)) else {
            return;
        };
        match permit.append(id, bytes.clone(), Durability::Crash).wait() {
            Ok(()) => lifecycle.keep_stop(&bytes),
            Err(error) => {
                tracing::error!(%error, "it is not known whether the record audit.stop is kept")
            }
        }
    }

    /// One of the trail's own records, as the next one of this instance.
    fn own_record(&self, own: OwnRecord) -> Option<Frame> {
        let record = own.into_record(
            &self.redactor,
            &self.service,
            &self.instance,
            self.next_seq(),
        );
        let id = record.id;
        match frame(record) {
            Ok(bytes) => Some((id, bytes)),
            Err(error) => {
                tracing::error!(%error, "a record of the trail itself could not be serialised");
                None
            }
        }
    }
}

/// Says in the log what a record is about to tell.
fn warned(own: OwnRecord) -> OwnRecord {
    tracing::warn!(action = own.action, notes = %own.notes, "attempts have no record each");
    own
}

/// Tells what the trail has to tell of itself, for as long as it is there.
pub(super) fn watch(audit: &Weak<Shared>) {
    while let Some(shared) = audit.upgrade() {
        if let Some(lifecycle) = &shared.lifecycle {
            shared.tell_start(lifecycle);
            shared.record_rights(lifecycle);
        }
        shared.tell_what_waits(When::Due);
        drop(shared);
        thread::sleep(INTERVAL);
    }
}
