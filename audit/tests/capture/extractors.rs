//! Handlers of every form that Actix-web allows.

use actix_multipart::Multipart;
use actix_web::body::to_bytes;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, ContentType, RETRY_AFTER};
use actix_web::test::TestRequest;
use actix_web::web::{
    self, Bytes, Data, Either, Form, Header, Json, Path, Payload, Query, ReqData,
};
use actix_web::{Error, HttpRequest, HttpResponse, Responder, ResponseError, error};
use audit::{Actor, Audit, AuditScope, Auditable, RequestId, audited};
use futures_util::{StreamExt as _, stream};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{call, recorder};

#[derive(Deserialize)]
struct Page {
    number: u32,
}

#[derive(Deserialize)]
struct Pair {
    left: String,
    right: u32,
}

macro_rules! post {
    ($handler:expr) => {
        |config: &mut web::ServiceConfig| {
            config.route("/", web::post().to($handler));
        }
    };
}

#[actix_web::test]
async fn sixteen_arguments_of_all_kinds_reach_the_handler_as_they_would_without_the_trail() {
    #[audited(action = "sixteen", resource = "thing", resource_id = id)]
    #[expect(clippy::too_many_arguments, reason = "Actix-web allows sixteen")]
    async fn sixteen(
        actor: Actor,
        Json(Pair { left, right }): Json<Pair>,
        Query(page): Query<Page>,
        id: Path<u32>,
        data: Data<&'static str>,
        absent: Option<ReqData<u64>>,
        failed: Result<Query<Pair>, Error>,
        Header(content_type): Header<ContentType>,
        request: HttpRequest,
        request_id: RequestId,
        _: Audit,
        scope: AuditScope,
        (): (),
        method: actix_web::http::Method,
        uri: actix_web::http::Uri,
        mut nested: Counter,
    ) -> impl Responder {
        nested.0 += 1;
        scope.note("seen", nested.0);
        assert!(absent.is_none() && failed.is_err());
        assert_eq!(content_type.to_string(), "application/json");
        assert_eq!(request_id, RequestId::of(&request));
        format!(
            "{:?} {left} {right} {} {id} {} {method} {}",
            actor.id,
            page.number,
            data.get_ref(),
            uri.path()
        )
    }

    let recorder = recorder();
    let mount = |config: &mut web::ServiceConfig| {
        config
            .app_data(Data::new("data"))
            .route("/{id}", web::post().to(sixteen));
    };
    let request = TestRequest::post()
        .uri("/7?number=3")
        .set_json(json!({ "left": "l", "right": 2 }));
    let response = call(&recorder, mount, request).await;
    assert_eq!(response.status(), StatusCode::OK);
    let body = to_bytes(response.into_body()).await.unwrap();
    assert_eq!(body, r#"Some("alice") l 2 3 7 data POST /7"#);
    recorder
        .only("sixteen")
        .succeeded()
        .on("thing", 7)
        .with_note("seen", 1);
}

/// An extractor of somebody's own.
struct Counter(u32);

impl actix_web::FromRequest for Counter {
    type Error = std::convert::Infallible;
    type Future = std::future::Ready<Result<Self, Self::Error>>;

    fn from_request(_: &HttpRequest, _: &mut actix_web::dev::Payload) -> Self::Future {
        std::future::ready(Ok(Self(0)))
    }
}

#[actix_web::test]
async fn generic_handlers_are_recorded_for_each_of_their_types() {
    trait Shop: 'static {
        const NAME: &'static str;
    }
    struct Books;
    impl Shop for Books {
        const NAME: &'static str = "books";
    }

    #[audited(action = "sell", resource = "thing", resource_id = LIMIT)]
    async fn sell<S, T, const LIMIT: usize>(thing: Json<T>) -> impl Responder
    where
        S: Shop,
        T: serde::de::DeserializeOwned + ToString + Auditable + 'static,
    {
        format!("{} {}", S::NAME, thing.to_string())
    }

    let recorder = recorder();
    let request = TestRequest::post().set_json(json!(5));
    let response = call(&recorder, post!(sell::<Books, u32, 9>), request).await;
    assert_eq!(to_bytes(response.into_body()).await.unwrap(), "books 5");
    recorder
        .only("sell")
        .succeeded()
        .on("thing", 9)
        .with_request(5);
}

#[actix_web::test]
async fn of_a_generic_type_that_need_not_say_what_is_secret_nothing_is_kept() {
    #[audited(action = "store")]
    async fn store<T: serde::de::DeserializeOwned + 'static>(
        _: Json<T>,
        _: Data<&'static str>,
    ) -> HttpResponse {
        HttpResponse::Ok().finish()
    }

    let recorder = recorder();
    let mount = |config: &mut web::ServiceConfig| {
        config
            .app_data(Data::new("data"))
            .route("/", web::post().to(store::<Value>));
    };
    let request = TestRequest::post()
        .uri("/?page=1")
        .set_json(json!({ "a": 1 }));
    call(&recorder, mount, request).await;
    recorder
        .only("store")
        .succeeded()
        .with("/http/query", "page=1")
        .hid(&["/request"]);
}

#[actix_web::test]
async fn errors_of_the_services_own_are_answered_and_recorded_as_they_are() {
    #[derive(Debug)]
    struct SoldOut;

    impl std::fmt::Display for SoldOut {
        fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            formatter.write_str("sold out")
        }
    }

    impl ResponseError for SoldOut {
        fn status_code(&self) -> StatusCode {
            StatusCode::CONFLICT
        }
    }

    #[audited(action = "buy")]
    async fn buy(amount: Json<u32>) -> Result<String, SoldOut> {
        if *amount > 1 {
            return Err(SoldOut);
        }
        let bought = Some(*amount).ok_or(SoldOut)?;
        Ok(bought.to_string())
    }

    let recorder = recorder();
    let response = call(&recorder, post!(buy), TestRequest::post().set_json(2)).await;
    assert_eq!(response.status(), StatusCode::CONFLICT);
    assert_eq!(to_bytes(response.into_body()).await.unwrap(), "sold out");
    recorder
        .only("buy")
        .because("conflict")
        .with("/http/status", 409);
}

#[actix_web::test]
async fn optional_and_alternative_payloads_are_recorded_whichever_came() {
    #[audited(action = "either")]
    async fn either(body: Either<Json<Pair>, Form<Pair>>) -> String {
        let pair = match body {
            Either::Left(Json(pair)) | Either::Right(Form(pair)) => pair,
        };
        format!("{} {}", pair.left, pair.right)
    }

    #[audited(action = "optional")]
    async fn optional(body: Option<Json<Value>>) -> HttpResponse {
        HttpResponse::Ok().json(body.is_some())
    }

    let recorder = recorder();
    let form = TestRequest::post().set_form([("left", "l"), ("right", "2")]);
    let response = call(&recorder, post!(either), form).await;
    assert_eq!(to_bytes(response.into_body()).await.unwrap(), "l 2");
    recorder
        .only("either")
        .with_request(json!({ "left": "l", "right": "2" }));

    recorder.clear();
    call(&recorder, post!(optional), TestRequest::post()).await;
    recorder
        .only("optional")
        .succeeded()
        .with_request(Value::Null);
}

#[actix_web::test]
async fn a_streamed_response_passes_through_without_being_held_up_or_kept() {
    #[audited(action = "stream", capture = "all")]
    async fn streamed() -> HttpResponse {
        let chunks = stream::iter(["a", "b"]).map(|chunk| Ok::<_, Error>(Bytes::from(chunk)));
        HttpResponse::Ok()
            .content_type("application/json")
            .streaming(chunks)
    }

    let recorder = recorder();
    let response = call(&recorder, post!(streamed), TestRequest::post()).await;
    // The record is kept before anybody has read the stream.
    recorder
        .only("stream")
        .succeeded()
        .with_response(Value::Null);
    assert_eq!(to_bytes(response.into_body()).await.unwrap(), "ab");
}

#[actix_web::test]
async fn raw_and_multipart_uploads_are_read_by_the_handler_alone() {
    #[audited(action = "raw")]
    async fn raw(mut payload: Payload) -> Result<String, Error> {
        let mut bytes = 0;
        while let Some(chunk) = payload.next().await {
            bytes += chunk?.len();
        }
        Ok(bytes.to_string())
    }

    #[audited(action = "upload")]
    async fn upload(mut form: Multipart) -> Result<String, Error> {
        let mut content = Vec::new();
        while let Some(field) = form.next().await {
            let mut field = field.map_err(error::ErrorBadRequest)?;
            while let Some(chunk) = field.next().await {
                content.extend_from_slice(&chunk.map_err(error::ErrorBadRequest)?);
            }
        }
        String::from_utf8(content).map_err(error::ErrorBadRequest)
    }

    let recorder = recorder();
    let request = TestRequest::post()
        .insert_header((CONTENT_TYPE, "application/octet-stream"))
        .set_payload(vec![0_u8; 300_000]);
    let response = call(&recorder, post!(raw), request).await;
    assert_eq!(to_bytes(response.into_body()).await.unwrap(), "300000");
    recorder.only("raw").succeeded().with_request(Value::Null);

    recorder.clear();
    let body = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\nhunter2\r\n--b--\r\n";
    let request = TestRequest::post()
        .insert_header((CONTENT_TYPE, "multipart/form-data; boundary=b"))
        .set_payload(body);
    let response = call(&recorder, post!(upload), request).await;
    assert_eq!(to_bytes(response.into_body()).await.unwrap(), "hunter2");
    recorder.only("upload").succeeded().without("hunter2");
}

#[actix_web::test]
async fn handlers_are_mounted_in_scopes_resources_and_by_name() {
    #[actix_web::get("/macro")]
    #[audited(action = "by_macro")]
    async fn by_macro() -> HttpResponse {
        HttpResponse::Ok().finish()
    }

    #[audited(action = "by_hand")]
    async fn by_hand() -> HttpResponse {
        HttpResponse::Ok().finish()
    }

    let mount = |config: &mut web::ServiceConfig| {
        config.service(
            web::scope("/outer").service(
                web::scope("/{tenant}")
                    .service(by_macro)
                    .service(web::resource("/hand").put(by_hand).post(by_hand))
                    .default_service(web::to(by_hand)),
            ),
        );
    };
    let recorder = recorder();
    for (request, action, route) in [
        (
            TestRequest::get().uri("/outer/a/macro"),
            "by_macro",
            Some("/outer/{tenant}/macro"),
        ),
        (
            TestRequest::put().uri("/outer/a/hand"),
            "by_hand",
            Some("/outer/{tenant}/hand"),
        ),
        (TestRequest::delete().uri("/outer/a/else"), "by_hand", None),
    ] {
        recorder.clear();
        call(&recorder, mount, request).await;
        recorder.only(action).succeeded().with("/http/route", route);
    }
}

#[actix_web::test]
async fn without_room_nothing_of_the_request_is_read_and_the_handler_does_not_run() {
    #[audited(action = "refused")]
    async fn refused(_: Json<Value>) -> HttpResponse {
        unreachable!("there is no room for its record")
    }

    #[audited(action = "allowed", unavailable = "allow")]
    async fn allowed() -> HttpResponse {
        HttpResponse::Ok().finish()
    }

    let recorder = recorder();
    recorder.fill();
    let response = call(&recorder, post!(refused), TestRequest::post()).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let response = call(&recorder, post!(allowed), TestRequest::post()).await;
    assert_eq!(response.status(), StatusCode::OK);
    recorder.nothing();

    recorder.drain();
    recorder
        .only("audit.gap")
        .with_note("actions", json!({ "allowed": 1 }));
}

#[actix_web::test]
async fn without_an_ack_the_client_learns_whether_the_handler_ran() {
    #[audited(action = "stalled")]
    async fn stalled(_: Json<Value>) -> HttpResponse {
        unreachable!("its intent is not acknowledged")
    }

    #[audited(action = "stalls")]
    async fn stalls(recorder: Data<audit::testing::Recorder>) -> HttpResponse {
        recorder.stall();
        HttpResponse::Created().finish()
    }

    let recorder = recorder();
    let data = Data::new(recorder.clone());
    let mount = |config: &mut web::ServiceConfig| {
        config
            .app_data(data)
            .route("/stalled", web::post().to(stalled))
            .route("/stalls", web::post().to(stalls));
    };
    let request = || TestRequest::post().uri("/stalled");

    recorder.stall();
    for (request, outcome) in [
        (request().set_json(json!({})), audit::Outcome::Failed),
        // Refused for its body, which changes nothing either.
        (request().set_payload("{"), audit::Outcome::Rejected),
    ] {
        recorder.clear();
        let response = call(&recorder, mount.clone(), request).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(response.headers().contains_key(RETRY_AFTER));
        let body = to_bytes(response.into_body()).await.unwrap();
        let problem: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(problem["code"], "audit_unavailable");
        recorder.only("stalled").ended(outcome);
    }

    recorder.resume();
    recorder.clear();
    let request = TestRequest::post().uri("/stalls");
    let response = call(&recorder, mount, request).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let body = to_bytes(response.into_body()).await.unwrap();
    let problem: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(problem["code"], "audit_unconfirmed");
    recorder.only("stalls").succeeded();
}

#[actix_web::test]
async fn an_attempt_under_way_would_be_told_if_the_process_died() {
    #[audited(action = "slow")]
    async fn slow(recorder: Data<audit::testing::Recorder>) -> HttpResponse {
        let [intent] = recorder.under_way().try_into().unwrap();
        intent
            .ended(audit::Outcome::Unknown)
            .because("process_died")
            .by("alice");
        HttpResponse::Ok().finish()
    }

    let recorder = recorder();
    let data = Data::new(recorder.clone());
    let mount = |config: &mut web::ServiceConfig| {
        config.app_data(data).route("/", web::post().to(slow));
    };
    assert_eq!(
        call(&recorder, mount, TestRequest::post()).await.status(),
        200
    );
    recorder.only("slow").succeeded();
    assert!(recorder.under_way().is_empty());
}

#[actix_web::test]
async fn whole_records_are_the_same_again_by_a_clock_that_stands() {
    #[audited(action = "dated", resource = "thing")]
    async fn dated() -> HttpResponse {
        HttpResponse::Ok().finish()
    }

    let told = async || {
        let start = "2026-11-25T12:00:00Z".parse().unwrap();
        let recorder = audit::testing::Recorder::builder().clock(start).start();
        call(&recorder, post!(dated), TestRequest::post()).await;
        recorder.only("dated").json()
    };
    let record = told().await;
    assert_eq!(record, told().await);
    assert_eq!(
        record,
        json!({
            "id": "01a21293-b600-7000-8000-000000000000", "schema": 1, "service": "tests", "instance": "recorder",
            "seq": 1, "occurred_at": "2026-11-25T12:00:00.000000Z", "duration_us": 0, "action": "dated",
            "outcome": "success", "reason": null,
            "actor": { "kind": "anonymous", "id": null, "roles": [], "auth": null, "credential": null },
            "resource": { "type": "thing", "id": null },
            "http": {
                "method": "POST", "route": "/", "path": "/", "query": null, "status": 200,
                "request_id": "00000000-0000-4000-8000-000000000000", "trace_id": null,
            },
            "client": { "ip": null, "peer": null, "user_agent": null },
            "request": null, "response": null, "changes": [], "notes": {}, "redacted": [], "truncated": [],
        })
    );
}

#[actix_web::test]
async fn no_name_of_the_expansion_is_seen_by_the_handler() {
    const SPEC: &str = "the handler's own";

    #[audited(action = "names", resource = "thing", resource_id = SPEC)]
    async fn call(argument_0: Path<u32>, r#type: Query<Value>) -> String {
        #![allow(clippy::let_and_return, reason = "an inner attribute")]
        let answer = format!("{SPEC} {argument_0} {}", r#type.0);
        answer
    }

    let recorder = recorder();
    let mount = |config: &mut web::ServiceConfig| {
        config.route("/{id}", web::post().to(call));
    };
    let response = super::call(&recorder, mount, TestRequest::post().uri("/7?a=1")).await;
    let body = to_bytes(response.into_body()).await.unwrap();
    assert_eq!(body, r#"the handler's own 7 {"a":"1"}"#);
    recorder.only("names").on("thing", "the handler's own");
}

/// Handlers that a macro of the service's own writes.
macro_rules! handler {
    ($name:ident, $action:literal, $argument:ident: $type:ty, $answer:ty, $body:block) => {
        #[audited(action = $action, skip($argument))]
        async fn $name($argument: $type) -> $answer $body
    };
}

handler!(made, "made", r#type: Json<Value>, HttpResponse, { HttpResponse::Ok().json(r#type) });

#[actix_web::test]
async fn other_macros_may_write_the_handler() {
    let recorder = recorder();
    call(&recorder, post!(made), TestRequest::post().set_json(1)).await;
    recorder.only("made").succeeded().hid(&["/request"]);
}

#[actix_web::test]
async fn lifetimes_in_the_types_of_arguments_are_no_trouble() {
    struct Engine<'t>(&'t str);

    #[audited(action = "elided")]
    async fn elided(engine: Data<Engine<'_>>) -> String {
        engine.0.to_owned()
    }
    #[audited(action = "named")]
    async fn named<'t>(engine: Data<Engine<'t>>) -> String {
        engine.0.to_owned()
    }

    let recorder = recorder();
    let mount = |config: &mut web::ServiceConfig| {
        config
            .app_data(Data::new(Engine("on")))
            .route("/", web::post().to(elided))
            .route("/", web::put().to(named));
    };
    for request in [TestRequest::post(), TestRequest::put()] {
        let response = call(&recorder, mount, request).await;
        assert_eq!(to_bytes(response.into_body()).await.unwrap(), "on");
    }
    assert_eq!(recorder.records().len(), 2);
}
