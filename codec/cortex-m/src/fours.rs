//! Cortex-M0 and M3: four weights of a row in two multiplications.
//!
//! The multipliers of these cores give the lower 32 bits of one product. So a word of four weights is multiplied at
//! once: with the sign bits of `w1` and `w3` flipped, it is `e + 2^8 t` where `e = w0 + 2^16 w2` and `t = w1 + 2^16
//! w3`, each weight being 128 too large. A shift and a mask give `t`. With the activations as `A = x2 + 2^16 x0` and `B
//! = x3 + 2^16 x1`,
//!
//! ```text
//! word * A + t * (B - 2^8 A) = e * A + t * B = (w0 x2 + w1 x3) + 2^16 (w0 x0 + w1 x1 + w2 x2 + w3 x3)   mod 2^32
//! ```
//!
//! which has the sum of the four products in its upper half. A chunk of eight columns is summed before it is shifted
//! down. One number per chunk, the same for all rows, compensates for the weights that are too large and rounds the
//! lower half away. This is exact as long as both halves fit 16 bits, that is, as long as the absolute values of the
//! eight activations add up to at most 258. Part of a larger one is cut off, and multiplied separately after the row:
//! about two entries per vector in practice.
//!
//! Two rows share the activations, at 20 instructions per chunk and row; rows of more than 64 columns are computed one
//! by one, at 21. Cortex-M3 takes 13, as it can add a product, mask a shifted word and add a shifted sum in one
//! instruction each. Both share the assembly, where `MLA` stands for the instructions that only Cortex-M3 has.
//!
//! Activations that are mostly zeros become a list of the others, and four rows share an entry. Rows whose gate is
//! closed are skipped. Nothing is inlined, as functions are called from several places and these cores have little
//! flash.
//!
//! Invariant: the sums are exact, so their order does not matter and the bits are those of the portable loops.

use core::arch::global_asm;

use equalinfo_codec::m1::image::{HEAD, row_weights};
use equalinfo_codec::m1::{Kernels, Matrix, Requantizer};

use super::rows::{self, Form, Job, Prepared, in_words, job};
use super::split;

/// The loops with sums and requantization in assembly.
#[derive(Debug)]
pub enum Fours {}

impl Kernels for Fours {
    type Prepared<'a> = Prepared<'a>;

    #[inline(never)]
    fn prepare<'a>(activations: &'a [i8], scratch: &'a mut [i32]) -> Prepared<'a> {
        Prepared::dense(activations, scratch, split)
    }

    #[inline(never)]
    fn prepare_sparse<'a>(activations: &'a [i8], scratch: &'a mut [i32]) -> Prepared<'a> {
        // Both parts of the list may end with a zero.
        let entries = || activations.iter().filter(|&&activation| activation != 0).count().wrapping_add(2);
        if !in_fours(activations) || (scratch.len() < activations.len() && scratch.len() < entries()) {
            return Self::prepare(activations, scratch);
        }
        let list = scratch.as_mut_ptr();
        // SAFETY: there is an even number of pairs of activations, and room for all those listed.
        let (even, all) = unsafe {
            let odd = equalinfo_list(activations.as_ptr(), activations.len(), list, 0);
            let end = equalinfo_list(activations.as_ptr(), activations.len(), odd, 1);
            (odd.offset_from_unsigned(list), end.offset_from_unsigned(list))
        };
        Prepared::listed(activations, scratch.get(..all).unwrap_or_default(), even)
    }

    #[inline(never)]
    fn project(rows: &Matrix, activations: &Prepared<'_>, scale: u32, out: &mut [i32]) {
        if activations.activations.len() == PAIRED || !project_rows(rows, activations, scale, None, out) {
            sums(rows, activations, out);
            requantize(rows, scale, out, equalinfo_requantize);
        }
    }

    #[inline(never)]
    fn project_gates(rows: &Matrix, activations: &Prepared<'_>, out: &mut [i32]) {
        if activations.activations.len() == PAIRED {
            sums(rows, activations, out);
            requantize(rows, 0, out, equalinfo_requantize_positive);
        } else {
            Self::project(rows, activations, 0, out);
        }
    }

    #[inline(never)]
    fn project_gated(rows: &Matrix, activations: &Prepared<'_>, gates: &[i32], out: &mut [i32]) {
        if !project_rows(rows, activations, 0, Some(gates), out) {
            Self::project(rows, activations, 0, out);
        }
    }

    #[inline(never)]
    fn norm(x: &[i32], constant: u32, activations: &mut [i8]) {
        rows::norm(in_fours(activations), x, constant, activations);
    }

    #[inline]
    fn clamp(numbers: &[i32], activations: &mut [i8]) {
        rows::clamp(in_fours(activations), numbers, activations);
    }

    #[inline]
    fn accumulate(weight: i32, values: &[i8; HEAD], sums: &mut [i32]) {
        rows::accumulate(weight, values, sums);
    }

    #[inline]
    fn dot(a: &[i8], b: &[i8]) -> i32 {
        rows::dot::<8>(a, b)
    }

    #[cfg(core = "mla")]
    #[inline]
    fn requantize(requantizer: Requantizer, x: i32) -> i32 {
        super::long::requantize(requantizer, x)
    }
}

/// The width of rows that are computed in pairs.
const PAIRED: usize = 64;

/// Activations in chunks, and the parts cut off.
fn split<'a>(activations: &[i8], scratch: &'a mut [i32]) -> Option<(Form<'a>, i32)> {
    // SAFETY: there are eight activations and five words.
    let parts = split::split(activations, scratch, |chunk, words| unsafe { equalinfo_chunk(chunk, words) })?;
    Some((Form::Widened(scratch.get(..parts.all)?, parts.odd), parts.bias))
}

/// Rows times activations in chunks, requantized; with gates, only rows whose gate is positive. If the assembly cannot
/// do it, nothing changes and the result is false.
#[inline(never)]
fn project_rows(rows: &Matrix, activations: &Prepared<'_>, scale: u32, gates: Option<&[i32]>, out: &mut [i32]) -> bool {
    match job(rows, activations, scale, out) {
        (Some(mut job), true) if gates.is_none_or(|gates| gates.len() >= out.len()) => {
            // Requantizers in place of gates open every row: as numbers they are positive.
            job.gates = gates.map_or(rows.requantizers.as_ptr().cast(), <[i32]>::as_ptr);
            // SAFETY: as `job` guarantees, and there is a gate or a requantizer for every row.
            unsafe { equalinfo_project_rows(&mut job) };
            true
        }
        _ => false,
    }
}

/// Rows times activations.
fn sums(rows: &Matrix, activations: &Prepared<'_>, out: &mut [i32]) {
    match job(rows, activations, 0, out) {
        // SAFETY: as `job` guarantees, and the width is that of rows in pairs.
        (Some(mut job), true) if rows.width == PAIRED => unsafe { equalinfo_sums(&mut job) },
        // SAFETY: as `job` guarantees.
        (Some(mut job), false) => unsafe { equalinfo_sums_listed(&mut job) },
        // Less code than the portable loop.
        _ => {
            for (out, row) in out.iter_mut().zip(rows.weights.chunks_exact(rows.width.max(1))) {
                let pairs = row_weights(row).zip(activations.activations);
                *out = pairs.fold(0, |sum: i32, (weight, &a)| sum.wrapping_add(i32::from(weight) * i32::from(a)));
            }
        }
    }
}

/// Replaces the sums of rows by requantized numbers, with one loop for all of them.
fn requantize(rows: &Matrix, scale: u32, out: &mut [i32], all: Requantize) {
    if rows.requantizers.len() >= out.len() && in_fours(out) && in_words(rows.requantizers) {
        let end = out.as_ptr_range().end;
        // SAFETY: each sum has an aligned requantizer, and the number of sums is a multiple of four.
        unsafe { all(out.as_mut_ptr(), end, rows.requantizers.as_ptr(), scale) }
    } else {
        for (out, requantizer) in out.iter_mut().zip(rows.requantizers) {
            *out = Requantizer::from_image(*requantizer).apply(*out << scale);
        }
    }
}

/// Takes sums, their end, a requantizer for each, and the shift of the sums to the left.
type Requantize = unsafe extern "C" fn(*mut i32, *const i32, *const [u8; 4], u32);

/// Whether the number of values is a multiple of four, and not 0.
fn in_fours<T>(values: &[T]) -> bool {
    !values.is_empty() && values.len().is_multiple_of(4)
}

unsafe extern "C" {
    /// Rows of 64 columns times activations in chunks, two rows at a time.
    fn equalinfo_sums(job: &mut Job);
    /// Rows with a positive gate, of any multiple of 64 columns, times activations in chunks, one row at a time,
    /// requantized. The output of other rows does not change.
    fn equalinfo_project_rows(job: &mut Job);
    /// Rows times listed activations, four rows at a time.
    fn equalinfo_sums_listed(job: &mut Job);
    /// Splits eight activations into the words that [`equalinfo_sums`] uses, and returns the sum of their absolute
    /// values.
    fn equalinfo_chunk(activations: &[i8; 8], words: &mut [i32; 5]) -> i32;
    /// Lists the activations that are not zero in every second column from `column` on, with a zero at the end if their
    /// number is odd, and returns the end of the list.
    fn equalinfo_list(activations: *const i8, width: usize, list: *mut i32, column: usize) -> *mut i32;
    /// Requantizes sums, shifted to the left.
    fn equalinfo_requantize(sums: *mut i32, end: *const i32, requantizers: *const [u8; 4], scale: u32);
    /// The same for positive sums; others do not change.
    fn equalinfo_requantize_positive(sums: *mut i32, end: *const i32, requantizers: *const [u8; 4], scale: u32);
}

/// Whether the core can add a product to a sum in one instruction.
#[cfg(core = "mla")]
macro_rules! mla {
    () => {
        ".set MLA, 1"
    };
}
#[cfg(core = "small")]
macro_rules! mla {
    () => {
        ".set MLA, 0"
    };
}

global_asm!(
    mla!(),
    include_str!("fours/macros.s"),
    include_str!("fours/products.s"),
    include_str!("fours/elements.s"),
    options(raw)
);
