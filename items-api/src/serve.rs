//! The service from start to stop.
//!
//! It listens at once and becomes ready when Postgres is and when there are keys to
//! check tokens with: requests before that are answered with 503 where they need
//! them, and the records of all of them wait in the journal.

use std::fs::DirBuilder;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZero;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::thread;
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{Server, ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::middleware::from_fn;
use actix_web::web::{self, Data};
use actix_web::{App, Error, HttpRequest, HttpResponse, HttpServer, ResponseError as _};
use audit::jwt::Keys;
use audit::problem::NOT_FOUND;
use audit::{Audit, Durability, Problem, TrustedProxies, headers, request_id};

use crate::auth::{AuthError, Authentication};
use crate::body::BodyTimeout;
use crate::config::{AuditDurability, Config};
use crate::database::{Database, MIGRATIONS};
use crate::metrics::{self, Metrics};
use crate::redaction::{self, RedactionError};
use crate::{docs, health, items};

/// How long to wait between two attempts to bring the database up to date.
const RETRY: Duration = Duration::from_secs(1);
/// How long a service in a hurry waits for its journal.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a connection that is being closed may take.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How often partitions are made for the months to come.
const MAINTENANCE: Duration = Duration::from_secs(60 * 60);

/// Why the service could not start, or not stop as it should.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The data folder cannot be used.
    #[error("cannot use the data folder {path}: {source}; choose another one with --data-dir")]
    DataDir {
        /// Which folder.
        path: String,
        /// Why not.
        source: io::Error,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}; choose another address with --bind")]
    Bind {
        /// Which address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The journal of audit records cannot be used.
    #[error(transparent)]
    Journal(#[from] audit::OpenError),
    /// Tokens cannot be checked.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// Nothing can be redacted.
    #[error(transparent)]
    Redaction(#[from] RedactionError),
    /// Threads cannot be started, or the server failed.
    #[error("the server failed: {0}")]
    Server(#[from] io::Error),
    /// It was told to stop at once.
    #[error("stopped at once; {0}")]
    Interrupted(&'static str),
}

/// A service that listens.
pub struct Service {
    address: SocketAddr,
    server: Server,
    audit: Audit,
    shutdown_timeout: Duration,
}

/// Makes the data folder, if it is not there. Others may pass through it but not
/// look around: a Postgres started by root runs as another user, and its own
/// folder lies within.
///
/// # Errors
///
/// When it cannot be made.
pub fn prepare_data_dir(path: &Path) -> Result<(), ServeError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o711)
        .create(path)
        .map_err(|source| ServeError::DataDir {
            path: path.display().to_string(),
            source,
        })
}

/// Starts listening, with Postgres at `database_url`.
///
/// # Errors
///
/// When the address is taken, or the data folder or the keys cannot be used.
/// Postgres is no reason, and a JWKS neither: they may come later.
pub fn start(config: &Config, database_url: &str) -> Result<Service, ServeError> {
    prepare_data_dir(&config.data_dir)?;
    let authentication = Authentication::new(&config.jwt, &config.data_dir)?;
    let megabytes = |count: u64| count.saturating_mul(1024 * 1024);
    let mut audit = Audit::builder("items-api", database_url, &config.audit.journal_dir)
        .authenticate(authentication.jwt)
        .redactor(redaction::redactor(&config.redaction)?)
        .durability(match config.audit.durability {
            AuditDurability::Memory => Durability::Memory,
            AuditDurability::Crash => Durability::Crash,
            AuditDurability::PowerLoss => Durability::PowerLoss,
            AuditDurability::Transaction => Durability::Transaction,
        })
        .journal_quota_bytes(megabytes(config.audit.journal_quota_mb))
        .journal_reserve_bytes(megabytes(config.audit.journal_reserve_mb))
        .writers(config.audit.writers)
        .insert_timeout(config.audit.insert_timeout)
        .trusted_proxies(
            TrustedProxies::new(config.proxies.networks.iter().copied())
                .header(config.proxies.header),
        )
        .refusals(config.limits.refusals)
        .unknown_refusals(config.limits.unknown_refusals)
        .queries(config.limits.queries)
        .queries_at_once(config.limits.queries_at_once);
    if let Some(read_url) = &config.audit_read_url {
        audit = audit.read_url(read_url);
    }
    let audit = audit.start()?;
    let state = State {
        metrics: Metrics::of(&audit, authentication.jwks.as_ref()),
        audit,
        keys: authentication.keys,
        database: Database::new(database_url),
        body_timeout: BodyTimeout(config.limits.request_timeout),
    };

    let bind = |source| ServeError::Bind {
        address: config.bind,
        source,
    };
    let listener = TcpListener::bind(config.bind).map_err(bind)?;
    let address = listener.local_addr().map_err(bind)?;
    let app_state = state.clone();
    let workers = thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
    let limits = &config.limits;
    let server = HttpServer::new(move || app(app_state.clone()))
        .disable_signals()
        .shutdown_timeout(config.shutdown_timeout.as_secs())
        .workers(workers.get())
        // Each worker counts its own. Those beyond wait in the kernel, where they cost
        // neither memory nor descriptors of this process.
        .max_connections((limits.connections as usize).div_ceil(workers.get()))
        // Whoever sends a head byte by byte holds a connection for no longer than this.
        // Actix-web bounds its size: 128 KiB and 96 headers.
        .client_request_timeout(limits.request_timeout)
        // Longer than the minute for which load balancers usually keep theirs, so that
        // it is they who close first, and no request meets a connection that has just
        // gone.
        .keep_alive(limits.keep_alive)
        // A request that is refused before its body was read ends its connection; what
        // the client goes on sending is thrown away for so long, so that it sees why.
        .client_disconnect_timeout(DISCONNECT_TIMEOUT)
        .listen(listener)?
        .run();

    let owner_url = config.owner_url.as_deref().unwrap_or(database_url);
    let owner_url = owner_url.to_owned();
    thread::Builder::new()
        .name("database-maintenance".to_owned())
        .spawn(move || keep_up_to_date(&owner_url, &state.database))?;
    Ok(Service {
        address,
        server,
        audit: state.audit,
        shutdown_timeout: config.shutdown_timeout,
    })
}

/// What the app's handlers share.
#[derive(Clone)]
struct State {
    audit: Audit,
    metrics: Metrics,
    keys: Keys,
    database: Database,
    body_timeout: BodyTimeout,
}

impl Service {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` is done, then stops in order: no new connections,
    /// requests finish, records reach Postgres. What does not reach it in time
    /// stays in the journal for the next start.
    ///
    /// When `hurry` is done it stops at once, wherever it is.
    ///
    /// # Errors
    ///
    /// When the server failed, or was told to hurry.
    pub async fn run(
        self,
        stop: impl Future<Output = ()> + 'static,
        hurry: impl Future<Output = ()>,
    ) -> Result<(), ServeError> {
        let handle = self.server.handle();
        let streams = self.audit.clone();
        actix_web::rt::spawn(async move {
            stop.await;
            tracing::info!("stopping: requests under way may finish");
            streams.end_streams();
            handle.stop(true).await;
        });
        let audit = self.audit.clone();
        tokio::select! {
            stopped = Self::stop_in_order(self.server, self.audit, self.shutdown_timeout) => stopped,
            () = hurry => {
                // Whoever was answered has a record in the journal; only what is
                // promised to survive no more than the process may still be on
                // its way there.
                let flushed = web::block(move || audit.flush(FLUSH_TIMEOUT)).await;
                Err(ServeError::Interrupted(match flushed {
                    Ok(true) => "every audit record is in the journal, for the next start",
                    _ => "the journal's disk does not answer",
                }))
            }
        }
    }

    async fn stop_in_order(
        server: Server,
        audit: Audit,
        timeout: Duration,
    ) -> Result<(), ServeError> {
        server.await?;
        match web::block(move || audit.drain(timeout)).await {
            Ok(0) => tracing::info!("stopped: every audit record is in Postgres"),
            Ok(left) => tracing::warn!(
                left,
                "stopped: audit records wait in the journal for the next start"
            ),
            Err(error) => tracing::error!(%error, "draining the journal did not end"),
        }
        Ok(())
    }
}

fn app(
    state: State,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody>,
        Error = Error,
        InitError = (),
    >,
> {
    App::new()
        .app_data(state.audit)
        .app_data(Data::new(state.database))
        .app_data(Data::new(state.metrics))
        .app_data(Data::new(state.keys))
        .app_data(state.body_timeout)
        .configure(docs::configure)
        .configure(health::configure)
        .configure(metrics::configure)
        .configure(items::configure)
        .configure(audit::routes::configure)
        .default_service(web::to(not_found))
        .wrap(headers::for_data())
        .wrap(from_fn(request_id::middleware))
}

async fn not_found(request: HttpRequest) -> HttpResponse {
    Problem::new(
        &NOT_FOUND,
        format!(
            "{} leads nowhere; GET /docs shows what there is.",
            request.path()
        ),
    )
    .error_response()
}

/// Brings the database up to date as soon as it is there, and keeps partitions
/// ahead of time from then on.
fn keep_up_to_date(url: &str, database: &Database) {
    loop {
        match audit::migrate(url, Some(MIGRATIONS)) {
            Ok(()) => {
                database.set_migrated();
                thread::sleep(MAINTENANCE);
            }
            Err(error) => {
                tracing::warn!(%error, "Postgres is not ready; trying again every second");
                thread::sleep(RETRY);
            }
        }
    }
}

/// Brings the database up to date, once.
///
/// # Errors
///
/// When it cannot be reached or refuses a statement.
pub fn migrate(owner_url: &str) -> Result<(), audit::MigrateError> {
    audit::migrate(owner_url, Some(MIGRATIONS))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use actix_web::test::init_service;
    use audit::testing::{Recorder, RouteCoverage};

    use super::*;

    fn state(audit: Audit) -> State {
        State {
            metrics: Metrics::of(&audit, None),
            audit,
            keys: Keys::default(),
            database: Database::new("postgresql:///nowhere?host=/nonexistent"),
            body_timeout: BodyTimeout(Duration::from_secs(1)),
        }
    }

    #[actix_web::test]
    async fn the_table_of_authorisation_names_every_route() {
        let app = init_service(app(state(Recorder::default().audit()))).await;
        let table = include_str!("../tests/api/authorisation.txt");
        let named: BTreeSet<String> = table
            .lines()
            .filter_map(|line| {
                let mut words = line.split_whitespace();
                let (method, path) = (words.next()?, words.next()?);
                let path = path.trim_end_matches('/');
                let pattern = path
                    .replace("{item}", "{item_id}")
                    .replace("{record}", "{id}")
                    .replace("/docs/swagger-ui.css", "/docs/{file:.*}")
                    .replace("/audit/ui/main.js", "/audit/ui/{file}");
                let pattern = if pattern.is_empty() { "/" } else { &pattern };
                Some(format!("{method} {pattern}"))
            })
            .collect();
        let missing: Vec<String> = audit::testing::routes(&app)
            .await
            .into_iter()
            .filter(|route| !named.contains(route))
            .collect();
        assert!(missing.is_empty(), "not in the table: {missing:?}");
    }

    #[actix_web::test]
    async fn no_route_that_changes_something_goes_without_a_record() {
        let recorder = Recorder::default();
        let app = init_service(app(state(recorder.audit()))).await;
        let routes = RouteCoverage::new().check(&recorder, &app).await;
        let actions: Vec<&str> = routes.iter().map(|route| route.action.as_str()).collect();
        assert_eq!(
            actions,
            [
                "sign_out_of_audit",
                "delete_item",
                "patch_item",
                "sign_in_to_audit",
                "create_item",
                "replace_item"
            ]
        );
    }
}
