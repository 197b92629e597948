//! Records whose every text tries to be more than a text.

use serde_json::{Value, json};
use thirtyfour::prelude::*;

use crate::seed::{record, store};
use crate::viewer::Viewer;

/// Markup, code and addresses that do something wherever they are taken for what they say
/// they are, with a name that tells where they came from.
fn hostile(place: &str) -> String {
    format!(
        "{place}\"'><img src=x onerror=hit('{place}')><script>hit('{place}')</script><svg onload=hit('{place}')>\
         <iframe srcdoc=x></iframe><a href=javascript:hit('{place}')>x</a></td></pre>{{{{7*7}}}}${{hit('{place}')}}\u{202e}`"
    )
}

fn hostile_record() -> Value {
    let h = hostile;
    record(
        1.0,
        &json!({
            "service": h("service"), "instance": h("instance"), "action": h("action"), "reason": h("reason"),
            "outcome": "failed",
            "actor": { "id": h("actor"), "roles": [h("role")], "auth": h("auth"), "credential": h("credential") },
            "resource": { "type": h("resource_type"), "id": h("resource_id") },
            "http": {
                "method": h("method"), "route": h("route"), "path": h("path"), "query": h("query"), "status": 500,
                "request_id": h("request_id"), "trace_id": h("trace_id"),
            },
            "client": { "user_agent": h("user_agent") },
            "request": { h("name"): h("value"), "list": [h("item"), { "deep": h("deep") }], "__proto__": h("proto") },
            "response": h("response"),
            "changes": [
                { "path": h("changed"), "old": h("old"), "new": h("new") },
                { "path": "/b", "old": { h("old_name"): 1 }, "new": [h("new_item")] },
            ],
            "notes": { h("note"): h("noted") },
            "redacted": [h("redacted")],
            "truncated": [{ "path": h("truncated"), "bytes": 1, "sha256": h("sha256") }],
        }),
    )
}

#[actix_web::test]
async fn nothing_in_a_record_is_ever_more_than_a_text() {
    let viewer = Viewer::signed_in().await;
    let watch = json!({ "source": "window.hits = []; window.hit = (place) => hits.push(place);" });
    viewer
        .devtools("Page.addScriptToEvaluateOnNewDocument", watch)
        .await;
    let hostile_record = hostile_record();
    store(
        &viewer.service.database,
        std::slice::from_ref(&hostile_record),
    );
    let id = hostile_record["id"].as_str().unwrap();

    // The list, the chips, the completion and a record.
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("actor", &hostile("actor"))
        .append_pair("action", &hostile("action"))
        .append_pair("from", "-1h")
        .append_pair("record", id)
        .finish();
    viewer.go_and_wait(&format!("?{query}")).await;
    viewer
        .shows(".chip-value", "actor\"'><img src=x onerror=hit('actor')>")
        .await;
    viewer
        .shows("tr.row td.action", "action\"'><img src=x onerror=")
        .await;
    viewer
        .shows("tr.row td.resource", "resource_type\"'><img")
        .await;
    for place in [
        "actor",
        "role",
        "credential",
        "resource_id",
        "method",
        "path",
        "query",
        "trace_id",
        "user_agent",
        "service",
        "name",
        "value",
        "deep",
        "proto",
        "response",
        "changed",
        "old",
        "new_item",
        "noted",
        "redacted",
        "truncated",
    ] {
        // The apostrophe is shown as it is, and the turned direction as an escape.
        let text = format!("<script>hit('{place}')</script>");
        viewer.until(
            place,
            &format!("return document.querySelector('.panel-body').textContent.includes({}) && document.querySelector('.panel-body').textContent", json!(text)),
        )
        .await;
    }
    let shown = viewer.text(".panel-body").await;
    assert!(shown.contains("\\u{202e}") && !shown.contains('\u{202e}'));

    for tab in [
        "Same request",
        "Same trace",
        "Actor, ±15 min",
        "History of the resource",
    ] {
        viewer.click_text(tab).await;
        viewer.shows(".nearby-action", "action\"'><img").await;
    }
    viewer.click_text("The whole record").await;
    viewer.press("/").await;
    viewer.press("actor:").await;
    viewer.shows("#suggestions", "actor\"'><img src=x").await;
    viewer.press(Key::Control + "a").await;
    viewer.press(hostile("typed")).await;
    viewer.press(Key::Enter + "").await;
    viewer.shows(".chip-value", "typed\"'><img src=x").await;
    viewer.click("[aria-label='Saved searches']").await;
    let name: String = hostile("saved").chars().take(70).collect();
    viewer
        .find("[aria-label='Name of the search']")
        .await
        .send_keys(name)
        .await
        .unwrap();
    viewer.press(Key::Enter + "").await;
    viewer.click("[aria-label='Saved searches']").await;
    viewer.shows(".saved", "saved\"'><img src=x").await;
    viewer.click("[aria-label='Export and copy']").await;

    assert_eq!(viewer.ask("return hits").await, json!([]));
    let strangers = "return document.querySelectorAll('img, iframe, script:not([src^=\"/audit/ui/\"]), [onerror], [onload], a[href^=\"javascript\"], table table, [style*=hit]').length";
    assert_eq!(viewer.ask(strangers).await, 0);
    viewer.close().await;
}
