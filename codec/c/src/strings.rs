//! String tables: texts that are looked up by number and decode alone.
//!
//! Invariant: `text` ends in a zero byte whenever there is room for one, and `written` is 0 unless the whole text has
//! been decoded.

use core::ffi::{CStr, c_char};
use core::mem::MaybeUninit;

use equalinfo_codec::lexicon::Lexicon;
use equalinfo_codec::strings::{StringCoder, StringTable, StringTableError};

use crate::lexicon::EqualinfoLexicon;
use crate::memory::{LOADED, STATE, get, input, output, put, value};
use crate::model::{EqualinfoModel, set_up};
use crate::status::{EqualinfoStatus, status};

/// A string table whose blob has been checked. The blob stays where it is, at any alignment.
#[repr(C)]
#[derive(Debug)]
pub struct EqualinfoStrings {
    /// The upper half of the id of the model or lexicon that it needs.
    pub model: u32,
    /// The context that the model runs with.
    pub context: u16,
    /// The number of texts in each language.
    pub strings: u16,
    /// The length of the longest text in bytes. A buffer of one byte more has room for each.
    pub longest: u16,
    /// The number of languages.
    pub languages: u8,
    /// Internal.
    pub loaded: u32,
    /// Internal.
    pub space: [MaybeUninit<u64>; 12],
}

impl EqualinfoStrings {
    fn view(&self) -> Result<&StringTable<'static>, EqualinfoStatus> {
        if self.loaded != LOADED {
            return Err(EqualinfoStatus::NotLoaded);
        }
        // SAFETY: only `load` sets the mark, after writing the table there.
        Ok(unsafe { get(&self.space) })
    }
}

/// Checks a string table, after which more bytes may follow, and prepares it for use.
///
/// # Safety
/// `length` bytes at `blob` stay readable and unchanged while the table is in use.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn equalinfo_strings_load(
    strings: *mut EqualinfoStrings,
    blob: *const u8,
    length: usize,
) -> EqualinfoStatus {
    // SAFETY: as promised by the caller.
    status(unsafe { load(strings, blob, length, StringTable::load) })
}

/// As `equalinfo_strings_load`, but checks only the header: for a blob that is known to be as it was written. Whatever
/// any other blob decodes has no meaning, but nothing worse happens.
///
/// # Safety
/// As for `equalinfo_strings_load`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn equalinfo_strings_load_trusting(
    strings: *mut EqualinfoStrings,
    blob: *const u8,
    length: usize,
) -> EqualinfoStatus {
    // SAFETY: as promised by the caller.
    status(unsafe { load(strings, blob, length, StringTable::load_trusting) })
}

unsafe fn load(
    strings: *mut EqualinfoStrings,
    blob: *const u8,
    length: usize,
    check: fn(&'static [u8]) -> Result<StringTable<'static>, StringTableError>,
) -> Result<(), EqualinfoStatus> {
    if strings.is_null() {
        return Err(EqualinfoStatus::NullPointer);
    }
    // SAFETY: zeros are an `EqualinfoStrings`, so C need not have initialised it; the blob is as promised by the caller.
    let (place, blob) = unsafe {
        strings.cast::<u8>().write_bytes(0, size_of::<EqualinfoStrings>());
        (value(strings)?, input(blob, length)?)
    };
    let table = check(blob)?;
    (place.model, place.context) = (table.identity().id, table.identity().context);
    (place.strings, place.languages) = (table.strings(), table.languages());
    place.longest = table.longest() as u16;
    put(&mut place.space, table);
    place.loaded = LOADED;
    Ok(())
}

/// Sets `language` to the number of the language of this name. `EQUALINFO_STATUS_NO_STRING` if the table has none.
///
/// # Safety
/// `strings` is null, or loaded, or holds zeros, and its blob stays readable; `name` is null or ends in a zero byte.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn equalinfo_strings_language(
    strings: *const EqualinfoStrings,
    name: *const c_char,
    language: *mut u8,
) -> EqualinfoStatus {
    // SAFETY: as promised by the caller.
    status(unsafe { find_language(strings, name, language) })
}

unsafe fn find_language(
    strings: *const EqualinfoStrings,
    name: *const c_char,
    language: *mut u8,
) -> Result<(), EqualinfoStatus> {
    if name.is_null() {
        return Err(EqualinfoStatus::NullPointer);
    }
    // SAFETY: as promised by the caller.
    let (strings, language, name) = unsafe {
        (strings.as_ref().ok_or(EqualinfoStatus::NullPointer)?.view()?, value(language)?, CStr::from_ptr(name))
    };
    let found = name.to_str().ok().and_then(|name| strings.language(name));
    *language = found.ok_or(EqualinfoStatus::NoString)?;
    Ok(())
}

/// Decodes text `id` of a language with the model of the table, and ends it with a zero byte. Memory is needed as for a
/// stream with `strings->context` positions of context. `written`, which may be null, is the length without the zero.
///
/// # Safety
/// The promises of `equalinfo_stream_begin`, during the call; `strings` is null, or loaded, or holds zeros, and its
/// blob stays readable; `text_length` bytes can be written at `text`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn equalinfo_string_decode(
    strings: *const EqualinfoStrings,
    model: *const EqualinfoModel,
    memory: *mut u8,
    memory_length: usize,
    language: u8,
    id: u16,
    text: *mut c_char,
    text_length: usize,
    written: *mut usize,
) -> EqualinfoStatus {
    // SAFETY: as promised by the caller.
    status(unsafe {
        let context = strings.as_ref().map_or(0, |strings| strings.context);
        match strings.as_ref().map(EqualinfoStrings::view) {
            None => Err(EqualinfoStatus::NullPointer),
            Some(Err(status)) => Err(status),
            Some(Ok(table)) => set_up::<STATE>(model, context, 0, memory, memory_length)
                .and_then(|(mut m1, ..)| decode(table, &mut m1, (language, id), (text, text_length, written))),
        }
    })
}

/// As `equalinfo_string_decode`, for a table of codes of a lexicon, which need no memory.
///
/// # Safety
/// `strings` and `lexicon` are null, or loaded, or hold zeros, and what they are views of stays readable;
/// `text_length` bytes can be written at `text`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn equalinfo_string_decode_by_lexicon(
    strings: *const EqualinfoStrings,
    lexicon: *const EqualinfoLexicon,
    language: u8,
    id: u16,
    text: *mut c_char,
    text_length: usize,
    written: *mut usize,
) -> EqualinfoStatus {
    // SAFETY: as promised by the caller.
    status(unsafe {
        match (strings.as_ref().map(EqualinfoStrings::view), lexicon.as_ref().map(EqualinfoLexicon::view)) {
            (None, _) | (_, None) => Err(EqualinfoStatus::NullPointer),
            (Some(Err(status)), _) | (_, Some(Err(status))) => Err(status),
            (Some(Ok(table)), Some(Ok(lexicon))) => {
                decode(table, &mut Lexicon::clone(lexicon), (language, id), (text, text_length, written))
            }
        }
    })
}

unsafe fn decode<C: StringCoder>(
    table: &StringTable,
    coder: &mut C,
    (language, id): (u8, u16),
    (text, text_length, written): (*mut c_char, usize, *mut usize),
) -> Result<(), EqualinfoStatus> {
    // SAFETY: as promised by the caller.
    let (mut written, text) = unsafe { (written.as_mut(), output(text.cast::<u8>(), text_length)?) };
    if let Some(written) = &mut written {
        **written = 0;
    }
    if let Some(first) = text.first_mut() {
        *first = 0;
    }
    // All but the place of the zero behind the longest text.
    let room = text_length.checked_sub(1).and_then(|room| text.get_mut(..room));
    let room = room.ok_or(EqualinfoStatus::OutputTooSmall)?;
    let decoded = table.get(coder, language, id, room).map(<[u8]>::len);
    let length = *decoded.as_ref().unwrap_or(&0);
    if let Some(end) = text.get_mut(length) {
        *end = 0;
    }
    decoded?;
    if let Some(written) = written {
        *written = length;
    }
    Ok(())
}
