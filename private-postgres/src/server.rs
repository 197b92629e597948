//! The server: started, watched, stopped.

use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::account::command_as;
use crate::binaries::Binaries;
use crate::cluster;
use crate::command::{GLANCE, last_lines};
use crate::error::{Error, cannot};
use crate::home::Home;
use crate::socket::{self, PORT};
use crate::wire::{Answer, Session};

/// The user of the database that owns everything in it.
pub(crate) const SUPERUSER: &str = "postgres";

/// How long the server may take to be ready. A server that cannot start ends at
/// once and is noticed at once; this is for the recovery after a crash, which
/// would begin anew each time it were cut short.
const START_LIMIT: Duration = Duration::from_secs(300);

/// How long the server may take to end. The supervisor turns to an immediate
/// shutdown after 20 s, so this is only ever reached when the disk hangs.
const STOP_LIMIT: Duration = Duration::from_secs(45);

/// How long one statement of this crate's own may take.
const STATEMENT_LIMIT: Duration = Duration::from_secs(60);

const SUPERVISOR: &str = include_str!("supervise.sh");

/// How much the server does for data to survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// What was committed survives a crash and a power cut.
    Full,
    /// Fast and for tests: a crash of the machine may leave nothing readable.
    Throwaway,
}

/// What a server is to be like.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The folder for its data, its socket and its log; made when it is missing.
    /// It is for this server alone.
    pub data_dir: PathBuf,
    /// How much it does for data to survive.
    pub durability: Durability,
    /// How many sessions it takes at once.
    pub max_connections: u32,
}

/// A running server, which ends when this value or its process does.
///
/// See the [crate's documentation](crate) for how.
///
/// ```no_run
/// use private_postgres::{Binaries, Durability, PrivatePostgres, Settings};
///
/// let cache = "target/postgres".as_ref();
/// let binaries = Binaries::find_or_install(cache, &mut |step| eprintln!("{step}"))?;
/// let server = PrivatePostgres::start(
///     &binaries,
///     Settings {
///         data_dir: "data/postgres".into(),
///         durability: Durability::Full,
///         max_connections: 50,
///     },
/// )?;
/// server.ensure_database("items")?;
/// println!("{}", server.database_url("items"));
/// server.stop()?;
/// # Ok::<(), private_postgres::Error>(())
/// ```
#[derive(Debug)]
pub struct PrivatePostgres {
    home: Home,
    socket_folder: PathBuf,
    supervisor: Option<Supervisor>,
}

/// The child that starts the server and stops it.
#[derive(Debug)]
struct Supervisor {
    child: Child,
    /// Closing this is the order to stop.
    line: ChildStdin,
}

impl PrivatePostgres {
    /// Starts a server on the folder, which is made and filled first when it
    /// is new, and returns when the server takes connections.
    ///
    /// # Errors
    ///
    /// When the folder belongs to another owner, user or version, and when the
    /// server does not start; the error says what to do. Nothing is left
    /// running then.
    pub fn start(binaries: &Binaries, settings: Settings) -> Result<Self, Error> {
        let home = Home::open(&settings.data_dir)?;
        let binaries = cluster::prepare(&home, binaries, settings.durability)?;
        let socket_folder = socket::prepare(&home)?;
        let command = server_command(&home, &binaries, &settings, &socket_folder)?;
        let supervisor = Supervisor::spawn(command, home.path())?;
        let mut server = Self {
            home,
            socket_folder,
            supervisor: Some(supervisor),
        };
        server.wait_until_ready()?;
        tracing::info!(
            version = binaries.version(),
            folder = %server.data_dir().display(),
            "PostgreSQL is ready"
        );
        Ok(server)
    }

    /// The address of a database on this server, for libpq and its kin. It
    /// creates nothing: `postgres` always exists, and others exist after
    /// [`PrivatePostgres::ensure_database`].
    #[must_use]
    pub fn database_url(&self, database: &str) -> String {
        self.database_url_as(database, SUPERUSER)
    }

    /// The same for another login, which somebody has made. The server asks nobody for
    /// a password: whoever reaches the socket is believed to be who they say.
    #[must_use]
    pub fn database_url_as(&self, database: &str, login: &str) -> String {
        address(&self.socket_folder, database, login)
    }

    /// Creates a database unless it exists.
    ///
    /// # Errors
    ///
    /// When the server refuses the name or cannot be reached.
    pub fn ensure_database(&self, name: &str) -> Result<(), Error> {
        let failed = |reason: String| Error::Database {
            name: name.to_owned(),
            reason,
        };
        // The server would cut a longer name short, and then not find it.
        if name.is_empty() || name.len() > 63 || name.contains('\0') {
            return Err(failed(
                "a name has 1 to 63 bytes, none of them 0".to_owned(),
            ));
        }
        let socket = socket::in_folder(&self.socket_folder);
        let exists = format!(
            "SELECT 1 FROM pg_catalog.pg_database WHERE datname = '{}'",
            name.replace('\'', "''")
        );
        let create = format!("CREATE DATABASE \"{}\"", name.replace('"', "\"\""));
        let answer = Session::connect(&socket, SUPERUSER, "postgres", STATEMENT_LIMIT)
            .and_then(|mut session| match session.run(&exists)? {
                Answer::Rows(0) => session.run(&create),
                answer => Ok(answer),
            })
            .map_err(|error| failed(error.to_string()))?;
        match answer {
            Answer::Rows(_) => Ok(()),
            // Somebody else has created it in between.
            Answer::Refused { code, .. } if code == "42P04" || code == "23505" => Ok(()),
            Answer::Refused { message, .. } => Err(failed(message)),
        }
    }

    /// The folder in use. It differs from the one in the settings when root has
    /// asked for a folder that the server's user cannot enter.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        self.home.path()
    }

    /// What the server has said since it was started.
    #[must_use]
    pub fn log_file(&self) -> PathBuf {
        self.home.log()
    }

    /// Stops the server: sessions end, and what they had committed is safe.
    ///
    /// Dropping the value does the same and only logs what goes wrong.
    ///
    /// # Errors
    ///
    /// When the server did not end in time; it is killed then.
    pub fn stop(mut self) -> Result<(), Error> {
        self.shut_down()
    }

    fn wait_until_ready(&mut self) -> Result<(), Error> {
        let deadline = Instant::now() + START_LIMIT;
        let cluster = self.home.cluster();
        let log = self.home.log();
        while let Some(supervisor) = &mut self.supervisor {
            if cluster::is_ready(&cluster) {
                // From now on it is started again when it dies.
                return supervisor
                    .line
                    .write_all(b"ready\n")
                    .map_err(cannot("watch", self.home.path()));
            }
            let ended = supervisor
                .child
                .try_wait()
                .map_err(cannot("watch", self.home.path()))?;
            if ended.is_some() {
                let tail = tail_of(&log);
                return Err(Error::Start { log, tail });
            }
            if Instant::now() >= deadline {
                let tail = tail_of(&log);
                let seconds = START_LIMIT.as_secs();
                return Err(Error::StartTimeout { seconds, log, tail });
            }
            thread::sleep(GLANCE);
        }
        Ok(())
    }

    fn shut_down(&mut self) -> Result<(), Error> {
        let Some(Supervisor { mut child, line }) = self.supervisor.take() else {
            return Ok(());
        };
        drop(line);
        let deadline = Instant::now() + STOP_LIMIT;
        let cluster = self.home.cluster();
        let mut supervised = true;
        loop {
            if supervised
                && child
                    .try_wait()
                    .map_err(cannot("watch", self.home.path()))?
                    .is_some()
            {
                supervised = false;
                // Normally nothing is left by now. If the supervisor was killed,
                // the server has not heard of it yet.
                cluster::ask_to_stop(&cluster);
            }
            if !supervised && cluster::server_process(&cluster).is_none() {
                tracing::info!(folder = %self.home.path().display(), "PostgreSQL has stopped");
                return Ok(());
            }
            if Instant::now() >= deadline {
                break;
            }
            thread::sleep(GLANCE);
        }

        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        if let Some(group) = group
            && let Err(error) = kill_process_group(group, Signal::KILL)
        {
            tracing::warn!(%error, "the server could not be killed");
        }
        if supervised {
            child.wait().map_err(cannot("watch", self.home.path()))?;
        }
        Err(Error::StopTimeout {
            seconds: STOP_LIMIT.as_secs(),
            log: self.home.log(),
        })
    }
}

impl Drop for PrivatePostgres {
    fn drop(&mut self) {
        if let Err(error) = self.shut_down() {
            tracing::error!(%error, "PostgreSQL was not stopped cleanly");
        }
    }
}

impl Supervisor {
    fn spawn(mut command: Command, folder: &Path) -> Result<Self, Error> {
        let mut child = command
            .spawn()
            .map_err(cannot("start PostgreSQL in", folder))?;
        match child.stdin.take() {
            Some(line) => Ok(Self { child, line }),
            None => Err(cannot("start PostgreSQL in", folder)(
                std::io::ErrorKind::BrokenPipe.into(),
            )),
        }
    }
}

/// The supervisor's command line, which ends with the server's.
fn server_command(
    home: &Home,
    binaries: &Binaries,
    settings: &Settings,
    socket_folder: &Path,
) -> Result<Command, Error> {
    let mut command = command_as(home.account(), Path::new("/bin/sh"));
    command
        .arg("-c")
        .arg(SUPERVISOR)
        .arg("private-postgres")
        .arg(binaries.program("postgres"))
        .arg("-D")
        .arg(home.cluster())
        .arg("-k")
        .arg(socket_folder);
    let max_connections = settings.max_connections.max(1).to_string();
    // They are given here and not in the data folder's configuration, so that a
    // folder made by an earlier version of this crate gets them as well.
    for (name, value) in [
        ("listen_addresses", ""),
        ("unix_socket_permissions", "0700"),
        ("max_connections", &max_connections),
        // Everybody here is the superuser, for whom no session is set aside.
        ("superuser_reserved_connections", "0"),
        ("timezone", "UTC"),
        ("log_timezone", "UTC"),
        // Nobody may collect or redirect what goes to the log file.
        ("logging_collector", "off"),
        ("log_destination", "stderr"),
        ("log_checkpoints", "off"),
        // Compiling a query takes longer than the small ones that run here, and
        // the compiler's library may be missing from an unpacked package.
        ("jit", "off"),
    ] {
        command.arg("-c").arg(format!("{name}={value}"));
    }
    let safe = match settings.durability {
        Durability::Full => "on",
        Durability::Throwaway => "off",
    };
    for name in ["fsync", "synchronous_commit", "full_page_writes"] {
        command.arg("-c").arg(format!("{name}={safe}"));
    }
    if matches!(settings.durability, Durability::Throwaway) {
        // Tests look at what prepared transactions do to others.
        command.arg("-c").arg("max_prepared_transactions=8");
    }
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::from(home.share_lock()?))
        .stderr(Stdio::from(home.new_log()?))
        // Ctrl-C reaches every process of the terminal's group. The owner may
        // still need the server to finish its work.
        .process_group(0);
    Ok(command)
}

/// The end of the log, for an error.
fn tail_of(log: &Path) -> String {
    match fs::read(log) {
        Ok(text) => last_lines(&String::from_utf8_lossy(&text), 20),
        Err(error) => format!("(it cannot be read: {error})"),
    }
}

/// The address of a database behind a socket.
pub(crate) fn address(socket_folder: &Path, database: &str, login: &str) -> String {
    // The port is named because PGPORT would change the socket's name.
    format!(
        "postgresql:///{}?host={}&port={PORT}&user={}",
        percent_encoded(database.as_bytes(), b""),
        percent_encoded(socket_folder.as_os_str().as_bytes(), b"/"),
        percent_encoded(login.as_bytes(), b""),
    )
}

/// A text as a part of an address.
fn percent_encoded(text: &[u8], also_plain: &[u8]) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text {
        let is_plain =
            byte.is_ascii_alphanumeric() || b"-._~".contains(byte) || also_plain.contains(byte);
        if is_plain {
            encoded.push(char::from(*byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_percent_encoded() {
        assert_eq!(
            percent_encoded("/tmp/a b/ü&c".as_bytes(), b"/"),
            "/tmp/a%20b/%C3%BC%26c"
        );
        assert_eq!(percent_encoded(b"a/b", b""), "a%2Fb");
    }
}
