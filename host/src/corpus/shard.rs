//! [`Shard`] `i/n`: the part of a corpus that one of `n` processes reads.

use std::str::FromStr;

/// Part `index` of `count`; the parts are disjoint and together make up the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    index: usize,
    count: usize,
}

impl Shard {
    /// The number of parts.
    pub fn count(self) -> usize {
        self.count
    }

    /// Whether item `number` of a sequence belongs to this part.
    pub fn takes(self, number: usize) -> bool {
        number % self.count == self.index
    }

    /// The items of this part.
    pub fn select<T>(self, items: impl Iterator<Item = T>) -> impl Iterator<Item = T> {
        items.skip(self.index).step_by(self.count)
    }
}

impl std::fmt::Display for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (index, count) = text.split_once('/')?;
            Some(Self { index: index.parse().ok()?, count: count.parse().ok()? })
        };
        parse().filter(|shard| shard.index < shard.count).ok_or_else(|| {
            format!("expected i/n with 0 <= i < n, such as 0/4 for the first of four parts; found '{text}'")
        })
    }
}
