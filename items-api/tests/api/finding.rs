//! Counts, exports and streams, as clients use them.

use std::collections::BTreeSet;

use audit::testing::eventually;
use diesel::connection::SimpleConnection as _;
use items_api::auth::Role;
use reqwest::Response;
use serde_json::{Value, json};

use crate::harness::{Answer, TestService, assert_problem};

/// Creates so many items, and waits until they are recorded.
async fn create(service: &TestService, count: usize) -> Vec<Value> {
    for number in 0..count {
        service
            .create(&json!({ "name": format!("Kettle {number}") }))
            .await;
    }
    service.records("action=create_item", count).await
}

async fn text(service: &TestService, path: &str) -> String {
    let response = service
        .get(path)
        .bearer_auth(service.token("ada", Role::Admin));
    let response = response.send().await.unwrap();
    assert_eq!(response.status(), 200, "{path}");
    response.text().await.unwrap()
}

#[actix_web::test]
async fn counts_tell_when_what_and_how_it_ended() {
    let service = TestService::start().await;
    create(&service, 3).await;
    let refused = service.post("/items/").json(&json!({ "name": "Kettle" }));
    assert_eq!(refused.send().await.unwrap().status(), 401);
    service
        .records("action=create_item&outcome=denied", 1)
        .await;

    let stats = text(&service, "/audit/stats?action=create_item&from=-1h").await;
    let stats: Value = serde_json::from_str(&stats).unwrap();
    assert_eq!(stats["total"], 4);
    assert_eq!(stats["bucket_s"], 60);
    let buckets = stats["buckets"].as_array().unwrap();
    assert!((60..=62).contains(&buckets.len()), "{}", buckets.len());
    let counted: i64 = buckets
        .iter()
        .map(|bucket| bucket["count"].as_i64().unwrap())
        .sum();
    assert_eq!(counted, 4);
    let succeeded = buckets
        .iter()
        .filter_map(|bucket| bucket["outcomes"]["success"].as_i64());
    assert_eq!(succeeded.sum::<i64>(), 3);
    assert_eq!(
        stats["by"]["action"],
        json!([{ "value": "create_item", "count": 4 }])
    );
    assert_eq!(
        stats["by"]["actor"],
        json!([{ "value": "alice", "count": 3 }, { "value": null, "count": 1 }])
    );
    assert_eq!(
        stats["by"]["outcome"],
        json!([{ "value": "success", "count": 3 }, { "value": "denied", "count": 1 }])
    );
    assert_eq!(
        stats["by"]["route"],
        json!([{ "value": "/items/", "count": 4 }])
    );
    assert_eq!(
        stats["by"]["resource_type"],
        json!([{ "value": "item", "count": 4 }])
    );

    let one = text(&service, "/audit/stats?by=outcome&from=-1h&outcome=denied").await;
    let one: Value = serde_json::from_str(&one).unwrap();
    assert_eq!(
        one["by"],
        json!({ "outcome": [{ "value": "denied", "count": 1 }] })
    );

    let ada = service.token("ada", Role::Admin);
    for (query, code) in [
        ("by=colour", "invalid_parameter"),
        ("limit=1", "unknown_parameter"),
        ("order=asc", "unknown_parameter"),
        ("cursor=abc", "unknown_parameter"),
    ] {
        let request = service
            .get(&format!("/audit/stats?{query}"))
            .bearer_auth(&ada);
        assert_problem(400, code, &Answer::of(request).await);
    }
}

#[actix_web::test]
async fn an_export_is_the_canonical_bytes_of_every_record_line_by_line_and_can_be_resumed() {
    let service = TestService::start().await;
    // More than two pages of the store.
    create(&service, 5).await;
    let copies = 2_100;
    service
        .database
        .connect()
        .batch_execute(&format!(
            "INSERT INTO audit_records (id, schema, service, instance, seq, occurred_at, duration_us, action, outcome, \
             actor_kind, actor_roles, changes, notes, redacted, truncated, digest) \
             SELECT gen_random_uuid(), 1, 's', 'i', n, now() - interval '1 hour' + n * interval '1 ms', 1, 'copy', \
             'success', 'system', '[]', '[]', '{{}}', '[]', '[]', sha256('') FROM generate_series(1, {copies}) n",
        ))
        .unwrap();
    let export = text(&service, "/audit/export?action=copy&action=create_item").await;
    assert!(export.ends_with('\n'));
    let lines: Vec<&str> = export.lines().collect();
    assert_eq!(lines.len(), copies + 5);
    let records: Vec<Value> = lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let id = |record: &Value| record["id"].as_str().unwrap().to_owned();
    assert_eq!(
        records.iter().map(id).collect::<BTreeSet<_>>().len(),
        copies + 5
    );
    assert!(records.is_sorted_by_key(|record| record["occurred_at"].as_str().unwrap().to_owned()));

    // The very bytes that one record has.
    let last = records.last().unwrap();
    let one = text(&service, &format!("/audit/records/{}", id(last))).await;
    assert_eq!(lines.last(), Some(&one.as_str()));

    // Broken off after so many whole lines, and a piece of the next.
    let path = format!(
        "/audit/export?action=copy&action=create_item&after={}",
        id(last_of(&records, 4))
    );
    let rest = text(&service, &path).await;
    assert_eq!(rest.lines().collect::<Vec<_>>(), lines[lines.len() - 4..]);
    let nothing = text(
        &service,
        &format!(
            "/audit/export?action=copy&action=create_item&after={}",
            id(last)
        ),
    )
    .await;
    assert_eq!(nothing, "");

    let newest = text(&service, "/audit/export?action=create_item&order=desc").await;
    let mut backwards: Vec<&str> = newest.lines().collect();
    backwards.reverse();
    assert_eq!(backwards, lines[lines.len() - 5..]);

    let ada = service.token("ada", Role::Admin);
    for (query, code) in [
        ("format=xml", "invalid_parameter"),
        ("format=csv&format=csv", "invalid_parameter"),
        ("after=7", "invalid_parameter"),
        (
            "after=01900000-0000-7000-8000-000000000000",
            "invalid_parameter",
        ),
        ("limit=7", "unknown_parameter"),
    ] {
        let request = service
            .get(&format!("/audit/export?{query}"))
            .bearer_auth(&ada);
        assert_problem(400, code, &Answer::of(request).await);
    }
    // Each was one attempt to read the trail.
    let reads = service.records("action=export_audit_records", 9).await;
    assert_eq!(reads.len(), 9);
}

/// The record before the last so many.
fn last_of(records: &[Value], count: usize) -> &Value {
    &records[records.len() - 1 - count]
}

#[actix_web::test]
async fn a_spreadsheet_has_a_header_and_no_formulas() {
    let service = TestService::start().await;
    service
        .post("/items/")
        .bearer_auth(service.token("=cmd|' /C calc'!A0", Role::User))
        .header("user-agent", "@SUM(1,1)\"quoted\"")
        .json(&json!({ "name": "+1\n\u{202e}" }))
        .send()
        .await
        .unwrap();
    service.records("action=create_item", 1).await;
    let path = "/audit/export?format=csv&action=create_item";
    let response = service
        .get(path)
        .bearer_auth(service.token("ada", Role::Admin));
    let response = response.send().await.unwrap();
    assert_eq!(
        response.headers()["content-type"],
        "text/csv; charset=utf-8; header=present"
    );
    let file_name = response.headers()["content-disposition"].to_str().unwrap();
    assert!(
        file_name.starts_with("attachment; filename=\"audit-records-")
            && file_name.ends_with(".csv\"")
    );
    let csv = response.text().await.unwrap();
    let mut lines = csv.split_terminator("\r\n");
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    assert_eq!(header.len(), 33);
    assert_eq!(header[..2], ["id", "schema"]);
    let row = lines.next().unwrap();
    assert_eq!(lines.next(), None);
    assert!(row.contains("'=cmd|' /C calc'!A0"), "{row}");
    assert!(row.contains("\"'@SUM(1,1)\"\"quoted\"\"\""), "{row}");
    assert!(row.contains(r#"""name"":""+1\n\u202e"""#), "{row}");
    assert!(row.chars().all(audit::printable::is_printable), "{row}");
}

/// A stream that is read event by event.
struct Stream {
    response: Response,
    text: String,
}

impl Stream {
    async fn open(service: &TestService, query: &str, last_event: Option<&str>) -> Self {
        let mut request = service
            .get(&format!("/audit/stream?{query}"))
            .bearer_auth(service.token("otto", Role::Auditor));
        if let Some(last_event) = last_event {
            request = request.header("last-event-id", last_event);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut stream = Self {
            response,
            text: String::new(),
        };
        // It begins when it says so.
        let hello = stream.block().await.unwrap();
        assert!(hello.starts_with("retry: 2000\nid: "), "{hello}");
        stream
    }

    /// Up to the next empty line, or nothing at the end.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let block = block.to_owned();
                self.text = rest.to_owned();
                return Some(block);
            }
            let chunk = self.response.chunk().await.unwrap()?;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// The next record and its position.
    async fn record(&mut self) -> (String, Value) {
        loop {
            let block = self.block().await.unwrap();
            let mut lines = block.lines();
            if let (Some(id), Some("event: record"), Some(data), None) =
                (lines.next(), lines.next(), lines.next(), lines.next())
            {
                let id = id.strip_prefix("id: ").unwrap().to_owned();
                let data = data.strip_prefix("data: ").unwrap();
                return (id, serde_json::from_str(data).unwrap());
            }
            assert!(block.starts_with(": "), "{block}");
        }
    }
}

fn name(record: &Value) -> &str {
    record["request"]["name"].as_str().unwrap()
}

#[actix_web::test]
async fn a_stream_tells_records_as_they_are_stored_and_goes_on_where_it_was() {
    let service = TestService::start().await;
    create(&service, 1).await;
    let mut stream = Stream::open(&service, "action=create_item&q=kettle", None).await;
    for name in ["Pot", "Kettle a", "Kettle b"] {
        service.create(&json!({ "name": name })).await;
    }
    let (first, record) = stream.record().await;
    assert_eq!(name(&record), "Kettle a");
    let (_, record) = stream.record().await;
    assert_eq!(name(&record), "Kettle b");
    drop(stream);

    service.create(&json!({ "name": "Kettle c" })).await;
    let mut stream = Stream::open(&service, "action=create_item&q=kettle", Some(&first)).await;
    for expected in ["Kettle b", "Kettle c"] {
        let (_, record) = stream.record().await;
        assert_eq!(name(&record), expected);
    }
    // Whoever follows leaves a record for each time.
    service
        .records("action=follow_audit_records&outcome=success", 2)
        .await;
}

#[actix_web::test]
async fn a_stream_skips_nothing_when_transactions_commit_in_another_order() {
    let service = TestService::start().await;
    let mut stream = Stream::open(&service, "action=slow&action=fast", None).await;
    let insert = |action: &str| {
        format!(
            "INSERT INTO audit_records (id, schema, service, instance, seq, occurred_at, duration_us, action, outcome, \
             actor_kind, actor_roles, changes, notes, redacted, truncated, digest) \
             VALUES (gen_random_uuid(), 1, 's', 'i', 1, now(), 1, '{action}', 'success', 'system', '[]', '[]', '{{}}', \
             '[]', '[]', sha256(''))"
        )
    };
    let mut slow = service.database.connect();
    slow.batch_execute(&format!("BEGIN; {}", insert("slow")))
        .unwrap();
    // Stored and visible before the other one, which began before it.
    service
        .database
        .connect()
        .batch_execute(&insert("fast"))
        .unwrap();
    service.records("action=fast", 1).await;
    slow.batch_execute("COMMIT").unwrap();
    let (one, first) = stream.record().await;
    let (other, second) = stream.record().await;
    assert_eq!(
        (&first["action"], &second["action"]),
        (&json!("slow"), &json!("fast"))
    );
    assert_ne!(one, other);
}

#[actix_web::test]
async fn streams_of_one_actor_are_few_and_their_end_does_not_keep_the_service() {
    let mut service = TestService::start().await;
    let mut streams = Vec::new();
    for _ in 0..8 {
        streams.push(Stream::open(&service, "", None).await);
    }
    let request = service
        .get("/audit/stream")
        .bearer_auth(service.token("otto", Role::Auditor));
    assert_problem(429, "too_many_queries", &Answer::of(request).await);
    // Questions are counted for themselves.
    text(&service, "/audit/stats").await;
    let request = service
        .get("/audit/stream")
        .bearer_auth(service.token("ada", Role::Admin));
    assert_problem(
        400,
        "invalid_parameter",
        &Answer::of(request.header("last-event-id", "7")).await,
    );
    drop(streams.pop());
    let again = eventually("room for another stream", async || {
        let request = service
            .get("/audit/stream")
            .bearer_auth(service.token("otto", Role::Auditor));
        let response = request.send().await.unwrap();
        (response.status() == 200).then_some(response)
    })
    .await;
    drop(again);

    let stopping = std::time::Instant::now();
    service.stop().await.unwrap();
    assert!(stopping.elapsed() < std::time::Duration::from_secs(10));
    for mut stream in streams {
        while stream.block().await.is_some() {}
    }
}
