//! Walks down the tree of texts: towards a code, or along a text.
//!
//! Invariant: a step goes from a node to one of the codes below it and never back, so a walk ends whatever the table
//! contains. Both walks visit siblings one by one, except at the root, whose 256 children have a table of their own.

use super::image::{Below, Lexicon};

/// The text of a code, byte by byte.
#[derive(Clone, Debug)]
pub struct CodeText<'l, 'a> {
    lexicon: &'l Lexicon<'a>,
    code: u16,
    /// The node of the bytes so far: `code`, or above it.
    node: u16,
    left_over: bool,
}

impl CodeText<'_, '_> {
    /// Whether the text has ended as an encoder ends it. Left over codes, which no encoder produces, decode too, to a
    /// text whose canonical code is a different one.
    pub fn is_canonical(&self) -> bool {
        self.node == self.code
    }
}

impl Iterator for CodeText<'_, '_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        if self.node == self.code || self.left_over {
            return None;
        }
        match self.lexicon.child_above(self.node, self.code) {
            Some(child) => {
                self.node = child;
                Some(self.lexicon.byte(child))
            }
            None => {
                self.left_over = true;
                None
            }
        }
    }
}

impl core::iter::FusedIterator for CodeText<'_, '_> {}

impl<'a> Lexicon<'a> {
    /// An iterator over the text of a code. Every code has one.
    pub fn text<'l>(&'l self, code: u16) -> CodeText<'l, 'a> {
        CodeText { lexicon: self, code, node: 0, left_over: false }
    }

    /// The length of a code's text in bytes.
    pub fn text_length(&self, code: u16) -> usize {
        self.text(code).count()
    }

    /// Passes the text of a code to `out` byte by byte, and returns whether the code is
    /// [canonical](CodeText::is_canonical).
    pub fn decode(&self, code: u16, mut out: impl FnMut(u8)) -> bool {
        let mut text = self.text(code);
        for byte in &mut text {
            out(byte);
        }
        text.is_canonical()
    }

    /// The code of the longest text that `text` begins with, and its length, which is at least 1 unless `text` is
    /// empty.
    pub fn encode(&self, text: &[u8]) -> (u16, usize) {
        self.beginnings(text).fold((0, 0), |(_, taken), code| (code, taken + 1))
    }

    /// The codes of the first byte of `text`, of its first two bytes, and so on, as long as there is a code.
    pub fn beginnings(&self, text: &[u8]) -> impl Iterator<Item = u16> {
        let (mut node, mut end) = (0, u16::MAX);
        text.iter().map_while(move |&byte| {
            (node, end) = self.child(node, end, byte)?;
            Some(node)
        })
    }

    /// The child of `node` that is `code` or above it, for a code below `node`. `None` if the code is left over.
    fn child_above(&self, node: u16, code: u16) -> Option<u16> {
        let mut child = if node == 0 { self.start_at_or_before(code) } else { node.checked_add(1)? };
        loop {
            let Below::Codes(size) = self.below(child) else { return None };
            // The loop ends even if the table is not a tree, as `child` only grows.
            let distance = code.checked_sub(child)?;
            if distance <= size {
                return Some(child);
            }
            child = child.checked_add(size)?.checked_add(1)?;
        }
    }

    /// The child of `node` for `byte`, and the last code below it; `end` is the last code below `node`.
    fn child(&self, node: u16, end: u16, byte: u8) -> Option<(u16, u16)> {
        let mut child = if node == 0 { self.start(byte) } else { node.checked_add(1)? };
        while child <= end {
            let Below::Codes(size) = self.below(child) else { return None };
            let last = child.checked_add(size)?;
            let found = self.byte(child);
            if found >= byte {
                return (found == byte).then_some((child, last));
            }
            child = last.checked_add(1)?;
        }
        None
    }
}
