//! Authentication by JSON Web Tokens, the default of the services here.
//!
//! Rules after [RFC 8725](https://www.rfc-editor.org/rfc/rfc8725): the algorithm
//! is fixed by the key and not by the token; `exp`, `iss`, `aud` and `sub` must be
//! there and are checked; keys that a token brings along (`jku`, `x5u`, `jwk`) are
//! ignored.
//!
//! No secret is compared here: aws-lc checks signatures, and it takes as long for a
//! wrong one as for a right one.

use std::collections::HashSet;

use actix_web::HttpRequest;
use actix_web::http::header::AUTHORIZATION;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::{Deserialize, Serialize};

use crate::authenticate::Authenticate;
use crate::problem::{EXPIRED_CREDENTIALS, INVALID_CREDENTIALS, MISSING_CREDENTIALS, Problem};
use crate::record::Actor;

/// How far clocks may differ, in seconds.
const LEEWAY_SECONDS: u64 = 5;
/// The longest token that is looked at.
const TOKEN_BYTES: usize = 8 * 1024;
/// The shortest HS256 secret: as long as its hash, after RFC 7518, section 3.2.
const SECRET_BYTES: usize = 32;
/// The longest subject, and the longest id of a token.
const NAME_BYTES: usize = 256;

/// What a token says.
#[derive(Debug, Serialize, Deserialize)]
pub struct Claims {
    /// Who it speaks for.
    pub sub: String,
    /// What they may do.
    #[serde(default)]
    pub roles: Vec<String>,
    /// The token's own id, which records name instead of the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
    /// Who issued it.
    pub iss: String,
    /// Whom it is for.
    pub aud: Audience,
    /// When it was issued, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iat: Option<u64>,
    /// When it ends, in seconds since 1970.
    pub exp: u64,
}

/// One audience or several, as RFC 7519 allows.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    /// One.
    One(String),
    /// Several.
    Several(Vec<String>),
}

/// Authenticates by bearer tokens.
pub struct Jwt {
    key: DecodingKey,
    validation: Validation,
}

/// A key that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The secret is too short to withstand guessing.
    #[error(
        "the HS256 secret has {0} bytes and needs at least 32: generate one with `openssl rand -hex 32`"
    )]
    TooShort(usize),
    /// The key is not of the kind that the algorithm needs.
    #[error("the key is not a PEM public key for {0:?}")]
    NotAKey(Algorithm),
    /// The algorithm is none that is accepted.
    #[error("{0:?} is not accepted: use RS256, ES256 or EdDSA")]
    NotAccepted(Algorithm),
}

impl Jwt {
    /// Accepts tokens signed with this shared secret (HS256).
    ///
    /// # Errors
    ///
    /// When the secret is shorter than 32 bytes.
    pub fn hs256(secret: &[u8], issuer: &str, audience: &str) -> Result<Self, KeyError> {
        if secret.len() < SECRET_BYTES {
            return Err(KeyError::TooShort(secret.len()));
        }
        let key = DecodingKey::from_secret(secret);
        Ok(Self::new(key, Algorithm::HS256, issuer, audience))
    }

    /// Accepts tokens signed with the private half of this public key.
    ///
    /// # Errors
    ///
    /// When the algorithm is not RS256, ES256 or EdDSA, or when the key is not a
    /// PEM public key for it.
    pub fn public_key(
        pem: &[u8],
        algorithm: Algorithm,
        issuer: &str,
        audience: &str,
    ) -> Result<Self, KeyError> {
        let key = match algorithm {
            Algorithm::RS256 => DecodingKey::from_rsa_pem(pem),
            Algorithm::ES256 => DecodingKey::from_ec_pem(pem),
            Algorithm::EdDSA => DecodingKey::from_ed_pem(pem),
            other => return Err(KeyError::NotAccepted(other)),
        };
        let key = key.map_err(|_| KeyError::NotAKey(algorithm))?;
        Ok(Self::new(key, algorithm, issuer, audience))
    }

    fn new(key: DecodingKey, algorithm: Algorithm, issuer: &str, audience: &str) -> Self {
        let mut validation = Validation::new(algorithm);
        validation.leeway = LEEWAY_SECONDS;
        validation.validate_nbf = true;
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[audience]);
        validation.required_spec_claims = ["exp", "iss", "aud", "sub"]
            .map(str::to_owned)
            .into_iter()
            .collect::<HashSet<_>>();
        Self { key, validation }
    }

    fn verify(&self, token: &str) -> Result<Claims, Problem> {
        let claims = jsonwebtoken::decode::<Claims>(token, &self.key, &self.validation)
            .map_err(|error| match error.kind() {
                ErrorKind::ExpiredSignature => {
                    Problem::new(&EXPIRED_CREDENTIALS, "Get a new token and try again.")
                        .with_challenge(
                            r#"Bearer error="invalid_token", error_description="expired""#,
                        )
                }
                _ => invalid(),
            })?
            .claims;
        let sane =
            |name: &str| (1..=NAME_BYTES).contains(&name.len()) && !name.contains(char::is_control);
        if !sane(&claims.sub) || !claims.jti.as_deref().is_none_or(sane) {
            return Err(invalid());
        }
        Ok(claims)
    }
}

impl Authenticate for Jwt {
    fn authenticate(&self, request: &HttpRequest) -> Result<Actor, Problem> {
        let Some(header) = request.headers().get(AUTHORIZATION) else {
            return Err(missing());
        };
        let token = header
            .to_str()
            .ok()
            .and_then(|header| header.split_once(' '))
            .filter(|(scheme, token)| {
                scheme.eq_ignore_ascii_case("bearer") && token.len() <= TOKEN_BYTES
            })
            .map(|(_, token)| token.trim())
            .ok_or_else(invalid)?;
        let claims = self.verify(token)?;
        let mut actor = Actor::user(claims.sub, "jwt");
        actor.roles = claims.roles;
        actor.credential = claims.jti;
        Ok(actor)
    }
}

/// Nothing was sent, so the challenge says only what to send (RFC 6750, section 3.1).
fn missing() -> Problem {
    Problem::new(
        &MISSING_CREDENTIALS,
        "Send a token: `Authorization: Bearer …`.",
    )
    .with_challenge("Bearer")
}

/// What exactly is wrong with a token is nothing to tell somebody who may have
/// forged it.
fn invalid() -> Problem {
    Problem::new(
        &INVALID_CREDENTIALS,
        "Get a new token from the issuer of this service.",
    )
    .with_challenge(r#"Bearer error="invalid_token""#)
}
