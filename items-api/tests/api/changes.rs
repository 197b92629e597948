//! What changed, and that the change and its record belong together.

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use items_api::auth::Role;
use items_api::config::{AuditDurability, Options};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::TestService;

/// The changes of a record, by path.
fn change<'r>(record: &'r Value, path: &str) -> &'r Value {
    record["changes"]
        .as_array()
        .unwrap()
        .iter()
        .find(|change| change["path"] == path)
        .unwrap_or_else(|| panic!("no change of {path} in {record:#}"))
}

async fn send(service: &TestService, method: Method, item: &Value, body: &Value) -> StatusCode {
    let path = format!("/items/{}", item["id"].as_str().unwrap());
    let request = service
        .request(method, &path)
        .bearer_auth(service.token("alice", Role::User))
        .json(body);
    request.send().await.unwrap().status()
}

#[actix_web::test]
async fn replacing_patching_and_deleting_tell_what_was_there_before() {
    let service = TestService::start().await;
    let attributes = json!({ "colour": "red", "password": "hunter2" });
    let item = json!({ "name": "Kettle", "price": 12.50, "attributes": attributes });
    let item = service.create(&item).await;

    let attributes = json!({ "colour": "blue", "password": "hunter3", "size": 2 });
    let patch = json!({ "price": 9.99, "attributes": attributes });
    assert_eq!(send(&service, Method::PATCH, &item, &patch).await, 200);
    let record = service.records("action=patch_item", 1).await.remove(0);
    assert_eq!(change(&record, "/price")["old"], json!(12.50));
    assert_eq!(change(&record, "/price")["new"], json!(9.99));
    assert_eq!(change(&record, "/attributes/colour")["old"], "red");
    assert_eq!(change(&record, "/attributes/size")["old"], Value::Null);
    let password = change(&record, "/attributes/password");
    assert_eq!(
        (&password["old"], &password["new"]),
        (&json!("[REDACTED]"), &json!("[REDACTED]"))
    );
    assert!(!record.to_string().contains("hunter"), "{record}");

    let replacement = json!({ "name": "Pot" });
    assert_eq!(send(&service, Method::PUT, &item, &replacement).await, 200);
    let record = service.records("action=replace_item", 1).await.remove(0);
    assert_eq!(change(&record, "/name")["old"], "Kettle");
    assert_eq!(change(&record, "/price")["new"], Value::Null);

    assert_eq!(
        send(&service, Method::DELETE, &item, &Value::Null).await,
        204
    );
    let record = service.records("action=delete_item", 1).await.remove(0);
    assert_eq!(change(&record, "")["old"]["name"], "Pot");
    assert_eq!(change(&record, "")["new"], Value::Null);
}

#[actix_web::test]
async fn a_refused_change_tells_of_none() {
    let service = TestService::start().await;
    let item = service.create(&json!({ "name": "Kettle" })).await;
    let path = format!("/items/{}", item["id"].as_str().unwrap());
    let stranger = service
        .request(Method::PATCH, &path)
        .bearer_auth(service.token("bob", Role::User))
        .json(&json!({ "name": "Mine" }));
    assert_eq!(stranger.send().await.unwrap().status(), 403);
    let record = service.records("action=patch_item", 1).await.remove(0);
    assert_eq!(record["outcome"], "denied");
    assert_eq!(record["changes"], json!([]));
}

/// A service whose records are in the transactions of the changes.
async fn transactional() -> TestService {
    TestService::start_with(Options {
        audit_durability: Some(AuditDurability::Transaction),
        ..Options::default()
    })
    .await
}

fn count(service: &TestService, table: &str) -> i64 {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        count: i64,
    }
    let count: Count = diesel::sql_query(format!("SELECT count(*) FROM {table}"))
        .get_result(&mut service.database.connect())
        .unwrap();
    count.count
}

#[actix_web::test]
async fn in_a_transaction_the_record_is_there_with_the_response() {
    let service = transactional().await;
    let item = service.create(&json!({ "name": "Kettle" })).await;
    assert_eq!(
        count(&service, "audit_records WHERE action = 'create_item'"),
        1
    );
    let patch = json!({ "name": "Pot" });
    assert_eq!(send(&service, Method::PATCH, &item, &patch).await, 200);
    assert_eq!(
        send(&service, Method::DELETE, &item, &Value::Null).await,
        204
    );

    let statuses: Vec<(Value, Value)> = service
        .records("resource_type=item", 3)
        .await
        .into_iter()
        .map(|record| (record["outcome"].clone(), record["http"]["status"].clone()))
        .collect();
    let success = |status: u16| (json!("success"), json!(status));
    assert_eq!(statuses, [success(201), success(200), success(204)]);
}

#[actix_web::test]
async fn in_a_transaction_a_record_that_cannot_be_stored_undoes_the_change() {
    let service = transactional().await;
    let refuse = "ALTER TABLE audit_records ADD CHECK (action <> 'create_item') NOT VALID";
    service.database.connect().batch_execute(refuse).unwrap();
    let response = service
        .post("/items/")
        .bearer_auth(service.token("alice", Role::User))
        .json(&json!({ "name": "Kettle" }));
    assert_eq!(response.send().await.unwrap().status(), 500);
    assert_eq!(count(&service, "items"), 0);
    // The failed attempt cannot be stored either, and is not lost.
    let accept = "ALTER TABLE audit_records DROP CONSTRAINT audit_records_action_check";
    service.database.connect().batch_execute(accept).unwrap();
    let told =
        "audit_dead_letters WHERE convert_from(record, 'UTF8')::json ->> 'action' = 'create_item'";
    audit::testing::eventually("the failed attempt is told", async || {
        let stored = count(&service, "audit_records WHERE action = 'create_item'");
        (stored + count(&service, told) == 1).then_some(())
    })
    .await;
}
