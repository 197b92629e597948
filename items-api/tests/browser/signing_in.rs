//! Signing in and out.

use items_api::auth::Role;
use thirtyfour::prelude::*;

use crate::seed;
use crate::viewer::Viewer;

async fn enter(viewer: &Viewer, token: &str) {
    let field = viewer.find("#token").await;
    field.clear().await.unwrap();
    field.send_keys(token).await.unwrap();
    viewer.press(Key::Enter + "").await;
}

#[actix_web::test]
async fn an_auditor_signs_in_reads_and_signs_out_and_no_script_ever_sees_the_token() {
    let viewer = Viewer::open().await;
    seed::store(
        &viewer.service.database,
        &[seed::record(5.0, &serde_json::json!({}))],
    );
    viewer.go("").await;
    viewer
        .shows(".command", "items-api token --sub you --role auditor")
        .await;
    enter(&viewer, &viewer.service.token("otto", Role::Auditor)).await;
    viewer.shows("tr.row", "create_item").await;

    assert_eq!(viewer.ask("return document.cookie").await, "");
    let kept = viewer
        .ask("return JSON.stringify({ ...localStorage, ...sessionStorage })")
        .await;
    assert!(!kept.as_str().unwrap().contains("eyJ"), "{kept}");

    // It is still so after the page was loaded anew, until he signs out.
    viewer.driver.refresh().await.unwrap();
    viewer.shows("tr.row", "create_item").await;
    viewer.click("[aria-label='Signed in']").await;
    viewer.shows(".who", "otto").await;
    viewer.click_text("Sign out").await;
    viewer.find("#token").await;
    viewer.driver.refresh().await.unwrap();
    viewer.find("#token").await;

    for action in ["sign_in_to_audit", "sign_out_of_audit"] {
        let told = viewer
            .service
            .records(&format!("action={action}&actor=otto"), 1)
            .await;
        assert_eq!(told[0]["outcome"], "success", "{action}");
    }
    viewer.close().await;
}

#[actix_web::test]
async fn whoever_may_not_read_is_told_why() {
    let viewer = Viewer::open().await;
    viewer.go("").await;
    for (token, title, detail) in [
        (String::new(), "A token is missing", "one long word"),
        ("two words".to_owned(), "That is no token", "one long word"),
        (
            "e30.e30.e30".to_owned(),
            "The credentials are not valid",
            "Get a new token",
        ),
        (
            viewer.service.token_with("otto", &["auditor"], 1_000),
            "The credentials have expired",
            "Get a new token",
        ),
        (
            viewer.service.token("alice", Role::User),
            "The actor is not allowed to do this",
            "takes the role auditor or admin",
        ),
    ] {
        enter(&viewer, &token).await;
        viewer.shows("#sign-in-problem", title).await;
        viewer.shows("#sign-in-problem", detail).await;
    }
    // Also if the cookie is there already: its token may have lost its role.
    viewer.sign_in_unseen("alice", Role::User).await;
    viewer.go("?from=-1h").await;
    viewer
        .shows("#sign-in-problem", "takes the role auditor or admin")
        .await;
    viewer.close().await;
}
