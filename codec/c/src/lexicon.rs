//! Lexicons: codes of 16 bits and streams of them, without a model and without memory.

use core::ffi::c_void;
use core::mem::MaybeUninit;

use equalinfo_codec::lexicon::Lexicon;

use crate::memory::{get, input, output, put, value};
use crate::model::LOADED;
use crate::status::{EqualinfoStatus, status};

/// A lexicon that has been checked. Its image stays where it is.
#[repr(C)]
#[derive(Debug)]
pub struct EqualinfoLexicon {
    /// The id that streams name.
    pub id: u64,
    /// Internal.
    pub loaded: u32,
    /// Internal.
    pub space: [MaybeUninit<u64>; 12],
}

impl EqualinfoLexicon {
    fn view(&self) -> Result<&Lexicon<'static>, EqualinfoStatus> {
        if self.loaded != LOADED {
            return Err(EqualinfoStatus::NotLoaded);
        }
        // SAFETY: `equalinfo_lexicon_load`, which alone sets the mark, puts it there.
        Ok(unsafe { get(&self.space) })
    }
}

/// Checks the image of a lexicon, which may be longer than the lexicon is, and prepares it for use.
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
    status(unsafe { load(lexicon, image, length) })
}

unsafe fn load(lexicon: *mut EqualinfoLexicon, image: *const u8, length: usize) -> Result<(), EqualinfoStatus> {
    if lexicon.is_null() {
        return Err(EqualinfoStatus::NullPointer);
    }
    // SAFETY: any bytes are an `EqualinfoLexicon`, so it may not have been initialised by C either; the image is as
    // promised by the caller.
    let (place, image) = unsafe {
        lexicon.cast::<u8>().write_bytes(0, size_of::<EqualinfoLexicon>());
        (value(lexicon)?, input(image, length)?)
    };
    let view = Lexicon::load(image)?;
    place.id = view.id();
    put(&mut place.space, view);
    place.loaded = LOADED;
    Ok(())
}

/// The text of one code; every code has one, of at most 256 bytes.
///
/// # Safety
/// `lexicon` is null, or loaded, or holds zeros, and its image stays; as many bytes as said can be written at `text`.
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

/// Decodes a stream that lies in memory as a whole, and hands its text to `print` byte by byte, with `user` as it came.
/// After an error the text of the damaged block that was delivered is not to be trusted, all before it is.
///
/// # Safety
/// `lexicon` is null, or loaded, or holds zeros, and its image stays; `length` bytes can be read at `stream`; `print`
/// returns.
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
        // SAFETY: a function of the caller's, with the pointer that it came with.
        unsafe { print(byte?, user) };
    }
    Ok(())
}
