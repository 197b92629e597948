//! Items in Postgres.

use audit::{AuditScope, Problem};
use chrono::{DateTime, SubsecRound as _, Utc};
use diesel::dsl::sql;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Timestamptz, Uuid as SqlUuid};
use uuid::Uuid;

use super::Item;
use super::draft::{Changes, Draft};
use super::page::{PageRequest, Position};
use super::schema::items::dsl as column;
use crate::auth::Member;
use crate::database::Failure;
use crate::problem::{ITEM_NOT_FOUND, NOT_THE_OWNER};

/// Some items, and where the next page begins.
pub(super) struct Page {
    pub(super) items: Vec<Item>,
    pub(super) next: Option<Position>,
}

pub(super) fn create(
    connection: &mut PgConnection,
    scope: &AuditScope,
    draft: Draft,
    owner: &str,
) -> Result<Item, Failure> {
    let now = now();
    let item = Item {
        id: Uuid::now_v7(),
        name: draft.name,
        description: draft.description,
        price: draft.price,
        attributes: draft.attributes,
        owner: owner.to_owned(),
        created_at: now,
        updated_at: now,
    };
    scope.resource_id(item.id);
    scope.transaction(connection, |connection| {
        diesel::insert_into(column::items)
            .values(&item)
            .execute(connection)?;
        Ok::<_, Failure>(())
    })?;
    Ok(item)
}

pub(super) fn get(connection: &mut PgConnection, id: Uuid) -> Result<Item, Failure> {
    column::items
        .find(id)
        .select(Item::as_select())
        .first(connection)
        .optional()?
        .ok_or_else(|| not_found().into())
}

pub(super) fn list(connection: &mut PgConnection, request: PageRequest) -> Result<Page, Failure> {
    let mut query = column::items
        .select(Item::as_select())
        .order((column::created_at.desc(), column::id.desc()))
        .limit(i64::from(request.limit) + 1)
        .into_boxed();
    if let Some(after) = request.after {
        // The whole key at once, which is one range of the index.
        query = query.filter(
            sql::<Bool>("(created_at, id) < (")
                .bind::<Timestamptz, _>(after.created_at)
                .sql(", ")
                .bind::<SqlUuid, _>(after.id)
                .sql(")"),
        );
    }
    let mut items: Vec<Item> = query.load(connection)?;
    let limit = usize::from(request.limit);
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|last| Position {
        created_at: last.created_at,
        id: last.id,
    });
    Ok(Page { items, next })
}

pub(super) fn replace(
    connection: &mut PgConnection,
    scope: &AuditScope,
    id: Uuid,
    draft: Draft,
    member: &Member,
) -> Result<Item, Failure> {
    change(connection, scope, id, member, |item| {
        item.name = draft.name;
        item.description = draft.description;
        item.price = draft.price;
        item.attributes = draft.attributes;
    })
}

pub(super) fn patch(
    connection: &mut PgConnection,
    scope: &AuditScope,
    id: Uuid,
    changes: Changes,
    member: &Member,
) -> Result<Item, Failure> {
    change(connection, scope, id, member, |item| {
        item.name = changes
            .name
            .unwrap_or_else(|| std::mem::take(&mut item.name));
        item.description = changes
            .description
            .unwrap_or_else(|| item.description.take());
        item.price = changes.price.unwrap_or_else(|| item.price.take());
        if let Some(attributes) = changes.attributes {
            item.attributes = attributes;
        }
    })
}

pub(super) fn delete(
    connection: &mut PgConnection,
    scope: &AuditScope,
    id: Uuid,
    member: &Member,
) -> Result<(), Failure> {
    scope.transaction(connection, |connection| {
        let item = lock(connection, id, member)?;
        diesel::delete(column::items.find(id)).execute(connection)?;
        scope.change(&Some(item), &None);
        Ok(())
    })
}

/// Changes an item that the member may change; nobody else can change it in
/// between.
fn change(
    connection: &mut PgConnection,
    scope: &AuditScope,
    id: Uuid,
    member: &Member,
    apply: impl FnOnce(&mut Item),
) -> Result<Item, Failure> {
    scope.transaction(connection, |connection| {
        let mut item = lock(connection, id, member)?;
        let before = item.clone();
        apply(&mut item);
        item.updated_at = now();
        diesel::update(column::items.find(id))
            .set((
                column::name.eq(&item.name),
                column::description.eq(&item.description),
                column::price.eq(&item.price),
                column::attributes.eq(&item.attributes),
                column::updated_at.eq(item.updated_at),
            ))
            .execute(connection)?;
        scope.change(&before, &item);
        Ok(item)
    })
}

fn lock(connection: &mut PgConnection, id: Uuid, member: &Member) -> Result<Item, Failure> {
    let item = column::items
        .find(id)
        .select(Item::as_select())
        .for_update()
        .first(connection)
        .optional()?
        .ok_or_else(not_found)?;
    if !member.may_change(&item.owner) {
        return Err(Problem::new(
            &NOT_THE_OWNER,
            "Only its owner or an admin changes an item.",
        )
        .into());
    }
    Ok(item)
}

pub(super) fn not_found() -> Problem {
    Problem::new(
        &ITEM_NOT_FOUND,
        "Items are found by the `id` that GET /items/ shows.",
    )
}

/// As precise as Postgres keeps it, so that an item is the same when it is read
/// again.
fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(6)
}
