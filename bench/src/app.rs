//! The same handlers with and without an audit trail.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::web::{self, Data, Json};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use audit::problem::{INTERNAL_ERROR, MISSING_CREDENTIALS};
use audit::{Actor, Audit, AuditScope, Authenticate, Durability, Problem, audited};
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variant {
    Bare,
    Audited(Durability),
}

impl Variant {
    /// Those that a handler without a transaction of its own can be mounted as.
    pub(crate) const PLAIN: [Self; 4] = [
        Self::Bare,
        Self::Audited(Durability::Memory),
        Self::Audited(Durability::Crash),
        Self::Audited(Durability::PowerLoss),
    ];

    pub(crate) const ALL: [Self; 5] = {
        let [bare, memory, crash, power_loss] = Self::PLAIN;
        [
            bare,
            memory,
            crash,
            power_loss,
            Self::Audited(Durability::Transaction),
        ]
    };

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Audited(Durability::Memory) => "memory",
            Self::Audited(Durability::Crash) => "crash",
            Self::Audited(Durability::PowerLoss) => "power_loss",
            Self::Audited(Durability::Transaction) => "transaction",
        }
    }
}

/// Believes everybody who says a name; both sides of a comparison ask it.
struct Named;

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
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    audit: Audit,
    handle: ServerHandle,
}

impl Service {
    /// Starts one variant on a database that has its tables.
    pub(crate) fn start(variant: Variant, url: &str, journal: &Path) -> Result<Self> {
        let mut audit = Audit::builder(variant.name(), url, journal).authenticate(Named);
        if let Variant::Audited(durability) = variant {
            audit = audit.durability(durability);
        }
        let audit = audit.start()?;
        let connections = Pool::builder()
            .max_size(CONNECTIONS)
            .build(ConnectionManager::<PgConnection>::new(url))?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let app_audit = audit.clone();
        let (started, handle) = mpsc::channel();
        thread::spawn(move || {
            let server = HttpServer::new(move || {
                let app = App::new()
                    .app_data(app_audit.clone())
                    .app_data(Data::new(connections.clone()));
                match variant {
                    Variant::Bare => app
                        .route("/items/", web::post().to(create_bare))
                        .route("/echo", web::post().to(echo_bare)),
                    Variant::Audited(Durability::Transaction) => {
                        app.route("/items/", web::post().to(create_in_transaction))
                    }
                    Variant::Audited(_) => app
                        .route("/items/", web::post().to(create_audited))
                        .route("/echo", web::post().to(echo_audited)),
                }
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

    /// Stops, and waits until every record is in Postgres.
    pub(crate) fn stop(self) -> Result {
        tokio::runtime::Builder::new_current_thread()
            .build()?
            .block_on(self.handle.stop(true));
        match self.audit.drain(Duration::from_secs(120)) {
            0 => Ok(()),
            left => Err(format!("{left} records did not reach PostgreSQL").into()),
        }
    }
}
