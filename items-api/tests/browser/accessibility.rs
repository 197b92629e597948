//! What keeps people from using a page, as far as a program can find it: axe-core, with the
//! rules of WCAG 2.2 AA and its own best practices.

use serde_json::{Value, json};
use thirtyfour::prelude::*;

use crate::seed::{a_day, store};
use crate::viewer::{Viewer, axe};

/// Fails with what is in the way, and where.
async fn audit(viewer: &Viewer, state: &str) {
    // What moves has no colours to be checked yet.
    viewer.until("nothing moves", "return document.getAnimations().every(({ effect }) => effect.getComputedTiming().iterations === Infinity)").await;
    viewer.ask(&axe()).await;
    let found = viewer
        .driver
        .execute_async(
            "const done = arguments[arguments.length - 1];
             axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => done(
                 violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.slice(0, 3).map(({ html, failureSummary }) => `${html}\\n${failureSummary}`).join('\\n')}`)))",
            Vec::new(),
        )
        .await
        .unwrap();
    let found: Vec<String> = serde_json::from_value(found.json().clone()).unwrap();
    assert!(found.is_empty(), "{state}: {}", found.join("\n\n"));
}

#[actix_web::test]
async fn no_state_of_the_page_has_anything_in_anybodys_way() {
    let viewer = Viewer::open().await;
    store(&viewer.service.database, &a_day(150));
    for scheme in ["light", "dark"] {
        viewer.scheme(scheme).await;
        viewer
            .devtools("Network.clearBrowserCookies", json!({}))
            .await;
        viewer.go("").await;
        viewer.find("#token").await;
        viewer.press("nonsense nonsense").await;
        viewer.press(Key::Enter + "").await;
        viewer.shows("#sign-in-problem", "That is no token").await;
        audit(&viewer, &format!("signed out, {scheme}")).await;

        viewer
            .sign_in_unseen("otto", items_api::auth::Role::Auditor)
            .await;
        viewer.go_and_wait("?from=-24h&resource_type=item").await;
        viewer.find(".legend-item").await;
        audit(&viewer, &format!("the list, {scheme}")).await;

        viewer.press("/").await;
        viewer.shows("#suggestions", "Actor").await;
        audit(&viewer, &format!("completion, {scheme}")).await;
        viewer.press(Key::Escape + "").await;
        viewer.click(".range > button").await;
        audit(&viewer, &format!("the time range, {scheme}")).await;
        viewer.press(Key::Escape + "").await;

        viewer
            .go_and_wait("?from=-24h&action=patch_item&outcome=success")
            .await;
        viewer.click("tr.row td.time").await;
        viewer.find(".panel .diff").await;
        audit(&viewer, &format!("a record, {scheme}")).await;
        viewer.click_text("Actor, ±15 min").await;
        viewer.find(".nearby-list").await;
        audit(&viewer, &format!("records nearby, {scheme}")).await;

        viewer.go("?ip=nonsense").await;
        viewer.find(".failure").await;
        audit(&viewer, &format!("a mistake, {scheme}")).await;
        viewer.go("?actor=nobody").await;
        viewer.find(".nothing").await;
        audit(&viewer, &format!("nothing, {scheme}")).await;
        viewer.click("[aria-label='Keyboard shortcuts']").await;
        viewer.find("dialog.help").await;
        audit(&viewer, &format!("help, {scheme}")).await;
    }

    viewer.size(360, 740).await;
    viewer
        .go_and_wait("?from=-24h&action=patch_item&outcome=success")
        .await;
    audit(&viewer, "the list, on a phone").await;
    let sideways = "return document.documentElement.scrollWidth > innerWidth || document.querySelector('#main').scrollWidth > innerWidth";
    assert_eq!(viewer.ask(sideways).await, Value::Bool(false));
    viewer.click("tr.row td.action").await;
    viewer.find(".panel .diff").await;
    audit(&viewer, "a record, on a phone").await;
    viewer.close().await;
}
