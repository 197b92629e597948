//! The runtime half of `#[audited]`: everything between a request and its record.
//!
//! The macro replaces a handler by a function that takes one [`Call`] and gives
//! it the handler as it was written. The call then does, in this order:
//!
//! 1. It reserves room for the record. Without room the answer is 503 and
//!    nothing has happened: no body was read and no handler was called.
//! 2. It asks the service's authentication who this is, and leaves an intent in
//!    the journal: the record to be told should the process die in the middle.
//! 3. It extracts the handler's arguments. An extractor that fails ends the
//!    attempt with its answer, so refused and malformed requests are recorded
//!    too.
//! 4. It waits until the intent is kept, and runs the handler. A panic is caught
//!    and answered with 500.
//! 5. It hands over the record, waits until it is kept, and only then gives the
//!    response back: a client that holds its response has its record.
//!
//! A client that goes away drops all of this in the middle; the attempt is then
//! recorded by its destructor, with the outcome `aborted`. What happens to a
//! response after it was given back, such as a stream that breaks off, is not
//! part of the record.
//!
//! ```text
//! call (a request) ─┐               ┌─▶ scope ─▶ transaction
//!                   ├─▶ attempt ─▶ known ─▶ record
//! task (anything)  ─┘
//! ```
//!
//! `known` is what the attempt and the scopes of the handler share; it can be sent
//! to other threads, and knows nothing of Actix-web.

mod argument;
mod attempt;
mod body;
mod call;
mod caller;
mod findings;
mod identity;
mod known;
pub(crate) mod pattern;
mod request;
pub mod request_id;
mod response;
mod scope;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod survey;
mod task;
mod transaction;

pub use argument::{Answer, Argument, Part, Untyped};
pub use argument::{
    AnswerProbe, ArgumentProbe, Reads, Silent, answers_classified, reads_classified,
};
pub use call::{Call, Types};
pub(crate) use identity::from_app;
pub use request_id::RequestId;
pub use scope::{AuditScope, say_resource_id};
pub use task::{Task, TaskError};
pub use transaction::TransactionError;

use crate::journal::Durability;

/// What an annotation says about its handler.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// The stable name of the action.
    pub action: &'static str,
    /// The type of the thing acted on.
    pub resource: Option<&'static str>,
    /// How much of the exchange is kept.
    pub capture: Capture,
    /// What the record survives before the response goes out, if the annotation
    /// says so; otherwise the service does.
    pub durability: Option<Durability>,
    /// What happens to an attempt whose record cannot be kept.
    pub unavailable: Unavailable,
}

/// What happens to an attempt whose record cannot be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unavailable {
    /// It is refused, before the handler runs.
    Refuse,
    /// It is let through and counted, and a later record tells of the gap.
    Allow,
}

/// How much of an exchange a record keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capture {
    /// Neither payload.
    Metadata,
    /// The request's payload.
    Request,
    /// The response's payload.
    Response,
    /// Both payloads.
    All,
}

impl Capture {
    fn request(self) -> bool {
        matches!(self, Self::Request | Self::All)
    }

    fn response(self) -> bool {
        matches!(self, Self::Response | Self::All)
    }
}
