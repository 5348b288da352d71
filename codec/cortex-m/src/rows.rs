//! What the loops in assembly have in common: activations in the form that they are multiplied in, and the job that a loop is given.

use core::ptr;

use equalinfo_codec::m1::kernels::bias;
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

/// What the last step of a norm works with.
#[repr(C)]
pub struct Normalize {
    pub left: u32,
    pub right: u32,
    pub inverse: i32,
    pub end: *const i32,
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

unsafe extern "C" {
    fn equalinfo_dot(a: *const i8, b: *const i8, a_end: *const i8) -> i32;
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
