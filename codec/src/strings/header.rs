//! The first bytes of an `.eqt` blob (`docs/string-table.md`), and where its codes are.

use super::error::StringTableError;
use super::table::StringCoding;
use crate::container::ModelIdentity;

const VERSION: u8 = b'1';

/// What precedes the names of languages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub identity: ModelIdentity,
    pub coding: StringCoding,
    pub strings: u16,
    pub languages: u8,
    pub longest: u16,
    /// Of the codes in the index.
    pub parameter: u8,
    pub checksum: u32,
    /// Bytes of the blob and of its index.
    pub length: usize,
    pub index: usize,
}

impl Header {
    /// Its bytes.
    pub const LENGTH: usize = 26;

    /// Reads the header from the start of a blob, of which `found` bytes are there.
    pub fn parse(start: &[u8], found: usize) -> Result<Self, StringTableError> {
        let short = StringTableError::Truncated { expected: Self::LENGTH, found };
        let (magic, _) = start.split_first_chunk::<4>().ok_or(short)?;
        let [b'E', b'Q', b'T', version] = *magic else {
            return Err(StringTableError::Magic { found: *magic });
        };
        if version != VERSION {
            return Err(StringTableError::Version { expected: VERSION, found: version });
        }
        let (header, _) = start.split_first_chunk::<{ Self::LENGTH }>().ok_or(short)?;
        #[rustfmt::skip]
        let &[_, _, _, _, l0, l1, l2, l3, c0, c1, c2, c3,
            m0, m1, m2, m3, x0, x1, s0, s1, languages, form, t0, t1, i0, i1] = header;
        let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        if length > found {
            return Err(StringTableError::Truncated { expected: length, found });
        }
        let coding = match form >> 4 {
            0 => StringCoding::Messages,
            1 => StringCoding::Codes,
            _ => return Err(StringTableError::Header { field: "coding", found: form.into() }),
        };
        let context = u16::from_le_bytes([x0, x1]);
        if context > ModelIdentity::LONGEST_CONTEXT {
            return Err(StringTableError::Header { field: "context", found: context.into() });
        }
        if languages == 0 {
            return Err(StringTableError::Header { field: "number of languages", found: 0 });
        }
        if length < Self::LENGTH {
            return Err(short);
        }
        Ok(Self {
            identity: ModelIdentity { id: u32::from_le_bytes([m0, m1, m2, m3]), context },
            coding,
            strings: u16::from_le_bytes([s0, s1]),
            languages,
            longest: u16::from_le_bytes([t0, t1]),
            parameter: form & 15,
            checksum: u32::from_le_bytes([c0, c1, c2, c3]),
            length,
            index: u16::from_le_bytes([i0, i1]).into(),
        })
    }

    /// The error for names that go beyond the blob, or are not ASCII.
    pub fn bad_names(&self) -> StringTableError {
        StringTableError::Truncated { expected: self.length, found: self.length.saturating_sub(1) }
    }

    /// Checks that the lengths of all codes add up to that of the codes, `expected`.
    pub fn check_lengths<E: From<StringTableError>>(
        &self,
        expected: usize,
        mut next: impl FnMut() -> Result<Option<u32>, E>,
    ) -> Result<(), E> {
        let mut found = 0usize;
        for _ in 0..usize::from(self.strings) * usize::from(self.languages) {
            let short = StringTableError::Index { expected, found };
            found = found.saturating_add(next()?.ok_or(short)? as usize);
        }
        if found == expected { Ok(()) } else { Err(StringTableError::Index { expected, found }.into()) }
    }

    /// Where the code of a text begins and ends among all codes, from the lengths in the index; `None` if there is no
    /// such text.
    pub fn locate<E>(
        &self,
        language: u8,
        id: u16,
        mut next: impl FnMut() -> Result<Option<u32>, E>,
    ) -> Result<Option<(usize, usize)>, E> {
        if language >= self.languages || id >= self.strings {
            return Ok(None);
        }
        let mut start = 0usize;
        for _ in 0..usize::from(language) * usize::from(self.strings) + usize::from(id) {
            let Some(length) = next()? else { return Ok(None) };
            start = start.saturating_add(length as usize);
        }
        Ok(next()?.map(|length| (start, start.saturating_add(length as usize))))
    }
}
