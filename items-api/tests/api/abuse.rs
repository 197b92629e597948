//! Clients that flood, lie about where they are, or take their time.

use std::io::BufRead as _;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use audit::Allowance;
use audit::testing::TestDatabase;
use diesel::RunQueryDsl as _;
use items_api::auth::Role;
use items_api::config::Options;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::{Answer, TestService, assert_problem};
use crate::program::{address_of, program, terminate};

fn few_refusals() -> Options {
    Options {
        audit_refusals: Some(Allowance::new(5, 1)),
        ..Options::default()
    }
}

/// Records of an action, as they stand in Postgres.
fn stored(database: &TestDatabase, action: &str) -> Vec<Value> {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::Text)]
        record: String,
    }
    let query = "SELECT json_build_object('outcome', outcome, 'notes', notes, 'ip', \
                 host(client_ip), 'status', http_status)::text AS record \
                 FROM audit_records WHERE action = $1 ORDER BY occurred_at";
    let rows: Vec<Row> = diesel::sql_query(query)
        .bind::<diesel::sql_types::Text, _>(action)
        .get_results(&mut database.connect())
        .unwrap();
    rows.iter()
        .map(|row| serde_json::from_str(&row.record).unwrap())
        .collect()
}

#[actix_web::test]
async fn a_flood_of_bad_tokens_is_told_by_few_records_and_hinders_nobody_who_is_known() {
    let mut service = TestService::start_with(few_refusals()).await;
    let mut answers = Vec::new();
    for _ in 0..30 {
        let request = service.post("/items/").bearer_auth("forged");
        answers.push(request.send().await.unwrap());
    }
    assert!(answers[..5].iter().all(|answer| answer.status() == 401));
    let last = answers.pop().unwrap();
    assert_eq!(last.status(), 429);
    assert_eq!(last.headers()["retry-after"], "1");
    assert!(last.headers().contains_key("x-request-id"));
    assert_eq!(
        last.json::<Value>().await.unwrap()["code"],
        "too_many_refusals"
    );
    service.create(&json!({ "name": "Kettle" })).await;

    // Whoever stops tells what there is to tell.
    service.stop().await.unwrap();
    let told = stored(&service.database, "audit.throttled");
    let in_full: Vec<_> = stored(&service.database, "create_item");
    let refused = in_full
        .iter()
        .filter(|record| record["outcome"] == "denied");
    let counted: u64 = told
        .iter()
        .map(|record| record["notes"]["requests"].as_u64().unwrap())
        .sum();
    assert_eq!(refused.count() as u64 + counted, 30);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["ip"], "127.0.0.1");
    assert_eq!(told[0]["outcome"], "denied");
}

#[actix_web::test]
async fn the_record_of_a_flood_can_be_found_and_its_digest_is_that_of_its_bytes() {
    let service = TestService::start_with(few_refusals()).await;
    for _ in 0..6 {
        service.post("/items/").send().await.unwrap();
    }
    // It is told when the flood is over, which takes ten seconds.
    let told = service
        .records("action=audit.throttled&ip=127.0.0.1", 1)
        .await;
    assert_eq!(told[0]["client"]["ip"], "127.0.0.1");
    assert_eq!(told[0]["notes"]["actions"], json!({ "create_item": 1 }));
    let path = format!("/audit/records/{}", told[0]["id"].as_str().unwrap());
    let ada = service.token("ada", Role::Admin);
    let response = service.get(&path).bearer_auth(&ada).send().await.unwrap();
    let etag = response.headers()["etag"].to_str().unwrap().to_owned();
    let digest = audit::record::digest(&response.bytes().await.unwrap());
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(etag, format!("\"{digest}\""));
}

#[actix_web::test]
async fn a_query_too_many_is_refused_and_recorded() {
    let mut service = TestService::start_with(Options {
        audit_queries: Some(Allowance::new(2, 1)),
        ..Options::default()
    })
    .await;
    let otto = service.token("otto", Role::Auditor);
    let mut statuses = Vec::new();
    for _ in 0..3 {
        let request = service.get("/audit/records").bearer_auth(&otto);
        let answer = Answer::of(request).await;
        if answer.status == 429 {
            assert_problem(429, "too_many_queries", &answer);
        }
        statuses.push(answer.status);
    }
    assert_eq!(statuses, [200, 200, 429]);
    service.stop().await.unwrap();
    let records = stored(&service.database, "read_audit_records");
    assert_eq!(records[2]["status"], 429);
    assert_eq!(records[2]["outcome"], "rejected");
}

#[actix_web::test]
async fn an_auditor_with_many_queries_at_once_gets_all_answers() {
    let service = TestService::start().await;
    let otto = service.token("otto", Role::Auditor);
    let queries = (0..32).map(|_| {
        let request = service.get("/audit/records").bearer_auth(&otto);
        async { request.send().await.unwrap().status() }
    });
    let statuses = futures_util::future::join_all(queries).await;
    assert!(
        statuses.iter().all(|&status| status == StatusCode::OK),
        "{statuses:?}"
    );
}

#[actix_web::test]
async fn the_client_behind_a_trusted_proxy_is_recorded_and_found() {
    let service = TestService::start_with(Options {
        trusted_proxies: Some("127.0.0.0/8".parse().unwrap()),
        ..Options::default()
    })
    .await;
    let request = service
        .post("/items/")
        .header("x-forwarded-for", "203.0.113.9, 198.51.100.7")
        .header("forwarded", "for=192.0.2.1");
    assert_eq!(Answer::of(request).await.status, 401);
    let record = service.records("ip=198.51.100.0/24", 1).await.remove(0);
    assert_eq!(record["client"]["ip"], "198.51.100.7");
    assert_eq!(record["client"]["peer"], "127.0.0.1");

    let service = TestService::start().await;
    let request = service.post("/items/");
    let request = request.header("x-forwarded-for", "198.51.100.7");
    assert_eq!(Answer::of(request).await.status, 401);
    let record = service.records("outcome=denied", 1).await.remove(0);
    assert_eq!(record["client"]["ip"], "127.0.0.1");
}

#[actix_web::test]
async fn what_is_not_audited_cannot_write_to_the_journal() {
    let service = TestService::start().await;
    let frames = async || {
        let text = service.get("/metrics").send().await.unwrap().text().await;
        let text = text.unwrap();
        let name = "audit_journal_commit_frames_sum ";
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().to_owned()
    };
    let before = frames().await;
    for (method, path, status) in [
        (Method::GET, "/nowhere", 404),
        (Method::POST, "/nowhere", 404),
        (Method::OPTIONS, "/items/", 405),
        (Method::DELETE, "/items/", 405),
        (Method::TRACE, "/items/", 405),
        (Method::POST, "/audit/records", 405),
        (Method::OPTIONS, "/audit/records", 405),
        (Method::GET, "/items/", 401),
        (Method::GET, "/items/7", 401),
    ] {
        let answer = service
            .request(method.clone(), path)
            .body("{}")
            .send()
            .await;
        assert_eq!(answer.unwrap().status(), status, "{method} {path}");
    }
    assert_eq!(frames().await, before);
}

#[actix_web::test]
async fn a_journal_that_fills_up_says_so_and_then_refuses() {
    let data_dir = tempfile::tempdir().unwrap();
    let program = || {
        program(
            data_dir.path(),
            Some("postgresql:///nowhere?host=/nonexistent"),
        )
    };
    let mut service = program()
        .args(["--bind", "127.0.0.1:0", "--shutdown-timeout-s", "1"])
        .args(["--audit-journal-quota-mb", "1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let log = std::io::BufReader::new(service.stderr.take().unwrap());
    let address = address_of(&mut service);
    let token = program()
        .args(["token", "--sub", "alice", "--role", "user"])
        .output()
        .unwrap();
    let token = String::from_utf8(token.stdout).unwrap();
    let padding = vec!["x".repeat(1_000); 50];
    let item = json!({ "name": "Kettle", "attributes": { "padding": padding } });
    let mut attempts = 0;
    // Without Postgres nothing is created, and all of it is recorded.
    let refused = loop {
        let request = reqwest::Client::new().post(format!("{address}/items/"));
        let answer = Answer::of(request.bearer_auth(token.trim()).json(&item)).await;
        assert_eq!(answer.status, 503, "{}", answer.body);
        if answer.body["code"] != "store_unavailable" {
            break answer;
        }
        attempts += 1;
        assert!(
            attempts < 100,
            "a megabyte holds no more than twenty of them"
        );
    };
    assert_problem(503, "audit_unavailable", &refused);
    assert!(attempts > 10, "{attempts}");

    terminate(&service);
    let lines: Vec<String> = log.lines().map(Result::unwrap).collect();
    service.wait().unwrap();
    let alarms = lines
        .iter()
        .filter(|line| line.contains("ERROR") && line.contains("more than four fifths full"));
    assert_eq!(alarms.count(), 1, "one a minute: {lines:#?}");
}

/// Sends this and nothing more, and reads until the service closes the connection.
async fn exchange(address: SocketAddr, sent: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(sent.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    let read = tokio::time::timeout(Duration::from_secs(20), read).await;
    assert!(read.is_ok(), "the service does not close the connection");
    String::from_utf8(answer).unwrap()
}

#[actix_web::test]
async fn a_body_is_not_waited_for_where_the_token_is_not_valid() {
    let service = TestService::start().await;
    let answer = exchange(
        service.address(),
        "POST /items/ HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer forged\r\n\
         Content-Type: application/json\r\nContent-Length: 60000\r\n\r\n{",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    let record = service.records("action=create_item", 1).await.remove(0);
    assert_eq!(record["reason"], "invalid_credentials");
    assert_eq!(record["request"], Value::Null);
}

#[actix_web::test]
async fn a_client_that_takes_its_time_is_not_waited_for() {
    let service = TestService::start_with(Options {
        request_timeout_s: Some(1),
        ..Options::default()
    })
    .await;
    let answer = exchange(service.address(), "POST /items/ HTTP/1.1\r\nHost:").await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");

    let alice = service.token("alice", Role::User);
    let head = format!(
        "POST /items/ HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {alice}\r\n\
         Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{",
    );
    let answer = exchange(service.address(), &head).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("\"code\":\"body_too_slow\""), "{answer}");
    let record = service.records("action=create_item", 1).await.remove(0);
    assert_eq!(record["outcome"], "rejected");
    assert_eq!(record["reason"], "body_too_slow");
}
