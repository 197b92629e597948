//! What the arguments and answers of a handler say about payloads.
//!
//! The macro knows types only as tokens, so it asks the compiler: a probe of a type
//! has constants of its own where the type implements a trait, and those of a
//! fallback trait where it does not, because what a type has itself comes before
//! what a trait gives it. The choice costs nothing at runtime, and no handler has
//! to implement anything.

use std::marker::PhantomData;

use actix_web::web::{
    Bytes, Data, Either, Form, Header, Json, Path, Payload as RawPayload, Query, ReqData,
};
use actix_web::{CustomizeResponder, HttpRequest, http};

use crate::auditable::{Auditable, Classified};
use crate::capture::{AuditScope, RequestId};
use crate::handle::Audit;
use crate::record::Actor;
use crate::redact::shape::Shape;

/// The part of a request that an argument reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Nothing that a record keeps: the app's data, a header, the actor.
    Nothing,
    /// The path.
    Path,
    /// The query string.
    Query,
    /// The body.
    Body,
    /// One or another of them, or it is not known which.
    Anything,
}

/// An extractor that says which part of a request it reads, and as what.
///
/// Those of Actix-web and of this library do. Implement it for your own, so that
/// what the payload's type says of its secrets is obeyed, and so that
/// `skip(argument)` leaves out no more than it must:
///
/// ```
/// use audit::{Argument, Part};
///
/// /// Reads a body in the service's own way.
/// struct Body<T>(T);
///
/// impl<T> Argument for Body<T> {
///     const PART: Part = Part::Body;
///     type Payload = T;
/// }
///
/// /// Reads a header that no record keeps.
/// struct ApiVersion(u8);
///
/// impl Argument for ApiVersion {
///     const PART: Part = Part::Nothing;
///     type Payload = ();
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "it is not known what `{Self}` reads of the request",
    label = "not known to the audit trail",
    note = "a strict handler takes no argument that may hold an unclassified payload",
    note = "implement `audit::Argument` for it, or leave it out of the record: `skip(…)`"
)]
pub trait Argument {
    /// Which part it reads.
    const PART: Part;
    /// As what; `()` if it reads no payload.
    type Payload: ?Sized;
}

/// What a handler answers with, if it says as what the payload was built.
#[diagnostic::on_unimplemented(
    message = "it is not known how the payload of `{Self}` is built",
    label = "not known to the audit trail",
    note = "a strict handler whose response is captured answers with `Json<T>` or `Result<Json<T>, E>`",
    note = "otherwise capture the request alone: `capture = \"request\"`"
)]
pub trait Answer {
    /// The type of its payload.
    type Payload: ?Sized;
}

/// A payload of which no type tells anything.
#[derive(Clone, Copy, Debug)]
pub enum Untyped {}

impl Auditable for Untyped {
    const SHAPE: &'static Shape = &Shape::Open;
}

macro_rules! arguments {
    ($($type:ty: $part:ident as $payload:ty;)+) => {
        $(impl Argument for $type {
            const PART: Part = Part::$part;
            type Payload = $payload;
        })+
    };
}

macro_rules! generic_arguments {
    (<$generic:ident> $($type:ident: $part:ident as $payload:ty;)+) => {
        $(impl<$generic> Argument for $type<$generic> {
            const PART: Part = Part::$part;
            type Payload = $payload;
        })+
    };
}

generic_arguments! { <T>
    Json: Body as T;
    Form: Body as T;
    Query: Query as T;
    Path: Path as T;
    Data: Nothing as ();
    Header: Nothing as ();
}

impl<T: Clone + 'static> Argument for ReqData<T> {
    const PART: Part = Part::Nothing;
    type Payload = ();
}

arguments! {
    String: Body as Untyped;
    Bytes: Body as Untyped;
    RawPayload: Body as Untyped;
    HttpRequest: Nothing as ();
    http::Method: Nothing as ();
    http::Uri: Nothing as ();
    Actor: Nothing as ();
    Audit: Nothing as ();
    AuditScope: Nothing as ();
    RequestId: Nothing as ();
    (): Nothing as ();
}

impl<A: Argument> Argument for Option<A> {
    const PART: Part = A::PART;
    type Payload = A::Payload;
}

impl<A: Argument, E> Argument for Result<A, E> {
    const PART: Part = A::PART;
    type Payload = A::Payload;
}

impl<L: Argument, R: Argument> Argument for Either<L, R> {
    const PART: Part = if L::PART as u8 == R::PART as u8 {
        L::PART
    } else {
        Part::Anything
    };
    type Payload = OneOf<L::Payload, R::Payload>;
}

/// One payload or another.
#[derive(Debug)]
pub struct OneOf<L: ?Sized, R: ?Sized>(PhantomData<(PhantomData<L>, PhantomData<R>)>);

impl<L: Auditable + ?Sized, R: Auditable + ?Sized> Auditable for OneOf<L, R> {
    const SHAPE: &'static Shape = &Shape::AllOf(&[|| L::SHAPE, || R::SHAPE]);
}

impl<L: Classified + ?Sized, R: Classified + ?Sized> Classified for OneOf<L, R> {}

impl<T> Answer for Json<T> {
    type Payload = T;
}

impl<A: Answer> Answer for Option<A> {
    type Payload = A::Payload;
}

impl<A: Answer, E> Answer for Result<A, E> {
    type Payload = A::Payload;
}

impl<L: Answer, R: Answer> Answer for Either<L, R> {
    type Payload = OneOf<L::Payload, R::Payload>;
}

impl<A: Answer> Answer for CustomizeResponder<A> {
    type Payload = A::Payload;
}

impl<A: Answer> Answer for (A, http::StatusCode) {
    type Payload = A::Payload;
}

/// What one argument of a handler reads.
#[derive(Clone, Copy, Debug)]
pub struct Reads {
    /// Which part.
    pub part: Part,
    /// What the payload's type says of its secrets.
    pub shape: &'static Shape,
    /// Whether it is never captured.
    pub skip: bool,
}

impl Reads {
    /// Whether the argument is never captured and may have read this part.
    pub(super) fn skips(&self, part: Part) -> bool {
        self.skip && self.may_read(part)
    }

    /// Whether the argument may have read this part.
    pub(super) fn may_read(&self, part: Part) -> bool {
        self.part == part || self.part == Part::Anything
    }
}

/// What the types of arguments say of a part of the request.
pub(super) fn shapes(reads: &[Reads], part: Part) -> Vec<&'static Shape> {
    reads
        .iter()
        .filter(|reads| reads.may_read(part))
        .map(|reads| reads.shape)
        .filter(|shape| !matches!(shape, Shape::Open))
        .collect()
}

/// Asks what is known of an argument.
#[derive(Debug)]
pub struct ArgumentProbe<A>(PhantomData<A>);

impl<A: Argument> ArgumentProbe<A> {
    /// Which part it reads.
    pub const PART: Part = A::PART;
}

impl<A: Argument<Payload: Auditable>> ArgumentProbe<A> {
    /// Whether its type has been asked.
    pub const IS_KNOWN: bool = true;
    /// What its payload says of its secrets.
    pub const SHAPE: &'static Shape = <A::Payload as Auditable>::SHAPE;
}

/// Asks what is known of an answer.
#[derive(Debug)]
pub struct AnswerProbe<A>(PhantomData<A>);

impl<A: Answer<Payload: Auditable>> AnswerProbe<A> {
    /// What its payload says of its secrets.
    pub const SHAPE: &'static Shape = <A::Payload as Auditable>::SHAPE;
}

/// What is known of a type that says nothing.
pub trait Silent {
    /// Whether its type has been asked.
    const IS_KNOWN: bool = false;
    /// Which part it reads.
    const PART: Part = Part::Anything;
    /// What its payload says of its secrets.
    const SHAPE: &'static Shape = &Shape::Open;
}

impl<A> Silent for ArgumentProbe<A> {}
impl<A> Silent for AnswerProbe<A> {}

/// Compiles if all that the argument reads is classified.
pub fn reads_classified<A: Argument<Payload: Classified>>() {}

/// Compiles if all that the answer says is classified.
pub fn answers_classified<A: Answer<Payload: Classified>>() {}
