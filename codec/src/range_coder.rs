//! The range coder, for texts of any length (methods `ac` and `static-ac`; `docs/range-coder.md`).
//!
//! Invariant of both encoder and decoder: the text so far is the interval `[low, low + range)` of 64-bit fractions,
//! written from the top byte down, and `range >= 2^56` before every byte. A byte narrows the interval to
//! `unit * start .. unit * end` with `unit = range >> 16 >= 2^40`, so rounding costs less than 2^-40 bits per byte.
//! Symbols of larger alphabets do so with `unit = range >> 32 >= 2^24`.
//!
//! ```
//! use equalinfo_codec::{Frequencies, RangeDecoder, RangeEncoder};
//!
//! let mut histogram = [0; 256];
//! histogram[usize::from(b'a')] = 3;
//! histogram[usize::from(b'b')] = 1;
//! let frequencies = Frequencies::from_histogram(&histogram);
//!
//! let mut code = [0; 16];
//! let mut encoder = RangeEncoder::new(&mut code);
//! b"aababaaa".iter().for_each(|&byte| encoder.encode(&frequencies, byte));
//! let length = encoder.finish().expect("it fits");
//! assert_eq!(length, 1);
//!
//! let mut decoder = RangeDecoder::new();
//! let mut code = code[..length].iter();
//! let mut text = Vec::new();
//! while text.len() < 8 {
//!     while decoder.wants_input() {
//!         decoder.feed(*code.next().unwrap_or(&0));
//!     }
//!     text.push(decoder.decode(&frequencies).expect("intact"));
//! }
//! assert_eq!(text, b"aababaaa");
//! ```

use crate::frequencies::Frequencies;

/// A smaller interval is scaled up by a byte.
const SMALLEST_RANGE: u64 = 1 << 56;

/// The binary logarithm of [`WIDE_TOTAL`].
const WIDE_BITS: u32 = 32;

/// The sum of all counts of an alphabet of any size: [`RangeEncoder::encode_wide`].
pub const WIDE_TOTAL: u64 = 1 << WIDE_BITS;

/// The whole interval: one less than 2^64, so that it fits 64 bits.
const WHOLE: u64 = u64::MAX;

/// The end of the shortest code string in an interval, modulo 2^64, and its bytes.
fn shortest(low: u64, range: u64) -> (u64, u32) {
    // `low`, rounded up to as few bytes as possible. No byte at all means 0, or a carry into those already written.
    let low = u128::from(low);
    let last = low + u128::from(range - 1);
    let (mut kept, mut value) = (0, if low == 0 { 0 } else { 1 << 64 });
    while value > last {
        kept += 1;
        let dropped = (1u128 << (64 - 8 * kept)) - 1;
        value = (low + dropped) & !dropped;
    }
    (value as u64, kept)
}

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
    /// An encoder of the empty text. If the buffer turns out to be too small, [`Self::finish`] says so.
    pub fn new(output: &'a mut [u8]) -> Self {
        Self { output, length: 0, overflow: false, low: 0, range: WHOLE }
    }

    /// Appends a byte, given the model's frequencies for it.
    pub fn encode(&mut self, frequencies: &Frequencies, byte: u8) {
        let unit = self.range >> Frequencies::BITS;
        self.narrow(unit, frequencies.start(byte), frequencies.count(byte));
    }

    /// Appends a symbol of any alphabet, given its interval: `count`, at least 1, of [`WIDE_TOTAL`] from `start` on.
    pub fn encode_wide(&mut self, start: u32, count: u32) {
        self.narrow(self.range >> WIDE_BITS, start, count.max(1));
    }

    #[inline]
    fn narrow(&mut self, unit: u64, start: u32, count: u32) {
        self.advance(unit * u64::from(start));
        self.range = unit * u64::from(count);
        while self.range < SMALLEST_RANGE {
            self.write_top_byte();
            self.range <<= 8;
        }
    }

    /// Bytes written so far: a lower bound of the final length, except for zeros at the end, which are dropped.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Whether the buffer has turned out to be too small, so that the rest need not be encoded.
    pub fn is_overflowing(&self) -> bool {
        self.overflow
    }

    /// Writes the end of the shortest code string, after which a decoder assumes zeros, and returns its length. `None`
    /// if the buffer is too small.
    pub fn finish(mut self) -> Option<usize> {
        let (value, kept) = shortest(self.low, self.range);
        self.advance(value.wrapping_sub(self.low));
        for _ in 0..kept {
            self.write_top_byte();
        }
        let written = self.output.get(..self.length)?;
        let zeros = written.iter().rev().take_while(|&&byte| byte == 0).count();
        if self.overflow { None } else { Some(self.length - zeros) }
    }

    /// Adds to `low`, and carries into the bytes already written.
    fn advance(&mut self, distance: u64) {
        let carry;
        (self.low, carry) = self.low.overflowing_add(distance);
        if carry {
            // The code is below 1, so some byte absorbs the carry.
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

/// Decodes a code string that arrives in pieces of any size.
///
/// Before each byte of text, feed bytes of code while [`Self::wants_input`] is true; after the end of the code string,
/// feed zeros. The length of the text must be known from elsewhere.
#[derive(Clone, Debug)]
pub struct RangeDecoder {
    /// The code read so far, minus `low`: below `range`, unless the code string is damaged.
    distance: u64,
    range: u64,
    /// The newest eight bytes of the code.
    newest: u64,
    /// Bytes of `distance` that have not been read yet.
    missing: u8,
}

impl RangeDecoder {
    /// A decoder that has read no code yet.
    pub fn new() -> Self {
        Self { distance: 0, range: WHOLE, newest: 0, missing: 8 }
    }

    /// Whether a byte of code is needed before the next byte of text.
    pub fn wants_input(&self) -> bool {
        self.missing > 0
    }

    /// Whether an encoder would have ended the code so, once the text is complete and no input is wanted.
    pub fn is_canonical(&self) -> bool {
        let low = self.newest.wrapping_sub(self.distance);
        shortest(low, self.range).0 == self.newest
    }

    /// Takes the next byte of code, or ignores it if none is wanted.
    pub fn feed(&mut self, code: u8) {
        if let Some(missing) = self.missing.checked_sub(1) {
            self.missing = missing;
            self.distance = (self.distance << 8) | u64::from(code);
            self.newest = (self.newest << 8) | u64::from(code);
        }
    }

    /// The next byte of text, given the model's frequencies for it. `None` if input is wanted, or if no text has this
    /// code: then it is damaged, or the model is not the right one.
    pub fn decode(&mut self, frequencies: &Frequencies) -> Option<u8> {
        if self.missing > 0 {
            return None;
        }
        let unit = self.range >> Frequencies::BITS;
        let byte = frequencies.last_where(|start| unit * u64::from(start) <= self.distance);
        self.narrow(unit, frequencies.start(byte), frequencies.count(byte))?;
        Some(byte)
    }

    /// The next symbol of any alphabet, which [`RangeEncoder::encode_wide`] encoded. `find` gets a number below
    /// [`WIDE_TOTAL`] and returns the symbol whose interval holds it, with the interval's start and count. `None` as for
    /// [`Self::decode`], or if `find` has none.
    pub fn decode_wide<T>(&mut self, find: impl FnOnce(u32) -> Option<(T, u32, u32)>) -> Option<T> {
        if self.missing > 0 {
            return None;
        }
        let unit = self.range >> WIDE_BITS;
        let (symbol, start, count) = find(u32::try_from(self.distance.checked_div(unit)?).ok()?)?;
        self.narrow(unit, start, count)?;
        Some(symbol)
    }

    #[inline]
    fn narrow(&mut self, unit: u64, start: u32, count: u32) -> Option<()> {
        let distance = self.distance.checked_sub(unit * u64::from(start))?;
        let range = unit * u64::from(count);
        if distance >= range {
            return None;
        }
        (self.distance, self.range) = (distance, range);
        while self.range < SMALLEST_RANGE {
            self.range <<= 8;
            self.missing += 1;
        }
        Some(())
    }
}

impl Default for RangeDecoder {
    fn default() -> Self {
        Self::new()
    }
}
