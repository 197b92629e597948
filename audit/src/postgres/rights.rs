//! What the login of a connection may do, whatever role it has taken on.

use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};

use super::connect::establish;
use super::{Store, StoreSettings};

/// How much more a login may do than a service needs, from least to most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rights {
    /// It may become the roles that it needs.
    Least,
    /// It owns nothing, but may change records, or make objects or roles.
    Excess,
    /// The tables are its own, so it can drop what protects them.
    Owner,
    /// Nothing is refused to it.
    Superuser,
}

impl Rights {
    const ALL: [Self; 4] = [Self::Least, Self::Excess, Self::Owner, Self::Superuser];

    /// The name in records and logs.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Least => "least",
            Self::Excess => "excess",
            Self::Owner => "owner",
            Self::Superuser => "superuser",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rights| rights.as_str() == name)
    }
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    rights: String,
    #[diesel(sql_type = Bool)]
    may_migrate: bool,
}

/// What a login was found to be.
pub(super) struct Login {
    pub(super) rights: Rights,
    /// Whether it can run migrations with the role that it has from the beginning.
    pub(super) may_migrate: bool,
}

impl Login {
    /// Asks for the rights of the session's own login. Where the tables are not
    /// there yet, whoever may make them will own them.
    pub(super) fn of(connection: &mut PgConnection) -> QueryResult<Self> {
        let row: Row = diesel::sql_query(
            "SELECT CASE \
                 WHEN rolsuper THEN 'superuser' \
                 WHEN pg_has_role(session_user, relowner, 'MEMBER') \
                     OR (relowner IS NULL AND has_schema_privilege(session_user, current_schema(), 'CREATE')) \
                     THEN 'owner' \
                 WHEN rolcreaterole OR rolbypassrls \
                     OR has_table_privilege(session_user, records, 'UPDATE, DELETE, TRUNCATE, TRIGGER') \
                     OR has_schema_privilege(session_user, relnamespace, 'CREATE') \
                     THEN 'excess' \
                 ELSE 'least' \
             END AS rights, \
             rolsuper OR COALESCE( \
                 pg_has_role(session_user, relowner, 'USAGE'), \
                 has_schema_privilege(session_user, current_schema(), 'CREATE'), \
                 false \
             ) AS may_migrate \
             FROM pg_roles, LATERAL (SELECT to_regclass('audit_records')::oid AS records) AS here \
             LEFT JOIN pg_class ON pg_class.oid = records \
             WHERE rolname = session_user",
        )
        .get_result(connection)?;
        let rights = Rights::from_name(&row.rights)
            .ok_or_else(|| diesel::result::Error::DeserializationError("unknown rights".into()))?;
        Ok(Self {
            rights,
            may_migrate: row.may_migrate,
        })
    }
}

impl StoreSettings {
    /// What the login may do, if Postgres says so within `patience`: it may be away, and
    /// a service starts all the same.
    pub(crate) fn rights(&self, patience: Duration) -> Option<Rights> {
        let url = self.url.clone();
        let (answer, rights) = channel();
        let asked = thread::Builder::new()
            .name("audit-rights".to_owned())
            .spawn(move || {
                let login = establish(&url, "audit")
                    .ok()
                    .and_then(|mut connection| Login::of(&mut connection).ok());
                // Whoever asked may have lost patience.
                let _ = answer.send(login.map(|login| login.rights));
            });
        asked.ok()?;
        rights.recv_timeout(patience).ok().flatten()
    }
}

impl Store {
    /// What the login may do, once a writer has connected.
    pub(crate) fn rights(&self) -> Option<Rights> {
        self.pools.rights.get().copied()
    }
}
