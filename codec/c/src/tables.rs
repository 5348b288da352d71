//! Tables of one class, alone or behind a model.
//!
//! Invariant: a constant that names a class is all that leads to the code for it, so a program has that of the classes
//! that it names.

use core::mem::MaybeUninit;

use equalinfo_codec::Uniform;
use equalinfo_codec::container::ModelIdentity;
use equalinfo_codec::mix::{Kib4, Kib16, Kib64, Kib256, Mib1, Mib16, OneClass, Shape, WithTables};

use crate::memory::{STATE, STATE_WITH_TABLES, value};
use crate::model::{DeviceM1, EqualinfoModel, divide, equalinfo_memory, set_up};
use crate::status::{EqualinfoStatus, status};
use crate::stream::{EqualinfoStream, put};

/// Memory for a decoder, and a decoder in it.
type State = &'static mut [MaybeUninit<u8>; STATE_WITH_TABLES];
type Begun = Result<*mut EqualinfoStream, EqualinfoStatus>;

/// The tables of a class, for streams of method `tables`, which need no model.
#[derive(Debug)]
pub struct EqualinfoTables {
    words: usize,
    begin: fn(State, &'static mut [u32]) -> Begun,
}

/// The tables of a class behind a model, for streams of method `mix`, and of `tables` and `ac` with the same.
#[derive(Debug)]
pub struct EqualinfoMix {
    words: usize,
    begin: fn(State, &'static mut [u32], DeviceM1) -> Begun,
}

impl EqualinfoTables {
    const fn new<S: Shape + 'static>() -> Self {
        Self { words: S::WORDS, begin: begin_tables::<S> }
    }
}

impl EqualinfoMix {
    const fn new<S: Shape + 'static>() -> Self {
        Self { words: S::WORDS, begin: begin_mix::<S> }
    }
}

fn begin_tables<S: Shape + 'static>(state: State, words: &'static mut [u32]) -> Begun {
    let coder = WithTables::new(Uniform, OneClass::<S>::new(words).map_err(|_| EqualinfoStatus::MemoryTooSmall)?);
    Ok(put(state, coder, ModelIdentity::default()))
}

fn begin_mix<S: Shape + 'static>(state: State, words: &'static mut [u32], m1: DeviceM1) -> Begun {
    let identity = m1.identity();
    let coder = WithTables::new(m1, OneClass::<S>::new(words).map_err(|_| EqualinfoStatus::MemoryTooSmall)?);
    Ok(put(state, coder, identity))
}

/// Tables of 4 KiB.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals)]
pub static equalinfo_tables_4k: EqualinfoTables = EqualinfoTables::new::<Kib4>();

/// Tables of 4 KiB behind a model.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals)]
pub static equalinfo_mix_4k: EqualinfoMix = EqualinfoMix::new::<Kib4>();

/// Tables of 16 KiB.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals)]
pub static equalinfo_tables_16k: EqualinfoTables = EqualinfoTables::new::<Kib16>();

/// Tables of 16 KiB behind a model.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals)]
pub static equalinfo_mix_16k: EqualinfoMix = EqualinfoMix::new::<Kib16>();

/// Tables of 64 KiB.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals)]
pub static equalinfo_tables_64k: EqualinfoTables = EqualinfoTables::new::<Kib64>();

/// Tables of 64 KiB behind a model.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals)]
pub static equalinfo_mix_64k: EqualinfoMix = EqualinfoMix::new::<Kib64>();

/// Tables of 256 KiB.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals)]
pub static equalinfo_tables_256k: EqualinfoTables = EqualinfoTables::new::<Kib256>();

/// Tables of 256 KiB behind a model.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals)]
pub static equalinfo_mix_256k: EqualinfoMix = EqualinfoMix::new::<Kib256>();

/// Tables of 1 MiB.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals)]
pub static equalinfo_tables_1m: EqualinfoTables = EqualinfoTables::new::<Mib1>();

/// Tables of 1 MiB behind a model.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals)]
pub static equalinfo_mix_1m: EqualinfoMix = EqualinfoMix::new::<Mib1>();

/// Tables of 16 MiB.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals)]
pub static equalinfo_tables_16m: EqualinfoTables = EqualinfoTables::new::<Mib16>();

/// Tables of 16 MiB behind a model.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals)]
pub static equalinfo_mix_16m: EqualinfoMix = EqualinfoMix::new::<Mib16>();

/// The number of bytes of memory that decoding takes with these tables alone. 0 if `tables` is null.
///
/// # Safety
/// `tables` is null, or points to one of the constants.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn equalinfo_tables_memory(tables: *const EqualinfoTables) -> usize {
    // SAFETY: as promised by the caller.
    unsafe { tables.as_ref() }.map_or(0, |tables| STATE_WITH_TABLES + 4 * tables.words)
}

/// The number of bytes of memory that decoding takes with these tables behind this model with `context` positions of
/// context. 0 if `mix` is null, the model is not loaded, or it does not allow this context.
///
/// # Safety
/// `mix` is null, or points to one of the constants. `model` is null, or loaded, or holds zeros.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn equalinfo_mix_memory(
    mix: *const EqualinfoMix,
    model: *const EqualinfoModel,
    context: u16,
) -> usize {
    // SAFETY: as promised by the caller.
    match unsafe { (mix.as_ref(), equalinfo_memory(model, context)) } {
        (Some(mix), memory @ 1..) => memory - STATE + STATE_WITH_TABLES + 4 * mix.words,
        _ => 0,
    }
}

/// Prepares to decode a stream of method `tables`, or `static-ac`, in `length` bytes of memory:
/// `equalinfo_tables_memory` returns how many are needed. `stream` is set to the decoder, which is part of the memory,
/// and is gone when the memory is used for something else.
///
/// # Safety
/// `tables` is null, or points to one of the constants. While the decoder is in use, `length` bytes at `memory` can be
/// read and written and are not used for anything else.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn equalinfo_tables_begin(
    stream: *mut *mut EqualinfoStream,
    tables: *const EqualinfoTables,
    memory: *mut u8,
    length: usize,
) -> EqualinfoStatus {
    // SAFETY: as promised by the caller.
    status(unsafe { begin(stream, tables, memory, length) })
}

unsafe fn begin(
    stream: *mut *mut EqualinfoStream,
    tables: *const EqualinfoTables,
    memory: *mut u8,
    length: usize,
) -> Result<(), EqualinfoStatus> {
    // SAFETY: as promised by the caller.
    let (stream, tables) = unsafe { (value(stream)?, tables.as_ref().ok_or(EqualinfoStatus::NullPointer)?) };
    // SAFETY: as promised by the caller.
    let (state, words, _) = unsafe { divide(tables.words, memory, length)? };
    *stream = (tables.begin)(state, words)?;
    Ok(())
}

/// Prepares to decode a stream of method `mix`, or of the model or the tables alone, in `length` bytes of memory:
/// `equalinfo_mix_memory` returns how many are needed. All else is as for `equalinfo_stream_begin`.
///
/// # Safety
/// `mix` is null, or points to one of the constants. The promises of `equalinfo_stream_begin`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn equalinfo_mix_begin(
    stream: *mut *mut EqualinfoStream,
    mix: *const EqualinfoMix,
    model: *const EqualinfoModel,
    context: u16,
    memory: *mut u8,
    length: usize,
) -> EqualinfoStatus {
    // SAFETY: as promised by the caller.
    status(unsafe { begin_behind(stream, mix, (model, context), (memory, length)) })
}

unsafe fn begin_behind(
    stream: *mut *mut EqualinfoStream,
    mix: *const EqualinfoMix,
    (model, context): (*const EqualinfoModel, u16),
    (memory, length): (*mut u8, usize),
) -> Result<(), EqualinfoStatus> {
    // SAFETY: as promised by the caller.
    let (stream, mix) = unsafe { (value(stream)?, mix.as_ref().ok_or(EqualinfoStatus::NullPointer)?) };
    // SAFETY: as promised by the caller.
    let (m1, state, words) = unsafe { set_up(model, context, mix.words, memory, length)? };
    *stream = (mix.begin)(state, words, m1)?;
    Ok(())
}
