//! What followers of `/audit/stream` are sent while Postgres goes back in time.
//!
//! Whatever happens, every record that was stored while somebody followed is delivered,
//! or the follower is refused or reset in words. A record that is missed in silence is a
//! failure.

use std::thread;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection as _;

use super::failover::{archiving, fail_over, restore_point_in_time, wait_until_delivered};
use super::{Length, load_on};
use crate::Result;
use crate::follower::Follower;
use crate::load::Load;
use crate::report::Report;
use crate::service::Service;
use crate::world::Stage;

const PATIENCE: Duration = Duration::from_secs(60);
/// How long a record may take to reach a follower.
const ARRIVAL: Duration = Duration::from_secs(20);

pub(super) fn failover(stage: &Stage<'_>, _: Length) -> Result<Report> {
    let primary = stage.primary(&[])?;
    let (service, follower, load) = followed(stage)?;
    let _standby = fail_over(stage, primary, "standby", &load, &service)?;
    load.wait_for_created(100, PATIENCE)?;
    judge_follower(stage, &service, &follower, load)
}

pub(super) fn snapshot_restored(stage: &Stage<'_>, _: Length) -> Result<Report> {
    let mut primary = stage.primary(&[])?;
    let (service, follower, load) = followed(stage)?;
    let snapshot = primary.snapshot()?;
    load.wait_for_created(1_000, PATIENCE)?;
    wait_until_delivered(&service)?;
    primary.restore(&snapshot)?;
    load.wait_for_created(100, PATIENCE)?;
    judge_follower(stage, &service, &follower, load)
}

pub(super) fn point_in_time_restore(stage: &Stage<'_>, _: Length) -> Result<Report> {
    let primary = stage.primary(&archiving(stage)?)?;
    let (service, follower, load) = followed(stage)?;
    let _restored = restore_point_in_time(stage, primary, &load, &service)?;
    load.wait_for_created(100, PATIENCE)?;
    judge_follower(stage, &service, &follower, load)
}

fn followed(stage: &Stage<'_>) -> Result<(Service, Follower, Load)> {
    let mut service = stage.service()?;
    service.start_ready()?;
    let follower = Follower::start(service.address, &service.token()?)?;
    let load = load_on(&service, "followed", false)?;
    load.wait_for(100, PATIENCE)?;
    Ok((service, follower, load))
}

fn judge_follower(
    stage: &Stage<'_>,
    service: &Service,
    follower: &Follower,
    load: Load,
) -> Result<Report> {
    let clients = load.stop();
    let stored: Vec<String> = clients
        .answers
        .iter()
        .filter(|answer| !answer.is_refused && !answer.is_unconfirmed)
        .map(|answer| answer.request_id.clone())
        .collect();
    let missed = follower.missing(&stored, ARRIVAL)?;
    // Whatever was refused, the stream has to work again.
    let load = load_on(service, "afterwards", false)?;
    load.wait_for_created(100, PATIENCE)?;
    let afterwards = load.stop();
    let created: Vec<String> = afterwards
        .answers
        .iter()
        .filter(|answer| answer.status == 201)
        .map(|answer| answer.request_id.clone())
        .collect();
    let missed_afterwards = follower.missing(&created, ARRIVAL)?;
    let seen = follower.seen()?;
    let refusals = seen.refusals.len();
    // Records that are lost are another scenario's matter.
    let report = Report::of(crate::oracle::compare(stage, &clients)?).forgive(usize::MAX);
    Ok(report
        .demand(
            missed == 0 || refusals > 0,
            format!("{missed} of {} missed without a word", stored.len()),
        )
        .demand(
            missed_afterwards == 0,
            format!("{missed_afterwards} of {} missed afterwards", created.len()),
        )
        .remark(format!(
            "{} records came, {} came again, {missed} were missed after {refusals} refusals{}",
            seen.records.len(),
            seen.repeated,
            seen.refusals
                .first()
                .map(|first| format!(
                    ", the first: `{}`",
                    first.chars().take(160).collect::<String>()
                ))
                .unwrap_or_default()
        )))
}

pub(super) fn idle_transaction(stage: &Stage<'_>, _: Length) -> Result<Report> {
    let primary = stage.primary(&[])?;
    let (service, follower, load) = followed(stage)?;
    // Of another database: its snapshot counts all the same.
    let mut idle = primary.connect("postgres")?;
    idle.batch_execute("BEGIN; SELECT pg_current_xact_id()")?;
    load.wait_for_created(200, PATIENCE)?;
    let before = follower.seen()?;
    // Longer than the stream's heartbeat.
    let deadline = Instant::now() + Duration::from_secs(40);
    let mut is_told = false;
    while Instant::now() < deadline && !is_told {
        thread::sleep(Duration::from_millis(200));
        let seen = follower.seen()?;
        is_told = seen.refusals.len() > before.refusals.len()
            || seen
                .remarks
                .difference(&before.remarks)
                .any(|remark| remark != "nothing new");
    }
    let pid: i32 = diesel::RunQueryDsl::get_result(
        diesel::select(diesel::dsl::sql::<diesel::sql_types::Integer>(
            "pg_backend_pid()",
        )),
        &mut idle,
    )?;
    let log = std::fs::read_to_string(service.log_file())?;
    let is_logged = log.contains(&pid.to_string());
    idle.batch_execute("COMMIT")?;
    let clients_so_far = load.answered();
    let report = judge_follower(stage, &service, &follower, load)?;
    Ok(report
        .demand(is_told, "the stream stood still and did not say so")
        .demand(
            is_logged,
            "the log does not name the process that holds it up",
        )
        .remark(format!("{clients_so_far} requests were answered meanwhile")))
}
