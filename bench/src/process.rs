//! A service in a process of its own. It prints its address, serves until its standard
//! input is closed, and then ends in order.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use crate::{Result, proc};

pub(crate) struct Process {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Process {
    /// Starts it and waits until it says where it listens.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        match line.trim().parse() {
            Ok(address) => Ok(Self { child, address }),
            Err(_) => {
                let _ = child.kill();
                let _ = child.wait();
                Err("the service does not start; it may have said why above".into())
            }
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Processor time so far, in seconds.
    pub(crate) fn cpu_seconds(&self) -> Result<f64> {
        proc::cpu_seconds(self.child.id())
    }

    /// The memory that it holds at the moment.
    pub(crate) fn resident_mib(&self) -> Result<f64> {
        proc::resident_mib(self.child.id())
    }

    /// Ends it in order and returns the processor time of its whole life, in seconds.
    pub(crate) fn stop(mut self) -> Result<f64> {
        let before = proc::ended_children_cpu_seconds()?;
        drop(self.child.stdin.take());
        let status = self.child.wait()?;
        if !status.success() {
            return Err(format!("the service did not end in order: {status}").into());
        }
        Ok(proc::ended_children_cpu_seconds()? - before)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
