//! Cursors: where a page ended, as a text that clients give back.
//!
//! A cursor is the base64url of 26 bytes: the version of this format, the order
//! of the page, and the key of its last record, `occurred_at` in microseconds and
//! `id`, both big-endian. It is not a secret and not signed: whoever makes one up
//! sees what he may see anyway.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::DateTime;
use uuid::Uuid;

use crate::postgres::{Order, Position};
use crate::problem::{INVALID_CURSOR, Problem};

const VERSION: u8 = 1;

pub(crate) fn encode(position: Position, order: Order) -> String {
    let mut bytes = Vec::with_capacity(26);
    bytes.push(VERSION);
    bytes.push(byte_of(order));
    bytes.extend_from_slice(&position.occurred_at.timestamp_micros().to_be_bytes());
    bytes.extend_from_slice(position.id.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn decode(cursor: &str, order: Order) -> Result<Position, Problem> {
    let (position, made_for) = read(cursor).ok_or_else(|| {
        Problem::new(
            &INVALID_CURSOR,
            "Give back the `next` of the page before, unchanged, or leave `cursor` out to start again.",
        )
    })?;
    if made_for != byte_of(order) {
        return Err(Problem::new(
            &INVALID_CURSOR,
            "The cursor was made for the other `order`: keep the parameters of the first page.",
        ));
    }
    Ok(position)
}

fn read(cursor: &str) -> Option<(Position, u8)> {
    let bytes: [u8; 26] = URL_SAFE_NO_PAD.decode(cursor).ok()?.try_into().ok()?;
    let [version, order, key @ ..] = bytes;
    let (micros, id) = key.split_first_chunk::<8>()?;
    let position = Position {
        occurred_at: DateTime::from_timestamp_micros(i64::from_be_bytes(*micros))?,
        id: Uuid::from_slice(id).ok()?,
    };
    (version == VERSION && is_storable(&position)).then_some((position, order))
}

/// Postgres' times end before those of our own types do.
fn is_storable(position: &Position) -> bool {
    use chrono::Datelike as _;
    (0..10_000).contains(&position.occurred_at.year())
}

fn byte_of(order: Order) -> u8 {
    match order {
        Order::NewestFirst => b'd',
        Order::OldestFirst => b'a',
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cursor_comes_back_as_the_position_it_was(micros in 0..4_102_444_800_000_000_i64, id: u128) {
            let position = Position {
                occurred_at: DateTime::from_timestamp_micros(micros).unwrap(),
                id: Uuid::from_u128(id),
            };
            let cursor = encode(position, Order::OldestFirst);
            prop_assert_eq!(decode(&cursor, Order::OldestFirst).unwrap(), position);
            prop_assert!(decode(&cursor, Order::NewestFirst).is_err());
        }

        #[test]
        fn what_is_not_a_cursor_is_refused(text in ".{0,60}") {
            prop_assert!(decode(&text, Order::NewestFirst).is_err());
        }

        #[test]
        fn what_is_read_is_what_would_have_been_written(
            mut bytes: [u8; 26],
            is_ours in any::<bool>(),
        ) {
            if is_ours {
                // Most bytes are of no version, and of no time that Postgres knows.
                bytes[..4].copy_from_slice(&[VERSION, b'd', 0, 0]);
            }
            let text = URL_SAFE_NO_PAD.encode(bytes);
            if let Ok(position) = decode(&text, Order::NewestFirst) {
                prop_assert_eq!(encode(position, Order::NewestFirst), text);
            } else {
                prop_assert!(!is_ours);
            }
        }
    }
}
