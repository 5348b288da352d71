//! Models: an image, checked once, and how much memory it needs to run.

use core::mem::MaybeUninit;

use equalinfo_codec::m1::{M1, Model};

use crate::memory::{get, input, put, value};
use crate::status::{EqualinfoStatus, status};
use crate::stream::{ALIGNMENT, STATE};

/// Says that a structure holds what it should.
pub(crate) const LOADED: u32 = 0x4551_4c44;

/// A model that has been checked. Its image stays where it is.
#[repr(C)]
#[derive(Debug)]
pub struct EqualinfoModel {
    /// The id that streams name.
    pub id: u64,
    /// The longest context in positions.
    pub context: u16,
    /// Bytes that decoding with this model takes for every position of context.
    pub bytes_per_position: u32,
    /// Internal.
    pub loaded: u32,
    /// Internal.
    pub space: [MaybeUninit<u64>; 24],
}

impl EqualinfoModel {
    /// The model, if there is one.
    pub(crate) fn view(&self) -> Result<&Model<'static>, EqualinfoStatus> {
        if self.loaded != LOADED {
            return Err(EqualinfoStatus::NotLoaded);
        }
        // SAFETY: `equalinfo_model_load`, which alone sets the mark, puts it there.
        Ok(unsafe { get(&self.space) })
    }
}

/// Checks the image of a model, which may be longer than the model is, and prepares it for use.
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
    status(unsafe { load(model, image, length) })
}

unsafe fn load(model: *mut EqualinfoModel, image: *const u8, length: usize) -> Result<(), EqualinfoStatus> {
    if model.is_null() {
        return Err(EqualinfoStatus::NullPointer);
    }
    // SAFETY: any bytes are an `EqualinfoModel`, so it may not have been initialised by C either; the image is as
    // promised by the caller.
    let (place, image) = unsafe {
        model.cast::<u8>().write_bytes(0, size_of::<EqualinfoModel>());
        (value(model)?, input(image, length)?)
    };
    let view = Model::load(image)?;
    let config = view.config();
    (place.id, place.context) = (view.id(), config.context as u16);
    place.bytes_per_position = (config.byte_buffer(2) - config.byte_buffer(1)) as u32;
    put(&mut place.space, view);
    place.loaded = LOADED;
    Ok(())
}

/// How many bytes of memory decoding with this model takes, with so many positions of context. 0: the model is not
/// loaded, or has no such context.
///
/// # Safety
/// `model` is null or has been loaded, or holds zeros.
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

/// A model at work, with the loops for the core that the library is built for.
pub(crate) type DeviceM1 = M1<'static, 'static, equalinfo_cortex_m::Fastest>;

/// A model at work in the memory of C.
///
/// # Safety
/// `length` bytes at `memory` can be read and written, by nobody else, for as long as the result is used, and so long
/// the image of `model` stays.
pub(crate) unsafe fn set_up(
    model: *const EqualinfoModel,
    context: u16,
    memory: *mut u8,
    length: usize,
) -> Result<(DeviceM1, &'static mut [MaybeUninit<u8>]), EqualinfoStatus> {
    // SAFETY: as promised by the caller.
    let model = unsafe { model.as_ref() }.ok_or(EqualinfoStatus::NullPointer)?.view()?;
    if memory.is_null() {
        return Err(EqualinfoStatus::NullPointer);
    }
    if !memory.addr().is_multiple_of(ALIGNMENT) {
        return Err(EqualinfoStatus::Misaligned);
    }
    let (config, context) = (model.config(), usize::from(context));
    if context == 0 || context > config.context {
        return Err(EqualinfoStatus::BadContext);
    }
    let (words, bytes) = (config.word_buffer(context), config.byte_buffer(context));
    if length < STATE + 4 * words + bytes {
        return Err(EqualinfoStatus::MemoryTooSmall);
    }
    // SAFETY: the three parts follow each other within the memory, which is large enough; the first is a multiple of 16
    // bytes long and the second of 4, so each is aligned; zeros are values of both integer types.
    let (state, words, bytes) = unsafe {
        memory.add(STATE).write_bytes(0, 4 * words + bytes);
        (
            core::slice::from_raw_parts_mut(memory.cast::<MaybeUninit<u8>>(), STATE),
            core::slice::from_raw_parts_mut(memory.add(STATE).cast::<i32>(), words),
            core::slice::from_raw_parts_mut(memory.add(STATE + 4 * words).cast::<i8>(), bytes),
        )
    };
    Ok((M1::with_kernels(model, context, bytes, words)?, state))
}
