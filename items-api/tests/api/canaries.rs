//! Secrets of many kinds, sent through every route in many places and encodings, and
//! then looked for in everything the trail leaves behind: none may be found.
//!
//! Every secret is made from a number of its own, so that one that is found says what
//! and where it was. The items themselves are kept as they were sent, because what
//! clients store is theirs; what is searched is the trail's: its tables, its journal,
//! the log, the metrics, and what `/audit` and the commands answer.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Stdio};

use audit::testing::{TestDatabase, eventually};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use diesel::RunQueryDsl as _;
use diesel::sql_types::Text;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};

use crate::program::{address_of, program, terminate};

/// Kinds of secrets that are known by how they look: what comes before and behind a
/// body, and the body's alphabet and length.
const KINDS: &[(&str, &str, &str, Alphabet, usize)] = &[
    ("aws access key", "AKIA", "", Alphabet::Upper, 16),
    ("aws temporary key", "ASIA", "", Alphabet::Upper, 16),
    ("google api key", "AIza", "", Alphabet::Word, 35),
    ("google oauth token", "ya29.", "", Alphabet::Word, 60),
    ("google client secret", "GOCSPX-", "", Alphabet::Word, 28),
    ("github token", "ghp_", "", Alphabet::Word, 36),
    ("github app token", "ghs_", "", Alphabet::Word, 36),
    (
        "github fine-grained token",
        "github_pat_",
        "",
        Alphabet::Word,
        82,
    ),
    ("gitlab token", "glpat-", "", Alphabet::Word, 20),
    ("gitlab runner token", "glrt-", "", Alphabet::Word, 20),
    ("slack bot token", "xoxb-", "", Alphabet::Word, 40),
    ("slack app token", "xapp-", "", Alphabet::Word, 40),
    (
        "slack webhook",
        "hooks.slack.com/services/",
        "",
        Alphabet::Word,
        40,
    ),
    (
        "discord webhook",
        "discord.com/api/webhooks/",
        "",
        Alphabet::Word,
        60,
    ),
    ("twilio key", "SK", "", Alphabet::Hex, 32),
    ("sendgrid key", "SG.", "", Alphabet::Word, 66),
    ("mailgun key", "key-", "", Alphabet::Hex, 32),
    ("brevo key", "xkeysib-", "", Alphabet::Hex, 64),
    ("stripe key", "sk_live_", "", Alphabet::Word, 24),
    ("stripe restricted key", "rk_live_", "", Alphabet::Word, 24),
    ("stripe webhook secret", "whsec_", "", Alphabet::Word, 32),
    ("shopify token", "shpat_", "", Alphabet::Hex, 32),
    ("square token", "sq0atp-", "", Alphabet::Word, 22),
    ("razorpay key", "rzp_live_", "", Alphabet::Word, 14),
    ("openai key", "sk-proj-", "", Alphabet::Word, 48),
    ("anthropic key", "sk-ant-api03-", "", Alphabet::Word, 80),
    ("hugging face token", "hf_", "", Alphabet::Word, 34),
    ("groq key", "gsk_", "", Alphabet::Word, 52),
    ("npm token", "npm_", "", Alphabet::Word, 36),
    ("pypi token", "pypi-AgEIcHlwaS5vcmc", "", Alphabet::Word, 60),
    ("crates.io token", "cio", "", Alphabet::Word, 32),
    ("docker token", "dckr_pat_", "", Alphabet::Word, 27),
    ("digitalocean token", "dop_v1_", "", Alphabet::Hex, 64),
    ("vault token", "hvs.", "", Alphabet::Word, 24),
    ("grafana token", "glsa_", "", Alphabet::Word, 32),
    ("databricks token", "dapi", "", Alphabet::Hex, 32),
    ("linear key", "lin_api_", "", Alphabet::Word, 40),
    ("postman key", "PMAK-", "", Alphabet::Hex, 34),
    ("figma token", "figd_", "", Alphabet::Word, 40),
    ("supabase token", "sbp_", "", Alphabet::Hex, 40),
    ("pulumi token", "pul-", "", Alphabet::Hex, 40),
    ("age key", "AGE-SECRET-KEY-1", "", Alphabet::Upper, 58),
    ("bcrypt hash", "$2b$12$", "", Alphabet::Word, 53),
    (
        "argon2 hash",
        "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$",
        "",
        Alphabet::Word,
        43,
    ),
    ("crypt hash", "$6$saltsalt$", "", Alphabet::Word, 86),
    (
        "json web token",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.",
        "",
        Alphabet::Word,
        43,
    ),
    ("bearer credentials", "Bearer ", "", Alphabet::Word, 32),
    (
        "private key",
        "-----BEGIN PRIVATE KEY-----\n",
        "\n-----END PRIVATE KEY-----",
        Alphabet::Word,
        64,
    ),
    (
        "openssh key",
        "-----BEGIN OPENSSH PRIVATE KEY-----\n",
        "\n-----END OPENSSH PRIVATE KEY-----",
        Alphabet::Word,
        70,
    ),
    (
        "password in a url",
        "postgres://app:",
        "@db.internal/items",
        Alphabet::Word,
        12,
    ),
    (
        "password in a query",
        "https://example.com/in?user=a&password=",
        "&b=1",
        Alphabet::Word,
        12,
    ),
    (
        "connection string",
        "Server=db;User Id=app;Password=",
        ";Encrypt=true",
        Alphabet::Word,
        12,
    ),
    (
        "cookie header",
        "Cookie: session_id=",
        "; theme=dark",
        Alphabet::Word,
        24,
    ),
    (
        "authorization header",
        "Authorization: Digest ",
        "",
        Alphabet::Word,
        24,
    ),
    (
        "xml password",
        "<user><password>",
        "</password></user>",
        Alphabet::Word,
        12,
    ),
    (
        "json within prose",
        "we sent {\"password\":\"",
        "\"} twice",
        Alphabet::Word,
        12,
    ),
    (
        "pair of yaml",
        "- name: DB_PASSWORD\n  value: ",
        "\n- name: HOST",
        Alphabet::Word,
        12,
    ),
    (
        "pair of xml",
        "<add key=\"Password\" value=\"",
        "\"/>",
        Alphabet::Word,
        12,
    ),
    (
        "debugging of rust",
        "Login { user: \"a\", password: Some(\"",
        "\") }",
        Alphabet::Word,
        12,
    ),
    (
        "parameters of ruby",
        "{\"password\"=>\"",
        "\"}",
        Alphabet::Word,
        12,
    ),
    (
        "aligned output",
        "User : a\nPassword      : ",
        "\nHost : db",
        Alphabet::Word,
        12,
    ),
    (
        "statement of sql",
        "ALTER USER app WITH PASSWORD '",
        "' VALID UNTIL 'infinity'",
        Alphabet::Word,
        12,
    ),
    (
        "user of curl",
        "curl -u alice:",
        " https://example.com",
        Alphabet::Word,
        12,
    ),
    (
        "escaped json",
        "{\\u0022password\\u0022:\\u0022",
        "\\u0022}",
        Alphabet::Word,
        12,
    ),
    (
        "option of a command",
        "mysql --user app --password ",
        " items",
        Alphabet::Word,
        12,
    ),
];

/// Names whose values are secret whatever they look like.
const NAMES: &[&str] = &[
    "password",
    "Passwd",
    "user_password",
    "newPassword",
    "PASSWORD_CONFIRMATION",
    "pwd",
    "passphrase",
    "secret",
    "client-secret",
    "clientSecrets",
    "token",
    "accessToken",
    "refresh_tokens",
    "csrf-token",
    "api_key",
    "X-Api-Key",
    "apikeys",
    "authorization",
    "Cookie",
    "session_id",
    "card",
    "cardNumber",
    "cvv",
    "CVC2",
    "pin",
    "userPIN",
    "pins",
    "ssn",
    "private_key",
    "privateKeyPem",
    "encryption_key",
    "otp",
    "mfa_code",
    "recovery_codes",
    "credentials",
    "signature",
];

#[derive(Clone, Copy)]
enum Alphabet {
    Word,
    Upper,
    Hex,
}

/// Makes bodies that occur nowhere else.
struct Mint {
    next: u64,
}

impl Mint {
    /// Characters that look random and are told by their number; the same every time.
    fn body(&mut self, alphabet: Alphabet, length: usize) -> String {
        let characters: &[u8] = match alphabet {
            Alphabet::Word => b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghjkmnpqrstuvwxyz23456789",
            Alphabet::Upper => b"ABCDEFGHJKLMNPQRSTUVWXYZ234567",
            Alphabet::Hex => b"0123456789abcdef",
        };
        self.next += 1;
        let mut state = self.next.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut body = String::new();
        for at in 0..length {
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
            let random = state.wrapping_mul(0x2545_f491_4f6c_dd1d);
            // Every word has a digit, as what people generate has.
            let character = if at == 3 {
                56
            } else {
                characters[usize::try_from(random >> 33).unwrap() % characters.len()]
            };
            body.push(char::from(
                if at == 3 && matches!(alphabet, Alphabet::Upper) {
                    55
                } else {
                    character
                },
            ));
        }
        body
    }

    /// A card number of sixteen digits with the right check digit.
    fn card(&mut self) -> String {
        self.next += 1;
        let digits = format!(
            "4539{:011}",
            self.next.wrapping_mul(7_919_777) % 100_000_000_000
        );
        let check = (0..10).map(|check| format!("{digits}{check}"));
        check
            .into_iter()
            .find(|number| passes_luhn(number))
            .unwrap()
    }
}

fn passes_luhn(number: &str) -> bool {
    let sum: u32 = number
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, byte)| {
            let digit = u32::from(byte - b'0') * (1 + u32::try_from(place % 2).unwrap());
            digit / 10 + digit % 10
        })
        .sum();
    sum.is_multiple_of(10)
}

const FORM: &str = "application/x-www-form-urlencoded";

fn form(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}

/// Something that must not be found, and where it was put.
struct Canary {
    needle: String,
    what: String,
}

/// A secret in all its encodings, and what must not be found of each.
struct Forms {
    forms: Vec<(&'static str, String)>,
}

impl Forms {
    fn of(secret: &str) -> Self {
        let percent: String = secret
            .bytes()
            .map(|byte| {
                if byte.is_ascii_alphanumeric() {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02X}")
                }
            })
            .collect();
        let every_byte: String = secret.bytes().map(|byte| format!("%{byte:02x}")).collect();
        Self {
            forms: vec![
                ("plain", secret.to_owned()),
                ("in prose", format!("as she said: {secret} and no more")),
                ("percent-encoded", percent.clone()),
                ("percent-encoded byte by byte", every_byte),
                ("percent-encoded twice", percent.replace('%', "%25")),
                ("base64", STANDARD.encode(secret)),
                ("base64url", URL_SAFE_NO_PAD.encode(secret)),
                (
                    "base64 of json",
                    STANDARD.encode(json!({ "note": secret }).to_string()),
                ),
                (
                    "json within a string",
                    json!({ "deep": [{ "note": secret }] }).to_string(),
                ),
                (
                    "json within json within a string",
                    Value::from(json!({ "note": secret }).to_string()).to_string(),
                ),
            ],
        }
    }
}

/// Sends everything, and says what must not be found.
struct Sender<'s> {
    address: &'s str,
    token: &'s str,
    client: Client,
    mint: Mint,
    canaries: Vec<Canary>,
    item: String,
}

impl Sender<'_> {
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("{}{path}", self.address))
            .bearer_auth(self.token)
    }

    /// What is answered is not the matter here; that it is answered is.
    async fn send(&self, request: RequestBuilder) {
        request.send().await.unwrap().bytes().await.unwrap();
    }

    /// Puts the body of a secret, and each form of the whole that does not show it as
    /// it is, on the list.
    fn watch(&mut self, what: &str, body: &str, forms: &Forms) {
        self.canaries.push(Canary {
            needle: body.to_owned(),
            what: what.to_owned(),
        });
        for (form, text) in &forms.forms {
            if !text.contains(body) {
                self.canaries.push(Canary {
                    needle: text.clone(),
                    what: format!("{what}, {form}"),
                });
            }
        }
    }

    async fn send_all(&mut self) {
        for (what, before, behind, alphabet, length) in KINDS {
            let body = self.mint.body(*alphabet, *length);
            self.send_everywhere(what, &body, &format!("{before}{body}{behind}"))
                .await;
        }
        let card = self.mint.card();
        self.send_everywhere("card number", &card, &card).await;
        let card = self.mint.card();
        let grouped = format!(
            "{} {} {} {}",
            &card[..4],
            &card[4..8],
            &card[8..12],
            &card[12..]
        );
        self.send_everywhere("card number in groups", &grouped, &grouped)
            .await;
        let body = self.mint.body(Alphabet::Word, 12);
        let basic = STANDARD.encode(format!("alice:{body}"));
        self.send_everywhere("basic credentials", &basic, &format!("Basic {basic}"))
            .await;
        for name in NAMES {
            self.send_named(name).await;
        }
        self.send_credentials().await;
    }

    /// A secret that is known by how it looks, in every place of every route.
    async fn send_everywhere(&mut self, what: &str, body: &str, secret: &str) {
        let forms = Forms::of(secret);
        self.watch(what, body, &forms);
        let all: Vec<&str> = forms.forms.iter().map(|(_, text)| text.as_str()).collect();
        let members: serde_json::Map<String, Value> = forms
            .forms
            .iter()
            .map(|(form, text)| ((*form).to_owned(), json!([text, { "deep": [text] }])))
            .collect();
        let item =
            json!({ "name": "Kettle", "description": all.join("\n\n"), "attributes": members });
        let names: serde_json::Map<String, Value> = all
            .iter()
            .map(|text| ((*text).to_owned(), json!(1)))
            .collect();
        let item_path = format!("/items/{}", self.item);
        self.send(self.request(Method::POST, "/items/").json(&item))
            .await;
        self.send(
            self.request(Method::POST, "/items/")
                .json(&json!({ "name": secret, "attributes": names })),
        )
        .await;
        self.send(self.request(Method::PUT, &item_path).json(&item))
            .await;
        self.send(
            self.request(Method::PATCH, &item_path)
                .json(&json!({ "description": secret })),
        )
        .await;
        self.send(
            self.request(Method::PATCH, &item_path)
                .json(&json!({ "description": null, "attributes": {} })),
        )
        .await;
        // Bodies that are not what they should be.
        self.send(
            self.request(Method::POST, "/items/")
                .body(format!("{{\"name\": \"{secret}")),
        )
        .await;
        self.send(
            self.request(Method::POST, "/items/")
                .json(&json!({ "unknown": secret })),
        )
        .await;
        self.send(
            self.request(Method::POST, "/items/")
                .header("content-type", FORM)
                .body(form(&[("name", secret), (secret, "1")])),
        )
        .await;
        for text in &all {
            let segment: String = form_urlencoded::byte_serialize(text.as_bytes())
                .collect::<String>()
                .replace('+', "%20");
            for (method, path) in [
                (Method::DELETE, format!("/items/{segment}")),
                (Method::PATCH, format!("/items/{segment}?q={segment}")),
                (Method::GET, format!("/audit/records/{segment}")),
                (
                    Method::GET,
                    format!("/audit/records?actor={segment}&{segment}"),
                ),
                (Method::GET, format!("/audit/stats?q={segment}&{segment}")),
                (Method::GET, format!("/audit/export?format={segment}")),
                (Method::GET, format!("/items/?{segment}=1")),
                (Method::GET, format!("/{segment}?{segment}")),
            ] {
                self.send(self.request(method, &path)).await;
            }
        }
        let header: String = secret.replace('\n', " ");
        for name in [
            "user-agent",
            "x-request-id",
            "referer",
            "cookie",
            "x-forwarded-for",
            "forwarded",
            "traceparent",
            "content-type",
        ] {
            self.send(
                self.request(Method::DELETE, "/items/0")
                    .header(name, &header),
            )
            .await;
        }
        let other = self.client.post(format!("{}/items/", self.address));
        self.send(other.header("authorization", &header).json(&json!({})))
            .await;
        let other = self.client.get(format!("{}/audit/records", self.address));
        self.send(other.header("authorization", format!("Bearer {}", body.replace(' ', ""))))
            .await;
    }

    /// A value that looks like nothing, under the name of a secret.
    async fn send_named(&mut self, name: &str) {
        let text = self.mint.body(Alphabet::Word, 10);
        let number = u64::from(u32::MAX) * 1_000 + self.mint.next;
        let what = format!("value of {name}");
        for needle in [text.clone(), number.to_string()] {
            self.canaries.push(Canary {
                needle,
                what: what.clone(),
            });
        }
        let inner = json!({ name: text });
        let item = json!({
            "name": "Kettle",
            "description": format!("{name}={text}"),
            "attributes": {
                name: text,
                "deep": [{ name: number }, { name: [text, { "a": text }] }, { name: { "a": { "b": text } } }],
                "json": inner.to_string(),
                "json twice": Value::from(inner.to_string()).to_string(),
                "base64": STANDARD.encode(inner.to_string()),
                "form": format!("a=1&{name}={text}"),
                "url": format!("https://example.com/?{name}={text}#top"),
            },
        });
        let encoded = STANDARD.encode(inner.to_string());
        self.canaries.push(Canary {
            needle: encoded,
            what: format!("{what}, base64"),
        });
        let item_path = format!("/items/{}", self.item);
        self.send(self.request(Method::POST, "/items/").json(&item))
            .await;
        self.send(self.request(Method::PUT, &item_path).json(&item))
            .await;
        self.send(
            self.request(Method::POST, "/items/")
                .header("content-type", FORM)
                .body(form(&[(name, text.as_str())])),
        )
        .await;
        self.send(
            self.request(Method::POST, "/items/")
                .json(&json!({ name: text })),
        )
        .await;
        for path in [
            format!("/items/?{name}={text}"),
            format!("/items/?a[{name}]={text}"),
            format!("/audit/records?{name}={text}"),
            format!("/audit/records?actor=%7B%22{name}%22%3A%22{text}%22%7D"),
        ] {
            self.send(self.request(Method::GET, &path)).await;
        }
        self.send(self.request(Method::DELETE, &format!("/items/x?{name}={text}")))
            .await;
    }

    /// What requests are made with.
    async fn send_credentials(&mut self) {
        let token = self.token.to_owned();
        let signature = token.rsplit('.').next().unwrap().to_owned();
        self.canaries.push(Canary {
            needle: signature,
            what: "the token in use".to_owned(),
        });
        let password = self.mint.body(Alphabet::Word, 14);
        self.canaries.push(Canary {
            needle: password.clone(),
            what: "the password of Basic".to_owned(),
        });
        let basic = STANDARD.encode(format!("alice:{password}"));
        self.canaries.push(Canary {
            needle: basic,
            what: "the header of Basic".to_owned(),
        });
        let other = self.client.post(format!("{}/items/", self.address));
        self.send(other.basic_auth("alice", Some(password)).json(&json!({})))
            .await;
    }
}

/// Fails with everything that is found in these bytes.
fn assert_clean(place: &str, bytes: &[u8], canaries: &[Canary]) {
    let needles = canaries.iter().map(|canary| canary.needle.as_bytes());
    let finder = aho_corasick::AhoCorasick::new(needles).unwrap();
    let found: Vec<String> = finder
        .find_overlapping_iter(bytes)
        .map(|found| {
            let from = found.start().saturating_sub(120);
            let around = String::from_utf8_lossy(&bytes[from..(found.end() + 40).min(bytes.len())])
                .into_owned();
            format!("{}: …{around}…", canaries[found.pattern().as_usize()].what)
        })
        .collect();
    assert!(
        found.is_empty(),
        "{} in {place}, of which the first are\n{}",
        found.len(),
        found[..found.len().min(12)].join("\n")
    );
}

/// All files of a folder, one after the other.
fn files(folder: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            bytes.extend(files(&path));
        } else {
            bytes.extend(fs::read(path).unwrap());
        }
    }
    bytes
}

/// The trail's tables as text.
fn tables(database: &TestDatabase) -> String {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        row: String,
    }
    let rows = diesel::sql_query(
        "SELECT r::text AS row FROM audit_records r UNION ALL SELECT d::text || convert_from(d.record, 'UTF8') FROM audit_dead_letters d",
    );
    let rows: Vec<Row> = rows.load(&mut database.connect()).unwrap();
    rows.into_iter().map(|row| row.row + "\n").collect()
}

fn start(data_dir: &Path, url: &str, log: &str) -> (Child, String) {
    let log = File::create(data_dir.join(log)).unwrap();
    let mut service = program(data_dir, Some(url))
        .args(["serve", "--bind", "127.0.0.1:0"])
        .env("ITEMS_API_LOG", "debug,audit=trace,items_api=trace")
        // Most of what is sent is refused, and all of it is to be recorded.
        .env("ITEMS_API_AUDIT_REFUSALS", "0")
        .env("ITEMS_API_AUDIT_UNKNOWN_REFUSALS", "0")
        .env("ITEMS_API_AUDIT_QUERIES", "0")
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .unwrap();
    let address = address_of(&mut service);
    (service, address)
}

fn token(data_dir: &Path) -> String {
    let output = program(data_dir, None)
        .args(["token", "--sub", "ada", "--role", "admin"])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

async fn stop(mut service: Child) {
    terminate(&service);
    let status = tokio::task::spawn_blocking(move || service.wait().unwrap())
        .await
        .unwrap();
    assert!(status.success(), "{status}");
}

#[actix_web::test]
async fn no_secret_of_any_kind_is_found_in_anything_that_the_trail_leaves_behind() {
    let database = TestDatabase::empty();
    let data_dir = tempfile::tempdir().unwrap();
    let data_dir = data_dir.path();
    let token = token(data_dir);
    let client = Client::builder().pool_max_idle_per_host(4).build().unwrap();

    // Without a database everything stays in the journal.
    let nowhere = database.url().replace(database.name(), "nowhere");
    let (service, address) = start(data_dir, &nowhere, "first.log");
    let mut sender = Sender {
        address: &address,
        token: &token,
        client: client.clone(),
        mint: Mint { next: 0 },
        canaries: Vec::new(),
        item: "00000000-0000-7000-8000-000000000000".to_owned(),
    };
    sender.send_all().await;
    let sent = sender.mint.next;
    let mut canaries = sender.canaries;
    let journal = files(&data_dir.join("journal"));
    assert!(
        journal.len() > 1_000_000,
        "there is something to look at: {} bytes",
        journal.len()
    );
    assert_clean("the journal", &journal, &canaries);
    stop(service).await;

    // With one, everything goes through it.
    let (service, address) = start(data_dir, database.url(), "second.log");
    let item = eventually("an item is created", async || {
        let request = client.post(format!("{address}/items/")).bearer_auth(&token);
        let response = request
            .json(&json!({ "name": "Kettle" }))
            .send()
            .await
            .unwrap();
        let item: Value = response.json().await.unwrap();
        item["id"].as_str().map(str::to_owned)
    })
    .await;
    let mut sender = Sender {
        address: &address,
        token: &token,
        client: client.clone(),
        mint: Mint { next: sent },
        canaries: Vec::new(),
        item,
    };
    sender.send_all().await;
    canaries.extend(sender.canaries);

    let mut pages = String::new();
    let mut next = "/audit/records?limit=500&order=asc".to_owned();
    loop {
        let response = client
            .get(format!("{address}{next}"))
            .bearer_auth(&token)
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 200);
        let page = response.text().await.unwrap();
        let cursor = serde_json::from_str::<Value>(&page).unwrap()["next"]
            .as_str()
            .map(str::to_owned);
        pages.push_str(&page);
        match cursor {
            Some(cursor) => next = format!("/audit/records?limit=500&order=asc&cursor={cursor}"),
            None => break,
        }
    }
    let mut others = String::new();
    for path in ["stats", "export?format=ndjson", "export?format=csv"] {
        let request = client.get(format!("{address}/audit/{path}"));
        let response = request.bearer_auth(&token).send().await.unwrap();
        assert_eq!(response.status(), 200);
        others.push_str(&response.text().await.unwrap());
    }
    assert!(others.len() > pages.len());
    let metrics = client
        .get(format!("{address}/metrics"))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    stop(service).await;

    let rows = tables(&database);
    assert!(
        rows.lines().count() > 4_000,
        "{} records",
        rows.lines().count()
    );
    assert!(rows.contains("[REDACTED]"));
    assert_clean("the tables", rows.as_bytes(), &canaries);
    assert_clean("the answers of /audit", pages.as_bytes(), &canaries);
    assert_clean("the exports and counts", others.as_bytes(), &canaries);
    assert_clean("the metrics", metrics.as_bytes(), &canaries);
    assert_clean("the journal", &files(&data_dir.join("journal")), &canaries);
    for log in ["first.log", "second.log"] {
        let log = fs::read(data_dir.join(log)).unwrap();
        assert!(!log.is_empty());
        assert_clean("the log", &log, &canaries);
    }
}
