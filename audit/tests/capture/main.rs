//! What `#[audited]` makes of handlers, seen through a recorder.

mod attribute_order;
mod bodies;
mod client_address;
mod coverage;
mod extractors;
mod scope;
mod secrecy;
mod task;
mod throttle;

use actix_web::dev::ServiceResponse;
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::{App, web};
use audit::Actor;
use audit::testing::Recorder;

/// Everybody is Alice.
fn recorder() -> Recorder {
    Recorder::builder()
        .actor(Actor::user("alice", "test"))
        .start()
}

/// Calls an app that is mounted for this one request.
async fn call(
    recorder: &Recorder,
    mount: impl FnOnce(&mut web::ServiceConfig),
    request: TestRequest,
) -> ServiceResponse {
    let app = App::new().app_data(recorder.audit()).configure(mount);
    call_service(&init_service(app).await, request.to_request()).await
}
