//! Tokens of an issuer somewhere else, whose keys are published in a JWKS.

use std::num::NonZeroU32;
use std::time::Duration;

use audit::testing::eventually;
use items_api::auth::{self, AuthError, Role};
use items_api::config::{JwtAlgorithm, Options};
use reqwest::StatusCode;
use serde_json::json;

use crate::harness::{Answer, TestService, assert_problem};
use crate::issuer::{Publisher, Signer, jwks};

fn following(jwks: &str, refresh_s: u32) -> Options {
    Options {
        jwt_jwks: Some(jwks.to_owned()),
        jwt_jwks_refresh_s: NonZeroU32::new(refresh_s),
        jwt_algorithm: Some(JwtAlgorithm::Eddsa),
        ..Options::default()
    }
}

async fn status(service: &TestService, signer: &Signer) -> u16 {
    let token = signer.token("alice", "user");
    let answer = Answer::of(service.get("/items/").bearer_auth(token)).await;
    answer.status
}

async fn becomes(expected: u16, service: &TestService, signer: &Signer) {
    eventually(&format!("{expected} for a token"), async || {
        (status(service, signer).await == expected).then_some(())
    })
    .await;
}

#[actix_web::test]
async fn a_service_without_keys_listens_says_so_and_is_ready_when_they_come() {
    let publisher = Publisher::start();
    let service = TestService::listen_with(following(&publisher.url(), 3_600)).await;
    let signer = Signer::new("first");

    assert_problem(
        503,
        "not_ready",
        &Answer::of(service.get("/health/ready")).await,
    );
    let kettle = || service.post("/items/").json(&json!({ "name": "Kettle" }));
    assert_problem(401, "missing_credentials", &Answer::of(kettle()).await);
    let token = signer.token("alice", "user");
    let response = kettle().bearer_auth(&token).send().await.unwrap();
    assert!(response.headers().contains_key("retry-after"));
    assert_problem(
        503,
        "authentication_unavailable",
        &Answer::of(kettle().bearer_auth(&token)).await,
    );

    publisher.publish(&jwks(&[&signer]));
    service.is_ready().await;
    assert_eq!(Answer::of(kettle().bearer_auth(&token)).await.status, 201);

    let admin = signer.token("ada", "admin");
    let path = "/audit/records?action=create_item&order=asc";
    let records = eventually("four records", async || {
        let page = Answer::of(service.get(path).bearer_auth(&admin)).await;
        let records = page.body["records"].as_array()?.clone();
        (records.len() == 4).then_some(records)
    })
    .await;
    let told: Vec<_> = records
        .iter()
        .map(|record| {
            (
                record["outcome"].as_str().unwrap(),
                record["reason"].as_str(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("denied", Some("missing_credentials")),
            ("failed", Some("authentication_unavailable")),
            ("failed", Some("authentication_unavailable")),
            ("success", None),
        ]
    );
    let text = serde_json::to_string(&records).unwrap();
    assert!(
        text.contains("sha256:"),
        "a token without an id is told by its hash"
    );
    for part in token.split('.') {
        assert!(!text.contains(part));
    }
}

#[actix_web::test]
async fn a_new_key_is_fetched_as_soon_as_a_token_names_it() {
    let publisher = Publisher::start();
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    publisher.publish(&jwks(&[&old]));
    // The next regular reading would be in an hour.
    let service = TestService::start_with(following(&publisher.url(), 3_600)).await;
    assert_eq!(status(&service, &old).await, 200);
    publisher.publish(&jwks(&[&old, &new]));
    assert_eq!(
        status(&service, &new).await,
        401,
        "nobody waits for the issuer"
    );
    becomes(200, &service, &new).await;
    assert_eq!(status(&service, &old).await, 200);
}

#[actix_web::test]
async fn a_key_that_is_published_no_longer_is_accepted_no_longer() {
    let publisher = Publisher::start();
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    publisher.publish(&jwks(&[&old, &new]));
    let service = TestService::start_with(following(&publisher.url(), 1)).await;
    assert_eq!(status(&service, &old).await, 200);
    publisher.publish(&jwks(&[&new]));
    becomes(401, &service, &old).await;
    assert_eq!(status(&service, &new).await, 200);
}

#[actix_web::test]
async fn bad_documents_and_redirects_change_no_keys_and_show_in_the_metrics() {
    let publisher = Publisher::start();
    let elsewhere = Publisher::start();
    let (known, other) = (Signer::new("known"), Signer::new("other"));
    publisher.publish(&jwks(&[&known]));
    elsewhere.publish(&jwks(&[&other]));
    let service = TestService::start_with(following(&publisher.url(), 1)).await;
    let metric = async |name: &str| {
        let response = service.get("/metrics").send().await.unwrap();
        let text = response.text().await.unwrap();
        let line = text.lines().find(|line| line.starts_with(name));
        let value = line.unwrap_or_else(|| panic!("no {name}: {text}"));
        value.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()
    };
    let too_long = format!("{}{}", jwks(&[&other]), " ".repeat(300 * 1024));
    let mistakes: [&dyn Fn(); 3] = [
        &|| publisher.publish("<html>"),
        &|| publisher.redirect_to(&elsewhere.url()),
        &|| publisher.publish(&too_long),
    ];
    for mistake in mistakes {
        let failures = metric("items_api_jwks_failures_total").await;
        mistake();
        eventually("a failed reading", async || {
            (metric("items_api_jwks_failures_total").await > failures + 1.0).then_some(())
        })
        .await;
        assert_eq!(status(&service, &known).await, 200);
        assert_eq!(status(&service, &other).await, 401);
    }
    assert!(metric("items_api_jwks_age_seconds").await > 0.5);
    assert!((metric("items_api_jwks_keys").await - 1.0).abs() < f64::EPSILON);
    let ready = service.get("/health/ready").send().await.unwrap();
    assert_eq!(
        ready.status(),
        StatusCode::OK,
        "the last keys are good enough"
    );
}

#[actix_web::test]
async fn keys_in_a_file_are_followed_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwks.json");
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    let service = TestService::listen_with(following(path.to_str().unwrap(), 1)).await;
    std::fs::write(&path, jwks(&[&old])).unwrap();
    service.is_ready().await;
    assert_eq!(status(&service, &old).await, 200);
    // As it should be done: whoever reads sees the old file or the new one.
    let draft = folder.path().join("draft.json");
    std::fs::write(&draft, jwks(&[&new])).unwrap();
    std::fs::rename(&draft, &path).unwrap();
    becomes(200, &service, &new).await;
    assert_eq!(status(&service, &old).await, 401);
}

#[test]
fn a_service_whose_tokens_are_signed_elsewhere_makes_none() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = [
        following("https://issuer.example/jwks.json", 300),
        Options {
            jwt_public_key: Some("key.pem".into()),
            ..Options::default()
        },
    ];
    for options in elsewhere {
        let config = options.resolve().unwrap();
        let lifetime = Duration::from_secs(60);
        let token = auth::mint(&config.jwt, folder.path(), "alice", &[Role::User], lifetime);
        assert!(matches!(token, Err(AuthError::SignedElsewhere)));
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
