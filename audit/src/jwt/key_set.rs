//! The keys that are in force, and how they give way to others.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use jsonwebtoken::Algorithm;

use super::key::{KEYS_MAX, Key, KeyError};

/// Where a block of PEM begins (RFC 7468, section 3).
const PEM_BEGIN: &str = "-----BEGIN ";

/// The keys that tokens are checked with: at least one, and at most 32.
///
/// ```
/// use audit::jwt::{Jwt, KeySet};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let secret = [7; 32]; // of the service's own, and random
/// let jwt = Jwt::new(KeySet::hs256(&secret)?, "orders", "orders");
/// # Ok(())
/// # }
/// ```
pub struct KeySet(Vec<Key>);

impl KeySet {
    /// One shared secret (HS256).
    ///
    /// # Errors
    ///
    /// When the secret is shorter than 32 bytes.
    pub fn hs256(secret: &[u8]) -> Result<Self, KeyError> {
        Ok(Self(vec![Key::hs256(secret)?]))
    }

    /// Public keys in PEM, one block after the other: a new one beside the old while
    /// an issuer changes from one to the other.
    ///
    /// They have no ids, so each may have signed any token.
    ///
    /// # Errors
    ///
    /// When the algorithm is not RS256, ES256 or EdDSA, when there is no block or
    /// there are too many, or when one is not a public key for the algorithm.
    pub fn public_keys(pem: &str, algorithm: Algorithm) -> Result<Self, KeyError> {
        let begins: Vec<usize> = pem.match_indices(PEM_BEGIN).map(|(at, _)| at).collect();
        if begins.is_empty() || begins.len() > KEYS_MAX {
            return Err(KeyError::Count(begins.len()));
        }
        let ends = begins.iter().skip(1).copied().chain([pem.len()]);
        begins
            .iter()
            .zip(ends)
            .filter_map(|(&begin, end)| pem.get(begin..end))
            .map(|block| Key::from_pem(block.as_bytes(), algorithm))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    pub(super) fn new(keys: Vec<Key>) -> Self {
        Self(keys)
    }

    /// How many keys there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The keys that may have signed a token: of the algorithm in its header, and
    /// with an id that does not contradict the one there.
    pub(super) fn fitting(
        &self,
        algorithm: Algorithm,
        id: Option<&str>,
    ) -> impl Iterator<Item = &Key> {
        self.0.iter().filter(move |key| {
            key.algorithm == algorithm
                && match (id, key.id.as_deref()) {
                    (Some(named), Some(own)) => named == own,
                    _ => true,
                }
        })
    }

    /// Whether a key has this id.
    pub(super) fn names(&self, id: &str) -> bool {
        self.0.iter().any(|key| key.id.as_deref() == Some(id))
    }
}

/// Tells the keys by what is public about them.
impl fmt::Debug for KeySet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_list()
            .entries(self.0.iter().map(|key| (key.algorithm, &key.id)))
            .finish()
    }
}

/// Keys that can be replaced while they are in use; clones share them.
///
/// At first there are none, and [`Jwt`](super::Jwt) answers 503.
#[derive(Clone, Default)]
pub struct Keys(Arc<RwLock<Option<Arc<KeySet>>>>);

impl Keys {
    /// Puts these keys into force in place of all that were. Requests under way
    /// are checked with the ones or the others, never with a mixture.
    pub fn replace(&self, keys: KeySet) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(keys));
    }

    /// Whether there are keys yet.
    #[must_use]
    pub fn are_there(&self) -> bool {
        self.current().is_some()
    }

    /// The keys of this moment. The lock is held for the time it takes to count a
    /// reference, and not while a signature is checked.
    pub(super) fn current(&self) -> Option<Arc<KeySet>> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl From<KeySet> for Keys {
    fn from(keys: KeySet) -> Self {
        let shared = Self::default();
        shared.replace(keys);
        shared
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("Keys")
            .field(&self.current())
            .finish()
    }
}
