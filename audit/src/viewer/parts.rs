//! What the page consists of: one table of all files in `page/`.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// A file of the page.
pub(super) struct Part {
    name: &'static str,
    pub(super) media_type: &'static str,
    pub(super) content: &'static str,
}

macro_rules! parts {
    ($($name:literal: $media_type:expr,)*) => {
        &[$(Part {
            name: $name,
            media_type: $media_type,
            content: include_str!(concat!("page/", $name)),
        },)*]
    };
}

const HTML: &str = "text/html; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const IMAGE: &str = "image/svg+xml";

const PARTS: &[Part] = parts! {
    "api.js": SCRIPT,
    "base.css": STYLE,
    "diff.js": SCRIPT,
    "dom.js": SCRIPT,
    "failure.js": SCRIPT,
    "fields.js": SCRIPT,
    "filterbar.js": SCRIPT,
    "help.js": SCRIPT,
    "histogram.js": SCRIPT,
    "icon.svg": IMAGE,
    "index.html": HTML,
    "json.js": SCRIPT,
    "list.js": SCRIPT,
    "live.js": SCRIPT,
    "main.js": SCRIPT,
    "menu.js": SCRIPT,
    "nearby.js": SCRIPT,
    "outcome.js": SCRIPT,
    "panel.js": SCRIPT,
    "parts.css": STYLE,
    "payload.js": SCRIPT,
    "preferences.js": SCRIPT,
    "range.js": SCRIPT,
    "readable.js": SCRIPT,
    "saved.js": SCRIPT,
    "shortcuts.js": SCRIPT,
    "signin.js": SCRIPT,
    "state.js": SCRIPT,
    "suggestions.js": SCRIPT,
    "table.js": SCRIPT,
    "theme.js": SCRIPT,
    "time.js": SCRIPT,
    "toolbar.js": SCRIPT,
    "totals.js": SCRIPT,
};

/// The part of this name, if there is one.
pub(super) fn find(name: &str) -> Option<&'static Part> {
    PARTS.iter().find(|part| part.name == name)
}

impl Part {
    /// SHA-256 over the content, in hexadecimal.
    pub(super) fn digest(&self) -> String {
        let mut digest = String::with_capacity(64);
        for byte in Sha256::digest(self.content) {
            let _ = write!(digest, "{byte:02x}");
        }
        digest
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::ffi::OsStr;
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_file_of_the_page_is_served_as_what_it_is() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/viewer/page");
        let on_disk: BTreeMap<String, &str> = fs::read_dir(folder)
            .unwrap()
            .map(|file| {
                let path = file.unwrap().path();
                let media_type = match path.extension().and_then(OsStr::to_str).unwrap() {
                    "html" => HTML,
                    "css" => STYLE,
                    "js" => SCRIPT,
                    "svg" => IMAGE,
                    other => panic!("which media type is .{other}?"),
                };
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                (name, media_type)
            })
            .collect();
        let served = PARTS
            .iter()
            .map(|part| (part.name.to_owned(), part.media_type))
            .collect();
        assert_eq!(on_disk, served);
    }

    #[test]
    fn the_page_names_all_its_parts() {
        let page = find("index.html").unwrap().content;
        for part in PARTS.iter().filter(|part| part.name != "index.html") {
            let address = format!("\"/audit/ui/{}\"", part.name);
            assert_eq!(page.matches(&address).count(), 1, "{}", part.name);
        }
    }

    /// A page that takes a second on a slow line is one that people do not open.
    #[test]
    fn the_page_stays_light() {
        let bytes: usize = PARTS.iter().map(|part| part.content.len()).sum();
        assert!(bytes < 256 * 1024, "{bytes} bytes");
    }
}
