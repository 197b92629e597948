//! What happens between the service and PostgreSQL, and to its server.

use std::time::{Duration, Instant};

use super::{CLIENTS, Length, about, judge, load_on, requests};
use crate::Result;
use crate::load::Load;
use crate::proxy::Mode;
use crate::report::Report;
use crate::world::Stage;

const A_MOMENT: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn postgres_down(stage: &Stage<'_>, length: Length) -> Result<Report> {
    let mut service = stage.service()?;
    service.set("ITEMS_API_AUDIT_JOURNAL_QUOTA_MB", "8");
    service.start_ready()?;
    let median = |prefix: &str, seconds: u64| -> Result<_> {
        let load = load_on(&service, prefix, true)?;
        std::thread::sleep(Duration::from_secs(seconds));
        let clients = load.stop();
        let mut latencies: Vec<Duration> = clients
            .answers
            .iter()
            .filter(|answer| !answer.is_refused)
            .map(|answer| answer.latency)
            .collect();
        latencies.sort();
        let median = latencies.get(latencies.len() / 2).copied();
        Ok((clients, median.unwrap_or_default()))
    };
    let seconds = if length == Length::Short { 1 } else { 5 };
    let (mut clients, up) = median("up", seconds)?;
    stage.proxy.set(Mode::Refuse);
    let (others, down) = median("down", seconds)?;
    clients.sent += others.sent;
    clients.answers.extend(others.answers);
    // For as long as the quota lasts.
    let load = load_on(&service, "quota", true)?;
    let deadline = Instant::now() + PATIENCE;
    while load.refused() < 100 && Instant::now() < deadline {
        about(Duration::from_millis(20));
    }
    let is_full = load.refused() >= 100;
    let others = load.stop();
    clients.sent += others.sent;
    clients.answers.extend(others.answers);
    stage.proxy.set(Mode::Pass);
    let report = Report::of(crate::oracle::ask(stage, &clients)?);
    let load = load_on(&service, "again", true)?;
    load.wait_for(200, PATIENCE)?;
    load.stop();
    let ratio = down.as_secs_f64() / up.as_secs_f64().max(1e-9);
    Ok(report
        .demand(is_full, "the quota was not reached")
        .demand(
            // Too short a load tells nothing about time.
            length == Length::Short || ratio < 3.0,
            format!("requests take {ratio:.1} times as long"),
        )
        .remark(format!(
            "median latency with Postgres away / there: {ratio:.2}; a quota of 8 MiB was filled and caught up with"
        )))
}

pub(super) fn postgres_killed(stage: &Stage<'_>, length: Length) -> Result<Report> {
    let mut service = stage.service()?;
    service.start_ready()?;
    let load = load_on(&service, "crash", false)?;
    for _ in 0..length
        .rounds(5)
        .min(if length == Length::Short { 1 } else { 5 })
    {
        load.wait_for(100, PATIENCE)?;
        about(A_MOMENT);
        stage.world.kill_postgres()?;
        // Its supervisor starts it again; until then there are answers too.
        load.wait_for(50, PATIENCE)?;
    }
    about(A_MOMENT);
    judge(stage, load)
}

pub(super) fn commit_reply_cut(stage: &Stage<'_>, length: Length) -> Result<Report> {
    let mut service = stage.service()?;
    service.start_ready()?;
    let load = load_on(&service, "cut", false)?;
    stage.proxy.set(Mode::CutReplies);
    let cuts = if length == Length::Short { 20 } else { 200 };
    let deadline = Instant::now() + PATIENCE;
    while stage.proxy.cut() < cuts && Instant::now() < deadline {
        about(Duration::from_millis(20));
    }
    stage.proxy.set(Mode::Pass);
    let cut = stage.proxy.cut();
    Ok(judge(stage, load)?
        .demand(cut >= cuts, format!("only {cut} answers were cut"))
        .remark(format!("{cut} answers of Postgres were cut off")))
}

pub(super) fn postgres_silent(stage: &Stage<'_>, _: Length) -> Result<Report> {
    let mut service = stage.service()?;
    service.start_ready()?;
    let load = load_on(&service, "silent", true)?;
    load.wait_for(200, PATIENCE)?;
    stage.proxy.set(Mode::Stall);
    // The writers may take 2 s for a batch, and the watchdog 2 s more.
    let deadline = Instant::now() + PATIENCE;
    while service.metric("audit_writers_abandoned_total")? < 1.0 && Instant::now() < deadline {
        about(Duration::from_millis(50));
    }
    let abandoned = service.metric("audit_writers_abandoned_total")?;
    let during = load.answered();
    load.wait_for(200, PATIENCE)?;
    stage.proxy.set(Mode::Pass);
    Ok(judge(stage, load)?
        .demand(abandoned >= 1.0, "no writer was given up")
        .remark(format!(
            "{abandoned} writers were given up; {during} requests had been answered by then"
        )))
}

pub(super) fn million_pending(stage: &Stage<'_>, length: Length) -> Result<Report> {
    if length == Length::Short {
        return Ok(Report::skipped("takes minutes"));
    }
    let mut service = stage.service()?;
    let began = Instant::now();
    service.start_ready()?;
    let empty_start = began.elapsed();
    let warm_up = load_on(&service, "warm", true)?;
    warm_up.wait_for(5_000, PATIENCE)?;
    warm_up.stop();
    let idle = service.resident_bytes()?;
    stage.proxy.set(Mode::Refuse);
    let load = Load::start(&requests(&service, "million", true)?, CLIENTS);
    let deadline = Instant::now() + Duration::from_secs(1_200);
    while service.metric("audit_journal_records")? < 1_000_000.0 {
        if Instant::now() > deadline {
            return Err("a million records take too long".into());
        }
        about(Duration::from_millis(500));
    }
    let pending = service.resident_bytes()?;
    let clients = load.stop();
    service.kill()?;
    stage.proxy.set(Mode::Pass);
    let began = Instant::now();
    service.start_ready()?;
    let full_start = began.elapsed();
    let began = Instant::now();
    while service.metric("audit_journal_records")? > 0.0 {
        about(Duration::from_millis(100));
    }
    let drained = began.elapsed();
    let grown = (pending.saturating_sub(idle)) / (1024 * 1024);
    Ok(Report::of(crate::oracle::ask(stage, &clients)?)
        .demand(grown <= 64, format!("memory grew by {grown} MiB"))
        .remark(format!(
            "resident memory idle {} MiB, with a million records pending {} MiB; \
             ready after {:.2} s when empty, {:.2} s with a million pending; drained in {:.0} s",
            idle / (1024 * 1024),
            pending / (1024 * 1024),
            empty_start.as_secs_f64(),
            full_start.as_secs_f64(),
            drained.as_secs_f64()
        )))
}
