//! `#[derive(Auditable)]`, seen through the places that it finds in JSON which the
//! real serde wrote and reads.

#![deny(warnings, clippy::all, clippy::pedantic)]
#![expect(dead_code, reason = "types are described, and not all of them used")]
#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, and so do its helpers"
)]

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::fmt::Debug;
use std::marker::PhantomData;
use std::sync::Arc;

use audit::redact::shape::Treatment::{self, Hash, Mask, Secret, Skip};
use audit::redact::shape::{Member, Nested, Shape};
use audit::{Auditable, Classified};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

type Places = BTreeMap<String, Treatment>;

/// The places that the shape of `T` finds in a text, by JSON pointer.
fn places_in<T: Auditable + ?Sized>(json: &Value) -> Places {
    let mut places = Places::new();
    find(T::SHAPE, json, "", &mut places);
    places
}

fn find(shape: &Shape, value: &Value, pointer: &str, places: &mut Places) {
    let mut within = |shape: Nested, value: &Value, place: &str| {
        find(shape(), value, &format!("{pointer}/{place}"), places);
    };
    match (shape, value) {
        (Shape::Treated(treatment), _) => {
            let place = places.entry(pointer.to_owned()).or_insert(*treatment);
            *place = (*place).max(*treatment);
        }
        (Shape::AllOf(shapes), value) => {
            for shape in *shapes {
                find(shape(), value, pointer, places);
            }
        }
        (Shape::Object(members), Value::Object(object)) => {
            for Member { names, shape } in *members {
                for name in *names {
                    if let Some(value) = object.get(*name) {
                        within(*shape, value, name);
                    }
                }
            }
        }
        (Shape::Tuple(shapes), Value::Array(items)) => {
            for (place, (shape, item)) in shapes.iter().zip(items).enumerate() {
                within(*shape, item, &place.to_string());
            }
        }
        (Shape::Each(shape), Value::Array(items)) => {
            for (place, item) in items.iter().enumerate() {
                within(*shape, item, &place.to_string());
            }
        }
        (Shape::Each(shape), Value::Object(object)) => {
            for (name, value) in object {
                within(*shape, value, name);
            }
        }
        _ => {}
    }
}

/// The places in what serde writes of a value.
fn places<T: Auditable + Serialize>(value: &T) -> Places {
    places_in::<T>(&serde_json::to_value(value).unwrap())
}

/// The places in a text, once it is certain that serde reads it.
fn places_read<T: Auditable + DeserializeOwned>(json: &Value) -> Places {
    serde_json::from_str::<T>(&json.to_string()).unwrap();
    places_in::<T>(json)
}

fn at<const N: usize>(places: [(&str, Treatment); N]) -> Places {
    places.map(|(place, how)| (place.to_owned(), how)).into()
}

fn nowhere() -> Places {
    Places::new()
}

/// `Ask::<T>::is_classified()`, where a type need not be.
struct Ask<T: ?Sized>(PhantomData<T>);

impl<T: Classified + ?Sized> Ask<T> {
    fn is_classified() -> bool {
        true
    }
}

trait Otherwise {
    fn is_classified() -> bool {
        false
    }
}

impl<T: ?Sized> Otherwise for Ask<T> {}

/// A secret of which nobody knows but its type.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Auditable,
)]
struct Key(#[audit(secret)] String);

/// A type that says nothing about itself.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Foreign {
    key: Key,
}

fn key() -> Key {
    Key("k".into())
}

#[test]
fn every_class_is_found_at_its_field() {
    #[derive(Serialize, Deserialize, Auditable)]
    struct Classes {
        #[audit(secret)]
        secret: String,
        #[audit(mask)]
        mask: u64,
        #[audit(hash)]
        hash: Option<String>,
        #[audit(skip)]
        skip: Vec<Foreign>,
        #[audit(plain)]
        plain: String,
        none: String,
    }
    let json = json!({
        "secret": "s", "mask": 1, "hash": null, "skip": [], "plain": "p", "none": "n",
    });
    assert_eq!(
        places_read::<Classes>(&json),
        at([
            ("/secret", Secret),
            ("/mask", Mask),
            ("/hash", Hash),
            ("/skip", Skip)
        ])
    );
}

#[test]
fn a_field_is_looked_into_if_its_type_says_something() {
    #[derive(Default, Serialize, Deserialize, Auditable)]
    struct Outer {
        none: Key,
        #[audit(plain)]
        plain: Key,
        #[audit(mask)]
        mask: Key,
        foreign: Foreign,
        foreigners: Vec<Foreign>,
    }
    assert_eq!(
        places(&Outer::default()),
        at([("/none", Secret), ("/plain", Secret), ("/mask", Mask)])
    );
}

#[test]
fn collections_and_wrappers_are_looked_into() {
    #[derive(Serialize, Auditable)]
    struct Outer<'a> {
        list: Vec<Option<Key>>,
        array: [Key; 1],
        slice: &'a [Key],
        queue: VecDeque<Box<Key>>,
        set: BTreeSet<Key>,
        map: BTreeMap<String, Key>,
        hash_map: HashMap<u8, Vec<Key>>,
        tuple: (u8, Key, String),
        cow: Cow<'a, [Key]>,
        result: Result<u8, Key>,
        ok: Result<Key, u8>,
    }
    let value = Outer {
        list: vec![None, Some(key())],
        array: [key()],
        slice: &[key()],
        queue: [Box::new(key())].into(),
        set: [key()].into(),
        map: [("a".into(), key())].into(),
        hash_map: [(1, vec![key()])].into(),
        tuple: (1, key(), "s".into()),
        cow: Cow::Owned(vec![key()]),
        result: Err(key()),
        ok: Ok(key()),
    };
    let expected = [
        "/list/0", // Whether there is one says something too.
        "/list/1",
        "/array/0",
        "/slice/0",
        "/queue/0",
        "/set/0",
        "/map/a",
        "/hash_map/1/0",
        "/tuple/1",
        "/cow/0",
        "/result/Err",
        "/ok/Ok",
    ];
    assert_eq!(places(&value), at(expected.map(|place| (place, Secret))));
}

#[test]
fn types_that_hold_themselves_have_a_shape() {
    #[derive(Serialize, Deserialize, Auditable)]
    struct Tree {
        key: Key,
        children: Vec<Tree>,
        next: Option<Box<Self>>,
    }
    let leaf = || json!({"key": "k", "children": [], "next": null});
    let tree = json!({"key": "k", "children": [leaf(), leaf()], "next": leaf()});
    assert_eq!(
        places_read::<Tree>(&tree),
        at([
            ("/key", Secret),
            ("/children/0/key", Secret),
            ("/children/1/key", Secret),
            ("/next/key", Secret),
        ])
    );
}

#[test]
fn all_names_of_a_field_are_found() {
    #[derive(Serialize, Deserialize, Auditable)]
    #[serde(rename_all(serialize = "UPPERCASE", deserialize = "camelCase"))]
    struct Names {
        #[audit(secret)]
        #[serde(alias = "old_name", alias = "older")]
        the_name: u8,
        #[audit(mask)]
        #[serde(rename(serialize = "out", deserialize = "in"), default)]
        renamed: u8,
        #[audit(hash)]
        #[serde(rename(deserialize = "one", deserialize = "two"), default)]
        several: u8,
        #[audit(hash)]
        #[serde(rename = "2 \"words\"", default)]
        spaced: u8,
        #[audit(skip)]
        #[serde(default)]
        r#type: u8,
    }
    let value: Names = serde_json::from_value(json!({"theName": 1})).unwrap();
    assert_eq!(
        places(&value),
        at([
            ("/THE_NAME", Secret),
            ("/out", Mask),
            ("/SEVERAL", Hash),
            ("/2 \"words\"", Hash),
            ("/TYPE", Skip),
        ])
    );
    for (json, place, treatment) in [
        (json!({"theName": 1, "in": 1}), "/in", Mask),
        (json!({"theName": 1, "one": 1}), "/one", Hash),
        (json!({"theName": 1, "two": 1}), "/two", Hash),
        (json!({"theName": 1, "type": 1}), "/type", Skip),
    ] {
        let expected = at([("/theName", Secret), (place, treatment)]);
        assert_eq!(places_read::<Names>(&json), expected);
    }
    for alias in ["old_name", "older"] {
        let expected = at([(format!("/{alias}").as_str(), Secret)]);
        assert_eq!(places_read::<Names>(&json!({alias: 1})), expected);
    }
}

#[test]
fn a_struct_that_is_read_from_a_list_has_places() {
    #[derive(Deserialize, Auditable)]
    struct Login {
        name: String,
        #[serde(skip_deserializing)]
        device: String,
        #[audit(secret)]
        code: String,
    }
    assert_eq!(
        places_read::<Login>(&json!(["alice", "1234"])),
        at([("/1", Secret)])
    );
}

#[test]
fn what_serde_skips_is_not_in_the_json_but_still_hidden_if_it_is_sent() {
    #[derive(Default, Serialize, Deserialize, Auditable)]
    struct Skipping {
        #[serde(skip)]
        #[audit(secret)]
        session: String,
        #[serde(skip)]
        skipped: Key,
        #[serde(skip_serializing)]
        #[audit(secret)]
        read: String,
        #[serde(skip_deserializing)]
        #[audit(secret)]
        written: String,
    }
    assert_eq!(places(&Skipping::default()), at([("/written", Secret)]));
    assert_eq!(
        places_read::<Skipping>(&json!({"read": "r", "session": "s", "skipped": "s"})),
        at([("/read", Secret), ("/session", Secret)])
    );
}

#[test]
fn flattened_fields_share_one_object() {
    #[derive(Serialize, Deserialize, Auditable)]
    struct Page {
        #[audit(secret)]
        cursor: String,
        #[serde(flatten)]
        inner: Inner,
        #[serde(flatten)]
        kind: Kind,
        #[serde(flatten)]
        rest: BTreeMap<String, Value>,
    }
    #[derive(Serialize, Deserialize, Auditable)]
    struct Inner {
        #[audit(mask)]
        phone: String,
        harmless: String,
    }
    #[derive(Serialize, Deserialize, Auditable)]
    enum Kind {
        Card {
            #[audit(hash)]
            number: u8,
        },
    }
    let json = json!({
        "cursor": "c", "phone": "p", "harmless": "h", "Card": {"number": 1}, "more": 1,
    });
    assert_eq!(
        places_read::<Page>(&json),
        at([
            ("/cursor", Secret),
            ("/phone", Mask),
            ("/Card/number", Hash)
        ])
    );
}

#[test]
fn a_newtype_is_its_field_whatever_serde_is_told_of_that() {
    #[derive(Serialize, Auditable)]
    struct Skipped(#[serde(skip)] Key);
    #[derive(Serialize, Auditable)]
    struct Wrapped(#[audit(mask)] Key);
    assert_eq!(places(&Skipped(key())), at([("", Secret)]));
    assert_eq!(places(&Wrapped(key())), at([("", Mask)]));
}

#[test]
fn a_transparent_struct_is_its_one_field() {
    #[derive(Serialize, Deserialize, Auditable)]
    #[serde(transparent)]
    struct Transparent<T> {
        key: Key,
        #[serde(skip)]
        #[audit(mask)]
        seen: bool,
        marker: PhantomData<T>,
    }
    struct Anything;
    assert_eq!(
        places_read::<Transparent<Anything>>(&json!("k")),
        at([("", Secret)])
    );
}

#[test]
fn tuples_have_places_and_skipped_fields_have_none() {
    #[derive(Serialize, Deserialize, Auditable)]
    struct Tuple(u8, #[serde(skip)] u8, #[audit(secret)] u8, Key);
    assert_eq!(
        places(&Tuple(1, 2, 3, key())),
        at([("/1", Secret), ("/2", Secret)])
    );
}

#[test]
fn in_a_tuple_whose_places_vary_every_place_may_be_secret() {
    #[derive(Serialize, Auditable)]
    struct Varying(
        #[serde(skip_serializing_if = "Option::is_none")] Option<u8>,
        #[audit(mask)] u8,
        u8,
    );
    #[derive(Serialize, Deserialize, Auditable)]
    struct OneWay(#[serde(skip_serializing)] u8, #[audit(mask)] u8);
    assert_eq!(
        places(&Varying(None, 2, 3)),
        at([("/0", Mask), ("/1", Mask)])
    );
    assert_eq!(places(&OneWay(1, 2)), at([("/0", Mask)]));
    assert_eq!(
        places_read::<OneWay>(&json!([1, 2])),
        at([("/0", Mask), ("/1", Mask)])
    );
}

#[derive(Serialize, Deserialize, Auditable)]
#[serde(rename_all = "snake_case", rename_all_fields = "camelCase")]
enum External {
    UnitOnly,
    NewType(Key),
    HiddenWhole(#[audit(mask)] Foreign),
    ATuple(u8, #[audit(hash)] u8),
    #[serde(rename = "named", alias = "Named")]
    AStruct {
        #[audit(secret)]
        some_field: u8,
    },
    #[serde(rename_all = "UPPERCASE")]
    Loud {
        #[audit(secret)]
        some_field: u8,
    },
    #[serde(skip)]
    Skipped(Key),
    #[serde(other)]
    Unknown,
}

#[test]
fn an_externally_tagged_enum_is_an_object_of_its_variants() {
    assert_eq!(places(&External::UnitOnly), nowhere());
    assert_eq!(
        places(&External::NewType(key())),
        at([("/new_type", Secret)])
    );
    assert_eq!(
        places(&External::HiddenWhole(Foreign::default())),
        at([("/hidden_whole", Mask)])
    );
    assert_eq!(places(&External::ATuple(1, 2)), at([("/a_tuple/1", Hash)]));
    assert_eq!(
        places(&External::AStruct { some_field: 1 }),
        at([("/named/someField", Secret)])
    );
    assert_eq!(
        places(&External::Loud { some_field: 1 }),
        at([("/loud/SOME_FIELD", Secret)])
    );
    assert_eq!(
        places_read::<External>(&json!({"Named": {"someField": 1}})),
        at([("/Named/someField", Secret)])
    );
    assert_eq!(
        places_read::<External>(&json!({"named": [1]})),
        at([("/named/0", Secret)])
    );
    assert_eq!(places_read::<External>(&json!("something else")), nowhere());
    assert_eq!(places(&External::Unknown), nowhere());
}

#[test]
fn an_internally_tagged_enum_shares_the_object_of_its_tag() {
    #[derive(Serialize, Deserialize, Auditable)]
    #[serde(tag = "kind")]
    enum Internal {
        Unit,
        Of(Inner),
        #[serde(rename_all = "kebab-case")]
        Fields {
            public: u8,
            #[audit(mask)]
            my_phone: u8,
        },
        #[serde(other)]
        Unknown,
    }
    #[derive(Serialize, Deserialize, Auditable)]
    struct Inner {
        key: Key,
    }
    assert_eq!(places(&Internal::Unit), nowhere());
    assert_eq!(places(&Internal::Unknown), nowhere());
    assert_eq!(
        places(&Internal::Of(Inner { key: key() })),
        at([("/key", Secret)])
    );
    let fields = Internal::Fields {
        public: 1,
        my_phone: 2,
    };
    assert_eq!(places(&fields), at([("/my-phone", Mask)]));
    // A list begins with the tag.
    let places = places_read::<Internal>(&json!(["Fields", 1, 2]));
    assert_eq!(places.get("/2"), Some(&Mask));
}

#[test]
fn a_struct_may_have_a_tag() {
    #[derive(Serialize, Deserialize, Auditable)]
    #[serde(tag = "kind")]
    struct Tagged {
        key: Key,
    }
    assert_eq!(places(&Tagged { key: key() }), at([("/key", Secret)]));
}

#[test]
fn an_adjacently_tagged_enum_has_one_member_for_all_contents() {
    #[derive(Serialize, Deserialize, Auditable)]
    #[serde(tag = "t", content = "c")]
    enum Adjacent {
        Unit,
        One(Inner),
        Two(u8, #[audit(hash)] u8),
        Fields {
            #[audit(mask)]
            phone: u8,
        },
    }
    #[derive(Serialize, Deserialize, Auditable)]
    struct Inner {
        key: Key,
    }
    assert_eq!(places(&Adjacent::Unit), nowhere());
    assert_eq!(
        places(&Adjacent::One(Inner { key: key() })),
        at([("/c/key", Secret)])
    );
    assert_eq!(places(&Adjacent::Two(1, 2)).get("/c/1"), Some(&Hash));
    assert_eq!(
        places(&Adjacent::Fields { phone: 1 }),
        at([("/c/phone", Mask)])
    );
    assert_eq!(
        places_read::<Adjacent>(&json!(["Fields", {"phone": 1}])),
        at([("/1/phone", Mask)])
    );
}

#[test]
fn an_untagged_enum_may_be_any_of_its_variants() {
    #[derive(Serialize, Deserialize, Auditable)]
    #[serde(untagged)]
    enum Untagged {
        Pair(u8, #[audit(hash)] u8),
        Keyed {
            key: Key,
        },
        Other {
            #[audit(mask)]
            phone: u8,
        },
        Nothing,
    }
    assert_eq!(places(&Untagged::Pair(1, 2)).get("/1"), Some(&Hash));
    assert_eq!(
        places(&Untagged::Keyed { key: key() }),
        at([("/key", Secret)])
    );
    assert_eq!(
        places(&Untagged::Other { phone: 1 }),
        at([("/phone", Mask)])
    );
    assert_eq!(places(&Untagged::Nothing), nowhere());
}

#[test]
fn a_secret_newtype_in_an_untagged_enum_hides_all_its_values() {
    #[derive(Serialize, Auditable)]
    #[serde(untagged)]
    enum Contact {
        Name(#[audit(secret)] String),
        Number(u8),
    }
    assert_eq!(places(&Contact::Name("n".into())), at([("", Secret)]));
    assert_eq!(places(&Contact::Number(1)), at([("", Secret)]));
}

#[test]
fn a_single_variant_may_be_untagged() {
    #[derive(Serialize, Deserialize, Auditable)]
    enum Mixed {
        Tagged(Key),
        #[serde(untagged)]
        Untagged {
            #[audit(mask)]
            phone: u8,
        },
    }
    assert_eq!(places(&Mixed::Tagged(key())), at([("/Tagged", Secret)]));
    assert_eq!(
        places(&Mixed::Untagged { phone: 1 }),
        at([("/phone", Mask)])
    );
}

#[test]
fn a_type_that_is_read_or_written_as_another_has_the_secrets_of_both() {
    #[derive(Clone, Serialize, Deserialize, Auditable)]
    #[serde(try_from = "Raw")]
    struct Checked {
        #[audit(mask)]
        phone: u8,
    }
    #[derive(Clone, Serialize, Deserialize, Auditable)]
    #[serde(from = "Raw", into = "Raw")]
    struct Converted {
        value: u8,
    }
    #[derive(Clone, Serialize, Deserialize, Auditable)]
    #[serde(try_from = "String", into = "String")]
    struct Password(#[audit(secret)] String);
    #[derive(Clone, Serialize, Deserialize, Auditable)]
    struct Raw {
        #[audit(hash)]
        number: u8,
    }
    impl TryFrom<Raw> for Checked {
        type Error = std::num::TryFromIntError;
        fn try_from(raw: Raw) -> Result<Self, Self::Error> {
            Ok(Self { phone: raw.number })
        }
    }
    impl From<Raw> for Converted {
        fn from(raw: Raw) -> Self {
            Self { value: raw.number }
        }
    }
    impl From<Converted> for Raw {
        fn from(converted: Converted) -> Self {
            Self {
                number: converted.value,
            }
        }
    }
    impl From<String> for Password {
        fn from(password: String) -> Self {
            Self(password)
        }
    }
    impl From<Password> for String {
        fn from(password: Password) -> Self {
            password.0
        }
    }
    assert_eq!(
        places_read::<Checked>(&json!({"number": 1})),
        at([("/number", Hash)])
    );
    assert_eq!(places(&Checked { phone: 1 }), at([("/phone", Mask)]));
    assert_eq!(places(&Converted { value: 1 }), at([("/number", Hash)]));
    assert_eq!(places(&Password("p".into())), at([("", Secret)]));
}

#[test]
fn a_function_for_a_field_does_not_make_its_type_forget_its_secrets() {
    mod hex {
        use super::Key;
        use serde::{Deserialize as _, Deserializer, Serializer};

        pub(super) fn serialize<S: Serializer>(key: &Key, to: S) -> Result<S::Ok, S::Error> {
            to.collect_str(&format_args!("{:x?}", key.0.as_bytes()))
        }
        pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Key, D::Error> {
            String::deserialize(from).map(Key)
        }
        pub(super) fn nothing<T, S: Serializer>(_: &T, to: S) -> Result<S::Ok, S::Error> {
            to.serialize_unit()
        }
    }
    // No `T: Auditable`: it may look like anything.
    #[derive(Serialize, Auditable)]
    struct Outer<T> {
        #[serde(with = "hex")]
        with: Key,
        #[serde(serialize_with = "hex::nothing")]
        #[audit(mask)]
        mask: Key,
        #[serde(skip_deserializing, serialize_with = "hex::nothing")]
        any: T,
    }
    struct Anything;
    #[derive(Deserialize, Auditable)]
    struct Read {
        #[serde(with = "hex")]
        with: Key,
    }
    let value = Outer {
        with: key(),
        mask: key(),
        any: Anything,
    };
    assert_eq!(places(&value), at([("/with", Secret), ("/mask", Mask)]));
    assert_eq!(
        places_read::<Read>(&json!({"with": "6b"})),
        at([("/with", Secret)])
    );
}

#[test]
fn type_parameters_say_something_about_themselves_where_they_are_looked_into() {
    trait Store {
        type Id;
    }
    struct Shop;
    impl Store for Shop {
        type Id = Key;
    }
    struct Anything;

    #[derive(Auditable)]
    struct Generic<'a, T, S, U, V = u8, const N: usize = 1>
    where
        S: Store,
        T: ?Sized,
        V: Debug,
    {
        text: &'a str,
        boxed: &'a T,
        keys: [S::Id; N],
        qualified: Vec<<S as Store>::Id>,
        #[audit(secret)]
        treated: Option<U>,
        marker: PhantomData<U>,
        callback: fn(&U) -> U,
        #[serde(skip)]
        skipped: Option<U>,
        rest: V,
    }
    type Known<'a> = Generic<'a, [Key], Shop, Anything>;
    let json = json!({
        "text": "t", "boxed": ["k"], "keys": ["k"], "qualified": ["k"], "treated": null, "rest": 1,
    });
    assert_eq!(
        places_in::<Known<'_>>(&json),
        at([
            ("/boxed/0", Secret),
            ("/keys/0", Secret),
            ("/qualified/0", Secret),
            ("/treated", Secret),
        ])
    );
}

#[test]
fn private_types_may_be_in_public_ones() {
    #[expect(unreachable_pub, reason = "this is about them")]
    mod module {
        #[derive(audit::Auditable)]
        struct Private(#[audit(secret)] u8);

        #[derive(audit::strict::Auditable)]
        pub struct Public {
            #[audit(plain)]
            private: Private,
        }

        impl Public {
            pub fn sum(&self) -> u8 {
                self.private.0
            }
        }
    }
    let _ = module::Public::sum;
    assert_eq!(
        places_in::<module::Public>(&json!({"private": 1})),
        at([("/private", Secret)])
    );
}

#[test]
fn a_deprecated_type_can_be_described() {
    #[deprecated]
    #[derive(Default, Serialize, Auditable)]
    struct Old(#[audit(secret)] u8);
    #[derive(Default, Serialize, Auditable)]
    struct New {
        #[allow(deprecated, reason = "nobody else has it")]
        old: Old,
    }
    assert_eq!(places(&New::default()), at([("/old", Secret)]));
}

#[test]
fn the_names_of_the_library_are_free_for_others() {
    #[derive(Default, Serialize, Auditable)]
    struct Shape {
        member: Member,
        option: Vec<Probe>,
    }
    #[derive(Default, Serialize, Auditable)]
    struct Member(Key);
    #[derive(Serialize, Auditable)]
    struct Probe;
    let value = Shape {
        member: Member(key()),
        option: vec![Probe],
    };
    assert_eq!(places(&value), at([("/member", Secret)]));
}

#[test]
fn a_type_is_classified_if_all_of_its_fields_are() {
    #[derive(Auditable)]
    struct All<T> {
        #[audit(plain)]
        plain: T,
        #[audit(secret)]
        secret: Foreign,
        // Somebody looked at it, and at what may be in it.
        #[audit(plain)]
        free: Value,
        #[serde(skip)]
        skipped: Foreign,
        marker: PhantomData<Foreign>,
    }
    #[derive(Auditable)]
    struct NotAll {
        #[audit(plain)]
        plain: u8,
        none: u8,
    }
    #[derive(Auditable)]
    enum Choice {
        Unit,
        #[serde(skip)]
        Skipped(u8),
        One(#[audit(mask)] u8),
    }
    #[derive(Auditable)]
    enum NoChoice {
        Unit,
        One(u8),
    }
    #[derive(Auditable)]
    struct Unit;

    assert!(Ask::<All<u8>>::is_classified());
    assert!(Ask::<All<Vec<Choice>>>::is_classified());
    assert!(!Ask::<All<NotAll>>::is_classified());
    assert!(!Ask::<All<Value>>::is_classified());
    assert!(!Ask::<NotAll>::is_classified());
    assert!(Ask::<Choice>::is_classified());
    assert!(!Ask::<NoChoice>::is_classified());
    assert!(Ask::<Unit>::is_classified());
    assert!(Ask::<Key>::is_classified());
}

#[test]
fn a_type_that_stands_for_another_decides_whether_that_is_classified() {
    #[derive(Auditable)]
    #[serde(from = "Key", into = "Key")]
    struct AsKey {
        value: u8,
    }
    #[derive(Auditable)]
    #[serde(from = "Value", into = "Value")]
    struct AsValue {
        value: u8,
    }
    #[derive(Auditable)]
    #[serde(from = "Key")]
    struct FromKey {
        value: u8,
    }
    assert!(Ask::<AsKey>::is_classified());
    assert!(!Ask::<AsValue>::is_classified());
    assert!(!Ask::<FromKey>::is_classified());
}

#[test]
fn the_types_of_std_are_classified_if_what_they_hold_is() {
    assert!(Ask::<Vec<Option<(u8, String)>>>::is_classified());
    assert!(Ask::<HashMap<Foreign, Arc<str>>>::is_classified());
    assert!(Ask::<Result<(), &'static Key>>::is_classified());
    assert!(Ask::<[Cow<'static, str>; 3]>::is_classified());
    assert!(Ask::<chrono::DateTime<chrono::Utc>>::is_classified());
    assert!(Ask::<uuid::Uuid>::is_classified());
    assert!(Ask::<std::path::Path>::is_classified());
    assert!(!Ask::<Value>::is_classified());
    assert!(!Ask::<serde_json::Map<String, Value>>::is_classified());
    assert!(!Ask::<Box<serde_json::value::RawValue>>::is_classified());
    assert!(!Ask::<BTreeMap<String, Value>>::is_classified());
    assert!(!Ask::<(u8, Vec<Value>)>::is_classified());
    assert!(!Ask::<Foreign>::is_classified());
}

#[test]
fn a_tuple_of_sixteen_has_sixteen_places() {
    type Sixteen = (
        Key,
        u8,
        u8,
        u8,
        u8,
        u8,
        u8,
        u8,
        u8,
        u8,
        u8,
        u8,
        u8,
        u8,
        u8,
        Key,
    );
    assert_eq!(
        places_in::<Sixteen>(&Value::Array(vec![json!(1); 16])),
        at([("/0", Secret), ("/15", Secret)])
    );
    assert_eq!(places_in::<(Key,)>(&json!([1])), at([("/0", Secret)]));
}

/// As in a crate that allows nothing.
#[forbid(
    unused,
    missing_docs,
    unused_qualifications,
    unused_lifetimes,
    clippy::use_self
)]
#[forbid(single_use_lifetimes, elided_lifetimes_in_paths)]
mod strict_crate {
    #![no_implicit_prelude]

    /// A generic type with everything.
    #[derive(::audit::strict::Auditable)]
    #[serde(rename_all = "camelCase")]
    pub(crate) struct Page<'a, T: ?::core::marker::Sized, const N: usize, U = u8>
    where
        U: ::core::fmt::Debug,
    {
        /// Items.
        #[audit(plain)]
        pub(crate) first_items: [&'a T; N],
        /// A cursor.
        #[audit(secret)]
        pub(crate) cursor: ::std::option::Option<U>,
        /// More.
        #[audit(plain)]
        pub(crate) more: ::std::vec::Vec<Choice>,
    }

    /// A choice.
    #[derive(::audit::Auditable)]
    #[serde(tag = "kind", content = "value")]
    pub(crate) enum Choice {
        /// Nothing.
        Nothing,
        /// One.
        One(#[audit(mask)] u8),
        /// Itself.
        Itself(#[audit(plain)] ::std::boxed::Box<Self>),
        /// Fields.
        Fields {
            /// One.
            #[audit(plain)]
            one: Foreign,
        },
    }

    /// A type that says nothing.
    pub(crate) struct Foreign(pub(crate) u8);

    /// A type that is read as another one.
    #[derive(::audit::strict::Auditable)]
    #[serde(from = "Choice", into = "Choice")]
    pub(crate) struct Chosen(pub(crate) Choice);

    impl Choice {
        /// Uses everything.
        pub(crate) fn sum(&self) -> u8 {
            match self {
                Self::Nothing => 0,
                Self::One(one) => *one,
                Self::Itself(itself) => itself.sum(),
                Self::Fields { one } => one.0,
            }
        }
    }
}

#[test]
fn the_strictest_crate_has_nothing_to_complain_of() {
    use strict_crate::{Choice, Chosen, Foreign, Page};

    let page: Page<'_, Key, 1> = Page {
        first_items: [&key()],
        cursor: Some(1),
        more: vec![
            Choice::Nothing,
            Choice::Itself(Box::new(Chosen(Choice::One(1)).0)),
            Choice::Fields { one: Foreign(1) },
        ],
    };
    assert_eq!(page.first_items[0], &key());
    assert_eq!(page.cursor, Some(1));
    assert_eq!(page.more.iter().map(Choice::sum).sum::<u8>(), 2);
    let json = json!({
        "firstItems": ["k"],
        "cursor": 1,
        "more": [{"kind": "Itself", "value": {"kind": "One", "value": 1}}],
    });
    let places = places_in::<Page<'_, Key, 1>>(&json);
    assert_eq!(places.get("/firstItems/0"), Some(&Secret));
    assert_eq!(places.get("/more/0/value/value"), Some(&Mask));
}

/// Names of fields and variants that are hard to convert, in one convention.
macro_rules! same_names_as_serde {
    ($($convention:literal $module:ident)*) => {$(
        mod $module {
            use super::*;

            #[derive(Default, Serialize, Deserialize, Auditable)]
            #[serde(rename_all = $convention)]
            #[expect(non_snake_case, reason = "names of all kinds")]
            struct Fields {
                #[audit(secret)] plain: u8,
                #[audit(secret)] http2_server: u8,
                #[audit(secret)] _leading: u8,
                #[audit(secret)] __two__leading: u8,
                #[audit(secret)] trailing_: u8,
                #[audit(secret)] x: u8,
                #[audit(secret)] x_y: u8,
                #[audit(secret)] a1b2_3c: u8,
                #[audit(secret)] URLPath: u8,
                #[audit(secret)] Some_Words: u8,
                #[audit(secret)] größe_äußerst_ß: u8,
                #[audit(secret)] r#type: u8,
                #[audit(secret)] r#async_: u8,
            }

            #[derive(Serialize, Deserialize, Auditable)]
            #[serde(rename_all = $convention)]
            #[expect(non_camel_case_types, reason = "names of all kinds")]
            enum Variants {
                Plain(#[audit(secret)] u8),
                VeryTasty(#[audit(secret)] u8),
                X(#[audit(secret)] u8),
                Http2Server(#[audit(secret)] u8),
                URLPath(#[audit(secret)] u8),
                A1b2(#[audit(secret)] u8),
                _Leading(#[audit(secret)] u8),
                Trailing_(#[audit(secret)] u8),
                snake_case(#[audit(secret)] u8),
                Some_Words(#[audit(secret)] u8),
                GrößeÄußerst(#[audit(secret)] u8),
                r#Type(#[audit(secret)] u8),
            }

            #[test]
            fn of_fields() {
                let json = serde_json::to_value(Fields::default()).unwrap();
                let written = json.as_object().unwrap();
                assert_eq!(written.len(), 13);
                let places = places_read::<Fields>(&json);
                let expected = written.keys().map(|name| (format!("/{name}"), Secret));
                assert_eq!(places, expected.collect());
            }

            #[test]
            fn of_variants() {
                use Variants::*;
                let variants = [
                    Plain(1), VeryTasty(1), X(1), Http2Server(1), URLPath(1), A1b2(1),
                    _Leading(1), Trailing_(1), snake_case(1), Some_Words(1), GrößeÄußerst(1),
                    Type(1),
                ];
                for variant in variants {
                    let json = serde_json::to_value(variant).unwrap();
                    let name = json.as_object().unwrap().keys().next().unwrap().clone();
                    let expected = at([(format!("/{name}").as_str(), Secret)]);
                    assert_eq!(places_read::<Variants>(&json), expected);
                }
            }
        }
    )*};
}

mod names_are_those_of_serde {
    use super::*;

    same_names_as_serde! {
        "lowercase" lower
        "UPPERCASE" upper
        "PascalCase" pascal
        "camelCase" camel
        "snake_case" snake
        "SCREAMING_SNAKE_CASE" screaming_snake
        "kebab-case" kebab
        "SCREAMING-KEBAB-CASE" screaming_kebab
    }

    /// serde's derive does not survive a name like this in camel case.
    #[test]
    fn of_capitals_beyond_ascii() {
        #[derive(Serialize, Deserialize, Auditable)]
        #[serde(rename_all = "SCREAMING-KEBAB-CASE")]
        enum Variants {
            ÄußereGröße(#[audit(secret)] u8),
        }
        assert_eq!(places(&Variants::ÄußereGröße(1)).len(), 1);
    }
}
