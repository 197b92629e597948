//! However much there is, the page stays small.

use serde_json::json;

use crate::seed::{record, store};
use crate::viewer::Viewer;

#[actix_web::test]
async fn older_records_are_loaded_page_by_page_and_push_out_the_newest() {
    let viewer = Viewer::signed_in().await;
    let records: Vec<_> = (0..1_250)
        .map(|number| {
            let id = format!("item-{number:04}");
            record(
                1.0 + f64::from(number) / 100.0,
                &json!({ "resource": { "id": id } }),
            )
        })
        .collect();
    store(&viewer.service.database, &records);
    viewer.go_and_wait("?resource_type=item&from=-24h").await;
    viewer.shows(".total", "1,250 records").await;
    for page in 2..=10 {
        viewer.press("o").await;
        let script = format!(
            "return document.querySelectorAll('tr.row').length >= {}",
            page * 100
        );
        viewer.until("the next page", &script).await;
    }
    let last = "const ids = [...document.querySelectorAll('td.resource .id')].map((id) => id.innerText); return ids";
    let ids = viewer.ask(last).await;
    let ids = ids.as_array().unwrap();
    assert_eq!(ids[0], "item-0000");
    for (number, id) in ids.iter().enumerate() {
        assert_eq!(*id, format!("item-{number:04}"));
    }

    viewer.press("o").await;
    viewer.shows(".list-note", "The last 1,000 are shown").await;
    for last in ["item-1199", "item-1249"] {
        viewer.press("o").await;
        let script = format!(
            "return [...document.querySelectorAll('td.resource .id')].at(-1).innerText === '{last}'"
        );
        viewer.until(last, &script).await;
    }
    viewer
        .shows(".list-foot", "That is all in this range")
        .await;
    let ids = viewer.ask(last).await;
    let ids = ids.as_array().unwrap();
    assert_eq!(ids.len(), 1_000);
    assert_eq!(
        (&ids[0], &ids[999]),
        (&json!("item-0250"), &json!("item-1249"))
    );

    viewer.click_text("Back to the beginning").await;
    viewer
        .until(
            "the newest are back",
            "return document.querySelector('td.resource .id')?.innerText === 'item-0000'",
        )
        .await;
    viewer.close().await;
}
