//! [`Counter`]: a probability that learns.
//!
//! Invariant: the upper 22 bits are the probability of a 1, the lower 10 bits say how many bits it has seen, up to 255.
//! The `n`-th bit moves it by `1 / (n + 1.5)` of the way, so it begins as an average and ends as one that forgets.

use super::memory::SHORT;

/// The age that every counter begins with at least.
const YOUNGEST: u32 = 2;

/// `round(512 / (n + 1.5))`.
static RATES: [u8; 256] = {
    let mut table = [0; 256];
    let mut n = YOUNGEST as usize;
    while n < 256 {
        table[n] = ((2 * 1024 + (2 * n + 3)) / (2 * (2 * n + 3))) as u8;
        n += 1;
    }
    table
};

/// What a bit moves counters towards.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Target(u32);

impl Target {
    /// Of a bit, 0 or 1.
    #[inline]
    pub const fn of(bit: u32) -> Self {
        Self(bit.wrapping_neg() >> 10)
    }
}

/// A probability with its age, in one word.
#[derive(Clone, Copy)]
pub struct Counter(pub u32);

impl Counter {
    /// A counter that has seen `age` bits, from 2 to 255, with a probability of 16 bits.
    pub const fn new(probability: u32, age: u32) -> Self {
        debug_assert!(age >= YOUNGEST && age < 256);
        Self(probability << 16 | age)
    }

    /// The probability of a 1, in 16 bits.
    #[inline]
    pub const fn probability(self) -> u32 {
        self.0 >> 16
    }

    /// The counter after one more bit.
    #[inline]
    pub const fn updated(self, target: Target) -> Self {
        let age = self.0 & 255;
        // 22 bits and a sign times 8 bits. The step is rounded where the probability ends, in the middle of the word.
        let product = target.0.wrapping_sub(self.0 >> 10).wrapping_mul(RATES[age as usize] as u32);
        let step = product.wrapping_add(256) << 1 & !1023;
        let older = if SHORT { ((age + 1) >> 8) ^ 1 } else { (age < 255) as u32 };
        Self(self.0.wrapping_add(step).wrapping_add(older))
    }
}
