//! `/audit`: what admins and auditors ask of the trail.
//!
//! Reading is audited like everything else, and refusals to read are too. One request
//! is one record: a page of a thousand, or one poll of many. Reading those records is
//! another one, so nothing multiplies; but whoever polls adds a record each time.

pub(crate) mod cursor;
mod export;
#[cfg(feature = "openapi")]
mod parameters;
mod reader;
pub(crate) mod records;
mod session;
mod stats;
mod stream;
#[cfg(test)]
mod tests;

use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};

use crate::headers;
use crate::methods::read_only;
use crate::viewer;
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
            .service(read_only(web::resource("/records"), records::list))
            .service(read_only(web::resource("/records/{id}"), records::get))
            .service(read_only(web::resource("/stats"), stats::stats))
            .service(read_only(web::resource("/export"), export::export))
            .service(read_only(web::resource("/stream"), stream::follow))
            .configure(session::configure)
            .configure(viewer::configure)
            .wrap(from_fn(session::cookie_as_credentials))
            .wrap(headers::for_data()),
    );
}

/// OpenAPI descriptions of these routes, to be merged into a service's own.
#[cfg(feature = "openapi")]
#[derive(utoipa::OpenApi)]
#[openapi(
    paths(
        records::list,
        records::get,
        stats::stats,
        export::export,
        stream::follow,
        session::sign_in,
        session::sign_out,
        session::show,
    ),
    components(schemas(crate::record::Record, crate::problem::Document<'static>)),
    tags((name = "audit", description = "The audit trail, for auditors and admins"))
)]
pub struct ApiDoc;
