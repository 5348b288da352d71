//! The primitives of the numeric contract.
//!
//! Invariant: rounding happens in [`Requantizer::apply`] and in the last step of the norm, and nowhere else. None of
//! these functions overflows for inputs that the contract allows.

/// Clamps to the symmetric range of an 8-bit activation, `-127..=127`.
#[inline]
pub const fn clamp_i8(x: i32) -> i8 {
    if x > 127 {
        127
    } else if x < -127 {
        -127
    } else {
        x as i8
    }
}

/// Clamps to the symmetric range of a 16-bit activation, `-32767..=32767`.
#[inline]
pub const fn clamp_i16(x: i32) -> i16 {
    if x > 32767 {
        32767
    } else if x < -32767 {
        -32767
    } else {
        x as i16
    }
}

/// A fixed-point factor `multiplier * 2^-shift`, with `multiplier < 2^15` and `17 <= shift <= 46`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Requantizer {
    multiplier: u16,
    shift: u8,
}

impl Requantizer {
    /// The smallest shift, with which the lower 16 bits of the product affect nothing but the rounding.
    pub const MIN_SHIFT: u8 = 17;
    /// The largest shift.
    pub const MAX_SHIFT: u8 = 46;

    /// A requantizer, or `None` when the multiplier or the shift is outside the contract.
    #[inline]
    pub const fn new(multiplier: u16, shift: u8) -> Option<Self> {
        if multiplier < 1 << 15 && shift >= Self::MIN_SHIFT && shift <= Self::MAX_SHIFT {
            Some(Self { multiplier, shift })
        } else {
            None
        }
    }

    /// The requantizer in four bytes of an image that [`Model::load`](super::Model::load) has checked.
    #[inline]
    pub const fn from_image(bytes: [u8; 4]) -> Self {
        Self { multiplier: u16::from_le_bytes([bytes[0], bytes[1]]), shift: bytes[2] }
    }

    /// The multiplier.
    #[inline]
    pub const fn multiplier(self) -> u16 {
        self.multiplier
    }

    /// The shift.
    #[inline]
    pub const fn shift(self) -> u8 {
        self.shift
    }

    /// `(x * multiplier + 2^(shift-1)) >> shift`, in 32-bit arithmetic: the one place where rounding is defined.
    #[inline]
    pub const fn apply(self, x: i32) -> i32 {
        let multiplier = self.multiplier as i32;
        let low = ((x as u32 & 0xffff) * self.multiplier as u32) >> 16;
        let product = (x >> 16).wrapping_mul(multiplier).wrapping_add(low as i32);
        // Adding one before the last step of the shift is the same as adding a half before the shift.
        product.wrapping_shr((self.shift as u32).wrapping_sub(17)).wrapping_add(1) >> 1
    }
}

/// The table of `2^(-f/256)` in 16 bits, as an image holds it.
pub type PowerTable = [[u8; 2]; 256];

/// `2^(-t/256)` in units of 2^-16, for `t >= 0` in units of 1/256 of a bit.
#[inline]
pub const fn exp2_neg(table: &PowerTable, t: i32) -> u16 {
    let whole = t >> 8;
    if whole >= 16 {
        return 0;
    }
    u16::from_le_bytes(table[(t & 255) as usize]).wrapping_shr(whole as u32)
}

/// The number of bits needed to write `x`.
#[inline]
const fn bit_length(x: u32) -> i32 {
    32 - x.leading_zeros() as i32
}

/// `(r, n)` such that `1 / sum` is close to `r * 2^-(31 + n)`, with `2^15 <= r <= 2^16`, for `sum >= 1`.
#[inline]
pub const fn reciprocal(sum: u32) -> (u32, i32) {
    let n = bit_length(sum) - 16;
    let scaled = if n < 0 { sum.wrapping_shl(-n as u32) } else { sum.wrapping_shr(n as u32) };
    // `max` keeps the division free of a panic path; `scaled` is at least 2^15 for every sum but zero.
    ((1 << 31) / if scaled == 0 { 1 } else { scaled }, n)
}

/// `floor(sqrt(q))` for `q < 2^42`.
#[inline]
pub const fn isqrt(q: u64) -> u32 {
    // Two bits of `q` give one bit of the root, in 32-bit shifts and comparisons: the remainder is at most twice the
    // root.
    let (mut root, mut rest) = (0u32, 0u32);
    let mut word = ((q >> 32) as u32) << 22;
    let mut bits = 42;
    while bits != 0 {
        if bits == 32 {
            word = q as u32;
        }
        rest = rest << 2 | word >> 30;
        word <<= 2;
        let trial = root << 2 | 1;
        // All ones if the trial is too large. No branch, as small cores are slow at them.
        let difference = rest.wrapping_sub(trial);
        let too_large = (difference as i32 >> 31) as u32;
        rest = difference.wrapping_add(trial & too_large);
        root = (root << 1 | 1).wrapping_add(too_large);
        bits -= 2;
    }
    root
}

/// RMSNorm without gain, from the residual `x` to activations; `constant` is the model's `K` in the contract.
#[inline]
pub fn norm(x: &[i32], constant: u32, activations: &mut [i8]) {
    // Only the bit length of the largest absolute value matters, which is that of all of them combined by OR.
    let shift = NormShift::new(x.iter().fold(0, |bits, x| bits | x.unsigned_abs()));
    let squares = x.iter().fold(0u64, |sum, &x| {
        let y = shift.apply(x).unsigned_abs();
        sum.wrapping_add(u64::from(y.wrapping_mul(y)))
    });
    let inverse = norm_inverse(constant, squares);
    for (activation, &x) in activations.iter_mut().zip(x) {
        *activation = clamp_i8(shift.apply(x).wrapping_mul(inverse).wrapping_add(1 << 19) >> 20);
    }
}

/// The shifts that bring a residual to 16 bits before its norm. One of them is 0.
#[derive(Clone, Copy, Debug)]
pub struct NormShift {
    /// The shift to the left, which comes first.
    pub left: u32,
    /// The shift to the right.
    pub right: u32,
}

impl NormShift {
    /// The shifts for absolute values that combine to `bits` by OR.
    #[inline]
    pub const fn new(bits: u32) -> Self {
        let shift = bit_length(bits) - 15;
        if shift < 0 { Self { left: shift.unsigned_abs(), right: 0 } } else { Self { left: 0, right: shift as u32 } }
    }

    #[inline]
    const fn apply(self, x: i32) -> i32 {
        x.wrapping_shl(self.left).wrapping_shr(self.right)
    }
}

/// The factor of a norm, from the sum of the squares of the shifted residual.
#[inline]
pub fn norm_inverse(constant: u32, squares: u64) -> i32 {
    // If the root is 0, so is the whole residual, and the factor does not matter.
    (constant / isqrt(squares).max(1)).min(32767) as i32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn requantizer() -> impl Strategy<Value = Requantizer> {
        (0u16..1 << 15, Requantizer::MIN_SHIFT..=Requantizer::MAX_SHIFT)
            .prop_map(|(m, s)| Requantizer::new(m, s).unwrap())
    }

    /// A falling line with the right ends, in place of 2^(-f/256), which is hard to compute without floats.
    fn table() -> PowerTable {
        core::array::from_fn(|f| (65535 - 127 * f as u16).to_le_bytes())
    }

    #[test]
    fn requantizer_limits() {
        assert!(Requantizer::new(32767, 17).is_some());
        assert!(Requantizer::new(32768, 17).is_none());
        assert!(Requantizer::new(1, 16).is_none());
        assert!(Requantizer::new(1, 47).is_none());
    }

    #[test]
    fn isqrt_around_squares() {
        for root in (1u64..1 << 21).step_by(997).chain([1, 2, 3, (1 << 21) - 1]) {
            assert_eq!(u64::from(isqrt(root * root)), root);
            assert_eq!(u64::from(isqrt(root * root - 1)), root - 1);
            assert_eq!(u64::from(isqrt(root * root + 2 * root)), root);
        }
        assert_eq!(isqrt(0), 0);
    }

    #[test]
    fn reciprocal_range_and_error() {
        for sum in (1u32..70_000).chain((70_000..1 << 25).step_by(1013)).chain([u32::MAX]) {
            let (r, n) = reciprocal(sum);
            assert!((1 << 15..=1 << 16).contains(&r), "{sum}");
            // r * sum * 2^-(31+n) is within 2^-14 below or above one.
            let product = (u128::from(r) * u128::from(sum)) << 32 >> (31 + n);
            let one = 1u128 << 32;
            assert!(product.abs_diff(one) <= one >> 14, "{sum}");
        }
    }

    #[test]
    fn norm_of_zeros_is_zero() {
        let mut activations = [5i8; 64];
        norm(&[0; 64], u32::MAX, &mut activations);
        assert_eq!(activations, [0; 64]);
    }

    #[test]
    fn exp2_neg_ends() {
        let table = table();
        assert_eq!(exp2_neg(&table, 0), 65535);
        assert_eq!(exp2_neg(&table, 256), 32767);
        assert_eq!(exp2_neg(&table, 15 * 256), 1);
        assert_eq!(exp2_neg(&table, 16 * 256), 0);
        assert_eq!(exp2_neg(&table, i32::MAX), 0);
    }

    proptest! {
        #[test]
        fn requantize_is_the_wide_definition(x: i32, r in requantizer()) {
            let wide = (i64::from(x) * i64::from(r.multiplier()) + (1i64 << (r.shift() - 1))) >> r.shift();
            prop_assert_eq!(i64::from(r.apply(x)), wide);
        }

        #[test]
        fn norm_is_the_wide_definition(
            x in prop::collection::vec(-(1i32 << 30)..1 << 30, 64),
            scale in 0u32..30,
            constant: u32,
        ) {
            let x: [i32; 64] = core::array::from_fn(|i| x[i] >> scale);
            let mut activations = [0; 64];
            norm(&x, constant, &mut activations);
            let largest = i64::from(x.iter().map(|x| x.abs()).max().unwrap());
            if largest == 0 {
                prop_assert_eq!(activations, [0; 64]);
                return Ok(());
            }
            let e = 64 - largest.leading_zeros() as i32 - 15;
            let y = x.map(|x| if e < 0 { i64::from(x) << -e } else { i64::from(x) >> e });
            let squares: i64 = y.iter().map(|y| y * y).sum();
            let root = squares.isqrt();
            prop_assert!(root >= 1 << 14);
            let inverse = (i64::from(constant) / root).min(32767);
            for (a, y) in activations.iter().zip(y) {
                prop_assert_eq!(i64::from(*a), ((y * inverse + (1 << 19)) >> 20).clamp(-127, 127));
            }
        }

        #[test]
        fn clamps(x: i32) {
            prop_assert_eq!(i32::from(clamp_i8(x)), x.clamp(-127, 127));
            prop_assert_eq!(i32::from(clamp_i16(x)), x.clamp(-32767, 32767));
        }
    }
}
