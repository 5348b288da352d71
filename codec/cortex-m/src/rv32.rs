//! RISC-V of 32 bits: four weights of a row in two multiplications, as on Cortex-M0 (`fours.rs` explains how), for four
//! rows at a time.
//!
//! These rows share the words of activations, at 20 instructions per chunk of eight columns and row, 2.5 per weight; a
//! loop of single weights takes 4. Around that, four rows take 67 instructions, 40 of them to requantize. Rows whose
//! gate is closed are skipped: any four of the others go together. Activations that are mostly zeros become a list of
//! the others, at 20 instructions per entry and four rows.
//!
//! Invariant: the sums are exact, so their order does not matter and the bits are those of the portable loops.

use core::arch::global_asm;

use equalinfo_codec::m1::image::HEAD;
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
        match job(rows, activations, scale, out) {
            Some(job) if !out.is_empty() && rows.requantizers.as_ptr().addr().is_multiple_of(4) => {
                // SAFETY: as `job` guarantees, and the requantizers are aligned.
                unsafe { equalinfo_project(&job) }
            }
            Some(job) => {
                let fours = rows.requantizers.as_chunks::<4>().0.iter().zip(out.as_chunks_mut::<4>().0);
                for (first, (requantizers, out)) in (0usize..).step_by(4).zip(fours) {
                    let row = |index: usize| job.row(first.wrapping_add(index));
                    // SAFETY: as `job` guarantees, and these rows have a place in the output.
                    unsafe { equalinfo_rows(&job, row(0), row(1), row(2), row(3), out) };
                    for (out, requantizer) in out.iter_mut().zip(requantizers) {
                        *out = long::requantize(Requantizer::from_image(*requantizer), *out << scale);
                    }
                }
            }
            None => Portable::project(rows, &Activations::dense(activations.activations), scale, out),
        }
    }

    #[inline(never)]
    fn project_gated(rows: &Matrix, activations: &Prepared<'_>, gates: &[i32], out: &mut [i32]) {
        let Some(job) = job(rows, activations, 0, out) else {
            return Portable::project_gated(rows, &Activations::dense(activations.activations), gates, out);
        };
        let mut open = gates.iter().take(out.len()).enumerate().filter(|&(_, &gate)| gate > 0).map(|(row, _)| row);
        while let Some(first) = open.next() {
            // The last rows may be fewer than four; one of them is then computed several times.
            let [second, third, fourth] = core::array::from_fn(|_| open.next().unwrap_or(first));
            let mut sums = [0; 4];
            // SAFETY: as `job` guarantees, and each row is one of those that have a place in the output.
            unsafe {
                equalinfo_rows(&job, job.row(first), job.row(second), job.row(third), job.row(fourth), &mut sums);
            }
            for (row, sum) in [first, second, third, fourth].into_iter().zip(sums) {
                if let (Some(out), Some(requantizer)) = (out.get_mut(row), rows.requantizers.get(row)) {
                    *out = long::requantize(Requantizer::from_image(*requantizer), sum);
                }
            }
        }
    }

    #[inline]
    fn accumulate(weight: i32, values: &[i8; HEAD], sums: &mut [i32]) {
        if sums.len() >= HEAD {
            // SAFETY: there is a sum for each of 64 values.
            unsafe { equalinfo_accumulate(weight, values.as_ptr(), sums.as_mut_ptr(), values.as_ptr_range().end) }
        } else {
            Portable::accumulate(weight, values, sums);
        }
    }

    /// Once in a program: it is called from three places.
    #[inline(never)]
    fn norm(x: &[i32], constant: u32, activations: &mut [i8]) {
        Portable::norm(x, constant, activations);
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
    // Written out: a compiler that optimises for size leaves loops through memory for `map` and `fold`.
    let &[x0, x1, x2, x3, y0, y1, y2, y3] = activations;
    let [x0, x1, x2, x3] = [i32::from(x0), i32::from(x1), i32::from(x2), i32::from(x3)];
    let [y0, y1, y2, y3] = [i32::from(y0), i32::from(y1), i32::from(y2), i32::from(y3)];
    let [a, b] = [(x0 << 16).wrapping_add(x2), (x1 << 16).wrapping_add(x3)];
    let [c, d] = [(y0 << 16).wrapping_add(y2), (y1 << 16).wrapping_add(y3)];
    // Each weight is 128 too large; 2^15 rounds the lower half away.
    let all = a.wrapping_add(b).wrapping_add(c).wrapping_add(d);
    let initial = (1i32 << 15).wrapping_sub(all << 7).wrapping_sub(all << 23);
    *words = [initial, a, b.wrapping_sub(a << 8), c, d.wrapping_sub(c << 8)];
    let first = x0.abs().wrapping_add(x1.abs()).wrapping_add(x2.abs()).wrapping_add(x3.abs());
    first.wrapping_add(y0.abs()).wrapping_add(y1.abs()).wrapping_add(y2.abs()).wrapping_add(y3.abs())
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
    weights: *const u8,
    requantizers: *const [u8; 4],
    scale: u32,
    out: *mut i32,
    out_end: *const i32,
    /// What sums four rows.
    sums: unsafe extern "C" fn(),
}

impl Job {
    /// The weights of a row.
    fn row(&self, row: usize) -> *const u8 {
        self.weights.wrapping_add(row.wrapping_mul(self.width))
    }
}

/// The job for the assembly, or `None` if it cannot be done there.
///
/// A job guarantees that there are `width` weights and a requantizer for each place in the output, which are a multiple
/// of four, that the activations are as many as the weights of a row, that chunks come in pairs and, for them, that rows
/// are aligned to words.
fn job(rows: &Matrix, activations: &Prepared<'_>, scale: u32, out: &mut [i32]) -> Option<Job> {
    let width = activations.activations.len();
    let fits = width != 0
        && rows.width == width
        && rows.weights.len() == width.wrapping_mul(out.len())
        && rows.requantizers.len() == out.len()
        && out.len().is_multiple_of(4);
    let (words, chunks, first, all, bias, sums) = match activations.form {
        Form::Chunks(words, parts) if width.is_multiple_of(16) && rows.weights.as_ptr().addr().is_multiple_of(4) => {
            (words, parts.words, parts.odd, parts.all, parts.bias, equalinfo_sums as unsafe extern "C" fn())
        }
        Form::Listed(list, even, bias) => (list, 0, even, list.len(), bias, equalinfo_sums_listed as _),
        _ => return None,
    };
    let at = |index: usize| words.get(index..).map(<[i32]>::as_ptr);
    let job = Job {
        words: at(0)?,
        end: at(chunks)?,
        first_end: at(first)?,
        all_end: at(all)?,
        width,
        bias,
        weights: rows.weights.as_ptr(),
        requantizers: rows.requantizers.as_ptr(),
        scale,
        out: out.as_mut_ptr(),
        out_end: out.as_ptr_range().end,
        sums,
    };
    fits.then_some(job)
}

unsafe extern "C" {
    /// Sets the output of all rows of a job, of which there are some, requantized. Requantizers are aligned to words.
    fn equalinfo_project(job: &Job);
    /// Sets the sums of four rows.
    fn equalinfo_rows(job: &Job, a: *const u8, b: *const u8, c: *const u8, d: *const u8, sums: &mut [i32; 4]);
    /// Parts of the functions above, not to be called by others: rows times activations in chunks and the parts cut off,
    /// and rows times listed activations.
    fn equalinfo_sums();
    fn equalinfo_sums_listed();
    /// Adds the weight times each of 64 values, up to their end, to its sum.
    fn equalinfo_accumulate(weight: i32, values: *const i8, sums: *mut i32, end: *const i8);
}

global_asm!(include_str!("rv32.s"), options(raw));
