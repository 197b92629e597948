//! The options as they are written, on the command line or in the file, and what they
//! come to.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use audit::redact::Content;
use audit::{Allowance, ForwardedHeader};
use clap::Args;
use serde::Deserialize;

use super::{
    AuditConfig, AuditDurability, Config, ConfigError, JwtAlgorithm, JwtConfig, JwtKeys,
    LimitConfig, LogFormat, Networks, ProxyConfig, ProxyHeader, RedactionConfig,
};

/// The file that is read when no other is named.
const DEFAULT_FILE: &str = "items-api.toml";

/// What is logged unless told otherwise. `actix_http` has a line for each request that
/// is no HTTP, so that anybody could fill the log.
const DEFAULT_LOG: &str = "info,actix_server=warn,actix_http=off";

/// Options that every command takes. Each is also a key of the TOML file, spelled
/// with underscores.
#[derive(Args, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "Settings")]
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
    /// older [default: hash-keys, in the data folder, made when it is needed]
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
        let set = self.without_blanks().or(file.without_blanks());
        let data_dir = set.data_dir.unwrap_or_else(|| "data".into());
        let keys = jwt_keys(set.jwt_public_key, set.jwt_jwks, set.jwt_jwks_refresh_s)?;
        Ok(Config {
            bind: set
                .bind
                .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8000))),
            audit: AuditConfig {
                durability: set.audit_durability.unwrap_or(AuditDurability::Crash),
                journal_dir: set
                    .audit_journal_dir
                    .unwrap_or_else(|| data_dir.join("journal")),
                journal_quota_mb: set.audit_journal_quota_mb.unwrap_or(4_096),
                journal_reserve_mb: set.audit_journal_reserve_mb.unwrap_or(256),
                writers: set.audit_writers.unwrap_or(2),
                insert_timeout: Duration::from_secs(set.audit_insert_timeout_s.unwrap_or(30)),
            },
            redaction: RedactionConfig {
                hide: set.redact_hide.unwrap_or_default(),
                hash: set.redact_hash.unwrap_or_default(),
                show: set.redact_show.unwrap_or_default(),
                prefixes: set.redact_prefix.unwrap_or_default(),
                without: set.redact_without.unwrap_or_default(),
                hash_keys: set
                    .redact_hash_keys
                    .unwrap_or_else(|| data_dir.join("hash-keys")),
            },
            data_dir,
            database_url: set.database_url,
            owner_url: set.owner_url,
            audit_read_url: set.audit_read_url,
            postgres_cache: set
                .postgres_cache
                .unwrap_or_else(|| ".cache/postgres".into()),
            jwt: JwtConfig {
                issuer: set.jwt_issuer.unwrap_or_else(|| "items-api".to_owned()),
                audience: set.jwt_audience.unwrap_or_else(|| "items-api".to_owned()),
                keys,
                algorithm: set.jwt_algorithm.unwrap_or(JwtAlgorithm::Es256),
            },
            log: set.log.unwrap_or_else(|| DEFAULT_LOG.to_owned()),
            log_format: set.log_format.unwrap_or(LogFormat::Text),
            shutdown_timeout: Duration::from_secs(set.shutdown_timeout_s.unwrap_or(10)),
            proxies: ProxyConfig {
                networks: set.trusted_proxies.unwrap_or_default().0,
                header: match set.forwarded_header {
                    None | Some(ProxyHeader::XForwardedFor) => ForwardedHeader::XForwardedFor,
                    Some(ProxyHeader::Forwarded) => ForwardedHeader::Forwarded,
                },
            },
            limits: LimitConfig {
                refusals: set.audit_refusals.unwrap_or(Allowance::new(5_000, 50)),
                unknown_refusals: set
                    .audit_unknown_refusals
                    .unwrap_or(Allowance::new(20_000, 200)),
                queries: set.audit_queries.unwrap_or(Allowance::new(5_000, 200)),
                queries_at_once: set.audit_queries_at_once.unwrap_or(3),
                connections: set.connections.unwrap_or(10_000),
                request_timeout: Duration::from_secs(set.request_timeout_s.unwrap_or(30)),
                keep_alive: Duration::from_secs(set.keep_alive_s.unwrap_or(75)),
            },
        })
    }

    /// What is set here, and else there.
    fn or(self, other: Self) -> Self {
        macro_rules! either {
            ($($option:ident)*) => {
                Self {
                    config: self.config,
                    $($option: self.$option.or(other.$option),)*
                }
            };
        }
        either! {
            bind
            data_dir
            database_url
            owner_url
            audit_read_url
            audit_durability
            audit_journal_dir
            audit_journal_quota_mb
            audit_journal_reserve_mb
            audit_writers
            audit_insert_timeout_s
            redact_hide
            redact_hash
            redact_show
            redact_prefix
            redact_without
            redact_hash_keys
            postgres_cache
            jwt_issuer
            jwt_audience
            jwt_public_key
            jwt_jwks
            jwt_jwks_refresh_s
            jwt_algorithm
            log
            log_format
            shutdown_timeout_s
            trusted_proxies
            forwarded_header
            audit_refusals
            audit_unknown_refusals
            audit_queries
            audit_queries_at_once
            connections
            request_timeout_s
            keep_alive_s
        }
    }

    /// An empty variable is how Compose files say that there is none.
    fn without_blanks(mut self) -> Self {
        for text in [
            &mut self.database_url,
            &mut self.owner_url,
            &mut self.audit_read_url,
            &mut self.jwt_jwks,
        ] {
            text.take_if(|text| text.is_empty());
        }
        self
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
