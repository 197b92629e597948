//! No token is accepted but the one that was signed.

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex};

use actix_web::http::header::HeaderValue;
use actix_web::test::TestRequest;
use audit::Authenticate as _;
use audit::jwt::{Algorithm, Jwt, KeySet};
use jsonwebtoken::{EncodingKey, Header};
use serde_json::json;

use crate::input::Input;
use crate::time::linear;

const SECRET: [u8; 32] = [7; 32];
const KEYS_MAX: usize = 32;

/// The only good token.
static GOOD: LazyLock<String> = LazyLock::new(|| {
    let claims = json!({
        "iss": "issuer",
        "aud": "items",
        "sub": "alice",
        "exp": 253_402_300_799_u64,
    });
    jsonwebtoken::encode(
        &Header::default(),
        &claims,
        &EncodingKey::from_secret(&SECRET),
    )
    .expect("a token")
});

/// Of one shared secret, and of public keys with and without ids.
static DOORS: LazyLock<[Jwt; 2]> = LazyLock::new(|| {
    let published = json!({"keys": [
        {"kty": "OKP", "crv": "Ed25519", "kid": "1", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
        {"kty": "EC", "crv": "P-256",
         "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
         "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"},
    ]});
    let algorithms = [Algorithm::EdDSA, Algorithm::ES256];
    let published = KeySet::from_jwks(published.to_string().as_bytes(), &algorithms);
    [
        KeySet::hs256(&SECRET).expect("a secret"),
        published.expect("public keys"),
    ]
    .map(|keys| Jwt::new(keys, "issuer", "items"))
});

/// What each kind of refusal said first. Who says the same to everybody repeats nothing
/// of a token.
static REFUSALS: Mutex<BTreeMap<&str, String>> = Mutex::new(BTreeMap::new());

/// Sends the input as a token, or as a whole header, or publishes it as keys.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    match input.choose(&['t', 'h', 'k']) {
        't' => ask([b"Bearer ", input.rest()].concat()),
        'h' => ask(input.rest().to_vec()),
        _ => publish(input.rest()),
    }
}

fn ask(header: Vec<u8>) {
    let Ok(value) = HeaderValue::from_bytes(&header) else {
        return;
    };
    let request = TestRequest::default()
        .insert_header(("authorization", value))
        .to_http_request();
    for jwt in DOORS.iter() {
        match linear(header.len(), || jwt.authenticate(&request)) {
            Ok(actor) => {
                let (_, token) = header.split_at_checked("bearer ".len()).expect("a scheme");
                assert_eq!(
                    token.trim_ascii(),
                    GOOD.as_bytes(),
                    "{actor:?} speaks with a token that nobody signed"
                );
            }
            Err(problem) => {
                assert_eq!(problem.kind().status().as_u16(), 401);
                let said = problem.to_string();
                let mut refusals = REFUSALS.lock().expect("nobody panics with it");
                let first = refusals
                    .entry(problem.kind().code())
                    .or_insert(said.clone());
                assert!(*first == said, "a refusal depends on the token: {said}");
            }
        }
    }
}

fn publish(jwks: &[u8]) {
    let algorithms = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];
    if let Ok(keys) = linear(jwks.len(), || KeySet::from_jwks(jwks, &algorithms)) {
        assert!((1..=KEYS_MAX).contains(&keys.count()), "{}", keys.count());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Otherwise a target that refuses everything would pass.
    #[test]
    fn the_good_token_is_accepted() {
        println!("{}", *GOOD);
        let request = TestRequest::default()
            .insert_header(("authorization", format!("Bearer {}", *GOOD)))
            .to_http_request();
        assert!(DOORS[0].authenticate(&request).is_ok());
        assert!(DOORS[1].authenticate(&request).is_err());
    }
}
