//! A Postgres that takes no writes for a while, or answers nothing.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use audit::testing::{TestDatabase, eventually};
use diesel::connection::SimpleConnection as _;
use items_api::auth::Role;
use reqwest::StatusCode;
use serde_json::json;
use tempfile::TempDir;

use crate::harness::{Answer, TestService, assert_problem};

async fn create(service: &TestService) -> Answer {
    let request = service
        .post("/items/")
        .bearer_auth(service.token("alice", Role::User))
        .json(&json!({ "name": "Kettle" }));
    Answer::of(request).await
}

#[actix_web::test]
async fn a_server_that_took_no_writes_for_a_moment_leaves_no_connection_behind() {
    let service = TestService::start().await;
    service.create(&json!({ "name": "Kettle" })).await;
    let mut owner = service.database.connect();
    let name = service.database.name();
    owner
        .batch_execute(&format!(
            "ALTER DATABASE {name} SET default_transaction_read_only = on"
        ))
        .unwrap();
    // As a restart does.
    owner
        .batch_execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        .unwrap();
    assert_problem(503, "store_unavailable", &create(&service).await);
    let ready = Answer::of(service.get("/health/ready")).await;
    assert_problem(503, "not_ready", &ready);
    owner
        .batch_execute(&format!(
            "ALTER DATABASE {name} RESET default_transaction_read_only"
        ))
        .unwrap();
    eventually("an item is created", async || {
        (create(&service).await.status == StatusCode::CREATED).then_some(())
    })
    .await;
    assert_eq!(Answer::of(service.get("/health/ready")).await.status, 200);
    for _ in 0..20 {
        assert_eq!(create(&service).await.status, StatusCode::CREATED);
    }
}

#[actix_web::test]
async fn a_frozen_postgres_is_answered_for_in_time_and_costs_no_more_than_its_connections() {
    let database = TestDatabase::empty();
    let valve = Valve::before(database.url());
    let url = valve.url.clone();
    let service = TestService::start_at(database, url).await;
    service.is_ready().await;
    service.create(&json!({ "name": "Kettle" })).await;

    let read = async || {
        let request = service.get("/audit/records");
        Answer::of(request.bearer_auth(service.token("ada", Role::Auditor))).await
    };
    assert_eq!(read().await.status, 200);

    valve.set_open(false);
    let began = Instant::now();
    let creations = futures_util::future::join_all((0..24).map(|_| create(&service)));
    let (mut answers, page) = futures_util::future::join(creations, read()).await;
    answers.push(page);
    for answer in &answers {
        assert_problem(503, "store_unavailable", answer);
    }
    assert!(began.elapsed() < Duration::from_secs(16), "{answers:?}");
    let began = Instant::now();
    assert_eq!(Answer::of(service.get("/health/live")).await.status, 200);
    let ready = Answer::of(service.get("/health/ready")).await;
    assert_problem(503, "not_ready", &ready);
    assert!(began.elapsed() < Duration::from_secs(5));

    valve.set_open(true);
    service.is_ready().await;
    service.create(&json!({ "name": "Kettle" })).await;
}

/// Passes on what it receives on a socket of its own, while it is open.
struct Valve {
    url: String,
    is_open: Arc<(Mutex<bool>, Condvar)>,
    _folder: TempDir,
}

impl Valve {
    fn before(url: &str) -> Self {
        let parameter = |name: &str| {
            let rest = url.split_once(&format!("{name}="))?.1;
            Some(rest.split_once('&').map_or(rest, |(value, _)| value))
        };
        let host = parameter("host").unwrap();
        let socket = format!(".s.PGSQL.{}", parameter("port").unwrap_or("5432"));
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join(&socket)).unwrap();
        let server = Path::new(&host.replace("%2F", "/")).join(socket);
        let is_open = Arc::new((Mutex::new(true), Condvar::new()));
        let open = Arc::clone(&is_open);
        thread::spawn(move || accept(&listener, &server, &open));
        Self {
            url: url.replace(host, &folder.path().display().to_string()),
            is_open,
            _folder: folder,
        }
    }

    fn set_open(&self, is_open: bool) {
        *self.is_open.0.lock().unwrap() = is_open;
        self.is_open.1.notify_all();
    }
}

impl Drop for Valve {
    fn drop(&mut self) {
        self.set_open(true);
    }
}

fn accept(listener: &UnixListener, server: &Path, is_open: &Arc<(Mutex<bool>, Condvar)>) {
    for client in listener.incoming().map_while(Result::ok) {
        let server = UnixStream::connect(server).unwrap();
        for (from, to) in [
            (client.try_clone().unwrap(), server.try_clone().unwrap()),
            (server, client),
        ] {
            let is_open = Arc::clone(is_open);
            thread::spawn(move || pass_on(from, to, &is_open));
        }
    }
}

fn pass_on(mut from: UnixStream, mut to: UnixStream, is_open: &(Mutex<bool>, Condvar)) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        let open = is_open.0.lock().unwrap();
        drop(is_open.1.wait_while(open, |is_open| !*is_open).unwrap());
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Both);
}
