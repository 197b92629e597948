//! A query string is either a filter within its bounds, or a problem that says which
//! parameter is wrong.

use audit::fuzz::parse_filter;
use chrono::{DateTime, Datelike as _};

use crate::time::linear;

const VALUES_MAX: usize = 100;
const VALUE_BYTES_MAX: usize = 1024;
const PAGE_MAX: u16 = 1000;
/// A title and a detail.
const PROBLEM_BYTES_MAX: usize = 600;

/// Reads the input as a query string.
pub fn check(data: &[u8]) {
    let query = String::from_utf8_lossy(data);
    let now = DateTime::from_timestamp(1_795_608_000, 0).expect("a time of this century");
    match linear(query.len(), || parse_filter(&query, now)) {
        Ok(asked) => {
            let values = asked.texts.len() + asked.others + asked.statuses.len();
            assert!(values <= VALUES_MAX, "{values} values");
            for text in &asked.texts {
                assert!(text.len() <= VALUE_BYTES_MAX, "{} bytes", text.len());
                assert!(!text.contains('\0'), "Postgres stores no NUL");
            }
            for instant in &asked.instants {
                assert!((0..10_000).contains(&instant.year()), "{instant}");
            }
            for status in &asked.statuses {
                assert!(matches!(status, 1..=5 | 100..=599), "{status}");
            }
            assert!((1..=PAGE_MAX).contains(&asked.limit));
            assert!(!asked.is_reversed, "nothing lies in such a time");
        }
        Err(problem) => {
            let said = problem.to_string();
            assert_eq!(problem.kind().status().as_u16(), 400, "{said}");
            let is_named = match problem.kind().code() {
                "invalid_parameter" => said.contains("at most 100 values") || names(&said, &query),
                "unknown_parameter" => names(&said, &query),
                "invalid_cursor" => said.contains("cursor"),
                _ => false,
            };
            assert!(is_named, "what is wrong with {query:?}? {said}");
            assert!(said.len() <= PROBLEM_BYTES_MAX, "{} bytes", said.len());
            assert!(
                !said.contains(char::is_control),
                "a control character is quoted: {said:?}"
            );
        }
    }
}

/// Whether one of the query's parameters is named. Of a name that is no plain word, what
/// is quoted need not be what stands in the query.
fn names(said: &str, query: &str) -> bool {
    let is_plain = |name: &str| {
        name.len() < 256
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    };
    let mut names = query
        .split('&')
        .map(|pair| pair.split_once('=').map_or(pair, |(name, _)| name));
    names.any(|name| !is_plain(name) || said.contains(&format!("`{name}`")))
}
