//! The default window code: a path down a tree of values.
//!
//! Invariant: a node has the values `low ..= low + span`. `low` means that the text ends here. The `span` values above
//! it are divided among the 256 next bytes, in byte order, by frequency; those left over also mean that the text ends
//! here, but no encoder produces them. So every value stands for exactly one text.

use super::WindowBits;
use super::apportion::Shares;
use crate::frequencies::Frequencies;

/// From this span on, values are shared in whole multiples of `span / 2^16`: what that wastes is negligible.
const WIDE: u128 = 1 << 32;

/// The encoder's place in the tree.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    low: u128,
    span: u128,
}

impl Node {
    pub(crate) const fn root(bits: WindowBits) -> Self {
        Self { low: 0, span: bits.largest() }
    }

    /// A node of which nothing but the span matters.
    pub(super) fn of_span(span: u128) -> Self {
        Self { low: 0, span }
    }

    pub(crate) fn low(&self) -> u128 {
        self.low
    }

    /// The number of values above its own.
    pub(super) fn span(&self) -> u128 {
        self.span
    }

    /// Whether no byte can follow, whatever the frequencies.
    pub(crate) fn is_leaf(&self) -> bool {
        self.span == 0
    }

    /// The node after `byte`, if it has a value of its own.
    pub(crate) fn child(&self, frequencies: &Frequencies, byte: u8) -> Option<Self> {
        let (start, values) = if self.span >= WIDE {
            let unit = self.span >> Frequencies::BITS;
            (unit * u128::from(frequencies.start(byte)), unit * u128::from(frequencies.count(byte)))
        } else if Shares::is_none(frequencies.count(byte), self.span as u32) {
            return None;
        } else {
            let (start, values) = Shares::new(frequencies, self.span as u32).of(byte);
            (u128::from(start), u128::from(values))
        };
        Some(Self { low: self.low + 1 + start, span: values.checked_sub(1)? })
    }
}

/// The decoder's place in the tree: the distance of the value from the node's `low`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Position {
    /// At most `span`.
    offset: u128,
    span: u128,
    left_over: bool,
}

impl Position {
    pub(super) fn root(bits: WindowBits, value: u128) -> Self {
        Self { offset: value, span: bits.largest(), left_over: false }
    }

    pub(super) fn is_end(&self) -> bool {
        self.offset == 0 || self.left_over
    }

    pub(super) fn is_canonical_end(&self) -> bool {
        self.offset == 0
    }

    /// Moves to the child that contains the value and returns its byte. `None` if the text ends here.
    pub(super) fn descend(&mut self, frequencies: &Frequencies) -> Option<u8> {
        let offset = self.offset.checked_sub(1)?;
        let found = if self.span >= WIDE {
            let unit = self.span >> Frequencies::BITS;
            let byte = frequencies.last_where(|start| unit * u128::from(start) <= offset);
            let start = unit * u128::from(frequencies.start(byte));
            let values = unit * u128::from(frequencies.count(byte));
            (offset - start < values).then_some((byte, start, values))
        } else {
            Shares::new(frequencies, self.span as u32)
                .find(offset as u32)
                .map(|(byte, start, values)| (byte, u128::from(start), u128::from(values)))
        };
        let Some((byte, start, values)) = found else {
            self.left_over = true;
            return None;
        };
        *self = Self { offset: offset - start, span: values - 1, left_over: false };
        Some(byte)
    }
}
