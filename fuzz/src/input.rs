//! Bytes, taken from the left.

/// What is left of an input. At its end every choice is the first one, so no input is
/// too short.
pub(crate) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self(data)
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    /// One of a few. Digits choose what they say, so that seeds can be read.
    pub(crate) fn choose<T: Copy>(&mut self, among: &[T]) -> T {
        let byte = usize::from(self.byte());
        let digit = byte.wrapping_sub(usize::from(b'0'));
        among[if digit < 10 { digit } else { byte } % among.len()]
    }

    /// A number below 65 536.
    pub(crate) fn number(&mut self) -> usize {
        usize::from(self.byte()) << 8 | usize::from(self.byte())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }

    /// The rest as text, if it is text.
    pub(crate) fn text(self) -> Option<&'a str> {
        str::from_utf8(self.0).ok()
    }
}
