//! What a scenario takes place in.

use std::cell::RefCell;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use private_postgres::{Binaries, Durability, PrivatePostgres, Settings};
use tempfile::TempDir;

use crate::Result;
use crate::cluster::Cluster;
use crate::proxy::Proxy;
use crate::service::Service;

/// Settings of a run.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long records may take to arrive once everything is repaired.
    pub patience: Duration,
    /// Number of orders of `year-of-kills`.
    pub orders: u32,
    /// Seed of `year-of-kills`.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(90),
            orders: 1_000,
            seed: 1,
        }
    }
}

/// A PostgreSQL for all scenarios, and the binaries under test.
pub struct World {
    postgres: PrivatePostgres,
    binary: PathBuf,
    faulty_binary: Option<PathBuf>,
    databases: AtomicU64,
    pub(crate) binaries: Binaries,
    pub(crate) options: Options,
    // Dropped last: the server writes to it until it has stopped.
    folder: TempDir,
}

/// What one scenario has to itself: a database, a proxy in front of it, and
/// folders.
pub(crate) struct Stage<'a> {
    pub(crate) world: &'a World,
    pub(crate) proxy: Proxy,
    pub(crate) database: String,
    /// Where the database is.
    server: RefCell<String>,
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
        let binaries = Binaries::find_or_install(cache, &mut |_| ())?;
        Self::on(&binaries, binary, faulty_binary, Options::default())
    }

    /// Starts one of these programs.
    ///
    /// # Errors
    ///
    /// When it does not start, or the service has not been built.
    pub fn on(
        binaries: &Binaries,
        binary: &Path,
        faulty_binary: Option<&Path>,
        options: Options,
    ) -> Result<Self> {
        if !binary.exists() {
            return Err(format!(
                "{} is not there: build the service with `cargo build -p items-api`",
                binary.display()
            )
            .into());
        }
        // Other users may pass through: Postgres does not run as root.
        let folder = tempfile::Builder::new()
            .prefix("faults-")
            .permissions(Permissions::from_mode(0o711))
            .tempdir()?;
        let postgres = PrivatePostgres::start(
            binaries,
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
            binaries: binaries.clone(),
            options,
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
            server: RefCell::new(url.clone()),
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
        self.service_at(binary, &[self.proxy.port()])
    }

    /// An instance that is given several addresses of its database, in this order.
    pub(crate) fn service_with(&self, ports: &[u16]) -> Result<Service> {
        self.service_at(&self.world.binary, ports)
    }

    fn service_at(&self, binary: &Path, ports: &[u16]) -> Result<Service> {
        let number = self.services.fetch_add(1, Ordering::SeqCst);
        let hosts: Vec<String> = ports
            .iter()
            .map(|port| format!("127.0.0.1:{port}"))
            .collect();
        let url = format!(
            "postgresql://{}/{}?user=postgres&sslmode=disable&gssencmode=disable",
            hosts.join(","),
            self.database
        );
        Service::new(binary, self.folder.join(number.to_string()), &url)
    }

    /// A new cluster of the scenario's own, which is not started.
    pub(crate) fn cluster(&self, name: &str) -> Result<Cluster> {
        Cluster::create(&self.world.binaries, &self.clusters()?.join(name))
    }

    /// A new cluster that runs and holds the scenario's database, behind the proxy.
    pub(crate) fn primary(&self, settings: &[&str]) -> Result<Cluster> {
        let mut cluster = self.cluster("primary")?;
        for setting in settings {
            cluster.set(setting);
        }
        cluster.start()?;
        cluster.execute("postgres", &format!("CREATE DATABASE {}", self.database))?;
        self.switch_to(&cluster);
        Ok(cluster)
    }

    /// The folder of its clusters.
    pub(crate) fn clusters(&self) -> Result<PathBuf> {
        let folder = self.folder("clusters")?;
        for path in [&self.folder, &folder] {
            fs::set_permissions(path, Permissions::from_mode(0o711))?;
        }
        Ok(folder)
    }

    /// Leads the service's new connections and the oracle to another cluster.
    pub(crate) fn switch_to(&self, cluster: &Cluster) {
        self.proxy.lead_to(&cluster.socket());
        *self.server.borrow_mut() = cluster.url(&self.database);
    }

    /// A folder of the scenario's own.
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder.join(name);
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// A connection past the proxy, with all rights.
    pub(crate) fn connect(&self) -> Result<PgConnection> {
        Ok(PgConnection::establish(&self.server.borrow())?)
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
