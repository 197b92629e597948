//! One client, over one connection that is kept.

use std::io::Read as _;
use std::time::{Duration, Instant};

use serde::Deserialize;
use ureq::Agent;

use super::service::Service;
use crate::Result;

/// Longer than any limit of the service's own.
const PATIENCE: Duration = Duration::from_secs(600);

pub(super) struct Client {
    agent: Agent,
    address: String,
    authorization: String,
}

/// What came of one request.
pub(super) struct Answer {
    pub(super) took: Duration,
    /// The code of the problem, where it is one.
    pub(super) problem: Option<String>,
    pub(super) body: String,
}

/// What came of one request for a stream.
pub(super) struct Streamed {
    pub(super) took: Duration,
    pub(super) first_byte: Duration,
    pub(super) bytes: u64,
    pub(super) lines: u64,
}

#[derive(Deserialize)]
struct Problem {
    code: String,
}

impl Client {
    pub(super) fn new(service: &Service) -> Result<Self> {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .timeout_global(Some(PATIENCE))
            .build()
            .new_agent();
        let client = Self {
            agent,
            address: service.address.clone(),
            authorization: format!("Bearer {}", service.token),
        };
        // So that no measured request pays for the connections on the way.
        client.get("/audit/records?limit=1")?;
        Ok(client)
    }

    /// Asks, and reads the whole answer.
    pub(super) fn get(&self, target: &str) -> Result<Answer> {
        let began = Instant::now();
        let mut response = self.call(target)?;
        let status = response.status();
        let body = response
            .body_mut()
            .with_config()
            .limit(64 * 1024 * 1024)
            .read_to_string()?;
        let took = began.elapsed();
        let problem = if status.is_success() {
            None
        } else {
            let problem: Problem = serde_json::from_str(&body)
                .map_err(|_| format!("{target} is answered with {status}: {body}"))?;
            Some(problem.code)
        };
        Ok(Answer {
            took,
            problem,
            body,
        })
    }

    /// Asks, and throws the answer away as it comes.
    pub(super) fn stream(&self, target: &str) -> Result<Streamed> {
        let began = Instant::now();
        let mut response = self.call(target)?;
        if !response.status().is_success() {
            let body = response.body_mut().read_to_string()?;
            return Err(format!("{target} is refused: {body}").into());
        }
        let mut reader = response.body_mut().as_reader();
        let mut buffer = vec![0; 256 * 1024];
        let mut streamed = Streamed {
            took: Duration::ZERO,
            first_byte: Duration::ZERO,
            bytes: 0,
            lines: 0,
        };
        loop {
            let length = reader.read(&mut buffer)?;
            let Some(read) = buffer.get(..length).filter(|read| !read.is_empty()) else {
                streamed.took = began.elapsed();
                return Ok(streamed);
            };
            if streamed.bytes == 0 {
                streamed.first_byte = began.elapsed();
            }
            streamed.bytes += length as u64;
            streamed.lines += read.iter().filter(|byte| **byte == b'\n').count() as u64;
        }
    }

    fn call(&self, target: &str) -> Result<ureq::http::Response<ureq::Body>> {
        Ok(self
            .agent
            .get(format!("{}{target}", self.address))
            .header("authorization", &self.authorization)
            .call()?)
    }
}
