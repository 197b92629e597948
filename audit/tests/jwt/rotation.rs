//! Keys that change while they are in use.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use audit::jwt::{Algorithm, Jwt, KeySet, Keys};

use super::authenticate;
use super::issuer::{AUDIENCE, ISSUER, Signer, claims, jwks};

fn published(signers: &[&Signer]) -> KeySet {
    let keys: Vec<_> = signers.iter().map(|signer| signer.jwk()).collect();
    KeySet::from_jwks(&jwks(&keys), &[Algorithm::EdDSA]).unwrap()
}

#[test]
fn an_issuer_changes_its_key_without_a_good_token_being_refused() {
    let (old, new) = (Signer::eddsa("2026-10"), Signer::eddsa("2026-11"));
    let keys = Keys::from(published(&[&old]));
    let looked_for = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&looked_for);
    let jwt = Jwt::new(keys.clone(), ISSUER, AUDIENCE).on_unknown_key(move || {
        count.fetch_add(1, Ordering::Relaxed);
    });
    let answer = |signer: &Signer| authenticate(&jwt, &signer.token(&claims())).map(|_| ());

    assert_eq!(answer(&old), Ok(()));
    assert_eq!(answer(&new), Err("invalid_credentials"));
    assert_eq!(looked_for.load(Ordering::Relaxed), 1);

    keys.replace(published(&[&old, &new]));
    assert_eq!((answer(&old), answer(&new)), (Ok(()), Ok(())));

    keys.replace(published(&[&new]));
    assert_eq!(answer(&old), Err("invalid_credentials"));
    assert_eq!(answer(&new), Ok(()));
    assert_eq!(looked_for.load(Ordering::Relaxed), 2);
}

#[test]
fn only_a_name_that_no_key_has_makes_a_new_key_looked_for() {
    let (known, forger) = (Signer::eddsa("known"), Signer::eddsa("known"));
    let looked_for = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&looked_for);
    let jwt = Jwt::new(published(&[&known]), ISSUER, AUDIENCE).on_unknown_key(move || {
        count.fetch_add(1, Ordering::Relaxed);
    });
    for token in [
        forger.token(&claims()),
        forger.token_of(r#"{"alg":"EdDSA"}"#, &claims().to_string()),
        forger.token_of(r#"{"alg":"ES256","kid":"known"}"#, &claims().to_string()),
        forger.token_of(r#"{"alg":"none","kid":"unknown"}"#, &claims().to_string()),
        forger.token_of(
            &format!(r#"{{"alg":"EdDSA","kid":"{}"}}"#, "k".repeat(300)),
            &claims().to_string(),
        ),
    ] {
        assert_eq!(authenticate(&jwt, &token), Err("invalid_credentials"));
    }
    assert_eq!(looked_for.load(Ordering::Relaxed), 0);
}

#[test]
fn until_keys_have_come_a_token_is_neither_good_nor_bad() {
    let keys = Keys::default();
    let jwt = Jwt::new(keys.clone(), ISSUER, AUDIENCE);
    let signer = Signer::eddsa("first");
    assert!(!keys.are_there());
    assert_eq!(
        authenticate(&jwt, &signer.token(&claims())),
        Err("authentication_unavailable")
    );
    assert_eq!(authenticate(&jwt, "no token"), Err("invalid_credentials"));
    keys.replace(published(&[&signer]));
    assert!(authenticate(&jwt, &signer.token(&claims())).is_ok());
}

#[test]
fn several_public_keys_in_one_pem_are_all_in_force() {
    let (old, new) = (Signer::es256("old"), Signer::es256("new"));
    let pem = format!("the old one\n{}\nthe new one\n{}", old.pem(), new.pem());
    let keys = KeySet::public_keys(&pem, Algorithm::ES256).unwrap();
    assert_eq!(keys.count(), 2);
    let jwt = Jwt::new(keys, ISSUER, AUDIENCE);
    for signer in [&old, &new] {
        assert!(authenticate(&jwt, &signer.token(&claims())).is_ok());
    }
    let stranger = Signer::es256("old");
    assert!(authenticate(&jwt, &stranger.token(&claims())).is_err());
}

#[test]
fn a_key_that_stays_is_accepted_while_others_come_and_go() {
    let (stays, goes) = (Signer::eddsa("stays"), Signer::eddsa("goes"));
    let keys = Keys::from(published(&[&stays]));
    let jwt = Jwt::new(keys.clone(), ISSUER, AUDIENCE);
    let token = stays.token(&claims());
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..200 {
                keys.replace(published(&[&stays, &goes]));
                keys.replace(published(&[&goes, &stays]));
            }
            is_done.store(true, Ordering::Release);
        });
        scope.spawn(|| {
            while !is_done.load(Ordering::Acquire) {
                assert!(authenticate(&jwt, &token).is_ok());
            }
        });
    });
}
