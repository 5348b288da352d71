//! Lexicons: codes of 16 bits and streams of them, without a model and without working memory.
//!
//! Invariant: a structure marked as loaded holds a view of an image that was checked, completely or as far as the caller
//! asked for.

use core::ffi::c_void;
use core::mem::MaybeUninit;

use equalinfo_codec::lexicon::{Lexicon, LexiconError};

use crate::memory::{LOADED, get, input, output, put, value};
use crate::status::{EqualinfoStatus, status};

/// A lexicon whose image has been checked. The image stays where it is.
#[repr(C)]
#[derive(Debug)]
pub struct EqualinfoLexicon {
    /// The id of its image.
    pub id: u64,
    /// Internal.
    pub loaded: u32,
    /// Internal.
    pub space: [MaybeUninit<u64>; 12],
}

impl EqualinfoLexicon {
    pub(crate) fn view(&self) -> Result<&Lexicon<'static>, EqualinfoStatus> {
        if self.loaded != LOADED {
            return Err(EqualinfoStatus::NotLoaded);
        }
        // SAFETY: only `load` sets the mark, after writing the lexicon there.
        Ok(unsafe { get(&self.space) })
    }
}

/// Checks the image of a lexicon, after which more bytes may follow, and prepares it for use.
///
/// # Safety
/// `length` bytes at `image` stay readable and unchanged while the lexicon is in use.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn equalinfo_lexicon_load(
    lexicon: *mut EqualinfoLexicon,
    image: *const u8,
    length: usize,
) -> EqualinfoStatus {
    // SAFETY: as promised by the caller.
    status(unsafe { load(lexicon, image, length, Lexicon::load) })
}

/// As `equalinfo_lexicon_load`, but checks only the header and the codes of single bytes: for an image that is known to
/// be as it was written. Whatever any other image decodes has no meaning, but nothing worse happens.
///
/// # Safety
/// As for `equalinfo_lexicon_load`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn equalinfo_lexicon_load_trusting(
    lexicon: *mut EqualinfoLexicon,
    image: *const u8,
    length: usize,
) -> EqualinfoStatus {
    // SAFETY: as promised by the caller.
    status(unsafe { load(lexicon, image, length, Lexicon::load_trusting) })
}

unsafe fn load(
    lexicon: *mut EqualinfoLexicon,
    image: *const u8,
    length: usize,
    check: fn(&'static [u8]) -> Result<Lexicon<'static>, LexiconError>,
) -> Result<(), EqualinfoStatus> {
    if lexicon.is_null() {
        return Err(EqualinfoStatus::NullPointer);
    }
    // SAFETY: zeros are an `EqualinfoLexicon`, so C need not have initialised it; the image is as promised by the
    // caller.
    let (place, image) = unsafe {
        lexicon.cast::<u8>().write_bytes(0, size_of::<EqualinfoLexicon>());
        (value(lexicon)?, input(image, length)?)
    };
    let view = check(image)?;
    place.id = view.id();
    put(&mut place.space, view);
    place.loaded = LOADED;
    Ok(())
}

/// Decodes one code. Every code has a text, no longer than the context of the model: at most 256 bytes.
///
/// # Safety
/// `lexicon` is null, or loaded, or holds zeros, and its image stays readable; `text_length` bytes can be written at
/// `text`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn equalinfo_lexicon_decode(
    lexicon: *const EqualinfoLexicon,
    code: u16,
    text: *mut u8,
    text_length: usize,
    written: *mut usize,
) -> EqualinfoStatus {
    // SAFETY: as promised by the caller.
    status(unsafe { decode(lexicon, code, text, text_length, written) })
}

unsafe fn decode(
    lexicon: *const EqualinfoLexicon,
    code: u16,
    text: *mut u8,
    text_length: usize,
    written: *mut usize,
) -> Result<(), EqualinfoStatus> {
    // SAFETY: as promised by the caller.
    let (lexicon, text, written) =
        unsafe { (lexicon.as_ref().ok_or(EqualinfoStatus::NullPointer)?, output(text, text_length)?, value(written)?) };
    *written = 0;
    let mut places = text.iter_mut();
    for byte in lexicon.view()?.text(code) {
        *places.next().ok_or(EqualinfoStatus::OutputTooSmall)? = byte;
        *written += 1;
    }
    Ok(())
}

/// Decodes a whole stream in memory, and passes its text to `print` byte by byte, together with `user`. After an error,
/// the text delivered from the damaged block may be wrong; all text before it is intact.
///
/// # Safety
/// `lexicon` is null, or loaded, or holds zeros, and its image stays readable; `length` bytes can be read at `stream`;
/// `print` returns normally.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn equalinfo_lexicon_decode_stream(
    lexicon: *const EqualinfoLexicon,
    stream: *const u8,
    length: usize,
    print: Option<unsafe extern "C" fn(byte: u8, user: *mut c_void)>,
    user: *mut c_void,
) -> EqualinfoStatus {
    // SAFETY: as promised by the caller.
    status(unsafe { decode_stream(lexicon, stream, length, print, user) })
}

unsafe fn decode_stream(
    lexicon: *const EqualinfoLexicon,
    stream: *const u8,
    length: usize,
    print: Option<unsafe extern "C" fn(byte: u8, user: *mut c_void)>,
    user: *mut c_void,
) -> Result<(), EqualinfoStatus> {
    let print = print.ok_or(EqualinfoStatus::NullPointer)?;
    // SAFETY: as promised by the caller.
    let (lexicon, stream) =
        unsafe { (lexicon.as_ref().ok_or(EqualinfoStatus::NullPointer)?.view()?, input(stream, length)?) };
    for byte in lexicon.stream(stream)? {
        // SAFETY: the function and the pointer belong to the caller.
        unsafe { print(byte?, user) };
    }
    Ok(())
}
