//! Bodies at the edges of what JSON and the limits allow, on their way from a client to
//! an auditor.

use items_api::auth::Role;
use reqwest::Method;

use crate::harness::{Answer, TestService, assert_problem};

/// The largest body that is accepted.
const BODY_BYTES_MAX: usize = 64 * 1024;

async fn post(service: &TestService, body: String) -> Answer {
    let request = service
        .request(Method::POST, "/items/")
        .bearer_auth(service.token("alice", Role::User))
        .header("content-type", "application/json");
    Answer::of(request.body(body)).await
}

/// The canonical bytes of the record of the last creation, as text.
async fn recorded(service: &TestService, creations: usize) -> String {
    let records = service.records("action=create_item", creations).await;
    let id = records.last().unwrap()["id"].as_str().unwrap();
    let request = service
        .get(&format!("/audit/records/{id}"))
        .bearer_auth(service.token("ada", Role::Admin));
    request.send().await.unwrap().text().await.unwrap()
}

#[actix_web::test]
async fn what_parsers_like_to_change_is_read_as_it_was_sent() {
    let service = TestService::start().await;
    // A text that looks like an escape, numbers beyond a double or with a form of their
    // own, and a name that comes twice.
    let attributes = r#"{"text":"\\u0000","slash":"\/\u00e9","large":9007199254740993,"negative":-0,"one":1,"point":1.0,"small":1.230e-5,"twice":1,"twice":2}"#;
    let answer = post(
        &service,
        format!(r#"{{"name":"Kettle","attributes":{attributes}}}"#),
    )
    .await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let record = recorded(&service, 1).await;
    assert!(record.contains(attributes), "{record}");
}

#[actix_web::test]
async fn a_number_beyond_every_double_is_told_as_the_text_it_was() {
    let service = TestService::start().await;
    let body = r#"{"name":"Kettle","attributes":{"distance":1e400}}"#;
    let answer = post(&service, body.to_owned()).await;
    assert_problem(422, "invalid_item", &answer);
    let record = recorded(&service, 1).await;
    assert!(record.contains(r#"{"distance":"1e400"}"#), "{record}");
    assert!(
        record.contains(r#""path":"/request/attributes/distance""#),
        "and the record says that it is not as it came: {record}"
    );
}

#[actix_web::test]
async fn the_largest_body_is_kept_whole_and_one_byte_more_is_refused() {
    let service = TestService::start().await;
    let body = |bytes: usize| {
        let (start, end) = (r#"{"name":"Kettle","attributes":{"padding":["#, "]}}");
        let strings = format!(r#""{}","#, "x".repeat(1_000)).repeat(60);
        let rest = bytes - start.len() - strings.len() - end.len() - 2;
        format!("{start}{strings}\"{}\"{end}", "y".repeat(rest))
    };
    let largest = body(BODY_BYTES_MAX);
    assert_eq!(largest.len(), BODY_BYTES_MAX);
    assert_eq!(post(&service, largest.clone()).await.status, 201);
    let record = recorded(&service, 1).await;
    assert!(record.contains(&largest), "all of it is in its record");
    assert!(record.contains(r#""truncated":[]"#), "{record}");

    let answer = post(&service, body(BODY_BYTES_MAX + 1)).await;
    assert_problem(413, "body_too_large", &answer);
    let record = recorded(&service, 2).await;
    assert!(record.contains(r#""reason":"body_too_large""#), "{record}");
    assert!(record.contains(r#""request":null"#), "{record}");
}

#[actix_web::test]
async fn nesting_is_refused_and_recorded_however_deep_it_is() {
    let service = TestService::start().await;
    // The body and its attributes are two levels more, of which a record shows 32.
    for (number, (levels, is_accepted, is_cut)) in [
        (29, true, false),
        (30, false, false),
        (31, false, true),
        (200, false, true),
        (30_000, false, true),
    ]
    .into_iter()
    .enumerate()
    {
        let nested = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        let body = format!(r#"{{"name":"Kettle","attributes":{{"nested":{nested}}}}}"#);
        let answer = post(&service, body).await;
        if is_accepted {
            assert_eq!(answer.status, 201, "{levels}");
        } else {
            assert_problem(422, "invalid_item", &answer);
        }
        let record = recorded(&service, number + 1).await;
        assert!(record.contains(r#""name":"Kettle""#), "{record}");
        assert_eq!(record.contains(r#""[TRUNCATED]""#), is_cut, "{record}");
        assert_eq!(!record.contains(r#""truncated":[]"#), is_cut, "{record}");
    }
    let neighbour = post(&service, r#"{"name":"Neighbour"}"#.to_owned()).await;
    assert_eq!(neighbour.status, 201);
}
