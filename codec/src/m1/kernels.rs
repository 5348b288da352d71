//! [`Kernels`]: the loops that take nearly all of M1's time, for a machine that has something better than portable code.
//!
//! Invariant: whatever the implementation, the results are those of [`Portable`]: sums are exact in any order, and
//! rounding is [`Requantizer::apply`].

use super::image::{HEAD, Matrix};
use super::ops::{self, Requantizer};

/// The loops of the model's matrices and attention.
pub trait Kernels {
    /// Activations in the form that rows are multiplied with.
    type Prepared<'a>;

    /// Prepares activations, made once for all rows of a matrix. There is a multiple of 64 of them, and `scratch`, at
    /// least 64 words, is free for as long as they are in use.
    fn prepare<'a>(activations: &'a [i8], scratch: &'a mut [i32]) -> Self::Prepared<'a>;

    /// Fills `out` with a number for each row: its dot product with the activations, times `2^scale`, requantized.
    /// There is a multiple of 64 rows.
    fn project(rows: &Matrix, activations: &Self::Prepared<'_>, scale: u32, out: &mut [i32]);

    /// As [`Self::project`] with a scale of 0, but a number is only used where `gates` has a positive one in its place.
    fn project_gated(rows: &Matrix, activations: &Self::Prepared<'_>, gates: &[i32], out: &mut [i32]) {
        let _ = gates;
        Self::project(rows, activations, 0, out);
    }

    /// The dot product of two vectors of activations.
    #[inline]
    fn dot(a: &[i8], b: &[i8]) -> i32 {
        ops::dot(a, b)
    }

    /// Adds `weight`, from 0 to 32767, times each value to its sum; there are as many sums.
    #[inline]
    fn accumulate(weight: i32, values: &[i8; HEAD], sums: &mut [i32]) {
        for (sum, &value) in sums.iter_mut().zip(values) {
            *sum = sum.wrapping_add(weight * i32::from(value));
        }
    }

    /// What [`Requantizer::apply`] gives.
    #[inline]
    fn requantize(requantizer: Requantizer, x: i32) -> i32 {
        requantizer.apply(x)
    }
}

/// The loops in portable Rust.
#[derive(Clone, Copy, Debug)]
pub struct Portable;

impl Kernels for Portable {
    type Prepared<'a> = &'a [i8];

    #[inline]
    fn prepare<'a>(activations: &'a [i8], _scratch: &'a mut [i32]) -> &'a [i8] {
        activations
    }

    #[inline]
    fn project(rows: &Matrix, activations: &&[i8], scale: u32, out: &mut [i32]) {
        let blocks = rows.weights.chunks_exact(rows.width.saturating_mul(4).max(1));
        let blocks = blocks.zip(rows.requantizers.as_chunks::<4>().0).zip(out.as_chunks_mut::<4>().0);
        for ((rows, requantizers), out) in blocks {
            let sums = dot4(rows, activations);
            for ((out, sum), requantizer) in out.iter_mut().zip(sums).zip(requantizers) {
                *out = Requantizer::from_image(*requantizer).apply(sum << scale);
            }
        }
    }
}

/// The dot products of activations with four consecutive rows, each as long as the activations.
#[inline]
fn dot4(rows: &[u8], activations: &[i8]) -> [i32; 4] {
    let mut rows = rows.chunks_exact(activations.len().max(1));
    let mut next = || rows.next().unwrap_or_default();
    let (rows0, rows1, rows2, rows3) = (next(), next(), next(), next());
    let mut sums = [0i32; 4];
    // Four rows share each activation, which halves the loads.
    for ((((&a, &w0), &w1), &w2), &w3) in activations.iter().zip(rows0).zip(rows1).zip(rows2).zip(rows3) {
        let a = i32::from(a);
        for (sum, weight) in sums.iter_mut().zip([w0, w1, w2, w3]) {
            *sum = sum.wrapping_add(a * i32::from(weight as i8));
        }
    }
    sums
}
