//! The file of an export: under another name until it is whole.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use audit::Format;
use uuid::Uuid;

/// How much is looked at in one go, from the end on.
const STEP_BYTES: usize = 64 * 1024;
/// The longest line that is looked for: no record is nearly as long.
const LINE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What to do where there is something already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Existing {
    /// Leave it alone.
    Refuse,
    /// Go on with what a broken export has left.
    Resume,
    /// Write over it.
    Replace,
}

/// Why there can be no file.
#[derive(Debug, thiserror::Error)]
pub(super) enum PartError {
    #[error("{} exists: name another file, or replace it by --force", .0.display())]
    Exists(PathBuf),
    #[error(
        "{} is what a broken export has left: go on with it by --resume, or begin anew by --force",
        .0.display()
    )]
    Unfinished(PathBuf),
    #[error("another export writes to {}", .0.display())]
    InUse(PathBuf),
    #[error(
        "{} ends with a line that is no record of this format: is it another file, or of another --format?",
        .0.display()
    )]
    NotAnExport(PathBuf),
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

/// The part of a file that is written so far.
#[derive(Debug)]
pub(super) struct Part {
    file: File,
    path: PathBuf,
    whole: PathBuf,
    may_replace: bool,
    /// The last whole record that it had already.
    last: Option<Uuid>,
    is_empty: bool,
}

impl Part {
    /// Opens the part of the file `whole`, for nobody else at the same time.
    pub(super) fn open(
        whole: &Path,
        format: Format,
        existing: Existing,
    ) -> Result<Self, PartError> {
        let mut path = OsString::from(whole);
        path.push(".part");
        let path = PathBuf::from(path);
        let may_replace = existing == Existing::Replace;
        if !may_replace && whole.exists() {
            return Err(PartError::Exists(whole.to_owned()));
        }
        let failed = |source| PartError::Io {
            path: path.clone(),
            source,
        };
        // What is exported is for nobody else's eyes.
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(PartError::InUse(path)),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let mut bytes = file.metadata().map_err(failed)?.len();
        let mut last = None;
        match existing {
            Existing::Refuse if bytes > 0 => return Err(PartError::Unfinished(path)),
            Existing::Refuse => {}
            Existing::Replace => bytes = 0,
            Existing::Resume => {
                let Ending { end, line } = ending(&mut file, bytes).map_err(failed)?;
                bytes = end;
                last = match line {
                    Some(line) => read_last(&line, format)
                        .map_err(|NoRecord| PartError::NotAnExport(path.clone()))?,
                    None => None,
                };
            }
        }
        file.set_len(bytes)
            .and_then(|()| file.seek(SeekFrom::End(0)))
            .map_err(failed)?;
        Ok(Self {
            file,
            whole: whole.to_owned(),
            may_replace,
            last,
            is_empty: bytes == 0,
            path,
        })
    }

    /// The last record that was there before.
    pub(super) fn last(&self) -> Option<Uuid> {
        self.last
    }

    pub(super) fn is_empty(&self) -> bool {
        self.is_empty
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), PartError> {
        self.is_empty &= bytes.is_empty();
        self.file
            .write_all(bytes)
            .map_err(|source| self.failed(source))
    }

    /// Gives the file its name, now that it is whole.
    pub(super) fn finish(self) -> Result<(), PartError> {
        self.file.sync_all().map_err(|source| self.failed(source))?;
        // Another export of the same name may have ended meanwhile.
        if !self.may_replace && self.whole.exists() {
            return Err(PartError::Exists(self.whole));
        }
        fs::rename(&self.path, &self.whole).map_err(|source| self.failed(source))
    }

    /// Removes what holds nothing, so that nobody takes it for something to go on with.
    pub(super) fn remove_if_empty(&self) {
        if self.is_empty {
            let _ = fs::remove_file(&self.path);
        }
    }

    fn failed(&self, source: io::Error) -> PartError {
        PartError::Io {
            path: self.path.clone(),
            source,
        }
    }
}

/// Where the last whole line ends, and what it is.
struct Ending {
    end: u64,
    line: Option<Vec<u8>>,
}

/// Looks for the last whole line, from the end on. What stands behind it was cut by
/// whatever broke the export.
fn ending(file: &mut File, bytes: u64) -> io::Result<Ending> {
    let mut tail: Vec<u8> = Vec::new();
    let mut begin = bytes;
    loop {
        let end = tail.iter().rposition(|byte| *byte == b'\n');
        let before = end.and_then(|end| tail.get(..end)).unwrap_or_default();
        let start = before.iter().rposition(|byte| *byte == b'\n');
        if let Some(end) = end
            && (start.is_some() || begin == 0)
        {
            let line = before.get(start.map_or(0, |start| start + 1)..);
            return Ok(Ending {
                end: begin + end as u64 + 1,
                line: line.map(<[u8]>::to_vec),
            });
        }
        if begin == 0 {
            return Ok(Ending { end: 0, line: None });
        }
        if tail.len() > LINE_BYTES_MAX {
            return Err(io::Error::other("it has no lines"));
        }
        let step = begin.min(tail.len().max(STEP_BYTES) as u64);
        begin -= step;
        let mut longer = Vec::with_capacity(tail.len() + step as usize);
        file.seek(SeekFrom::Start(begin))?;
        (&*file).take(step).read_to_end(&mut longer)?;
        longer.append(&mut tail);
        tail = longer;
    }
}

struct NoRecord;

/// The id of the record on a line, or none if it is what a file begins with.
fn read_last(line: &[u8], format: Format) -> Result<Option<Uuid>, NoRecord> {
    #[derive(serde::Deserialize)]
    struct Identified {
        id: Uuid,
    }
    match format {
        Format::Ndjson => serde_json::from_slice::<Identified>(line)
            .map(|record| Some(record.id))
            .map_err(|_| NoRecord),
        Format::Csv => {
            let line = line.strip_suffix(b"\r").ok_or(NoRecord)?;
            let head = format.head().map_err(|_| NoRecord)?;
            if head.strip_suffix(b"\r\n") == Some(line) {
                return Ok(None);
            }
            // No cell of ours holds the end of a line, and the first one is the id.
            let id = line.split(|byte| *byte == b',').next().unwrap_or_default();
            Uuid::try_parse_ascii(id).map(Some).map_err(|_| NoRecord)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "01932b00-0000-7000-8000-000000000000";

    fn resumed(format: Format, content: &str) -> (Result<Part, PartError>, String) {
        let folder = tempfile::tempdir().unwrap();
        let whole = folder.path().join("records");
        fs::write(folder.path().join("records.part"), content).unwrap();
        let part = Part::open(&whole, format, Existing::Resume);
        let left = fs::read_to_string(folder.path().join("records.part")).unwrap();
        (part, left)
    }

    #[test]
    fn a_torn_last_line_is_cut_however_long_the_lines_are() {
        for padding in [0, 10, 70_000, 200_000] {
            let line = format!(
                "{{\"id\":\"{ID}\",\"notes\":\"{}\"}}\n",
                "x".repeat(padding)
            );
            for torn in ["", "{\"id\":\"0193", "\0\0\0"] {
                for whole_lines in [1, 2, 3] {
                    let whole = line.repeat(whole_lines);
                    let (part, left) = resumed(Format::Ndjson, &format!("{whole}{torn}"));
                    assert_eq!(part.unwrap().last(), Some(ID.parse().unwrap()));
                    assert!(left == whole, "{padding} {torn:?} {whole_lines}");
                }
            }
        }
    }

    #[test]
    fn a_part_without_a_whole_record_begins_anew() {
        let (part, left) = resumed(Format::Ndjson, "{\"id\":");
        assert!(part.unwrap().is_empty());
        assert_eq!(left, "");
        let head = String::from_utf8(Format::Csv.head().unwrap().to_vec()).unwrap();
        let (part, left) = resumed(Format::Csv, &format!("{head}0193"));
        let part = part.unwrap();
        assert_eq!(part.last(), None);
        assert!(!part.is_empty(), "the titles are there already");
        assert_eq!(left, head);
    }

    #[test]
    fn what_is_no_export_is_left_as_it_is() {
        for (format, content) in [
            (Format::Ndjson, "some notes\nof mine"),
            (Format::Csv, "some notes\nof mine"),
            (Format::Csv, &format!("{{\"id\":\"{ID}\"}}\n")),
            (Format::Ndjson, &format!("{ID},1\r\n")),
        ] {
            let (part, left) = resumed(format, content);
            assert!(matches!(part, Err(PartError::NotAnExport(_))), "{content}");
            assert_eq!(left, content);
        }
    }

    #[test]
    fn nothing_is_written_over_unless_it_is_wanted() {
        let folder = tempfile::tempdir().unwrap();
        let whole = folder.path().join("records");
        let part = folder.path().join("records.part");
        let open = |existing| Part::open(&whole, Format::Ndjson, existing);

        fs::write(&part, "torn").unwrap();
        assert!(matches!(
            open(Existing::Refuse),
            Err(PartError::Unfinished(_))
        ));
        assert_eq!(fs::read_to_string(&part).unwrap(), "torn");
        let first = open(Existing::Replace).unwrap();
        assert!(matches!(open(Existing::Resume), Err(PartError::InUse(_))));
        first.finish().unwrap();

        for existing in [Existing::Refuse, Existing::Resume] {
            assert!(matches!(open(existing), Err(PartError::Exists(_))));
        }
        assert!(!part.exists());
        let mut again = open(Existing::Replace).unwrap();
        again.write(b"new").unwrap();
        again.finish().unwrap();
        assert_eq!(fs::read_to_string(&whole).unwrap(), "new");
    }
}
