//! Which keys are taken from a document, and which protect nothing.

use audit::jwt::{Algorithm, JWKS_BYTES_MAX, JwksError, Jwt, KeyError, KeySet};
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use serde_json::{Value, json};

use super::authenticate;
use super::issuer::{AUDIENCE, ISSUER, Signer, claims, encode, jwks, pem};

const ALL: [Algorithm; 3] = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];

fn with(mut jwk: Value, name: &str, value: impl Into<Value>) -> Value {
    jwk[name] = value.into();
    jwk
}

fn without(mut jwk: Value, names: &[&str]) -> Value {
    for name in names {
        jwk.as_object_mut().unwrap().remove(*name);
    }
    jwk
}

#[test]
fn a_key_is_used_for_what_it_is_published_for_and_nothing_else() {
    let (rs, es, ed) = (
        Signer::rs256("rs"),
        Signer::es256("es"),
        Signer::eddsa("ed"),
    );
    let neighbour = Signer::eddsa("neighbour");
    let zeros = |count| encode(vec![0; count]);
    let used = [
        ("RSA as published", rs.jwk()),
        ("EC as published", es.jwk()),
        ("OKP as published", ed.jwk()),
        (
            "no alg, use or kid",
            without(ed.jwk(), &["alg", "use", "kid"]),
        ),
        (
            "key_ops verify",
            with(ed.jwk(), "key_ops", json!(["verify"])),
        ),
        ("members that nobody knows", with(ed.jwk(), "x5t", "abc")),
    ];
    let left_out = [
        ("oct", Signer::hs256(&[7; 64]).jwk()),
        (
            "oct that says ES256",
            with(Signer::hs256(&[7; 64]).jwk(), "alg", "ES256"),
        ),
        ("a private key", with(ed.jwk(), "d", zeros(32))),
        ("a private RSA key", with(rs.jwk(), "d", zeros(256))),
        ("RSA that says HS256", with(rs.jwk(), "alg", "HS256")),
        ("RSA that says PS256", with(rs.jwk(), "alg", "PS256")),
        ("RSA that says none", with(rs.jwk(), "alg", "none")),
        ("EC that says EdDSA", with(es.jwk(), "alg", "EdDSA")),
        ("OKP that says ES256", with(ed.jwk(), "alg", "ES256")),
        ("EC that says it is RSA", with(es.jwk(), "kty", "RSA")),
        ("OKP that says it is EC", with(ed.jwk(), "kty", "EC")),
        ("kty in lower case", with(rs.jwk(), "kty", "rsa")),
        ("no kty", without(rs.jwk(), &["kty"])),
        ("kty unknown", with(rs.jwk(), "kty", "LWE")),
        ("for encryption", with(rs.jwk(), "use", "enc")),
        (
            "for signing only",
            with(rs.jwk(), "key_ops", json!(["sign"])),
        ),
        ("for nothing", with(rs.jwk(), "key_ops", json!([]))),
        (
            "for verifying, but use enc",
            with(with(rs.jwk(), "key_ops", json!(["verify"])), "use", "enc"),
        ),
        ("key_ops a text", with(rs.jwk(), "key_ops", "verify")),
        ("another curve", with(es.jwk(), "crv", "P-384")),
        ("X25519", with(ed.jwk(), "crv", "X25519")),
        ("no curve", without(es.jwk(), &["crv"])),
        ("no y", without(es.jwk(), &["y"])),
        ("no point of the curve", with(es.jwk(), "y", zeros(32))),
        (
            "the point at infinity",
            with(with(es.jwk(), "x", zeros(32)), "y", zeros(32)),
        ),
        ("x too long", with(es.jwk(), "x", zeros(33))),
        ("x too short", with(ed.jwk(), "x", zeros(31))),
        ("x not base64url", with(ed.jwk(), "x", "+/+/")),
        (
            "x padded",
            with(
                ed.jwk(),
                "x",
                format!("{}=", ed.jwk()["x"].as_str().unwrap()),
            ),
        ),
        ("no x", without(ed.jwk(), &["x"])),
        ("RSA of 1024 bits", with(rs.jwk(), "n", encode([0xc1; 128]))),
        ("RSA of 2040 bits", with(rs.jwk(), "n", encode([0xc1; 255]))),
        (
            "RSA of 16384 bits",
            with(rs.jwk(), "n", encode(vec![0xc1; 2_048])),
        ),
        ("RSA, n is even", with(rs.jwk(), "n", encode([0xc0; 256]))),
        ("RSA, n is empty", with(rs.jwk(), "n", "")),
        (
            "RSA, e is 1: every message is its own signature",
            with(rs.jwk(), "e", encode([1])),
        ),
        ("RSA, e is even", with(rs.jwk(), "e", encode([2]))),
        ("RSA, e is huge", with(rs.jwk(), "e", encode([0xff; 64]))),
        ("RSA, no e", without(rs.jwk(), &["e"])),
        ("kid a number", with(ed.jwk(), "kid", 1)),
        ("kid overlong", with(ed.jwk(), "kid", "k".repeat(257))),
        ("a list", json!([])),
        ("null", Value::Null),
    ];
    let count = |jwk: &Value| {
        let document = jwks(&[neighbour.jwk(), jwk.clone()]);
        KeySet::from_jwks(&document, &ALL).unwrap().count() - 1
    };
    for (name, jwk) in used {
        assert_eq!(count(&jwk), 1, "{name}");
    }
    for (name, jwk) in left_out {
        assert_eq!(count(&jwk), 0, "{name}");
        let alone = KeySet::from_jwks(&jwks(&[jwk]), &ALL);
        assert!(matches!(alone, Err(JwksError::NoUsableKey(1, _))), "{name}");
    }
}

#[test]
fn the_configuration_and_not_the_document_says_which_algorithms_are_accepted() {
    let (es, ed) = (Signer::es256("es"), Signer::eddsa("ed"));
    let document = jwks(&[es.jwk(), ed.jwk()]);
    let jwt = |algorithm| {
        let keys = KeySet::from_jwks(&document, &[algorithm]).unwrap();
        Jwt::new(keys, ISSUER, AUDIENCE)
    };
    for (accepted, algorithm, refused) in
        [(&es, Algorithm::ES256, &ed), (&ed, Algorithm::EdDSA, &es)]
    {
        let jwt = jwt(algorithm);
        assert!(authenticate(&jwt, &accepted.token(&claims())).is_ok());
        assert!(authenticate(&jwt, &refused.token(&claims())).is_err());
    }
    let error = KeySet::from_jwks(&document, &[Algorithm::RS256, Algorithm::HS256]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "none of its 2 keys is a public key to check RS256 or HS256 signatures with"
    );
}

#[test]
fn a_key_whose_members_come_twice_is_not_guessed_at() {
    let ed = Signer::eddsa("ed");
    let twice = ed.jwk().to_string().replacen('{', r#"{"kid":"other","#, 1);
    let document = format!(r#"{{"keys":[{twice}]}}"#);
    assert!(matches!(
        KeySet::from_jwks(document.as_bytes(), &ALL),
        Err(JwksError::NoUsableKey(1, _))
    ));
}

#[test]
fn a_document_is_bounded_and_has_a_form() {
    let ed = Signer::eddsa("ed").jwk();
    let read = |document: &[u8]| KeySet::from_jwks(document, &ALL).map(|keys| keys.count());
    let mut padded = jwks(std::slice::from_ref(&ed));
    padded.resize(JWKS_BYTES_MAX, b' ');
    assert_eq!(read(&padded).unwrap(), 1);
    padded.push(b' ');
    assert!(matches!(read(&padded), Err(JwksError::TooLong(_))));
    assert_eq!(read(&jwks(&vec![ed.clone(); 32])).unwrap(), 32);
    assert!(matches!(
        read(&jwks(&vec![ed; 33])),
        Err(JwksError::TooManyKeys(33))
    ));
    for document in [
        "",
        "<html>",
        "null",
        "[]",
        "{}",
        r#"{"keys":{}}"#,
        r#"{"keys":null}"#,
        r#"{"keys":[],"keys":[]}"#,
        r#"{"keys":[{"kty":"RSA""#,
        "{\"keys\":[]}\u{0}",
    ] {
        let error = read(document.as_bytes()).unwrap_err();
        assert!(matches!(error, JwksError::Malformed { .. }), "{document}");
    }
    assert!(matches!(read(&[0xff]), Err(JwksError::Malformed { .. })));
    assert!(matches!(
        read(br#"{"keys":[]}"#),
        Err(JwksError::NoUsableKey(0, _))
    ));
    let deep = format!(
        r#"{{"keys":[{}{}]}}"#,
        "[".repeat(60_000),
        "]".repeat(60_000)
    );
    assert!(read(deep.as_bytes()).is_err());
}

/// RFC 8032 does not rule these keys out, and for the first of them a signature of
/// nothing but zeros and a one is good for every message.
#[test]
fn points_of_small_order_are_no_keys() {
    let point = |hex: &str| -> Vec<u8> {
        let digits = hex.as_bytes().chunks(2);
        digits
            .map(|digits| u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap())
            .collect()
    };
    let points = [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    ];
    for hex in points {
        let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(point(hex)) });
        let keys = KeySet::from_jwks(&jwks(&[jwk]), &ALL);
        assert!(matches!(keys, Err(JwksError::NoUsableKey(1, _))), "{hex}");
    }
    // That is no idle fear.
    let mut signature = [0; 64];
    signature[0] = 1;
    let neutral = UnparsedPublicKey::new(&ED25519, point(points[0]));
    assert!(neutral.verify(b"anything", &signature).is_ok());
}

#[test]
fn keys_that_would_protect_nothing_are_refused() {
    assert!(matches!(
        KeySet::hs256(&[7; 31]),
        Err(KeyError::TooShort(31))
    ));
    assert!(KeySet::hs256(&[7; 32]).is_ok());
    let (rs, es, ed) = (
        Signer::rs256("rs"),
        Signer::es256("es"),
        Signer::eddsa("ed"),
    );
    for (signer, own) in [(&rs, ALL[0]), (&es, ALL[1]), (&ed, ALL[2])] {
        for algorithm in ALL {
            let keys = KeySet::public_keys(&signer.pem(), algorithm);
            assert_eq!(
                keys.is_ok(),
                own == algorithm,
                "{} {algorithm:?}",
                signer.id
            );
        }
        for algorithm in [Algorithm::HS256, Algorithm::PS256, Algorithm::ES384] {
            assert!(matches!(
                KeySet::public_keys(&signer.pem(), algorithm),
                Err(KeyError::NotAccepted(_))
            ));
        }
    }
    let good = ed.pem();
    for (name, pem) in [
        ("nothing", String::new()),
        ("no PEM", "no pem".to_owned()),
        ("half of it", good[..60].to_owned()),
        ("rubbish", pem("PUBLIC KEY", &[7; 44])),
        (
            "a good one and half of one",
            format!("{good}{}", &good[..60]),
        ),
        ("a good one and another kind", format!("{good}{}", es.pem())),
    ] {
        assert!(
            KeySet::public_keys(&pem, Algorithm::EdDSA).is_err(),
            "{name}"
        );
    }
    assert!(matches!(
        KeySet::public_keys(&good.repeat(33), Algorithm::EdDSA),
        Err(KeyError::Count(33))
    ));
}

#[test]
fn what_is_shown_of_keys_is_what_is_public() {
    let secret = b"a secret of at least 32 bytes, for tests";
    let jwt = Jwt::new(KeySet::hs256(secret).unwrap(), ISSUER, AUDIENCE);
    assert_eq!(
        format!("{jwt:?}"),
        "Jwt { keys: Keys(Some([(HS256, None)])), .. }"
    );
}
