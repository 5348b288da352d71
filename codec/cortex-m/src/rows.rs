//! What the loops in assembly have in common: activations in the form that they are multiplied in, and the job that a loop is given.

use core::ptr;

use equalinfo_codec::m1::image::HEAD;
use equalinfo_codec::m1::kernels::bias;
use equalinfo_codec::m1::ops::{NormShift, norm_inverse};
use equalinfo_codec::m1::{Kernels, Matrix, Portable};

/// Activations, and how they are multiplied.
#[derive(Debug)]
pub struct Prepared<'a> {
    pub activations: &'a [i8],
    pub form: Form<'a>,
    /// What sums begin with, as weights in even columns are 128 too large where they are multiplied as bytes.
    bias: i32,
}

/// Widens activations into the scratch, in the core's form, and says what sums begin with; `None` if they do not fit.
pub type Widen<'a> = fn(&[i8], &'a mut [i32]) -> Option<(Form<'a>, i32)>;

impl<'a> Prepared<'a> {
    pub fn dense(activations: &'a [i8], scratch: &'a mut [i32], widen: Widen<'a>) -> Self {
        let (form, bias) = widen(activations, scratch).unwrap_or((Form::Plain, 0));
        Self { activations, form, bias }
    }

    /// Those that are not zero, in a list.
    pub fn listed(activations: &'a [i8], list: &'a [i32], even: usize) -> Self {
        Self { activations, form: Form::Listed(list, even), bias: bias(activations) }
    }
}

/// The form of activations.
#[derive(Debug)]
pub enum Form<'a> {
    /// Widened, as the core wants them, and where the first part of a list ends that may follow.
    Widened(&'a [i32], usize),
    /// Those that are not zero: the column in the lower half of a word, the activation in the upper; even columns first, of which there are so many.
    Listed(&'a [i32], usize),
    /// As they are, since they do not fit the scratch.
    Plain,
}

/// What the assembly works on; the loops know it by its offsets.
#[repr(C)]
pub struct Job {
    activations: *const i32,
    /// What sums begin with.
    pub bias: i32,
    activations_end: *const i32,
    requantizers_end: *const [u8; 4],
    width: usize,
    weights: *const u8,
    requantizers: *const [u8; 4],
    /// From a row's requantizer to its place in the output, in bytes.
    pub out_offset: usize,
    /// The scale, or for gated rows from a row's requantizer to its gate.
    pub scale: usize,
    out: *mut i32,
    out_end: *const i32,
    pub gates: *const i32,
    /// The end of the first part of a list.
    first_end: *const i32,
}

impl Job {
    /// From a row's requantizer to its gate, in bytes.
    #[cfg(core = "dsp")]
    pub fn gate_offset(&self, gates: &[i32]) -> usize {
        gates.as_ptr().addr().wrapping_sub(self.requantizers.addr())
    }
}

/// What the assembly is to do, and whether with widened activations rather than a list. `None`: it cannot.
///
/// There are as many weights as rows of `width` bytes, aligned to words, and a requantizer and a place for each row.
/// `width` is a multiple of 64 and the length of the activations. Requantizers begin at a word too.
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

/// Whether these begin at a word, without which several words cannot be loaded at once.
pub fn in_words<T>(values: &[T]) -> bool {
    values.as_ptr().addr().is_multiple_of(4)
}

/// What the last step of a norm works with.
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
    /// Adds 16 bits of weight times each of a multiple of 16 values to its sum.
    fn equalinfo_accumulate(weight: i32, values: *const i8, sums: *mut i32, values_end: *const i8);
    /// Clamps a multiple of four numbers to activations.
    fn equalinfo_clamp(numbers: *const i32, activations: *mut i8, activations_end: *const i8);
    /// The bits that any of the absolute values has, of a multiple of four.
    fn equalinfo_bits(x: *const i32, end: *const i32) -> u32;
    /// The sum of the squares of a multiple of four numbers, shifted to the left and then to the right to 16 bits.
    fn equalinfo_squares(x: *const i32, end: *const i32, left: u32, right: u32) -> u64;
    /// These numbers times the inverse, shifted by 20 with rounding, clamped to activations.
    fn equalinfo_normalize(x: *const i32, activations: *mut i8, job: &Normalize);
}

/// The norm; `fits` says that the assembly can store as many activations, a multiple of four of them.
#[inline]
pub fn norm(fits: bool, x: &[i32], constant: u32, activations: &mut [i8]) {
    if x.len() != activations.len() || !fits {
        return Portable::norm(x, constant, activations);
    }
    let end = x.as_ptr_range().end;
    // SAFETY: there is a multiple of four numbers, at least four, and as many activations that fit.
    unsafe {
        let NormShift { left, right } = NormShift::new(equalinfo_bits(x.as_ptr(), end));
        let inverse = norm_inverse(constant, equalinfo_squares(x.as_ptr(), end, left, right));
        equalinfo_normalize(x.as_ptr(), activations.as_mut_ptr(), &Normalize { left, right, inverse, end });
    }
}

/// Clamps as many numbers to activations; `fits` as for [`norm`].
#[inline]
pub fn clamp(fits: bool, numbers: &[i32], activations: &mut [i8]) {
    if numbers.len() >= activations.len() && fits {
        let end = activations.as_ptr_range().end;
        // SAFETY: there is a number for each activation, and those fit.
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
        // SAFETY: both have as many values, a multiple of those that are taken at a time.
        unsafe { equalinfo_dot(a.as_ptr(), b.as_ptr(), a.as_ptr_range().end) }
    } else {
        Portable::dot(a, b)
    }
}
