//! What C hands over, as Rust sees it: slices of checked pointers, and opaque structures of a fixed size.
//!
//! Invariant: an opaque structure holds zeros or a value of its Rust type, so a zeroed one is recognised.

use core::mem::{MaybeUninit, align_of, size_of};
use core::slice;

use crate::status::EqualinfoStatus;

/// The bytes at a pointer of C.
///
/// # Safety
/// Unless it is null, `length` bytes from `pointer` on can be read for as long as the result is used.
pub unsafe fn input<'a>(pointer: *const u8, length: usize) -> Result<&'a [u8], EqualinfoStatus> {
    match (pointer.is_null(), length) {
        (_, 0) => Ok(&[]),
        (true, _) => Err(EqualinfoStatus::NullPointer),
        // SAFETY: as promised by the caller.
        (false, _) => Ok(unsafe { slice::from_raw_parts(pointer, length) }),
    }
}

/// The writable bytes at a pointer of C.
///
/// # Safety
/// Unless it is null, `length` bytes from `pointer` on can be read and written, by nobody else, for as long as the
/// result is used. They need not have been initialised if they are only written.
pub unsafe fn output<'a>(pointer: *mut u8, length: usize) -> Result<&'a mut [u8], EqualinfoStatus> {
    match (pointer.is_null(), length) {
        (_, 0) => Ok(&mut []),
        (true, _) => Err(EqualinfoStatus::NullPointer),
        // SAFETY: as promised by the caller.
        (false, _) => Ok(unsafe { slice::from_raw_parts_mut(pointer, length) }),
    }
}

/// The value at a pointer of C.
///
/// # Safety
/// Unless it is null, the pointer is to a value that nobody else uses for as long as the result is used.
pub unsafe fn value<'a, T>(pointer: *mut T) -> Result<&'a mut T, EqualinfoStatus> {
    // SAFETY: as promised by the caller.
    unsafe { pointer.as_mut() }.ok_or(EqualinfoStatus::NullPointer)
}

/// Puts a value into the space that a structure of C has for it.
pub fn put<T, const WORDS: usize>(space: &mut [MaybeUninit<u64>; WORDS], value: T) {
    const { assert!(size_of::<T>() <= 8 * WORDS && align_of::<T>() <= 8, "the space is too small") };
    // SAFETY: the space is large enough, and aligned as a word is.
    unsafe { space.as_mut_ptr().cast::<T>().write(value) }
}

/// The value in a space.
///
/// # Safety
/// A value of this type was put there.
pub unsafe fn get<T, const WORDS: usize>(space: &[MaybeUninit<u64>; WORDS]) -> &T {
    const { assert!(size_of::<T>() <= 8 * WORDS && align_of::<T>() <= 8, "the space is too small") };
    // SAFETY: there is a value, as promised by the caller.
    unsafe { &*space.as_ptr().cast::<T>() }
}
