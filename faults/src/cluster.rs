//! A PostgreSQL of one scenario's own: stopped, killed, frozen, copied, restored.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt as _, chown, lchown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection as _;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};
use private_postgres::{Binaries, private_folder};
use rustix::process::{Pid, Signal, kill_process};

use crate::Result;

const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(10);

/// Runs the server until the harness ends, in whichever way.
const SUPERVISOR: &str = r#""$@" & read -r line; kill -CONT $!; kill -QUIT $!; wait"#;

/// One cluster, with fsync on, behind a socket.
pub(crate) struct Cluster {
    binaries: Binaries,
    folder: PathBuf,
    settings: Vec<String>,
    running: Option<(Child, ChildStdin)>,
}

impl Cluster {
    /// Makes a cluster with a system identifier of its own.
    pub(crate) fn create(binaries: &Binaries, folder: &Path) -> Result<Self> {
        let cluster = Self::in_folder(binaries, folder)?;
        let data = cluster.data();
        run(binaries
            .command("initdb", &data)
            .arg("--pgdata")
            .arg(&data)
            .args(["--username=postgres", "--encoding=UTF8", "--locale=C"])
            // Small segments make small copies.
            .args(["--auth=trust", "--no-sync", "--wal-segsize=1"]))?;
        Ok(cluster)
    }

    /// A folder for a cluster, without data.
    fn in_folder(binaries: &Binaries, folder: &Path) -> Result<Self> {
        private_folder(folder)?;
        for name in ["data", "socket"] {
            private_folder(&folder.join(name))?;
        }
        Ok(Self {
            binaries: binaries.clone(),
            folder: folder.to_owned(),
            settings: Vec::new(),
            running: None,
        })
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn socket_folder(&self) -> PathBuf {
        self.folder.join("socket")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.socket_folder().join(".s.PGSQL.5432")
    }

    pub(crate) fn url(&self, database: &str) -> String {
        format!(
            "postgresql:///{database}?host={}&port=5432&user=postgres",
            self.socket_folder().display()
        )
    }

    /// Adds a setting, `name=value`, for the starts that follow.
    pub(crate) fn set(&mut self, setting: &str) {
        self.settings.push(setting.to_owned());
    }

    /// Starts it, and waits until it takes connections.
    pub(crate) fn start(&mut self) -> Result {
        let log = self.folder.join("log");
        let _ = fs::remove_file(self.data().join("postmaster.pid"));
        let mut command = self.program("/bin/sh");
        command
            .args(["-c", SUPERVISOR, "cluster"])
            .arg(self.binaries.bin_dir().join("postgres"))
            .arg("-D")
            .arg(self.data())
            .arg("-k")
            .arg(self.socket_folder());
        for setting in [
            "listen_addresses=",
            "fsync=on",
            "max_connections=100",
            "wal_keep_size=64MB",
            "max_wal_size=64MB",
            "wal_retrieve_retry_interval=100ms",
            "timezone=UTC",
            "jit=off",
        ]
        .into_iter()
        .chain(self.settings.iter().map(String::as_str))
        {
            command.arg("-c").arg(setting);
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(File::options().create(true).append(true).open(&log)?)
            .process_group(0)
            .spawn()?;
        let line = child.stdin.take().ok_or("no pipe to the server")?;
        self.running = Some((child, line));
        let deadline = Instant::now() + PATIENCE;
        while self.connect("postgres").is_err() {
            if Instant::now() > deadline {
                let text = fs::read_to_string(&log).unwrap_or_default();
                let tail: Vec<&str> = text.lines().rev().take(5).collect();
                return Err(format!("PostgreSQL does not start: {}", tail.join(" / ")).into());
            }
            thread::sleep(PAUSE);
        }
        Ok(())
    }

    pub(crate) fn connect(&self, database: &str) -> Result<PgConnection> {
        Ok(PgConnection::establish(&self.url(database))?)
    }

    pub(crate) fn execute(&self, database: &str, statements: &str) -> Result {
        // Some statements refuse to share a transaction.
        let mut connection = self.connect(database)?;
        Ok(connection.batch_execute(statements)?)
    }

    pub(crate) fn is_true(&self, expression: &str) -> Result<bool> {
        let mut connection = self.connect("postgres")?;
        Ok(diesel::select(diesel::dsl::sql::<Bool>(expression)).get_result(&mut connection)?)
    }

    pub(crate) fn wait_until(&self, expression: &str) -> Result {
        let deadline = Instant::now() + PATIENCE;
        while !self.is_true(expression)? {
            if Instant::now() > deadline {
                return Err(format!("{expression} does not come true").into());
            }
            thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// Sets a parameter while it runs.
    pub(crate) fn alter(&self, setting: &str) -> Result {
        self.execute("postgres", &format!("ALTER SYSTEM SET {setting}"))?;
        self.execute("postgres", "SELECT pg_reload_conf()")
    }

    /// Ends it as a crash does: kill -9 of all its processes.
    pub(crate) fn kill(&mut self) -> Result {
        self.signal(Signal::KILL)?;
        self.wait_until_gone()
    }

    /// Ends it in order.
    pub(crate) fn stop(&mut self) -> Result {
        if let Some(server) = self.server() {
            kill_process(server, Signal::INT)?;
        }
        self.wait_until_gone()
    }

    /// Stops all its processes with SIGSTOP.
    pub(crate) fn freeze(&self) -> Result {
        self.signal(Signal::STOP)
    }

    /// Lets them go on.
    pub(crate) fn thaw(&self) -> Result {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> Result {
        let server = self.server().ok_or("the cluster does not run")?;
        // The postmaster first, so that it starts no others.
        let _ = kill_process(server, signal);
        for child in children(server)? {
            let _ = kill_process(child, signal);
        }
        Ok(())
    }

    fn server(&self) -> Option<Pid> {
        self.running.as_ref()?;
        let text = fs::read_to_string(self.data().join("postmaster.pid")).ok()?;
        Pid::from_raw(text.lines().next()?.trim().parse().ok()?)
    }

    fn wait_until_gone(&mut self) -> Result {
        let server = self.server();
        let deadline = Instant::now() + PATIENCE;
        // It is a zombie until the supervisor waits for it.
        while let Some(server) = server
            && state_and_parent(server.as_raw_nonzero().get())
                .is_some_and(|(state, _)| state != 'Z')
        {
            if Instant::now() > deadline {
                return Err("PostgreSQL does not end".into());
            }
            thread::sleep(PAUSE);
        }
        if let Some((mut child, line)) = self.running.take() {
            drop(line);
            child.wait()?;
        }
        Ok(())
    }

    /// Makes a copy of it while it runs, as a base backup does. The copy is not started.
    pub(crate) fn backup(&self, name: &str) -> Result<Self> {
        #[derive(QueryableByName)]
        struct Label {
            #[diesel(sql_type = Text)]
            labelfile: String,
        }
        let copy = self.beside(name)?;
        let mut connection = self.connect("postgres")?;
        connection.batch_execute("SELECT pg_backup_start('faults', true)")?;
        copy_folder(&self.data(), &copy.data(), &|path| {
            !path.ends_with("postmaster.pid")
                && !path.ends_with("postmaster.opts")
                && !path
                    .parent()
                    .is_some_and(|folder| folder.ends_with("pg_wal"))
        })?;
        let label: Label = diesel::sql_query("SELECT labelfile FROM pg_backup_stop(false)")
            .get_result(&mut connection)?;
        // From the checkpoint to the end of the backup; without, it is not consistent.
        copy_folder(
            &self.data().join("pg_wal"),
            &copy.data().join("pg_wal"),
            &|_| true,
        )?;
        copy.write("backup_label", &label.labelfile)?;
        Ok(copy)
    }

    /// Starts a streaming standby, and waits until it streams.
    pub(crate) fn standby(&self, name: &str) -> Result<Self> {
        let mut standby = self.backup(name)?;
        standby.write("standby.signal", "")?;
        standby.configure(&format!(
            "primary_conninfo = 'host={} port=5432 user=postgres application_name={name}'",
            self.socket_folder().display()
        ))?;
        standby.start()?;
        self.wait_until(&format!(
            "EXISTS (SELECT FROM pg_stat_replication WHERE application_name = '{name}' \
             AND state = 'streaming')"
        ))?;
        Ok(standby)
    }

    /// Lets a standby get no more from its primary.
    pub(crate) fn disconnect(&self) -> Result {
        self.alter("primary_conninfo = ''")?;
        self.wait_until("NOT EXISTS (SELECT FROM pg_stat_wal_receiver)")
    }

    pub(crate) fn promote(&self) -> Result {
        self.execute("postgres", "SELECT pg_promote(true, 60)")?;
        self.wait_until("NOT pg_is_in_recovery()")
    }

    /// Stops it, keeps a copy of its data, and starts it again.
    pub(crate) fn snapshot(&mut self) -> Result<Snapshot> {
        self.stop()?;
        let snapshot = Snapshot(self.folder.join("snapshot"));
        let _ = fs::remove_dir_all(&snapshot.0);
        copy_folder(&self.data(), &snapshot.0, &|_| true)?;
        self.start()?;
        Ok(snapshot)
    }

    /// Replaces its data by a copy, and starts it.
    pub(crate) fn restore(&mut self, snapshot: &Snapshot) -> Result {
        self.kill()?;
        fs::remove_dir_all(self.data())?;
        copy_folder(&snapshot.0, &self.data(), &|_| true)?;
        self.start()
    }

    /// A cluster beside it, without data.
    pub(crate) fn beside(&self, name: &str) -> Result<Self> {
        let folder = self.folder.with_file_name(name);
        Self::in_folder(&self.binaries, &folder)
    }

    /// Appends to its configuration.
    pub(crate) fn configure(&self, line: &str) -> Result {
        let path = self.data().join("postgresql.auto.conf");
        let mut text = fs::read_to_string(&path).unwrap_or_default();
        text.push_str(line);
        text.push('\n');
        Ok(fs::write(path, text)?)
    }

    /// Writes a file that the server can read and remove.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result {
        let path = self.data().join(name);
        fs::write(&path, text)?;
        let owner = fs::metadata(self.data())?;
        Ok(chown(path, Some(owner.uid()), Some(owner.gid()))?)
    }

    /// Runs one of the programs that come with the server.
    pub(crate) fn program(&self, name: &str) -> Command {
        self.binaries.command(name, &self.data())
    }

    /// Ends it, and removes its files.
    pub(crate) fn discard(mut self) -> Result {
        if self.running.is_some() {
            self.kill()?;
        }
        Ok(fs::remove_dir_all(&self.folder)?)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.running.is_some() {
            let _ = self.kill();
        }
    }
}

/// A copy of a cluster's data that was made while it was stopped.
pub(crate) struct Snapshot(PathBuf);

/// Runs a program to its end; what it writes is part of the error.
pub(crate) fn run(command: &mut Command) -> Result {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "{} failed: {}",
        command.get_program().to_string_lossy(),
        String::from_utf8_lossy(&output.stderr).trim()
    )
    .into())
}

/// The processes that a process has started and that run.
fn children(of: Pid) -> Result<Vec<Pid>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        let Some(number) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        if state_and_parent(number).is_some_and(|(_, parent)| parent == of.as_raw_nonzero().get()) {
            found.extend(Pid::from_raw(number));
        }
    }
    Ok(found)
}

fn state_and_parent(process: i32) -> Option<(char, i32)> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name may hold anything, and ends with the last parenthesis.
    let (_, rest) = text.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

/// Copies a folder with its owners and modes. Files that vanish meanwhile are left out.
fn copy_folder(from: &Path, to: &Path, wanted: &dyn Fn(&Path) -> bool) -> Result {
    let folder = fs::metadata(from)?;
    fs::create_dir_all(to)?;
    fs::set_permissions(to, folder.permissions())?;
    lchown(to, Some(folder.uid()), Some(folder.gid()))?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, copy) = (entry.path(), to.join(entry.file_name()));
        if !wanted(&path) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            copy_folder(&path, &copy, wanted)?;
            continue;
        }
        match fs::copy(&path, &copy) {
            Ok(_) => lchown(&copy, Some(folder.uid()), Some(folder.gid()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
