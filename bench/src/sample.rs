//! Records as services make them.

use audit::record::{Actor, Client, Http, JsonText, Outcome, Record, Resource, SCHEMA};
use uuid::Uuid;

use crate::Result;

/// What most records carry: an item's body once its secret is hidden.
pub const PAYLOAD: &str = r#"{"name":"Kettle","attributes":{"colour":"red","watts":2200,"supplier":{"name":"Acme","api_key":"[REDACTED]"},"tags":["a","b","c"]}}"#;

/// The record of an item that was created just now.
///
/// # Errors
///
/// When `payload` is no JSON.
pub fn record(number: usize, payload: &str) -> Result<Record> {
    let id = Uuid::now_v7();
    let (seconds, nanoseconds) = id.get_timestamp().ok_or("no time in an id")?.to_unix();
    let occurred_at =
        chrono::DateTime::<chrono::Utc>::from_timestamp(seconds.try_into()?, nanoseconds)
            .ok_or("no such time")?;
    Ok(Record {
        id,
        schema: SCHEMA,
        service: "bench".to_owned(),
        instance: "7f0c4ad9c2f44a6c8a8f6b0d1f2e3a4b".to_owned(),
        seq: number.try_into()?,
        occurred_at,
        duration_us: 1_234,
        action: "create_item".to_owned(),
        outcome: Outcome::Success,
        reason: None,
        actor: Actor::user(format!("user-{}", number % 100), "jwt"),
        resource: Some(Resource {
            kind: Some("item".to_owned()),
            id: Some(id.to_string()),
        }),
        http: Some(Http {
            method: "POST".to_owned(),
            route: Some("/items/".to_owned()),
            path: "/items/".to_owned(),
            query: None,
            status: Some(201),
            request_id: Uuid::now_v7().to_string(),
            trace_id: None,
        }),
        client: Some(Client {
            ip: Some([192, 0, 2, 7].into()),
            peer: Some([192, 0, 2, 7].into()),
            user_agent: Some("bench/1".to_owned()),
        }),
        request: Some(JsonText::new(payload.to_owned())?),
        response: None,
        changes: Vec::new(),
        notes: JsonText::empty_object(),
        redacted: Vec::new(),
        truncated: Vec::new(),
    })
}

/// The canonical bytes of as many records.
///
/// # Errors
///
/// When `payload` is no JSON.
pub fn records(count: usize, payload: &str) -> Result<Vec<Vec<u8>>> {
    (0..count)
        .map(|number| Ok(record(number, payload)?.canonical_bytes()?))
        .collect()
}

/// A payload of about as many bytes, most of it words.
#[must_use]
pub fn payload(bytes: usize) -> String {
    const SENTENCE: &str = "The kettle was delivered to the neighbour on the second floor. ";
    let note: String = SENTENCE
        .chars()
        .cycle()
        .take(bytes.saturating_sub(27))
        .collect();
    format!(r#"{{"name":"Kettle","note":"{note}"}}"#)
}
