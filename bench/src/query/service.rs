//! The real service, as a process.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::Result;

pub(super) struct Service {
    process: Child,
    /// Where it answers, such as `http://127.0.0.1:40123`.
    pub(super) address: String,
    /// A token of somebody who may read the trail.
    pub(super) token: String,
}

impl Service {
    /// Starts it on a database that has its tables, and waits until it listens.
    pub(super) fn start(binary: &Path, data_dir: &Path, url: &str) -> Result<Self> {
        fs::create_dir_all(data_dir)?;
        let log = data_dir.join("log");
        let command = || {
            let mut command = Command::new(binary);
            command
                .env("ITEMS_API_DATA_DIR", data_dir)
                .env("DATABASE_URL", url)
                // One actor asks without pause here.
                .env("ITEMS_API_AUDIT_QUERIES", "0");
            command
        };
        let token = command()
            .args(["token", "--sub", "bench", "--role", "auditor"])
            .output()?;
        let mut process = command()
            .args(["serve", "--bind", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(File::options().create(true).append(true).open(&log)?)
            .spawn()?;
        let mut line = String::new();
        if let Some(stdout) = process.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let mut service = Self {
            process,
            address: String::new(),
            token: String::from_utf8(token.stdout)?.trim().to_owned(),
        };
        service.address = line
            .split_whitespace()
            .find(|word| word.starts_with("http://"))
            .ok_or_else(|| {
                format!(
                    "the service does not start: {}",
                    fs::read_to_string(&log).unwrap_or_default()
                )
            })?
            .trim_end_matches('/')
            .to_owned();
        Ok(service)
    }

    /// Forgets the most memory that it has held until now.
    pub(super) fn reset_peak_memory(&self) -> Result {
        Ok(fs::write(self.proc("clear_refs"), "5")?)
    }

    /// The most memory that it has held since, in bytes.
    pub(super) fn peak_memory_bytes(&self) -> Result<u64> {
        let status = fs::read_to_string(self.proc("status"))?;
        let kibibytes: u64 = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .and_then(|value| value.split_whitespace().next())
            .ok_or("the kernel does not tell the peak of memory")?
            .parse()?;
        Ok(kibibytes * 1024)
    }

    fn proc(&self, file: &str) -> PathBuf {
        Path::new("/proc")
            .join(self.process.id().to_string())
            .join(file)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let pid = i32::try_from(self.process.id())
            .ok()
            .and_then(Pid::from_raw);
        if let Some(pid) = pid {
            let _ = kill_process(pid, Signal::TERM);
        }
        let _ = self.process.wait();
    }
}
