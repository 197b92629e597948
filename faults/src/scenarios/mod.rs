//! The scenarios, by what they break.

mod database;
mod disk;
mod failover;
mod files;
mod kills;
mod pooler;
mod process;
mod stream;
mod wire;

use std::thread;
use std::time::{Duration, Instant};

use crate::load::{Load, Requests};
use crate::oracle;
use crate::report::Report;
use crate::service::Service;
use crate::world::{Stage, World};
use crate::{Error, Result};

/// How many clients there are.
const CLIENTS: usize = 16;

/// How thorough a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// Seconds, for every run of the tests.
    Short,
    /// As long as it takes.
    Full,
}

impl Length {
    fn rounds(self, full: u32) -> u32 {
        match self {
            Self::Short => full.min(2),
            Self::Full => full,
        }
    }
}

/// Something to break.
pub struct Scenario {
    /// What it is called.
    pub name: &'static str,
    /// What happens.
    pub about: &'static str,
    /// Whether it is part of the short form.
    pub is_short: bool,
    run: fn(&Stage<'_>, Length) -> Result<Report>,
}

impl Scenario {
    /// Whether it runs only when it is named, because it takes long.
    #[must_use]
    pub fn is_on_request(&self) -> bool {
        self.name == "year-of-kills"
    }

    /// Runs it. A scenario that breaks down itself has failed.
    #[must_use]
    pub fn run(&self, world: &World, length: Length) -> Report {
        let began = Instant::now();
        world
            .stage(self.name)
            .and_then(|stage| (self.run)(&stage, length))
            .unwrap_or_else(|error: Error| Report::failed(format!("broke down: {error}")))
            .named(self.name, began.elapsed())
    }
}

macro_rules! scenarios {
    ($($name:literal, $short:literal, $run:path, $about:literal;)+) => {
        /// All of them.
        pub const SCENARIOS: &[Scenario] = &[$(Scenario { name: $name, about: $about, is_short: $short, run: $run }),+];
    };
}

scenarios! {
    "kill-under-load", true, process::kill_under_load, "kill -9 of the service at any moment, again and again";
    "kill-at-fault-points", false, process::kill_at_fault_points, "kill -9 at a write, a sync, a roll-over, a removal, and after a commit in Postgres";
    "kill-in-transaction", true, process::kill_in_transaction, "kill -9 where records are in the transaction of the change: at any moment, before and after the commit";
    "sigterm-without-postgres", true, process::sigterm_without_postgres, "SIGTERM while Postgres is away: exit 0 in time, the rest is delivered by the next start";
    "second-signal", true, process::second_signal, "two SIGTERMs while requests hang: the service ends at once";
    "two-instances", false, process::two_instances, "two instances on one database, killed in turns";
    "shared-journal-folder", true, process::shared_journal_folder, "a second process on the same journal folder does not start";
    "torn-tail", true, disk::torn_tail, "the last write of a killed process is half there";
    "bit-flip", true, disk::bit_flip, "a bit of a journal file is flipped while the service is down";
    "journal-folder-renamed", true, files::folder_renamed, "the journal's folder is renamed while requests go on";
    "journal-foreign-name", true, files::foreign_name, "an empty file in the journal's folder has the highest possible name";
    "journal-tail-zeroed", true, files::zeroed_tail, "the last bytes of the journal are zeros after a kill";
    "journal-write-fails", false, disk::writes_fail, "EIO, ENOSPC and short writes";
    "journal-sync-fails", false, disk::syncs_fail, "EIO of fdatasync";
    "disk-full", true, disk::full, "the journal's disk fills up to the last byte";
    "postgres-down", true, wire::postgres_down, "Postgres is away while requests go on";
    "postgres-killed", true, wire::postgres_killed, "kill -9 of the postmaster under load";
    "commit-reply-cut", true, wire::commit_reply_cut, "the wire is cut after Postgres has committed and before it says so";
    "postgres-silent", true, wire::postgres_silent, "Postgres is alive and does not answer, for longer than any timeout";
    "read-only-failover", false, database::read_only_failover, "Postgres takes no writes for a while";
    "postgres-disk-full", false, database::disk_full, "Postgres has no disk left (SQLSTATE 53100) for a while";
    "poison-records", true, database::poison_records, "one record in a hundred cannot be stored";
    "partition-missing", false, database::partition_missing, "the table has no partition for the records";
    "pgbouncer", false, pooler::pgbouncer, "a pooler of transactions is refused; one of sessions is killed under load";
    "failover-asynchronous", false, failover::asynchronous, "a standby that lags is promoted after kill -9 of the primary: what it lacks is delivered again";
    "failover-while-down", false, failover::while_down, "the same while the service is down after kill -9";
    "failover-outside-the-window", false, failover::outside_the_window, "the same with a window of one second: the loss is reported by log, metric and self-audit record";
    "snapshot-restored", false, failover::snapshot_restored, "the data folder of Postgres is replaced by an older copy: same system identifier and timeline";
    "point-in-time-restore", false, failover::point_in_time_restore, "Postgres is restored from its archive to an earlier moment, on a new timeline";
    "dump-and-restore", false, failover::dump_and_restore, "an older dump is restored into a new cluster with another system identifier";
    "synchronous-standby-stalls", false, failover::synchronous_standby_stalls, "the synchronous standby goes away, kill -9 of Postgres while COPY waits for it, then failover";
    "synchronous-sessions-ended", false, failover::synchronous_sessions_ended, "the same with pg_terminate_backend in place of kill -9";
    "rows-discarded-by-trigger", false, database::rows_discarded_by_trigger, "a BEFORE trigger returns NULL for half of the rows";
    "unique-index-of-a-dba", false, database::unique_index_of_a_dba, "a unique index refuses half of the rows";
    "read-only-for-a-moment", false, database::read_only_for_a_moment, "Postgres is read-only for a moment, and its sessions outlive that";
    "standby-behind-the-address", false, database::standby_behind_the_address, "the address leads to a standby for a moment";
    "standby-listed-first", false, database::standby_listed_first, "the URL lists the standby before the primary";
    "postgres-frozen", false, database::postgres_frozen, "SIGSTOP of all processes of Postgres for 30 s";
    "partition-detached-then-killed", false, database::partition_detached_then_killed, "a partition of delivered records is detached, then kill -9 of the service";
    "stream-failover", false, stream::failover, "a follower of /audit/stream during an asynchronous failover";
    "stream-snapshot-restored", false, stream::snapshot_restored, "a follower of /audit/stream while an older copy of the data is restored";
    "stream-point-in-time-restore", false, stream::point_in_time_restore, "a follower of /audit/stream during a point-in-time restore";
    "stream-idle-transaction", false, stream::idle_transaction, "an open transaction of another database holds up all followers: the stream, the log and the metrics report it";
    "year-of-kills", false, kills::year_of_kills, "random kills, freezes, failovers and restores in one long run; only on request, with --only";
    "million-pending", false, wire::million_pending, "a million records wait: memory stays bounded, and the next start is quick";
}

/// A load on one service, with a token unless it is to be denied.
fn load_on(service: &Service, prefix: &str, is_denied: bool) -> Result<Load> {
    Ok(Load::start(&requests(service, prefix, is_denied)?, CLIENTS))
}

fn requests(service: &Service, prefix: &str, is_denied: bool) -> Result<Requests> {
    Ok(Requests {
        address: service.address,
        prefix: prefix.to_owned(),
        token: (!is_denied).then(|| service.token()).transpose()?,
        poison_one_in: None,
        pause: Duration::ZERO,
    })
}

/// The same with a pause of each client after each answer.
fn light_load_on(service: &Service, prefix: &str, clients: usize, pause: Duration) -> Result<Load> {
    let requests = Requests {
        pause,
        ..requests(service, prefix, false)?
    };
    Ok(Load::start(&requests, clients))
}

/// A moment of this length or up to twice of it, by the clock's last digits.
fn about(moment: Duration) {
    let jitter = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |now| now.subsec_nanos() % 1_000);
    thread::sleep(moment.mul_f64(1.0 + f64::from(jitter) / 1_000.0));
}

/// Stops the load and asks the oracle.
fn judge(stage: &Stage<'_>, load: Load) -> Result<Report> {
    let clients = load.stop();
    Ok(Report::of(oracle::ask(stage, &clients)?))
}
