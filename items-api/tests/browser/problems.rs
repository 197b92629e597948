//! What goes wrong is told, with what to do about it.

use audit::Allowance;
use items_api::config::Options;
use serde_json::json;

use crate::seed::{record, store};
use crate::viewer::Viewer;

#[actix_web::test]
async fn a_value_that_cannot_be_understood_is_told_with_an_example_and_taken_back() {
    let viewer = Viewer::signed_in().await;
    store(&viewer.service.database, &[record(1.0, &json!({}))]);
    viewer.go("?ip=nonsense&resource_type=item").await;
    viewer
        .shows(".failure", "A query parameter is not valid")
        .await;
    viewer.shows(".failure", "192.0.2.0/24").await;
    viewer
        .click("[aria-label='Remove filter Address nonsense']")
        .await;
    viewer.column_becomes("actor", &["alice"]).await;
    viewer.close().await;
}

#[actix_web::test]
async fn whoever_asks_too_much_is_told_and_asked_for_again_after_a_while() {
    let viewer = Viewer::open_with(Options {
        audit_queries: Some(Allowance::new(3, 1)),
        ..Options::default()
    })
    .await;
    store(&viewer.service.database, &[record(1.0, &json!({}))]);
    viewer
        .sign_in_unseen("otto", items_api::auth::Role::Auditor)
        .await;
    viewer.go_and_wait("?resource_type=item").await;
    // Each loading asks at least three times.
    viewer.driver.refresh().await.unwrap();
    viewer.driver.refresh().await.unwrap();
    viewer.shows(".failure", "Ask less often").await;
    viewer.shows(".failure", "Try again (by itself in").await;
    viewer.column_becomes("actor", &["alice"]).await;
    viewer.close().await;
}
