use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::{Answer, TestService};

#[actix_web::test]
async fn the_root_leads_to_the_documentation() {
    let service = TestService::start().await;
    let answer = Answer::of(service.get("/")).await;
    assert_eq!(answer.body["docs"], "/docs");
    assert!(answer.body["message"].is_string());
}

#[actix_web::test]
async fn the_documentation_comes_from_the_binary_under_a_strict_policy() {
    let service = TestService::start().await;
    for path in ["/docs", "/docs/"] {
        let response = service.get(path).send().await.unwrap();
        assert_eq!(response.status(), 200);
        let policy = response.headers()["content-security-policy"]
            .to_str()
            .unwrap()
            .to_owned();
        assert!(policy.contains("script-src 'self';"), "{policy}");
        let page = response.text().await.unwrap();
        assert!(
            !page.contains("http://") && !page.contains("https://"),
            "nothing comes from other hosts"
        );
        for file in page.split('"').filter(|word| word.starts_with("/docs/")) {
            let response = service.get(file).send().await.unwrap();
            assert_eq!(response.status(), 200, "{file}");
        }
    }
    let initializer = service
        .get("/docs/swagger-initializer.js")
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(initializer.contains("/openapi.json"), "{initializer}");
    assert_eq!(
        service
            .get("/docs/nothing.js")
            .send()
            .await
            .unwrap()
            .status(),
        404
    );
}

#[actix_web::test]
async fn the_openapi_document_names_every_route_and_every_answer() {
    let service = TestService::start().await;
    let document: Value = service
        .get("/openapi.json")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let operations: BTreeSet<String> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| {
            item.as_object()
                .unwrap()
                .keys()
                .map(move |method| format!("{method} {path}"))
        })
        .collect();
    let expected = [
        "delete /audit/ui/session",
        "delete /items/{item_id}",
        "get /",
        "get /audit/export",
        "get /audit/records",
        "get /audit/records/{id}",
        "get /audit/stats",
        "get /audit/stream",
        "get /audit/ui/session",
        "get /health/live",
        "get /health/ready",
        "get /items/",
        "get /items/{item_id}",
        "get /metrics",
        "patch /items/{item_id}",
        "post /audit/ui/session",
        "post /items/",
        "put /items/{item_id}",
    ];
    assert_eq!(operations, expected.map(str::to_owned).into());
    assert_eq!(
        document["components"]["securitySchemes"]["bearer"]["scheme"],
        "bearer"
    );
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"").skip(1) {
        let pointer = reference.split('"').next().unwrap().trim_start_matches('#');
        assert!(
            document.pointer(pointer).is_some(),
            "{pointer} leads nowhere"
        );
    }
}

#[actix_web::test]
async fn every_response_carries_the_id_of_its_request() {
    let service = TestService::start().await;
    for path in ["/", "/nowhere", "/items/", "/health/live", "/docs"] {
        let response = service
            .get(path)
            .header("x-request-id", "sane-1")
            .send()
            .await
            .unwrap();
        assert_eq!(response.headers()["x-request-id"], "sane-1", "{path}");
        let response = service
            .get(path)
            .header("x-request-id", "two words")
            .send()
            .await
            .unwrap();
        assert_ne!(response.headers()["x-request-id"], "two words", "{path}");
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    }
}

#[actix_web::test]
async fn a_live_service_says_so() {
    let service = TestService::start().await;
    assert_eq!(
        Answer::of(service.get("/health/live")).await.body,
        json!({ "status": "live" })
    );
    assert_eq!(
        Answer::of(service.get("/health/ready")).await.body,
        json!({ "status": "ready" })
    );
}

#[actix_web::test]
async fn the_metrics_tell_how_the_journal_and_the_writers_are_doing() {
    let service = TestService::start().await;
    service.create(&json!({ "name": "Kettle" })).await;
    service.records("action=create_item", 1).await;
    let response = service.get("/metrics").send().await.unwrap();
    assert!(
        response.headers()["content-type"]
            .to_str()
            .unwrap()
            .starts_with("application/openmetrics-text")
    );
    let text = response.text().await.unwrap();
    for name in [
        "audit_journal_bytes",
        "audit_journal_limit_bytes",
        "audit_journal_records",
        "audit_journal_oldest_seconds",
        "audit_journal_accepting 1",
        "audit_journal_commit_frames_bucket",
        "audit_journal_commit_seconds_bucket",
        "audit_journal_failures_total 0",
        "audit_journal_damage_total 0",
        "audit_writer_records_total",
        "audit_writer_batch_records_bucket",
        "audit_dead_letters_total 0",
        "audit_gap_attempts_total 0",
        "audit_unconfirmed_total 0",
    ] {
        assert!(
            text.contains(&format!("\n{name}")),
            "{name} is missing: {text}"
        );
    }
    assert!(text.ends_with("# EOF\n"));
}
