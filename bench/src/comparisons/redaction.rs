//! Redacting a payload against serialising the same one.

use std::hint::black_box;
use std::time::Instant;

use audit::redact::Redactor;
use serde_json::{Value, json};

use crate::report::{Figure, Report, Side, Table};
use crate::{Bench, Result, say};

/// How many bytes a turn works on.
const TURN_BYTES: usize = 16 * 1024 * 1024;
const FIGURES: &[Figure] = &[Figure::new("MB/s", 0), Figure::new("time in %", 0)];

const PROSE: &str = "The kettle was delivered on 24 November 2026 at 10:30, to the neighbour on the second \
    floor; see https://example.com/orders/112-3456789-1234567?tab=notes for what the author of the order \
    wanted. It boils, it whistles, and the pinned note says: handle with care. ";

/// What services are sent, from small and numeric to long and wordy.
fn payloads() -> [(&'static str, Value); 4] {
    let item = json!({
        "name": "Kettle",
        "description": "A kettle of steel, one and a half litres",
        "price": 12.50,
        "attributes": { "colour": "red", "weight_g": 1210, "tags": ["kitchen", "steel"], "in_stock": true },
    });
    let numbers: Vec<Value> = (0..400)
        .map(|at| json!({ "at": 1_764_000_000_000_u64 + at, "x": at as f64 / 7.0, "ok": at % 3 == 0 }))
        .collect();
    let orders: Vec<Value> = (0..40)
        .map(|at| {
            json!({
                "id": format!("0198a1b2-c3d4-7e5f-8a9b-{at:012x}"),
                "customer": { "name": "Alice", "email": "alice@example.com", "password": "hunter2" },
                "digest": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                "note": format!("paid with 4111 1111 1111 1111, token=abc{at}"),
                "callback": "https://example.com/hooks/42?signature=0123456789abcdef",
            })
        })
        .collect();
    [
        ("an item", item),
        ("numbers", json!({ "points": numbers })),
        ("orders with secrets", json!({ "orders": orders })),
        ("prose", json!({ "pages": vec![PROSE.repeat(6); 20] })),
    ]
}

pub(crate) fn compare(bench: &Bench, report: &mut Report) -> Result {
    say("redaction");
    let redactor = Redactor::default();
    for (name, payload) in payloads() {
        let text = serde_json::to_string(&payload)?;
        let calls = (TURN_BYTES / text.len()).max(1);
        let rate = |work: &mut dyn FnMut() -> Result| -> Result<f64> {
            let began = Instant::now();
            for _ in 0..calls {
                work()?;
            }
            Ok((calls * text.len()) as f64 / began.elapsed().as_secs_f64() / 1e6)
        };
        let (mut serialise, mut parse, mut redact) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..bench.rounds {
            serialise.push(rate(&mut || {
                black_box(serde_json::to_string(black_box(&payload))?);
                Ok(())
            })?);
            parse.push(rate(&mut || {
                black_box(serde_json::from_str::<Value>(black_box(&text))?);
                Ok(())
            })?);
            redact.push(rate(&mut || {
                black_box(redactor.json("/request", black_box(&text))?);
                Ok(())
            })?);
        }
        let side = |name, rates: &[f64]| Side {
            name: String::from(name),
            turns: rates
                .iter()
                .zip(&serialise)
                .map(|(rate, base)| vec![*rate, base / rate * 100.0])
                .collect(),
        };
        report.tables.push(Table::new(
            format!("Redaction of {name}"),
            format!(
                "{} bytes of JSON. The last column is the time as a share of that for serialising the same payload.",
                text.len()
            ),
            FIGURES,
            vec![
                side("serialise a tree", &serialise),
                side("parse into a tree", &parse),
                side("redact", &redact),
            ],
        ));
    }
    Ok(())
}
