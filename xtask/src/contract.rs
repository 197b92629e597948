//! `cargo xtask contract`: whether the service keeps what its OpenAPI document says, and
//! whether that is enough for a generated client.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::command::{cargo, output, program, run, say};
use crate::postgres::Throwaway;
use crate::python::Environment;
use crate::{Result, cache, client, libpq, root};

const PYTHON: Environment = Environment {
    name: "contract-python",
    requirements: "contract/requirements.txt",
    what: "Schemathesis and the generator of clients",
};

/// Who asks: nobody, and everybody who has one role.
const ROLES: [Option<&str>; 4] = [None, Some("user"), Some("auditor"), Some("admin")];
/// How long the service may take to become ready.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn contract(arguments: &[OsString]) -> Result {
    let python = PYTHON.ensure()?;
    say("building items-api; the first time takes a few minutes");
    run(cargo()
        .args(["build", "--locked", "--package", "items-api"])
        .args(libpq::features()))?;
    let postgres = Throwaway::start()?;
    // What Schemathesis keeps of a run, and our log, stay for whoever wants to know
    // more.
    let folder = cache().join("contract");
    fs::create_dir_all(&folder)?;
    let service = Service::start(&folder, &postgres.url())?;

    say("with a generated client");
    client::check(&python, &folder, &service.url, &service.token("admin")?)?;

    let mut broken = Vec::new();
    for role in ROLES {
        let name = role.unwrap_or("nobody");
        say(&format!("as {name}"));
        let mut fuzzer = Command::new(python.join("schemathesis"));
        fuzzer
            .current_dir(&folder)
            .arg("--config-file")
            .arg(root().join("contract/schemathesis.toml"))
            .arg("run")
            .arg(format!("{}/openapi.json", service.url))
            .args(arguments);
        if let Some(role) = role {
            // It is worth nothing once the service is gone, so it may be seen.
            let token = service.token(role)?;
            fuzzer.args(["--header", &format!("Authorization:Bearer {token}")]);
        }
        if let Err(error) = run(&mut fuzzer) {
            say(&error.to_string());
            broken.push(name);
        }
    }
    if broken.is_empty() {
        say("the service does what its document says");
        return Ok(());
    }
    Err(format!(
        "the service and its document differ, asked as {}: see above, and {}",
        broken.join(", "),
        service.log.display()
    )
    .into())
}

/// The service, until it is dropped.
struct Service {
    process: Child,
    url: String,
    log: PathBuf,
    data_dir: tempfile::TempDir,
}

impl Service {
    fn start(folder: &Path, database_url: &str) -> Result<Self> {
        let data_dir = tempfile::tempdir()?;
        let log = folder.join("items-api.log");
        let mut process = items_api(data_dir.path())
            .args(["--bind", "127.0.0.1:0"])
            .env("DATABASE_URL", database_url)
            .stdout(Stdio::piped())
            .stderr(File::create(&log)?)
            .spawn()
            .map_err(|error| format!("items-api cannot be started: {error}"))?;
        let stdout = process.stdout.take();
        let mut service = Self {
            process,
            url: String::new(),
            log,
            data_dir,
        };
        let mut line = String::new();
        if let Some(stdout) = stdout {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let failed = || format!("items-api does not serve: see {}", service.log.display());
        let address = line
            .trim()
            .strip_prefix("listening on http://")
            .ok_or_else(failed)?;
        wait_until_ready(address).ok_or_else(failed)?;
        service.url = format!("http://{address}");
        Ok(service)
    }

    fn token(&self, role: &str) -> Result<String> {
        let mut command = items_api(self.data_dir.path());
        command.args(["token", "--sub", &format!("fuzzing-{role}"), "--role", role]);
        Ok(output(&mut command)?.trim().to_owned())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn items_api(data_dir: &Path) -> Command {
    let mut items_api = program(crate::run::binary(false));
    // Away from the workspace's folder, where somebody's own settings may lie.
    items_api
        .current_dir(data_dir)
        .arg("--data-dir")
        .arg(data_dir);
    // Most made-up requests are refused, and the answers of interest are those that
    // come after the first thousands.
    for limit in ["REFUSALS", "UNKNOWN_REFUSALS", "QUERIES", "QUERIES_AT_ONCE"] {
        items_api.env(format!("ITEMS_API_AUDIT_{limit}"), "0");
    }
    items_api
}

fn wait_until_ready(address: &str) -> Option<()> {
    let is_ready = || {
        let mut stream = TcpStream::connect(address).ok()?;
        let request = "GET /health/ready HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).ok()?;
        let mut response = String::new();
        stream.read_to_string(&mut response).ok()?;
        response.starts_with("HTTP/1.1 200").then_some(())
    };
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if is_ready().is_some() {
            return Some(());
        }
        thread::sleep(Duration::from_millis(100));
    }
    None
}
