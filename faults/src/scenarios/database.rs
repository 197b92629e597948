//! What happens inside PostgreSQL.

use std::time::Duration;

use diesel::connection::SimpleConnection as _;

use super::{CLIENTS, Length, about, judge, load_on, requests};
use crate::Result;
use crate::load::Load;
use crate::oracle::count;
use crate::report::Report;
use crate::world::Stage;

const A_MOMENT: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn read_only_failover(stage: &Stage<'_>, length: Length) -> Result<Report> {
    let mut service = stage.service()?;
    service.start_ready()?;
    let load = load_on(&service, "readonly", false)?;
    let database = &stage.database;
    for _ in 0..length.rounds(3) {
        load.wait_for(100, PATIENCE)?;
        stage.execute(&format!(
            "ALTER DATABASE {database} SET default_transaction_read_only = on; \
             SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = '{database}' AND pid <> pg_backend_pid()"
        ))?;
        load.wait_for(50, PATIENCE)?;
        about(A_MOMENT);
        let mut owner = stage.connect()?;
        owner.batch_execute("SET default_transaction_read_only = off")?;
        owner.batch_execute(&format!(
            "ALTER DATABASE {database} RESET default_transaction_read_only; \
             SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = '{database}' AND pid <> pg_backend_pid()"
        ))?;
    }
    load.wait_for(100, PATIENCE)?;
    judge(stage, load)
}

pub(super) fn disk_full(stage: &Stage<'_>, _: Length) -> Result<Report> {
    let mut service = stage.service()?;
    service.start_ready()?;
    let load = load_on(&service, "pgfull", true)?;
    load.wait_for(100, PATIENCE)?;
    stage.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; \
         END $$; \
         CREATE TRIGGER refuse BEFORE INSERT ON audit_records FOR EACH ROW EXECUTE FUNCTION refuse()",
    )?;
    load.wait_for(500, PATIENCE)?;
    about(A_MOMENT);
    let retries = service.metric("audit_writer_retries_total")?;
    stage.execute("DROP TRIGGER refuse ON audit_records")?;
    let report = judge(stage, load)?;
    let set_aside = count(stage, "SELECT count(*) AS count FROM audit_dead_letters")?;
    Ok(report
        .demand(
            set_aside == 0,
            format!("{set_aside} records were set aside"),
        )
        .demand(
            retries > 0.0 && retries < 40.0,
            format!("{retries} retries"),
        )
        .remark(format!(
            "the error was raised by a trigger; {retries} retries, no dead letter"
        )))
}

pub(super) fn poison_records(stage: &Stage<'_>, length: Length) -> Result<Report> {
    let mut service = stage.service()?;
    service.start_ready()?;
    stage.execute(
        "ALTER TABLE audit_records ADD CONSTRAINT no_poison CHECK (client_user_agent <> 'poison')",
    )?;
    let mut requests = requests(&service, "poison", true)?;
    requests.poison_one_in = Some(100);
    let load = Load::start(&requests, CLIENTS);
    load.wait_for(
        if length == Length::Short {
            2_000
        } else {
            20_000
        },
        PATIENCE,
    )?;
    let report = judge(stage, load)?;
    let set_aside = count(stage, "SELECT count(*) AS count FROM audit_dead_letters")?;
    Ok(report
        .demand(set_aside > 0, "nothing was set aside")
        .remark(format!(
            "{set_aside} records are dead letters, all others are stored"
        )))
}

pub(super) fn partition_missing(stage: &Stage<'_>, _: Length) -> Result<Report> {
    let mut service = stage.service()?;
    service.start_ready()?;
    let load = load_on(&service, "partition", true)?;
    stage.execute(
        "DO $$ DECLARE name text; BEGIN FOR name IN SELECT inhrelid::regclass::text \
         FROM pg_inherits WHERE inhparent = 'audit_records'::regclass LOOP \
         EXECUTE 'ALTER TABLE audit_records DETACH PARTITION ' || name; \
         EXECUTE 'ALTER TABLE ' || name || ' RENAME TO old_' || name; END LOOP; END $$",
    )?;
    load.wait_for(500, PATIENCE)?;
    about(A_MOMENT);
    stage.execute(
        "DO $$ DECLARE name text; BEGIN FOR name IN SELECT relname FROM pg_class \
         WHERE relname LIKE 'old_audit_records_2%' AND relkind = 'r' LOOP \
         EXECUTE 'ALTER TABLE ' || name || ' RENAME TO ' || substr(name, 5); \
         EXECUTE format('ALTER TABLE audit_records ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', \
         substr(name, 5), to_date(substr(name, 19), 'YYYY_MM'), \
         to_date(substr(name, 19), 'YYYY_MM') + interval '1 month'); END LOOP; END $$",
    )?;
    let report = judge(stage, load)?;
    let set_aside = count(stage, "SELECT count(*) AS count FROM audit_dead_letters")?;
    Ok(report.demand(
        set_aside == 0,
        format!("{set_aside} records were set aside"),
    ))
}
