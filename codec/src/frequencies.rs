//! [`Frequencies`]: a model's prediction of the next byte, as integers.
//!
//! Invariant: 256 counts that add up to exactly 2^16, each at least [`Frequencies::MINIMUM`]. So every byte can always
//! be coded, and coders divide by the total with a shift.

use core::fmt;

/// The counts of the 256 possible next bytes, stored as their cumulative lower bounds (512 bytes).
///
/// Byte `i` owns the interval `start(i) .. start(i) + count(i)` of `0 .. 2^16`. The bounds begin at 0 and grow by at
/// least [`Self::MINIMUM`]; the upper end, [`Self::TOTAL`], is implicit.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Frequencies {
    starts: [u16; 256],
}

impl Frequencies {
    /// The binary logarithm of the total.
    pub const BITS: u32 = 16;
    /// The sum of all counts.
    pub const TOTAL: u32 = 1 << Self::BITS;
    /// The smallest count of any byte.
    pub const MINIMUM: u16 = 2;

    /// Every byte equally likely.
    pub const fn uniform() -> Self {
        let mut starts = [0; 256];
        let mut byte = 0;
        while byte < 256 {
            starts[byte] = (byte as u16) << 8;
            byte += 1;
        }
        Self { starts }
    }

    /// Frequencies with exactly these counts.
    ///
    /// # Errors
    /// A count is below the minimum, or they do not add up to 2^16.
    pub fn from_counts(counts: &[u16; 256]) -> Result<Self, FrequenciesError> {
        let mut starts = [0; 256];
        let mut sum = 0u32;
        for (byte, (start, &count)) in (0..=255).zip(starts.iter_mut().zip(counts)) {
            if count < Self::MINIMUM {
                return Err(FrequenciesError::CountTooSmall { byte, found: count });
            }
            *start = sum as u16;
            sum += u32::from(count);
        }
        if sum != Self::TOTAL {
            return Err(FrequenciesError::WrongTotal { found: sum });
        }
        Ok(Self { starts })
    }

    /// As [`Self::from_counts`], for counts that are known to be valid when the program is built.
    pub(crate) const fn counted(counts: &[u16; 256]) -> Self {
        let mut starts = [0; 256];
        let (mut sum, mut byte) = (0u32, 0);
        while byte < 256 {
            assert!(counts[byte] >= Self::MINIMUM, "a count is too small");
            starts[byte] = sum as u16;
            sum += counts[byte] as u32;
            byte += 1;
        }
        assert!(sum == Self::TOTAL, "the counts do not add up");
        Self { starts }
    }

    /// Sets the counts in proportion to 256 weights, as step "Frequencies" of the numeric contract defines: each byte
    /// gets the minimum, and the rest is shared in proportion to the weights. If all weights are 0, the counts are
    /// uniform.
    ///
    /// `weight` is called twice for each byte and must return the same value both times.
    #[inline]
    pub fn set_weights(&mut self, weight: impl Fn(u8) -> u16) {
        let sum = (0..256u16).map(|byte| u32::from(weight(byte as u8))).sum();
        self.set_weights_of(sum, weight);
    }

    /// Like [`Self::set_weights`], for weights whose sum is known.
    #[inline]
    pub(crate) fn set_weights_of(&mut self, sum: u32, weight: impl Fn(u8) -> u16) {
        // Small cores have no 64-bit division or multiplication. So the inverse is kept in two digits of 16 bits, as is
        // the sum of the weights below a byte times the inverse. A weight times the inverse is below 2^40.
        let Some(quotient) = SHARED.checked_div(sum) else {
            *self = Self::uniform();
            return;
        };
        let rest = SHARED.wrapping_sub(quotient.wrapping_mul(sum)) << 8;
        let (high, low) = (quotient >> 8, (quotient & 0xff) << 8 | rest.checked_div(sum).unwrap_or(0));
        let (mut below, mut fraction) = (0u32, 0u32);
        for (byte, start) in (0..256u16).zip(&mut self.starts) {
            *start = byte * Self::MINIMUM + (below >> 8) as u16;
            let weight = u32::from(weight(byte as u8));
            // Most weights are zero.
            if weight != 0 {
                fraction += weight * low;
                below += weight * high + (fraction >> 16);
                fraction &= 0xffff;
            }
        }
    }

    /// Frequencies with exactly these lower ends of the intervals, for models that compute them elsewhere. `None`
    /// unless the first is 0 and every byte gets at least the minimum.
    #[inline]
    pub fn from_starts(starts: [u16; 256]) -> Option<Self> {
        let [first, .., last] = starts;
        // A fold without an early exit, so that the compiler vectorizes it.
        let grows = starts.iter().zip(starts.iter().skip(1)).fold(true, |grows, (&start, &end)| {
            grows & (u32::from(end) >= u32::from(start) + u32::from(Self::MINIMUM))
        });
        let valid = grows && first == 0 && u32::from(last) + u32::from(Self::MINIMUM) <= Self::TOTAL;
        valid.then_some(Self { starts })
    }

    /// Frequencies in proportion to the number of times each byte occurs in a text, for a model without context.
    pub fn from_histogram(histogram: &[u64; 256]) -> Self {
        let largest = histogram.iter().copied().max().unwrap_or(0);
        let excess = (u64::BITS - largest.leading_zeros()).saturating_sub(u16::BITS);
        let mut frequencies = Self::uniform();
        frequencies.set_weights(|byte| (histogram[usize::from(byte)] >> excess) as u16);
        frequencies
    }

    /// The lower end of a byte's interval.
    #[inline]
    pub fn start(&self, byte: u8) -> u32 {
        u32::from(self.starts[usize::from(byte)])
    }

    /// The upper end of a byte's interval, where that of the next byte begins.
    #[inline]
    pub fn end(&self, byte: u8) -> u32 {
        match byte.checked_add(1) {
            Some(next) => self.start(next),
            None => Self::TOTAL,
        }
    }

    /// The width of a byte's interval, at least [`Self::MINIMUM`].
    #[inline]
    pub fn count(&self, byte: u8) -> u32 {
        // Modulo 2^16 the last interval ends where the first one begins.
        u32::from(self.starts[usize::from(byte.wrapping_add(1))].wrapping_sub(self.starts[usize::from(byte)]))
    }

    /// The 256 counts in byte order.
    pub fn counts(&self) -> impl Iterator<Item = u32> + '_ {
        let ([_, ends @ ..], [.., last]) = (&self.starts, self.starts);
        let counts = self.starts.iter().zip(ends).map(|(&start, &end)| u32::from(end.wrapping_sub(start)));
        counts.chain([Self::TOTAL - u32::from(last)])
    }

    /// The byte whose interval contains `target`, which must be below 2^16.
    #[inline]
    pub fn find(&self, target: u32) -> u8 {
        self.last_where(|start| start <= target)
    }

    /// The last byte whose start satisfies `holds`, which must be true of 0 and of every start below one that satisfies
    /// it. Coders compare scaled starts with their position, and so need no division.
    ///
    /// Small cores wait for every probe, so there are eight of them.
    #[cfg(not(target_pointer_width = "64"))]
    #[inline]
    pub(crate) fn last_where(&self, holds: impl Fn(u32) -> bool) -> u8 {
        let mut byte = 0u8;
        for bit in [128, 64, 32, 16, 8, 4, 2, 1] {
            let probe = byte | bit;
            if holds(self.start(probe)) {
                byte = probe;
            }
        }
        byte
    }

    /// The last byte whose start satisfies `holds`, which must be true of 0 and of every start below one that satisfies
    /// it. Coders compare scaled starts with their position, and so need no division.
    ///
    /// Large cores make several probes at once, but mispredict a branch on their outcome. So there are three rounds
    /// without one, which narrow the 256 bytes to 32, 8 and 1.
    #[cfg(target_pointer_width = "64")]
    #[inline]
    pub(crate) fn last_where(&self, holds: impl Fn(u32) -> bool) -> u8 {
        let mut byte = 0u8;
        for (probes, step) in [(7, 32), (3, 8), (7, 1)] {
            byte += step * (1..=probes).map(|probe| u8::from(holds(self.start(byte + step * probe)))).sum::<u8>();
        }
        byte
    }
}

impl Default for Frequencies {
    fn default() -> Self {
        Self::uniform()
    }
}

/// Counts that are not [`Frequencies`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum FrequenciesError {
    /// The counts do not add up to 2^16.
    WrongTotal {
        /// Their sum.
        found: u32,
    },
    /// A count is below the minimum of 2.
    CountTooSmall {
        /// The byte counted.
        byte: u8,
        /// The count.
        found: u16,
    },
}

impl fmt::Display for FrequenciesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongTotal { found } => write!(f, "byte counts must add up to 65536, found {found}"),
            Self::CountTooSmall { byte, found } => {
                write!(f, "the count of byte {byte} must be at least 2, found {found}")
            }
        }
    }
}

impl core::error::Error for FrequenciesError {}

/// The part of the total that is shared by weight, once every byte has the minimum, times 2^16.
const SHARED: u32 = (Frequencies::TOTAL - 256 * Frequencies::MINIMUM as u32) << 16;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(frequencies: &Frequencies) {
        let mut sum = 0;
        for byte in 0..=255 {
            assert_eq!(frequencies.start(byte), sum);
            assert!(frequencies.count(byte) >= u32::from(Frequencies::MINIMUM));
            assert_eq!(frequencies.find(sum), byte);
            sum += frequencies.count(byte);
            assert_eq!(frequencies.find(sum - 1), byte);
        }
        assert_eq!(sum, Frequencies::TOTAL);
        assert!(frequencies.counts().eq((0..=255).map(|byte| frequencies.count(byte))));
    }

    #[test]
    fn uniform_counts_are_equal() {
        let uniform = Frequencies::uniform();
        check(&uniform);
        assert!(uniform.counts().all(|count| count == 256));
        let mut from_nothing = Frequencies::from_counts(&[256; 256]).unwrap();
        from_nothing.set_weights(|_| 0);
        assert_eq!(from_nothing, uniform);
    }

    #[test]
    fn starts_are_checked() {
        let uniform = Frequencies::uniform();
        assert_eq!(Frequencies::from_starts(uniform.starts), Some(uniform.clone()));
        for (byte, wrong) in [(0, 1), (1, 1), (1, 511), (1, 600), (255, 65535), (255, 0), (254, 65280), (7, 0)] {
            let mut starts = uniform.starts;
            starts[byte] = wrong;
            assert_eq!(Frequencies::from_starts(starts), None, "byte {byte} at {wrong}");
        }
        let mut starts = uniform.starts;
        starts[255] = 65534;
        assert!(Frequencies::from_starts(starts).is_some());
    }

    #[test]
    fn one_weight_takes_all_that_is_shared() {
        let mut frequencies = Frequencies::uniform();
        frequencies.set_weights(|byte| if byte == 7 { 1 } else { 0 });
        check(&frequencies);
        assert_eq!(frequencies.count(7), 65024 + 2);
    }

    #[test]
    fn wrong_counts_are_refused() {
        assert_eq!(Frequencies::from_counts(&[255; 256]), Err(FrequenciesError::WrongTotal { found: 65280 }));
        let mut counts = [256; 256];
        (counts[3], counts[4]) = (1, 511);
        assert_eq!(Frequencies::from_counts(&counts), Err(FrequenciesError::CountTooSmall { byte: 3, found: 1 }));
        assert_eq!(
            Frequencies::from_counts(&[u16::MAX; 256]),
            Err(FrequenciesError::WrongTotal { found: 65535 * 256 })
        );
    }

    proptest! {
        #[test]
        fn weights_give_the_bounds_of_the_contract(
            mut weights in proptest::collection::vec(any::<u16>(), 256),
            smaller in 0u32..16,
            rarer in 1usize..256,
        ) {
            for (byte, weight) in weights.iter_mut().enumerate() {
                *weight = if byte.is_multiple_of(rarer) { *weight >> smaller } else { 0 };
            }
            let mut frequencies = Frequencies::uniform();
            frequencies.set_weights(|byte| weights[usize::from(byte)]);
            check(&frequencies);
            let sum: u128 = weights.iter().map(|&weight| u128::from(weight)).sum();
            if let Some(inverse) = (65024u128 << 24).checked_div(sum) {
                let mut below = 0u128;
                for (byte, &weight) in (0u32..).zip(&weights) {
                    let bound = u128::from(2 * byte) + ((below * inverse) >> 24);
                    prop_assert_eq!(u128::from(frequencies.start(byte as u8)), bound);
                    below += u128::from(weight);
                }
            }
        }

        #[test]
        fn any_histogram_gives_valid_counts(histogram in proptest::collection::vec(any::<u64>(), 256)) {
            check(&Frequencies::from_histogram(histogram.as_slice().try_into().unwrap()));
        }
    }
}
