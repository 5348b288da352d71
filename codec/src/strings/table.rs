//! [`StringTable`]: a zero-copy view of an `.eqt` blob (`docs/string-table.md`).

use core::convert::Infallible;
use core::str;

use super::error::{StringError, StringTableError};
use super::header::Header;
use super::lengths::Lengths;
use crate::byte_model::ByteModel;
use crate::checksum::image_checksum;
use crate::container::ModelIdentity;
use crate::lexicon::Lexicon;
use crate::m1::{Kernels, M1};
use crate::raw::{self, PayloadError, PayloadLayout};

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

    /// As [`Self::decode`], for a payload of `length` bytes that `next` gives one by one.
    ///
    /// # Errors
    /// Those of [`Self::decode`], and of `next`.
    fn decode_bytes<E: From<PayloadError>>(
        &mut self,
        length: usize,
        next: impl FnMut() -> Result<u8, E>,
        output: &mut [u8],
    ) -> Result<usize, E>;
}

impl<K: Kernels> StringCoder for M1<'_, '_, K> {
    const CODING: StringCoding = StringCoding::Messages;

    fn identity(&self) -> ModelIdentity {
        M1::identity(self)
    }

    fn decode(&mut self, payload: &[u8], output: &mut [u8]) -> Result<usize, PayloadError> {
        raw::decode(self, PayloadLayout::Message, payload, output)
    }

    fn decode_bytes<E: From<PayloadError>>(
        &mut self,
        length: usize,
        next: impl FnMut() -> Result<u8, E>,
        output: &mut [u8],
    ) -> Result<usize, E> {
        raw::decode_bytes(self, PayloadLayout::Message, length, next, output)
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

    fn decode_bytes<E: From<PayloadError>>(
        &mut self,
        length: usize,
        next: impl FnMut() -> Result<u8, E>,
        output: &mut [u8],
    ) -> Result<usize, E> {
        self.decode_payload_bytes(length, next, output)
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

    fn decode_bytes<E: From<PayloadError>>(
        &mut self,
        length: usize,
        next: impl FnMut() -> Result<u8, E>,
        output: &mut [u8],
    ) -> Result<usize, E> {
        raw::decode_bytes(&mut self.model, PayloadLayout::Message, length, next, output)
    }
}

/// A string table over its blob, which stays where it is, for instance in flash, at any alignment. For flash that no
/// address reaches there is [`StoredStringTable`](super::StoredStringTable).
#[derive(Clone, Copy, Debug)]
pub struct StringTable<'a> {
    header: Header,
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
        let (head, _) = blob.split_at_checked(8).unwrap_or_default();
        let content = blob.get(12..table.header.length).unwrap_or_default();
        let (expected, found) = (table.header.checksum, image_checksum(head, content));
        if found != expected {
            return Err(StringTableError::Checksum { expected, found });
        }
        let mut lengths = Lengths::new(table.index, table.header.parameter);
        let expected = table.codes.len();
        table.header.check_lengths(expected, || Ok::<_, StringTableError>(lengths.next()))?;
        if lengths.is_at_end() { Ok(table) } else { Err(StringTableError::Index { expected, found: expected }) }
    }

    /// As [`Self::load`], but checks only the header: for a blob that is known to be as it was written. Lookups in any
    /// other give wrong texts or errors, and nothing worse happens.
    ///
    /// # Errors
    /// The header differs from `docs/string-table.md`, or the blob is cut short.
    pub fn load_trusting(blob: &'a [u8]) -> Result<Self, StringTableError> {
        let header = Header::parse(blob, blob.len())?;
        let rest = blob.get(Header::LENGTH..header.length).unwrap_or_default();
        let (names, rest) = split_names(rest, header.languages).ok_or(header.bad_names())?;
        let (index, codes) = rest
            .split_at_checked(header.index)
            .ok_or(StringTableError::Index { expected: header.index, found: rest.len() })?;
        Ok(Self { header, names, index, codes })
    }

    /// What wrote it: a model run with this context, or a lexicon.
    pub const fn identity(&self) -> ModelIdentity {
        self.header.identity
    }

    /// How its texts are coded.
    pub const fn coding(&self) -> StringCoding {
        self.header.coding
    }

    /// The number of texts in each language; their ids are `0..strings`.
    pub const fn strings(&self) -> u16 {
        self.header.strings
    }

    /// The number of languages, at least 1.
    pub const fn languages(&self) -> u8 {
        self.header.languages
    }

    /// The length of the longest text in bytes: a buffer of this size has room for each.
    pub const fn longest(&self) -> usize {
        self.header.longest as usize
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

    /// The code of a text; `None` if there is none. It adds up the lengths of the codes ahead of it, in some 10
    /// instructions for every bit of them.
    pub fn payload(&self, language: u8, id: u16) -> Option<&'a [u8]> {
        let mut lengths = Lengths::new(self.index, self.header.parameter);
        let Ok(place) = self.header.locate(language, id, || Ok::<_, Infallible>(lengths.next()));
        let (start, end) = place?;
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
        check_coder(&self.header, coder)?;
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

/// Checks that a coder is the one that a table was written with.
pub(super) fn check_coder<C: StringCoder>(header: &Header, coder: &C) -> Result<(), StringError> {
    let (expected, found) = (header.identity, coder.identity());
    if C::CODING == header.coding && found == expected {
        Ok(())
    } else {
        Err(StringError::WrongModel { expected, found })
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
