//! The format of a segment: frames, one after the other, and nothing else.
//!
//! ```text
//! offset  size
//!      0     4  magic: FF 41 4A and the version of the format, 01
//!      4     4  length of the payload, little-endian, at most 16 MiB
//!      8     8  sequence, little-endian: one more than the frame before
//!     16    16  id of the record
//!     32     1  kind: 1 intent, 2 record, 3 settled
//!     33     3  zero
//!     36     4  CRC-32C of bytes 0 to 35 and the payload, little-endian
//!     40     …  payload: the canonical bytes of a record; of a settled frame, nothing
//! ```
//!
//! - **A frame stands for itself.** Its check sum covers its header too, so
//!   whatever is read as a frame is one that was written, at its place in the
//!   sequence. Nothing is ever rewritten.
//! - **The payload of an intent is a record** as well: the one to be told if the
//!   process dies before there is another with the same id.
//! - **A settled frame** answers an intent whose record went to Postgres by another
//!   way, within the handler's own transaction. Should it be lost, the intent is
//!   delivered after all, and Postgres passes over it.
//! - **Damage is passed over, not trusted.** Where a frame should begin and none
//!   does, the reader looks for the next magic whose frame holds. Payloads are
//!   UTF-8, in which the byte FF never occurs, so no payload, whoever wrote it,
//!   can pass for a frame.
//! - **Loss shows in the sequence.** Bytes at the end of a segment that are no
//!   frame are a write that was never acknowledged, as long as the next segment
//!   leaves no sequence out. Frames of such a write may stand there twice. At the end
//!   of the last segment they are one only if they begin as a frame does and end
//!   before it would; zeros and garbage are damage.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use actix_web::web::{Bytes, BytesMut};
use uuid::Uuid;

use super::files::LogFile;

const MAGIC: [u8; 3] = [0xFF, b'A', b'J'];
/// The version of the format that is written.
pub(super) const VERSION: u8 = 1;
/// Bytes of a frame before its payload.
pub(super) const HEADER_BYTES: usize = 40;
/// The longest payload. A record is far smaller; see `Record::canonical_bytes`.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The last sequence. Nobody gets so far: it is a million frames a second for three
/// hundred thousand years. So whatever says more is none of ours, and adding to a
/// sequence never overflows.
pub(super) const SEQUENCE_MAX: u64 = u64::MAX / 2;
/// How much is read from a file at once.
const CHUNK_BYTES: usize = 1024 * 1024;

/// What a frame tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// An attempt has begun.
    Intent,
    /// An attempt has ended.
    Record,
    /// An attempt has ended, and Postgres has its record already.
    Settled,
}

impl Kind {
    fn to_byte(self) -> u8 {
        match self {
            Self::Intent => 1,
            Self::Record => 2,
            Self::Settled => 3,
        }
    }

    fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Intent),
            2 => Some(Self::Record),
            3 => Some(Self::Settled),
            _ => None,
        }
    }
}

/// A frame as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) sequence: u64,
    pub(super) id: Uuid,
    pub(super) kind: Kind,
    pub(super) payload: Bytes,
}

/// Writes a frame to the end of `out`.
pub(super) fn encode(out: &mut Vec<u8>, sequence: u64, id: Uuid, kind: Kind, payload: &[u8]) {
    debug_assert!(
        payload.len() <= PAYLOAD_BYTES_MAX,
        "the caller bounds records"
    );
    let begin = out.len();
    out.extend_from_slice(&MAGIC);
    out.push(VERSION);
    out.extend_from_slice(
        &u32::try_from(payload.len())
            .unwrap_or(u32::MAX)
            .to_le_bytes(),
    );
    out.extend_from_slice(&sequence.to_le_bytes());
    out.extend_from_slice(id.as_bytes());
    out.extend_from_slice(&[kind.to_byte(), 0, 0, 0]);
    let header = out.get(begin..).unwrap_or_default();
    let check = crc32c::crc32c_append(crc32c::crc32c(header), payload);
    out.extend_from_slice(&check.to_le_bytes());
    out.extend_from_slice(payload);
}

/// Why there is no frame at the beginning of some bytes.
#[derive(Debug, PartialEq, Eq)]
enum Flaw {
    /// There may be one: this many bytes are needed to tell.
    Short(usize),
    /// There is none.
    Damaged,
}

/// Where the payload is, and the rest of the header.
type Decoded = (u64, Uuid, Kind, Range<usize>);

fn decode(bytes: &[u8]) -> Result<Decoded, Flaw> {
    let (header, _) = bytes
        .split_first_chunk::<HEADER_BYTES>()
        .ok_or(Flaw::Short(HEADER_BYTES))?;
    let (checked, check) = header.split_last_chunk::<4>().ok_or(Flaw::Damaged)?;
    let mut fields = Fields(checked);
    if fields.take::<3>()? != MAGIC || fields.take::<1>()? != [VERSION] {
        return Err(Flaw::Damaged);
    }
    let length = usize::try_from(u32::from_le_bytes(fields.take()?)).map_err(|_| Flaw::Damaged)?;
    if length > PAYLOAD_BYTES_MAX {
        return Err(Flaw::Damaged);
    }
    let sequence = u64::from_le_bytes(fields.take()?);
    if sequence > SEQUENCE_MAX {
        return Err(Flaw::Damaged);
    }
    let id = Uuid::from_bytes(fields.take()?);
    let [kind] = fields.take()?;
    let range = HEADER_BYTES..HEADER_BYTES + length;
    let payload = bytes.get(range.clone()).ok_or(Flaw::Short(range.end))?;
    if crc32c::crc32c_append(crc32c::crc32c(checked), payload) != u32::from_le_bytes(*check) {
        return Err(Flaw::Damaged);
    }
    let kind = Kind::from_byte(kind).ok_or(Flaw::Damaged)?;
    Ok((sequence, id, kind, range))
}

/// The fields of a header, from the left.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Flaw> {
        let (field, rest) = self.0.split_first_chunk::<N>().ok_or(Flaw::Damaged)?;
        self.0 = rest;
        Ok(*field)
    }
}

/// Whether these bytes are the beginning of a frame of another version.
pub(super) fn is_of_other_version(bytes: &[u8]) -> bool {
    matches!(bytes, [a, b, c, version, ..] if [*a, *b, *c] == MAGIC && *version > VERSION)
}

/// Whether the last bytes of a segment, which begin with `head` and are `length` long, are
/// the beginning of a frame that was written only in part: a torn write. Zeros or garbage
/// in place of frames are not.
pub(super) fn is_torn_write(head: &[u8], length: u64) -> bool {
    let begins_as_frame = [MAGIC[0], MAGIC[1], MAGIC[2], VERSION]
        .iter()
        .zip(head)
        .all(|(expected, byte)| expected == byte);
    begins_as_frame && matches!(decode(head), Err(Flaw::Short(needed)) if needed as u64 > length)
}

/// What stands in a segment.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// A frame, and where it begins.
    Frame(u64, Frame),
    /// Bytes that are no frame.
    Damage(Range<u64>),
}

/// Reads a part of a segment from the left.
pub(super) struct Scanner {
    file: Arc<dyn LogFile>,
    /// Where the buffer begins in the file.
    offset: u64,
    buffer: Bytes,
    end: u64,
}

impl Scanner {
    pub(super) fn new(file: Arc<dyn LogFile>, part: Range<u64>) -> Self {
        Self {
            file,
            offset: part.start,
            buffer: Bytes::new(),
            end: part.end,
        }
    }

    /// Where the next item begins.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// The next frame or damage; nothing at the end of the part.
    pub(super) fn next(&mut self) -> io::Result<Option<Item>> {
        if self.offset >= self.end {
            return Ok(None);
        }
        let begin = self.offset;
        if let Some(frame) = self.frame()? {
            return Ok(Some(Item::Frame(begin, frame)));
        }
        while self.offset < self.end {
            self.advance(1);
            self.fill(1)?;
            match self.buffer.iter().position(|byte| *byte == MAGIC[0]) {
                None => self.advance(self.buffer.len()),
                Some(candidate) => {
                    self.advance(candidate);
                    let at = (self.offset, self.buffer.clone());
                    if self.frame()?.is_some() {
                        (self.offset, self.buffer) = at;
                        break;
                    }
                }
            }
        }
        Ok(Some(Item::Damage(begin..self.offset)))
    }

    /// The frame that begins here, if one does; passes over it.
    fn frame(&mut self) -> io::Result<Option<Frame>> {
        loop {
            match decode(&self.buffer) {
                Ok((sequence, id, kind, range)) => {
                    let payload = self.buffer.slice(range.clone());
                    self.advance(range.end);
                    return Ok(Some(Frame {
                        sequence,
                        id,
                        kind,
                        payload,
                    }));
                }
                Err(Flaw::Short(needed)) if needed as u64 <= self.end - self.offset => {
                    self.fill(needed)?;
                    if self.buffer.len() < needed {
                        return Ok(None);
                    }
                }
                Err(_) => return Ok(None),
            }
        }
    }

    fn advance(&mut self, bytes: usize) {
        let bytes = bytes.min(self.buffer.len());
        self.buffer = self.buffer.slice(bytes..);
        self.offset += bytes as u64;
    }

    /// Reads until the buffer holds as many bytes, if the file does.
    fn fill(&mut self, needed: usize) -> io::Result<()> {
        if self.buffer.len() >= needed {
            return Ok(());
        }
        let left = usize::try_from(self.end - self.offset).unwrap_or(usize::MAX);
        let wanted = needed.max(CHUNK_BYTES).min(left);
        let mut buffer = BytesMut::zeroed(wanted);
        let kept = self.buffer.len().min(wanted);
        if let (Some(head), Some(old)) = (buffer.get_mut(..kept), self.buffer.get(..kept)) {
            head.copy_from_slice(old);
        }
        let mut filled = kept;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, self.offset + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        buffer.truncate(filled);
        if filled < wanted {
            // The file is shorter than it was: nothing more can come from it.
            self.end = self.offset + filled as u64;
        }
        self.buffer = buffer.freeze();
        Ok(())
    }
}
