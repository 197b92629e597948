//! What happens to the disk of the journal.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::thread;
use std::time::{Duration, Instant};

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use super::{Length, about, judge, load_on};
use crate::Result;
use crate::load::Load;
use crate::proxy::Mode;
use crate::report::Report;
use crate::world::Stage;

const A_MOMENT: Duration = Duration::from_millis(300);
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn torn_tail(stage: &Stage<'_>, length: Length) -> Result<Report> {
    let mut service = stage.service()?;
    service.start_ready()?;
    let load = load_on(&service, "torn", false)?;
    let rounds = length.rounds(10);
    for round in 1..=rounds {
        load.wait_for(50, PATIENCE)?;
        service.kill()?;
        let newest = service.segments()?.pop().ok_or("no segment")?;
        let mut bytes = fs::read(&newest)?;
        // The beginning of a frame that is whole elsewhere, cut at some length.
        bytes.truncate(41 + 13 * usize::try_from(round)?);
        File::options()
            .append(true)
            .open(&newest)?
            .write_all(&bytes)?;
        service.start_ready()?;
    }
    load.wait_for(50, PATIENCE)?;
    let damage = service.metric("audit_journal_damage_total")?;
    Ok(judge(stage, load)?.demand(damage == 0.0, "a torn tail was taken for damage"))
}

pub(super) fn bit_flip(stage: &Stage<'_>, _: Length) -> Result<Report> {
    let mut service = stage.service()?;
    service.start_ready()?;
    stage.proxy.set(Mode::Refuse);
    let load = load_on(&service, "flip", true)?;
    load.wait_for(1_000, PATIENCE)?;
    service.kill()?;
    let oldest = service.segments()?.into_iter().next().ok_or("no segment")?;
    let mut file = File::options().read(true).write(true).open(oldest)?;
    let middle = file.metadata()?.len() / 2;
    let mut byte = [0];
    file.seek(SeekFrom::Start(middle))?;
    file.read_exact(&mut byte)?;
    file.seek(SeekFrom::Start(middle))?;
    file.write_all(&byte.map(|byte| byte ^ 0x10))?;
    stage.proxy.set(Mode::Pass);
    service.start_ready()?;
    let clients = load.stop();
    let damage = service.metric("audit_journal_damage_total")?;
    let findings = crate::oracle::ask(stage, &clients)?;
    let log = fs::read_to_string(service.log_file())?;
    let cost = if findings.lost.is_empty() {
        "nothing that its intent does not tell"
    } else {
        "one record"
    };
    let is_aside = wait_for(PATIENCE, || {
        Ok(fs::read_dir(service.journal_dir().join("damaged"))
            .is_ok_and(|mut files| files.next().is_some()))
    })?;
    Ok(Report::of(findings)
        .forgive(1)
        .demand(
            damage == 1.0,
            format!("the damage was counted {damage} times"),
        )
        .demand(log.contains("damaged"), "the log does not tell of it")
        .demand(is_aside, "the file was not set aside")
        .remark(format!(
            "the flipped bit cost {cost}; the log and the metrics tell, and the file is set aside"
        )))
}

pub(super) fn writes_fail(stage: &Stage<'_>, length: Length) -> Result<Report> {
    failing(stage, length, "write", &["eio", "enospc", "short"])
}

pub(super) fn syncs_fail(stage: &Stage<'_>, length: Length) -> Result<Report> {
    failing(stage, length, "sync", &["eio"])
}

fn failing(stage: &Stage<'_>, length: Length, point: &str, faults: &[&str]) -> Result<Report> {
    if !stage.world.has_faulty_binary() {
        return Ok(Report::skipped("no binary with fault points"));
    }
    let mut service = stage.faulty_service()?;
    service.start_ready()?;
    let load = load_on(&service, "fail", false)?;
    let mut failures = 0.0;
    for durability in ["crash", "power_loss"] {
        service.set("ITEMS_API_AUDIT_DURABILITY", durability);
        for fault in faults {
            service.kill()?;
            let list: Vec<String> = (0..length.rounds(5))
                .map(|number| format!("{fault}@{point}:{}", 3 + 40 * number))
                .collect();
            service.set("AUDIT_FAULT", &list.join(","));
            service.start_ready()?;
            load.wait_for(500, PATIENCE)?;
            failures += service.metric("audit_journal_failures_total")?;
        }
    }
    // A kill right after: what was acknowledged is in the journal all the same.
    service.kill()?;
    service.set("AUDIT_FAULT", "");
    service.start_ready()?;
    Ok(judge(stage, load)?
        .demand(failures > 0.0, "nothing has failed")
        .remark(format!("{failures} operations failed")))
}

/// A disk in memory, unmounted when dropped.
struct SmallDisk(std::path::PathBuf);

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = unmount(&self.0, UnmountFlags::DETACH);
    }
}

pub(super) fn full(stage: &Stage<'_>, _: Length) -> Result<Report> {
    let folder = stage.folder("disk")?;
    let options = c"size=16m";
    if let Err(error) = mount("tmpfs", &folder, "tmpfs", MountFlags::empty(), options) {
        return Ok(Report::skipped(format!(
            "no right to mount a tmpfs: {error}"
        )));
    }
    let _disk = SmallDisk(folder.clone());
    let mut service = stage.service()?;
    let journal = folder.join("journal");
    service.set(
        "ITEMS_API_AUDIT_JOURNAL_DIR",
        &journal.display().to_string(),
    );
    service.set("ITEMS_API_AUDIT_JOURNAL_RESERVE_MB", "2");
    service.start_ready()?;
    stage.proxy.set(Mode::Refuse);
    let load = load_on(&service, "full", true)?;
    let filled = wait_for(Duration::from_secs(90), || Ok(load.refused() > 100))?;

    // Somebody else takes the rest, to the last byte.
    let others = folder.join("others");
    let mut file = File::create(&others)?;
    while file.write_all(&[1; 4_096]).is_ok() {}
    about(A_MOMENT);
    // A kill leaves a full disk to the next process.
    service.kill()?;
    service.start()?;
    let refused = load.refused();
    let answers_still = wait_for(PATIENCE, || Ok(load.refused() > refused + 100))?;
    // The clients go on, so the journal need not ever be empty; but what was in it
    // must come out.
    let pending = service.metric("audit_journal_records")?;
    stage.proxy.set(Mode::Pass);
    let has_drained = wait_for(Duration::from_secs(60), || {
        Ok(service.metric("audit_writer_records_total")? >= pending)
    })?;
    drop(file);
    fs::remove_file(&others)?;
    let accepted = accepts_again(&load)?;
    Ok(judge(stage, load)?
        .demand(filled, "the disk did not fill up")
        .demand(answers_still, "with a full disk, requests hang")
        .demand(
            pending > 1_000.0,
            format!("only {pending} records were pending"),
        )
        .demand(has_drained, "a full disk does not drain")
        .demand(accepted, "nothing is accepted although there is room again")
        .remark(format!(
            "a tmpfs of 16 MiB, filled to the last byte with {pending} records pending; killed and \
             started again while full"
        )))
}

fn accepts_again(load: &Load) -> Result<bool> {
    let answered = load.answered();
    wait_for(PATIENCE, || Ok(load.answered() > answered + 100))
}

/// Waits until something holds; whether it did.
pub(super) fn wait_for(
    patience: Duration,
    mut holds: impl FnMut() -> Result<bool>,
) -> Result<bool> {
    let deadline = Instant::now() + patience;
    while !holds()? {
        if Instant::now() > deadline {
            return Ok(false);
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(true)
}
