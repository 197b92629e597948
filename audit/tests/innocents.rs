//! What redaction must leave alone: texts of every day that look a little like secrets.
//!
//! Hiding too much makes a trail useless, so of many thousand innocent names and
//! values fewer than one in a thousand may be hidden. The generated ones are the same
//! in every run.

#![expect(
    clippy::indexing_slicing,
    reason = "a test fails by panicking, and so do its helpers"
)]

use audit::redact::{NameRules, Redactor};
use sha2::{Digest as _, Sha256};

/// Names of members that begin, end or sound like those of secrets.
const NAMES: &str = "
    tokenizer tokenized tokenization pinned pinning pinnacle spinning shipping opinion author authors
    authored_by authority authorship secretary secretariat secretion discard discards cardinality
    cardigan postcard wildcard scorecard passenger passengers compass bypass encompass passage passing
    pass_count keyboard keynote monkey turkey key keys primary_key foreign_key idempotency_key sort_key
    cache_key public_key classname business_name footprint company pancake description price attributes
    email phone status_code zip_code design signed_at assigned sigma inside session accreditation
    credit_limit crediting sacred certificate_name signal signals signpost resign designer assassin
    lesson season obsession possession passport_country bookings ordinal spinach captain pinpoint
    shared_by hashes hashtag hash_tags rehash bearing bearings beard basics basically urls url_path
    cookbook cooking cook rookie apricot panel panels company_pan_european expanse
    jacket jotter jwst session_name optional total totals rotation quotation
    access accesses accessible accessory api_version apiary private_note privately public
";

/// Texts as people and programs write them.
const TEXTS: &[&str] = &[
    "Please send the kettle to the author of this order.",
    "The tokenizer splits words, and the pinned tab stays.",
    "He is the bearer of good news; basic needs come first.",
    "Bearer of the ring, keeper of secrets",
    "Basic knowledge of Rust is enough.",
    "Her password was changed yesterday by the help desk.",
    "Forgot your password? Ask for a new one.",
    "Meet me at 10:30, or at 11:00 if it rains: I do not mind.",
    "Ratio 3:2 = 1.5; x >= y; a -> b; c => d",
    "See https://example.com/docs/authors?page=2&sort=name#top",
    "ftp://example.com:21/pub and http://[::1]:8080/x@y",
    "mailto:alice@example.com and alice+tag@example.co.uk",
    "C:\\Users\\alice\\Documents\\keys.txt",
    "/usr/share/doc/author/token-ring/README",
    "SELECT id, name FROM items WHERE price > 10 AND name LIKE '%pin%'",
    "100 % cotton, 50% off, 20%25 and %zz",
    "Tue, 24 Nov 2026 10:00:00 GMT",
    "2026-11-24T10:00:00.123456Z",
    "P3DT4H30M / PT15M",
    "192.0.2.1, 2001:db8::1, 10.0.0.0/8",
    "v1.2.3-rc.1+build.5",
    "1,234,567.89 EUR",
    "+49 176 12345678",
    "0176/12345678",
    "(555) 010-9999",
    "DE89 3704 0044 0532 0130 00",
    "GB82WEST12345698765432",
    "978-3-16-148410-0",
    "4006381333931",
    "Order 112-3456789-1234567 of item B07XJ8C8F5",
    "ORD-2026-000123 / INV/2026/11/0042",
    "ETag \"33a64df551425fcc55e4d42a148795d9f25f89d4\"",
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7",
    "SXRlbTo0Mg== and UHJvZHVjdDoxMjM0NTY=",
    "{\"a\": 1, \"author\": \"Jane\", \"list\": [true, null]}",
    "<p>Hello, <b>world</b> &amp; <i>all</i></p>",
    "fn main() { let key = \"value\"; println!(\"{key:?}\"); }",
    "--name kettle --verbose -n 3 -- file",
    "eyJ is how they begin. Then they go on.",
    "sk-8, task-list, desk-usage, risk-averse, disk-full",
    "$5 or $6 or $100$",
    "Grüße aus Köln, 北京, مرحبا, 😀",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "{\"sku\":\"B07XJ8C8F5\",\"gtin\":\"04006381333931\",\"imei\":\"490154203237518\",\"vin\":\"1HGCM82633A004352\"}",
    "{\"tracking\":[\"1Z999AA10123456784\",\"9400111899223197428490\"],\"sscc\":\"340123450000000018\"}",
    "{\"field\":\"password\",\"message\":\"too short\",\"code\":\"length\"}",
    "{\"name\":\"Gift card\",\"value\":25,\"label\":\"Card\"}",
    "{\"op\":\"replace\",\"path\":\"/items/7/price\",\"value\":12.50}",
    "{\"type\":\"Point\",\"coordinates\":[13.404954,52.520008],\"geohash\":\"u33dc0cppjs1\"}",
    "at com.example.TokenFilter.doFilter(TokenFilter.java:42)",
    "thread 'main' panicked at src/token.rs:10:5: called `Option::unwrap()` on a `None` value",
    "CREATE TABLE users (id BIGINT, password_hash TEXT NOT NULL, token VARCHAR(255));",
    "fn hash_password(password: &str) -> Result<String, Error> { bcrypt::hash(password, 12) }",
    "interface User { name: string; password: string; token?: string }",
    "password=${DB_PASSWORD} and token={{ .Values.token }}",
    "docker run -u 1000:1000 -p 8080:80 nginx:1.25@sha256:abc",
    "git clone git@github.com:org/repo.git && ssh -p 22 alice@host",
    "<p>Tom &amp; Jerry said &quot;hello&quot;</p><label for=\"password\">New</label>",
    "*/5 * * * * /usr/bin/token-ring --quiet",
    "ICD-10 E11.9, SNOMED 44054006, NHS 943 476 5919, RR 120/80",
    "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor.",
];

/// Numbers that look random, the same in every run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// Ids, hashes, times and numbers as services make them.
fn generated() -> Vec<String> {
    use base64::Engine as _;
    let mut numbers = Numbers(1);
    let mut texts = Vec::new();
    for round in 0..2_000_u64 {
        let (one, two) = (numbers.next(), numbers.next());
        let bytes = u128::from(one) << 64 | u128::from(two);
        let uuid = uuid::Builder::from_random_bytes(bytes.to_be_bytes()).into_uuid();
        let hash = Sha256::digest(bytes.to_be_bytes());
        let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        let millis = 1_700_000_000_000 + one % 200_000_000_000;
        texts.extend([
            uuid.to_string(),
            uuid.simple().to_string().to_uppercase(),
            format!("/items/{uuid}/parts/{}", two % 1_000),
            hex[..40].to_owned(),
            hex.clone(),
            base64::engine::general_purpose::STANDARD.encode(hash),
            base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&hash[..16]),
            format!("ORD-{}-{:06}", 2020 + round % 7, one % 1_000_000),
            format!(
                "{:03}-{:07}-{:07}",
                one % 1_000,
                two % 10_000_000,
                one % 10_000_000
            ),
            millis.to_string(),
            format!("{}", millis * 1_000 + two % 1_000),
            format!("{:010}", one % 10_000_000_000),
            format!("{}.{:02}", one % 100_000, two % 100),
            format!("0.{:016}", one % 10_000_000_000_000_000),
            format!("+{}", 490_000_000_000 + one % 10_000_000_000),
            format!(
                "{}",
                1_400_000_000_000_000_000 + one % 100_000_000_000_000_000
            ),
            format!(
                "https://cdn.example.com/{}/{}.png?v={}",
                &hex[..8],
                &hex[8..24],
                two % 100
            ),
        ]);
    }
    texts
}

#[test]
fn hardly_any_innocent_text_is_hidden() {
    let redactor = Redactor::default();
    let licence = include_str!("../../LICENSE-APACHE");
    let texts: Vec<String> = TEXTS
        .iter()
        .map(|text| (*text).to_owned())
        .chain(licence.lines().map(str::to_owned))
        .chain(licence.split("\n\n").map(str::to_owned))
        .chain(generated())
        .filter(|text| !text.trim().is_empty())
        .collect();
    let as_json = |text: &String| serde_json::json!({ "value": text, "list": [text] }).to_string();
    let hidden: Vec<&String> = texts
        .iter()
        .filter(|text| {
            !redactor
                .json("", as_json(text))
                .unwrap()
                .redacted
                .is_empty()
                || !redactor.text("", text).redacted.is_empty()
        })
        .collect();
    assert!(texts.len() > 30_000);
    assert!(
        hidden.len() * 1_000 < texts.len(),
        "{} of {} are hidden: {hidden:#?}",
        hidden.len(),
        texts.len()
    );
    // What people write is to be shown without exception.
    assert!(
        hidden
            .iter()
            .all(|text| text.len() < 80 && !text.contains(' ')),
        "{hidden:#?}"
    );
}

#[test]
fn innocent_names_are_shown_in_every_spelling() {
    let names = NameRules::default();
    let mut count = 0;
    let mut hidden = Vec::new();
    for name in NAMES.split_whitespace() {
        let camel: String = name
            .split('_')
            .enumerate()
            .map(|(at, word)| match word.chars().next() {
                Some(first) if at > 0 => first.to_uppercase().collect::<String>() + &word[1..],
                _ => word.to_owned(),
            })
            .collect();
        for spelling in [
            name.to_owned(),
            name.to_uppercase(),
            name.replace('_', "-"),
            camel,
        ] {
            count += 1;
            if names.hides(&spelling) {
                hidden.push(spelling);
            }
        }
    }
    assert!(count > 350);
    assert!(hidden.is_empty(), "{hidden:?}");
}
