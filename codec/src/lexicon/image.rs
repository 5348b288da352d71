//! [`Lexicon`]: a zero-copy view of a `.lex` image (`docs/lexicon.md`).
//!
//! Invariant: the checksum and the tree of an image have been checked, unless the caller vouches for them: the children of
//! every node tile the codes below it in ascending byte order, except for codes left over at the end. The codes of single
//! bytes ascend from above 0 in any case.

use super::error::LexiconError;
use crate::checksum::image_checksum;
use crate::container::ModelIdentity;

const VERSION: u8 = b'1';
const HEADER: usize = 36;
/// The number of codes.
pub const CODES: usize = 1 << 16;
/// In the table of sizes: at least this many codes are below the node, and the list of wide nodes has their number.
pub const WIDE: u8 = 254;
/// In the table of sizes: this code is left over, and so are all later ones below the same node.
pub const LEFT_OVER: u8 = 255;

/// The kind of texts that a lexicon holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum LexiconKind {
    /// The texts of the window code with 16 bits under a model; the code of a text is its value. Streams are those of
    /// method `equal-info` with that model, bit for bit.
    WindowCode,
    /// The likeliest texts under a model: a code of its own.
    Optimal,
}

/// A lexicon over its image, which stays where it is, for instance in flash.
#[derive(Clone, Copy)]
pub struct Lexicon<'a> {
    id: u64,
    model_id: u64,
    context: u16,
    kind: LexiconKind,
    /// The code of each text of one byte.
    starts: &'a [[u8; 2]; 256],
    /// The last byte of each code's text.
    bytes: &'a [u8; CODES],
    /// The number of codes below each, or [`WIDE`], or [`LEFT_OVER`].
    sizes: &'a [u8; CODES],
    /// The code and the size of each wide node, ascending.
    wide: &'a [[u8; 4]],
}

/// The meaning of a size.
pub(super) enum Below {
    /// The number of codes below this one.
    Codes(u16),
    /// This code and its later siblings are left over: they stand for the text of their parent.
    LeftOver,
}

impl<'a> Lexicon<'a> {
    /// A view of `image`, which is checked completely. More bytes may follow the lexicon, as in flash.
    ///
    /// # Errors
    /// The image differs from `docs/lexicon.md` in any way. Only its id is not computed, as the checksum covers it.
    pub fn load(image: &'a [u8]) -> Result<Self, LexiconError> {
        let lexicon = Self::parse(image, true)?;
        lexicon.check()?;
        Ok(lexicon)
    }

    /// As [`Self::load`], but only the header is checked and the codes of single bytes, in a few thousand instructions:
    /// for an image that is known to be as it was written. Whatever any other image decodes has no meaning, but nothing
    /// worse happens.
    ///
    /// # Errors
    /// The header or the codes of single bytes differ from `docs/lexicon.md`, or the image is cut short.
    pub fn load_trusting(image: &'a [u8]) -> Result<Self, LexiconError> {
        let lexicon = Self::parse(image, false)?;
        lexicon.check_starts()?;
        Ok(lexicon)
    }

    /// The view of an image whose header is valid, and its checksum if it is to be compared.
    #[inline]
    fn parse(image: &'a [u8], with_checksum: bool) -> Result<Self, LexiconError> {
        let short = LexiconError::Truncated { expected: HEADER, found: image.len() };
        let (magic, _) = image.split_first_chunk::<4>().ok_or(short)?;
        let [b'L', b'E', b'X', version] = *magic else {
            return Err(LexiconError::Magic { found: *magic });
        };
        if version != VERSION {
            return Err(LexiconError::Version { expected: VERSION, found: version });
        }
        let (header, _) = image.split_first_chunk::<HEADER>().ok_or(short)?;
        #[rustfmt::skip]
        let &[_, _, _, _, l0, l1, l2, l3, i0, i1, i2, i3, i4, i5, i6, i7, c0, c1, c2, c3,
            m0, m1, m2, m3, m4, m5, m6, m7, x0, x1, kind, r0, w0, w1, r1, r2] = header;
        let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        let image = image.get(..length).ok_or(LexiconError::Truncated { expected: length, found: image.len() })?;
        let content = image.get(20..).ok_or(short)?;
        let expected = u32::from_le_bytes([c0, c1, c2, c3]);
        if with_checksum {
            let found = image_checksum(header.get(..16).unwrap_or_default(), content);
            if found != expected {
                return Err(LexiconError::Checksum { expected, found });
            }
        }
        let kind = match kind {
            0 => LexiconKind::WindowCode,
            1 => LexiconKind::Optimal,
            found => return Err(LexiconError::Header { field: "kind", found: found.into() }),
        };
        let context = u16::from_le_bytes([x0, x1]);
        if context == 0 {
            return Err(LexiconError::Header { field: "context", found: 0 });
        }
        if (r0 | r1 | r2) != 0 {
            return Err(LexiconError::Header { field: "reserved field", found: (r0 | r1 | r2).into() });
        }
        let wide = usize::from(u16::from_le_bytes([w0, w1]));
        let wrong_length = LexiconError::Length { expected: image_length(wide), found: length };
        if length != image_length(wide) {
            return Err(wrong_length);
        }
        let tables = image.get(HEADER..).ok_or(wrong_length)?;
        let (starts, tables) = tables.split_first_chunk::<512>().ok_or(wrong_length)?;
        let starts = starts.as_chunks().0.first_chunk().ok_or(wrong_length)?;
        let (bytes, tables) = tables.split_first_chunk().ok_or(wrong_length)?;
        let (sizes, tables) = tables.split_first_chunk().ok_or(wrong_length)?;
        Ok(Self {
            id: u64::from_le_bytes([i0, i1, i2, i3, i4, i5, i6, i7]),
            model_id: u64::from_le_bytes([m0, m1, m2, m3, m4, m5, m6, m7]),
            context,
            kind,
            starts,
            bytes,
            sizes,
            wide: tables.as_chunks().0,
        })
    }

    /// The id of this image: the hash of its content, as for a model.
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// The id of the model that it was compiled from.
    pub const fn model_id(&self) -> u64 {
        self.model_id
    }

    /// The kind of texts that it holds.
    pub const fn kind(&self) -> LexiconKind {
        self.kind
    }

    /// The maximum length of a text in bytes: the context of the model.
    pub const fn context(&self) -> u16 {
        self.context
    }

    /// The id that streams of this lexicon name as their model: that of the model for [`LexiconKind::WindowCode`],
    /// whose decoder reads them too, and that of the lexicon for [`LexiconKind::Optimal`].
    pub const fn stream_id(&self) -> u64 {
        match self.kind {
            LexiconKind::WindowCode => self.model_id,
            LexiconKind::Optimal => self.id,
        }
    }

    /// The identity of [`Self::stream_id`].
    pub const fn identity(&self) -> ModelIdentity {
        let id = self.stream_id();
        ModelIdentity::new(id, self.context as usize)
    }

    /// The last of the codes below this one, itself if there are none; `None` if it is left over.
    pub fn last_below(&self, code: u16) -> Option<u16> {
        match self.below(code) {
            Below::Codes(size) => Some(code.saturating_add(size)),
            Below::LeftOver => None,
        }
    }

    /// The last byte of a code's text; 0 for the empty text.
    pub(super) fn byte(&self, code: u16) -> u8 {
        self.bytes.get(usize::from(code)).copied().unwrap_or_default()
    }

    /// The number of codes below this one.
    pub(super) fn below(&self, code: u16) -> Below {
        match self.sizes.get(usize::from(code)).copied().unwrap_or_default() {
            LEFT_OVER => Below::LeftOver,
            WIDE => {
                let found = self.wide.binary_search_by_key(&code, |&[c0, c1, _, _]| u16::from_le_bytes([c0, c1]));
                let entry = found.ok().and_then(|index| self.wide.get(index));
                Below::Codes(entry.map_or(0, |&[_, _, s0, s1]| u16::from_le_bytes([s0, s1])))
            }
            size => Below::Codes(u16::from(size)),
        }
    }

    /// The code of a text of one byte.
    pub(super) fn start(&self, byte: u8) -> u16 {
        self.starts.get(usize::from(byte)).map_or(0, |&start| u16::from_le_bytes(start))
    }

    /// The code of the last text of one byte that is at most `code`, or of the first.
    pub(super) fn start_at_or_before(&self, code: u16) -> u16 {
        let mut byte = 0;
        for bit in [128, 64, 32, 16, 8, 4, 2, 1] {
            if self.start(byte | bit) <= code {
                byte |= bit;
            }
        }
        self.start(byte)
    }

    /// Checks that the codes form a tree. Every code is visited twice: as a child and as a parent.
    fn check(&self) -> Result<(), LexiconError> {
        self.check_wide()?;
        self.check_starts()?;
        if self.byte(0) != 0 || !matches!(self.below(0), Below::Codes(u16::MAX)) {
            return Err(LexiconError::Tree { code: 0 });
        }
        for code in 0..=u16::MAX {
            match self.below(code) {
                Below::Codes(size) => self.check_children(code, size)?,
                Below::LeftOver if self.byte(code) == 0 => {}
                Below::LeftOver => return Err(LexiconError::Tree { code }),
            }
        }
        Ok(())
    }

    /// Checks the codes of single bytes. None is 0, so that every step of a walk goes to a larger code.
    fn check_starts(&self) -> Result<(), LexiconError> {
        for byte in 0..=255 {
            let start = self.start(byte);
            let before = byte.checked_sub(1).map_or(0, |byte| self.start(byte));
            if start <= before || self.byte(start) != byte {
                return Err(LexiconError::Tree { code: start });
            }
        }
        Ok(())
    }

    /// Checks that the wide nodes ascend, are wide, and are those in the table of sizes.
    fn check_wide(&self) -> Result<(), LexiconError> {
        let mut wide = self.wide.iter();
        for (code, _) in (0..=u16::MAX).zip(self.sizes).filter(|&(_, &size)| size == WIDE) {
            match wide.next() {
                Some(&[c0, c1, s0, s1])
                    if u16::from_le_bytes([c0, c1]) == code && u16::from_le_bytes([s0, s1]) >= u16::from(WIDE) => {}
                _ => return Err(LexiconError::Tree { code }),
            }
        }
        match wide.next() {
            Some(&[c0, c1, ..]) => Err(LexiconError::Tree { code: u16::from_le_bytes([c0, c1]) }),
            None => Ok(()),
        }
    }

    /// Checks that the children of a node tile the `size` codes after it in ascending byte order, and that only left
    /// over codes follow them.
    fn check_children(&self, node: u16, size: u16) -> Result<(), LexiconError> {
        let wrong = LexiconError::Tree { code: node };
        let end = node.checked_add(size).ok_or(wrong)?;
        let (mut last, mut previous, mut children) = (node, None, 0u16);
        while last < end {
            let child = last + 1;
            let Below::Codes(size) = self.below(child) else {
                let mut rest = child..=end;
                if rest.any(|code| !matches!(self.below(code), Below::LeftOver)) {
                    return Err(wrong);
                }
                break;
            };
            let byte = self.byte(child);
            let ascends = previous.is_none_or(|previous| previous < byte);
            last = child.checked_add(size).filter(|&last| last <= end && ascends).ok_or(wrong)?;
            previous = Some(byte);
            children += 1;
            if node == 0 && self.start(byte) != child {
                return Err(LexiconError::Tree { code: child });
            }
        }
        if node == 0 && children != 256 { Err(wrong) } else { Ok(()) }
    }
}

impl core::fmt::Debug for Lexicon<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Lexicon({:?}, {:016x}, model {:016x})", self.kind, self.id, self.model_id)
    }
}

/// The length of an image with `wide` wide nodes, in bytes.
pub const fn image_length(wide: usize) -> usize {
    HEADER + 512 + 2 * CODES + 4 * wide
}
