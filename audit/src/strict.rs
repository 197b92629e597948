//! For services that take no silence for an answer.
//!
//! Elsewhere a field without a class is one of which its name decides. Here
//! it is a mistake, so that nobody can add a field without saying whether it may be
//! recorded:
//!
//! ```
//! use actix_web::HttpResponse;
//! use actix_web::web::Json;
//! use audit::strict::{Auditable, audited};
//! use serde::Deserialize;
//!
//! #[derive(Deserialize, Auditable)]
//! struct SignUp {
//!     #[audit(plain)]
//!     name: String,
//!     #[audit(secret)]
//!     mothers_maiden_name: String,
//! }
//!
//! #[audited(action = "sign_up", resource = "account")]
//! async fn sign_up(Json(new): Json<SignUp>) -> HttpResponse {
//!     HttpResponse::Created().finish()
//! }
//! ```
//!
//! The attribute `audited` in here is the one of the crate with `strict` always said:
//! each argument must be known to read nothing that is not
//! [`Classified`](crate::Classified), or be skipped, and so must the answer if it is
//! captured. Extractors of one's own say what they read by implementing
//! [`Argument`](crate::Argument).
//!
//! For a whole crate, import both from here, and let clippy watch over it with
//! `disallowed-macros = ["audit::audited", "audit::Auditable"]` in `clippy.toml`.

pub use audit_macros::{StrictAuditable as Auditable, strict_audited as audited};

// The trait of the same name, so that both come with one import.
pub use crate::auditable::Auditable;
