//! The check that no route was forgotten.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU32, Ordering};

use actix_web::dev::Service as _;
use actix_web::test::{TestRequest, init_service};
use actix_web::web::{self, Json, ServiceConfig};
use actix_web::{App, HttpResponse, guard};
use audit::audited;
use audit::testing::{Recorder, RouteCoverage};
use futures_util::FutureExt as _;
use serde_json::Value;

#[audited(action = "covered")]
async fn covered(_: Json<Value>) -> HttpResponse {
    unreachable!("audited handlers do not run in a survey")
}

async fn bare() -> HttpResponse {
    HttpResponse::Ok().finish()
}

async fn survey(
    coverage: RouteCoverage,
    mount: impl Fn(&mut ServiceConfig),
) -> Result<Vec<String>, String> {
    let recorder = Recorder::default();
    let app = init_service(App::new().app_data(recorder.audit()).configure(mount)).await;
    let checked = AssertUnwindSafe(coverage.check(&recorder, &app))
        .catch_unwind()
        .await;
    recorder.nothing();
    match checked {
        Ok(routes) => Ok(routes
            .into_iter()
            .map(|route| format!("{} {} {}", route.method, route.route, route.action))
            .collect()),
        Err(panic) => Err(panic.downcast_ref::<String>().cloned().unwrap_or_default()),
    }
}

#[actix_web::test]
async fn an_app_whose_changes_are_all_audited_passes_and_tells_its_routes() {
    let routes = survey(RouteCoverage::new(), |config| {
        config
            .route("/", web::post().to(covered))
            .route("/read", web::get().to(bare))
            .service(
                web::scope("/shops/{shop}")
                    .service(web::resource(["/items/", "/items"]).get(bare).post(covered))
                    .service(
                        web::resource(r"/items/{id:\d+}")
                            .put(covered)
                            .delete(covered),
                    )
                    .service(web::scope("/deep").route("/{tail:.*}", web::patch().to(covered))),
            )
            .service(web::resource("/any").to(covered));
    })
    .await;
    assert_eq!(
        routes.unwrap(),
        [
            "DELETE /any covered",
            r"DELETE /shops/{shop}/items/{id:\d+} covered",
            "PATCH /any covered",
            "PATCH /shops/{shop}/deep/{tail:.*} covered",
            "POST / covered",
            "POST /any covered",
            "POST /shops/{shop}/items covered",
            "PUT /any covered",
            r"PUT /shops/{shop}/items/{id:\d+} covered",
        ]
    );
}

#[actix_web::test]
async fn forgotten_routes_are_named_with_what_to_do() {
    let message = survey(RouteCoverage::new(), |config| {
        config
            .route("/covered", web::post().to(covered))
            .route("/forgotten/{id}", web::delete().to(bare))
            .service(web::scope("/inner").route("/any", web::to(bare)))
            .service(web::resource("/mixed").get(bare).post(covered).patch(bare));
    })
    .await
    .unwrap_err();
    for expected in [
        "DELETE /forgotten/{id} answers 200 without a record",
        "POST /inner/any answers 200",
        "PATCH /mixed answers 200",
        ".exempt(\"PATCH\", \"/mixed\", \"…\")",
    ] {
        assert!(message.contains(expected), "{expected} in {message}");
    }
    assert!(!message.contains("/covered"), "{message}");
}

#[actix_web::test]
async fn an_exempt_route_is_not_called_and_needs_a_reason_and_to_be_there() {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    async fn counted() -> HttpResponse {
        CALLS.fetch_add(1, Ordering::Relaxed);
        HttpResponse::Ok().finish()
    }

    let mount = |config: &mut ServiceConfig| {
        config
            .route("/sign-in", web::post().to(counted))
            .route("/hooks/{id}", web::route().to(counted));
    };
    let exempt = || RouteCoverage::new().exempt("post", "/sign-in", "has a trail of its own");
    let coverage = exempt().exempt("*", "/hooks/{id}", "changes nothing");
    assert_eq!(survey(coverage, mount).await, Ok(vec![]));
    assert_eq!(CALLS.load(Ordering::Relaxed), 0);

    let coverage =
        exempt()
            .exempt("*", "/hooks/{id}", " ")
            .exempt("POST", "/gone", "was there once");
    let message = survey(coverage, mount).await.unwrap_err();
    assert!(
        message.contains("* /hooks/{id} is exempt without a reason"),
        "{message}"
    );
    assert!(
        message.contains("POST /gone is exempt, but there is no such route"),
        "{message}"
    );
}

#[actix_web::test]
async fn routes_behind_guards_middleware_and_narrow_parameters_are_reached_or_reported() {
    let mount = |config: &mut ServiceConfig| {
        config
            .service(
                web::resource("/guarded")
                    .guard(guard::Header("x-tenant", "a"))
                    .post(covered),
            )
            .service(web::resource("/{code:[A-Z]{3}-[0-9]{2}}").put(covered))
            .service(
                web::scope("/walled")
                    .wrap_fn(|request, service| {
                        let is_known = request.headers().contains_key("x-tenant");
                        let answer = service.call(request);
                        async move {
                            let mut answer = answer.await?;
                            if !is_known {
                                answer =
                                    answer.into_response(HttpResponse::Unauthorized().finish());
                            }
                            Ok(answer)
                        }
                    })
                    .route("/in", web::post().to(covered)),
            );
    };
    let message = survey(RouteCoverage::new(), mount).await.unwrap_err();
    for expected in [
        "POST /guarded was not reached",
        "PUT /{code:[A-Z]{3}-[0-9]{2}} was not reached",
        "/guarded has guards, behind which there may be other handlers",
        "POST /walled/in answers 401 without a record",
    ] {
        assert!(message.contains(expected), "{expected} in {message}");
    }

    let coverage = RouteCoverage::new()
        .sample("/{code:[A-Z]{3}-[0-9]{2}}", "/ABC-12")
        .request(|request| request.insert_header(("x-tenant", "a")));
    assert_eq!(survey(coverage, mount).await.unwrap().len(), 3);
}

#[actix_web::test]
async fn handlers_that_stand_behind_audited_ones_are_found() {
    // Each of these passed once.
    type Mount = fn(&mut ServiceConfig);
    let hidden: [(&str, Mount); 6] = [
        ("POST /items/{slug} answers 200", |config| {
            config
                .route("/items/{id:[0-9a-f-]{36}}", web::post().to(covered))
                .route("/items/{slug}", web::post().to(bare));
        }),
        ("/x has guards", |config| {
            config
                .service(
                    web::resource("/x")
                        .guard(guard::Header("a", "1"))
                        .post(bare),
                )
                .service(web::resource("/x").post(covered));
        }),
        ("/x has guards", |config| {
            config.service(
                web::resource("/x")
                    .route(web::post().guard(guard::Header("a", "1")).to(bare))
                    .route(web::post().to(covered)),
            );
        }),
        ("no method of /x was not reached", |config| {
            config.service(
                web::resource("/x").route(web::route().guard(guard::Header("a", "1")).to(bare)),
            );
        }),
        ("answers 200 without a record", |config| {
            config
                .service(web::resource("/x").post(covered))
                .default_service(web::to(bare));
        }),
        ("answers 200 without a record", |config| {
            config.service(
                web::scope("/proxy")
                    .service(web::resource("/x").post(covered))
                    .default_service(web::to(bare)),
            );
        }),
    ];
    for (expected, mount) in hidden {
        let message = survey(RouteCoverage::new(), mount).await.unwrap_err();
        assert!(message.contains(expected), "{expected} in {message}");
    }
}

#[actix_web::test]
async fn a_survey_ends_when_a_forgotten_handler_panics() {
    async fn panics() -> HttpResponse {
        panic!("an empty request from nobody")
    }

    let recorder = Recorder::default();
    let app = App::new()
        .app_data(recorder.audit())
        .route("/forgotten", web::post().to(panics))
        .route("/null", web::post().to(null));
    let app = init_service(app).await;
    let check = RouteCoverage::new();
    let check = AssertUnwindSafe(check.check(&recorder, &app)).catch_unwind();
    assert!(check.await.is_err());
    let request = TestRequest::post().uri("/null").to_request();
    assert_eq!(app.call(request).await.unwrap().status(), 200);
    recorder.only("null").succeeded();
}

#[audited(action = "null")]
async fn null() -> HttpResponse {
    HttpResponse::Ok().finish()
}
