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
//! let mut code = &code[..length];
//! let mut text = Vec::new();
//! while text.len() < 8 {
//!     code = &code[decoder.feed_from(code)..];
//!     while decoder.wants_input() {
//!         decoder.feed(0);
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

/// A range of at least 2^41 as scaled up to 2^56, and the number of bytes by which: at most two. Large cores mispredict
/// a branch on it, so this has none.
#[cfg(target_pointer_width = "64")]
#[inline]
fn scaled_up(range: u64) -> (u64, u8) {
    if range < SMALLEST_RANGE >> 8 {
        (range << 16, 2)
    } else if range < SMALLEST_RANGE {
        (range << 8, 1)
    } else {
        (range, 0)
    }
}

/// A range of at least 2^41 as scaled up to 2^56, and the number of bytes by which: at most two.
#[cfg(not(target_pointer_width = "64"))]
#[inline]
fn scaled_up(mut range: u64) -> (u64, u8) {
    let mut bytes = 0;
    while range < SMALLEST_RANGE {
        range <<= 8;
        bytes += 1;
    }
    (range, bytes)
}

/// Writes one code string into the caller's buffer.
#[derive(Debug)]
pub struct RangeEncoder<'a> {
    output: &'a mut [u8],
    low: Low,
    range: u64,
}

impl<'a> RangeEncoder<'a> {
    /// An encoder of the empty text. If the buffer turns out to be too small, [`Self::finish`] says so.
    pub fn new(output: &'a mut [u8]) -> Self {
        Self { output, low: Low::default(), range: WHOLE }
    }

    /// Appends a byte, given the model's frequencies for it.
    #[cfg_attr(target_pointer_width = "64", inline)]
    pub fn encode(&mut self, frequencies: &Frequencies, byte: u8) {
        let unit = self.range >> Frequencies::BITS;
        let bytes;
        (self.range, bytes) = scaled_up(unit * u64::from(frequencies.count(byte)));
        self.low.step(self.output, unit * u64::from(frequencies.start(byte)), bytes);
    }

    /// Appends a symbol of any alphabet, given its interval: `count`, at least 1, of [`WIDE_TOTAL`] from `start` on.
    pub fn encode_wide(&mut self, start: u32, count: u32) {
        let unit = self.range >> WIDE_BITS;
        let (mut distance, mut range) = (unit * u64::from(start), unit * u64::from(count.max(1)));
        if range < SMALLEST_RANGE >> 16 {
            self.low.step(self.output, distance, 2);
            (distance, range) = (0, range << 16);
        }
        let bytes;
        (self.range, bytes) = scaled_up(range);
        self.low.step(self.output, distance, bytes);
    }

    /// Bytes written so far: a lower bound of the final length, except for zeros at the end, which are dropped.
    pub fn length(&self) -> usize {
        self.low.written
    }

    /// Whether the buffer has turned out to be too small, so that the rest need not be encoded.
    pub fn is_overflowing(&self) -> bool {
        self.low.overflow
    }

    /// Writes the end of the shortest code string, after which a decoder assumes zeros, and returns its length. `None`
    /// if the buffer is too small.
    pub fn finish(self) -> Option<usize> {
        let Self { output, mut low, range } = self;
        let (value, kept) = shortest(low.rest, range);
        low.advance(output, value.wrapping_sub(low.rest));
        for _ in 0..kept {
            low.write_top_byte(output);
        }
        let written = output.get(..low.written)?;
        let zeros = written.iter().rev().take_while(|&&byte| byte == 0).count();
        if low.overflow { None } else { Some(low.written - zeros) }
    }
}

/// The lower end of the interval: bytes in the caller's buffer, and 64 bits that follow them.
#[derive(Clone, Copy, Default, Debug)]
struct Low {
    rest: u64,
    /// The number of bytes in the buffer.
    written: usize,
    overflow: bool,
    /// The last eight of them.
    #[cfg(target_pointer_width = "64")]
    newest: u64,
}

impl Low {
    /// Adds `distance` and writes the top bytes, at most two.
    ///
    /// Their number and the carry are hard to predict, so there is no branch on either: the last eight bytes are kept in
    /// a register too, where a carry is one addition, and are all written anew.
    #[cfg(target_pointer_width = "64")]
    #[inline]
    fn step(&mut self, output: &mut [u8], distance: u64, bytes: u8) {
        let (rest, carry) = self.rest.overflowing_add(distance);
        let newest = self.newest.wrapping_add(u64::from(carry));
        // Two of the eight may lie before the place that is written.
        let carries_on = carry & (newest << 16 == 0);
        let end = self.written + usize::from(bytes);
        let place = end.checked_sub(8).and_then(|start| output.get_mut(start..end)?.first_chunk_mut());
        match place {
            Some(place) if !carries_on => {
                // Of less than 64 bits, so that it is one instruction.
                let shifted = (u128::from(newest) << 64 | u128::from(rest)) << ((8 * bytes) & 63);
                (self.newest, self.rest) = ((shifted >> 64) as u64, shifted as u64);
                self.written = end;
                *place = self.newest.to_be_bytes();
            }
            _ => *self = self.stepped(output, distance, bytes),
        }
    }

    /// What [`Self::step`] leads to at either end of the buffer, or if a carry goes far. By value, so that callers keep
    /// what they have in registers.
    #[cfg(target_pointer_width = "64")]
    #[cold]
    #[inline(never)]
    fn stepped(mut self, output: &mut [u8], distance: u64, bytes: u8) -> Self {
        self.advance(output, distance);
        (0..bytes).for_each(|_| self.write_top_byte(output));
        self
    }

    /// Adds `distance` and writes the top bytes, at most two.
    #[cfg(not(target_pointer_width = "64"))]
    #[inline]
    fn step(&mut self, output: &mut [u8], distance: u64, bytes: u8) {
        self.advance(output, distance);
        (0..bytes).for_each(|_| self.write_top_byte(output));
    }

    /// Adds `distance`, and carries into the bytes already written.
    fn advance(&mut self, output: &mut [u8], distance: u64) {
        let carry;
        (self.rest, carry) = self.rest.overflowing_add(distance);
        if carry {
            #[cfg(target_pointer_width = "64")]
            (self.newest = self.newest.wrapping_add(1));
            // The code is below 1, so some byte absorbs the carry.
            for byte in output.iter_mut().take(self.written).rev() {
                let full;
                (*byte, full) = byte.overflowing_add(1);
                if !full {
                    break;
                }
            }
        }
    }

    fn write_top_byte(&mut self, output: &mut [u8]) {
        let byte = (self.rest >> 56) as u8;
        match output.get_mut(self.written) {
            Some(place) => {
                *place = byte;
                self.written += 1;
            }
            None => self.overflow = true,
        }
        #[cfg(target_pointer_width = "64")]
        (self.newest = self.newest << 8 | u64::from(byte));
        self.rest <<= 8;
    }
}

/// Decodes a code string that arrives in pieces of any size.
///
/// Before each byte of text, feed bytes of code while [`Self::wants_input`] is true, or [`Self::feed_from`] a slice; after the end of the code string,
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

    /// Takes the bytes of code that are wanted from the front of `code`, as far as it has them, and returns how many.
    #[cfg_attr(target_pointer_width = "64", inline)]
    pub fn feed_from(&mut self, code: &[u8]) -> usize {
        // Between two bytes of text, without a branch on how many are wanted, which is hard to predict.
        #[cfg(target_pointer_width = "64")]
        if let (0..=2, Some(&next)) = (self.missing, code.first_chunk()) {
            let bits = 8 * self.missing;
            let next = u64::from(u16::from_be_bytes(next)) >> (16 - bits);
            self.distance = (self.distance << bits) | next;
            self.newest = (self.newest << bits) | next;
            return usize::from(core::mem::take(&mut self.missing));
        }
        let taken = code.len().min(self.missing.into());
        code.iter().take(taken).for_each(|&byte| self.feed(byte));
        taken
    }

    /// The next byte of text, given the model's frequencies for it. `None` if input is wanted, or if no text has this
    /// code: then it is damaged, or the model is not the right one.
    #[cfg_attr(target_pointer_width = "64", inline)]
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
        self.distance = distance;
        (self.range, self.missing) = scaled_up(range);
        Some(byte)
    }
}

impl RangeDecoder {
    /// The next symbol of any alphabet, which [`RangeEncoder::encode_wide`] encoded. `find` gets a number below
    /// [`WIDE_TOTAL`] and returns the symbol whose interval holds it, with the interval's start and count. `None` as for
    /// [`Self::decode`], or if `find` has none.
    pub fn decode_wide<T>(&mut self, find: impl FnOnce(u32) -> Option<(T, u32, u32)>) -> Option<T> {
        if self.missing > 0 {
            return None;
        }
        let unit = self.range >> WIDE_BITS;
        let (symbol, start, count) = find(u32::try_from(self.distance.checked_div(unit)?).ok()?)?;
        let distance = self.distance.checked_sub(unit * u64::from(start))?;
        let mut range = unit * u64::from(count);
        if distance >= range {
            return None;
        }
        let far = range < SMALLEST_RANGE >> 16;
        range <<= 16 * u32::from(far);
        self.distance = distance;
        (self.range, self.missing) = scaled_up(range);
        self.missing += 2 * u8::from(far);
        Some(symbol)
    }
}

impl Default for RangeDecoder {
    fn default() -> Self {
        Self::new()
    }
}
