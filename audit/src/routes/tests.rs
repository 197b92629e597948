//! Whatever is asked for: what is found is what a plain reading of the question finds.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use ipnet::IpNet;
use serde_json::{Value, json};
use uuid::{NoContext, Timestamp, Uuid};

use super::records::page_request;
use crate::postgres::{
    CommitPosition, Dimension, Filter, Followed, Page, RowPosition, StatsRequest, Store,
    StoreSettings,
};
use crate::record::{JsonText, Record};
use crate::testing::TestDatabase;

/// How many questions are asked.
const QUESTIONS: usize = 3_000;
const RECORDS: usize = 500;

/// The same numbers in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        // Knuth's MMIX; the high bits are the random ones.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }

    fn of<'v, T>(&mut self, values: &'v [T]) -> &'v T {
        &values[self.below(values.len())]
    }

    fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

const ACTORS: [&str; 4] = ["alice", "bob", "carol", "O'Brien %_"];
const ACTIONS: [&str; 5] = [
    "create_item",
    "create_order",
    "delete_item",
    "creates",
    "audit.start",
];
const TYPES: [&str; 3] = ["item", "order", "Item"];
const IDS: [&str; 4] = ["7", "8", "77", "a/b"];
const OUTCOMES: [&str; 6] = [
    "success", "rejected", "denied", "failed", "aborted", "unknown",
];
const METHODS: [&str; 3] = ["GET", "POST", "DELETE"];
const ROUTES: [&str; 3] = ["/items/", "/items/{item_id}", "/audit/records"];
const STATUSES: [u16; 6] = [200, 201, 400, 404, 403, 503];
const ADDRESSES: [&str; 5] = [
    "192.0.2.7",
    "192.0.2.8",
    "192.0.3.1",
    "2001:db8::1",
    "2001:db9::1",
];
const WORDS: [&str; 10] = [
    "red",
    "Redder",
    "apple",
    "grün",
    "GRÜN",
    "a/b",
    "back\\slash",
    "quo\"te",
    "100%",
    "under_score",
];

fn record(random: &mut Random, start: DateTime<Utc>) -> Record {
    // Several in the same millisecond, and some in the same microsecond.
    let micros = random.below(40_000) as i64 / 20 * 500;
    let occurred_at = start + TimeDelta::microseconds(micros);
    let stamp = Timestamp::from_unix(
        NoContext,
        occurred_at.timestamp().cast_unsigned(),
        occurred_at.timestamp_subsec_nanos(),
    );
    let http = (!random.once_in(6)).then(|| {
        json!({
            "method": random.of(&METHODS),
            "route": (!random.once_in(5)).then(|| *random.of(&ROUTES)),
            "path": "/p",
            "query": null,
            "status": (!random.once_in(8)).then(|| *random.of(&STATUSES)),
            "request_id": format!("request-{}", random.below(20)),
            "trace_id": random.once_in(2).then(|| format!("{:032x}", random.below(9))),
        })
    });
    let client = http.is_some().then(|| {
        json!({
            "ip": (!random.once_in(7)).then(|| *random.of(&ADDRESSES)),
            "peer": "127.0.0.1",
            "user_agent": null,
        })
    });
    let record = json!({
        "id": Uuid::new_v7(stamp),
        "schema": 1,
        "service": "s",
        "instance": "i",
        "seq": 1,
        "occurred_at": occurred_at,
        "duration_us": 1,
        "action": random.of(&ACTIONS),
        "outcome": random.of(&OUTCOMES),
        "reason": null,
        "actor": {
            "kind": "user",
            "id": (!random.once_in(5)).then(|| *random.of(&ACTORS)),
            "roles": [],
            "auth": null,
            "credential": null,
        },
        "resource": (!random.once_in(4)).then(|| {
            json!({ "type": random.of(&TYPES), "id": (!random.once_in(4)).then(|| *random.of(&IDS)) })
        }),
        "http": http,
        "client": client,
        "request": null,
        "response": null,
        "changes": [],
        "notes": {},
        "redacted": [],
        "truncated": [],
    });
    let mut record: Record = serde_json::from_value(record).unwrap();
    record.request = (!random.once_in(4)).then(|| payload(random));
    record.response = random.once_in(3).then(|| payload(random));
    record.notes = if random.once_in(3) {
        payload(random)
    } else {
        record.notes
    };
    record
}

/// An object, as one client or another would write it.
fn payload(random: &mut Random) -> JsonText {
    let words = |random: &mut Random| format!("{} {}", random.of(&WORDS), random.of(&WORDS));
    let (name, colour) = (words(random), words(random));
    let value = json!({
        "name": name,
        "count": random.below(3),
        "is_new": random.once_in(2),
        "attributes": { "colour": colour, "tags": [random.of(&WORDS)] },
    });
    let text = value.to_string();
    let text = match random.below(3) {
        0 => text,
        1 => text.replace('/', r"\/"),
        // As some serialisers do, and as somebody would who does not want to be found.
        _ => text
            .chars()
            .map(|character| match character {
                'r' | '\u{80}'.. => format!(r"\u{:04X}", character as u32),
                other => other.to_string(),
            })
            .collect(),
    };
    // `null` and `true` are no strings, so they must not have been touched.
    let text = text.replace(r"t\u0072ue", "true");
    JsonText::new(text).unwrap()
}

/// Names of parameters and their values.
type Question = BTreeMap<String, Vec<String>>;

fn question(random: &mut Random, start: DateTime<Utc>) -> Question {
    let mut question = Question::new();
    for _ in 0..=random.below(3) {
        let (name, value) = parameter(random, start);
        let values = question.entry(name).or_default();
        values.push(value);
    }
    for name in ["from", "to"] {
        if let Some(values) = question.get_mut(name) {
            values.truncate(1);
        }
    }
    if question.get("from") > question.get("to") && question.contains_key("to") {
        question.remove("from");
    }
    question
}

fn parameter(random: &mut Random, start: DateTime<Utc>) -> (String, String) {
    let (name, value) = match random.below(15) {
        0 => ("actor", (*random.of(&ACTORS)).to_owned()),
        1 => ("action", (*random.of(&ACTIONS)).to_owned()),
        2 => (
            "action",
            format!("{}*", random.of(&["create", "create_", "crea%", "x", ""])),
        ),
        3 => ("resource_type", (*random.of(&TYPES)).to_owned()),
        4 => ("resource_id", (*random.of(&IDS)).to_owned()),
        5 => ("outcome", (*random.of(&OUTCOMES)).to_owned()),
        6 => (
            "status",
            (*random.of(&["200", "404", "4xx", "5xx", "1xx"])).to_owned(),
        ),
        7 => ("method", (*random.of(&["GET", "post", "PUT"])).to_owned()),
        8 => ("route", (*random.of(&ROUTES)).to_owned()),
        9 => (
            "ip",
            (*random.of(&[
                "192.0.2.0/24",
                "192.0.2.7",
                "2001:db8::/32",
                "0.0.0.0/0",
                "10.0.0.0/8",
            ]))
            .to_owned(),
        ),
        10 => ("request_id", format!("request-{}", random.below(22))),
        11 => ("trace_id", format!("{:032X}", random.below(10))),
        12 => (
            "q",
            (*random.of(&[
                "red",
                "RED apple",
                "grün",
                "a/b",
                "k\\s",
                "quo\"te",
                "100%",
                "er_s",
                "zebra",
                "is_new true",
            ]))
            .to_owned(),
        ),
        13 => {
            let (name, value) = *random.of(&[
                ("payload.name", "red apple"),
                ("payload.count", "1"),
                ("payload.is_new", "true"),
                ("payload.attributes.tags.0", "GRÜN"),
                ("payload.attributes.tags.0", "a/b"),
                ("payload.attributes.tags.0", "quo\"te"),
                ("payload.attributes.tags.1", "red"),
                ("payload.nothing", "1"),
            ]);
            (name, value.to_owned())
        }
        _ => {
            let time = start + TimeDelta::microseconds(random.below(1_000_000) as i64);
            (*random.of(&["from", "to"]), time.to_rfc3339())
        }
    };
    (name.to_owned(), value)
}

/// Whether a record is asked for, as the documentation tells it.
fn is_asked_for(record: &Value, question: &Question) -> bool {
    question
        .iter()
        .all(|(name, values)| values.iter().any(|value| has(record, name, value)))
}

fn has(record: &Value, name: &str, value: &str) -> bool {
    let is = |place: &str| record.pointer(place).and_then(Value::as_str) == Some(value);
    let time = || {
        record["occurred_at"]
            .as_str()
            .unwrap()
            .parse::<DateTime<Utc>>()
            .unwrap()
    };
    match name {
        "actor" => is("/actor/id"),
        "action" => match value.strip_suffix('*') {
            Some(prefix) => record["action"].as_str().unwrap().starts_with(prefix),
            None => is("/action"),
        },
        "resource_type" => is("/resource/type"),
        "resource_id" => is("/resource/id"),
        "outcome" => is("/outcome"),
        "status" => {
            let status = record["http"]["status"].as_u64().unwrap_or(0).to_string();
            match value.strip_suffix("xx") {
                Some(class) => status.len() == 3 && status.starts_with(class),
                None => status == value,
            }
        }
        "method" => record["http"]["method"].as_str() == Some(&value.to_uppercase()),
        "route" => is("/http/route"),
        "ip" => {
            let net = value
                .parse::<IpNet>()
                .or_else(|_| value.parse().map(|ip: std::net::IpAddr| ip.into()));
            let ip = record["client"]["ip"]
                .as_str()
                .map(|ip| ip.parse::<std::net::IpAddr>().unwrap());
            ip.is_some_and(|ip| net.unwrap().contains(&ip))
        }
        "request_id" => is("/http/request_id"),
        "trace_id" => record["http"]["trace_id"].as_str() == Some(&value.to_lowercase()),
        "q" => {
            let parts = ["request", "response", "changes", "notes"];
            let mut text = String::new();
            for part in parts {
                read(&record[part], &mut text);
            }
            let text = text.to_lowercase();
            value
                .to_lowercase()
                .split_whitespace()
                .all(|word| text.contains(word))
        }
        "from" => time() >= value.parse::<DateTime<Utc>>().unwrap(),
        "to" => time() < value.parse::<DateTime<Utc>>().unwrap(),
        place => {
            let steps = place.strip_prefix("payload.").unwrap().replace('.', "/");
            match record["request"].pointer(&format!("/{steps}")) {
                Some(Value::String(text)) => text == value,
                Some(Value::Bool(is_true)) => value.parse() == Ok(*is_true),
                Some(other) => {
                    serde_json::from_str(value).is_ok_and(|value: Value| value == *other)
                }
                None => false,
            }
        }
    }
}

/// All that stands in a value, names too.
fn read(value: &Value, text: &mut String) {
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| {
            *text += name;
            text.push(' ');
            read(value, text);
        }),
        Value::Array(items) => items.iter().for_each(|item| read(item, text)),
        Value::String(string) => {
            *text += string;
            text.push(' ');
        }
        other => {
            *text += &other.to_string();
            text.push(' ');
        }
    }
}

fn query_string(question: &Question) -> String {
    let pairs = question
        .iter()
        .flat_map(|(name, values)| values.iter().map(move |value| (name, value)));
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}

fn store(database: &TestDatabase) -> Store {
    Store::new(StoreSettings::new(database.url().to_owned()))
}

fn insert(store: &Store, records: &[Record]) {
    let bytes: Vec<Vec<u8>> = records
        .iter()
        .map(|record| record.canonical_bytes().unwrap())
        .collect();
    store.insert(&bytes).unwrap();
}

/// Every page of a query, one after the other; each may have a say before the next.
fn walk(store: &Store, query: &str, mut meanwhile: impl FnMut() -> ControlFlow<()>) -> Vec<Value> {
    let mut request = page_request(query, Utc::now()).unwrap();
    let mut found = Vec::new();
    loop {
        let Page { records, next } = store.find(&request).unwrap();
        assert!(records.len() <= usize::from(request.limit));
        found.extend(
            records
                .iter()
                .map(|record| serde_json::from_slice::<Value>(&record.canonical).unwrap()),
        );
        request.after = next;
        if next.is_none() || meanwhile().is_break() {
            return found;
        }
    }
}

fn ids<'v>(records: impl IntoIterator<Item = &'v Value>) -> Vec<&'v str> {
    records
        .into_iter()
        .map(|record| record["id"].as_str().unwrap())
        .collect()
}

#[test]
fn thousands_of_questions_find_what_a_plain_reading_of_them_finds_page_by_page_and_in_counts() {
    let database = TestDatabase::migrated(None);
    let store = store(&database);
    let start = Utc::now() - TimeDelta::hours(1);
    let mut random = Random(2_026);
    let records: Vec<Record> = (0..RECORDS).map(|_| record(&mut random, start)).collect();
    insert(&store, &records);
    let mut records: Vec<Value> = records
        .iter()
        .map(|record| serde_json::from_slice(&record.canonical_bytes().unwrap()).unwrap())
        .collect();
    records.sort_by_key(|record| (record["occurred_at"].to_string(), record["id"].to_string()));
    // Transactions of other tests may hold the horizon back for a moment.
    let began = Instant::now();
    while followed(&store, &Filter::default()) < RECORDS {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "something holds the horizon back"
        );
        thread::yield_now();
    }

    let mut found_some = 0;
    for number in 0..QUESTIONS {
        let question = question(&mut random, start);
        let query = query_string(&question);
        let mut expected = ids(records
            .iter()
            .filter(|record| is_asked_for(record, &question)));
        found_some += usize::from(!expected.is_empty());

        if number % 5 == 0 {
            let filter = page_request(&query, Utc::now()).unwrap().filter;
            assert_counts(&store, filter, expected.len(), &query);
        }
        let order = *random.of(&["asc", "desc"]);
        if order == "desc" {
            expected.reverse();
        }
        let limit = *random.of(&[20, 100, 1000]);
        let found = walk(
            &store,
            &format!("{query}&order={order}&limit={limit}"),
            || ControlFlow::Continue(()),
        );
        assert_eq!(ids(&found), expected, "{query} {order} {limit}");
    }
    assert!(found_some > QUESTIONS / 3, "{found_some}");
}

/// The number of records that a follower is given from the beginning of the trail.
fn followed(store: &Store, filter: &Filter) -> usize {
    let start = CommitPosition {
        row: RowPosition::START,
        ..store.begin_following(None).unwrap().unwrap()
    };
    match store.committed(filter, start, 1000).unwrap() {
        Followed::Records(committed) => committed.records.len(),
        _ => panic!("the start is not known"),
    }
}

/// Counted in stretches of time, by each dimension, and in the order of commits.
fn assert_counts(store: &Store, filter: Filter, expected: usize, query: &str) {
    assert_eq!(followed(store, &filter), expected, "{query}");
    let stats = store
        .stats(&StatsRequest {
            filter,
            now: Utc::now(),
            by: Dimension::ALL.to_vec(),
        })
        .unwrap();
    let expected = expected as i64;
    let total: i64 = stats
        .buckets
        .iter()
        .flat_map(|bucket| bucket.outcomes.values())
        .sum();
    assert_eq!(total, expected, "{query}");
    for (dimension, counts) in &stats.by {
        let total: i64 = counts.iter().map(|count| count.count).sum();
        assert_eq!(total, expected, "{query} {dimension:?}");
    }
}

#[test]
fn pages_show_each_earlier_record_once_while_others_are_stored() {
    const EARLIER: usize = 300;
    let database = TestDatabase::migrated(None);
    let store = store(&database);
    let mut random = Random(7);
    let start = Utc::now() - TimeDelta::hours(1);
    let earlier: Vec<Record> = (0..EARLIER).map(|_| record(&mut random, start)).collect();
    insert(&store, &earlier);

    for order in ["asc", "desc"] {
        // One page, one batch of others, and so on.
        let turn = Barrier::new(2);
        let is_over = std::sync::atomic::AtomicBool::new(false);
        let found = thread::scope(|scope| {
            scope.spawn(|| {
                let mut random = Random(8);
                loop {
                    turn.wait();
                    if is_over.load(std::sync::atomic::Ordering::Acquire) {
                        return;
                    }
                    let others: Vec<Record> =
                        (0..5).map(|_| record(&mut random, Utc::now())).collect();
                    insert(&store, &others);
                    turn.wait();
                }
            });
            let found = walk(&store, &format!("order={order}&limit=13"), || {
                turn.wait();
                turn.wait();
                ControlFlow::Continue(())
            });
            is_over.store(true, std::sync::atomic::Ordering::Release);
            turn.wait();
            found
        });
        let mut times: BTreeMap<&str, usize> = BTreeMap::new();
        for id in ids(&found) {
            *times.entry(id).or_default() += 1;
        }
        for record in &earlier {
            assert_eq!(
                times.get(record.id.to_string().as_str()),
                Some(&1),
                "{order}"
            );
        }
        assert!(times.values().all(|times| *times == 1), "{order}");
    }
}
