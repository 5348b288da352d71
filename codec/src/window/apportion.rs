//! Sharing fewer than 2^32 values among 256 bytes: the narrow rule of the window code.
//!
//! Invariant: `share(i) = floor(m * f_i / 2^24)` with the largest integer `m` for which the shares add up to at most
//! `span`. This is highest-averages apportionment: the last values go to the likeliest bytes. Everything is 32-bit
//! multiplication, so a pass vectorises on a host and is cheap on a microcontroller.

use crate::frequencies::Frequencies;

/// The values of a narrow node as its bytes own them.
pub(super) struct Shares<'a> {
    frequencies: &'a Frequencies,
    multiplier: Multiplier,
}

impl<'a> Shares<'a> {
    pub(super) fn new(frequencies: &'a Frequencies, span: u32) -> Self {
        Self { frequencies, multiplier: search(frequencies, span).0 }
    }

    /// Where the values of `byte` begin, and how many there are.
    pub(super) fn of(&self, byte: u8) -> (u32, u32) {
        let start = self
            .frequencies
            .counts()
            .take(usize::from(byte))
            .fold(0, |sum: u32, count| sum.wrapping_add(self.multiplier.share(count)));
        (start, self.multiplier.share(self.frequencies.count(byte)))
    }

    /// The byte that owns the value at `offset`, where its values begin and how many there are. `None`: the value
    /// was left over.
    pub(super) fn find(&self, offset: u32) -> Option<(u8, u32, u32)> {
        let mut start = 0u32;
        for (byte, count) in (0..=255).zip(self.frequencies.counts()) {
            let share = self.multiplier.share(count);
            if offset.wrapping_sub(start) < share {
                return Some((byte, start, share));
            }
            start = start.wrapping_add(share);
        }
        None
    }
}

/// `m`, at most 2^40 + 2^16, in the parts that keep products within 32 bits.
#[derive(Clone, Copy)]
struct Multiplier {
    /// Bits 24 and up.
    high: u32,
    /// Bits 16 to 23.
    middle: u32,
    /// Bits 0 to 15.
    low: u32,
}

impl Multiplier {
    fn new(m: u64) -> Self {
        Self { high: (m >> 24) as u32, middle: (m >> 16) as u32 & 0xff, low: m as u32 & 0xffff }
    }

    /// `floor(m * count / 2^24)`. It fits: no count is above 65536 - 255 * 2, and `m < 2^40 + 2^16`.
    #[inline(always)]
    fn share(self, count: u32) -> u32 {
        self.high * count + ((self.middle * count + ((self.low * count) >> 16)) >> 8)
    }

    /// The sum of all shares less `span`. Near the solution the difference is small, whatever wraps on the way.
    fn excess(self, frequencies: &Frequencies, span: u32) -> i32 {
        let starts = frequencies.starts();
        let pairs = starts.iter().zip(starts.iter().skip(1));
        let sum =
            pairs.fold(0u32, |sum, (&start, &end)| sum.wrapping_add(self.share(u32::from(end.wrapping_sub(start)))));
        sum.wrapping_add(self.share(frequencies.count(255))).wrapping_sub(span) as i32
    }
}

/// The largest multiplier that does not overspend, or another with the same shares, and the number of passes over
/// the frequencies that it took (at most 18).
///
/// It lies in `256 * span .. 256 * (span + 256)`: at the lower end every share is at most its exact part of `span`;
/// at the upper end each falls short of its exact part of `span + 256` by less than one, so they overspend. Shares
/// grow with `m`, so equal sums mean equal shares and the search may stop at the first `m` that spends all of `span`.
/// Between the two ends the sum follows a line of slope 1/256 closely, so interpolation soon finds one. Where equal
/// counts jump together there may be none; then the bound on the bracket, which halves with every pass, turns
/// the interpolation into a bisection.
fn search(frequencies: &Frequencies, span: u32) -> (Multiplier, u32) {
    let base = u64::from(span) << 8;
    let mut best = Multiplier::new(base);
    let mut excess = best.excess(frequencies, span);
    let (mut below, mut width) = (0u32, WIDTH);
    // What the lower end of the bracket leaves unspent, and what the upper end would overspend.
    let mut unspent = excess.unsigned_abs();
    let mut overspent = 256 - unspent;
    let mut bound = WIDTH << SLACK;
    let mut passes = 1;
    while excess != 0 && width > 1 {
        bound /= 2;
        let interpolated = width * unspent / (unspent + overspent).max(1);
        let step = interpolated.max(width.saturating_sub(bound)).max(1).min(bound).min(width - 1);
        let multiplier = Multiplier::new(base + u64::from(below + step));
        excess = multiplier.excess(frequencies, span);
        passes += 1;
        if excess <= 0 {
            (below, width, unspent, best) = (below + step, width - step, excess.unsigned_abs(), multiplier);
        } else {
            (width, overspent) = (step, excess.unsigned_abs());
        }
    }
    (best, passes)
}

/// The width of the bracket that the search begins with.
const WIDTH: u32 = 1 << 16;

/// How many passes more than a bisection the search may take.
const SLACK: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition itself, by bisection in wide integers.
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
            if expected > 0 {
                assert_eq!(shares.find(found_start), Some((byte, found_start, found)));
                assert_eq!(shares.find(found_start + (found - 1)), Some((byte, found_start, found)));
            }
            start += expected;
        }
        if start <= u64::from(u32::MAX) {
            assert_eq!(shares.find(start as u32), None);
        }
        search(frequencies, span).1
    }

    fn spans() -> impl Strategy<Value = u32> {
        prop_oneof![0u32..600, 0u32..70_000, any::<u32>(), (u32::MAX - 600)..=u32::MAX]
    }

    const MOST_PASSES: u32 = 1 + 16 + SLACK;

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
