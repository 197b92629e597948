//! What happens to the service's own process.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::{Length, about, judge, load_on};
use crate::Result;
use crate::proxy::Mode;
use crate::report::Report;
use crate::world::Stage;

const A_MOMENT: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn kill_under_load(stage: &Stage<'_>, length: Length) -> Result<Report> {
    let rounds = match length {
        Length::Short => 5,
        Length::Full => 100,
    };
    let mut service = stage.service()?;
    service.start_ready()?;
    let load = load_on(&service, "kill", false)?;
    for _ in 0..rounds {
        load.wait_for(20, PATIENCE)?;
        about(A_MOMENT);
        service.kill()?;
        service.start_ready()?;
    }
    load.wait_for(20, PATIENCE)?;
    Ok(judge(stage, load)?.remark(format!("{rounds} kills")))
}

pub(super) fn kill_at_fault_points(stage: &Stage<'_>, length: Length) -> Result<Report> {
    if !stage.world.has_faulty_binary() {
        return Ok(Report::skipped("no binary with fault points"));
    }
    let mut service = stage.faulty_service()?;
    // Small segments, so that rolling over and removing happen often.
    service.set("ITEMS_API_AUDIT_JOURNAL_QUOTA_MB", "1");
    service.start_ready()?;
    let load = load_on(&service, "point", false)?;
    let mut kills = 0;
    for point in ["write", "sync", "create", "remove", "stored"] {
        let counts: &[u64] = match (point, length) {
            (_, Length::Short) => &[2],
            // The disk is synced twice a second, and segments take longer still.
            ("create" | "remove" | "sync", _) => &[1, 2, 3, 5],
            _ => &[1, 2, 3, 5, 8, 40, 41, 300],
        };
        for count in counts {
            service.kill()?;
            service.set("AUDIT_FAULT", &format!("kill@{point}:{count}"));
            // It may die before it says that it listens.
            if service.start().is_ok() {
                service.wait(PATIENCE)?;
            }
            kills += 1;
            service.set("AUDIT_FAULT", "");
            service.start_ready()?;
            load.wait_for(50, PATIENCE)?;
        }
    }
    Ok(judge(stage, load)?.remark(format!("{kills} kills")))
}

/// Whatever moment it dies in, an item and the record that tells of it are both there
/// or neither is. Attempts that committed nothing are told as `unknown`.
pub(super) fn kill_in_transaction(stage: &Stage<'_>, length: Length) -> Result<Report> {
    let rounds = match length {
        Length::Short => 5,
        Length::Full => 50,
    };
    let has_points = stage.world.has_faulty_binary();
    let mut service = if has_points {
        stage.faulty_service()?
    } else {
        stage.service()?
    };
    service.set("ITEMS_API_AUDIT_DURABILITY", "transaction");
    service.start_ready()?;
    let load = load_on(&service, "transaction", false)?;
    let mut kills = 0;
    for _ in 0..rounds {
        load.wait_for(20, PATIENCE)?;
        about(A_MOMENT);
        service.kill()?;
        service.start_ready()?;
        kills += 1;
    }
    if has_points {
        for point in ["inserted", "committed"] {
            for count in [1, 2, 3, 5, 8, 40] {
                service.kill()?;
                service.set("AUDIT_FAULT", &format!("kill@{point}:{count}"));
                // It may die before it says that it listens.
                if service.start().is_ok() {
                    service.wait(PATIENCE)?;
                }
                kills += 1;
                service.set("AUDIT_FAULT", "");
                service.start_ready()?;
                load.wait_for(50, PATIENCE)?;
            }
        }
    }
    let report = judge(stage, load)?;
    let untold = crate::oracle::count(
        stage,
        "SELECT count(*) FROM items WHERE NOT EXISTS (SELECT FROM audit_records \
         WHERE action = 'create_item' AND outcome = 'success' AND resource_id = items.id::text)",
    )?;
    let unfounded = crate::oracle::count(
        stage,
        "SELECT count(*) FROM audit_records WHERE action = 'create_item' AND outcome = 'success' \
         AND NOT EXISTS (SELECT FROM items WHERE items.id::text = resource_id)",
    )?;
    Ok(report
        .demand(untold == 0, format!("{untold} items without their record"))
        .demand(
            unfounded == 0,
            format!("{unfounded} records without their item"),
        )
        .remark(format!("{kills} kills")))
}

pub(super) fn sigterm_without_postgres(stage: &Stage<'_>, _: Length) -> Result<Report> {
    let mut service = stage.service()?;
    service.start_ready()?;
    let load = load_on(&service, "sigterm", true)?;
    load.wait_for(200, PATIENCE)?;
    stage.proxy.set(Mode::Refuse);
    load.wait_for(500, PATIENCE)?;
    let began = Instant::now();
    service.signal(Signal::TERM)?;
    let status = service.wait(PATIENCE)?;
    let took = began.elapsed();
    stage.proxy.set(Mode::Pass);
    service.start_ready()?;
    Ok(judge(stage, load)?
        .demand(status.success(), format!("the service ended with {status}"))
        .demand(took < Duration::from_secs(25), format!("it took {took:?}"))
        .remark(format!(
            "ended after {:.1} s with {status}; 3 s are allowed for requests and 3 s for records",
            took.as_secs_f64()
        )))
}

pub(super) fn second_signal(stage: &Stage<'_>, _: Length) -> Result<Report> {
    let mut service = stage.service()?;
    // Long enough to tell, on any machine, that the second signal has ended it.
    service.set("ITEMS_API_SHUTDOWN_TIMEOUT_S", "60");
    service.start_ready()?;
    let load = load_on(&service, "second", false)?;
    load.wait_for(200, PATIENCE)?;
    stage.proxy.set(Mode::Stall);
    about(A_MOMENT);
    service.signal(Signal::TERM)?;
    about(A_MOMENT);
    let began = Instant::now();
    service.signal(Signal::TERM)?;
    service.wait(PATIENCE)?;
    let took = began.elapsed();
    stage.proxy.set(Mode::Pass);
    service.start_ready()?;
    load.wait_for(50, PATIENCE)?;
    Ok(judge(stage, load)?
        .demand(took < Duration::from_secs(20), format!("it took {took:?}"))
        .remark(format!(
            "ended {} ms after the second signal",
            took.as_millis()
        )))
}

pub(super) fn two_instances(stage: &Stage<'_>, length: Length) -> Result<Report> {
    let mut first = stage.service()?;
    let mut second = stage.service()?;
    first.start_ready()?;
    second.start_ready()?;
    let loads = [
        load_on(&first, "first", false)?,
        load_on(&second, "second", false)?,
    ];
    for _ in 0..length.rounds(10) {
        for service in [&mut first, &mut second] {
            about(A_MOMENT);
            service.kill()?;
            service.start_ready()?;
        }
    }
    let [one, other] = loads;
    let mut clients = one.stop();
    let others = other.stop();
    clients.sent += others.sent;
    clients.answers.extend(others.answers);
    let findings = crate::oracle::ask(stage, &clients)?;
    let instances = crate::oracle::count(
        stage,
        "SELECT count(DISTINCT instance) AS count FROM audit_records",
    )?;
    Ok(Report::of(findings).remark(format!("{instances} instances have records")))
}

pub(super) fn shared_journal_folder(stage: &Stage<'_>, _: Length) -> Result<Report> {
    let mut service = stage.service()?;
    service.start_ready()?;
    let load = load_on(&service, "shared", false)?;
    load.wait_for(50, PATIENCE)?;
    let output = service.output_of_start(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    let folder = service.journal_dir().display().to_string();
    load.wait_for(50, PATIENCE)?;
    let is_running = service.is_running();
    Ok(judge(stage, load)?
        .demand(!output.status.success(), "the second process has started")
        .demand(
            message.contains("in use by another process") && message.contains(&folder),
            format!("the message does not help: {message}"),
        )
        .demand(is_running, "the first process has suffered"))
}
