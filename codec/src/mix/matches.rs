//! [`Matches`]: what followed when the text last ended as it does now.
//!
//! A table says where the last few bytes stood before; from there the text of the past is read along. Invariant: the
//! byte expected next, and how long the match is, depend on the text alone, so an encoder knows them for all of a text
//! before any model has spoken. After a miss the match goes on, for up to eight misses: one byte may have been edited.

use super::class::Shape;
use super::counter::{Counter, Target};
use super::logistic::stretch;
use super::memory::{half, set_half, take};
use super::text::{Context, Text};

/// From this length on a byte is first coded as one decision: whether the match goes on. It is a power of two.
pub const ECHO: u32 = 512;

/// Misses after which a match is given up.
const MOST_MISSES: u32 = 8;
/// A match this long is not exchanged for another.
const LONG: u32 = 16;
/// A new match agrees in as many bytes.
const SHORTEST_LENGTH: u32 = 4;
/// As far as a new match's length is looked at.
const LOOKED_AT: u32 = 32;

const LENGTH_COUNTERS: usize = 64;
const BYTE_COUNTERS: usize = 256 * 8;
const ECHO_COUNTERS: usize = 16;

/// The words of memory that the match model of a class takes.
pub const fn words<S: Shape>() -> usize {
    (1 << (S::HISTORY_BITS - 2)) + starts_words::<S>() + LENGTH_COUNTERS + byte_counters::<S>() + ECHO_COUNTERS
}

/// Places in a history of 2^16 bytes or less are kept in 16 bits.
const fn starts_words<S: Shape>() -> usize {
    if S::HISTORY_BITS <= 16 { 1 << (S::STARTS_BITS - 1) } else { 1 << S::STARTS_BITS }
}

const fn byte_counters<S: Shape>() -> usize {
    if S::EXPECTED_BYTE { BYTE_COUNTERS } else { 0 }
}

/// The match model.
#[derive(Debug)]
pub struct Matches<'a, S> {
    history: &'a mut [u32],
    starts: &'a mut [u32],
    by_length: &'a mut [u32],
    by_byte: &'a mut [u32],
    by_echo: &'a mut [u32],
    /// Where the match reads along; meaningless unless `following`.
    place: u32,
    following: bool,
    length: u32,
    /// The length in four steps, times four.
    strength: u32,
    misses: u32,
    /// The byte expected, with a leading 1; 0 if none is.
    expected: u32,
    /// Counters of the decision at hand.
    length_index: usize,
    byte_index: usize,
    /// Whether a bit is expected, and which.
    agrees: bool,
    bit: u32,
    shape: core::marker::PhantomData<S>,
}

impl<'a, S: Shape> Matches<'a, S> {
    /// A match model over the first words of `memory`.
    pub fn new(memory: &mut &'a mut [u32]) -> Option<Self> {
        Some(Self {
            history: take(memory, 1 << (S::HISTORY_BITS - 2))?,
            starts: take(memory, starts_words::<S>())?,
            by_length: take(memory, LENGTH_COUNTERS)?,
            by_byte: take(memory, byte_counters::<S>())?,
            by_echo: take(memory, ECHO_COUNTERS)?,
            place: 0,
            following: false,
            length: 0,
            strength: 0,
            misses: 0,
            expected: 0,
            length_index: 0,
            byte_index: 0,
            agrees: false,
            bit: 0,
            shape: core::marker::PhantomData,
        })
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        self.history.fill(0);
        self.starts.fill(0);
        for (bucket, counters) in (0u32..).zip(self.by_length.as_chunks_mut::<4>().0) {
            counters.fill(Counter::new(65535 - 65536 / (bucket + 3), 2).0);
        }
        self.by_byte.fill(Counter::new(59577, 2).0);
        self.by_echo.fill(Counter::new(65500, 30).0);
        (self.place, self.following, self.length, self.misses, self.expected) = (0, false, 0, 0, 0);
    }

    /// The byte at a position that the history still holds.
    #[inline]
    pub fn byte_at(&self, position: u32) -> u8 {
        let word = self.history.get((position >> 2 & ((1 << (S::HISTORY_BITS - 2)) - 1)) as usize);
        (word.copied().unwrap_or(0) >> (8 * (position & 3))) as u8
    }

    /// The length of the match, 0 after a miss and without one.
    #[inline]
    pub fn length(&self) -> u32 {
        self.length
    }

    /// The byte that a long match expects, and the probability that it comes.
    #[inline]
    pub fn echo(&self) -> Option<(u8, u32)> {
        if self.length < ECHO || self.expected == 0 {
            return None;
        }
        let counter = self.by_echo.get(self.echo_index()).map_or(1 << 15, |&word| Counter(word).probability());
        Some((self.expected as u8, counter.clamp(1, 65535)))
    }

    /// Learns whether the byte of [`Self::echo`] came. If not, nothing is expected of the byte that did.
    #[inline]
    pub fn learn_echo(&mut self, came: bool) {
        let index = self.echo_index();
        if let Some(word) = self.by_echo.get_mut(index) {
            *word = Counter(*word).updated(Target::of(u32::from(came))).0;
        }
        if !came {
            (self.following, self.expected, self.length) = (false, 0, 0);
        }
    }

    fn echo_index(&self) -> usize {
        ((ECHO.leading_zeros().saturating_sub(self.length.leading_zeros())) as usize).min(ECHO_COUNTERS - 1)
    }

    /// The two opinions on the next bit, given the bits of this byte so far after a leading 1.
    #[inline]
    pub fn predict(&mut self, partial: u32, free: u32) -> [i16; 2] {
        self.agrees = self.expected >> free == partial;
        if !self.agrees {
            return [0, 0];
        }
        self.bit = (self.expected >> (free - 1)) & 1;
        let learned = |counters: &[u32], index: usize| {
            counters.get(index).map_or(0, |&word| stretch(Counter(word).probability()))
        };
        let by_length = learned(self.by_length, self.length_index);
        let second = if S::EXPECTED_BYTE {
            self.byte_index = ((self.expected & 0xff) << 3 | (free & 7)) as usize;
            learned(self.by_byte, self.byte_index)
        } else {
            0
        };
        if self.bit == 1 { [by_length, second] } else { [-by_length, -second] }
    }

    /// 0 if no bit is expected, otherwise 4, 8 or 12 by how long the match is that expects it.
    #[inline]
    pub fn strength(&self) -> u32 {
        if self.agrees { self.strength } else { 0 }
    }

    /// Learns the bit.
    #[inline]
    pub fn learn(&mut self, bit: u32) {
        if !self.agrees {
            return;
        }
        let came = Target::of(1 ^ self.bit ^ bit);
        if let Some(word) = self.by_length.get_mut(self.length_index) {
            *word = Counter(*word).updated(came).0;
        }
        if S::EXPECTED_BYTE
            && let Some(word) = self.by_byte.get_mut(self.byte_index)
        {
            *word = Counter(*word).updated(came).0;
        }
    }

    /// Appends a byte, `text` being what it ends, and looks for a match.
    #[inline]
    pub fn push(&mut self, byte: u8, text: &Text) {
        let position = text.position;
        let written = position.wrapping_sub(1);
        if let Some(word) = self.history.get_mut((written >> 2 & ((1 << (S::HISTORY_BITS - 2)) - 1)) as usize) {
            let shift = 8 * (written & 3);
            *word = (*word & !(0xff << shift)) | u32::from(byte) << shift;
        }
        if self.following {
            if self.expected == u32::from(byte) | 256 {
                self.length = self.length.saturating_add(1);
            } else {
                self.length = 0;
                self.misses += 1;
                self.following = self.misses <= MOST_MISSES;
            }
            self.place = self.place.wrapping_add(1);
        }
        let index = (text.hash(Context::Order(S::SHORTEST), 0) >> (32 - S::STARTS_BITS)) as usize;
        if self.length < LONG {
            self.look(position, index);
        }
        if S::HISTORY_BITS <= 16 {
            set_half(self.starts, index, position);
        } else if let Some(start) = self.starts.get_mut(index) {
            *start = position;
        }
        let steps = bucket(self.length);
        self.length_index = (steps << 2 | self.misses.min(3)) as usize;
        self.strength = match steps {
            0..8 => 4,
            8..10 => 8,
            _ => 12,
        };
        self.expected = if self.following { u32::from(self.byte_at(self.place)) | 256 } else { 0 };
    }

    /// Takes the place that the table names if more of the text before it agrees than of the match at hand.
    #[inline]
    fn look(&mut self, position: u32, index: usize) {
        let distance = if S::HISTORY_BITS <= 16 {
            position.wrapping_sub(half(self.starts, index)) & 0xffff
        } else {
            position.wrapping_sub(self.starts.get(index).copied().unwrap_or(0))
        };
        if distance == 0 || distance >= position || distance >> S::HISTORY_BITS != 0 {
            return;
        }
        let place = position.wrapping_sub(distance);
        let furthest = LOOKED_AT.min(place);
        let mut length = 0;
        while length < furthest
            && self.byte_at(place.wrapping_sub(1 + length)) == self.byte_at(position.wrapping_sub(1 + length))
        {
            length += 1;
        }
        if length >= SHORTEST_LENGTH && length > self.length {
            (self.place, self.following, self.length, self.misses) = (place, true, length, 0);
        }
    }
}

/// A match's length in 16 steps: 0 to 7, then 8 by powers of two and their halves.
#[inline]
fn bucket(length: u32) -> u32 {
    match length {
        0..8 => length,
        8..16 => 8 + ((length - 8) >> 2),
        16..32 => 10 + ((length - 16) >> 3),
        32..64 => 12,
        64..128 => 13,
        128..512 => 14,
        _ => 15,
    }
}
