//! What happens inside PostgreSQL.

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection as _;

use super::failover::LIMIT;
use super::{CLIENTS, Length, about, judge, load_on, requests};
use crate::Result;
use crate::load::{Load, get};
use crate::oracle::count;
use crate::proxy::Proxy;
use crate::report::Report;
use crate::service::Service;
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

pub(super) fn rows_discarded_by_trigger(stage: &Stage<'_>, _: Length) -> Result<Report> {
    let mut service = stage.service()?;
    service.start_ready()?;
    stage.execute(
        "CREATE FUNCTION discard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         IF get_byte(NEW.digest, 0) % 2 = 0 THEN RETURN NULL; END IF; RETURN NEW; END $$; \
         CREATE TRIGGER discard BEFORE INSERT ON audit_records FOR EACH ROW EXECUTE FUNCTION discard()",
    )?;
    let load = load_on(&service, "discard", true)?;
    load.wait_for(1_000, PATIENCE)?;
    judge_by_dead_letters(stage, load)
}

pub(super) fn unique_index_of_a_dba(stage: &Stage<'_>, _: Length) -> Result<Report> {
    let mut service = stage.service()?;
    service.start_ready()?;
    stage.execute(
        "DO $$ DECLARE name text; BEGIN FOR name IN SELECT inhrelid::regclass::text \
         FROM pg_inherits WHERE inhparent = 'audit_records'::regclass LOOP \
         EXECUTE format('CREATE UNIQUE INDEX ON %s (instance, (seq / 2))', name); \
         END LOOP; END $$",
    )?;
    let load = load_on(&service, "index", true)?;
    load.wait_for(1_000, PATIENCE)?;
    judge_by_dead_letters(stage, load)
}

fn judge_by_dead_letters(stage: &Stage<'_>, load: Load) -> Result<Report> {
    let report = judge(stage, load)?;
    let set_aside = count(stage, "SELECT count(*) AS count FROM audit_dead_letters")?;
    Ok(report
        .demand(set_aside > 0, "nothing was set aside")
        .remark(format!("{set_aside} records are dead letters")))
}

/// Waits until the service is not ready, and returns whether it came to that.
fn is_unready_within(service: &Service, patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    while Instant::now() < deadline {
        if !matches!(get(service.address, "/health/ready"), Ok((200, _))) {
            return true;
        }
        about(Duration::from_millis(50));
    }
    false
}

/// How long writes and readiness may take to come back.
const SECONDS: Duration = Duration::from_secs(15);

/// Demands that items are created again and that the service is ready again.
fn recovered(load: &Load, service: &Service) -> Result<(Option<Duration>, bool)> {
    let took = load.wait_for_created(50, SECONDS).ok();
    let deadline = Instant::now() + SECONDS;
    while !matches!(get(service.address, "/health/ready"), Ok((200, _))) {
        if Instant::now() > deadline {
            return Ok((took, false));
        }
        about(Duration::from_millis(50));
    }
    Ok((took, true))
}

fn judge_recovery(
    stage: &Stage<'_>,
    load: Load,
    is_unready: bool,
    (took, is_ready): (Option<Duration>, bool),
) -> Result<Report> {
    Ok(judge(stage, load)?
        .within(LIMIT)
        .demand(
            took.is_some(),
            format!("writes do not work {} s after", SECONDS.as_secs()),
        )
        .demand(is_ready, "the service does not become ready again")
        .demand(
            is_unready,
            "/health/ready was 200 while writes were refused",
        )
        .remark(format!(
            "writes worked again after {:.1} s",
            took.unwrap_or_default().as_secs_f64()
        )))
}

pub(super) fn read_only_for_a_moment(stage: &Stage<'_>, _: Length) -> Result<Report> {
    let mut service = stage.service()?;
    service.start_ready()?;
    let load = load_on(&service, "moment", false)?;
    load.wait_for(100, PATIENCE)?;
    let database = &stage.database;
    stage.execute(&format!(
        "ALTER DATABASE {database} SET default_transaction_read_only = on; \
         SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = '{database}' AND pid <> pg_backend_pid()"
    ))?;
    let is_unready = is_unready_within(&service, SECONDS);
    about(A_MOMENT);
    let mut owner = stage.connect()?;
    owner.batch_execute("SET default_transaction_read_only = off")?;
    // Sessions that began meanwhile stay as they are.
    owner.batch_execute(&format!(
        "ALTER DATABASE {database} RESET default_transaction_read_only"
    ))?;
    let recovery = recovered(&load, &service)?;
    judge_recovery(stage, load, is_unready, recovery)
}

pub(super) fn standby_behind_the_address(stage: &Stage<'_>, _: Length) -> Result<Report> {
    let primary = stage.primary(&[])?;
    let mut service = stage.service()?;
    service.start_ready()?;
    let load = load_on(&service, "address", false)?;
    load.wait_for(100, PATIENCE)?;
    let standby = primary.standby("standby")?;
    stage.proxy.lead_to(&standby.socket());
    primary.execute(
        "postgres",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
    )?;
    let is_unready = is_unready_within(&service, SECONDS);
    about(A_MOMENT);
    // Connections to the standby stay open, as behind a name or a load balancer.
    stage.proxy.lead_to(&primary.socket());
    let recovery = recovered(&load, &service)?;
    judge_recovery(stage, load, is_unready, recovery)
}

pub(super) fn standby_listed_first(stage: &Stage<'_>, _: Length) -> Result<Report> {
    let primary = stage.primary(&[])?;
    let standby = primary.standby("standby")?;
    let before = Proxy::start(&standby.socket())?;
    let mut service = stage.service_with(&[before.port(), stage.proxy.port()])?;
    service.start_ready()?;
    let load = load_on(&service, "first", false)?;
    load.wait_for_created(500, PATIENCE)?;
    Ok(judge(stage, load)?.within(LIMIT))
}

pub(super) fn postgres_frozen(stage: &Stage<'_>, length: Length) -> Result<Report> {
    let primary = stage.primary(&[])?;
    let mut service = stage.service()?;
    service.start_ready()?;
    let load = load_on(&service, "frozen", false)?;
    load.wait_for(100, PATIENCE)?;
    primary.freeze()?;
    let began = Instant::now();
    let frozen = Duration::from_secs(if length == Length::Short { 14 } else { 30 });
    let is_unready = is_unready_within(&service, frozen);
    std::thread::sleep(frozen.saturating_sub(began.elapsed()));
    primary.thaw()?;
    let recovery = recovered(&load, &service)?;
    judge_recovery(stage, load, is_unready, recovery)
}

pub(super) fn partition_detached_then_killed(stage: &Stage<'_>, _: Length) -> Result<Report> {
    let mut service = stage.service()?;
    service.start_ready()?;
    let load = load_on(&service, "detached", true)?;
    load.wait_for(500, PATIENCE)?;
    let clients = load.stop();
    // All of them are stored before the partition leaves.
    let before = Report::of(crate::oracle::ask(stage, &clients)?);
    stage.execute(
        "DO $$ DECLARE part text; BEGIN FOR part IN SELECT DISTINCT tableoid::regclass::text \
         FROM audit_records LOOP \
         EXECUTE 'ALTER TABLE audit_records DETACH PARTITION ' || part; END LOOP; END $$",
    )?;
    service.kill()?;
    service.start_ready()?;
    about(A_MOMENT);
    std::thread::sleep(Duration::from_secs(3));
    let again = count(
        stage,
        "SELECT count(*) AS count FROM audit_records WHERE http_request_id LIKE 'detached-%'",
    )?;
    Ok(before
        .demand(again == 0, format!("{again} delivered records came back"))
        .remark("the partition is an archive that nobody attaches again"))
}
