//! The chart over time.

use serde_json::json;
use thirtyfour::prelude::*;

use crate::seed::{record, store};
use crate::viewer::Viewer;

async fn two_groups() -> Viewer {
    let viewer = Viewer::signed_in().await;
    store(
        &viewer.service.database,
        &[
            record(5.0, &json!({ "actor": { "id": "late" } })),
            record(40.0, &json!({ "actor": { "id": "early" } })),
            record(
                41.0,
                &json!({ "actor": { "id": "early" }, "outcome": "failed", "http": { "status": 503 } }),
            ),
        ],
    );
    viewer.go_and_wait("?resource_type=item&from=-1h").await;
    viewer
        .column_becomes("actor", &["late", "early", "early"])
        .await;
    viewer
        .until(
            "there are bars",
            "return document.querySelectorAll('.bar').length >= 3",
        )
        .await;
    viewer
}

#[actix_web::test]
async fn a_range_that_is_drawn_with_the_mouse_is_looked_at_alone() {
    let viewer = two_groups().await;
    let plot = viewer.find(".plot").await;
    let rectangle = plot.rect().await.unwrap();
    // The first half of the hour.
    let width = rectangle.width as i64;
    viewer
        .driver
        .action_chain()
        .move_to_element_with_offset(&plot, -width / 2 + 5, 0)
        .click_and_hold()
        .move_by_offset(width / 4, 0)
        .move_by_offset(width / 4, 0)
        .release()
        .perform()
        .await
        .unwrap();
    viewer.column_becomes("actor", &["early", "early"]).await;
    let query = viewer.query().await;
    assert!(
        query.contains("from=20") && query.contains("to=20"),
        "{query}"
    );
    viewer.shows(".total", "2 records").await;

    // Wider again, and back.
    viewer.click("[aria-label='A wider range']").await;
    viewer
        .until(
            "the range is wider",
            &format!("return location.search !== '?{query}'"),
        )
        .await;
    viewer.driver.back().await.unwrap();
    viewer.driver.back().await.unwrap();
    viewer
        .column_becomes("actor", &["late", "early", "early"])
        .await;
    viewer.close().await;
}

#[actix_web::test]
async fn a_range_that_is_chosen_with_the_keyboard_is_told_and_looked_at_alone() {
    let viewer = two_groups().await;
    viewer.ask("document.querySelector('.plot').focus()").await;
    let value = "return document.querySelector('.plot').getAttribute('aria-valuetext')";
    viewer.press(Key::Home + "").await;
    for _ in 0..8 {
        viewer.press(Key::Shift + Key::PageUp).await;
    }
    let told = viewer.ask(value).await;
    assert!(told.as_str().unwrap().contains("chosen"), "{told}");
    viewer.press(Key::Escape + "").await;
    let told = viewer.ask(value).await;
    assert!(!told.as_str().unwrap().contains("chosen"), "{told}");

    viewer.press(Key::Home + "").await;
    for _ in 0..6 {
        viewer.press(Key::Shift + Key::PageUp).await;
    }
    viewer.press(Key::Enter + "").await;
    viewer.column_becomes("actor", &["early", "early"]).await;
    viewer.close().await;
}
