//! [`StringTable`]: a zero-copy view of an `.eqt` blob (`docs/string-table.md`).

use core::str;

use super::error::{StringError, StringTableError};
use super::lengths::Lengths;
use crate::byte_model::ByteModel;
use crate::checksum::image_checksum;
use crate::container::ModelIdentity;
use crate::lexicon::Lexicon;
use crate::m1::{Kernels, M1};
use crate::raw::{self, PayloadError, PayloadLayout};

const VERSION: u8 = b'1';
/// Bytes of a blob ahead of the names of languages.
const HEADER: usize = 26;

/// How the texts of a table are coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum StringCoding {
    /// Messages of a model, see [`PayloadLayout::Message`].
    Messages,
    /// Codes of a lexicon, see [`Lexicon::decode_payload`].
    Codes,
}

/// What decodes the texts of a table: a running [`M1`], a [`Lexicon`], or any model [`WithIdentity`].
pub trait StringCoder {
    /// The coding whose texts it decodes.
    const CODING: StringCoding;

    /// What the tables that it decodes are written with.
    fn identity(&self) -> ModelIdentity;

    /// Decodes a text to the start of `output`, and returns its length.
    ///
    /// # Errors
    /// The payload is damaged, or its text does not fit.
    fn decode(&mut self, payload: &[u8], output: &mut [u8]) -> Result<usize, PayloadError>;
}

impl<K: Kernels> StringCoder for M1<'_, '_, K> {
    const CODING: StringCoding = StringCoding::Messages;

    fn identity(&self) -> ModelIdentity {
        M1::identity(self)
    }

    fn decode(&mut self, payload: &[u8], output: &mut [u8]) -> Result<usize, PayloadError> {
        raw::decode(self, PayloadLayout::Message, payload, output)
    }
}

impl StringCoder for Lexicon<'_> {
    const CODING: StringCoding = StringCoding::Codes;

    fn identity(&self) -> ModelIdentity {
        Lexicon::identity(self)
    }

    fn decode(&mut self, payload: &[u8], output: &mut [u8]) -> Result<usize, PayloadError> {
        self.decode_payload(payload, output)
    }
}

/// A model that is not an [`M1`], with the identity that its tables carry.
#[derive(Clone, Copy, Debug)]
pub struct WithIdentity<M> {
    /// The model.
    pub model: M,
    /// Its identity.
    pub identity: ModelIdentity,
}

impl<M: ByteModel> StringCoder for WithIdentity<M> {
    const CODING: StringCoding = StringCoding::Messages;

    fn identity(&self) -> ModelIdentity {
        self.identity
    }

    fn decode(&mut self, payload: &[u8], output: &mut [u8]) -> Result<usize, PayloadError> {
        raw::decode(&mut self.model, PayloadLayout::Message, payload, output)
    }
}

/// A string table over its blob, which stays where it is, for instance in flash, at any alignment.
#[derive(Clone, Copy, Debug)]
pub struct StringTable<'a> {
    identity: ModelIdentity,
    coding: StringCoding,
    strings: u16,
    languages: u8,
    longest: u16,
    parameter: u8,
    /// The length of each name in a byte, and the name.
    names: &'a [u8],
    /// The lengths of all codes, as [`Lengths`] reads them.
    index: &'a [u8],
    /// All codes.
    codes: &'a [u8],
}

impl<'a> StringTable<'a> {
    /// A view of `blob`, which is checked completely, in some 30 instructions a byte. More bytes may follow the table,
    /// as in flash.
    ///
    /// # Errors
    /// The blob differs from `docs/string-table.md` in any way.
    pub fn load(blob: &'a [u8]) -> Result<Self, StringTableError> {
        let table = Self::load_trusting(blob)?;
        let (head, rest) = blob.split_at_checked(8).unwrap_or_default();
        let (expected, _) = rest.split_first_chunk().unwrap_or((&[0; 4], &[]));
        let content = blob.get(12..length_of(head)).unwrap_or_default();
        let (expected, found) = (u32::from_le_bytes(*expected), image_checksum(head, content));
        if found != expected {
            return Err(StringTableError::Checksum { expected, found });
        }
        let mut lengths = Lengths::new(table.index, table.parameter);
        let mut covered = 0usize;
        for _ in 0..table.count() {
            let short = StringTableError::Index { expected: table.codes.len(), found: covered };
            covered = covered.saturating_add(lengths.next().ok_or(short)? as usize);
        }
        if covered != table.codes.len() || !lengths.is_at_end() {
            return Err(StringTableError::Index { expected: table.codes.len(), found: covered });
        }
        Ok(table)
    }

    /// As [`Self::load`], but checks only the header: for a blob that is known to be as it was written. Lookups in any
    /// other give wrong texts or errors, and nothing worse happens.
    ///
    /// # Errors
    /// The header differs from `docs/string-table.md`, or the blob is cut short.
    pub fn load_trusting(blob: &'a [u8]) -> Result<Self, StringTableError> {
        let short = StringTableError::Truncated { expected: HEADER, found: blob.len() };
        let (magic, _) = blob.split_first_chunk::<4>().ok_or(short)?;
        let [b'E', b'Q', b'T', version] = *magic else {
            return Err(StringTableError::Magic { found: *magic });
        };
        if version != VERSION {
            return Err(StringTableError::Version { expected: VERSION, found: version });
        }
        let (header, _) = blob.split_first_chunk::<HEADER>().ok_or(short)?;
        #[rustfmt::skip]
        let &[_, _, _, _, _, _, _, _, _, _, _, _,
            m0, m1, m2, m3, x0, x1, s0, s1, languages, form, t0, t1, i0, i1] = header;
        let length = length_of(header);
        let blob = blob.get(..length).ok_or(StringTableError::Truncated { expected: length, found: blob.len() })?;
        let coding = match form >> 4 {
            0 => StringCoding::Messages,
            1 => StringCoding::Codes,
            _ => return Err(StringTableError::Header { field: "coding", found: form.into() }),
        };
        let context = u16::from_le_bytes([x0, x1]);
        if context > ModelIdentity::LONGEST_CONTEXT {
            return Err(StringTableError::Header { field: "context", found: context.into() });
        }
        let strings = u16::from_le_bytes([s0, s1]);
        if languages == 0 {
            return Err(StringTableError::Header { field: "number of languages", found: 0 });
        }
        let identity = ModelIdentity { id: u32::from_le_bytes([m0, m1, m2, m3]), context };
        let rest = blob.get(HEADER..).ok_or(short)?;
        let (names, rest) = split_names(rest, languages)
            .ok_or(StringTableError::Truncated { expected: length, found: blob.len().saturating_sub(1) })?;
        let index = usize::from(u16::from_le_bytes([i0, i1]));
        let (index, codes) =
            rest.split_at_checked(index).ok_or(StringTableError::Index { expected: index, found: rest.len() })?;
        let longest = u16::from_le_bytes([t0, t1]);
        Ok(Self { identity, coding, strings, languages, longest, parameter: form & 15, names, index, codes })
    }

    /// What wrote it: a model run with this context, or a lexicon.
    pub const fn identity(&self) -> ModelIdentity {
        self.identity
    }

    /// How its texts are coded.
    pub const fn coding(&self) -> StringCoding {
        self.coding
    }

    /// The number of texts in each language; their ids are `0..strings`.
    pub const fn strings(&self) -> u16 {
        self.strings
    }

    /// The number of languages, at least 1.
    pub const fn languages(&self) -> u8 {
        self.languages
    }

    /// The length of the longest text in bytes: a buffer of this size has room for each.
    pub const fn longest(&self) -> usize {
        self.longest as usize
    }

    /// The bytes of all codes, and of their index.
    pub const fn sizes(&self) -> (usize, usize) {
        (self.codes.len(), self.index.len())
    }

    /// The names of the languages, in their order. The name of a single one may be empty.
    pub fn names(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let mut rest = self.names;
        core::iter::from_fn(move || {
            let (&length, names) = rest.split_first()?;
            let (name, names) = names.split_at_checked(length.into())?;
            rest = names;
            Some(str::from_utf8(name).unwrap_or_default())
        })
    }

    /// The language of this name.
    pub fn language(&self, name: &str) -> Option<u8> {
        self.names().position(|found| found == name).and_then(|position| u8::try_from(position).ok())
    }

    fn count(&self) -> usize {
        usize::from(self.strings) * usize::from(self.languages)
    }

    /// The code of a text; `None` if there is none. It adds up the lengths of the codes ahead of it, in some 10
    /// instructions for every bit of them.
    pub fn payload(&self, language: u8, id: u16) -> Option<&'a [u8]> {
        if language >= self.languages || id >= self.strings {
            return None;
        }
        let ahead = usize::from(language) * usize::from(self.strings) + usize::from(id);
        let mut lengths = Lengths::new(self.index, self.parameter);
        let mut start = 0usize;
        for _ in 0..ahead {
            start = start.saturating_add(lengths.next()? as usize);
        }
        let end = start.saturating_add(lengths.next()? as usize);
        self.codes.get(start..end)
    }

    /// Decodes text `id` of a language into `buffer`, for which [`Self::longest`] bytes are enough.
    ///
    /// # Errors
    /// The coder is another than wrote the table, there is no such text, or it does not fit.
    pub fn get<'b, C: StringCoder>(
        &self,
        coder: &mut C,
        language: u8,
        id: u16,
        buffer: &'b mut [u8],
    ) -> Result<&'b [u8], StringError> {
        let found = coder.identity();
        if C::CODING != self.coding || found != self.identity {
            return Err(StringError::WrongModel { expected: self.identity, found });
        }
        let payload = self.payload(language, id).ok_or(StringError::NoString { language, id })?;
        let length = coder.decode(payload, buffer)?;
        Ok(buffer.get(..length).unwrap_or_default())
    }

    /// As [`Self::get`], as a string.
    ///
    /// # Errors
    /// Those of [`Self::get`], or the text is not UTF-8.
    pub fn get_str<'b, C: StringCoder>(
        &self,
        coder: &mut C,
        language: u8,
        id: u16,
        buffer: &'b mut [u8],
    ) -> Result<&'b str, StringError> {
        str::from_utf8(self.get(coder, language, id, buffer)?).map_err(|_| StringError::NotUtf8 { id })
    }
}

/// With the feature `heapless`.
#[cfg(feature = "heapless")]
impl StringTable<'_> {
    /// As [`Self::get_str`], as a string of its own with room for `N` bytes.
    ///
    /// # Errors
    /// Those of [`Self::get_str`].
    pub fn string<const N: usize, C: StringCoder>(
        &self,
        coder: &mut C,
        language: u8,
        id: u16,
    ) -> Result<heapless::String<N>, StringError> {
        let mut text = heapless::Vec::new();
        // There is room for as many.
        let _ = text.resize(N, 0);
        let length = self.get(coder, language, id, &mut text)?.len();
        text.truncate(length);
        heapless::String::from_utf8(text).map_err(|_| StringError::NotUtf8 { id })
    }
}

/// The length field of a blob; more than any blob has if its header is cut short.
fn length_of(header: &[u8]) -> usize {
    match header.get(4..8) {
        Some(&[l0, l1, l2, l3]) => u32::from_le_bytes([l0, l1, l2, l3]) as usize,
        _ => usize::MAX,
    }
}

/// The names of so many languages, and what follows them.
fn split_names(bytes: &[u8], languages: u8) -> Option<(&[u8], &[u8])> {
    let mut end = 0usize;
    for _ in 0..languages {
        let length = usize::from(*bytes.get(end)?);
        let name = bytes.get(end + 1..end + 1 + length)?;
        name.is_ascii().then_some(())?;
        end += 1 + length;
    }
    bytes.split_at_checked(end)
}
