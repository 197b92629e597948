//! What changed from one JSON text to another, field by field.
//!
//! The difference that a record shows is one between two *redacted* texts, but
//! whether something changed is a question about the originals: a new password
//! looks like the old one, and it is exactly what an auditor wants to know of. So
//! both texts are redacted by a scan that marks every place at which the redacted
//! text does not say what the original did, with a digest of what it said.
//!
//! Then both are read into trees whose nodes have digests, those of hidden values
//! taken from the marks. Two values are equal if their digests are, so that of two
//! large texts only those parts are looked at in which something changed. A tree
//! does not hold values but their places in the text, and values are shown by
//! copying from the text: here too it is the text that is the evidence.
//!
//! Nothing recurses, and both trees are passed once.

use std::borrow::Cow;
use std::collections::HashMap;

use super::digest::{self, Digest, Digester};
use super::events::{Container, Event, Events};
use super::report::{Finding, Report, Step};
use super::scan::{self, Mark, Marked, Tracked};
use super::shape::Shape;
use super::{Hidden, InvalidJson, Limits, Redactor, Truncated};

/// Where in a record the differences stand.
const ROOT: &str = "/changes";

/// What changed from one JSON text to another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// In the order of the text after, and then what went in the order of the text
    /// before.
    pub changes: Vec<Difference>,
    /// JSON pointers to where secrets were hidden in the changes. After
    /// [`Limits::findings`] of them comes `/changes` as the last entry: more were
    /// hidden somewhere below.
    pub redacted: Vec<Hidden>,
    /// What was cut in the changes, and as the last entry how much would have stood
    /// in those for which there was no room.
    pub truncated: Vec<Truncated>,
}

/// One value that is another now, or was not there, or is not there any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Its JSON pointer within the texts.
    pub path: String,
    /// Its redacted JSON text before.
    pub old: Option<String>,
    /// Its redacted JSON text after.
    pub new: Option<String>,
}

impl Redactor {
    /// What changed from one JSON text of a type to another one.
    ///
    /// Objects are compared by the names of their members and arrays by position;
    /// numbers by their text and strings by what they say. The texts shown are
    /// redacted. A secret that changed is a change from `"[REDACTED]"` to
    /// `"[REDACTED]"`, and what the type wants left out is never one.
    ///
    /// There are at most `limit` changes. The first of them will be the record's
    /// change number `first`, which is where the pointers in
    /// [`Differences::redacted`] lead.
    ///
    /// ```
    /// use audit::redact::{Difference, Redactor};
    /// use audit::redact::shape::Shape;
    ///
    /// let before = r#"{"name":"lamp","price":10.00,"pin":1234,"size":{"w":3}}"#;
    /// let after = r#"{"name":"lamp","price":12.50,"pin":9999,"size":{"w":3,"h":4}}"#;
    /// let differences = Redactor::default().differences(before, after, &Shape::Open, 0, 64)?;
    ///
    /// let change = |path: &str, old: Option<&str>, new: Option<&str>| Difference {
    ///     path: path.to_owned(),
    ///     old: old.map(str::to_owned),
    ///     new: new.map(str::to_owned),
    /// };
    /// assert_eq!(
    ///     differences.changes,
    ///     [
    ///         change("/price", Some("10.00"), Some("12.50")),
    ///         change("/pin", Some("\"[REDACTED]\""), Some("\"[REDACTED]\"")),
    ///         change("/size/h", None, Some("4")),
    ///     ],
    /// );
    /// assert_eq!(differences.redacted, ["/changes/1/old", "/changes/1/new"]);
    /// # Ok::<(), audit::redact::InvalidJson>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When one of the texts is not one JSON value.
    pub fn differences(
        &self,
        before: &str,
        after: &str,
        shape: &'static Shape,
        first: usize,
        limit: usize,
    ) -> Result<Differences, InvalidJson> {
        let before = scan::track(self, before, &[shape])?;
        let after = scan::track(self, after, &[shape])?;
        let comparison = Comparison {
            limits: &self.limits,
            before: Tree::read(&before)?,
            after: Tree::read(&after)?,
            report: Report::new(ROOT, &self.limits),
            changes: Vec::new(),
            first,
            limit,
            left_out: None,
        };
        Ok(comparison.run())
    }
}

struct Comparison<'t> {
    limits: &'t Limits,
    before: Tree<'t>,
    after: Tree<'t>,
    report: Report<'t>,
    changes: Vec<Difference>,
    first: usize,
    limit: usize,
    /// The bytes of the texts for which there was no room, if there are any.
    left_out: Option<usize>,
}

/// A value by its index in the tree before and in the tree after.
type Pair = (Option<usize>, Option<usize>);

impl Comparison<'_> {
    fn run(mut self) -> Differences {
        let mut left: Vec<Pair> = vec![(Some(0), Some(0))];
        while let Some((old, new)) = left.pop() {
            let old = old.filter(|old| self.before.shows(*old));
            let new = new.filter(|new| self.after.shows(*new));
            match (old, new) {
                (None, None) => {}
                (Some(old), Some(new)) if self.are_equal(old, new) => {}
                (Some(old), Some(new)) => match self.inner_pairs(old, new) {
                    Some(inner) => left.extend(inner.into_iter().rev()),
                    None => self.change(Some(old), Some(new)),
                },
                (old, new) => self.change(old, new),
            }
        }
        self.finish()
    }

    fn finish(self) -> Differences {
        let found = self.report.finish(String::new());
        let mut truncated = found.truncated;
        truncated.extend(self.left_out.map(|bytes| Truncated {
            path: ROOT.to_owned(),
            bytes: bytes as u64,
            // What a hash of several texts is the hash of, nobody could tell.
            sha256: None,
        }));
        Differences {
            changes: self.changes,
            redacted: found.redacted,
            truncated,
        }
    }

    fn are_equal(&self, old: usize, new: usize) -> bool {
        let digest = |tree: &Tree<'_>, index| tree.node(index).map(|node| node.digest);
        digest(&self.before, old) == digest(&self.after, new)
    }

    /// The values within two values, side by side, or nothing if they can only be
    /// shown as wholes: because they are not of one kind, because of a name that
    /// occurs twice and so names nothing, or because what is inside lies too deep
    /// to be pointed to.
    fn inner_pairs(&self, old: usize, new: usize) -> Option<Vec<Pair>> {
        let (before, after) = (&self.before, &self.after);
        let kinds = (before.node(old)?.kind, after.node(new)?.kind);
        if !matches!(
            kinds,
            (Kind::Array, Kind::Array) | (Kind::Object, Kind::Object)
        ) {
            return None;
        }
        let longest_pointer = before
            .longest_pointer_in(old)
            .max(after.longest_pointer_in(new));
        if longest_pointer > self.limits.pointer_bytes {
            return None;
        }
        if kinds == (Kind::Array, Kind::Array) {
            Some(side_by_side(before.inner(old), after.inner(new)))
        } else {
            self.members(old, new)
        }
    }

    fn members(&self, old: usize, new: usize) -> Option<Vec<Pair>> {
        let (before, after) = (&self.before, &self.after);
        let (old_members, new_members) = (before.members(old)?, after.members(new)?);
        let mut pairs = Vec::with_capacity(new_members.len());
        for member in after.inner(new) {
            let old = old_members.get(&after.name(member)?.digest).copied();
            pairs.push((old, Some(member)));
        }
        for member in before.inner(old) {
            if !new_members.contains_key(&before.name(member)?.digest) {
                pairs.push((Some(member), None));
            }
        }
        Some(pairs)
    }

    fn change(&mut self, old: Option<usize>, new: Option<usize>) {
        let old_text = old.map(|old| self.before.text_of(old));
        let new_text = new.map(|new| self.after.text_of(new));
        let number = self.changes.len();
        if number >= self.limit {
            let bytes = old_text.map_or(0, str::len) + new_text.map_or(0, str::len);
            *self.left_out.get_or_insert_default() += bytes;
            return;
        }
        let path = match (old, new) {
            (_, Some(new)) => self.after.pointer(new),
            (Some(old), None) => self.before.pointer(old),
            (None, None) => return,
        };
        self.changes.push(Difference {
            path,
            old: old_text.map(str::to_owned),
            new: new_text.map(str::to_owned),
        });
        let place = |side| {
            let change = Step::Item(self.first + number + 1);
            vec![change, Step::Member(Cow::Borrowed(side))]
        };
        if let Some(old) = old {
            self.before.tell(old, &place("old"), &mut self.report);
        }
        if let Some(new) = new {
            self.after.tell(new, &place("new"), &mut self.report);
        }
    }
}

fn side_by_side(
    mut old: impl Iterator<Item = usize>,
    mut new: impl Iterator<Item = usize>,
) -> Vec<Pair> {
    std::iter::from_fn(|| match (old.next(), new.next()) {
        (None, None) => None,
        pair => Some(pair),
    })
    .collect()
}

/// A redacted text as a tree, whose nodes stand in the order of the text.
struct Tree<'t> {
    text: &'t str,
    nodes: Vec<Node>,
    names: Vec<Name>,
}

/// A value, or a member that was left out.
struct Node {
    kind: Kind,
    /// Where its text begins, without its name, and ends.
    start: usize,
    end: usize,
    /// The index of the node that follows it and all that is inside of it.
    after: usize,
    parent: usize,
    step: StepTo,
    /// That of what the original said.
    digest: Digest,
    /// What a report has to tell of it, not of what is inside of it.
    findings: Vec<Finding>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Scalar,
    Array,
    Object,
    /// Of what is skipped nothing is compared and no change is shown.
    Skipped,
}

/// How a node is reached from its parent.
#[derive(Clone, Copy)]
enum StepTo {
    Root,
    /// The number of an item, from 1.
    Item(usize),
    /// The index of a member's name.
    Member(usize),
}

struct Name {
    shown: String,
    /// That of what it was in the original.
    digest: Digest,
}

impl<'t> Tree<'t> {
    fn read(tracked: &'t Tracked) -> Result<Self, InvalidJson> {
        let mut reader = Reader {
            tree: Self {
                text: &tracked.text,
                nodes: Vec::new(),
                names: Vec::new(),
            },
            marks: tracked.marks.iter().peekable(),
            open: Vec::new(),
            named: None,
            digester: Digester::default(),
            unescaped: String::new(),
        };
        let mut events = Events::new(&tracked.text);
        while let Some(event) = events.next()? {
            reader.event(event, events.at());
        }
        Ok(reader.tree)
    }

    fn node(&self, index: usize) -> Option<&Node> {
        self.nodes.get(index)
    }

    fn name(&self, index: usize) -> Option<&Name> {
        match self.node(index)?.step {
            StepTo::Member(name) => self.names.get(name),
            StepTo::Root | StepTo::Item(_) => None,
        }
    }

    fn shows(&self, index: usize) -> bool {
        self.node(index)
            .is_some_and(|node| node.kind != Kind::Skipped)
    }

    fn text_of(&self, index: usize) -> &'t str {
        self.node(index)
            .and_then(|node| self.text.get(node.start..node.end))
            .unwrap_or_default()
    }

    /// The items or members of a node, in their order.
    fn inner(&self, index: usize) -> impl Iterator<Item = usize> {
        let end = self.node(index).map_or(0, |node| node.after);
        let mut next = index + 1;
        std::iter::from_fn(move || {
            let inner = next;
            let node = (inner < end).then(|| self.node(inner))??;
            next = node.after;
            Some(inner)
        })
    }

    /// The members of a node by their names, unless a name occurs twice.
    fn members(&self, index: usize) -> Option<HashMap<Digest, usize>> {
        let mut members = HashMap::new();
        for member in self.inner(index) {
            let name = self.name(member)?.digest;
            if self.shows(member) && members.insert(name, member).is_some() {
                return None;
            }
        }
        Some(members)
    }

    /// The steps to a node from one that it lies in.
    fn steps(&self, from: usize, to: usize) -> Vec<Step<'_>> {
        let mut steps = Vec::new();
        let mut at = to;
        while at != from
            && let Some(node) = self.node(at)
            && let Some(step) = self.step(node)
        {
            steps.push(step);
            at = node.parent;
        }
        steps.reverse();
        steps
    }

    fn step(&self, node: &Node) -> Option<Step<'_>> {
        match node.step {
            StepTo::Root => None,
            StepTo::Item(number) => Some(Step::Item(number)),
            StepTo::Member(name) => {
                let name = self.names.get(name)?;
                Some(Step::Member(Cow::Borrowed(&name.shown)))
            }
        }
    }

    fn pointer(&self, index: usize) -> String {
        let mut pointer = String::new();
        for step in self.steps(0, index) {
            step.push_onto(&mut pointer);
        }
        pointer
    }

    /// How long the longest pointer to what is directly inside of a node is.
    fn longest_pointer_in(&self, index: usize) -> usize {
        let mut last = String::new();
        let inner = self.inner(index).filter_map(|inner| {
            last.clear();
            self.step(self.node(inner)?)?.push_onto(&mut last);
            Some(last.len())
        });
        self.pointer(index).len() + inner.max().unwrap_or_default()
    }

    /// Tells a report what was hidden and cut in a node that is shown at this place.
    fn tell(&self, index: usize, place: &[Step<'_>], report: &mut Report<'_>) {
        let end = self.node(index).map_or(0, |node| node.after);
        for inner in index..end {
            let findings = self.node(inner).map_or(&[][..], |node| &node.findings);
            if findings.is_empty() {
                continue;
            }
            let place = [place, &self.steps(index, inner)].concat();
            for finding in findings {
                match finding {
                    Finding::Hidden(rule) => report.hidden(&place, *rule),
                    Finding::Cut(whole) => report.cut(&place, whole),
                }
            }
        }
    }
}

/// Reads a tree from the events of its text.
struct Reader<'t> {
    tree: Tree<'t>,
    marks: std::iter::Peekable<std::slice::Iter<'t, Mark>>,
    /// The arrays and objects that are open, and how many items each has so far.
    open: Vec<(usize, usize)>,
    /// The name of the value that comes next, and what is to be told of the name.
    named: Option<(Name, Vec<Finding>)>,
    digester: Digester,
    unescaped: String,
}

impl<'t> Reader<'t> {
    /// Takes in an event that ends at this byte.
    fn event(&mut self, event: Event<'_>, end: usize) {
        let start = end.saturating_sub(match event {
            // The text is compact, so a name's colon follows it immediately.
            Event::Name(name) => name.as_written().len() + ":".len(),
            Event::String(string) => string.as_written().len(),
            Event::Literal(literal) => literal.len(),
            Event::Open(_) | Event::Close(_) => 1,
        });
        self.members_left_out(start);
        match event {
            Event::Name(name) => {
                let (shown, _) = name.read(&mut self.unescaped);
                let shown = shown.to_owned();
                let (digest, findings) = match self.mark(start) {
                    Some((Marked::Name(digest), findings)) => (*digest, findings),
                    _ => (digest::of_name(&shown), Vec::new()),
                };
                self.digester.put(digest);
                self.named = Some((Name { shown, digest }, findings));
            }
            Event::String(_) | Event::Literal(_) => {
                let (kind, findings) = match self.mark(start) {
                    Some((Marked::Value(digest), findings)) => {
                        self.digester.put(*digest);
                        (Kind::Scalar, findings)
                    }
                    Some((Marked::Skipped, findings)) => {
                        self.digester.put(Digest::default());
                        (Kind::Skipped, findings)
                    }
                    _ => {
                        self.digester.read(event);
                        (Kind::Scalar, Vec::new())
                    }
                };
                self.node(kind, start, end, findings);
            }
            Event::Open(container) => {
                self.digester.read(event);
                let kind = match container {
                    Container::Array => Kind::Array,
                    Container::Object => Kind::Object,
                };
                let index = self.node(kind, start, end, Vec::new());
                self.open.push((index, 0));
            }
            Event::Close(_) => {
                self.digester.read(event);
                let after = self.tree.nodes.len();
                if let Some((index, _)) = self.open.pop()
                    && let Some(node) = self.tree.nodes.get_mut(index)
                {
                    node.end = end;
                    node.after = after;
                    node.digest = self.digester.last();
                }
            }
        }
    }

    fn node(&mut self, kind: Kind, start: usize, end: usize, findings: Vec<Finding>) -> usize {
        let (parent, item) = match self.open.last_mut() {
            Some((parent, items)) => {
                *items += 1;
                (*parent, Some(*items))
            }
            None => (0, None),
        };
        let (step, mut told) = match (self.named.take(), item) {
            (Some((name, told)), _) => {
                self.tree.names.push(name);
                (StepTo::Member(self.tree.names.len() - 1), told)
            }
            (None, Some(item)) => (StepTo::Item(item), Vec::new()),
            (None, None) => (StepTo::Root, Vec::new()),
        };
        told.extend(findings);
        let index = self.tree.nodes.len();
        self.tree.nodes.push(Node {
            kind,
            start,
            end,
            after: index + 1,
            parent,
            step,
            digest: self.digester.last(),
            findings: told,
        });
        index
    }

    /// What happened to the name or value that begins here.
    fn mark(&mut self, start: usize) -> Option<(&'t Marked, Vec<Finding>)> {
        let mark = self.marks.next_if(|mark| mark.at == start)?;
        Some((&mark.what, mark.findings.clone()))
    }

    /// Takes in the members that were left out before this byte.
    fn members_left_out(&mut self, start: usize) {
        while let Some(&mark) = self.marks.peek()
            && mark.at <= start
            && let Marked::LeftOut(name) = &mark.what
        {
            self.named = Some((
                Name {
                    shown: name.clone(),
                    digest: Digest::default(),
                },
                Vec::new(),
            ));
            self.node(Kind::Skipped, mark.at, mark.at, mark.findings.clone());
            self.marks.next();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::shape::{Member, Nested, Treatment};
    use crate::redact::{HashKey, NameRules};

    static ACCOUNT: Shape = Shape::Object(&[
        Member {
            names: &["secret"],
            shape: || &Shape::Treated(Treatment::Secret),
        },
        Member {
            names: &["iban"],
            shape: || &Shape::Treated(Treatment::Mask),
        },
        Member {
            names: &["email"],
            shape: || &Shape::Treated(Treatment::Hash),
        },
        Member {
            names: &["internal"],
            shape: || &Shape::Treated(Treatment::Skip),
        },
        Member {
            names: &["skipped"],
            shape: || &Shape::Each(SKIP),
        },
        Member {
            names: &["inner"],
            shape: || &ACCOUNT,
        },
    ]);
    const SKIP: Nested = || &Shape::Treated(Treatment::Skip);

    fn limited(limits: Limits, before: &str, after: &str) -> Differences {
        Redactor::new(NameRules::default(), limits)
            .with_hash_key(HashKey::new(&[b'k'; 32]).unwrap())
            .differences(before, after, &ACCOUNT, 0, 100)
            .unwrap()
    }

    fn differences(before: &str, after: &str) -> Differences {
        limited(Limits::default(), before, after)
    }

    /// One line for each change: `path: old -> new`.
    fn lines(differences: &Differences) -> Vec<String> {
        let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".to_owned());
        differences
            .changes
            .iter()
            .map(|change| {
                format!(
                    "{}: {} -> {}",
                    change.path,
                    text(&change.old),
                    text(&change.new)
                )
            })
            .collect()
    }

    fn changes(before: &str, after: &str) -> Vec<String> {
        lines(&differences(before, after))
    }

    fn open_changes(before: &str, after: &str) -> Vec<String> {
        let found = Redactor::default().differences(before, after, &Shape::Open, 0, 100);
        lines(&found.unwrap())
    }

    const NONE: [&str; 0] = [];

    #[test]
    fn members_are_compared_by_name_in_the_order_after_and_then_before() {
        assert_eq!(
            changes(
                r#"{"gone":1,"a":{"b":[1,2],"c":null},"same":[{}],"went":{"x":2}}"#,
                r#"{"new":[3],"same":[{}],"a":{"c":null,"d":true,"b":[1,3]}}"#,
            ),
            [
                "/new: none -> [3]",
                "/a/d: none -> true",
                "/a/b/1: 2 -> 3",
                "/gone: 1 -> none",
                "/went: {\"x\":2} -> none",
            ]
        );
    }

    #[test]
    fn items_are_compared_by_position() {
        assert_eq!(
            open_changes("[1,[2],{\"a\":3},4]", "[0,[2,5],{\"a\":3}]"),
            ["/0: 1 -> 0", "/1/1: none -> 5", "/3: 4 -> none"]
        );
    }

    #[test]
    fn values_of_different_kinds_change_as_wholes() {
        assert_eq!(
            open_changes("{\"a\":1}", "[{\"a\":1}]"),
            [": {\"a\":1} -> [{\"a\":1}]"]
        );
        assert_eq!(
            open_changes("[1,\"1\",[],{},null]", "[\"1\",1,{},[],false]"),
            [
                "/0: 1 -> \"1\"",
                "/1: \"1\" -> 1",
                "/2: [] -> {}",
                "/3: {} -> []",
                "/4: null -> false",
            ]
        );
    }

    #[test]
    fn numbers_differ_by_their_text_and_strings_by_what_they_say() {
        assert_eq!(
            open_changes(
                r#"[1.0,1e2,9007199254740993,"\u0061\/","a"]"#,
                r#"[1.00,100,9007199254740992,"a/","\u0062"]"#
            ),
            [
                "/0: 1.0 -> 1.00",
                "/1: 1e2 -> 100",
                "/2: 9007199254740993 -> 9007199254740992",
                r#"/4: "a" -> "\u0062""#,
            ]
        );
    }

    #[test]
    fn neither_order_nor_whitespace_is_a_difference() {
        let one = r#"{"a":[1,{"b":2,"c":3}],"d":null,"secret":{"x":1,"y":[2]}}"#;
        let other = r#" { "secret" : { "y" : [ 2 ] , "\u0078" : 1 } , "d" : null , "a" : [ 1 , { "c" : 3 , "b" : 2 } ] } "#;
        assert_eq!(differences(one, other), Differences::default());
    }

    #[test]
    fn a_pointer_is_escaped_and_the_root_has_none() {
        assert_eq!(
            changes(r#"{"a/b":{"~":{"":1}}}"#, r#"{"a\/b":{"~":{"":2}}}"#),
            ["/a~1b/~0/: 1 -> 2"]
        );
        assert_eq!(changes("1", "2"), [": 1 -> 2"]);
    }

    #[test]
    fn a_secret_that_changed_is_a_change_of_which_nothing_is_shown() {
        for (old, new) in [
            ("1", "2"),
            ("\"x\"", "\"y\""),
            ("null", "\"x\""),
            ("[1,[2]]", "[1,[3]]"),
            ("{\"a\":1}", "{\"a\":1,\"b\":2}"),
            ("[]", "{}"),
            ("1", "\"1\""),
        ] {
            for name in ["secret", "password"] {
                let text = |value| format!(r#"{{"{name}":{value}}}"#);
                let found = differences(&text(old), &text(new));
                assert_eq!(
                    lines(&found),
                    [format!("/{name}: \"[REDACTED]\" -> \"[REDACTED]\"")]
                );
                assert_eq!(found.redacted, ["/changes/0/old", "/changes/0/new"]);
                assert_eq!(differences(&text(new), &text(new)), Differences::default());
            }
        }
        assert_eq!(
            changes(r#"{"secret":1}"#, "{}"),
            ["/secret: \"[REDACTED]\" -> none"]
        );
    }

    #[test]
    fn masked_and_hashed_values_that_changed_are_changes_even_if_they_look_alike() {
        let found = differences(
            r#"{"iban":"111111111234","email":"a","inner":{"email":[1]}}"#,
            r#"{"iban":"222222221234","email":"b","inner":{"email":[2]}}"#,
        );
        let hash = |value: &str| HashKey::new(&[b'k'; 32]).unwrap().hash(value);
        assert_eq!(
            lines(&found),
            [
                "/iban: \"****1234\" -> \"****1234\"".to_owned(),
                format!("/email: \"{}\" -> \"{}\"", hash("a"), hash("b")),
                "/inner/email: \"[REDACTED]\" -> \"[REDACTED]\"".to_owned(),
            ]
        );
        assert_eq!(found.redacted.len(), 6);
    }

    #[test]
    fn what_is_skipped_never_changes_and_is_reported_where_it_was_left_out() {
        let found = differences(
            r#"{"internal":1,"skipped":[1,2],"inner":{"internal":[2]},"a":1}"#,
            r#"{"skipped":[2,3,4],"inner":{"internal":[3],"internal":4},"a":1}"#,
        );
        assert_eq!(found, Differences::default());

        let found = differences(
            r#"{"a":0}"#,
            r#"{"a":0,"inner":{"b":1,"internal":{},"c":{},"inner":{"internal":2},"secret":3}}"#,
        );
        assert_eq!(
            lines(&found),
            [r#"/inner: none -> {"b":1,"c":{},"inner":{},"secret":"[REDACTED]"}"#]
        );
        assert_eq!(
            found.redacted,
            [
                "/changes/0/new/internal",
                "/changes/0/new/inner/internal",
                "/changes/0/new/secret"
            ]
        );

        let whole = |before, after| {
            Redactor::default()
                .differences(before, after, SKIP(), 0, 9)
                .unwrap()
        };
        assert_eq!(whole("1", "{}"), Differences::default());
    }

    #[test]
    fn what_changed_behind_a_cut_is_a_change() {
        let limits = Limits {
            string_bytes: 4,
            depth: 2,
            ..Limits::default()
        };
        let found = limited(
            limits,
            r#"{"a":"abcd1","b":12345,"c":{"d":[{"pin":1}]},"e":"abcd5","f":1e999,"inner":{"inner":{"internal":1}}}"#,
            r#"{"a":"abcd2","b":12346,"c":{"d":[{"pin":2}]},"e":"abcd5","f":1e998,"inner":{"inner":{"internal":2}}}"#,
        );
        assert_eq!(
            lines(&found),
            [
                "/a: \"abcd…[TRUNCATED]\" -> \"abcd…[TRUNCATED]\"",
                "/b: \"1234…[TRUNCATED]\" -> \"1234…[TRUNCATED]\"",
                "/c/d: \"[TRUNCATED]\" -> \"[TRUNCATED]\"",
                "/f: \"1e99…[TRUNCATED]\" -> \"1e99…[TRUNCATED]\"",
            ]
        );
        let cuts: Vec<_> = found
            .truncated
            .iter()
            .map(|cut| (cut.path.as_str(), cut.bytes))
            .collect();
        let text = r#"[{"pin":"[REDACTED]"}]"#.len() as u64;
        assert_eq!(
            cuts,
            [
                ("/changes/0/old", 5),
                ("/changes/0/new", 5),
                ("/changes/1/old", 5),
                ("/changes/1/new", 5),
                ("/changes/2/old", text),
                ("/changes/2/new", text),
                ("/changes/3/old", 5),
                ("/changes/3/new", 5),
            ]
        );
        // The hash is of what would have been shown, so it does not tell the secrets.
        assert_eq!(found.truncated[4].sha256, found.truncated[5].sha256);
        assert_ne!(found.truncated[0].sha256, found.truncated[1].sha256);
        assert!(found.redacted.is_empty());
    }

    #[test]
    fn a_number_beyond_every_float_is_not_the_string_that_stands_for_it() {
        assert_eq!(
            open_changes("[1e999]", "[\"1e999\"]"),
            ["/0: \"1e999\" -> \"1e999\""]
        );
    }

    #[test]
    fn names_that_were_cut_or_hidden_are_still_told_apart() {
        let long = "n".repeat(300);
        let found = differences(
            &format!(r#"{{"{long}1":1,"pin=1":1}}"#),
            &format!(r#"{{"{long}2":1,"pin=2":1}}"#),
        );
        let cut = format!("{}…[TRUNCATED]", "n".repeat(256));
        assert_eq!(
            lines(&found),
            [
                format!("/{cut}: none -> 1"),
                "/[REDACTED]: none -> \"[REDACTED]\"".to_owned(),
                format!("/{cut}: 1 -> none"),
                "/[REDACTED]: \"[REDACTED]\" -> none".to_owned(),
            ]
        );
        assert_eq!(found.truncated[0].path, "/changes/0/new");
        assert_eq!(found.truncated[0].bytes, 301);
    }

    #[test]
    fn an_object_in_which_a_name_occurs_twice_changes_as_a_whole() {
        assert_eq!(
            changes(
                r#"{"a":{"x":1,"x":2,"y":[3]},"b":{"x":1,"x":1}}"#,
                r#"{"a":{"x":1,"x":2,"y":[4]},"b":{"x":1}}"#
            ),
            [
                r#"/a: {"x":1,"x":2,"y":[3]} -> {"x":1,"x":2,"y":[4]}"#,
                r#"/b: {"x":1,"x":1} -> {"x":1}"#
            ]
        );
        assert_eq!(changes(r#"{"x":1,"x":2}"#, r#"{"x":1,"\u0078":2}"#), NONE);
        assert_eq!(
            changes(r#"{"secret":1,"secret":2}"#, r#"{"secret":1,"secret":3}"#),
            [
                r#": {"secret":"[REDACTED]","secret":"[REDACTED]"} -> {"secret":"[REDACTED]","secret":"[REDACTED]"}"#
            ]
        );
    }

    #[test]
    fn what_could_not_be_pointed_to_changes_as_a_whole() {
        let limits = Limits {
            pointer_bytes: 6,
            ..Limits::default()
        };
        let found = limited(
            limits,
            r#"{"ab":{"c":1,"~":1},"abcd":{"c":1}}"#,
            r#"{"ab":{"c":2,"~":1},"abcd":{"c":2}}"#,
        );
        assert_eq!(
            lines(&found),
            ["/ab/c: 1 -> 2", "/abcd: {\"c\":1} -> {\"c\":2}"]
        );
    }

    #[test]
    fn pointers_count_from_the_first_change_and_lead_to_what_was_hidden() {
        let found = Redactor::default()
            .differences(
                r#"{"a":1,"b":{"pin":1}}"#,
                r#"{"a":2,"b":[{"c/d":[{"pin":2},"x"],"otp":null}]}"#,
                &Shape::Open,
                7,
                100,
            )
            .unwrap();
        assert_eq!(
            found.redacted,
            [
                "/changes/8/old/pin",
                "/changes/8/new/0/c~1d/0/pin",
                "/changes/8/new/0/otp"
            ]
        );
    }

    #[test]
    fn changes_beyond_the_limit_are_counted_in_bytes() {
        let find = |limit| {
            Redactor::default()
                .differences(
                    r#"{"a":1,"pin":2,"b":"xyz"}"#,
                    r#"{"a":2,"pin":3,"c":10}"#,
                    &Shape::Open,
                    3,
                    limit,
                )
                .unwrap()
        };
        let found = find(1);
        assert_eq!(lines(&found), ["/a: 1 -> 2"]);
        let left_out = Truncated {
            path: "/changes".to_owned(),
            bytes: (2 * "\"[REDACTED]\"".len() + "10".len() + "\"xyz\"".len()) as u64,
            sha256: None,
        };
        assert_eq!(found.truncated, [left_out]);
        assert!(found.redacted.is_empty());
        assert_eq!((find(0).changes.len(), find(0).truncated.len()), (0, 1));
        assert_eq!((find(4).changes.len(), find(4).truncated.len()), (4, 0));
    }

    #[test]
    fn after_enough_findings_all_changes_stand_for_the_rest() {
        let limits = Limits {
            findings: 3,
            string_bytes: 1,
            ..Limits::default()
        };
        let text = |value: u8| {
            let members = (0..6).map(|n| format!(r#""pin{n}":{value},"{n}":"xx{value}""#));
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        };
        let found = limited(limits, &text(1), &text(2));
        assert_eq!(found.changes.len(), 12);
        assert_eq!(
            found.redacted,
            [
                "/changes/0/old",
                "/changes/0/new",
                "/changes/2/old",
                "/changes"
            ]
        );
        assert_eq!(found.truncated.len(), 4);
        assert_eq!(found.truncated[3].path, "/changes");
        assert_eq!(found.truncated[3].bytes, 9 * 3);
    }

    #[test]
    fn what_is_not_json_is_refused_on_either_side() {
        let find =
            |before, after| Redactor::default().differences(before, after, &Shape::Open, 0, 1);
        assert_eq!(find("1", "[1"), Err(InvalidJson { offset: 2 }));
        assert_eq!(find("", "1"), Err(InvalidJson { offset: 0 }));
    }

    #[test]
    fn deep_and_wide_texts_are_compared_in_linear_time_at_any_limit() {
        let find = |limits: Limits, before: &str, after: &str| {
            let redactor = Redactor::new(NameRules::default(), limits);
            redactor
                .differences(before, after, &Shape::Open, 0, 100)
                .unwrap()
        };
        let deep = |inner: u8| format!("{}{inner}{}", "[".repeat(60_000), "]".repeat(60_000));
        let found = find(Limits::default(), &deep(1), &deep(2));
        assert_eq!(found.changes[0].old.as_deref(), Some("\"[TRUNCATED]\""));

        let deeper = Limits {
            depth: usize::MAX,
            ..Limits::default()
        };
        let found = find(deeper, &deep(1), &deep(2));
        assert_eq!(found.changes[0].path.len(), 1024);

        let wide = |value: u8| format!("[{}{value}]", format!("{value},").repeat(60_000));
        let found = find(Limits::default(), &wide(1), &wide(2));
        assert_eq!(found.changes.len(), 100);
        assert_eq!(found.truncated[0].bytes, 2 * (60_001 - 100));

        let object = |value: u8| {
            let members = (0..20_000).map(|n| format!(r#""pin{n}":{value}"#));
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        };
        let found = find(Limits::default(), &object(1), &object(2));
        assert_eq!(found.changes.len(), 100);
    }
}
