//! One record, whole.

use serde_json::{Value, json};

use crate::seed::{record, store, store_texts};
use crate::viewer::Viewer;

#[actix_web::test]
async fn a_record_shows_what_was_asked_answered_changed_hidden_and_cut() {
    let viewer = Viewer::signed_in().await;
    let patch = record(
        3.0,
        &json!({
            "action": "patch_item",
            "http": { "method": "PATCH", "route": "/items/{item_id}", "path": "/items/7", "status": 200, "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736" },
            "request": { "price": 11, "supplier": { "api_key": "[REDACTED]" } },
            "response": { "etag": "x1" },
            "changes": [
                { "path": "/price", "old": 12.5, "new": 11 },
                { "path": "/name", "old": "A kettle", "new": "A red kettle" },
                { "path": "/token", "old": "[REDACTED]", "new": null },
            ],
            "notes": { "approved_by": "ada" },
            "redacted": ["/request/supplier/api_key", "/changes/2/old"],
            "truncated": [{ "path": "/request/description", "bytes": 90_000, "sha256": null }],
        }),
    );
    store(&viewer.service.database, &[patch]);
    viewer.go_and_wait("?resource_type=item&from=-1h").await;
    viewer.click("tr.row td.time").await;

    viewer.shows(".panel-title", "patch_item").await;
    viewer.shows(".sentence", "alice succeeded").await;
    for fact in [
        "PATCH",
        "/items/7",
        "203.0.113.24",
        "through 10.0.0.5",
        "4bf92f3577b34da6a3ce929d0e0e4736",
    ] {
        viewer.shows(".facts", fact).await;
    }
    viewer.shows(".diff li:nth-child(1) .removed", "12.5").await;
    viewer.shows(".diff li:nth-child(1) .added", "11").await;
    viewer
        .shows(".diff li:nth-child(2) .added mark", "red ")
        .await;
    viewer
        .shows(".diff li:nth-child(3) .removed .hidden-value", "[REDACTED]")
        .await;
    viewer.shows(".payload .hidden-value", "[REDACTED]").await;
    viewer.shows(".panel-section", "approved_by").await;
    viewer.shows(".pointers", "/request/supplier/api_key").await;
    viewer
        .shows(".pointers", "/request/description · 90,000 bytes")
        .await;
    assert!(viewer.query().await.contains("record="));

    viewer.click("[aria-label='Close (Escape)']").await;
    viewer
        .until(
            "the record is closed",
            "return document.querySelector('#panel').hidden",
        )
        .await;
    viewer.close().await;
}

#[actix_web::test]
async fn records_nearby_are_found_by_request_by_actor_and_by_resource() {
    let viewer = Viewer::signed_in().await;
    let same_request =
        json!({ "http": { "request_id": "one-request" }, "resource": { "id": "i-1" } });
    let history =
        json!({ "resource": { "id": "i-1" }, "actor": { "id": "bob" }, "action": "delete_item" });
    store(
        &viewer.service.database,
        &[
            record(2.0, &same_request),
            record(
                2.1,
                &json!({ "http": { "request_id": "one-request" }, "action": "notify", "actor": { "id": "mailer" } }),
            ),
            record(9.0, &json!({ "action": "list_items" })),
            record(300.0, &history),
            record(301.0, &json!({ "action": "list_items" })),
        ],
    );
    viewer
        .go_and_wait("?resource_id=i-1&action=create_item")
        .await;
    viewer.click("tr.row td.time").await;
    for (tab, actions) in [
        ("Same request", &["create_item", "notify"][..]),
        ("Actor, ±15 min", &["create_item", "list_items"]),
        ("History of the resource", &["create_item", "delete_item"]),
    ] {
        viewer.click_text(tab).await;
        let script = format!(
            "return [...document.querySelectorAll('.nearby-action')].map((entry) => entry.innerText).join() === {}",
            json!(actions.join(","))
        );
        viewer.until(tab, &script).await;
    }
    // One of them is opened in the same place, and the history in the list.
    viewer.click(".nearby-list li:nth-child(2) a").await;
    viewer.shows(".panel-title", "delete_item").await;
    viewer.click_text("History of the resource").await;
    viewer.click_text("Show in the list").await;
    viewer
        .column_becomes("action", &["create_item", "delete_item"])
        .await;
    viewer.close().await;
}

/// What `JSON.parse` would show as something else.
#[actix_web::test]
async fn what_is_copied_is_what_is_stored_and_numbers_are_shown_as_they_were_written() {
    let viewer = Viewer::signed_in().await;
    let request = r#"{"n":9007199254740993,"x":1.230e-5,"n":1,"z":-0,"text":"\u202e\u0007é"}"#;
    let text = record(1.0, &json!({ "request": "HERE" })).to_string();
    store_texts(
        &viewer.service.database,
        &[text.replace("\"HERE\"", request)],
    );
    let permissions = json!({ "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"] });
    viewer
        .devtools("Browser.grantPermissions", permissions)
        .await;

    viewer.go_and_wait("?resource_type=item").await;
    viewer.click("tr.row td.time").await;
    for written in ["9007199254740993", "1.230e-5", "-0", "\"n\": 1"] {
        viewer.shows(".panel .payload", written).await;
    }
    viewer.click_text("Copy JSON").await;
    viewer.shows("#toast", "JSON copied").await;
    let copied = viewer.ask("return navigator.clipboard.readText()").await;
    let id = viewer
        .ask("return new URLSearchParams(location.search).get('record')")
        .await;
    let stored = viewer
        .service
        .get(&format!("/audit/records/{}", id.as_str().unwrap()));
    let stored = stored.bearer_auth(viewer.service.token("ada", items_api::auth::Role::Admin));
    let stored = stored.send().await.unwrap().text().await.unwrap();
    assert_eq!(copied, Value::from(stored));

    viewer.click_text("Copy as curl").await;
    viewer.shows("#toast", "Command copied").await;
    let command = viewer.ask("return navigator.clipboard.readText()").await;
    let command = command.as_str().unwrap();
    assert!(
        command.starts_with(r#"curl -H "Authorization: Bearer $TOKEN" 'http://127.0.0.1:"#),
        "{command}"
    );
    viewer.close().await;
}
