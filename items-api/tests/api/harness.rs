//! A service of each test's own.

use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::Duration;

use audit::jwt::{Audience, Claims};
use audit::testing::{TestDatabase, eventually};
use items_api::auth::{self, Role};
use items_api::config::{Config, Options};
use items_api::serve::{self, ServeError};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::oneshot;

/// A service that listens on a port of its own and stops with the test.
pub(crate) struct TestService {
    pub(crate) config: Config,
    address: SocketAddr,
    client: reqwest::Client,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<(), ServeError>>>,
    _data_dir: TempDir,
    // Dropped last: the service writes to it until it has stopped.
    pub(crate) database: TestDatabase,
}

impl TestService {
    /// A service whose tables are there.
    pub(crate) async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    /// A service whose tables are there, with options of the test's own.
    pub(crate) async fn start_with(options: Options) -> Self {
        let service = Self::listen_with(options).await;
        service.is_ready().await;
        service
    }

    /// A service that listens, with options of the test's own.
    pub(crate) async fn listen_with(options: Options) -> Self {
        let database = TestDatabase::empty();
        let url = database.url().to_owned();
        Self::configured(database, url, options).await
    }

    /// Waits until it is.
    pub(crate) async fn is_ready(&self) {
        eventually("the service is ready", async || {
            let response = self.get("/health/ready").send().await.ok()?;
            (response.status() == StatusCode::OK).then_some(())
        })
        .await;
    }

    /// A service that listens, and believes its Postgres to be at `url`.
    pub(crate) async fn start_at(database: TestDatabase, url: String) -> Self {
        Self::start_at_with(database, url, Options::default()).await
    }

    /// The same with options of the test's own.
    pub(crate) async fn start_at_with(
        database: TestDatabase,
        url: String,
        options: Options,
    ) -> Self {
        Self::configured(database, url, options).await
    }

    async fn configured(database: TestDatabase, url: String, options: Options) -> Self {
        let data_dir = tempfile::tempdir().unwrap();
        let options = Options {
            bind: Some("127.0.0.1:0".parse().unwrap()),
            data_dir: Some(data_dir.path().to_owned()),
            ..options
        };
        let config = options.resolve().unwrap();
        let (started, address) = oneshot::channel();
        let (stop, stopped) = oneshot::channel();
        let server_config = config.clone();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let service = serve::start(&server_config, &url)?;
                started.send(service.address()).unwrap();
                service
                    .run(
                        async {
                            let _ = stopped.await;
                        },
                        std::future::pending(),
                    )
                    .await
            })
        });
        Self {
            config,
            address: address.await.unwrap(),
            client: reqwest::Client::builder()
                .pool_max_idle_per_host(0)
                .timeout(Duration::from_secs(30))
                .build()
                .unwrap(),
            stop: Some(stop),
            thread: Some(thread),
            _data_dir: data_dir,
            database,
        }
    }

    /// Stops in order, as at SIGTERM.
    pub(crate) async fn stop(&mut self) -> Result<(), ServeError> {
        self.stop.take().unwrap().send(()).unwrap();
        let thread = self.thread.take().unwrap();
        tokio::task::spawn_blocking(move || thread.join().unwrap())
            .await
            .unwrap()
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("http://{}{path}", self.address))
    }

    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.request(Method::GET, path)
    }

    pub(crate) fn post(&self, path: &str) -> RequestBuilder {
        self.request(Method::POST, path)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn token(&self, subject: &str, role: Role) -> String {
        self.token_for(subject, role, Duration::from_secs(600))
    }

    pub(crate) fn token_for(&self, subject: &str, role: Role, lifetime: Duration) -> String {
        auth::mint(
            &self.config.jwt,
            &self.config.data_dir,
            subject,
            &[role],
            lifetime,
        )
        .unwrap()
    }

    /// A token that the service would not mint: with any roles, until any time, which
    /// may be over.
    pub(crate) fn token_with(&self, subject: &str, roles: &[&str], exp: u64) -> String {
        let secret = std::fs::read(self.config.data_dir.join("jwt-secret")).unwrap();
        Self::sign(&secret, subject, roles, exp)
    }

    /// A token that is signed with this secret, whoever's it is.
    pub(crate) fn sign(secret: &[u8], subject: &str, roles: &[&str], exp: u64) -> String {
        let claims = Claims {
            sub: subject.to_owned(),
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
            jti: None,
            iss: "items-api".to_owned(),
            aud: Audience::One("items-api".to_owned()),
            iat: None,
            exp,
        };
        let key = EncodingKey::from_secret(secret);
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap()
    }

    /// Creates an item as Alice and gives back what was answered.
    pub(crate) async fn create(&self, item: &Value) -> Value {
        let response = self
            .post("/items/")
            .bearer_auth(self.token("alice", Role::User))
            .json(item);
        let response = response.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::CREATED);
        response.json().await.unwrap()
    }

    /// All records of a query, as an admin sees them, once there are as many as
    /// expected.
    pub(crate) async fn records(&self, query: &str, expected: usize) -> Vec<Value> {
        let token = self.token("ada", Role::Admin);
        eventually(&format!("{expected} records of {query}"), async || {
            let path = format!("/audit/records?order=asc&limit=1000&{query}");
            let page: Value = self
                .get(&path)
                .bearer_auth(&token)
                .send()
                .await
                .unwrap()
                .json()
                .await
                .unwrap();
            let records = page["records"]
                .as_array()
                .unwrap_or_else(|| panic!("no page: {page}"))
                .clone();
            (records.len() >= expected).then_some(records)
        })
        .await
    }
}

impl Drop for TestService {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Checks that a response is a problem document with this status and code.
#[track_caller]
pub(crate) fn assert_problem(status: u16, code: &str, answer: &Answer) {
    assert_eq!(answer.status, status, "{}", answer.body);
    assert_eq!(
        answer.media_type, "application/problem+json",
        "{}",
        answer.body
    );
    assert_eq!(answer.body["code"], code, "{}", answer.body);
    assert_eq!(answer.body["status"], status);
    assert_eq!(answer.body["type"], format!("urn:problem-type:{code}"));
    assert!(answer.body["detail"].as_str().unwrap().len() > 10);
    assert!(!answer.request_id.is_empty());
}

/// The parts of a response that the tests look at.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) media_type: String,
    pub(crate) request_id: String,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) async fn of(request: RequestBuilder) -> Self {
        Self::read(request.send().await.unwrap()).await
    }

    async fn read(response: Response) -> Self {
        let header = |name: &str| {
            let value = response.headers().get(name);
            value.map_or(String::new(), |value| value.to_str().unwrap().to_owned())
        };
        Self {
            status: response.status().as_u16(),
            media_type: header("content-type"),
            request_id: header("x-request-id"),
            body: response.json().await.unwrap_or(Value::Null),
        }
    }
}
