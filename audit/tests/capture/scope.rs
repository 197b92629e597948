//! What a handler says through its scope.

use actix_web::http::StatusCode;
use actix_web::test::TestRequest;
use actix_web::web::{self, Json};
use actix_web::{HttpResponse, Responder};
use audit::{AuditScope, Auditable, Outcome, audited};
use serde::Serialize;
use serde_json::{Value, json};

use super::{call, recorder};

macro_rules! post {
    ($handler:expr) => {
        |config: &mut web::ServiceConfig| {
            config.route("/", web::post().to($handler));
        }
    };
}

#[derive(Clone, Serialize, Auditable)]
struct Account {
    name: String,
    limit: u32,
    password: String,
    #[audit(secret)]
    recovery: String,
    #[audit(mask)]
    iban: String,
    #[audit(skip)]
    portrait: Vec<u8>,
    labels: Vec<String>,
    nickname: Option<String>,
}

fn account() -> Account {
    Account {
        name: "Alice".to_owned(),
        limit: 100,
        password: "hunter2".to_owned(),
        recovery: "first pet: Rex".to_owned(),
        iban: "DE89370400440532013000".to_owned(),
        portrait: vec![1, 2, 3],
        labels: vec!["new".to_owned()],
        nickname: None,
    }
}

#[actix_web::test]
async fn a_change_is_told_field_by_field_and_without_its_secrets() {
    #[audited(action = "change", resource = "account")]
    async fn change(scope: AuditScope) -> impl Responder {
        let before = account();
        let after = Account {
            limit: 200,
            password: "hunter3".to_owned(),
            recovery: "first pet: Bello".to_owned(),
            iban: "DE02120300000000202051".to_owned(),
            portrait: vec![4],
            labels: vec!["new".to_owned(), "gold".to_owned()],
            nickname: Some("Ally".to_owned()),
            ..before.clone()
        };
        scope.change(&before, &after);
        HttpResponse::Ok()
    }

    let recorder = recorder();
    call(&recorder, post!(change), TestRequest::post()).await;
    let record = recorder.only("change");
    record
        .changed("/limit", 100, 200)
        .changed("/password", "[REDACTED]", "[REDACTED]")
        .changed("/recovery", "[REDACTED]", "[REDACTED]")
        .changed("/iban", "****3000", "****2051")
        .changed("/labels/1", Value::Null, "gold")
        .changed("/nickname", Value::Null, "Ally");
    assert_eq!(record.record().changes.len(), 6, "{record:?}");
    for secret in ["hunter2", "hunter3", "Rex", "Bello", "DE89", "portrait"] {
        record.without(secret);
    }
    let hidden: Vec<&str> = record
        .record()
        .redacted
        .iter()
        .map(String::as_str)
        .collect();
    for path in [
        "/changes/1/old",
        "/changes/1/new",
        "/changes/2/old",
        "/changes/3/new",
    ] {
        assert!(hidden.contains(&path), "{path} in {hidden:?}");
    }
}

#[actix_web::test]
async fn what_comes_into_being_or_goes_is_told_as_a_whole() {
    #[audited(action = "delete", resource = "account")]
    async fn delete(scope: AuditScope) -> impl Responder {
        scope.change(&Some(account()), &None);
        HttpResponse::NoContent()
    }

    let recorder = recorder();
    call(&recorder, post!(delete), TestRequest::post()).await;
    let record = recorder.only("delete");
    let [change] = record.record().changes.as_slice() else {
        panic!("one change expected: {record:?}")
    };
    assert_eq!(change.path, "");
    let old: Value = serde_json::from_str(change.old.as_ref().unwrap().as_str()).unwrap();
    assert_eq!(old["name"], "Alice");
    assert_eq!(old["recovery"], "[REDACTED]");
    record.without("Rex").without("hunter2");
}

#[actix_web::test]
async fn there_is_an_end_to_changes_and_the_record_says_so() {
    #[audited(action = "many")]
    async fn many(scope: AuditScope) -> impl Responder {
        let before: Vec<u32> = (0..200).collect();
        let after: Vec<u32> = (1..201).collect();
        scope.change(&before, &after);
        for _ in 0..1_000 {
            scope.change(&1, &2);
            scope.note("large", "x".repeat(100_000));
        }
        HttpResponse::Ok()
    }

    let recorder = recorder();
    call(&recorder, post!(many), TestRequest::post()).await;
    let record = recorder.only("many");
    assert_eq!(record.record().changes.len(), 128);
    // However much was left out, that is one entry for each place.
    let [changes, notes] = record.record().truncated.as_slice() else {
        panic!("two entries expected: {record:?}")
    };
    assert_eq!(
        (changes.path.as_str(), notes.path.as_str()),
        ("/changes", "/notes")
    );
    // Of the long lists 72 changes, and after them a thousand of two digits each.
    assert!(changes.bytes > 2_000);
    assert_eq!(notes.bytes, 1_000 * 100_002);
}

#[actix_web::test]
async fn notes_follow_their_names_and_the_types_of_their_values() {
    #[audited(action = "notes")]
    async fn notes(scope: AuditScope) -> impl Responder {
        scope.note("source", "import");
        scope.note("api_key", "k-123");
        scope.note("account", account());
        scope.note("login", json!({ "user": "alice", "pin": 1234 }));
        scope.note("large", "x".repeat(100_000));
        for number in 0..40 {
            scope.note(format!("note {number}"), number);
        }
        scope.note("source", "export");
        HttpResponse::Ok()
    }

    let recorder = recorder();
    call(&recorder, post!(notes), TestRequest::post()).await;
    let record = recorder.only("notes");
    record
        .with_note("source", "export")
        .with_note("api_key", "[REDACTED]")
        .with_note("login", json!({ "user": "alice", "pin": "[REDACTED]" }))
        .with("/notes/account/recovery", "[REDACTED]")
        .with("/notes/account/iban", "****3000")
        .without("Rex")
        .without("hunter2");
    assert_eq!(record.json()["notes"].as_object().unwrap().len(), 32);
    for hidden in [
        "/notes/api_key",
        "/notes/login/pin",
        "/notes/account/recovery",
        "/notes/account/iban",
    ] {
        assert!(
            record.record().redacted.iter().any(|path| path == hidden),
            "{hidden}: {record:?}"
        );
    }
    assert!(
        record
            .record()
            .truncated
            .iter()
            .any(|cut| (cut.path.as_str(), cut.bytes) == ("/notes", 100_002 + 12 * 2))
    );
}

#[actix_web::test]
async fn a_note_is_told_to_be_cut_once_and_its_name_gives_nothing_away() {
    #[audited(action = "notes")]
    async fn notes(scope: AuditScope) -> impl Responder {
        scope.note("long", "x".repeat(9_000));
        scope.note("AKIAIOSFODNN7EXAMPLE", json!({ "pin": 1234 }));
        HttpResponse::Ok()
    }

    let recorder = recorder();
    call(&recorder, post!(notes), TestRequest::post()).await;
    let record = recorder.only("notes");
    record
        .hid(&["/notes/[REDACTED]", "/notes/[REDACTED]/pin"])
        .without("AKIA");
    let cuts = record.record().truncated.iter();
    let cuts: Vec<_> = cuts.map(|cut| (cut.path.as_str(), cut.bytes)).collect();
    assert_eq!(cuts, [("/notes/long", 9_000)]);
}

#[actix_web::test]
async fn the_handler_has_the_last_word_on_how_it_ended() {
    #[audited(action = "search")]
    async fn search(scope: AuditScope, Json(found): Json<bool>) -> impl Responder {
        if !found {
            scope.outcome(Outcome::Failed);
            scope.reason("index_unavailable");
        }
        HttpResponse::Ok()
    }

    let recorder = recorder();
    call(&recorder, post!(search), TestRequest::post().set_json(true)).await;
    recorder.only("search").succeeded();
    recorder.clear();
    call(
        &recorder,
        post!(search),
        TestRequest::post().set_json(false),
    )
    .await;
    recorder
        .only("search")
        .ended(Outcome::Failed)
        .because("index_unavailable")
        .with("/http/status", 200);
    recorder.clear();
    // It has said nothing before it was asked.
    let response = call(&recorder, post!(search), TestRequest::post().set_json(1)).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    recorder
        .only("search")
        .ended(Outcome::Rejected)
        .because("bad_request");
}

#[actix_web::test]
async fn code_called_by_the_handler_finds_its_scope_also_on_other_threads() {
    fn deep_down() {
        if let Some(scope) = AuditScope::current() {
            scope.resource_id("found");
        }
    }

    #[audited(action = "deep", resource = "thing")]
    async fn deep(scope: AuditScope) -> impl Responder {
        web::block(move || scope.enter(deep_down)).await.unwrap();
        HttpResponse::Ok()
    }

    assert!(AuditScope::current().is_none());
    let recorder = recorder();
    call(&recorder, post!(deep), TestRequest::post()).await;
    recorder.only("deep").on("thing", "found");
}

#[actix_web::test]
async fn a_scope_in_a_handler_without_an_annotation_is_a_mistake_that_the_log_explains() {
    async fn bare(_: AuditScope) -> impl Responder {
        HttpResponse::Ok()
    }

    let recorder = recorder();
    let response = call(&recorder, post!(bare), TestRequest::post()).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    recorder.nothing();
}
