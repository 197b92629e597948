//! Files of what is found.

use serde_json::json;

use crate::seed::{record, store};
use crate::viewer::Viewer;

#[actix_web::test]
async fn what_is_filtered_is_exported_by_a_plain_link() {
    let viewer = Viewer::signed_in().await;
    let records: Vec<_> = ["alice", "bob", "bob"]
        .iter()
        .zip([3.0, 2.0, 1.0])
        .map(|(actor, ago)| record(ago, &json!({ "actor": { "id": actor } })))
        .collect();
    store(&viewer.service.database, &records);
    viewer.go_and_wait("?actor=bob&from=-1h").await;
    viewer.click("[aria-label='Export and copy']").await;
    for (label, format, media_type, lines) in [
        ("Export NDJSON", "ndjson", "application/x-ndjson", 2),
        ("Export CSV", "csv", "text/csv", 3),
    ] {
        let script = format!(
            "const link = [...document.querySelectorAll('a.item')].find((link) => link.innerText.includes('{label}'));
             return link.hasAttribute('download') && link.href"
        );
        let href = viewer.until(label, &script).await;
        let href = href.as_str().unwrap();
        assert!(
            href.contains(&format!("format={format}")) && href.contains("actor=bob"),
            "{href}"
        );

        // With the cookie alone, as the browser follows the link.
        let response = format!(
            "return fetch({}).then(async (response) => ({{
                type: response.headers.get('content-type'),
                disposition: response.headers.get('content-disposition'),
                text: await response.text(),
            }}))",
            json!(href)
        );
        let response = viewer.ask(&response).await;
        assert!(
            response["type"].as_str().unwrap().starts_with(media_type),
            "{response}"
        );
        assert!(
            response["disposition"]
                .as_str()
                .unwrap()
                .starts_with("attachment"),
            "{response}"
        );
        let text = response["text"].as_str().unwrap();
        assert_eq!(text.lines().count(), lines, "{text}");
        assert!(text.contains(records[1]["id"].as_str().unwrap()));
        assert!(!text.contains(records[0]["id"].as_str().unwrap()));
    }
    let told = viewer
        .service
        .records("action=export_audit_records&actor=otto", 2)
        .await;
    assert_eq!(told.len(), 2);
    viewer.close().await;
}
