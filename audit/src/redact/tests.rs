//! What must hold for every input, tried with many.

use std::collections::HashSet;

use proptest::prelude::*;
use serde::de::IgnoredAny;

use super::contents::is_card_literal;
use super::shape::{Member, Shape, Treatment};
use super::{Differences, HashKey, Limits, NameRules, REDACTED, Redacted, Redactor};

/// A value of the tests' own, because `serde_json::Value` forgets the text of
/// numbers and repeated names.
#[derive(Clone, Debug)]
enum Json {
    Literal(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Written with `space` wherever the grammar allows whitespace.
    fn write(&self, space: &str) -> String {
        let list = |open: char, items: Vec<String>, close: char| {
            let items = items.join(&format!("{space},{space}"));
            format!("{open}{space}{items}{space}{close}")
        };
        match self {
            Self::Literal(text) => text.clone(),
            Self::Array(items) => list(
                '[',
                items.iter().map(|item| item.write(space)).collect(),
                ']',
            ),
            Self::Object(members) => {
                let member = |(name, value): &(String, Json)| {
                    format!("{name}{space}:{space}{}", value.write(space))
                };
                list('{', members.iter().map(member).collect(), '}')
            }
        }
    }

    fn is_harmless(&self) -> bool {
        match self {
            Self::Literal(text) => {
                !is_card_literal(text) && !serde_json::from_str(text).is_ok_and(tells_a_secret)
            }
            Self::Array(items) => items.iter().all(Self::is_harmless),
            Self::Object(members) => members.iter().all(|(name, value)| {
                let name: String = serde_json::from_str(name).unwrap();
                !tells_a_secret(name) && value.is_harmless()
            }),
        }
    }

    /// Whether no name occurs twice in one object.
    fn can_be_pointed_into(&self) -> bool {
        match self {
            Self::Literal(_) => true,
            Self::Array(items) => items.iter().all(Self::can_be_pointed_into),
            Self::Object(members) => {
                let name = |text: &str| serde_json::from_str::<String>(text).unwrap();
                let names: HashSet<String> = members.iter().map(|(text, _)| name(text)).collect();
                names.len() == members.len()
                    && members.iter().all(|(_, value)| value.can_be_pointed_into())
            }
        }
    }

    /// Puts a member somewhere inside, as `path` chooses.
    fn plant(&mut self, path: &[usize], member: (String, Json)) {
        let (turn, path) = path
            .split_first()
            .map_or((0, path), |(turn, path)| (*turn, path));
        match self {
            Self::Array(items) if !items.is_empty() && !path.is_empty() => {
                let index = turn % items.len();
                items[index].plant(path, member);
            }
            Self::Object(members) if !members.is_empty() && !path.is_empty() => {
                let index = turn % members.len();
                members[index].1.plant(path, member);
            }
            Self::Object(members) => members.insert(turn % (members.len() + 1), member),
            other => *other = Self::Object(vec![("\"was\"".to_owned(), other.clone()), member]),
        }
    }
}

fn string() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        6 => "[ -!#-\\[\\]-~]{0,9}",
        1 => "[é€😀\u{7f}\u{2028}]",
        1 => r#"\\["\\/bfnrt]"#,
        1 => r"\\u00[1-9a-f]{2}",
        1 => Just(r"\ud83d\ude00".to_owned()),
    ];
    prop::collection::vec(piece, 0..4).prop_map(|pieces| format!("\"{}\"", pieces.concat()))
}

fn json(depth: u32) -> impl Strategy<Value = Json> {
    let number = r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,5})?([eE][+-]?[0-9]{1,2})?";
    let word = prop::sample::select(vec!["true", "false", "null"]).prop_map(str::to_owned);
    let literal =
        prop_oneof![number.boxed(), word.boxed(), string().boxed()].prop_map(Json::Literal);
    literal.prop_recursive(depth, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Json::Array),
            prop::collection::vec((string(), inner), 0..6).prop_map(Json::Object),
        ]
    })
}

/// Whether it is the name of a secret, by chance, or may hold one and its value.
fn tells_a_secret(text: String) -> bool {
    NameRules::default().hides(&text)
        || text
            .split(['=', ':', '>'])
            .rev()
            .skip(1)
            .any(|name| NameRules::default().hides(name))
}

/// A secret name in one of the ways in which people, or attackers, write names.
fn secret_name() -> impl Strategy<Value = String> {
    const WORDS: [&[&str]; 12] = [
        &["password"],
        &["secret"],
        &["access", "token"],
        &["api", "key"],
        &["pin"],
        &["card", "number"],
        &["private", "key"],
        &["session", "id"],
        &["ssn"],
        &["client", "secret"],
        &["passphrase"],
        &["authorization"],
    ];
    let words = prop::sample::select(WORDS.to_vec());
    let prefix = prop::sample::select(vec!["", "user", "new", "x", "my"]);
    let suffix = prop::sample::select(vec!["", "2", "hash", "value"]);
    (
        words,
        prefix,
        suffix,
        0..6_u8,
        any::<prop::sample::Index>(),
        any::<bool>(),
    )
        .prop_map(|(words, prefix, suffix, style, index, escape)| {
            let words = [prefix]
                .into_iter()
                .chain(words.iter().copied())
                .chain([suffix]);
            let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
            let name = match style {
                0 => words.join("_"),
                1 => words.join("-").to_uppercase(),
                2 => words.join("."),
                3 => words.join(" "),
                4 => words.iter().copied().map(capitalised).collect(),
                _ => words.join("\u{200b}_"),
            };
            if !escape {
                return name;
            }
            let characters: Vec<char> = name.chars().collect();
            let chosen = index.index(characters.len());
            let escaped = |(at, character): (usize, &char)| {
                if at == chosen {
                    format!("\\u{:04x}", u32::from(*character))
                } else {
                    character.to_string()
                }
            };
            characters.iter().enumerate().map(escaped).collect()
        })
}

fn capitalised(word: &str) -> String {
    word.char_indices()
        .map(|(at, character)| {
            if at == 0 {
                character.to_ascii_uppercase()
            } else {
                character
            }
        })
        .collect()
}

fn depth(text: &str) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth -= 1,
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

const CANARY: &str = "c4n4ry";

/// Shapes that know the member `planted` at any depth of any text.
macro_rules! anywhere {
    ($name:ident, $shape:expr) => {
        static $name: Shape = Shape::AllOf(&[
            || &Shape::Each(|| &$name),
            || {
                &Shape::Object(&[Member {
                    names: &["planted"],
                    shape: || &$shape,
                }])
            },
        ]);
    };
}
anywhere!(MASKED, Shape::Treated(Treatment::Mask));
anywhere!(HASHED, Shape::Treated(Treatment::Hash));
anywhere!(SECRET, Shape::Treated(Treatment::Secret));
anywhere!(SKIPPED, Shape::Treated(Treatment::Skip));
anywhere!(HARMLESS, Shape::Open);
static HASHED_ITEMS: Shape = Shape::Each(|| &Shape::Treated(Treatment::Hash));

fn keyed(limits: Limits) -> Redactor {
    Redactor::new(NameRules::default(), limits).with_hash_key(HashKey::new(&[7; 32]).unwrap())
}

/// A text that says where it was changed becomes what it was changed to.
fn apply(differences: &Differences, before: &str) -> serde_json::Value {
    let mut value: serde_json::Value = serde_json::from_str(before).unwrap();
    let (set, removed): (Vec<_>, Vec<_>) = differences
        .changes
        .iter()
        .partition(|change| change.new.is_some());
    for change in set.into_iter().chain(removed.into_iter().rev()) {
        let new = change
            .new
            .as_ref()
            .map(|new| serde_json::from_str(new).unwrap());
        let Some((parent, last)) = change.path.rsplit_once('/') else {
            value = new.unwrap();
            continue;
        };
        let last = last.replace("~1", "/").replace("~0", "~");
        match (value.pointer_mut(parent).unwrap(), new) {
            (serde_json::Value::Array(items), Some(new)) => {
                match items.get_mut(last.parse::<usize>().unwrap()) {
                    Some(item) => *item = new,
                    None => items.push(new),
                }
            }
            (serde_json::Value::Array(items), None) => {
                assert_eq!(last.parse::<usize>().unwrap() + 1, items.len());
                items.pop();
            }
            (serde_json::Value::Object(members), Some(new)) => {
                assert_eq!(members.insert(last, new).is_some(), change.old.is_some());
            }
            (serde_json::Value::Object(members), None) => {
                assert!(members.remove(&last).is_some());
            }
            (other, _) => panic!("nothing is inside of {other}"),
        }
    }
    value
}

/// An object or a list in which one part says of another that it is secret.
fn pair() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        r#"{"name":"password","value":"$"}"#,
        r#"{"value":"$","name":"password"}"#,
        r#"{"New_Value":["$"],"a":[1,{}],"b":"c","field":"pin"}"#,
        r#"{"v\u0061lue":{"a":"$"},"KEY":"token"}"#,
        r#"{"to":{"v":"$","k":"a"},"path":"/a/api_key"}"#,
        r#"["a",["password","$"]]"#,
        r#"[["a","b"],["token",{"a":"$"}],["c","d"]]"#,
        r#"{"kty":"RSA","d":"$"}"#,
        r#"{"k":"$","a":{"kty":"none"},"kty":"oct"}"#,
    ])
    .prop_map(|text| text.replace('$', CANARY))
}

/// A text with a secret that is known by its look, and the part of it that must not be
/// seen.
fn secret_content() -> impl Strategy<Value = (String, &'static str)> {
    prop::sample::select(vec![
        ("AKIAIOSFODNN7CANARY0", "CANARY0"),
        ("ghp_0123456789abcdefghijCANARY0012345678", "CANARY0"),
        ("Bearer abc123CANARY0", "CANARY0"),
        ("postgres://app:CANARY0@db/items", "CANARY0"),
        ("4111 1111 1111 1111", "1111 1111"),
        ("password=CANARY0", "CANARY0"),
        ("{\"pin\":\"CANARY0\"}", "CANARY0"),
        ("<password>CANARY0</password>", "CANARY0"),
        ("mysql --password CANARY0", "CANARY0"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.CANARY0", "CANARY0"),
        (
            "-----BEGIN PRIVATE KEY-----\nCANARY0\n-----END PRIVATE KEY-----",
            "CANARY0",
        ),
    ])
    .prop_map(|(text, canary)| (text.to_owned(), canary))
}

/// A text of pieces of which one, when it is hidden, changes what the next one is.
fn marked_text() -> impl Strategy<Value = String> {
    const PIECES: &str = "password|token=|pin:|deploykey|Cookie: |x|a:b|1234|name=|value=|--user |--password |
        |<pin>|</pin>|[REDACTED]|AKIAIOSFODNN7EXAMPLE|4111 1111 1111 1111|://|a:b@|-----BEGIN |-----END |-----|Bearer |
        |\"|\\\"|'|\\|Some(\"| |  |=|:|>|;|#|&|/|?|%22|%3D|%25|&quot;|\\u003d|cGFzc3dvcmQ9aHVudGVyMg==";
    let pieces: Vec<&str> = PIECES.split('|').collect();
    prop::collection::vec(prop::sample::select(pieces), 0..16).prop_map(|pieces| pieces.concat())
}

/// One of the encodings that are taken off, around the whole of a text.
fn wrap(text: &str, wrapping: prop::sample::Index) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    let encodings: [fn(&str) -> String; 5] = [
        |text| STANDARD.encode(text),
        |text| URL_SAFE_NO_PAD.encode(text),
        |text| {
            percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC)
                .to_string()
        },
        |text| serde_json::Value::from(text).to_string(),
        |text| serde_json::json!({ "a": [text] }).to_string(),
    ];
    encodings[wrapping.index(encodings.len())](text)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn harmless_json_is_only_compacted(json in json(6), space in "[ \t\r\n]{0,2}") {
        prop_assume!(json.is_harmless());
        let found = Redactor::default().json("/request", json.write(&space)).unwrap();
        prop_assert_eq!(found, Redacted { text: json.write(""), ..Redacted::default() });
    }

    #[test]
    fn a_secret_planted_anywhere_never_comes_out(
        mut json in json(4),
        name in secret_name(),
        path in prop::collection::vec(any::<usize>(), 0..5),
        value in prop_oneof![
            Just(format!("\"{CANARY}\"")),
            Just(format!("[0,{{\"{CANARY}\":\"{CANARY}\"}}]")),
            Just("428190427.5".to_owned()),
        ],
        depth in 0..6_usize,
    ) {
        json.plant(&path, (format!("\"{name}\""), Json::Literal(value)));
        let limits = Limits { depth, ..Limits::default() };
        let found = Redactor::new(NameRules::default(), limits).json("/request", json.write(" ")).unwrap();
        prop_assert!(!found.text.contains(CANARY) && !found.text.contains("428190427"), "{}", found.text);
        prop_assert!(found.text.contains(REDACTED) || !found.truncated.is_empty());
    }

    #[test]
    fn a_secret_that_only_its_siblings_give_away_never_comes_out(
        mut json in json(4),
        path in prop::collection::vec(any::<usize>(), 0..5),
        pair in pair(),
        lists in 0..140_usize,
        depth in prop_oneof![0..6_usize, Just(1000)],
    ) {
        let pair = format!("{}{pair}{}", "[".repeat(lists), "]".repeat(lists));
        json.plant(&path, ("\"a\"".to_owned(), Json::Literal(pair)));
        let limits = Limits { depth, ..Limits::default() };
        let found = Redactor::new(NameRules::default(), limits).json("/request", json.write(" ")).unwrap();
        prop_assert!(!found.text.contains(CANARY), "{}", found.text);
        prop_assert!(!found.redacted.is_empty() || !found.truncated.is_empty());
    }

    #[test]
    fn what_a_type_wants_treated_never_comes_out(
        mut json in json(4),
        shape in prop::sample::select(vec![&MASKED, &HASHED, &SECRET, &SKIPPED]),
        name in prop::sample::select(vec!["planted", r"\u0070lant\u0065d"]),
        path in prop::collection::vec(any::<usize>(), 0..5),
        value in prop_oneof![
            Just(format!("\"{CANARY}--1234\"")),
            Just(format!("[0,{{\"{CANARY}\":\"{CANARY}\"}}]")),
            Just("428190427.51234".to_owned()),
        ],
        depth in 0..6_usize,
    ) {
        json.plant(&path, (format!("\"{name}\""), Json::Literal(value)));
        let text = json.write(" ");
        let found = keyed(Limits { depth, ..Limits::default() }).json_as("/request", &text, shape).unwrap();
        prop_assert!(!found.text.contains(CANARY) && !found.text.contains("428190427"), "{}", found.text);
        prop_assert!(!found.redacted.is_empty() || !found.truncated.is_empty());
        prop_assert!(serde_json::from_str::<IgnoredAny>(&found.text).is_ok(), "{}", found.text);
    }

    #[test]
    fn a_type_without_secrets_changes_nothing(json in json(5), depth in 0..5_usize) {
        let redactor = keyed(Limits { depth, ..Limits::default() });
        let text = json.write(" ");
        let plain = redactor.json("/request", &text);
        prop_assert_eq!(&plain, &redactor.json_as("/request", &text, &Shape::Open));
        prop_assert_eq!(&plain, &redactor.json_as("/request", &text, &HARMLESS));
    }

    #[test]
    fn a_field_that_a_type_wants_treated_never_comes_out(
        shape in prop::sample::select(vec![&MASKED, &HASHED, &SECRET, &SKIPPED]),
        before in "[a-z=&;?%+]{0,12}",
        encode in any::<u16>(),
        after in "[;?&#=+]{0,2}",
    ) {
        let encoded: String = "planted".bytes().enumerate().map(|(at, byte)| {
            if encode >> at & 1 == 1 { format!("%{byte:02X}") } else { char::from(byte).to_string() }
        }).collect();
        let query = format!("{before}&{encoded}={CANARY}--1234{after}&last");
        let redactor = keyed(Limits::default());
        let found = redactor.query_as("/http/query", &query, shape);
        prop_assert!(!found.text.contains(CANARY), "{}", found.text);
        let found = redactor.form_as("/request", query.as_bytes(), shape);
        prop_assert!(!found.text.contains(CANARY), "{}", found.text);
        prop_assert!(serde_json::from_str::<IgnoredAny>(&found.text).is_ok(), "{}", found.text);
    }

    #[test]
    fn a_secret_known_by_its_look_never_comes_out_whatever_it_is_wrapped_in(
        mut json in json(4),
        path in prop::collection::vec(any::<usize>(), 0..5),
        secret in secret_content(),
        before in "[a-z ]{0,8}[ (,]",
        wrappings in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
        as_name in any::<bool>(),
    ) {
        let (text, canary) = secret;
        let wrapped = wrappings
            .iter()
            .fold(format!("{before}{text}"), |text, wrapping| wrap(&text, *wrapping));
        let quoted = serde_json::Value::from(wrapped.as_str()).to_string();
        let (name, value) = if as_name { (quoted, "1".to_owned()) } else { ("\"a\"".to_owned(), quoted) };
        json.plant(&path, (name, Json::Literal(value)));
        let redactor = Redactor::default();
        let found = redactor.json("/request", json.write(" ")).unwrap();
        prop_assert!(!found.text.contains(canary), "{wrapped} shows {}", found.text);
        let found = redactor.differences("{}", &json.write(""), &Shape::Open, 0, 100).unwrap();
        prop_assert!(!format!("{found:?}").contains(canary), "{wrapped} shows {found:?}");
        let encoded: String = form_urlencoded::byte_serialize(wrapped.as_bytes()).collect();
        for field in [format!("a={encoded}&b"), format!("a={encoded};pin=1"), format!("{encoded}=1"), encoded] {
            let found = redactor.query("/http/query", &field);
            prop_assert!(!found.text.contains(canary), "{field} shows {}", found.text);
            let found = redactor.form("/request", field.as_bytes());
            prop_assert!(!found.text.contains(canary), "{field} shows {}", found.text);
        }
        let found = redactor.text("/http/path", &wrapped);
        prop_assert!(!found.text.contains(canary), "{wrapped} shows {}", found.text);
    }

    #[test]
    fn a_value_beside_the_name_of_a_secret_never_comes_out(
        mut json in json(4),
        path in prop::collection::vec(any::<usize>(), 0..5),
        naming in prop::sample::select(vec!["name", "Key", "field", "path", "header"]),
        valued in prop::sample::select(vec!["value", "Values", "old_value", "newValue"]),
        name in secret_name().prop_filter("titles are no names", |name| {
            let says: String = serde_json::from_str(&format!("\"{name}\"")).unwrap();
            !says.contains(' ')
        }),
        value in prop_oneof![Just(format!("\"{CANARY}\"")), Just(format!("[{{\"a\":\"{CANARY}\"}}]"))],
        name_first in any::<bool>(),
        depth in 0..6_usize,
    ) {
        let (name, value) = (format!("\"{naming}\":\"{name}\""), format!("\"{valued}\":{value}"));
        let pair = if name_first { format!("{{{name},\"a\":1,{value}}}") } else { format!("{{{value},\"a\":[],{name}}}") };
        json.plant(&path, ("\"planted\"".to_owned(), Json::Literal(pair)));
        let redactor = Redactor::new(NameRules::default(), Limits { depth, ..Limits::default() });
        let found = redactor.json("/request", json.write(" ")).unwrap();
        prop_assert!(!found.text.contains(CANARY), "{}", found.text);
        let found = redactor.differences("[]", &json.write(""), &Shape::Open, 0, 100).unwrap();
        prop_assert!(!format!("{found:?}").contains(CANARY), "{found:?}");
    }

    #[test]
    fn what_was_redacted_is_not_redacted_again(
        mut json in json(4),
        path in prop::collection::vec(any::<usize>(), 0..5),
        secret in secret_content(),
        string_bytes in prop::sample::select(vec![10_usize, 24, 8192]),
        name_bytes in prop::sample::select(vec![10_usize, 256]),
    ) {
        let quoted = serde_json::Value::from(format!("see {} and more", secret.0)).to_string();
        json.plant(&path, ("\"a\"".to_owned(), Json::Literal(quoted)));
        let limits = Limits { string_bytes, name_bytes, ..Limits::default() };
        let redactor = Redactor::new(NameRules::default(), limits);
        let once = redactor.json("/request", json.write(" ")).unwrap();
        let twice = redactor.json("/request", &once.text).unwrap();
        prop_assert_eq!(&once.text, &twice.text);
        prop_assert!(twice.truncated.is_empty(), "{:?}", twice.truncated);
        let once = redactor.text("", &secret.0);
        let twice = redactor.text("", &once.text);
prop_assert_eq!(once.text, twice.text);
    }

    #[test]
    fn whatever_stands_beside_a_mark_is_hidden_at_once(
        texts in prop::collection::vec(marked_text(), 4),
    ) {
        let redactor = Redactor::default();
        for text in &texts {
            let once = redactor.text("", text);
            prop_assert_eq!(&redactor.text("", &once.text).text, &once.text);
            let once = redactor.query("", text);
            prop_assert_eq!(&redactor.query("", &once.text).text, &once.text, "{}", text);
        }
        let json = |text: &String| serde_json::Value::from(text.clone());
        let [name, value, naming, inner] = [0, 1, 2, 3].map(|index| json(&texts[index]));
        let inner = json(&format!("[{inner}]"));
        let body = format!(
            r#"{{{name}:{value},"pair":{{"name":{naming},"value":1}},"list":[[{naming},2]],"inner":{inner}}}"#
        );
        let once = redactor.json("", &body).unwrap();
        let twice = redactor.json("", &once.text).unwrap();
        prop_assert_eq!(&twice.text, &once.text, "{}", body);
    }

    #[test]
    fn every_pointer_leads_to_the_mark_of_a_secret(
        mut json in json(4),
        path in prop::collection::vec(any::<usize>(), 0..5),
        secret in secret_content(),
        pair in any::<bool>(),
    ) {
        prop_assume!(json.can_be_pointed_into());
        let planted = if pair {
            "{\"name\":\"pin\",\"value\":[1]}".to_owned()
        } else {
            serde_json::Value::from(format!("see {}", secret.0)).to_string()
        };
        json.plant(&path, ("\"planted\"".to_owned(), Json::Literal(planted)));
        let found = Redactor::default().json("/request", json.write(" ")).unwrap();
        let shown: serde_json::Value = serde_json::from_str(&found.text).unwrap();
        for hidden in &found.redacted {
            let place = hidden.path.strip_prefix("/request").unwrap();
            let value = shown.pointer(place);
            let is_marked = value.and_then(serde_json::Value::as_str).is_some_and(|text| text.contains(REDACTED));
            prop_assert!(is_marked || place.contains(REDACTED), "{place} leads to {value:?} in {shown}");
        }
    }

    #[test]
    fn differences_of_a_text_to_itself_are_none(
        json in json(5),
        shape in prop::sample::select(vec![&MASKED, &HASHED, &SECRET, &SKIPPED, &Shape::Open]),
        depth in 0..5_usize,
        string_bytes in 0..12_usize,
    ) {
        let redactor = keyed(Limits { depth, string_bytes, name_bytes: 4, ..Limits::default() });
        let found = redactor.differences(&json.write(""), &json.write(" "), shape, 0, 100);
        prop_assert_eq!(found, Ok(Differences::default()));
    }

    #[test]
    fn differences_lead_from_one_text_to_the_other(
        before in json(5),
        after in json(5),
        keep in any::<bool>(),
        path in prop::collection::vec(any::<usize>(), 0..5),
        planted in json(3),
    ) {
        // Most pairs of texts differ in the root; so some differ inside only.
        let mut after = if keep { before.clone() } else { after };
        after.plant(&path, ("\"planted\"".to_owned(), planted));
        prop_assume!(before.is_harmless() && after.is_harmless());
        let (before, after) = (before.write(" "), after.write(""));
        let found = Redactor::default().differences(&before, &after, &Shape::Open, 0, usize::MAX).unwrap();
        prop_assert!(found.redacted.is_empty() && found.truncated.is_empty());
        let expected: serde_json::Value = serde_json::from_str(&after).unwrap();
        prop_assert_eq!(apply(&found, &before), expected, "{:?}", found);
    }

    #[test]
    fn a_secret_that_changed_is_told_and_not_shown(
        json in json(4),
        shape in prop::sample::select(vec![&MASKED, &HASHED, &SECRET, &SKIPPED]),
        path in prop::collection::vec(any::<usize>(), 0..5),
        depth in 0..6_usize,
    ) {
        prop_assume!(json.is_harmless());
        let text = |secret: &str| {
            let mut json = json.clone();
            json.plant(&path, ("\"planted\"".to_owned(), Json::Literal(format!("\"{secret}--1234\""))));
            json.write("")
        };
        let limits = Limits { depth, ..Limits::default() };
        let (before, after) = (text(CANARY), text("C4N4RY"));
        let found = keyed(limits).differences(&before, &after, shape, 0, 100).unwrap();
        let shown = format!("{found:?}").to_lowercase();
        prop_assert!(!shown.contains(CANARY), "{}", shown);
        if std::ptr::eq(shape, &raw const SKIPPED) {
            // An array in an array may be a struct, and is then hidden as a whole.
            prop_assert!(found.changes.is_empty() || before.contains("[[") || before.contains(",["));
        } else {
            prop_assert_eq!(found.changes.len(), 1, "{} {:?}", before, found);
        }
    }

    #[test]
    fn a_secret_in_an_object_that_went_or_came_is_not_shown(
        mut before in json(4),
        mut after in json(4),
        shape in prop::sample::select(vec![&MASKED, &HASHED, &SECRET, &SKIPPED]),
        paths in (prop::collection::vec(any::<usize>(), 0..5), prop::collection::vec(any::<usize>(), 0..5)),
        limit in 0..4_usize,
    ) {
        let planted = || ("\"planted\"".to_owned(), Json::Literal(format!("\"{CANARY}--1234\"")));
        before.plant(&paths.0, planted());
        after.plant(&paths.1, planted());
        prop_assume!(before.can_be_pointed_into() && after.can_be_pointed_into());
        let found = keyed(Limits::default()).differences(&before.write(""), &after.write(""), shape, 0, limit).unwrap();
        prop_assert!(!format!("{found:?}").contains(CANARY), "{:?}", found);
        prop_assert!(found.changes.len() <= limit);
        // Whatever is listed was hidden there, or left out there.
        let listed: serde_json::Value = found.changes.iter().map(|change| {
            let value = |text: &Option<String>| text.as_ref().map(|text| serde_json::from_str::<serde_json::Value>(text).unwrap());
            serde_json::json!({ "old": value(&change.old), "new": value(&change.new) })
        }).collect();
        for pointer in &found.redacted {
            let place = pointer.path.strip_prefix("/changes").unwrap();
            let parent = place.strip_suffix("/planted").and_then(|parent| listed.pointer(parent));
            match listed.pointer(place) {
                Some(hidden) => prop_assert!(hidden.is_string(), "{:?} {}", pointer, listed),
                None => prop_assert!(parent.is_some_and(serde_json::Value::is_object), "{:?} {}", pointer, listed),
            }
        }
    }

    #[test]
    fn a_secret_in_a_form_or_query_never_comes_out(
        name in secret_name().prop_filter("escapes are for JSON", |name| !name.contains('\\')),
        before in "[a-z=&;?%+]{0,12}",
        encode in any::<u16>(),
    ) {
        let encoded: String = name.bytes().enumerate().map(|(at, byte)| {
            if !byte.is_ascii_alphanumeric() || encode >> (at % 16) & 1 == 1 { format!("%{byte:02X}") } else { char::from(byte).to_string() }
        }).collect();
        let query = format!("{before}&{encoded}={CANARY}&last=1");
        let redactor = Redactor::default();
        let found = redactor.query("/http/query", &query);
        prop_assert!(!found.text.contains(CANARY) && found.text.ends_with("&last=1"), "{}", found.text);
        let found = redactor.form("/request", query.as_bytes());
        prop_assert!(!found.text.contains(CANARY), "{}", found.text);
        prop_assert!(serde_json::from_str::<IgnoredAny>(&found.text).is_ok(), "{}", found.text);
    }

    #[test]
    fn whatever_comes_out_is_json_within_the_limits(
        json in json(8),
        depth_limit in 0..5_usize,
        string_bytes in 0..12_usize,
        name_bytes in 0..6_usize,
        findings in 0..4_usize,
    ) {
        let limits = Limits { depth: depth_limit, string_bytes, name_bytes, findings, ..Limits::default() };
        let redactor = Redactor::new(NameRules::default(), limits);
        let text = json.write("");
        let found = redactor.json("/request", &text).unwrap();
        prop_assert!(serde_json::from_str::<IgnoredAny>(&found.text).is_ok(), "{}", found.text);
        prop_assert!(depth(&found.text) <= depth_limit);
        prop_assert!(found.redacted.len() <= findings + 1 && found.truncated.len() <= findings + 1);
        for cut in &found.truncated {
            prop_assert_eq!(cut.sha256.as_ref().map(String::len), Some(64));
        }
    }

    #[test]
    fn bodies_are_valid_exactly_when_serde_json_says_so(
        json in json(5),
        mutations in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(&b"[]{}\",:\\0123.eE+-u/tn \n\0\xff\xc3"[..]), any::<bool>()), 0..4),
    ) {
        let mut bytes = json.write(" ").into_bytes();
        for (index, byte, insert) in mutations {
            let at = index.index(bytes.len());
            if insert { bytes.insert(at, byte) } else { bytes[at] = byte }
        }
        let expected = str::from_utf8(&bytes).is_ok() && serde_json::from_slice::<IgnoredAny>(&bytes).is_ok();
        let found = Redactor::default().json("", &bytes);
        prop_assert_eq!(found.is_ok(), expected, "{:?}", String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn what_comes_out_of_short_values_is_at_most_thirty_times_as_long(
        values in prop::collection::vec("[0-9]|\"\"|null|\\[\\]|\\{\"\":1\\}", 0..50),
    ) {
        let text = format!("[{}]", values.join(","));
        let hashed = keyed(Limits::default()).json_as("", &text, &HASHED_ITEMS).unwrap();
        prop_assert!(hashed.text.len() <= 30 * text.len());
        let hidden = Redactor::default().json_as("", &text, &HASHED_ITEMS).unwrap();
        prop_assert!(hidden.text.len() <= 7 * text.len());
    }

    #[test]
    fn strings_without_a_need_to_change_are_kept(text in "\\PC{0,40}") {
        prop_assert_eq!(Redactor::default().text("/http/path", &text).text, text);
    }

    #[test]
    fn what_comes_out_is_at_most_six_times_as_long(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let redactor = Redactor::default();
        let room = 6 * body.len() + 32;
        prop_assert!(redactor.form("", &body).text.len() <= room);
        prop_assert!(redactor.query("", &String::from_utf8_lossy(&body)).text.len() <= 3 * room);
    }
}

#[test]
fn hostile_bodies_are_redacted_in_linear_time_and_space() {
    let repeat = |piece: &str| piece.repeat(65_536 / piece.len());
    let deep = "[".repeat(31);
    let bodies = [
        format!("[{}0]", repeat("[],")),
        format!("{deep}[{}0]{}", repeat("[],"), "]".repeat(31)),
        format!("{{{}\"a\":0}}", repeat("\"pin\":1,")),
        format!(
            "{{\"{}\":{{{}\"a\":0}}}}",
            "n".repeat(255),
            repeat("\"pin\":1,")
        ),
        format!("\"{}\"", repeat("\\ud800")),
        format!("{{\"{}\":0}}", repeat("secretary")),
        format!("{{\"{}\":0}}", repeat("a_")),
        format!("{{\"{}\":0}}", repeat("A\u{200b}")),
        format!("{{{}\"a\":0}}", repeat("\"\":[{\"pin\":0}],")),
    ];
    for body in bodies {
        for shape in [&MASKED, &HASHED, &SECRET, &SKIPPED] {
            let found = keyed(Limits::default()).json_as("/request", &body, shape);
            assert!(found.unwrap().text.len() <= 30 * body.len());
        }
        let found = Redactor::default().json("/request", &body).unwrap();
        assert!(found.text.len() <= 6 * body.len());
        let reported: usize = found.redacted.iter().map(|hidden| hidden.path.len()).sum();
        assert!(reported <= 129 * (1024 + "/request".len()));
    }
    for pair in ["pin=1&", "a;", "?", "a=1;b=2;", "%00&", "&", "pin=&"] {
        let body = repeat(pair);
        let found = Redactor::default().form("/request", body.as_bytes());
        assert!(found.text.len() <= 6 * body.len());
    }
}

#[test]
fn nul_in_a_plain_string_is_replaced_and_a_long_one_cut() {
    let found = Redactor::default().text("/client/user_agent", &format!("a\0{}", "é".repeat(5000)));
    assert_eq!(
        found.text,
        format!("a\u{fffd}{}…[TRUNCATED]", "é".repeat(4094))
    );
    assert_eq!(found.truncated[0].path, "/client/user_agent");
    assert_eq!(found.truncated[0].bytes, 10_004);
}
