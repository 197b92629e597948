//! `/docs`: Swagger UI over the OpenAPI document, all of it from the binary.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};
use actix_web::web::{self, Data, Path, ServiceConfig};
use audit::Problem;
use audit::methods::read_only;
use audit::problem::{INTERNAL_ERROR, NOT_FOUND};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_swagger_ui::Config;

use crate::problem::ProblemDocument;
use crate::{health, items, metrics};

/// Swagger UI sets styles on its elements; scripts come from files alone.
const DOCS_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                           img-src 'self' data:; connect-src 'self'; font-src 'self'; \
                           base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The whole API.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "items-api",
        description = "Items, and an audit record of every attempt to change them.\n\nErrors are problem documents (RFC 9457) with a stable `code`. Every response carries `X-Request-Id`, which the record of the attempt holds too.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    paths(
        welcome,
        items::routes::create_item,
        items::routes::list_items,
        items::routes::get_item,
        items::routes::replace_item,
        items::routes::patch_item,
        items::routes::delete_item,
        health::live,
        health::ready,
        metrics::metrics,
    ),
    components(schemas(ProblemDocument)),
    tags(
        (name = "items", description = "Items, for users and admins"),
        (name = "service", description = "The service itself"),
    ),
    modifiers(&BearerTokens),
)]
struct ApiDoc;

struct BearerTokens;

impl Modify for BearerTokens {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some(
                "Mint one for local use: `items-api token --sub alice --role user`",
            ))
            .build();
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

/// The OpenAPI document of the service and of the audit trail it mounts.
///
/// # Errors
///
/// When it cannot be serialised, which would be a mistake in it.
pub fn openapi_json() -> serde_json::Result<String> {
    let mut document = ApiDoc::openapi();
    document.merge(audit::routes::ApiDoc::openapi());
    let mut text = document.to_pretty_json()?;
    text.push('\n');
    Ok(text)
}

pub(crate) fn configure(config: &mut ServiceConfig) {
    config
        .app_data(Data::new(Config::from("/openapi.json")))
        .service(read_only(web::resource("/"), welcome))
        .service(read_only(web::resource("/openapi.json"), document))
        .service(read_only(web::resource(["/docs", "/docs/"]), index))
        .service(read_only(web::resource("/docs/{file:.*}"), assets));
}

/// Say hello.
#[utoipa::path(
    get, path = "/", tag = "service",
    responses((status = 200, description = "Where to look next", body = Welcome)),
)]
pub(crate) async fn welcome() -> HttpResponse {
    HttpResponse::Ok().json(Welcome {
        message: "Items, with an audit trail of every change.",
        docs: "/docs",
    })
}

/// What `GET /` answers.
#[derive(serde::Serialize, utoipa::ToSchema)]
pub(crate) struct Welcome {
    message: &'static str,
    docs: &'static str,
}

async fn document() -> Result<HttpResponse, Problem> {
    let document = openapi_json().map_err(|error| {
        tracing::error!(%error, "the OpenAPI document cannot be written");
        Problem::new(&INTERNAL_ERROR, "The document cannot be written.")
    })?;
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .body(document))
}

/// The page around Swagger UI. Its own one begins with an inline script, which the
/// policy does not let run, and does not know that it may be at `/docs`.
async fn index() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((CONTENT_SECURITY_POLICY, DOCS_POLICY))
        .body(include_str!("docs.html"))
}

async fn assets(
    file: Path<String>,
    config: Data<Config<'static>>,
) -> Result<HttpResponse, Problem> {
    match utoipa_swagger_ui::serve(&file, Arc::clone(&config)) {
        Ok(Some(file)) => Ok(HttpResponse::Ok()
            .content_type(file.content_type.as_str())
            .insert_header((CONTENT_SECURITY_POLICY, DOCS_POLICY))
            .insert_header((CACHE_CONTROL, "max-age=3600"))
            .body(file.bytes.into_owned())),
        _ => Err(Problem::new(
            &NOT_FOUND,
            "Swagger UI has no such file; GET /docs shows its page.",
        )),
    }
}
