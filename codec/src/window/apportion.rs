//! The narrow rule of the window code: sharing fewer than 2^32 values among 256 bytes.
//!
//! Invariant: `share(i) = floor(m * f_i / 2^24)` with the largest integer `m` for which the shares add up to at most
//! `span`. This is highest-averages apportionment, which gives the last values to the likeliest bytes.

use crate::frequencies::Frequencies;

/// The division of a narrow node's values among the bytes.
pub(super) struct Shares<'a> {
    frequencies: &'a Frequencies,
    multiplier: Multiplier,
}

impl<'a> Shares<'a> {
    pub(super) fn new(frequencies: &'a Frequencies, span: u32) -> Self {
        Self { frequencies, multiplier: search(&Contenders::new(frequencies, span), span).0 }
    }

    /// Whether a byte with this count certainly gets no value, which needs no division.
    pub(super) fn is_none(count: u32, span: u32) -> bool {
        count < least_count(span)
    }

    /// The first value of `byte`, and the number of its values.
    pub(super) fn of(&self, byte: u8) -> (u32, u32) {
        let before = self.frequencies.counts().take(usize::from(byte));
        let start = before.fold(0, |sum: u32, count| sum.wrapping_add(self.multiplier.share(count)));
        (start, self.multiplier.share(self.frequencies.count(byte)))
    }

    /// The byte that owns the value at `offset`, the first of its values, and their number. `None` if the value is left
    /// over.
    pub(super) fn find(&self, offset: u32) -> Option<(u8, u32, u32)> {
        let (mut byte, mut start) = (0u8, 0u32);
        self.frequencies.counts().find_map(|count| {
            let owned = (byte, start, self.multiplier.share(count));
            byte = byte.wrapping_add(1);
            start = start.wrapping_add(owned.2);
            (offset < start).then_some(owned)
        })
    }
}

/// The smallest count that may get a value: below it there is none even at the upper end of the search, as
/// `256 * (span + 256) * count < 2^24`.
fn least_count(span: u32) -> u32 {
    let most = span.saturating_add(256);
    if most <= u32::from(u16::MAX) { (u32::from(u16::MAX) / most) + 1 } else { 1 }
}

/// The counts of the bytes that may get a value. There are few of them once the span has become small.
struct Contenders {
    counts: [u16; 256],
    length: usize,
}

impl Contenders {
    fn new(frequencies: &Frequencies, span: u32) -> Self {
        let least = least_count(span);
        let mut contenders = Self { counts: [0; 256], length: 0 };
        frequencies.counts().for_each(|count| {
            // Without a branch, which would be hard to predict.
            contenders.counts[contenders.length & 255] = count as u16;
            contenders.length += usize::from(count >= least);
        });
        contenders
    }

    /// The sum of all shares minus `span`. Near the solution the difference is small, even if the sum wraps on the way.
    fn excess(&self, multiplier: Multiplier, span: u32) -> i32 {
        let counts = self.counts.iter().take(self.length);
        let sum = counts.fold(0u32, |sum, &count| sum.wrapping_add(multiplier.share(u32::from(count))));
        sum.wrapping_sub(span) as i32
    }

    /// The smallest increase of the multiplier, up to `width`, that increases any share.
    fn next_growth(&self, multiplier: Multiplier, width: u32) -> u32 {
        let upper = Multiplier(multiplier.0 + u64::from(width));
        let mut step = width;
        for count in self.counts.iter().take(self.length).map(|&count| u32::from(count)) {
            let share = multiplier.share(count);
            if upper.share(count) > share {
                let missing = ((u64::from(share) + 1) << 24) - multiplier.0 * u64::from(count);
                step = step.min((missing as u32).div_ceil(count.max(1)));
            }
        }
        step
    }
}

/// `m`, at most 2^40 + 2^16.
#[derive(Clone, Copy)]
struct Multiplier(u64);

impl Multiplier {
    /// `floor(m * count / 2^24)`. It fits, because no count is above 65536 - 255 * 2.
    #[inline(always)]
    fn share(self, count: u32) -> u32 {
        if cfg!(target_pointer_width = "64") { self.share_at_once(count) } else { self.share_in_parts(count) }
    }

    #[inline(always)]
    fn share_at_once(self, count: u32) -> u32 {
        ((self.0 * u64::from(count)) >> 24) as u32
    }

    /// In 32-bit products, for processors that have no wider ones.
    #[inline(always)]
    fn share_in_parts(self, count: u32) -> u32 {
        let (high, middle, low) = ((self.0 >> 24) as u32, (self.0 >> 16) as u32 & 0xff, self.0 as u32 & 0xffff);
        high * count + ((middle * count + ((low * count) >> 16)) >> 8)
    }
}

/// The largest multiplier that does not overspend, or one with the same shares, and the number of passes over the
/// contenders that the search took.
///
/// The multiplier lies in `256 * span .. 256 * (span + 256)`: at the lower end every share is at most its exact part of
/// `span`; at the upper end each falls short of its exact part of `span + 256` by less than one, so they overspend.
/// Shares grow with `m`, so equal sums mean equal shares and the search may stop at the first `m` that spends all of
/// `span`. Between the two ends the sum follows a line of slope 1/256 closely, so interpolation soon finds one, and a
/// bound on the bracket that halves with every such pass keeps it from crawling. Where shares grow together there may
/// be no `m` that spends everything; so after a few passes every other one tries the next `m` at which any share grows
/// at all.
fn search(contenders: &Contenders, span: u32) -> (Multiplier, u32) {
    let mut best = Multiplier(u64::from(span) << 8);
    let mut excess = contenders.excess(best, span);
    // The values that the lower end of the bracket leaves unspent, and those that the upper end overspends.
    let mut unspent = excess.unsigned_abs();
    let mut overspent = 256 - unspent;
    let (mut width, mut bound) = (WIDTH, WIDTH << SLACK);
    let mut passes = 1;
    while excess != 0 && width > 1 {
        let to_next_growth = passes > PATIENCE && passes % 2 == 0;
        let step = if to_next_growth {
            contenders.next_growth(best, width)
        } else {
            bound /= 2;
            let interpolated = width * unspent / (unspent + overspent).max(1);
            interpolated.max(width.saturating_sub(bound)).max(1).min(bound).min(width - 1)
        };
        let multiplier = Multiplier(best.0 + u64::from(step));
        excess = contenders.excess(multiplier, span);
        passes += 1;
        if excess <= 0 {
            (best, width, unspent) = (multiplier, width.saturating_sub(step), excess.unsigned_abs());
        } else if to_next_growth {
            break;
        } else {
            (width, overspent) = (step, excess.unsigned_abs());
        }
    }
    (best, passes)
}

/// The initial width of the bracket.
const WIDTH: u32 = 1 << 16;

/// The number of interpolations allowed beyond the number of bisections that would be needed.
const SLACK: u32 = 1;

/// The number of passes after which it is likely that shares grow together.
const PATIENCE: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, by bisection in wide integers.
    fn plain_shares(frequencies: &Frequencies, span: u32) -> std::vec::Vec<u64> {
        let shares = |m: u128| frequencies.counts().map(move |count| ((m * u128::from(count)) >> 24) as u64);
        let fits = |m: u128| shares(m).sum::<u64>() <= u64::from(span);
        let (mut low, mut high) = (0u128, 1 << 41);
        while high - low > 1 {
            let middle = (low + high) / 2;
            if fits(middle) {
                low = middle;
            } else {
                high = middle;
            }
        }
        shares(low).collect()
    }

    fn compare(frequencies: &Frequencies, span: u32) -> u32 {
        let plain = plain_shares(frequencies, span);
        let shares = Shares::new(frequencies, span);
        let mut start = 0u64;
        for (byte, &expected) in (0..=255).zip(&plain) {
            let (found_start, found) = shares.of(byte);
            assert_eq!((u64::from(found_start), u64::from(found)), (start, expected));
            assert!(expected == 0 || !Shares::is_none(frequencies.count(byte), span));
            let (multiplier, count) = (shares.multiplier, frequencies.count(byte));
            assert_eq!(multiplier.share_in_parts(count), multiplier.share_at_once(count));
            if expected > 0 {
                assert_eq!(shares.find(found_start), Some((byte, found_start, found)));
                assert_eq!(shares.find(found_start + (found - 1)), Some((byte, found_start, found)));
            }
            start += expected;
        }
        if start <= u64::from(u32::MAX) {
            assert_eq!(shares.find(start as u32), None);
        }
        search(&Contenders::new(frequencies, span), span).1
    }

    fn spans() -> impl Strategy<Value = u32> {
        prop_oneof![0u32..600, 0u32..70_000, any::<u32>(), (u32::MAX - 600)..=u32::MAX]
    }

    const MOST_PASSES: u32 = 20;

    /// Frequencies from flat to sharp: weights are random powers.
    fn sharpened(weights: &[u16], sharpness: u32) -> Frequencies {
        let mut frequencies = Frequencies::uniform();
        frequencies.set_weights(|byte| {
            let weight = u128::from(weights[usize::from(byte)]);
            (weight.pow(sharpness) >> (16 * (sharpness - 1))) as u16
        });
        frequencies
    }

    proptest! {
        #[test]
        fn shares_follow_the_definition(
            weights in proptest::collection::vec(any::<u16>(), 256),
            sharpness in 1u32..8,
            span in spans(),
        ) {
            let passes = compare(&sharpened(&weights, sharpness), span);
            prop_assert!(passes <= MOST_PASSES, "{passes} passes");
        }

        #[test]
        fn shares_of_ties_follow_the_definition(
            weights in proptest::collection::vec(0u16..3, 256),
            span in spans(),
        ) {
            compare(&sharpened(&weights, 1), span);
        }
    }

    #[test]
    fn shares_of_extremes_follow_the_definition() {
        let mut sharp = Frequencies::uniform();
        sharp.set_weights(|byte| u16::from(byte == 200));
        for frequencies in [Frequencies::uniform(), sharp] {
            for span in [0, 1, 2, 127, 255, 256, 257, 65_535, 65_536, u32::MAX - 1, u32::MAX] {
                compare(&frequencies, span);
            }
        }
    }
}
