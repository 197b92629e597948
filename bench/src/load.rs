//! Clients that ask again as soon as they are answered.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bench::pieces::REQUEST_BODY;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::Result;

/// What came of a load.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) answered: u64,
    pub(crate) seconds: f64,
    pub(crate) latencies_us: Vec<f64>,
}

impl Outcome {
    pub(crate) fn per_second(&self) -> f64 {
        self.answered as f64 / self.seconds.max(f64::MIN_POSITIVE)
    }
}

/// When a load ends.
#[derive(Clone, Copy)]
pub(crate) enum Until {
    Elapsed(Duration),
    Asked(u64),
}

/// Keeps as many connections busy for as long; any answer but a success is an
/// error. Whoever has asked waits for the answer.
pub(crate) fn run(
    address: SocketAddr,
    path: &str,
    connections: usize,
    until: Until,
) -> Result<Outcome> {
    let body = REQUEST_BODY;
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: alice\r\nUser-Agent: bench/1\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(async move {
            let began = Instant::now();
            let asked = Arc::new(AtomicU64::new(0));
            let goes_on = move || match until {
                Until::Elapsed(time) => began.elapsed() < time,
                Until::Asked(requests) => asked.fetch_add(1, Ordering::Relaxed) < requests,
            };
            let clients: Vec<_> = (0..connections)
                .map(|_| tokio::spawn(client(address, request.clone(), goes_on.clone())))
                .collect();
            let mut outcome = Outcome::default();
            for client in clients {
                let latencies = client.await??;
                outcome.answered += latencies.len() as u64;
                outcome.latencies_us.extend(latencies);
            }
            outcome.seconds = began.elapsed().as_secs_f64();
            Ok(outcome)
        })
}

async fn client(
    address: SocketAddr,
    request: String,
    goes_on: impl Fn() -> bool + Send,
) -> Result<Vec<f64>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut latencies = Vec::new();
    let mut buffer = Vec::with_capacity(4_096);
    while goes_on() {
        let began = Instant::now();
        stream.write_all(request.as_bytes()).await?;
        buffer.clear();
        while !is_whole(&buffer)? {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Err("the service has closed a connection".into());
            }
        }
        latencies.push(began.elapsed().as_secs_f64() * 1e6);
    }
    Ok(latencies)
}

/// Whether a whole and successful response has arrived.
fn is_whole(buffer: &[u8]) -> Result<bool> {
    let Some(end) = buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
        return Ok(false);
    };
    let head = std::str::from_utf8(buffer.get(..end).unwrap_or_default())?;
    if !head.starts_with("HTTP/1.1 20") {
        return Err(format!("an answer without success: {head}").into());
    }
    let length: usize = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .ok_or("no content-length")?
        .parse()?;
    Ok(buffer.len() >= end + 4 + length)
}
