//! Records in the handler's own transaction, on a real Postgres.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, and so do its helpers"
)]

use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::web::{self, Data, Path};
use actix_web::{App, HttpResponse};
use audit::problem::{INTERNAL_ERROR, Kind};
use audit::testing::{TestDatabase, eventually};
use audit::{Audit, AuditScope, Durability, Outcome, Problem, TaskError, audited};
use diesel::connection::SimpleConnection as _;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::result::Error as DieselError;
use diesel::sql_types::{BigInt, Integer, Text};
use futures_util::FutureExt as _;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

const NOT_STORED: Kind = Kind::new(409, "not_stored", "The thing was not stored");

/// A database with a table of the service's own.
fn database() -> TestDatabase {
    let database = TestDatabase::migrated(None);
    let table = "CREATE TABLE things (id integer PRIMARY KEY CHECK (id < 100))";
    database.connect().batch_execute(table).unwrap();
    database
}

fn start(database: &TestDatabase) -> Audit {
    Audit::builder("tests", database.url(), database.journal())
        .start()
        .unwrap()
}

fn store(connection: &mut PgConnection, id: i32) -> QueryResult<usize> {
    diesel::sql_query("INSERT INTO things VALUES ($1)")
        .bind::<Integer, _>(id)
        .execute(connection)
}

#[derive(Debug, PartialEq, Eq, QueryableByName)]
struct Told {
    #[diesel(sql_type = Text)]
    outcome: String,
    #[diesel(sql_type = Text)]
    reason: String,
    #[diesel(sql_type = Integer)]
    status: i32,
}

/// What the table says of an action.
fn told(database: &TestDatabase, action: &str) -> Vec<(String, String, i32)> {
    let query = "SELECT outcome, coalesce(reason, '') AS reason, coalesce(http_status, 0)::int AS status \
                 FROM audit_records WHERE action = $1 ORDER BY occurred_at, id";
    let told: Vec<Told> = diesel::sql_query(query)
        .bind::<Text, _>(action)
        .load(&mut database.connect())
        .unwrap();
    told.into_iter()
        .map(|told| (told.outcome, told.reason, told.status))
        .collect()
}

fn things(database: &TestDatabase) -> i64 {
    count(database, "things")
}

fn count(database: &TestDatabase, of: &str) -> i64 {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        count: i64,
    }
    let count: Count = diesel::sql_query(format!("SELECT count(*) FROM {of}"))
        .get_result(&mut database.connect())
        .unwrap();
    count.count
}

fn told_as(outcome: &str, reason: &str, status: i32) -> Vec<(String, String, i32)> {
    vec![(outcome.to_owned(), reason.to_owned(), status)]
}

/// Stores a thing, and answers 201 or says what the error was.
#[audited(action = "store", resource = "thing", resource_id = id, durability = "transaction")]
async fn store_thing(
    id: Path<i32>,
    url: Data<String>,
    scope: AuditScope,
) -> Result<HttpResponse, Problem> {
    let stored = web::block(move || {
        let mut connection = PgConnection::establish(&url).unwrap();
        scope.status(StatusCode::CREATED);
        scope.transaction(&mut connection, |connection| store(connection, *id))
    });
    match stored.await.unwrap() {
        Ok(_) => Ok(HttpResponse::Created().finish()),
        Err(error) => Err(Problem::new(&NOT_STORED, error.to_string())),
    }
}

#[actix_web::test]
async fn the_change_and_its_record_are_committed_together() {
    let database = database();
    let audit = start(&database);
    let app = App::new()
        .app_data(audit.clone())
        .app_data(Data::new(database.url().to_owned()))
        .route("/{id}", web::post().to(store_thing));
    let app = init_service(app).await;
    let response = call_service(&app, TestRequest::post().uri("/7").to_request()).await;
    assert_eq!(response.status(), StatusCode::CREATED);
    // No writer has brought it: it is there with the response.
    assert_eq!(told(&database, "store"), told_as("success", "", 201));
    assert_eq!(things(&database), 1);
    assert_eq!(audit.drain(Duration::from_secs(10)), 0);
    drop((app, audit));

    // Nothing is left behind that could be told a second time.
    let audit = start(&database);
    assert_eq!(audit.drain(Duration::from_secs(10)), 0);
    assert_eq!(told(&database, "store"), told_as("success", "", 201));
}

#[actix_web::test]
async fn a_change_that_is_undone_leaves_the_record_of_the_failed_attempt() {
    let database = database();
    let audit = start(&database);
    let app = App::new()
        .app_data(audit.clone())
        .app_data(Data::new(database.url().to_owned()))
        .route("/{id}", web::post().to(store_thing));
    let app = init_service(app).await;
    let response = call_service(&app, TestRequest::post().uri("/100").to_request()).await;
    assert_eq!(response.status(), StatusCode::CONFLICT);
    assert_eq!(audit.drain(Duration::from_secs(10)), 0);
    assert_eq!(
        told(&database, "store"),
        told_as("rejected", "not_stored", 409)
    );
    assert_eq!(things(&database), 0);
}

#[actix_web::test]
async fn a_record_that_cannot_be_stored_undoes_the_change() {
    let database = database();
    let audit = start(&database);
    // Successes are refused, so that only the record in the transaction is.
    database
        .connect()
        .batch_execute("ALTER TABLE audit_records ADD CHECK (outcome <> 'success' OR action LIKE 'audit.%') NOT VALID")
        .unwrap();
    let app = App::new()
        .app_data(audit.clone())
        .app_data(Data::new(database.url().to_owned()))
        .route("/{id}", web::post().to(store_thing));
    let app = init_service(app).await;
    let response = call_service(&app, TestRequest::post().uri("/7").to_request()).await;
    assert_eq!(response.status(), StatusCode::CONFLICT);
    assert_eq!(things(&database), 0);
    assert_eq!(audit.drain(Duration::from_secs(10)), 0);
    assert_eq!(
        told(&database, "store"),
        told_as("rejected", "not_stored", 409)
    );
}

#[actix_web::test]
async fn a_client_that_goes_away_in_the_middle_takes_the_change_with_it() {
    struct Gate {
        reached: mpsc::Sender<()>,
        open: mpsc::Receiver<()>,
        done: mpsc::Sender<String>,
    }

    #[audited(action = "wait", durability = "transaction")]
    async fn wait(
        url: Data<String>,
        gate: Data<Mutex<Option<Gate>>>,
        scope: AuditScope,
    ) -> HttpResponse {
        let gate = gate.lock().unwrap().take().unwrap();
        let work = web::block(move || {
            let mut connection = PgConnection::establish(&url).unwrap();
            let stored = scope.transaction(&mut connection, |connection| {
                let stored = store(connection, 7);
                gate.reached.send(()).unwrap();
                gate.open.recv().unwrap();
                stored
            });
            gate.done.send(stored.unwrap_err().to_string()).unwrap();
        });
        work.await.unwrap();
        HttpResponse::Ok().finish()
    }

    let database = database();
    let audit = start(&database);
    let (reached, is_reached) = mpsc::channel();
    let (open, is_open) = mpsc::channel();
    let (done, is_done) = mpsc::channel();
    let gate = Data::new(Mutex::new(Some(Gate {
        reached,
        open: is_open,
        done,
    })));
    let app = App::new()
        .app_data(audit.clone())
        .app_data(gate)
        .app_data(Data::new(database.url().to_owned()))
        .route("/", web::post().to(wait));
    let app = init_service(app).await;
    let mut call = Box::pin(call_service(&app, TestRequest::post().to_request()));
    eventually("the handler stands in its transaction", async || {
        assert!((&mut call).now_or_never().is_none());
        is_reached.try_recv().ok()
    })
    .await;
    drop(call);
    eventually("the client is told to have gone", async || {
        (told(&database, "wait") == told_as("aborted", "client_gone", 0)).then_some(())
    })
    .await;
    open.send(()).unwrap();
    let error = is_done.recv_timeout(Duration::from_secs(20)).unwrap();
    assert!(error.contains("has ended meanwhile"), "{error}");
    assert_eq!(things(&database), 0);
    assert_eq!(audit.drain(Duration::from_secs(10)), 0);
    assert_eq!(told(&database, "wait").len(), 1);
}

#[test]
fn one_attempt_commits_one_transaction_and_not_within_another() {
    let database = database();
    let audit = start(&database);
    let mut connection = database.connect();
    let result = audit
        .task("twice")
        .durability(Durability::Transaction)
        .run_blocking(|scope| {
            let nested = connection.transaction(|connection| {
                scope.transaction(connection, |connection| store(connection, 1))
            });
            assert!(matches!(nested, Err(DieselError::AlreadyInTransaction)));
            // One that failed may be tried again.
            let failed = scope.transaction(&mut connection, |connection| store(connection, 100));
            assert!(failed.is_err());
            scope.note("attempts", 2);
            scope.transaction(&mut connection, |connection| store(connection, 2))?;
            let second = scope.transaction(&mut connection, |connection| store(connection, 3));
            assert!(second.unwrap_err().to_string().contains("one transaction"));
            Ok::<_, DieselError>(())
        });
    assert!(result.is_ok());
    assert_eq!(things(&database), 1);
    assert_eq!(audit.drain(Duration::from_secs(10)), 0);
    assert_eq!(told(&database, "twice"), told_as("success", "", 0));
}

#[test]
fn an_end_that_contradicts_what_was_committed_is_counted_and_changes_nothing() {
    let database = database();
    let audit = start(&database);
    let mut registry = Registry::default();
    audit.register_metrics(&mut registry);
    let mut connection = database.connect();
    let result = audit
        .task("contradicts")
        .durability(Durability::Transaction)
        .run_blocking(|scope| {
            scope.transaction(&mut connection, |connection| store(connection, 1))?;
            Err::<(), _>(DieselError::NotFound)
        });
    assert!(matches!(
        result,
        Err(TaskError::Failed(DieselError::NotFound))
    ));
    assert_eq!(audit.drain(Duration::from_secs(10)), 0);
    assert_eq!(told(&database, "contradicts"), told_as("success", "", 0));
    let mut metrics = String::new();
    encode(&mut metrics, &registry).unwrap();
    assert!(
        metrics.contains("audit_contradictions_total 1"),
        "{metrics}"
    );
}

#[test]
fn for_every_other_durability_it_is_a_plain_transaction() {
    let database = database();
    let audit = start(&database);
    let mut connection = database.connect();
    audit
        .task("plain")
        .durability(Durability::Crash)
        .run_blocking(|scope| {
            scope.transaction(&mut connection, |connection| store(connection, 1))?;
            scope.transaction(&mut connection, |connection| store(connection, 2))?;
            let undone = scope.transaction(&mut connection, |connection| store(connection, 100));
            assert!(undone.is_err());
            Ok::<_, DieselError>(())
        })
        .unwrap();
    assert_eq!(things(&database), 2);
    assert_eq!(audit.drain(Duration::from_secs(10)), 0);
    assert_eq!(told(&database, "plain"), told_as("success", "", 0));
}

#[actix_web::test]
async fn a_panic_after_the_commit_is_answered_and_the_commit_stays_told() {
    #[audited(action = "breaks", durability = "transaction")]
    async fn breaks(url: Data<String>, scope: AuditScope) -> Result<HttpResponse, Problem> {
        let mut connection = PgConnection::establish(&url)
            .map_err(|_| Problem::new(&INTERNAL_ERROR, "there is no connection"))?;
        let stored = scope.transaction(&mut connection, |connection| store(connection, 1));
        panic!("{stored:?} and then a mistake")
    }

    let database = database();
    let audit = start(&database);
    let app = App::new()
        .app_data(audit.clone())
        .app_data(Data::new(database.url().to_owned()))
        .route("/", web::post().to(breaks));
    let app = init_service(app).await;
    let response = call_service(&app, TestRequest::post().to_request()).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(things(&database), 1);
    assert_eq!(audit.drain(Duration::from_secs(10)), 0);
    assert_eq!(told(&database, "breaks"), told_as("success", "", 0));
}

#[test]
fn many_attempts_at_once_leave_as_many_things_as_records() {
    let database = database();
    let audit = Arc::new(start(&database));
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (audit, database) = (Arc::clone(&audit), &database);
            scope.spawn(move || {
                let mut connection = database.connect();
                for number in 0..10 {
                    // Every third is refused by the table.
                    let id = thread * 20 + number + if number % 3 == 0 { 100 } else { 0 };
                    let _ = audit
                        .task("many")
                        .durability(Durability::Transaction)
                        .run_blocking(|scope| {
                            scope.transaction(&mut connection, |connection| store(connection, id))
                        });
                }
            });
        }
    });
    assert_eq!(audit.drain(Duration::from_secs(10)), 0);
    let told = told(&database, "many");
    let successes = told.iter().filter(|told| told.0 == "success").count();
    assert_eq!(
        (told.len(), i64::try_from(successes).unwrap()),
        (40, things(&database))
    );
    assert_eq!(successes, 24);
}

#[test]
fn transactions_alone_do_not_fill_the_journal() {
    let database = database();
    let audit = Audit::builder("tests", database.url(), database.journal())
        .journal_quota_bytes(1024 * 1024)
        .start()
        .unwrap();
    let mut connection = database.connect();
    let payload = "p".repeat(8_000);
    // Several times the journal's quota; no writer is ever needed.
    for _ in 0..400 {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let done = audit
                .task("pure")
                .payload(&payload)
                .durability(Durability::Transaction)
                .run_blocking(|scope| {
                    scope.transaction(&mut connection, |_| Ok::<_, DieselError>(()))
                });
            match done {
                Ok(()) => break,
                Err(TaskError::Unavailable(reason)) => {
                    assert!(Instant::now() < deadline, "{reason}")
                }
                Err(other) => panic!("{other}"),
            }
        }
    }
    assert_eq!(audit.drain(Duration::from_secs(10)), 0);
    assert_eq!(told(&database, "pure").len(), 400);
}

#[test]
fn changes_of_a_transaction_that_was_undone_are_not_told() {
    let database = database();
    let audit = start(&database);
    let mut connection = database.connect();
    let result = audit
        .task("again")
        .durability(Durability::Transaction)
        .run_blocking(|scope| {
            let undone = scope.transaction(&mut connection, |connection| {
                scope.change(&1, &100);
                scope.note("tries", 1);
                store(connection, 100)
            });
            assert!(undone.is_err());
            scope.transaction(&mut connection, |connection| {
                scope.change(&1, &2);
                store(connection, 2)
            })
        });
    assert!(result.is_ok());
    #[derive(QueryableByName)]
    struct Changes {
        #[diesel(sql_type = Text)]
        changes: String,
    }
    let changes: Changes =
        diesel::sql_query("SELECT changes::text FROM audit_records WHERE action = 'again'")
            .get_result(&mut connection)
            .unwrap();
    assert_eq!(changes.changes, r#"[{"path":"","old":1,"new":2}]"#);
}

#[test]
fn an_outcome_that_was_said_before_the_commit_contradicts_nothing() {
    let database = database();
    let audit = start(&database);
    let mut registry = Registry::default();
    audit.register_metrics(&mut registry);
    let mut connection = database.connect();
    let result = audit
        .task("limits")
        .durability(Durability::Transaction)
        .run_blocking(|scope| {
            scope.outcome(Outcome::Rejected);
            scope.reason("limit_reached");
            scope.transaction(&mut connection, |connection| store(connection, 1))
        });
    assert!(result.is_ok());
    assert_eq!(
        told(&database, "limits"),
        told_as("rejected", "limit_reached", 0)
    );
    let mut metrics = String::new();
    encode(&mut metrics, &registry).unwrap();
    assert!(
        metrics.contains("audit_contradictions_total 0"),
        "{metrics}"
    );
}

#[test]
fn a_connection_that_does_not_wait_for_its_disk_is_made_to() {
    let database = database();
    let audit = start(&database);
    let mut connection = database.connect();
    let seen = "CREATE TABLE seen (setting text);
        CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN INSERT INTO seen VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$;
        CREATE CONSTRAINT TRIGGER see AFTER INSERT ON things DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION see();
        SET synchronous_commit = off";
    connection.batch_execute(seen).unwrap();
    audit
        .task("waits")
        .durability(Durability::Transaction)
        .run_blocking(|scope| scope.transaction(&mut connection, |connection| store(connection, 1)))
        .unwrap();
    #[derive(QueryableByName)]
    struct Seen {
        #[diesel(sql_type = Text)]
        setting: String,
    }
    let seen: Seen = diesel::sql_query("SELECT setting FROM seen")
        .get_result(&mut connection)
        .unwrap();
    assert_eq!(seen.setting, "on");
}

#[test]
fn a_panic_within_a_transaction_tells_of_no_change() {
    let database = database();
    let audit = start(&database);
    let mut connection = database.connect();
    let work = |scope: AuditScope| -> Result<usize, DieselError> {
        scope.transaction(&mut connection, |connection| {
            scope.change(&1, &2);
            let stored = store(connection, 1);
            panic!("{stored:?} and then a mistake")
        })
    };
    let task = audit.task("breaks").durability(Durability::Transaction);
    let attempt = std::panic::AssertUnwindSafe(|| task.run_blocking(work));
    assert!(std::panic::catch_unwind(attempt).is_err());
    drop(connection);
    assert_eq!(audit.drain(Duration::from_secs(10)), 0);
    assert_eq!(told(&database, "breaks"), told_as("failed", "panic", 0));
    assert_eq!(things(&database), 0);
    let query = "audit_records WHERE action = 'breaks' AND changes::text = '[]'";
    assert_eq!(count(&database, query), 1);
}
