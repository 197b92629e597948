//! `/items/`, with and without the slash at its end.

use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::web::{self, Data, Json, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use audit::problem::{AccessProblems, LimitProblems};
use audit::strict::audited;
use audit::{AuditScope, Problem, methods};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::page::PageRequest;
use super::{Item, ItemPatch, NewItem, store};
use crate::auth::Member;
use crate::body::Body;
use crate::database::Database;
use crate::problem::{BodyProblems, ProblemDocument};

pub(crate) fn configure(config: &mut ServiceConfig) {
    config
        .service(
            web::resource(["/items/", "/items"])
                .get(list_items)
                .head(list_items)
                .post(create_item)
                .default_service(methods::only("GET, HEAD, POST")),
        )
        .service(
            web::resource(["/items/{item_id}", "/items/{item_id}/"])
                .get(get_item)
                .head(get_item)
                .put(replace_item)
                .patch(patch_item)
                .delete(delete_item)
                .default_service(methods::only("GET, HEAD, PUT, PATCH, DELETE")),
        );
}

/// Create an item.
#[utoipa::path(
    post, path = "/items/", tag = "items", request_body = NewItem, security(("bearer" = [])),
    responses(
        (status = 201, description = "The item", body = Item, headers(("Location" = String, description = "Where it is"))),
        BodyProblems,
        AccessProblems,
        LimitProblems,
    ),
)]
#[audited(action = "create_item", resource = "item")]
pub(crate) async fn create_item(
    member: Member,
    Body(new): Body<NewItem>,
    database: Data<Database>,
    scope: AuditScope,
) -> Result<HttpResponse, Problem> {
    let draft = new.check()?;
    scope.status(StatusCode::CREATED);
    let item = database
        .run(move |connection| store::create(connection, &scope, draft, member.id()))
        .await?;
    Ok(HttpResponse::Created()
        .insert_header((LOCATION, format!("/items/{}", item.id)))
        .json(item))
}

/// List items, newest first.
#[utoipa::path(
    get, path = "/items/", tag = "items", security(("bearer" = [])),
    params(
        ("limit" = Option<u16>, Query, description = "Items on a page, 50 by default", minimum = 1, maximum = 1000),
        ("cursor" = Option<String>, Query, description = "The `next` of the page before", pattern = "^[A-Za-z0-9_-]{32}$"),
    ),
    responses(
        (status = 200, description = "A page of items", body = ItemPage),
        (status = 400, description = "A parameter is unknown or not valid", body = ProblemDocument, content_type = "application/problem+json"),
        AccessProblems,
    ),
)]
pub(crate) async fn list_items(
    _: Member,
    request: HttpRequest,
    database: Data<Database>,
) -> Result<Json<ItemPage>, Problem> {
    let wanted = PageRequest::parse(request.query_string())?;
    let page = database
        .run(move |connection| store::list(connection, wanted))
        .await?;
    Ok(Json(ItemPage {
        items: page.items,
        next: page.next.map(|position| position.encode()),
    }))
}

/// Get an item.
#[utoipa::path(
    get, path = "/items/{item_id}", tag = "items", security(("bearer" = [])),
    params(("item_id" = Uuid, Path, description = "Id of the item")),
    responses(
        (status = 200, description = "The item", body = Item),
        (status = 404, description = "There is no such item", body = ProblemDocument, content_type = "application/problem+json"),
        AccessProblems,
    ),
)]
pub(crate) async fn get_item(
    _: Member,
    id: Path<String>,
    database: Data<Database>,
) -> Result<Json<Item>, Problem> {
    let id = parse_id(&id)?;
    let item = database
        .run(move |connection| store::get(connection, id))
        .await?;
    Ok(Json(item))
}

/// Replace an item.
#[utoipa::path(
    put, path = "/items/{item_id}", tag = "items", request_body = NewItem, security(("bearer" = [])),
    params(("item_id" = Uuid, Path, description = "Id of the item")),
    responses(
        (status = 200, description = "The item as it is now", body = Item),
        BodyProblems,
        (status = 404, description = "There is no such item", body = ProblemDocument, content_type = "application/problem+json"),
        AccessProblems,
        LimitProblems,
    ),
)]
#[audited(action = "replace_item", resource = "item", resource_id = id)]
pub(crate) async fn replace_item(
    member: Member,
    id: Path<String>,
    Body(new): Body<NewItem>,
    database: Data<Database>,
    scope: AuditScope,
) -> Result<Json<Item>, Problem> {
    let (id, draft) = (parse_id(&id)?, new.check()?);
    scope.status(StatusCode::OK);
    let item = database
        .run(move |connection| store::replace(connection, &scope, id, draft, &member))
        .await?;
    Ok(Json(item))
}

/// Change some fields of an item.
#[utoipa::path(
    patch, path = "/items/{item_id}", tag = "items", request_body = ItemPatch, security(("bearer" = [])),
    params(("item_id" = Uuid, Path, description = "Id of the item")),
    responses(
        (status = 200, description = "The item as it is now", body = Item),
        BodyProblems,
        (status = 404, description = "There is no such item", body = ProblemDocument, content_type = "application/problem+json"),
        AccessProblems,
        LimitProblems,
    ),
)]
#[audited(action = "patch_item", resource = "item", resource_id = id)]
pub(crate) async fn patch_item(
    member: Member,
    id: Path<String>,
    Body(patch): Body<ItemPatch>,
    database: Data<Database>,
    scope: AuditScope,
) -> Result<Json<Item>, Problem> {
    let (id, changes) = (parse_id(&id)?, patch.check()?);
    scope.status(StatusCode::OK);
    let item = database
        .run(move |connection| store::patch(connection, &scope, id, changes, &member))
        .await?;
    Ok(Json(item))
}

/// Delete an item.
#[utoipa::path(
    delete, path = "/items/{item_id}", tag = "items", security(("bearer" = [])),
    params(("item_id" = Uuid, Path, description = "Id of the item")),
    responses(
        (status = 204, description = "The item is gone"),
        (status = 404, description = "There is no such item", body = ProblemDocument, content_type = "application/problem+json"),
        AccessProblems,
        LimitProblems,
    ),
)]
#[audited(action = "delete_item", resource = "item", resource_id = id)]
pub(crate) async fn delete_item(
    member: Member,
    id: Path<String>,
    database: Data<Database>,
    scope: AuditScope,
) -> Result<HttpResponse, Problem> {
    let id = parse_id(&id)?;
    scope.status(StatusCode::NO_CONTENT);
    database
        .run(move |connection| store::delete(connection, &scope, id, &member))
        .await?;
    Ok(HttpResponse::NoContent().finish())
}

/// What `GET /items/` answers.
#[derive(Serialize, ToSchema)]
pub(crate) struct ItemPage {
    items: Vec<Item>,
    /// The cursor of the next page, or null on the last one.
    #[schema(required)]
    next: Option<String>,
}

fn parse_id(id: &str) -> Result<Uuid, Problem> {
    Uuid::try_parse(id).map_err(|_| store::not_found())
}
