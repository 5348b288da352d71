//! The caller's words, shared out among the tables, and arrays whose length a class fixes.

use core::fmt::Debug;

/// Whether a branch costs less than the instructions that it saves, as on microcontrollers.
pub const SHORT: bool = cfg!(not(target_pointer_width = "64"));

/// Takes the first `words` off what is left, if there are as many.
pub fn take<'a>(memory: &mut &'a mut [u32], words: usize) -> Option<&'a mut [u32]> {
    let (first, rest) = core::mem::take(memory).split_at_mut_checked(words)?;
    *memory = rest;
    Some(first)
}

/// One of the 16-bit halves that a table packs two to a word, the lower one first.
#[inline]
pub fn half(words: &[u32], index: usize) -> u32 {
    let word = words.get(index >> 1).copied().unwrap_or(0);
    (word >> (16 * (index & 1))) & 0xffff
}

/// Replaces a half.
#[inline]
pub fn set_half(words: &mut [u32], index: usize, value: u32) {
    if let Some(word) = words.get_mut(index >> 1) {
        let shift = 16 * (index & 1);
        *word = (*word & !(0xffff << shift)) | (value & 0xffff) << shift;
    }
}

/// `[T; N]`, with an `N` that generic code need not name: loops over one are unrolled, and its indices need no checks.
pub trait Array<T>: AsRef<[T]> + AsMut<[T]> + Debug + Sized {
    /// `N`.
    const LENGTH: usize;

    /// Makes each element.
    fn from_fn(make: impl FnMut(usize) -> T) -> Self;

    /// A slice of just this length.
    fn of(slice: &mut [T]) -> Option<&mut Self>;

    /// The elements of a slice in arrays, less what does not fill the last one.
    fn rows(slice: &mut [T]) -> &mut [Self];
}

impl<T: Debug, const N: usize> Array<T> for [T; N] {
    const LENGTH: usize = N;

    #[inline]
    fn from_fn(make: impl FnMut(usize) -> T) -> Self {
        core::array::from_fn(make)
    }

    #[inline]
    fn of(slice: &mut [T]) -> Option<&mut Self> {
        slice.try_into().ok()
    }

    #[inline]
    fn rows(slice: &mut [T]) -> &mut [Self] {
        slice.as_chunks_mut().0
    }
}

/// Takes one array of arrays off what is left.
pub fn take_array<'a, A: Array<[u32; N]>, const N: usize>(memory: &mut &'a mut [u32]) -> Option<&'a mut A> {
    A::of(take(memory, A::LENGTH * N)?.as_chunks_mut().0)
}
