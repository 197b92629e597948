//! What happens in a pooler between the service and PostgreSQL.

use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::{Length, judge, load_on};
use crate::Result;
use crate::load::get;
use crate::report::Report;
use crate::world::Stage;

const PATIENCE: Duration = Duration::from_secs(60);

/// The pooler of sessions is killed and started again under load; that of transactions is
/// refused.
pub(super) fn pgbouncer(stage: &Stage<'_>, length: Length) -> Result<Report> {
    match Command::new("pgbouncer").arg("--version").output() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Ok(Report::skipped("pgbouncer is not installed"));
        }
        version => version?,
    };
    let folder = stage.folder("pgbouncer")?;
    let mut service = stage.service()?;
    let transactions = Pooler::start(stage, &folder, "transaction")?;
    service.set("DATABASE_URL", &transactions.url(stage));
    service.start()?;
    let reason = "pool_mode = session";
    let deadline = Instant::now() + PATIENCE;
    while !fs::read_to_string(service.log_file())?.contains(reason) {
        if Instant::now() > deadline {
            return Ok(Report::failed("pool_mode = transaction is not refused"));
        }
        thread::sleep(Duration::from_millis(50));
    }
    let is_ready = matches!(get(service.address, "/health/ready"), Ok((200, _)));
    service.kill()?;
    drop(transactions);

    let mut sessions = Pooler::start(stage, &folder, "session")?;
    service.set("DATABASE_URL", &sessions.url(stage));
    service.start_ready()?;
    let load = load_on(&service, "pooled", false)?;
    for _ in 0..length.rounds(3) {
        load.wait_for(200, PATIENCE)?;
        drop(sessions);
        load.wait_for(50, PATIENCE)?;
        sessions = Pooler::start(stage, &folder, "session")?;
    }
    load.wait_for(200, PATIENCE)?;
    Ok(judge(stage, load)?
        .demand(!is_ready, "ready with pool_mode = transaction")
        .remark("pool_mode = transaction is refused, the pooler of sessions was killed under load"))
}

/// A pgbouncer in front of the stage's proxy.
struct Pooler {
    process: Child,
    address: SocketAddr,
}

impl Pooler {
    /// Starts it, always on the same port of a folder.
    fn start(stage: &Stage<'_>, folder: &Path, mode: &str) -> Result<Self> {
        let port_file = folder.join("port");
        if !port_file.exists() {
            let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
            fs::write(&port_file, free.port().to_string())?;
        }
        let port: u16 = fs::read_to_string(port_file)?.parse()?;
        let settings = folder.join("pgbouncer.ini");
        fs::write(
            &settings,
            format!(
                "[databases]\n* = host=127.0.0.1 port={} user=postgres\n\
                 [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
                 auth_type = any\npool_mode = {mode}\ndefault_pool_size = 40\nserver_tls_sslmode = disable\n",
                stage.proxy.port(),
            ),
        )?;
        let mut command = Command::new("pgbouncer");
        if rustix::process::geteuid().is_root() {
            // It refuses to run as root.
            command.args(["-u", "nobody"]);
        }
        let process = command
            .arg(&settings)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let pooler = Self { process, address };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            if Instant::now() > deadline {
                return Err("pgbouncer does not listen".into());
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(pooler)
    }

    fn url(&self, stage: &Stage<'_>) -> String {
        format!(
            "postgresql://{}/{}?user=postgres&sslmode=disable&gssencmode=disable",
            self.address, stage.database
        )
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
