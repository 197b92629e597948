//! Keeps docs/security.md true: the tests that it names exist, and so do the limits, with
//! the values that it tells, and the settings; and no requirement is met without a test.
//!
//! What a test shows is in the page's words, and nobody but a reader can check those.

use std::fs;
use std::path::Path;

use crate::{Result, root};

/// The page that is checked.
const PAGE: &str = "docs/security.md";
/// What the row of a requirement says that is met.
const MET: &str = "| yes |";
/// Where the settings are.
const SETTINGS: &str = "items-api/src/config/options.rs";

/// Fails if the page names what is not there.
pub(crate) fn check() -> Result {
    let page = fs::read_to_string(root().join(PAGE))?;
    let mistakes = mistakes(&root(), &page)?;
    if mistakes.is_empty() {
        Ok(())
    } else {
        Err(format!("{PAGE} is not true:\n  {}", mistakes.join("\n  ")).into())
    }
}

/// What the page says of the code: everything in backticks that has one of these forms.
#[derive(Debug, PartialEq, Eq)]
enum Claim<'p> {
    /// `path/to/file.rs::name` is a test, in this file.
    Test { path: &'p str, name: &'p str },
    /// `path/to/file.rs: NAME = value` is a constant, in this file.
    Constant {
        path: &'p str,
        name: &'p str,
        value: &'p str,
    },
    /// `ITEMS_API_…` is a setting.
    Setting(&'p str),
}

impl<'p> Claim<'p> {
    fn of(code: &'p str) -> Option<Self> {
        if code.starts_with("ITEMS_API_") {
            // An example may give it a value.
            return Some(Self::Setting(code.split('=').next().unwrap_or(code)));
        }
        if let Some((path, name)) = code.split_once(".rs::") {
            let path = code.get(..path.len() + 3)?;
            return Some(Self::Test { path, name });
        }
        let (path, constant) = code.split_once(".rs: ")?;
        let path = code.get(..path.len() + 3)?;
        let (name, value) = constant.split_once(" = ")?;
        Some(Self::Constant { path, name, value })
    }

    /// Whether the text of its file bears it out.
    fn holds(&self, text: &str) -> bool {
        match self {
            Self::Test { name, .. } => has_test(text, name),
            Self::Constant { name, value, .. } => constant(text, name) == Some(value),
            Self::Setting(name) => text.contains(&format!("\"{name}\"")),
        }
    }

    fn path(&self) -> &'p str {
        match self {
            Self::Test { path, .. } | Self::Constant { path, .. } => path,
            Self::Setting(_) => SETTINGS,
        }
    }
}

fn mistakes(root: &Path, page: &str) -> Result<Vec<String>> {
    let mut mistakes = Vec::new();
    let mut claims = 0;
    for code in page.split('`').skip(1).step_by(2) {
        let Some(claim) = Claim::of(code) else {
            continue;
        };
        claims += 1;
        match fs::read_to_string(root.join(claim.path())) {
            Ok(text) if claim.holds(&text) => {}
            Ok(_) => mistakes.push(format!("{} has no such thing: `{code}`", claim.path())),
            Err(error) => mistakes.push(format!("`{code}`: {error}")),
        }
    }
    if claims == 0 {
        return Err(format!("{PAGE} names nothing that could be checked").into());
    }
    let unshown = page
        .lines()
        .filter(|line| line.contains(MET) && !line.contains(".rs::"));
    mistakes.extend(unshown.map(|line| format!("no test shows this: {line}")));
    Ok(mistakes)
}

/// Whether there is a test with this name: a function with an attribute that ends in
/// `test` above it, or one of proptest's.
fn has_test(text: &str, name: &str) -> bool {
    let mut lines = text.lines().map(str::trim_start).scan("", |above, line| {
        Some((std::mem::replace(above, line), line))
    });
    lines.any(|(above, line)| {
        let declared = line.strip_prefix("async ").unwrap_or(line);
        let named = declared.strip_prefix("fn ");
        let is_it = named
            .and_then(|named| named.strip_prefix(name))
            .is_some_and(|rest| rest.starts_with('('));
        is_it && above.starts_with("#[") && above.ends_with("test]")
    })
}

/// What a constant is set to, as it is written.
fn constant<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let (_, declaration) = text.split_once(&format!("const {name}: "))?;
    let (_, value) = declaration.split_once(" = ")?;
    value.split(';').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_page_names_is_there() {
        check().unwrap();
    }

    #[test]
    fn what_is_not_there_is_a_mistake() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("items-api/src/config")).unwrap();
        fs::write(
            folder.path().join("a.rs"),
            "const LIMIT: usize = 4 * 1024;\n\
             #[actix_web::test]\nasync fn it_works() {}\n\
             fn helper() {}\n",
        )
        .unwrap();
        fs::write(folder.path().join(SETTINGS), "env = \"ITEMS_API_BIND\"\n").unwrap();
        let found = |page: &str| mistakes(folder.path(), page).unwrap();

        for true_page in [
            "`a.rs::it_works`",
            "`a.rs: LIMIT = 4 * 1024`",
            "`ITEMS_API_BIND`, as in `ITEMS_API_BIND=127.0.0.1:1`",
            "| 1 | yes | `a.rs::it_works` |",
            "| 2 | not yet | | `ITEMS_API_BIND`",
        ] {
            assert_eq!(found(true_page), Vec::<String>::new(), "{true_page}");
        }
        for untrue_page in [
            "`a.rs::it_wor`",
            "`a.rs::helper`",
            "`b.rs::it_works`",
            "`a.rs: LIMIT = 4 * 1000`",
            "`a.rs: OTHER = 1`",
            "`ITEMS_API_BIN`",
            "| 1 | yes | `ITEMS_API_BIND` |",
        ] {
            assert_eq!(found(untrue_page).len(), 1, "{untrue_page}");
        }
        assert!(mistakes(folder.path(), "nothing").is_err());
    }
}
