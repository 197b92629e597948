//! Prices: exact decimals, never floating point.

use std::str::FromStr as _;

use bigdecimal::BigDecimal;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::{Pg, PgValue};
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::Numeric;
use serde::ser::Error as _;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Schema, Type};

const WHOLE_DIGITS: usize = 15;
const DECIMALS: usize = 6;

/// An amount of at most fifteen digits and six decimals, not negative.
#[derive(Clone, Debug, PartialEq, AsExpression, FromSqlRow)]
#[diesel(sql_type = Numeric)]
pub(crate) struct Price(BigDecimal);

impl Price {
    /// What is wrong with a price that [`Price::parse`] refuses.
    pub(super) const RULE: &'static str = "must be a decimal such as 12.50, not negative, with at most 15 digits before \
                                           and 6 after the point and no exponent";

    /// Reads the text of a JSON number, or of a string that holds one.
    pub(super) fn parse(json: &str) -> Option<Self> {
        let text = json
            .strip_prefix('"')
            .and_then(|text| text.strip_suffix('"'))
            .unwrap_or(json);
        let (whole, decimals) = match text.split_once('.') {
            Some((_, "")) => return None,
            Some(parts) => parts,
            None => (text, ""),
        };
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let plausible = (1..=WHOLE_DIGITS).contains(&whole.len()) && decimals.len() <= DECIMALS;
        if !plausible || !digits(whole) || !digits(decimals) {
            return None;
        }
        BigDecimal::from_str(text).ok().map(Self)
    }
}

impl Price {
    /// How clients may write one: exact in a string too, for those whose numbers are
    /// floating point.
    pub(super) fn input_schema() -> Schema {
        let number = ObjectBuilder::new()
            .schema_type(Type::Number)
            .minimum(Some(0))
            .exclusive_maximum(Some(1e15));
        let text = ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some(r"^[0-9]{1,15}(\.[0-9]{1,6})?$"));
        OneOfBuilder::new()
            .item(number)
            .item(text)
            .item(ObjectBuilder::new().schema_type(Type::Null))
            .description(Some(
                "An exact decimal, as a number or a string: at most 15 digits before and 6 after the point, \
                 no exponent, not negative",
            ))
            .examples([12.50])
            .into()
    }
}

impl Serialize for Price {
    /// A JSON number with all its digits: `12.50` stays `12.50`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(self.0.to_plain_string())
            .map_err(S::Error::custom)?
            .serialize(serializer)
    }
}

impl ToSql<Numeric, Pg> for Price {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        ToSql::<Numeric, Pg>::to_sql(&self.0, out)
    }
}

impl FromSql<Numeric, Pg> for Price {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        FromSql::<Numeric, Pg>::from_sql(value).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_digit_is_kept() {
        for (json, shown) in [
            ("12.50", "12.50"),
            ("\"12.50\"", "12.50"),
            ("0", "0"),
            ("0.000001", "0.000001"),
            ("999999999999999.999999", "999999999999999.999999"),
        ] {
            let price = Price::parse(json).unwrap();
            assert_eq!(serde_json::to_string(&price).unwrap(), shown, "{json}");
        }
    }

    #[test]
    fn what_is_not_a_price_is_refused() {
        for json in [
            "-1",
            "1e3",
            "1e1000000000",
            "\"\"",
            "\"1.\"",
            "\".5\"",
            "\"1,5\"",
            "\"NaN\"",
            "\" 1\"",
            "true",
            "[]",
            "1234567890123456",
            "0.1234567",
        ] {
            assert_eq!(Price::parse(json), None, "{json}");
        }
    }
}
