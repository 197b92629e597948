//! Every order of the attributes that may stand on one handler.
//!
//! The orders are generated: each level of [`permute`] takes one attribute after
//! the other from those that are left and opens a module for it, until none is
//! left and there is a handler. So a further attribute is one more line here, and
//! as many more handlers as there are places for it.

use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::web::{self, Json};
use actix_web::{App, HttpResponse, Responder};
use audit::AuditScope;
use audit::testing::Recorder;
use serde_json::{Value, json};

use super::recorder;

macro_rules! permute {
    // No attribute is left: the handler, with all of them in this order.
    (@level [$([$($chosen:tt)*])*] []) => {
        use super::*;

        $(#[$($chosen)*])*
        async fn handler(Json(body): Json<Value>, scope: AuditScope) -> impl Responder {
            scope.note("within", tracing::Span::current().metadata().map(|span| span.name()));
            HttpResponse::Created().json(body)
        }

        pub(super) fn mount(config: &mut web::ServiceConfig) {
            config.service(handler);
        }

        pub(super) fn paths(prefix: &str, paths: &mut Vec<String>) {
            paths.push(format!("{prefix}/ordered"));
        }
    };
    // A module for each attribute that may come next.
    (@level $chosen:tt [$(($name:ident $attribute:tt))+]) => {
        use super::*;

        permute! { @each $chosen [] [$(($name $attribute))+] }

        pub(super) fn mount(config: &mut web::ServiceConfig) {
            $(config.service(web::scope(concat!("/", stringify!($name))).configure($name::mount));)+
        }

        pub(super) fn paths(prefix: &str, paths: &mut Vec<String>) {
            $($name::paths(&format!("{prefix}/{}", stringify!($name)), paths);)+
        }
    };
    (@each $chosen:tt $before:tt []) => {};
    (@each [$($chosen:tt)*] [$($before:tt)*] [($name:ident $attribute:tt) $($after:tt)*]) => {
        mod $name {
            permute! { @level [$($chosen)* $attribute] [$($before)* $($after)*] }
        }
        permute! { @each [$($chosen)*] [$($before)* ($name $attribute)] [$($after)*] }
    };
}

mod one_method {
    permute! { @level [] [
        (audited [audit::audited(action = "ordered", resource = "thing", resource_id = 7, capture = "all")])
        (post [actix_web::post("/ordered")])
        (documented [utoipa::path(post, path = "/ordered", responses((status = 201)))])
        (instrumented [tracing::instrument(skip_all)])
        (commented [doc = "Does it in some order."])
    ] }
}

async fn check(mount: fn(&mut web::ServiceConfig), paths: &[String]) {
    let subscriber = tracing_subscriber::registry();
    let _guard = tracing::subscriber::set_default(subscriber);
    let recorder: Recorder = recorder();
    let app = init_service(App::new().app_data(recorder.audit()).configure(mount)).await;
    for path in paths {
        recorder.clear();
        let request = TestRequest::post().uri(path).set_json(json!({ "id": 7 }));
        let response = call_service(&app, request.to_request()).await;
        assert_eq!(response.status(), 201, "{path}");
        recorder
            .only("ordered")
            .succeeded()
            .by("alice")
            .on("thing", 7)
            .with_request(json!({ "id": 7 }))
            .with_response(json!({ "id": 7 }))
            .with_note("within", "handler")
            .with("/http/route", path.as_str());
    }
}

#[actix_web::test]
async fn a_handler_is_recorded_in_every_order_of_its_attributes() {
    let mut paths = Vec::new();
    one_method::paths("", &mut paths);
    assert_eq!(paths.len(), 120);
    check(one_method::mount, &paths).await;
}

mod several_methods {
    use super::*;

    /// `#[routes]` wants its methods below it, so they go with it.
    macro_rules! handlers {
        ($($name:ident $([$($attribute:tt)*])+;)+) => {
            $(
                $(#[$($attribute)*])+
                async fn $name() -> HttpResponse {
                    HttpResponse::Ok().finish()
                }
            )+

            pub(super) fn mount(config: &mut web::ServiceConfig) {
                config$(.service($name))+;
            }
        };
    }

    handlers! {
        first [audit::audited(action = "first")] [actix_web::routes] [post("/first")] [put("/first")];
        second [actix_web::routes] [audit::audited(action = "second")] [post("/second")] [put("/second")];
        third [actix_web::routes] [post("/third")] [audit::audited(action = "third")] [put("/third")];
        fourth [actix_web::routes] [post("/fourth")] [put("/fourth")] [audit::audited(action = "fourth")];
    }
}

#[actix_web::test]
async fn a_handler_of_several_methods_is_recorded_for_each() {
    let recorder = recorder();
    let app = App::new()
        .app_data(recorder.audit())
        .configure(several_methods::mount);
    let app = init_service(app).await;
    for name in ["first", "second", "third", "fourth"] {
        for request in [TestRequest::post(), TestRequest::put()] {
            recorder.clear();
            call_service(&app, request.uri(&format!("/{name}")).to_request()).await;
            recorder.only(name).succeeded();
        }
    }
}
