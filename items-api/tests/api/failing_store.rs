//! Errors of Postgres, forced: the client learns that there was one, and the log which.

use std::io::BufRead as _;
use std::process::Stdio;

use audit::testing::TestDatabase;
use diesel::connection::SimpleConnection as _;
use items_api::auth::Role;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, TestService, assert_problem};
use crate::program::{address_of, create_until_accepted, program, terminate};

/// Every route that asks Postgres, by whom.
const ROUTES: [(Method, &str); 8] = [
    (Method::GET, "/items/"),
    (Method::POST, "/items/"),
    (Method::GET, "/items/{item}"),
    (Method::PUT, "/items/{item}"),
    (Method::PATCH, "/items/{item}"),
    (Method::DELETE, "/items/{item}"),
    (Method::GET, "/audit/records"),
    (Method::GET, "/audit/records/{record}"),
];

/// A service with one item, and the paths at which it and its record are.
struct Prepared {
    service: TestService,
    item: String,
    record: String,
}

impl Prepared {
    async fn start() -> Self {
        let service = TestService::start().await;
        let item = service.create(&json!({ "name": "Kettle" })).await;
        let record = service.records("action=create_item", 1).await.remove(0);
        let id = |value: &Value| value["id"].as_str().unwrap().to_owned();
        Self {
            item: id(&item),
            record: id(&record),
            service,
        }
    }

    async fn ask(&self, method: &Method, route: &str) -> Answer {
        let path = route
            .replace("{item}", &self.item)
            .replace("{record}", &self.record);
        let request = self
            .service
            .request(method.clone(), &path)
            .bearer_auth(self.service.token("ada", Role::Admin));
        let request = match *method {
            Method::GET | Method::DELETE => request,
            _ => request.json(&json!({ "name": "Pot" })),
        };
        let answer = Answer::of(request).await;
        self.assert_discreet(&answer.body);
        answer
    }

    /// Neither SQL, nor its errors, nor anything of the machine.
    #[track_caller]
    fn assert_discreet(&self, answer: &Value) {
        let answer = answer.to_string();
        let data_dir = self.service.config.data_dir.display().to_string();
        for tell_tale in [
            "relation",
            "column",
            "SELECT",
            "INSERT",
            "UPDATE",
            "permission",
            "audit_records",
            "statement",
            "timeout",
            "iesel",
            "ostgres",
            "SQL",
            "src/",
            &data_dir,
            self.service.database.name(),
        ] {
            assert!(!answer.contains(tell_tale), "{tell_tale}: {answer}");
        }
    }
}

#[actix_web::test]
async fn missing_tables_columns_and_rights_and_wrong_types_are_the_same_to_a_client() {
    let prepared = Prepared::start().await;
    let mut owner = prepared.service.database.connect();
    for (breaks, mends) in [
        (
            "ALTER TABLE items RENAME TO others; ALTER TABLE audit_records RENAME actor_id TO other",
            "ALTER TABLE others RENAME TO items; ALTER TABLE audit_records RENAME other TO actor_id",
        ),
        (
            "ALTER TABLE items RENAME name TO other; ALTER TABLE audit_records RENAME action TO other",
            "ALTER TABLE items RENAME other TO name; ALTER TABLE audit_records RENAME other TO action",
        ),
        (
            "ALTER TABLE items ALTER created_at TYPE bytea USING created_at::text::bytea;
             REVOKE SELECT ON audit_records FROM audit_reader",
            "ALTER TABLE items ALTER created_at TYPE timestamptz USING encode(created_at, 'escape')::timestamptz;
             GRANT SELECT ON audit_records TO audit_reader",
        ),
    ] {
        owner.batch_execute(breaks).unwrap();
        for (method, route) in &ROUTES {
            let answer = prepared.ask(method, route).await;
            assert_problem(500, "internal_error", &answer);
        }
        owner.batch_execute(mends).unwrap();
    }
    assert_eq!(prepared.ask(&Method::GET, "/items/").await.status, 200);
}

#[actix_web::test]
async fn what_postgres_gives_up_can_be_tried_again() {
    let prepared = Prepared::start().await;
    let mut owner = prepared.service.database.connect();
    // Held until the transaction ends, so that every statement takes too long.
    owner
        .batch_execute("BEGIN; LOCK TABLE items, audit_records IN ACCESS EXCLUSIVE MODE")
        .unwrap();
    let answers = ROUTES
        .iter()
        .map(|(method, route)| prepared.ask(method, route));
    for answer in futures_util::future::join_all(answers).await {
        assert_problem(503, "query_timed_out", &answer);
    }
    owner.batch_execute("ROLLBACK").unwrap();
    assert_eq!(prepared.ask(&Method::GET, "/items/").await.status, 200);
}

/// What a client sent comes into an error of Postgres, and so into the log.
const FORGERY: &str =
    "ok\n2026-11-25T00:00:00Z  INFO forged: all is well\r\u{1b}[2J\u{202e}\u{2028}\u{85}\u{200b}";

#[actix_web::test]
async fn what_a_client_sends_is_in_the_log_on_one_line_and_obeyed_by_no_terminal() {
    for format in ["text", "json"] {
        let database = TestDatabase::empty();
        let data_dir = tempfile::tempdir().unwrap();
        let program = || program(data_dir.path(), Some(database.url()));
        let mut service = program()
            .args(["--bind", "127.0.0.1:0", "--log-format", format])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = std::io::BufReader::new(service.stderr.take().unwrap());
        let address = address_of(&mut service);
        let token = program()
            .args(["token", "--sub", "alice", "--role", "user"])
            .output()
            .unwrap();
        let token = String::from_utf8(token.stdout).unwrap();
        create_until_accepted(&address, token.trim()).await;
        database
            .connect()
            .batch_execute(
                "CREATE FUNCTION object() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN RAISE EXCEPTION 'no %', NEW.name; END $$;
                 CREATE TRIGGER object BEFORE INSERT ON items FOR EACH ROW EXECUTE FUNCTION object()",
            )
            .unwrap();
        let request = reqwest::Client::new()
            .post(format!("{address}/items/"))
            .bearer_auth(token.trim())
            .json(&json!({ "name": FORGERY }));
        let answer = Answer::of(request).await;
        assert_problem(500, "internal_error", &answer);
        assert!(
            !answer.body.to_string().contains("forged"),
            "{}",
            answer.body
        );

        terminate(&service);
        let lines: Vec<String> = log.lines().map(Result::unwrap).collect();
        service.wait().unwrap();
        let told: Vec<&String> = lines
            .iter()
            .filter(|line| line.contains("forged"))
            .collect();
        assert_eq!(told.len(), 1, "the cause is in the log, once: {lines:#?}");
        assert!(told[0].contains("a statement failed"), "{lines:#?}");
        assert!(told[0].contains(&answer.request_id), "{lines:#?}");
        for line in &lines {
            let is_printable = line.chars().all(audit::printable::is_printable);
            assert!(is_printable, "{line:?}");
            if format == "json" {
                serde_json::from_str::<Value>(line).unwrap();
            }
        }
    }
}
