//! What can be set: by a flag, else by an environment variable, else in a TOML
//! file, else by default.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde::Deserialize;

/// The file that is read when no other is named.
const DEFAULT_FILE: &str = "items-api.toml";

/// Options that every command takes. Each is also a key of the TOML file, spelled
/// with underscores.
#[derive(Args, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// TOML file with these options [default: items-api.toml, if there is one]
    #[arg(long, env = "ITEMS_API_CONFIG", global = true, value_name = "FILE")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// Address to listen on; port 0 takes a free one and prints it [default: 127.0.0.1:8000]
    #[arg(long, env = "ITEMS_API_BIND", global = true, value_name = "ADDRESS")]
    pub bind: Option<SocketAddr>,
    /// Folder for the journal of audit records, the private Postgres and the local
    /// signing secret [default: ./data]
    #[arg(long, env = "ITEMS_API_DATA_DIR", global = true, value_name = "FOLDER")]
    pub data_dir: Option<PathBuf>,
    /// Postgres to use; without it the service runs a private one in its data folder
    #[arg(
        long,
        env = "DATABASE_URL",
        hide_env_values = true,
        global = true,
        value_name = "URL"
    )]
    pub database_url: Option<String>,
    /// The same Postgres with the login that owns the tables, for migrations and dead
    /// letters; the service's own login needs less then [default: the database itself]
    #[arg(
        long,
        env = "ITEMS_API_OWNER_URL",
        hide_env_values = true,
        global = true,
        value_name = "URL"
    )]
    pub owner_url: Option<String>,
    /// Replica that answers queries of the audit trail [default: the database itself]
    #[arg(
        long,
        env = "AUDIT_READ_URL",
        hide_env_values = true,
        global = true,
        value_name = "URL"
    )]
    pub audit_read_url: Option<String>,
    /// What a record survives before its response goes out: a killed process (crash),
    /// a power cut too (power_loss), or neither (memory); or to be committed in one
    /// transaction with the change that it tells of (transaction) [default: crash]
    #[arg(
        long,
        env = "ITEMS_API_AUDIT_DURABILITY",
        global = true,
        value_name = "NAME"
    )]
    pub audit_durability: Option<AuditDurability>,
    /// Folder where audit records wait for Postgres, for this process alone
    /// [default: journal, in the data folder]
    #[arg(
        long,
        env = "ITEMS_API_AUDIT_JOURNAL_DIR",
        global = true,
        value_name = "FOLDER"
    )]
    pub audit_journal_dir: Option<PathBuf>,
    /// Megabytes that may wait there before requests are refused [default: 4096]
    #[arg(
        long,
        env = "ITEMS_API_AUDIT_JOURNAL_QUOTA_MB",
        global = true,
        value_name = "MEGABYTES"
    )]
    pub audit_journal_quota_mb: Option<u64>,
    /// Megabytes of that disk that are left to others [default: 256]
    #[arg(
        long,
        env = "ITEMS_API_AUDIT_JOURNAL_RESERVE_MB",
        global = true,
        value_name = "MEGABYTES"
    )]
    pub audit_journal_reserve_mb: Option<u64>,
    /// Threads that write audit records, each with a connection [default: 2]
    #[arg(
        long,
        env = "ITEMS_API_AUDIT_WRITERS",
        global = true,
        value_name = "COUNT",
        value_parser = clap::value_parser!(u32).range(1..=64)
    )]
    pub audit_writers: Option<u32>,
    /// Seconds that Postgres may take for a batch of audit records before it is sent
    /// again on another connection [default: 30]
    #[arg(
        long,
        env = "ITEMS_API_AUDIT_INSERT_TIMEOUT_S",
        global = true,
        value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(1..=3600)
    )]
    pub audit_insert_timeout_s: Option<u64>,
    /// Folder in which PostgreSQL's programs are looked for, besides the usual places
    #[arg(
        long,
        env = "PRIVATE_POSTGRES_CACHE",
        global = true,
        value_name = "FOLDER"
    )]
    pub postgres_cache: Option<PathBuf>,
    /// Issuer that tokens must name (`iss`) [default: items-api]
    #[arg(long, env = "ITEMS_API_JWT_ISSUER", global = true, value_name = "NAME")]
    pub jwt_issuer: Option<String>,
    /// Audience that tokens must name (`aud`) [default: items-api]
    #[arg(
        long,
        env = "ITEMS_API_JWT_AUDIENCE",
        global = true,
        value_name = "NAME"
    )]
    pub jwt_audience: Option<String>,
    /// PEM file with the public key that tokens are checked with; without it a
    /// secret in the data folder is used (HS256)
    #[arg(
        long,
        env = "ITEMS_API_JWT_PUBLIC_KEY",
        global = true,
        value_name = "FILE"
    )]
    pub jwt_public_key: Option<PathBuf>,
    /// Algorithm of that public key [default: es256]
    #[arg(
        long,
        env = "ITEMS_API_JWT_ALGORITHM",
        global = true,
        value_name = "NAME"
    )]
    pub jwt_algorithm: Option<JwtAlgorithm>,
    /// What to log, for example `info` or `warn,audit=debug` [default: info,actix_server=warn]
    #[arg(long, env = "ITEMS_API_LOG", global = true, value_name = "FILTER")]
    pub log: Option<String>,
    /// How to log [default: text]
    #[arg(
        long,
        env = "ITEMS_API_LOG_FORMAT",
        global = true,
        value_name = "FORMAT"
    )]
    pub log_format: Option<LogFormat>,
    /// Seconds that requests, and then records, get to finish when the service
    /// stops [default: 10]
    #[arg(
        long,
        env = "ITEMS_API_SHUTDOWN_TIMEOUT_S",
        global = true,
        value_name = "SECONDS"
    )]
    pub shutdown_timeout_s: Option<u64>,
}

/// How tokens that are signed elsewhere are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum JwtAlgorithm {
    /// RSA with SHA-256.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    Eddsa,
}

/// What an audit record survives before its response goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum AuditDurability {
    /// Nothing: a process that is killed loses its last records.
    Memory,
    /// The end of the process.
    Crash,
    /// The end of the process, and of the power.
    PowerLoss,
    /// It is in the transaction of the change.
    Transaction,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs, one object a line.
    Json,
}

/// Everything set, one way or another.
#[derive(Clone)]
pub struct Config {
    /// Address to listen on.
    pub bind: SocketAddr,
    /// Where the service keeps what is its own.
    pub data_dir: PathBuf,
    /// Postgres, unless a private one is to be started.
    pub database_url: Option<String>,
    /// The same Postgres with the login that owns the tables, if that is another one.
    pub owner_url: Option<String>,
    /// Where queries of the audit trail are answered.
    pub audit_read_url: Option<String>,
    /// How audit records are kept.
    pub audit: AuditConfig,
    /// Where PostgreSQL's programs may be.
    pub postgres_cache: PathBuf,
    /// How tokens are checked.
    pub jwt: JwtConfig,
    /// What to log.
    pub log: String,
    /// How to log.
    pub log_format: LogFormat,
    /// How long requests, and then records, get to finish.
    pub shutdown_timeout: Duration,
}

impl Config {
    /// Where the tables' owner logs in, unless a private Postgres is to be started.
    #[must_use]
    pub fn owner_database_url(&self) -> Option<&String> {
        self.owner_url.as_ref().or(self.database_url.as_ref())
    }
}

/// How audit records are kept until they are in Postgres.
#[derive(Clone)]
pub struct AuditConfig {
    /// What a record survives before its response goes out.
    pub durability: AuditDurability,
    /// Where records wait.
    pub journal_dir: PathBuf,
    /// How many megabytes of them.
    pub journal_quota_mb: u64,
    /// How many megabytes of the disk are left to others.
    pub journal_reserve_mb: u64,
    /// How many threads write.
    pub writers: u32,
    /// How long Postgres may take for one batch.
    pub insert_timeout: Duration,
}

/// How tokens are checked.
#[derive(Clone)]
pub struct JwtConfig {
    /// Who must have issued them.
    pub issuer: String,
    /// Whom they must be for.
    pub audience: String,
    /// The key of whoever signs them, if that is somebody else.
    pub public_key: Option<PathBuf>,
    /// The algorithm of that key.
    pub algorithm: JwtAlgorithm,
}

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is not there or may not be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Which file.
        path: String,
        /// Why not.
        source: std::io::Error,
    },
    /// The file is not what it should be.
    #[error("{path} is not a valid configuration: {reason}")]
    Parse {
        /// Which file.
        path: String,
        /// What is wrong in it.
        reason: String,
    },
}

impl Options {
    /// Fills in what is not set from the TOML file, and then by default.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or holds what is not an option.
    pub fn resolve(self) -> Result<Config, ConfigError> {
        let file = match &self.config {
            Some(path) => Self::read(path)?,
            None if Path::new(DEFAULT_FILE).exists() => Self::read(Path::new(DEFAULT_FILE))?,
            None => Self::default(),
        };
        let data_dir = self
            .data_dir
            .or(file.data_dir)
            .unwrap_or_else(|| "data".into());
        Ok(Config {
            bind: self
                .bind
                .or(file.bind)
                .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8000))),
            audit: AuditConfig {
                durability: self
                    .audit_durability
                    .or(file.audit_durability)
                    .unwrap_or(AuditDurability::Crash),
                journal_dir: self
                    .audit_journal_dir
                    .or(file.audit_journal_dir)
                    .unwrap_or_else(|| data_dir.join("journal")),
                journal_quota_mb: self
                    .audit_journal_quota_mb
                    .or(file.audit_journal_quota_mb)
                    .unwrap_or(4_096),
                journal_reserve_mb: self
                    .audit_journal_reserve_mb
                    .or(file.audit_journal_reserve_mb)
                    .unwrap_or(256),
                writers: self.audit_writers.or(file.audit_writers).unwrap_or(2),
                insert_timeout: Duration::from_secs(
                    self.audit_insert_timeout_s
                        .or(file.audit_insert_timeout_s)
                        .unwrap_or(30),
                ),
            },
            data_dir,
            database_url: non_empty(self.database_url).or_else(|| non_empty(file.database_url)),
            owner_url: non_empty(self.owner_url).or_else(|| non_empty(file.owner_url)),
            audit_read_url: non_empty(self.audit_read_url)
                .or_else(|| non_empty(file.audit_read_url)),
            postgres_cache: self
                .postgres_cache
                .or(file.postgres_cache)
                .unwrap_or_else(|| ".cache/postgres".into()),
            jwt: JwtConfig {
                issuer: self
                    .jwt_issuer
                    .or(file.jwt_issuer)
                    .unwrap_or_else(|| "items-api".to_owned()),
                audience: self
                    .jwt_audience
                    .or(file.jwt_audience)
                    .unwrap_or_else(|| "items-api".to_owned()),
                public_key: self.jwt_public_key.or(file.jwt_public_key),
                algorithm: self
                    .jwt_algorithm
                    .or(file.jwt_algorithm)
                    .unwrap_or(JwtAlgorithm::Es256),
            },
            log: self
                .log
                .or(file.log)
                .unwrap_or_else(|| "info,actix_server=warn".to_owned()),
            log_format: self
                .log_format
                .or(file.log_format)
                .unwrap_or(LogFormat::Text),
            shutdown_timeout: Duration::from_secs(
                self.shutdown_timeout_s
                    .or(file.shutdown_timeout_s)
                    .unwrap_or(10),
            ),
        })
    }

    fn read(path: &Path) -> Result<Self, ConfigError> {
        let shown = || path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: shown(),
            source,
        })?;
        toml::from_str(&text).map_err(|error| ConfigError::Parse {
            path: shown(),
            // The rest of the error quotes the file, where passwords may stand.
            reason: error.message().to_owned(),
        })
    }
}

/// An empty variable is how Compose files say that there is none.
fn non_empty(url: Option<String>) -> Option<String> {
    url.filter(|url| !url.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_beats_the_file_and_the_file_beats_the_default() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("items-api.toml");
        std::fs::write(
            &path,
            "bind = \"127.0.0.1:1\"\njwt_issuer = \"file\"\njwt_algorithm = \"eddsa\"\n",
        )
        .unwrap();
        let options = Options {
            config: Some(path),
            jwt_issuer: Some("flag".to_owned()),
            ..Options::default()
        };
        let config = options.resolve().unwrap();
        assert_eq!(config.jwt.issuer, "flag");
        assert_eq!(config.jwt.algorithm, JwtAlgorithm::Eddsa);
        assert_eq!(config.bind.port(), 1);
        assert_eq!(config.jwt.audience, "items-api");
    }

    #[test]
    fn a_file_with_an_unknown_key_is_refused_without_quoting_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("items-api.toml");
        std::fs::write(&path, "database_ulr = \"postgres://u:hunter2@h/d\"\n").unwrap();
        let options = Options {
            config: Some(path),
            ..Options::default()
        };
        let error = options.resolve().err().unwrap().to_string();
        assert!(error.contains("database_ulr"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}
