//! [`Text`]: what contexts are made of, the last bytes, the word, and the line above, in a few words of memory.

/// A context that tables are looked up by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Context {
    /// The last 1 to 8 bytes.
    Order(u32),
    /// The letters that the text ends with, and its last byte.
    Word,
    /// As [`Self::Word`], with the word before.
    WordPair,
    /// The byte above, in the line before, and the last byte.
    Above,
    /// The second and the third byte from the end.
    Sparse,
    /// Of an address relative to its own end, its bytes so far as an absolute one
    /// ([`Address`](super::address::Address)); elsewhere the last six bytes.
    Target,
}

/// The end of the text so far.
#[derive(Clone, Debug, Default)]
pub struct Text {
    /// Bytes so far.
    pub position: u32,
    /// The last four bytes, and the four before them; the last one lowest.
    pub last: u32,
    before: u32,
    word: u32,
    previous_word: u32,
    /// Bytes since the last line began, and the length of the line before it with its end.
    column: u32,
    width: u32,
}

impl Text {
    /// Appends a byte.
    #[inline]
    pub fn push(&mut self, byte: u8) {
        self.position = self.position.wrapping_add(1);
        self.before = self.before << 8 | self.last >> 24;
        self.last = self.last << 8 | u32::from(byte);
        if byte.is_ascii_alphabetic() || byte >= 128 {
            self.word = join(self.word, u32::from(byte.to_ascii_lowercase()) + 1);
        } else if self.word != 0 {
            self.previous_word = core::mem::take(&mut self.word);
        }
        self.column = self.column.wrapping_add(1);
        if byte == b'\n' {
            self.width = core::mem::take(&mut self.column);
        }
    }

    /// How far back the byte above the next one lies; `None` in a first line.
    #[inline]
    pub fn above(&self) -> Option<u32> {
        (self.width > 0).then_some(self.width)
    }

    /// A context's hash; `above` is the byte above, or 0.
    #[inline]
    pub fn hash(&self, context: Context, above: u8) -> u32 {
        let newest = self.last & 0xff;
        spread(match context {
            Context::Order(order @ 0..=3) => join(order, self.last & !(u32::MAX << (8 * order))),
            Context::Order(4) => join(4, self.last),
            Context::Order(order @ 5..=7) => {
                join(join(order, self.last), self.before & !(u32::MAX << (8 * order - 32)))
            }
            Context::Order(order) => join(join(order, self.last), self.before),
            Context::Word => join(join(16, self.word), newest),
            Context::WordPair => join(join(join(17, self.word), self.previous_word), newest),
            Context::Above => join(join(18, u32::from(above)), newest),
            Context::Sparse => join(19, self.last & 0x00ff_ff00),
            Context::Target => join(join(24, self.last), self.before & 0xffff),
        })
    }
}

/// Takes one more number into a hash. The factor is 2^32 over the golden ratio.
#[inline]
pub const fn join(hash: u32, value: u32) -> u32 {
    (hash.rotate_left(9) ^ value).wrapping_mul(0x9e37_79b1)
}

/// Makes every bit of a hash depend on every other.
#[inline]
pub const fn spread(hash: u32) -> u32 {
    let hash = (hash ^ (hash >> 15)).wrapping_mul(0x85eb_ca6b);
    hash ^ (hash >> 13)
}
