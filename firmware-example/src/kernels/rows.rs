//! What the loops in assembly have in common: activations in the form that they are multiplied in, and the job that a loop is given.

use core::ptr;

use equalinfo_codec::m1::Matrix;

/// Activations, and how they are multiplied.
#[derive(Debug)]
pub struct Prepared<'a> {
    pub activations: &'a [i8],
    pub form: Form<'a>,
}

/// The form of activations.
#[derive(Debug)]
pub enum Form<'a> {
    /// Widened, as the core wants them.
    Widened(&'a [i32]),
    /// Those that are not zero: the column in the lower half of a word, the activation in the upper.
    Listed(&'a [i32]),
    /// As they are, since the scratch is too small: no model that fits a small device is as wide.
    Plain,
}

/// What the assembly works on; it moves the pointers along.
#[repr(C)]
pub struct Job {
    requantizers: *const [u8; 4],
    out: *mut i32,
    out_end: *const i32,
    scale: u32,
    activations: *const i32,
    activations_end: *const i32,
    weights: *const u8,
    width: usize,
    pub gates: *const i32,
}

/// What the assembly is to do, and whether with widened activations rather than a list. `None`: it cannot.
///
/// There are as many weights as rows of `width` bytes, aligned to words, and a requantizer and a place for each row.
/// `width` is a multiple of 64 and the length of the activations.
pub fn job(rows: &Matrix, activations: &Prepared<'_>, scale: u32, out: &mut [i32]) -> (Option<Job>, bool) {
    let (form, widened) = match activations.form {
        Form::Widened(words) => (words, true),
        Form::Listed(words) => (words, false),
        Form::Plain => return (None, false),
    };
    let width = activations.activations.len();
    let fits = rows.width == width
        && width != 0
        && width.is_multiple_of(64)
        && rows.weights.len() == width.wrapping_mul(out.len())
        && rows.weights.as_ptr().addr().is_multiple_of(4)
        && rows.requantizers.len() == out.len()
        && !out.is_empty()
        && out.len().is_multiple_of(4)
        && !form.is_empty();
    let activations = form.as_ptr_range();
    let out = out.as_mut_ptr_range();
    let job = Job {
        requantizers: rows.requantizers.as_ptr(),
        out: out.start,
        out_end: out.end,
        scale,
        activations: activations.start,
        activations_end: activations.end,
        weights: rows.weights.as_ptr(),
        width,
        gates: ptr::null(),
    };
    (fits.then_some(job), widened)
}
