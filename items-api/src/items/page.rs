//! Pages of items: newest first, by the key of the last one seen.

use audit::Problem;
use audit::problem::{INVALID_CURSOR, INVALID_PARAMETER, UNKNOWN_PARAMETER};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Datelike as _, Utc};
use uuid::Uuid;

const DEFAULT_LIMIT: u16 = 50;
const MAX_LIMIT: u16 = 1000;

/// Which page is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct PageRequest {
    pub(super) limit: u16,
    pub(super) after: Option<Position>,
}

/// Where an item stands in the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) created_at: DateTime<Utc>,
    pub(super) id: Uuid,
}

impl PageRequest {
    pub(super) fn parse(query: &str) -> Result<Self, Problem> {
        let mut limit = None;
        let mut after = None;
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match name.as_ref() {
                "limit" if limit.is_none() => limit = Some(parse_limit(&value)?),
                "cursor" if after.is_none() => after = Some(Position::decode(&value)?),
                "limit" | "cursor" => {
                    return Err(Problem::new(
                        &INVALID_PARAMETER,
                        format!("`{name}` must be given once."),
                    ));
                }
                unknown => {
                    return Err(Problem::new(
                        &UNKNOWN_PARAMETER,
                        format!("`{unknown}` is unknown. The parameters are limit and cursor."),
                    ));
                }
            }
        }
        Ok(Self {
            limit: limit.unwrap_or(DEFAULT_LIMIT),
            after,
        })
    }
}

fn parse_limit(value: &str) -> Result<u16, Problem> {
    match value.parse() {
        Ok(limit @ 1..=MAX_LIMIT) => Ok(limit),
        _ => Err(Problem::new(
            &INVALID_PARAMETER,
            format!("`limit` must be a whole number from 1 to {MAX_LIMIT}."),
        )),
    }
}

impl Position {
    /// The cursor: base64url of the time in microseconds and the id.
    pub(super) fn encode(self) -> String {
        let mut bytes = self.created_at.timestamp_micros().to_be_bytes().to_vec();
        bytes.extend_from_slice(self.id.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn decode(cursor: &str) -> Result<Self, Problem> {
        Self::read(cursor).ok_or_else(|| {
            Problem::new(
                &INVALID_CURSOR,
                "Give back the `next` of the page before, unchanged, or leave `cursor` out to start again.",
            )
        })
    }

    fn read(cursor: &str) -> Option<Self> {
        let bytes: [u8; 24] = URL_SAFE_NO_PAD.decode(cursor).ok()?.try_into().ok()?;
        let (micros, id) = bytes.split_first_chunk::<8>()?;
        let created_at = DateTime::from_timestamp_micros(i64::from_be_bytes(*micros))?;
        // Postgres' times end before those of our own types do.
        (0..10_000).contains(&created_at.year()).then_some(Self {
            created_at,
            id: Uuid::from_slice(id).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_the_position_it_was() {
        let position = Position {
            created_at: DateTime::from_timestamp_micros(1_795_514_400_123_456).unwrap(),
            id: Uuid::new_v4(),
        };
        let request = PageRequest::parse(&format!("limit=2&cursor={}", position.encode())).unwrap();
        assert_eq!((request.limit, request.after), (2, Some(position)));
    }

    #[test]
    fn what_cannot_be_understood_is_refused() {
        for (query, code) in [
            ("limit=0", "invalid_parameter"),
            ("limit=1&limit=2", "invalid_parameter"),
            ("offset=1", "unknown_parameter"),
            ("cursor=abc", "invalid_cursor"),
            ("cursor=f_____________________________w", "invalid_cursor"),
        ] {
            assert_eq!(
                PageRequest::parse(query).unwrap_err().kind().code(),
                code,
                "{query}"
            );
        }
    }
}
