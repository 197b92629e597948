//! Everything without a mouse.

use serde_json::json;
use thirtyfour::prelude::*;

use crate::seed::{record, store};
use crate::viewer::Viewer;

/// What has the focus: the id of its row, or its own text.
const FOCUS: &str = "return document.activeElement.closest('tr.row')?.querySelector('td.actor').innerText ?? document.activeElement.innerText";

#[actix_web::test]
async fn records_are_reached_opened_walked_through_and_closed_by_keys_alone() {
    let viewer = Viewer::signed_in().await;
    let actors = ["alice", "bob", "carol"];
    let records: Vec<_> = actors
        .iter()
        .zip([1.0, 2.0, 3.0])
        .map(|(actor, ago)| record(ago, &json!({ "actor": { "id": actor } })))
        .collect();
    store(&viewer.service.database, &records);
    viewer.go_and_wait("?resource_type=item&from=-1h").await;
    viewer.column_becomes("actor", &actors).await;

    viewer.press("j").await;
    assert_eq!(viewer.ask(FOCUS).await, "alice");
    viewer.press("j").await;
    viewer.press(Key::Down + "").await;
    assert_eq!(viewer.ask(FOCUS).await, "carol");
    viewer.press("k").await;
    assert_eq!(viewer.ask(FOCUS).await, "bob");

    viewer.press(Key::Enter + "").await;
    viewer.shows(".panel .sentence", "bob").await;
    assert_eq!(
        viewer.ask("return document.activeElement.className").await,
        "panel-title"
    );
    viewer.press("j").await;
    viewer.shows(".panel .sentence", "carol").await;
    viewer.press("k").await;
    viewer.press("k").await;
    viewer.shows(".panel .sentence", "alice").await;
    viewer.press(Key::Escape + "").await;
    viewer
        .until(
            "the record is closed",
            "return document.querySelector('#panel').hidden",
        )
        .await;
    assert_eq!(viewer.ask(FOCUS).await, "alice");

    // Help, menus and preferences.
    viewer.press("?").await;
    viewer.shows("dialog.help", "Follow new records").await;
    viewer.press(Key::Escape + "").await;
    viewer
        .until(
            "the help is closed",
            "return !document.querySelector('dialog').open",
        )
        .await;
    viewer.press("t").await;
    viewer.press(Key::Down + Key::Enter).await;
    viewer.shows(".range", "Last hour").await;
    viewer.press(Key::Escape + "").await;
    viewer.press("u").await;
    viewer
        .until(
            "times are UTC",
            "return document.querySelector('tr.row time').title.includes(' UTC ')",
        )
        .await;
    viewer.press("l").await;
    viewer
        .until(
            "the tail is on",
            "return document.querySelector('.live-controls.is-on')",
        )
        .await;
    viewer.close().await;
}

/// Tab leads through everything, is always to be seen, and gets stuck nowhere.
#[actix_web::test]
async fn the_focus_goes_through_the_whole_page_and_is_always_seen() {
    let viewer = Viewer::signed_in().await;
    store(
        &viewer.service.database,
        &[record(1.0, &json!({})), record(2.0, &json!({}))],
    );
    viewer.go_and_wait("?resource_type=item&from=-1h").await;
    viewer.shows(".total", "2 records").await;
    let mut seen = Vec::new();
    for _ in 0..30 {
        viewer.press(Key::Tab + "").await;
        let focus = viewer
            .ask(
                "const at = document.activeElement;
                 const style = getComputedStyle(at.matches('.filter-input') ? at.closest('.filter-bar') : at);
                 const isSeen = style.outlineStyle !== 'none' || style.boxShadow !== 'none';
                 return [at.tagName, at.id || at.className || at.ariaLabel || at.innerText, isSeen || at === document.body]",
            )
            .await;
        assert_eq!(focus[2], true, "{focus}");
        seen.push(focus[1].as_str().unwrap_or_default().to_owned());
        viewer.press(Key::Escape + "").await;
    }
    for wanted in [
        "skip",
        "filter",
        "plot",
        "sort",
        "row-link",
        "button quiet live",
    ] {
        assert!(
            seen.iter().any(|what| what == wanted),
            "{wanted} is not reached: {seen:?}"
        );
    }
    viewer.close().await;
}
