//! Finding claims. The only route that takes a POST and changes nothing.

use actix_web::post;
use actix_web::web::{Data, Json};
use diesel::prelude::*;
use serde::Deserialize;

use super::{Claim, Status};
use crate::auth::{Adjuster, Caller};
use crate::schema::claims;
use crate::{Database, Error};

/// The most claims that are found.
const LIMIT: i64 = 100;

/// In a body, because an e-mail address belongs into no URL.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Search {
    email: Option<String>,
    status: Option<Status>,
}

#[post("/claims/search")]
pub(super) async fn search_claims(
    _: Caller<Adjuster>,
    Json(search): Json<Search>,
    database: Data<Database>,
) -> Result<Json<Vec<Claim>>, Error> {
    let found = database.run(move |connection| {
        let mut query = claims::table
            .select(Claim::as_select())
            .order(claims::created_at.desc())
            .limit(LIMIT)
            .into_boxed();
        if let Some(email) = search.email {
            query = query.filter(claims::email.eq(email));
        }
        if let Some(status) = search.status {
            query = query.filter(claims::status.eq(status.as_str()));
        }
        Ok(query.load(connection)?)
    });
    Ok(Json(found.await?))
}
