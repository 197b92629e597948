//! `items-api query` and `items-api export`, run as programs.

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use audit::testing::{TestDatabase, eventually};
use diesel::connection::SimpleConnection as _;
use items_api::auth::Role;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::TestService;
use crate::program::{address_of, create_until_accepted, program, send, terminate};

/// A service with some records, and a folder for files.
struct Prepared {
    service: TestService,
    folder: TempDir,
}

impl Prepared {
    async fn start(items: usize) -> Self {
        let service = TestService::start().await;
        for number in 0..items {
            let colour = if number == 0 { "red" } else { "blue" };
            service
                .create(&json!({ "name": format!("=Teapot {number}"), "attributes": { "colour": colour } }))
                .await;
        }
        service.records("action=create_item", items).await;
        Self {
            service,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        command(self.folder.path(), self.service.database.url(), arguments)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// What it prints.
    #[track_caller]
    fn prints(&self, arguments: &[&str]) -> String {
        stdout(&self.run(arguments))
    }

    /// What it says instead of printing anything.
    #[track_caller]
    fn refuses(&self, arguments: &[&str]) -> String {
        refusal(&self.run(arguments))
    }

    /// Stores records of the action `many`, without an attempt for each.
    fn store(&self, records: u32) {
        self.service
            .database
            .connect()
            .batch_execute(&format!(
                "INSERT INTO audit_records (id, schema, service, instance, seq, occurred_at, \
                     duration_us, action, outcome, actor_kind, actor_roles, changes, notes, \
                     redacted, truncated, digest) \
                 SELECT (lpad(to_hex((extract(epoch FROM date_trunc('milliseconds', now())) * 1000)::bigint), 12, '0') \
                         || '7' || substr(md5(n::text), 1, 3) || '8' || substr(md5(n::text), 4, 15))::uuid, \
                     1, 's', 'i', n, date_trunc('milliseconds', now()), 0, 'many', 'success', \
                     'system', '[]', '[]', '{{}}', '[]', '[]', sha256('') \
                 FROM generate_series(1, {records}) AS n"
            ))
            .unwrap();
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.folder.path().join(file)).unwrap()
    }

    /// The same from the service.
    async fn export(&self, query: &str) -> String {
        let request = self.service.get(&format!("/audit/export?{query}"));
        let token = self.service.token("ada", Role::Admin);
        let response = request.bearer_auth(token).send().await.unwrap();
        response.text().await.unwrap()
    }
}

fn command(folder: &Path, url: &str, arguments: &[&str]) -> Command {
    let mut command = program(folder, Some(url));
    command.args(arguments).stdin(Stdio::null());
    command
}

#[track_caller]
fn stdout(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[track_caller]
fn refusal(output: &Output) -> String {
    assert!(!output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[actix_web::test]
async fn in_a_pipe_records_are_the_very_bytes_that_the_service_exports() {
    let prepared = Prepared::start(3).await;
    let filters = ["--action", "create_item"];
    let expected = prepared.export("action=create_item").await;
    assert_eq!(expected.lines().count(), 3);

    let query = [&["query", "--order", "asc"][..], &filters].concat();
    assert_eq!(prepared.prints(&query), expected);
    let export = [&["export"][..], &filters].concat();
    assert_eq!(prepared.prints(&export), expected);

    let newest_first = prepared.prints(&[&["query", "--limit", "2"][..], &filters].concat());
    let mut lines: Vec<&str> = expected.lines().skip(1).collect();
    lines.reverse();
    assert_eq!(newest_first.lines().collect::<Vec<_>>(), lines);

    let csv = prepared.export("action=create_item&format=csv").await;
    let export = [&["export", "--format", "csv"][..], &filters].concat();
    assert_eq!(prepared.prints(&export), csv);
    assert!(csv.contains("create_item"));
}

#[actix_web::test]
async fn every_filter_is_a_flag_and_narrows_what_is_shown() {
    let prepared = Prepared::start(2).await;
    let record: Value = serde_json::from_str(
        prepared
            .prints(&["query", "--payload", "attributes.colour=red"])
            .trim(),
    )
    .unwrap();
    let text = |pointer: &str| {
        record
            .pointer(pointer)
            .unwrap()
            .as_str()
            .unwrap()
            .to_owned()
    };
    let (actor, item) = (text("/actor/id"), text("/resource/id"));
    let request = text("/http/request_id");
    for flags in [
        &["--actor", &actor, "--actor", "nobody"][..],
        &["--action", "create_*"],
        &["--resource-type", "item"],
        &["--resource-id", &item],
        &["--outcome", "success", "--outcome", "failed"],
        &["--status", "2xx"],
        &["--method", "post"],
        &["--route", "/items/"],
        &["--ip", "127.0.0.0/8"],
        &["--request-id", &request],
        &["--q", "teapot 0"],
        &[
            "--payload",
            "attributes.colour=red",
            "--payload",
            "attributes.colour=green",
        ],
        &["--from", "-1h"],
        &["--to", "2999-01-01"],
    ] {
        let found = prepared.prints(&[&["query"], flags].concat());
        assert!(found.contains(&item), "{flags:?}");
    }
    for flags in [
        &["--actor", "nobody"][..],
        &["--trace-id", "4bf92f3577b34da6a3ce929d0e0e4736"],
        &["--payload", "attributes.colour=green"],
        &["--to", "-1h"],
        &["--q", "kettle"],
    ] {
        let found = prepared.prints(&[&["query"], flags].concat());
        assert!(!found.contains("create_item"), "{flags:?}: {found}");
    }
}

#[test]
fn what_cannot_be_understood_is_refused_by_the_name_of_its_flag() {
    let folder = tempfile::tempdir().unwrap();
    for (flags, flag, example) in [
        (&["--status", "6xx"][..], "--status", "404"),
        (&["--ip", "example.org"], "--ip", "192.0.2.7"),
        (&["--outcome", "great"], "--outcome", "denied"),
        (&["--from", "yesterday"], "--from", "-24h"),
        (&["--from", "-1h", "--to", "-2h"], "--to", "exchange"),
        (&["--actor", ""], "--actor", "1 to 1024 bytes"),
        (&["--request-id", ""], "--request-id", "1 to 1024 bytes"),
        (
            &["--payload", "colour"],
            "--payload",
            "attributes.colour=red",
        ),
        (
            &["--payload", "a..b=1"],
            "--payload",
            "attributes.colour=red",
        ),
        (&["--payload", "a.b="], "--payload a.b", "1 to 1024 bytes"),
    ] {
        for name in ["query", "export"] {
            // There is nothing at this address, and nobody asks.
            let url = "postgresql:///nowhere?host=/nonexistent";
            let output = command(folder.path(), url, &[&[name], flags].concat()).output();
            let said = refusal(&output.unwrap());
            assert!(said.contains(flag), "{flags:?}: {said}");
            assert!(said.contains(example), "{flags:?}: {said}");
        }
    }
}

#[actix_web::test]
async fn a_table_is_for_people_and_ndjson_on_a_terminal_shows_itself() {
    let prepared = Prepared::start(1).await;
    let table = prepared.prints(&["query", "--format", "table", "--action", "create_item"]);
    let [titles, row] = table.lines().collect::<Vec<_>>()[..] else {
        panic!("{table}");
    };
    assert!(titles.starts_with("TIME") && titles.ends_with("IP"));
    assert!(row.contains("  alice  create_item  success 201  item "));
    assert!(row.ends_with("POST /items/  127.0.0.1"), "{row}");
    assert!(!table.contains('\u{1b}'), "a pipe has no colours");
}

#[actix_web::test]
async fn a_limit_beyond_a_page_is_walked() {
    let prepared = Prepared::start(1).await;
    prepared.store(2_500);
    let count = |limit: &str| {
        let found = prepared.prints(&["query", "--action", "many", "--limit", limit]);
        found.lines().count()
    };
    assert_eq!(count("1500"), 1500);
    assert_eq!(count("2000"), 2000);
    assert_eq!(count("9999"), 2500);
}

#[actix_web::test]
async fn an_export_goes_on_behind_a_torn_line_without_a_double_or_missing_record() {
    let prepared = Prepared::start(4).await;
    for format in ["ndjson", "csv"] {
        let file = format!("records.{format}");
        let arguments = [
            "export",
            "--action",
            "create_item",
            "--format",
            format,
            "--output",
            &file,
        ];
        let resumed = [&arguments[..], &["--resume"]].concat();
        prepared.prints(&arguments);
        let whole = prepared.read(&file);
        assert!(whole.lines().count() >= 4);
        for cut in [
            0,
            10,
            whole.len() / 3,
            whole.len() / 2,
            whole.len() - 1,
            whole.len(),
        ] {
            fs::remove_file(prepared.folder.path().join(&file)).unwrap();
            let part = prepared.folder.path().join(format!("{file}.part"));
            fs::write(&part, &whole.as_bytes()[..cut]).unwrap();

            if cut > 0 {
                let said = prepared.refuses(&arguments);
                assert!(said.contains("--resume"), "{said}");
                assert_eq!(fs::read(&part).unwrap().len(), cut);
            }

            prepared.prints(&resumed);
            assert_eq!(prepared.read(&file), whole, "{format} cut at {cut}");
            assert!(!part.exists());
        }
    }
}

#[actix_web::test]
async fn an_existing_file_is_not_written_over() {
    let prepared = Prepared::start(1).await;
    fs::write(prepared.folder.path().join("mine"), "precious").unwrap();
    let arguments = ["export", "--output", "mine"];
    for more in [&[][..], &["--resume"]] {
        let said = prepared.refuses(&[&arguments, more].concat());
        assert!(said.contains("mine exists"), "{said}");
        assert_eq!(prepared.read("mine"), "precious");
    }
    let output = prepared.run(&[&arguments[..], &["--force"]].concat());
    stdout(&output);
    assert!(prepared.read("mine").contains("create_item"));
    let summary = String::from_utf8(output.stderr).unwrap();
    assert!(summary.contains(" records, "), "{summary}");
    assert_eq!(summary.lines().count(), 1, "{summary}");
}

#[actix_web::test]
async fn a_file_for_spreadsheets_calculates_nothing() {
    let prepared = Prepared::start(0).await;
    let token = prepared.service.token("=cmd|'/c calc'!A1", Role::User);
    let request = prepared.service.post("/items/").bearer_auth(token);
    let request = request.json(&json!({ "name": "Pot" }));
    assert!(request.send().await.unwrap().status().is_success());
    prepared.service.records("action=create_item", 1).await;
    let csv = prepared.prints(&["export", "--action", "create_item", "--format", "csv"]);
    assert!(csv.contains(",'=cmd|"), "{csv}");
    assert!(!csv.contains(",=") && !csv.contains(",\"="), "{csv}");
}

#[actix_web::test]
async fn reading_on_the_command_line_leaves_a_record_with_its_filters_and_without_secrets() {
    let prepared = Prepared::start(1).await;
    prepared.prints(&["query", "--actor", "alice", "--from", "-1h", "--limit", "7"]);
    prepared.prints(&["export", "--payload", "attributes.password=hunter2"]);

    let newest = prepared.prints(&["query", "--limit", "1", "--resource-type", "audit_record"]);
    assert!(
        newest.contains("export_audit_records"),
        "not itself: {newest}"
    );

    let user = Command::new("id").arg("-un").output().unwrap();
    let user = String::from_utf8(user.stdout).unwrap();
    let query = format!("action=read_audit_records&actor={}", user.trim());
    let records = prepared.service.records(&query, 1).await;
    let record = &records[0];
    assert_eq!(record["actor"]["kind"], "system");
    assert_eq!(record["actor"]["auth"], "local");
    assert_eq!(record["resource"]["type"], "audit_record");
    assert_eq!(record["outcome"], "success");
    assert_eq!(record["seq"], 1);
    assert_eq!(record["notes"]["limit"], 7);
    assert_eq!(record["notes"]["query"], "actor=alice&from=-1h&order=desc");

    let query = format!("action=export_audit_records&actor={}", user.trim());
    let records = prepared.service.records(&query, 1).await;
    let record = &records[0];
    assert_eq!(
        record["notes"]["query"],
        "payload.attributes.password=[REDACTED]&format=ndjson&order=asc"
    );
    assert!(!record["redacted"].as_array().unwrap().is_empty());
    assert!(!record.to_string().contains("hunter2"));
}

#[actix_web::test]
async fn where_the_reading_cannot_be_recorded_nothing_is_shown() {
    let prepared = Prepared::start(1).await;
    let mut owner = prepared.service.database.connect();
    owner
        .batch_execute(
            "ALTER TABLE audit_records ADD CONSTRAINT no_readers \
             CHECK (action NOT IN ('read_audit_records', 'export_audit_records')) NOT VALID",
        )
        .unwrap();
    for arguments in [&["query"][..], &["export"], &["export", "--output", "file"]] {
        let said = prepared.refuses(arguments);
        assert!(said.contains("nothing is shown"), "{said}");
        assert!(said.contains("no_readers"), "{said}");
    }
    assert_eq!(fs::read_dir(prepared.folder.path()).unwrap().count(), 0);
}

#[test]
fn without_tables_or_a_database_the_error_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let database = TestDatabase::empty();
    let output = command(folder.path(), database.url(), &["query"]).output();
    let said = refusal(&output.unwrap());
    assert!(said.contains("the migrations have not run"), "{said}");

    let output = program(folder.path(), None).arg("query").output();
    let said = refusal(&output.unwrap());
    assert!(said.contains("DATABASE_URL"), "{said}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[actix_web::test]
async fn whoever_has_read_enough_ends_it_quietly() {
    let prepared = Prepared::start(3).await;
    for name in ["query", "export"] {
        let mut child = prepared
            .command(&[name])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Nobody reads.
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        assert!(output.status.success());
    }
}

#[actix_web::test]
async fn an_export_that_is_interrupted_says_how_to_go_on() {
    let prepared = Prepared::start(0).await;
    prepared.store(20_000);
    let arguments = ["export", "--action", "many"];
    let whole = prepared.prints(&arguments);
    assert_eq!(whole.lines().count(), 20_000);

    let mut child = prepared
        .command(&arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It writes more than a pipe holds, so it waits for us.
    let mut first = [0];
    child
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut first)
        .unwrap();
    send("INT", &child);
    let output = child.wait_with_output().unwrap();
    assert!(!output.status.success());
    let part = [&first[..], &output.stdout].concat();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("interrupted"), "{said}");
    let (_, after) = said.split_once("--after ").unwrap();
    let after = after.split_whitespace().next().unwrap();

    let rest = prepared.prints(&[&arguments[..], &["--after", after]].concat());
    assert!(!rest.is_empty());
    assert!(String::from_utf8(part).unwrap() + &rest == whole);
}

#[actix_web::test]
async fn a_private_postgres_is_read_while_the_service_runs_and_while_it_does_not() {
    let data_dir = tempfile::tempdir().unwrap();
    let query = || {
        let mut query = program(data_dir.path(), None);
        query.args(["query", "--action", "create_item"]);
        stdout(&query.output().unwrap()).lines().count()
    };
    let mut service = program(data_dir.path(), None)
        .args(["--bind", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let address = address_of(&mut service);
    let token = program(data_dir.path(), None)
        .args(["token", "--sub", "alice", "--role", "user"])
        .output();
    let token = String::from_utf8(token.unwrap().stdout).unwrap();
    create_until_accepted(&address, token.trim()).await;
    eventually("the record is there", async || (query() > 0).then_some(())).await;

    terminate(&service);
    assert!(service.wait().unwrap().success());
    assert!(query() > 0);
}

/// A pseudo terminal is what `script` makes; where it is missing, its package is.
#[actix_web::test]
async fn on_a_terminal_it_is_a_table_with_colours_that_fits() {
    let prepared = Prepared::start(1).await;
    let run = |environment: &str| {
        let program = env!("CARGO_BIN_EXE_items-api");
        let line = format!("stty cols 80; {environment} {program} query --action create_item");
        let mut script = prepared.command(&[]);
        let environment: Vec<_> = script
            .get_envs()
            .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
            .collect();
        script = Command::new("script");
        script
            .args(["--quiet", "--return", "--command", &line, "/dev/null"])
            .envs(environment)
            .current_dir(prepared.folder.path())
            .stdin(Stdio::null());
        stdout(&script.output().unwrap())
    };
    let shown = run("env -u NO_COLOR");
    assert!(
        shown.contains("\u{1b}[32msuccess 201\u{1b}[0m"),
        "{shown:?}"
    );
    assert!(shown.contains("1 record\r\n"), "{shown:?}");
    let plain = run("NO_COLOR=1");
    assert!(!plain.contains('\u{1b}'), "{plain:?}");
    assert!(plain.contains("success 201") && plain.contains('…'));
    for line in plain.lines() {
        assert!(line.trim_end().chars().count() <= 80, "{line:?}");
    }
}
