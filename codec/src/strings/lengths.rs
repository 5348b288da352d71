//! [`Lengths`]: Rice codes of small numbers.
//!
//! Invariant: reading ends at the end of the bytes, whatever they hold.

/// Reads numbers in the order in which they were written.
///
/// A number `n` with parameter `k` is `n >> k` in unary, ones and a zero behind them, then the lowest `k` bits of `n`;
/// the first bit of a byte is its highest. (Rice and Plaunt, "Adaptive variable-length coding for efficient compression
/// of spacecraft television data", 1971.)
#[derive(Clone, Debug)]
pub struct Lengths<'a> {
    bytes: core::slice::Iter<'a, u8>,
    /// What is left of the byte at hand, its next bit highest.
    byte: u8,
    left: u8,
    parameter: u8,
}

impl<'a> Lengths<'a> {
    /// The largest parameter.
    pub const LARGEST_PARAMETER: u8 = 15;

    /// The numbers in `index` with a parameter of at most [`Self::LARGEST_PARAMETER`].
    pub fn new(index: &'a [u8], parameter: u8) -> Self {
        Self { bytes: index.iter(), byte: 0, left: 0, parameter }
    }

    fn bit(&mut self) -> Option<bool> {
        if self.left == 0 {
            (self.byte, self.left) = (*self.bytes.next()?, 8);
        }
        let bit = self.byte >= 0x80;
        self.byte <<= 1;
        self.left -= 1;
        Some(bit)
    }

    /// Whether nothing is left but zeros that fill the last byte.
    pub fn is_at_end(&self) -> bool {
        self.bytes.as_slice().is_empty() && self.byte == 0
    }
}

impl Iterator for Lengths<'_> {
    type Item = u32;

    /// The next number, less than 2^32; `None` at the end of the bytes.
    fn next(&mut self) -> Option<u32> {
        let mut number = 0u32;
        while self.bit()? {
            number = number.saturating_add(1);
        }
        for _ in 0..self.parameter {
            number = number.saturating_mul(2).saturating_add(self.bit()?.into());
        }
        Some(number)
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
