//! RISC-V of 32 bits: four weights of a row in two multiplications, as on Cortex-M0 (`fours.rs` explains how), for four
//! rows at a time.
//!
//! These rows share the words of activations, at 20 instructions per chunk of eight columns and row, 2.5 per weight; a
//! loop of single weights takes 4. Rows whose gate is closed are skipped: any four of the others go together. Activations
//! that are mostly zeros become a list of the others, at 20 instructions per entry and four rows.
//!
//! Invariant: the sums are exact, so their order does not matter and the bits are those of the portable loops.

use core::arch::global_asm;

use equalinfo_codec::m1::kernels::{Activations, bias, list_nonzero};
use equalinfo_codec::m1::{Kernels, Matrix, Portable, Requantizer};

use super::long;
use super::split::{Split, split};

/// The loops with sums in assembly.
#[derive(Debug)]
pub enum Rv32 {}

/// Activations in the form in which they are multiplied.
#[derive(Debug)]
pub struct Prepared<'a> {
    activations: &'a [i8],
    form: Form<'a>,
}

/// The form of activations.
#[derive(Debug)]
enum Form<'a> {
    /// In chunks, with the parts cut off behind them.
    Chunks(&'a [i32], Split),
    /// A list of those that are not zero, the number of entries of even columns, and the initial value of sums.
    Listed(&'a [i32], usize, i32),
    /// Unchanged, as they do not fit the scratch memory.
    Plain,
}

impl Kernels for Rv32 {
    type Prepared<'a> = Prepared<'a>;

    #[inline(never)]
    fn prepare<'a>(activations: &'a [i8], scratch: &'a mut [i32]) -> Prepared<'a> {
        let form = match split(activations, scratch, chunk) {
            Some(parts) => Form::Chunks(scratch, parts),
            None => Form::Plain,
        };
        Prepared { activations, form }
    }

    #[inline(never)]
    fn prepare_sparse<'a>(activations: &'a [i8], scratch: &'a mut [i32]) -> Prepared<'a> {
        match list_nonzero(activations, scratch) {
            Some(lists) => {
                let list = scratch.get(..lists.all).unwrap_or_default();
                Prepared { activations, form: Form::Listed(list, lists.even, bias(activations)) }
            }
            None => Self::prepare(activations, scratch),
        }
    }

    #[inline(never)]
    fn project(rows: &Matrix, activations: &Prepared<'_>, scale: u32, out: &mut [i32]) {
        let Some((job, rows_by)) = job(rows, activations, out) else {
            return Portable::project(rows, &Activations::dense(activations.activations), scale, out);
        };
        let fours = rows.weights.chunks_exact(rows.width.wrapping_mul(4).max(1));
        let fours = fours.zip(rows.requantizers.as_chunks::<4>().0).zip(out.as_chunks_mut::<4>().0);
        for ((weights, requantizers), out) in fours {
            let a = weights.as_ptr();
            let b = a.wrapping_add(rows.width);
            let c = b.wrapping_add(rows.width);
            let d = c.wrapping_add(rows.width);
            // SAFETY: as `job` guarantees, and there are the weights of four rows.
            unsafe { rows_by(&job, a, b, c, d, out) };
            for (out, requantizer) in out.iter_mut().zip(requantizers) {
                *out = long::requantize(Requantizer::from_image(*requantizer), *out << scale);
            }
        }
    }

    #[inline(never)]
    fn project_gated(rows: &Matrix, activations: &Prepared<'_>, gates: &[i32], out: &mut [i32]) {
        let Some((job, rows_by)) = job(rows, activations, out) else {
            return Portable::project_gated(rows, &Activations::dense(activations.activations), gates, out);
        };
        let mut open = gates.iter().take(out.len()).enumerate().filter(|&(_, &gate)| gate > 0).map(|(row, _)| row);
        while let Some(first) = open.next() {
            // The last rows may be fewer than four; one of them is then computed several times.
            let [second, third, fourth] = core::array::from_fn(|_| open.next().unwrap_or(first));
            let at = |row: usize| rows.weights.as_ptr().wrapping_add(row.wrapping_mul(rows.width));
            let mut sums = [0; 4];
            // SAFETY: as `job` guarantees, and each row is one of those that have a place in the output.
            unsafe { rows_by(&job, at(first), at(second), at(third), at(fourth), &mut sums) };
            for (row, sum) in [first, second, third, fourth].into_iter().zip(sums) {
                if let (Some(out), Some(requantizer)) = (out.get_mut(row), rows.requantizers.get(row)) {
                    *out = long::requantize(Requantizer::from_image(*requantizer), sum);
                }
            }
        }
    }

    #[inline]
    fn requantize(requantizer: Requantizer, x: i32) -> i32 {
        long::requantize(requantizer, x)
    }
}

/// Writes the words for eight activations and returns the sum of their absolute values: the initial value of the chunk's
/// sum, then `A` and `B - 2^8 A` for both words of weights.
#[inline]
fn chunk(activations: &[i8; 8], words: &mut [i32; 5]) -> i32 {
    let [x0, x1, x2, x3, y0, y1, y2, y3] = activations.map(i32::from);
    let [a, b] = [(x0 << 16).wrapping_add(x2), (x1 << 16).wrapping_add(x3)];
    let [c, d] = [(y0 << 16).wrapping_add(y2), (y1 << 16).wrapping_add(y3)];
    // Each weight is 128 too large; 2^15 rounds the lower half away.
    let all = a.wrapping_add(b).wrapping_add(c).wrapping_add(d);
    let initial = (1i32 << 15).wrapping_sub(all << 7).wrapping_sub(all << 23);
    *words = [initial, a, b.wrapping_sub(a << 8), c, d.wrapping_sub(c << 8)];
    activations.iter().fold(0, |sum, &x| sum.wrapping_add(i32::from(x).abs()))
}

/// What is the same for all rows; the assembly relies on the offsets of the fields.
#[repr(C)]
struct Job {
    /// The chunks' words or the list, the end of the chunks, and those of the parts of a list, in its order.
    words: *const i32,
    end: *const i32,
    first_end: *const i32,
    all_end: *const i32,
    width: usize,
    /// The initial value of sums.
    bias: i32,
}

/// Sets the sums of four rows.
type Rows = unsafe extern "C" fn(&Job, *const u8, *const u8, *const u8, *const u8, &mut [i32; 4]);

/// The job for the assembly and what does it, or `None` if nothing can.
///
/// A job guarantees that there are `width` weights for each place in the output, that the activations are as many, that
/// chunks come in pairs and, for them, that rows are aligned to words.
fn job(rows: &Matrix, activations: &Prepared<'_>, out: &[i32]) -> Option<(Job, Rows)> {
    let width = activations.activations.len();
    let fits = width != 0
        && rows.width == width
        && rows.weights.len() == width.wrapping_mul(out.len())
        && rows.requantizers.len() == out.len()
        && out.len().is_multiple_of(4);
    let (words, chunks, first, all, bias, rows_by) = match activations.form {
        Form::Chunks(words, parts) if width.is_multiple_of(16) && rows.weights.as_ptr().addr().is_multiple_of(4) => {
            (words, parts.words, parts.odd, parts.all, parts.bias, equalinfo_rows as Rows)
        }
        Form::Listed(list, even, bias) => (list, 0, even, list.len(), bias, equalinfo_rows_listed as Rows),
        _ => return None,
    };
    let at = |index: usize| words.get(index..).map(<[i32]>::as_ptr);
    let job = Job { words: at(0)?, end: at(chunks)?, first_end: at(first)?, all_end: at(all)?, width, bias };
    fits.then_some((job, rows_by))
}

unsafe extern "C" {
    /// Rows times activations in chunks and the parts cut off.
    fn equalinfo_rows(job: &Job, a: *const u8, b: *const u8, c: *const u8, d: *const u8, sums: &mut [i32; 4]);
    /// Rows times listed activations.
    fn equalinfo_rows_listed(job: &Job, a: *const u8, b: *const u8, c: *const u8, d: *const u8, sums: &mut [i32; 4]);
}

global_asm!(include_str!("rv32.s"), options(raw));
