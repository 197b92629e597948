//! Floods of refused requests, as a service sees them.

use std::net::SocketAddr;
use std::time::Duration;

use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::header::{AUTHORIZATION, RETRY_AFTER};
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::web::{Bytes, ServiceConfig};
use actix_web::{App, Error, HttpRequest, HttpResponse, post};
use audit::problem::{FORBIDDEN, INVALID_CREDENTIALS};
use audit::testing::{Recorder, RecorderBuilder};
use audit::{Actor, Allowance, Authenticate, Outcome, Problem, RequestId, audited};
use chrono::DateTime;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use serde_json::json;

/// Whoever has a name is known by it.
struct Named;

impl Authenticate for Named {
    fn authenticate(&self, request: &HttpRequest) -> Result<Actor, Problem> {
        let name = request.headers().get(AUTHORIZATION);
        name.and_then(|name| name.to_str().ok())
            .map(|name| Actor::user(name, "name"))
            .ok_or_else(|| Problem::new(&INVALID_CREDENTIALS, "Say who you are."))
    }
}

/// The same, and everybody may read the trail.
struct Auditors;

impl Authenticate for Auditors {
    fn authenticate(&self, request: &HttpRequest) -> Result<Actor, Problem> {
        let mut actor = Named.authenticate(request)?;
        actor.roles = vec!["auditor".to_owned()];
        Ok(actor)
    }
}

#[post("/order")]
#[audited(action = "order")]
async fn order(actor: Actor, body: Bytes) -> Result<HttpResponse, Problem> {
    if body == "forbidden" {
        return Err(Problem::new(&FORBIDDEN, format!("Not for {:?}.", actor.id)));
    }
    Ok(HttpResponse::Ok().finish())
}

#[post("/never")]
#[audited(action = "never")]
async fn never() -> HttpResponse {
    std::future::pending().await
}

fn mount(config: &mut ServiceConfig) {
    config
        .service(order)
        .service(never)
        .configure(audit::routes::configure);
}

fn builder() -> RecorderBuilder {
    Recorder::builder()
        .authenticate(Named)
        .clock(DateTime::UNIX_EPOCH)
        .refusals(Allowance::new(5, 1))
}

async fn app(
    recorder: &Recorder,
) -> impl Service<actix_http::Request, Response = ServiceResponse, Error = Error> {
    init_service(App::new().app_data(recorder.audit()).configure(mount)).await
}

/// An order from this host, by nobody.
fn from(host: u8) -> TestRequest {
    TestRequest::post()
        .uri("/order")
        .peer_addr(SocketAddr::from(([192, 0, 2, host], 1)))
}

fn by(name: &str, host: u8) -> TestRequest {
    from(host).insert_header((AUTHORIZATION, name))
}

#[actix_web::test]
async fn a_flood_is_recorded_in_full_up_to_the_allowance_and_then_told_by_one_record() {
    let recorder = builder().start();
    let app = app(&recorder).await;
    let mut statuses = Vec::new();
    for _ in 0..20 {
        let response = call_service(&app, from(1).to_request()).await;
        statuses.push(response.status().as_u16());
    }
    assert_eq!(statuses, [vec![401; 5], vec![429; 15]].concat());

    let response = call_service(
        &app,
        from(1).insert_header(("x-request-id", "r-1")).to_request(),
    );
    let response = response.await;
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers().get(RETRY_AFTER).unwrap(), "1");
    assert_eq!(response.headers().get("x-request-id").unwrap(), "r-1");
    assert_eq!(RequestId::of(response.request()).as_str(), "r-1");

    let second_address = call_service(&app, from(2).to_request()).await;
    assert_eq!(second_address.status(), 401);
    let known_actor = call_service(&app, by("alice", 1).to_request()).await;
    assert_eq!(
        known_actor.status(),
        200,
        "a known actor pays for itself alone"
    );

    assert_eq!(recorder.of("order").len(), 7, "six refusals and one order");
    let told = recorder.of("audit.throttled");
    assert_eq!(told.len(), 1);
    told[0]
        .denied("too_many_refusals")
        .by_nobody()
        .with("/client/ip", "192.0.2.1")
        .with_note("requests", 16)
        .with_note("network", "192.0.2.1/32")
        .with_note("actions", json!({ "order": 16 }));
}

#[actix_web::test]
async fn what_is_not_admitted_leaves_no_hole_in_the_numbers_of_records() {
    let recorder = builder().start();
    let app = app(&recorder).await;
    for _ in 0..20 {
        call_service(&app, from(1).to_request()).await;
    }
    call_service(&app, by("alice", 1).to_request()).await;
    let numbers: Vec<i64> = recorder
        .records()
        .iter()
        .map(|record| record.record().seq)
        .collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7]);
}

#[actix_web::test]
async fn a_valid_token_that_floods_is_charged_to_its_actor_wherever_it_comes_from() {
    let recorder = builder().start();
    let app = app(&recorder).await;
    let mut statuses = Vec::new();
    for host in 0..10 {
        let request = by("mallory", host).set_payload("forbidden");
        let response = call_service(&app, request.to_request()).await;
        statuses.push(response.status().as_u16());
    }
    assert_eq!(statuses, [vec![403; 5], vec![429; 5]].concat());
    let response = call_service(&app, by("mallory", 99).to_request()).await;
    assert_eq!(
        response.status(),
        429,
        "an order that could succeed waits, too"
    );
    let response = call_service(&app, from(1).to_request()).await;
    assert_eq!(response.status(), 401, "the addresses are charged nothing");

    recorder
        .of("audit.throttled")
        .remove(0)
        .by("mallory")
        .with_note("requests", 6);
    recorder.advance(Duration::from_secs(1));
    let response = call_service(&app, by("mallory", 99).to_request()).await;
    assert_eq!(response.status(), 200, "a second later there is one again");
}

#[actix_web::test]
async fn a_client_that_leaves_is_charged_like_one_that_is_refused() {
    let recorder = builder().start();
    let app = app(&recorder).await;
    let request = || from(1).uri("/never").to_request();
    for _ in 0..5 {
        let call = Box::pin(app.call(request()));
        assert!(futures_util::FutureExt::now_or_never(call).is_none());
    }
    assert_eq!(call_service(&app, request()).await.status(), 429);
    let left = recorder.of("never");
    assert!(
        left.iter()
            .all(|record| record.record().outcome == Outcome::Aborted)
    );
    assert_eq!(left.len(), 5);
}

#[actix_web::test]
async fn whoever_is_unknown_shares_one_allowance_whatever_the_address() {
    let recorder = builder().unknown_refusals(Allowance::new(3, 1)).start();
    let app = app(&recorder).await;
    let mut statuses = Vec::new();
    for host in 0..5 {
        let response = call_service(&app, from(host).to_request()).await;
        statuses.push(response.status().as_u16());
    }
    assert_eq!(statuses, [401, 401, 401, 429, 429]);
    let response = call_service(&app, by("alice", 1).to_request()).await;
    assert_eq!(response.status(), 200);
    assert_eq!(
        recorder.of("audit.throttled").len(),
        2,
        "one for each address"
    );
}

#[actix_web::test]
async fn queries_are_charged_to_their_actor_and_refusals_of_them_are_recorded() {
    let recorder = builder()
        .authenticate(Auditors)
        .queries(Allowance::new(2, 1))
        .start();
    let mut registry = Registry::default();
    recorder.audit().register_metrics(&mut registry);
    let app = app(&recorder).await;
    let mut statuses = Vec::new();
    for name in ["otto", "otto", "otto", "ada"] {
        let request = TestRequest::get()
            .uri("/audit/records")
            .insert_header((AUTHORIZATION, name));
        let response = call_service(&app, request.to_request()).await;
        statuses.push(response.status().as_u16());
    }
    // Behind a recorder there is no store.
    assert_eq!(statuses, [503, 503, 429, 503]);
    let records = recorder.of("read_audit_records");
    records[2]
        .ended(Outcome::Rejected)
        .because("too_many_queries")
        .by("otto");

    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    assert!(
        text.contains("audit_queries_refused_total{limit=\"allowance\"} 1"),
        "{text}"
    );
}

#[actix_web::test]
async fn what_was_not_admitted_is_counted_in_the_metrics() {
    let recorder = builder().unknown_refusals(Allowance::new(6, 1)).start();
    let mut registry = Registry::default();
    recorder.audit().register_metrics(&mut registry);
    let app = app(&recorder).await;
    for _ in 0..6 {
        call_service(&app, from(1).to_request()).await;
        call_service(&app, by("mallory", 1).set_payload("forbidden").to_request()).await;
    }
    for host in [2, 2, 3] {
        call_service(&app, from(host).to_request()).await;
    }
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    for line in [
        "audit_throttled_total{allowance=\"actor\"} 1",
        "audit_throttled_total{allowance=\"address\"} 1",
        "audit_throttled_total{allowance=\"unknown\"} 2",
    ] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
}
