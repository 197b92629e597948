//! Follows the shape of a type through a text, so that at every value it is known
//! how the type wants it treated.
//!
//! At any value several shapes may apply, for the variants of an enum and the
//! structs that share an object are all described at once. So what is followed is
//! a set of shapes, as an automaton that may be in several states is followed by
//! the set of them, and the strictest treatment among them is the one that counts.
//! Mostly the set is empty or holds one shape; it never holds one twice, so it
//! stays within the size of the type's description, however the text is nested.
//!
//! The sets of all open levels lie behind each other in one list. Where nothing is
//! known nothing is stored, and what is inside of it is not known either: a text
//! of a type without secrets costs one comparison per name.
//!
//! # Arrays in the place of objects
//!
//! Serde also reads a struct from an array of its fields, in their order:
//! `["alice", "hunter2"]` logs in where `{"user": …, "password": …}` does. A
//! description does not tell the order, because it leaves out what is harmless. So
//! an item of such an array may be any of the known members, and is treated as
//! strictly as the strictest of them; but never skipped, because then nobody would
//! see that it changed. Where the type takes arrays anyway, as in
//! "one or many", that goes for all items but objects, which are then much more
//! likely to be one of the many.
//!
//! What does not fit the type is followed as if it did: a list where one value is
//! expected, one value where a list is, a name in another case. The service refuses
//! it, but it was sent, and is recorded.

use std::collections::{BTreeMap, BTreeSet};

use super::events::Container;
use super::shape::{Member, Nested, Shape, Treatment};

/// How many shapes may apply to one value. A description with more of them is one
/// that is made up as it goes, and what it describes is hidden.
const SHAPES_MAX: usize = 4096;

/// Where a text is within the shape of its type.
#[derive(Default)]
pub(super) struct Follow {
    /// What applies to the values that are open, from the outermost inwards, and
    /// behind that what applies to the value that comes next.
    shapes: Vec<&'static Shape>,
    /// Where in `shapes` begins what applies to the value that comes next.
    next: usize,
    levels: Vec<Level>,
    /// What an [`Shape::AllOf`] comes to, by its address.
    unions: BTreeMap<usize, Union>,
    /// How the whole text is treated.
    whole: Option<Treatment>,
    /// Lent out while the inner shapes of a value are looked for.
    found: Vec<&'static Shape>,
}

/// An array or object that is open and of which something is known.
struct Level {
    container: Container,
    /// Where in [`Follow::shapes`] begins what applies to it.
    start: usize,
    /// How many of its items have begun.
    items: usize,
}

/// Several shapes that apply to one value.
#[derive(Default)]
struct Union {
    /// Those that say something about what is inside of it.
    parts: Vec<&'static Shape>,
    /// How it is treated as a whole.
    treatment: Option<Treatment>,
}

impl Follow {
    /// Stands before a value to which all these shapes apply.
    pub(super) fn new(shapes: &[&'static Shape]) -> Self {
        let mut follow = Self::default();
        for shape in shapes {
            follow.whole = follow.whole.max(follow.expect(shape));
        }
        follow
    }

    /// Stands in the object that a form or query of these shapes is.
    pub(super) fn fields(shapes: &[&'static Shape]) -> Self {
        let mut follow = Self::new(shapes);
        follow.open(Container::Object, 1);
        follow
    }

    /// Whether there is nothing to follow, for names and contents alone decide.
    pub(super) fn knows_nothing(&self) -> bool {
        self.shapes.is_empty()
    }

    /// Comes to a member of the object at `depth`, and tells how its value is
    /// treated.
    pub(super) fn member(&mut self, depth: usize, name: &str) -> Option<Treatment> {
        if !self.knows(depth) {
            return None;
        }
        self.enter(|shape, found| match shape {
            Shape::Object(members) => {
                found.extend(called(members, name));
            }
            Shape::Each(inner) => {
                let inner = inner();
                found.push(inner);
                // One that was sent where a list of them is expected.
                for part in unite(&[inner], Lists::Passed).parts {
                    if let Shape::Object(members) = part {
                        found.extend(called(members, name));
                    }
                }
            }
            _ => {}
        })
    }

    /// Comes to a value at `depth`, and tells how it is treated unless that was
    /// told with its name.
    pub(super) fn value(&mut self, depth: usize, is_object: bool) -> Option<Treatment> {
        if depth == 0 {
            return self.whole;
        }
        if !self.knows(depth) {
            return None;
        }
        let level = self.levels.last_mut()?;
        if level.container == Container::Object {
            return None;
        }
        let item = level.items;
        level.items += 1;
        let is_one_of_many = is_object && self.knows_arrays();
        let is_guess = self
            .innermost()
            .any(|shape| matches!(shape, Shape::Object(_)));
        let treatment = self.enter(|shape, found| match shape {
            Shape::Each(inner) => found.push(inner()),
            Shape::Tuple(items) => found.extend(items.get(item).map(|inner| inner())),
            Shape::Object(members) => {
                // A list of them that was sent where one is expected.
                if is_object {
                    found.push(shape);
                }
                if !is_one_of_many {
                    found.extend(members.iter().map(|member| (member.shape)()));
                }
            }
            _ => {}
        });
        match treatment {
            Some(Treatment::Skip) if is_guess => Some(Treatment::Secret),
            treatment => treatment,
        }
    }

    /// Comes to a field of a form or query, and tells how its values are treated.
    ///
    /// Whether a value is all there is or an item of a list, only the service
    /// knows, so what is said of items goes for all values.
    pub(super) fn field(&mut self, name: &str) -> Option<Treatment> {
        let treatment = self.whole.max(self.member(1, name));
        let next = self.shapes.get(self.next..).unwrap_or_default();
        let treatment = match next {
            [] => treatment,
            next => treatment.max(unite(next, Lists::Entered).treatment),
        };
        treatment.max(self.path(name))
    }

    /// How the value is treated that a name such as `user[pin]` or `user.pin` leads to.
    fn path(&self, name: &str) -> Option<Treatment> {
        let is_separator = |character| matches!(character, '[' | ']' | '.');
        if !name.contains(is_separator) {
            return None;
        }
        // A number leads to an item of a list, which is entered anyway.
        let is_number = |step: &&str| step.bytes().all(|byte| byte.is_ascii_digit());
        let mut treatment = None;
        let mut here: Vec<&'static Shape> = self.innermost().collect();
        for step in name.split(is_separator).filter(|step| !is_number(step)) {
            let parts = unite(&here, Lists::Entered).parts;
            let objects = parts.into_iter().filter_map(|part| match part {
                Shape::Object(members) => Some(*members),
                _ => None,
            });
            here = objects.flat_map(|members| called(members, step)).collect();
            treatment = treatment.max(unite(&here, Lists::Passed).treatment);
        }
        treatment.max(unite(&here, Lists::Entered).treatment)
    }

    /// Enters the value that it came to; `depth` is now the value's own.
    pub(super) fn open(&mut self, container: Container, depth: usize) {
        if self.levels.len() + 1 == depth && self.next < self.shapes.len() {
            self.levels.push(Level {
                container,
                start: self.next,
                items: 0,
            });
            self.next = self.shapes.len();
        }
    }

    /// Leaves a value; `depth` is now that of what it lies in.
    pub(super) fn close(&mut self, depth: usize) {
        if self.levels.len() > depth
            && let Some(level) = self.levels.pop()
        {
            self.shapes.truncate(level.start);
            self.next = level.start;
        }
    }

    /// Whether anything is known of what is open at `depth`, which is the innermost
    /// level.
    fn knows(&self, depth: usize) -> bool {
        self.levels.len() == depth
    }

    fn knows_arrays(&self) -> bool {
        self.innermost()
            .any(|shape| matches!(shape, Shape::Each(_) | Shape::Tuple(_)))
    }

    /// What applies to the innermost level.
    fn innermost(&self) -> impl Iterator<Item = &'static Shape> {
        let start = self.levels.last().map_or(0, |level| level.start);
        let shapes = self.shapes.get(start..self.next).unwrap_or_default();
        shapes.iter().flat_map(|shape| match shape {
            Shape::AllOf(_) => self
                .unions
                .get(&address(shape))
                .map_or(&[][..], |union| &union.parts)
                .iter()
                .copied(),
            _ => std::slice::from_ref(shape).iter().copied(),
        })
    }

    /// Looks for what applies to the next value, and tells how that is treated.
    fn enter(
        &mut self,
        inner: impl Fn(&'static Shape, &mut Vec<&'static Shape>),
    ) -> Option<Treatment> {
        self.shapes.truncate(self.next);
        let mut found = std::mem::take(&mut self.found);
        for shape in self.innermost() {
            inner(shape, &mut found);
        }
        if found.len() > 1 {
            found.sort_unstable_by_key(|shape| address(shape));
            found.dedup_by_key(|shape| address(shape));
        }
        let too_many = (found.len() > SHAPES_MAX).then_some(Treatment::Secret);
        let mut treatment = too_many;
        for shape in found.drain(..) {
            treatment = treatment.max(self.expect(shape));
        }
        self.found = found;
        // What is treated is not looked into.
        if treatment.is_some() {
            self.shapes.truncate(self.next);
        }
        treatment
    }

    /// Notes that this shape applies to the next value, and tells how it would have
    /// that treated.
    fn expect(&mut self, shape: &'static Shape) -> Option<Treatment> {
        match shape {
            Shape::Open => return None,
            Shape::AllOf(_) => {
                self.unions
                    .entry(address(shape))
                    .or_insert_with(|| unite(&[shape], Lists::Passed));
            }
            _ => {}
        }
        self.shapes.push(shape);
        self.treatment(shape)
    }

    fn treatment(&self, shape: &Shape) -> Option<Treatment> {
        match shape {
            Shape::Treated(treatment) => Some(*treatment),
            Shape::AllOf(_) => self.unions.get(&address(shape))?.treatment,
            _ => None,
        }
    }
}

/// Whether what is said of the items of a list is said of the list.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lists {
    Entered,
    Passed,
}

/// All that applies where these shapes do. A type may hold itself, so every shape
/// is looked at once.
fn unite(shapes: &[&'static Shape], lists: Lists) -> Union {
    let mut union = Union::default();
    let mut seen = BTreeSet::new();
    let mut left = shapes.to_vec();
    let all = |nested: &'static [Nested]| nested.iter().map(|shape| shape());
    while let Some(shape) = left.pop() {
        if !seen.insert(address(shape)) {
            continue;
        }
        if seen.len() > SHAPES_MAX {
            union.treatment = union.treatment.max(Some(Treatment::Secret));
            break;
        }
        match shape {
            Shape::Open => {}
            Shape::Treated(treatment) => {
                union.treatment = union.treatment.max(Some(*treatment));
            }
            Shape::AllOf(parts) => left.extend(all(parts)),
            Shape::Tuple(items) if lists == Lists::Entered => left.extend(all(items)),
            Shape::Each(inner) if lists == Lists::Entered => left.push(inner()),
            Shape::Object(_) | Shape::Tuple(_) | Shape::Each(_) => union.parts.push(shape),
        }
    }
    union
}

/// The members of this name. What the type's own reader would not take for it, because
/// it is written in another case, was still meant by whoever sent it.
fn called(members: &'static [Member], name: &str) -> impl Iterator<Item = &'static Shape> {
    let named = members.iter().filter(move |member| {
        let is_called = |known: &&str| *known == name || is_spelled_like(known, name);
        member.names.iter().any(is_called)
    });
    named.map(|member| (member.shape)())
}

/// Whether two names differ in case and separators alone.
fn is_spelled_like(known: &str, name: &str) -> bool {
    let letters = |name: &str| {
        let letters = name.chars().filter(|letter| letter.is_alphanumeric());
        letters.flat_map(char::to_lowercase).collect::<String>()
    };
    // Most names differ in their first letters already.
    let first = |name: &str| {
        let first = name.chars().find(|letter| letter.is_alphanumeric());
        first.map(|letter| letter.to_lowercase().next())
    };
    first(known).is_some() && first(known) == first(name) && letters(known) == letters(name)
}

fn address(shape: &Shape) -> usize {
    std::ptr::from_ref(shape).addr()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::shape::Member;
    use crate::redact::{HashKey, Limits, NameRules, REDACTED, Redacted, Redactor};

    const MASK: Nested = || &Shape::Treated(Treatment::Mask);
    const HASH: Nested = || &Shape::Treated(Treatment::Hash);
    const SECRET: Nested = || &Shape::Treated(Treatment::Secret);
    const SKIP: Nested = || &Shape::Treated(Treatment::Skip);

    const fn member(names: &'static [&'static str], shape: Nested) -> Member {
        Member { names, shape }
    }

    static MASKED: Shape = Shape::Object(&[member(&["a"], MASK)]);
    static HASHED: Shape = Shape::Object(&[member(&["a"], HASH)]);
    static SECRETS: Shape = Shape::Object(&[member(&["a"], SECRET)]);
    static SKIPPED: Shape = Shape::Object(&[member(&["a"], SKIP)]);

    fn redacted(text: &str, shape: &'static Shape) -> Redacted {
        keyed().json_as("/request", text, shape).unwrap()
    }

    fn keyed() -> Redactor {
        Redactor::default().with_hash_key(HashKey::new(&[b'k'; 32]).unwrap())
    }

    fn shown(text: &str, shape: &'static Shape) -> String {
        redacted(text, shape).text
    }

    #[test]
    fn a_secret_shows_only_that_it_was_there() {
        for value in ["\"x\"", "1", "true", "null", "[1,{\"a\":2}]", "{\"b\":[]}"] {
            let found = redacted(&format!(r#"{{"b":0,"a":{value},"c":1}}"#), &SECRETS);
            assert_eq!(found.text, r#"{"b":0,"a":"[REDACTED]","c":1}"#);
            assert_eq!(found.redacted, ["/request/a"]);
        }
    }

    #[test]
    fn what_is_skipped_is_left_out_with_its_name_and_still_reported() {
        for (text, left) in [
            (r#"{"a":1}"#, "{}"),
            (r#"{"a":[{"a":{}}],"b":2}"#, r#"{"b":2}"#),
            (r#"{"b":2,"a":"x"}"#, r#"{"b":2}"#),
            (r#"{"b":{},"a":null,"c":[]}"#, r#"{"b":{},"c":[]}"#),
            (r#"{"a":1,"a":2,"\u0061":3}"#, "{}"),
        ] {
            let found = redacted(text, &SKIPPED);
            assert_eq!(found.text, left);
            assert_eq!(found.redacted, ["/request/a"]);
        }
    }

    #[test]
    fn an_item_and_a_whole_text_cannot_be_skipped_without_a_trace() {
        static ITEMS: Shape = Shape::Each(SKIP);
        let items = redacted("[1,[2]]", &ITEMS);
        assert_eq!(items.text, r#"["[REDACTED]","[REDACTED]"]"#);
        assert_eq!(items.redacted, ["/request/0", "/request/1"]);
        for shape in [SKIP(), SECRET(), MASK()] {
            let whole = redacted(r#"{"a":1}"#, shape);
            assert_eq!(whole.text, r#""[REDACTED]""#);
            assert_eq!(whole.redacted, ["/request"]);
        }
    }

    #[test]
    fn a_mask_shows_the_end_of_what_is_long_enough() {
        for (value, mask) in [
            (r#""DE89370400440532013000""#, "****3000"),
            (r#""123456789012""#, "****9012"),
            (r#""12345678901""#, "****01"),
            (r#""12345678""#, "****78"),
            (r#""1234567""#, "****"),
            (r#""""#, "****"),
            ("123456789012", "****9012"),
            ("-1.5e7", "****"),
            (r#""éééééééé€😀""#, "****€😀"),
            (r#""12345678\u00e9\u00e9\ud83d\ude00!""#, "****éé😀!"),
            (r#""12345678901\"""#, r#"****01\""#),
            (r#""12345678\n\u0000\u202e4""#, "****\\n\u{fffd}\u{202e}4"),
            ("true", REDACTED),
            ("null", REDACTED),
            ("[\"123456789012\"]", REDACTED),
            ("{\"b\":\"123456789012\"}", REDACTED),
        ] {
            let found = redacted(&format!(r#"{{"a":{value}}}"#), &MASKED);
            assert_eq!(found.redacted, ["/request/a"]);
            if value == r#""12345678901\"""# {
                // Twelve characters, of which the last is a quote.
                assert_eq!(found.text, r#"{"a":"****901\""}"#);
            } else {
                assert_eq!(found.text, format!(r#"{{"a":"{mask}"}}"#), "{value}");
            }
        }
    }

    #[test]
    fn equal_values_have_equal_hashes_however_they_are_written() {
        let hash = keyed().hash("123").unwrap();
        assert!(hash.starts_with("hmac-sha256:df8e1620:"), "{hash}");
        assert_eq!(hash.len(), "hmac-sha256:df8e1620:".len() + 32);
        for value in ["123", "\"123\"", r#""\u0031\u0032\u0033""#] {
            let found = redacted(&format!(r#"{{"a":{value}}}"#), &HASHED);
            assert_eq!(found.text, format!(r#"{{"a":"{hash}"}}"#));
            assert_eq!(found.redacted, ["/request/a"]);
        }
        let nul = shown(r#"{"a":"x\u0000"}"#, &HASHED);
        assert!(nul.contains(&keyed().hash("x\0").unwrap()));
        let long = "x".repeat(100_000);
        let found = redacted(&format!(r#"{{"a":"{long}"}}"#), &HASHED);
        assert!(found.text.contains(&keyed().hash(&long).unwrap()) && found.truncated.is_empty());
    }

    #[test]
    fn what_has_no_text_or_no_key_is_not_hashed_but_hidden() {
        for value in ["[]", "{}", "[123]"] {
            let text = format!(r#"{{"a":{value}}}"#);
            assert_eq!(shown(&text, &HASHED), r#"{"a":"[REDACTED]"}"#);
        }
        let without_key = Redactor::default();
        let found = without_key.json_as("", r#"{"a":"x"}"#, &HASHED).unwrap();
        assert_eq!(found.text, r#"{"a":"[REDACTED]"}"#);
        assert_eq!(without_key.hash("x"), None);
    }

    #[test]
    fn the_strictest_of_several_treatments_counts() {
        static OTHERS: Shape = Shape::Object(&[
            member(&["b", "pin"], MASK),
            member(&["b"], SECRET),
            member(&["token"], SKIP),
        ]);
        static ALL: Shape = Shape::AllOf(&[|| &MASKED, || &HASHED, || &OTHERS]);
        let text = r#"{"a":"123456789012","b":"123456789012","pin":"123456789012","token":1}"#;
        let hash = keyed().hash("123456789012").unwrap();
        assert_eq!(
            shown(text, &ALL),
            format!(r#"{{"a":"{hash}","b":"[REDACTED]","pin":"[REDACTED]"}}"#)
        );
    }

    #[test]
    fn names_of_members_are_compared_without_case_separators_and_escapes() {
        static RENAMED: Shape = Shape::Object(&[member(&["aB", "ab-é/"], SECRET)]);
        let text =
            r#"{"aB":1,"\u0061\u0042":2,"ab-\u00e9\/":3,"ab":4,"AB":5,"a_b":6,"abc":7,"b":8,"":9}"#;
        assert_eq!(
            shown(text, &RENAMED),
            "{\"aB\":\"[REDACTED]\",\"\\u0061\\u0042\":\"[REDACTED]\",\"ab-\\u00e9\\/\":\"[REDACTED]\",\
             \"ab\":\"[REDACTED]\",\"AB\":\"[REDACTED]\",\"a_b\":\"[REDACTED]\",\"abc\":7,\"b\":8,\"\":9}"
        );
    }

    #[test]
    fn a_shape_is_followed_through_items_members_and_places() {
        static NESTED: Shape = Shape::Object(&[
            member(&["each"], || &Shape::Each(|| &SECRETS)),
            member(&["pair"], || {
                &Shape::Tuple(&[|| &Shape::Open, SECRET, || &SKIPPED])
            }),
            member(&["deep"], || &Shape::Each(|| &Shape::Each(SECRET))),
        ]);
        for (text, redacted) in [
            (
                r#"{"each":[{"a":1},{"b":{"a":1}},[],2,{"a":3}],"a":4}"#,
                r#"{"each":[{"a":"[REDACTED]"},{"b":{"a":1}},[],2,{"a":"[REDACTED]"}],"a":4}"#,
            ),
            (
                r#"{"each":{"a":{"a":1},"x":{"a":2}}}"#,
                // A map, or one that was sent in the place of a list of them.
                r#"{"each":{"a":"[REDACTED]","x":{"a":"[REDACTED]"}}}"#,
            ),
            (r#"[{"pair":[1,2,3]}]"#, r#"[{"pair":[1,"[REDACTED]",3]}]"#),
            (
                r#"{"pair":[[1,2],[3],{"a":4,"b":5},6],"pair":{"a":1}}"#,
                r#"{"pair":[[1,2],"[REDACTED]",{"b":5},6],"pair":{"a":1}}"#,
            ),
            (
                r#"{"deep":[1,[2,[3]],{"x":[4]}],"deeper":[[5]]}"#,
                r#"{"deep":[1,["[REDACTED]","[REDACTED]"],{"x":"[REDACTED]"}],"deeper":[[5]]}"#,
            ),
        ] {
            if text.starts_with('[') {
                static LIST: Shape = Shape::Each(|| &NESTED);
                assert_eq!(shown(text, &LIST), redacted);
            } else {
                assert_eq!(shown(text, &NESTED), redacted);
            }
        }
    }

    #[test]
    fn a_struct_written_as_an_array_hides_what_may_be_its_secret() {
        static LOGIN: Shape = Shape::Object(&[
            member(&["code"], MASK),
            member(&["phrase"], SECRET),
            member(&["more"], || &SECRETS),
        ]);
        static ONE_OR_MANY: Shape = Shape::AllOf(&[|| &LOGIN, || &Shape::Each(|| &LOGIN)]);
        let hidden = r#"["[REDACTED]","[REDACTED]","[REDACTED]"]"#;
        assert_eq!(shown(r#"["alice","hunter2",{"a":1}]"#, &LOGIN), hidden);
        assert_eq!(shown(r#"["alice","hunter2",[1]]"#, &ONE_OR_MANY), hidden);
        assert_eq!(
            shown(
                r#"[{"user":"alice","phrase":"hunter2"},["alice","hunter2"]]"#,
                &ONE_OR_MANY
            ),
            r#"[{"user":"alice","phrase":"[REDACTED]"},"[REDACTED]"]"#
        );

        static HARMLESS_OUTSIDE: Shape = Shape::Object(&[member(&["more"], || &SECRETS)]);
        assert_eq!(
            shown(r#"["x",{"a":1,"b":2},["y"]]"#, &HARMLESS_OUTSIDE),
            r#"["x",{"a":"[REDACTED]","b":2},["[REDACTED]"]]"#
        );
    }

    #[test]
    fn names_that_are_long_or_carry_a_value_are_hidden_with_what_is_treated() {
        static MAP: Shape = Shape::Each(MASK);
        let limits = Limits {
            name_bytes: 4,
            ..Limits::default()
        };
        let redactor = Redactor::new(NameRules::default(), limits);
        let text = r#"{"abcde":"123456789012","a=b":1,"abcd":2}"#;
        let found = redactor.json_as("", text, &MAP).unwrap();
        assert_eq!(
            found.text,
            r#"{"[REDACTED]":"****9012","[REDACTED]":"****","abcd":"****"}"#
        );
        assert_eq!(found.redacted, ["/[REDACTED]", "/abcd"]);
        assert!(found.truncated.is_empty());
    }

    static TREE: Shape = Shape::AllOf(&[
        || &TREE,
        || &Shape::Each(|| &TREE),
        || &SECRETS,
        || &Shape::AllOf(&[|| &TREE]),
    ]);

    #[test]
    fn a_shape_is_followed_below_the_depth_that_is_shown() {
        let limits = Limits {
            depth: 1,
            ..Limits::default()
        };
        let redactor = Redactor::new(NameRules::default(), limits);
        let one = |text: &str| redactor.json_as("", text, &TREE).unwrap();
        assert_eq!(
            one(r#"{"b":{"c":{"a":1,"d":0}}}"#),
            one(r#"{"b":{"c":{"a":[2],"d":0}}}"#)
        );
        assert_ne!(
            one(r#"{"b":{"c":{"a":1,"d":0}}}"#),
            one(r#"{"b":{"c":{"a":1,"d":1}}}"#)
        );
    }

    #[test]
    fn types_that_hold_themselves_are_followed_through_sixty_thousand_levels() {
        for (open, close) in [("{\"b\":", "}"), ("[", "]"), ("[{\"b\":", "}]")] {
            let text = |secret: &str| {
                format!(
                    "{}{{\"a\":{secret}}}{}",
                    open.repeat(60_000),
                    close.repeat(60_000)
                )
            };
            let found = redacted(&text("1"), &TREE);
            assert_eq!(found, redacted(&text("22"), &TREE));
            // An array in an array may be the secret of a struct.
            assert_eq!(found.truncated.len(), usize::from(open != "["));
        }
    }

    #[test]
    fn a_description_that_never_ends_hides_what_it_describes() {
        fn endless() -> &'static Shape {
            Box::leak(Box::new(Shape::AllOf(&[endless])))
        }
        static ENDLESS: Shape = Shape::Object(&[member(&["b"], endless)]);
        assert_eq!(
            shown(r#"{"a":1,"b":{"c":2}}"#, &ENDLESS),
            r#"{"a":1,"b":"[REDACTED]"}"#
        );
        assert_eq!(shown("[1]", endless()), r#""[REDACTED]""#);
    }

    #[test]
    fn an_enum_of_many_variants_that_hold_it_is_followed_in_linear_time() {
        const MANY: Nested = || &Shape::AllOf(&[VARIANT, VARIANT, || &Shape::Each(MANY)]);
        const VARIANT: Nested = || &Shape::Object(&[B; 100]);
        const B: Member = member(&["b"], MANY);
        let text = format!("{}1{}", "{\"b\":".repeat(10_000), "}".repeat(10_000));
        assert_eq!(redacted(&text, MANY()).truncated.len(), 1);

        let mut follow = Follow::new(&[MANY()]);
        for depth in 1..=10_000 {
            follow.open(Container::Object, depth);
            follow.member(depth, "b");
        }
        assert!(follow.shapes.len() <= 10_001, "{}", follow.shapes.len());
    }

    #[test]
    fn nothing_is_kept_of_what_is_not_known() {
        let mut follow = Follow::new(&[&SECRETS]);
        follow.open(Container::Object, 1);
        assert_eq!(follow.member(1, "b"), None);
        for depth in 2..1000 {
            follow.open(Container::Object, depth);
            assert_eq!(follow.member(depth, "a"), None);
        }
        assert_eq!((follow.levels.len(), follow.shapes.len()), (1, 1));
        for depth in (1..999).rev() {
            follow.close(depth);
        }
        assert_eq!(follow.member(1, "a"), Some(Treatment::Secret));
        follow.close(0);
        assert!(follow.knows_nothing());
    }
}
