//! What can go wrong, and how clients are told.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use audit::problem::Reason;
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use serde::Serialize;

/// Why a request, or a command, came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request itself is at fault.
    #[error("{0}")]
    Invalid(String),
    /// There is no key, or one that nobody has.
    #[error("send a key: `Authorization: Bearer …`")]
    KeyRequired,
    /// The key is of another role.
    #[error("this takes a key of the role `{0}`")]
    Forbidden(&'static str),
    /// There is no such claim, or it is somebody else's.
    #[error("there is no such claim")]
    ClaimNotFound,
    /// The claim is past what was attempted, or not there yet.
    #[error("the claim is {0}, so this is not possible")]
    WrongStatus(&'static str),
    /// A file is larger than evidence may be.
    #[error("evidence has at most {} MiB", crate::claims::EVIDENCE_BYTES_MAX >> 20)]
    TooLarge,
    /// Postgres cannot be reached or is busy.
    #[error("the store cannot be reached: see what has changed before you try again")]
    Unavailable,
    /// Anything else, which is in the log.
    #[error("the claims desk made a mistake")]
    Broken,
}

/// The body of every error of this service.
#[derive(Serialize)]
struct Body {
    error: &'static str,
    message: String,
}

impl Error {
    fn kind(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Invalid(_) => (StatusCode::BAD_REQUEST, "invalid_request"),
            Self::KeyRequired => (StatusCode::UNAUTHORIZED, "key_required"),
            Self::Forbidden(_) => (StatusCode::FORBIDDEN, "wrong_role"),
            Self::ClaimNotFound => (StatusCode::NOT_FOUND, "claim_not_found"),
            Self::WrongStatus(_) => (StatusCode::CONFLICT, "wrong_status"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "evidence_too_large"),
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            Self::Broken => (StatusCode::INTERNAL_SERVER_ERROR, "broken"),
        }
    }

    /// Something that no client can mend: they are told no more than that.
    pub(crate) fn broken(cause: impl std::fmt::Display) -> Self {
        tracing::error!(%cause, "a request failed");
        Self::Broken
    }
}

impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        self.kind().0
    }

    fn error_response(&self) -> HttpResponse {
        let (status, code) = self.kind();
        let mut response = HttpResponse::build(status).json(Body {
            error: code,
            message: self.to_string(),
        });
        // The record of the attempt gives the same reason as the answer, and not
        // only its status.
        response.extensions_mut().insert(Reason(code));
        response
    }
}

impl From<DieselError> for Error {
    fn from(error: DieselError) -> Self {
        match error {
            DieselError::DatabaseError(
                DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand,
                _,
            ) => Self::Unavailable,
            other => Self::broken(other),
        }
    }
}
