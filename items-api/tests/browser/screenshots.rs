//! The pictures of docs/reading-the-trail.md.

use std::path::Path;

use items_api::auth::Role;
use thirtyfour::prelude::*;

use crate::seed::{a_day, store};
use crate::viewer::Viewer;

/// `cargo xtask screenshots` runs this and says where to put them.
#[actix_web::test]
#[ignore = "it takes pictures and tests nothing: run `cargo xtask screenshots`"]
async fn the_guide_is_illustrated() {
    let folder = std::env::var("SCREENSHOTS").unwrap();
    std::fs::create_dir_all(&folder).unwrap();
    let viewer = Viewer::open().await;
    store(&viewer.service.database, &a_day(1_600));
    let take = async |name: &str| {
        viewer
            .until(
                "nothing moves",
                "return document.getAnimations().length === 0",
            )
            .await;
        let path = Path::new(&folder).join(format!("viewer-{name}.png"));
        viewer.driver.screenshot(&path).await.unwrap();
    };
    let day = "?from=-24h&resource_type=item";

    viewer.go("").await;
    viewer.find("#token").await;
    take("sign-in").await;

    viewer.sign_in_unseen("otto", Role::Auditor).await;
    for (scheme, name) in [("light", "desktop"), ("dark", "dark")] {
        viewer.scheme(scheme).await;
        viewer.go_and_wait(day).await;
        viewer.find(".legend-item").await;
        take(name).await;
    }
    viewer.scheme("light").await;
    viewer
        .go_and_wait("?from=-24h&action=patch_item&outcome=success")
        .await;
    viewer.click("tr.row:nth-child(3) td.time").await;
    viewer.find(".panel .diff").await;
    take("record").await;
    viewer
        .go_and_wait("?from=-24h&actor=alice&actor=bob&outcome=denied")
        .await;
    viewer.press("/").await;
    viewer.press("action:").await;
    viewer.shows("#suggestions", "Action: create_item").await;
    viewer.press(Key::Down + "").await;
    take("filter").await;
    viewer.go("?from=-1h&actor=nobody&outcome=failed").await;
    viewer.find(".nothing").await;
    take("empty").await;
    viewer.go("?from=-24h&ip=nonsense").await;
    viewer.find(".failure").await;
    take("error").await;

    viewer.size(390, 844).await;
    viewer.go_and_wait(day).await;
    viewer.find(".legend-item").await;
    take("phone").await;
    viewer
        .go_and_wait("?from=-24h&action=patch_item&outcome=success")
        .await;
    viewer.click("tr.row:nth-child(3) td.action").await;
    viewer.find(".panel .diff").await;
    take("phone-record").await;
    viewer.close().await;
}
