//! For services that take no silence for an answer.
//!
//! Elsewhere a field without a class is one of which names and contents decide. Here
//! it is a mistake, so that nobody can add a field without saying whether it may be
//! recorded:
//!
//! ```
//! use audit::strict::Auditable;
//! use serde::Deserialize;
//!
//! #[derive(Deserialize, Auditable)]
//! struct SignUp {
//!     #[audit(plain)]
//!     name: String,
//!     #[audit(secret)]
//!     mothers_maiden_name: String,
//! }
//! ```

pub use audit_macros::StrictAuditable as Auditable;

// The trait of the same name, so that both come with one import.
pub use crate::auditable::Auditable;
