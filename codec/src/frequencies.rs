//! [`Frequencies`]: what a model says about the next byte, as integers.
//!
//! Invariant: 256 counts that add up to exactly 2^16, each at least [`Frequencies::MINIMUM`], so every byte can
//! always be coded and the coders may replace a division by the total with a shift.

use crate::error::FrequenciesError;

/// The counts of the 256 possible next bytes, kept as their cumulative lower bounds (512 bytes).
///
/// Byte `i` owns the interval `start(i) .. start(i) + count(i)` of `0 .. 2^16`. The bounds begin at 0 and grow by at
/// least [`Self::MINIMUM`]; the upper end, [`Self::TOTAL`], is implicit.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Frequencies {
    starts: [u16; 256],
}

impl Frequencies {
    /// Bits of the total.
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

    /// Takes counts as they are, after checking that they add up to 2^16 and that none is below the minimum.
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

    /// Sets the counts in proportion to 256 weights, as the step "Frequencies" of the numeric contract says: each
    /// byte gets the minimum, and the rest is shared by weight. All-zero weights give the uniform counts.
    ///
    /// `weight` is called twice for each byte and must answer the same both times.
    #[inline]
    pub fn set_weights(&mut self, weight: impl Fn(u8) -> u16) {
        let sum = (0..256u16).map(|byte| u32::from(weight(byte as u8))).sum();
        self.set_weights_of(sum, weight);
    }

    /// As [`Self::set_weights`], for weights whose sum is known.
    #[inline]
    pub(crate) fn set_weights_of(&mut self, sum: u32, weight: impl Fn(u8) -> u16) {
        // The inverse in two digits of 16 bits, and what lies below a byte times the inverse as a sum in two digits:
        // small cores have neither a division nor a multiplication of 64 bits. A weight times the inverse is below 2^40.
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
            // As for most bytes it is not.
            if weight != 0 {
                fraction += weight * low;
                below += weight * high + (fraction >> 16);
                fraction &= 0xffff;
            }
        }
    }

    /// Takes the lower ends of all intervals as they are, for models that compute them elsewhere; `None` unless they
    /// begin at 0 and leave each byte the minimum.
    #[inline]
    pub fn from_starts(starts: [u16; 256]) -> Option<Self> {
        let [first, .., last] = starts;
        // A fold without an early exit, so that it is vectorised.
        let grows = starts.iter().zip(starts.iter().skip(1)).fold(true, |grows, (&start, &end)| {
            grows & (u32::from(end) >= u32::from(start) + u32::from(Self::MINIMUM))
        });
        let valid = grows && first == 0 && u32::from(last) + u32::from(Self::MINIMUM) <= Self::TOTAL;
        valid.then_some(Self { starts })
    }

    /// Counts in proportion to how often each byte occurs in a text, for a model without context.
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

    /// The upper end of a byte's interval: where the next byte's begins.
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
        self.end(byte).wrapping_sub(self.start(byte))
    }

    /// The 256 counts in byte order.
    pub fn counts(&self) -> impl Iterator<Item = u32> + '_ {
        let ([_, ends @ ..], [.., last]) = (&self.starts, self.starts);
        let counts = self.starts.iter().zip(ends).map(|(&start, &end)| u32::from(end.wrapping_sub(start)));
        counts.chain([Self::TOTAL - u32::from(last)])
    }

    /// The byte whose interval holds `target`, which is below 2^16.
    #[inline]
    pub fn find(&self, target: u32) -> u8 {
        self.last_where(|start| start <= target)
    }

    /// The last byte whose start satisfies `holds`, which is true of 0 and of every start below one that satisfies
    /// it. Eight probes: coders compare scaled starts with their position and so need no division.
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
}

impl Default for Frequencies {
    fn default() -> Self {
        Self::uniform()
    }
}

/// What is left to share by weight once every byte has the minimum, times 2^16.
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
        fn weights_give_the_contracts_bounds(
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
