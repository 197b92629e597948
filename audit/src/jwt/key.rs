//! One key, and what makes it one that protects something.

use std::ops::RangeInclusive;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RsaPublicKeyComponents,
};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};

/// The most keys of a set. A token without an id of its key is tried with all of
/// its algorithm, so this bounds what a forged one costs.
pub(super) const KEYS_MAX: usize = 32;

/// The shortest HS256 secret: as long as its hash (RFC 7518, section 3.2).
const SECRET_BYTES_MIN: usize = 32;
/// The shortest RSA modulus (RFC 7518, section 3.3), and the longest: the time to
/// check a signature grows with its square.
const RSA_MODULUS_BITS: RangeInclusive<usize> = 2_048..=8_192;
/// The length of an RSA exponent. With 1, every message would be its own signature;
/// more than 33 bits nobody uses, and they only take time.
const RSA_EXPONENT_BITS: RangeInclusive<usize> = 2..=33;

/// A key that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The secret is too short to withstand guessing.
    #[error(
        "the HS256 secret has {0} bytes and needs at least 32: generate one with `openssl rand -hex 32`"
    )]
    TooShort(usize),
    /// The key is not of the kind that the algorithm needs.
    #[error("the key is not a PEM public key for {0:?}, or too weak to be one")]
    NotAKey(Algorithm),
    /// The algorithm is none that is accepted.
    #[error("{0:?} is not accepted: use RS256, ES256 or EdDSA")]
    NotAccepted(Algorithm),
    /// There is no key at all, or more than anybody needs.
    #[error("{0} keys were found: give 1 to {max}", max = KEYS_MAX)]
    Count(usize),
}

/// A key that tokens are checked with, for one algorithm only.
#[derive(Clone)]
pub(super) struct Key {
    /// How tokens name it. A key without an id may have signed any of them.
    pub(super) id: Option<String>,
    pub(super) algorithm: Algorithm,
    decoding: DecodingKey,
}

impl Key {
    /// A shared secret.
    pub(super) fn hs256(secret: &[u8]) -> Result<Self, KeyError> {
        if secret.len() < SECRET_BYTES_MIN {
            return Err(KeyError::TooShort(secret.len()));
        }
        Ok(Self {
            id: None,
            algorithm: Algorithm::HS256,
            decoding: DecodingKey::from_secret(secret),
        })
    }

    /// One block of PEM.
    pub(super) fn from_pem(pem: &[u8], algorithm: Algorithm) -> Result<Self, KeyError> {
        let decoding = match algorithm {
            Algorithm::RS256 => DecodingKey::from_rsa_pem(pem),
            Algorithm::ES256 => DecodingKey::from_ec_pem(pem),
            Algorithm::EdDSA => DecodingKey::from_ed_pem(pem),
            other => return Err(KeyError::NotAccepted(other)),
        };
        decoding
            .ok()
            .and_then(|decoding| Self::public(None, algorithm, decoding))
            .ok_or(KeyError::NotAKey(algorithm))
    }

    /// A public key, unless its numbers make none for the algorithm.
    pub(super) fn public(
        id: Option<String>,
        algorithm: Algorithm,
        decoding: DecodingKey,
    ) -> Option<Self> {
        is_sound(algorithm, &decoding).then_some(Self {
            id,
            algorithm,
            decoding,
        })
    }

    pub(super) fn decoding(&self) -> &DecodingKey {
        &self.decoding
    }
}

/// Whether a public key can be used, and only by whoever holds its private half.
/// Otherwise every token would be refused later, or none.
fn is_sound(algorithm: Algorithm, key: &DecodingKey) -> bool {
    match (algorithm, key.kind()) {
        (Algorithm::RS256, DecodingKeyKind::RsaModulusExponent { n, e }) => {
            RSA_MODULUS_BITS.contains(&bits(n))
                && RSA_EXPONENT_BITS.contains(&bits(e))
                && is_odd(n)
                && is_odd(e)
                && RsaPublicKeyComponents { n, e }
                    .to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
                    .is_ok()
        }
        // The length of the whole key stands for that of its modulus, the most of it.
        (Algorithm::RS256, DecodingKeyKind::SecretOrDer(der)) => {
            der.len() >= RSA_MODULUS_BITS.start() / 8
                && ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der).is_ok()
        }
        (Algorithm::ES256, DecodingKeyKind::SecretOrDer(point)) => {
            ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).is_ok()
        }
        (Algorithm::EdDSA, DecodingKeyKind::SecretOrDer(point)) => {
            !has_small_order(point) && ParsedPublicKey::new(&ED25519, point).is_ok()
        }
        _ => false,
    }
}

fn bits(number: &[u8]) -> usize {
    number.first().map_or(0, |first| {
        number.len() * 8 - usize::try_from(first.leading_zeros()).unwrap_or(0)
    })
}

fn is_odd(number: &[u8]) -> bool {
    number.last().is_some_and(|last| last % 2 == 1)
}

/// Whether an Ed25519 key is one of the few points for which anybody can make
/// signatures. RFC 8032 leaves them in; RFC 7748, section 6.1, tells of the same
/// ones in key agreement.
fn has_small_order(point: &[u8]) -> bool {
    let Ok(mut y) = <[u8; 32]>::try_from(point) else {
        return false;
    };
    // The topmost bit is the sign of the other coordinate: a point and its negative
    // have the same order.
    y[31] &= 0x7f;
    SMALL_ORDER.contains(&y)
}

/// The y coordinates of the points whose order divides 8, in the little-endian
/// encoding of RFC 8032, section 5.1.2: 0, 1, −1, the two of order 8, and the
/// spellings of 0 and 1 that are not reduced modulo p = 2²⁵⁵ − 19.
const SMALL_ORDER: [[u8; 32]; 7] = [
    [0; 32],
    little_endian(1, 0, 0),
    little_endian(0xec, 0xff, 0x7f),
    little_endian(0xed, 0xff, 0x7f),
    little_endian(0xee, 0xff, 0x7f),
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ],
];

/// 32 bytes that are all alike but the first and the last.
const fn little_endian(first: u8, middle: u8, last: u8) -> [u8; 32] {
    let mut bytes = [middle; 32];
    bytes[0] = first;
    bytes[31] = last;
    bytes
}
