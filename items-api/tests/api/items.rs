use items_api::auth::Role;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Answer, TestService, assert_problem};

#[actix_web::test]
async fn an_item_is_created_read_listed_replaced_patched_and_deleted() {
    let service = TestService::start().await;
    let alice = service.token("alice", Role::User);
    let response = service
        .post("/items/")
        .bearer_auth(&alice)
        .header("content-type", "application/json")
        .body(r#"{"name":"Kettle","price":12.50,"attributes":{"b":1.230e-5,"a":[null]}}"#)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::CREATED);
    let location = response.headers()["location"].to_str().unwrap().to_owned();
    let created = response.text().await.unwrap();
    assert!(
        created.contains(r#""price":12.50,"attributes":{"b":1.230e-5,"a":[null]},"owner":"alice""#),
        "{created}"
    );
    let item: Value = serde_json::from_str(&created).unwrap();
    assert_eq!(location, format!("/items/{}", item["id"].as_str().unwrap()));

    let read = service
        .get(&location)
        .bearer_auth(&alice)
        .send()
        .await
        .unwrap();
    assert_eq!(
        read.text().await.unwrap(),
        created,
        "reading gives what creating gave"
    );
    let page = Answer::of(service.get("/items/").bearer_auth(&alice)).await;
    assert_eq!(page.body, json!({ "items": [item], "next": null }));

    let change = |method, body| {
        service
            .request(method, &location)
            .bearer_auth(&alice)
            .json(&body)
    };
    let patched = Answer::of(change(
        Method::PATCH,
        json!({ "description": "Boils", "price": null }),
    ))
    .await
    .body;
    assert_eq!(
        (&patched["name"], &patched["description"]),
        (&json!("Kettle"), &json!("Boils"))
    );
    assert_eq!(patched["price"], Value::Null);
    assert_eq!(patched["attributes"], item["attributes"]);
    let replaced = Answer::of(change(Method::PUT, json!({ "name": "Pot", "price": "3" })))
        .await
        .body;
    assert_eq!(
        (&replaced["name"], &replaced["price"]),
        (&json!("Pot"), &json!(3))
    );
    assert_eq!(
        (&replaced["description"], &replaced["attributes"]),
        (&Value::Null, &json!({}))
    );
    assert_eq!(replaced["created_at"], item["created_at"]);
    assert!(replaced["updated_at"].as_str() > item["updated_at"].as_str());

    let deleted = service
        .request(Method::DELETE, &location)
        .bearer_auth(&alice)
        .send()
        .await
        .unwrap();
    assert_eq!(deleted.status(), StatusCode::NO_CONTENT);
    assert_problem(
        404,
        "item_not_found",
        &Answer::of(service.get(&location).bearer_auth(&alice)).await,
    );

    let records = service.records("actor=alice", 4).await;
    let told: Vec<_> = records
        .iter()
        .map(|record| {
            (
                record["action"].as_str().unwrap(),
                &record["resource"]["id"],
            )
        })
        .collect();
    let id = &item["id"];
    assert_eq!(
        told,
        [
            ("create_item", id),
            ("patch_item", id),
            ("replace_item", id),
            ("delete_item", id)
        ]
    );
}

#[actix_web::test]
async fn the_slash_at_the_end_does_not_matter() {
    let service = TestService::start().await;
    let alice = service.token("alice", Role::User);
    let response = service
        .post("/items")
        .bearer_auth(&alice)
        .json(&json!({ "name": "Kettle" }));
    let item = Answer::of(response).await;
    assert_eq!(item.status, 201);
    let path = format!("/items/{}/", item.body["id"].as_str().unwrap());
    assert_eq!(
        Answer::of(service.get(&path).bearer_auth(&alice))
            .await
            .status,
        200
    );
    assert_eq!(
        Answer::of(service.get("/items").bearer_auth(&alice))
            .await
            .status,
        200
    );
    let record = service.records("action=create_item", 1).await.remove(0);
    assert_eq!(
        (&record["http"]["route"], &record["http"]["path"]),
        (&json!("/items/"), &json!("/items"))
    );
}

#[actix_web::test]
async fn only_its_owner_or_an_admin_changes_an_item() {
    let service = TestService::start().await;
    let item = service.create(&json!({ "name": "Kettle" })).await;
    let path = format!("/items/{}", item["id"].as_str().unwrap());
    let bob = service.token("bob", Role::User);
    for method in [Method::PUT, Method::PATCH, Method::DELETE] {
        let request = service
            .request(method, &path)
            .bearer_auth(&bob)
            .json(&json!({ "name": "Mine" }));
        assert_problem(403, "not_the_owner", &Answer::of(request).await);
    }
    assert_eq!(
        Answer::of(service.get(&path).bearer_auth(&bob)).await.body,
        item,
        "nothing has changed"
    );
    let ada = service.token("ada", Role::Admin);
    let request = service
        .request(Method::PATCH, &path)
        .bearer_auth(&ada)
        .json(&json!({ "name": "Ours" }));
    let changed = Answer::of(request).await.body;
    assert_eq!(
        (&changed["name"], &changed["owner"]),
        (&json!("Ours"), &json!("alice"))
    );

    let denied = service.records("actor=bob&outcome=denied", 3).await;
    assert!(
        denied
            .iter()
            .all(|record| record["reason"] == "not_the_owner")
    );
    assert!(
        denied
            .iter()
            .all(|record| record["resource"]["id"] == item["id"])
    );
}

#[actix_web::test]
async fn pages_give_every_item_once_even_while_items_are_added() {
    let service = TestService::start().await;
    let alice = service.token("alice", Role::User);
    let mut created = Vec::new();
    for number in 0..7 {
        let item = service
            .create(&json!({ "name": format!("Item {number}") }))
            .await;
        created.push(item["id"].clone());
    }
    created.reverse();
    let mut seen = Vec::new();
    let mut path = "/items/?limit=3".to_owned();
    loop {
        let page = Answer::of(service.get(&path).bearer_auth(&alice))
            .await
            .body;
        seen.extend(
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|item| item["id"].clone()),
        );
        service.create(&json!({ "name": "Latecomer" })).await;
        match page["next"].as_str() {
            Some(next) => path = format!("/items/?limit=3&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, created);
}

#[actix_web::test]
async fn what_is_not_there_is_not_found() {
    let service = TestService::start().await;
    let alice = service.token("alice", Role::User);
    for id in [
        Uuid::new_v4().to_string(),
        "17".to_owned(),
        "%00".to_owned(),
    ] {
        let path = format!("/items/{id}");
        assert_problem(
            404,
            "item_not_found",
            &Answer::of(service.get(&path).bearer_auth(&alice)).await,
        );
        for method in [Method::PUT, Method::PATCH, Method::DELETE] {
            let request = service
                .request(method, &path)
                .bearer_auth(&alice)
                .json(&json!({ "name": "Ghost" }));
            assert_problem(404, "item_not_found", &Answer::of(request).await);
        }
    }
}
