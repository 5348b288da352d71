//! The memory of the caller: slices from checked pointers, opaque structures of a fixed size, and the memory of
//! decoders.
//!
//! Invariant: an opaque structure holds either zeros or a value of its Rust type, so one that was never set is
//! recognised.

use core::mem::{MaybeUninit, align_of, size_of};
use core::slice;

use crate::status::EqualinfoStatus;

/// The alignment of the memory that a caller provides for decoding.
pub(crate) const ALIGNMENT: usize = 16;

/// Bytes at the start of that memory that hold the decoder itself; those of the model follow.
pub(crate) const STATE: usize = 2048;

/// As many for a decoder with tables, which follow.
pub(crate) const STATE_WITH_TABLES: usize = STATE + 896;

/// The mark of a structure whose space holds a value.
pub(crate) const LOADED: u32 = 0x4551_4c44;

/// The bytes at a C pointer.
///
/// # Safety
/// Unless it is null, `length` bytes at `pointer` can be read while the result is in use.
pub unsafe fn input<'a>(pointer: *const u8, length: usize) -> Result<&'a [u8], EqualinfoStatus> {
    match (pointer.is_null(), length) {
        (_, 0) => Ok(&[]),
        (true, _) => Err(EqualinfoStatus::NullPointer),
        // SAFETY: as promised by the caller.
        (false, _) => Ok(unsafe { slice::from_raw_parts(pointer, length) }),
    }
}

/// The writable bytes at a C pointer.
///
/// # Safety
/// Unless it is null, `length` bytes at `pointer` can be read and written, and nothing else uses them, while the result
/// is in use. They need not be initialised if they are only written.
pub unsafe fn output<'a>(pointer: *mut u8, length: usize) -> Result<&'a mut [u8], EqualinfoStatus> {
    match (pointer.is_null(), length) {
        (_, 0) => Ok(&mut []),
        (true, _) => Err(EqualinfoStatus::NullPointer),
        // SAFETY: as promised by the caller.
        (false, _) => Ok(unsafe { slice::from_raw_parts_mut(pointer, length) }),
    }
}

/// The value at a C pointer.
///
/// # Safety
/// Unless it is null, the pointer points to a value that nothing else uses while the result is in use.
pub unsafe fn value<'a, T>(pointer: *mut T) -> Result<&'a mut T, EqualinfoStatus> {
    // SAFETY: as promised by the caller.
    unsafe { pointer.as_mut() }.ok_or(EqualinfoStatus::NullPointer)
}

/// Writes a value to the space for it in a C structure.
pub fn put<T, const WORDS: usize>(space: &mut [MaybeUninit<u64>; WORDS], value: T) {
    const { assert!(size_of::<T>() <= 8 * WORDS && align_of::<T>() <= 8, "the space is too small") };
    // SAFETY: the space is large enough and aligned.
    unsafe { space.as_mut_ptr().cast::<T>().write(value) }
}

/// The value in a space.
///
/// # Safety
/// A value of this type was written to it.
pub unsafe fn get<T, const WORDS: usize>(space: &[MaybeUninit<u64>; WORDS]) -> &T {
    const { assert!(size_of::<T>() <= 8 * WORDS && align_of::<T>() <= 8, "the space is too small") };
    // SAFETY: as promised by the caller.
    unsafe { &*space.as_ptr().cast::<T>() }
}
