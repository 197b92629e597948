//! The writer's inserts against PostgreSQL's own COPY of the same rows.

use std::time::Instant;

use audit::bench::Store;
use audit::record::{Actor, Client, Http, JsonText, Outcome, Record, Resource, SCHEMA};
use diesel::Connection as _;
use diesel::RunQueryDsl as _;
use diesel::connection::SimpleConnection as _;
use diesel::pg::PgConnection;
use uuid::Uuid;

use crate::report::{Report, Side};
use crate::{Bench, Result, say};

const RECORDS: usize = 40_000;
const BATCH: usize = 512;

pub(crate) fn compare(bench: &Bench, report: &mut Report) -> Result {
    say("writer");
    let records = (0..RECORDS).map(record).collect::<Result<Vec<_>>>()?;
    // The server writes and reads the file itself, in a folder of its own.
    let file = bench.postgres.data_dir().join("cluster/bench.copy");
    let file = file.display();
    let columns = columns(bench)?;

    let mut copy = Vec::new();
    let mut insert = Vec::new();
    for round in 0..bench.rounds {
        let url = bench.database(&format!("writer_insert_{round}"))?;
        let store = Store::new(&url);
        // The connection is made beforehand, as a writer has it.
        store.insert(&[])?;
        let began = Instant::now();
        for batch in records.chunks(BATCH) {
            store.insert(batch)?;
        }
        insert.push(RECORDS as f64 / began.elapsed().as_secs_f64());
        if round == 0 {
            PgConnection::establish(&url)?.batch_execute(&format!(
                "COPY (SELECT {columns} FROM audit_records) TO '{file}' WITH (FORMAT binary)"
            ))?;
        }
        let url = bench.database(&format!("writer_copy_{round}"))?;
        let mut connection = PgConnection::establish(&url)?;
        let began = Instant::now();
        connection.batch_execute(&format!(
            "COPY audit_records ({columns}) FROM '{file}' WITH (FORMAT binary)"
        ))?;
        copy.push(RECORDS as f64 / began.elapsed().as_secs_f64());
    }
    let side = |name, values| Side {
        name,
        values,
        notes: Vec::new(),
    };
    report.table(
        "Writer",
        &format!(
            "{RECORDS} records into the real table with all its indexes and triggers, over one connection: the\nwriter in batches of {BATCH}, each a transaction that can be repeated, from canonical bytes; the\nbaseline one server-side COPY of a binary file, in one transaction."
        ),
        "records/s",
        &[],
        &[side("COPY", copy), side("writer", insert)],
    );
    Ok(())
}

/// All columns but those that PostgreSQL fills itself.
fn columns(bench: &Bench) -> Result<String> {
    #[derive(diesel::QueryableByName)]
    struct Columns {
        #[diesel(sql_type = diesel::sql_types::Text)]
        columns: String,
    }
    let url = bench.database("writer_columns")?;
    let columns: Columns = diesel::sql_query(
        "SELECT string_agg(attname, ', ' ORDER BY attnum) AS columns FROM pg_attribute \
         WHERE attrelid = 'audit_records'::regclass AND attnum > 0 \
         AND attname NOT IN ('recorded_at', 'xact')",
    )
    .get_result(&mut PgConnection::establish(&url)?)?;
    Ok(columns.columns)
}

fn record(number: usize) -> Result<Vec<u8>> {
    let id = Uuid::now_v7();
    let (seconds, nanoseconds) = id.get_timestamp().ok_or("no time in an id")?.to_unix();
    let occurred_at =
        chrono::DateTime::<chrono::Utc>::from_timestamp(seconds.try_into()?, nanoseconds)
            .ok_or("no such time")?;
    let record = Record {
        id,
        schema: SCHEMA,
        service: "bench".to_owned(),
        instance: "7f0c4ad9c2f44a6c8a8f6b0d1f2e3a4b".to_owned(),
        seq: number.try_into()?,
        occurred_at,
        duration_us: 1_234,
        action: "create_item".to_owned(),
        outcome: Outcome::Success,
        reason: None,
        actor: Actor::user(format!("user-{}", number % 100), "jwt"),
        resource: Some(Resource {
            kind: Some("item".to_owned()),
            id: Some(id.to_string()),
        }),
        http: Some(Http {
            method: "POST".to_owned(),
            route: Some("/items/".to_owned()),
            path: "/items/".to_owned(),
            query: None,
            status: Some(201),
            request_id: Uuid::now_v7().to_string(),
            trace_id: None,
        }),
        client: Some(Client {
            ip: Some([192, 0, 2, 7].into()),
            peer: Some([192, 0, 2, 7].into()),
            user_agent: Some("bench/1".to_owned()),
        }),
        request: Some(JsonText::new(
            r#"{"name":"Kettle","attributes":{"colour":"red","watts":2200}}"#.to_owned(),
        )?),
        response: None,
        changes: Vec::new(),
        notes: JsonText::empty_object(),
        redacted: Vec::new(),
        truncated: Vec::new(),
    };
    Ok(record.canonical_bytes()?)
}
