//! Who makes a request, by its key, and what they may do.

use std::future::{Ready, ready};
use std::marker::PhantomData;

use actix_web::body::MessageBody;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::AUTHORIZATION;
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use audit::{Actor, Argument, Part};

use crate::{Database, Error, keys};

/// What the holder of a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Role {
    /// Files claims.
    Customer,
    /// Decides them.
    Adjuster,
    /// Reads the audit trail, which asks for a role of this name.
    Auditor,
}

impl Role {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Adjuster => "adjuster",
            Self::Auditor => "auditor",
        }
    }
}

/// Left in a request's extensions when its key could not be looked up.
struct LookupFailed;

/// Leaves an [`Actor`] in the extensions of every request with a good key, where the
/// audit trail and [`Caller`] find it.
///
/// It refuses nobody: a request that it answered would leave no record, and
/// refusals are what an auditor asks for first.
pub(crate) async fn middleware(
    database: Data<Database>,
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    if let Some(key) = key_of(&request) {
        let actor = database.run(move |connection| keys::actor(connection, &key));
        match actor.await {
            Ok(Some(actor)) => drop(request.extensions_mut().insert(actor)),
            Ok(None) => {}
            Err(_) => drop(request.extensions_mut().insert(LookupFailed)),
        }
    }
    next.call(request).await
}

fn key_of(request: &ServiceRequest) -> Option<String> {
    let header = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    Some(header.strip_prefix("Bearer ")?.trim().to_owned())
}

/// Who may call a handler.
pub(crate) trait Admits {
    /// The role that it takes; any, if there is none.
    const ROLE: Option<Role>;
}

pub(crate) enum Anybody {}
pub(crate) enum Customer {}
pub(crate) enum Adjuster {}

impl Admits for Anybody {
    const ROLE: Option<Role> = None;
}

impl Admits for Customer {
    const ROLE: Option<Role> = Some(Role::Customer);
}

impl Admits for Adjuster {
    const ROLE: Option<Role> = Some(Role::Adjuster);
}

/// The holder of a key, with the role that the handler takes.
///
/// As the first argument of a handler it answers everybody else before the body is
/// read.
pub(crate) struct Caller<R>(pub(crate) Actor, PhantomData<R>);

impl<R> Caller<R> {
    /// Who it is.
    pub(crate) fn id(&self) -> &str {
        self.0.id.as_deref().unwrap_or_default()
    }
}

/// It reads nothing of the request that a record keeps.
impl<R> Argument for Caller<R> {
    const PART: Part = Part::Nothing;
    type Payload = ();
}

impl<R: Admits> FromRequest for Caller<R> {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        if request.extensions().get::<LookupFailed>().is_some() {
            return ready(Err(Error::Unavailable));
        }
        // Asked of the audit trail, so that the record and the handler cannot
        // disagree.
        let actor = Actor::from_request(request, payload).into_inner();
        let admitted = match (actor, R::ROLE) {
            (Err(_), _) => Err(Error::KeyRequired),
            (Ok(actor), Some(role)) if !actor.has_any_role(&[role.as_str()]) => {
                Err(Error::Forbidden(role.as_str()))
            }
            (Ok(actor), _) => Ok(Self(actor, PhantomData)),
        };
        ready(admitted)
    }
}
