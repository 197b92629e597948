//! What is known of the run before this one: a file with the record of its start and,
//! if it stopped in order, that of its stop, each on a line.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::record::{Record, digest};

const NAME: &str = "last-run.ndjson";
/// Far more than both records take.
const BYTES_MAX: u64 = 1024 * 1024;

/// The run before this one.
#[derive(Debug)]
pub(super) struct LastRun {
    start: Record,
    digest: [u8; 32],
    /// Its settings, as its start told them.
    pub(super) settings: Value,
    pub(super) has_stopped: bool,
}

impl LastRun {
    /// What the record of a start says of the run before.
    pub(super) fn to_json(&self) -> Value {
        let digest: String = self
            .digest
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        json!({
            "instance": self.start.instance,
            "start_id": self.start.id,
            "start_digest": digest,
            "has_stopped": self.has_stopped,
        })
    }
}

/// What the file in this folder says; nothing, if there is none that can be read.
pub(super) fn read(folder: &Path) -> Option<LastRun> {
    let path = path(folder);
    let text = match read_text(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "the settings of the run before cannot be read");
            return None;
        }
    };
    let last = parse(&text);
    if last.is_none() {
        tracing::warn!(path = %path.display(), "the settings of the run before are damaged");
    }
    last
}

fn parse(text: &str) -> Option<LastRun> {
    #[derive(Deserialize)]
    struct Notes {
        settings: Value,
    }
    let mut lines = text.lines();
    let line = lines.next()?;
    let start = Record::from_canonical_bytes(line.as_bytes()).ok()?;
    let notes: Notes = serde_json::from_str(start.notes.as_str()).ok()?;
    let stop = lines
        .next()
        .and_then(|line| Record::from_canonical_bytes(line.as_bytes()).ok());
    Some(LastRun {
        digest: digest(line.as_bytes()),
        settings: notes.settings,
        has_stopped: stop.is_some_and(|stop| stop.instance == start.instance),
        start,
    })
}

fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?
        .take(BYTES_MAX)
        .read_to_string(&mut text)?;
    Ok(text)
}

/// Writes the file anew. If that fails, there is none afterwards: better to know
/// nothing than to take an older run for the last one.
pub(super) fn write_start(folder: &Path, record: &[u8]) -> io::Result<()> {
    let path = path(folder);
    let new = path.with_extension("new");
    let written = File::create(&new)
        .and_then(|file| write_line(file, record))
        .and_then(|()| fs::rename(&new, &path));
    if written.is_err() {
        let _ = fs::remove_file(&path);
    }
    written
}

/// Adds that the run has stopped.
pub(super) fn append_stop(folder: &Path, record: &[u8]) -> io::Result<()> {
    write_line(OpenOptions::new().append(true).open(path(folder))?, record)
}

fn write_line(mut file: File, record: &[u8]) -> io::Result<()> {
    let mut line = record.to_vec();
    line.push(b'\n');
    file.write_all(&line)?;
    file.sync_data()
}

fn path(folder: &Path) -> PathBuf {
    folder.join(NAME)
}
