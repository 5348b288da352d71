//! What decompression gave, and what damage cost.

use std::ops::Range;

use equalinfo_codec::container::DecodeError;

/// What a file of one or more streams held.
#[derive(Debug, Default)]
pub struct Restored {
    /// Bytes of text delivered.
    pub text: u64,
    /// Bytes of input.
    pub stream: u64,
    /// What was not delivered.
    pub losses: Vec<Loss>,
}

/// Damage, and the text that it cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// The blocks that are missing; empty when all text was delivered all the same.
    pub blocks: Range<u32>,
    /// Where their text begins in the whole, if that is known.
    pub text_offset: Option<u64>,
    /// Bytes of text that are missing, if that is known.
    pub length: Option<u64>,
    /// Whether the input ended before the stream did, so that any number of blocks may have followed.
    pub is_open: bool,
    /// What was found.
    pub cause: DecodeError,
}

impl Loss {
    /// What is lost and why, with numbers written as `number` does.
    pub fn in_words(&self, number: impl Fn(u64) -> String) -> String {
        let cause = self.cause;
        let blocks = match self.blocks.len() {
            0 if self.is_open => return format!("cut short, so the rest may be missing: {cause}"),
            0 if self.length == Some(0) => return format!("damaged, but no text is missing here: {cause}"),
            0 => return format!("damaged, and text may be missing here: {cause}"),
            1 => format!("block {} is lost", self.blocks.start),
            _ => format!("blocks {} to {} are lost", self.blocks.start, self.blocks.end - 1),
        };
        let and_more = if self.is_open { ", and any that followed" } else { "" };
        let known = |value: Option<u64>| value.map_or_else(|| "unknown".to_owned(), &number);
        format!("{blocks}{and_more} (text offset {}, length {}): {cause}", known(self.text_offset), known(self.length))
    }
}

impl std::fmt::Display for Loss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.in_words(|value| value.to_string()))
    }
}
