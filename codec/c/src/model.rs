//! Models: images, checked once, and the memory that they need to run.
//!
//! Invariant: a structure marked as loaded holds a view of an image that was checked, completely or as far as the
//! caller asked for.

use core::mem::MaybeUninit;

use equalinfo_codec::m1::{M1, Model, ModelError};

use crate::memory::{ALIGNMENT, LOADED, STATE, get, input, put, value};
use crate::status::{EqualinfoStatus, status};

/// A model whose image has been checked. The image stays where it is.
#[repr(C)]
#[derive(Debug)]
pub struct EqualinfoModel {
    /// The id that streams refer to.
    pub id: u64,
    /// The longest context in positions.
    pub context: u16,
    /// Bytes of memory that each position of context takes when decoding.
    pub bytes_per_position: u32,
    /// Internal.
    pub loaded: u32,
    /// Internal.
    pub space: [MaybeUninit<u64>; 32],
}

impl EqualinfoModel {
    /// The model, if it has been loaded.
    pub(crate) fn view(&self) -> Result<&Model<'static>, EqualinfoStatus> {
        if self.loaded != LOADED {
            return Err(EqualinfoStatus::NotLoaded);
        }
        // SAFETY: only `load` sets the mark, after writing the model there.
        Ok(unsafe { get(&self.space) })
    }
}

/// Checks the image of a model, after which more bytes may follow, and prepares it for use. The image begins at a
/// multiple of 4 in memory.
///
/// # Safety
/// `length` bytes at `image` stay readable and unchanged, and `model` is not moved, while the model is in use.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn equalinfo_model_load(
    model: *mut EqualinfoModel,
    image: *const u8,
    length: usize,
) -> EqualinfoStatus {
    // SAFETY: as promised by the caller.
    status(unsafe { load(model, image, length, Model::load) })
}

/// As `equalinfo_model_load`, but checks only the header and dimensions, in a few thousand instructions: for an image
/// that is known to be as it was written. Whatever any other image decodes has no meaning, but nothing worse happens.
///
/// # Safety
/// As for `equalinfo_model_load`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn equalinfo_model_load_trusting(
    model: *mut EqualinfoModel,
    image: *const u8,
    length: usize,
) -> EqualinfoStatus {
    // SAFETY: as promised by the caller.
    status(unsafe { load(model, image, length, Model::load_trusting) })
}

unsafe fn load(
    model: *mut EqualinfoModel,
    image: *const u8,
    length: usize,
    check: fn(&'static [u8]) -> Result<Model<'static>, ModelError>,
) -> Result<(), EqualinfoStatus> {
    if model.is_null() {
        return Err(EqualinfoStatus::NullPointer);
    }
    // SAFETY: zeros are an `EqualinfoModel`, so C need not have initialised it; the image is as promised by the caller.
    let (place, image) = unsafe {
        model.cast::<u8>().write_bytes(0, size_of::<EqualinfoModel>());
        (value(model)?, input(image, length)?)
    };
    let view = check(image)?;
    let config = view.config();
    (place.id, place.context) = (view.id(), config.context as u16);
    place.bytes_per_position = (config.byte_buffer(2) - config.byte_buffer(1)) as u32;
    put(&mut place.space, view);
    place.loaded = LOADED;
    Ok(())
}

/// The number of bytes of memory that decoding takes with this model and `context` positions of context. 0 if the model
/// is not loaded, or does not allow this context.
///
/// # Safety
/// `model` is null, or loaded, or holds zeros.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn equalinfo_memory(model: *const EqualinfoModel, context: u16) -> usize {
    // SAFETY: as promised by the caller.
    match unsafe { model.as_ref() }.and_then(|model| model.view().ok()) {
        Some(view) if (1..=view.config().context).contains(&usize::from(context)) => {
            let (config, context) = (view.config(), usize::from(context));
            STATE + 4 * config.word_buffer(context) + config.byte_buffer(context)
        }
        _ => 0,
    }
}

/// A running model, with the loops for the core that the library is built for.
pub(crate) type DeviceM1 = M1<'static, 'static, equalinfo_cortex_m::Fastest>;

/// What a decoder's memory is divided into: the part for the decoder, `tables` words for tables, and the rest.
///
/// # Safety
/// While the result is in use, `length` bytes at `memory` can be read and written and nothing else uses them.
pub(crate) unsafe fn divide<const STATE: usize>(
    tables: usize,
    memory: *mut u8,
    length: usize,
) -> Result<Divided<STATE>, EqualinfoStatus> {
    if memory.is_null() {
        return Err(EqualinfoStatus::NullPointer);
    }
    if !memory.addr().is_multiple_of(ALIGNMENT) {
        return Err(EqualinfoStatus::Misaligned);
    }
    let rest = length.checked_sub(STATE + 4 * tables).ok_or(EqualinfoStatus::MemoryTooSmall)?;
    // SAFETY: the three parts follow each other in memory that is large enough. The length of the first is a multiple
    // of 16 and that of the second a multiple of 4, so each is aligned. Zeros are values of both integer types.
    Ok(unsafe {
        memory.add(STATE).write_bytes(0, length - STATE);
        (
            &mut *memory.cast::<[MaybeUninit<u8>; STATE]>(),
            core::slice::from_raw_parts_mut(memory.add(STATE).cast::<u32>(), tables),
            core::slice::from_raw_parts_mut(memory.add(STATE + 4 * tables), rest),
        )
    })
}

/// The memory of a decoder.
pub(crate) type Divided<const STATE: usize> =
    (&'static mut [MaybeUninit<u8>; STATE], &'static mut [u32], &'static mut [u8]);

/// A running model, with the memory for its decoder and for tables.
pub(crate) type SetUp<const STATE: usize> = (DeviceM1, &'static mut [MaybeUninit<u8>; STATE], &'static mut [u32]);

/// Sets a model up to run in the caller's memory, and returns it with the parts of the memory for the decoder and for
/// `tables` words of tables.
///
/// # Safety
/// While the result is in use, `length` bytes at `memory` can be read and written and nothing else uses them, and the
/// image of `model` stays readable.
pub(crate) unsafe fn set_up<const STATE: usize>(
    model: *const EqualinfoModel,
    context: u16,
    tables: usize,
    memory: *mut u8,
    length: usize,
) -> Result<SetUp<STATE>, EqualinfoStatus> {
    // SAFETY: as promised by the caller.
    let model = unsafe { model.as_ref() }.ok_or(EqualinfoStatus::NullPointer)?.view()?;
    let (config, context) = (model.config(), usize::from(context));
    if context == 0 || context > config.context {
        return Err(EqualinfoStatus::BadContext);
    }
    let (words, bytes) = (config.word_buffer(context), config.byte_buffer(context));
    // SAFETY: as promised by the caller.
    let (state, tables, rest) = unsafe { divide(tables, memory, length)? };
    let (words_of_rest, bytes_of_rest) = rest.split_at_mut_checked(4 * words).ok_or(EqualinfoStatus::MemoryTooSmall)?;
    let bytes_of_rest = bytes_of_rest.get_mut(..bytes).ok_or(EqualinfoStatus::MemoryTooSmall)?;
    // SAFETY: the rest is aligned to 4, as that is what it is divided behind, and both integer types have the values of
    // all bytes.
    let (words, bytes) = unsafe {
        (
            core::slice::from_raw_parts_mut(words_of_rest.as_mut_ptr().cast::<i32>(), words),
            core::slice::from_raw_parts_mut(bytes_of_rest.as_mut_ptr().cast::<i8>(), bytes),
        )
    };
    Ok((M1::with_kernels(model, context, bytes, words)?, state, tables))
}
