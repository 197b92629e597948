//! Helpers for the tests of services that use this library.
//!
//! - [`Recorder`] keeps records in memory, so a test of a handler needs neither
//!   Postgres nor a disk, and sees each record as soon as it has its response.
//! - [`RouteCoverage`] fails when a route that changes something is neither audited
//!   nor exempt with a reason.
//! - [`routes`] tells which routes an app has, for tables that must name all of them.
//! - [`TestDatabase`] and [`eventually`] are for tests that want the real thing.
//!
//! ```
//! use actix_web::test::{TestRequest, call_service, init_service};
//! use actix_web::{App, HttpResponse, post, web::Json};
//! use audit::testing::{Recorder, RouteCoverage};
//! use audit::{Actor, audited};
//! use serde_json::{Value, json};
//!
//! #[post("/items/")]
//! #[audited(action = "create_item", resource = "item")]
//! async fn create_item(_: Actor, item: Json<Value>) -> HttpResponse {
//!     HttpResponse::Created().json(item)
//! }
//!
//! # actix_web::rt::System::new().block_on(async {
//! let recorder = Recorder::builder().actor(Actor::user("alice", "test")).start();
//! let app = init_service(App::new().app_data(recorder.audit()).service(create_item)).await;
//!
//! let request = TestRequest::post().uri("/items/");
//! let request = request.set_json(json!({ "name": "Kettle", "password": "hunter2" }));
//! call_service(&app, request.to_request()).await;
//!
//! recorder
//!     .only("create_item")
//!     .succeeded()
//!     .by("alice")
//!     .with_request(json!({ "name": "Kettle", "password": "[REDACTED]" }))
//!     .without("hunter2");
//!
//! RouteCoverage::new().check(&recorder, &app).await;
//! # });
//! ```

mod coverage;
mod database;
mod recorder;
mod routes;

pub use coverage::{AuditedRoute, RouteCoverage};
pub use database::{TestDatabase, eventually};
pub use recorder::{Recorded, Recorder, RecorderBuilder};
pub use routes::routes;
