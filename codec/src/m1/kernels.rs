//! [`Kernels`]: the inner loops, which take nearly all of M1's time, to be replaced where a machine has better ones.
//!
//! Invariant: every implementation gives the results of [`Portable`]. Sums are exact in any order, and rounding is
//! [`Requantizer::apply`].

use super::image::{HEAD, Matrix, weight};
use super::ops::{Requantizer, clamp_i8, clamp_i16, norm};

/// The loops over the model's matrices and over attention.
pub trait Kernels {
    /// Activations in the form in which rows are multiplied by them.
    type Prepared<'a>;

    /// Prepares activations, once for all rows of a matrix. Their number is a multiple of 64. `scratch` is free for as
    /// long as they are in use; it has at least 64 words, and at least 7d/8 if there are d activations, d being the
    /// width of the model.
    fn prepare<'a>(activations: &'a [i8], scratch: &'a mut [i32]) -> Self::Prepared<'a>;

    /// Like [`Self::prepare`], for activations that are mostly zeros: those between the two halves of a feed-forward
    /// layer.
    fn prepare_sparse<'a>(activations: &'a [i8], scratch: &'a mut [i32]) -> Self::Prepared<'a> {
        Self::prepare(activations, scratch)
    }

    /// Sets `out` to one number per row: its dot product with the activations, times `2^scale`, requantized. The number
    /// of rows is a multiple of 64.
    fn project(rows: &Matrix, activations: &Self::Prepared<'_>, scale: u32, out: &mut [i32]);

    /// Like [`Self::project`] with a scale of 0, except that any number which is not positive may replace another one.
    fn project_gates(rows: &Matrix, activations: &Self::Prepared<'_>, out: &mut [i32]) {
        Self::project(rows, activations, 0, out);
    }

    /// Like [`Self::project`] with a scale of 0, except that a number is only used where that of `gates` is positive.
    fn project_gated(rows: &Matrix, activations: &Self::Prepared<'_>, gates: &[i32], out: &mut [i32]) {
        let _ = gates;
        Self::project(rows, activations, 0, out);
    }

    /// The dot product of two vectors of activations.
    #[inline]
    fn dot(a: &[i8], b: &[i8]) -> i32 {
        let columns = a.as_chunks::<COLUMNS>().0.iter().zip(b.as_chunks::<COLUMNS>().0);
        columns.fold(0, |sum, (a, b)| add_products(sum, a, |column| b[column].into()))
    }

    /// Adds `weight`, from 0 to 32767, times each value to the sum of the same index.
    #[inline]
    fn accumulate(weight: i32, values: &[i8; HEAD], sums: &mut [i32]) {
        for (sum, &value) in sums.iter_mut().zip(values) {
            *sum = sum.wrapping_add(weight * i32::from(value));
        }
    }

    /// The same as [`Requantizer::apply`].
    #[inline]
    fn requantize(requantizer: Requantizer, x: i32) -> i32 {
        requantizer.apply(x)
    }

    /// Clamps one number for each activation.
    #[inline]
    fn clamp(numbers: &[i32], activations: &mut [i8]) {
        activations.iter_mut().zip(numbers).for_each(|(activation, &number)| *activation = clamp_i8(number));
    }

    /// The activations between the two halves of a feed-forward layer, from one number each of the rectified half and
    /// of the linear half. Where a gate is not positive, the number of the linear half has no meaning.
    #[inline]
    fn reglu(requantizer: Requantizer, gates: &[i32], linears: &[i32], hidden: &mut [i8]) {
        for ((hidden, &gate), &linear) in hidden.iter_mut().zip(gates).zip(linears) {
            *hidden = if gate > 0 {
                let product = i32::from(clamp_i16(gate)) * i32::from(clamp_i16(linear));
                clamp_i8(Self::requantize(requantizer, product))
            } else {
                // Rounding takes zero to zero.
                0
            };
        }
    }

    /// The same as [`ops::norm`](super::ops::norm).
    #[inline]
    fn norm(x: &[i32], constant: u32, activations: &mut [i8]) {
        norm(x, constant, activations);
    }
}

/// The loops in portable Rust. Rows whose gate is closed are skipped, and on small machines so are most zero
/// activations.
#[derive(Clone, Copy, Debug)]
pub struct Portable;

/// Activations in the form that [`Portable`] uses.
#[derive(Clone, Copy, Debug)]
pub struct Activations<'a> {
    all: &'a [i8],
    nonzero: Option<[&'a [i32]; 2]>,
    bias: i32,
}

impl<'a> Activations<'a> {
    /// Activations all of which are multiplied.
    #[inline]
    pub fn dense(all: &'a [i8]) -> Self {
        Self { all, nonzero: None, bias: if LISTS { bias(all) } else { 0 } }
    }

    /// The true sum, from a sum of products with [`factors`].
    #[inline(always)]
    const fn unbias(&self, sum: i32) -> i32 {
        sum.wrapping_add(self.bias)
    }
}

/// The initial value of a sum of products with bytes of an image, which compensates for the 128 by which bytes in even
/// columns exceed their weights.
#[inline]
pub fn bias(activations: &[i8]) -> i32 {
    let even = activations.as_chunks::<2>().0.iter().map(|&[even, _]| i32::from(even));
    even.fold(0, i32::wrapping_add).wrapping_mul(-128)
}

/// The numbers of entries that [`list_nonzero`] has written, those of even columns first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lists {
    /// Entries of even columns.
    pub even: usize,
    /// All entries.
    pub all: usize,
}

/// Lists the activations that are not zero, unless there are too many for a list to save time. An entry has the column
/// in the lower half of a word and the activation in the upper half.
pub fn list_nonzero(activations: &[i8], scratch: &mut [i32]) -> Option<Lists> {
    // A product from the list takes up to twice as many instructions as one of a whole row.
    let most = scratch.len().min(activations.len() / 2);
    let mut lists = Lists { even: 0, all: 0 };
    for odd in [false, true] {
        lists.even = lists.all;
        for (pair, &[first, second]) in (0..).zip(activations.as_chunks::<2>().0) {
            let activation = if odd { second } else { first };
            if activation != 0 {
                if lists.all >= most {
                    return None;
                }
                *scratch.get_mut(lists.all)? = (i32::from(activation) << 16) | (2 * pair) | i32::from(odd);
                lists.all += 1;
            }
        }
    }
    Some(lists)
}

/// Whether activations are listed. Where the compiler has vectors, whole rows are faster.
const LISTS: bool = cfg!(target_pointer_width = "32");

/// The number of columns multiplied at a time: as many as fit the registers of a small machine, or plenty for vectors.
const COLUMNS: usize = if LISTS { 4 } else { 64 };

impl Kernels for Portable {
    type Prepared<'a> = Activations<'a>;

    #[inline]
    fn prepare<'a>(activations: &'a [i8], _: &'a mut [i32]) -> Activations<'a> {
        Activations::dense(activations)
    }

    #[inline]
    fn prepare_sparse<'a>(activations: &'a [i8], scratch: &'a mut [i32]) -> Activations<'a> {
        let lists = if LISTS { list_nonzero(activations, scratch) } else { None };
        let nonzero = lists.and_then(|lists| scratch.get(..lists.all)?.split_at_checked(lists.even));
        Activations { nonzero: nonzero.map(<[_; 2]>::from), ..Activations::dense(activations) }
    }

    #[inline]
    fn project(rows: &Matrix, activations: &Activations<'_>, scale: u32, out: &mut [i32]) {
        let pairs = rows.weights.chunks_exact(rows.width.wrapping_mul(2).max(1));
        let pairs = pairs.zip(rows.requantizers.as_chunks::<2>().0).zip(out.as_chunks_mut::<2>().0);
        for ((rows, requantizers), out) in pairs {
            let sums = match activations.nonzero {
                Some(nonzero) => dot2_listed(rows, nonzero),
                None => dot2(rows, activations.all),
            };
            for ((out, sum), requantizer) in out.iter_mut().zip(sums).zip(requantizers) {
                *out = Requantizer::from_image(*requantizer).apply(activations.unbias(sum) << scale);
            }
        }
    }

    #[inline]
    fn project_gated(rows: &Matrix, activations: &Activations<'_>, gates: &[i32], out: &mut [i32]) {
        let weights = rows.weights.chunks_exact(rows.width.max(1));
        for (((out, &gate), row), requantizer) in out.iter_mut().zip(gates).zip(weights).zip(rows.requantizers) {
            if gate > 0 {
                *out = Requantizer::from_image(*requantizer).apply(activations.unbias(dot_row(row, activations.all)));
            }
        }
    }
}

// Not inlined, and sums are variables rather than elements of an array, which compilers keep in memory when they
// optimise for size.

/// The dot products of activations with two consecutive rows.
#[inline(never)]
fn dot2(rows: &[u8], activations: &[i8]) -> [i32; 2] {
    let (row0, row1) = rows.split_at_checked(activations.len()).unwrap_or_default();
    let columns = activations.as_chunks::<COLUMNS>().0.iter().zip(row0.as_chunks().0).zip(row1.as_chunks().0);
    let (mut sum0, mut sum1) = (0, 0);
    // Two rows share each activation, which saves a quarter of the loads. More rows would not leave enough registers.
    for ((a, w0), w1) in columns {
        sum0 = add_products(sum0, a, factors(w0));
        sum1 = add_products(sum1, a, factors(w1));
    }
    [sum0, sum1]
}

/// The dot product of activations with a row.
#[inline(never)]
fn dot_row(row: &[u8], activations: &[i8]) -> i32 {
    let columns = activations.as_chunks::<COLUMNS>().0.iter().zip(row.as_chunks::<COLUMNS>().0);
    columns.fold(0, |sum, (a, bytes)| add_products(sum, a, factors(bytes)))
}

/// The factors of activations, for a sum that is [unbiased](Activations::unbias) later.
#[inline(always)]
fn factors(bytes: &[u8; COLUMNS]) -> impl Fn(usize) -> i32 {
    move |column| {
        let byte = bytes[column];
        // Small machines load a byte as signed or unsigned at no cost; vectors have the signs of all bytes turned at
        // once.
        if LISTS && column % 2 == 0 { i32::from(byte) } else { weight(column, byte).into() }
    }
}

/// Adds the products of [`COLUMNS`] columns to a sum.
#[inline(always)]
fn add_products(sum: i32, a: &[i8; COLUMNS], factor: impl Fn(usize) -> i32) -> i32 {
    let add = |sum: i32, column: usize| sum.wrapping_add(i32::from(a[column]) * factor(column));
    if COLUMNS == 4 {
        // Written out, as a compiler that optimises for size would leave a loop.
        add(add(add(add(sum, 0), 1), 2), 3)
    } else {
        (0..COLUMNS).fold(sum, add)
    }
}

/// Like [`dot2`], with listed activations.
#[inline(never)]
fn dot2_listed(rows: &[u8], [even, odd]: [&[i32]; 2]) -> [i32; 2] {
    // Of the same length, so that one comparison is enough for both weights of a column.
    let width = rows.len() / 2;
    let (row0, row1) = rows.split_at_checked(width).unwrap_or_default();
    let (Some(row0), Some(row1)) = (row0.get(..width), row1.get(..width)) else { return [0; 2] };
    let mut sums = (0i32, 0i32);
    let mut add = |list: &[i32], value: fn(u8) -> i32| {
        for &entry in list {
            let (column, a) = (entry as usize & 0xffff, entry >> 16);
            if column < width {
                sums.0 = sums.0.wrapping_add(a * value(row0[column]));
                sums.1 = sums.1.wrapping_add(a * value(row1[column]));
            }
        }
    };
    add(even, i32::from);
    add(odd, |byte| i32::from(byte as i8));
    sums.into()
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;
    use crate::m1::image::weight_byte;

    proptest! {
        #[test]
        fn lists_and_gates_change_nothing(
            activations in prop::collection::vec(prop_oneof![3 => Just(0i8), 1 => -127i8..=127], 128),
            weights in prop::collection::vec(-127i8..=127, 64 * 128),
            requantizer in (0u16..1 << 15, 17u8..30).prop_map(|(m, s)| [m as u8, (m >> 8) as u8, s, 0]),
            gates in prop::collection::vec(-2i32..2, 64),
            scale in 0u32..5,
        ) {
            let bytes: Vec<u8> =
                weights.iter().enumerate().map(|(column, &weight)| weight_byte(column, weight)).collect();
            let matrix = Matrix { weights: &bytes, requantizers: &[requantizer; 64], width: 128 };
            let exact: Vec<i32> = weights.chunks_exact(128).map(|row| Portable::dot(row, &activations)).collect();
            let apply = |sum: i32| Requantizer::from_image(requantizer).apply(sum);
            let expected: Vec<i32> = exact.iter().map(|sum| apply(sum << scale)).collect();

            let dense = Activations::dense(&activations);
            let mut out = [i32::MIN; 64];
            Portable::project(&matrix, &dense, scale, &mut out);
            prop_assert_eq!(&out[..], &expected);

            let mut scratch = [0; 128];
            let lists = list_nonzero(&activations, &mut scratch);
            let count = activations.iter().filter(|&&activation| activation != 0).count();
            prop_assert_eq!(lists.map(|lists| lists.all), (count <= 64).then_some(count));
            if let Some(lists) = lists {
                let nonzero = scratch[..lists.all].split_at(lists.even).into();
                let listed = Activations { nonzero: Some(nonzero), bias: bias(&activations), ..dense };
                out.fill(i32::MIN);
                Portable::project(&matrix, &listed, scale, &mut out);
                prop_assert_eq!(&out[..], &expected);
                let one_short = list_nonzero(&activations, &mut scratch[..count.saturating_sub(1)]);
                prop_assert_eq!(one_short.is_some(), count == 0);
            }

            out.fill(i32::MIN);
            Portable::project_gated(&matrix, &dense, &gates, &mut out);
            for ((out, gate), sum) in out.into_iter().zip(gates).zip(exact) {
                prop_assert_eq!(out, if gate > 0 { apply(sum) } else { i32::MIN });
            }
        }
    }
}
