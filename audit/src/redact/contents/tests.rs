use std::time::Duration;

use super::super::{Content, ContentRules, HashKey, Limits, NameRules, REDACTED, Redactor, Rule};

fn shown(text: &str) -> String {
    Redactor::default().text("", text).text
}

/// A token whose parts are what the standards ask for; nobody signed it.
const TOKEN: &str =
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJlLW9mLW5vYm9keQ";

/// What is hidden of each of these is marked.
#[test]
fn secrets_are_hidden_by_their_content_and_the_rest_is_shown() {
    let keys = [
        "AKIAIOSFODNN7EXAMPLE",
        "ASIAIOSFODNN7EXAMPLE",
        "AIzaSyA-0123456789abcdefghijklmnopqrstuv",
        "ya29.a0AfH6SMBexample-example_example",
        "GOCSPX-0123456789abcdefghij",
        "ghp_0123456789abcdefghijABCDEFGHIJ012345",
        "github_pat_11ABCDEFG0abcdefghijkl_0123456789",
        "glpat-0123456789abcdefghij",
        "xoxb-123456789012-abcdefABCDEF",
        "hooks.slack.com/services/T0000000/B0000000/XXXXXXXXXXXX",
        "SG.0123456789abcdefghijkl.0123456789abcdefghijklmnopqrstuvwxyzABCDEFG",
        "sk_live_4eC39HqLyjWDarjtT1zdp7dc",
        "whsec_0123456789abcdefABCDEF",
        "shpat_0123456789abcdef0123456789abcdef",
        "sk-ant-api03-0123456789abcdefghij",
        "sk-proj-0123456789_abcdefghij",
        "hf_0123456789abcdefghijABCDEFGHIJ",
        "npm_0123456789abcdefghijABCDEFGHIJ0123456",
        "pypi-AgEIcHlwaS5vcmcCJDAxMjM0NTY3",
        "dckr_pat_0123456789abcdefghij",
        "dop_v1_0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "hvs.0123456789abcdefghijklmn",
        "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW",
        "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$RdescudvJCsgt3ub+b0dWA",
        TOKEN,
        "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----",
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "4111111111111111",
        "4111.1111.1111.1111",
        "4111/1111/1111/1111",
        "4111\u{a0}1111\u{a0}1111\u{a0}1111",
        "4111\u{2013}1111\u{2013}1111\u{2013}1111",
        "4111111111111111=25121010000000000?",
        "4111111111111111^DOE/JOHN^2512101000000000000?",
        "378282246310005",
        "3782 822463 10005",
        "30569309025904",
        "4222222222222",
        "6011000990139424",
        "3530111333300000",
        "5555555555554444",
        "2223003122003222",
    ];
    for key in keys {
        for (before, behind) in [
            ("", ""),
            ("see ", " please"),
            ("(", ")"),
            ("key=", ""),
            ("\"", "\""),
            ("https://example.com/", "?x=1"),
            ("a,", " b"),
        ] {
            let text = format!("{before}{key}{behind}");
            let expected = format!("{before}{REDACTED}{behind}");
            assert_eq!(shown(&text), expected, "{text}");
        }
    }
}

#[test]
fn credentials_are_hidden_and_what_they_belong_to_is_shown() {
    for (text, expected) in [
        ("Bearer abc123def456", "Bearer [REDACTED]"),
        (
            "Password: \\correct \"horse\" battery\nok",
            "Password: [REDACTED]\nok",
        ),
        (
            "\"secret\":\nX-Api-Key: hunter2\nok",
            "\"secret\":\n[REDACTED] [REDACTED]\nok",
        ),
        (
            "curl -u AKIAIOSFODNN7EXAMPLE:hunter2 x",
            "curl -u [REDACTED]:[REDACTED] x",
        ),
        (
            "https://AKIAIOSFODNN7EXAMPLE:hunter2@h/",
            "https://[REDACTED]:[REDACTED]@h/",
        ),
        (
            "mysql --user \\\"p --password hunter2 token=x: b",
            "mysql --user \\\"p --password [REDACTED] token=[REDACTED]",
        ),
        (
            "mysql --user \\\"p --password hunter2 db; a: b",
            "mysql --user \\\"p --password [REDACTED] db; a:[REDACTED]",
        ),
        (
            "sent authorization: Digest a, b and that was it\nok",
            "sent authorization: [REDACTED]\nok",
        ),
        (
            "curl -H 'authorization: bearer mF_9.B5f-4.1JqM'",
            "curl -H 'authorization: [REDACTED]",
        ),
        ("got BEARER%20mF_9.B5f-4.1JqM", "got BEARER%20[REDACTED]"),
        (
            "used Basic dXNlcjpodW50ZXIy today",
            "used Basic [REDACTED] today",
        ),
        (
            "postgres://app:hunter2@db/items",
            "postgres://app:[REDACTED]@db/items",
        ),
        (
            "amqps://app:p%40ss@mq:5671",
            "amqps://app:[REDACTED]@mq:5671",
        ),
        ("redis://:hunter2@cache", "redis://:[REDACTED]@cache"),
        (
            "https://x/cb?code_verifier=abc&state=1",
            "https://x/cb?code_verifier=[REDACTED]&state=1",
        ),
        (
            "at https://x/?a=1&api_key=abc#top",
            "at https://x/?a=1&api_key=[REDACTED]",
        ),
        (
            "Server=db;Password=hunter2;Timeout=3",
            "Server=db;Password=[REDACTED];Timeout=3",
        ),
        (
            "password = \"two words\" # why",
            "password = \"[REDACTED]\" # why",
        ),
        (
            "Cookie: sid=1; theme=dark\nHost: x",
            "Cookie: [REDACTED]\nHost: x",
        ),
        (
            "Host: x\r\nX-Api-Key: abc def\r\n",
            "Host: x\r\nX-Api-Key: [REDACTED]\r\n",
        ),
        (
            "my password: hunter2, thanks",
            "my password: [REDACTED], thanks",
        ),
        (
            "sent {\"password\":\"hunter2\",\"a\":1} twice",
            "sent {\"password\":\"[REDACTED]\",\"a\":1} twice",
        ),
        (
            "sent {\\\"pin\\\":\\\"12 34\\\"} twice",
            "sent {\\\"pin\\\":\\\"[REDACTED]\\\"} twice",
        ),
        (
            "{'secret': 'a \\' b', 'c': 1}",
            "{'secret': '[REDACTED]', 'c': 1}",
        ),
        (
            "<a><Password>hunter2</Password></a>",
            "<a><Password>[REDACTED]</Password></a>",
        ),
        (
            "<w:pin type=\"x\">1234</w:pin>",
            "<w:pin type=\"x\">[REDACTED]</w:pin>",
        ),
        (
            "mysql --user app --password hunter2 db",
            "mysql --user app --password [REDACTED] db",
        ),
        ("tool --api-key=hunter2 x", "tool --api-key=[REDACTED] x"),
        ("-----BEGIN PRIVATE KEY----- and no end", "[REDACTED]"),
        (
            "User : alice\nPassword      : hunter2\nHost : db",
            "User : alice\nPassword      : [REDACTED]\nHost : db",
        ),
        (
            "{\n  \"password\":\n    \"hunter2\",\n",
            "{\n  \"password\":\n    \"[REDACTED]\",\n",
        ),
        (
            "{\"password\"=>\"hunter2\", \"a\"=>1}",
            "{\"password\"=>\"[REDACTED]\", \"a\"=>1}",
        ),
        ("'pin' => 1234,", "'pin' => [REDACTED],"),
        ("password := \"hunter2\"", "password := \"[REDACTED]\""),
        (
            "Login { user: \"a\", password: Some(\"two words\") }",
            "Login { user: \"a\", password: [REDACTED]\") }",
        ),
        (
            r#"{\"a\": \"Login { password: Some(\\\"two words\\\") }\" and"#,
            r#"{\"a\": \"Login { password: [REDACTED]\\\") }\" and"#,
        ),
        ("{'password': b'hunter2'}", "{'password': [REDACTED]'}"),
        (
            "$password = ConvertTo-SecureString \"hunter2\" -Force",
            "$password = [REDACTED] \"[REDACTED]\" -Force",
        ),
        (
            "ALTER USER app WITH PASSWORD 'hunter2' VALID",
            "ALTER USER app WITH PASSWORD '[REDACTED]' VALID",
        ),
        (
            "create user app identified by 'hunter2'",
            "create user app identified by '[REDACTED]'",
        ),
        (
            "<password><![CDATA[hunter2]]></password>",
            "<password>[REDACTED]</password>",
        ),
        (
            "<add key=\"Password\" value=\"hunter2\"/>",
            "<add key=\"Password\" value=\"[REDACTED]\"/>",
        ),
        (
            "<entry key=\"db.password\">hunter2</entry>",
            "<entry key=\"db.password\">[REDACTED]</entry>",
        ),
        (
            "- name: DB_PASSWORD\n  value: hunter2\n- name: HOST\n  value: db",
            "- name: DB_PASSWORD\n  value: [REDACTED]\n- name: HOST\n  value: db",
        ),
        (
            "curl -u alice:hunter2 https://x",
            "curl -u alice:[REDACTED] https://x",
        ),
        (
            "curl --user 'alice:hunter2' https://x",
            "curl --user 'alice:[REDACTED]' https://x",
        ),
        (
            "Connect -User a -Password hunter2",
            "Connect -User a -Password [REDACTED]",
        ),
        (
            "postgres://app:p/hun#ter2@db/items",
            "postgres://app:[REDACTED]@db/items",
        ),
        (
            "https://0123456789abcdef0123456789abcdef01234567@host/x",
            "https://[REDACTED]@host/x",
        ),
        (
            "4111 1111 1111 1111 and 5555-5555-5555-4444",
            "[REDACTED] and [REDACTED]",
        ),
    ] {
        assert_eq!(shown(text), expected, "{text}");
    }
}

#[test]
fn what_only_looks_like_a_secret_is_shown() {
    for text in [
        "550e8400-e29b-41d4-a716-446655440000",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "ORD-2026-000123",
        "112-3456789-1234567",
        "4111111111111112",
        "1764100000000000",
        "0.4111111111111111",
        "1234.4111111111111111",
        "192.168.100.200/24",
        "2026/11/24 10:00:00.123456",
        "+4917612345678",
        "4006381333931",
        "DE89 3704 0044 0532 0130 00",
        "GB82 WEST 1234 5698 7654 32",
        "The bearer of good news and basic needs",
        "bearer bonds, bearer certificates",
        "Basic training starts at 8",
        "task-list, risk-free, disk-usage and desk-sk-8",
        "https://example.com:8080/a@b?c=d:e@f",
        "mailto:alice@example.com",
        "tokenizer: fast, author = Jane",
        "at 10:30:00 the pin-up went down",
        "a -> b => c; x >= y; <b>bold</b>",
        "at com.example.TokenFilter.doFilter(TokenFilter.java:42)",
        "src/token.rs:10:5: no such token",
        "password=${DB_PASSWORD} token={{ .Values.token }} pin=%s",
        "docker run -u 1000:1000 -p 8080:80 nginx",
        "https://example.com:8080/a:b@c and http://[::1]:80/x@y",
        "https://alice@example.com/docs",
        "<add key=\"Host\" value=\"db\"/><entry key=\"a\">b</entry>",
        "- name: HOST\n  value: db",
        "The field 'password' is required; name = value",
        "--- no option --- --- at all",
        "the password is not shown here",
        "SGVsbG8sIHdvcmxkISBIb3cgYXJlIHlvdT8=",
        "100% of 20%25",
        "<p>Tom &amp; Jerry said &quot;hello&quot; &#38; left</p> &nbsp; &unknown; &",
        r#"{"city":"K\u00f6ln"} and C:\users\u1"#,
        "/items/%C3%A9t%C3%A9",
        "{\"name\": \"Kettle\", \"tokenizer\": 1}",
        "data:image/png;base64,iVBORw0KGgoAAAANSUhEUg",
        "eyJ is how they begin. They go on.",
        "$100$ or $5$ or $6$",
        "std::token::Kind and secret::Santa",
        "=",
        "",
    ] {
        assert_eq!(shown(text), text);
    }
}

#[test]
fn what_a_string_says_in_another_way_is_read_too() {
    use base64::Engine as _;
    let base64 = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let percent = |text: &str| {
        let every = percent_encoding::NON_ALPHANUMERIC;
        percent_encoding::utf8_percent_encode(text, every).to_string()
    };
    let json = |text: &str| serde_json::Value::from(text).to_string();
    for secret in [
        "{\"password\":\"hunter2\"}",
        TOKEN,
        "token=hunter2",
        "4111 1111 1111 1111",
    ] {
        for encode in [&base64 as &dyn Fn(&str) -> String, &percent, &json] {
            for again in [
                &base64 as &dyn Fn(&str) -> String,
                &percent,
                &json,
                &str::to_owned,
            ] {
                let encoded = again(&encode(secret));
                for text in [encoded.clone(), format!("see {encoded} please")] {
                    let found = Redactor::default().text("/x", &text);
                    let parts = ["hunter2", &TOKEN[40..], "1111", &encoded];
                    for part in parts {
                        assert!(!found.text.contains(part), "{text} shows {}", found.text);
                    }
                    assert_eq!(found.redacted, ["/x"]);
                }
            }
        }
    }
    for escaped in [
        "<a>{&quot;password&quot;: &quot;hunter2&quot;}</a>",
        "pin&#61;1234 &#x26; more",
        r#"sent {\u0022password\u0022:\u0022hunter2\u0022}"#,
    ] {
        assert_eq!(shown(escaped), REDACTED);
    }
    let deep = (0..6).fold("token=hunter2".to_owned(), |text, _| base64(&text));
    assert_eq!(shown(&deep), REDACTED);
    let deep = (0..5).fold("{\"a\":1}".to_owned(), |text, _| {
        format!("[{}]", json(&text))
    });
    assert!(shown(&deep).contains(REDACTED));
    assert_eq!(
        shown(r#"{"a": "{\"pin\": 1, \"b\": \"c\"}"}"#),
        r#"{"a":"{\"pin\":\"[REDACTED]\",\"b\":\"c\"}"}"#
    );
    assert_eq!(
        shown("next=%2Fin%3Ftoken%3Dabc&b=%20"),
        "next=[REDACTED]&b=%20"
    );
}

#[test]
fn names_are_unwrapped_no_more_often_than_values() {
    let name_of_another = |text: &str| {
        let every = percent_encoding::NON_ALPHANUMERIC;
        let name = percent_encoding::utf8_percent_encode(text, every).to_string();
        format!("{{{}:1}}", serde_json::Value::from(name))
    };
    let once = name_of_another("{\"a\":1}");
    assert_eq!(Redactor::default().json("", &once).unwrap().text, once);
    let found = Redactor::default()
        .json("", name_of_another(&once))
        .unwrap();
    assert_eq!(found.text, r#"{"[REDACTED]":1}"#);
    assert_eq!(found.redacted[0].rule, Rule::Unread);
}

#[test]
fn a_pair_whose_name_a_mark_makes_too_long_is_hidden() {
    let name = format!("{}token", "x".repeat(250));
    let found = Redactor::default().query("/q", &format!("a=1&{name}#hunter2&b=2"));
    assert_eq!(found.text, "a=1&[REDACTED]&b=2");
    assert_eq!(found.redacted, ["/q/[REDACTED]"]);
}

#[test]
fn what_stands_for_a_nul_is_written_alike_beside_a_secret_and_alone() {
    let found = Redactor::default().query("/q", "a=\0&b=\0AKIAIOSFODNN7EXAMPLE");
    assert_eq!(found.text, "a=\u{fffd}&b=\u{fffd}[REDACTED]");
}

#[test]
fn numbers_and_names_can_be_secrets_as_well() {
    let found = Redactor::default()
        .json(
            "",
            format!(r#"{{"a":4111111111111111,"{TOKEN}":1,"b":1764100000000}}"#),
        )
        .unwrap();
    assert_eq!(
        found.text,
        r#"{"a":"[REDACTED]","[REDACTED]":1,"b":1764100000000}"#
    );
    assert_eq!(found.redacted, ["/a", "/[REDACTED]"]);
    let floats =
        "[4111111111111111.0,4.111111111111111e15,4111111111111111E+0,4111111111111111.5,0.1e1]";
    assert_eq!(
        Redactor::default().json("", floats).unwrap().text,
        r#"["[REDACTED]","[REDACTED]","[REDACTED]",4111111111111111.5,0.1e1]"#
    );
    assert_eq!(
        shown("%B4111111111111111^DOE/JOHN^2512101000000000000?;4111111111111111=2512?"),
        "%B[REDACTED];[REDACTED]"
    );
    let rules: Vec<Rule> = found.redacted.iter().map(|hidden| hidden.rule).collect();
    let expected = [Content::CardNumber, Content::JsonWebToken].map(Rule::Content);
    assert_eq!(rules, expected);
}

#[test]
fn queries_and_forms_are_hidden_value_by_value() {
    let redactor = Redactor::default();
    let found = redactor.query(
        "/q",
        "a=Bearer+abc123def456&b=1&c=%34111111111111111&next=%2Fx%3Fpin%3D1",
    );
    assert_eq!(
        found.text,
        "a=Bearer+[REDACTED]&b=1&c=[REDACTED]&next=%2Fx%3Fpin%3D[REDACTED]"
    );
    assert_eq!(found.redacted, ["/q/a", "/q/c", "/q/next"]);
    assert_eq!(redactor.query("", TOKEN).text, REDACTED);
    let found = redactor.form("", format!("a={TOKEN}&{TOKEN}=1").as_bytes());
    assert_eq!(found.text, r#"{"a":"[REDACTED]","[REDACTED]":"1"}"#);
}

#[test]
fn what_stands_before_a_secret_in_the_pair_of_a_query_is_looked_at_too() {
    let redactor = Redactor::default();
    let query = "a=AKIAIOSFODNN7EXAMPLE;password=1&b=%2Fx%3Fpin%3D1;token=2&c=1;pin=3";
    let found = redactor.query("/q", query);
    assert_eq!(
        found.text,
        "a=[REDACTED]%3Bpassword%3D[REDACTED]&b=%2Fx%3Fpin%3D[REDACTED]%3Btoken%3D[REDACTED]&c=1;pin=[REDACTED]"
    );
    let found = redactor.form("", query.as_bytes());
    assert!(!found.text.contains("AKIA"), "{}", found.text);
}

#[test]
fn a_service_adds_rules_and_takes_rules_back() {
    let contents = ContentRules::default()
        .hide_prefix("acme_", 8)
        .hide_prefix("", 1)
        .show(Content::NamedValue);
    let names = NameRules::default().hash("email");
    let redactor = Redactor::new(names, Limits::default())
        .with_contents(contents)
        .with_hash_key(HashKey::new(&[1; 32]).unwrap());
    let shown = |text: &str| redactor.text("", text).text;
    assert_eq!(
        shown("acme_01234567 acme_0 ACME_01234567"),
        "[REDACTED] acme_0 ACME_01234567"
    );
    assert_eq!(
        shown("password=1 AKIAIOSFODNN7EXAMPLE"),
        "password=1 [REDACTED]"
    );

    let hash = redactor.hash("a@b").unwrap();
    assert_eq!(
        redactor.json("", r#"{"E-Mail":"a@b"}"#).unwrap().text,
        format!(r#"{{"E-Mail":"{hash}"}}"#)
    );
    assert_eq!(
        redactor.query("", "email=a%40b&x=1").text,
        format!("email={hash}&x=1")
    );
    assert_eq!(
        redactor.form("", b"email=a%40b").text,
        format!(r#"{{"email":"{hash}"}}"#)
    );
    assert_eq!(
        redactor.query("", "x=1;email=2").text,
        "x=1;email=[REDACTED]"
    );
}

#[test]
fn every_rule_is_known_by_its_name() {
    for content in Content::ALL {
        assert_eq!(content.to_string().parse(), Ok(content));
    }
    assert!("password".parse::<Content>().is_err());
}

/// What this thread has computed, which a busy machine does not change.
fn spent() -> Duration {
    let clock = rustix::time::ClockId::ThreadCPUTime;
    Duration::try_from(rustix::time::clock_gettime(clock)).unwrap()
}

/// One way into the redactor.
type Door<'a> = &'a dyn Fn(&str);

/// A rule that reads a string again and again takes ten times as long for one long
/// string as for ten short ones.
#[test]
fn long_hostile_strings_take_no_longer_than_short_ones() {
    const BYTES: usize = 40_000;
    const SHORTER: usize = 10;
    let redactor = Redactor::default();
    let time = |piece: &str, bytes: usize, times: usize, door: Door<'_>| {
        let text = piece.repeat(bytes / piece.len());
        let began = spent();
        (0..times).for_each(|_| door(&text));
        spent() - began
    };
    let doors: [(&str, Door<'_>); 4] = [
        ("text", &|text| drop(redactor.text("", text))),
        ("query", &|text| drop(redactor.query("", text))),
        ("form", &|text| drop(redactor.form("", text.as_bytes()))),
        ("json", &|text| {
            let text = serde_json::Value::from(text).to_string();
            drop(redactor.json("", text));
        }),
    ];
    for piece in [
        "eyJ",
        "eyJ.",
        "eyJhbGciOjF9.",
        "-----BEGIN ",
        "-----BEGIN -----END ",
        "bearer ",
        "bearer=",
        "Bearer+",
        "basic=",
        "basic dXNlcjp4 ",
        "://",
        "://a:",
        "://a:b@",
        "$1$",
        "$2a$",
        "sk-",
        "SG.",
        "AKIA",
        "xoxb-",
        "--",
        "--password ",
        "password",
        "password=",
        "password:",
        "é password:",
        "xpasswordy:",
        "éxpasswordy:",
        "é--password x",
        "\"é\"password:",
        "\"password\":",
        "<password>",
        "<",
        ">",
        "<a>",
        "pin=****",
        "pin=${",
        "name=",
        "name=pin ",
        "name=\"pin\" value=\"1\" ",
        "<a name=pin>",
        "<pin><![CDATA[",
        "pin=>",
        "pin:=\"",
        "pin      ",
        "pin=a(\"",
        " -u a:b",
        " -u \"",
        " -pin ",
        "password '",
        "identified by ",
        "://a:b/",
        "%B4111^",
        "4111.",
        "4111 ",
        "4111-1111-",
        "1",
        "41111111111111111",
        "%25",
        "%3D%",
        "%7b%22",
        "&",
        "&amp;",
        "&#",
        "\\u0026",
        "&quot;%25QUFB",
        "{\"a\":\"",
        "\\\"",
        "[",
        "a=",
        "=",
        ":",
        "\"",
        "'",
        "\\",
        "QUFB",
        "QUFBQUFBQUFBQUFB/",
        "/",
        " ",
    ] {
        for (name, door) in &doors {
            let short = time(piece, BYTES / SHORTER, SHORTER, door);
            let long = time(piece, BYTES, 1, door);
            assert!(
                long < 4 * short + Duration::from_millis(20),
                "{name} of many {piece:?}: {long:?} at once, {short:?} in ten parts"
            );
        }
    }
    let nested = (0..18).fold("[]".to_owned(), |text, _| {
        serde_json::Value::from(text).to_string()
    });
    let _ = redactor.json("", nested);
}
