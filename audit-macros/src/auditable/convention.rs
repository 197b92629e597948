//! The conventions that serde renames by. They have to give what serde gives, even
//! where that is odd, or a secret would be looked for under the wrong name;
//! `audit/tests/auditable.rs` compares them.

/// What `rename_all` may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Convention {
    Lower,
    Upper,
    Pascal,
    Camel,
    Snake,
    ScreamingSnake,
    Kebab,
    ScreamingKebab,
}

impl Convention {
    pub(super) fn called(name: &str) -> Option<Self> {
        Some(match name {
            "lowercase" => Self::Lower,
            "UPPERCASE" => Self::Upper,
            "PascalCase" => Self::Pascal,
            "camelCase" => Self::Camel,
            "snake_case" => Self::Snake,
            "SCREAMING_SNAKE_CASE" => Self::ScreamingSnake,
            "kebab-case" => Self::Kebab,
            "SCREAMING-KEBAB-CASE" => Self::ScreamingKebab,
            _ => return None,
        })
    }

    /// The name of a field, which serde takes to be in snake case already.
    pub(super) fn field(self, name: &str) -> String {
        match self {
            Self::Lower | Self::Snake => name.to_owned(),
            Self::Upper | Self::ScreamingSnake => name.to_ascii_uppercase(),
            Self::Pascal => without_underscores(name),
            Self::Camel => with_small_initial(&without_underscores(name)),
            Self::Kebab => name.replace('_', "-"),
            Self::ScreamingKebab => name.to_ascii_uppercase().replace('_', "-"),
        }
    }

    /// The name of a variant, which serde takes to be in Pascal case already.
    pub(super) fn variant(self, name: &str) -> String {
        match self {
            Self::Pascal => name.to_owned(),
            Self::Lower => name.to_ascii_lowercase(),
            Self::Upper => name.to_ascii_uppercase(),
            Self::Camel => with_small_initial(name),
            Self::Snake => with_underscores(name).to_ascii_lowercase(),
            Self::ScreamingSnake => with_underscores(name).to_ascii_uppercase(),
            Self::Kebab => Self::Snake.variant(name).replace('_', "-"),
            Self::ScreamingKebab => Self::ScreamingSnake.variant(name).replace('_', "-"),
        }
    }
}

/// Each word with a capital initial, one after the other.
fn without_underscores(name: &str) -> String {
    name.split('_').map(with_capital_initial).collect()
}

/// An underscore before every capital but the first character.
fn with_underscores(name: &str) -> String {
    let mut words = String::new();
    for (place, character) in name.chars().enumerate() {
        if place > 0 && character.is_uppercase() {
            words.push('_');
        }
        words.push(character);
    }
    words
}

fn with_capital_initial(word: &str) -> String {
    with_initial(word, |initial| initial.to_ascii_uppercase())
}

fn with_small_initial(word: &str) -> String {
    with_initial(word, |initial| initial.to_ascii_lowercase())
}

fn with_initial(word: &str, change: impl Fn(char) -> char) -> String {
    let mut characters = word.chars();
    characters
        .next()
        .map(change)
        .into_iter()
        .chain(characters)
        .collect()
}
