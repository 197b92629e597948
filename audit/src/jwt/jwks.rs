//! Reads the document in which an issuer publishes its keys, after
//! [RFC 7517](https://www.rfc-editor.org/rfc/rfc7517).
//!
//! Keys for other purposes are left out, as its section 5 asks; so are keys that
//! would protect nothing. A document of which nothing remains is no set of keys.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::NAME_BYTES_MAX;
use super::key::{KEYS_MAX, Key};
use super::key_set::KeySet;

/// The longest document that is read, in bytes.
pub const JWKS_BYTES_MAX: usize = 256 * 1024;
/// The length of a coordinate on P-256 and of an Ed25519 key, in bytes.
const COORDINATE_BYTES: usize = 32;

/// A document that is no set of keys.
#[derive(Debug, thiserror::Error)]
pub enum JwksError {
    /// It is too long to be one.
    #[error("it has {0} bytes, and at most {JWKS_BYTES_MAX} are read")]
    TooLong(usize),
    /// It is not of the form that RFC 7517, section 5, describes.
    #[error("it is not a JSON object with a list `keys` (line {line}, column {column})")]
    Malformed {
        /// In which line reading ended.
        line: usize,
        /// In which column.
        column: usize,
    },
    /// It has more keys than anybody needs.
    #[error("it has {0} keys, and at most {KEYS_MAX} are read")]
    TooManyKeys(usize),
    /// No key in it can check the tokens that are accepted here.
    #[error("none of its {0} keys is a public key to check {algorithms} signatures with", algorithms = Names(.1))]
    NoUsableKey(usize, Vec<Algorithm>),
}

/// Why a key of a document is not used.
#[derive(Debug, thiserror::Error)]
enum LeftOut {
    #[error("it is not a JSON Web Key")]
    Malformed,
    #[error(
        "it is secret, so nothing that it signs can be trusted: its issuer should publish public keys only"
    )]
    Secret,
    #[error("it is not meant for checking signatures")]
    OtherUse,
    #[error("it is for an algorithm that is not accepted here")]
    OtherAlgorithm,
    #[error("its numbers make no key, or too weak a one")]
    Unsound,
}

impl LeftOut {
    /// Whether good documents hold such keys as well.
    fn is_usual(&self) -> bool {
        matches!(self, Self::OtherUse | Self::OtherAlgorithm)
    }
}

/// The members of a key that say whether it is used, and how. A member that comes
/// twice refuses the key (RFC 7517, section 4).
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    /// The secret part of a key pair (RFC 7518, sections 6.2.2 and 6.3.2).
    d: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow)]
    keys: Vec<&'a RawValue>,
}

impl KeySet {
    /// The keys of a JSON Web Key Set that check signatures of these algorithms.
    ///
    /// A key is left out, and the log says why, if its `kty`, `crv`, `alg`, `use` or
    /// `key_ops` are for something else, if it is secret, or if it is too weak.
    ///
    /// # Errors
    ///
    /// When the document cannot be read, is too large, or has no such key.
    pub fn from_jwks(document: &[u8], algorithms: &[Algorithm]) -> Result<Self, JwksError> {
        if document.len() > JWKS_BYTES_MAX {
            return Err(JwksError::TooLong(document.len()));
        }
        let Document { keys: found } =
            serde_json::from_slice(document).map_err(|error| JwksError::Malformed {
                line: error.line(),
                column: error.column(),
            })?;
        if found.len() > KEYS_MAX {
            return Err(JwksError::TooManyKeys(found.len()));
        }
        let mut keys = Vec::with_capacity(found.len());
        for (position, jwk) in found.iter().enumerate() {
            match read(jwk.get(), algorithms) {
                Ok(key) => keys.push(key),
                Err(why) if why.is_usual() => {
                    tracing::debug!(position, %why, "a key of the JWKS is left out");
                }
                Err(why) => tracing::warn!(position, %why, "a key of the JWKS is left out"),
            }
        }
        if keys.is_empty() {
            return Err(JwksError::NoUsableKey(found.len(), algorithms.to_vec()));
        }
        Ok(Self::new(keys))
    }
}

fn read(jwk: &str, algorithms: &[Algorithm]) -> Result<Key, LeftOut> {
    let jwk: Jwk = serde_json::from_str(jwk).map_err(|_| LeftOut::Malformed)?;
    if jwk.kty == "oct" || jwk.d.is_some() {
        return Err(LeftOut::Secret);
    }
    let algorithm = algorithm(&jwk)
        .filter(|algorithm| algorithms.contains(algorithm))
        .ok_or(LeftOut::OtherAlgorithm)?;
    let is_for_signatures = jwk.usage.as_deref().is_none_or(|usage| usage == "sig");
    let may_verify = jwk
        .key_ops
        .as_ref()
        .is_none_or(|operations| operations.iter().any(|operation| operation == "verify"));
    if !is_for_signatures || !may_verify {
        return Err(LeftOut::OtherUse);
    }
    if jwk
        .kid
        .as_deref()
        .is_some_and(|id| id.len() > NAME_BYTES_MAX)
    {
        return Err(LeftOut::Malformed);
    }
    let decoding = decoding(&jwk, algorithm).ok_or(LeftOut::Unsound)?;
    Key::public(jwk.kid, algorithm, decoding).ok_or(LeftOut::Unsound)
}

/// The one algorithm that a key of this type is used with here. A key that names
/// another one is for that alone (RFC 8725, section 3.1).
fn algorithm(jwk: &Jwk) -> Option<Algorithm> {
    let (algorithm, name) = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
        ("RSA", None) => (Algorithm::RS256, "RS256"),
        ("EC", Some("P-256")) => (Algorithm::ES256, "ES256"),
        ("OKP", Some("Ed25519")) => (Algorithm::EdDSA, "EdDSA"),
        _ => return None,
    };
    jwk.alg
        .as_deref()
        .is_none_or(|named| named == name)
        .then_some(algorithm)
}

/// The numbers of a key (RFC 7518, section 6, and RFC 8037, section 2).
fn decoding(jwk: &Jwk, algorithm: Algorithm) -> Option<DecodingKey> {
    let bytes = |number: &Option<String>| URL_SAFE_NO_PAD.decode(number.as_deref()?).ok();
    let coordinate = |number: &Option<String>| {
        bytes(number).filter(|coordinate| coordinate.len() == COORDINATE_BYTES)
    };
    Some(match algorithm {
        Algorithm::RS256 => DecodingKey::from_rsa_raw_components(&bytes(&jwk.n)?, &bytes(&jwk.e)?),
        Algorithm::ES256 => {
            // An uncompressed point (SEC 1, section 2.3.3).
            let point = [&[4], &*coordinate(&jwk.x)?, &*coordinate(&jwk.y)?].concat();
            DecodingKey::from_ec_der(&point)
        }
        Algorithm::EdDSA => DecodingKey::from_ed_der(&coordinate(&jwk.x)?),
        _ => return None,
    })
}

/// Algorithms as a text for people.
struct Names<'a>(&'a [Algorithm]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, algorithm) in self.0.iter().enumerate() {
            let separator = if position == 0 { "" } else { " or " };
            write!(formatter, "{separator}{algorithm:?}")?;
        }
        Ok(())
    }
}
