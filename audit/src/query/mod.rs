//! What may be asked of the trail, by a request or on a command line: from a query string
//! to a question that `postgres` answers, or to a problem that names the parameter.

pub(crate) mod export;
pub(crate) mod filter;
pub(crate) mod parameter;
