//! Parts of the path of a request, for criterion to time and for callgrind to count: the
//! same ones for both.

use std::hint::black_box;
use std::path::Path;

use actix_web::App;
use actix_web::rt::System;
use actix_web::test::{TestRequest, call_service, init_service};
use audit::bench::{Journal, encode};
use audit::redact::Redactor;
use audit::testing::Recorder;
use audit::{Audit, Durability};

use crate::app::{Named, Variant};
use crate::{Result, sample};

/// What clients send. One of its members is secret.
pub const REQUEST_BODY: &str = r#"{"name":"Kettle","attributes":{"colour":"red","watts":2200,"supplier":{"name":"Acme","api_key":"k-123"},"tags":["a","b","c"]}}"#;

/// A part of the path of a request.
pub struct Piece {
    /// Its name on the command line and in reports.
    pub name: &'static str,
    /// What it does.
    pub about: &'static str,
    /// Makes what one call does. The folder is for files, and gone afterwards.
    pub prepare: fn(&Path) -> Result<Call>,
}

/// What is timed, or counted.
pub type Call = Box<dyn FnMut() -> Result>;

/// All of them, in the order of the path.
pub const PIECES: &[Piece] = &[
    Piece {
        name: "request_bare",
        about: "a request to the handler that only echoes, through the app, without an audit trail",
        prepare: |_| request(Variant::Bare),
    },
    Piece {
        name: "request_audited",
        about: "the same with one whose journal is in memory: capture, intent, redaction and record",
        prepare: |_| request(Variant::Crash),
    },
    Piece {
        name: "redact",
        about: "redacting the body of that request",
        prepare: |_| {
            let redactor = Redactor::default();
            Ok(Box::new(move || {
                black_box(redactor.json("/request", black_box(REQUEST_BODY))?);
                Ok(())
            }))
        },
    },
    Piece {
        name: "canonical_bytes",
        about: "the canonical bytes of its record",
        prepare: |_| {
            let record = sample::record(0, sample::PAYLOAD)?;
            Ok(Box::new(move || {
                black_box(black_box(&record).canonical_bytes()?);
                Ok(())
            }))
        },
    },
    Piece {
        name: "append",
        about: "appending them to the journal at `crash`, until they are kept",
        prepare: append,
    },
    Piece {
        name: "encode",
        about: "reading, hashing and writing a batch of 100 records as Postgres gets it",
        prepare: |_| {
            let records = sample::records(100, sample::PAYLOAD)?;
            let mut out = Vec::new();
            Ok(Box::new(move || {
                out.clear();
                Ok(encode(black_box(&records), &mut out)?)
            }))
        },
    },
];

/// The piece of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Piece> {
    PIECES.iter().find(|piece| piece.name == name)
}

fn append(folder: &Path) -> Result<Call> {
    let journal = Journal::open(folder)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let record = sample::record(0, sample::PAYLOAD)?.canonical_bytes()?;
    Ok(Box::new(move || {
        if runtime.block_on(journal.append(record.clone(), Durability::Crash)) {
            Ok(())
        } else {
            Err("the journal does not keep a record".into())
        }
    }))
}

fn request(variant: Variant) -> Result<Call> {
    let recorder = Recorder::builder().authenticate(Named).start();
    let audit: Audit = recorder.audit();
    let system = System::new();
    let app = system.block_on(init_service(
        App::new()
            .app_data(audit)
            .configure(|config| variant.configure(config)),
    ));
    Ok(Box::new(move || {
        let request = TestRequest::post()
            .uri("/echo")
            .insert_header(("Authorization", "alice"))
            .insert_header(("Content-Type", "application/json"))
            .set_payload(REQUEST_BODY)
            .to_request();
        let response = system.block_on(call_service(&app, request));
        // So that memory does not grow with the number of calls.
        recorder.clear();
        if response.status().is_success() {
            Ok(())
        } else {
            Err(format!("an answer without success: {}", response.status()).into())
        }
    }))
}
