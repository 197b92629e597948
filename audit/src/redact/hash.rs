//! Keyed hashes, by which equal values are found without being seen.

use std::fmt;
use std::fmt::Write as _;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// A shorter key could be found by trying.
const KEY_BYTES_MIN: usize = 32;

/// Half of what HMAC-SHA-256 gives: no two values will ever share it by chance.
const HASH_BYTES: usize = 16;

const KEY_ID_BYTES: usize = 4;

/// The key of the hashes that records show of some values.
///
/// Whoever has it can find out what was hashed, by trying, wherever there is not
/// much to try; so it belongs where the service keeps its other keys and never
/// into the database of the records. Every hash names its key by an id, so that
/// the key can be changed: records keep the hashes that they have, and a value is
/// found in old records by the old key.
///
/// ```
/// use audit::redact::HashKey;
///
/// assert!(HashKey::new(b"too short").is_err());
/// let key = HashKey::new(b"thirty-two bytes of true randomness")?;
///
/// assert_eq!(format!("{key:?}"), format!("HashKey({})", key.id()));
/// # Ok::<(), audit::redact::WeakKey>(())
/// ```
#[derive(Clone)]
pub struct HashKey {
    /// Ready to hash, so that the key itself need not be kept.
    keyed: Hmac<Sha256>,
    id: String,
}

impl HashKey {
    /// A key from at least 32 bytes that are random and secret.
    ///
    /// # Errors
    ///
    /// When there are fewer of them.
    pub fn new(secret: &[u8]) -> Result<Self, WeakKey> {
        let weak = WeakKey {
            bytes: secret.len(),
        };
        if secret.len() < KEY_BYTES_MIN {
            return Err(weak);
        }
        let keyed = Hmac::new_from_slice(secret).map_err(|_| weak)?;
        let id = first_bytes_in_hex(&keyed, "audit key id", KEY_ID_BYTES);
        Ok(Self { keyed, id })
    }

    /// What hashes call this key: eight hexadecimal characters that tell nothing
    /// about it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn hash(&self, text: &str) -> String {
        let hash = first_bytes_in_hex(&self.keyed, text, HASH_BYTES);
        format!("hmac-sha256:{}:{hash}", self.id)
    }
}

impl fmt::Debug for HashKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "HashKey({})", self.id)
    }
}

/// A key for hashes was too short to be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a hash key of {bytes} bytes could be found by trying: make one of at least {KEY_BYTES_MIN} random bytes, \
     for instance with `openssl rand -hex 32`"
)]
pub struct WeakKey {
    /// How many bytes it had.
    pub bytes: usize,
}

fn first_bytes_in_hex(keyed: &Hmac<Sha256>, text: &str, bytes: usize) -> String {
    let hash = keyed.clone().chain_update(text).finalize().into_bytes();
    let mut hex = String::with_capacity(2 * bytes);
    for byte in hash.iter().take(bytes) {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_the_beginning_of_hmac_sha_256_behind_the_beginning_of_the_key_s_id() {
        let key = HashKey::new(&[b'k'; 32]).unwrap();
        // printf 'audit key id' | openssl dgst -sha256 -hmac kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk
        assert_eq!(key.id(), "df8e1620");
        // printf 'alice@example.com' | openssl dgst -sha256 -hmac kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk
        assert_eq!(
            key.hash("alice@example.com"),
            "hmac-sha256:df8e1620:0d8b3da1ccc85d32dd2c1a1863a4bd48"
        );
    }

    #[test]
    fn hashes_under_other_keys_are_others_and_say_so() {
        let one = HashKey::new(&[1; 32]).unwrap();
        let other = HashKey::new(&[2; 32]).unwrap();
        assert_ne!(one.id(), other.id());
        assert_ne!(
            one.hash("a").rsplit_once(':').unwrap().1,
            other.hash("a").rsplit_once(':').unwrap().1
        );
        assert_eq!(one.hash("a"), one.clone().hash("a"));
    }

    #[test]
    fn a_short_key_is_refused_with_the_way_to_make_a_long_one() {
        let weak = HashKey::new(&[b'k'; 31]).unwrap_err();
        assert_eq!(weak, WeakKey { bytes: 31 });
        assert!(weak.to_string().contains("31 bytes") && weak.to_string().contains("openssl rand"));
    }

    #[test]
    fn a_key_never_shows_itself() {
        let shown = format!("{:#?}", HashKey::new(&[b'k'; 32]).unwrap());
        assert!(!shown.contains("kk") && !shown.contains("107"), "{shown}");
    }
}
