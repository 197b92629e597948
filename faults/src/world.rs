//! What a scenario takes place in.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use diesel::connection::SimpleConnection as _;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use private_postgres::{Binaries, Durability, PrivatePostgres, Settings};
use tempfile::TempDir;

use crate::Result;
use crate::proxy::Proxy;
use crate::service::Service;

/// A PostgreSQL for all scenarios, and the binaries under test.
pub struct World {
    postgres: PrivatePostgres,
    binary: PathBuf,
    faulty_binary: Option<PathBuf>,
    databases: AtomicU64,
    // Dropped last: the server writes to it until it has stopped.
    folder: TempDir,
}

/// What one scenario has to itself: a database, a proxy in front of it, and
/// folders.
pub(crate) struct Stage<'a> {
    pub(crate) world: &'a World,
    pub(crate) proxy: Proxy,
    pub(crate) database: String,
    folder: PathBuf,
    services: AtomicU64,
}

impl World {
    /// Starts a PostgreSQL whose programs are on the machine or in `cache`.
    ///
    /// `faulty_binary` is the service compiled with its fault points; scenarios
    /// that need it are left out without.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn start(binary: &Path, faulty_binary: Option<&Path>, cache: &Path) -> Result<Self> {
        if !binary.exists() {
            return Err(format!(
                "{} is not there: build the service with `cargo build -p items-api`",
                binary.display()
            )
            .into());
        }
        let binaries = Binaries::find_or_install(cache, &mut |_| ())?;
        let folder = tempfile::Builder::new().prefix("faults-").tempdir()?;
        let postgres = PrivatePostgres::start(
            &binaries,
            Settings {
                data_dir: folder.path().join("postgres"),
                durability: Durability::Full,
                max_connections: 200,
            },
        )?;
        Ok(Self {
            postgres,
            binary: fs::canonicalize(binary)?,
            faulty_binary: faulty_binary.map(fs::canonicalize).transpose()?,
            databases: AtomicU64::new(0),
            folder,
        })
    }

    /// A stage for a scenario of this name.
    pub(crate) fn stage(&self, name: &str) -> Result<Stage<'_>> {
        let number = self.databases.fetch_add(1, Ordering::SeqCst);
        let database = format!("{}_{number}", name.replace('-', "_"));
        self.postgres.ensure_database(&database)?;
        let url = self.postgres.database_url(&database);
        Ok(Stage {
            world: self,
            proxy: Proxy::start(&socket_of(&url)?)?,
            folder: self.folder.path().join(&database),
            database,
            services: AtomicU64::new(0),
        })
    }

    pub(crate) fn has_faulty_binary(&self) -> bool {
        self.faulty_binary.is_some()
    }

    /// The version of the server.
    ///
    /// # Errors
    ///
    /// When it cannot be asked.
    pub fn postgres_version(&self) -> Result<String> {
        let mut connection = PgConnection::establish(&self.postgres.database_url("postgres"))?;
        Ok(
            diesel::select(diesel::dsl::sql::<diesel::sql_types::Text>("version()"))
                .get_result(&mut connection)?,
        )
    }

    /// Kills the server as a crash does; its supervisor starts it again.
    pub(crate) fn kill_postgres(&self) -> Result {
        let pid_file = self.postgres.data_dir().join("cluster/postmaster.pid");
        let text = fs::read_to_string(pid_file)?;
        let pid = text.lines().next().ok_or("an empty postmaster.pid")?;
        let killed = Command::new("kill").args(["-9", pid]).status()?;
        if killed.success() {
            Ok(())
        } else {
            Err("the server cannot be killed".into())
        }
    }
}

impl Stage<'_> {
    /// An instance of the service with a folder of its own.
    pub(crate) fn service(&self) -> Result<Service> {
        self.service_of(&self.world.binary)
    }

    /// The same, with its fault points.
    pub(crate) fn faulty_service(&self) -> Result<Service> {
        let binary = self.world.faulty_binary.as_deref();
        self.service_of(binary.ok_or("no binary with fault points")?)
    }

    fn service_of(&self, binary: &Path) -> Result<Service> {
        let number = self.services.fetch_add(1, Ordering::SeqCst);
        let url = format!(
            "postgresql://127.0.0.1:{}/{}?user=postgres&sslmode=disable&gssencmode=disable",
            self.proxy.port(),
            self.database
        );
        Service::new(binary, self.folder.join(number.to_string()), &url)
    }

    /// A folder of the scenario's own.
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder.join(name);
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// A connection past the proxy, with all rights.
    pub(crate) fn connect(&self) -> Result<PgConnection> {
        let url = self.world.postgres.database_url(&self.database);
        Ok(PgConnection::establish(&url)?)
    }

    pub(crate) fn execute(&self, statements: &str) -> Result {
        Ok(self.connect()?.batch_execute(statements)?)
    }
}

/// Where the server's socket is, by its URL.
fn socket_of(url: &str) -> Result<PathBuf> {
    let parameter = |name: &str| {
        url.split(['?', '&'])
            .find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
            .ok_or_else(|| format!("no {name} in {url}"))
    };
    Ok(Path::new(parameter("host")?).join(format!(".s.PGSQL.{}", parameter("port")?)))
}
