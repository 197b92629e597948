//! Records of the past, put where the service would have put them.

use audit::record::{Record, digest};
use audit::testing::TestDatabase;
use chrono::{DateTime, TimeDelta, Utc};
use diesel::RunQueryDsl as _;
use diesel::sql_types::{Array, Bytea, Text};
use serde_json::{Value, json};
use uuid::{ContextV7, Timestamp, Uuid};

/// A record of some minutes ago, of Alice who created an item, but for what is given:
/// the members of `with` take the place of those here.
pub(crate) fn record(minutes_ago: f64, with: &Value) -> Value {
    let microseconds = (minutes_ago * 60e6) as i64;
    at(Utc::now() - TimeDelta::microseconds(microseconds), with)
}

fn at(time: DateTime<Utc>, with: &Value) -> Value {
    let seconds = u64::try_from(time.timestamp()).unwrap();
    let timestamp = Timestamp::from_unix(ContextV7::new(), seconds, time.timestamp_subsec_nanos());
    let mut record = json!({
        "id": Uuid::new_v7(timestamp),
        "schema": 1,
        "service": "items-api",
        "instance": "seed",
        "seq": 1,
        "occurred_at": time.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string(),
        "duration_us": 1_840,
        "action": "create_item",
        "outcome": "success",
        "reason": null,
        "actor": { "kind": "user", "id": "alice", "roles": ["user"], "auth": "jwt", "credential": "8f3d2c" },
        "resource": { "type": "item", "id": Uuid::new_v4() },
        "http": {
            "method": "POST", "route": "/items/", "path": "/items/", "query": null, "status": 201,
            "request_id": Uuid::new_v4(), "trace_id": null,
        },
        "client": { "ip": "203.0.113.24", "peer": "10.0.0.5", "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0" },
        "request": { "name": "Kettle", "price": 12.5 },
        "response": null,
        "changes": [],
        "notes": {},
        "redacted": [],
        "truncated": [],
    });
    merge(&mut record, with);
    record
}

fn merge(record: &mut Value, with: &Value) {
    match (record, with) {
        (Value::Object(record), Value::Object(with)) => {
            for (name, value) in with {
                match record.get_mut(name) {
                    // Payloads are exchanged as a whole.
                    Some(own @ Value::Object(_)) if name != "request" => merge(own, value),
                    _ => {
                        record.insert(name.clone(), value.clone());
                    }
                }
            }
        }
        (record, with) => *record = with.clone(),
    }
}

/// Stores records, which are given as JSON texts.
pub(crate) fn store_texts(database: &TestDatabase, texts: &[String]) {
    let records: Vec<Vec<u8>> = texts
        .iter()
        .map(|text| {
            let record = Record::from_canonical_bytes(text.as_bytes()).unwrap();
            record.canonical_bytes().unwrap()
        })
        .collect();
    let digests: Vec<Vec<u8>> = records
        .iter()
        .map(|record| digest(record).to_vec())
        .collect();
    let records: Vec<String> = records
        .into_iter()
        .map(|record| String::from_utf8(record).unwrap())
        .collect();
    diesel::sql_query(
        "INSERT INTO audit_records (
            id, schema, service, instance, seq, occurred_at, duration_us, action, outcome, reason,
            actor_kind, actor_id, actor_roles, actor_auth, actor_credential, resource_type, resource_id,
            http_method, http_route, http_path, http_query, http_status, http_request_id, http_trace_id,
            client_ip, client_peer, client_user_agent,
            request, response, changes, notes, redacted, truncated, digest)
         SELECT (r->>'id')::uuid, (r->>'schema')::int2, r->>'service', r->>'instance', (r->>'seq')::int8,
            (r->>'occurred_at')::timestamptz, (r->>'duration_us')::int8, r->>'action', r->>'outcome', r->>'reason',
            r->'actor'->>'kind', r->'actor'->>'id', r->'actor'->'roles', r->'actor'->>'auth', r->'actor'->>'credential',
            r->'resource'->>'type', r->'resource'->>'id',
            r->'http'->>'method', r->'http'->>'route', r->'http'->>'path', r->'http'->>'query',
            (r->'http'->>'status')::int2, r->'http'->>'request_id', r->'http'->>'trace_id',
            (r->'client'->>'ip')::inet, (r->'client'->>'peer')::inet, r->'client'->>'user_agent',
            CASE WHEN json_typeof(r->'request') <> 'null' THEN r->'request' END,
            CASE WHEN json_typeof(r->'response') <> 'null' THEN r->'response' END,
            r->'changes', r->'notes', r->'redacted', r->'truncated', stored.digest
         FROM (SELECT text::json AS r, digest FROM unnest($1, $2) AS given (text, digest)) AS stored",
    )
    .bind::<Array<Text>, _>(records)
    .bind::<Array<Bytea>, _>(digests)
    .execute(&mut database.connect())
    .unwrap();
}

/// Stores records.
pub(crate) fn store(database: &TestDatabase, records: &[Value]) {
    let texts: Vec<String> = records.iter().map(Value::to_string).collect();
    store_texts(database, &texts);
}

/// Numbers that look like chance and are always the same.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn id(&mut self) -> Uuid {
        let bytes = [(); 16].map(|()| u8::try_from(self.below(256)).unwrap());
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }

    fn one_of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        let count = u64::try_from(choices.len()).unwrap();
        choices[usize::try_from(self.below(count)).unwrap()]
    }
}

/// A day of a service that people use: more by day than by night, with some refusals, and
/// a quarter of an hour in which its store did not answer.
pub(crate) fn a_day(count: u32) -> Vec<Value> {
    const PEOPLE: [&str; 12] = [
        "alice", "alice", "alice", "bob", "bob", "carol", "carol", "dmitri", "esther", "farid",
        "gwen", "hiro",
    ];
    const THINGS: [&str; 6] = ["Kettle", "Teapot", "Lamp", "Desk", "Mug", "Notebook"];
    const PLACES: [&str; 4] = ["203.0.113.24", "198.51.100.7", "2001:db8::17", "192.0.2.61"];
    let mut chance = Chance(7);
    let mut records = Vec::new();
    while records.len() < count as usize {
        let minutes_ago = chance.below(24 * 60 * 60) as f64 / 60.0;
        let hour = (24.0 + 15.0 - minutes_ago / 60.0) % 24.0;
        let busy = (1.0 - ((hour - 13.0) / 9.0).powi(2)).max(0.12);
        if chance.below(100) as f64 > busy * 100.0 {
            continue;
        }
        let item = chance.id();
        let path = format!("/items/{item}");
        let thing = chance.one_of(&THINGS);
        let price = f64::from(u32::try_from(chance.below(20_000)).unwrap()) / 100.0;
        let body = json!({
            "name": thing, "price": price,
            "attributes": { "colour": chance.one_of(&["red", "green", "oak"]), "supplier": { "name": "Nordlicht GmbH", "api_key": "[REDACTED]" } },
        });
        let hidden = json!(["/request/attributes/supplier/api_key"]);
        let mut with = match chance.below(10) {
            0..5 => json!({ "request": body, "redacted": hidden }),
            5..8 => json!({
                "action": "patch_item", "http": { "method": "PATCH", "route": "/items/{item_id}", "path": path, "status": 200 },
                "request": { "price": price, "description": format!("A sturdy {} for everyday use", thing.to_lowercase()), "attributes": { "tags": ["sale", "autumn"] } },
                "changes": [
                    { "path": "/price", "old": (price * 110.0).round() / 100.0, "new": price },
                    { "path": "/description", "old": format!("A {} for everyday use", thing.to_lowercase()), "new": format!("A sturdy {} for everyday use", thing.to_lowercase()) },
                    { "path": "/attributes/tags", "old": null, "new": ["sale", "autumn"] },
                ],
            }),
            8 => json!({
                "action": "replace_item", "http": { "method": "PUT", "route": "/items/{item_id}", "path": path, "status": 200 },
                "request": body, "redacted": hidden,
            }),
            _ => json!({
                "action": "delete_item", "http": { "method": "DELETE", "route": "/items/{item_id}", "path": path, "status": 204 },
                "request": null,
            }),
        };
        let ended = match chance.below(100) {
            0..5 => {
                json!({ "outcome": "denied", "reason": "not_the_owner", "http": { "status": 403 }, "changes": [] })
            }
            5..7 => json!({
                "outcome": "denied", "reason": "invalid_credentials", "http": { "status": 401 }, "changes": [],
                "actor": { "kind": "anonymous", "id": null, "roles": [], "auth": null, "credential": null },
            }),
            7..12 => {
                json!({ "outcome": "rejected", "reason": "invalid_body", "http": { "status": 400 }, "request": null, "redacted": [], "changes": [] })
            }
            12 => json!({ "outcome": "aborted", "http": { "status": null }, "changes": [] }),
            _ if (380.0..396.0).contains(&minutes_ago) => {
                json!({ "outcome": "failed", "reason": "store_unavailable", "http": { "status": 503 }, "changes": [] })
            }
            _ => json!({}),
        };
        merge(
            &mut with,
            &json!({ "actor": { "id": chance.one_of(&PEOPLE) } }),
        );
        let common = json!({
            "seq": records.len() + 2, "duration_us": 700 + chance.below(9_000),
            "resource": { "id": item }, "client": { "ip": chance.one_of(&PLACES) },
        });
        merge(&mut with, &common);
        for (name, value) in ended.as_object().unwrap() {
            match with.get_mut(name) {
                Some(own @ Value::Object(_)) if name != "request" => merge(own, value),
                _ => with[name] = value.clone(),
            }
        }
        records.push(record(minutes_ago + 0.5, &with));
    }
    records
}
