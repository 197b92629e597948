//! What tokens say.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::NAME_BYTES_MAX;
use crate::record::Actor;

/// The most roles of a token.
const ROLES_MAX: usize = 64;

/// What a token that this service makes says.
#[derive(Debug, Serialize)]
pub struct Claims {
    /// Who it speaks for.
    pub sub: String,
    /// What they may do.
    pub roles: Vec<String>,
    /// The token's own id, which records name instead of the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
    /// Who issued it.
    pub iss: String,
    /// Whom it is for.
    pub aud: Audience,
    /// When it was issued, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iat: Option<u64>,
    /// When it ends, in seconds since 1970.
    pub exp: u64,
}

/// One audience or several, as RFC 7519 allows.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Audience {
    /// One.
    One(String),
    /// Several.
    Several(Vec<String>),
}

/// What is used of a token that somebody sent. Its times and its audience are
/// checked where its signature is; the issuer stands here so that it is one text
/// (RFC 7519, section 4.1.1) and not a list with the right one in it.
#[derive(Deserialize)]
pub(super) struct Received {
    sub: String,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    jti: Option<String>,
    #[serde(rename = "iss")]
    _issuer: String,
}

impl Received {
    /// Whether everything that goes into records is of a size and a kind for them.
    pub(super) fn are_sane(&self) -> bool {
        let is_sane = |name: &str| {
            (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.contains(char::is_control)
        };
        is_sane(&self.sub)
            && self.jti.as_deref().is_none_or(is_sane)
            && self.roles.len() <= ROLES_MAX
            && self.roles.iter().all(|role| is_sane(role))
    }

    /// The actor that `token` speaks for.
    pub(super) fn into_actor(self, token: &str) -> Actor {
        let mut actor = Actor::user(self.sub, "jwt");
        actor.roles = self.roles;
        actor.credential = Some(self.jti.unwrap_or_else(|| fingerprint(token)));
        actor
    }
}

/// Names a token that has no id of its own, computed like the `ath` of RFC 9449,
/// section 4.2.
///
/// It cannot be turned into the token. Undoing SHA-256 is out of reach, so there is
/// only guessing whole tokens and comparing; and each holds, besides claims that may
/// be easy to guess, a signature or a code of at least 256 bits that nobody can tell
/// without the key. Whoever has the key need not guess.
fn fingerprint(token: &str) -> String {
    format!("sha256:{}", URL_SAFE_NO_PAD.encode(Sha256::digest(token)))
}
