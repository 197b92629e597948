//! `GET /audit/export`: all records of a filter as one file, of any size.
//!
//! The file is read from the store a page at a time, by key, and sent while it is read:
//! whoever exports a year holds no more of the service than one page, and no transaction
//! of Postgres open. Records of the range that are stored meanwhile are in the file if
//! their place in it comes later.
//!
//! A failure in the middle cuts the connection before the body's end, so that no client
//! takes a part for the whole. It goes on behind the last record that it got by `after`.

use std::io;

use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use chrono::Utc;
use futures_util::stream::{self, StreamExt as _};

#[cfg(feature = "openapi")]
use super::parameters;
use super::reader::{Conversation, Reader};
use crate::audited;
use crate::format::Format;
use crate::postgres::{Order, Page, PageRequest};
use crate::problem::{INTERNAL_ERROR, INVALID_PARAMETER, Problem};
use crate::query::export::export_request;

/// How many records are held at a time, at most; a page is bounded in bytes as well.
const PAGE_RECORDS: u16 = 1000;

/// Export all records of a filter, oldest first unless told otherwise.
///
/// As `ndjson` every line is a record's canonical bytes, the ones that its digest is taken
/// over. As `csv` every record is a row under a header, its payloads are JSON texts, and
/// what a spreadsheet would take for a formula begins with an apostrophe.
///
/// The length is not known beforehand. A body that ends before its time, by a failure of
/// the transfer, is not whole: go on with `after`, the `id` of the last whole record.
/// Without `to` the range ends now.
#[cfg_attr(feature = "openapi", utoipa::path(
    get,
    path = "/audit/export",
    operation_id = "export_audit_records",
    tag = "audit",
    params(
        ("format" = inline(Option<parameters::Format>), Query, description = "`ndjson` or `csv`", example = "ndjson"),
        parameters::Filters,
        ("order" = inline(Option<parameters::Order>), Query, description = "`asc` (oldest first) or `desc`", example = "asc"),
        ("after" = Option<Uuid>, Query, description = "The `id` of the last record of the part that one has already", example = "01932b00-0000-7000-8000-000000000000"),
    ),
    responses(
        (status = 200, description = "The records", content(
            (String = "application/x-ndjson"),
            (String = "text/csv"),
        )),
        (status = 400, description = "A parameter is unknown or not valid", body = crate::problem::Document<'static>, content_type = "application/problem+json"),
        crate::problem::AccessProblems,
        crate::problem::LimitProblems,
    ),
    security(("bearer" = [])),
))]
#[audited(
    action = "export_audit_records",
    resource = "audit_record",
    capture = "metadata"
)]
pub(super) async fn export(reader: Reader, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let now = Utc::now();
    let mut wanted = export_request(request.query_string(), now)?;
    // Otherwise it would go on for as long as records arrive.
    wanted.filter.to.get_or_insert(now);
    let store = reader.begin().await?;
    let after = match wanted.after {
        Some(id) => {
            let position = store.ask(move |store| store.position(id)).await?;
            Some(position.ok_or_else(|| {
                Problem::new(
                    &INVALID_PARAMETER,
                    "`after` must be the `id` of a record that there is.",
                )
            })?)
        }
        None => None,
    };
    let mut export = Export {
        store,
        format: wanted.format,
        page: PageRequest {
            filter: wanted.filter,
            order: wanted.order.unwrap_or(Order::OldestFirst),
            after,
            limit: PAGE_RECORDS,
        },
        is_done: false,
    };
    // What fails at once is answered as a problem.
    let first = export.next().await?;
    let head = export.format.head().map_err(|_| broken())?;
    // An empty chunk would end the body.
    let beginning = [Bytes::from(head), first].into_iter();
    let beginning = beginning
        .filter(|part| !part.is_empty())
        .map(Ok::<_, io::Error>);
    let rest = stream::try_unfold(export, async |mut export| {
        if export.is_done {
            return Ok(None);
        }
        let part = export.next().await.map_err(io::Error::other)?;
        Ok(Some((part, export)))
    });
    let file_name = format!(
        "audit-records-{}.{}",
        now.format("%Y-%m-%dT%H-%M-%SZ"),
        wanted.format.as_str()
    );
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, wanted.format.media_type()))
        .insert_header((
            CONTENT_DISPOSITION,
            format!("attachment; filename=\"{file_name}\""),
        ))
        .streaming(stream::iter(beginning).chain(rest)))
}

/// An export under way.
struct Export {
    store: Conversation,
    format: Format,
    /// The next page.
    page: PageRequest,
    is_done: bool,
}

impl Export {
    /// The next part of the file.
    async fn next(&mut self) -> Result<Bytes, Problem> {
        let wanted = self.page.clone();
        let format = self.format;
        // It is put together where it may take its time.
        let (part, next) = self
            .store
            .ask(move |store| {
                let Page { records, next } = store.find(&wanted)?;
                Ok((format.part(&records), next))
            })
            .await?;
        self.page.after = next;
        self.is_done = next.is_none();
        part.map(Bytes::from).map_err(|_| broken())
    }
}

fn broken() -> Problem {
    Problem::new(
        &INTERNAL_ERROR,
        "Tell the service's operators the X-Request-Id of this response.",
    )
}
