//! The log over a disk that fails, and a model of what may be lost when.

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::chores::{Chore, DAMAGED};
use super::fake::{FakeDisk, Fault, Operation};
use super::files::FileSystem as _;
use super::frame::{HEADER_BYTES, Kind};
use super::log::{BUSY, Limits, Log, Write};
use super::recovery::{Recovery, recover};
use super::room::Room;
use super::shelf::Shelf;
use super::{Durability, Journal, JournalSettings, OpenError, Refusal};
use crate::metrics::Metrics;

const SEGMENT_BYTES: u64 = 4_096;

/// A process with its log; time passes when it is told to.
struct Process {
    disk: FakeDisk,
    shelf: Arc<Shelf>,
    room: Arc<Room>,
    log: Log,
    recovery: Recovery,
    now: Instant,
    /// Whether frames are written at once where that can be done.
    is_hasty: bool,
    /// Whether what is to be done at the disk waits until it is asked for.
    is_lazy: bool,
    waiting: VecDeque<Chore>,
}

impl Process {
    fn start(disk: &FakeDisk) -> Self {
        let metrics = Arc::new(Metrics::default());
        let shelf = Arc::new(Shelf::new(Arc::clone(&metrics)));
        let recovery = recover(disk, Path::new(""), &mut shelf.lock(), &metrics).unwrap();
        let room = Arc::new(Room::default());
        let log = Log::new(
            Arc::new(disk.clone()),
            Path::new(""),
            Limits {
                quota_bytes: 1024 * 1024,
                reserve_bytes: 0,
                segment_bytes: SEGMENT_BYTES,
            },
            Arc::clone(&shelf),
            Arc::clone(&room),
            recovery.next_sequence,
        );
        Self {
            disk: disk.clone(),
            shelf,
            room,
            log,
            recovery,
            now: Instant::now(),
            is_hasty: false,
            is_lazy: false,
            waiting: VecDeque::new(),
        }
    }

    fn push(&mut self, id: Uuid, kind: Kind, text: &str, sync: bool) -> oneshot::Receiver<()> {
        let (done, kept) = oneshot::channel();
        let write = Write {
            id,
            kind,
            payload: text.as_bytes().to_vec(),
            sync,
            done: Some(done),
            room: None,
        };
        let left = if self.is_hasty {
            self.log.try_append(write, self.now).err()
        } else {
            Some(write)
        };
        if let Some(write) = left {
            self.log.push(write);
        }
        self.tell();
        kept
    }

    /// Appends at once; whether that could be done.
    fn append_at_once(&mut self, id: Uuid, sync: bool) -> bool {
        let write = Write {
            id,
            kind: Kind::Record,
            payload: vec![b'r'; 100],
            sync,
            done: None,
            room: None,
        };
        self.log.try_append(write, self.now).is_ok()
    }

    /// Appends and commits; whether it was acknowledged.
    fn append(&mut self, id: Uuid, kind: Kind, text: &str) -> bool {
        let mut kept = self.push(id, kind, text, false);
        self.commit();
        kept.try_recv().is_ok()
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.log.tick(self.now);
        self.tell();
    }

    fn commit(&mut self) {
        self.log.commit(self.now);
        self.tell();
    }

    fn sync_in_background(&mut self) {
        self.log.request_sync();
        self.tell();
    }

    /// What the threads do behind a turn at the log.
    fn tell(&mut self) {
        for done in self.log.take_kept() {
            let _ = done.send(());
        }
        self.waiting.extend(self.log.take_chores());
        while !self.is_lazy && !self.waiting.is_empty() {
            self.do_chore();
        }
    }

    fn do_chore(&mut self) {
        if let Some(chore) = self.waiting.pop_front() {
            let done = chore.run(&self.disk, Path::new(""));
            self.log.chore_ended(self.now, done);
            self.tell();
        }
    }

    /// Delivers what there is, at most `limit` records at once.
    fn deliver(&mut self, limit: usize) -> Vec<(Uuid, String)> {
        let mut delivered = Vec::new();
        while self.shelf.lock().undelivered > 0 {
            let lease = self.shelf.lease(limit, Duration::ZERO).unwrap();
            for entry in lease.entries() {
                let text = String::from_utf8(entry.bytes.to_vec()).unwrap();
                delivered.push((entry.id, text));
            }
            lease.delivered();
        }
        delivered
    }

    fn kill(self) -> Self {
        Self::start(&self.disk)
    }
}

/// Ids in order, so that failures read well.
fn id(number: u64) -> Uuid {
    Uuid::from_u64_pair(number, 0)
}

fn texts(delivered: Vec<(Uuid, String)>) -> Vec<String> {
    delivered.into_iter().map(|(_, text)| text).collect()
}

#[test]
fn what_postgres_has_already_needs_no_writer_to_be_removed() {
    let mut process = Process::start(&FakeDisk::default());
    for number in 0..1_000 {
        let text = "u".repeat(1_000);
        assert!(process.append(id(number), Kind::Intent, &text));
        assert!(process.append(id(number), Kind::Settled, ""));
        process.pass(Duration::from_millis(100));
    }
    assert_eq!(process.disk.names().len(), 1);
    assert!(process.room.reserve().is_ok());

    // Nor to be trusted again, once a sync has failed.
    process.append(id(1_000), Kind::Intent, "unknown");
    process.append(id(1_000), Kind::Settled, "");
    process.disk.arm(Operation::Sync, Fault::Error);
    process.sync_in_background();
    assert_eq!(process.room.reserve().err(), Some(Refusal::Impaired));
    for _ in 0..4 {
        process.pass(Duration::from_secs(6));
    }
    assert!(process.room.reserve().is_ok());
}

/// Fills segments with numbered records.
fn fill(process: &mut Process, records: u64) {
    for number in 0..records {
        let text = format!("{number:0100}");
        assert!(process.append(id(number), Kind::Record, &text));
    }
}

#[test]
fn what_was_acknowledged_is_delivered_in_order_by_the_process_that_follows() {
    let mut process = Process::start(&FakeDisk::default());
    fill(&mut process, 100);
    let mut process = process.kill();
    assert_eq!(process.recovery.records, 100);
    let expected: Vec<String> = (0..100).map(|number| format!("{number:0100}")).collect();
    assert_eq!(texts(process.deliver(7)), expected);
}

#[test]
fn a_lease_that_is_given_up_goes_to_the_next_writer_first() {
    let mut process = Process::start(&FakeDisk::default());
    fill(&mut process, 3);
    drop(process.shelf.lease(2, Duration::ZERO).unwrap());
    assert_eq!(process.deliver(10).len(), 3);
}

#[test]
fn an_intent_is_told_only_if_no_record_followed() {
    let mut process = Process::start(&FakeDisk::default());
    process.append(id(1), Kind::Intent, "unknown 1");
    process.append(id(2), Kind::Intent, "unknown 2");
    process.append(id(1), Kind::Record, "record 1");
    assert_eq!(texts(process.deliver(10)), ["record 1"]);
    let mut process = process.kill();
    assert_eq!(process.recovery.unknown, 1);
    let delivered = texts(process.deliver(10));
    assert!(delivered.contains(&"unknown 2".to_owned()), "{delivered:?}");
    assert!(
        !delivered.contains(&"unknown 1".to_owned()),
        "{delivered:?}"
    );
}

#[test]
fn delivered_segments_go_and_a_long_running_handler_pins_none() {
    let mut process = Process::start(&FakeDisk::default());
    process.append(id(1_000), Kind::Intent, "unknown");
    fill(&mut process, 200);
    assert!(process.disk.used() > 5 * SEGMENT_BYTES as usize);
    process.deliver(50);
    process.pass(Duration::from_millis(100));
    assert!(process.disk.used() < 3 * SEGMENT_BYTES as usize);
    process.pass(Duration::from_secs(6));
    process.pass(Duration::from_secs(1));
    assert!(process.disk.used() < 200, "{:?}", process.disk.names());

    let mut process = process.kill();
    assert_eq!(texts(process.deliver(10)), ["unknown"]);
}

#[test]
fn a_record_that_comes_after_its_intent_was_carried_is_told_alone() {
    let mut process = Process::start(&FakeDisk::default());
    process.append(id(1_000), Kind::Intent, "unknown");
    fill(&mut process, 100);
    process.deliver(50);
    process.pass(Duration::from_secs(6));
    process.pass(Duration::from_secs(1));
    process.append(id(1_000), Kind::Record, "record");
    let mut process = process.kill();
    assert_eq!(process.recovery.unknown, 0);
    assert_eq!(texts(process.deliver(10)), ["record"]);
}

#[test]
fn frames_that_the_disk_did_not_take_wait_for_one_that_works() {
    for fault in [Fault::Error, Fault::NoSpace, Fault::Short] {
        let mut process = Process::start(&FakeDisk::default());
        process.append(id(1), Kind::Record, "before");
        process.disk.arm(Operation::Write, fault);
        assert!(!process.append(id(2), Kind::Record, "during"));
        assert_eq!(process.room.reserve().err(), Some(Refusal::Impaired));
        process.pass(Duration::from_secs(1));
        assert!(process.room.reserve().is_ok(), "{fault:?}");
        assert_eq!(texts(process.deliver(10)), ["before", "during"]);
        let process = process.kill();
        assert_eq!(process.recovery.damaged, 0, "{fault:?}");
    }
}

#[test]
fn after_a_failed_sync_nothing_is_accepted_until_what_is_in_doubt_is_delivered() {
    let mut process = Process::start(&FakeDisk::default());
    process.append(id(1), Kind::Record, "in doubt");
    process.disk.arm(Operation::Sync, Fault::Error);
    process.sync_in_background();
    process.pass(Duration::from_secs(60));
    assert_eq!(process.room.reserve().err(), Some(Refusal::Impaired));
    assert!(process.append(id(2), Kind::Record, "of an attempt under way"));
    process.deliver(10);
    process.pass(Duration::from_secs(1));
    process.pass(Duration::from_secs(1));
    assert!(process.room.reserve().is_ok());
}

#[test]
fn who_waits_for_a_sync_that_fails_is_answered_by_a_sync_of_another_file() {
    let mut process = Process::start(&FakeDisk::default());
    process.disk.arm(Operation::Sync, Fault::Error);
    let mut kept = process.push(id(1), Kind::Record, "record", true);
    process.commit();
    assert!(kept.try_recv().is_err());
    process.pass(Duration::from_secs(1));
    assert!(kept.try_recv().is_ok());
    process.disk.cut_power(&mut || false);
    let mut process = process.kill();
    assert!(texts(process.deliver(10)).contains(&"record".to_owned()));
}

#[test]
fn a_full_disk_refuses_drains_and_accepts_again() {
    let disk = FakeDisk::default();
    disk.set_capacity(Some(40_000));
    let mut process = Process::start(&disk);
    let mut number = 0;
    while process.room.reserve().is_ok() {
        assert!(process.append(id(number), Kind::Record, &"x".repeat(1_000)));
        process.pass(Duration::from_millis(100));
        number += 1;
    }
    assert_eq!(process.room.reserve().err(), Some(Refusal::Full));
    disk.set_capacity(Some(disk.used()));
    assert!(!process.append(id(number), Kind::Record, "under way"));
    let mut process = process.kill();
    process.pass(Duration::from_secs(1));
    assert_eq!(process.deliver(10).len() as u64, number);
    process.pass(Duration::from_secs(1));
    process.pass(Duration::from_secs(1));
    assert!(process.room.reserve().is_ok());
}

#[test]
fn a_torn_tail_is_cut_without_an_alarm() {
    let disk = FakeDisk::default();
    let mut process = Process::start(&disk);
    fill(&mut process, 3);
    let name = disk.names().pop().unwrap();
    disk.tamper(&name, |bytes| {
        let half = bytes[..HEADER_BYTES + 50].to_vec();
        bytes.extend(half);
    });
    let mut process = process.kill();
    assert_eq!(process.recovery.damaged, 0);
    assert_eq!(process.deliver(10).len(), 3);
    fill(&mut process, 1);
    assert_eq!(process.kill().recovery.damaged, 0);
}

#[test]
fn a_damaged_frame_costs_itself_and_its_file_is_set_aside() {
    let disk = FakeDisk::default();
    let mut process = Process::start(&disk);
    fill(&mut process, 100);
    let name = disk.names().remove(0);
    disk.tamper(&name, |bytes| bytes[300] ^= 1);
    let mut process = process.kill();
    assert_eq!(process.recovery.damaged, 1);
    assert_eq!(process.recovery.records, 99);
    assert_eq!(process.deliver(10).len(), 99);
    process.pass(Duration::from_secs(1));
    assert!(disk.names().contains(&format!("{DAMAGED}/{name}")));
    assert_eq!(process.kill().recovery.damaged, 0);
}

#[test]
fn damage_that_comes_after_the_start_is_found_too_and_ends_nothing() {
    let disk = FakeDisk::default();
    let mut process = Process::start(&disk);
    fill(&mut process, 100);
    let name = disk.names().remove(0);
    disk.tamper(&name, |bytes| bytes[300] ^= 1);
    assert_eq!(process.deliver(10).len(), 99);
    process.pass(Duration::from_secs(1));
    assert!(disk.names().contains(&format!("{DAMAGED}/{name}")));
}

/// Appends attempts with intents and records.
fn attempts(process: &mut Process, numbers: std::ops::Range<u64>) {
    for number in numbers {
        assert!(process.append(id(number), Kind::Intent, &format!("unknown {number:04}")));
        let record = format!("record {number:04}");
        assert!(process.append(id(number), Kind::Record, &record));
    }
}

#[test]
fn a_record_that_is_damaged_while_the_process_runs_is_told_by_its_intent() {
    let disk = FakeDisk::default();
    let mut process = Process::start(&disk);
    process.append(id(1_000), Kind::Intent, "under way");
    attempts(&mut process, 0..100);
    let names = disk.names();
    for name in &names[..2] {
        disk.tamper(name, |bytes| {
            let at = bytes.windows(7).rposition(|text| text == b"record ");
            bytes[at.unwrap()] ^= 1;
        });
    }
    let mut delivered = texts(process.deliver(7));
    assert_eq!(delivered.len(), 98);
    process.pass(Duration::from_millis(100));
    let told = texts(process.deliver(7));
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.iter().all(|text| text.starts_with("unknown ")));
    delivered.extend(told);
    let numbers: HashSet<&str> = delivered
        .iter()
        .map(|text| &text[text.len() - 4..])
        .collect();
    assert_eq!(numbers.len(), 100);
    assert_eq!(process.shelf.metrics.journal_damage.get(), 2);
    process.pass(Duration::from_secs(6));
    process.pass(Duration::from_secs(1));
    for name in &names[..2] {
        assert!(disk.names().contains(&format!("{DAMAGED}/{name}")));
    }
}

#[test]
fn an_intent_stays_until_its_record_was_read_from_another_segment() {
    let disk = FakeDisk::default();
    let mut process = Process::start(&disk);
    process.append(id(1_000), Kind::Intent, "unknown");
    fill(&mut process, 30);
    process.deliver(100);
    process.append(id(1_000), Kind::Record, "record");
    process.pass(Duration::from_secs(1));
    let name = disk.names().pop().unwrap();
    disk.tamper(&name, |bytes| *bytes.last_mut().unwrap() ^= 1);
    // Nothing else is there, so the reader comes back with what the search has found.
    process.append(id(1_001), Kind::Record, "another");
    assert_eq!(texts(process.deliver(1)), ["another"]);
    process.pass(Duration::from_secs(1));
    assert_eq!(texts(process.deliver(1)), ["unknown"]);
}

#[test]
fn a_file_that_lost_its_end_while_the_process_runs_is_damaged() {
    let disk = FakeDisk::default();
    let mut process = Process::start(&disk);
    attempts(&mut process, 0..10);
    let name = disk.names().remove(0);
    disk.tamper(&name, |bytes| bytes.truncate(bytes.len() / 2));
    let before = texts(process.deliver(100)).len();
    process.pass(Duration::from_secs(1));
    assert!((4..=5).contains(&before), "{before}");
    // Those whose intent was cut off too leave no trace.
    let told = texts(process.deliver(100));
    assert!(before + told.len() <= 10);
    assert!(process.shelf.metrics.journal_damage.get() > 0);
}

#[test]
fn zeros_and_garbage_at_the_end_are_damage() {
    for fill_with in [0, 0x5A] {
        let disk = FakeDisk::default();
        let mut process = Process::start(&disk);
        fill(&mut process, 20);
        let name = disk.names().remove(0);
        disk.tamper(&name, |bytes| {
            let from = bytes.len() - 300;
            bytes[from..].fill(fill_with);
        });
        let process = process.kill();
        assert_eq!(process.recovery.damaged, 1);
        assert_eq!(process.recovery.records, 17);
        assert_eq!(process.shelf.metrics.journal_damage.get(), 1);
        // The next start sees it as well, although another segment follows.
        let mut process = process.kill();
        assert_eq!(process.recovery.damaged, 1);
        assert_eq!(process.deliver(100).len(), 17);
        process.pass(Duration::from_secs(1));
        assert!(disk.names().contains(&format!("{DAMAGED}/{name}")));
    }
}

#[test]
fn a_file_that_is_removed_while_it_is_written_to_is_written_again() {
    let disk = FakeDisk::default();
    let mut process = Process::start(&disk);
    attempts(&mut process, 0..50);
    process.append(id(1_000), Kind::Intent, "under way");
    let names = disk.names();
    disk.remove(Path::new(&names[0])).unwrap();
    disk.remove(Path::new(names.last().unwrap())).unwrap();
    process.is_lazy = true;
    process.pass(Duration::from_millis(500));
    process.do_chore();
    assert_eq!(process.room.reserve().err(), Some(Refusal::Impaired));
    assert!(!process.append(id(1_000), Kind::Record, "record 1000"));
    process.is_lazy = false;
    process.pass(Duration::from_millis(500));
    process.pass(Duration::from_millis(500));
    assert!(process.room.reserve().is_ok());
    let mut process = process.kill();
    assert_eq!(
        (process.recovery.records, process.recovery.unknown),
        (51, 0)
    );
    assert_eq!(process.recovery.damaged, 0);
    assert_eq!(process.deliver(100).len(), 51);
}

#[test]
fn a_file_that_is_replaced_by_another_one_is_written_again_and_the_other_one_set_aside() {
    let disk = FakeDisk::default();
    let mut process = Process::start(&disk);
    fill(&mut process, 3);
    let name = disk.names().remove(0);
    disk.remove(Path::new(&name)).unwrap();
    disk.create(Path::new(&name)).unwrap();
    process.pass(Duration::from_millis(500));
    process.pass(Duration::from_millis(500));
    assert!(process.room.reserve().is_ok());
    assert!(disk.names().contains(&format!("{DAMAGED}/{name}")));
    assert_eq!(process.kill().recovery.records, 3);
}

#[test]
fn a_folder_that_is_renamed_or_removed_is_made_again_with_what_is_needed() {
    for is_removed in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let settings = JournalSettings::new(folder.path().join("journal"));
        let (journal, _) = Journal::open(&settings, Arc::default()).unwrap();
        let append = |number| {
            let permit = journal.reserve().unwrap();
            let kept = permit.append(id(number), b"record".to_vec(), Durability::Crash);
            kept.wait().unwrap();
        };
        append(1);
        if is_removed {
            std::fs::remove_dir_all(&settings.folder).unwrap();
        } else {
            std::fs::rename(&settings.folder, folder.path().join("elsewhere")).unwrap();
        }
        let deadline = Instant::now() + Duration::from_secs(60);
        while journal.status().is_accepting {
            assert!(Instant::now() < deadline, "it was not noticed");
            thread::sleep(Duration::from_millis(1));
        }
        while !journal.status().is_accepting {
            assert!(Instant::now() < deadline, "it was not made again");
            thread::sleep(Duration::from_millis(1));
        }
        append(2);
        assert!(matches!(
            Journal::open(&settings, Arc::default()),
            Err(OpenError::InUse { .. })
        ));
        drop(journal);
        let (_, found) = Journal::open(&settings, Arc::default()).unwrap();
        assert_eq!((found.records, found.unknown), (2, 0));
    }
}

fn open_on(disk: &FakeDisk) -> Journal {
    let settings = JournalSettings::new("journal");
    Journal::open_on(Arc::new(disk.clone()), &settings, Arc::default())
        .unwrap()
        .0
}

/// Delivers on a thread of its own until the journal has ended, and returns the texts.
fn deliver_to_the_end(journal: &Journal) -> thread::JoinHandle<HashSet<String>> {
    let outlet = journal.outlet();
    thread::spawn(move || {
        let mut delivered = HashSet::new();
        while let Some(lease) = outlet.lease(10, Duration::ZERO) {
            for entry in lease.entries() {
                delivered.insert(String::from_utf8(entry.bytes.to_vec()).unwrap());
            }
            lease.delivered();
        }
        delivered
    })
}

#[test]
fn what_a_dead_disk_does_not_take_goes_to_postgres_at_the_end() {
    let disk = FakeDisk::default();
    let journal = open_on(&disk);
    let permits: Vec<_> = (0..3).map(|_| journal.reserve().unwrap()).collect();
    disk.arm(Operation::Write, Fault::Always);
    for (permit, number) in permits.into_iter().zip(0..) {
        let memory = Durability::Memory;
        drop(permit.intend(id(number), format!("unknown {number}").into(), memory));
        if number > 0 {
            drop(permit.append(id(number), format!("record {number}").into(), memory));
        }
    }
    let writer = deliver_to_the_end(&journal);
    assert_eq!(journal.drain(Instant::now() + Duration::from_secs(4)), 0);
    let expected = ["unknown 0", "record 1", "record 2"].map(str::to_owned);
    assert_eq!(writer.join().unwrap(), HashSet::from(expected));
}

#[test]
fn a_journal_whose_thread_has_died_refuses_and_loses_no_record() {
    let disk = FakeDisk::default();
    let journal = open_on(&disk);
    let first = journal.reserve().unwrap();
    let second = journal.reserve().unwrap();
    disk.arm(Operation::Write, Fault::Panic);
    let kept = first.append(id(1), b"record 1".to_vec(), Durability::PowerLoss);
    assert!(kept.wait().is_err());
    let writer = deliver_to_the_end(&journal);
    while journal.status().is_accepting {
        thread::yield_now();
    }
    assert_eq!(journal.reserve().err(), Some(Refusal::Impaired));
    drop(second.append(id(2), b"record 2".to_vec(), Durability::Memory));
    assert_eq!(journal.drain(Instant::now() + Duration::from_secs(60)), 0);
    drop(writer);
}

#[test]
fn a_frozen_disk_holds_up_nobody_for_longer_than_one_patience() {
    let disk = FakeDisk::default();
    let journal = open_on(&disk);
    let permit = journal.reserve().unwrap();
    disk.arm(Operation::Write, Fault::Frozen);
    let began = Instant::now();
    let intent = permit.intend(id(1), b"unknown".to_vec(), Durability::Crash);
    assert!(began.elapsed() < super::PATIENCE / 2, "the caller wrote");
    assert!(intent.wait().is_err());
    let record = permit.append(id(1), b"record".to_vec(), Durability::Crash);
    assert!(record.wait().is_err());
    assert!(journal.status().undelivered == 0 && journal.reserve().is_ok());
    assert!(began.elapsed() < super::PATIENCE * 3 / 2);
    journal.drain(Instant::now());
    assert!(
        began.elapsed() < super::PATIENCE * 3,
        "the end waits for the disk"
    );
    disk.disarm();
}

#[test]
fn a_name_far_ahead_takes_no_sequence() {
    let disk = FakeDisk::default();
    let mut process = Process::start(&disk);
    fill(&mut process, 3);
    let stray = "09223372036854775807.segment";
    disk.create(Path::new(stray)).unwrap();
    let mut process = process.kill();
    assert_eq!(process.shelf.metrics.journal_damage.get(), 1);
    fill(&mut process, 50);
    process.pass(Duration::from_secs(1));
    assert!(disk.names().contains(&format!("{DAMAGED}/{stray}")));
    let mut process = process.kill();
    assert_eq!(process.recovery.records, 53);
    assert_eq!(process.deliver(100).len(), 53);
}

#[test]
fn a_segment_that_cannot_be_read_for_a_while_is_delivered_in_the_end() {
    let disk = FakeDisk::default();
    let mut process = Process::start(&disk);
    fill(&mut process, 3);
    disk.arm(Operation::Read, Fault::Always);
    let shelf = Arc::clone(&process.shelf);
    let reader = thread::spawn(move || shelf.lease(10, Duration::ZERO).unwrap().entries().len());
    while process.shelf.metrics.journal_failures.get() < 2 {
        thread::yield_now();
    }
    disk.disarm();
    assert_eq!(reader.join().unwrap(), 3);
    assert_eq!(process.deliver(10).len(), 3);
    assert_eq!(process.shelf.metrics.journal_damage.get(), 0);
}

#[test]
fn a_start_that_cannot_read_a_segment_tries_again_and_is_refused_in_the_end() {
    let disk = FakeDisk::default();
    let mut process = Process::start(&disk);
    fill(&mut process, 3);
    disk.arm(Operation::Read, Fault::Error);
    let process = process.kill();
    assert_eq!(process.recovery.records, 3);
    disk.arm(Operation::Read, Fault::Always);
    let metrics = Arc::new(Metrics::default());
    let shelf = Shelf::new(Arc::clone(&metrics));
    let error = recover(&disk, Path::new(""), &mut shelf.lock(), &metrics).unwrap_err();
    assert!(matches!(error, OpenError::Unreadable { .. }), "{error}");
    disk.disarm();
    assert_eq!(process.kill().recovery.records, 3);
}

#[test]
fn a_segment_of_which_nothing_is_left_is_set_aside_too() {
    let disk = FakeDisk::default();
    let mut process = Process::start(&disk);
    fill(&mut process, 100);
    let name = disk.names().remove(0);
    disk.tamper(&name, |bytes| bytes.fill(0));
    let mut process = process.kill();
    assert_eq!(process.recovery.damaged, 1);
    let delivered = process.deliver(10).len() as u64;
    assert_eq!(delivered, process.recovery.records);
    process.pass(Duration::from_secs(1));
    assert!(disk.names().contains(&format!("{DAMAGED}/{name}")));
}

#[test]
fn a_file_that_is_not_called_as_we_call_ours_is_left_alone() {
    let disk = FakeDisk::default();
    let mut process = Process::start(&disk);
    fill(&mut process, 3);
    let name = disk.names().remove(0);
    let mut copy = Vec::new();
    disk.tamper(&name, |bytes| copy.clone_from(bytes));
    for other in ["1.segment", "+1.segment", "18446744073709551615.segment"] {
        let file = disk.create(Path::new(other)).unwrap();
        file.write_all_at(&copy, 0).unwrap();
    }
    let mut process = process.kill();
    assert_eq!(process.recovery.records, 3);
    assert_eq!(process.deliver(10).len(), 3);
    fill(&mut process, 1);
    assert_eq!(process.deliver(10).len(), 1);
    process.pass(Duration::from_secs(1));
    assert!(disk.names().contains(&"1.segment".to_owned()));
}

#[test]
fn a_journal_of_a_newer_version_is_left_alone() {
    let disk = FakeDisk::default();
    let mut process = Process::start(&disk);
    fill(&mut process, 100);
    let names = disk.names();
    disk.tamper(&names[0], |bytes| bytes.extend(b"torn"));
    disk.tamper(&names[1], |bytes| bytes[3] += 1);
    let used = disk.used();
    let metrics = Arc::new(Metrics::default());
    let shelf = Shelf::new(Arc::clone(&metrics));
    let error = recover(&disk, Path::new(""), &mut shelf.lock(), &metrics).unwrap_err();
    assert!(matches!(error, OpenError::NewerFormat { .. }), "{error}");
    assert_eq!(disk.used(), used, "something was cut");
}

#[test]
fn one_folder_belongs_to_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let settings = JournalSettings::new(folder.path().join("journal"));
    let open = || Journal::open(&settings, Arc::default());
    let (journal, _) = open().unwrap();
    assert!(matches!(open(), Err(OpenError::InUse { .. })));
    journal.drain(Instant::now());
    open().unwrap();
}

#[test]
fn what_fills_no_lease_waits_for_company_but_not_after_a_pause() {
    const AN_HOUR: Duration = Duration::from_secs(3_600);
    let mut process = Process::start(&FakeDisk::default());
    process.append(id(1), Kind::Record, "after a pause");
    let first = process.shelf.lease(2, AN_HOUR).unwrap();
    assert_eq!(first.entries().len(), 1);

    process.append(id(2), Kind::Record, "alone");
    let shelf = Arc::clone(&process.shelf);
    let second = thread::spawn(move || shelf.lease(2, AN_HOUR).unwrap().entries().len());
    while process.shelf.lock().awaited != Some(2) {
        assert!(!second.is_finished(), "it did not wait");
        thread::yield_now();
    }
    process.append(id(3), Kind::Record, "company");
    assert_eq!(second.join().unwrap(), 2);
}

#[test]
fn nothing_is_written_at_once_that_a_disk_may_hold_up() {
    let mut process = Process::start(&FakeDisk::default());
    assert!(process.append_at_once(id(1), false));
    assert!(!process.append_at_once(id(2), true), "a sync is waited for");

    process.is_lazy = true;
    process.sync_in_background();
    assert!(!process.append_at_once(id(3), false), "a sync is under way");
    process.do_chore();
    assert!(process.append_at_once(id(4), false));

    process.disk.arm(Operation::Write, Fault::Slow);
    assert!(process.append_at_once(id(5), false));
    assert!(!process.append_at_once(id(6), false), "the disk is busy");
    process.now += BUSY;
    assert!(process.append_at_once(id(7), false));

    // To open another segment is for the commit thread.
    let fit = SEGMENT_BYTES as usize / (HEADER_BYTES + 100);
    let written = (8..100).take_while(|number| process.append_at_once(id(*number), false));
    assert_eq!(4 + written.count(), fit);
    assert_eq!(process.deliver(100).len(), fit);
}

#[test]
fn a_disk_that_is_slow_to_remove_holds_up_nobody() {
    let mut process = Process::start(&FakeDisk::default());
    fill(&mut process, 100);
    process.sync_in_background();
    process.deliver(100);
    process.is_lazy = true;
    process.pass(Duration::from_millis(100));
    assert_eq!(process.waiting.len(), 1, "one to be removed");
    let used = process.disk.used();
    assert_eq!(process.room.lock().used, used as u64, "it is still there");
    assert!(process.append_at_once(id(1_000), false));
    assert_eq!(texts(process.deliver(1)).len(), 1);

    process.is_lazy = false;
    process.tell();
    assert!(process.disk.used() < used / 2);
}

#[test]
fn a_segment_that_cannot_be_removed_is_tried_again() {
    let mut process = Process::start(&FakeDisk::default());
    fill(&mut process, 100);
    process.deliver(100);
    process.disk.arm(Operation::Remove, Fault::Error);
    process.pass(Duration::from_secs(1));
    assert!(process.disk.names().len() > 1);
    assert_eq!(process.room.reserve().err(), Some(Refusal::Impaired));
    // What was accepted is kept meanwhile.
    assert!(process.append(id(1_000), Kind::Record, "of an attempt under way"));
    process.deliver(1);
    process.pass(Duration::from_secs(1));
    process.pass(Duration::from_secs(1));
    assert_eq!(process.disk.names().len(), 1);
    assert!(process.room.reserve().is_ok());
}

#[test]
fn a_segment_that_somebody_else_removed_is_missed_by_nobody() {
    let disk = FakeDisk::default();
    let mut process = Process::start(&disk);
    fill(&mut process, 100);
    process.deliver(100);
    disk.remove(Path::new(&disk.names()[0])).unwrap();
    process.pass(Duration::from_secs(1));
    process.pass(Duration::from_secs(1));
    assert_eq!(disk.names().len(), 1);
    assert!(process.room.reserve().is_ok());
}

/// The intent was synced long ago. Were its segment removed before the record is synced, a
/// power cut would leave no trace of the attempt.
#[test]
fn an_intent_is_removed_only_when_its_record_survives_a_power_cut() {
    let disk = FakeDisk::default();
    for sync_fails in [false, true] {
        let mut process = Process::start(&disk);
        process.append(id(1_000), Kind::Intent, "unknown");
        fill(&mut process, 100);
        process.deliver(100);
        process.sync_in_background();
        process.append(id(1_000), Kind::Record, "record");
        // Once it was read, its intent is no longer needed in case it is damaged.
        drop(process.shelf.lease(1, Duration::ZERO));
        if sync_fails {
            disk.arm(Operation::Sync, Fault::Error);
        }
        process.pass(Duration::from_millis(100));
        drop(process);
        disk.cut_power(&mut || false);
        let mut process = Process::start(&disk);
        let expected = if sync_fails { "unknown" } else { "record" };
        assert!(texts(process.deliver(10)).contains(&expected.to_owned()));
    }
}

#[test]
fn a_flush_whose_sync_fails_does_not_say_that_it_has_worked() {
    let disk = FakeDisk::default();
    let settings = JournalSettings::new("journal");
    let (journal, _) = Journal::open_on(Arc::new(disk.clone()), &settings, Arc::default()).unwrap();
    let append = || {
        let permit = journal.reserve().unwrap();
        let kept = permit.append(id(1), b"record".to_vec(), Durability::Crash);
        kept.wait().unwrap();
    };
    append();
    assert!(journal.flush(Duration::from_secs(60)));
    append();
    disk.arm(Operation::Sync, Fault::Error);
    assert!(!journal.flush(Duration::from_secs(60)));
}

#[test]
fn a_write_that_fails_at_once_is_left_to_the_commit_thread() {
    for fault in [Fault::Error, Fault::NoSpace, Fault::Short] {
        let mut process = Process::start(&FakeDisk::default());
        process.is_hasty = true;
        process.disk.arm(Operation::Write, fault);
        let mut kept = process.push(id(1), Kind::Record, "first", false);
        assert!(!process.append_at_once(id(2), false), "it comes behind");
        process.commit();
        assert!(kept.try_recv().is_err(), "{fault:?}");
        process.pass(Duration::from_millis(500));
        assert!(kept.try_recv().is_ok(), "{fault:?}");
        assert!(process.append_at_once(id(3), false));
        let mut process = process.kill();
        assert_eq!(process.recovery.damaged, 0);
        assert_eq!(process.deliver(10).len(), 2);
    }
}

/// Whichever way they take: an intent behind its record would begin the attempt again.
#[test]
fn many_threads_leave_no_intent_behind_its_record() {
    const THREADS: u64 = 8;
    const ATTEMPTS: u64 = 300;
    let folder = tempfile::tempdir().unwrap();
    let settings = JournalSettings::new(folder.path().join("journal"));
    let (journal, _) = Journal::open(&settings, Arc::default()).unwrap();
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let journal = &journal;
            scope.spawn(move || {
                for attempt in 0..ATTEMPTS {
                    let id = id(thread * ATTEMPTS + attempt + 1);
                    // Those that are synced go to the commit thread.
                    let durability = match (thread + attempt) % 5 {
                        0 => Durability::PowerLoss,
                        _ => Durability::Crash,
                    };
                    let permit = journal.reserve().unwrap();
                    drop(permit.intend(id, b"intent".to_vec(), durability));
                    let kept = permit.append(id, b"record".to_vec(), Durability::Crash);
                    if attempt % 3 == 0 {
                        kept.wait().unwrap();
                    }
                }
            });
        }
    });
    assert!(journal.flush(Duration::from_secs(60)));
    drop(journal);
    let (journal, found) = Journal::open(&settings, Arc::default()).unwrap();
    assert_eq!((found.records, found.unknown), (THREADS * ATTEMPTS, 0));
    drop(journal);
}

/// What may happen to a log.
#[derive(Clone, Debug)]
enum Step {
    /// An attempt begins; is its intent, and later its record, synced?
    Begin {
        sync: bool,
    },
    /// The oldest attempt under way ends, with a record of this length.
    End {
        length: usize,
    },
    /// The oldest attempt under way ends, with a record that Postgres has already.
    Settle,
    Commit,
    /// Time passes.
    Pass {
        milliseconds: u64,
    },
    SyncInBackground,
    /// Something that waits to be done at the disk is done.
    Chore,
    /// Writers deliver at most so many records, or give them up.
    Deliver {
        limit: usize,
        give_up: bool,
    },
    /// The next operation of this kind fails.
    Arm(Operation, Fault),
    Kill,
    CutPower {
        seed: u64,
    },
    SetCapacity(Option<usize>),
    /// From now on frames are written at once where that can be done, or never.
    Hasten(bool),
    /// From now on what is to be done at the disk waits, or does not.
    Delay(bool),
}

fn step() -> impl Strategy<Value = Step> {
    let operation = prop_oneof![
        Just(Operation::Create),
        Just(Operation::Write),
        Just(Operation::Sync),
        Just(Operation::SyncFolder),
        Just(Operation::Remove),
        Just(Operation::Cut),
        Just(Operation::Allocate),
    ];
    let fault = prop_oneof![Just(Fault::Error), Just(Fault::NoSpace), Just(Fault::Short)];
    prop_oneof![
        8 => any::<bool>().prop_map(|sync| Step::Begin { sync }),
        8 => (1_usize..2_000).prop_map(|length| Step::End { length }),
        3 => Just(Step::Settle),
        10 => Just(Step::Commit),
        4 => (0_u64..8_000).prop_map(|milliseconds| Step::Pass { milliseconds }),
        2 => Just(Step::SyncInBackground),
        4 => Just(Step::Chore),
        4 => (1_usize..20, prop::bool::weighted(0.2))
            .prop_map(|(limit, give_up)| Step::Deliver { limit, give_up }),
        4 => (operation, fault).prop_map(|(operation, fault)| Step::Arm(operation, fault)),
        1 => Just(Step::Kill),
        1 => any::<u64>().prop_map(|seed| Step::CutPower { seed }),
        1 => prop::option::of(8_000_usize..60_000).prop_map(Step::SetCapacity),
        3 => any::<bool>().prop_map(Step::Hasten),
        2 => any::<bool>().prop_map(Step::Delay),
    ]
}

/// What is known of one attempt.
struct Attempt {
    id: Uuid,
    sync: bool,
    intent: Option<oneshot::Receiver<()>>,
    intent_kept: bool,
    record: Option<oneshot::Receiver<()>>,
    record_kept: bool,
    /// The process that ran it is gone.
    is_over: bool,
    /// The power was cut before it was safe from that.
    is_excused: bool,
}

/// The log, and beside it what it has promised.
struct Model {
    disk: FakeDisk,
    process: Option<Process>,
    attempts: Vec<Attempt>,
    /// Postgres: the first text of an id stays.
    stored: HashMap<Uuid, String>,
    was_cut: bool,
    armed: HashSet<Operation>,
    is_hasty: bool,
    is_lazy: bool,
}

impl Model {
    fn new() -> Self {
        let disk = FakeDisk::default();
        Self {
            process: Some(Process::start(&disk)),
            disk,
            attempts: Vec::new(),
            stored: HashMap::new(),
            was_cut: false,
            armed: HashSet::new(),
            is_hasty: false,
            is_lazy: false,
        }
    }

    fn process(&mut self) -> &mut Process {
        self.process.as_mut().unwrap()
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Begin { sync } => {
                let id = id(self.attempts.len() as u64 + 1);
                let intent = self.process().push(id, Kind::Intent, "unknown", sync);
                self.attempts.push(Attempt {
                    id,
                    sync,
                    intent: Some(intent),
                    intent_kept: false,
                    record: None,
                    record_kept: false,
                    is_over: false,
                    is_excused: false,
                });
            }
            Step::End { length } => {
                let Some(position) = self.oldest_under_way() else {
                    return;
                };
                let (id, sync) = (self.attempts[position].id, self.attempts[position].sync);
                let text = "r".repeat(length);
                let record = self.process().push(id, Kind::Record, &text, sync);
                self.attempts[position].record = Some(record);
            }
            Step::Settle => {
                let Some(position) = self.oldest_under_way() else {
                    return;
                };
                let id = self.attempts[position].id;
                self.stored.insert(id, "in a transaction".to_owned());
                let settled = self.process().push(id, Kind::Settled, "", false);
                self.attempts[position].record = Some(settled);
            }
            Step::Commit => self.process().commit(),
            Step::Pass { milliseconds } => self.process().pass(Duration::from_millis(milliseconds)),
            Step::SyncInBackground => self.process().sync_in_background(),
            Step::Chore => self.process().do_chore(),
            Step::Deliver { limit, give_up } => self.deliver(limit, give_up),
            Step::Arm(operation, fault) => {
                self.armed.insert(operation);
                self.disk.arm(operation, fault);
            }
            Step::Kill => self.restart(),
            Step::CutPower { seed } => {
                self.hear();
                for attempt in &mut self.attempts {
                    attempt.is_excused |= !attempt.sync;
                }
                let mut state = seed | 1;
                self.process = None;
                self.was_cut = true;
                self.disk.cut_power(&mut || {
                    // Xorshift: any sequence will do, as long as it is the same again.
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    state % 2 == 0
                });
                self.restart();
            }
            Step::SetCapacity(capacity) => self.disk.set_capacity(capacity),
            Step::Hasten(is_hasty) => {
                self.is_hasty = is_hasty;
                self.process().is_hasty = is_hasty;
            }
            Step::Delay(is_lazy) => {
                self.is_lazy = is_lazy;
                let process = self.process();
                process.is_lazy = is_lazy;
                process.tell();
            }
        }
        self.hear();
    }

    fn oldest_under_way(&self) -> Option<usize> {
        self.attempts
            .iter()
            .position(|attempt| attempt.record.is_none() && !attempt.is_over)
    }

    /// Listens for acknowledgements.
    fn hear(&mut self) {
        let heard = |kept: &mut Option<oneshot::Receiver<()>>| {
            kept.as_mut().is_some_and(|kept| kept.try_recv().is_ok())
        };
        for attempt in &mut self.attempts {
            attempt.intent_kept |= heard(&mut attempt.intent);
            attempt.record_kept |= heard(&mut attempt.record);
        }
    }

    fn deliver(&mut self, limit: usize, give_up: bool) {
        let process = self.process.as_mut().unwrap();
        if process.shelf.lock().undelivered == 0 {
            return;
        }
        let lease = process.shelf.lease(limit, Duration::ZERO).unwrap();
        for entry in lease.entries() {
            let text = String::from_utf8(entry.bytes.to_vec()).unwrap();
            self.stored.entry(entry.id).or_insert(text);
        }
        // Given up, they are in Postgres, and nobody knows.
        if !give_up {
            lease.delivered();
        }
    }

    fn restart(&mut self) {
        self.hear();
        for attempt in &mut self.attempts {
            attempt.is_over = true;
        }
        self.process = None;
        self.process = Some(Process::start(&self.disk));
        self.process().is_hasty = self.is_hasty;
        self.process().is_lazy = self.is_lazy;
    }

    /// Everything is repaired and delivered; the promises must hold.
    fn check(mut self) {
        let was_cut = self.was_cut;
        let could_not_tidy = self.armed.contains(&Operation::Cut);
        self.disk.disarm();
        self.disk.set_capacity(None);
        self.is_lazy = false;
        self.restart();
        while self.process().shelf.lock().undelivered > 0 {
            self.deliver(100, false);
        }
        let pushed: HashSet<Uuid> = self.attempts.iter().map(|attempt| attempt.id).collect();
        for id in self.stored.keys() {
            assert!(pushed.contains(id), "{id} was never appended");
        }
        for attempt in &self.attempts {
            let stored = self.stored.get(&attempt.id).map(String::as_str);
            if attempt.record_kept && !attempt.is_excused {
                assert!(
                    stored.is_some_and(|text| text != "unknown"),
                    "{}: a record that was acknowledged is {stored:?}",
                    attempt.id
                );
            } else if attempt.intent_kept && !attempt.is_excused {
                assert!(
                    stored.is_some(),
                    "{}: an attempt without a trace",
                    attempt.id
                );
            }
        }
        let process = self.process();
        for _ in 0..4 {
            process.pass(Duration::from_secs(6));
        }
        assert!(process.room.reserve().is_ok());
        // A power cut may leave holes, and what has holes is set aside. So is the
        // rest of a write that could be neither finished nor cut.
        let mut names = process.disk.names();
        if was_cut || could_not_tidy {
            names.retain(|name| !name.starts_with(DAMAGED));
        }
        assert_eq!(names.len(), 1, "what is delivered is removed: {names:?}");
    }
}

/// What was broken once, as it was found.
#[test]
fn orders_of_faults_that_broke_a_promise_once_do_not_any_more() {
    use Fault::{Error, Short};
    use Operation::{Cut, Remove, Sync, Write};
    use Step::*;

    let found: [Vec<Step>; 6] = [
        vec![
            Arm(Write, Short),
            Arm(Cut, Error),
            Hasten(true),
            Begin { sync: false },
            Kill,
        ],
        vec![
            Begin { sync: false },
            End { length: 913 },
            Commit,
            Kill,
            CutPower {
                seed: 15422639925656062158,
            },
        ],
        vec![
            Begin { sync: false },
            Begin { sync: false },
            Begin { sync: false },
            Begin { sync: false },
            Begin { sync: false },
            Begin { sync: false },
            Begin { sync: false },
            Begin { sync: false },
            Begin { sync: false },
            End { length: 1 },
            Begin { sync: true },
            Commit,
            Deliver {
                limit: 2,
                give_up: false,
            },
            Pass { milliseconds: 0 },
            Pass { milliseconds: 5000 },
            Pass { milliseconds: 0 },
            CutPower {
                seed: 1584725405793105404,
            },
        ],
        vec![
            Begin { sync: true },
            Commit,
            Arm(Write, Error),
            End { length: 1 },
            Arm(Sync, Error),
            Commit,
            Pass { milliseconds: 500 },
            Kill,
            Pass { milliseconds: 0 },
            CutPower {
                seed: 793205511489503462,
            },
        ],
        vec![
            Arm(Cut, Error),
            Begin { sync: false },
            Commit,
            Begin { sync: false },
            Arm(Write, Short),
            End { length: 9 },
            Commit,
            Pass { milliseconds: 500 },
        ],
        vec![
            Begin { sync: false },
            End { length: 169 },
            Arm(Remove, Error),
            Arm(Write, Short),
            Arm(Cut, Error),
            Commit,
            Pass { milliseconds: 500 },
            Deliver {
                limit: 1,
                give_up: false,
            },
            Pass { milliseconds: 0 },
        ],
    ];
    for steps in &found {
        let mut model = Model::new();
        for step in steps {
            model.take(step);
        }
        model.check();
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        // Whatever is found belongs among the orders above.
        failure_persistence: None,
        cases: 256,
        ..ProptestConfig::default()
    })]

    #[test]
    fn damage_costs_the_records_that_it_touches_and_no_others(
        damage in prop::collection::vec(
            (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 1..=u8::MAX),
            0..12,
        ),
    ) {
        const FRAME_BYTES: usize = HEADER_BYTES + 100;
        let disk = FakeDisk::default();
        let mut process = Process::start(&disk);
        fill(&mut process, 100);
        let names = disk.names();
        let mut touched = HashSet::new();
        for (name, at, flip) in &damage {
            let name = name.get(&names);
            let first: usize = name[..20].parse().unwrap();
            disk.tamper(name, |bytes| {
                let at = at.index(bytes.len());
                // With another version a segment is not damaged, but none of ours.
                if at != 3 {
                    bytes[at] ^= flip;
                    touched.insert(first - 1 + at / FRAME_BYTES);
                }
            });
        }
        let found = process.kill().recovery;
        let mut process = Process::start(&disk);
        prop_assert_eq!(process.recovery.records, found.records);
        let delivered: HashSet<String> = texts(process.deliver(7)).into_iter().collect();
        for number in (0..100).filter(|number| !touched.contains(number)) {
            prop_assert!(delivered.contains(&format!("{number:0100}")), "{number} is lost");
        }
        prop_assert!(delivered.len() as u64 == found.records && found.records <= 100);
    }

    /// `PROPTEST_CASES=4000` makes it a hundred thousand steps and more.
    #[test]
    fn no_promise_is_broken_by_any_order_of_faults(steps in prop::collection::vec(step(), 1..60)) {
        let mut model = Model::new();
        for step in &steps {
            model.take(step);
        }
        model.check();
    }
}

/// The intent of a long attempt is given a new place in the batch that ends it, and the
/// sync that the new place waits for fails.
#[test]
fn an_intent_is_not_carried_behind_the_end_of_its_attempt() {
    let mut model = Model::new();
    for step in [
        Step::Begin { sync: false },
        Step::Arm(Operation::Sync, Fault::Error),
        Step::End { length: 122 },
        Step::Begin { sync: false },
        Step::Commit,
        Step::Deliver {
            limit: 2,
            give_up: false,
        },
        Step::Pass { milliseconds: 0 },
        Step::Pass { milliseconds: 5000 },
        Step::End { length: 1 },
        Step::Arm(Operation::Sync, Fault::Error),
        Step::Pass { milliseconds: 500 },
        Step::Begin { sync: false },
        Step::Pass { milliseconds: 500 },
    ] {
        model.take(&step);
    }
    model.check();
}
