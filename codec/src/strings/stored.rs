//! [`StoredStringTable`]: a string table in storage, read by pieces.
//!
//! Invariant: every text and every error is the one that [`StringTable`](super::StringTable) would give for the same
//! bytes.

use core::str;

use super::error::{StringError, StringTableError};
use super::header::Header;
use super::lengths::Bits;
use super::table::{StringCoder, StringCoding, check_coder};
use crate::checksum::Checksum;
use crate::container::ModelIdentity;
use crate::raw::PayloadError;
use crate::storage::{Cursor, Storage, StorageError};

/// A string table in storage, of which at most `BUFFER` bytes are in memory.
///
/// A lookup reads the index up to its text, and then the text's code: `index / BUFFER` calls of [`Storage::read`] at
/// most, rounded up, and one for every `BUFFER` bytes of the code.
///
/// ```
/// use equalinfo_codec::Uniform;
/// use equalinfo_codec::container::ModelIdentity;
/// use equalinfo_codec::strings::{StoredStringTable, WithIdentity};
/// # use equalinfo_codec::checksum::image_checksum;
/// # let mut blob = *b"EQT1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x02\0\x01\x01\x03\0\x01\0\0\xb8\xfdon\xfdoff";
/// # let blob_length = blob.len() as u32;
/// # blob[4..8].copy_from_slice(&blob_length.to_le_bytes());
/// # let checksum = image_checksum(&blob[..8], &blob[12..]);
/// # blob[8..12].copy_from_slice(&checksum.to_le_bytes());
/// # let flash = &blob[..];
///
/// // `flash` is anything that is `Storage`, in which the table begins at offset 0.
/// let mut table = StoredStringTable::<_, 16>::load(flash, 0)?;
/// let mut coder = WithIdentity { model: Uniform, identity: ModelIdentity::default() };
/// let mut buffer = [0; 3];
/// assert_eq!(table.get_str(&mut coder, 0, 1, &mut buffer)?, "off");
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct StoredStringTable<S, const BUFFER: usize> {
    cursor: Cursor<S, BUFFER>,
    header: Header,
    /// Where the blob begins in the storage, and in the blob the index and the codes.
    start: u32,
    index: u32,
    codes: u32,
}

impl<S: Storage, const BUFFER: usize> StoredStringTable<S, BUFFER> {
    /// The table that begins at `offset`, which is read once and checked completely. More bytes may follow it.
    ///
    /// # Errors
    /// The blob differs from `docs/string-table.md` in any way, or the storage fails.
    pub fn load(storage: S, offset: u32) -> Result<Self, StorageError<S::Error, StringTableError>> {
        let mut table = Self::load_trusting(storage, offset)?;
        let mut checksum = Checksum::new();
        for (from, to) in [(0, 8), (12, table.header.length as u32)] {
            table.seek(from, to);
            table.cursor.for_each_piece(|piece| checksum.update(piece)).map_err(StorageError::Storage)?;
        }
        let (expected, found) = (table.header.checksum, checksum.value());
        if found != expected {
            return Err(StringTableError::Checksum { expected, found }.into());
        }
        let (header, expected) = (table.header, table.sizes().0);
        let mut bits = table.begin_index();
        header.check_lengths(expected, || table.length(&mut bits).map_err(StorageError::Storage))?;
        if table.cursor.is_at_end() && bits.are_zeros() {
            Ok(table)
        } else {
            Err(StringTableError::Index { expected, found: expected }.into())
        }
    }

    /// As [`Self::load`], but reads and checks only header and names: for a blob that is known to be as it was written.
    /// Lookups in any other give wrong texts or errors, and nothing worse happens.
    ///
    /// # Errors
    /// The header differs from `docs/string-table.md`, the blob is cut short, or the storage fails.
    pub fn load_trusting(mut storage: S, offset: u32) -> Result<Self, StorageError<S::Error, StringTableError>> {
        let end = storage.length().map_err(StorageError::Storage)?;
        let mut cursor = Cursor::new(storage, offset..end);
        let mut start = [0; Header::LENGTH];
        let start = cursor.take(&mut start).map_err(StorageError::Storage)?;
        let header = Header::parse(start, end.saturating_sub(offset) as usize)?;
        // The blob ends within the storage, so no sum is large.
        let blob_end = offset.saturating_add(header.length as u32);
        cursor.seek(offset.saturating_add(Header::LENGTH as u32)..blob_end);
        let bad_names = || StorageError::Content(header.bad_names());
        let mut byte = || cursor.byte().map_err(StorageError::Storage)?.ok_or_else(bad_names);
        for _ in 0..header.languages {
            for _ in 0..byte()? {
                if !byte()?.is_ascii() {
                    return Err(bad_names());
                }
            }
        }
        let index = cursor.position().saturating_sub(offset);
        let codes = index.saturating_add(header.index as u32);
        if codes > header.length as u32 {
            let (expected, found) = (header.index, header.length.saturating_sub(index as usize));
            return Err(StringTableError::Index { expected, found }.into());
        }
        Ok(Self { cursor, header, start: offset, index, codes })
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
        (self.header.length.saturating_sub(self.codes as usize), self.header.index)
    }

    /// Returns the storage, for somebody else to read.
    pub fn into_storage(self) -> S {
        self.cursor.into_storage()
    }

    /// The language of this name.
    ///
    /// # Errors
    /// The storage fails.
    pub fn language(&mut self, name: &str) -> Result<Option<u8>, S::Error> {
        self.seek(Header::LENGTH as u32, self.index);
        for language in 0..self.header.languages {
            let length = self.cursor.byte()?.unwrap_or_default();
            let (mut rest, mut same) = (name.bytes(), usize::from(length) == name.len());
            for _ in 0..length {
                same &= self.cursor.byte()? == rest.next();
            }
            if same {
                return Ok(Some(language));
            }
        }
        Ok(None)
    }

    /// Decodes text `id` of a language into `buffer`, for which [`Self::longest`] bytes are enough.
    ///
    /// # Errors
    /// The coder is another than wrote the table, there is no such text, it does not fit, or the storage fails.
    pub fn get<'b, C: StringCoder>(
        &mut self,
        coder: &mut C,
        language: u8,
        id: u16,
        buffer: &'b mut [u8],
    ) -> Result<&'b [u8], StorageError<S::Error, StringError>> {
        check_coder(&self.header, coder)?;
        let (header, mut bits) = (self.header, self.begin_index());
        let place = header.locate(language, id, || self.length(&mut bits)).map_err(StorageError::Storage)?;
        let (start, end) = place
            .filter(|&(_, end)| end <= self.sizes().0)
            .ok_or(StorageError::Content(StringError::NoString { language, id }))?;
        self.seek(self.codes.saturating_add(start as u32), self.codes.saturating_add(end as u32));
        // The range has as many bytes as are asked for.
        let next = || self.cursor.byte().map(Option::unwrap_or_default).map_err(StorageError::Storage);
        let length = coder.decode_bytes(end - start, next, buffer)?;
        Ok(buffer.get(..length).unwrap_or_default())
    }

    /// As [`Self::get`], as a string.
    ///
    /// # Errors
    /// Those of [`Self::get`], or the text is not UTF-8.
    pub fn get_str<'b, C: StringCoder>(
        &mut self,
        coder: &mut C,
        language: u8,
        id: u16,
        buffer: &'b mut [u8],
    ) -> Result<&'b str, StorageError<S::Error, StringError>> {
        let text = self.get(coder, language, id, buffer)?;
        str::from_utf8(text).map_err(|_| StringError::NotUtf8 { id }.into())
    }

    /// Goes to a range of the blob.
    fn seek(&mut self, from: u32, to: u32) {
        self.cursor.seek(self.start.saturating_add(from)..self.start.saturating_add(to));
    }

    /// Goes to the index, whose first length is next.
    fn begin_index(&mut self) -> Bits {
        self.seek(self.index, self.codes);
        Bits::new(self.header.parameter)
    }

    /// The next length.
    fn length(&mut self, bits: &mut Bits) -> Result<Option<u32>, S::Error> {
        bits.number(&mut || self.cursor.byte())
    }
}

impl<S> From<PayloadError> for StorageError<S, StringError> {
    fn from(cause: PayloadError) -> Self {
        Self::Content(cause.into())
    }
}
