//! The common parts of the loops in assembly: the form of activations, and the job that a loop works on.
//!
//! Invariant: the assembly gets a job only if the slices behind it have the lengths and alignments that it assumes.

use core::ptr;

use equalinfo_codec::m1::image::HEAD;
use equalinfo_codec::m1::kernels::bias;
use equalinfo_codec::m1::ops::{NormShift, norm_inverse};
use equalinfo_codec::m1::{Kernels, Matrix, Portable};

/// Activations, and the form in which they are multiplied.
#[derive(Debug)]
pub struct Prepared<'a> {
    pub activations: &'a [i8],
    pub form: Form<'a>,
    /// The initial value of sums, which compensates for weights in even columns being 128 too large as bytes.
    bias: i32,
}

/// Widens activations into the scratch memory, in the form for the core, and returns the initial value of sums as well.
/// `None` if they do not fit.
pub type Widen<'a> = fn(&[i8], &'a mut [i32]) -> Option<(Form<'a>, i32)>;

impl<'a> Prepared<'a> {
    pub fn dense(activations: &'a [i8], scratch: &'a mut [i32], widen: Widen<'a>) -> Self {
        let (form, bias) = widen(activations, scratch).unwrap_or((Form::Plain, 0));
        Self { activations, form, bias }
    }

    /// Activations that are mostly zeros, with a list of the others.
    pub fn listed(activations: &'a [i8], list: &'a [i32], even: usize) -> Self {
        Self { activations, form: Form::Listed(list, even), bias: bias(activations) }
    }
}

/// The form of activations.
#[derive(Debug)]
pub enum Form<'a> {
    /// Widened for the core; and the end of the first part of a list that may follow.
    Widened(&'a [i32], usize),
    /// A list of those that are not zero, with the column in the lower half of a word and the activation in the upper
    /// half, even columns first; and the number of entries of even columns.
    Listed(&'a [i32], usize),
    /// Unchanged, as they do not fit the scratch memory.
    Plain,
}

/// The job of a loop in assembly, which relies on the offsets of the fields.
#[repr(C)]
pub struct Job {
    activations: *const i32,
    /// The initial value of sums.
    pub bias: i32,
    activations_end: *const i32,
    requantizers_end: *const [u8; 4],
    width: usize,
    weights: *const u8,
    requantizers: *const [u8; 4],
    /// The distance from a row's requantizer to its place in the output, in bytes.
    pub out_offset: usize,
    /// The scale, or for gated rows the distance from a row's requantizer to its gate.
    pub scale: usize,
    out: *mut i32,
    out_end: *const i32,
    pub gates: *const i32,
    /// The end of the first part of a list of activations.
    first_end: *const i32,
}

impl Job {
    /// The distance from a row's requantizer to its gate, in bytes.
    #[cfg(core = "dsp")]
    pub fn gate_offset(&self, gates: &[i32]) -> usize {
        gates.as_ptr().addr().wrapping_sub(self.requantizers.addr())
    }
}

/// The job for the assembly, or `None` if it cannot do it; and whether activations are widened rather than listed.
///
/// A job guarantees that weights are rows of `width` bytes, that each row has a requantizer and a place in the output,
/// that `width` is a multiple of 64 and the number of activations, and that weights and requantizers are aligned to
/// words.
pub fn job(rows: &Matrix, activations: &Prepared<'_>, scale: u32, out: &mut [i32]) -> (Option<Job>, bool) {
    let (form, first, widened) = match activations.form {
        Form::Widened(words, first) => (words, first, true),
        Form::Listed(words, even) => (words, even, false),
        Form::Plain => return (None, false),
    };
    let width = activations.activations.len();
    let fits = rows.width == width
        && width != 0
        && width.is_multiple_of(64)
        && rows.weights.len() == width.wrapping_mul(out.len())
        && in_words(rows.weights)
        && in_words(rows.requantizers)
        && rows.requantizers.len() == out.len()
        && !out.is_empty()
        && out.len().is_multiple_of(4)
        && (!widened || !form.is_empty());
    let first_end = form.get(first..).unwrap_or_default().as_ptr();
    let activation_range = form.as_ptr_range();
    let out = out.as_mut_ptr_range();
    let requantizers = rows.requantizers.as_ptr_range();
    let job = Job {
        activations: activation_range.start,
        bias: activations.bias,
        activations_end: activation_range.end,
        requantizers_end: requantizers.end,
        width,
        weights: rows.weights.as_ptr(),
        requantizers: requantizers.start,
        out_offset: out.start.addr().wrapping_sub(requantizers.start.addr()),
        scale: scale as usize,
        out: out.start,
        out_end: out.end,
        gates: ptr::null(),
        first_end,
    };
    (fits.then_some(job), widened)
}

/// Whether these values begin at a word, as they must where several words are loaded at once.
pub fn in_words<T>(values: &[T]) -> bool {
    values.as_ptr().addr().is_multiple_of(4)
}

/// The parameters of the last step of a norm.
#[repr(C)]
struct Normalize {
    left: u32,
    right: u32,
    inverse: i32,
    end: *const i32,
}

unsafe extern "C" {
    /// The dot product of vectors of a multiple of `STEP` values.
    fn equalinfo_dot(a: *const i8, b: *const i8, a_end: *const i8) -> i32;
    /// Adds a 16-bit weight times each of a multiple of 16 values to its sum.
    fn equalinfo_accumulate(weight: i32, values: *const i8, sums: *mut i32, values_end: *const i8);
    /// Clamps a multiple of four numbers to activations.
    fn equalinfo_clamp(numbers: *const i32, activations: *mut i8, activations_end: *const i8);
    /// The absolute values of a multiple of four numbers, combined by OR.
    fn equalinfo_bits(x: *const i32, end: *const i32) -> u32;
    /// The sum of the squares of a multiple of four numbers, shifted to the left and then to the right to 16 bits.
    fn equalinfo_squares(x: *const i32, end: *const i32, left: u32, right: u32) -> u64;
    /// These numbers times the inverse, shifted by 20 with rounding, clamped to activations.
    fn equalinfo_normalize(x: *const i32, activations: *mut i8, job: &Normalize);
}

/// The norm. `fits` says that the assembly can store the activations, a multiple of four of them.
#[inline]
pub fn norm(fits: bool, x: &[i32], constant: u32, activations: &mut [i8]) {
    if x.len() != activations.len() || !fits {
        return Portable::norm(x, constant, activations);
    }
    let end = x.as_ptr_range().end;
    // SAFETY: there are at least four numbers, a multiple of four, and an activation that fits for each.
    unsafe {
        let NormShift { left, right } = NormShift::new(equalinfo_bits(x.as_ptr(), end));
        let inverse = norm_inverse(constant, equalinfo_squares(x.as_ptr(), end, left, right));
        equalinfo_normalize(x.as_ptr(), activations.as_mut_ptr(), &Normalize { left, right, inverse, end });
    }
}

/// Clamps one number for each activation; `fits` as for [`norm`].
#[inline]
pub fn clamp(fits: bool, numbers: &[i32], activations: &mut [i8]) {
    if numbers.len() >= activations.len() && fits {
        let end = activations.as_ptr_range().end;
        // SAFETY: there is a number for each activation, and the activations fit.
        unsafe { equalinfo_clamp(numbers.as_ptr(), activations.as_mut_ptr(), end) }
    } else {
        Portable::clamp(numbers, activations);
    }
}

/// Adds a weight of 16 bits times each value to its sum.
#[inline]
pub fn accumulate(weight: i32, values: &[i8; HEAD], sums: &mut [i32]) {
    if sums.len() >= HEAD {
        // SAFETY: there is a sum for each of 64 values.
        unsafe { equalinfo_accumulate(weight, values.as_ptr(), sums.as_mut_ptr(), values.as_ptr_range().end) }
    } else {
        Portable::accumulate(weight, values, sums);
    }
}

/// The dot product of two vectors. The assembly takes `STEP` values at a time.
#[inline]
pub fn dot<const STEP: usize>(a: &[i8], b: &[i8]) -> i32 {
    if a.len() == b.len() && a.len().is_multiple_of(STEP) && !a.is_empty() {
        // SAFETY: both have the same number of values, a multiple of those taken at a time.
        unsafe { equalinfo_dot(a.as_ptr(), b.as_ptr(), a.as_ptr_range().end) }
    } else {
        Portable::dot(a, b)
    }
}
