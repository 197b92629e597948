use items_api::auth::Role;
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

use crate::harness::{Answer, TestService, assert_problem};

#[actix_web::test]
async fn records_are_found_by_what_stands_at_a_place_in_their_request() {
    let service = TestService::start().await;
    for (colour, price) in [("red", 1.5), ("green", 2.0), ("blue", 1.5)] {
        let attributes = json!({ "colour": colour, "sizes": [{ "cm": 7 }] });
        let item = json!({ "name": "Kettle", "price": price, "attributes": attributes });
        service.create(&item).await;
    }
    service.records("action=create_item", 3).await;
    for (query, expected) in [
        ("payload.attributes.colour=red", 1),
        (
            "payload.attributes.colour=red&payload.attributes.colour=blue",
            2,
        ),
        ("payload.attributes.colour=red&payload.price=2.0", 0),
        ("payload.price=1.5", 2),
        ("payload.attributes.sizes.0.cm=7&actor=alice", 3),
        ("payload.attributes.sizes.1.cm=7", 0),
        ("payload.name=Ket", 0),
        ("payload.name=Kettle' OR ''='", 0),
    ] {
        let found = service.records(query, expected).await;
        assert_eq!(found.len(), expected, "{query}");
    }
}

#[actix_web::test]
async fn an_admin_finds_a_creation_by_actor_action_and_date_without_its_secrets() {
    let service = TestService::start().await;
    let item = json!({
        "name": "Kettle",
        "attributes": { "colour": "red", "password": "hunter2", "supplier": [{ "api_key": "k-123" }] },
    });
    let created = service.create(&item).await;
    assert_eq!(
        created["attributes"]["password"], "hunter2",
        "the service itself keeps what it was given"
    );

    for query in [
        "actor=alice",
        "action=create_item",
        "action=create_*",
        "from=-1h",
        "to=2999-01-01",
        "from=-1m&to=2999-01-01T00:00:00Z",
        "resource_type=item",
        "outcome=success&status=201",
        "status=2xx&method=POST&route=/items/",
        "ip=127.0.0.0/8",
        "actor=nobody&actor=alice",
    ] {
        let mut records = service
            .records(
                &format!("actor=alice&{query}").replace("actor=alice&actor", "actor"),
                1,
            )
            .await;
        let record = records.remove(0);
        assert_eq!(record["action"], "create_item", "{query}");
        assert_eq!(record["resource"]["id"], created["id"]);
        assert_eq!(
            record["request"]["attributes"],
            json!({ "colour": "red", "password": "[REDACTED]", "supplier": [{ "api_key": "[REDACTED]" }] })
        );
        assert_eq!(
            record["redacted"],
            json!([
                "/request/attributes/password",
                "/request/attributes/supplier/0/api_key"
            ])
        );
    }
    for query in [
        "actor=nobody",
        "action=create",
        "to=-1h",
        "from=2999-01-01",
        "outcome=failed&action=create_item",
        "ip=10.0.0.0/8",
    ] {
        assert_eq!(
            service.records(query, 0).await,
            Vec::<Value>::new(),
            "{query}"
        );
    }
}

#[actix_web::test]
async fn a_record_can_be_found_at_once_when_it_is_quiet() {
    let service = TestService::start().await;
    service.create(&json!({ "name": "First" })).await;
    service.records("action=create_item", 1).await;
    // Connections stand now. The bound is wide because the machine may be busy;
    // what is measured is that no batch waits to fill.
    let began = Instant::now();
    service.create(&json!({ "name": "Second" })).await;
    service.records("action=create_item", 2).await;
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
}

#[actix_web::test]
async fn reading_the_trail_takes_a_role_and_every_refusal_is_in_it() {
    let service = TestService::start().await;
    for path in [
        "/audit/records",
        "/audit/records/01a20d83-4a57-761d-bbdd-37048f771517",
    ] {
        assert_problem(
            401,
            "missing_credentials",
            &Answer::of(service.get(path)).await,
        );
        let alice = service.token("alice", Role::User);
        assert_problem(
            403,
            "forbidden",
            &Answer::of(service.get(path).bearer_auth(alice)).await,
        );
    }
    let denied = service.records("outcome=denied", 4).await;
    let told: Vec<_> = denied
        .iter()
        .map(|record| {
            (
                record["action"].as_str().unwrap(),
                record["actor"]["id"].as_str(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("read_audit_records", None),
            ("read_audit_records", Some("alice")),
            ("read_audit_record", None),
            ("read_audit_record", Some("alice")),
        ]
    );
    let auditor = service.token("otto", Role::Auditor);
    assert_eq!(
        Answer::of(service.get("/audit/records").bearer_auth(&auditor))
            .await
            .status,
        200
    );
    assert_problem(
        403,
        "forbidden",
        &Answer::of(service.get("/items/").bearer_auth(&auditor)).await,
    );
    let reads = service
        .records("actor=otto&action=read_audit_records", 1)
        .await;
    assert_eq!(
        reads[0]["outcome"], "success",
        "reading leaves a record as well"
    );
}

#[actix_web::test]
async fn one_record_has_its_digest_as_etag_and_need_not_be_sent_twice() {
    let service = TestService::start().await;
    service.create(&json!({ "name": "Kettle" })).await;
    let record = service.records("action=create_item", 1).await.remove(0);
    let ada = service.token("ada", Role::Admin);
    let path = format!("/audit/records/{}", record["id"].as_str().unwrap());
    let response = service.get(&path).bearer_auth(&ada).send().await.unwrap();
    let etag = response.headers()["etag"].to_str().unwrap().to_owned();
    let body = response.bytes().await.unwrap();
    let digest: String = audit::record::digest(&body)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(
        etag,
        format!("\"{digest}\""),
        "the body is the canonical bytes"
    );
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), record);

    for (known, status) in [
        (etag.clone(), 304),
        (format!("W/{etag}"), 304),
        (format!("\"other\", W/\"another\" ,{etag}"), 304),
        ("*".to_owned(), 304),
        ("\"other\"".to_owned(), 200),
        (digest.clone(), 200),
        (String::new(), 200),
    ] {
        let request = service.get(&path).bearer_auth(&ada);
        let request = request.header("if-none-match", &known);
        let again = request.send().await.unwrap();
        assert_eq!(again.status(), status, "{known}");
        assert_eq!(again.headers()["etag"], etag, "{known}");
    }
    let reads = service.records("action=read_audit_record", 8).await;
    assert!(
        reads
            .iter()
            .all(|read| read["resource"] == json!({ "type": "audit_record", "id": record["id"] }))
    );
    for unknown in [
        "01a20d83-4a57-761d-bbdd-37048f771517",
        "00000000-0000-0000-0000-000000000000",
        "17",
    ] {
        let path = format!("/audit/records/{unknown}");
        assert_problem(
            404,
            "record_not_found",
            &Answer::of(service.get(&path).bearer_auth(&ada)).await,
        );
    }
}

#[actix_web::test]
async fn pages_follow_the_link_and_give_every_record_once() {
    let service = TestService::start().await;
    for number in 0..10 {
        service
            .create(&json!({ "name": format!("Item {number}") }))
            .await;
    }
    let all = service.records("action=create_item", 10).await;
    let ada = service.token("ada", Role::Admin);
    for (order, expected) in [
        ("asc", all.clone()),
        ("desc", all.iter().rev().cloned().collect()),
    ] {
        let mut seen = Vec::new();
        let mut path =
            format!("/audit/records?action=create_item&actor=alice&limit=4&order={order}");
        loop {
            let response = service.get(&path).bearer_auth(&ada).send().await.unwrap();
            let link = response
                .headers()
                .get("link")
                .map(|link| link.to_str().unwrap().to_owned());
            let page: Value = response.json().await.unwrap();
            seen.extend(page["records"].as_array().unwrap().clone());
            match (link, page["next"].as_str()) {
                (Some(link), Some(next)) => {
                    assert!(link.contains(next));
                    path = link
                        .strip_prefix('<')
                        .unwrap()
                        .strip_suffix(">; rel=\"next\"")
                        .unwrap()
                        .to_owned();
                }
                (None, None) => break,
                mismatch => panic!("link and next must agree: {mismatch:?}"),
            }
        }
        assert_eq!(seen, expected, "{order}");
    }
}

#[actix_web::test]
async fn a_query_that_cannot_be_understood_is_refused_and_recorded() {
    let service = TestService::start().await;
    let ada = service.token("ada", Role::Admin);
    for (query, code) in [
        ("actr=alice", "unknown_parameter"),
        ("limit=0", "invalid_parameter"),
        ("limit=1001", "invalid_parameter"),
        ("limit=ten", "invalid_parameter"),
        ("from=yesterday", "invalid_parameter"),
        ("to=2026-13-01", "invalid_parameter"),
        ("status=999", "invalid_parameter"),
        ("actor=%00", "invalid_parameter"),
        ("cursor=garbage", "invalid_cursor"),
        (
            "cursor=AWT___________________________________8",
            "invalid_cursor",
        ),
    ] {
        let answer = Answer::of(
            service
                .get(&format!("/audit/records?{query}"))
                .bearer_auth(&ada),
        )
        .await;
        assert_problem(400, code, &answer);
    }
    let rejected = service
        .records("action=read_audit_records&outcome=rejected&status=400", 10)
        .await;
    assert_eq!(rejected[0]["http"]["query"], "actr=alice");
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        let answer = Answer::of(service.request(method, "/audit/records").bearer_auth(&ada)).await;
        assert_problem(405, "method_not_allowed", &answer);
    }
}

#[actix_web::test]
async fn two_instances_write_into_one_trail_each_with_numbers_of_its_own() {
    let service = TestService::start().await;
    service.create(&json!({ "name": "Here" })).await;
    let database = audit::testing::TestDatabase::empty();
    let other = TestService::start_at(database, service.database.url().to_owned()).await;
    other.is_ready().await;
    other.create(&json!({ "name": "There" })).await;
    let records = service.records("action=create_item", 2).await;
    assert_ne!(records[0]["instance"], records[1]["instance"]);
    assert!(
        records
            .iter()
            .all(|record| record["service"] == "items-api")
    );
    // The first record of each tells of its start.
    assert_eq!([&records[0]["seq"], &records[1]["seq"]], [2, 2]);
}

#[actix_web::test]
async fn a_trace_leads_to_what_each_of_its_services_recorded() {
    let service = TestService::start().await;
    let database = audit::testing::TestDatabase::empty();
    let other = TestService::start_at(database, service.database.url().to_owned()).await;
    other.is_ready().await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    for (hop, name) in [(&service, "Here"), (&other, "There")] {
        let request = hop
            .post("/items/")
            .bearer_auth(hop.token("alice", Role::User))
            // Each hop has a span of its own within the trace.
            .header(
                "traceparent",
                format!("00-{trace}-00f067aa0ba902b{}-01", name.len()),
            )
            .json(&json!({ "name": name }));
        assert_eq!(Answer::of(request).await.status, 201);
    }
    service.create(&json!({ "name": "Elsewhere" })).await;
    let records = service.records(&format!("trace_id={trace}"), 2).await;
    let names: Vec<_> = records
        .iter()
        .map(|record| record["request"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["Here", "There"]);
    assert_ne!(records[0]["instance"], records[1]["instance"]);
    assert_ne!(
        records[0]["http"]["request_id"],
        records[1]["http"]["request_id"]
    );
}

#[actix_web::test]
async fn filters_leave_records_out_and_change_neither_what_they_say_nor_their_order() {
    let service = TestService::start().await;
    for number in 0..4 {
        service
            .create(&json!({ "name": format!("Item {number}"), "price": number }))
            .await;
        for (method, path) in [(Method::DELETE, "/items/7"), (Method::PUT, "/items/8")] {
            let request = service.request(method, path);
            let bob = service.token("bob", Role::User);
            let request = request.bearer_auth(bob).json(&json!({ "name": "Pot" }));
            assert_eq!(Answer::of(request).await.status, 404);
        }
    }
    // What is asked from here on comes behind all of it.
    let all = service.records("actor=alice&actor=bob", 12).await;
    assert_eq!(all.len(), 12);
    type LetsThrough = fn(&Value) -> bool;
    let cases: [(&str, LetsThrough); 10] = [
        ("actor=alice", |record| record["actor"]["id"] == "alice"),
        ("actor=bob&method=PUT", |record| {
            record["http"]["method"] == "PUT"
        }),
        (
            "actor=alice&actor=bob&action=delete_*&action=create_item",
            |record| record["action"] != "replace_item",
        ),
        ("outcome=rejected&status=4xx", |record| {
            record["outcome"] == "rejected"
        }),
        ("resource_type=item&resource_id=7", |record| {
            record["resource"]["id"] == "7"
        }),
        ("actor=alice&actor=bob&from=-1h&ip=127.0.0.1", |_| true),
        ("actor=nobody", |_| false),
        // What would mean something in SQL is a text like any other.
        ("action=create__*", |_| false),
        ("action=crea%25*", |_| false),
        ("actor=alice%27%20OR%20%27%27=%27", |_| false),
    ];
    for (query, lets_through) in cases {
        let expected: Vec<&Value> = all.iter().filter(|record| lets_through(record)).collect();
        let found = service.records(query, expected.len()).await;
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{query}");
    }
}

/// Longer than an entry of any index may be, and nothing that can be compressed.
#[actix_web::test]
async fn an_attempt_on_a_resource_with_an_endless_id_is_stored_like_any_other() {
    let service = TestService::start().await;
    let mut state = 1_u64;
    let id: String = std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        format!("{:08x}", state >> 32)
    })
    .take(800)
    .collect();
    let answer = service
        .get(&format!("/audit/records/{id}"))
        .bearer_auth(service.token("otto", Role::Auditor));
    assert_eq!(answer.send().await.unwrap().status(), 404);
    let record = service
        .records("action=read_audit_record", 1)
        .await
        .remove(0);
    let kept = record["resource"]["id"].as_str().unwrap();
    assert!(kept.starts_with(&id[..256]) && kept.len() < 300, "{kept}");
    assert_eq!(record["truncated"][0]["path"], "/resource/id");
}
