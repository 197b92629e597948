//! The thread that reads the document, and when it does.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use audit::jwt::{Algorithm, JwksError, KeySet, Keys};

use super::source::ReadError;
use super::status::Status;

/// When the document is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// The time from one reading to the next.
    pub(super) refresh: Duration,
    /// The least time between two readings that unknown keys ask for. Anybody can
    /// name unknown keys, and the issuer must not suffer from it.
    pub(super) early: Duration,
    /// How long after a first failure it is tried again, doubled after each further one…
    pub(super) retry_min: Duration,
    /// … up to this.
    pub(super) retry_max: Duration,
}

impl Pace {
    pub(super) fn every(refresh: Duration) -> Self {
        Self {
            refresh,
            early: Duration::from_secs(10),
            retry_min: Duration::from_secs(1),
            retry_max: Duration::from_secs(30),
        }
    }

    /// How long to wait after so many failures in a row.
    fn delay(&self, failures: u32) -> Duration {
        let delay = match failures.checked_sub(1) {
            None => self.refresh,
            Some(doublings) => self
                .retry_min
                .saturating_mul(2_u32.saturating_pow(doublings))
                .min(self.retry_max)
                .min(self.refresh),
        };
        // Up to a tenth less, so that services which started together do not ask
        // together for ever.
        let share = getrandom::u32().unwrap_or(0) >> 16;
        delay - delay / 10 * share / (1 << 16)
    }
}

/// Keeps keys up to date.
pub(super) struct Refresher<Read> {
    /// The document, for the log.
    pub(super) name: String,
    pub(super) read: Read,
    pub(super) algorithm: Algorithm,
    pub(super) pace: Pace,
    pub(super) keys: Keys,
    pub(super) status: Arc<Status>,
}

#[derive(Debug, thiserror::Error)]
enum RefreshError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Document(#[from] JwksError),
}

impl<Read: FnMut() -> Result<Vec<u8>, ReadError>> Refresher<Read> {
    /// Reads the document until nobody can wake it any more.
    pub(super) fn run(mut self, woken: &Receiver<()>) {
        let mut in_force = Vec::new();
        let mut failures: u32 = 0;
        let mut early_at = None;
        loop {
            // Whoever asked until now is answered by this reading.
            while woken.try_recv().is_ok() {}
            match self.refresh(&mut in_force) {
                Ok(()) => failures = 0,
                Err(error) => {
                    failures = failures.saturating_add(1);
                    self.fail(&error);
                }
            }
            if !self.wait(failures, woken, &mut early_at) {
                return;
            }
        }
    }

    /// Puts the keys of the document into force, unless they are already.
    fn refresh(&mut self, in_force: &mut Vec<u8>) -> Result<(), RefreshError> {
        let document = (self.read)()?;
        if document != *in_force {
            let keys = KeySet::from_jwks(&document, &[self.algorithm])?;
            tracing::info!(
                jwks = self.name,
                ?keys,
                "tokens are checked with these keys"
            );
            self.status.count(keys.count());
            self.keys.replace(keys);
            *in_force = document;
        }
        self.status.confirm();
        Ok(())
    }

    fn fail(&self, error: &RefreshError) {
        self.status.fail();
        let age_s = self.status.age().as_secs();
        if self.keys.are_there() {
            tracing::warn!(jwks = self.name, %error, age_s, "the JWKS cannot be used; the last keys stay in force");
        } else {
            tracing::error!(jwks = self.name, %error, age_s, "the JWKS cannot be used, so no token can be checked; trying again");
        }
    }

    /// Waits until it is time to read again, or until somebody looks for a key.
    /// Says whether anybody still can.
    fn wait(&self, failures: u32, woken: &Receiver<()>, early_at: &mut Option<Instant>) -> bool {
        let delay = self.pace.delay(failures);
        let began = Instant::now();
        match woken.recv_timeout(delay) {
            Err(RecvTimeoutError::Timeout) => true,
            Err(RecvTimeoutError::Disconnected) => false,
            Ok(()) => {
                let since_early = early_at.map_or(Duration::MAX, |at| at.elapsed());
                let pause = self.pace.early.saturating_sub(since_early);
                thread::sleep(pause.min(delay.saturating_sub(began.elapsed())));
                *early_at = Some(Instant::now());
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::mpsc::{Sender, SyncSender, channel, sync_channel};
    use std::thread::JoinHandle;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    /// A document that the test holds back until it wants it read.
    struct Issuer {
        asked: Receiver<()>,
        documents: Sender<Result<Vec<u8>, ReadError>>,
        wake: SyncSender<()>,
        keys: Keys,
        status: Arc<Status>,
        thread: JoinHandle<()>,
    }

    impl Issuer {
        fn new(pace: Pace) -> Self {
            let (ask, asked) = channel();
            let (documents, published) = channel();
            let (wake, woken) = sync_channel(1);
            let (keys, status) = (Keys::default(), Arc::new(Status::default()));
            let refresher = Refresher {
                name: "test".to_owned(),
                read: move || {
                    let _ = ask.send(());
                    let gone = |_| Err(io::Error::other("the test is over").into());
                    published.recv().unwrap_or_else(gone)
                },
                algorithm: Algorithm::EdDSA,
                pace,
                keys: keys.clone(),
                status: Arc::clone(&status),
            };
            Self {
                asked,
                documents,
                wake,
                keys,
                status,
                thread: thread::spawn(move || refresher.run(&woken)),
            }
        }

        fn is_asked(&self) {
            self.asked.recv_timeout(PATIENCE).unwrap();
        }

        fn answer(&self, document: Result<Vec<u8>, ReadError>) {
            self.documents.send(document).unwrap();
        }

        /// Answers one reading. The next one shows that the answer was taken in.
        fn publish(&self, document: Result<Vec<u8>, ReadError>) {
            self.is_asked();
            self.answer(document);
        }

        fn in_force(&self) -> String {
            format!("{:?}", self.keys)
        }
    }

    fn document(key_id: &str) -> Vec<u8> {
        // The key of RFC 8037, appendix A.2.
        format!(
            r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"{key_id}",
                "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}}]}}"#
        )
        .into_bytes()
    }

    fn pace(refresh: Duration, early: Duration) -> Pace {
        Pace {
            refresh,
            early,
            retry_min: Duration::from_millis(1),
            retry_max: Duration::from_millis(1),
        }
    }

    const SOON: Duration = Duration::from_millis(1);
    const NEVER: Duration = Duration::from_secs(1_000_000);

    #[test]
    fn keys_stay_in_force_until_a_whole_valid_document_replaces_them() {
        let issuer = Issuer::new(pace(SOON, NEVER));
        issuer.publish(Err(ReadError::TooLong));
        issuer.publish(Ok(b"<html>".to_vec()));
        issuer.is_asked();
        assert!(!issuer.keys.are_there());
        issuer.answer(Ok(document("old")));
        issuer.is_asked();
        let old = issuer.in_force();
        assert!(old.contains("old"), "{old}");
        for bad in [
            Err(ReadError::TooLong),
            Err(io::Error::other("away").into()),
            Ok(Vec::new()),
            Ok(br#"{"keys":[]}"#.to_vec()),
            Ok(br#"{"keys":[{"kty":"oct","kid":"new","k":"AAAA"}]}"#.to_vec()),
            Ok(document("old")),
        ] {
            issuer.answer(bad);
            issuer.is_asked();
            assert_eq!(issuer.in_force(), old);
        }
        issuer.answer(Ok(document("new")));
        issuer.is_asked();
        let new = issuer.in_force();
        assert!(new.contains("new") && !new.contains("old"), "{new}");
    }

    #[test]
    fn the_age_counts_from_the_last_good_reading() {
        let issuer = Issuer::new(pace(SOON, NEVER));
        issuer.publish(Ok(document("key")));
        issuer.is_asked();
        let confirmed = Instant::now();
        issuer.answer(Err(ReadError::TooLong));
        issuer.is_asked();
        assert!(issuer.status.age() >= confirmed.elapsed());
        let before = Instant::now();
        issuer.answer(Ok(document("key")));
        issuer.is_asked();
        assert!(issuer.status.age() <= before.elapsed());
    }

    #[test]
    fn a_key_that_is_looked_for_has_the_document_read_at_once() {
        let issuer = Issuer::new(pace(NEVER, NEVER));
        issuer.publish(Ok(document("old")));
        issuer.wake.send(()).unwrap();
        issuer.publish(Ok(document("new")));
    }

    #[test]
    fn whoever_looks_for_keys_without_end_has_it_read_now_and_then() {
        let early = Duration::from_millis(200);
        let issuer = Issuer::new(pace(NEVER, early));
        issuer.publish(Ok(document("key")));
        issuer.wake.send(()).unwrap();
        issuer.is_asked();
        let began = Instant::now();
        // All who ask during one reading are answered by one more.
        for _ in 0..1_000 {
            let _ = issuer.wake.try_send(());
        }
        issuer.answer(Ok(document("key")));
        issuer.publish(Ok(document("key")));
        assert!(began.elapsed() >= early - Duration::from_millis(50));
        assert!(issuer.asked.recv_timeout(2 * early).is_err());
    }

    #[test]
    fn the_thread_ends_when_nobody_can_look_for_keys_any_more() {
        let issuer = Issuer::new(pace(NEVER, NEVER));
        issuer.publish(Ok(document("key")));
        drop(issuer.wake);
        issuer.thread.join().unwrap();
    }

    #[test]
    fn failures_are_tried_again_sooner_and_then_less_and_less() {
        let pace = Pace::every(Duration::from_secs(300));
        for (failures, seconds) in [
            (0, 300),
            (1, 1),
            (2, 2),
            (3, 4),
            (6, 30),
            (7, 30),
            (u32::MAX, 30),
        ] {
            let longest = Duration::from_secs(seconds);
            for _ in 0..100 {
                let delay = pace.delay(failures);
                assert!(delay <= longest && delay >= longest * 9 / 10, "{delay:?}");
            }
        }
        assert!(Pace::every(Duration::from_secs(5)).delay(9) <= Duration::from_secs(5));
        let delays: Vec<_> = (0..10).map(|_| pace.delay(0)).collect();
        assert!(delays.windows(2).any(|pair| pair[0] != pair[1]));
    }
}
