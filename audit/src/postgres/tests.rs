//! Records through a real Postgres.

use std::net::IpAddr;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::connection::SimpleConnection as _;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Text};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestRunner};
use serde_json::value::RawValue;
use uuid::{NoContext, Timestamp};

use super::*;
use crate::record::{
    Actor, ActorKind, Change, Client, Http, JsonText, Outcome, Record, RecordView, Resource,
    SCHEMA, Truncated, digest,
};
use crate::testing::TestDatabase;

fn store(database: &TestDatabase) -> Store {
    Store::new(StoreSettings::new(database.url().to_owned()))
}

fn everything(limit: u16) -> PageRequest {
    matching(Filter::default(), limit)
}

fn matching(filter: Filter, limit: u16) -> PageRequest {
    PageRequest {
        filter,
        order: Order::NewestFirst,
        after: None,
        limit,
    }
}

/// The id of a record that begins at this instant.
fn id_at(occurred_at: DateTime<Utc>) -> Uuid {
    Uuid::new_v7(Timestamp::from_unix(
        NoContext,
        u64::try_from(occurred_at.timestamp()).unwrap(),
        occurred_at.timestamp_subsec_nanos(),
    ))
}

/// Text as it may arrive here: anything but NUL, which redaction replaces.
fn text() -> impl Strategy<Value = String> {
    proptest::string::string_regex("[^\u{0}]{0,20}").unwrap()
}

/// JSON texts that a parser and a printer would not give back as they were.
fn json() -> impl Strategy<Value = JsonText> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,30})?([eE][-+]?[0-9]{1,3})?",
        text().prop_map(|text| serde_json::to_string(&text).unwrap()),
        Just(r#""\u00e9\/\ud83d\ude00""#.to_owned()),
    ];
    let tree = leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|values| format!("[{}]", values.join(","))),
            prop::collection::vec((text(), inner), 0..4).prop_map(|members| {
                // Repeated names stay, and so does their order.
                let members: Vec<String> = members
                    .iter()
                    .map(|(name, value)| {
                        format!("{}:{value}", serde_json::to_string(name).unwrap())
                    })
                    .collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    });
    tree.prop_map(|text| JsonText::new(text).unwrap())
}

fn optional<T: std::fmt::Debug>(
    strategy: impl Strategy<Value = T>,
) -> impl Strategy<Value = Option<T>> {
    prop::option::of(strategy)
}

fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<[u8; 4]>().prop_map(IpAddr::from),
        any::<[u8; 16]>().prop_map(IpAddr::from)
    ]
}

prop_compose! {
    fn actor()(
        kind in prop::sample::select(&[ActorKind::User, ActorKind::Service, ActorKind::System, ActorKind::Anonymous]),
        id in optional(text()), roles in prop::collection::vec(text(), 0..4),
        auth in optional(text()), credential in optional(text()),
    ) -> Actor {
        Actor { kind, id, roles, auth, credential }
    }
}

prop_compose! {
    fn exchange()(
        method in text(), route in optional(text()), path in text(), query in optional(text()),
        status in optional(100_i16..600), request_id in text(), trace_id in optional(text()),
        ip in optional(address()), peer in optional(address()), user_agent in optional(text()),
    ) -> (Http, Client) {
        (Http { method, route, path, query, status, request_id, trace_id }, Client { ip, peer, user_agent })
    }
}

prop_compose! {
    fn resource()(kind in text(), id in optional(text())) -> Resource {
        Resource { kind: Some(kind), id }
    }
}

prop_compose! {
    fn change()(path in text(), old in optional(json()), new in optional(json())) -> Change {
        Change { path, old, new }
    }
}

prop_compose! {
    fn truncated()(path in text(), bytes in 0..u64::MAX, sha256 in optional(text())) -> Truncated {
        Truncated { path, bytes, sha256 }
    }
}

prop_compose! {
    fn record()(
        // From 1970 to 2100, before and after every partition.
        micros in 0..4_102_444_800_000_000_i64,
        numbers in any::<(i64, i64)>(),
        names in (text(), text(), text(), optional(text())),
        outcome in prop::sample::select(&Outcome::ALL),
        actor in actor(), resource in optional(resource()), exchange in optional(exchange()),
        source in optional(address()),
        payloads in (optional(json()), optional(json()), json()),
        changes in prop::collection::vec(change(), 0..3),
        findings in (prop::collection::vec(text(), 0..3), prop::collection::vec(truncated(), 0..3)),
    ) -> Record {
        let occurred_at = DateTime::<Utc>::from_timestamp_micros(micros).unwrap();
        let (http, client) = match exchange {
            Some((http, client)) => (Some(http), Some(client)),
            // A record that tells of many requests names where they came from.
            None => (None, source.map(|ip| Client { ip: Some(ip), peer: None, user_agent: None })),
        };
        let (service, instance, action, reason) = names;
        let (request, response, notes) = payloads;
        Record {
            id: id_at(occurred_at),
            schema: SCHEMA,
            service, instance, seq: numbers.0, occurred_at, duration_us: numbers.1, action, outcome, reason,
            actor, resource, http, client, request, response, changes, notes,
            redacted: findings.0, truncated: findings.1,
        }
    }
}

fn sample() -> Record {
    let mut runner = TestRunner::deterministic();
    let mut record = record().new_tree(&mut runner).unwrap().current();
    record.occurred_at = Utc::now();
    record.id = Uuid::now_v7();
    record
}

/// A record with nothing in it.
fn plain() -> Record {
    insert::plain_record(Utc::now())
}

fn samples(count: usize) -> Vec<Record> {
    let mut runner = TestRunner::deterministic();
    let mut next = || Record {
        occurred_at: Utc::now(),
        id: Uuid::now_v7(),
        ..record().new_tree(&mut runner).unwrap().current()
    };
    (0..count).map(|_| next()).collect()
}

fn canonical(records: &[Record]) -> Vec<Vec<u8>> {
    records
        .iter()
        .map(|record| record.canonical_bytes().unwrap())
        .collect()
}

fn stored(database: &TestDatabase) -> i64 {
    use schema::audit_records::dsl::audit_records;
    let mut connection = database.connect();
    audit_records.count().get_result(&mut connection).unwrap()
}

/// Either way into Postgres.
fn ways() -> impl Strategy<Value = fn(&Store, &[Vec<u8>])> {
    let copy = |store: &Store, batch: &[Vec<u8>]| assert!(store.copy(batch).unwrap());
    let insert = |store: &Store, batch: &[Vec<u8>]| store.insert(batch).unwrap();
    prop::sample::select(vec![copy as fn(&Store, &[Vec<u8>]), insert])
}

#[test]
fn canonical_bytes_survive_either_way_through_postgres_unchanged() {
    let database = TestDatabase::migrated(None);
    let store = store(&database);
    let mut runner = TestRunner::new(Config::with_cases(32));
    let batches = (ways(), prop::collection::vec(record(), 1..20));
    runner
        .run(&batches, |(way, records)| {
            let entries = canonical(&records);
            way(&store, &entries);
            for (record, entry) in records.iter().zip(&entries) {
                let found = store.get(record.id).unwrap().unwrap();
                prop_assert_eq!(
                    String::from_utf8_lossy(&found.canonical),
                    String::from_utf8_lossy(entry)
                );
                prop_assert_eq!(&found.digest[..], &digest(entry)[..]);
            }
            Ok(())
        })
        .unwrap();
}

/// Every column, so that nothing hides behind one that is not read back.
#[test]
fn all_ways_into_postgres_store_the_same_row() {
    let databases = [(); 3].map(|()| TestDatabase::migrated(None));
    let batch = canonical(&samples(50));
    assert!(store(&databases[0]).copy(&batch).unwrap());
    store(&databases[1]).insert(&batch).unwrap();
    let mut connection = databases[2].connect();
    for (stored, is_new) in [(&batch, true), (&batch, false)] {
        for record in stored {
            assert_eq!(insert_within(&mut connection, record), Ok(is_new));
        }
    }
    let [copied, inserted, within] = databases.map(|database| -> Vec<String> {
        diesel::dsl::sql::<Text>(
            "SELECT (to_jsonb(r) - 'recorded_at' - 'xact')::text FROM audit_records AS r ORDER BY id",
        )
        .load(&mut database.connect())
        .unwrap()
    });
    assert_eq!(copied.len(), 50);
    assert_eq!(copied, inserted);
    assert_eq!(copied, within);
}

#[test]
fn a_view_shows_what_the_record_holds() {
    fn list(entries: &impl serde::Serialize) -> String {
        serde_json::to_string(entries).unwrap()
    }
    fn text(json: &Option<JsonText>) -> Option<&str> {
        json.as_ref().map(JsonText::as_str)
    }
    let mut runner = TestRunner::new(Config::default());
    runner
        .run(&record(), |record| {
            let bytes = record.canonical_bytes().unwrap();
            // A null where a value may be missing is the same as none.
            let record = Record::from_canonical_bytes(&bytes).unwrap();
            let view = RecordView::of(&bytes).unwrap();
            prop_assert_eq!(view.id, record.id);
            prop_assert_eq!(view.schema, record.schema);
            prop_assert_eq!(&*view.service, &record.service);
            prop_assert_eq!(&*view.instance, &record.instance);
            prop_assert_eq!(view.seq, record.seq);
            prop_assert_eq!(view.occurred_at, record.occurred_at);
            prop_assert_eq!(view.duration_us, record.duration_us);
            prop_assert_eq!(&*view.action, &record.action);
            prop_assert_eq!(view.outcome, record.outcome);
            prop_assert_eq!(view.reason.as_deref(), record.reason.as_deref());
            prop_assert_eq!(view.actor.kind, record.actor.kind);
            prop_assert_eq!(view.actor.id.as_deref(), record.actor.id.as_deref());
            prop_assert_eq!(view.actor.roles.get(), list(&record.actor.roles));
            prop_assert_eq!(view.actor.auth.as_deref(), record.actor.auth.as_deref());
            let credential = record.actor.credential.as_deref();
            prop_assert_eq!(view.actor.credential.as_deref(), credential);
            let resource = view.resource.map(|resource| Resource {
                kind: resource.kind.as_deref().map(str::to_owned),
                id: resource.id.as_deref().map(str::to_owned),
            });
            prop_assert_eq!(resource, record.resource);
            let http = view.http.map(|http| Http {
                method: http.method.to_owned(),
                route: http.route.as_deref().map(str::to_owned),
                path: http.path.to_owned(),
                query: http.query.as_deref().map(str::to_owned),
                status: http.status,
                request_id: http.request_id.to_owned(),
                trace_id: http.trace_id.as_deref().map(str::to_owned),
            });
            prop_assert_eq!(http, record.http);
            let client = view.client.map(|client| Client {
                ip: client.ip,
                peer: client.peer,
                user_agent: client.user_agent.as_deref().map(str::to_owned),
            });
            prop_assert_eq!(client, record.client);
            prop_assert_eq!(view.request.map(RawValue::get), text(&record.request));
            prop_assert_eq!(view.response.map(RawValue::get), text(&record.response));
            prop_assert_eq!(view.changes.get(), list(&record.changes));
            prop_assert_eq!(view.notes.get(), record.notes.as_str());
            prop_assert_eq!(view.redacted.get(), list(&record.redacted));
            prop_assert_eq!(view.truncated.get(), list(&record.truncated));
            Ok(())
        })
        .unwrap();
}

/// What a reader could not read back must not be stored.
#[test]
fn what_is_no_record_is_no_view_either() {
    let whole = String::from_utf8(plain().canonical_bytes().unwrap()).unwrap();
    for (sound, broken) in [
        (r#""roles":[]"#, r#""roles":[1]"#),
        (r#""changes":[]"#, r#""changes":[{"path":"/a"},2]"#),
        (r#""changes":[]"#, r#""changes":{}"#),
        (r#""redacted":[]"#, r#""redacted":[null]"#),
        (r#""truncated":[]"#, r#""truncated":[{}]"#),
        (r#""notes":{}"#, r#""notes":{"a":}"#),
        (r#""outcome":"success""#, r#""outcome":"sucess""#),
        (r#""schema":1"#, r#""schema":1,"more":2"#),
        (r#""seq":0"#, r#""seq":9223372036854775808"#),
        (r#""seq":0,"#, ""),
        (r#""kind":"anonymous""#, r#""kind":"anonymous","more":2"#),
    ] {
        let bytes = whole.replace(sound, broken).into_bytes();
        assert_ne!(bytes, whole.as_bytes(), "{sound}");
        assert!(Record::from_canonical_bytes(&bytes).is_err(), "{broken}");
        assert!(RecordView::of(&bytes).is_err(), "{broken}");
    }
}

#[test]
fn bytes_that_are_no_record_are_a_fault_of_the_data_and_store_nothing() {
    let database = TestDatabase::migrated(None);
    let store = store(&database);
    let mut batch = canonical(&samples(200));
    batch.push(b"{}".to_vec());
    assert!(!store.copy(&batch).unwrap());
    let rejection = store.insert(&batch).unwrap_err();
    assert_eq!(rejection.class, Class::Data);
    assert!(
        rejection.message.contains("cannot be read"),
        "{rejection:?}"
    );
    assert_eq!(stored(&database), 0);
    // The connection is as good as new.
    batch.pop();
    assert!(store.copy(&batch).unwrap());
    assert_eq!(stored(&database), 200);
}

/// JSON keeps it, as `\u0000`; a text column cannot, so redaction replaces it before.
#[test]
fn text_that_postgres_does_not_take_is_refused_by_either_way() {
    let database = TestDatabase::migrated(None);
    let store = store(&database);
    let nul = Record {
        action: "nul\0".to_owned(),
        ..plain()
    };
    let nul = canonical(&[nul]);
    assert!(!store.copy(&nul).unwrap());
    assert_eq!(store.insert(&nul).unwrap_err().class, Class::Data);
    let odd = Record {
        action: "\u{1}\u{7f}\u{85}\u{2028}\u{feff}\u{fffd}\u{ffff}\u{10ffff}\\\"\r\n".to_owned(),
        request: Some(JsonText::new(r#"{"\u0000":"\ud800"}"#.to_owned()).unwrap()),
        ..plain()
    };
    let bytes = canonical(std::slice::from_ref(&odd));
    assert!(store.copy(&bytes).unwrap());
    assert_eq!(store.get(odd.id).unwrap().unwrap().canonical, bytes[0]);
}

#[test]
fn a_batch_of_which_half_is_stored_already_stores_the_other_half() {
    let database = TestDatabase::migrated(None);
    let store = store(&database);
    let batch = canonical(&samples(100));
    let half: Vec<_> = batch.iter().step_by(2).cloned().collect();
    assert!(store.copy(&half).unwrap());
    assert!(!store.copy(&batch).unwrap());
    assert_eq!(stored(&database), 50);
    store.insert(&batch).unwrap();
    assert_eq!(stored(&database), 100);
}

#[test]
fn two_writers_that_store_the_same_batch_at_once_store_each_record_once() {
    let database = TestDatabase::migrated(None);
    let store = store(&database);
    let batches: Vec<_> = (0..20).map(|_| canonical(&samples(50))).collect();
    let start = std::sync::Barrier::new(2);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for batch in &batches {
                    start.wait();
                    if !store.copy(batch).unwrap() {
                        store.insert(batch).unwrap();
                    }
                }
            });
        }
    });
    assert_eq!(stored(&database), 1_000);
}

/// What a writer hears is stored is forgotten by the journal.
#[test]
fn a_writer_waits_for_the_disk_whatever_its_database_prefers_now_or_later() {
    let database = TestDatabase::migrated(None);
    let mut owner = database.connect();
    owner
        .batch_execute(
            "CREATE TABLE seen (setting text); \
             CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS \
             'BEGIN INSERT INTO seen VALUES (current_setting(''synchronous_commit'')); RETURN NULL; END'; \
             CREATE TRIGGER see AFTER INSERT ON audit_records EXECUTE FUNCTION see(); \
             CREATE TRIGGER see AFTER INSERT ON audit_dead_letters EXECUTE FUNCTION see()",
        )
        .unwrap();
    for (preferred, used) in [
        ("off", "on"),
        ("on", "on"),
        ("remote_apply", "remote_apply"),
    ] {
        owner
            .batch_execute(&format!(
                "TRUNCATE seen; ALTER DATABASE {} SET synchronous_commit = {preferred}",
                database.name()
            ))
            .unwrap();
        let store = store(&database);
        assert!(store.copy(&canonical(&samples(1))).unwrap());
        store.insert(&canonical(&samples(1))).unwrap();
        let mut seen = || -> Vec<String> {
            let seen = diesel::dsl::sql::<Text>("SELECT setting FROM seen");
            seen.load(&mut owner).unwrap()
        };
        assert_eq!(seen(), [used, used], "{preferred}");
        let source: String = diesel::select(diesel::dsl::sql::<Text>(
            "(SELECT source FROM pg_settings WHERE name = 'synchronous_commit')",
        ))
        .get_result(&mut store.pools.writer.get().unwrap().inner)
        .unwrap();
        assert_eq!(source, "session", "nothing but the session can change it");
    }
}

#[test]
fn a_temporary_table_catches_no_record_of_a_writer() {
    let database = TestDatabase::migrated(None);
    let store = store(&database);
    let mut writer = store.pools.writer.get().unwrap();
    writer
        .inner
        .batch_execute("CREATE TEMPORARY TABLE audit_records (id uuid)")
        .unwrap();
    let batch = canonical(&samples(2));
    assert!(insert::copy(&mut writer.inner, &batch[..1]).unwrap());
    assert_eq!(insert::insert(&mut writer.inner, &batch).unwrap(), 1);
    assert_eq!(stored(&database), 2);
}

#[test]
fn a_temporary_table_catches_no_record_of_a_handler() {
    let database = TestDatabase::migrated(None);
    let mut handler = database.connect();
    handler
        .batch_execute("CREATE TEMPORARY TABLE audit_records (LIKE audit_records)")
        .unwrap();
    let record = sample().canonical_bytes().unwrap();
    assert_eq!(insert_within(&mut handler, &record), Ok(true));
    assert_eq!(stored(&database), 1);
}

/// A default that may differ from row to row has COPY store them one by one.
#[test]
fn every_partition_lets_copy_store_rows_in_groups() {
    let database = TestDatabase::migrated(None);
    let mut owner = database.connect();
    owner
        .batch_execute("SELECT audit_ensure_partitions(now() + interval '1 year', 0)")
        .unwrap();
    let unlike: i64 = diesel::select(diesel::dsl::sql::<BigInt>(
        "(SELECT count(*) FROM pg_attrdef JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum \
          WHERE attname = 'recorded_at' AND pg_get_expr(adbin, adrelid) <> 'statement_timestamp()')",
    ))
    .get_result(&mut owner)
    .unwrap();
    assert_eq!(unlike, 0);
}

#[test]
fn a_batch_in_doubt_can_be_sent_again_and_lands_once() {
    let database = TestDatabase::migrated(None);
    let store = store(&database);
    let entry = sample().canonical_bytes().unwrap();
    store.insert(std::slice::from_ref(&entry)).unwrap();
    store.insert(&[entry.clone(), entry]).unwrap();
    assert_eq!(store.find(&everything(10)).unwrap().records.len(), 1);
}

#[test]
fn when_it_happened_and_when_it_was_stored_are_told_apart_however_wrong_a_clock_is() {
    #[derive(QueryableByName)]
    struct Skew {
        #[diesel(sql_type = BigInt)]
        seconds: i64,
    }
    let database = TestDatabase::migrated(None);
    let store = store(&database);
    let hour = TimeDelta::hours(1);
    for occurred_at in [Utc::now() - hour, Utc::now() + hour] {
        let record = Record {
            id: id_at(occurred_at),
            occurred_at,
            ..sample()
        };
        let asked_from = Utc::now();
        store.insert(&[record.canonical_bytes().unwrap()]).unwrap();
        assert!(store.get(record.id).unwrap().is_some());
        // Postgres says when it stored the record; the service has no say in it.
        let skew: Skew = diesel::sql_query(
            "SELECT extract(epoch FROM recorded_at - occurred_at)::bigint AS seconds \
             FROM audit_records WHERE id = $1",
        )
        .bind::<diesel::sql_types::Uuid, _>(record.id)
        .get_result(&mut database.connect())
        .unwrap();
        let expected = (asked_from - occurred_at).num_seconds();
        assert!((skew.seconds - expected).abs() < 60, "{}", skew.seconds);
        // It is found by when it happened.
        let of_the_hour = Filter {
            from: Some(occurred_at - TimeDelta::minutes(1)),
            to: Some(occurred_at + TimeDelta::minutes(1)),
            ..Filter::default()
        };
        let of_the_hour = store.find(&matching(of_the_hour, 10));
        assert_eq!(of_the_hour.unwrap().records.len(), 1);
    }
}

#[test]
fn a_record_of_a_month_without_a_partition_is_kept_and_found_and_the_service_is_told() {
    let database = TestDatabase::migrated(None);
    let store = store(&database);
    let mut owner = database.connect();
    let mut is_told = || -> bool {
        diesel::select(diesel::dsl::sql::<diesel::sql_types::Bool>(
            "(audit_keep_partitions_ahead()).default_is_occupied",
        ))
        .get_result(&mut owner)
        .unwrap()
    };
    assert!(!is_told());
    // It has waited for a year in a journal that nobody started again.
    let occurred_at = Utc::now() - TimeDelta::days(366);
    let late = Record {
        id: id_at(occurred_at),
        occurred_at,
        ..sample()
    };
    let late_bytes = late.canonical_bytes().unwrap();
    store.insert(std::slice::from_ref(&late_bytes)).unwrap();
    assert!(is_told());
    let found = store.get(late.id).unwrap().unwrap();
    assert_eq!(found.canonical, late_bytes);
    let of_the_past = Filter {
        to: Some(Utc::now() - TimeDelta::days(300)),
        ..Filter::default()
    };
    let page = store.find(&matching(of_the_past, 10));
    assert_eq!(page.unwrap().records.len(), 1);
}

#[test]
fn a_page_of_large_records_is_shorter_and_says_that_there_are_more() {
    let database = TestDatabase::migrated(None);
    let store = store(&database);
    let large = JsonText::new(format!("\"{}\"", "x".repeat(1024 * 1024))).unwrap();
    for _ in 0..12 {
        let record = Record {
            request: Some(large.clone()),
            ..sample()
        };
        store.insert(&[record.canonical_bytes().unwrap()]).unwrap();
    }
    let first = store.find(&everything(100)).unwrap();
    assert!(first.records.len() < 12, "{}", first.records.len());
    let rest = store
        .find(&PageRequest {
            after: first.next,
            ..everything(100)
        })
        .unwrap();
    assert_eq!(first.records.len() + rest.records.len(), 12);
    assert_eq!(rest.next, None);
}

#[test]
fn stored_records_can_be_neither_changed_nor_removed_not_even_by_their_owner() {
    let database = TestDatabase::migrated(None);
    store(&database)
        .insert(&[sample().canonical_bytes().unwrap()])
        .unwrap();
    let mut owner = database.connect();
    for statement in [
        "UPDATE audit_records SET action = 'forged'",
        "DELETE FROM audit_records",
        "TRUNCATE audit_records",
        "TRUNCATE audit_records_default",
    ] {
        let error = owner.batch_execute(statement).unwrap_err().to_string();
        assert!(error.contains("append-only"), "{statement}: {error}");
    }
    #[derive(QueryableByName)]
    struct Partition {
        #[diesel(sql_type = Text)]
        name: String,
    }
    let partitions: Vec<Partition> = diesel::sql_query(
        "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'audit_records'::regclass",
    )
    .load(&mut owner)
    .unwrap();
    assert!(
        partitions.len() >= 6,
        "last month, this one, three ahead and the default"
    );
    for Partition { name } in partitions {
        let error = owner
            .batch_execute(&format!("TRUNCATE {name}"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("append-only"), "{name}: {error}");
    }
}

#[test]
fn the_writers_role_can_insert_and_nothing_else() {
    let database = TestDatabase::migrated(None);
    let mut connection = database.connect();
    connection.batch_execute("SET ROLE audit_writer").unwrap();
    for statement in [
        "SELECT * FROM audit_records",
        "UPDATE audit_records SET action = 'forged'",
        "DELETE FROM audit_records",
        "TRUNCATE audit_records",
        "INSERT INTO audit_records (recorded_at) VALUES (now())",
        "INSERT INTO audit_records (xact) VALUES ('1')",
        "INSERT INTO audit_records_default (seq) VALUES (1)",
        "CREATE TABLE mine (a int)",
    ] {
        let error = connection.batch_execute(statement).unwrap_err().to_string();
        assert!(error.contains("permission denied"), "{statement}: {error}");
    }
}

#[test]
fn the_readers_role_can_read_and_nothing_else() {
    let database = TestDatabase::migrated(None);
    let mut connection = database.connect();
    connection.batch_execute("SET ROLE audit_reader").unwrap();
    connection
        .batch_execute("SELECT * FROM audit_records")
        .unwrap();
    let error = connection
        .batch_execute("INSERT INTO audit_records (seq) VALUES (1)")
        .unwrap_err()
        .to_string();
    assert!(error.contains("permission denied"), "{error}");
}

#[test]
fn the_stores_connections_have_taken_on_their_roles() {
    let database = TestDatabase::migrated(None);
    let store = store(&database);
    #[derive(QueryableByName)]
    struct Role {
        #[diesel(sql_type = Text)]
        role: String,
    }
    for (pool, expected) in [
        (&store.pools.writer, "audit_writer"),
        (&store.pools.reader, "audit_reader"),
    ] {
        let role: Role = diesel::sql_query("SELECT current_user::text AS role")
            .get_result(&mut pool.get().unwrap().inner)
            .unwrap();
        assert_eq!(role.role, expected);
    }
}

#[test]
fn several_instances_may_migrate_at_once_and_again() {
    let database = TestDatabase::empty();
    std::thread::scope(|scope| {
        let migrations: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| migrate(database.url(), None)))
            .collect();
        for migration in migrations {
            migration.join().unwrap().unwrap();
        }
    });
    migrate(database.url(), None).unwrap();
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        count: i64,
    }
    let applied: Count = diesel::sql_query("SELECT count(*) FROM __diesel_schema_migrations")
        .get_result(&mut database.connect())
        .unwrap();
    let versions = migrations::versions(&migrations::AUDIT).unwrap();
    assert_eq!(usize::try_from(applied.count).unwrap(), versions.len());
}

#[test]
fn migrations_can_be_undone_and_run_again() {
    use diesel_migrations::MigrationHarness as _;

    let database = TestDatabase::migrated(None);
    let mut owner = database.connect();
    owner.revert_all_migrations(migrations::AUDIT).unwrap();
    migrate(database.url(), None).unwrap();
    let entry = sample().canonical_bytes().unwrap();
    store(&database).insert(&[entry]).unwrap();
}

#[test]
fn who_could_store_a_record_before_an_upgrade_can_do_so_after_it() {
    use diesel_migrations::MigrationHarness as _;

    let database = TestDatabase::migrated(None);
    let mut owner = database.connect();
    while owner
        .revert_last_migration(migrations::AUDIT)
        .unwrap()
        .to_string()
        != "20261126000004"
    {}
    // Roles are of the whole cluster, and this one is gone with its transaction.
    owner.begin_test_transaction().unwrap();
    owner
        .batch_execute("CREATE ROLE handler_before_the_upgrade; SELECT audit_grant_insert('handler_before_the_upgrade')")
        .unwrap();
    owner.run_pending_migrations(migrations::AUDIT).unwrap();
    owner
        .batch_execute("SET ROLE handler_before_the_upgrade")
        .unwrap();
    let record = sample().canonical_bytes().unwrap();
    assert_eq!(insert_within(&mut owner, &record), Ok(true));

    owner.batch_execute("SET ROLE pg_monitor").unwrap();
    let refused = insert_within(&mut owner, &record).unwrap_err().to_string();
    assert!(refused.contains("permission denied"), "{refused}");
}

#[test]
fn a_store_without_its_tables_says_that_it_is_unavailable() {
    let database = TestDatabase::empty();
    let rejection = store(&database).insert(&[sample().canonical_bytes().unwrap()]);
    assert!(
        matches!(&rejection, Err(rejection) if rejection.class == Class::Connection),
        "{rejection:?}"
    );
}

#[test]
fn a_refused_batch_is_answered_with_its_sqlstate_and_nothing_of_it_is_stored() {
    let database = TestDatabase::migrated(None);
    let mut owner = database.connect();
    owner
        .batch_execute(
            "ALTER TABLE audit_records ADD CONSTRAINT no_poison CHECK (action <> 'poison')",
        )
        .unwrap();
    let store = store(&database);
    let good = sample().canonical_bytes().unwrap();
    let poison = Record {
        id: Uuid::now_v7(),
        action: "poison".to_owned(),
        ..sample()
    };
    let poison = poison.canonical_bytes().unwrap();
    let rejection = store.insert(&[good.clone(), poison]).unwrap_err();
    assert_eq!(rejection.class, Class::Data);
    assert_eq!(rejection.sqlstate.as_deref(), Some("23514"));
    assert_eq!(store.find(&everything(10)).unwrap().records.len(), 0);
    store.insert(&[good]).unwrap();
}

/// A record is forgotten elsewhere once it is told to be stored, so a failover to the
/// standby must not lose it.
#[test]
fn what_is_sent_again_waits_for_a_synchronous_standby_too() {
    use private_postgres::{Binaries, Durability, PrivatePostgres, Settings};

    let cache = std::env::var_os("PRIVATE_POSTGRES_CACHE").unwrap_or_default();
    let binaries = Binaries::find(cache.as_ref());
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        data_dir: folder.path().join("postgres"),
        durability: Durability::Full,
        max_connections: 20,
    };
    let server = PrivatePostgres::start(&binaries.unwrap(), settings).unwrap();
    let url = server.database_url("postgres");
    migrate(&url, None).unwrap();
    let mut owner = PgConnection::establish(&url).unwrap();
    // ALTER SYSTEM runs in no transaction, not even in that of several statements.
    for statement in [
        "SET synchronous_commit = local",
        "ALTER SYSTEM SET synchronous_standby_names = 'nobody'",
        "SELECT pg_reload_conf()",
    ] {
        owner.batch_execute(statement).unwrap();
    }
    let is_set = "(SELECT count(*) FROM pg_settings WHERE name = 'synchronous_standby_names' AND setting = 'nobody')";
    eventually(&mut owner, is_set);

    let store = Store::new(StoreSettings::new(url.clone()));
    let batch = canonical(&samples(3));
    let waiting = "(SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep')";
    std::thread::scope(|scope| {
        let first = scope.spawn(|| store.copy(&batch));
        eventually(&mut owner, waiting);
        owner
            .batch_execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'",
            )
            .unwrap();
        assert_ne!(first.join().unwrap(), Ok(true));
    });
    assert_eq!(count(&mut owner, "(SELECT count(*) FROM audit_records)"), 3);

    let rejection = Rejection::unreadable("");
    let letter = Uuid::now_v7();
    owner
        .batch_execute(&format!(
            "INSERT INTO audit_dead_letters (id, record, message) VALUES ('{letter}', '', '')"
        ))
        .unwrap();
    let again: [&(dyn Fn() -> Result<(), Rejection> + Sync); 2] =
        [&|| store.insert(&batch), &|| {
            store.write(|connection| dead_letters::set_aside(connection, letter, b"", &rejection))
        }];
    std::thread::scope(|scope| {
        let again = again.map(|send| scope.spawn(send));
        eventually(&mut owner, &format!("({waiting} / 2)"));
        owner
            .batch_execute("ALTER SYSTEM RESET synchronous_standby_names")
            .unwrap();
        owner.batch_execute("SELECT pg_reload_conf()").unwrap();
        for sent in again {
            assert_eq!(sent.join().unwrap(), Ok(()));
        }
    });
}

fn count(connection: &mut PgConnection, expression: &str) -> i64 {
    diesel::select(diesel::dsl::sql::<BigInt>(expression))
        .get_result(connection)
        .unwrap()
}

/// Waits until the count is not zero.
fn eventually(connection: &mut PgConnection, expression: &str) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while count(connection, expression) == 0 {
        assert!(Instant::now() < deadline, "{expression} stays 0");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_dead_letter_behind_thousands_is_requeued_by_its_id_and_all_of_them_by_none() {
    let database = TestDatabase::migrated(None);
    let store = store(&database);
    let mut records = samples(dead_letters::LISTED + 1);
    records.sort_by_key(|record| record.id);
    let rejection = Rejection::unreadable("");
    store
        .write(|connection| {
            for record in &records {
                let bytes = record.canonical_bytes().unwrap();
                dead_letters::set_aside(connection, record.id, &bytes, &rejection)?;
            }
            Ok(())
        })
        .unwrap();
    let last = records.last().unwrap().id;
    let listed = dead_letters(database.url()).unwrap();
    assert_eq!(listed.len(), dead_letters::LISTED);
    assert!(listed.iter().all(|letter| letter.id != last));
    for (only, expected) in [(&[last][..], 1), (&[], dead_letters::LISTED)] {
        let requeued = requeue_dead_letters(database.url(), only).unwrap();
        assert_eq!(requeued.len(), expected);
        assert!(requeued.iter().all(|letter| letter.refusal.is_none()));
    }
    assert_eq!(dead_letters(database.url()).unwrap(), []);
}

#[test]
fn writers_that_only_fail_do_not_deliver_until_one_succeeds() {
    let database = TestDatabase::empty();
    let store = store(&database);
    assert!(store.is_delivering());
    store.note_delivery(false);
    assert!(store.is_delivering(), "for less than a minute");
    let long_ago = Instant::now().checked_sub(DELIVERY_PATIENCE).unwrap();
    *store.pools.failing_since.lock().unwrap() = Some(long_ago);
    store.note_delivery(false);
    assert!(!store.is_delivering());
    store.note_delivery(true);
    assert!(store.is_delivering());
}

/// A row-level trigger that an operator may have made.
fn trigger(body: &str) -> String {
    format!(
        "CREATE FUNCTION theirs() RETURNS trigger LANGUAGE plpgsql AS \
         'BEGIN {body} RETURN NEW; END'; \
         CREATE TRIGGER theirs BEFORE INSERT ON audit_records FOR EACH ROW EXECUTE FUNCTION theirs()"
    )
}

#[test]
fn a_record_that_a_trigger_discards_is_not_taken_for_stored() {
    let database = TestDatabase::migrated(None);
    let discards = trigger("IF NEW.action = ''poison'' THEN RETURN NULL; END IF;");
    database.connect().batch_execute(&discards).unwrap();
    let store = store(&database);
    let poison = Record {
        action: "poison".to_owned(),
        ..sample()
    };
    let mut records = samples(4);
    records.push(poison.clone());
    let batch = canonical(&records);
    assert!(!store.copy(&batch).unwrap());
    for batch in [&batch[..], &batch[4..]] {
        let rejection = store.insert(batch).unwrap_err();
        assert_eq!(rejection.class, Class::Data);
        assert_eq!(rejection.sqlstate.as_deref(), Some("09000"));
        assert!(rejection.message.contains("trigger"), "{rejection:?}");
    }
    store.insert(&batch[..4]).unwrap();
    assert_eq!(stored(&database), 4);
    let keys: Vec<_> = records.iter().map(|r| (r.occurred_at, r.id)).collect();
    assert_eq!(store.missing(&keys).unwrap(), [poison.id]);
    let within = insert_within(&mut database.connect(), &batch[4]);
    assert!(within.unwrap_err().to_string().contains("trigger"));
}

#[test]
fn a_unique_index_of_somebody_elses_is_named_by_what_it_refuses() {
    let database = TestDatabase::migrated(None);
    database
        .connect()
        .batch_execute(
            "CREATE UNIQUE INDEX of_a_dba ON audit_records (occurred_at, action) WHERE action = 'twin'",
        )
        .unwrap();
    let store = store(&database);
    let occurred_at = Utc::now();
    let twin = || Record {
        occurred_at,
        action: "twin".to_owned(),
        ..sample()
    };
    let batch = canonical(&[twin(), twin(), sample()]);
    assert!(!store.copy(&batch).unwrap());
    let rejection = store.insert(&batch).unwrap_err();
    assert_eq!(rejection.class, Class::Data);
    assert_eq!(rejection.sqlstate.as_deref(), Some("23505"));
    assert_eq!(stored(&database), 0);
    store.insert(&batch[..1]).unwrap();
    let within = insert_within(&mut database.connect(), &batch[1]);
    assert!(within.unwrap_err().to_string().contains("unique"));
}

#[test]
fn what_needs_an_operator_or_time_is_told_apart_from_what_the_values_cause() {
    for (statement, class, sqlstate) in [
        (
            "REVOKE INSERT ON audit_records FROM audit_writer; \
             REVOKE INSERT (id) ON audit_records FROM audit_writer",
            Class::Operator,
            "42501",
        ),
        (
            "ALTER TABLE audit_records RENAME TO elsewhere; CREATE VIEW audit_records AS SELECT 1 AS id",
            Class::Operator,
            "42703",
        ),
        (
            "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS \
             'BEGIN PERFORM pg_sleep(60); RETURN NEW; END'; \
             CREATE TRIGGER slow BEFORE INSERT ON audit_records FOR EACH ROW EXECUTE FUNCTION slow()",
            Class::Timeout,
            "57014",
        ),
    ] {
        let database = TestDatabase::migrated(None);
        database.connect().batch_execute(statement).unwrap();
        let store = Store::new(StoreSettings {
            insert_timeout: Duration::from_millis(300),
            ..StoreSettings::new(database.url().to_owned())
        });
        let rejection = store
            .insert(&[sample().canonical_bytes().unwrap()])
            .unwrap_err();
        assert_eq!(rejection.class, class, "{rejection:?}");
        assert_eq!(
            rejection.sqlstate.as_deref(),
            Some(sqlstate),
            "{rejection:?}"
        );
    }
}

/// One row whose text cannot be read would fail every search that comes by it.
#[test]
fn every_json_text_can_be_searched_and_nothing_hides_behind_an_escape() {
    let database = TestDatabase::migrated(None);
    let mut connection = database.connect();
    let mut shown = |json: &str| -> String {
        let text = diesel::dsl::sql::<Text>("audit_payload_text(")
            .bind::<Text, _>(json)
            .sql("::json, NULL, '[]', '{}')");
        diesel::select(text).get_result(&mut connection).unwrap()
    };
    for (json, expected) in [
        (r#"{"a":1.50}"#, r#"{"a":1.50} [] {}"#),
        (r#""\u0070\u00E4ss\/\"x\"""#, r#""päss/"x"" [] {}"#),
        (r#""\\u0070 C:\\new""#, r#""\u0070 C:\new" [] {}"#),
        (r#""a\nb\u0000c\u001fd""#, r#""a b c d" [] {}"#),
        // Halves of pairs, and a whole one, which is not put together.
        (r#""\ud800 \uDC00x \ud83d\ude00""#, r#""    x   " [] {}"#),
        (r#""\uffff\ufdd0""#, "\"\u{ffff}\u{fdd0}\" [] {}"),
    ] {
        let shown = shown(json);
        let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(squeezed(&shown), squeezed(expected), "{json}");
    }
    let mut runner = TestRunner::new(Config::default());
    for _ in 0..500 {
        shown(json().new_tree(&mut runner).unwrap().current().as_str());
    }
}

#[test]
fn partitions_are_vacuumed_often_and_those_to_come_too() {
    let database = TestDatabase::migrated(None);
    let mut owner = database.connect();
    let mut unlike = || -> i64 {
        diesel::select(diesel::dsl::sql::<BigInt>(
            "(SELECT count(*) FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid \
              WHERE inhparent = 'audit_records'::regclass \
              AND reloptions::text NOT LIKE '%insert_scale_factor=0%' IS NOT FALSE)",
        ))
        .get_result(&mut owner)
        .unwrap()
    };
    assert_eq!(unlike(), 0);
    let run = |statement: &str| database.connect().batch_execute(statement).unwrap();
    // This month of next year, and the one before it.
    run("SELECT audit_ensure_partitions(now() + interval '1 year', 0)");
    assert_eq!(unlike(), 2);
    run("SELECT audit_keep_partitions_ahead()");
    assert_eq!(unlike(), 0);
}

/// How Postgres would answer a query.
#[derive(QueryId)]
struct Explain<Q>(Q);

impl<Q: QueryFragment<Pg>> QueryFragment<Pg> for Explain<Q> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("EXPLAIN ");
        self.0.walk_ast(out.reborrow())
    }
}

impl<Q> Query for Explain<Q> {
    type SqlType = Text;
}

impl<Q> RunQueryDsl<PgConnection> for Explain<Q> {}

#[test]
fn an_index_over_the_payloads_is_found_by_who_searches_them() {
    let database = TestDatabase::migrated(None);
    let mut owner = database.connect();
    owner
        .batch_execute(
            "CREATE EXTENSION pg_trgm; \
             CREATE INDEX audit_records_by_payload ON audit_records \
             USING gin ((audit_payload_text(request, response, changes, notes)) COLLATE \"C\" gin_trgm_ops); \
             SET enable_seqscan = off; SET enable_indexscan = off; SET plan_cache_mode = force_custom_plan",
        )
        .unwrap();
    let filter = Filter {
        words: vec!["red apple".to_owned(), "pear".to_owned()],
        ..Filter::default()
    };
    let query = schema::audit_records::table
        .select(schema::audit_records::id)
        .filter(filter.condition());
    let plan: Vec<String> = Explain(query).load(&mut owner).unwrap();
    let plan = plan.join("\n");
    assert!(plan.contains("payload_text"), "{plan}");
    assert!(plan.contains("Bitmap Index Scan"), "{plan}");
}

/// In which words are compared differently from one language, and one version of the
/// operating system, to the next.
#[test]
fn no_index_of_records_depends_on_the_language_of_the_database() {
    #[derive(QueryableByName)]
    struct Index {
        #[diesel(sql_type = Text)]
        name: String,
    }
    let database = TestDatabase::migrated(None);
    let mut owner = database.connect();
    let indexes: Vec<Index> = diesel::sql_query(
        "SELECT DISTINCT indexrelid::regclass::text AS name FROM pg_index, unnest(indcollation) AS ordered_by \
         WHERE indrelid = 'audit_records'::regclass AND ordered_by NOT IN (0, 'pg_catalog.\"C\"'::regcollation::oid)",
    )
    .load(&mut owner)
    .unwrap();
    let names: Vec<String> = indexes.into_iter().map(|index| index.name).collect();
    assert_eq!(names, [""; 0]);
}

#[test]
fn a_request_is_found_by_the_index_that_its_id_is_in() {
    let database = TestDatabase::migrated(None);
    let mut owner = database.connect();
    owner
        .batch_execute("SET enable_seqscan = off; SET plan_cache_mode = force_custom_plan")
        .unwrap();
    let mut plan = |ids: &[&str]| {
        let filter = Filter {
            request_ids: ids.iter().map(|id| (*id).to_owned()).collect(),
            ..Filter::default()
        };
        let query = schema::audit_records::table
            .select(schema::audit_records::id)
            .filter(filter.condition());
        let plan: Vec<String> = Explain(query).load(&mut owner).unwrap();
        plan.join("\n")
    };
    let (ours, foreign) = (
        "0198f6c0-7d3a-7cc2-9d0a-3b1f5e6a7b8c",
        "f47ac10b58cc4372a5670e02b2c3d479",
    );
    for ids in [&[ours][..], &[foreign], &[ours, foreign]] {
        let plan = plan(ids);
        assert!(!plan.contains("Seq Scan"), "{plan}");
        for id in ids {
            let condition = format!("Index Cond: (http_request_id = '{id}'::text)");
            assert!(plan.contains(&condition), "{plan}");
        }
    }
}
