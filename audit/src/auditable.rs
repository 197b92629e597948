//! What a type says about its own secrets.

use crate::redact::shape::Shape;

/// A type that says which of its fields are secret.
pub trait Auditable {
    /// Where the secrets lie in its JSON.
    const SHAPE: &'static Shape;
}
