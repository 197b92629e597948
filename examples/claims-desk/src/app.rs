//! The claims desk as a value: what it is made of, and its routes.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use actix_web::App;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::middleware::from_fn;
use actix_web::web::{Data, JsonConfig, PathConfig};
use audit::redact::{HashKey, Redactor, WeakKey};
use audit::{Audit, request_id};

use crate::claims::Folder;
use crate::{Database, Error, auth, claims, keys};

/// How long a process that stops waits for its records to reach Postgres.
const DRAIN: Duration = Duration::from_secs(10);

/// What every command needs to know.
#[derive(clap::Args)]
pub struct Settings {
    /// The Postgres of the claims and the audit trail, as a libpq connection string; its tables
    /// are made and kept up to date
    #[arg(long, value_name = "URL", env, hide_env_values = true)]
    pub database_url: String,
    /// Where evidence is kept, and audit records until they are in Postgres
    #[arg(
        long,
        value_name = "FOLDER",
        env = "CLAIMS_DESK_DATA_DIR",
        default_value = "data/claims-desk"
    )]
    pub data_dir: PathBuf,
    /// At least 32 random characters (`openssl rand -hex 32`), under which records hash e-mail
    /// addresses; without them they are hidden altogether
    #[arg(
        long,
        value_name = "SECRET",
        env = "CLAIMS_DESK_HASH_KEY",
        hide_env_values = true
    )]
    pub hash_key: Option<String>,
}

/// Why a claims desk cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The data folder cannot be used.
    #[error("cannot use the data folder: {0}")]
    DataDir(#[from] io::Error),
    /// The key for hashes is too short.
    #[error(transparent)]
    HashKey(#[from] WeakKey),
    /// Postgres is not as it must be.
    #[error(transparent)]
    Migrate(#[from] audit::MigrateError),
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] audit::OpenError),
}

/// What the handlers and commands share.
#[derive(Clone)]
pub struct Desk {
    /// The audit trail.
    pub audit: Audit,
    /// The claims.
    pub database: Database,
    folder: Folder,
}

impl Desk {
    /// Brings the database up to date and starts the audit trail of one process,
    /// whose journal is named after what it does: no two may share one. It blocks.
    ///
    /// # Errors
    ///
    /// When Postgres or the data folder cannot be used.
    pub fn open(settings: &Settings, process: &str) -> Result<Self, OpenError> {
        Database::new(&settings.database_url).migrate()?;
        let mut redactor = Redactor::default();
        if let Some(key) = &settings.hash_key {
            redactor = redactor.with_hash_key(HashKey::new(key.as_bytes())?);
        }
        let journal = settings.data_dir.join("journal").join(process);
        let audit = Audit::builder("claims-desk", &settings.database_url, journal)
            .redactor(redactor)
            .start()?;
        Ok(Self::with(audit, settings)?)
    }

    fn with(audit: Audit, settings: &Settings) -> io::Result<Self> {
        let folder = settings.data_dir.join("evidence");
        std::fs::create_dir_all(&folder)?;
        Ok(Self {
            audit,
            database: Database::new(&settings.database_url),
            folder: Folder(folder),
        })
    }

    /// Waits for the records to reach Postgres. What has not in time waits in the
    /// journal for the next process of that name. It blocks.
    pub fn close(&self) {
        match self.audit.drain(DRAIN) {
            0 => {}
            left => tracing::warn!(left, "audit records wait in the journal for the next start"),
        }
    }
}

/// The app, with all its routes.
pub fn app(
    desk: Desk,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody>,
        Error = actix_web::Error,
        InitError = (),
    >,
> {
    App::new()
        .app_data(desk.audit)
        .app_data(Data::new(desk.database))
        .app_data(Data::new(desk.folder))
        .app_data(
            JsonConfig::default()
                .error_handler(|error, _| Error::Invalid(error.to_string()).into()),
        )
        .app_data(PathConfig::default().error_handler(|_, _| Error::ClaimNotFound.into()))
        .service(keys::issue_key)
        .configure(claims::configure)
        .configure(audit::routes::configure)
        .wrap(from_fn(auth::middleware))
        .wrap(from_fn(request_id::middleware))
}

#[cfg(test)]
mod tests {
    use actix_web::test::{TestRequest, call_service, init_service};
    use audit::Actor;
    use audit::testing::{Recorder, RouteCoverage};
    use serde_json::json;

    use super::*;

    const KEY: [u8; 32] = [b'k'; 32];

    /// A recorder by whose word every request comes from this actor, so that no key
    /// has to be looked up.
    fn recorder(actor: &str, role: &str) -> Recorder {
        Recorder::builder()
            .redactor(redactor())
            .actor(Actor {
                roles: vec![role.to_owned()],
                ..Actor::user(actor, "test")
            })
            .start()
    }

    fn redactor() -> Redactor {
        Redactor::default().with_hash_key(HashKey::new(&KEY).unwrap())
    }

    fn desk(recorder: &Recorder) -> Desk {
        let settings = Settings {
            database_url: "postgresql:///nowhere?host=/nonexistent".to_owned(),
            data_dir: std::env::temp_dir().join("claims-desk-tests"),
            hash_key: None,
        };
        Desk::with(recorder.audit(), &settings).unwrap()
    }

    #[actix_web::test]
    async fn no_route_that_changes_something_goes_without_a_record() {
        let recorder = Recorder::default();
        let app = init_service(app(desk(&recorder))).await;
        let routes = RouteCoverage::new()
            .exempt(
                "POST",
                "/claims/search",
                "it only reads: an e-mail address belongs into no URL, so the query is a body",
            )
            .check(&recorder, &app)
            .await;
        let actions: Vec<&str> = routes.iter().map(|route| route.action.as_str()).collect();
        assert_eq!(
            actions,
            [
                "sign_out_of_audit",
                "sign_in_to_audit",
                "file_claim",
                "upload_evidence",
                "issue_key",
                "decide_claim"
            ]
        );
    }

    #[actix_web::test]
    async fn a_claim_is_recorded_as_its_policy_holder_may_be_shown() {
        let recorder = recorder("carla", "customer");
        let app = init_service(app(desk(&recorder))).await;
        let request = TestRequest::post().uri("/claims").set_json(json!({
            "policy": "H-2041",
            "policy_holder": {
                "tax_number": "12 345 678 901",
                "iban": "DE02120300000000202051",
                "email": "carla@example.com",
            },
            "amount_cents": 0,
            "description": "A burst pipe",
        }));
        call_service(&app, request.to_request()).await;

        recorder
            .only("file_claim")
            .ended(audit::Outcome::Rejected)
            .because("invalid_request")
            .by("carla")
            .with_request(json!({
                "policy": "H-2041",
                "policy_holder": {
                    "tax_number": "[REDACTED]",
                    "iban": "****2051",
                    "email": redactor().hash("carla@example.com"),
                },
                "amount_cents": 0,
                "description": "A burst pipe",
            }))
            .without("12 345 678 901")
            .without("DE02120300000000202051")
            .without("carla@example.com");
    }

    #[actix_web::test]
    async fn customers_decide_nothing_and_their_attempt_is_recorded() {
        let recorder = recorder("carla", "customer");
        let app = init_service(app(desk(&recorder))).await;
        let request = TestRequest::put()
            .uri("/claims/0191d2a4-0000-7000-8000-000000000000/decision")
            .set_json(json!({ "verdict": "approved", "reason": "I need it" }));
        let response = call_service(&app, request.to_request()).await;
        assert_eq!(response.status(), 403);

        recorder
            .only("decide_claim")
            .denied("wrong_role")
            .by("carla")
            .with("/request", json!(null));
    }

    #[actix_web::test]
    async fn whoever_has_no_key_is_nobody() {
        let recorder = Recorder::default();
        let app = init_service(app(desk(&recorder))).await;
        call_service(&app, TestRequest::post().uri("/keys").to_request()).await;

        recorder
            .only("issue_key")
            .denied("key_required")
            .by_nobody();
    }
}
