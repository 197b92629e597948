use std::process::Stdio;

use audit::testing::{TestDatabase, eventually};
use diesel::RunQueryDsl as _;
use diesel::connection::SimpleConnection as _;
use diesel::sql_types::BigInt;
use items_api::auth::Role;
use reqwest::StatusCode;
use serde_json::json;

use crate::harness::{Answer, TestService, assert_problem};
use crate::program::{address_of, create_until_accepted, program, send, terminate};

#[actix_web::test]
async fn the_service_waits_for_a_postgres_that_comes_later() {
    let database = TestDatabase::empty();
    let mut owner = database.connect();
    let late = format!("{}_late", database.name());
    let url = database.url().replace(database.name(), &late);

    let service = TestService::start_at(database, url).await;
    assert_eq!(Answer::of(service.get("/health/live")).await.status, 200);
    assert_problem(
        503,
        "not_ready",
        &Answer::of(service.get("/health/ready")).await,
    );
    let request = service
        .post("/items/")
        .bearer_auth(service.token("alice", Role::User));
    assert_problem(
        503,
        "store_unavailable",
        &Answer::of(request.json(&json!({ "name": "Kettle" }))).await,
    );

    owner
        .batch_execute(&format!("CREATE DATABASE {late}"))
        .unwrap();
    service.is_ready().await;
    service.create(&json!({ "name": "Kettle" })).await;
    let records = service.records("action=create_item", 2).await;
    assert_eq!(
        records[0]["reason"], "store_unavailable",
        "the attempt before is not lost"
    );
    assert_eq!(records[1]["outcome"], "success");

    owner
        .batch_execute(&format!("DROP DATABASE {late} WITH (FORCE)"))
        .unwrap();
}

#[actix_web::test]
async fn stopping_leaves_no_record_behind() {
    let mut service = TestService::start().await;
    for _ in 0..50 {
        service.create(&json!({ "name": "Kettle" })).await;
    }
    service.stop().await.unwrap();
    assert_eq!(stored(&service.database, "create_item"), 50);
    let last: Own =
        diesel::sql_query("SELECT action, reason FROM audit_records ORDER BY seq DESC LIMIT 1")
            .get_result(&mut service.database.connect())
            .unwrap();
    assert_eq!(last.action, "audit.stop");
}

#[actix_web::test]
async fn a_service_that_was_killed_is_told_by_the_next_start() {
    let database = TestDatabase::empty();
    let data_dir = tempfile::tempdir().unwrap();
    for signal in ["KILL", "TERM", "TERM"] {
        let mut service = program(data_dir.path(), Some(database.url()))
            .args(["--bind", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let address = address_of(&mut service);
        eventually("the service is ready", async || {
            let response = reqwest::get(format!("{address}/health/ready")).await.ok()?;
            (response.status() == StatusCode::OK).then_some(())
        })
        .await;
        send(signal, &service);
        tokio::task::spawn_blocking(move || service.wait().unwrap())
            .await
            .unwrap();
    }
    let told: Vec<Own> = diesel::sql_query(
        "SELECT action, reason FROM audit_records WHERE action LIKE 'audit.%' ORDER BY occurred_at",
    )
    .load(&mut database.connect())
    .unwrap();
    let told: Vec<(&str, Option<&str>)> = told
        .iter()
        .map(|own| (own.action.as_str(), own.reason.as_deref()))
        .collect();
    assert_eq!(
        told,
        [
            ("audit.start", Some("previous_unknown")),
            ("audit.start", Some("previous_not_stopped")),
            ("audit.stop", None),
            ("audit.start", None),
            ("audit.stop", None),
        ]
    );
}

/// What the trail tells of itself.
#[derive(diesel::QueryableByName)]
struct Own {
    #[diesel(sql_type = diesel::sql_types::Text)]
    action: String,
    #[diesel(sql_type = diesel::sql_types::Nullable<diesel::sql_types::Text>)]
    reason: Option<String>,
}

#[actix_web::test]
async fn several_instances_may_start_at_once_on_an_empty_database() {
    let database = TestDatabase::empty();
    let url = database.url().to_owned();
    let first = TestService::start_at(database, url.clone()).await;
    let second = TestService::start_at(TestDatabase::empty(), url.clone()).await;
    let third = TestService::start_at(TestDatabase::empty(), url).await;
    for service in [&first, &second, &third] {
        service.is_ready().await;
        service.create(&json!({ "name": "Kettle" })).await;
    }
    first.records("action=create_item", 3).await;
}

#[actix_web::test]
async fn the_program_serves_prints_its_address_and_stops_at_sigterm() {
    let database = TestDatabase::empty();
    let data_dir = tempfile::tempdir().unwrap();
    let program = || program(data_dir.path(), Some(database.url()));
    assert!(program().arg("migrate").output().unwrap().status.success());

    let mut service = program()
        .args(["serve", "--bind", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let address = address_of(&mut service);
    let token = program()
        .args(["token", "--sub", "alice", "--role", "user"])
        .output()
        .unwrap();
    let token = String::from_utf8(token.stdout).unwrap();
    create_until_accepted(&address, token.trim()).await;

    terminate(&service);
    let status = tokio::task::spawn_blocking(move || service.wait().unwrap())
        .await
        .unwrap();
    assert!(status.success(), "{status}");
    assert!(stored(&database, "create_item") > 0);
}

#[actix_web::test]
async fn without_a_database_url_the_program_runs_a_postgres_of_its_own() {
    let data_dir = tempfile::tempdir().unwrap();
    for round in 1..=2 {
        let mut service = program(data_dir.path(), None)
            .args(["--bind", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let address = address_of(&mut service);
        let token = |role| {
            let output = program(data_dir.path(), None)
                .args(["token", "--sub", "ada", "--role", role])
                .output();
            String::from_utf8(output.unwrap().stdout)
                .unwrap()
                .trim()
                .to_owned()
        };
        create_until_accepted(&address, &token("admin")).await;
        let items: serde_json::Value = reqwest::Client::new()
            .get(format!("{address}/items/"))
            .bearer_auth(token("user"))
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        assert_eq!(
            items["items"].as_array().unwrap().len(),
            round,
            "what was kept is still there"
        );
        let rights = eventually("what the service's login may do", async || {
            let response = reqwest::Client::new()
                .get(format!("{address}/audit/records?action=audit.*"))
                .bearer_auth(token("admin"))
                .send()
                .await
                .unwrap();
            let text = response.text().await.unwrap();
            text.contains("\"database_rights\":\"").then_some(text)
        })
        .await;
        assert!(rights.contains("\"database_rights\":\"least\""), "{rights}");
        assert!(!rights.contains("\"superuser\""), "{rights}");
        terminate(&service);
        let status = tokio::task::spawn_blocking(move || service.wait().unwrap())
            .await
            .unwrap();
        assert!(status.success(), "{status}");
    }
}

#[actix_web::test]
async fn dead_letters_are_listed_and_requeued_by_commands() {
    let service = TestService::start().await;
    let mut owner = service.database.connect();
    owner
        .batch_execute(
            "ALTER TABLE audit_records ADD CONSTRAINT no_poison CHECK (action <> 'create_item')",
        )
        .unwrap();
    let item = service.create(&json!({ "name": "Kettle" })).await;
    let data_dir = tempfile::tempdir().unwrap();
    let command = |arguments: &[&str]| {
        program(data_dir.path(), Some(service.database.url()))
            .arg("dead-letters")
            .args(arguments)
            .output()
            .unwrap()
    };
    let letter: serde_json::Value = eventually("a dead letter", async || {
        let output = command(&["list"]);
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).ok()
    })
    .await;
    assert_eq!(letter["sqlstate"], "23514");
    let record: serde_json::Value =
        serde_json::from_str(letter["record"].as_str().unwrap()).unwrap();
    assert_eq!(record["resource"]["id"], item["id"]);

    let id = letter["id"].as_str().unwrap();
    let refused = command(&["requeue", id]);
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("mend the cause"));
    owner
        .batch_execute("ALTER TABLE audit_records DROP CONSTRAINT no_poison")
        .unwrap();
    let stored = command(&["requeue"]);
    assert!(stored.status.success(), "{stored:?}");
    assert_eq!(service.records("action=create_item", 1).await[0]["id"], id);
    assert!(command(&["list"]).stdout.is_empty());
}

#[test]
fn a_mistake_on_the_command_line_is_answered_with_the_fix() {
    let data_dir = tempfile::tempdir().unwrap();
    for (arguments, expected) in [
        (vec!["token", "--sub", "alice"], "--role"),
        (vec!["token", "--sub", "", "--role", "user"], "1 to 256"),
        (
            vec!["token", "--sub", "alice", "--role", "root"],
            "possible values",
        ),
        (
            vec!["--config", "/nonexistent.toml", "openapi"],
            "/nonexistent.toml",
        ),
        (vec!["serve", "--bind", "nowhere"], "--bind"),
        (
            vec!["serve", "--audit-durability", "forever"],
            "possible values: memory, crash, power_loss",
        ),
        (vec!["dead-letters"], "requeue"),
    ] {
        let output = program(data_dir.path(), None)
            .args(&arguments)
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{arguments:?}");
        assert!(error.contains(expected), "{arguments:?}: {error}");
    }
}

fn stored(database: &TestDatabase, action: &str) -> i64 {
    #[derive(diesel::QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        count: i64,
    }
    let count: Count = diesel::sql_query("SELECT count(*) FROM audit_records WHERE action = $1")
        .bind::<diesel::sql_types::Text, _>(action)
        .get_result(&mut database.connect())
        .unwrap();
    count.count
}
