//! A corpus of tokens, each with its answer.

use std::sync::LazyLock;

use audit::Authenticate as _;
use audit::jwt::{Algorithm, Jwt, KeySet};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::issuer::{AUDIENCE, ISSUER, Signer, claims, encode, jwks, now};
use super::{authenticate, request};

const SECRET: &[u8] = b"a secret of at least 32 bytes, for tests";

/// An issuer with a key of each kind, another one whom nobody knows, and all ways of
/// checking tokens.
struct World {
    hs: Signer,
    rs: Signer,
    es: Signer,
    ed: Signer,
    stranger: Signer,
    /// Knows all public keys.
    jwks: Jwt,
    /// Each knows one key.
    single: Vec<Jwt>,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let hs = Signer::hs256(SECRET);
    let (rs, es, ed) = (
        Signer::rs256("rs"),
        Signer::es256("es"),
        Signer::eddsa("ed"),
    );
    let pem = |signer: &Signer, algorithm| KeySet::public_keys(&signer.pem(), algorithm).unwrap();
    let jwt = |keys: KeySet| Jwt::new(keys, ISSUER, AUDIENCE);
    World {
        jwks: jwt(KeySet::from_jwks(
            &jwks(&[rs.jwk(), es.jwk(), ed.jwk()]),
            &[Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA],
        )
        .unwrap()),
        single: vec![
            jwt(KeySet::hs256(SECRET).unwrap()),
            jwt(pem(&rs, Algorithm::RS256)),
            jwt(pem(&es, Algorithm::ES256)),
            jwt(pem(&ed, Algorithm::EdDSA)),
        ],
        hs,
        rs,
        es,
        ed,
        stranger: Signer::eddsa("ed"),
    }
});

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Accepted,
    Invalid,
    Expired,
    Missing,
}
use Answer::{Accepted, Expired, Invalid, Missing};

/// What makes a token what it is called.
struct Case {
    name: String,
    headers: Vec<Vec<u8>>,
    answer: Answer,
}

#[derive(Default)]
struct Corpus(Vec<Case>);

impl Corpus {
    fn headers(&mut self, name: impl Into<String>, answer: Answer, headers: &[&[u8]]) {
        self.0.push(Case {
            name: name.into(),
            headers: headers.iter().map(|header| header.to_vec()).collect(),
            answer,
        });
    }

    fn token(&mut self, name: impl Into<String>, answer: Answer, token: &str) {
        self.headers(name, answer, &[format!("Bearer {token}").as_bytes()]);
    }
}

fn with(mut object: Value, name: &str, value: impl Into<Value>) -> Value {
    object[name] = value.into();
    object
}

fn without(mut object: Value, name: &str) -> Value {
    object.as_object_mut().unwrap().remove(name).unwrap();
    object
}

/// Tokens whose signature is missing, somebody else's, or made with what is public.
fn signatures(world: &World, corpus: &mut Corpus) {
    let World { rs, es, ed, .. } = world;
    let claims_part = encode(claims().to_string());
    for name in ["none", "None", "NONE", "nOnE", ""] {
        let header = encode(json!({ "alg": name, "typ": "JWT" }).to_string());
        corpus.token(
            format!("alg {name:?}, without a signature"),
            Invalid,
            &format!("{header}.{claims_part}."),
        );
        corpus.token(
            format!("alg {name:?}, with a signature"),
            Invalid,
            &ed.token_of(
                &with(ed.header(), "alg", name).to_string(),
                &claims().to_string(),
            ),
        );
    }
    corpus.token(
        "no alg",
        Invalid,
        &ed.token_of(
            &without(ed.header(), "alg").to_string(),
            &claims().to_string(),
        ),
    );
    for signer in [rs, es, ed] {
        let id = signer.id;
        let token = signer.token(&claims());
        let (message, signature) = token.rsplit_once('.').unwrap();
        corpus.token(
            format!("{id}: empty signature"),
            Invalid,
            &format!("{message}."),
        );
        corpus.token(format!("{id}: two parts"), Invalid, message);
        corpus.token(
            format!("{id}: a dot at the end"),
            Invalid,
            &format!("{token}."),
        );
        corpus.token(
            format!("{id}: four parts"),
            Invalid,
            &format!("{token}.{signature}"),
        );
        corpus.token(
            format!("{id}: five parts, as of a JWE"),
            Invalid,
            &format!("{message}.{signature}.{signature}.{signature}"),
        );
        corpus.token(
            format!("{id}: signature of zeros"),
            Invalid,
            &format!(
                "{message}.{}",
                encode(vec![0; URL_SAFE_NO_PAD.decode(signature).unwrap().len()])
            ),
        );
        corpus.token(
            format!("{id}: signature cut by a byte"),
            Invalid,
            &format!(
                "{message}.{}",
                encode(&URL_SAFE_NO_PAD.decode(signature).unwrap()[1..])
            ),
        );
        corpus.token(
            format!("{id}: padding"),
            Invalid,
            &format!("{token}{}", "=".repeat((4 - signature.len() % 4) % 4 + 1)),
        );
        let other = signer.token(&with(claims(), "sub", "mallory"));
        corpus.token(
            format!("{id}: signature of another token"),
            Invalid,
            &format!("{message}.{}", other.rsplit_once('.').unwrap().1),
        );
        corpus.token(
            format!("{id}: other claims under this signature"),
            Invalid,
            &format!("{}.{signature}", other.rsplit_once('.').unwrap().0),
        );

        // The classic confusion: what everybody knows, taken for a secret.
        let jwk = signer.jwk();
        let mut secrets = vec![
            ("PEM", signer.pem().into_bytes()),
            (
                "PEM without its last line end",
                signer.pem().trim_end().into(),
            ),
            ("DER", signer.der()),
            ("JWK", jwk.to_string().into_bytes()),
            ("nothing", Vec::new()),
            ("zero byte", vec![0]),
        ];
        for number in ["n", "x"] {
            if let Some(number) = jwk[number].as_str() {
                secrets.push(("number", URL_SAFE_NO_PAD.decode(number).unwrap()));
                secrets.push(("number's text", number.into()));
            }
        }
        for (what, secret) in secrets {
            let forger = Signer::hs256(&secret);
            for header in [
                forger.header(),
                with(forger.header(), "kid", id),
                without(forger.header(), "kid"),
            ] {
                corpus.token(
                    format!("{id}: HS256 with its {what} as the secret, {header}"),
                    Invalid,
                    &forger.token_of(&header.to_string(), &claims().to_string()),
                );
            }
        }
        // One key's signature under the name of another, or under another algorithm.
        for other in [rs, es, ed] {
            if other.id != id {
                corpus.token(
                    format!("{id} signs as {}", other.id),
                    Invalid,
                    &signer.token_of(&other.header().to_string(), &claims().to_string()),
                );
                corpus.token(
                    format!("{id} signs with the kid of {}", other.id),
                    Invalid,
                    &signer.token_of(
                        &with(signer.header(), "kid", other.id).to_string(),
                        &claims().to_string(),
                    ),
                );
            }
        }
        for algorithm in [
            "HS384", "HS512", "RS384", "RS512", "PS256", "ES384", "ES512",
        ] {
            corpus.token(
                format!("{id} says {algorithm}"),
                Invalid,
                &signer.token_of(
                    &with(signer.header(), "alg", algorithm).to_string(),
                    &claims().to_string(),
                ),
            );
        }
    }
    corpus.token(
        "HS256 with the right secret, where only public keys are accepted",
        Invalid,
        &world.hs.token(&with(claims(), "sub", "")),
    );
    corpus.token(
        "a stranger's key under a known name",
        Invalid,
        &world.stranger.token(&claims()),
    );
    corpus.token(
        "a stranger's key under no name",
        Invalid,
        &world.stranger.token_of(
            &without(world.stranger.header(), "kid").to_string(),
            &claims().to_string(),
        ),
    );
}

/// What only one algorithm can get wrong.
fn peculiarities(world: &World, corpus: &mut Corpus) {
    let World { es, ed, .. } = world;
    let message = |signer: &Signer| {
        let token = signer.token(&claims());
        token.rsplit_once('.').unwrap().0.to_owned()
    };
    let mut signed = |name: &str, message: &str, signature: &[u8]| {
        corpus.token(name, Invalid, &format!("{message}.{}", encode(signature)));
    };

    let der = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let es_message = message(es);
    let der = der
        .sign(&SystemRandom::new(), es_message.as_bytes())
        .unwrap();
    signed("ES256 in DER, of a stranger", &es_message, der.as_ref());
    let fixed = es.sign(es_message.as_bytes());
    let (r, s) = fixed.split_at(32);
    signed("ES256 in DER", &es_message, &der_of(r, s));
    // The order of P-256: a number that is zero in disguise (CVE-2022-21449).
    let order: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63,
        0x25, 0x51,
    ];
    let mut one = [0; 32];
    one[31] = 1;
    signed(
        "ES256, r and s are the order",
        &es_message,
        &[order, order].concat(),
    );
    signed("ES256, r is zero", &es_message, &[[0; 32], one].concat());
    signed("ES256, s is zero", &es_message, &[one, [0; 32]].concat());
    signed("ES256, r and s are one", &es_message, &[one, one].concat());

    let ed_message = message(ed);
    let mut signature = ed.sign(ed_message.as_bytes());
    let mut identity = vec![0; 64];
    identity[0] = 1;
    signed("EdDSA, the neutral point and zero", &ed_message, &identity);
    add_order(&mut signature[32..]);
    signed(
        "EdDSA, s is not reduced (RFC 8032, 5.1.7)",
        &ed_message,
        &signature,
    );
}

fn der_of(r: &[u8], s: &[u8]) -> Vec<u8> {
    let integer = |number: &[u8]| {
        let number: Vec<u8> = number
            .iter()
            .copied()
            .skip_while(|&byte| byte == 0)
            .collect();
        let sign: &[u8] = if number[0] & 0x80 == 0 { &[] } else { &[0] };
        let length = u8::try_from(sign.len() + number.len()).unwrap();
        [&[2, length], sign, &number].concat()
    };
    let body = [integer(r), integer(s)].concat();
    [&[0x30, u8::try_from(body.len()).unwrap()], &*body].concat()
}

/// Adds the order of Ed25519's group to a number in little-endian bytes.
fn add_order(number: &mut [u8]) {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut carry = 0;
    for (byte, add) in number.iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    assert_eq!(carry, 0);
}

/// Headers that ask for something.
fn headers(world: &World, corpus: &mut Corpus) {
    let World { ed, stranger, .. } = world;
    for (name, value) in [
        ("jku", json!("https://evil.example/jwks.json")),
        ("jku", json!("http://127.0.0.1:1/jwks.json")),
        ("x5u", json!("https://evil.example/chain.pem")),
        ("x5c", json!([encode(stranger.der())])),
        ("jwk", stranger.jwk()),
    ] {
        corpus.token(
            format!("a stranger brings its key in {name}"),
            Invalid,
            &stranger.token_of(
                &with(stranger.header(), name, value.clone()).to_string(),
                &claims().to_string(),
            ),
        );
        // RFC 7515, section 4: what is not used is ignored.
        corpus.token(
            format!("{name} beside a good signature is not looked at"),
            Accepted,
            &ed.token_of(
                &with(ed.header(), name, value).to_string(),
                &claims().to_string(),
            ),
        );
    }
    let mut header = |name: &str, answer, header: &Value| {
        let token = ed.token_of(&header.to_string(), &claims().to_string());
        corpus.token(format!("header: {name}"), answer, &token);
    };
    header(
        "crit with something unknown",
        Invalid,
        &with(with(ed.header(), "crit", json!(["exp"])), "exp", 1),
    );
    header(
        "crit with something of RFC 7797",
        Invalid,
        &with(with(ed.header(), "crit", json!(["b64"])), "b64", false),
    );
    header(
        "crit, empty",
        Invalid,
        &with(ed.header(), "crit", json!([])),
    );
    header("crit as a text", Invalid, &with(ed.header(), "crit", "exp"));
    for kind in [
        "JWT",
        "jwt",
        "at+jwt",
        "application/at+jwt",
        "Application/JWT",
    ] {
        header(
            &format!("typ {kind}"),
            Accepted,
            &with(ed.header(), "typ", kind),
        );
    }
    header("no typ", Accepted, &without(ed.header(), "typ"));
    for kind in [
        "dpop+jwt",
        "logout+jwt",
        "secevent+jwt",
        "application/jwk-set+json",
        "JOSE",
        "",
    ] {
        header(
            &format!("typ {kind}"),
            Invalid,
            &with(ed.header(), "typ", kind),
        );
    }
    header(
        "no kid, and one key fits",
        Accepted,
        &without(ed.header(), "kid"),
    );
    for kid in [
        "ED",
        "ed ",
        "../ed",
        "../../../../dev/null",
        "ed' OR '1'='1",
        "ed\0",
        "",
        &"e".repeat(257),
        &"e".repeat(4_000),
    ] {
        header(
            &format!("kid {:?}", &kid[..kid.len().min(24)]),
            Invalid,
            &with(ed.header(), "kid", kid),
        );
    }
    header("kid as a number", Invalid, &with(ed.header(), "kid", 1));
    header(
        "kid as a list",
        Invalid,
        &with(ed.header(), "kid", json!(["ed"])),
    );
    for (name, header) in [
        ("alg twice", r#"{"alg":"none","alg":"EdDSA","kid":"ed"}"#),
        ("kid twice", r#"{"alg":"EdDSA","kid":"x","kid":"ed"}"#),
        ("not an object", r#""EdDSA""#),
        ("not JSON", "alg=EdDSA"),
        ("something behind it", r#"{"alg":"EdDSA","kid":"ed"}{}"#),
        ("empty", ""),
    ] {
        corpus.token(
            format!("header: {name}"),
            Invalid,
            &ed.token_of(header, &claims().to_string()),
        );
    }
}

/// Tokens that were signed with the right key.
fn signed_claims(world: &World, corpus: &mut Corpus) {
    let mut claim = |name: &str, answer, claims: Value| {
        corpus.token(format!("claims: {name}"), answer, &world.ed.token(&claims));
    };
    let past = now() - 60;
    let later = now() + 600;
    claim("exp in the past", Expired, with(claims(), "exp", past));
    claim("exp zero", Expired, with(claims(), "exp", 0));
    claim(
        "exp in the past, as a fraction",
        Expired,
        with(claims(), "exp", past as f64 + 0.5),
    );
    // RFC 7519, section 2: a number, and not necessarily a whole one.
    claim(
        "exp as a fraction",
        Accepted,
        with(claims(), "exp", later as f64 + 0.5),
    );
    claim(
        "exp as a text",
        Invalid,
        with(claims(), "exp", later.to_string()),
    );
    claim("exp negative", Invalid, with(claims(), "exp", -1));
    claim("exp null", Invalid, with(claims(), "exp", Value::Null));
    claim("exp true", Invalid, with(claims(), "exp", true));
    claim("exp a list", Invalid, with(claims(), "exp", json!([later])));
    claim("no exp", Invalid, without(claims(), "exp"));
    claim(
        "exp just past, within the leeway",
        Accepted,
        with(claims(), "exp", now() - 1),
    );
    claim("nbf in the future", Invalid, with(claims(), "nbf", later));
    claim("nbf in the past", Accepted, with(claims(), "nbf", past));
    claim(
        "nbf as a text",
        Invalid,
        with(claims(), "nbf", past.to_string()),
    );
    claim("nbf negative", Invalid, with(claims(), "nbf", -1));
    claim(
        "iss of somebody else",
        Invalid,
        with(claims(), "iss", "https://issuer.example.evil"),
    );
    claim(
        "iss with a slash more",
        Invalid,
        with(claims(), "iss", format!("{ISSUER}/")),
    );
    claim(
        "iss in capitals",
        Invalid,
        with(claims(), "iss", ISSUER.to_uppercase()),
    );
    claim(
        "iss in a list",
        Invalid,
        with(claims(), "iss", json!([ISSUER])),
    );
    claim("iss null", Invalid, with(claims(), "iss", Value::Null));
    claim("no iss", Invalid, without(claims(), "iss"));
    claim(
        "aud of somebody else",
        Invalid,
        with(claims(), "aud", "billing"),
    );
    claim(
        "aud with ours in it",
        Invalid,
        with(claims(), "aud", format!("{AUDIENCE} billing")),
    );
    claim(
        "aud list with ours",
        Accepted,
        with(claims(), "aud", json!(["billing", AUDIENCE])),
    );
    claim(
        "aud list without ours",
        Invalid,
        with(claims(), "aud", json!(["billing"])),
    );
    claim("aud list, empty", Invalid, with(claims(), "aud", json!([])));
    claim(
        "aud list with a number",
        Invalid,
        with(claims(), "aud", json!([AUDIENCE, 1])),
    );
    claim(
        "aud an object",
        Invalid,
        with(claims(), "aud", json!({ AUDIENCE: true })),
    );
    claim("aud null", Invalid, with(claims(), "aud", Value::Null));
    claim("no aud", Invalid, without(claims(), "aud"));
    claim("sub empty", Invalid, with(claims(), "sub", ""));
    claim(
        "sub of 256 bytes",
        Accepted,
        with(claims(), "sub", "a".repeat(256)),
    );
    claim(
        "sub of 257 bytes",
        Invalid,
        with(claims(), "sub", "a".repeat(257)),
    );
    claim(
        "sub with a line end",
        Invalid,
        with(claims(), "sub", "alice\n2026-11-24 ERROR"),
    );
    claim(
        "sub with a zero byte",
        Invalid,
        with(claims(), "sub", "alice\0"),
    );
    claim(
        "sub with an escape",
        Invalid,
        with(claims(), "sub", "\u{1b}[2Jalice"),
    );
    claim("sub a number", Invalid, with(claims(), "sub", 7));
    claim("sub null", Invalid, with(claims(), "sub", Value::Null));
    claim("no sub", Invalid, without(claims(), "sub"));
    claim("roles a text", Invalid, with(claims(), "roles", "admin"));
    claim("roles null", Invalid, with(claims(), "roles", Value::Null));
    claim(
        "roles an object",
        Invalid,
        with(claims(), "roles", json!({ "admin": true })),
    );
    claim(
        "roles with a number",
        Invalid,
        with(claims(), "roles", json!([1])),
    );
    claim("role empty", Invalid, with(claims(), "roles", json!([""])));
    claim(
        "role of 257 bytes",
        Invalid,
        with(claims(), "roles", json!(["r".repeat(257)])),
    );
    claim(
        "role with a line end",
        Invalid,
        with(claims(), "roles", json!(["admin\n"])),
    );
    claim("64 roles", Accepted, with(claims(), "roles", vec!["r"; 64]));
    claim("65 roles", Invalid, with(claims(), "roles", vec!["r"; 65]));
    claim("no roles", Accepted, without(claims(), "roles"));
    claim("jti empty", Invalid, with(claims(), "jti", ""));
    claim(
        "jti of 257 bytes",
        Invalid,
        with(claims(), "jti", "j".repeat(257)),
    );
    claim(
        "jti with a line end",
        Invalid,
        with(claims(), "jti", "1\n2"),
    );
    claim("jti a number", Invalid, with(claims(), "jti", 1));
    claim("no jti", Accepted, without(claims(), "jti"));

    let ed = &world.ed;
    let text = claims().to_string();
    let open = text.strip_suffix('}').unwrap();
    for (name, claims) in [
        (
            "exp beyond all numbers",
            text.replace("\"exp\":", "\"exp\":1e400,\"old\":"),
        ),
        (
            "exp beyond u64",
            text.replace("\"exp\":", "\"exp\":18446744073709551616,\"old\":"),
        ),
        (
            "exp not a number",
            text.replace("\"exp\":", "\"exp\":NaN,\"old\":"),
        ),
        ("nbf beyond all numbers", format!(r#"{open},"nbf":1e400}}"#)),
        (
            "nbf the largest number",
            format!(r#"{open},"nbf":18446744073709551615}}"#),
        ),
        ("sub twice", format!(r#"{open},"sub":"root"}}"#)),
        ("roles twice", format!(r#"{open},"roles":["admin"]}}"#)),
        ("exp twice", format!(r#"{open},"exp":9999999999}}"#)),
        ("aud twice", format!(r#"{open},"aud":"orders"}}"#)),
        ("iss twice", format!(r#"{open},"iss":"{ISSUER}"}}"#)),
        ("jti twice", format!(r#"{open},"jti":"2"}}"#)),
        ("nbf twice", format!(r#"{open},"nbf":1,"nbf":1}}"#)),
        (
            "sub twice, once in escapes",
            format!(r#"{open},"\u0073ub":"root"}}"#),
        ),
        ("a lone surrogate in sub", text.replace("alice", r"\ud800")),
        ("a list", format!("[{text}]")),
        ("a text", json!(text).to_string()),
        ("null", "null".to_owned()),
        ("empty", String::new()),
    ] {
        corpus.token(
            format!("claims: {name}"),
            Invalid,
            &ed.token_of(&ed.header().to_string(), &claims),
        );
    }
    // What is not used is passed over, and that without a stack that grows.
    let deep = format!(r#"{open},"x":{}{}}}"#, "[".repeat(2_000), "]".repeat(2_000));
    corpus.token(
        "claims: deep where nobody looks",
        Accepted,
        &ed.token_of(&ed.header().to_string(), &deep),
    );
}

/// What stands around a good token, and how its letters are spelled.
fn spelling(world: &World, corpus: &mut Corpus) {
    let token = world.ed.token(&claims());
    let (message, signature) = token.rsplit_once('.').unwrap();
    let (header, payload) = message.split_once('.').unwrap();
    let mut authorization = |name: &str, answer, value: String| {
        corpus.headers(format!("header: {name}"), answer, &[value.as_bytes()]);
    };
    authorization("Bearer", Accepted, format!("Bearer {token}"));
    authorization("bearer", Accepted, format!("bearer {token}"));
    authorization("BEARER", Accepted, format!("BEARER {token}"));
    authorization("two spaces", Accepted, format!("Bearer  {token}"));
    authorization("a tab", Invalid, format!("Bearer\t{token}"));
    authorization("a space and a tab", Invalid, format!("Bearer \t{token}"));
    authorization("a tab behind it", Invalid, format!("Bearer {token}\t"));
    authorization("a no-break space", Invalid, format!("Bearer\u{a0}{token}"));
    authorization("no scheme", Invalid, token.clone());
    authorization("scheme alone", Invalid, "Bearer".to_owned());
    authorization("scheme and a space", Invalid, "Bearer ".to_owned());
    authorization("another scheme", Invalid, format!("DPoP {token}"));
    authorization("Basic", Invalid, "Basic YWxpY2U6aHVudGVyMg==".to_owned());
    authorization(
        "a comma",
        Invalid,
        format!("Bearer {token}, Bearer {token}"),
    );
    authorization("in quotes", Invalid, format!("Bearer \"{token}\""));
    authorization("a letter beyond ASCII", Invalid, format!("Bearer {token}é"));
    authorization("empty", Invalid, String::new());
    authorization(
        "a space inside",
        Invalid,
        format!("Bearer {header}. {payload}.{signature}"),
    );
    authorization("overlong", Invalid, format!("Bearer {}", "x".repeat(8_193)));
    authorization(
        "overlong, many dots",
        Invalid,
        format!("Bearer {}", ".".repeat(8_192)),
    );
    corpus.headers("header: not UTF-8", Invalid, &[b"Bearer \xff\xfe"]);
    corpus.headers("header: missing", Missing, &[]);
    let good = format!("Bearer {token}");
    corpus.headers(
        "header: twice",
        Invalid,
        &[good.as_bytes(), good.as_bytes()],
    );
    corpus.headers(
        "header: a good one and another",
        Invalid,
        &[good.as_bytes(), b"Basic YWxpY2U6aHVudGVyMg=="],
    );

    let long = with(claims(), "padding", "p".repeat(9_000));
    corpus.token("a good token, overlong", Invalid, &world.ed.token(&long));
    // 64 bytes end in a letter of which four bits mean nothing.
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let last = signature.as_bytes()[signature.len() - 1];
    let value = ALPHABET.iter().position(|&letter| letter == last).unwrap();
    for bits in 1..16 {
        let other = char::from(ALPHABET[value | bits]);
        let signature = &signature[..signature.len() - 1];
        corpus.token(
            format!("base64 that is not canonical, {bits}"),
            Invalid,
            &format!("{message}.{signature}{other}"),
        );
    }
    corpus.token(
        "base64 of the wrong alphabet",
        Invalid,
        &format!(
            "{message}.{}",
            signature.replace(['-', '_'], "+").replace('A', "/")
        ),
    );
}

fn corpus(world: &World) -> Vec<Case> {
    let mut corpus = Corpus::default();
    signatures(world, &mut corpus);
    peculiarities(world, &mut corpus);
    headers(world, &mut corpus);
    signed_claims(world, &mut corpus);
    spelling(world, &mut corpus);
    corpus.0
}

#[test]
fn every_token_of_the_corpus_has_the_answer_that_it_should_have() {
    let cases = corpus(&WORLD);
    let mut wrong = Vec::new();
    for case in &cases {
        let headers: Vec<&[u8]> = case.headers.iter().map(Vec::as_slice).collect();
        let request = request(&headers);
        let answer = match WORLD.jwks.authenticate(&request) {
            Ok(_) => Accepted,
            Err(problem) => match problem.kind().code() {
                "invalid_credentials" => Invalid,
                "expired_credentials" => Expired,
                "missing_credentials" => Missing,
                code => panic!("{}: {code}", case.name),
            },
        };
        if answer != case.answer {
            wrong.push(format!(
                "{}: {answer:?} and not {:?}",
                case.name, case.answer
            ));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert!(cases.len() >= 250, "{}", cases.len());
}

#[test]
fn what_is_refused_by_all_keys_together_is_refused_by_each_alone() {
    for case in corpus(&WORLD) {
        // With a key alone, ids do not matter, and so `kid` can be anything.
        if case.answer == Accepted || case.name.contains("kid ") {
            continue;
        }
        let headers: Vec<&[u8]> = case.headers.iter().map(Vec::as_slice).collect();
        for (position, jwt) in WORLD.single.iter().enumerate() {
            let answer = jwt.authenticate(&request(&headers));
            assert!(answer.is_err(), "{} by {position}", case.name);
        }
    }
}

#[test]
fn good_tokens_of_every_algorithm_are_accepted() {
    let World { hs, rs, es, ed, .. } = &*WORLD;
    for (signer, jwt) in [hs, rs, es, ed].into_iter().zip(&WORLD.single) {
        let actor = authenticate(jwt, &signer.token(&claims())).unwrap();
        assert_eq!(actor.id.as_deref(), Some("alice"));
        assert_eq!(actor.roles, ["user"]);
        assert_eq!(
            (actor.auth.as_deref(), actor.credential.as_deref()),
            (Some("jwt"), Some("token-1"))
        );
    }
    for signer in [rs, es, ed] {
        assert!(authenticate(&WORLD.jwks, &signer.token(&claims())).is_ok());
    }
}

#[test]
fn no_single_flipped_bit_of_a_good_token_is_accepted() {
    let World { hs, rs, es, ed, .. } = &*WORLD;
    for (signer, jwt) in [hs, rs, es, ed].into_iter().zip(&WORLD.single) {
        let good = format!("Bearer {}", signer.token(&claims())).into_bytes();
        assert!(jwt.authenticate(&request(&[&good])).is_ok());
        for position in "Bearer ".len()..good.len() {
            for bit in 0..8 {
                let mut flipped = good.clone();
                flipped[position] ^= 1 << bit;
                // What cannot stand in a header does not come this far.
                if actix_web::http::header::HeaderValue::from_bytes(&flipped).is_ok() {
                    let answer = jwt.authenticate(&request(&[&flipped]));
                    assert!(answer.is_err(), "{}: {position}, {bit}", signer.algorithm());
                }
            }
        }
        for end in "Bearer ".len()..good.len() {
            assert!(jwt.authenticate(&request(&[&good[..end]])).is_err());
        }
    }
}
