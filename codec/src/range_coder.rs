//! Range coder for unbounded streams (methods AC and StaticAC; `docs/range-coder.md`).
//!
//! Invariant, of encoder and decoder alike: the text so far is the interval `[low, low + range)` of 64-bit fractions,
//! written from the top byte down, and `range >= 2^56` before every byte. A byte narrows it to
//! `unit * start .. unit * end` with `unit = range >> 16 >= 2^40`, so rounding costs less than 2^-40 of a bit a byte.

use crate::frequencies::Frequencies;

/// Below this the interval is scaled up by a byte.
const SMALLEST_RANGE: u64 = 1 << 56;

/// The whole interval. One short of 2^64, so that it fits.
const WHOLE: u64 = u64::MAX;

/// Writes one code string into the caller's buffer.
#[derive(Debug)]
pub struct RangeEncoder<'a> {
    output: &'a mut [u8],
    length: usize,
    overflow: bool,
    low: u64,
    range: u64,
}

impl<'a> RangeEncoder<'a> {
    /// An encoder of the empty text. A buffer too small is noticed by [`Self::finish`].
    pub fn new(output: &'a mut [u8]) -> Self {
        Self { output, length: 0, overflow: false, low: 0, range: WHOLE }
    }

    /// Appends a byte, given what the model said about it.
    pub fn encode(&mut self, frequencies: &Frequencies, byte: u8) {
        let unit = self.range >> Frequencies::BITS;
        self.advance(unit * u64::from(frequencies.start(byte)));
        self.range = unit * u64::from(frequencies.count(byte));
        while self.range < SMALLEST_RANGE {
            self.write_top_byte();
            self.range <<= 8;
        }
    }

    /// Bytes written so far: a lower bound of the final length, up to zeros at the end.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Whether the buffer turned out too small, so that the rest need not be encoded.
    pub fn is_overflowing(&self) -> bool {
        self.overflow
    }

    /// Writes the end of the shortest code string, which is read as if zeros followed it, and returns its length.
    /// `None`: the buffer is too small.
    pub fn finish(mut self) -> Option<usize> {
        // Round `low` up to fewer and fewer bytes; none at all means 0, or a carry into what is already written.
        let low = u128::from(self.low);
        let last = low + u128::from(self.range - 1);
        let (mut kept, mut value) = (0, if low == 0 { 0 } else { 1 << 64 });
        while value > last {
            kept += 1;
            let dropped = (1u128 << (64 - 8 * kept)) - 1;
            value = (low + dropped) & !dropped;
        }
        self.advance((value - low) as u64);
        for _ in 0..kept {
            self.write_top_byte();
        }
        let written = self.output.get(..self.length)?;
        let zeros = written.iter().rev().take_while(|&&byte| byte == 0).count();
        if self.overflow { None } else { Some(self.length - zeros) }
    }

    /// Adds to `low`, carrying into the bytes already written.
    fn advance(&mut self, distance: u64) {
        let carry;
        (self.low, carry) = self.low.overflowing_add(distance);
        if carry {
            // The code stays below 1, so some byte takes the carry.
            for byte in self.output.iter_mut().take(self.length).rev() {
                let full;
                (*byte, full) = byte.overflowing_add(1);
                if !full {
                    break;
                }
            }
        }
    }

    fn write_top_byte(&mut self) {
        match self.output.get_mut(self.length) {
            Some(place) => {
                *place = (self.low >> 56) as u8;
                self.length += 1;
            }
            None => self.overflow = true,
        }
        self.low <<= 8;
    }
}

/// Reads a code string that arrives in pieces of any size.
///
/// Before each byte of text, feed code bytes while [`Self::wants_input`]; after the end of the code string, feed
/// zeros. The length of the text is known from elsewhere.
#[derive(Clone, Debug)]
pub struct RangeDecoder {
    /// The code read so far less `low`: below `range`, unless the code string is damaged.
    distance: u64,
    range: u64,
    /// Bytes of `distance` still to be read.
    missing: u8,
}

impl RangeDecoder {
    /// A decoder before its first code byte.
    pub fn new() -> Self {
        Self { distance: 0, range: WHOLE, missing: 8 }
    }

    /// Whether a code byte is needed before the next byte of text.
    pub fn wants_input(&self) -> bool {
        self.missing > 0
    }

    /// How many code bytes are needed before the next byte of text.
    pub(crate) fn missing(&self) -> u32 {
        u32::from(self.missing)
    }

    /// Takes the next code byte; ignored unless one is wanted.
    pub fn feed(&mut self, code: u8) {
        if let Some(missing) = self.missing.checked_sub(1) {
            self.missing = missing;
            self.distance = (self.distance << 8) | u64::from(code);
        }
    }

    /// The next byte of text, given what the model says about it; only when no input is wanted. `None`: no text has
    /// this code.
    pub fn decode(&mut self, frequencies: &Frequencies) -> Option<u8> {
        if self.missing > 0 {
            return None;
        }
        let unit = self.range >> Frequencies::BITS;
        let byte = frequencies.last_where(|start| unit * u64::from(start) <= self.distance);
        let distance = self.distance - unit * u64::from(frequencies.start(byte));
        let range = unit * u64::from(frequencies.count(byte));
        if distance >= range {
            return None;
        }
        (self.distance, self.range) = (distance, range);
        while self.range < SMALLEST_RANGE {
            self.range <<= 8;
            self.missing += 1;
        }
        Some(byte)
    }
}

impl Default for RangeDecoder {
    fn default() -> Self {
        Self::new()
    }
}
