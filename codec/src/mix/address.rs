//! [`Address`]: relative addresses in x86 machine code, as absolute ones.
//!
//! Calls of one function from two places differ in the four bytes of the operand, which is relative to its own end; the
//! address that they mean is the same. Invariant: state depends on the bytes so far alone, text or code; what looks
//! like an operand in a text costs nothing but one context's opinion.

use super::text::{Text, join, spread};

/// Follows operands of calls, jumps, and accesses relative to the instruction.
#[derive(Clone, Copy, Debug, Default)]
pub struct Address {
    /// Bytes of the operand to come.
    left: u32,
    /// The bytes of the operand's end that are not yet added, with the carry; the next one lowest.
    end: u32,
    /// The last byte of the instruction and those of the absolute address so far, the last one lowest.
    absolute: u32,
}

impl Address {
    /// Bytes of an operand.
    const LENGTH: u32 = 4;

    /// Takes the byte that `text` ends with.
    #[inline]
    pub fn push(&mut self, text: &Text) {
        let (byte, before) = (text.last & 0xff, text.last >> 8 & 0xff);
        if self.left > 0 {
            let sum = byte + (self.end & 0xff);
            self.left -= 1;
            self.end = (self.end >> 8) + (sum >> 8);
            self.absolute = self.absolute << 8 | sum & 0xff;
        } else if byte & 0xfe == 0xe8
            || before == 0x0f && byte & 0xf0 == 0x80
            || byte & 0xc7 == 0x05 && (before | 6 == 0x8f || before == 0xff)
        {
            *self = Self { left: Self::LENGTH, end: text.position.wrapping_add(Self::LENGTH), absolute: byte };
        }
    }

    /// What makes of the next byte, modulo 256, that of the absolute address; 0 outside operands.
    #[inline]
    pub fn shift(&self) -> u32 {
        if self.left > 0 { self.end & 0xff } else { 0 }
    }

    /// The context of the next byte within an operand.
    #[inline]
    pub fn hash(&self, text: &Text) -> Option<u32> {
        match self.left {
            0 => None,
            Self::LENGTH => Some(spread(join(20, text.last))),
            left => Some(spread(join(20 + left, self.absolute))),
        }
    }
}
