//! The pattern of a route, such as `/items/{item_id}`.

/// A piece of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Stands in the path as it is.
    Text(String),
    /// A parameter of this name.
    Parameter(String),
}

/// Takes a pattern apart. The regular expression of a parameter, behind its name, may
/// hold braces itself.
pub(crate) fn pieces(pattern: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut depth = 0_usize;
    for character in pattern.chars() {
        match (character, depth) {
            ('{', 0) => {
                pieces.push(Piece::Text(std::mem::take(&mut text)));
                depth = 1;
            }
            ('}', 1) => {
                let name = std::mem::take(&mut text);
                let name = name.split(':').next().unwrap_or_default().trim();
                pieces.push(Piece::Parameter(name.to_owned()));
                depth = 0;
            }
            // `{tail}*` is the old way to write `{tail:.*}`.
            ('*', 0) => {}
            (other, _) => {
                match other {
                    '{' => depth += 1,
                    '}' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                text.push(other);
            }
        }
    }
    pieces.push(Piece::Text(text));
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_taken_apart_at_its_parameters() {
        let text = |text: &str| Piece::Text(text.to_owned());
        let parameter = |name: &str| Piece::Parameter(name.to_owned());
        assert_eq!(
            pieces(r"/a/{id:\d{1,3}}/b{tail}*"),
            [
                text("/a/"),
                parameter("id"),
                text("/b"),
                parameter("tail"),
                text("")
            ]
        );
        assert_eq!(pieces("/"), [text("/")]);
    }
}
