//! A client of `/audit/stream` that writes down what it was sent.

use std::collections::HashSet;
use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::Result;
use crate::load::connect;

const PAUSE: Duration = Duration::from_millis(100);

/// What a follower was sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Ids of requests, of the records that came.
    pub(crate) records: HashSet<String>,
    /// Records that came again.
    pub(crate) repeated: u64,
    /// Refusals and problems, in words: a client that reads them knows that it has to
    /// look for itself what it has missed.
    pub(crate) refusals: Vec<String>,
    /// Other lines of the stream than records and their ids.
    pub(crate) remarks: HashSet<String>,
    /// Answers with 200.
    streams: u64,
}

/// A follower that goes on until it is stopped: it comes back with the last id it was
/// sent, and without one when that is refused.
pub(crate) struct Follower {
    address: SocketAddr,
    token: String,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    seen: Mutex<Seen>,
    is_over: AtomicBool,
    connection: Mutex<Option<TcpStream>>,
}

impl Follower {
    /// Begins to follow, and returns when the stream has begun.
    pub(crate) fn start(address: SocketAddr, token: &str) -> Result<Self> {
        let mut follower = Self {
            address,
            token: token.to_owned(),
            shared: Arc::default(),
            thread: None,
        };
        let (address, token) = (follower.address, follower.token.clone());
        let shared = Arc::clone(&follower.shared);
        follower.thread = Some(thread::spawn(move || {
            let mut position = None;
            while !shared.is_over.load(Ordering::SeqCst) {
                // What ends a stream without a word is met with the last id.
                let _ = shared.follow(address, &token, &mut position);
                thread::sleep(PAUSE);
            }
        }));
        for _ in 0..100 {
            if follower.seen()?.streams > 0 {
                return Ok(follower);
            }
            thread::sleep(PAUSE);
        }
        Err("the stream does not begin".into())
    }

    pub(crate) fn seen(&self) -> Result<Seen> {
        let seen = self.shared.seen.lock();
        Ok(seen.map_err(|_| "the follower has panicked")?.clone())
    }

    /// Waits until the records of these requests have come, and returns how many have not.
    pub(crate) fn missing(&self, wanted: &[String], patience: Duration) -> Result<usize> {
        let deadline = std::time::Instant::now() + patience;
        loop {
            let seen = self.seen()?;
            let missing = wanted
                .iter()
                .filter(|id| !seen.records.contains(*id))
                .count();
            if missing == 0 || std::time::Instant::now() > deadline {
                return Ok(missing);
            }
            thread::sleep(PAUSE);
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        if let Ok(Some(connection)) = self.shared.connection.lock().as_deref() {
            let _ = connection.shutdown(Shutdown::Both);
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn note(&self, note: impl FnOnce(&mut Seen)) {
        if let Ok(mut seen) = self.seen.lock() {
            note(&mut seen);
        }
    }

    fn follow(
        &self,
        address: SocketAddr,
        token: &str,
        position: &mut Option<String>,
    ) -> io::Result<()> {
        let mut connection = connect(address)?;
        connection
            .get_ref()
            .set_read_timeout(Some(Duration::from_secs(40)))?;
        if let Ok(mut kept) = self.connection.lock() {
            *kept = connection.get_ref().try_clone().ok();
        }
        let after = match &position {
            Some(position) => format!("Last-Event-ID: {position}\r\n"),
            None => String::new(),
        };
        write!(
            connection.get_mut(),
            "GET /audit/stream HTTP/1.1\r\nHost: faults\r\nAuthorization: Bearer {token}\r\n\
             {after}Connection: close\r\n\r\n"
        )?;
        let mut line = String::new();
        connection.read_line(&mut line)?;
        let status = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut is_chunked = false;
        loop {
            line.clear();
            if connection.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if line == "\r\n" {
                break;
            }
            is_chunked |= line.to_ascii_lowercase().starts_with("transfer-encoding");
        }
        if status != "200" {
            let mut body = String::new();
            connection.take(4_096).read_to_string(&mut body)?;
            // 503 is for a while, and the position stays good.
            if status.starts_with('4') {
                *position = None;
                self.note(|seen| seen.refusals.push(format!("{status} {body}")));
            } else {
                self.note(|seen| {
                    seen.remarks.insert(status);
                });
            }
            return Ok(());
        }
        self.note(|seen| seen.streams += 1);
        if is_chunked {
            self.read(BufReader::new(Chunks::of(connection)), position)
        } else {
            self.read(connection, position)
        }
    }

    fn read(
        &self,
        mut lines: BufReader<impl Read>,
        position: &mut Option<String>,
    ) -> io::Result<()> {
        let (mut line, mut event, mut data, mut id) =
            (String::new(), String::new(), String::new(), None);
        loop {
            line.clear();
            if lines.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let text = line.trim_end_matches(['\r', '\n']);
            match text.split_once(':') {
                Some(("id", value)) => id = Some(value.trim().to_owned()),
                Some(("event", value)) => value.trim().clone_into(&mut event),
                Some(("data", value)) => data.push_str(value.trim_start()),
                Some(("", value)) => self.note(|seen| {
                    seen.remarks.insert(value.trim().to_owned());
                }),
                _ => {}
            }
            if !text.is_empty() {
                continue;
            }
            // An empty line ends an event, and only then is its id good.
            if id.is_some() {
                *position = id.take();
            }
            match event.as_str() {
                "" => {}
                "record" => {
                    if let Some(request) = request_id(&data) {
                        self.note(|seen| {
                            if !seen.records.insert(request) {
                                seen.repeated += 1;
                            }
                        });
                    }
                }
                other => {
                    let text = format!("{other} {data}");
                    // A problem ends the stream; a reset says where to begin anew.
                    self.note(|seen| seen.refusals.push(text));
                    *position = None;
                }
            }
            event.clear();
            data.clear();
        }
    }
}

/// The id of the request of a record.
fn request_id(record: &str) -> Option<String> {
    let (_, rest) = record.split_once("\"request_id\":\"")?;
    Some(rest.split('"').next()?.to_owned())
}

/// The body of an answer that comes in chunks.
struct Chunks<R> {
    from: R,
    left: u64,
    is_first: bool,
}

impl<R: io::BufRead> Chunks<R> {
    fn of(from: R) -> Self {
        Self {
            from,
            left: 0,
            is_first: true,
        }
    }
}

impl<R: io::BufRead> Read for Chunks<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            let mut line = String::new();
            if !self.is_first {
                self.from.read_line(&mut line)?;
                line.clear();
            }
            self.is_first = false;
            self.from.read_line(&mut line)?;
            self.left = u64::from_str_radix(line.trim(), 16).unwrap_or(0);
        }
        let read = Read::by_ref(&mut self.from).take(self.left).read(buffer)?;
        self.left -= read as u64;
        Ok(read)
    }
}
