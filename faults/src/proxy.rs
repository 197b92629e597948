//! A proxy between the service and PostgreSQL that can treat the wire badly.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::Result;

/// How often a connection that is held up looks whether it still is.
const INTERVAL: Duration = Duration::from_millis(10);

/// What the proxy does with what it gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Mode {
    /// Everything goes through.
    Pass,
    /// As if nobody listened: connections end, and new ones at once.
    Refuse,
    /// Connections stay, and nothing comes through.
    Stall,
    /// Every so often, what the server answers is swallowed and the connection
    /// ends: the client does not learn whether its commit has happened.
    CutReplies,
}

/// One in so many answers is cut.
const CUT_ONE_IN: u64 = 40;

#[derive(Clone)]
pub(crate) struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    socket: Mutex<PathBuf>,
    mode: AtomicU8,
    replies: AtomicU64,
    cut: AtomicU64,
}

impl Proxy {
    /// Listens on a free port and leads to a socket.
    pub(crate) fn start(socket: &Path) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let proxy = Self {
            port: listener.local_addr()?.port(),
            shared: Arc::new(Shared {
                socket: Mutex::new(socket.to_owned()),
                mode: AtomicU8::new(Mode::Pass as u8),
                replies: AtomicU64::new(0),
                cut: AtomicU64::new(0),
            }),
        };
        let shared = Arc::clone(&proxy.shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                thread::spawn(move || shared.connect(client));
            }
        });
        Ok(proxy)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Leads new connections to another socket. Those that are open stay where they are.
    pub(crate) fn lead_to(&self, socket: &Path) {
        if let Ok(mut target) = self.shared.socket.lock() {
            socket.clone_into(&mut target);
        }
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.shared.mode.store(mode as u8, Ordering::SeqCst);
    }

    /// How many answers were cut.
    pub(crate) fn cut(&self) -> u64 {
        self.shared.cut.load(Ordering::SeqCst)
    }
}

impl Shared {
    fn is(&self, mode: Mode) -> bool {
        self.mode.load(Ordering::SeqCst) == mode as u8
    }

    fn connect(self: &Arc<Self>, client: TcpStream) {
        if self.is(Mode::Refuse) {
            return;
        }
        let target = self.socket.lock().map(|socket| socket.clone());
        let Ok(Ok(server)) = target.map(UnixStream::connect) else {
            return;
        };
        let (Ok(client_too), Ok(server_too)) = (client.try_clone(), server.try_clone()) else {
            return;
        };
        // So that a change of mode is seen while nothing comes.
        let _ = client.set_read_timeout(Some(INTERVAL));
        let _ = server.set_read_timeout(Some(INTERVAL));
        let shared = Arc::clone(self);
        thread::spawn(move || {
            shared.forward(&client_too, &server_too, false);
            let _ = server_too.shutdown(Shutdown::Both);
            let _ = client_too.shutdown(Shutdown::Both);
        });
        self.forward(&server, &client, true);
        let _ = client.shutdown(Shutdown::Both);
        let _ = server.shutdown(Shutdown::Both);
    }

    fn forward<'a, R, W>(&self, from: &'a R, to: &'a W, is_reply: bool)
    where
        &'a R: std::io::Read,
        &'a W: std::io::Write,
    {
        let (mut from, mut to) = (from, to);
        let mut buffer = vec![0; 64 * 1024];
        loop {
            if self.is(Mode::Refuse) {
                return;
            }
            if self.is(Mode::Stall) {
                thread::sleep(INTERVAL);
                continue;
            }
            let read = match from.read(&mut buffer) {
                Ok(0) => return,
                Ok(read) => read,
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                    ) =>
                {
                    continue;
                }
                Err(_) => return,
            };
            // What was read before the wire was held up is held up with it.
            while self.is(Mode::Stall) {
                thread::sleep(INTERVAL);
            }
            if is_reply && self.is(Mode::CutReplies) {
                let number = self.replies.fetch_add(1, Ordering::SeqCst);
                if number % CUT_ONE_IN == CUT_ONE_IN - 1 {
                    self.cut.fetch_add(1, Ordering::SeqCst);
                    return;
                }
            }
            if to
                .write_all(buffer.get(..read).unwrap_or_default())
                .is_err()
            {
                return;
            }
        }
    }
}
