//! Asking, by what is typed, completed, pressed and taken back.

use serde_json::{Value, json};
use thirtyfour::prelude::*;

use crate::seed::{record, store};
use crate::viewer::Viewer;

fn records() -> Vec<Value> {
    vec![
        record(1.0, &json!({})),
        record(
            2.0,
            &json!({ "actor": { "id": "bob" }, "action": "delete_item" }),
        ),
        record(
            3.0,
            &json!({
                "actor": { "id": "bob" }, "action": "patch_item", "outcome": "denied", "reason": "not_the_owner",
                "http": { "status": 403 }, "request": { "attributes": { "colour": "red" }, "note": "a Turquoise kettle" },
            }),
        ),
        record(
            4.0,
            &json!({ "actor": { "id": "carol" }, "client": { "ip": "192.0.2.61" } }),
        ),
    ]
}

/// Otto's own reading leaves records, too; this leaves them out.
const ITEMS: &str = "?resource_type=item&from=-1h";

#[actix_web::test]
async fn what_is_typed_is_completed_from_values_that_there_are_and_becomes_a_chip() {
    let viewer = Viewer::signed_in().await;
    store(&viewer.service.database, &records());
    viewer.go_and_wait(ITEMS).await;
    viewer
        .column_becomes("actor", &["alice", "bob", "bob", "carol"])
        .await;

    // A field, then one of its values by the arrow keys.
    viewer.press("/").await;
    viewer.press("acto").await;
    viewer.shows("#suggestions", "Actor").await;
    viewer.press(Key::Control + "a").await;
    viewer.press("actor:").await;
    viewer.shows("#suggestions", "Actor: bob").await;
    viewer.press("bo").await;
    viewer.press(Key::Down + Key::Enter).await;
    viewer.column_becomes("actor", &["bob", "bob"]).await;
    viewer.shows(".chip", "bob").await;
    assert!(viewer.query().await.contains("actor=bob"));

    // Another value of the same field means or.
    viewer.press("actor:carol").await;
    viewer.press(Key::Enter + "").await;
    viewer
        .column_becomes("actor", &["bob", "bob", "carol"])
        .await;
    viewer.shows(".chip", "or\ncarol").await;

    // A place in the request, a class of status, and words.
    for (typed, actors) in [
        ("payload.attributes.colour=red", &["bob"][..]),
        ("status:4xx", &["bob"]),
        ("turquoise", &["bob"]),
        ("ip:192.0.2.9", &[]),
    ] {
        viewer.press(typed).await;
        viewer.press(Key::Enter + "").await;
        viewer.column_becomes("actor", actors).await;
    }
    viewer.shows(".nothing", "No record matches").await;
    viewer.click_text("without Address 192.0.2.9").await;
    viewer.column_becomes("actor", &["bob"]).await;

    // One after the other is taken back.
    viewer
        .click("[aria-label='Remove filter Words turquoise']")
        .await;
    viewer
        .click("[aria-label='Remove filter Status 4xx']")
        .await;
    viewer.press(Key::Backspace + "").await;
    viewer
        .column_becomes("actor", &["bob", "bob", "carol"])
        .await;
    viewer.click(".clear").await;
    viewer
        .until(
            "no chips are left",
            "return document.querySelectorAll('.chip').length === 0",
        )
        .await;
    assert_eq!(viewer.query().await, "from=-1h");
    viewer.close().await;
}

#[actix_web::test]
async fn every_value_that_is_shown_can_be_asked_for_by_pressing_it() {
    let viewer = Viewer::signed_in().await;
    store(&viewer.service.database, &records());
    viewer.go_and_wait(ITEMS).await;

    viewer.click("tr.row:nth-child(2) td.actor .value").await;
    viewer.column_becomes("actor", &["bob", "bob"]).await;
    viewer.click("tr.row:nth-child(2) td.outcome .value").await;
    viewer.column_becomes("actor", &["bob"]).await;
    let query = viewer.query().await;
    assert!(
        query.contains("actor=bob") && query.contains("outcome=denied"),
        "{query}"
    );

    // In a record, and in what was sent with it.
    viewer.go_and_wait(ITEMS).await;
    viewer.click("tr.row:nth-child(3) .row-link").await;
    viewer
        .click(".panel .json-value[title*='attributes.colour']")
        .await;
    viewer.column_becomes("actor", &["bob"]).await;
    assert!(
        viewer
            .query()
            .await
            .contains("payload.attributes.colour=red")
    );

    // The legend counts, and narrows to one outcome.
    viewer.go_and_wait(ITEMS).await;
    viewer.shows(".total", "4 records").await;
    viewer.shows(".legend-item", "denied\n1").await;
    viewer.click(".legend-item .sign.denied").await;
    viewer.column_becomes("actor", &["bob"]).await;
    viewer.close().await;
}

#[actix_web::test]
async fn searches_are_kept_under_a_name_in_the_browser() {
    let viewer = Viewer::signed_in().await;
    store(&viewer.service.database, &records());
    viewer
        .go_and_wait("?resource_type=item&actor=bob&from=-7d")
        .await;
    viewer.click("[aria-label='Saved searches']").await;
    viewer
        .find("[aria-label='Name of the search']")
        .await
        .send_keys("What Bob did")
        .await
        .unwrap();
    viewer.press(Key::Enter + "").await;
    viewer.shows("#toast", "Saved as What Bob did").await;

    viewer.go_and_wait("?resource_type=item").await;
    viewer.click("[aria-label='Saved searches']").await;
    viewer.click_text("What Bob did").await;
    viewer.column_becomes("actor", &["bob", "bob"]).await;
    assert!(viewer.query().await.contains("from=-7d"));

    viewer.click("[aria-label='Saved searches']").await;
    viewer.click("[aria-label='Delete What Bob did']").await;
    viewer.shows(".saved", "None yet").await;
    viewer.close().await;
}
