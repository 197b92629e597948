//! Every role at every route, by the table in authorisation.txt. That no route is
//! missing there is a test of `items_api::serve`, which knows them all.

use std::collections::{BTreeMap, BTreeSet};

use audit::testing::eventually;
use diesel::RunQueryDsl as _;
use diesel::sql_types::BigInt;
use items_api::auth::Role;
use reqwest::header::HeaderMap;
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::harness::{Answer, TestService};

/// One cell: who asks for what, and gets which answer.
struct Cell<'a> {
    method: Method,
    path: &'a str,
    asker: &'a str,
    status: u16,
    action: Option<&'a str>,
}

fn cells() -> Vec<Cell<'static>> {
    let table = include_str!("authorisation.txt");
    let mut rows = table
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    let head = rows.next().unwrap();
    let askers = &head[2..head.len() - 1];
    let mut cells = Vec::new();
    for row in rows {
        let [method, path, statuses @ .., action] = &row[..] else {
            panic!("not a row: {row:?}");
        };
        assert!(
            [1, askers.len()].contains(&statuses.len()),
            "{method} {path} has {} answers",
            statuses.len()
        );
        for (asker, status) in askers.iter().zip(statuses.iter().cycle()) {
            cells.push(Cell {
                method: method.parse().unwrap(),
                path,
                asker,
                status: status.parse().unwrap(),
                action: (*action != "-").then_some(*action),
            });
        }
    }
    cells
}

/// The token of whoever asks, if they have one.
fn token(service: &TestService, asker: &str) -> Option<String> {
    Some(match asker {
        "nobody" => return None,
        "forged" => TestService::sign(&[7; 32], "alice", &["admin"], 4_000_000_000),
        "expired" => service.token_with("alice", &["admin"], 1_000),
        "owner" => service.token("alice", Role::User),
        "other" => service.token("bob", Role::User),
        "auditor" => service.token("otto", Role::Auditor),
        "admin" => service.token("ada", Role::Admin),
        "both" => service.token_with("bea", &["user", "auditor"], 4_000_000_000),
        "none" => service.token_with("nora", &[], 4_000_000_000),
        "unknown" => service.token_with("root", &["root", "Admin", "admin "], 4_000_000_000),
        asker => panic!("who is {asker}?"),
    })
}

#[actix_web::test]
async fn every_role_gets_at_every_route_what_the_table_says_and_every_refusal_is_recorded_once() {
    let service = TestService::start().await;
    let cells = cells();
    service.create(&json!({ "name": "Kettle" })).await;
    let record = service.records("action=create_item", 1).await.remove(0);
    let record = record["id"].as_str().unwrap();

    let mut expected = BTreeMap::new();
    for (number, cell) in cells.iter().enumerate() {
        let request_id = format!("matrix-{number}");
        let item = service.create(&json!({ "name": "Kettle" })).await;
        let path = cell
            .path
            .replace("{item}", item["id"].as_str().unwrap())
            .replace("{record}", record);
        let mut request = service
            .request(cell.method.clone(), &path)
            .header("x-request-id", &request_id);
        if let Some(token) = token(&service, cell.asker) {
            request = request.bearer_auth(token);
        }
        if [Method::POST, Method::PUT, Method::PATCH].contains(&cell.method) {
            request = request.json(&json!({ "name": "Pot" }));
        }
        let response = request.send().await.unwrap();
        check(cell, &request_id, response).await;
        if let Some(action) = cell.action {
            expected.insert(request_id, (action, outcome(cell.status)));
        }
    }

    let told = records_of_the_matrix(&service, expected.len()).await;
    let told: BTreeMap<String, (&str, &str)> = told
        .iter()
        .map(|(request_id, records)| {
            assert_eq!(records.len(), 1, "{request_id} left {records:?}");
            let text = |name: &str| records[0][name].as_str().unwrap();
            (request_id.clone(), (text("action"), text("outcome")))
        })
        .collect();
    assert_eq!(told, expected);
}

fn outcome(status: u16) -> &'static str {
    match status {
        401 | 403 => "denied",
        400..=499 => "rejected",
        _ => "success",
    }
}

async fn check(cell: &Cell<'_>, request_id: &str, response: Response) {
    let what = format!("{} {} as {}", cell.method, cell.path, cell.asker);
    assert_eq!(response.status(), cell.status, "{what}");
    let headers = response.headers().clone();
    assert_eq!(headers["x-request-id"], request_id, "{what}");
    assert_protected(&what, cell.path, &headers);

    let challenge = headers.get("www-authenticate");
    assert_eq!(challenge.is_some(), cell.status == 401, "{what}");
    let allow = headers.get("allow").map(|allow| allow.to_str().unwrap());
    assert_eq!(allow.is_some(), cell.status == 405, "{what}");
    if let Some(allow) = allow {
        let allowed: BTreeSet<&str> = allow.split(", ").collect();
        assert_eq!(allowed, methods_of(cell.path), "{what}");
    }

    if headers
        .get("content-type")
        .is_some_and(|media_type| media_type == "text/event-stream")
    {
        // It does not end by itself.
        return;
    }
    let body = response.bytes().await.unwrap();
    if cell.method == Method::HEAD {
        assert!(body.is_empty(), "{what}");
    } else if cell.status >= 400 {
        assert_eq!(
            headers["content-type"], "application/problem+json",
            "{what}"
        );
        let problem: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(problem["status"], cell.status, "{what}");
        let code = problem["code"].as_str().unwrap();
        match (cell.status, cell.asker) {
            (401, "nobody") => assert_eq!(code, "missing_credentials", "{what}"),
            (401, "expired") => assert_eq!(code, "expired_credentials", "{what}"),
            (401, _) => assert_eq!(code, "invalid_credentials", "{what}"),
            (403, "other" | "both") if cell.path.starts_with("/items") => {
                assert_eq!(code, "not_the_owner", "{what}");
            }
            (403, _) => assert_eq!(code, "forbidden", "{what}"),
            (405, _) => assert_eq!(code, "method_not_allowed", "{what}"),
            _ => {}
        }
    }
}

/// What is told to browsers with every answer, and what is told to nobody.
fn assert_protected(what: &str, path: &str, headers: &HeaderMap) {
    let header = |name| headers.get(name).map(|value| value.to_str().unwrap());
    assert_eq!(header("x-content-type-options"), Some("nosniff"), "{what}");
    assert_eq!(header("referrer-policy"), Some("no-referrer"), "{what}");
    let resource_policy = header("cross-origin-resource-policy");
    assert_eq!(resource_policy, Some("same-origin"), "{what}");
    assert_eq!(header("server"), None, "{what}");
    assert_eq!(header("x-powered-by"), None, "{what}");

    let policy = header("content-security-policy").unwrap();
    let caching = header("cache-control").unwrap();
    let is_page = path.starts_with("/docs") || path.starts_with("/audit/ui");
    let is_data = headers.get("content-type").is_none_or(|media_type| {
        let media_type = media_type.to_str().unwrap();
        media_type.starts_with("application/") && media_type.ends_with("json")
    });
    if is_page && !is_data {
        assert!(policy.contains("script-src 'self';"), "{what}: {policy}");
        assert!(
            policy.contains("frame-ancestors 'none'"),
            "{what}: {policy}"
        );
    } else {
        let nothing = "default-src 'none'; frame-ancestors 'none'";
        assert_eq!(policy, nothing, "{what}");
        assert_eq!(caching, "no-store", "{what}");
    }
}

/// The methods that the table knows at a path.
fn methods_of(path: &str) -> BTreeSet<&'static str> {
    let path = path.trim_end_matches('/');
    cells()
        .iter()
        .filter(|cell| cell.path.trim_end_matches('/') == path && cell.status != 405)
        .map(|cell| match cell.method.as_str() {
            "GET" => "GET",
            "HEAD" => "HEAD",
            "POST" => "POST",
            "PUT" => "PUT",
            "PATCH" => "PATCH",
            _ => "DELETE",
        })
        .collect()
}

/// The records that requests of the table left, by the request's id, once there are
/// as many as expected.
async fn records_of_the_matrix(
    service: &TestService,
    expected: usize,
) -> BTreeMap<String, Vec<Value>> {
    let ada = service.token("ada", Role::Admin);
    eventually("the records of the table", async || {
        let mut found = BTreeMap::<String, Vec<Value>>::new();
        let mut cursor = String::new();
        loop {
            let path = format!("/audit/records?limit=1000{cursor}");
            let mut page = Answer::of(service.get(&path).bearer_auth(&ada)).await.body;
            for record in page["records"].as_array().unwrap() {
                // The trail's own records are of no request.
                let request_id = record["http"]["request_id"].as_str().unwrap_or_default();
                if request_id.starts_with("matrix-") {
                    let records = found.entry(request_id.to_owned()).or_default();
                    records.push(record.clone());
                }
            }
            match page["next"].take() {
                Value::String(next) => cursor = format!("&cursor={next}"),
                _ => break,
            }
        }
        (found.values().map(Vec::len).sum::<usize>() >= expected).then_some(found)
    })
    .await
}

#[actix_web::test]
async fn each_reading_of_the_trail_is_one_record_and_reading_those_is_no_more() {
    let mut service = TestService::start().await;
    let otto = service.token("otto", Role::Auditor);
    let read = async |path: &str, request_id: &str| {
        let request = service.get(path).bearer_auth(&otto);
        let answer = Answer::of(request.header("x-request-id", request_id)).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body
    };
    // Whoever polls leaves a record each time, whatever it is that they see.
    for poll in 0..5 {
        read("/audit/records?actor=alice", &format!("poll-{poll}")).await;
    }
    let polls = service.records("actor=otto", 5).await;
    assert_eq!(polls.len(), 5);
    // One page of five records is one reading, and each of them by its id another.
    let seen = read("/audit/records?actor=otto", "page").await;
    assert_eq!(seen["records"].as_array().unwrap().len(), 5);
    for (number, record) in polls.iter().enumerate() {
        let path = format!("/audit/records/{}", record["id"].as_str().unwrap());
        assert_eq!(read(&path, &format!("one-{number}")).await, *record);
    }
    // Nothing is under way any more once the service has stopped.
    service.stop().await.unwrap();
    let left: Count = diesel::sql_query(
        "SELECT count(*) AS records, count(DISTINCT http_request_id) AS requests FROM audit_records WHERE actor_id = 'otto'",
    )
    .get_result(&mut service.database.connect())
    .unwrap();
    assert_eq!((left.records, left.requests), (11, 11));
}

#[derive(diesel::QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    records: i64,
    #[diesel(sql_type = BigInt)]
    requests: i64,
}
