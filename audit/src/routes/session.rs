//! `/audit/ui/session`: how somebody signs in to the viewer.
//!
//! Browsers send no `Authorization` header by themselves, and a token within the reach
//! of scripts is lost with the first hole in any of them. So the token is put into a
//! cookie that scripts cannot read, and taken out of it again before anybody asks who
//! makes a request. Nothing is kept here: a session lasts as long as its token, or until
//! the browser is closed.
//!
//! The cookie counts for what only reads. It is `SameSite=Strict`, so it does not come
//! along with what other sites ask for either
//! ([RFC 6265bis, section 5.6.7](https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis#section-5.6.7)).

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderValue, ORIGIN, SET_COOKIE};
use actix_web::middleware::Next;
use actix_web::web::{self, ServiceConfig};
use actix_web::{Error, HttpRequest, HttpResponse};

use super::reader::Reader;
use crate::audited;
use crate::methods::only;
use crate::problem::{Problem, UNSUITABLE_CREDENTIALS};
use crate::record::Actor;

/// Where it is mounted, below the scope of the audit trail.
const PATH: &str = "/ui/session";
/// The cookie that holds the token.
const COOKIE_NAME: &str = "audit_session";
/// The longest token that fits into a cookie: what browsers keep in one, name and
/// attributes included, is 4 KiB.
const TOKEN_BYTES_MAX: usize = 4 * 1024 - 128;

pub(super) fn configure(config: &mut ServiceConfig) {
    config.service(
        web::resource(PATH)
            .get(show)
            .head(show)
            .post(sign_in)
            .delete(sign_out)
            .default_service(only("GET, HEAD, POST, DELETE")),
    );
}

/// Gives requests without credentials those of their cookie.
pub(super) async fn cookie_as_credentials(
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    if counts_for(&request) && !request.headers().contains_key(AUTHORIZATION) {
        let credentials = token_of_cookie(request.headers())
            .and_then(|token| HeaderValue::try_from(format!("Bearer {token}")).ok());
        if let Some(credentials) = credentials {
            request.headers_mut().insert(AUTHORIZATION, credentials);
        }
    }
    next.call(request).await
}

/// Whether a request may come by cookie: it only reads, or it gives the cookie up.
fn counts_for(request: &ServiceRequest) -> bool {
    match *request.method() {
        Method::GET | Method::HEAD => true,
        Method::DELETE => request.path().ends_with(PATH),
        _ => false,
    }
}

/// The token of the only cookie of its name. With two, one may have been planted by
/// another host of the same domain, and nobody could tell which.
fn token_of_cookie(headers: &HeaderMap) -> Option<&str> {
    let mut tokens = headers
        .get_all(COOKIE)
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(name, _)| *name == COOKIE_NAME)
        .map(|(_, token)| token);
    let token = tokens.next()?;
    (tokens.next().is_none() && is_suitable(token)).then_some(token)
}

/// Whether a token is one, and fits into a cookie as it is
/// ([RFC 6750, section 2.1](https://www.rfc-editor.org/rfc/rfc6750#section-2.1)).
fn is_suitable(token: &str) -> bool {
    let is_in_alphabet = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    (1..=TOKEN_BYTES_MAX).contains(&token.len()) && token.bytes().all(is_in_alphabet)
}

/// Sign in to the viewer.
///
/// Takes the token that comes with the request and answers with a cookie, by which a
/// browser reads the trail from then on.
#[cfg_attr(feature = "openapi", utoipa::path(
    post,
    path = "/audit/ui/session",
    operation_id = "sign_in_to_audit",
    tag = "audit",
    responses(
        (status = 204, description = "Signed in", headers(("Set-Cookie" = String, description = "The cookie `audit_session`, which scripts cannot read and other sites cannot send"))),
        (status = 400, description = "The credentials are no bearer token, or too long for a cookie", body = crate::problem::Document<'static>, content_type = "application/problem+json"),
        crate::problem::AccessProblems,
        crate::problem::LimitProblems,
    ),
    security(("bearer" = [])),
))]
#[audited(
    action = "sign_in_to_audit",
    resource = "audit_session",
    capture = "metadata"
)]
async fn sign_in(_reader: Reader, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let mut response = HttpResponse::NoContent();
    // A service may know people in another way, such as by a gateway before it. They
    // need no cookie.
    if let Some(credentials) = request.headers().get(AUTHORIZATION) {
        let token = suitable_token(credentials).ok_or_else(|| {
            Problem::new(
                &UNSUITABLE_CREDENTIALS,
                format!("Signing in takes a bearer token of at most {TOKEN_BYTES_MAX} bytes."),
            )
        })?;
        response.insert_header((SET_COOKIE, cookie(&request, token, "")));
    }
    Ok(response.finish())
}

/// The token of these credentials, if it can be in a cookie.
fn suitable_token(credentials: &HeaderValue) -> Option<&str> {
    let (scheme, token) = credentials.to_str().ok()?.split_once(' ')?;
    let token = token.trim_matches(' ');
    (scheme.eq_ignore_ascii_case("bearer") && is_suitable(token)).then_some(token)
}

/// Sign out of the viewer.
///
/// The cookie is taken back, whoever asks. The token itself stays valid until it
/// expires.
#[cfg_attr(feature = "openapi", utoipa::path(
    delete,
    path = "/audit/ui/session",
    operation_id = "sign_out_of_audit",
    tag = "audit",
    responses(
        (status = 204, description = "Signed out", headers(("Set-Cookie" = String, description = "An empty `audit_session` that is over"))),
        crate::problem::LimitProblems,
    ),
))]
#[audited(
    action = "sign_out_of_audit",
    resource = "audit_session",
    capture = "metadata"
)]
async fn sign_out(request: HttpRequest) -> HttpResponse {
    HttpResponse::NoContent()
        .insert_header((SET_COOKIE, cookie(&request, "", "; Max-Age=0")))
        .finish()
}

/// Tell who is signed in.
#[cfg_attr(feature = "openapi", utoipa::path(
    get,
    path = "/audit/ui/session",
    operation_id = "show_audit_session",
    tag = "audit",
    responses(
        (status = 200, description = "Who reads the trail", body = Session),
        crate::problem::AccessProblems,
        crate::problem::LimitProblems,
    ),
    security(("bearer" = [])),
))]
#[audited(
    action = "read_audit_session",
    resource = "audit_session",
    capture = "metadata"
)]
async fn show(_reader: Reader, actor: Actor) -> HttpResponse {
    HttpResponse::Ok().json(Session {
        actor: SignedIn {
            kind: actor.kind,
            id: actor.id,
            roles: actor.roles,
        },
    })
}

/// What `GET /audit/ui/session` answers.
#[derive(serde::Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub(super) struct Session {
    actor: SignedIn,
}

/// Who reads the trail.
#[derive(serde::Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub(super) struct SignedIn {
    kind: crate::record::ActorKind,
    id: Option<String>,
    roles: Vec<String>,
}

/// The cookie: for this trail alone, out of the reach of scripts and of other sites,
/// until the browser is closed.
fn cookie(request: &HttpRequest, token: &str, expiry: &str) -> String {
    let scope = request.path().strip_suffix(PATH).unwrap_or("/audit");
    let secure = if came_by_https(request) {
        "; Secure"
    } else {
        ""
    };
    format!("{COOKIE_NAME}={token}; Path={scope}; HttpOnly; SameSite=Strict{secure}{expiry}")
}

/// Whether the browser speaks HTTPS, to this service or to a proxy before it.
///
/// It says so itself in `Origin`, which comes with every request that is not only
/// reading and which no script can set
/// ([Fetch, section 3.2](https://fetch.spec.whatwg.org/#origin-header)). A client that
/// lies gets a cookie that it does not send back.
fn came_by_https(request: &HttpRequest) -> bool {
    let origin = request.headers().get(ORIGIN).map(HeaderValue::as_bytes);
    origin.is_some_and(|origin| origin.starts_with(b"https://")) || request.app_config().secure()
}
