//! Tokens that are signed elsewhere, checked by a public key.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, and so do its helpers"
)]

use actix_web::HttpRequest;
use actix_web::http::header::AUTHORIZATION;
use actix_web::test::TestRequest;
use audit::Authenticate as _;
use audit::jwt::{Audience, Claims, Jwt};
use jsonwebtoken::{Algorithm, EncodingKey, Header};

const RS256: (&[u8], &[u8]) = (
    include_bytes!("keys/rs256.private.pem"),
    include_bytes!("keys/rs256.public.pem"),
);
const ES256: (&[u8], &[u8]) = (
    include_bytes!("keys/es256.private.pem"),
    include_bytes!("keys/es256.public.pem"),
);
const EDDSA: (&[u8], &[u8]) = (
    include_bytes!("keys/eddsa.private.pem"),
    include_bytes!("keys/eddsa.public.pem"),
);

fn claims() -> Claims {
    Claims {
        sub: "alice".into(),
        roles: vec!["user".into()],
        jti: Some("token-1".into()),
        iss: "issuer".into(),
        aud: Audience::Several(vec!["other".into(), "tests".into()]),
        iat: None,
        exp: 4_000_000_000,
    }
}

fn request(algorithm: Algorithm, key: &EncodingKey, claims: &Claims) -> HttpRequest {
    let token = jsonwebtoken::encode(&Header::new(algorithm), claims, key).unwrap();
    TestRequest::default()
        .insert_header((AUTHORIZATION, format!("Bearer {token}")))
        .to_http_request()
}

fn private_key(algorithm: Algorithm, pem: &[u8]) -> EncodingKey {
    match algorithm {
        Algorithm::RS256 => EncodingKey::from_rsa_pem(pem),
        Algorithm::ES256 => EncodingKey::from_ec_pem(pem),
        _ => EncodingKey::from_ed_pem(pem),
    }
    .unwrap()
}

fn checks(algorithm: Algorithm, public_pem: &[u8]) -> Jwt {
    Jwt::public_key(public_pem, algorithm, "issuer", "tests").unwrap()
}

#[test]
fn a_token_of_the_private_half_is_accepted_and_recorded_by_its_id() {
    for (algorithm, (private, public)) in [
        (Algorithm::RS256, RS256),
        (Algorithm::ES256, ES256),
        (Algorithm::EdDSA, EDDSA),
    ] {
        let request = request(algorithm, &private_key(algorithm, private), &claims());
        let actor = checks(algorithm, public).authenticate(&request).unwrap();
        assert_eq!(actor.id.as_deref(), Some("alice"));
        assert_eq!(actor.roles, ["user"]);
        assert_eq!(
            (actor.auth.as_deref(), actor.credential.as_deref()),
            (Some("jwt"), Some("token-1"))
        );
    }
}

#[test]
fn the_key_fixes_the_algorithm_and_not_the_token() {
    // The classic confusion: the public key, known to all, taken for a secret.
    let forged = request(
        Algorithm::HS256,
        &EncodingKey::from_secret(RS256.1),
        &claims(),
    );
    let refused = checks(Algorithm::RS256, RS256.1)
        .authenticate(&forged)
        .unwrap_err();
    assert_eq!(refused.kind().code(), "invalid_credentials");
    let other = request(
        Algorithm::EdDSA,
        &private_key(Algorithm::EdDSA, EDDSA.0),
        &claims(),
    );
    assert!(
        checks(Algorithm::ES256, ES256.1)
            .authenticate(&other)
            .is_err()
    );
}

#[test]
fn what_a_token_must_say_is_checked() {
    type Change = fn(&mut Claims);
    let changes: [(Change, &str); 5] = [
        (
            |claims| claims.iss = "somebody".into(),
            "invalid_credentials",
        ),
        (
            |claims| claims.aud = Audience::One("others".into()),
            "invalid_credentials",
        ),
        (|claims| claims.exp = 1_000, "expired_credentials"),
        (|claims| claims.sub = String::new(), "invalid_credentials"),
        (
            |claims| claims.sub = "alice\n2026-11-24 ERROR forged".into(),
            "invalid_credentials",
        ),
    ];
    for (change, code) in changes {
        let mut claims = claims();
        change(&mut claims);
        let request = request(
            Algorithm::EdDSA,
            &private_key(Algorithm::EdDSA, EDDSA.0),
            &claims,
        );
        let refused = checks(Algorithm::EdDSA, EDDSA.1)
            .authenticate(&request)
            .unwrap_err();
        assert_eq!(refused.kind().code(), code, "{claims:?}");
    }
}

#[test]
fn keys_that_would_protect_nothing_are_refused() {
    assert!(Jwt::hs256(b"short", "issuer", "tests").is_err());
    assert!(Jwt::public_key(b"no pem", Algorithm::RS256, "issuer", "tests").is_err());
    assert!(Jwt::public_key(ES256.1, Algorithm::HS256, "issuer", "tests").is_err());
}
