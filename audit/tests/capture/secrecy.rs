//! What types and annotations say of secrets in requests and responses.

use actix_web::test::TestRequest;
use actix_web::web::{self, Form, Json, Path, Query};
use actix_web::{Error, HttpResponse};
use audit::testing::Recorder;
use audit::{Actor, Argument, Auditable, Part, audited};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{call, recorder};

#[derive(Serialize, Deserialize, Auditable)]
struct SignUp {
    name: String,
    #[audit(secret)]
    first_pet: String,
    #[audit(mask)]
    iban: String,
}

fn sign_up() -> Value {
    json!({ "name": "Alice", "first_pet": "Rex", "iban": "DE89370400440532013000" })
}

fn hidden() -> Value {
    json!({ "name": "Alice", "first_pet": "[REDACTED]", "iban": "****3000" })
}

macro_rules! route {
    ($path:expr, $handler:expr) => {
        |config: &mut web::ServiceConfig| {
            config.route($path, web::post().to($handler));
        }
    };
}

#[actix_web::test]
async fn a_payload_is_redacted_as_its_type_says_in_bodies_forms_queries_and_responses() {
    #[audited(action = "body", capture = "all")]
    async fn body(body: Json<SignUp>) -> Result<Json<SignUp>, Error> {
        Ok(body)
    }
    #[audited(action = "form")]
    async fn form(_: Form<SignUp>) -> HttpResponse {
        HttpResponse::Ok().finish()
    }
    #[audited(action = "query")]
    async fn query(_: Option<Query<SignUp>>) -> HttpResponse {
        HttpResponse::Ok().finish()
    }

    let recorder = recorder();
    let request = TestRequest::post().set_json(sign_up());
    call(&recorder, route!("/", body), request).await;
    recorder
        .only("body")
        .with_request(hidden())
        .with_response(hidden())
        .hid(&[
            "/request/first_pet",
            "/request/iban",
            "/response/first_pet",
            "/response/iban",
        ])
        .without("Rex")
        .without("DE89");

    recorder.clear();
    let request = TestRequest::post().set_form(sign_up());
    call(&recorder, route!("/", form), request).await;
    recorder.only("form").with_request(hidden()).without("Rex");

    recorder.clear();
    let request = TestRequest::post().uri("/?name=Alice&first_pet=Rex&iban=DE89370400440532013000");
    call(&recorder, route!("/", query), request).await;
    recorder
        .only("query")
        .with(
            "/http/query",
            "name=Alice&first_pet=[REDACTED]&iban=****3000",
        )
        .without("Rex");
}

#[actix_web::test]
async fn of_a_refused_body_whose_type_has_secrets_only_the_size_is_kept() {
    #[audited(action = "refused")]
    async fn refused(_: Json<SignUp>) -> HttpResponse {
        HttpResponse::Ok().finish()
    }
    #[audited(action = "harmless")]
    async fn harmless(_: Json<Vec<u32>>) -> HttpResponse {
        HttpResponse::Ok().finish()
    }

    let recorder = recorder();
    // Whoever sends something else than was asked for may put a secret anywhere.
    for body in [
        json!({ "first_pet": "Rex" }),
        json!({ "firstPet": "Rex" }),
        json!([{ "name": "Alice", "first_pet": "Rex", "iban": "DE89" }]),
        json!({ "data": { "first_pet": "Rex" } }),
        json!("Rex"),
    ] {
        recorder.clear();
        let request = TestRequest::post().set_json(&body);
        let response = call(&recorder, route!("/", refused), request).await;
        assert_eq!(response.status(), 400);
        let record = recorder.only("refused");
        record.with_request(Value::Null).without("Rex");
        let cut = record.record().truncated.first().unwrap();
        assert_eq!((cut.path.as_str(), &cut.sha256), ("/request", &None));
        assert_eq!(cut.bytes, body.to_string().len() as u64);
    }
    recorder.clear();
    let request = TestRequest::post().set_json(json!([-1]));
    call(&recorder, route!("/", harmless), request).await;
    recorder
        .only("harmless")
        .because("bad_request")
        .with_request(json!([-1]));
}

#[actix_web::test]
async fn a_value_that_fits_its_type_in_another_way_is_hidden_all_the_same() {
    #[audited(action = "any")]
    async fn any(body: Typed) -> HttpResponse {
        HttpResponse::Ok().json(body.0)
    }

    /// Takes whatever comes, and says that it is a sign-up.
    struct Typed(Value);

    impl Argument for Typed {
        const PART: Part = Part::Body;
        type Payload = SignUp;
    }

    impl actix_web::FromRequest for Typed {
        type Error = Error;
        type Future = futures_util::future::LocalBoxFuture<'static, Result<Self, Error>>;

        fn from_request(
            request: &actix_web::HttpRequest,
            payload: &mut actix_web::dev::Payload,
        ) -> Self::Future {
            let body = Json::<Value>::from_request(request, payload);
            Box::pin(async move { Ok(Self(body.await?.into_inner())) })
        }
    }

    let recorder = recorder();
    for body in [
        json!([{ "name": "Alice", "first_pet": "Rex" }]),
        json!({ "name": "Alice", "firstPet": "Rex" }),
        json!({ "name": "Alice", "First-Pet": "Rex" }),
        json!(["Alice", "Rex", "DE89"]),
    ] {
        recorder.clear();
        call(
            &recorder,
            route!("/", any),
            TestRequest::post().set_json(body),
        )
        .await;
        recorder.only("any").succeeded().without("Rex");
    }
}

#[actix_web::test]
async fn tuples_of_extractors_and_answers_of_several_forms_keep_their_types_secrets() {
    #[audited(action = "tuple", capture = "all")]
    async fn tuple(
        (body, query): (Json<SignUp>, Query<Value>),
    ) -> actix_web::Either<Json<SignUp>, HttpResponse> {
        drop(query);
        actix_web::Either::Left(body)
    }
    #[audited(action = "customised", capture = "response")]
    async fn customised(body: Json<SignUp>) -> actix_web::CustomizeResponder<Json<SignUp>> {
        actix_web::Responder::customize(body)
    }

    let recorder = recorder();
    call(
        &recorder,
        route!("/", tuple),
        TestRequest::post().set_json(sign_up()),
    )
    .await;
    recorder.only("tuple").with_request(hidden());
    recorder.clear();
    call(
        &recorder,
        route!("/", customised),
        TestRequest::post().set_json(sign_up()),
    )
    .await;
    recorder.only("customised").with_response(hidden());
}

#[actix_web::test]
async fn parameters_of_the_path_are_hidden_by_their_names_and_types() {
    #[derive(Deserialize, Auditable)]
    struct Place {
        #[audit(secret)]
        key: String,
        shop: u32,
    }

    #[audited(action = "typed")]
    async fn typed(place: Path<Place>) -> String {
        format!("{} {}", place.shop, place.key)
    }
    #[audited(action = "named")]
    async fn named(_: Path<(u32, String)>) -> HttpResponse {
        HttpResponse::Ok().finish()
    }

    let recorder = recorder();
    let request = || TestRequest::post().uri("/shops/7/reset/Rex");
    let mount = route!(r"/shops/{shop:\d{1,2}}/reset/{key}", typed);
    call(&recorder, mount, request()).await;
    recorder
        .only("typed")
        .succeeded()
        .with("/http/path", "/shops/7/reset/[REDACTED]")
        .hid(&["/http/path"]);
    recorder.clear();
    call(
        &recorder,
        route!("/shops/{shop}/reset/{token}", named),
        request(),
    )
    .await;
    recorder
        .only("named")
        .succeeded()
        .with("/http/path", "/shops/7/reset/[REDACTED]")
        .hid(&["/http/path"]);
}

#[actix_web::test]
async fn a_skipped_argument_takes_its_part_of_the_request_out_of_the_record() {
    #[audited(action = "body", skip(body))]
    async fn body(query: Query<Value>, body: Json<Value>) -> HttpResponse {
        HttpResponse::Ok().json((query.0, body.0))
    }
    #[audited(action = "query", skip(query))]
    async fn query(query: Query<Value>, body: Json<Value>) -> HttpResponse {
        HttpResponse::Ok().json((query.0, body.0))
    }
    #[audited(action = "path", skip(token))]
    async fn path(token: Path<String>, body: Json<Value>) -> HttpResponse {
        HttpResponse::Ok().json((token.into_inner(), body.0))
    }

    let recorder = recorder();
    let request = || {
        TestRequest::post()
            .uri("/t-123?a=t-123")
            .set_json(json!({ "b": "t-123" }))
    };
    call(&recorder, route!("/{code}", body), request()).await;
    recorder
        .only("body")
        .succeeded()
        .with_request(Value::Null)
        .with("/http/query", "a=t-123")
        .hid(&["/request"]);

    recorder.clear();
    call(&recorder, route!("/{code}", query), request()).await;
    recorder
        .only("query")
        .succeeded()
        .with_request(json!({ "b": "t-123" }))
        .with("/http/query", Value::Null)
        .hid(&["/http/query"]);

    recorder.clear();
    call(&recorder, route!("/{code}", path), request()).await;
    recorder
        .only("path")
        .succeeded()
        .with("/http/path", "/{code}")
        .with("/http/query", "a=t-123")
        .hid(&["/http/path"]);
}

/// Says what it reads.
struct Known<T>(T);

impl<T> Argument for Known<T> {
    const PART: Part = Part::Body;
    type Payload = T;
}

/// Does not.
struct Unknown<T>(T);

macro_rules! reads_json {
    ($type:ident) => {
        impl<T: serde::de::DeserializeOwned + 'static> actix_web::FromRequest for $type<T> {
            type Error = Error;
            type Future = futures_util::future::LocalBoxFuture<'static, Result<Self, Error>>;

            fn from_request(
                request: &actix_web::HttpRequest,
                payload: &mut actix_web::dev::Payload,
            ) -> Self::Future {
                let body = Json::<T>::from_request(request, payload);
                Box::pin(async move { Ok(Self(body.await?.into_inner())) })
            }
        }
    };
}

reads_json!(Known);
reads_json!(Unknown);

#[actix_web::test]
async fn an_extractor_of_the_services_own_says_what_it_reads() {
    #[audited(action = "known")]
    async fn known(Known(body): Known<SignUp>) -> String {
        body.first_pet
    }
    #[audited(action = "skipped", skip(body))]
    async fn skipped(Known(body): Known<SignUp>) -> String {
        body.first_pet
    }

    let recorder = recorder();
    let request = || TestRequest::post().uri("/?a=1").set_json(sign_up());
    call(&recorder, route!("/", known), request()).await;
    recorder.only("known").succeeded().with_request(hidden());
    recorder.clear();
    call(&recorder, route!("/", skipped), request()).await;
    recorder
        .only("skipped")
        .with("/http/query", "a=1")
        .hid(&["/request"]);
}

#[actix_web::test]
async fn of_an_extractor_that_does_not_say_what_it_reads_everything_is_skipped() {
    #[audited(action = "unknown", skip(value))]
    async fn unknown(Unknown(value): Unknown<SignUp>) -> String {
        value.first_pet
    }

    let recorder = recorder();
    let request = TestRequest::post().uri("/?a=Rex").set_json(sign_up());
    call(&recorder, route!("/", unknown), request).await;
    recorder.only("unknown").succeeded().without("Rex").hid(&[
        "/request",
        "/http/query",
        "/http/path",
    ]);
}

mod strict {
    use audit::strict::{Auditable, audited};

    use super::*;

    #[derive(Serialize, Deserialize, Auditable)]
    pub(super) struct Classified {
        #[audit(plain)]
        pub(super) name: String,
        #[audit(secret)]
        pub(super) first_pet: String,
    }

    #[audited(action = "strict", capture = "all")]
    pub(super) async fn strict(
        _: audit::Actor,
        body: Json<Vec<Classified>>,
        _: web::Data<()>,
    ) -> Result<Json<Vec<Classified>>, Error> {
        Ok(body)
    }
}

#[actix_web::test]
async fn a_strict_handler_works_like_any_other() {
    let recorder = recorder();
    let mount = |config: &mut web::ServiceConfig| {
        config
            .app_data(web::Data::new(()))
            .route("/", web::post().to(strict::strict));
    };
    let request = TestRequest::post().set_json(json!([{ "name": "Alice", "first_pet": "Rex" }]));
    call(&recorder, mount, request).await;
    let told = json!([{ "name": "Alice", "first_pet": "[REDACTED]" }]);
    recorder
        .only("strict")
        .with_request(told.clone())
        .with_response(told);
}

#[actix_web::test]
async fn what_two_types_say_of_one_query_is_obeyed_at_once() {
    #[derive(Deserialize, Auditable)]
    struct Account {
        #[audit(mask)]
        iban: String,
    }
    #[derive(Deserialize, Auditable)]
    struct Code {
        #[audit(secret)]
        code: u32,
        padding: String,
    }

    #[audited(action = "two")]
    async fn two(account: Query<Account>, code: Query<Code>) -> String {
        format!("{} {} {}", account.iban, code.code, code.padding.len())
    }

    let recorder = recorder();
    let padding = "x".repeat(9_000);
    let uri = format!("/?iban=DE89370400440532013000&padding={padding}&code=1234");
    call(&recorder, route!("/", two), TestRequest::post().uri(&uri)).await;
    let record = recorder.only("two");
    record
        .succeeded()
        .hid(&["/http/query/iban", "/http/query/code"])
        .without("1234")
        .without("DE89");
    // What is hashed is what is left: nothing of the code can be found by trying.
    let shown = format!("iban=****3000&padding={padding}&code=[REDACTED]");
    let [cut] = record.record().truncated.as_slice() else {
        panic!("one entry expected: {record:?}")
    };
    assert_eq!(cut.bytes, shown.len() as u64);
}

#[actix_web::test]
async fn names_that_lead_into_a_type_are_followed() {
    #[derive(Deserialize, Auditable)]
    #[expect(dead_code, reason = "nobody reads it, but it says what is secret")]
    struct Order {
        user: SignUp,
        others: Vec<SignUp>,
    }

    /// Reads a query in a way of its own.
    struct Nested;

    impl Argument for Nested {
        const PART: Part = Part::Query;
        type Payload = Order;
    }

    impl actix_web::FromRequest for Nested {
        type Error = Error;
        type Future = std::future::Ready<Result<Self, Error>>;

        fn from_request(
            _: &actix_web::HttpRequest,
            _: &mut actix_web::dev::Payload,
        ) -> Self::Future {
            std::future::ready(Ok(Self))
        }
    }

    #[audited(action = "nested")]
    async fn nested(_: Nested) -> HttpResponse {
        HttpResponse::Ok().finish()
    }

    let recorder = recorder();
    let uri = "/?user[name]=Alice&user[first_pet]=Rex&user.first_pet=Rex&others[0][first_pet]=Rex\
               &others[][iban]=DE89370400440532013000&other.first=1";
    call(&recorder, route!("/", nested), TestRequest::post().uri(uri)).await;
    let record = recorder.only("nested");
    record.succeeded().without("Rex").without("DE89");
    let query = record.json().pointer("/http/query").cloned();
    let query = query.as_ref().and_then(Value::as_str).unwrap_or_default();
    assert!(
        query.contains("user[name]=Alice") && query.contains("other.first=1"),
        "{query}"
    );
}

#[actix_web::test]
async fn what_an_actor_hides_is_pointed_to() {
    #[audited(action = "act")]
    async fn act() -> HttpResponse {
        HttpResponse::Ok().finish()
    }

    let recorder = Recorder::builder()
        .actor(Actor {
            roles: vec!["admin".to_owned(), "AKIAIOSFODNN7EXAMPLE".to_owned()],
            ..Actor::user("alice", "test")
        })
        .start();
    call(&recorder, route!("/", act), TestRequest::post()).await;
    recorder
        .only("act")
        .with("/actor/roles/1", "[REDACTED]")
        .hid(&["/actor/roles/1"]);
}
