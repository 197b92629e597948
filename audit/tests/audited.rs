//! `#[audited]` handlers of a small app, seen through the records they leave.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and so do its helpers"
)]

use std::time::Duration;

use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, RETRY_AFTER};
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::web::{self, Json, Path};
use actix_web::{App, HttpRequest, HttpResponse, Responder, get, post, put};
use audit::problem::{FORBIDDEN, MISSING_CREDENTIALS};
use audit::testing::{TestDatabase, eventually};
use audit::{Actor, Allowance, Audit, AuditScope, Authenticate, Problem, audited};
use diesel::connection::SimpleConnection as _;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};

/// `Authorization: alice,user,admin` is Alice with two roles.
struct Named;

impl Authenticate for Named {
    fn authenticate(&self, request: &HttpRequest) -> Result<Actor, Problem> {
        assert!(
            !request.headers().contains_key("x-broken"),
            "authentication itself is broken"
        );
        let header = request
            .headers()
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let mut words = header
            .ok_or_else(|| Problem::new(&MISSING_CREDENTIALS, "Say who you are."))?
            .split(',');
        let mut actor = Actor::user(words.next().unwrap_or_default(), "name");
        actor.roles = words.map(str::to_owned).collect();
        Ok(actor)
    }
}

#[post("/below/{id}")]
#[audited(action = "below", resource = "thing", resource_id = id, capture = "all")]
async fn below(id: Path<u32>, Json(body): Json<Value>) -> impl Responder {
    HttpResponse::Created().json(json!({ "id": *id, "token": "out", "got": body }))
}

#[audited(action = "above")]
#[put("/above")]
async fn above(_: Json<Value>, scope: AuditScope) -> Result<Json<Value>, Problem> {
    scope.resource_id("set later");
    helper_that_knows_nothing_of_http();
    Ok(Json(json!({})))
}

fn helper_that_knows_nothing_of_http() {
    if let Some(scope) = AuditScope::current() {
        scope.note("source", "helper");
        scope.note("api_key", "k-123");
    }
}

#[audited(action = "plain.route", capture = "metadata")]
async fn plain(_: Json<Value>) -> HttpResponse {
    HttpResponse::Ok().finish()
}

#[post("/optional")]
#[audited(action = "optional", unavailable = "allow")]
async fn optional() -> HttpResponse {
    HttpResponse::Ok().finish()
}

#[put("/in-memory")]
#[audited(action = "in_memory", durability = "memory")]
async fn in_memory() -> HttpResponse {
    HttpResponse::Ok().finish()
}

#[put("/synced")]
#[audited(action = "synced", durability = "power_loss")]
async fn synced() -> HttpResponse {
    HttpResponse::Ok().finish()
}

#[get("/panics")]
#[audited(action = "panics")]
async fn panics() -> HttpResponse {
    panic!("a mistake of the handler's own")
}

#[post("/forbidden")]
#[audited(action = "forbidden")]
async fn forbidden(actor: Actor) -> Result<HttpResponse, Problem> {
    Err(Problem::new(&FORBIDDEN, format!("Not for {:?}.", actor.id)))
}

#[get("/never")]
#[audited(action = "never")]
async fn never() -> HttpResponse {
    std::future::pending().await
}

/// Where there is no Postgres.
const NOWHERE: &str = "postgresql:///nowhere?host=/nonexistent";

fn mount(config: &mut web::ServiceConfig) {
    config
        .service(below)
        .service(above)
        .service(optional)
        .service(in_memory)
        .service(synced)
        .service(panics)
        .service(forbidden)
        .service(never)
        .route("/plain", web::post().to(plain))
        .configure(audit::routes::configure);
}

fn start(database: &TestDatabase) -> Audit {
    Audit::builder("tests", database.url(), database.journal())
        .authenticate(Named)
        .start()
        .unwrap()
}

macro_rules! app {
    ($audit:expr) => {
        init_service(App::new().app_data($audit.clone()).configure(mount)).await
    };
}

/// All records of an action, once there are as many as expected.
async fn records<B: actix_web::body::MessageBody>(
    app: &impl Service<actix_http::Request, Response = ServiceResponse<B>, Error = actix_web::Error>,
    query: &str,
    expected: usize,
) -> Vec<Value> {
    eventually(&format!("{expected} records of {query}"), async || {
        let request = TestRequest::get()
            .uri(&format!("/audit/records?order=asc&{query}"))
            .insert_header((AUTHORIZATION, "ada,auditor"))
            .to_request();
        let page: Value = actix_web::test::call_and_read_body_json(app, request).await;
        // Reading is an attempt too, which a full journal refuses.
        let records = page["records"].as_array()?.clone();
        (records.len() >= expected).then_some(records)
    })
    .await
}

#[actix_web::test]
async fn an_attempt_is_recorded_with_who_what_when_where_and_how_it_ended() {
    let database = TestDatabase::migrated(None);
    let audit = start(&database);
    let app = app!(audit);
    let request = TestRequest::post()
        .uri("/below/7?page=1&token=t-123")
        .insert_header((AUTHORIZATION, "alice,user"))
        .insert_header(("X-Request-Id", "req-1"))
        .insert_header(("User-Agent", "tests"))
        .insert_header((
            "traceparent",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ))
        .peer_addr("192.0.2.7:1234".parse().unwrap())
        .set_json(json!({ "name": "kettle", "login": { "password": "hunter2" } }))
        .to_request();
    let response = call_service(&app, request).await;
    assert_eq!(response.status(), StatusCode::CREATED);
    assert_eq!(response.headers().get("x-request-id").unwrap(), "req-1");

    let record = records(&app, "action=below", 1).await.remove(0);
    assert_eq!(record["outcome"], "success");
    assert_eq!(record["reason"], Value::Null);
    assert_eq!(
        record["actor"],
        json!({ "kind": "user", "id": "alice", "roles": ["user"], "auth": "name", "credential": null })
    );
    assert_eq!(record["resource"], json!({ "type": "thing", "id": "7" }));
    assert_eq!(
        record["http"],
        json!({
            "method": "POST", "route": "/below/{id}", "path": "/below/7", "query": "page=1&token=[REDACTED]",
            "status": 201, "request_id": "req-1", "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        })
    );
    assert_eq!(
        record["client"],
        json!({ "ip": "192.0.2.7", "peer": "192.0.2.7", "user_agent": "tests" })
    );
    assert_eq!(
        record["request"],
        json!({ "name": "kettle", "login": { "password": "[REDACTED]" } })
    );
    assert_eq!(record["response"]["token"], "[REDACTED]");
    assert_eq!(record["response"]["got"]["login"]["password"], "[REDACTED]");
    assert_eq!(
        record["redacted"],
        json!([
            "/request/login/password",
            "/response/token",
            "/response/got/login/password",
            "/http/query/token"
        ])
    );
    assert_eq!(record["seq"], 2, "the first one tells of the start");
    assert!(record["duration_us"].as_i64().unwrap() > 0);
}

#[actix_web::test]
async fn the_handlers_answer_passes_through_untouched() {
    let database = TestDatabase::migrated(None);
    let audit = start(&database);
    let app = app!(audit);
    let request = TestRequest::post()
        .uri("/below/7")
        .set_json(json!([1]))
        .to_request();
    let body: Value = actix_web::test::call_and_read_body_json(&app, request).await;
    assert_eq!(body, json!({ "id": 7, "token": "out", "got": [1] }));
}

#[actix_web::test]
async fn it_works_above_and_below_the_route_macro_and_without_one() {
    let database = TestDatabase::migrated(None);
    let audit = start(&database);
    let app = app!(audit);
    let request = TestRequest::put()
        .uri("/above")
        .set_json(json!({ "a": 1 }))
        .to_request();
    assert_eq!(call_service(&app, request).await.status(), StatusCode::OK);
    let request = TestRequest::post()
        .uri("/plain")
        .set_json(json!({ "a": 1 }))
        .to_request();
    assert_eq!(call_service(&app, request).await.status(), StatusCode::OK);

    let first = records(&app, "action=above", 1).await.remove(0);
    assert_eq!(
        first["resource"],
        json!({ "type": null, "id": "set later" })
    );
    assert_eq!(
        first["notes"],
        json!({ "api_key": "[REDACTED]", "source": "helper" })
    );
    assert_eq!(first["actor"]["kind"], "anonymous");
    let second = records(&app, "action=plain.*", 1).await.remove(0);
    assert_eq!(second["request"], Value::Null);
    assert_eq!(second["http"]["route"], "/plain");
}

#[actix_web::test]
async fn failed_extractors_are_attempts_too() {
    let database = TestDatabase::migrated(None);
    let audit = start(&database);
    let app = app!(audit);
    let not_json = TestRequest::post()
        .uri("/below/7")
        .insert_header(("Content-Type", "application/json"))
        .set_payload(r#"{"password": "hunter2""#);
    assert_eq!(
        call_service(&app, not_json.to_request()).await.status(),
        StatusCode::BAD_REQUEST
    );
    let not_a_number = TestRequest::post().uri("/below/seven").set_json(json!({}));
    assert_eq!(
        call_service(&app, not_a_number.to_request()).await.status(),
        StatusCode::NOT_FOUND
    );

    let records = records(&app, "action=below", 2).await;
    assert_eq!(records[0]["outcome"], "rejected");
    assert_eq!(records[0]["reason"], "bad_request");
    assert_eq!(
        records[0]["request"],
        Value::Null,
        "what cannot be redacted is not kept"
    );
    assert_eq!(
        records[0]["truncated"],
        json!([{ "path": "/request", "bytes": 22, "sha256": null }])
    );
    assert_eq!(
        (&records[1]["http"]["status"], &records[1]["reason"]),
        (&json!(404), &json!("not_found"))
    );
}

#[actix_web::test]
async fn refusals_are_recorded_as_denied_with_the_code_of_their_problem() {
    let database = TestDatabase::migrated(None);
    let audit = start(&database);
    let app = app!(audit);
    let nobody = TestRequest::post().uri("/forbidden").to_request();
    assert_eq!(
        call_service(&app, nobody).await.status(),
        StatusCode::UNAUTHORIZED
    );
    let alice = TestRequest::post()
        .uri("/forbidden")
        .insert_header((AUTHORIZATION, "alice,user"));
    assert_eq!(
        call_service(&app, alice.to_request()).await.status(),
        StatusCode::FORBIDDEN
    );

    let records = records(&app, "outcome=denied", 2).await;
    let told: Vec<_> = records
        .iter()
        .map(|record| {
            (
                record["reason"].as_str().unwrap(),
                record["actor"]["id"].as_str(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [("missing_credentials", None), ("forbidden", Some("alice"))]
    );
}

#[actix_web::test]
async fn a_panic_is_answered_and_recorded() {
    let database = TestDatabase::migrated(None);
    let audit = start(&database);
    let app = app!(audit);
    let response = call_service(&app, TestRequest::get().uri("/panics").to_request()).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(
        response.headers().get("content-type").unwrap(),
        "application/problem+json"
    );

    let record = records(&app, "action=panics", 1).await.remove(0);
    assert_eq!(
        (&record["outcome"], &record["reason"]),
        (&json!("failed"), &json!("panic"))
    );
    assert_eq!(record["http"]["status"], 500);
}

#[actix_web::test]
async fn a_panic_in_the_services_authentication_is_answered_and_recorded_too() {
    let database = TestDatabase::migrated(None);
    let audit = start(&database);
    let app = app!(audit);
    let request = TestRequest::put()
        .uri("/above")
        .insert_header(("x-broken", "1"));
    let response = call_service(&app, request.to_request()).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);

    let record = records(&app, "action=above", 1).await.remove(0);
    assert_eq!(record["reason"], "panic");
    assert_eq!(record["actor"]["kind"], "anonymous");
}

#[actix_web::test]
async fn a_client_that_goes_away_leaves_an_aborted_attempt() {
    let database = TestDatabase::migrated(None);
    let audit = start(&database);
    let app = app!(audit);
    let mut call = Box::pin(app.call(TestRequest::get().uri("/never").to_request()));
    // Polled once, the handler has begun; dropped, its client is gone.
    assert!(
        futures_util::future::poll_immediate(&mut call)
            .await
            .is_none()
    );
    drop(call);

    let record = records(&app, "action=never", 1).await.remove(0);
    assert_eq!(
        (&record["outcome"], &record["reason"]),
        (&json!("aborted"), &json!("client_gone"))
    );
    assert_eq!(record["http"]["status"], Value::Null);
}

#[actix_web::test]
async fn without_room_for_its_record_an_attempt_is_refused_before_it_begins() {
    let folder = tempfile::tempdir().unwrap();
    let audit = Audit::builder("tests", NOWHERE, folder.path())
        .authenticate(Named)
        .journal_quota_bytes(1024 * 1024)
        .start()
        .unwrap();
    let app = app!(audit);
    let call = || {
        TestRequest::put()
            .uri("/above")
            .set_json(json!({ "padding": vec!["x".repeat(1_000); 50] }))
            .to_request()
    };
    let mut recorded = 0;
    while call_service(&app, call()).await.status() == StatusCode::OK {
        recorded += 1;
        assert!(recorded < 30, "a megabyte does not hold so many");
    }
    assert!(recorded > 10, "{recorded}");
    let response = call_service(&app, call()).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(response.headers().contains_key(RETRY_AFTER));
    // The start is told too, and the stop is not: there is no room for it either.
    assert_eq!(audit.drain(Duration::ZERO), recorded + 1);
}

#[actix_web::test]
async fn a_flood_of_refusals_leaves_the_last_quarter_of_the_journal_to_real_work() {
    let folder = tempfile::tempdir().unwrap();
    // So generous that nothing but the price is in the way.
    let plenty = Allowance::new(1_000_000, 10_000);
    let audit = Audit::builder("tests", NOWHERE, folder.path())
        .authenticate(Named)
        .journal_quota_bytes(4 * 1024 * 1024)
        .refusals(plenty)
        .unknown_refusals(plenty)
        .start()
        .unwrap();
    let mut registry = Registry::default();
    audit.register_metrics(&mut registry);
    let fullness = || {
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        let gauge = |name: &str| -> f64 {
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .unwrap();
            line.trim().parse().unwrap()
        };
        gauge("audit_journal_bytes ") / gauge("audit_journal_limit_bytes ")
    };
    let app = app!(audit);
    let mut refused_in_a_row = 0;
    while refused_in_a_row < 1_000 {
        let request = TestRequest::post().uri("/forbidden").to_request();
        match call_service(&app, request).await.status() {
            StatusCode::UNAUTHORIZED => refused_in_a_row = 0,
            StatusCode::TOO_MANY_REQUESTS => refused_in_a_row += 1,
            status => panic!("{status}"),
        }
    }
    let full = fullness();
    assert!((0.6..0.85).contains(&full), "{full}");

    let request = TestRequest::put().uri("/above").set_json(json!({}));
    let request = request.insert_header((AUTHORIZATION, "alice")).to_request();
    assert_eq!(call_service(&app, request).await.status(), StatusCode::OK);
    audit.drain(Duration::ZERO);
}

#[actix_web::test]
async fn an_attempt_that_may_go_without_a_record_is_let_through_and_the_gap_is_told() {
    let database = TestDatabase::empty();
    let audit = Audit::builder("tests", database.url(), database.journal())
        .authenticate(Named)
        .journal_quota_bytes(1024 * 1024)
        .start()
        .unwrap();
    let app = app!(audit);
    let full = || {
        TestRequest::put()
            .uri("/above")
            .set_json(json!({ "padding": vec!["x".repeat(1_000); 50] }))
            .to_request()
    };
    while call_service(&app, full()).await.status() == StatusCode::OK {}
    for _ in 0..3 {
        let request = TestRequest::post().uri("/optional").to_request();
        assert_eq!(call_service(&app, request).await.status(), StatusCode::OK);
    }
    let url = database.url().to_owned();
    web::block(move || audit::migrate(&url, None))
        .await
        .unwrap()
        .unwrap();
    let gap = records(&app, "action=audit.gap", 1).await.remove(0);
    assert_eq!(gap["notes"]["attempts"], 3);
    assert_eq!(gap["notes"]["actions"], json!({ "optional": 3 }));
    assert_eq!(gap["outcome"], "unknown");
    assert_eq!(gap["actor"]["kind"], "system");
    let first = gap["notes"]["first_seq"].as_i64().unwrap();
    assert_eq!(gap["notes"]["last_seq"].as_i64().unwrap(), first + 2);
}

#[actix_web::test]
async fn what_an_earlier_process_left_in_the_journal_is_delivered_by_the_next() {
    let database = TestDatabase::migrated(None);
    let folder = database.journal();
    let earlier = Audit::builder("tests", NOWHERE, &folder)
        .authenticate(Named)
        .start()
        .unwrap();
    let app = app!(earlier);
    for uri in ["/above", "/above", "/in-memory", "/synced"] {
        let request = TestRequest::put().uri(uri).set_json(json!({})).to_request();
        assert_eq!(call_service(&app, request).await.status(), StatusCode::OK);
    }
    let refused = Audit::builder("tests", NOWHERE, &folder).start();
    let message = refused.unwrap_err().to_string();
    assert!(message.contains("in use by another process"), "{message}");
    assert!(message.contains(folder.to_str().unwrap()), "{message}");

    assert_eq!(
        earlier.drain(Duration::ZERO),
        6,
        "four attempts, the start and the stop"
    );
    let next = app!(start(&database));
    assert_eq!(records(&next, "action=above", 2).await.len(), 2);
    assert_eq!(records(&next, "action=in_memory", 1).await.len(), 1);
    assert_eq!(records(&next, "action=synced", 1).await.len(), 1);
}

#[actix_web::test]
async fn a_record_that_postgres_refuses_is_set_aside_and_can_be_requeued() {
    let database = TestDatabase::migrated(None);
    let mut owner = database.connect();
    owner
        .batch_execute(
            "ALTER TABLE audit_records ADD CONSTRAINT no_poison CHECK (client_user_agent <> 'poison')",
        )
        .unwrap();
    let audit = start(&database);
    let app = app!(audit);
    for number in 0..30 {
        let agent = if number == 17 { "poison" } else { "harmless" };
        let request = TestRequest::put()
            .uri("/above")
            .insert_header(("User-Agent", agent))
            .set_json(json!({}))
            .to_request();
        assert_eq!(call_service(&app, request).await.status(), StatusCode::OK);
    }
    assert_eq!(records(&app, "action=above", 29).await.len(), 29);
    let url = database.url().to_owned();
    let letters = eventually("a dead letter", async || {
        let letters = audit::dead_letters(&url).unwrap();
        (!letters.is_empty()).then_some(letters)
    })
    .await;
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].sqlstate.as_deref(), Some("23514"));
    let kept: Value = serde_json::from_slice(&letters[0].record).unwrap();
    assert_eq!(kept["client"]["user_agent"], "poison");

    let refused = audit::requeue_dead_letters(&url, &[]).unwrap();
    assert!(refused[0].refusal.is_some());
    owner
        .batch_execute("ALTER TABLE audit_records DROP CONSTRAINT no_poison")
        .unwrap();
    let requeued = audit::requeue_dead_letters(&url, &[letters[0].id]).unwrap();
    assert_eq!(
        (requeued[0].id, &requeued[0].refusal),
        (letters[0].id, &None)
    );
    assert_eq!(records(&app, "action=above", 30).await.len(), 30);
    assert_eq!(audit::dead_letters(&url).unwrap(), []);
}

/// What a trigger or an index of an operator's own makes of one record.
#[actix_web::test]
async fn whatever_an_operators_own_objects_do_to_one_record_the_others_are_stored() {
    for (theirs, sqlstate) in [
        ("RETURN NULL;", "09000"),
        ("RAISE ''not here'';", "P0001"),
        ("RAISE USING ERRCODE = ''datatype_mismatch'';", "42804"),
        ("RAISE USING ERRCODE = ''program_limit_exceeded'';", "54000"),
        ("RAISE USING ERRCODE = ''exclusion_violation'';", "23P01"),
    ] {
        let database = TestDatabase::migrated(None);
        database
            .connect()
            .batch_execute(&format!(
                "CREATE FUNCTION theirs() RETURNS trigger LANGUAGE plpgsql AS \
                 'BEGIN IF NEW.client_user_agent = ''poison'' THEN {theirs} END IF; RETURN NEW; END'; \
                 CREATE TRIGGER theirs BEFORE INSERT ON audit_records FOR EACH ROW EXECUTE FUNCTION theirs()"
            ))
            .unwrap();
        let audit = start(&database);
        let app = app!(audit);
        for agent in ["harmless", "poison", "harmless"] {
            let request = TestRequest::put()
                .uri("/above")
                .insert_header(("User-Agent", agent))
                .set_json(json!({}))
                .to_request();
            assert_eq!(call_service(&app, request).await.status(), StatusCode::OK);
        }
        assert_eq!(records(&app, "action=above", 2).await.len(), 2);
        let letters = eventually("a dead letter", async || {
            let letters = audit::dead_letters(database.url()).unwrap();
            (!letters.is_empty()).then_some(letters)
        })
        .await;
        assert_eq!(letters.len(), 1);
        assert_eq!(letters[0].sqlstate.as_deref(), Some(sqlstate));
    }
}

#[actix_web::test]
async fn one_poisoned_record_of_a_thousand_is_set_aside_alone() {
    let database = TestDatabase::migrated(None);
    let mut owner = database.connect();
    owner
        .batch_execute(
            "ALTER TABLE audit_records ADD CONSTRAINT no_poison CHECK (client_user_agent <> 'poison'); \
             BEGIN; LOCK TABLE audit_records IN ACCESS EXCLUSIVE MODE",
        )
        .unwrap();
    let audit = start(&database);
    let app = app!(audit);
    // They wait for the lock, so that they are inserted in batches as large as they get.
    for number in 0..1_000 {
        // What Postgres could not store as it came: NUL, and half a pair of surrogates.
        let body = match number % 3 {
            0 => r#"{"text":"a\u0000b"}"#,
            1 => r#"{"text":"\ud800"}"#,
            _ => r#"{"text":"harmless"}"#,
        };
        let agent = if number == 617 { "poison" } else { "harmless" };
        let request = TestRequest::put()
            .uri("/above")
            .insert_header(("User-Agent", agent))
            .insert_header(("Content-Type", "application/json"))
            .set_payload(body)
            .to_request();
        call_service(&app, request).await;
    }
    owner.batch_execute("COMMIT").unwrap();
    assert_eq!(
        records(&app, "action=above&limit=1000", 999).await.len(),
        999
    );
    let letters = eventually("a dead letter", async || {
        let letters = audit::dead_letters(database.url()).unwrap();
        (!letters.is_empty()).then_some(letters)
    })
    .await;
    assert_eq!(letters.len(), 1);
    let kept: Value = serde_json::from_slice(&letters[0].record).unwrap();
    assert_eq!(kept["client"]["user_agent"], "poison");
}

#[actix_web::test]
async fn a_batch_that_takes_too_long_is_halved_until_it_does_not() {
    let database = TestDatabase::migrated(None);
    let mut owner = database.connect();
    owner
        .batch_execute(
            "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS \
             'BEGIN PERFORM pg_sleep(0.1); RETURN NEW; END'; \
             CREATE TRIGGER slow BEFORE INSERT ON audit_records FOR EACH ROW EXECUTE FUNCTION slow(); \
             BEGIN; LOCK TABLE audit_records IN ACCESS EXCLUSIVE MODE",
        )
        .unwrap();
    let audit = Audit::builder("tests", database.url(), database.journal())
        .authenticate(Named)
        .insert_timeout(Duration::from_secs(3))
        .start()
        .unwrap();
    let app = app!(audit);
    // They wait for the lock, so that they come in one batch, for which the time of a
    // statement is not enough.
    for _ in 0..40 {
        let request = TestRequest::put()
            .uri("/above")
            .set_json(json!({}))
            .to_request();
        assert_eq!(call_service(&app, request).await.status(), StatusCode::OK);
    }
    owner.batch_execute("COMMIT").unwrap();
    assert_eq!(records(&app, "action=above", 40).await.len(), 40);
    let mut registry = Registry::default();
    audit.register_metrics(&mut registry);
    let mut metrics = String::new();
    encode(&mut metrics, &registry).unwrap();
    assert!(metrics.contains("audit_writer_retries_total{class=\"timeout\"}"));
    assert!(
        metrics.contains("audit_writers_abandoned_total 0"),
        "each try had its time: {metrics}"
    );
}

#[actix_web::test]
async fn a_partition_that_is_missing_is_no_reason_to_set_records_aside() {
    let database = TestDatabase::migrated(None);
    let mut owner = database.connect();
    owner
        .batch_execute(
            "DO $$ DECLARE name text; BEGIN FOR name IN SELECT inhrelid::regclass::text \
             FROM pg_inherits WHERE inhparent = 'audit_records'::regclass LOOP \
             EXECUTE 'DROP TABLE ' || name; END LOOP; END $$",
        )
        .unwrap();
    let audit = start(&database);
    let app = app!(audit);
    for _ in 0..3 {
        let request = TestRequest::put()
            .uri("/above")
            .set_json(json!({}))
            .to_request();
        assert_eq!(call_service(&app, request).await.status(), StatusCode::OK);
    }
    let mut registry = Registry::default();
    audit.register_metrics(&mut registry);
    eventually("the writer has met the fault", async || {
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        text.contains("audit_writer_retries_total{class=\"data\"}")
            .then_some(())
    })
    .await;
    assert_eq!(audit::dead_letters(database.url()).unwrap(), []);
    owner
        .batch_execute("SELECT audit_ensure_partitions(now(), 1)")
        .unwrap();
    assert_eq!(records(&app, "action=above", 3).await.len(), 3);
    assert_eq!(audit::dead_letters(database.url()).unwrap(), []);
}

#[actix_web::test]
async fn without_an_audit_trail_the_handler_does_not_run() {
    let app = init_service(App::new().service(above)).await;
    let response = call_service(
        &app,
        TestRequest::put()
            .uri("/above")
            .set_json(json!({}))
            .to_request(),
    )
    .await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[actix_web::test]
async fn records_wait_for_a_postgres_that_is_not_ready_and_drain_when_it_is() {
    let database = TestDatabase::empty();
    let audit = start(&database);
    let app = app!(audit);
    for _ in 0..3 {
        let request = TestRequest::put()
            .uri("/above")
            .set_json(json!({}))
            .to_request();
        assert_eq!(call_service(&app, request).await.status(), StatusCode::OK);
    }
    let url = database.url().to_owned();
    web::block(move || audit::migrate(&url, None))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(records(&app, "action=above", 3).await.len(), 3);
    assert_eq!(
        web::block(move || audit.drain(Duration::from_secs(20)))
            .await
            .unwrap(),
        0
    );
}

#[actix_web::test]
async fn draining_lets_nothing_new_in_and_nothing_behind() {
    let database = TestDatabase::migrated(None);
    let audit = start(&database);
    let app = app!(audit);
    let call = || {
        TestRequest::put()
            .uri("/above")
            .set_json(json!({}))
            .to_request()
    };
    for _ in 0..100 {
        assert_eq!(call_service(&app, call()).await.status(), StatusCode::OK);
    }
    let draining = audit.clone();
    let left = web::block(move || draining.drain(Duration::from_secs(20)))
        .await
        .unwrap();
    assert_eq!(left, 0);
    assert_eq!(
        call_service(&app, call()).await.status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
    // The first trail is closed, so another one reads what it has left.
    let again = app!(start(&database));
    assert_eq!(
        records(&again, "action=above&limit=1000", 100).await.len(),
        100
    );
}
