//! An insurance claims desk, as somebody might write it who uses `audit` as a
//! dependency. Its README tells what to look for where.

mod app;
mod auth;
mod claims;
mod database;
mod error;
mod keys;
mod schema;

pub use app::{Desk, OpenError, Settings, app};
pub use auth::Role;
pub use claims::expire_drafts;
pub use database::{Database, MIGRATIONS};
pub use error::Error;
pub use keys::{NewKey, create_key};
