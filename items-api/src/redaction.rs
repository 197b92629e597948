//! What audit records of this service do not show.

use audit::redact::{ContentRules, HashKey, Limits, NameRules, Redactor, WeakKey};

use crate::config::RedactionConfig;
use crate::secret_file::{self, SecretFileError};

/// How much must stand behind a configured prefix, so that it is a key and no word.
const BEHIND_PREFIX_BYTES: usize = 8;

/// Why nothing can be redacted.
#[derive(Debug, thiserror::Error)]
pub enum RedactionError {
    /// The keys of hashes cannot be read or made.
    #[error(transparent)]
    File(#[from] SecretFileError),
    /// One of them is no key.
    #[error("{path}, line {line}: {source}")]
    Key {
        /// Which file.
        path: String,
        /// Where in it, from 1.
        line: usize,
        /// Why not.
        source: WeakKey,
    },
    /// There is none.
    #[error("{0} holds no key: remove it, and one is made")]
    NoKey(String),
}

/// The rules in use. Where no name is hashed there is no need for a key, and none is
/// made.
///
/// # Errors
///
/// When the keys of hashes cannot be read, made or used.
pub fn redactor(config: &RedactionConfig) -> Result<Redactor, RedactionError> {
    if config.hash.is_empty() {
        return Ok(redactor_without_key(config));
    }
    let first = redactors(config)?.into_iter().next();
    first.ok_or_else(|| RedactionError::NoKey(config.hash_keys.display().to_string()))
}

/// The same with each of the keys of hashes. The first one is in use; the others are
/// older and only good for finding what was hashed with them.
///
/// # Errors
///
/// When the keys cannot be read, made or used.
pub fn redactors(config: &RedactionConfig) -> Result<Vec<Redactor>, RedactionError> {
    let redactor = redactor_without_key(config);
    let keys = hash_keys(config)?;
    Ok(keys
        .into_iter()
        .map(|key| redactor.clone().with_hash_key(key))
        .collect())
}

fn redactor_without_key(config: &RedactionConfig) -> Redactor {
    let mut names = NameRules::default();
    for name in &config.show {
        names = names.show(name);
    }
    for name in &config.hash {
        names = names.hash(name);
    }
    // Of several wishes for one name the strictest holds.
    for name in &config.hide {
        names = names.hide(name);
    }
    let mut contents = ContentRules::default();
    for prefix in &config.prefixes {
        contents = contents.hide_prefix(prefix, BEHIND_PREFIX_BYTES);
    }
    for content in &config.without {
        contents = contents.show(*content);
    }
    Redactor::new(names, Limits::default()).with_contents(contents)
}

fn hash_keys(config: &RedactionConfig) -> Result<Vec<HashKey>, RedactionError> {
    let text = secret_file::read_or_make(&config.hash_keys)?;
    let lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    lines
        .enumerate()
        .filter(|(_, line)| !line.is_empty())
        .map(|(number, line)| {
            HashKey::new(line).map_err(|source| RedactionError::Key {
                path: config.hash_keys.display().to_string(),
                line: number + 1,
                source,
            })
        })
        .collect()
}
