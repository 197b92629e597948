//! What a type says about its own secrets.

mod std_types;

use std::marker::PhantomData;

use crate::redact::shape::Shape;

/// A type that says which of its fields are secret.
///
/// The redactor finds secrets by the names of members. What it cannot find in that way,
/// a type tells it:
///
/// ```
/// use audit::Auditable;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize, Auditable)]
/// #[serde(rename_all = "camelCase")]
/// struct SignUp {
///     #[audit(plain)]
///     name: String,
///     #[audit(secret)]
///     mothers_maiden_name: String,
///     #[audit(mask)]
///     phone: Option<String>,
///     #[audit(plain)]
///     addresses: Vec<Address>,
/// }
///
/// #[derive(Serialize, Deserialize, Auditable)]
/// struct Address {
///     #[audit(plain)]
///     country: String,
///     #[audit(hash)]
///     street: String,
/// }
///
/// // Every class was given, so this compiles:
/// fn is_classified<T: audit::Classified>() {}
/// is_classified::<SignUp>();
/// ```
///
/// What is recorded of a body is the text that was sent, and not what the type would
/// make of it: the derive writes no code that runs for a request, but constant data
/// that says where in such a text the secrets lie.
///
/// # Classes
///
/// | attribute of a field | what a record shows of its value |
/// |---|---|
/// | `#[audit(secret)]` | that it was there |
/// | `#[audit(mask)]` | its last characters |
/// | `#[audit(hash)]` | a keyed hash, so that equal values can be found without being seen |
/// | `#[audit(skip)]` | nothing, nor its name |
/// | `#[audit(plain)]` | all of it, but for what its type says about itself |
/// | none | the same, but nobody has said so: the type is not [`Classified`] |
///
/// A class adds to the rules about names, and never takes from them: a plain field that
/// is called `password` is still hidden. What a service knows to be harmless it says to
/// the redactor.
///
/// A class covers the whole value: in a secret list or object nothing is shown. The
/// types and variants themselves have none; a newtype gives its class to its field,
/// and takes it with it wherever it goes:
///
/// ```
/// # use serde::{Deserialize, Serialize};
/// #[derive(Serialize, Deserialize, audit::Auditable)]
/// struct Iban(#[audit(mask)] String);
/// ```
///
/// # What serde makes of a type
///
/// Names and places are those that serde reads and writes. On types, variants and
/// fields these keys are understood: `rename`, `rename_all`, `rename_all_fields` (in
/// both forms), `alias`, `flatten`, `skip` and its relatives, `transparent`, `tag`,
/// `content`, `untagged`, `other`, `from`, `try_from` and `into`. All the names that a
/// field has are looked for, in bodies of requests and of responses alike.
///
/// - A **flattened** field has no value of its own, so it can only be plain; what its
///   type says about itself is looked for in the object around it.
/// - A field **with** a function of its own (`with`, `serialize_with`,
///   `deserialize_with`) may look like anything. What its type says about itself is
///   still looked for; a class covers it for certain.
/// - An **enum** does not always tell by its text which variant it is. The classes of
///   externally tagged variants are looked for under their names, but those of all
///   other enums in any text, so that a secret newtype in an untagged or an internally
///   tagged enum hides all of its values.
/// - A type that is read or written as another one (**`from`**, **`into`**) is
///   described by that one and by its own fields.
///
/// # Types of others
///
/// A field of a type that is not `Auditable`, such as those of other libraries, needs
/// nothing: names decide about it, unless the field has a class. A type
/// parameter that occurs in a field without a class, or in a plain one, has to be
/// `Auditable` itself.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say which of its fields are secret",
    note = "derive it: `#[derive(audit::Auditable)]`",
    note = "or pass `serde_json::to_value(…)`, which is redacted by name alone"
)]
pub trait Auditable {
    /// Where the secrets lie in its JSON.
    const SHAPE: &'static Shape;
}

/// A type of which somebody has looked at every field.
///
/// The derive [`Auditable`](macro@crate::Auditable) says so of a type if all of its
/// fields that are in the JSON have a class; [`audit::strict`](crate::strict) has one
/// that demands it. JSON of any form, such as `serde_json::Value`, is never classified
/// in itself, but a field that holds it can be.
///
/// `#[audit(plain)]` is the word of whoever wrote it, also for a field whose type is
/// not classified. Only of a type parameter nobody can know, so it has to be
/// `Classified` itself unless a class hides it.
#[diagnostic::on_unimplemented(
    message = "not every field of `{Self}` is classified",
    note = "say `#[audit(plain)]` of its fields, or what hides them: `secret`, `mask`, `hash` or `skip`",
    note = "`#[derive(audit::strict::Auditable)]` shows where something is missing",
    note = "of a handler's argument: or leave it out of the record, `skip(…)`",
    note = "JSON of any form is never classified, but a field that holds it can be"
)]
pub trait Classified: Auditable {}

/// Finds what is known of the type `T`, without asking that anything is:
/// `Probe::<T>::SHAPE` is the constant of its impl if `T` is `Auditable`, as an inherent
/// one comes before that of a trait, and the constant of [`Unknown`] otherwise.
#[derive(Debug)]
pub struct Probe<T: ?Sized>(PhantomData<T>);

impl<T: Auditable + ?Sized> Probe<T> {
    /// What the type says about itself.
    pub const SHAPE: &'static Shape = T::SHAPE;
}

/// What is known of a type that says nothing.
pub trait Unknown {
    /// Nothing.
    const SHAPE: &'static Shape = &Shape::Open;
}

impl<T: ?Sized> Unknown for Probe<T> {}
