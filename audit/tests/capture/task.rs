//! Attempts outside of a request.

use std::cell::Cell;

use audit::testing::Recorder;
use audit::{Actor, ActorKind, AuditScope, Auditable, Outcome, TaskError};
use serde::Serialize;
use serde_json::{Value, json};

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the disk is full: /var/secret")]
struct DiskFull;

#[derive(Serialize, Auditable)]
struct Message {
    order: u32,
    #[audit(secret)]
    voucher: &'static str,
}

#[actix_web::test]
async fn a_job_leaves_the_record_of_a_handler_without_a_request() {
    let recorder = Recorder::default();
    let result = recorder
        .audit()
        .task("expire_orders")
        .actor(Actor::system("scheduler"))
        .resource("order")
        .run(async |scope| {
            scope.resource_id(7);
            scope.note("expired", 3);
            scope.change(&"open", &"expired");
            assert!(AuditScope::current().is_some());
            Ok::<_, DiskFull>(3)
        })
        .await;
    assert_eq!(result.unwrap(), 3);
    let record = recorder.only("expire_orders");
    record
        .succeeded()
        .by("scheduler")
        .on("order", 7)
        .with_note("expired", 3)
        .changed("", "open", "expired")
        .with("/http", Value::Null)
        .with("/client", Value::Null);
    assert_eq!(record.record().actor.kind, ActorKind::System);
}

#[actix_web::test]
async fn a_consumer_records_its_message_and_on_whose_behalf_it_acts() {
    let recorder = Recorder::default();
    let message = Message {
        order: 7,
        voucher: "free-beer",
    };
    recorder
        .audit()
        .task("consume_order")
        .actor(Actor::user("alice", "message"))
        .payload(&message)
        .run(async |_| Ok::<_, DiskFull>(()))
        .await
        .unwrap();
    recorder
        .only("consume_order")
        .by("alice")
        .with_request(json!({ "order": 7, "voucher": "[REDACTED]" }))
        .hid(&["/request/voucher"])
        .without("free-beer");
}

#[test]
fn a_command_needs_no_runtime() {
    let recorder = Recorder::default();
    let result = recorder.audit().task("import").run_blocking(|scope| {
        assert_eq!(recorder.under_way().len(), 1, "the intent comes first");
        scope.note("rows", 5);
        Err::<(), _>(DiskFull)
    });
    assert!(matches!(result, Err(TaskError::Failed(DiskFull))));
    recorder
        .only("import")
        .ended(Outcome::Failed)
        .because("error")
        .by("tests")
        .with_note("rows", 5)
        .without("/var/secret");
}

#[test]
fn an_error_can_say_what_kind_of_failure_it_is() {
    let recorder = Recorder::default();
    let result = recorder.audit().task("import").run_blocking(|scope| {
        scope.outcome(Outcome::Rejected);
        scope.reason("malformed_row");
        Err::<(), _>(DiskFull)
    });
    assert!(result.is_err());
    recorder
        .only("import")
        .ended(Outcome::Rejected)
        .because("malformed_row");
}

#[actix_web::test]
async fn a_panic_is_recorded_and_goes_on() {
    let recorder = Recorder::default();
    let audit = recorder.audit();
    let task = actix_web::rt::spawn(async move {
        audit
            .task("breaks")
            .run(async |_| -> Result<(), DiskFull> { panic!("a mistake") })
            .await
    });
    assert!(task.await.unwrap_err().is_panic());
    recorder
        .only("breaks")
        .ended(Outcome::Failed)
        .because("panic");

    recorder.clear();
    let audit = recorder.audit();
    let thread = std::thread::spawn(move || {
        audit
            .task("breaks")
            .run_blocking(|_| -> Result<(), DiskFull> { panic!("a mistake") })
    });
    assert!(thread.join().is_err());
    recorder
        .only("breaks")
        .ended(Outcome::Failed)
        .because("panic");
}

#[actix_web::test]
async fn a_panic_before_the_first_step_is_one_as_well() {
    let recorder = Recorder::default();
    let audit = recorder.audit();
    let task = actix_web::rt::spawn(async move {
        audit
            .task("breaks")
            .run(|_| -> std::future::Ready<Result<(), DiskFull>> { panic!("a mistake") })
            .await
    });
    assert!(task.await.unwrap_err().is_panic());
    recorder
        .only("breaks")
        .ended(Outcome::Failed)
        .because("panic");
}

#[actix_web::test]
async fn a_job_that_is_dropped_in_the_middle_is_aborted() {
    let recorder = Recorder::default();
    let audit = recorder.audit();
    let job = audit
        .task("dropped")
        .run(async |_| std::future::pending::<Result<(), DiskFull>>().await);
    let timed_out = actix_web::rt::time::timeout(std::time::Duration::from_millis(1), job).await;
    assert!(timed_out.is_err());
    recorder
        .only("dropped")
        .ended(Outcome::Aborted)
        .because("cancelled");
}

#[test]
fn what_cannot_be_recorded_is_not_attempted_unless_it_may_be() {
    let recorder = Recorder::default();
    recorder.fill();
    let has_run = Cell::new(false);
    let run = |_| {
        has_run.set(true);
        Ok::<_, DiskFull>(())
    };
    let result = recorder.audit().task("import").run_blocking(run);
    assert!(matches!(result, Err(TaskError::Unavailable(_))));
    assert!(!has_run.get());

    let result = recorder
        .audit()
        .task("import")
        .allow_unrecorded()
        .run_blocking(run);
    assert!(result.is_ok() && has_run.get());
    recorder.drain();
    recorder.only("audit.gap");
}

#[test]
fn an_action_is_called_like_that_of_a_handler() {
    let recorder = Recorder::default();
    for name in ["", "Import", "1st", "im-port"] {
        let task = recorder.audit().task(name);
        let result = task.run_blocking(|_| Ok::<_, DiskFull>(()));
        assert!(matches!(result, Err(TaskError::InvalidName(_))), "{name}");
    }
    recorder.nothing();
}
