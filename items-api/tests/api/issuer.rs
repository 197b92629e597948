//! Whoever signs tokens somewhere else, and where its keys are published.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use audit::jwt::{Audience, Claims};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

/// A key that signs.
pub(crate) struct Signer {
    id: &'static str,
    key: Ed25519KeyPair,
}

impl Signer {
    pub(crate) fn new(id: &'static str) -> Self {
        let key = Ed25519KeyPair::generate().unwrap();
        Self { id, key }
    }

    pub(crate) fn token(&self, subject: &str, role: &str) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let claims = Claims {
            sub: subject.to_owned(),
            roles: vec![role.to_owned()],
            jti: None,
            iss: "items-api".to_owned(),
            aud: Audience::One("items-api".to_owned()),
            iat: None,
            exp: now.as_secs() + 600,
        };
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(self.id.to_owned());
        let key = EncodingKey::from_ed_der(self.key.to_pkcs8().unwrap().as_ref());
        jsonwebtoken::encode(&header, &claims, &key).unwrap()
    }

    fn jwk(&self) -> Value {
        let x = URL_SAFE_NO_PAD.encode(self.key.public_key());
        json!({ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": self.id, "x": x })
    }
}

pub(crate) fn jwks(signers: &[&Signer]) -> String {
    let keys: Vec<_> = signers.iter().map(|signer| signer.jwk()).collect();
    json!({ "keys": keys }).to_string()
}

/// A server of one document, on a port of its own.
pub(crate) struct Publisher {
    address: SocketAddr,
    answer: Arc<Mutex<String>>,
}

impl Publisher {
    /// It answers 500 until something is published.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let answer = Arc::new(Mutex::new(response("500 Internal Server Error", "", "")));
        let shared = Arc::clone(&answer);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let answer = shared.lock().unwrap().clone();
                serve(&stream, &answer);
            }
        });
        Self { address, answer }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/jwks.json", self.address)
    }

    pub(crate) fn publish(&self, document: &str) {
        *self.answer.lock().unwrap() = response("200 OK", "", document);
    }

    pub(crate) fn redirect_to(&self, url: &str) {
        *self.answer.lock().unwrap() = response("302 Found", &format!("location: {url}\r\n"), "");
    }
}

fn response(status: &str, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// Reads a request to the end of its head, and answers it. A client that goes away is
/// no concern of ours.
fn serve(mut stream: &TcpStream, answer: &str) {
    let head = BufReader::new(stream).lines();
    let _ = head
        .map_while(Result::ok)
        .take_while(|line| !line.is_empty())
        .count();
    let _ = stream.write_all(answer.as_bytes());
}
