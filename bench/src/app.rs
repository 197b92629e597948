//! The same handlers with and without an audit trail.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::web::{self, Data, Json, ServiceConfig};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use audit::problem::{INTERNAL_ERROR, MISSING_CREDENTIALS};
use audit::{Actor, Audit, AuditScope, Authenticate, Durability, Problem, audited};
use clap::ValueEnum;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::r2d2::{ConnectionManager, Pool};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Result;

/// Threads that serve requests.
const WORKERS: usize = 2;
/// Connections of the handler's own.
const CONNECTIONS: u32 = 8;

type Connections = Pool<ConnectionManager<PgConnection>>;

/// How a handler is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Variant {
    /// Without an audit trail.
    Bare,
    /// With one of this durability, as those that follow.
    Memory,
    /// What is usual.
    Crash,
    /// With a sync for each batch.
    PowerLoss,
    /// With the record in the handler's own transaction.
    Transaction,
}

impl Variant {
    /// As what a handler can be mounted.
    pub const ALL: [Self; 5] = [
        Self::Bare,
        Self::Memory,
        Self::Crash,
        Self::PowerLoss,
        Self::Transaction,
    ];

    /// As what one can be that has no transaction of its own.
    pub const PLAIN: [Self; 4] = [Self::Bare, Self::Memory, Self::Crash, Self::PowerLoss];

    /// Its name in reports and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Memory => "memory",
            Self::Crash => "crash",
            Self::PowerLoss => "power_loss",
            Self::Transaction => "transaction",
        }
    }

    fn durability(self) -> Durability {
        match self {
            Self::Memory => Durability::Memory,
            Self::Bare | Self::Crash => Durability::Crash,
            Self::PowerLoss => Durability::PowerLoss,
            Self::Transaction => Durability::Transaction,
        }
    }

    /// The routes of the app.
    pub fn configure(self, config: &mut ServiceConfig) {
        match self {
            Self::Bare => config
                .route("/items/", web::post().to(create_bare))
                .route("/echo", web::post().to(echo_bare)),
            Self::Transaction => config.route("/items/", web::post().to(create_in_transaction)),
            Self::Memory | Self::Crash | Self::PowerLoss => config
                .route("/items/", web::post().to(create_audited))
                .route("/echo", web::post().to(echo_audited)),
        };
    }
}

/// Believes everybody who says a name; both sides of a comparison ask it.
#[derive(Debug)]
pub struct Named;

impl Authenticate for Named {
    fn authenticate(&self, request: &HttpRequest) -> std::result::Result<Actor, Problem> {
        request
            .headers()
            .get("authorization")
            .and_then(|value| value.to_str().ok())
            .map(|name| Actor::user(name, "name"))
            .ok_or_else(|| Problem::new(&MISSING_CREDENTIALS, "Say who you are."))
    }
}

#[derive(Deserialize)]
struct NewItem {
    name: String,
    attributes: serde_json::Value,
}

#[derive(Serialize)]
struct Item {
    id: Uuid,
    name: String,
    attributes: serde_json::Value,
    owner: Option<String>,
}

async fn create(
    actor: Actor,
    new: NewItem,
    connections: Data<Connections>,
    scope: Option<AuditScope>,
) -> std::result::Result<HttpResponse, Problem> {
    let item = Item {
        id: Uuid::now_v7(),
        name: new.name,
        attributes: new.attributes,
        owner: actor.id,
    };
    let failed = || Problem::new(&INTERNAL_ERROR, "The database does not answer.");
    let stored = web::block(move || {
        let mut connection = connections.get().ok()?;
        let insert = |connection: &mut PgConnection| {
            diesel::sql_query(
                "INSERT INTO bench_items (id, name, attributes, owner) VALUES ($1, $2, $3, $4)",
            )
            .bind::<diesel::sql_types::Uuid, _>(item.id)
            .bind::<diesel::sql_types::Text, _>(&item.name)
            .bind::<diesel::sql_types::Text, _>(item.attributes.to_string())
            .bind::<diesel::sql_types::Nullable<diesel::sql_types::Text>, _>(&item.owner)
            .execute(connection)
        };
        match scope {
            Some(scope) => scope.transaction(&mut connection, insert),
            None => insert(&mut connection),
        }
        .ok()?;
        Some(item)
    })
    .await
    .map_err(|_| failed())?
    .ok_or_else(failed)?;
    Ok(HttpResponse::Created().json(stored))
}

async fn create_bare(
    actor: Actor,
    Json(new): Json<NewItem>,
    connections: Data<Connections>,
) -> std::result::Result<HttpResponse, Problem> {
    create(actor, new, connections, None).await
}

#[audited(action = "create_item", resource = "item")]
async fn create_audited(
    actor: Actor,
    Json(new): Json<NewItem>,
    connections: Data<Connections>,
) -> std::result::Result<HttpResponse, Problem> {
    create(actor, new, connections, None).await
}

#[audited(action = "create_item", resource = "item", durability = "transaction")]
async fn create_in_transaction(
    actor: Actor,
    Json(new): Json<NewItem>,
    connections: Data<Connections>,
    scope: AuditScope,
) -> std::result::Result<HttpResponse, Problem> {
    create(actor, new, connections, Some(scope)).await
}

async fn echo_bare(_: Actor, body: Json<serde_json::Value>) -> Json<serde_json::Value> {
    body
}

#[audited(action = "echo")]
async fn echo_audited(_: Actor, body: Json<serde_json::Value>) -> Json<serde_json::Value> {
    body
}

/// A service that listens.
pub struct Service {
    address: SocketAddr,
    audit: Audit,
    handle: ServerHandle,
}

impl Service {
    /// Starts one variant on a database that has its tables, or will have them.
    ///
    /// # Errors
    ///
    /// When the journal's folder cannot be used, or no port is free.
    pub fn start(variant: Variant, url: &str, journal: &Path) -> Result<Self> {
        let audit = Audit::builder(variant.name(), url, journal)
            .authenticate(Named)
            .durability(variant.durability())
            .start()?;
        // Those who only echo need no database, and some of them get none.
        let connections = Pool::builder()
            .max_size(CONNECTIONS)
            .build_unchecked(ConnectionManager::<PgConnection>::new(url));
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let app_audit = audit.clone();
        let (started, handle) = mpsc::channel();
        thread::spawn(move || {
            let server = HttpServer::new(move || {
                App::new()
                    .app_data(app_audit.clone())
                    .app_data(Data::new(connections.clone()))
                    .configure(|config| variant.configure(config))
            })
            .workers(WORKERS)
            .disable_signals()
            .listen(listener);
            actix_web::rt::System::new().block_on(async move {
                if let Ok(server) = server {
                    let server = server.run();
                    let _ = started.send(server.handle());
                    let _ = server.await;
                }
            });
        });
        let handle = handle.recv()?;
        Ok(Self {
            address,
            audit,
            handle,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops, and waits until every record is in Postgres.
    ///
    /// # Errors
    ///
    /// When some have not got there within two minutes.
    pub fn stop(self) -> Result {
        tokio::runtime::Builder::new_current_thread()
            .build()?
            .block_on(self.handle.stop(true));
        match self.audit.drain(Duration::from_secs(120)) {
            0 => Ok(()),
            left => Err(format!("{left} records did not reach PostgreSQL").into()),
        }
    }
}
