//! Items as clients write them, and the rules they must keep.

use audit::Problem;
use audit::problem::FieldError;
use audit::strict::Auditable;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::attributes::Attributes;
use super::price::Price;
use crate::problem::INVALID_ITEM;

const NAME_CHARACTERS: usize = 200;
const DESCRIPTION_CHARACTERS: usize = 4_000;

/// A whole item, as it is created or replaced.
#[derive(Deserialize, ToSchema, Auditable)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewItem {
    /// 1 to 200 characters, not only spaces, and no U+0000.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$",
        example = "Kettle"
    )]
    #[audit(plain)]
    name: String,
    /// At most 4,000 characters, and no U+0000.
    #[schema(
        max_length = 4000,
        pattern = r"^[^\u0000]*$",
        example = "Holds 1.7 litres"
    )]
    #[audit(plain)]
    description: Option<String>,
    /// An exact decimal, as a number or a string: at most 15 digits before and 6
    /// after the point, not negative.
    #[schema(schema_with = Price::input_schema)]
    #[audit(plain)]
    price: Option<Box<RawValue>>,
    /// A JSON object, at most 30 levels deep, without U+0000 in its texts and names.
    #[schema(value_type = Option<Object>, example = json!({"colour": "red"}))]
    #[audit(plain)]
    attributes: Option<Box<RawValue>>,
}

/// Some fields of an item. What is left out stays as it is; `null` clears a field
/// that may be empty.
#[derive(Deserialize, ToSchema, Auditable)]
#[serde(deny_unknown_fields)]
pub(crate) struct ItemPatch {
    /// 1 to 200 characters, not only spaces, and no U+0000.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$",
        example = "Kettle"
    )]
    #[audit(plain)]
    name: Option<String>,
    /// At most 4,000 characters, and no U+0000.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, max_length = 4000, pattern = r"^[^\u0000]*$")]
    #[audit(plain)]
    description: Option<Option<String>>,
    /// Written as in a new item.
    #[serde(default, deserialize_with = "present")]
    #[schema(schema_with = Price::input_schema)]
    #[audit(plain)]
    price: Option<Option<Box<RawValue>>>,
    /// Replaces all attributes, by the rules of a new item.
    #[schema(value_type = Option<Object>, example = json!({"colour": "blue"}))]
    #[audit(plain)]
    attributes: Option<Box<RawValue>>,
}

/// Tells a field that is `null` from one that is not there.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// What a client may say about an item, checked.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) price: Option<Price>,
    pub(super) attributes: Attributes,
}

/// The changes of a patch, checked.
#[derive(Clone, Debug)]
pub(crate) struct Changes {
    pub(super) name: Option<String>,
    pub(super) description: Option<Option<String>>,
    pub(super) price: Option<Option<Price>>,
    pub(super) attributes: Option<Attributes>,
}

impl NewItem {
    /// Checks all rules at once.
    pub(crate) fn check(self) -> Result<Draft, Problem> {
        let mut rules = Rules::default();
        let name = rules.name(self.name);
        let description = self.description.and_then(|text| rules.description(text));
        let price = self.price.and_then(|price| rules.price(&price));
        let attributes = match self.attributes {
            Some(attributes) => rules.attributes(Attributes::new(&attributes)),
            None => rules.attributes(Attributes::empty()),
        };
        match (rules.broken.is_empty(), attributes) {
            (true, Some(attributes)) => Ok(Draft {
                name,
                description,
                price,
                attributes,
            }),
            _ => Err(rules.problem()),
        }
    }
}

impl ItemPatch {
    /// Checks all rules at once.
    pub(crate) fn check(self) -> Result<Changes, Problem> {
        let mut rules = Rules::default();
        let changes = Changes {
            name: self.name.map(|name| rules.name(name)),
            description: self
                .description
                .map(|text| text.and_then(|text| rules.description(text))),
            price: self
                .price
                .map(|price| price.and_then(|price| rules.price(&price))),
            attributes: self
                .attributes
                .and_then(|attributes| rules.attributes(Attributes::new(&attributes))),
        };
        if rules.broken.is_empty() {
            Ok(changes)
        } else {
            Err(rules.problem())
        }
    }
}

/// Collects what is wrong, so that a client learns all of it at once.
#[derive(Default)]
struct Rules {
    broken: Vec<FieldError>,
}

impl Rules {
    fn breaks(&mut self, field: &str, detail: impl Into<String>) {
        self.broken.push(FieldError {
            pointer: format!("/{field}"),
            detail: detail.into(),
        });
    }

    fn name(&mut self, name: String) -> String {
        if name.trim().is_empty() || name.chars().count() > NAME_CHARACTERS {
            self.breaks(
                "name",
                format!("must have 1 to {NAME_CHARACTERS} characters, not only spaces"),
            );
        }
        self.storable("name", &name);
        name
    }

    fn description(&mut self, description: String) -> Option<String> {
        if description.chars().count() > DESCRIPTION_CHARACTERS {
            self.breaks(
                "description",
                format!("must have at most {DESCRIPTION_CHARACTERS} characters"),
            );
        }
        self.storable("description", &description);
        Some(description)
    }

    /// Postgres keeps every character of a text but this one.
    fn storable(&mut self, field: &str, text: &str) {
        if text.contains('\0') {
            self.breaks(field, "must not contain the character U+0000");
        }
    }

    fn price(&mut self, price: &RawValue) -> Option<Price> {
        let parsed = Price::parse(price.get());
        if parsed.is_none() {
            self.breaks("price", Price::RULE);
        }
        parsed
    }

    fn attributes(&mut self, attributes: Result<Attributes, String>) -> Option<Attributes> {
        attributes
            .map_err(|rule| self.breaks("attributes", rule))
            .ok()
    }

    fn problem(self) -> Problem {
        Problem::new(&INVALID_ITEM, "Correct the fields listed in `errors`.")
            .with_errors(self.broken)
    }
}
