//! `GET /audit/records` and `GET /audit/records/{id}`.

use std::fmt::Write as _;

use actix_web::http::header::{CONTENT_TYPE, ETag, EntityTag, LINK};
use actix_web::web::Path;
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::cursor;
#[cfg(feature = "openapi")]
use super::parameters;
use super::reader::Reader;
use crate::AuditScope;
use crate::audited;
use crate::headers::is_known;
use crate::postgres::{Order, Page, PageRequest};
use crate::problem::{Problem, RECORD_NOT_FOUND};
use crate::query::filter;

/// Find records, a page at a time, newest first unless told otherwise.
///
/// Each parameter may repeat, meaning *or*; different parameters mean *and*.
///
/// Besides those listed, `payload.<path>=value` finds records by what stands at a place in
/// their request, such as `payload.attributes.colour=red`: names of members and numbers of
/// items, from 0, with dots between them. It reads every record that the other parameters
/// let through, so name a time as well.
#[cfg_attr(feature = "openapi", utoipa::path(
    get,
    path = "/audit/records",
    operation_id = "list_audit_records",
    tag = "audit",
    params(
        parameters::Filters,
        ("order" = inline(Option<parameters::Order>), Query, description = "`desc` (newest first) or `asc`", example = "desc"),
        ("limit" = Option<u16>, Query, description = "Records on a page, 50 by default", example = 100, minimum = 1, maximum = 1000),
        ("cursor" = inline(Option<parameters::Cursor>), Query, description = "The `next` of the page before"),
    ),
    responses(
        (status = 200, description = "A page of records; the `Link` header leads to the next one", body = RecordPage),
        (status = 400, description = "A parameter is unknown or not valid", body = crate::problem::Document<'static>, content_type = "application/problem+json"),
        crate::problem::AccessProblems,
        crate::problem::LimitProblems,
    ),
    security(("bearer" = [])),
))]
#[audited(
    action = "read_audit_records",
    resource = "audit_record",
    capture = "metadata"
)]
pub(super) async fn list(reader: Reader, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let wanted = page_request(request.query_string(), Utc::now())?;
    let order = wanted.order;
    let page = reader.ask(move |store| store.find(&wanted)).await?;
    let next = page.next.map(|position| cursor::encode(position, order));

    let mut response = HttpResponse::Ok();
    response.insert_header((CONTENT_TYPE, "application/json"));
    if let Some(next) = &next {
        response.insert_header((LINK, link_to_next(&request, next)));
    }
    Ok(response.body(page_body(&page, next.as_deref())))
}

/// How many records a page has, unless it is told.
const DEFAULT_LIMIT: u16 = 50;

/// Reads a query string; `now` is what relative times refer to.
pub(crate) fn page_request(query: &str, now: DateTime<Utc>) -> Result<PageRequest, Problem> {
    let mut order = Order::default();
    let mut limit = DEFAULT_LIMIT;
    let mut cursor = None;
    let filter = filter::parse_with("order, limit and cursor", query, now, |parameter| {
        match parameter.name() {
            "order" => order = parameter.once()?.order()?,
            "limit" => limit = parameter.once()?.limit()?,
            "cursor" => cursor = Some(parameter.once()?.text()),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let after = cursor
        .map(|cursor| cursor::decode(&cursor, order))
        .transpose()?;
    Ok(PageRequest {
        filter,
        order,
        after,
        limit,
    })
}

/// Get one record by its id.
///
/// The body is the record's canonical bytes, and `ETag` their digest: SHA-256 over
/// a zero byte and the body, in hexadecimal.
#[cfg_attr(feature = "openapi", utoipa::path(
    get,
    path = "/audit/records/{id}",
    operation_id = "get_audit_record",
    tag = "audit",
    params(("id" = Uuid, Path, description = "Id of the record", example = "01932b00-0000-7000-8000-000000000000")),
    responses(
        (status = 200, description = "The record", body = crate::record::Record, headers(("ETag" = String, description = "The record's digest"))),
        (status = 304, description = "The client has the record already, by `If-None-Match`"),
        (status = 404, description = "There is no such record", body = crate::problem::Document<'static>, content_type = "application/problem+json"),
        crate::problem::AccessProblems,
        crate::problem::LimitProblems,
    ),
    security(("bearer" = [])),
))]
#[audited(
    action = "read_audit_record",
    resource = "audit_record",
    capture = "metadata"
)]
pub(super) async fn get(
    reader: Reader,
    id: Path<String>,
    scope: AuditScope,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    scope.resource_id(&id);
    let not_found = || {
        Problem::new(
            &RECORD_NOT_FOUND,
            "Records are found by the `id` that /audit/records shows.",
        )
    };
    let id = Uuid::try_parse(&id).map_err(|_| not_found())?;
    let found = reader
        .ask(move |store| store.get(id))
        .await?
        .ok_or_else(not_found)?;

    let digest: String = found
        .digest
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let etag = EntityTag::new_strong(digest);
    if is_known(&request, &etag) {
        return Ok(HttpResponse::NotModified()
            .insert_header(ETag(etag))
            .finish());
    }
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "application/json"))
        .insert_header(ETag(etag))
        .body(found.canonical))
}

/// What `GET /audit/records` answers.
#[cfg(feature = "openapi")]
#[derive(utoipa::ToSchema)]
#[expect(
    dead_code,
    reason = "the body is put together from canonical bytes; this only describes it"
)]
pub(super) struct RecordPage {
    records: Vec<crate::record::Record>,
    /// The cursor of the next page, or null on the last one.
    #[schema(required, example = "AWQABkQx_cIbAAGTKwAAAHAAgAAAAAAAAAA")]
    next: Option<String>,
}

/// The records' canonical bytes, side by side: they are not parsed again, so what
/// a client reads is what was hashed.
fn page_body(page: &Page, next: Option<&str>) -> Vec<u8> {
    let bytes: usize = page
        .records
        .iter()
        .map(|record| record.canonical.len() + 1)
        .sum();
    let mut body = Vec::with_capacity(bytes + 64);
    body.extend_from_slice(b"{\"records\":[");
    for (number, record) in page.records.iter().enumerate() {
        if number > 0 {
            body.push(b',');
        }
        body.extend_from_slice(&record.canonical);
    }
    body.extend_from_slice(b"],\"next\":");
    match next {
        // A cursor is base64url, in which nothing needs an escape.
        Some(next) => body.extend_from_slice(format!("\"{next}\"").as_bytes()),
        None => body.extend_from_slice(b"null"),
    }
    body.push(b'}');
    body
}

/// The same query with the cursor of the next page ([RFC 8288](https://www.rfc-editor.org/rfc/rfc8288)).
fn link_to_next(request: &HttpRequest, next: &str) -> String {
    let query = form_urlencoded::parse(request.query_string().as_bytes())
        .filter(|(name, _)| name != "cursor");
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(query)
        .append_pair("cursor", next)
        .finish();
    let mut link = String::new();
    let _ = write!(link, "<{}?{query}>; rel=\"next\"", request.path());
    link
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_page_is_refused_by_name() {
        let now = "2026-11-24T12:00:00Z".parse().unwrap();
        for (query, code) in [
            ("limit=0", "invalid_parameter"),
            ("limit=1001", "invalid_parameter"),
            ("limit=-1", "invalid_parameter"),
            ("limit=1&limit=2", "invalid_parameter"),
            ("order=up", "invalid_parameter"),
            ("cursor=abc", "invalid_cursor"),
            ("by=action", "unknown_parameter"),
        ] {
            let problem = page_request(query, now).unwrap_err();
            assert_eq!(problem.kind().code(), code, "{query}");
        }
    }
}
