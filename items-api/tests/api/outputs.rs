//! What a client sends comes back in places that people read.

use audit::printable::is_printable;
use audit::testing::eventually;
use diesel::connection::SimpleConnection as _;
use items_api::auth::Role;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::harness::TestService;
use crate::program::program;

/// Markup, escape sequences, line breaks and turned directions.
const NASTY: &str = "<script>alert(1)</script>\u{1b}[31m\r\n\u{202e}\u{2028}\u{7f}\u{9b}\u{200b}";

#[actix_web::test]
async fn a_problem_quotes_what_was_sent_without_what_a_terminal_obeys() {
    let service = TestService::start().await;
    let ada = service.token("ada", Role::Admin);
    let encoded: String = NASTY.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let body = json!({ "name": "Kettle", NASTY: 1 });
    for request in [
        service.get(&format!("/{encoded}")),
        service.get(&format!("/items/?{encoded}=1")),
        service.get(&format!("/audit/records?{encoded}=1")),
        service.get(&format!("/audit/records/{encoded}")),
        service.get(&format!("/docs/{encoded}")),
        service.post("/items/").json(&body),
    ] {
        let response = request.bearer_auth(&ada).send().await.unwrap();
        let url = response.url().clone();
        assert!(response.status().is_client_error(), "{url}");
        for (name, value) in response.headers() {
            let value = value.to_str().unwrap();
            assert!(value.chars().all(is_printable), "{url} {name}: {value:?}");
        }
        let text = response.text().await.unwrap();
        assert!(text.chars().all(is_printable), "{url}: {text:?}");
        let problem: Value = serde_json::from_str(&text).unwrap();
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.chars().all(is_printable), "{url}: {detail:?}");
    }
}

#[actix_web::test]
async fn a_link_leads_on_whatever_the_query_holds() {
    let service = TestService::start().await;
    let ada = service.token("ada", Role::Admin);
    // Two records with a resource id that is one long mistake.
    let encoded: String = NASTY.bytes().map(|byte| format!("%{byte:02x}")).collect();
    for _ in 0..2 {
        let path = format!("/items/{encoded}");
        let request = service.request(reqwest::Method::DELETE, &path);
        let response = request.bearer_auth(&ada).send().await.unwrap();
        assert_eq!(response.status(), 404);
    }
    let path = format!("/audit/records?action=delete_item&actor={encoded}&actor=ada&limit=1");
    let link = eventually("a second page", async || {
        let response = service.get(&path).bearer_auth(&ada).send().await.unwrap();
        let link = response.headers().get("link")?;
        Some(link.to_str().unwrap().to_owned())
    })
    .await;
    let next = link.strip_prefix('<').unwrap();
    let next = next.strip_suffix(">; rel=\"next\"").unwrap();
    assert!(!next.contains(['<', '>', '"', ' ']), "{link:?}");
    let response = service.get(next).bearer_auth(&ada).send().await.unwrap();
    let page: Value = response.json().await.unwrap();
    assert_eq!(page["records"].as_array().unwrap().len(), 1, "{page}");
}

#[actix_web::test]
async fn a_dead_letter_is_one_line_whatever_its_record_holds() {
    let service = TestService::start().await;
    service
        .database
        .connect()
        .batch_execute(
            "ALTER TABLE audit_records ADD CONSTRAINT no_poison CHECK (action <> 'create_item')",
        )
        .unwrap();
    let item = service.create(&json!({ "name": NASTY })).await;
    assert_eq!(item["name"], NASTY, "an item is kept as it came");
    let data_dir = tempfile::tempdir().unwrap();
    let list = eventually("a dead letter", async || {
        let mut command = program(data_dir.path(), Some(service.database.url()));
        let output = command.args(["dead-letters", "list"]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let list = String::from_utf8(output.stdout).unwrap();
        (!list.is_empty()).then_some(list)
    })
    .await;
    let line = list.strip_suffix('\n').unwrap();
    assert!(line.chars().all(is_printable), "{line:?}");
    let letter: Value = serde_json::from_str(line).unwrap();
    let record: Value = serde_json::from_str(letter["record"].as_str().unwrap()).unwrap();
    assert_eq!(record["request"]["name"], NASTY, "and so is its record");
}

#[test]
fn an_error_on_the_terminal_is_obeyed_by_none() {
    let data_dir = tempfile::tempdir().unwrap();
    let mut command = program(data_dir.path(), None);
    let output = command
        .args(["--config", "no\u{1b}[2J\u{202e}thing\r", "openapi"])
        .output()
        .unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert!(error.trim_end().chars().all(is_printable), "{error:?}");
}

#[test]
fn neither_help_nor_errors_show_a_password() {
    let data_dir = tempfile::tempdir().unwrap();
    let url = "postgresql://items_service:hunter2%zz@db/items";
    for arguments in [
        &["--help"][..],
        &["migrate"],
        &["dead-letters", "list"],
        &["serve", "--bind", "nowhere"],
    ] {
        let output = program(data_dir.path(), Some(url))
            .env("ITEMS_API_OWNER_URL", url)
            .env("AUDIT_READ_URL", url)
            .env(
                "ITEMS_API_JWT_JWKS",
                "https://issuer.example/jwks?key=hunter2",
            )
            .args(arguments)
            .output()
            .unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(!said.is_empty(), "{arguments:?}");
        assert!(!said.contains("hunter2"), "{arguments:?}: {said}");
    }
}

#[actix_web::test]
async fn what_is_no_http_is_refused_without_a_word_about_the_server() {
    let service = TestService::start().await;
    for request in [
        "GET / HTTP/9.9\r\n\r\n".to_owned(),
        "G\u{1b}[2JT / HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nhost: a\r\nx: a\0b\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n".to_owned(),
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n"
            .to_owned(),
        format!(
            "GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n",
            "x".repeat(1 << 20)
        ),
    ] {
        let mut stream = tokio::net::TcpStream::connect(service.address())
            .await
            .unwrap();
        // The service may hang up before it has read all of it.
        let _ = stream.write_all(request.as_bytes()).await;
        let mut response = Vec::new();
        let _ = stream.read_to_end(&mut response).await;
        let response = String::from_utf8(response).unwrap().to_lowercase();
        let start: String = request.chars().take(40).collect();
        assert!(response.starts_with("http/1.1 4"), "{start:?}: {response}");
        assert!(!response.contains("server:"), "{response}");
        let (_, body) = response.split_once("\r\n\r\n").unwrap();
        assert_eq!(body, "", "{start:?}");
    }
}
