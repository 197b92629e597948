//! Whatever happened to its files, a journal opens, and what is whole is delivered.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use audit::fuzz::{FrameKind, Journal, encode_frame, is_newer_format};
use tempfile::TempDir;
use uuid::Uuid;

use crate::input::Input;

const SEGMENTS_MAX: usize = 4;
const FRAMES_MAX: usize = 6;
const VERSION: u8 = 1;

/// A record on its way: its id and its bytes.
type Entry = (Uuid, Vec<u8>);

/// Puts the input into the files of a journal, or damages good ones as it says.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    match input.choose(&['r', 'd']) {
        'r' => raw(input),
        _ => damaged(input),
    }
}

/// The input is what stands in the files: `name`, a line end, bytes, and the same again
/// behind three zero bytes.
fn raw(input: Input<'_>) {
    let folder = folder();
    let mut rest = input.rest();
    for _ in 0..SEGMENTS_MAX {
        let end = rest.windows(3).position(|window| window == [0; 3]);
        let (file, next) = rest.split_at(end.unwrap_or(rest.len()));
        let line = file.iter().position(|byte| *byte == b'\n').unwrap_or(0);
        let (name, bytes) = file.split_at(line);
        let name = String::from_utf8_lossy(name);
        let is_name = name.len() < 64 && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if is_name && !name.is_empty() {
            let path = folder.path().join(format!("{name}.segment"));
            fs::write(path, bytes.get(1..).unwrap_or_default()).expect("a file");
        }
        rest = next.get(3..).unwrap_or_default();
    }
    let Some(found) = open_twice(folder.path()) else {
        return;
    };
    deliver(folder.path(), &found);
}

/// A frame and where it stands.
struct Written {
    segment: usize,
    begin: usize,
    end: usize,
    kind: FrameKind,
    entry: Entry,
}

/// A good journal, and what the input does to it.
fn damaged(mut input: Input<'_>) {
    let count = 1 + usize::from(input.byte()) % SEGMENTS_MAX;
    let mut written = Vec::new();
    let mut segments = Vec::new();
    let mut sequence = 1_u64;
    for segment in 0..count {
        let first = sequence;
        let mut bytes = Vec::new();
        for _ in 0..1 + usize::from(input.byte()) % FRAMES_MAX {
            let choice = input.byte();
            let kinds = [FrameKind::Record, FrameKind::Intent, FrameKind::Settled];
            let kind = kinds[usize::from(choice % 3)];
            // Intents are answered by the record of one that came before, or by none.
            let number = match kind {
                FrameKind::Intent => sequence,
                _ => sequence.saturating_sub(u64::from(choice >> 4)),
            };
            let entry = (
                Uuid::from_u64_pair(number, number),
                format!(
                    "{kind:?} {sequence} {}",
                    "é".repeat(usize::from(choice / 8))
                )
                .into_bytes(),
            );
            let begin = bytes.len();
            encode_frame(&mut bytes, sequence, entry.0, kind, &entry.1);
            written.push(Written {
                segment,
                begin,
                end: bytes.len(),
                kind,
                entry,
            });
            sequence += 1;
        }
        segments.push((first, bytes));
    }

    let whole: Vec<Vec<u8>> = segments.iter().map(|(_, bytes)| bytes.clone()).collect();
    while !input.is_empty() {
        let target = usize::from(input.byte()) % count;
        let (_, bytes) = &mut segments[target];
        let at = input.number() % (bytes.len() + 1);
        match input.choose(&['f', 'c', 'z', 'i', 'o']) {
            'f' => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << (input.byte() % 8);
                }
            }
            'c' => bytes.truncate(at),
            'z' => {
                let length = usize::from(input.byte());
                bytes
                    .iter_mut()
                    .skip(at)
                    .take(length)
                    .for_each(|byte| *byte = 0);
            }
            'i' => {
                let inserted: Vec<u8> = (0..input.byte() % 16).map(|_| input.byte()).collect();
                bytes.splice(at..at, inserted);
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = input.byte();
                }
            }
        }
    }

    let folder = folder();
    for (first, bytes) in &segments {
        let path = folder.path().join(format!("{first:020}.segment"));
        fs::write(path, bytes).expect("a file");
    }
    let is_newer = segments
        .iter()
        .any(|(_, bytes)| matches!(bytes.as_slice(), [0xFF, b'A', b'J', version, ..] if *version > VERSION));
    let Some((damaged, found)) = open_twice(folder.path()) else {
        assert!(is_newer, "it was refused without a reason");
        return;
    };

    let is_whole = |frame: &Written| {
        let (_, bytes) = &segments[frame.segment];
        let part = whole[frame.segment].get(frame.begin..frame.end);
        part.is_some_and(|part| find(bytes, part))
    };
    for frame in &written {
        if frame.kind == FrameKind::Record && is_whole(frame) {
            assert!(
                found.contains(&frame.entry),
                "{:?} is whole and was not delivered",
                frame.entry
            );
        }
        let is_answered = written
            .iter()
            .any(|other| other.kind != FrameKind::Intent && other.entry.0 == frame.entry.0);
        if frame.kind == FrameKind::Intent && is_whole(frame) && !is_answered {
            assert!(
                found.contains(&frame.entry),
                "the attempt {:?} left no trace",
                frame.entry
            );
        }
    }
    for entry in &found {
        let is_ours = |frame: &&Written| frame.kind != FrameKind::Settled && frame.entry == *entry;
        assert!(
            written.iter().find(is_ours).is_some(),
            "nobody wrote {entry:?}"
        );
    }
    // All but the last segment are followed by one that tells where they end.
    for (number, (_, bytes)) in segments.iter().enumerate().take(count - 1) {
        let frames: Vec<&Written> = written
            .iter()
            .filter(|frame| frame.segment == number)
            .collect();
        let is_lost = frames.len() > 1 && !frames.iter().any(|frame| is_whole(frame));
        assert!(
            !is_lost || bytes.is_empty() || damaged > 0,
            "segment {number} lost everything, and nobody was told"
        );
    }
    deliver(folder.path(), &(damaged, found));
}

/// What a start finds, and whether the next one finds the same.
fn open_twice(folder: &Path) -> Option<(u64, BTreeSet<Entry>)> {
    let before = files(folder);
    let open = || match Journal::open(folder) {
        Ok(journal) => Some(journal),
        Err(error) => {
            assert!(is_newer_format(&error), "{error}");
            assert_eq!(
                files(folder),
                before,
                "what is not understood is left alone"
            );
            None
        }
    };
    let first = open()?;
    let damaged = first.damaged();
    let found: BTreeSet<Entry> = first.peek().into_iter().collect();
    assert_eq!(first.undelivered() > 0, !found.is_empty());
    drop(first);
    let second: BTreeSet<Entry> = open()?.peek().into_iter().collect();
    assert_eq!(second, found, "a second start finds something else");
    Some((damaged, found))
}

/// Everything is delivered once; what is damaged is set aside, and the rest removed.
fn deliver(folder: &Path, (damaged, found): &(u64, BTreeSet<Entry>)) {
    let journal = Journal::open(folder).expect("it opened before");
    let delivered: BTreeSet<Entry> = journal.deliver().into_iter().collect();
    assert_eq!(&delivered, found);
    let set_aside = files(&folder.join("damaged")).len() as u64;
    assert_eq!(set_aside, *damaged, "what is damaged is set aside");

    let after = Journal::open(folder).expect("it opened before");
    assert_eq!(after.undelivered(), 0, "it is delivered once");
    assert_eq!(after.damaged(), 0, "what was set aside is not found again");
}

/// Names and contents of the files in a folder.
fn files(folder: &Path) -> BTreeSet<(PathBuf, Vec<u8>)> {
    let Ok(entries) = fs::read_dir(folder) else {
        return BTreeSet::new();
    };
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_file())
        .filter_map(|path| fs::read(&path).ok().map(|bytes| (path, bytes)))
        .collect()
}

fn find(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// In memory, where that can be told from a disk.
fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .expect("a folder")
}
