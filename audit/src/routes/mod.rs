//! `/audit`: what admins and auditors ask of the trail.
//!
//! Reading is audited like everything else, and refusals to read are too.

mod cursor;
mod filter;
mod reader;
mod records;

use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};

use crate::problem::{METHOD_NOT_ALLOWED, Problem};
pub use reader::READER_ROLES;

/// Mounts `/audit`. The app needs the [`Audit`](crate::Audit) in its data.
///
/// ```no_run
/// use actix_web::App;
/// # fn mount(audit: audit::Audit) {
/// let app = App::new().app_data(audit).configure(audit::routes::configure);
/// # }
/// ```
pub fn configure(config: &mut ServiceConfig) {
    config.service(
        web::scope("/audit")
            .service(
                web::resource("/records")
                    .get(records::list)
                    .default_service(web::to(only_get)),
            )
            .service(
                web::resource("/records/{id}")
                    .get(records::get)
                    .default_service(web::to(only_get)),
            ),
    );
}

async fn only_get(request: HttpRequest) -> HttpResponse {
    use actix_web::ResponseError as _;
    use actix_web::http::header::{ALLOW, HeaderValue};

    let mut response = Problem::new(
        &METHOD_NOT_ALLOWED,
        format!(
            "{} is not possible here: the trail can be read and nothing else.",
            request.method()
        ),
    )
    .error_response();
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static("GET"));
    response
}

/// OpenAPI descriptions of these routes, to be merged into a service's own.
#[cfg(feature = "openapi")]
#[derive(utoipa::OpenApi)]
#[openapi(
    paths(records::list, records::get),
    components(schemas(crate::record::Record, crate::problem::Document<'static>)),
    tags((name = "audit", description = "The audit trail, for auditors and admins"))
)]
pub struct ApiDoc;
