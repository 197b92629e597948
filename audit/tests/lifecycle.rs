//! What the trail tells of itself: that it starts and stops, and with which settings.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and so do its helpers"
)]

use std::path::Path;
use std::time::{Duration, Instant};

use audit::redact::{HashKey, Limits, NameRules, Redactor};
use audit::testing::TestDatabase;
use audit::{Audit, AuditBuilder, Durability, OpenError, TaskError};
use diesel::connection::SimpleConnection as _;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(20);

/// A record of the trail itself, or of a task.
#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = BigInt)]
    seq: i64,
    #[diesel(sql_type = Text)]
    action: String,
    #[diesel(sql_type = Nullable<Text>)]
    reason: Option<String>,
    #[diesel(sql_type = Text)]
    changes: String,
    #[diesel(sql_type = Text)]
    notes: String,
    #[diesel(sql_type = Text)]
    digest: String,
}

impl Row {
    fn notes(&self) -> Value {
        serde_json::from_str(&self.notes).unwrap()
    }

    fn changes(&self) -> Value {
        serde_json::from_str(&self.changes).unwrap()
    }
}

/// All records, in the order in which the runs began.
fn rows(database: &TestDatabase) -> Vec<Row> {
    select(&mut database.connect())
}

fn select(connection: &mut PgConnection) -> Vec<Row> {
    diesel::sql_query(
        "SELECT seq, action, reason, changes::text, notes::text, encode(digest, 'hex') AS digest \
         FROM audit_records ORDER BY min(occurred_at) OVER (PARTITION BY instance), seq",
    )
    .load(connection)
    .unwrap()
}

fn starts(database: &TestDatabase) -> Vec<Row> {
    let mut rows = rows(database);
    rows.retain(|row| row.action == "audit.start");
    rows
}

fn builder(database: &TestDatabase) -> AuditBuilder {
    Audit::builder("tests", database.url(), database.journal())
}

fn attempt(audit: &Audit) -> Result<(), TaskError<std::io::Error>> {
    audit.task("attempt").run_blocking(|_| Ok(()))
}

/// Starts as soon as the run before, which was dropped, has let go of its journal.
fn start_again(builder: impl Fn() -> AuditBuilder) -> Audit {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match builder().start() {
            Ok(audit) => return audit,
            Err(OpenError::InUse { .. }) if Instant::now() < deadline => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn the_start_is_the_first_record_of_an_instance_and_the_stop_its_last() {
    for durability in [Durability::Memory, Durability::Crash, Durability::PowerLoss] {
        let database = TestDatabase::migrated(None);
        let audit = builder(&database).durability(durability).start().unwrap();
        for _ in 0..3 {
            attempt(&audit).unwrap();
        }
        assert_eq!(audit.drain(PATIENCE), 0);
        assert_eq!(audit.drain(PATIENCE), 0, "to stop twice is to stop once");
        let rows = rows(&database);
        let told: Vec<(i64, &str)> = rows
            .iter()
            .map(|row| (row.seq, row.action.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                (1, "audit.start"),
                (2, "attempt"),
                (3, "attempt"),
                (4, "attempt"),
                (5, "audit.stop")
            ]
        );
        assert_eq!(rows[4].notes()["attempts_under_way"], 0);
    }
}

#[test]
fn the_start_tells_the_settings_in_force_and_no_secret() {
    let database = TestDatabase::migrated(None);
    let names = NameRules::default()
        .hide("loyaltyNumber")
        .show("max_tokens");
    let key = HashKey::new(b"thirty-two bytes of true randomness").unwrap();
    let id = key.id().to_owned();
    let url = format!("{}&password=hunter2", database.url());
    let audit = Audit::builder("tests", url, database.journal())
        .redactor(Redactor::new(names, Limits::default()).with_hash_key(key))
        .durability(Durability::PowerLoss)
        .capture_bytes(1_000)
        .start()
        .unwrap();
    assert_eq!(audit.drain(PATIENCE), 0);
    let start = starts(&database).remove(0);
    assert_eq!(start.reason.as_deref(), Some("previous_unknown"));
    let settings = &start.notes()["settings"];
    assert_eq!(settings["durability"], "power_loss");
    assert_eq!(settings["capture_bytes"], 1_000);
    assert_eq!(
        settings["redaction"]["names_hidden"],
        json!(["loyaltynumber"])
    );
    assert_eq!(settings["redaction"]["names_shown"], json!(["maxtokens"]));
    assert_eq!(settings["redaction"]["hash_key"], json!(id));
    assert_eq!(settings["database_rights"], "superuser");
    assert!(
        settings["authentication"]
            .as_str()
            .unwrap()
            .contains("FromExtensions")
    );
    for secret in ["hunter2", "randomness", "postgresql:"] {
        assert!(!start.notes.contains(secret), "{secret}: {}", start.notes);
    }
}

#[test]
fn settings_that_became_weaker_are_told_with_what_they_were() {
    let database = TestDatabase::migrated(None);
    let strong = builder(&database).durability(Durability::PowerLoss).start();
    assert_eq!(strong.unwrap().drain(PATIENCE), 0);
    let weak = builder(&database)
        .durability(Durability::Memory)
        .capture_bytes(10)
        .start();
    assert_eq!(weak.unwrap().drain(PATIENCE), 0);
    let same = builder(&database)
        .durability(Durability::Memory)
        .capture_bytes(10)
        .start();
    assert_eq!(same.unwrap().drain(PATIENCE), 0);
    let better = builder(&database).durability(Durability::Crash).start();
    assert_eq!(better.unwrap().drain(PATIENCE), 0);

    let starts = starts(&database);
    assert_eq!(starts[1].reason.as_deref(), Some("settings_weakened"));
    assert_eq!(
        starts[1].changes(),
        json!([
            { "path": "/capture_bytes", "old": 65_536, "new": 10 },
            { "path": "/durability", "old": "power_loss", "new": "memory" },
        ])
    );
    assert_eq!(starts[2].reason, None);
    assert_eq!(starts[2].changes(), json!([]));
    assert_eq!(starts[3].reason, None);
    assert_eq!(starts[3].changes().as_array().unwrap().len(), 2);
}

#[test]
fn a_run_that_was_not_stopped_in_order_is_told_by_the_next() {
    let database = TestDatabase::migrated(None);
    drop(builder(&database).start().unwrap());
    let next = start_again(|| builder(&database));
    assert_eq!(next.drain(PATIENCE), 0);
    let starts = starts(&database);
    assert_eq!(starts[1].reason.as_deref(), Some("previous_not_stopped"));
    let previous = &starts[1].notes()["previous"];
    assert_eq!(previous["has_stopped"], false);
    assert_eq!(
        previous["start_digest"],
        json!(starts[0].digest),
        "what it compares with can be checked"
    );
}

#[test]
fn a_run_that_cannot_know_the_one_before_says_so() {
    let database = TestDatabase::migrated(None);
    for damage in [
        |path: &Path| std::fs::remove_file(path).unwrap(),
        |path: &Path| std::fs::write(path, "{").unwrap(),
        |path: &Path| std::fs::write(path, [0xff; 10]).unwrap(),
    ] {
        assert_eq!(builder(&database).start().unwrap().drain(PATIENCE), 0);
        damage(&database.journal().join("last-run.ndjson"));
        let next = builder(&database).durability(Durability::Memory).start();
        assert_eq!(next.unwrap().drain(PATIENCE), 0);
        let last = starts(&database).pop().unwrap();
        assert_eq!(last.reason.as_deref(), Some("previous_unknown"));
        assert_eq!(last.notes()["previous"], Value::Null);
    }
}

#[test]
fn a_full_journal_delays_the_record_of_the_start_and_not_the_service() {
    let database = TestDatabase::migrated(None);
    let full = |url: &str| {
        Audit::builder("tests", url, database.journal())
            .journal_quota_bytes(1024 * 1024)
            .start()
            .unwrap()
    };
    let earlier = full("postgresql:///nowhere?host=/nonexistent");
    let padding = json!({ "padding": vec!["x".repeat(8_000); 3] });
    let large = || {
        let task = earlier.task("attempt").payload(&padding);
        task.run_blocking(|_| Ok::<_, std::io::Error>(()))
    };
    // The last record may not have given back what it had reserved.
    while large().is_ok() || !earlier.flush(PATIENCE) || large().is_ok() {}
    assert!(earlier.drain(Duration::ZERO) > 10);

    let late = format!("{}_late", database.name());
    let url = database.url().replace(database.name(), &late);
    let audit = full(&url);
    assert!(attempt(&audit).is_err(), "there is no room yet");
    let mut owner = database.connect();
    owner
        .batch_execute(&format!("CREATE DATABASE {late}"))
        .unwrap();
    audit::migrate(&url, None).unwrap();
    let mut connection = PgConnection::establish(&url).unwrap();
    let deadline = Instant::now() + PATIENCE;
    // What the login may do could not be asked at the start, and is told since.
    while own_records(&mut connection).len() < 3 {
        assert!(Instant::now() < deadline, "there is room at last");
        std::thread::sleep(Duration::from_millis(10));
    }
    attempt(&audit).unwrap();
    assert_eq!(audit.drain(PATIENCE), 0);

    let told = own_records(&mut connection);
    let told: Vec<(i64, &str, Option<&str>)> = told
        .iter()
        .map(|row| (row.seq, row.action.as_str(), row.reason.as_deref()))
        .collect();
    assert_eq!(
        told,
        [
            (1, "audit.start", Some("previous_unknown")),
            // The run before found no room for its stop.
            (1, "audit.start", Some("previous_not_stopped")),
            (2, "audit.rights", None),
            (4, "audit.stop", None)
        ]
    );
    drop(connection);
    owner
        .batch_execute(&format!("DROP DATABASE {late} WITH (FORCE)"))
        .unwrap();
}

fn own_records(connection: &mut PgConnection) -> Vec<Row> {
    let mut rows = select(connection);
    rows.retain(|row| row.action.starts_with("audit."));
    rows
}
