//! The claims desk on a real Postgres.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and so do its helpers"
)]

use std::fs;
use std::rc::Rc;

use actix_web::http::header::{AUTHORIZATION, CONTENT_TYPE};
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use audit::testing::{TestDatabase, eventually};
use chrono::TimeDelta;
use claims_desk::{Desk, MIGRATIONS, Role, Settings, app, create_key, expire_drafts};
use diesel::prelude::*;
use futures_util::future::LocalBoxFuture;
use serde_json::{Value, json};
use tempfile::TempDir;

const TAX_NUMBER: &str = "12 345 678 901";
const IBAN: &str = "DE02120300000000202051";
const EMAIL: &str = "carla@example.com";
const EVIDENCE: &str = "%PDF-1.7 of a burst pipe";

/// A desk of a test's own.
struct TestDesk {
    desk: Desk,
    send: Box<dyn Fn(TestRequest) -> LocalBoxFuture<'static, (u16, Value)>>,
    customer: String,
    adjuster: String,
    auditor: String,
    data_dir: TempDir,
    // Dropped last: the desk writes to it.
    database: TestDatabase,
}

impl TestDesk {
    async fn open() -> Self {
        let database = TestDatabase::migrated(Some(MIGRATIONS));
        let data_dir = tempfile::tempdir().unwrap();
        let settings = Settings {
            database_url: database.url().to_owned(),
            data_dir: data_dir.path().to_owned(),
            hash_key: Some("thirty-two bytes of true randomness".to_owned()),
        };
        let desk = Desk::open(&settings, "tests").unwrap();
        let key = |holder, role| {
            let new = create_key(&desk.audit, &desk.database, holder, role);
            new.unwrap().key
        };
        let app = Rc::new(init_service(app(desk.clone())).await);
        let send = move |request: TestRequest| -> LocalBoxFuture<'static, (u16, Value)> {
            let app = Rc::clone(&app);
            Box::pin(async move {
                let response = call_service(&*app, request.to_request()).await;
                let status = response.status().as_u16();
                let body = read_body(response).await;
                (status, serde_json::from_slice(&body).unwrap_or_default())
            })
        };
        Self {
            customer: key("carla", Role::Customer),
            adjuster: key("adam", Role::Adjuster),
            auditor: key("ada", Role::Auditor),
            send: Box::new(send),
            desk,
            data_dir,
            database,
        }
    }

    async fn send(&self, key: &str, request: TestRequest) -> (u16, Value) {
        let header = (AUTHORIZATION, format!("Bearer {key}"));
        (self.send)(request.insert_header(header)).await
    }

    /// Files a claim as Carla and gives its id.
    async fn file(&self) -> String {
        let request = TestRequest::post().uri("/claims").set_json(json!({
            "policy": "H-2041",
            "policy_holder": { "tax_number": TAX_NUMBER, "iban": IBAN, "email": EMAIL },
            "amount_cents": 120_000,
            "description": "A burst pipe",
        }));
        let (status, claim) = self.send(&self.customer, request).await;
        assert_eq!((status, &claim["status"]), (201, &json!("draft")));
        claim["id"].as_str().unwrap().to_owned()
    }

    async fn upload(&self, claim: &str, file: &str) -> (u16, Value) {
        let body = format!(
            "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"carla.pdf\"\r\n\
             Content-Type: application/pdf\r\n\r\n{file}\r\n--b--\r\n"
        );
        let request = TestRequest::post()
            .uri(&format!("/claims/{claim}/evidence"))
            .insert_header((CONTENT_TYPE, "multipart/form-data; boundary=b"))
            .set_payload(body);
        self.send(&self.customer, request).await
    }

    async fn decide(&self, claim: &str, verdict: &str) -> (u16, Value) {
        let request = TestRequest::put()
            .uri(&format!("/claims/{claim}/decision"))
            .set_json(json!({ "verdict": verdict, "reason": "Covered by H-2041" }));
        self.send(&self.adjuster, request).await
    }

    /// The only claim there is, as an adjuster finds it.
    async fn claim(&self) -> Value {
        let request = TestRequest::post()
            .uri("/claims/search")
            .set_json(json!({ "email": EMAIL }));
        let (status, claims) = self.send(&self.adjuster, request).await;
        assert_eq!((status, claims.as_array().unwrap().len()), (200, 1));
        claims[0].clone()
    }

    /// What an auditor is told, oldest first, once it is as much as expected.
    async fn records(&self, query: &str, expected: usize) -> Vec<Value> {
        let uri = format!("/audit/records?order=asc&{query}");
        eventually(&format!("{expected} records of {query}"), async || {
            let (status, page) = self.send(&self.auditor, TestRequest::get().uri(&uri)).await;
            assert_eq!(status, 200, "{page}");
            let records = page["records"].as_array().unwrap().clone();
            (records.len() == expected).then_some(records)
        })
        .await
    }

    fn files(&self) -> Vec<String> {
        let folder = fs::read_dir(self.data_dir.path().join("evidence")).unwrap();
        folder
            .map(|file| fs::read_to_string(file.unwrap().path()).unwrap())
            .collect()
    }
}

impl Drop for TestDesk {
    fn drop(&mut self) {
        self.desk.close();
    }
}

fn all<'r>(records: &'r [Value], pointer: &str) -> Vec<&'r Value> {
    let value = |record: &'r Value| record.pointer(pointer).unwrap();
    records.iter().map(value).collect()
}

#[actix_web::test]
async fn an_auditor_is_told_all_of_a_claim_and_none_of_its_secrets() {
    let desk = TestDesk::open().await;
    let claim = desk.file().await;
    let (status, evidence) = desk.upload(&claim, EVIDENCE).await;
    assert_eq!((status, desk.files()), (201, vec![EVIDENCE.to_owned()]));
    let (status, decided) = desk.decide(&claim, "approved").await;
    assert_eq!((status, &decided["status"]), (200, &json!("approved")));

    let records = desk.records(&format!("resource_id={claim}"), 3).await;
    assert_eq!(
        all(&records, "/action"),
        ["file_claim", "upload_evidence", "decide_claim"]
    );
    assert_eq!(all(&records, "/http/status"), [201, 201, 200]);
    assert_eq!(all(&records, "/actor/id"), ["carla", "carla", "adam"]);
    assert_eq!(
        records[0]["request"]["policy_holder"]["iban"], "****2051",
        "{records:#?}"
    );
    assert_eq!(records[1]["request"], Value::Null);
    assert_eq!(records[1]["notes"]["evidence"], evidence);
    assert_eq!(evidence["bytes"], EVIDENCE.len());
    assert_eq!(
        records[2]["changes"],
        json!([
            { "path": "/status", "old": "filed", "new": "approved" },
            { "path": "/reason", "old": null, "new": "Covered by H-2041" },
        ])
    );

    // All of the trail, the keys' own records included.
    let trail = desk.records("actor=carla&actor=adam&actor=command_line", 6);
    let trail = Value::from(trail.await).to_string();
    let secrets = [TAX_NUMBER, IBAN, EMAIL, EVIDENCE, "carla.pdf"];
    let keys = [&desk.customer, &desk.adjuster, &desk.auditor].map(String::as_str);
    for secret in secrets.iter().chain(&keys) {
        assert!(!trail.contains(secret), "{secret} is in {trail}");
    }
}

#[actix_web::test]
async fn a_second_decision_is_undone_and_recorded_as_refused() {
    let desk = TestDesk::open().await;
    let claim = desk.file().await;
    desk.upload(&claim, EVIDENCE).await;
    desk.decide(&claim, "approved").await;
    let before = desk.claim().await;

    let (status, problem) = desk.decide(&claim, "rejected").await;
    assert_eq!((status, &problem["error"]), (409, &json!("wrong_status")));
    assert_eq!(desk.claim().await, before);
    let records = desk.records("action=decide_claim", 2).await;
    assert_eq!(all(&records, "/outcome"), ["success", "rejected"]);
    assert_eq!(
        all(&records, "/reason"),
        [&Value::Null, &json!("wrong_status")]
    );
    assert_eq!(records[1]["request"]["verdict"], "rejected");
    assert_eq!(records[1]["changes"], json!([]));
}

#[actix_web::test]
async fn a_decision_that_postgres_refuses_leaves_the_claim_and_the_record_of_the_attempt() {
    let desk = TestDesk::open().await;
    let claim = desk.file().await;
    desk.upload(&claim, EVIDENCE).await;
    let before = desk.claim().await;
    diesel::sql_query("ALTER TABLE claims ADD CHECK (status <> 'approved')")
        .execute(&mut desk.database.connect())
        .unwrap();

    assert_eq!(desk.decide(&claim, "approved").await.0, 500);
    assert_eq!(desk.claim().await, before);
    let records = desk.records("action=decide_claim", 1).await;
    assert_eq!(all(&records, "/outcome"), ["failed"]);
    assert_eq!(all(&records, "/reason"), ["broken"]);
}

#[actix_web::test]
async fn evidence_that_is_too_large_is_not_kept() {
    let desk = TestDesk::open().await;
    let claim = desk.file().await;
    let (status, problem) = desk.upload(&claim, &"x".repeat((10 << 20) + 1)).await;
    assert_eq!(
        (status, &problem["error"]),
        (413, &json!("evidence_too_large"))
    );
    assert!(desk.files().is_empty());
    let records = desk.records("action=upload_evidence", 1).await;
    assert_eq!(all(&records, "/reason"), ["evidence_too_large"]);
    assert_eq!(all(&records, "/resource/id"), [&json!(claim)]);
}

#[actix_web::test]
async fn only_drafts_expire_and_each_has_its_record() {
    let desk = TestDesk::open().await;
    let filed = desk.file().await;
    desk.upload(&filed, EVIDENCE).await;
    let draft = desk.file().await;
    let expire = |age| expire_drafts(&desk.desk.audit, &desk.desk.database, age).unwrap();
    assert_eq!(expire(TimeDelta::days(1)), 0);
    assert_eq!(expire(TimeDelta::zero()), 1);
    assert_eq!(expire(TimeDelta::zero()), 0);

    let records = desk.records("action=expire_draft", 1).await;
    assert_eq!(all(&records, "/actor/kind"), ["system"]);
    assert_eq!(all(&records, "/actor/id"), ["expiry"]);
    assert_eq!(all(&records, "/resource/id"), [&json!(draft)]);
    assert_eq!(all(&records, "/changes/0/new"), ["expired"]);
}

#[actix_web::test]
async fn a_key_is_shown_once_and_works() {
    let desk = TestDesk::open().await;
    let request = TestRequest::post().uri("/keys");
    let (status, new) = desk.send(&desk.customer, request).await;
    assert_eq!(status, 201);
    let (id, key) = (new["id"].as_str().unwrap(), new["key"].as_str().unwrap());
    let (status, _) = desk.send(key, TestRequest::post().uri("/keys")).await;
    assert_eq!(status, 201);

    let records = desk.records("action=issue_key&actor=carla", 2).await;
    assert_eq!(records[0]["resource"]["id"], id);
    assert_eq!(records[1]["actor"]["credential"], id);
    assert_eq!(all(&records, "/response"), [&Value::Null, &Value::Null]);
    assert!(!Value::from(records).to_string().contains(key));
}

#[actix_web::test]
async fn only_an_auditor_reads_the_trail_and_others_are_in_it() {
    let desk = TestDesk::open().await;
    for key in [&desk.adjuster, "claims_of_nobody"] {
        let (status, _) = desk
            .send(key, TestRequest::get().uri("/audit/records"))
            .await;
        assert!([401, 403].contains(&status), "{status}");
    }
    let records = desk.records("outcome=denied", 2).await;
    assert_eq!(all(&records, "/actor/id"), [&json!("adam"), &Value::Null]);
}
