//! New records as they come.

use serde_json::json;

use crate::seed::{record, store};
use crate::viewer::Viewer;

#[actix_web::test]
async fn new_records_slide_in_on_top_are_counted_and_can_be_held_back() {
    let viewer = Viewer::signed_in().await;
    store(
        &viewer.service.database,
        &[record(5.0, &json!({ "resource": { "id": "old" } }))],
    );
    viewer.go_and_wait("?action=create_item&from=-1h").await;
    viewer.shows(".total", "1 record").await;
    viewer.click(".live").await;
    let is_on = "return document.querySelector('.live-controls.is-open')
        && document.querySelector('#list').ariaBusy === 'false' && !document.querySelector('.is-busy')";
    viewer.until("the tail is on", is_on).await;
    assert!(viewer.query().await.contains("live=1"));

    viewer.service.create(&json!({ "name": "First" })).await;
    viewer
        .until(
            "the first one came",
            "return document.querySelectorAll('tr.row').length === 2",
        )
        .await;
    viewer.shows(".total", "2 records").await;
    let first = viewer
        .ask("return document.querySelector('tr.row').dataset.at")
        .await;
    let second = viewer
        .ask("return document.querySelectorAll('tr.row')[1].dataset.at")
        .await;
    assert!(first.as_str() > second.as_str());

    // What was not asked for does not come: the filter is the stream's, too.
    viewer.click("[aria-label='Pause']").await;
    viewer.service.create(&json!({ "name": "Second" })).await;
    viewer.service.create(&json!({ "name": "Third" })).await;
    viewer.shows(".live-controls", "Resume (2 new)").await;
    assert_eq!(viewer.column("action").await.len(), 2);
    viewer.click("[aria-label='Resume (2 new)']").await;
    viewer
        .until(
            "they came",
            "return document.querySelectorAll('tr.row').length === 4",
        )
        .await;
    viewer.shows(".total", "4 records").await;

    viewer.click(".live").await;
    viewer
        .until(
            "the tail is off",
            "return !document.querySelector('.live-controls.is-on')",
        )
        .await;
    viewer.close().await;
}

#[actix_web::test]
async fn a_tail_that_is_opened_by_its_link_misses_nothing_and_shows_nothing_twice() {
    let viewer = Viewer::signed_in().await;
    viewer.go("?action=create_item&from=-1h&live=1").await;
    for number in 0..20 {
        viewer
            .service
            .create(&json!({ "name": format!("Item {number}") }))
            .await;
    }
    viewer
        .until(
            "all came",
            "return document.querySelectorAll('tr.row').length === 20",
        )
        .await;
    let ids = "const ids = [...document.querySelectorAll('tr.row')].map((row) => row.dataset.id); return new Set(ids).size";
    assert_eq!(viewer.ask(ids).await, 20);
    viewer.close().await;
}
