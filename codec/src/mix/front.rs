//! [`Front`]: the model in front of the tables, if there is one.

use crate::byte_model::ByteModel;
use crate::frequencies::Frequencies;

/// A [`ByteModel`], or [`Alone`].
pub trait Front {
    /// Whether it has opinions.
    const SPEAKS: bool;

    /// Forgets every byte.
    fn reset(&mut self);

    /// What follows the bytes pushed so far.
    fn frequencies(&mut self) -> &Frequencies;

    /// Appends a byte to the context.
    fn push(&mut self, byte: u8);
}

/// No model: the tables are on their own.
#[derive(Clone, Copy, Debug, Default)]
pub struct Alone;

impl Front for Alone {
    const SPEAKS: bool = false;

    fn reset(&mut self) {}

    fn frequencies(&mut self) -> &Frequencies {
        static NOTHING: Frequencies = Frequencies::uniform();
        &NOTHING
    }

    fn push(&mut self, _byte: u8) {}
}

impl<M: ByteModel> Front for M {
    const SPEAKS: bool = true;

    fn reset(&mut self) {
        ByteModel::reset(self);
    }

    fn frequencies(&mut self) -> &Frequencies {
        ByteModel::frequencies(self)
    }

    fn push(&mut self, byte: u8) {
        ByteModel::push(self, byte);
    }
}

/// The probability that the next bit is 1, given the bits of the byte so far after a leading 1: the share of the upper
/// half of the bytes that begin so.
#[inline]
pub fn share(frequencies: &Frequencies, partial: u32) -> u32 {
    let free = partial.leading_zeros().saturating_sub(23).min(8);
    let first = (partial << free) as u8;
    let (upper, rest) = ((1u32 << free >> 1) as u8, ((1u32 << free) - 1) as u8);
    let (low, middle, high) =
        (frequencies.start(first), frequencies.start(first | upper), frequencies.end(first | rest));
    ((high - middle) << 16).checked_div(high - low).unwrap_or(1 << 15)
}
