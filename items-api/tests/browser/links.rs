//! The state is the address: back, forward, and links for others.

use items_api::auth::Role;
use serde_json::json;
use thirtyfour::prelude::*;

use crate::seed::{record, store};
use crate::viewer::Viewer;

#[actix_web::test]
async fn back_and_forward_lead_through_filters_ranges_and_records() {
    let viewer = Viewer::signed_in().await;
    let bob = json!({ "actor": { "id": "bob" } });
    store(
        &viewer.service.database,
        &[record(1.0, &json!({})), record(90.0, &bob)],
    );
    viewer.go_and_wait("?resource_type=item&from=-1h").await;
    viewer.column_becomes("actor", &["alice"]).await;
    viewer.click(".range > button").await;
    viewer.click_text("Last 24 hours").await;
    viewer.column_becomes("actor", &["alice", "bob"]).await;
    viewer.click("tr.row:nth-child(2) td.actor .value").await;
    viewer.column_becomes("actor", &["bob"]).await;
    viewer.click("tr.row td.time").await;
    viewer.shows(".panel .sentence", "bob").await;

    let back = async || viewer.driver.back().await.unwrap();
    back().await;
    viewer
        .until(
            "the record is closed",
            "return document.querySelector('#panel').hidden",
        )
        .await;
    back().await;
    viewer.column_becomes("actor", &["alice", "bob"]).await;
    viewer.shows(".range", "Last 24 hours").await;
    back().await;
    viewer.column_becomes("actor", &["alice"]).await;
    viewer.shows(".range", "Last hour").await;
    for _ in 0..3 {
        viewer.driver.forward().await.unwrap();
    }
    viewer.shows(".panel .sentence", "bob").await;
    viewer.column_becomes("actor", &["bob"]).await;
    viewer.close().await;
}

#[actix_web::test]
async fn a_colleague_who_opens_a_link_signs_in_and_sees_the_same() {
    let viewer = Viewer::open().await;
    let denied = record(
        120.0,
        &json!({ "actor": { "id": "bob" }, "outcome": "denied", "http": { "status": 403 } }),
    );
    let id = denied["id"].as_str().unwrap().to_owned();
    store(&viewer.service.database, &[record(1.0, &json!({})), denied]);
    let query = format!("?outcome=denied&resource_type=item&from=-7d&order=asc&record={id}");

    viewer.go(&query).await;
    viewer
        .find("#token")
        .await
        .send_keys(viewer.service.token("ada", Role::Admin))
        .await
        .unwrap();
    viewer.press(Key::Enter + "").await;
    viewer.shows(".panel .sentence", "bob was denied").await;
    viewer.column_becomes("actor", &["bob"]).await;
    viewer.shows(".chip", "denied").await;
    viewer.shows(".range", "Last 7 days").await;
    assert_eq!(format!("?{}", viewer.query().await), query);

    // A record outside of what is asked for is shown all the same.
    viewer.go(&format!("?actor=nobody&record={id}")).await;
    viewer.shows(".nothing", "No record matches").await;
    viewer.shows(".panel .sentence", "bob was denied").await;
    // And one that is not there is told.
    viewer
        .go("?record=01a20d83-4a57-761d-bbdd-37048f771517")
        .await;
    viewer
        .shows(".panel", "There is no such audit record")
        .await;
    viewer.close().await;
}
