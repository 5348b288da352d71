//! [`Lengths`]: Rice codes of small numbers.
//!
//! Invariant: reading ends at the end of the bytes, whatever they hold.

use core::convert::Infallible;

/// Reads numbers in the order in which they were written.
///
/// A number `n` with parameter `k` is `n >> k` in unary, ones and a zero behind them, then the lowest `k` bits of `n`;
/// the first bit of a byte is its highest. (Rice and Plaunt, "Adaptive variable-length coding for efficient compression
/// of spacecraft television data", 1971.)
#[derive(Clone, Debug)]
pub struct Lengths<'a> {
    bytes: core::slice::Iter<'a, u8>,
    bits: Bits,
}

impl<'a> Lengths<'a> {
    /// The largest parameter.
    pub const LARGEST_PARAMETER: u8 = 15;

    /// The numbers in `index` with a parameter of at most [`Self::LARGEST_PARAMETER`].
    pub fn new(index: &'a [u8], parameter: u8) -> Self {
        Self { bytes: index.iter(), bits: Bits::new(parameter) }
    }

    /// Whether nothing is left but zeros that fill the last byte.
    pub fn is_at_end(&self) -> bool {
        self.bytes.as_slice().is_empty() && self.bits.are_zeros()
    }
}

impl Iterator for Lengths<'_> {
    type Item = u32;

    /// The next number, less than 2^32; `None` at the end of the bytes.
    fn next(&mut self) -> Option<u32> {
        let Ok(number) = self.bits.number(&mut || Ok::<_, Infallible>(self.bytes.next().copied()));
        number
    }
}

/// What is left of a byte, and the numbers that begin with it.
#[derive(Clone, Debug)]
pub(super) struct Bits {
    /// The next bit is the highest.
    byte: u8,
    left: u8,
    parameter: u8,
}

impl Bits {
    pub fn new(parameter: u8) -> Self {
        Self { byte: 0, left: 0, parameter }
    }

    /// Whether what is left of the byte is zeros.
    pub fn are_zeros(&self) -> bool {
        self.byte == 0
    }

    fn bit<E>(&mut self, next: &mut impl FnMut() -> Result<Option<u8>, E>) -> Result<Option<bool>, E> {
        if self.left == 0 {
            let Some(byte) = next()? else { return Ok(None) };
            (self.byte, self.left) = (byte, 8);
        }
        let bit = self.byte >= 0x80;
        self.byte <<= 1;
        self.left -= 1;
        Ok(Some(bit))
    }

    /// The next number, whose further bytes `next` gives; `None` at their end.
    pub fn number<E>(&mut self, next: &mut impl FnMut() -> Result<Option<u8>, E>) -> Result<Option<u32>, E> {
        let mut number = 0u32;
        loop {
            match self.bit(next)? {
                Some(true) => number = number.saturating_add(1),
                Some(false) => break,
                None => return Ok(None),
            }
        }
        for _ in 0..self.parameter {
            let Some(bit) = self.bit(next)? else { return Ok(None) };
            number = number.saturating_mul(2).saturating_add(bit.into());
        }
        Ok(Some(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn numbers_are_unary_and_binary() {
        // 5 = 1|01 and 0 = 0|00 with two bits in binary, 11 = 110|11.
        let lengths = Lengths::new(&[0b1001_0001, 0b1011_0000], 2);
        assert_eq!(lengths.clone().take(3).collect::<Vec<_>>(), [5, 0, 11]);
        let mut lengths = lengths;
        assert!(lengths.nth(2).is_some() && lengths.is_at_end());
    }

    #[test]
    fn ones_without_an_end_are_no_number() {
        assert_eq!(Lengths::new(&[0xff; 40], 0).next(), None);
        assert_eq!(Lengths::new(&[0x7f], 15).next(), None);
        assert_eq!(Lengths::new(&[], 0).next(), None);
    }
}
