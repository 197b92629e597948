//! A secret that is planted into whatever else comes from outside does not come out.

use audit::redact::{Redacted, Redactor};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::input::Input;
use crate::promises::{ROOT, Rules};

/// What must not come out.
const CANARY: &str = "c4n4ryZ9x8w7v6u5";

const NAMES: [&str; 10] = [
    "password",
    "access_token",
    "apiKey",
    "X-API-KEY",
    "user.pin",
    "Card Number",
    "sessionId",
    "client-secret",
    "passphrase",
    "authorization",
];

/// Texts that hold the canary, each secret by how it looks.
const CONTENTS: [&str; 10] = [
    "ghp_c4n4ryZ9x8w7v6u5ABCDEFGHIJ0123456789",
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbGljZSJ9.c4n4ryZ9x8w7v6u5c2lnbmF0dXJl",
    "Bearer c4n4ryZ9x8w7v6u5",
    "https://alice:c4n4ryZ9x8w7v6u5@example.com/",
    "https://example.com/?access_token=c4n4ryZ9x8w7v6u5",
    "-----BEGIN PRIVATE KEY-----\nc4n4ryZ9x8w7v6u5\n-----END PRIVATE KEY-----",
    "password=c4n4ryZ9x8w7v6u5",
    "X-Api-Key: c4n4ryZ9x8w7v6u5",
    "<password>c4n4ryZ9x8w7v6u5</password>",
    "sk_live_c4n4ryZ9x8w7v6u5ABCDEFGH",
];

/// How a text is said in another way.
#[derive(Clone, Copy, Debug)]
enum Encoding {
    Json,
    Percent,
    Base64,
    UrlSafe,
}

impl Encoding {
    const ALL: [Self; 4] = [Self::Json, Self::Percent, Self::Base64, Self::UrlSafe];

    fn encode(self, text: &str) -> String {
        match self {
            Self::Json => Value::from(text).to_string(),
            Self::Percent => percent(text),
            Self::Base64 => STANDARD.encode(text),
            Self::UrlSafe => URL_SAFE_NO_PAD.encode(text),
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Plant {
    Member,
    Field,
    Content,
    Encoded,
}

/// Plants the canary as the first bytes choose; the rest surrounds it.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let rules = Rules::choose(&mut input);
    let redactor = &rules.redactor;
    match input.choose(&[Plant::Member, Plant::Field, Plant::Content, Plant::Encoded]) {
        Plant::Member => member(redactor, input),
        Plant::Field => field(redactor, input),
        Plant::Content => content(redactor, input, &[]),
        Plant::Encoded => {
            let count = 1 + usize::from(input.byte() % 5);
            let layers: Vec<_> = (0..count).map(|_| input.choose(&Encoding::ALL)).collect();
            content(redactor, input, &layers);
        }
    }
}

/// As the value of a member with a secret name, somewhere in the JSON of the input.
fn member(redactor: &Redactor, mut input: Input<'_>) {
    let name = input.choose(&NAMES);
    let value = match input.choose(&[0, 1, 2]) {
        0 => json!(CANARY),
        1 => json!([0, { CANARY: CANARY }]),
        _ => json!({ "a": [CANARY] }),
    };
    let path: Vec<u8> = (0..input.byte() % 4).map(|_| input.byte()).collect();
    let Some(Ok(mut around)) = input.text().map(serde_json::from_str::<Value>) else {
        return;
    };
    if around.to_string().contains(CANARY) {
        return;
    }
    plant(&mut around, &path, name, value);
    let found = redactor.json(ROOT, around.to_string()).expect("it is JSON");
    hides(&found, &around.to_string());
}

fn plant(around: &mut Value, path: &[u8], name: &str, value: Value) {
    let (turn, rest) = path
        .split_first()
        .map_or((0, path), |(turn, rest)| (usize::from(*turn), rest));
    match around {
        Value::Array(items) if !items.is_empty() => {
            let index = turn % items.len();
            plant(&mut items[index], rest, name, value);
        }
        Value::Object(members) if !members.is_empty() && !rest.is_empty() => {
            let index = turn % members.len();
            if let Some((_, inner)) = members.iter_mut().nth(index) {
                plant(inner, rest, name, value);
            }
        }
        Value::Object(members) => {
            members.insert(name.to_owned(), value);
        }
        other => *other = json!({ "was": other, name: value }),
    }
}

/// As the value of a field with a secret name, in a query and in a form.
fn field(redactor: &Redactor, mut input: Input<'_>) {
    let name = percent(input.choose(&NAMES));
    let encode = input.choose(&[false, true]);
    let value = if encode {
        percent(CANARY)
    } else {
        CANARY.to_owned()
    };
    let Some((before, behind)) = halves(input) else {
        return;
    };
    let query = format!("{before}&{name}={value}&{behind}");
    hides(&redactor.query(ROOT, &query), &query);
    hides(&redactor.form(ROOT, query.as_bytes()), &query);
    // By how it looks, before another secret in the same pair.
    let query = format!("{before}&a=ghp_{CANARY}ABCDEFGHIJ0123456789;{name}={value}&{behind}");
    hides(&redactor.query(ROOT, &query), &query);
    hides(&redactor.form(ROOT, query.as_bytes()), &query);
}

/// As a text that is secret by how it looks, in whatever is a string, after so many
/// encodings.
fn content(redactor: &Redactor, mut input: Input<'_>, layers: &[Encoding]) {
    let secret = input.choose(&CONTENTS);
    let Some((before, behind)) = halves(input) else {
        return;
    };
    // What is no text is not looked for in base64: it is an image, or a hash.
    if before.chars().chain(behind.chars()).any(char::is_control) {
        return;
    }
    let mut text = format!("{before}\n{secret}\n{behind}");
    let mut shown = vec![CANARY.to_owned()];
    for layer in layers {
        text = layer.encode(&text);
        shown.push(text.clone());
    }
    let found = redactor.text(ROOT, &text);
    hides(&found, &text);
    if let Some(encoded) = shown.get(1..).and_then(<[_]>::last) {
        assert!(!found.text.contains(encoded), "{encoded} comes out whole");
    }
    let body = json!({ "note": text, "other": [text] }).to_string();
    hides(&redactor.json(ROOT, &body).expect("it is JSON"), &body);
    let query = format!("note={}", percent(&text));
    hides(&redactor.query(ROOT, &query), &query);
    hides(&redactor.form(ROOT, query.as_bytes()), &query);
}

/// What stands before the canary, and what behind it; nothing if they hold it, too.
fn halves(input: Input<'_>) -> Option<(&str, &str)> {
    let text = input.text()?;
    let (before, behind) = text.split_once('|').unwrap_or((text, ""));
    (!says_canary(text)).then_some((before, behind))
}

/// Whether the text says it already, in whatever way.
fn says_canary(text: &str) -> bool {
    let decoded = percent_encoding::percent_decode_str(text).decode_utf8_lossy();
    let says = |text: &str| text.contains("c4n4") || text.contains("9x8w");
    says(text) || says(&decoded)
}

fn percent(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

fn hides(found: &Redacted, from: &str) {
    let paths = found.redacted.iter().map(|hidden| &hidden.path);
    let cut = found.truncated.iter().map(|cut| &cut.path);
    for shown in paths.chain(cut).chain([&found.text]) {
        assert!(
            !shown.contains(CANARY),
            "the canary of {from} is in {shown}"
        );
    }
}
