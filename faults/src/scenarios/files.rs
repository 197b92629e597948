//! Files of the journal that others remove, add or overwrite.

use std::fs::{self, File};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::time::Duration;

use super::disk::wait_for as wait_until;
use super::{Length, judge, load_on};
use crate::Result;
use crate::oracle;
use crate::proxy::Mode;
use crate::report::Report;
use crate::world::Stage;

const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn folder_renamed(stage: &Stage<'_>, _: Length) -> Result<Report> {
    let mut service = stage.service()?;
    service.start_ready()?;
    stage.proxy.set(Mode::Refuse);
    let load = load_on(&service, "renamed", true)?;
    load.wait_for(200, PATIENCE)?;
    let folder = service.journal_dir();
    fs::rename(&folder, folder.with_extension("elsewhere"))?;
    let is_back = wait_until(PATIENCE, || {
        Ok(!service.segments().unwrap_or_default().is_empty())
    })?;
    load.wait_for(200, PATIENCE)?;
    service.kill()?;
    stage.proxy.set(Mode::Pass);
    service.start_ready()?;
    Ok(judge(stage, load)?.demand(is_back, "the folder was not made again"))
}

pub(super) fn foreign_name(stage: &Stage<'_>, _: Length) -> Result<Report> {
    let mut service = stage.service()?;
    service.start_ready()?;
    let load = load_on(&service, "foreign", true)?;
    load.wait_for(50, PATIENCE)?;
    service.kill()?;
    File::create(service.journal_dir().join("09223372036854775807.segment"))?;
    service.start_ready()?;
    let damage = service.metric("audit_journal_damage_total")?;
    stage.proxy.set(Mode::Refuse);
    load.wait_for(500, PATIENCE)?;
    service.kill()?;
    stage.proxy.set(Mode::Pass);
    service.start_ready()?;
    Ok(judge(stage, load)?.demand(damage == 1.0, "the foreign file was not counted"))
}

pub(super) fn zeroed_tail(stage: &Stage<'_>, _: Length) -> Result<Report> {
    let mut service = stage.service()?;
    service.start_ready()?;
    stage.proxy.set(Mode::Refuse);
    let load = load_on(&service, "zeroed", true)?;
    load.wait_for(500, PATIENCE)?;
    service.kill()?;
    let newest = service.segments()?.pop().ok_or("no segment")?;
    let mut file = File::options().write(true).open(newest)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(100)))?;
    file.write_all(&[0; 100])?;
    stage.proxy.set(Mode::Pass);
    service.start_ready()?;
    let clients = load.stop();
    let damage = service.metric("audit_journal_damage_total")?;
    Ok(Report::of(oracle::ask(stage, &clients)?)
        .forgive(1)
        .demand(damage == 1.0, "the damage was not counted"))
}
