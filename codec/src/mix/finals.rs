//! [`Finals`]: what came when the mixture was as sure as this.
//!
//! A map has a row for each context, and in it 17 counters for stretched probabilities 256 apart. The answer is
//! interpolated between two, and the nearer learns. Invariant: a row begins as the identity.

use super::class::Shape;
use super::counter::{Counter, Target};
use super::logistic::squash;
use super::memory::take;
use super::text::join;

const COLUMNS: usize = 17;
/// Rows of the first map by the bits of the byte so far.
const PARTIAL_ROWS: usize = 256;
/// How many bits a counter's first guess is worth.
const FIRST_AGE: u32 = 6;

/// The words of memory that the final maps of a class take.
pub const fn words<S: Shape>() -> usize {
    COLUMNS
        * match S::FINAL_BITS {
            Some((front, bits)) => (PARTIAL_ROWS << front) + (1 << bits),
            None => 0,
        }
}

/// The final maps: by the bits of the byte so far and what the front says, and by those bits and the byte before.
#[derive(Debug)]
pub struct Finals<'a, S> {
    rows: &'a mut [[u32; COLUMNS]],
    asked: [usize; 2],
    nearer: usize,
    shape: core::marker::PhantomData<S>,
}

impl<'a, S: Shape> Finals<'a, S> {
    /// Maps over the first words of `memory`.
    pub fn new(memory: &mut &'a mut [u32]) -> Option<Self> {
        let rows = take(memory, words::<S>())?.as_chunks_mut::<COLUMNS>().0;
        Some(Self { rows, asked: [0; 2], nearer: 0, shape: core::marker::PhantomData })
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        for row in self.rows.iter_mut() {
            for (column, word) in (-8..).zip(row) {
                *word = Counter::new(squash(256 * column) as u32, FIRST_AGE).0;
            }
        }
    }

    /// The final probability of a mixture; `front` is the front's stretched share.
    #[inline]
    pub fn predict(&mut self, (mixed, probability): (i32, i32), front: i16, partial: u32, previous: u32) -> i32 {
        let Some((front_bits, bits)) = S::FINAL_BITS else { return probability };
        let shifted = (mixed + 2048) as u32;
        let (column, fraction) = ((shifted >> 8 & 15) as usize, (shifted & 255) as i32);
        self.nearer = column + usize::from(fraction >= 128);
        let hash = join(join(0, partial), previous) >> (32 - bits);
        let said = (i32::from(front) + 2048) as usize >> (12 - front_bits);
        self.asked = [said << 8 | (partial & 0xff) as usize, (PARTIAL_ROWS << front_bits) + hash as usize];
        let mut sum = probability;
        for &row in &self.asked {
            let Some(row) = self.rows.get(row) else { continue };
            let at = |column: usize| Counter(row[column]).probability() as i32;
            sum += (at(column) * (256 - fraction) + at(column + 1) * fraction + 128) >> 8;
        }
        // A third of the sum of three, without a division.
        (((sum as u32 * 10923 + (1 << 14)) >> 15) as i32).clamp(1, 65535)
    }

    /// Learns the bit.
    #[inline]
    pub fn learn(&mut self, bit: u32) {
        if S::FINAL_BITS.is_none() {
            return;
        }
        let target = Target::of(bit);
        for &row in &self.asked {
            if let Some(word) = self.rows.get_mut(row).and_then(|row| row.get_mut(self.nearer)) {
                *word = Counter(*word).updated(target).0;
            }
        }
    }
}
