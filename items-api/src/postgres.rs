//! The Postgres that a command uses, and its own one for as long as it does.

use items_api::config::Config;
use items_api::{logins, serve};
use private_postgres::{Binaries, Durability, PrivatePostgres, RunningPostgres, Settings};

/// What the database of a private Postgres is called.
const DATABASE: &str = "postgres";

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Where it is, and what has to live meanwhile.
pub(crate) struct Postgres {
    /// As the owner of a private one, unless it is for reading.
    pub(crate) url: String,
    private: Option<PrivatePostgres>,
}

impl Postgres {
    /// The one at `url`, or else a private one.
    pub(crate) fn open(config: &Config, url: Option<&String>) -> Result<Self> {
        if let Some(url) = url {
            return Ok(Self::at(url.clone()));
        }
        serve::prepare_data_dir(&config.data_dir)?;
        let binaries = Binaries::find(&config.postgres_cache).ok_or(
            "no PostgreSQL on this machine: set DATABASE_URL, install PostgreSQL, or start the service by `cargo xtask run`, which fetches one",
        )?;
        tracing::info!("starting a private PostgreSQL; the first time takes a few seconds");
        let private = PrivatePostgres::start(
            &binaries,
            Settings {
                data_dir: config.data_dir.join("postgres"),
                durability: Durability::Full,
                max_connections: 50,
            },
        )?;
        Ok(Self {
            url: private.database_url(DATABASE),
            private: Some(private),
        })
    }

    /// The one that the service uses, whether it runs or not, as the login that owns
    /// nothing. A private one that is not there is not made: it would be empty.
    pub(crate) fn open_for_reading(config: &Config) -> Result<Self> {
        if let Some(url) = config.reader_database_url() {
            return Ok(Self::at(url.clone()));
        }
        let data_dir = config.data_dir.join("postgres");
        if let Some(running) = RunningPostgres::find(&data_dir)? {
            return Ok(Self::at(running.database_url_as(DATABASE, logins::SERVICE)));
        }
        if !data_dir.exists() {
            return Err(format!(
                "there is no database: set DATABASE_URL, or --data-dir to the service's data folder, where {} is missing",
                data_dir.display()
            )
            .into());
        }
        let mut postgres = Self::open(config, None)?;
        if let Some(url) = postgres.prepare_service_login()? {
            postgres.url = url;
        }
        Ok(postgres)
    }

    fn at(url: String) -> Self {
        Self { url, private: None }
    }

    /// Where the service logs in to a private one.
    pub(crate) fn prepare_service_login(&self) -> Result<Option<String>> {
        let Some(private) = &self.private else {
            return Ok(None);
        };
        logins::prepare(&self.url)?;
        Ok(Some(private.database_url_as(DATABASE, logins::SERVICE)))
    }
}
