//! The logins of a private Postgres: one owns everything, and the service's own owns
//! nothing, as it should be anywhere else.

use diesel::connection::SimpleConnection as _;
use diesel::pg::PgConnection;
use diesel::prelude::*;

/// The login that the service uses.
pub const SERVICE: &str = "items_service";

/// Every start sends it, so each statement says the same however often it is said.
/// The roles come with the migrations, too; whoever is first makes them.
const PREPARE: &str = "
    DO $$
    DECLARE
        role_name text;
    BEGIN
        FOREACH role_name IN ARRAY ARRAY['audit_writer', 'audit_reader', 'items_editor'] LOOP
            IF to_regrole(role_name) IS NULL THEN
                EXECUTE format('CREATE ROLE %I NOLOGIN', role_name);
            END IF;
        END LOOP;
        IF to_regrole('items_service') IS NULL THEN
            CREATE ROLE items_service LOGIN NOINHERIT;
        END IF;
        GRANT audit_writer, audit_reader, items_editor TO items_service;
    END
    $$";

/// Why there are no logins.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// Postgres cannot be reached.
    #[error("cannot prepare the logins of the private PostgreSQL: {0}")]
    Connection(#[from] ConnectionError),
    /// Postgres refuses.
    #[error("cannot prepare the logins of the private PostgreSQL: {0}")]
    Statement(#[from] diesel::result::Error),
}

/// Makes the service's login, if there is none, as whoever `superuser_url` names.
///
/// # Errors
///
/// When Postgres cannot be reached, or refuses.
pub fn prepare(superuser_url: &str) -> Result<(), LoginError> {
    Ok(PgConnection::establish(superuser_url)?.batch_execute(PREPARE)?)
}
