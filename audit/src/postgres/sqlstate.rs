//! What an error of Postgres asks for, by its SQLSTATE.
//!
//! The classes stand in [appendix A] of Postgres' manual.
//!
//! [appendix A]: https://www.postgresql.org/docs/current/errcodes-appendix.html

use diesel::result::{DatabaseErrorKind, Error as DieselError};

/// The longest message that is kept of an error.
const MESSAGE_BYTES: usize = 300;

/// What an error asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Class {
    /// The connection is gone, or Postgres takes no more: connect again.
    Connection,
    /// The server takes no writes: it may not be the primary any more.
    ReadOnly,
    /// Another transaction was in the way.
    Conflict,
    /// It took too long.
    Timeout,
    /// The server lacks memory or disk, or is broken itself.
    Resources,
    /// Somebody has to do something: a table, a right or a database is missing.
    Operator,
    /// The values are at fault, or may be.
    Data,
}

impl Class {
    /// The class's name in logs and metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::ReadOnly => "read_only",
            Self::Conflict => "conflict",
            Self::Timeout => "timeout",
            Self::Resources => "resources",
            Self::Operator => "operator",
            Self::Data => "data",
        }
    }

    fn of(sqlstate: &str) -> Self {
        match sqlstate {
            "25006" => Self::ReadOnly,
            "40001" | "40P01" | "55P03" => Self::Conflict,
            "57014" => Self::Timeout,
            "53300" | "57P01" | "57P02" | "57P03" => Self::Connection,
            _ => match sqlstate.get(..2) {
                Some("08") => Self::Connection,
                // The values, or what an operator's own index, constraint or trigger makes
                // of them: 09 is a row that was discarded, 54 an index row too large, P0 a
                // RAISE.
                Some("09" | "21" | "22" | "23" | "27" | "38" | "39" | "44" | "54" | "P0") => {
                    Self::Data
                }
                Some("53" | "58" | "XX") => Self::Resources,
                _ => Self::Operator,
            },
        }
    }
}

/// Why Postgres did not do what it was asked to. The message is for the log, and
/// holds no payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rejection {
    pub(crate) class: Class,
    /// Unknown for what happens outside of statements.
    pub(crate) sqlstate: Option<String>,
    pub(crate) message: String,
}

impl Rejection {
    /// What the function that stores a batch has caught.
    pub(super) fn caught(sqlstate: String, message: &str) -> Self {
        Self {
            class: Class::of(&sqlstate),
            sqlstate: Some(sqlstate),
            message: bounded(message),
        }
    }

    /// The values cannot even be sent.
    pub(super) fn unreadable(message: &str) -> Self {
        Self {
            class: Class::Data,
            sqlstate: None,
            message: bounded(message),
        }
    }

    pub(super) fn unreachable(message: &str) -> Self {
        Self {
            class: Class::Connection,
            sqlstate: None,
            message: bounded(message),
        }
    }
}

impl From<DieselError> for Rejection {
    /// For errors that the function cannot catch; Diesel tells their kind.
    fn from(error: DieselError) -> Self {
        let DieselError::DatabaseError(kind, information) = &error else {
            return Self::unreadable(&error.to_string());
        };
        let class = match kind {
            DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand => {
                Class::Connection
            }
            DatabaseErrorKind::ReadOnlyTransaction => Class::ReadOnly,
            DatabaseErrorKind::SerializationFailure => Class::Conflict,
            // A right or the function itself may be missing as well, so whoever
            // takes this for a fault of the values has to try others first.
            _ => Class::Data,
        };
        Self {
            class,
            sqlstate: None,
            // The details, which may hold values, stay out of it.
            message: bounded(information.message()),
        }
    }
}

fn bounded(message: &str) -> String {
    let mut end = message.len().min(MESSAGE_BYTES);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    message.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_of_errors_gets_its_own_treatment() {
        for (class, states) in [
            (Class::Connection, &["08006", "57P01", "57P03", "53300"][..]),
            (Class::ReadOnly, &["25006"]),
            (Class::Conflict, &["40001", "40P01", "55P03"]),
            (Class::Timeout, &["57014"]),
            (Class::Resources, &["53100", "53200", "58030", "XX000"]),
            (
                Class::Operator,
                &["42P01", "42501", "42804", "28000", "3D000"],
            ),
            (
                Class::Data,
                &[
                    "09000", "22P05", "22001", "23502", "23505", "23514", "23P01", "54000", "P0001",
                ],
            ),
        ] {
            for state in states {
                assert_eq!(Class::of(state), class, "{state}");
            }
        }
    }
}
