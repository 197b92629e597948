//! Who may do what here, and tokens for local use.

use std::fs;
use std::future::{Ready, ready};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use audit::jwt::{Audience, Claims, Jwt, KeyError, KeySet, Keys};
use audit::problem::FORBIDDEN;
use audit::{Actor, Argument, Part, Problem};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use uuid::Uuid;

use crate::config::{JwtAlgorithm, JwtConfig, JwtKeys};
use crate::jwks;
use crate::secret_file::{self, SecretFileError};

/// What an actor may be here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Role {
    /// Uses items.
    User,
    /// Reads the audit trail.
    Auditor,
    /// Both, and may change everybody's items.
    Admin,
}

impl Role {
    /// The role's name in tokens.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Auditor => "auditor",
            Self::Admin => "admin",
        }
    }
}

/// An actor who may use items.
///
/// As the first argument of a handler it answers everybody else before anything
/// else of the request is looked at.
pub(crate) struct Member(Actor);

impl Member {
    /// Who it is.
    pub(crate) fn id(&self) -> &str {
        self.0.id.as_deref().unwrap_or_default()
    }

    /// Whether they may change what belongs to `owner`.
    pub(crate) fn may_change(&self, owner: &str) -> bool {
        self.id() == owner || self.0.has_any_role(&[Role::Admin.as_str()])
    }
}

impl Argument for Member {
    const PART: Part = Part::Nothing;
    type Payload = ();
}

impl FromRequest for Member {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Actor::of(request).and_then(|actor| {
            if actor.has_any_role(&[Role::User.as_str(), Role::Admin.as_str()]) {
                Ok(Self(actor))
            } else {
                Err(Problem::new(
                    &FORBIDDEN,
                    "Items take the role `user` or `admin`.",
                ))
            }
        }))
    }
}

/// Why tokens cannot be checked or made.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// The file with the public key cannot be read.
    #[error("cannot read {path}: {source}")]
    File {
        /// Which file.
        path: String,
        /// Why not.
        source: io::Error,
    },
    /// The file with the secret cannot be read or made.
    #[error(transparent)]
    Secret(#[from] SecretFileError),
    /// The key is not usable.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The service only checks tokens.
    #[error(
        "tokens are signed elsewhere, because a public key or a JWKS is configured: ask whoever holds the private key"
    )]
    SignedElsewhere,
    /// There is no thread to read the JWKS.
    #[error("cannot start the thread that reads the JWKS: {0}")]
    Thread(io::Error),
    /// Signing failed.
    #[error("cannot make a token: {0}")]
    Signing(String),
}

/// How tokens are checked.
pub(crate) struct Authentication {
    pub(crate) jwt: Jwt,
    /// Whether there are keys yet, so that tokens can be checked.
    pub(crate) keys: Keys,
    /// How it goes to follow a JWKS, where one is.
    pub(crate) jwks: Option<Arc<jwks::Status>>,
}

impl Authentication {
    /// Checks tokens as configured: by public keys, by a JWKS, or by the secret in the
    /// data folder, which is made if there is none.
    ///
    /// # Errors
    ///
    /// When a key cannot be read, made or used. That a JWKS cannot be reached is none:
    /// its keys may come later.
    pub(crate) fn new(config: &JwtConfig, data_dir: &Path) -> Result<Self, AuthError> {
        let JwtConfig {
            issuer,
            audience,
            keys,
            algorithm,
        } = config;
        let algorithm = match algorithm {
            JwtAlgorithm::Rs256 => Algorithm::RS256,
            JwtAlgorithm::Es256 => Algorithm::ES256,
            JwtAlgorithm::Eddsa => Algorithm::EdDSA,
        };
        let keys = match keys {
            JwtKeys::Secret => KeySet::hs256(&secret(data_dir)?)?,
            JwtKeys::PublicKeys(path) => {
                let pem = fs::read_to_string(path).map_err(|source| AuthError::File {
                    path: path.display().to_string(),
                    source,
                })?;
                KeySet::public_keys(&pem, algorithm)?
            }
            JwtKeys::Jwks { source, refresh } => {
                let jwks =
                    jwks::follow(source.clone(), algorithm, *refresh).map_err(AuthError::Thread)?;
                return Ok(Self {
                    keys: jwks.keys.clone(),
                    jwks: Some(Arc::clone(&jwks.status)),
                    jwt: Jwt::new(jwks.keys.clone(), issuer, audience).on_unknown_key(jwks.waker()),
                });
            }
        };
        let keys = Keys::from(keys);
        Ok(Self {
            jwt: Jwt::new(keys.clone(), issuer, audience),
            keys,
            jwks: None,
        })
    }
}

/// Makes a token for local use.
///
/// # Errors
///
/// When the service only checks tokens, or the secret cannot be read or made.
pub fn mint(
    config: &JwtConfig,
    data_dir: &Path,
    subject: &str,
    roles: &[Role],
    lifetime: Duration,
) -> Result<String, AuthError> {
    if !matches!(config.keys, JwtKeys::Secret) {
        return Err(AuthError::SignedElsewhere);
    }
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_err(|_| AuthError::Signing("the clock stands before 1970".to_owned()))?
        .as_secs();
    let claims = Claims {
        sub: subject.to_owned(),
        roles: roles.iter().map(|role| role.as_str().to_owned()).collect(),
        jti: Some(Uuid::new_v4().to_string()),
        iss: config.issuer.clone(),
        aud: Audience::One(config.audience.clone()),
        iat: Some(now),
        exp: now.saturating_add(lifetime.as_secs()),
    };
    let key = EncodingKey::from_secret(&secret(data_dir)?);
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key)
        .map_err(|error| AuthError::Signing(error.to_string()))
}

/// The secret of this data folder, which is made if there is none.
fn secret(data_dir: &Path) -> Result<Vec<u8>, SecretFileError> {
    secret_file::read_or_make(&data_dir.join("jwt-secret"))
}
