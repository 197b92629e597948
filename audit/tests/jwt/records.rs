//! What a token leaves in the trail: its name, and never itself.

use actix_web::http::header::AUTHORIZATION;
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::{App, HttpResponse, web};
use audit::jwt::{Algorithm, Jwt, KeySet, Keys};
use audit::testing::{Recorded, Recorder};
use audit::{Actor, Outcome, audited};
use serde_json::{Value, json};

use super::issuer::{AUDIENCE, ISSUER, Signer, claims, jwks};

#[audited(action = "create_order")]
async fn create_order(_: Actor) -> HttpResponse {
    HttpResponse::Created().finish()
}

/// The record of a request with this token.
async fn record(keys: impl Into<Keys>, token: &str) -> Recorded {
    let recorder = Recorder::builder()
        .authenticate(Jwt::new(keys, ISSUER, AUDIENCE))
        .start();
    let app = App::new()
        .app_data(recorder.audit())
        .route("/orders", web::post().to(create_order));
    let request = TestRequest::post()
        .uri("/orders")
        .insert_header((AUTHORIZATION, format!("Bearer {token}")));
    call_service(&init_service(app).await, request.to_request()).await;
    recorder.only("create_order")
}

fn published(signer: &Signer) -> KeySet {
    KeySet::from_jwks(&jwks(&[signer.jwk()]), &[Algorithm::EdDSA]).unwrap()
}

fn nothing_of(token: &str, record: &Recorded) {
    for part in token.split('.') {
        record.without(part);
    }
}

#[actix_web::test]
async fn a_refused_token_leaves_a_denial_by_nobody_and_no_trace_of_itself() {
    let (signer, forger) = (Signer::eddsa("ed"), Signer::eddsa("ed"));
    let mut expired = claims();
    expired["exp"] = json!(1_000);
    for (token, reason) in [
        (forger.token(&claims()), "invalid_credentials"),
        (signer.token(&expired), "expired_credentials"),
    ] {
        let record = record(published(&signer), &token).await;
        record.denied(reason).by_nobody();
        record.with("/actor/credential", Value::Null);
        record.without("alice").without("token-1");
        nothing_of(&token, &record);
    }
}

#[actix_web::test]
async fn a_request_before_there_are_keys_failed_and_was_not_denied() {
    let token = Signer::eddsa("ed").token(&claims());
    let record = record(Keys::default(), &token).await;
    record
        .ended(Outcome::Failed)
        .because("authentication_unavailable")
        .by_nobody();
    nothing_of(&token, &record);
}

#[actix_web::test]
async fn a_token_is_recorded_by_its_id() {
    let signer = Signer::eddsa("ed");
    let token = signer.token(&claims());
    let record = record(published(&signer), &token).await;
    record.succeeded().by("alice");
    record.with("/actor/credential", "token-1");
    nothing_of(&token, &record);
}

#[actix_web::test]
async fn a_token_without_an_id_is_recorded_by_a_hash_of_all_of_it() {
    let signer = Signer::eddsa("ed");
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove("jti");
    let mut names = Vec::new();
    for subject in ["alice", "alice", "bob"] {
        claims["sub"] = json!(subject);
        let token = signer.token(&claims);
        let record = record(published(&signer), &token).await;
        nothing_of(&token, &record);
        let name = record.json()["actor"]["credential"].clone();
        let name = name.as_str().unwrap().to_owned();
        assert_eq!(name.len(), "sha256:".len() + 43, "{name}");
        assert!(name.starts_with("sha256:"));
        names.push(name);
    }
    assert_eq!(names[0], names[1], "one token has one name");
    assert_ne!(names[1], names[2]);
}
