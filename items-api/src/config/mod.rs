//! What can be set: by a flag, else by an environment variable, else in a TOML
//! file, else by default.

mod options;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use audit::redact::Content;
use audit::{Allowance, ForwardedHeader, IpNet};
pub use options::Options;
use serde::Deserialize;

use crate::jwks::{Source, SourceError};

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

    /// Where records are read on the command line, unless it is a private Postgres: the
    /// service's own login can do that, and less than the owner's.
    #[must_use]
    pub fn reader_database_url(&self) -> Option<&String> {
        self.database_url.as_ref().or(self.owner_url.as_ref())
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
