//! How browsers sign in to the audit trail: a token in a cookie.

use items_api::auth::Role;
use reqwest::header::{COOKIE, HeaderMap, ORIGIN, SET_COOKIE};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Answer, TestService, assert_problem};

const SESSION: &str = "/audit/ui/session";

fn by_cookie(request: RequestBuilder, cookie: &str) -> RequestBuilder {
    request.header(COOKIE, cookie)
}

/// What the browser is told to keep.
fn cookie_of(headers: &HeaderMap) -> &str {
    let mut cookies = headers.get_all(SET_COOKIE).iter();
    let cookie = cookies.next().unwrap().to_str().unwrap();
    assert!(cookies.next().is_none(), "there is one cookie");
    cookie
}

#[actix_web::test]
async fn a_token_becomes_a_cookie_that_reads_the_trail_until_it_is_given_up() {
    let service = TestService::start().await;
    let token = service.token("otto", Role::Auditor);

    let signed_in = service.post(SESSION).bearer_auth(&token).send().await;
    let signed_in = signed_in.unwrap();
    assert_eq!(signed_in.status(), StatusCode::NO_CONTENT);
    let set = cookie_of(signed_in.headers());
    assert_eq!(
        set,
        format!("audit_session={token}; Path=/audit; HttpOnly; SameSite=Strict")
    );
    let cookie = set.split(';').next().unwrap();

    let who = Answer::of(by_cookie(service.get(SESSION), cookie)).await;
    assert_eq!(who.status, 200);
    let actor = json!({ "kind": "user", "id": "otto", "roles": ["auditor"] });
    assert_eq!(who.body, json!({ "actor": actor }));
    let page = Answer::of(by_cookie(service.get("/audit/records"), cookie)).await;
    assert_eq!(page.status, 200, "{}", page.body);

    let signed_out = by_cookie(service.request(Method::DELETE, SESSION), cookie);
    let signed_out = signed_out.send().await.unwrap();
    assert_eq!(signed_out.status(), StatusCode::NO_CONTENT);
    assert_eq!(
        cookie_of(signed_out.headers()),
        "audit_session=; Path=/audit; HttpOnly; SameSite=Strict; Max-Age=0"
    );

    // All of it is told, with who it was, and the token is in none of it.
    for action in [
        "sign_in_to_audit",
        "read_audit_session",
        "sign_out_of_audit",
    ] {
        let records = service.records(&format!("action={action}"), 1).await;
        assert_eq!(records[0]["actor"]["id"], "otto", "{action}");
        assert_eq!(records[0]["outcome"], "success", "{action}");
    }
    let all = service.records("actor=otto", 4).await;
    assert!(!Value::from(all).to_string().contains(&token));
}

#[actix_web::test]
async fn a_cookie_is_secure_where_the_browser_came_by_https() {
    let service = TestService::start().await;
    let token = service.token("otto", Role::Auditor);
    for (origin, is_secure) in [
        ("https://audit.example", true),
        ("http://audit.example", false),
        ("null", false),
    ] {
        let request = service.post(SESSION).bearer_auth(&token);
        let response = request.header(ORIGIN, origin).send().await.unwrap();
        let cookie = cookie_of(response.headers());
        assert_eq!(cookie.ends_with("; Secure"), is_secure, "{origin}");
    }
}

#[actix_web::test]
async fn a_cookie_counts_for_reading_alone_and_only_if_there_is_no_doubt_about_it() {
    let service = TestService::start().await;
    let ada = format!("audit_session={}", service.token("ada", Role::Admin));
    let otto = format!("audit_session={}", service.token("otto", Role::Auditor));
    let records = || service.get("/audit/records");

    for (what, request) in [
        (
            "two of them",
            by_cookie(records(), &format!("{ada}; {otto}")),
        ),
        ("two headers", by_cookie(by_cookie(records(), &ada), &otto)),
        ("an empty one", by_cookie(records(), "audit_session=")),
        ("quotes", by_cookie(records(), "audit_session=\"a b\"")),
        (
            "another name",
            by_cookie(records(), &ada.replace("audit", "x")),
        ),
        ("signing in", by_cookie(service.post(SESSION), &ada)),
        (
            "what is not the trail's",
            by_cookie(service.get("/items/"), &ada),
        ),
        (
            "a change",
            by_cookie(service.post("/items/"), &ada).json(&json!({ "name": "Pot" })),
        ),
    ] {
        let answer = Answer::of(request).await;
        assert_eq!(answer.status, 401, "{what}");
        assert_eq!(answer.body["code"], "missing_credentials", "{what}");
    }

    // Among others, and beside credentials that are sent on purpose.
    let among = by_cookie(records(), &format!("theme=dark; {ada} ; a=b"));
    assert_eq!(Answer::of(among).await.status, 200);
    let beside = by_cookie(records(), &ada).bearer_auth("forged");
    assert_problem(401, "invalid_credentials", &Answer::of(beside).await);
    let wrong_role = format!("audit_session={}", service.token("bob", Role::User));
    let wrong_role = Answer::of(by_cookie(records(), &wrong_role)).await;
    assert_problem(403, "forbidden", &wrong_role);
}

#[actix_web::test]
async fn a_token_that_fits_into_no_cookie_is_refused_with_what_would() {
    let service = TestService::start().await;
    let names: Vec<String> = (0..24).map(|number| format!("{number:0>200}")).collect();
    let roles = names.iter().map(String::as_str).chain(["auditor"]);
    let roles: Vec<&str> = roles.collect();
    let token = service.token_with("otto", &roles, 4_000_000_000);
    assert!((4 * 1024..8 * 1024).contains(&token.len()));

    let reading = service.get("/audit/records").bearer_auth(&token);
    assert_eq!(Answer::of(reading).await.status, 200);
    let answer = Answer::of(service.post(SESSION).bearer_auth(&token)).await;
    assert_problem(400, "unsuitable_credentials", &answer);
}
