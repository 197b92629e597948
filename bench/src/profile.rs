//! `bench profile`: where the processors' time goes while requests are audited, and what the
//! journal's commit thread waits for, by perf.
//!
//! All processors are sampled, because all of the work competes for them: the service's,
//! PostgreSQL's and the load's.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::thread;
use std::time::Duration;

use audit::bench::Journal;
use bench::app::Variant;
use bench::sample;
use clap::Args;
use diesel::connection::SimpleConnection as _;
use diesel::pg::PgConnection;
use diesel::prelude::*;

use crate::comparisons::journal::keep_busy;
use crate::contender::Contender;
use crate::load::{self, Until};
use crate::process::Process;
use crate::{Bench, Error, Result, conditions, print, say};

const CONNECTIONS: usize = 32;
/// How long a service works before it is looked at.
const WARM_UP: Duration = Duration::from_secs(1);
/// What takes less than this share is left out, in per cent.
const LEAST_PERCENT: &str = "0.4";
/// Names of generic functions can be a page long.
const LINE_CHARS: usize = 120;

/// Where the time goes
#[derive(Args)]
pub(crate) struct Arguments {
    /// Write the profiles to this folder; else to the standard output
    #[arg(long, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// How long is sampled
    #[arg(long, default_value_t = 8, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
}

/// What is looked at.
struct Subject {
    name: &'static str,
    variant: Variant,
    path: &'static str,
}

const SUBJECTS: [Subject; 4] = [
    subject("items-crash", Variant::Crash, "/items/"),
    subject("items-power-loss", Variant::PowerLoss, "/items/"),
    subject("items-transaction", Variant::Transaction, "/items/"),
    subject("echo-crash", Variant::Crash, "/echo"),
];

const fn subject(name: &'static str, variant: Variant, path: &'static str) -> Subject {
    Subject {
        name,
        variant,
        path,
    }
}

pub(crate) fn run(bench: &Bench, arguments: &Arguments) -> Result {
    let time = Duration::from_secs(arguments.seconds);
    let mut connection = PgConnection::establish(&bench.postgres.database_url("postgres"))?;
    let conditions: String = conditions::of(&mut connection)?
        .iter()
        .map(|(name, value)| format!("# {name}: {value}\n"))
        .collect();
    for subject in &SUBJECTS {
        say(subject.name);
        let profile = requests(bench, subject, time)?;
        write(arguments, subject.name, &format!("{conditions}{profile}"))?;
    }
    say("journal-power-loss");
    let profile = journal(bench, time)?;
    write(
        arguments,
        "journal-power-loss",
        &format!("{conditions}{profile}"),
    )
}

fn write(arguments: &Arguments, name: &str, profile: &str) -> Result {
    let Some(folder) = &arguments.output else {
        return print(profile);
    };
    fs::create_dir_all(folder)?;
    Ok(fs::write(folder.join(name).with_extension("txt"), profile)?)
}

/// Samples all processors while a service is kept busy.
fn requests(bench: &Bench, subject: &Subject, time: Duration) -> Result<String> {
    const DATABASE: &str = "profile";
    let url = bench.database(DATABASE)?;
    PgConnection::establish(&url)?.batch_execute(include_str!("schema.sql"))?;
    let journal = bench.folder.path().join("profile");
    let samples = bench.folder.path().join("samples");
    let contender = Contender::Own(subject.variant);
    let service = Process::start(&mut contender.command(bench, &url, &journal)?)?;
    let load = |time| {
        load::run(
            service.address,
            subject.path,
            CONNECTIONS,
            Until::Elapsed(time),
        )
    };
    load(WARM_UP)?;
    thread::scope(|scope| {
        let sampling = scope.spawn(|| record(&samples, time));
        // A bit longer, so that no idle end is sampled.
        load(time + WARM_UP)?;
        sampling.join().map_err(|_| "sampling has panicked")?
    })?;
    let pid = service.id().to_string();
    service.stop()?;
    fs::remove_dir_all(&journal)?;
    bench.drop_database(DATABASE)?;

    let Subject { variant, path, .. } = subject;
    let of_service = ["--pid", &pid];
    Ok(format!(
        "# POST {path} at {}, {CONNECTIONS} connections; samples of all processors, in per cent of all\n\
         \n# by process\n{}\
         \n# the service, by thread\n{}\
         \n# the service, by function, without what it calls\n{}\
         \n# the service, by function, with what it calls\n{}\
         \n# PostgreSQL, by function, without what it calls\n{}\
         \n# PostgreSQL, by function, with what it calls\n{}",
        variant.name(),
        report(&samples, &["--no-children", "--sort", "comm"], &[])?,
        report(&samples, &["--no-children", "--sort", "comm"], &of_service)?,
        report(
            &samples,
            &["--no-children", "--sort", "dso,symbol"],
            &of_service
        )?,
        report(&samples, &["--children", "--sort", "symbol"], &of_service)?,
        report(
            &samples,
            &["--no-children", "--sort", "dso,symbol"],
            &["--comm", "postgres"]
        )?,
        report(
            &samples,
            &["--children", "--sort", "symbol"],
            &["--comm", "postgres"]
        )?,
    ))
}

fn record(samples: &Path, time: Duration) -> Result {
    let output = Command::new("perf")
        .args([
            "record",
            "--all-cpus",
            "--freq=999",
            "--event=cpu-clock",
            "-g",
            "--output",
        ])
        .arg(samples)
        .args(["--", "sleep", &time.as_secs_f64().to_string()])
        .output()
        .map_err(|error| no_perf(&error))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "perf records nothing: {}",
        String::from_utf8_lossy(&output.stderr)
    )
    .into())
}

fn no_perf(error: &io::Error) -> String {
    format!("perf cannot be started: {error}; on Debian it is in the package `linux-perf`")
}

/// A table of samples, without perf's own headings.
fn report(samples: &Path, how: &[&str], of: &[&str]) -> Result<String> {
    let output = Command::new("perf")
        .args([
            "report",
            "--stdio",
            "--call-graph=none",
            "--percent-limit",
            LEAST_PERCENT,
        ])
        .arg("--input")
        .arg(samples)
        .args(how)
        .args(of)
        .output()?;
    if !output.status.success() {
        return Err(format!(
            "perf reports nothing: {}",
            String::from_utf8_lossy(&output.stderr)
        )
        .into());
    }
    let table: String = String::from_utf8_lossy(&output.stdout)
        .lines()
        // Two columns that have nothing to tell come last.
        .map(|line| line.trim_end_matches([' ', '-']))
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .flat_map(|line| line.chars().take(LINE_CHARS).chain(['\n']))
        .collect();
    Ok(table)
}

/// Traces the system calls of the commit thread while many wait for the disk.
fn journal(bench: &Bench, time: Duration) -> Result<String> {
    let folder = bench.folder.path().join("journal");
    let journal = Journal::open(&folder)?;
    let record = sample::record(0, sample::PAYLOAD)?.canonical_bytes()?;
    let output = thread::scope(|scope| {
        let tracing = scope.spawn(|| {
            Command::new("perf")
                .args(["trace", "--summary", "--tid", &commit_thread()?])
                .args(["--", "sleep", &time.as_secs_f64().to_string()])
                .output()
                .map_err(|error| no_perf(&error))
        });
        keep_busy(&journal, &record, time + WARM_UP)?;
        Ok::<_, Error>(tracing.join().map_err(|_| "tracing has panicked")??)
    })?;
    drop(journal);
    fs::remove_dir_all(&folder)?;
    let text = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("perf traces nothing: {text}").into());
    }
    Ok(format!(
        "# the journal at power_loss: what its commit thread does in the kernel in {} s. Tracing makes each call slower, short \
         ones most\n{text}",
        time.as_secs()
    ))
}

/// The number of the journal's commit thread in this process.
fn commit_thread() -> std::result::Result<String, String> {
    let tasks =
        fs::read_dir(format!("/proc/{}/task", process::id())).map_err(|error| error.to_string())?;
    tasks
        .filter_map(|task| Some(task.ok()?.path()))
        .find(|task| {
            fs::read_to_string(task.join("comm")).is_ok_and(|name| name.trim() == "audit-commit")
        })
        .and_then(|task| Some(task.file_name()?.to_string_lossy().into_owned()))
        .ok_or_else(|| "the journal has no commit thread".to_owned())
}
