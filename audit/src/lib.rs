//! An audit trail for Actix-web services: every attempt to use an annotated
//! handler becomes a redacted, queryable, append-only record in Postgres.
//!
//! ```no_run
//! use actix_web::{App, HttpResponse, HttpServer, post, web::Json};
//! use audit::{Actor, Audit, audited};
//! use serde_json::Value;
//!
//! #[post("/items/")]
//! #[audited(action = "create_item", resource = "item")]
//! async fn create_item(actor: Actor, item: Json<Value>) -> HttpResponse {
//!     HttpResponse::Created().json(item)
//! }
//!
//! #[actix_web::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let url = "postgresql://localhost/shop";
//!     audit::migrate(url, None)?;
//!     let audit = Audit::builder("shop", url, "data/journal").start()?;
//!     let app_audit = audit.clone();
//!     HttpServer::new(move || {
//!         App::new()
//!             .app_data(app_audit.clone())
//!             .service(create_item)
//!             .configure(audit::routes::configure)
//!     })
//!     .bind(("127.0.0.1", 8000))?
//!     .run()
//!     .await?;
//!     audit.drain(std::time::Duration::from_secs(10));
//!     Ok(())
//! }
//! ```
//!
//! # The way of a record
//!
//! ```text
//! request ─▶ capture ─▶ redact ─▶ journal ─▶ writer ─▶ postgres ─▶ routes ─▶ viewer
//! ```
//!
//! The modules stand in this order. A room knows those downstream of it by their
//! narrow hand-off and nothing of those upstream.

// The routes of this crate are annotated like anybody else's, and what the macro
// writes begins with `::audit`.
extern crate self as audit;

pub mod record;
pub mod redact;

mod capture;
mod clock;
mod journal;
mod writer;

mod postgres;

pub mod routes;
mod viewer;

mod auditable;
mod authenticate;
#[cfg(feature = "bench")]
#[doc(hidden)]
#[allow(missing_debug_implementations, reason = "only benchmarks see it")]
pub mod bench;
mod client_address;
mod format;
#[cfg(feature = "fuzz")]
#[doc(hidden)]
#[allow(missing_debug_implementations, reason = "only fuzz targets see it")]
pub mod fuzz;
mod gap;
mod handle;
pub mod headers;
#[cfg(feature = "jwt")]
pub mod jwt;
mod lifecycle;
mod log_gate;
pub mod methods;
mod metrics;
mod own_record;
pub mod printable;
pub mod problem;
mod query;
pub mod strict;
mod tail;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod throttle;
mod trail;

pub use audit_macros::{Auditable, audited};
pub use auditable::{Auditable, Classified};
pub use authenticate::{Authenticate, FromExtensions};
pub use capture::{
    Answer, Argument, AuditScope, Part, RequestId, Task, TaskError, TransactionError, Untyped,
    request_id,
};
pub use client_address::{ForwardedHeader, TrustedProxies};
pub use format::Format;
pub use handle::{Audit, AuditBuilder};
pub use ipnet::IpNet;
pub use journal::{Durability, OpenError};
pub use postgres::{
    ConnectionManager, DeadLetter, DeadLetterError, MigrateError, Requeued, dead_letters, migrate,
    requeue_dead_letters,
};
pub use problem::Problem;
pub use record::{Actor, ActorKind, Outcome, Record};
pub use throttle::{Allowance, InvalidAllowance};
pub use trail::{Pages, Records, Trail, TrailError, TrailQuery};

/// Compiles, and where it can runs, what the guide shows.
#[cfg(doctest)]
#[doc = include_str!("../../docs/annotating-handlers.md")]
pub struct AnnotatingHandlers;

/// What `#[audited]` expands to. It may change without notice.
#[doc(hidden)]
pub mod __private {
    pub use actix_web::HttpResponse;
    pub use audit_macros::{audited_last, strict_audited_last};

    pub use crate::auditable::{Probe, Unknown};
    pub use crate::capture::{
        AnswerProbe, ArgumentProbe, Call, Capture, Reads, Silent, Spec, Types, Unavailable,
        answers_classified, reads_classified, say_resource_id,
    };
    pub use crate::journal::Durability;
    pub use crate::redact::shape::{Member, Shape, Treatment};
}
