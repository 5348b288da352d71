//! The binary range coder: one decision at a time, 32 bits of range, probabilities of 16 bits.
//!
//! Invariant: `2^24 <= range < 2^32` before every decision. The less likely bit gets `(range >> 16) * q` at the top of the
//! interval, `q <= 2^15` being its probability, and the likelier one all the rest: what the shift loses is then never the
//! likely bit's, and costs less than 2^-16 of its information. Multiplications of 32 bits are enough.

use core::hint::select_unpredictable;

/// Below this the interval is scaled up by a byte.
const SMALLEST_RANGE: u32 = 1 << 24;

/// Which bit is the less likely one, and how much of `range` belongs to it.
#[inline]
fn split(range: u32, probability: u32) -> (u32, u32) {
    let rare = u32::from(probability < 1 << 15);
    let share = if rare == 1 { probability } else { (1 << 16) - probability };
    (rare, (range >> 16) * share)
}

/// The end of the shortest code string in an interval, modulo 2^32, and its bytes.
fn shortest(low: u32, range: u32) -> (u32, u32) {
    let low = u64::from(low);
    let last = low + u64::from(range) - 1;
    let mut kept = 0;
    // `low`, rounded up to as few bytes as possible. None at all means 0, or a carry into the bytes before.
    let mut value = if low == 0 { 0 } else { 1 << 32 };
    while value > last {
        kept += 1;
        let dropped = (1u64 << (32 - 8 * kept)) - 1;
        value = (low + dropped) & !dropped;
    }
    (value as u32, kept)
}

/// Turns decisions into bytes, each handed to a sink once no carry can change it.
#[derive(Clone, Debug)]
pub struct BinaryEncoder {
    low: u32,
    range: u32,
    /// The last byte below 255, unless none came yet, and how many bytes of 255 follow it: a carry may still change them.
    held: Option<u8>,
    full: u32,
    /// Zero bytes that are written only if another byte follows.
    zeros: u32,
}

impl BinaryEncoder {
    /// An encoder of nothing so far.
    pub const fn new() -> Self {
        Self { low: 0, range: u32::MAX, held: None, full: 0, zeros: 0 }
    }

    /// Appends a bit of which `probability` (in 2^-16) says how likely it is to be 1.
    #[inline]
    pub fn encode(&mut self, probability: u32, bit: u32, sink: &mut impl FnMut(u8)) {
        let (rare, width) = split(self.range, probability);
        let rest = self.range - width;
        let (added, range) = select_unpredictable(bit == rare, (rest, width), (0, rest));
        self.add(added, sink);
        self.range = range;
        while self.range < SMALLEST_RANGE {
            self.shift(sink);
            self.range <<= 8;
        }
    }

    /// Writes the end of the shortest code string, which is read as if zeros followed it.
    pub fn finish(mut self, sink: &mut impl FnMut(u8)) {
        let (value, kept) = shortest(self.low, self.range);
        self.add(value.wrapping_sub(self.low), sink);
        for _ in 0..kept {
            self.shift(sink);
        }
        if let Some(held) = self.held.take() {
            self.put(held, 1, sink);
        }
        let full = self.full;
        self.put(255, full, sink);
    }

    #[inline]
    fn add(&mut self, amount: u32, sink: &mut impl FnMut(u8)) {
        let (low, carry) = self.low.overflowing_add(amount);
        self.low = low;
        if carry {
            self.carry(sink);
        }
    }

    /// Adds 1 to what is held.
    #[cold]
    fn carry(&mut self, sink: &mut impl FnMut(u8)) {
        if let Some(held) = self.held.take() {
            self.put(held.wrapping_add(1), 1, sink);
        }
        // The bytes of 255 became zeros, the last of which further carries could not reach but for one.
        if self.full > 0 {
            self.zeros += self.full - 1;
            self.held = Some(0);
            self.full = 0;
        }
    }

    #[inline(never)]
    fn shift(&mut self, sink: &mut impl FnMut(u8)) {
        let byte = (self.low >> 24) as u8;
        self.low <<= 8;
        if byte == 255 {
            self.full += 1;
            return;
        }
        if let Some(held) = self.held.replace(byte) {
            self.put(held, 1, sink);
        }
        let full = core::mem::take(&mut self.full);
        self.put(255, full, sink);
    }

    #[inline(never)]
    fn put(&mut self, byte: u8, count: u32, sink: &mut impl FnMut(u8)) {
        if byte == 0 {
            self.zeros += count;
            return;
        }
        if count == 0 {
            return;
        }
        for _ in 0..core::mem::take(&mut self.zeros) {
            sink(0);
        }
        for _ in 0..count {
            sink(byte);
        }
    }
}

impl Default for BinaryEncoder {
    fn default() -> Self {
        Self::new()
    }
}

/// Turns bytes back into decisions.
#[derive(Clone, Debug)]
pub struct BinaryDecoder {
    /// How far the code lies above the interval's lower end.
    distance: u32,
    range: u32,
    /// The newest four bytes of the code.
    newest: u32,
    /// Bytes still to come before the next decision.
    missing: u32,
}

impl BinaryDecoder {
    /// A decoder that has seen nothing of the code.
    pub const fn new() -> Self {
        Self { distance: 0, range: u32::MAX, newest: 0, missing: 4 }
    }

    /// Whether [`Self::feed`] is due: the next byte of the code, or a zero after its end.
    #[inline]
    pub fn wants_input(&self) -> bool {
        self.missing > 0
    }

    /// Takes a byte of the code.
    #[inline]
    pub fn feed(&mut self, byte: u8) {
        self.distance = self.distance << 8 | u32::from(byte);
        self.newest = self.newest << 8 | u32::from(byte);
        self.missing = self.missing.saturating_sub(1);
    }

    /// Whether an encoder would have ended the code so, once nothing more is wanted.
    pub fn is_canonical(&self) -> bool {
        let low = self.newest.wrapping_sub(self.distance);
        shortest(low, self.range).0 == self.newest
    }

    /// The next bit. `None`: the code is damaged, for no text's begins so.
    #[inline]
    pub fn decode(&mut self, probability: u32) -> Option<u32> {
        let (rare, width) = split(self.range, probability);
        let rest = self.range - width;
        let upper = self.distance >= rest;
        let (subtracted, range) = select_unpredictable(upper, (rest, width), (0, rest));
        self.distance -= subtracted;
        self.range = range;
        if self.distance >= range {
            return None;
        }
        let bit = u32::from(upper) ^ rare ^ 1;
        while self.range < SMALLEST_RANGE {
            self.range <<= 8;
            self.missing += 1;
        }
        Some(bit)
    }
}

impl Default for BinaryDecoder {
    fn default() -> Self {
        Self::new()
    }
}
