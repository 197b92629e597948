//! What each role of the database is refused, and that the service needs no more.

use std::process::{Command, Stdio};

use audit::testing::TestDatabase;
use diesel::RunQueryDsl as _;
use diesel::connection::{Connection as _, SimpleConnection as _};
use diesel::pg::PgConnection;
use diesel::sql_types::Text;
use items_api::config::{AuditDurability, Options};
use items_api::serve;
use serde_json::json;

use crate::harness::TestService;

/// `insufficient_privilege`.
const REFUSED: &str = "42501";
/// What stands for success here; no error of Postgres has it.
const DONE: &str = "OK000";

/// What everybody but the owner is refused: `MONTH` stands for this month's
/// partition.
const REFUSED_TO_ALL: &[&str] = &[
    "UPDATE audit_records SET action = 'forged'",
    "UPDATE MONTH SET action = 'forged'",
    "UPDATE audit_records_default SET action = 'forged'",
    "DELETE FROM audit_records",
    "DELETE FROM MONTH",
    "DELETE FROM audit_records_default",
    "TRUNCATE audit_records",
    "TRUNCATE MONTH",
    "TRUNCATE audit_records_default",
    "SELECT FROM MONTH",
    "SELECT FROM audit_records FOR UPDATE",
    "INSERT INTO MONTH (seq) VALUES (1)",
    "INSERT INTO audit_records_default (seq) VALUES (1)",
    "INSERT INTO audit_records (recorded_at) VALUES (now())",
    "INSERT INTO audit_records (xact) VALUES ('1')",
    "INSERT INTO audit_records (seq) VALUES (1) ON CONFLICT (occurred_at, id) DO UPDATE SET seq = 2",
    "DROP TABLE audit_records",
    "DROP TABLE MONTH",
    "DROP TRIGGER audit_records_append_only ON audit_records",
    "DROP FUNCTION audit_refuse_change",
    "CREATE OR REPLACE FUNCTION audit_refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'",
    "ALTER TABLE audit_records DISABLE TRIGGER ALL",
    "ALTER TABLE MONTH DISABLE TRIGGER USER",
    "ALTER TABLE audit_records DETACH PARTITION MONTH",
    "ALTER TABLE audit_records ALTER xact DROP DEFAULT",
    "ALTER TABLE audit_records OWNER TO CURRENT_USER",
    "CREATE TRIGGER mine BEFORE INSERT ON audit_records EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "CREATE RULE mine AS ON INSERT TO audit_records DO INSTEAD NOTHING",
    "CREATE INDEX ON audit_records (seq)",
    "LOCK audit_records IN ACCESS EXCLUSIVE MODE",
    "COPY audit_records TO '/tmp/records'",
    "COPY audit_records FROM '/tmp/records'",
    "COPY audit_records TO PROGRAM 'cat'",
    "SELECT pg_read_file('PG_VERSION')",
    "SELECT lo_import('/etc/passwd')",
    "SET session_replication_role = replica",
    "CREATE TABLE mine (a int)",
    "CREATE VIEW mine AS SELECT 1",
    "CREATE FUNCTION now() RETURNS timestamptz LANGUAGE sql AS 'SELECT NULL::timestamptz'",
    "CREATE SCHEMA mine",
    "SELECT audit_ensure_partitions(now(), 100000)",
    "SELECT audit_prepare_roles()",
    "SELECT audit_ensure_role('mine')",
    "SELECT audit_grant_insert('public')",
    "SELECT items_prepare_role()",
    "SELECT FROM audit_dead_letters",
    "UPDATE audit_dead_letters SET requeued_at = now()",
    "DELETE FROM audit_dead_letters",
    "UPDATE __diesel_schema_migrations SET version = '1'",
    "CREATE ROLE mine",
];

/// Whether each role may do what some other role needs.
const NEEDED_BY_SOME: &[(&str, [bool; 3])] = &[
    // audit_writer, audit_reader, items_editor
    ("SELECT FROM audit_records", [false, true, false]),
    ("SELECT id FROM audit_records", [false, true, false]),
    ("SELECT FROM items", [false, false, true]),
    (
        "SELECT * FROM audit_insert_records(RECORD)",
        [true, false, true],
    ),
    (
        "SELECT audit_missing_records(ARRAY[now()], ARRAY[gen_random_uuid()])",
        [true, false, true],
    ),
    ("SELECT audit_keep_partitions_ahead()", [true, false, false]),
    (
        "INSERT INTO audit_dead_letters (id, record, message) VALUES (gen_random_uuid(), '', '')",
        [true, false, false],
    ),
    (
        "SELECT version FROM __diesel_schema_migrations",
        [true, false, false],
    ),
    ("UPDATE items SET name = 'Kettle'", [false, false, true]),
    ("DELETE FROM items", [false, false, true]),
    ("UPDATE items SET owner = 'mallory'", [false, false, false]),
    ("TRUNCATE items", [false, false, false]),
    ("ALTER TABLE items ADD mine int", [false, false, false]),
];

const ROLES: [&str; 3] = ["audit_writer", "audit_reader", "items_editor"];

/// The arguments of a record that can be stored.
const RECORD: &str = "ARRAY[gen_random_uuid()], ARRAY[1::smallint], ARRAY['s'], ARRAY['i'], ARRAY[1::bigint], \
     ARRAY[now()], ARRAY[0::bigint], ARRAY['a'], ARRAY['success'], ARRAY[NULL]::text[], \
     ARRAY['system'], ARRAY[NULL]::text[], ARRAY['[]'], ARRAY[NULL]::text[], ARRAY[NULL]::text[], \
     ARRAY[NULL]::text[], ARRAY[NULL]::text[], ARRAY[NULL]::text[], ARRAY[NULL]::text[], ARRAY[NULL]::text[], \
     ARRAY[NULL]::text[], ARRAY[NULL]::smallint[], ARRAY[NULL]::text[], ARRAY[NULL]::text[], \
     ARRAY[NULL]::inet[], ARRAY[NULL]::inet[], ARRAY[NULL]::text[], ARRAY[NULL]::text[], ARRAY[NULL]::text[], \
     ARRAY['[]'], ARRAY['{}'], ARRAY['[]'], ARRAY['[]'], ARRAY[sha256('')]";

fn migrated() -> TestDatabase {
    let database = TestDatabase::empty();
    serve::migrate(database.url()).unwrap();
    database
}

/// The SQLSTATE of a statement, which is undone if it succeeds.
fn sqlstate(connection: &mut PgConnection, statement: &str) -> String {
    let month = text(
        connection,
        "to_char(now() AT TIME ZONE 'UTC', '\"audit_records_\"YYYY_MM')",
    );
    let statement = statement.replace("MONTH", &month).replace("RECORD", RECORD);
    // Diesel does not tell it, so the server is asked to catch it.
    connection
        .batch_execute(&format!(
            "DO $do$ BEGIN \
                 EXECUTE $statement${statement}$statement$; \
                 RAISE EXCEPTION USING ERRCODE = '{DONE}'; \
             EXCEPTION WHEN OTHERS THEN \
                 PERFORM set_config('test.sqlstate', SQLSTATE, false); \
             END $do$"
        ))
        .unwrap();
    text(connection, "current_setting('test.sqlstate')")
}

fn text(connection: &mut PgConnection, expression: &str) -> String {
    diesel::select(diesel::dsl::sql::<Text>(expression))
        .get_result(connection)
        .unwrap()
}

#[test]
fn every_role_is_refused_what_it_does_not_need() {
    let database = migrated();
    let mut connection = database.connect();
    for role in ROLES {
        connection
            .batch_execute(&format!("SET ROLE {role}"))
            .unwrap();
        for statement in REFUSED_TO_ALL {
            let found = sqlstate(&mut connection, statement);
            assert_eq!(found, REFUSED, "{role}: {statement}");
        }
    }
}

#[test]
fn every_role_may_do_what_it_needs_and_the_others_may_not() {
    let database = migrated();
    let mut connection = database.connect();
    for (statement, allowed) in NEEDED_BY_SOME {
        for (role, is_allowed) in ROLES.into_iter().zip(allowed) {
            connection
                .batch_execute(&format!("SET ROLE {role}"))
                .unwrap();
            let found = sqlstate(&mut connection, statement);
            let expected = if *is_allowed { DONE } else { REFUSED };
            assert_eq!(found, expected, "{role}: {statement}");
        }
    }
}

#[test]
fn no_role_can_hand_on_its_rights() {
    let database = migrated();
    let mut connection = database.connect();
    let rights = "(SELECT string_agg(relname || ' ' || relacl::text, ' ' ORDER BY relname) FROM pg_class \
                   WHERE relname IN ('audit_records', 'audit_dead_letters', 'items'))";
    let before = text(&mut connection, rights);
    for role in ROLES {
        for table in ["audit_records", "audit_dead_letters", "items"] {
            // Postgres refuses it to who has no rights at all, and warns the others.
            let _ = connection.batch_execute(&format!(
                "SET ROLE {role}; GRANT ALL ON {table} TO PUBLIC; GRANT SELECT (id), INSERT (id) ON {table} TO PUBLIC"
            ));
        }
    }
    connection.batch_execute("RESET ROLE").unwrap();
    assert_eq!(text(&mut connection, rights), before);
}

#[test]
fn the_owner_is_refused_to_change_what_is_recorded() {
    let database = migrated();
    let mut owner = database.connect();
    owner
        .batch_execute(&format!("SELECT * FROM audit_insert_records({RECORD})"))
        .unwrap();
    for statement in [
        "UPDATE audit_records SET action = 'forged'",
        "UPDATE MONTH SET action = 'forged'",
        "DELETE FROM audit_records",
        "DELETE FROM MONTH",
        "TRUNCATE audit_records",
        "TRUNCATE MONTH",
        "TRUNCATE audit_records_default",
    ] {
        assert_eq!(sqlstate(&mut owner, statement), REFUSED, "{statement}");
    }
}

#[test]
fn a_temporary_table_catches_no_record_on_its_way() {
    let database = migrated();
    let mut connection = database.connect();
    connection
        .batch_execute(&format!(
            "SET ROLE items_editor; \
             CREATE TEMPORARY TABLE audit_records (LIKE items); \
             SELECT * FROM audit_insert_records({RECORD}); \
             RESET ROLE"
        ))
        .unwrap();
    assert_eq!(
        text(
            &mut connection,
            "(SELECT count(*)::text FROM public.audit_records)"
        ),
        "1"
    );
}

#[test]
fn a_temporary_table_does_not_pass_for_a_partition() {
    let database = migrated();
    let mut connection = database.connect();
    let name = text(
        &mut connection,
        "to_char(now() AT TIME ZONE 'UTC' + interval '3 months', '\"audit_records_\"YYYY_MM')",
    );
    connection
        .batch_execute(&format!(
            "DROP TABLE {name}; \
             SET ROLE audit_writer; \
             SET datestyle = 'SQL, DMY'; \
             CREATE TEMPORARY TABLE {name} (a int); \
             SELECT audit_keep_partitions_ahead(); \
             RESET ROLE"
        ))
        .unwrap();
    assert_eq!(
        text(
            &mut connection,
            &format!("to_regclass('public.{name}')::text")
        ),
        format!("public.{name}")
    );
}

/// A login that owns nothing and has no rights of its own but to become the roles.
struct LesserLogin {
    name: String,
    url: String,
}

impl LesserLogin {
    fn prepare(database: &TestDatabase) -> Self {
        let name = format!("{}_service", database.name());
        database
            .connect()
            .batch_execute(&format!(
                "CREATE ROLE {name} LOGIN NOINHERIT; \
                 GRANT audit_writer, audit_reader, items_editor TO {name}"
            ))
            .unwrap();
        let url = match database.url().split_once("&user=") {
            Some((base, _)) => format!("{base}&user={name}"),
            None => format!("{}&user={name}", database.url()),
        };
        Self { name, url }
    }

    fn drop(self, database: &TestDatabase) {
        database
            .connect()
            .batch_execute(&format!("DROP ROLE {}", self.name))
            .unwrap();
    }
}

#[actix_web::test]
async fn the_service_runs_with_a_login_that_owns_nothing() {
    let database = migrated();
    let login = LesserLogin::prepare(&database);
    let mut owner = database.connect();
    let month = text(
        &mut owner,
        "to_char(now() AT TIME ZONE 'UTC' + interval '3 months', '\"audit_records_\"YYYY_MM')",
    );
    owner.batch_execute(&format!("DROP TABLE {month}")).unwrap();

    let options = Options {
        audit_durability: Some(AuditDurability::Transaction),
        ..Options::default()
    };
    let mut service = TestService::start_at_with(database, login.url.clone(), options).await;
    service.is_ready().await;
    service.create(&json!({ "name": "Kettle" })).await;
    service
        .records("action=create_item&outcome=success", 1)
        .await;
    let start = service.records("action=audit.start", 1).await.remove(0);
    assert_eq!(start["notes"]["settings"]["database_rights"], "least");
    service.stop().await.unwrap();

    // The partition that was missing is there, and belongs to the owner.
    assert_eq!(
        text(
            &mut owner,
            &format!(
                "(SELECT (relowner = (SELECT relowner FROM pg_class WHERE relname = 'audit_records'))::text FROM pg_class WHERE relname = '{month}')"
            )
        ),
        "true"
    );
    let mut lesser = PgConnection::establish(&login.url).unwrap();
    for statement in [
        "SELECT FROM items",
        "SELECT FROM audit_records",
        "UPDATE audit_records SET action = 'forged'",
        "ALTER TABLE audit_records DISABLE TRIGGER ALL",
        "CREATE TABLE mine (a int)",
    ] {
        assert_eq!(sqlstate(&mut lesser, statement), REFUSED, "{statement}");
    }
    drop(lesser);
    login.drop(&service.database);
}

#[actix_web::test]
async fn the_owner_migrates_and_the_service_serves_with_another_login() {
    let database = migrated();
    let login = LesserLogin::prepare(&database);
    // The one that made `items_editor`, as if it had not run yet.
    let pending = "20261126000001".to_owned();
    database
        .connect()
        .batch_execute(&format!(
            "SELECT items_prepare_role(); DROP FUNCTION items_prepare_role(); \
             DELETE FROM __diesel_schema_migrations WHERE version = '{pending}'"
        ))
        .unwrap();
    let data_dir = tempfile::tempdir().unwrap();
    let program = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_items-api"));
        command
            .current_dir(data_dir.path())
            .env_remove("ITEMS_API_OWNER_URL")
            .env("DATABASE_URL", &login.url)
            .env("ITEMS_API_DATA_DIR", data_dir.path())
            .env("ITEMS_API_LOG", "warn")
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command
    };
    let first = text(
        &mut database.connect(),
        "(SELECT min(version) FROM __diesel_schema_migrations)",
    );
    let empty = TestDatabase::empty();
    let nowhere = login.url.replace(database.name(), empty.name());
    // The login itself is the same for all databases.
    let nowhere = nowhere.replace(&format!("{}_service", empty.name()), &login.name);
    for (url, version) in [(&login.url, &pending), (&nowhere, &first)] {
        let refused = program(&["migrate"]).env("DATABASE_URL", url).output();
        let refused = refused.unwrap();
        let message = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success());
        assert!(message.contains(version.as_str()), "{message}");
        assert!(message.contains("owner"), "{message}");
    }

    let migrated = program(&["migrate", "--owner-url", database.url()])
        .output()
        .unwrap();
    assert!(migrated.status.success(), "{migrated:?}");
    let again = program(&["migrate"]).output().unwrap();
    assert!(again.status.success(), "nothing is left to do: {again:?}");
    login.drop(&database);
}

#[actix_web::test]
async fn a_service_with_more_rights_than_it_needs_says_so_in_its_first_record() {
    let service = TestService::start().await;
    let start = service.records("action=audit.start", 1).await.remove(0);
    assert_eq!(start["seq"], 1);
    assert_eq!(start["notes"]["settings"]["database_rights"], "superuser");
}
