//! How many queries of one actor are answered at the same time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::UsedUp;

/// Actors that share one of these share their slots as well, and wait for each other.
/// Auditors are few, so that is seldom: two of ten with a probability of about 1 in 90.
const SEMAPHORES: usize = 4 * 1024;
/// How long a query waits for its actor's other ones.
const PATIENCE: Duration = Duration::from_secs(2);

/// The queries that are being answered.
pub(super) struct Slots {
    semaphores: Box<[Semaphore]>,
}

impl Slots {
    /// So many for each actor; zero is no limit.
    pub(super) fn new(at_once: u32) -> Self {
        let count = if at_once == 0 { 0 } else { SEMAPHORES };
        let permits = at_once as usize;
        Self {
            semaphores: (0..count).map(|_| Semaphore::new(permits)).collect(),
        }
    }

    fn of(&self, account: u64) -> Option<&Semaphore> {
        let place = account.checked_rem(self.semaphores.len() as u64)?;
        self.semaphores.get(usize::try_from(place).ok()?)
    }

    /// Waits for a slot, but not for ever.
    pub(super) async fn take(self: &Arc<Self>, account: u64) -> Result<Slot, UsedUp> {
        if let Some(semaphore) = self.of(account) {
            let permit = tokio::time::timeout(PATIENCE, semaphore.acquire()).await;
            let Ok(Ok(permit)) = permit else {
                return Err(UsedUp {
                    retry_after: PATIENCE,
                });
            };
            // The slot gives it back; a permit could not leave this function.
            permit.forget();
        }
        Ok(Slot {
            slots: Arc::clone(self),
            account,
        })
    }
}

/// Room for one query. Hold it until the store has answered, whether or not somebody
/// still waits for the answer.
#[must_use = "the slot is given back when this is dropped"]
pub(crate) struct Slot {
    slots: Arc<Slots>,
    account: u64,
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(semaphore) = self.slots.of(self.account) {
            semaphore.add_permits(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn an_actor_waits_for_its_own_queries_and_for_nobody_elses() {
        let slots = Arc::new(Slots::new(2));
        let first = slots.take(1).await.unwrap();
        let _second = slots.take(1).await.unwrap();
        let mut third = Box::pin(slots.take(1));
        assert!(third.as_mut().now_or_never().is_none());
        let _other = slots.take(2).await.unwrap();
        drop(first);
        assert!(third.await.is_ok());
    }

    #[tokio::test]
    async fn zero_is_no_limit() {
        let slots = Arc::new(Slots::new(0));
        let mut held = Vec::new();
        for _ in 0..100 {
            held.push(slots.take(1).await.unwrap());
        }
        assert_eq!(held.len(), 100);
    }
}
