//! Clients that write down what they were told.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::Result;

/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a client waits before it tries a service again that is not there.
const PAUSE: Duration = Duration::from_millis(5);

/// What a client was told.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) request_id: String,
    pub(crate) status: u16,
    /// The request was refused because it could not be recorded, so nothing was
    /// done and nothing need be stored.
    pub(crate) is_refused: bool,
    /// The service said that it does not know whether the record is kept.
    pub(crate) is_unconfirmed: bool,
    pub(crate) latency: Duration,
}

/// What the requests are like.
#[derive(Clone)]
pub(crate) struct Requests {
    pub(crate) address: SocketAddr,
    /// Each request's id begins with it.
    pub(crate) prefix: String,
    /// Without one, requests are denied; that needs no Postgres.
    pub(crate) token: Option<String>,
    /// One request in so many says that it is poison.
    pub(crate) poison_one_in: Option<u64>,
    /// How long each client waits after an answer.
    pub(crate) pause: Duration,
}

/// A load that runs until it is stopped.
pub(crate) struct Load {
    is_over: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    refused: Arc<AtomicU64>,
    created: Arc<AtomicU64>,
    clients: Vec<JoinHandle<Clients>>,
}

/// What one client has done.
#[derive(Default)]
pub(crate) struct Clients {
    pub(crate) sent: u64,
    pub(crate) answers: Vec<Answer>,
}

impl Clients {
    /// Takes in what others have done.
    pub(crate) fn add(&mut self, others: Self) {
        self.sent += others.sent;
        self.answers.extend(others.answers);
    }
}

impl Load {
    pub(crate) fn start(requests: &Requests, clients: usize) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let answered = Arc::new(AtomicU64::new(0));
        let refused = Arc::new(AtomicU64::new(0));
        let created = Arc::new(AtomicU64::new(0));
        let clients = (0..clients)
            .map(|number| {
                let client = Client {
                    requests: requests.clone(),
                    number,
                    is_over: Arc::clone(&is_over),
                    answered: Arc::clone(&answered),
                    refused: Arc::clone(&refused),
                    created: Arc::clone(&created),
                };
                thread::spawn(move || client.run())
            })
            .collect();
        Self {
            is_over,
            answered,
            refused,
            created,
            clients,
        }
    }

    /// Requests that were answered with 201, so far.
    pub(crate) fn created(&self) -> u64 {
        self.created.load(Ordering::SeqCst)
    }

    /// Waits until so many more items were created, and returns how long that took.
    pub(crate) fn wait_for_created(&self, more: u64, patience: Duration) -> Result<Duration> {
        let began = Instant::now();
        let wanted = self.created() + more;
        while self.created() < wanted {
            if began.elapsed() > patience {
                return Err(format!("no {more} items were created within {patience:?}").into());
            }
            thread::sleep(PAUSE);
        }
        Ok(began.elapsed())
    }

    /// Requests that were answered and not refused, so far.
    pub(crate) fn answered(&self) -> u64 {
        self.answered.load(Ordering::SeqCst)
    }

    /// Requests that were refused, so far.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::SeqCst)
    }

    /// Waits until so many more requests were answered.
    pub(crate) fn wait_for(&self, more: u64, patience: Duration) -> Result {
        let wanted = self.answered() + more;
        let deadline = Instant::now() + patience;
        while self.answered() < wanted {
            if Instant::now() > deadline {
                return Err(format!("no {more} answers within {patience:?}").into());
            }
            thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// Lets every client finish what it is doing.
    pub(crate) fn stop(mut self) -> Clients {
        self.is_over.store(true, Ordering::SeqCst);
        let mut all = Clients::default();
        for client in std::mem::take(&mut self.clients)
            .into_iter()
            .filter_map(|client| client.join().ok())
        {
            all.sent += client.sent;
            all.answers.extend(client.answers);
        }
        all
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // A scenario that breaks down leaves no clients behind.
        self.is_over.store(true, Ordering::SeqCst);
    }
}

struct Client {
    requests: Requests,
    number: usize,
    is_over: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    refused: Arc<AtomicU64>,
    created: Arc<AtomicU64>,
}

impl Client {
    fn run(self) -> Clients {
        let mut done = Clients::default();
        let mut connection = None;
        while !self.is_over.load(Ordering::SeqCst) {
            let mut open = match connection.take() {
                Some(open) => open,
                None => match connect(self.requests.address) {
                    Ok(open) => open,
                    Err(_) => {
                        thread::sleep(PAUSE);
                        continue;
                    }
                },
            };
            done.sent += 1;
            let began = Instant::now();
            let request_id = format!("{}-{}-{}", self.requests.prefix, self.number, done.sent);
            let Ok((status, body)) = self.ask(&mut open, &request_id, done.sent) else {
                continue;
            };
            connection = Some(open);
            let is_refused = body.contains("\"audit_unavailable\"");
            let counter = if is_refused {
                &self.refused
            } else {
                &self.answered
            };
            counter.fetch_add(1, Ordering::SeqCst);
            if status == 201 {
                self.created.fetch_add(1, Ordering::SeqCst);
            }
            done.answers.push(Answer {
                request_id,
                status,
                is_refused,
                is_unconfirmed: body.contains("\"audit_unconfirmed\""),
                latency: began.elapsed(),
            });
            if is_refused {
                thread::sleep(PAUSE);
            }
            thread::sleep(self.requests.pause);
        }
        done
    }

    fn ask(
        &self,
        connection: &mut BufReader<TcpStream>,
        request_id: &str,
        number: u64,
    ) -> std::io::Result<(u16, String)> {
        let body = format!(
            "{{\"name\":\"{request_id}\",\"attributes\":{{\"password\":\"x\",\"tags\":[1,2,3]}}}}"
        );
        let authorization = match &self.requests.token {
            Some(token) => format!("Authorization: Bearer {token}\r\n"),
            None => String::new(),
        };
        let is_poison = self
            .requests
            .poison_one_in
            .is_some_and(|n| number.is_multiple_of(n));
        let agent = if is_poison { "poison" } else { "faults" };
        let request = format!(
            "POST /items/ HTTP/1.1\r\nHost: faults\r\nUser-Agent: {agent}\r\nX-Request-Id: {request_id}\r\n\
             {authorization}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        connection.get_mut().write_all(request.as_bytes())?;
        read_answer(connection)
    }
}

pub(crate) fn connect(address: SocketAddr) -> std::io::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(BufReader::new(stream))
}

/// Reads a whole answer: a client that has half of it was told nothing.
fn read_answer(connection: &mut BufReader<TcpStream>) -> std::io::Result<(u16, String)> {
    let broken = || std::io::Error::from(std::io::ErrorKind::InvalidData);
    let mut line = String::new();
    connection.read_line(&mut line)?;
    let status = line
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .ok_or_else(broken)?;
    let mut length = 0;
    loop {
        line.clear();
        if connection.read_line(&mut line)? == 0 {
            return Err(broken());
        }
        if line == "\r\n" {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().map_err(|_| broken())?;
        }
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body)?;
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

/// One request without a body; its status and the answer's body.
pub(crate) fn get(address: SocketAddr, path: &str) -> Result<(u16, String)> {
    let mut connection = connect(address)?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: faults\r\n\r\n");
    connection.get_mut().write_all(request.as_bytes())?;
    Ok(read_answer(&mut connection)?)
}
