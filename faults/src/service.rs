//! The service as a process that can be killed.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::load::get;
use crate::{Error, Result};

const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(10);

/// One instance of the service: the same address and folder, however often it is
/// started again.
pub(crate) struct Service {
    binary: PathBuf,
    pub(crate) data_dir: PathBuf,
    pub(crate) address: SocketAddr,
    environment: Vec<(String, String)>,
    process: Option<Child>,
}

impl Service {
    pub(crate) fn new(binary: &Path, data_dir: PathBuf, database_url: &str) -> Result<Self> {
        fs::create_dir_all(&data_dir)?;
        // Taken and given back, so that it is free and stays the same.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut service = Self {
            binary: binary.to_owned(),
            data_dir,
            address,
            environment: Vec::new(),
            process: None,
        };
        service.set("DATABASE_URL", database_url);
        service.set("ITEMS_API_AUDIT_INSERT_TIMEOUT_S", "2");
        service.set("ITEMS_API_SHUTDOWN_TIMEOUT_S", "3");
        Ok(service)
    }

    /// Sets a variable for the starts that follow.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .current_dir(&self.data_dir)
            .env("ITEMS_API_DATA_DIR", &self.data_dir)
            .env("ITEMS_API_LOG", "info,actix_server=warn")
            // Some of the load is refused on purpose, and all of it is to be recorded.
            .env("ITEMS_API_AUDIT_REFUSALS", "0")
            .env("ITEMS_API_AUDIT_UNKNOWN_REFUSALS", "0")
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Starts it, and waits until it listens.
    pub(crate) fn start(&mut self) -> Result {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log_file())?;
        let mut process = self
            .command()
            .args(["serve", "--bind", &self.address.to_string()])
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()?;
        let stdout = process.stdout.take().ok_or("no standard output")?;
        self.process = Some(process);
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        if line.starts_with("listening") {
            Ok(())
        } else {
            Err(format!(
                "the service does not start; see {}",
                self.log_file().display()
            )
            .into())
        }
    }

    /// Starts it, and waits until it can do its work.
    pub(crate) fn start_ready(&mut self) -> Result {
        self.start()?;
        let deadline = Instant::now() + PATIENCE;
        while !matches!(get(self.address, "/health/ready"), Ok((200, _))) {
            if Instant::now() > deadline {
                return Err("the service does not become ready".into());
            }
            thread::sleep(PAUSE);
        }
        Ok(())
    }

    pub(crate) fn token(&self) -> Result<String> {
        let output = self
            .command()
            .args(["token", "--sub", "load", "--role", "admin"])
            .output()?;
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    pub(crate) fn kill(&mut self) -> Result {
        self.signal(Signal::KILL)?;
        self.wait(PATIENCE)?;
        Ok(())
    }

    pub(crate) fn signal(&self, signal: Signal) -> Result {
        let process = self.process.as_ref().ok_or("the service does not run")?;
        Ok(kill_process(pid(process)?, signal)?)
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.process
            .as_mut()
            .is_some_and(|process| matches!(process.try_wait(), Ok(None)))
    }

    /// Waits until it has ended.
    pub(crate) fn wait(&mut self, patience: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + patience;
        loop {
            let process = self.process.as_mut().ok_or("the service does not run")?;
            if let Some(status) = process.try_wait()? {
                self.process = None;
                return Ok(status);
            }
            if Instant::now() > deadline {
                return Err(format!("the service has not ended within {patience:?}").into());
            }
            thread::sleep(PAUSE);
        }
    }

    /// Runs it to its end, for a start that is expected to fail.
    pub(crate) fn output_of_start(&self, address: SocketAddr) -> Result<std::process::Output> {
        Ok(self
            .command()
            .args(["serve", "--bind", &address.to_string()])
            .output()?)
    }

    pub(crate) fn log_file(&self) -> PathBuf {
        self.data_dir.join("service.log")
    }

    pub(crate) fn journal_dir(&self) -> PathBuf {
        let set = self
            .environment
            .iter()
            .find(|(name, _)| name == "ITEMS_API_AUDIT_JOURNAL_DIR");
        set.map_or_else(|| self.data_dir.join("journal"), |(_, path)| path.into())
    }

    /// The segments of its journal, oldest first.
    pub(crate) fn segments(&self) -> Result<Vec<PathBuf>> {
        let mut paths = fs::read_dir(self.journal_dir())?
            .map(|entry| Ok(entry?.path()))
            .collect::<std::io::Result<Vec<_>>>()?;
        paths.retain(|path| {
            path.extension()
                .is_some_and(|extension| extension == "segment")
        });
        paths.sort();
        Ok(paths)
    }

    /// The value of a metric; all its labels together.
    pub(crate) fn metric(&self, name: &str) -> Result<f64> {
        let (_, text) = get(self.address, "/metrics")?;
        let values = text
            .lines()
            .filter(|line| line.split(['{', ' ']).next() == Some(name))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        Ok(values.sum())
    }

    /// Bytes of memory that it uses.
    pub(crate) fn resident_bytes(&self) -> Result<u64> {
        let process = self.process.as_ref().ok_or("the service does not run")?;
        let status = fs::read_to_string(format!("/proc/{}/status", process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes: u64 = line
            .and_then(|line| line.split_whitespace().next())
            .ok_or("no VmRSS")?
            .parse()?;
        Ok(kilobytes * 1024)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn pid(process: &Child) -> Result<Pid> {
    i32::try_from(process.id())
        .ok()
        .and_then(Pid::from_raw)
        .ok_or_else(|| Error::from("no process id"))
}
