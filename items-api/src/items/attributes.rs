//! Free-form attributes: a JSON object, kept as it was sent.

use std::io::Write as _;

use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::{Pg, PgValue};
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::Json;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// How deep attributes may nest. A record keeps 32 levels of a body, of which the
/// body itself is one, so nothing that is accepted is cut out of its record.
const MAX_DEPTH: usize = 30;

/// The text of a JSON object.
#[derive(Clone, Debug, Serialize, AsExpression, FromSqlRow)]
#[diesel(sql_type = Json)]
pub(crate) struct Attributes(Box<RawValue>);

impl Attributes {
    /// Takes an object, or says what it must be instead.
    pub(super) fn new(text: &RawValue) -> Result<Self, String> {
        // Parsing sees what a glance at the text does not: half surrogate pairs, and
        // numbers that no double can hold.
        let value: Value = serde_json::from_str(text.get()).map_err(|_| {
            format!(
                "must nest at most {MAX_DEPTH} levels deep, and hold no half of a surrogate pair \
                 and no number beyond 1.79e308"
            )
        })?;
        if !value.is_object() {
            return Err("must be a JSON object".to_owned());
        }
        check(&value, 1)?;
        Ok(Self(text.to_owned()))
    }

    pub(super) fn empty() -> Result<Self, String> {
        RawValue::from_string("{}".to_owned())
            .map(Self)
            .map_err(|error| error.to_string())
    }
}

/// Goes as deep as the limit allows and no deeper.
fn check(value: &Value, depth: usize) -> Result<(), String> {
    if depth > MAX_DEPTH && (value.is_object() || value.is_array()) {
        return Err(format!("must nest at most {MAX_DEPTH} levels deep"));
    }
    match value {
        Value::String(text) => check_text(text),
        Value::Array(values) => values.iter().try_for_each(|value| check(value, depth + 1)),
        Value::Object(members) => members.iter().try_for_each(|(name, value)| {
            check_text(name)?;
            check(value, depth + 1)
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

fn check_text(text: &str) -> Result<(), String> {
    if text.contains('\0') {
        return Err("must not contain the character U+0000".to_owned());
    }
    Ok(())
}

impl ToSql<Json, Pg> for Attributes {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        out.write_all(self.0.get().as_bytes())?;
        Ok(IsNull::No)
    }
}

impl FromSql<Json, Pg> for Attributes {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        let text = std::str::from_utf8(value.as_bytes())?;
        Ok(Self(RawValue::from_string(text.to_owned())?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attributes(text: &str) -> Result<Attributes, String> {
        Attributes::new(&RawValue::from_string(text.to_owned()).unwrap())
    }

    #[test]
    fn an_object_is_kept_as_it_was_written() {
        let text = r#"{"b": 1.230e-5, "a": "\u00e9", "a": null}"#;
        assert_eq!(attributes(text).unwrap().0.get(), text);
    }

    #[test]
    fn what_no_record_could_hold_whole_is_refused() {
        let nested =
            |levels: usize| format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels));
        assert!(attributes(&nested(MAX_DEPTH)).is_ok());
        for text in [nested(MAX_DEPTH + 1), nested(100), nested(10_000)] {
            assert!(attributes(&text).unwrap_err().contains("deep"));
        }
        for text in [
            "[]",
            "null",
            r#""a""#,
            r#"{"a\u0000":1}"#,
            r#"{"a":["\u0000"]}"#,
            r#"{"a":"\ud800"}"#,
        ] {
            assert!(attributes(text).is_err(), "{text}");
        }
    }
}
