//! Running a program with a limit on how long it may take.

use std::io::{self, Read as _};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How often a child that is being waited for is looked at.
pub(crate) const GLANCE: Duration = Duration::from_millis(10);

/// What a program that ended left behind.
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    /// Standard output and standard error, in the order they were written.
    pub(crate) output: String,
}

/// Runs a program to its end and collects what it says.
///
/// # Errors
///
/// When the program cannot be started, or is not done when `limit` has passed;
/// it is killed then.
pub(crate) fn run(mut command: Command, limit: Duration) -> io::Result<Finished> {
    let (mut reader, writer) = io::pipe()?;
    command
        .stdout(Stdio::from(writer.try_clone()?))
        .stderr(Stdio::from(writer));
    let mut child = command.spawn()?;
    // The command holds the writing end of the pipe, and the reader waits until
    // every writer is gone.
    drop(command);
    // A thread of its own, so that a talkative program never blocks on a full
    // pipe. It is not joined after a kill: a grandchild may hold the pipe open.
    let listener = thread::spawn(move || {
        let mut output = Vec::new();
        let outcome = reader.read_to_end(&mut output);
        outcome.map(|_| String::from_utf8_lossy(&output).into_owned())
    });

    let deadline = Instant::now() + limit;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if Instant::now() >= deadline {
            child.kill()?;
            child.wait()?;
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("it was not done within {} s", limit.as_secs()),
            ));
        }
        thread::sleep(GLANCE);
    };
    let output = listener
        .join()
        .map_err(|_| io::Error::other("its output could not be read"))??;
    Ok(Finished { status, output })
}

/// The last `count` lines of a text that are not blank.
pub(crate) fn last_lines(text: &str, count: usize) -> String {
    let mut lines: Vec<&str> = text
        .lines()
        .rev()
        .filter(|line| !line.trim().is_empty())
        .take(count)
        .collect();
    lines.reverse();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(script);
        command
    }

    #[test]
    fn both_streams_are_collected() {
        let finished = run(
            shell("echo out; echo err >&2; exit 3"),
            Duration::from_secs(10),
        );
        let finished = finished.unwrap();
        assert_eq!(finished.output, "out\nerr\n");
        assert_eq!(finished.status.code(), Some(3));
    }

    #[test]
    fn a_program_that_takes_too_long_is_killed() {
        let started = Instant::now();
        let outcome = run(shell("exec sleep 60"), Duration::from_millis(50));
        assert_eq!(outcome.err().unwrap().kind(), io::ErrorKind::TimedOut);
        assert!(started.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn the_last_lines_skip_blank_ones() {
        assert_eq!(last_lines("a\n\nb\n\nc\n", 2), "b\nc");
        assert_eq!(last_lines("a", 20), "a");
    }
}
