//! Postgres that goes back in time: failover and restore.
//!
//! Items that the new primary lacks are gone too. The oracle compares records with
//! answers, and every answered request must have its record all the same.

use std::thread;
use std::time::{Duration, Instant};

use super::{Length, about, judge, load_on};
use crate::Result;
use crate::cluster::{Cluster, run};
use crate::load::Load;
use crate::oracle::count;
use crate::proxy::Mode;
use crate::report::Report;
use crate::service::Service;
use crate::world::Stage;

const A_MOMENT: Duration = Duration::from_millis(300);
const PATIENCE: Duration = Duration::from_secs(60);
/// The longest that an answer may take while Postgres is in trouble.
pub(super) const LIMIT: Duration = Duration::from_secs(12);

/// Records that were answered while the standby lagged.
const LAG: u64 = 500;

pub(super) fn asynchronous(stage: &Stage<'_>, length: Length) -> Result<Report> {
    let mut primary = stage.primary(&[])?;
    let mut service = stage.service()?;
    service.start_ready()?;
    let load = load_on(&service, "failover", false)?;
    let rounds = length.rounds(3);
    for round in 1..=rounds {
        primary = fail_over(stage, primary, &format!("standby{round}"), &load, &service)?;
        load.wait_for(100, PATIENCE)?;
    }
    Ok(judge(stage, load)?.within(LIMIT).remark(format!(
        "{rounds} failovers, the standby lacked at least {LAG} records"
    )))
}

/// Lets a standby lag, kills the primary, and promotes the standby.
pub(super) fn fail_over(
    stage: &Stage<'_>,
    mut primary: Cluster,
    name: &str,
    load: &Load,
    service: &Service,
) -> Result<Cluster> {
    let standby = primary.standby(name)?;
    load.wait_for(100, PATIENCE)?;
    standby.disconnect()?;
    load.wait_for(LAG, PATIENCE)?;
    // What was answered has been delivered, so only the primary holds it.
    wait_until_delivered(service)?;
    primary.kill()?;
    standby.promote()?;
    stage.switch_to(&standby);
    primary.discard()?;
    Ok(standby)
}

/// Waits until few records wait for Postgres; under load there are always some.
pub(super) fn wait_until_delivered(service: &Service) -> Result {
    let deadline = Instant::now() + PATIENCE;
    while service.metric("audit_journal_records")? > 50.0 {
        if Instant::now() > deadline {
            return Err("the records are not delivered".into());
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

pub(super) fn while_down(stage: &Stage<'_>, _: Length) -> Result<Report> {
    let mut primary = stage.primary(&[])?;
    let mut service = stage.service()?;
    service.start_ready()?;
    let load = load_on(&service, "down", false)?;
    let standby = primary.standby("standby")?;
    load.wait_for(100, PATIENCE)?;
    standby.disconnect()?;
    load.wait_for(LAG, PATIENCE)?;
    // Twice, so that what a start finds is remembered too.
    service.kill()?;
    service.start_ready()?;
    load.wait_for(100, PATIENCE)?;
    wait_until_delivered(&service)?;
    service.kill()?;
    primary.kill()?;
    standby.promote()?;
    stage.switch_to(&standby);
    service.start_ready()?;
    load.wait_for(100, PATIENCE)?;
    Ok(judge(stage, load)?.within(LIMIT))
}

pub(super) fn outside_the_window(stage: &Stage<'_>, _: Length) -> Result<Report> {
    let primary = stage.primary(&[])?;
    let mut service = stage.service()?;
    service.set("ITEMS_API_AUDIT_KEEP_DELIVERED_S", "1");
    service.set("ITEMS_API_AUDIT_KEEP_DELIVERED_MB", "1");
    // Small segments, so that they leave soon.
    service.set("ITEMS_API_AUDIT_JOURNAL_QUOTA_MB", "1");
    service.start_ready()?;
    let mut primary = primary;
    let standby = primary.standby("standby")?;
    standby.disconnect()?;
    let load = load_on(&service, "outside", false)?;
    load.wait_for(3_000, PATIENCE)?;
    thread::sleep(Duration::from_secs(3));
    load.wait_for(500, PATIENCE)?;
    wait_until_delivered(&service)?;
    primary.kill()?;
    standby.promote()?;
    stage.switch_to(&standby);
    load.wait_for(100, PATIENCE)?;
    about(A_MOMENT);
    let redeliveries = service.metric("audit_redeliveries_total")?;
    let report = judge(stage, load)?;
    let told = count(
        stage,
        "SELECT count(*) AS count FROM audit_records WHERE action = 'audit.redelivery' \
         AND outcome = 'failed' AND reason = 'outside_the_window'",
    )?;
    let is_logged = std::fs::read_to_string(service.log_file())?.contains("window");
    let lost = report.lost();
    Ok(report
        .forgive(usize::MAX)
        .demand(lost > 0, "the window held everything, so nothing was tried")
        .demand(
            redeliveries > 0.0,
            format!("{lost} lost and audit_redeliveries_total is 0"),
        )
        .demand(told > 0, format!("{lost} lost without a self-audit record"))
        .demand(is_logged, format!("{lost} lost without a line in the log"))
        .remark("records beyond the window are lost by this setting, and reported"))
}

pub(super) fn snapshot_restored(stage: &Stage<'_>, _: Length) -> Result<Report> {
    let mut primary = stage.primary(&[])?;
    let mut service = stage.service()?;
    service.start_ready()?;
    let load = load_on(&service, "snapshot", false)?;
    load.wait_for(100, PATIENCE)?;
    let snapshot = primary.snapshot()?;
    load.wait_for_created(2_000, PATIENCE)?;
    wait_until_delivered(&service)?;
    primary.restore(&snapshot)?;
    load.wait_for_created(100, PATIENCE)?;
    Ok(judge(stage, load)?.within(LIMIT))
}

pub(super) fn point_in_time_restore(stage: &Stage<'_>, _: Length) -> Result<Report> {
    let primary = stage.primary(&archiving(stage)?)?;
    let mut service = stage.service()?;
    service.start_ready()?;
    let load = load_on(&service, "pitr", false)?;
    let _restored = restore_point_in_time(stage, primary, &load, &service)?;
    load.wait_for_created(100, PATIENCE)?;
    Ok(judge(stage, load)?.within(LIMIT))
}

/// Settings of a cluster that archives its WAL.
pub(super) fn archiving(stage: &Stage<'_>) -> Result<[&'static str; 2]> {
    private_postgres::private_folder(&stage.clusters()?.join("archive"))?;
    // The working folder of the command is the data folder.
    Ok(["archive_mode=on", "archive_command=cp %p ../../archive/%f"])
}

pub(super) fn restore_point_in_time(
    stage: &Stage<'_>,
    mut primary: Cluster,
    load: &Load,
    service: &Service,
) -> Result<Cluster> {
    load.wait_for(100, PATIENCE)?;
    let mut restored = primary.backup("restored")?;
    load.wait_for(200, PATIENCE)?;
    primary.execute("postgres", "SELECT pg_create_restore_point('before')")?;
    load.wait_for_created(1_000, PATIENCE)?;
    wait_until_delivered(service)?;
    primary.execute("postgres", "SELECT pg_switch_wal()")?;
    primary.stop()?;
    restored.write("recovery.signal", "")?;
    restored.configure(
        "restore_command = 'cp ../../archive/%f %p'\n\
         recovery_target_name = 'before'\n\
         recovery_target_action = 'promote'",
    )?;
    restored.start()?;
    restored.wait_until("NOT pg_is_in_recovery()")?;
    stage.switch_to(&restored);
    primary.discard()?;
    Ok(restored)
}

pub(super) fn dump_and_restore(stage: &Stage<'_>, _: Length) -> Result<Report> {
    let mut primary = stage.primary(&[])?;
    if !stage.world.binaries.has("pg_dump") {
        return Ok(Report::skipped("no pg_dump comes with this PostgreSQL"));
    }
    let mut service = stage.service()?;
    service.start_ready()?;
    let load = load_on(&service, "dump", false)?;
    load.wait_for(200, PATIENCE)?;
    // As whatever user: the programs write into a folder of theirs.
    let dumps = stage.clusters()?.join("dumps");
    private_postgres::private_folder(&dumps)?;
    let (roles, dump) = (dumps.join("roles"), dumps.join("dump"));
    run(primary
        .program("pg_dumpall")
        .args(["--globals-only", "-d", &primary.url("postgres"), "-f"])
        .arg(&roles))?;
    run(primary
        .program("pg_dump")
        .args(["-Fc", "-d", &primary.url(&stage.database), "-f"])
        .arg(&dump))?;
    load.wait_for_created(1_000, PATIENCE)?;
    wait_until_delivered(&service)?;
    let mut restored = stage.cluster("restored")?;
    restored.start()?;
    restored.execute("postgres", &format!("CREATE DATABASE {}", stage.database))?;
    primary.kill()?;
    // Without ON_ERROR_STOP: the superuser exists.
    run(restored
        .program("psql")
        .args(["-q", "-d", &restored.url("postgres"), "-f"])
        .arg(&roles))?;
    run(restored
        .program("pg_restore")
        .args(["--exit-on-error", "-d", &restored.url(&stage.database)])
        .arg(&dump))?;
    stage.switch_to(&restored);
    load.wait_for_created(100, PATIENCE)?;
    Ok(judge(stage, load)?.within(LIMIT))
}

pub(super) fn synchronous_standby_stalls(stage: &Stage<'_>, _: Length) -> Result<Report> {
    synchronous(stage, |primary| {
        primary.kill()?;
        primary.start()
    })
}

pub(super) fn synchronous_sessions_ended(stage: &Stage<'_>, _: Length) -> Result<Report> {
    synchronous(stage, |primary| {
        primary.execute(
            "postgres",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'",
        )
    })
}

/// A synchronous standby goes away. `end` ends the sessions that wait for it. Then the
/// standby is promoted.
fn synchronous(stage: &Stage<'_>, end: impl Fn(&mut Cluster) -> Result) -> Result<Report> {
    let mut primary = stage.primary(&[])?;
    let mut service = stage.service()?;
    // Replication has to do, not what is delivered again.
    service.set("ITEMS_API_AUDIT_KEEP_DELIVERED_S", "0");
    service.start_ready()?;
    let standby = primary.standby("standby")?;
    primary.alter("synchronous_standby_names = '*'")?;
    let load = load_on(&service, "sync", true)?;
    load.wait_for(500, PATIENCE)?;
    standby.disconnect()?;
    load.wait_for(200, PATIENCE)?;
    primary.wait_until(
        "EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep' \
         AND (query ILIKE '%audit_records%' OR query ILIKE '%audit_%'))",
    )?;
    let clients = load.stop();
    let waited =
        primary.is_true("EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep')")?;
    end(&mut primary)?;
    // Time enough to send the records again, and to forget them if that is a mistake.
    thread::sleep(Duration::from_secs(8));
    let pending = service.metric("audit_journal_records")?;
    stage.proxy.set(Mode::Refuse);
    primary.kill()?;
    standby.promote()?;
    stage.switch_to(&standby);
    stage.proxy.set(Mode::Pass);
    Ok(Report::of(crate::oracle::ask(stage, &clients)?)
        .demand(waited, "nothing waited for the standby")
        .remark(format!("{pending} records were pending at the failover")))
}
