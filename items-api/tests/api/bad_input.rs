use std::time::Duration;

use audit::jwt::{Audience, Claims};
use items_api::auth::Role;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::harness::{Answer, TestService, assert_problem};

#[actix_web::test]
async fn bodies_that_are_no_items_are_refused_recorded_and_harm_nobody() {
    let service = TestService::start().await;
    let alice = service.token("alice", Role::User);
    let nested = format!("{}1{}", r#"{"a":"#.repeat(100), "}".repeat(100));
    let cases = [
        (r#"{"name":"#.to_owned(), 400, "invalid_json"),
        (String::new(), 400, "invalid_json"),
        ("\"\u{fffe}".to_owned(), 400, "invalid_json"),
        (r#"{"name":"\ud800"}"#.to_owned(), 400, "invalid_json"),
        (r#"["name"]"#.to_owned(), 400, "invalid_body"),
        (r#"{"name":1}"#.to_owned(), 400, "invalid_body"),
        (r#"{}"#.to_owned(), 400, "invalid_body"),
        (
            r#"{"name":"Kettle","colour":"red"}"#.to_owned(),
            400,
            "invalid_body",
        ),
        (
            r#"{"name":"Kettle","name":"Pot"}"#.to_owned(),
            400,
            "invalid_body",
        ),
        (
            r#"{"name":"Kettle","id":"7"}"#.to_owned(),
            400,
            "invalid_body",
        ),
        (r#"{"name":"a\u0000b"}"#.to_owned(), 422, "invalid_item"),
        (r#"{"name":"  "}"#.to_owned(), 422, "invalid_item"),
        (
            format!(r#"{{"name":"{}"}}"#, "x".repeat(10_000)),
            422,
            "invalid_item",
        ),
        (
            r#"{"name":"Kettle","price":-1}"#.to_owned(),
            422,
            "invalid_item",
        ),
        (
            r#"{"name":"Kettle","price":1e999999999}"#.to_owned(),
            422,
            "invalid_item",
        ),
        (
            r#"{"name":"Kettle","price":"cheap"}"#.to_owned(),
            422,
            "invalid_item",
        ),
        (
            r#"{"name":"Kettle","attributes":[]}"#.to_owned(),
            422,
            "invalid_item",
        ),
        (
            r#"{"name":"Kettle","attributes":{"a":"\udc00"}}"#.to_owned(),
            422,
            "invalid_item",
        ),
        (
            r#"{"name":"Kettle","attributes":{"\u0000":1}}"#.to_owned(),
            422,
            "invalid_item",
        ),
        (
            format!(r#"{{"name":"Kettle","attributes":{nested}}}"#),
            422,
            "invalid_item",
        ),
        (
            format!(r#"{{"name":"{}"}}"#, "x".repeat(100_000)),
            413,
            "body_too_large",
        ),
        (nested.repeat(50_000), 413, "body_too_large"),
    ];
    for (body, status, code) in &cases {
        let request = service
            .post("/items/")
            .bearer_auth(&alice)
            .header("content-type", "application/json");
        assert_problem(*status, code, &Answer::of(request.body(body.clone())).await);
    }
    service.create(&json!({ "name": "Neighbour" })).await;

    let records = service.records("action=create_item", cases.len() + 1).await;
    for (record, (_, status, code)) in records.iter().zip(&cases) {
        assert_eq!(
            (&record["http"]["status"], &record["reason"]),
            (&json!(status), &json!(code))
        );
        assert_eq!(record["outcome"], "rejected");
    }
    let neighbour = records.last().unwrap();
    assert_eq!(
        (&neighbour["outcome"], &neighbour["request"]["name"]),
        (&json!("success"), &json!("Neighbour"))
    );
    assert_eq!(
        Answer::of(service.get("/items/").bearer_auth(&alice))
            .await
            .body["items"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[actix_web::test]
async fn all_broken_rules_are_told_at_once() {
    let service = TestService::start().await;
    let alice = service.token("alice", Role::User);
    let item =
        json!({ "name": "", "price": -1, "attributes": 7, "description": "x".repeat(4_001) });
    let answer = Answer::of(service.post("/items/").bearer_auth(&alice).json(&item)).await;
    let pointers: Vec<_> = answer.body["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["pointer"].as_str().unwrap())
        .collect();
    assert_eq!(pointers, ["/name", "/description", "/price", "/attributes"]);
}

#[actix_web::test]
async fn a_body_of_another_media_type_is_refused() {
    let service = TestService::start().await;
    let alice = service.token("alice", Role::User);
    let request = |header: &str, value: &str| {
        let request = service
            .post("/items/")
            .bearer_auth(&alice)
            .header(header, value);
        request.body(r#"{"name":"Kettle"}"#)
    };
    assert_problem(
        415,
        "unsupported_media_type",
        &Answer::of(request("content-type", "text/plain")).await,
    );
    assert_problem(
        415,
        "unsupported_media_type",
        &Answer::of(request("x-other", "none")).await,
    );
    let compressed = request("content-type", "application/json").header("content-encoding", "gzip");
    assert_problem(415, "unsupported_media_type", &Answer::of(compressed).await);
}

#[actix_web::test]
async fn missing_expired_and_forged_tokens_are_refused_and_recorded_as_denied() {
    let service = TestService::start().await;
    let valid = service.token("alice", Role::User);
    let claims = |audience: &str, exp: u64| Claims {
        sub: "mallory".into(),
        roles: vec!["admin".into()],
        jti: None,
        iss: "items-api".into(),
        aud: Audience::One(audience.into()),
        iat: None,
        exp,
    };
    let secret = std::fs::read(service.config.data_dir.join("jwt-secret")).unwrap();
    let sign = |claims: &Claims, algorithm, secret: &[u8]| {
        jsonwebtoken::encode(
            &Header::new(algorithm),
            claims,
            &EncodingKey::from_secret(secret),
        )
        .unwrap()
    };
    let later = 4_000_000_000;
    let [header, payload, _] = valid.split('.').collect::<Vec<_>>().try_into().unwrap();
    // {"alg":"none"}
    let unsigned = format!("eyJhbGciOiJub25lIn0.{payload}.");
    let cases = [
        (None, "missing_credentials"),
        (
            Some("Basic YWxpY2U6aHVudGVyMg==".to_owned()),
            "invalid_credentials",
        ),
        (Some("Bearer".to_owned()), "invalid_credentials"),
        (Some("Bearer not.a.token".to_owned()), "invalid_credentials"),
        (Some(format!("Bearer {unsigned}")), "invalid_credentials"),
        (
            Some(format!("Bearer {header}.{payload}.AAAA")),
            "invalid_credentials",
        ),
        (
            Some(format!("Bearer {}", "x".repeat(10_000))),
            "invalid_credentials",
        ),
        (
            Some(format!(
                "Bearer {}",
                sign(&claims("items-api", later), Algorithm::HS256, &[7; 32])
            )),
            "invalid_credentials",
        ),
        (
            Some(format!(
                "Bearer {}",
                sign(&claims("items-api", later), Algorithm::HS512, &secret)
            )),
            "invalid_credentials",
        ),
        (
            Some(format!(
                "Bearer {}",
                sign(&claims("other", later), Algorithm::HS256, &secret)
            )),
            "invalid_credentials",
        ),
        (
            Some(format!(
                "Bearer {}",
                sign(&claims("items-api", 1_000), Algorithm::HS256, &secret)
            )),
            "expired_credentials",
        ),
    ];
    for (header, code) in &cases {
        let mut request = service.post("/items/").json(&json!({ "name": "Kettle" }));
        if let Some(header) = header {
            request = request.header("authorization", header);
        }
        let response = request.send().await.unwrap();
        let challenge = response.headers()["www-authenticate"]
            .to_str()
            .unwrap()
            .to_owned();
        assert!(challenge.starts_with("Bearer"), "{challenge}");
        let body: Value = response.json().await.unwrap();
        assert_eq!(
            (&body["status"], &body["code"]),
            (&json!(401), &json!(code)),
            "{header:?}"
        );
    }
    let denied = service
        .records("action=create_item&outcome=denied", cases.len())
        .await;
    for (record, (_, code)) in denied.iter().zip(&cases) {
        assert_eq!(record["reason"], json!(code));
        assert_eq!(
            record["actor"]["kind"], "anonymous",
            "a forged name is nobody's name"
        );
    }
}

#[actix_web::test]
async fn a_token_ends_when_it_says() {
    let service = TestService::start().await;
    let token = service.token_for("alice", Role::User, Duration::from_secs(600));
    assert_eq!(
        Answer::of(service.get("/items/").bearer_auth(&token))
            .await
            .status,
        200
    );
}

#[actix_web::test]
async fn a_list_that_cannot_be_understood_is_refused() {
    let service = TestService::start().await;
    let alice = service.token("alice", Role::User);
    for (query, code) in [
        ("limit=0", "invalid_parameter"),
        ("offset=3", "unknown_parameter"),
        ("cursor=%00", "invalid_cursor"),
    ] {
        let answer = Answer::of(service.get(&format!("/items/?{query}")).bearer_auth(&alice)).await;
        assert_problem(400, code, &answer);
    }
}

#[actix_web::test]
async fn a_body_that_breaks_off_leaves_an_aborted_or_rejected_attempt() {
    let service = TestService::start().await;
    let alice = service.token("alice", Role::User);
    let mut stream = tokio::net::TcpStream::connect(service.address())
        .await
        .unwrap();
    let head = format!(
        "POST /items/ HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {alice}\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(br#"{"name":"#).await.unwrap();
    stream.shutdown().await.unwrap();
    let _ = stream.read_to_end(&mut Vec::new()).await;
    let record = service
        .records("action=create_item&actor=alice", 1)
        .await
        .remove(0);
    assert!(
        ["aborted", "rejected"].contains(&record["outcome"].as_str().unwrap()),
        "{record}"
    );
    assert_eq!(record["request"], Value::Null);
}

#[actix_web::test]
async fn unknown_paths_and_methods_are_problems_too() {
    let service = TestService::start().await;
    assert_problem(404, "not_found", &Answer::of(service.get("/nowhere")).await);
    let answer = Answer::of(service.request(reqwest::Method::DELETE, "/items/")).await;
    assert_problem(405, "method_not_allowed", &answer);
}
