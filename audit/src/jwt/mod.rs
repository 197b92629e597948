//! Authentication by JSON Web Tokens, the default of the services here.
//!
//! Rules after [RFC 8725](https://www.rfc-editor.org/rfc/rfc8725):
//!
//! - The key fixes the algorithm, and the token only agrees (section 3.1). A public
//!   key is never taken for a shared secret.
//! - `exp`, `iss`, `aud` and `sub` must be there and are checked, and `nbf` if it is
//!   there (sections 3.8 to 3.10).
//! - Keys that a token brings along or points to (`jku`, `jwk`, `x5u`, `x5c`) are
//!   never followed, and a header that asks for more (`crit`) refuses the token.
//! - Tokens of other kinds from the same issuer are refused by their `typ` (section
//!   3.11).
//!
//! No secret is compared here: aws-lc checks signatures, and it takes as long for a
//! wrong one as for a right one.
//!
//! Keys come from a [`KeySet`], and [`Keys`] replaces it while it is in use. How new
//! ones are fetched is the service's affair: [`Jwt::on_unknown_key`] tells it when.
//!
//! ```
//! use audit::jwt::{Algorithm, Jwt, KeySet, Keys};
//!
//! # fn fetch() -> &'static [u8] { br#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"1","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"# }
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let keys = Keys::default();
//! let jwt = Jwt::new(keys.clone(), "https://issuer.example", "orders");
//! // Until the first keys arrive, requests with a token are answered with 503.
//! keys.replace(KeySet::from_jwks(fetch(), &[Algorithm::EdDSA])?);
//! # Ok(())
//! # }
//! ```

mod claims;
mod jwks;
mod key;
mod key_set;

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::AUTHORIZATION;
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{Header, Validation};

pub use claims::{Audience, Claims};
pub use jsonwebtoken::Algorithm;
pub use jwks::{JWKS_BYTES_MAX, JwksError};
pub use key::KeyError;
pub use key_set::{KeySet, Keys};

use crate::authenticate::Authenticate;
use crate::problem::{
    AUTHENTICATION_UNAVAILABLE, EXPIRED_CREDENTIALS, INVALID_CREDENTIALS, MISSING_CREDENTIALS,
    Problem,
};
use crate::record::Actor;
use claims::Received;

/// How far clocks may differ, in seconds.
const LEEWAY_SECONDS: u64 = 5;
/// The longest token that is looked at.
const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// The longest subject, role, id of a token and id of a key.
const NAME_BYTES_MAX: usize = 256;
/// When trying again is worth it while there are no keys.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// Authenticates by bearer tokens.
pub struct Jwt {
    keys: Keys,
    validation: Validation,
    on_unknown_key: Box<dyn Fn() + Send + Sync>,
}

impl Jwt {
    /// Accepts tokens that were signed with one of these keys, by this issuer and
    /// for this audience.
    pub fn new(keys: impl Into<Keys>, issuer: &str, audience: &str) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = LEEWAY_SECONDS;
        validation.validate_nbf = true;
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[audience]);
        validation.required_spec_claims = ["exp", "iss", "aud", "sub"]
            .map(str::to_owned)
            .into_iter()
            .collect::<HashSet<_>>();
        Self {
            keys: keys.into(),
            validation,
            on_unknown_key: Box::new(|| {}),
        }
    }

    /// Calls `wake` whenever a token names a key that is not in the set, because
    /// its issuer may have published a new one. The token is refused all the same:
    /// nobody waits for the answer.
    ///
    /// Anybody can send such tokens, and `wake` runs within their requests: it must
    /// neither wait nor do something each time that it is called.
    #[must_use]
    pub fn on_unknown_key(mut self, wake: impl Fn() + Send + Sync + 'static) -> Self {
        self.on_unknown_key = Box::new(wake);
        self
    }

    fn verify(&self, token: &str) -> Result<Received, Problem> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| invalid())?;
        if !is_understood(&header) {
            return Err(invalid());
        }
        let keys = self.keys.current().ok_or_else(unavailable)?;
        let key_id = header.kid.as_deref();
        let mut validation = self.validation.clone();
        validation.algorithms = vec![header.alg];
        for key in keys.fitting(header.alg, key_id) {
            match jsonwebtoken::decode::<Received>(token, key.decoding(), &validation) {
                Ok(token) if token.claims.are_sane() => return Ok(token.claims),
                Ok(_) => return Err(invalid()),
                Err(error) if matches!(error.kind(), ErrorKind::InvalidSignature) => {}
                Err(error) => return Err(refused(&error)),
            }
        }
        if key_id.is_some_and(|id| !keys.names(id)) {
            (self.on_unknown_key)();
        }
        Err(invalid())
    }
}

impl Authenticate for Jwt {
    fn authenticate(&self, request: &HttpRequest) -> Result<Actor, Problem> {
        let token = bearer_token(request)?;
        let claims = self.verify(token)?;
        Ok(claims.into_actor(token))
    }
}

impl fmt::Debug for Jwt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Jwt")
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}

/// The token of the only `Authorization` header: with two, it would be anybody's
/// guess which one a proxy before us has looked at.
fn bearer_token(request: &HttpRequest) -> Result<&str, Problem> {
    let mut headers = request.headers().get_all(AUTHORIZATION);
    let header = headers.next().ok_or_else(missing)?;
    if headers.next().is_some() {
        return Err(invalid());
    }
    header
        .to_str()
        .ok()
        .and_then(|header| header.split_once(' '))
        .map(|(scheme, token)| (scheme, token.trim_matches(' ')))
        .filter(|(scheme, token)| {
            scheme.eq_ignore_ascii_case("bearer") && token.len() <= TOKEN_BYTES_MAX
        })
        .map(|(_, token)| token)
        .ok_or_else(invalid)
}

/// Whether a token is of a kind that speaks for somebody here, and asks for nothing
/// that is not known here (RFC 7515, section 4.1.11).
///
/// The kind is a media type, whose `application/` may be missing and whose case does
/// not matter (section 4.1.9). Access tokens are `JWT` or, after RFC 9068, `at+jwt`;
/// whatever else an issuer signs with the same key, such as logout tokens and proofs
/// of possession, says so.
fn is_understood(header: &Header) -> bool {
    let is_access_token = header.typ.as_deref().is_none_or(|kind| {
        let kind = kind.to_ascii_lowercase();
        let kind = kind.strip_prefix("application/").unwrap_or(&kind);
        matches!(kind, "jwt" | "at+jwt")
    });
    let is_short = |name: &str| name.len() <= NAME_BYTES_MAX;
    is_access_token && header.crit.is_none() && header.kid.as_deref().is_none_or(is_short)
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

/// That a token has expired is told only after its signature was checked.
fn refused(error: &Error) -> Problem {
    match error.kind() {
        ErrorKind::ExpiredSignature => {
            Problem::new(&EXPIRED_CREDENTIALS, "Get a new token and try again.")
                .with_challenge(r#"Bearer error="invalid_token", error_description="expired""#)
        }
        _ => invalid(),
    }
}

/// The token may be perfectly good. A 401 would make clients throw it away and
/// people sign in again, for nothing.
fn unavailable() -> Problem {
    Problem::new(
        &AUTHENTICATION_UNAVAILABLE,
        "The keys to check tokens with have not arrived; keep the token and try again in a moment.",
    )
    .with_retry_after(RETRY_AFTER)
}
