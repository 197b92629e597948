//! A cursor is either exactly what we write, or refused.

use audit::fuzz::{decode_cursor, encode_cursor};
use chrono::DateTime;
use uuid::Uuid;

use crate::input::Input;

/// The first year that cannot be stored, in microseconds.
const END_MICROS: i64 = 253_402_300_800_000_000;

/// Reads the input as a cursor, and as what a cursor is made of.
pub fn check(data: &[u8]) {
    read(data);
    write(data);
}

fn read(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let orders = [false, true];
    let read = orders.map(|is_oldest_first| decode_cursor(text, is_oldest_first));
    assert!(
        read.iter().filter(|read| read.is_ok()).count() <= 1,
        "`{text}` fits both orders"
    );
    for read in read {
        match read {
            Ok(cursor) => assert_eq!(encode_cursor(cursor), text, "another text for {cursor:?}"),
            Err(problem) => assert_eq!(problem.kind().code(), "invalid_cursor"),
        }
    }
}

fn write(data: &[u8]) {
    let mut input = Input::new(data);
    let is_oldest_first = input.byte() % 2 == 1;
    let Some((micros, rest)) = input.rest().split_first_chunk::<8>() else {
        return;
    };
    let micros = i64::from_be_bytes(*micros).rem_euclid(END_MICROS);
    let Some(occurred_at) = DateTime::from_timestamp_micros(micros) else {
        return;
    };
    let mut id = [0; 16];
    id.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    let cursor = (occurred_at, Uuid::from_bytes(id), is_oldest_first);
    let text = encode_cursor(cursor);
    assert_eq!(decode_cursor(&text, is_oldest_first).ok(), Some(cursor));
    assert!(decode_cursor(&text, !is_oldest_first).is_err());
}
