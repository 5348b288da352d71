//! [`Kernels`]: the loops that take nearly all of M1's time, for a machine that has something better than portable code.
//!
//! Invariant: whatever the implementation, the results are those of [`Portable`]: sums are exact in any order, and
//! rounding is [`Requantizer::apply`].

use super::image::{HEAD, Matrix};
use super::ops::Requantizer;

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
        dot(a, b, |b| b)
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

/// The loops in portable Rust. A row that a gate closes is passed over, and on small machines so are activations of zero.
#[derive(Clone, Copy, Debug)]
pub struct Portable;

/// Activations as [`Portable`] takes them.
#[derive(Clone, Copy, Debug)]
pub struct Activations<'a> {
    all: &'a [i8],
    nonzero: Option<&'a [i32]>,
}

impl<'a> Activations<'a> {
    /// Activations that are multiplied one and all.
    #[inline]
    pub const fn dense(all: &'a [i8]) -> Self {
        Self { all, nonzero: None }
    }
}

/// Lists the activations that are not zero, if they are few enough for that to pay: the column in the lower half of a
/// word, the activation in the upper. Gives the length of the list. Most of those between the two halves of a feed-forward layer are zeros.
pub fn list_nonzero(activations: &[i8], scratch: &mut [i32]) -> Option<usize> {
    // A product from the list takes up to twice the instructions of one of a whole row.
    let most = scratch.len().min(activations.len() / 2);
    let mut length = 0;
    for (column, &activation) in (0..).zip(activations) {
        if activation != 0 {
            if length >= most {
                return None;
            }
            *scratch.get_mut(length)? = i32::from(activation) << 16 | column;
            length += 1;
        }
    }
    Some(length)
}

/// Whether activations are listed: not where the compiler has vectors for whole rows.
const LISTS: bool = cfg!(target_pointer_width = "32");

/// Columns that are multiplied at a time: as many as the registers of a small machine hold, or plenty for vectors.
const COLUMNS: usize = if LISTS { 4 } else { 64 };

impl Kernels for Portable {
    type Prepared<'a> = Activations<'a>;

    #[inline]
    fn prepare<'a>(activations: &'a [i8], scratch: &'a mut [i32]) -> Activations<'a> {
        let length = if LISTS { list_nonzero(activations, scratch) } else { None };
        Activations { all: activations, nonzero: length.and_then(|length| scratch.get(..length)) }
    }

    #[inline]
    fn project(rows: &Matrix, activations: &Activations<'_>, scale: u32, out: &mut [i32]) {
        let pairs = rows.weights.chunks_exact(rows.width.saturating_mul(2).max(1));
        let pairs = pairs.zip(rows.requantizers.as_chunks::<2>().0).zip(out.as_chunks_mut::<2>().0);
        for ((rows, requantizers), out) in pairs {
            let sums = match activations.nonzero {
                Some(nonzero) => dot2_listed(rows, nonzero),
                None => dot2(rows, activations.all),
            };
            for ((out, sum), requantizer) in out.iter_mut().zip(sums).zip(requantizers) {
                *out = Requantizer::from_image(*requantizer).apply(sum << scale);
            }
        }
    }

    #[inline]
    fn project_gated(rows: &Matrix, activations: &Activations<'_>, gates: &[i32], out: &mut [i32]) {
        let weights = rows.weights.chunks_exact(rows.width.max(1));
        for (((out, &gate), row), requantizer) in out.iter_mut().zip(gates).zip(weights).zip(rows.requantizers) {
            if gate > 0 {
                *out = Requantizer::from_image(*requantizer).apply(dot(activations.all, row, as_signed));
            }
        }
    }
}

// Not inlined, and sums have names instead of places in an array: where code is to be small, compilers would keep them
// in memory.

/// The dot products of activations with two consecutive rows of as many.
#[inline(never)]
fn dot2(rows: &[u8], activations: &[i8]) -> [i32; 2] {
    let (row0, row1) = rows.split_at_checked(activations.len()).unwrap_or_default();
    let columns = activations.as_chunks::<COLUMNS>().0.iter().zip(row0.as_chunks().0).zip(row1.as_chunks().0);
    let (mut sum0, mut sum1) = (0, 0);
    // Two rows share each activation, which saves a quarter of the loads; more would not leave enough registers.
    for ((a, w0), w1) in columns {
        sum0 = add_products(sum0, a, w0, as_signed);
        sum1 = add_products(sum1, a, w1, as_signed);
    }
    [sum0, sum1]
}

/// The dot product of two vectors of equal length, a multiple of 64.
#[inline(never)]
fn dot<T: Copy>(a: &[i8], b: &[T], value: impl Fn(T) -> i8 + Copy) -> i32 {
    let columns = a.as_chunks::<COLUMNS>().0.iter().zip(b.as_chunks::<COLUMNS>().0);
    columns.fold(0, |sum, (a, b)| add_products(sum, a, b, value))
}

/// A weight as it stands in an image.
#[inline(always)]
const fn as_signed(weight: u8) -> i8 {
    weight as i8
}

/// A sum and the products of some columns more.
#[inline(always)]
fn add_products<T: Copy>(sum: i32, a: &[i8; COLUMNS], b: &[T; COLUMNS], value: impl Fn(T) -> i8) -> i32 {
    let add = |sum: i32, column: usize| sum.wrapping_add(i32::from(a[column]) * i32::from(value(b[column])));
    if COLUMNS == 4 {
        // Written out, since a compiler that saves code would leave a loop.
        add(add(add(add(sum, 0), 1), 2), 3)
    } else {
        (0..COLUMNS).fold(sum, add)
    }
}

/// As [`dot2`], with listed activations.
#[inline(never)]
fn dot2_listed(rows: &[u8], nonzero: &[i32]) -> [i32; 2] {
    // Of one length, so that one comparison is enough for both weights of a column.
    let width = rows.len() / 2;
    let (row0, row1) = rows.split_at_checked(width).unwrap_or_default();
    let (Some(row0), Some(row1)) = (row0.get(..width), row1.get(..width)) else { return [0; 2] };
    let (mut sum0, mut sum1) = (0i32, 0i32);
    for &entry in nonzero {
        let (column, a) = (entry as usize & 0xffff, entry >> 16);
        if column < width {
            sum0 = sum0.wrapping_add(a * i32::from(as_signed(row0[column])));
            sum1 = sum1.wrapping_add(a * i32::from(as_signed(row1[column])));
        }
    }
    [sum0, sum1]
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn lists_and_gates_change_nothing(
            activations in prop::collection::vec(prop_oneof![3 => Just(0i8), 1 => -127i8..=127], 128),
            weights in prop::collection::vec((-127i8..=127).prop_map(|weight| weight as u8), 64 * 128),
            requantizer in (0u16..1 << 15, 17u8..30).prop_map(|(m, s)| [m as u8, (m >> 8) as u8, s, 0]),
            gates in prop::collection::vec(-2i32..2, 64),
            scale in 0u32..5,
        ) {
            let matrix = Matrix { weights: &weights, requantizers: &[requantizer; 64], width: 128 };
            let rows = weights.chunks_exact(128);
            let exact = rows.map(|row| row.iter().zip(&activations).map(|(&w, &a)| i32::from(w as i8) * i32::from(a)).sum::<i32>());
            let expected: Vec<i32> = exact.map(|sum| Requantizer::from_image(requantizer).apply(sum << scale)).collect();

            let dense = Activations::dense(&activations);
            let mut out = [i32::MIN; 64];
            Portable::project(&matrix, &dense, scale, &mut out);
            prop_assert_eq!(&out[..], &expected);

            let mut scratch = [0; 128];
            let length = list_nonzero(&activations, &mut scratch);
            let count = activations.iter().filter(|&&activation| activation != 0).count();
            prop_assert_eq!(length, (count <= 64).then_some(count));
            if let Some(length) = length {
                let listed = Activations { all: &activations, nonzero: Some(&scratch[..length]) };
                out.fill(i32::MIN);
                Portable::project(&matrix, &listed, scale, &mut out);
                prop_assert_eq!(&out[..], &expected);
                prop_assert_eq!(list_nonzero(&activations, &mut scratch[..length.saturating_sub(1)]).is_some(), length == 0);
            }

            out.fill(i32::MIN);
            Portable::project_gated(&matrix, &dense, &gates, &mut out);
            for ((out, gate), row) in out.into_iter().zip(gates).zip(weights.chunks_exact(128)) {
                let sum = row.iter().zip(&activations).map(|(&w, &a)| i32::from(w as i8) * i32::from(a)).sum();
                prop_assert_eq!(out, if gate > 0 { Requantizer::from_image(requantizer).apply(sum) } else { i32::MIN });
            }
        }
    }
}
