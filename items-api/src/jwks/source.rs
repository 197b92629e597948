//! Where an issuer's keys are published, and how they are read from there.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use audit::jwt::JWKS_BYTES_MAX;
use ureq::http::{StatusCode, Uri};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, config::Config};

/// How long a reading may take, from looking up the name to the last byte.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Where a JSON Web Key Set is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// At an https URL, or an http one of this machine.
    Url(Uri),
    /// In a file.
    File(PathBuf),
}

/// A place that keys are not taken from.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Whoever sits between the issuer and the service could put in keys of their own.
    #[error("{0} can be changed on its way here: give an https URL of the JWKS, or a file")]
    Insecure(String),
    /// It is neither a URL nor a file.
    #[error(
        "this is not a URL that a JWKS can be read from: give an https URL without a name and password in it, or a file"
    )]
    NotAUrl,
}

/// Why the document could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error("it cannot be read: {0}")]
    File(#[from] io::Error),
    #[error("it cannot be fetched: {0}")]
    Http(#[from] ureq::Error),
    #[error("it was answered with {0}; only 200 is accepted, and redirects are not followed")]
    Status(StatusCode),
    #[error("it has more than {JWKS_BYTES_MAX} bytes")]
    TooLong,
    #[error(
        "this machine has no certificates of authorities: install ca-certificates, or set SSL_CERT_FILE"
    )]
    NoAuthorities,
}

impl FromStr for Source {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, SourceError> {
        if !text.contains("://") {
            return Ok(Self::File(text.into()));
        }
        let url: Uri = text.parse().map_err(|_| SourceError::NotAUrl)?;
        let (Some(scheme), Some(host), Some(authority)) =
            (url.scheme_str(), url.host(), url.authority())
        else {
            return Err(SourceError::NotAUrl);
        };
        // A password here would end up in logs.
        if authority.as_str().contains('@') {
            return Err(SourceError::NotAUrl);
        }
        match scheme {
            "https" => {}
            "http" if is_this_machine(host) => {}
            "http" => return Err(SourceError::Insecure(format!("http://{authority}"))),
            _ => return Err(SourceError::NotAUrl),
        }
        Ok(Self::Url(url))
    }
}

fn is_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || address
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// For logs: without the query, where some put keys.
impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => write!(
                formatter,
                "{}://{}{}",
                url.scheme_str().unwrap_or_default(),
                url.authority().map_or("", |authority| authority.as_str()),
                url.path()
            ),
            Self::File(path) => path.display().fmt(formatter),
        }
    }
}

impl Source {
    /// Reads the document, at most as much of it as is ever used.
    pub(super) fn read(&self) -> Result<Vec<u8>, ReadError> {
        match self {
            Self::Url(url) => fetch(url),
            Self::File(path) => {
                let mut document = Vec::new();
                File::open(path)?
                    .take(JWKS_BYTES_MAX as u64 + 1)
                    .read_to_end(&mut document)?;
                if document.len() > JWKS_BYTES_MAX {
                    return Err(ReadError::TooLong);
                }
                Ok(document)
            }
        }
    }
}

/// A connection of its own for each reading, which are minutes apart: so authorities
/// and addresses that have changed in between are the new ones.
fn fetch(url: &Uri) -> Result<Vec<u8>, ReadError> {
    let agent: Agent = config(url)?.new_agent();
    let mut response = agent.get(url).call()?;
    if response.status() != StatusCode::OK {
        return Err(ReadError::Status(response.status()));
    }
    response
        .body_mut()
        .with_config()
        .limit(JWKS_BYTES_MAX as u64)
        .read_to_vec()
        .map_err(|error| match error {
            ureq::Error::BodyExceedsLimit(_) => ReadError::TooLong,
            error => ReadError::Http(error),
        })
}

fn config(url: &Uri) -> Result<Config, ReadError> {
    let config = Agent::config_builder()
        .accept("application/jwk-set+json, application/json")
        .user_agent(concat!("items-api/", env!("CARGO_PKG_VERSION")))
        .timeout_global(Some(TIMEOUT))
        // Where keys come from is the operator's decision, and not that of a server.
        .max_redirects(0)
        .http_status_as_error(false);
    Ok(if url.scheme_str() == Some("https") {
        config.https_only(true).tls_config(tls()?).build()
    } else {
        // A proxy would make another machine of this one.
        config.proxy(None).build()
    })
}

/// Trusts the authorities that the machine trusts, so that those of a company count
/// as well, and checks signatures with the library that checks those of tokens.
fn tls() -> Result<TlsConfig, ReadError> {
    let authorities: Vec<_> = rustls_native_certs::load_native_certs()
        .certs
        .iter()
        .map(|certificate| Certificate::from_der(certificate).to_owned())
        .collect();
    if authorities.is_empty() {
        return Err(ReadError::NoAuthorities);
    }
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    Ok(TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(authorities)))
        .unversioned_rustls_crypto_provider(Arc::new(provider))
        .build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_over_https_or_from_this_machine() {
        for url in [
            "https://issuer.example/jwks.json",
            "http://127.0.0.1:8080/jwks.json",
            "http://[::1]/jwks.json",
            "http://localhost/jwks.json",
        ] {
            assert!(matches!(url.parse(), Ok(Source::Url(_))), "{url}");
        }
        for path in ["jwks.json", "/etc/items-api/jwks.json"] {
            assert_eq!(path.parse::<Source>().unwrap(), Source::File(path.into()));
        }
        for url in [
            "http://issuer.example/jwks.json",
            "http://127.0.0.1.issuer.example/jwks.json",
            "http://localhost@issuer.example/jwks.json",
            "https://name:hunter2@issuer.example/jwks.json",
            "ftp://127.0.0.1/jwks.json",
            "file:///etc/items-api/jwks.json",
            "https://",
        ] {
            let error = url.parse::<Source>().unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn what_is_shown_of_a_url_has_no_query() {
        let source: Source = "https://issuer.example/jwks?key=hunter2".parse().unwrap();
        assert_eq!(source.to_string(), "https://issuer.example/jwks");
    }

    #[test]
    fn a_file_is_read_as_far_as_it_may_be_long() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jwks.json");
        let source = Source::File(path.clone());
        assert!(matches!(source.read(), Err(ReadError::File(_))));
        std::fs::write(&path, vec![b' '; JWKS_BYTES_MAX]).unwrap();
        assert_eq!(source.read().unwrap().len(), JWKS_BYTES_MAX);
        std::fs::write(&path, vec![b' '; JWKS_BYTES_MAX + 1]).unwrap();
        assert!(matches!(source.read(), Err(ReadError::TooLong)));
    }
}
