//! What can be set: by a flag, else by an environment variable, else in a TOML
//! file, else by default.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use audit::redact::Content;
use audit::{Allowance, ForwardedHeader, IpNet};
use clap::Args;
use serde::Deserialize;

use crate::jwks::{Source, SourceError};

/// The file that is read when no other is named.
const DEFAULT_FILE: &str = "items-api.toml";

/// What is logged unless told otherwise. `actix_http` has a line for each request that
/// is no HTTP, so that anybody could fill the log.
const DEFAULT_LOG: &str = "info,actix_server=warn,actix_http=off";

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
    /// Postgres to use; without it the service runs a private one in its data folder.
    /// A password belongs into the variable or the file: flags can be read by everybody
    /// on the machine
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
    /// Names whose values audit records hide, besides the usual ones; several with
    /// commas between them
    #[arg(
        long,
        env = "ITEMS_API_REDACT_HIDE",
        global = true,
        value_name = "NAME",
        value_delimiter = ','
    )]
    pub redact_hide: Option<Vec<String>>,
    /// Names whose values audit records show as a keyed hash, by which known values are
    /// found (see `items-api redact --hash`)
    #[arg(
        long,
        env = "ITEMS_API_REDACT_HASH",
        global = true,
        value_name = "NAME",
        value_delimiter = ','
    )]
    pub redact_hash: Option<Vec<String>>,
    /// Names whose values audit records show, although they look like those of secrets
    #[arg(
        long,
        env = "ITEMS_API_REDACT_SHOW",
        global = true,
        value_name = "NAME",
        value_delimiter = ','
    )]
    pub redact_show: Option<Vec<String>>,
    /// Beginnings of keys that audit records hide wherever they stand, if eight or more
    /// letters, digits, `_` or `-` follow
    #[arg(
        long,
        env = "ITEMS_API_REDACT_PREFIX",
        global = true,
        value_name = "PREFIX",
        value_delimiter = ','
    )]
    pub redact_prefix: Option<Vec<String>>,
    /// Rules about contents that audit records do without: api_key, card_number,
    /// http_credentials, json_web_token, named_value, password_hash, pem_block,
    /// url_password
    #[arg(
        long,
        env = "ITEMS_API_REDACT_WITHOUT",
        global = true,
        value_name = "RULE",
        value_delimiter = ','
    )]
    pub redact_without: Option<Vec<Content>>,
    /// File with the keys of hashes, one a line: the first one hashes, the others are
    /// older [default: hash-keys, in the data folder, made if there is none]
    #[arg(
        long,
        env = "ITEMS_API_REDACT_HASH_KEYS",
        global = true,
        value_name = "FILE"
    )]
    pub redact_hash_keys: Option<PathBuf>,
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
    /// PEM file with the public key that tokens are checked with, or several one after
    /// the other; without it and without a JWKS a secret in the data folder is used (HS256)
    #[arg(
        long,
        env = "ITEMS_API_JWT_PUBLIC_KEY",
        global = true,
        value_name = "FILE"
    )]
    pub jwt_public_key: Option<PathBuf>,
    /// JSON Web Key Set with the public keys that tokens are checked with: an https
    /// URL (http only to this machine) or a file
    #[arg(
        long,
        env = "ITEMS_API_JWT_JWKS",
        hide_env_values = true,
        global = true,
        value_name = "URL_OR_FILE"
    )]
    pub jwt_jwks: Option<String>,
    /// Seconds between two readings of the JWKS; an unknown key is looked for at once
    /// [default: 300]
    #[arg(
        long,
        env = "ITEMS_API_JWT_JWKS_REFRESH_S",
        global = true,
        value_name = "SECONDS"
    )]
    pub jwt_jwks_refresh_s: Option<NonZeroU32>,
    /// Algorithm of those public keys [default: es256]
    #[arg(
        long,
        env = "ITEMS_API_JWT_ALGORITHM",
        global = true,
        value_name = "NAME"
    )]
    pub jwt_algorithm: Option<JwtAlgorithm>,
    /// What to log, for example `info` or `warn,audit=debug` [default: info with
    /// Actix's own lines about starting and about clients that speak no HTTP left out]
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
    /// Networks of the proxies that are believed when they say for whom they speak,
    /// separated by commas, like 10.0.0.0/8,fd00::/8 [default: none]
    #[arg(
        long,
        env = "ITEMS_API_TRUSTED_PROXIES",
        global = true,
        value_name = "NETWORKS"
    )]
    pub trusted_proxies: Option<Networks>,
    /// Header in which those proxies say it; the other one is not looked at
    /// [default: x-forwarded-for]
    #[arg(
        long,
        env = "ITEMS_API_FORWARDED_HEADER",
        global = true,
        value_name = "NAME"
    )]
    pub forwarded_header: Option<ProxyHeader>,
    /// Refused attempts of one actor, or of one address where nobody is known, before
    /// further ones are answered 429: at once, and a second after that; 0 is no limit
    /// [default: 5000+50]
    #[arg(
        long,
        env = "ITEMS_API_AUDIT_REFUSALS",
        global = true,
        value_name = "COUNT+COUNT"
    )]
    pub audit_refusals: Option<Allowance>,
    /// The same for all together who are not known [default: 20000+200]
    #[arg(
        long,
        env = "ITEMS_API_AUDIT_UNKNOWN_REFUSALS",
        global = true,
        value_name = "COUNT+COUNT"
    )]
    pub audit_unknown_refusals: Option<Allowance>,
    /// Queries of the audit trail that one actor may make, written like the refusals
    /// [default: 5000+200]
    #[arg(
        long,
        env = "ITEMS_API_AUDIT_QUERIES",
        global = true,
        value_name = "COUNT+COUNT"
    )]
    pub audit_queries: Option<Allowance>,
    /// How many of them are answered at the same time; 0 is no limit [default: 3]
    #[arg(
        long,
        env = "ITEMS_API_AUDIT_QUERIES_AT_ONCE",
        global = true,
        value_name = "COUNT"
    )]
    pub audit_queries_at_once: Option<u32>,
    /// Connections that may be open at the same time; further ones wait [default: 10000]
    #[arg(
        long,
        env = "ITEMS_API_CONNECTIONS",
        global = true,
        value_name = "COUNT",
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub connections: Option<u32>,
    /// Seconds that a client may take to send the head of a request, and again to send
    /// its body [default: 30]
    #[arg(
        long,
        env = "ITEMS_API_REQUEST_TIMEOUT_S",
        global = true,
        value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(1..=3600)
    )]
    pub request_timeout_s: Option<u64>,
    /// Seconds that a connection without requests is kept [default: 75]
    #[arg(
        long,
        env = "ITEMS_API_KEEP_ALIVE_S",
        global = true,
        value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(1..=3600)
    )]
    pub keep_alive_s: Option<u64>,
}

/// Networks and single addresses, separated by commas. None is the empty text, which is
/// how Compose files say so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Networks(Vec<IpNet>);

impl FromStr for Networks {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let entries = text.split(',').map(str::trim);
        entries
            .filter(|entry| !entry.is_empty())
            .map(|entry| {
                let address = || entry.parse::<IpAddr>().map(IpNet::from);
                entry.parse().or_else(|_| address()).map_err(|_| {
                    format!("{entry:?} is neither a network like 10.0.0.0/8 nor an address")
                })
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl TryFrom<String> for Networks {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// The header in which proxies say for whom they speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum ProxyHeader {
    /// `X-Forwarded-For`.
    XForwardedFor,
    /// `Forwarded`, after RFC 7239.
    Forwarded,
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
    /// What audit records do not show.
    pub redaction: RedactionConfig,
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
    /// Which proxies are believed.
    pub proxies: ProxyConfig,
    /// How much anybody may ask for.
    pub limits: LimitConfig,
}

/// Which proxies are believed, and where they write.
#[derive(Clone)]
pub struct ProxyConfig {
    /// Where they are.
    pub networks: Vec<IpNet>,
    /// What they write.
    pub header: ForwardedHeader,
}

/// How much anybody may ask for.
#[derive(Clone)]
pub struct LimitConfig {
    /// Refused attempts of one actor or address.
    pub refusals: Allowance,
    /// Refused attempts of all together who are not known.
    pub unknown_refusals: Allowance,
    /// Queries of one actor.
    pub queries: Allowance,
    /// Queries of one actor at the same time.
    pub queries_at_once: u32,
    /// Connections at the same time.
    pub connections: u32,
    /// How long the head of a request may take, and its body.
    pub request_timeout: Duration,
    /// How long a connection without requests is kept.
    pub keep_alive: Duration,
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

/// What audit records do not show, besides what they never do.
#[derive(Clone)]
pub struct RedactionConfig {
    /// Names whose values are hidden.
    pub hide: Vec<String>,
    /// Names whose values are hashed.
    pub hash: Vec<String>,
    /// Names whose values are shown.
    pub show: Vec<String>,
    /// Beginnings of keys.
    pub prefixes: Vec<String>,
    /// Rules about contents that do not hold.
    pub without: Vec<Content>,
    /// The file with the keys of hashes.
    pub hash_keys: PathBuf,
}

/// How tokens are checked.
#[derive(Clone)]
pub struct JwtConfig {
    /// Who must have issued them.
    pub issuer: String,
    /// Whom they must be for.
    pub audience: String,
    /// The keys of whoever signs them.
    pub keys: JwtKeys,
    /// The algorithm of those keys, unless they are a secret.
    pub algorithm: JwtAlgorithm,
}

/// Where the keys are that tokens are checked with.
#[derive(Clone)]
pub enum JwtKeys {
    /// A secret in the data folder, which signs as well.
    Secret,
    /// A PEM file with public keys.
    PublicKeys(PathBuf),
    /// A document that is read again and again.
    Jwks {
        /// Where it is.
        source: Source,
        /// The time from one reading to the next.
        refresh: Duration,
    },
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
    /// Keys are said to be in two places.
    #[error(
        "both a public key and a JWKS are set, and tokens are checked with one of them: leave out --jwt-public-key or --jwt-jwks, or its variable or key in the file"
    )]
    TwoSourcesOfKeys,
    /// The JWKS cannot be where it is said to be.
    #[error(transparent)]
    Jwks(#[from] SourceError),
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
        let keys = jwt_keys(
            self.jwt_public_key.or(file.jwt_public_key),
            non_empty(self.jwt_jwks).or_else(|| non_empty(file.jwt_jwks)),
            self.jwt_jwks_refresh_s.or(file.jwt_jwks_refresh_s),
        )?;
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
            redaction: RedactionConfig {
                hide: self.redact_hide.or(file.redact_hide).unwrap_or_default(),
                hash: self.redact_hash.or(file.redact_hash).unwrap_or_default(),
                show: self.redact_show.or(file.redact_show).unwrap_or_default(),
                prefixes: self
                    .redact_prefix
                    .or(file.redact_prefix)
                    .unwrap_or_default(),
                without: self
                    .redact_without
                    .or(file.redact_without)
                    .unwrap_or_default(),
                hash_keys: self
                    .redact_hash_keys
                    .or(file.redact_hash_keys)
                    .unwrap_or_else(|| data_dir.join("hash-keys")),
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
                keys,
                algorithm: self
                    .jwt_algorithm
                    .or(file.jwt_algorithm)
                    .unwrap_or(JwtAlgorithm::Es256),
            },
            log: self
                .log
                .or(file.log)
                .unwrap_or_else(|| DEFAULT_LOG.to_owned()),
            log_format: self
                .log_format
                .or(file.log_format)
                .unwrap_or(LogFormat::Text),
            shutdown_timeout: Duration::from_secs(
                self.shutdown_timeout_s
                    .or(file.shutdown_timeout_s)
                    .unwrap_or(10),
            ),
            proxies: ProxyConfig {
                networks: self
                    .trusted_proxies
                    .or(file.trusted_proxies)
                    .unwrap_or_default()
                    .0,
                header: match self.forwarded_header.or(file.forwarded_header) {
                    None | Some(ProxyHeader::XForwardedFor) => ForwardedHeader::XForwardedFor,
                    Some(ProxyHeader::Forwarded) => ForwardedHeader::Forwarded,
                },
            },
            limits: LimitConfig {
                refusals: self
                    .audit_refusals
                    .or(file.audit_refusals)
                    .unwrap_or(Allowance::new(5_000, 50)),
                unknown_refusals: self
                    .audit_unknown_refusals
                    .or(file.audit_unknown_refusals)
                    .unwrap_or(Allowance::new(20_000, 200)),
                queries: self
                    .audit_queries
                    .or(file.audit_queries)
                    .unwrap_or(Allowance::new(5_000, 200)),
                queries_at_once: self
                    .audit_queries_at_once
                    .or(file.audit_queries_at_once)
                    .unwrap_or(3),
                connections: self.connections.or(file.connections).unwrap_or(10_000),
                request_timeout: Duration::from_secs(
                    self.request_timeout_s
                        .or(file.request_timeout_s)
                        .unwrap_or(30),
                ),
                keep_alive: Duration::from_secs(
                    self.keep_alive_s.or(file.keep_alive_s).unwrap_or(75),
                ),
            },
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

fn jwt_keys(
    public_key: Option<PathBuf>,
    jwks: Option<String>,
    refresh_s: Option<NonZeroU32>,
) -> Result<JwtKeys, ConfigError> {
    Ok(match (public_key, jwks) {
        (Some(_), Some(_)) => return Err(ConfigError::TwoSourcesOfKeys),
        (Some(path), None) => JwtKeys::PublicKeys(path),
        (None, Some(jwks)) => JwtKeys::Jwks {
            source: jwks.parse()?,
            refresh: Duration::from_secs(refresh_s.map_or(300, |seconds| seconds.get().into())),
        },
        (None, None) => JwtKeys::Secret,
    })
}

/// An empty variable is how Compose files say that there is none.
fn non_empty(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
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
    fn proxies_and_allowances_are_written_the_same_in_flags_and_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("items-api.toml");
        std::fs::write(
            &path,
            "trusted_proxies = \"10.0.0.0/8, 192.0.2.1, ::1\"\n\
             forwarded_header = \"forwarded\"\n\
             audit_refusals = \"7+3\"\naudit_queries = \"0\"\n",
        )
        .unwrap();
        let options = Options {
            config: Some(path),
            ..Options::default()
        };
        let config = options.resolve().unwrap();
        let networks: Vec<_> = config
            .proxies
            .networks
            .iter()
            .map(IpNet::to_string)
            .collect();
        assert_eq!(networks, ["10.0.0.0/8", "192.0.2.1/32", "::1/128"]);
        assert_eq!(config.proxies.header, ForwardedHeader::Forwarded);
        assert_eq!(config.limits.refusals, Allowance::new(7, 3));
        assert_eq!(config.limits.queries, Allowance::UNLIMITED);

        assert_eq!("".parse::<Networks>().unwrap(), Networks::default());
        let error = "10.0.0.0/8,proxy".parse::<Networks>().unwrap_err();
        assert!(error.contains("\"proxy\""), "{error}");
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

    #[test]
    fn keys_are_in_one_place() {
        let resolve = |public_key: Option<&str>, jwks: Option<&str>| {
            let options = Options {
                jwt_public_key: public_key.map(Into::into),
                jwt_jwks: jwks.map(Into::into),
                ..Options::default()
            };
            options.resolve().map(|config| config.jwt.keys)
        };
        assert!(matches!(resolve(None, None), Ok(JwtKeys::Secret)));
        assert!(matches!(resolve(None, Some("")), Ok(JwtKeys::Secret)));
        assert!(matches!(
            resolve(Some("key.pem"), None),
            Ok(JwtKeys::PublicKeys(_))
        ));
        let Ok(JwtKeys::Jwks { refresh, .. }) = resolve(None, Some("https://issuer.example/jwks"))
        else {
            panic!("no JWKS");
        };
        assert_eq!(refresh, Duration::from_secs(300));
        assert!(matches!(
            resolve(Some("key.pem"), Some("jwks.json")),
            Err(ConfigError::TwoSourcesOfKeys)
        ));
        assert!(matches!(
            resolve(None, Some("http://issuer.example/jwks")),
            Err(ConfigError::Jwks(_))
        ));
    }
}
