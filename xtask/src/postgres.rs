//! PostgreSQL for the commands that need one.

use std::path::PathBuf;

use private_postgres::{Binaries, Durability, PrivatePostgres, Settings};
use tempfile::TempDir;

use crate::command::say;
use crate::{Result, cache};

/// Where PostgreSQL's programs are kept if they had to be fetched.
pub(crate) fn program_cache() -> PathBuf {
    cache().join("postgres")
}

/// Finds PostgreSQL's programs, or fetches them.
pub(crate) fn programs() -> Result<Binaries> {
    Ok(Binaries::find_or_install(
        &program_cache(),
        &mut |progress| say(progress),
    )?)
}

/// A PostgreSQL that is gone when it is dropped, and fast because nothing in it
/// has to survive.
pub(crate) struct Throwaway {
    // Declared first, so that the server stops before its folder goes.
    server: PrivatePostgres,
    _folder: TempDir,
}

impl Throwaway {
    pub(crate) fn start() -> Result<Self> {
        let programs = programs()?;
        let folder = tempfile::Builder::new().prefix("audit-tests-").tempdir()?;
        let server = PrivatePostgres::start(
            &programs,
            Settings {
                data_dir: folder.path().join("postgres"),
                durability: Durability::Throwaway,
                max_connections: 300,
            },
        )?;
        Ok(Self {
            server,
            _folder: folder,
        })
    }

    pub(crate) fn url(&self) -> String {
        self.server.database_url("postgres")
    }
}
