//! `items-api redact`, and the settings that it shares with the service.

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use items_api::config::Options;
use serde_json::json;

use crate::harness::TestService;
use crate::program::program;

/// What the command prints for a text on its standard input.
fn redact(data_dir: &Path, arguments: &[&str], input: &str) -> String {
    let mut command = program(data_dir, None)
        .arg("redact")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    command
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = command.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_command_shows_what_is_hidden_and_by_which_rule() {
    let data_dir = tempfile::tempdir().unwrap();
    let input = r#"{"login": {"Pass-Word": 1}, "note": "card 4111 1111 1111 1111", "email": "a@b", "n": 1}"#;
    let shown = redact(
        data_dir.path(),
        &["--explain", "--redact-hash", "email"],
        input,
    );
    let hash = redact(data_dir.path(), &["--hash"], "a@b\n");
    let hash = hash.trim();
    assert!(hash.starts_with("hmac-sha256:"), "{hash}");
    assert_eq!(
        shown,
        format!(
            "{{\"login\":{{\"Pass-Word\":\"[REDACTED]\"}},\"note\":\"card [REDACTED]\",\"email\":\"{hash}\",\"n\":1}}\n\n\
             /login/Pass-Word  name\n\
             /note             card_number\n\
             /email            hash\n"
        )
    );
    let query = redact(data_dir.path(), &["--as", "query"], "a=1&pin=2\n");
    assert_eq!(query, "a=1&pin=[REDACTED]\n");
    let empty = tempfile::tempdir().unwrap();
    redact(empty.path(), &[], "{}");
    assert_eq!(
        std::fs::read_dir(empty.path()).unwrap().count(),
        0,
        "looking leaves nothing behind"
    );
    let nothing = redact(data_dir.path(), &["--as", "text", "--explain"], "a kettle");
    assert_eq!(nothing, "a kettle\n\nnothing is hidden\n");
}

#[test]
fn hashes_of_older_keys_are_told_for_searching() {
    let data_dir = tempfile::tempdir().unwrap();
    let before = redact(data_dir.path(), &["--hash"], "a@b");
    let keys = data_dir.path().join("hash-keys");
    let old = std::fs::read_to_string(&keys).unwrap();
    let new = "0123456789abcdef0123456789abcdef";
    std::fs::write(&keys, format!("{new}\n{old}\n")).unwrap();
    let after = redact(data_dir.path(), &["--hash"], "a@b");
    let lines: Vec<&str> = after.lines().collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[1], before.trim());

    std::fs::write(&keys, "too short").unwrap();
    let refused = program(data_dir.path(), None)
        .args(["redact", "--hash"])
        .output()
        .unwrap();
    let error = String::from_utf8(refused.stderr).unwrap();
    assert!(
        error.contains("line 1") && error.contains("openssl rand"),
        "{error}"
    );
}

#[test]
fn what_is_no_json_is_refused_with_the_way_to_read_it() {
    let data_dir = tempfile::tempdir().unwrap();
    let mut command = program(data_dir.path(), None);
    let refused = command.arg("redact").stdin(Stdio::null()).output().unwrap();
    let error = String::from_utf8(refused.stderr).unwrap();
    assert!(error.contains("--as form"), "{error}");
}

#[actix_web::test]
async fn the_service_hides_hashes_and_shows_as_it_is_configured() {
    let service = TestService::start_with(Options {
        redact_hide: Some(vec!["loyalty_number".to_owned()]),
        redact_hash: Some(vec!["email".to_owned()]),
        redact_show: Some(vec!["pin_code".to_owned()]),
        redact_prefix: Some(vec!["acme_".to_owned()]),
        redact_without: Some(vec!["card_number".parse().unwrap()]),
        ..Options::default()
    })
    .await;
    service
        .create(&json!({
            "name": "acme_0123456789 for 4111111111111111",
            "attributes": { "LoyaltyNumber": 7, "email": "a@b", "pinCode": "80331", "pin": 1 },
        }))
        .await;
    let record = &service.records("action=create_item", 1).await[0];
    let hash = redact(&service.config.data_dir, &["--hash"], "a@b");
    assert_eq!(
        record["request"],
        json!({
            "name": "[REDACTED] for 4111111111111111",
            "attributes": {
                "LoyaltyNumber": "[REDACTED]", "email": hash.trim(), "pinCode": "80331", "pin": "[REDACTED]",
            },
        })
    );
    let found = service
        .records(&format!("payload.attributes.email={}", hash.trim()), 1)
        .await;
    assert_eq!(
        found[0]["id"], record["id"],
        "a known value is found by its hash"
    );
    // In the order of the request, which is that of the test's own JSON.
    let mut hidden: Vec<&str> = record["redacted"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pointer| pointer.as_str().unwrap())
        .collect();
    hidden.sort_unstable();
    assert_eq!(
        hidden,
        [
            "/request/attributes/LoyaltyNumber",
            "/request/attributes/email",
            "/request/attributes/pin",
            "/request/name"
        ]
    );
}
