//! The header of a stream: the method that coded the blocks, the model that a decoder needs, and what follows.
//!
//! Invariant: a header that [`Header::parse`] returns has only values that the format allows, each in its one encoding.

use super::block::{BlockHeader, BlockKind};
use super::error::{DecodeError, StreamPart};
use super::name::ModelName;
use crate::checksum::{Checksum, checksum};
use crate::mix::Class;
use crate::window::{WindowBits, WindowCode};
use core::fmt;

/// The method that codes the blocks of a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Method {
    /// None: every block is stored.
    Stored,
    /// The range coder under the frequencies that follow the header, without a model.
    StaticAc,
    /// The range coder under the model, whose context slides through the block.
    Ac,
    /// The adaptive layer with the model in front; a block may also be coded by either of them alone.
    Mix(Class),
    /// The tables of the adaptive layer, without a model.
    Tables(Class),
    /// Equal-Info windows.
    EqualInfo {
        /// Their width.
        bits: WindowBits,
        /// Their code; never [`WindowCode::Paper`].
        code: WindowCode,
    },
}

impl Method {
    /// Whether a decoder needs the model.
    pub const fn has_model(self) -> bool {
        matches!(self, Self::Ac | Self::Mix(_) | Self::EqualInfo { .. })
    }

    /// The class of its tables.
    pub const fn class(self) -> Option<Class> {
        match self {
            Self::Mix(class) | Self::Tables(class) => Some(class),
            _ => None,
        }
    }

    /// Its number in a header, and its parameter.
    const fn numbers(self) -> (u8, u8) {
        match self {
            Self::Stored => (0, 0),
            Self::StaticAc => (1, 0),
            Self::Ac => (2, 0),
            Self::Mix(class) => (3, class as u8),
            Self::Tables(class) => (4, class as u8),
            Self::EqualInfo { bits, code } => {
                let number = if matches!(code, WindowCode::Delay) { 6 } else { 5 };
                (number, (bits.bytes() - 1) as u8)
            }
        }
    }

    fn from_numbers(number: u8, parameter: u8) -> Result<Self, DecodeError> {
        let invalid = |field, found: u8| DecodeError::Header { field, found: u32::from(found) };
        let class = || Class::ALL.get(usize::from(parameter)).copied().ok_or(invalid("class", parameter));
        let windows = |code| {
            let bits = WindowBits::from_bytes(usize::from(parameter) + 1).filter(|bits| bits.bytes() > 1);
            Ok(Self::EqualInfo { bits: bits.ok_or(invalid("window width", parameter))?, code })
        };
        match number {
            0..=2 if parameter != 0 => Err(invalid("parameter", parameter)),
            0 => Ok(Self::Stored),
            1 => Ok(Self::StaticAc),
            2 => Ok(Self::Ac),
            3 => class().map(Self::Mix),
            4 => class().map(Self::Tables),
            5 => windows(WindowCode::Default),
            6 => windows(WindowCode::Delay),
            _ => Err(invalid("method", number)),
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stored => f.write_str("stored"),
            Self::StaticAc => f.write_str("static-ac"),
            Self::Ac => f.write_str("ac"),
            Self::Mix(class) => write!(f, "mix (tables of {class})"),
            Self::Tables(class) => write!(f, "tables (of {class})"),
            Self::EqualInfo { bits, code } => write!(f, "equal-info (windows of {} bits, {code} code)", bits.bits()),
        }
    }
}

/// The identity of a model: it decodes the streams that a model with the same identity wrote.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ModelIdentity {
    /// The upper half of the id of its image; 0 if there is no model.
    pub id: u32,
    /// The context that it runs with, in positions, at most [`Self::LONGEST_CONTEXT`]; 0 if there is no model.
    pub context: u16,
}

impl ModelIdentity {
    /// The longest context that a stream can name.
    pub const LONGEST_CONTEXT: u16 = 256;

    /// Of the model whose image has this id, run with `context` positions.
    pub const fn new(id: u64, context: usize) -> Self {
        let context = if context > u16::MAX as usize { u16::MAX } else { context as u16 };
        Self { id: Self::short(id), context }
    }

    /// What streams carry of the id of an image.
    pub const fn short(id: u64) -> u32 {
        (id >> 32) as u32
    }
}

/// What follows the header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Layout {
    /// The payload of the only block, and nothing else.
    One {
        /// The length of the text in bytes.
        text_length: u32,
        /// The length of the payload in bytes.
        payload_length: u32,
        /// The checksum of the text.
        text_checksum: u32,
    },
    /// Blocks, an index and a trailer.
    Blocks {
        /// The maximum length of a block's text in bytes, `1 ..= MAXIMUM_BLOCK_SIZE`.
        block_size: u32,
        /// What binds the blocks to this stream: see [`Header::bound_to`].
        tag: u32,
    },
}

/// The header of a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Header {
    /// The method that codes the blocks.
    pub method: Method,
    /// The model; [`ModelIdentity::default`] for methods without one.
    pub model: ModelIdentity,
    /// The model's name, for people.
    pub name: ModelName,
    /// What follows.
    pub layout: Layout,
}

/// The block size to use unless there is a reason for a different one.
pub const DEFAULT_BLOCK_SIZE: u32 = 1 << 16;

/// The largest block size.
pub const MAXIMUM_BLOCK_SIZE: u32 = 1 << 28;

/// The first three bytes of a stream.
pub(super) const MAGIC: [u8; 3] = *b"\x93EQ";
/// The upper half of the fourth byte.
const VERSION: u8 = 2;
/// The fourth byte of streams of version 1, which was never released.
const FIRST_VERSION: u8 = b'I';
/// The bit of the fourth byte that says that one block is all.
const ONE: u8 = 8;

impl Header {
    /// The length of the longest header.
    pub const LONGEST: usize = 4 + 1 + 1 + ModelName::LONGEST + 5 + 5 + 5 + 4;

    /// A header of a stream of blocks of at most `block_size` bytes of text, which does not know its tag yet.
    pub const fn new(method: Method, model: ModelIdentity, name: ModelName, block_size: u32) -> Self {
        Self { method, model, name, layout: Layout::Blocks { block_size, tag: 0 } }
    }

    /// The maximum length of a block's text in bytes.
    pub const fn block_size(&self) -> u32 {
        match self.layout {
            Layout::One { text_length, .. } => text_length,
            Layout::Blocks { block_size, .. } => block_size,
        }
    }

    /// What the checksums of block headers begin with.
    pub(super) const fn bound_by(&self) -> u32 {
        match self.layout {
            Layout::One { .. } => 0,
            Layout::Blocks { tag, .. } => tag,
        }
    }

    /// The same header with its tag: the checksum of everything before the tag, and of length and checksum of the first
    /// block's text. So blocks of another stream, even of one that is stored inside this one, are not taken for blocks
    /// of this stream.
    #[must_use]
    pub fn bound_to(self, first: &BlockHeader) -> Self {
        let Layout::Blocks { block_size, .. } = self.layout else { return self };
        let tag = tag(Self::before_tag(&self.to_bytes()), first);
        Self { layout: Layout::Blocks { block_size, tag }, ..self }
    }

    /// As [`Self::check_tag`], where the header's bytes are at hand: `before` is the checksum of what precedes the tag.
    pub(crate) fn check_tag_after(&self, before: Checksum, block: &BlockHeader) -> Result<(), DecodeError> {
        match self.layout {
            Layout::Blocks { tag: expected, .. } if block.number == 0 && tag(before, block) != expected => {
                Err(DecodeError::Tag)
            }
            _ => Ok(()),
        }
    }

    /// The checksum of what precedes the tag in the bytes of a header.
    pub(crate) fn before_tag(header: &[u8]) -> Checksum {
        let mut before = Checksum::new();
        before.update(header.get(..header.len().saturating_sub(TAG_AND_CHECKSUM)).unwrap_or_default());
        before
    }

    /// Checks the tag against the first block; other blocks say nothing of it.
    ///
    /// # Errors
    /// The first block is that of another stream.
    pub fn check_tag(&self, block: &BlockHeader) -> Result<(), DecodeError> {
        self.check_tag_after(Self::before_tag(&self.to_bytes()), block)
    }

    /// The header of a stream that holds this one block of this stream, and nothing else.
    #[must_use]
    pub fn of_one(self, block: &BlockHeader) -> Self {
        let layout = Layout::One {
            text_length: block.text_length,
            payload_length: block.payload_length,
            text_checksum: block.text_checksum,
        };
        let method = match (block.kind, self.method) {
            (BlockKind::Stored, _) => Method::Stored,
            (BlockKind::Tables, Method::Mix(class)) => Method::Tables(class),
            (BlockKind::Model, _) => Method::Ac,
            (_, method) => method,
        };
        let (model, name) = if method.has_model() { (self.model, self.name) } else { Default::default() };
        Self { method, model, name, layout }
    }

    /// The header of the empty text's stream.
    pub const fn empty() -> Self {
        let layout = Layout::One { text_length: 0, payload_length: 0, text_checksum: 0 };
        let model = ModelIdentity { id: 0, context: 0 };
        Self { method: Method::Stored, model, name: ModelName::NONE, layout }
    }

    /// The header of the only block; `None` if there are several, or the text is empty.
    pub fn only_block(&self) -> Option<BlockHeader> {
        match self.layout {
            Layout::One { text_length: 1.., payload_length, text_checksum } => {
                let Layout::One { text_length, .. } = self.layout else { return None };
                let kind = if self.method == Method::Stored { BlockKind::Stored } else { BlockKind::Coded };
                Some(BlockHeader { number: 0, kind, text_length, payload_length, text_checksum })
            }
            _ => None,
        }
    }

    /// The bytes at the start of a stream.
    pub fn to_bytes(&self) -> HeaderBytes {
        let mut bytes = Bytes::default();
        self.put_fields(&mut bytes);
        match self.layout {
            Layout::One { text_length, payload_length, text_checksum } => {
                bytes.put_number(text_length);
                if self.method != Method::Stored {
                    bytes.put_number(payload_length);
                }
                let check = text_checksum ^ checksum(bytes.as_slice());
                bytes.put(&check.to_le_bytes());
            }
            Layout::Blocks { block_size, tag } => {
                bytes.put(&block_size.to_le_bytes());
                bytes.put(&tag.to_le_bytes());
                let check = checksum(bytes.as_slice());
                bytes.put(&check.to_le_bytes());
            }
        }
        HeaderBytes(bytes)
    }

    /// Everything up to the layout.
    fn put_fields(&self, bytes: &mut Bytes) {
        let one = if matches!(self.layout, Layout::One { .. }) { ONE } else { 0 };
        let (method, parameter) = self.method.numbers();
        bytes.put(&MAGIC);
        bytes.put(&[VERSION << 4 | one | method]);
        if !self.method.has_model() {
            bytes.put(&[parameter]);
            return;
        }
        bytes.put(&[self.name.code() << 4 | parameter]);
        if self.name.code() == ModelName::SPELLED {
            bytes.put(&[self.name.as_bytes().len() as u8]);
            bytes.put(self.name.as_bytes());
        }
        bytes.put(&self.model.id.to_le_bytes());
        bytes.put(&[self.model.context.wrapping_sub(1) as u8]);
    }

    /// Reads the header at the start of a stream, whatever follows.
    ///
    /// # Errors
    /// The bytes are not the start of a stream of this version, or are damaged, or a field has a value that the format
    /// does not allow. Damage in the header of a stream of one block is found with the text.
    pub fn parse(bytes: &[u8]) -> Result<Self, DecodeError> {
        Self::parse_with_length(bytes).map(|(header, _)| header)
    }

    /// As [`Self::parse`], with the length of the header.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_with_length(bytes: &[u8]) -> Result<(Self, usize), DecodeError> {
        let mut reader = Fields { bytes, position: 0 };
        let magic = bytes.get(..MAGIC.len()).unwrap_or(bytes);
        if !MAGIC.starts_with(magic) {
            let mut found = [0; 4];
            found.iter_mut().zip(bytes).for_each(|(place, &byte)| *place = byte);
            return Err(DecodeError::Magic { found });
        }
        reader.array::<3>()?;
        let [form] = reader.array()?;
        if form >> 4 != VERSION {
            let found = if form == FIRST_VERSION { 1 } else { form >> 4 };
            return Err(DecodeError::Version { expected: VERSION, found });
        }
        let [byte] = reader.array()?;
        let method = Method::from_numbers(form & 7, byte & 15)?;
        let invalid = |field, found| DecodeError::Header { field, found };
        let (mut model, mut name) = (ModelIdentity::default(), ModelName::NONE);
        if method.has_model() {
            name = match byte >> 4 {
                ModelName::SPELLED => {
                    let [length] = reader.array()?;
                    let length = usize::from(length);
                    if !(1..=ModelName::LONGEST).contains(&length) {
                        return Err(invalid("name's length", length as u32));
                    }
                    let name = ModelName::spelled(reader.take(length)?);
                    name.ok_or(invalid("model's name", length as u32))?
                }
                code => ModelName::from_code(code).ok_or(invalid("name's number", code.into()))?,
            };
            let id = u32::from_le_bytes(reader.array()?);
            let [context] = reader.array()?;
            model = ModelIdentity { id, context: u16::from(context) + 1 };
        } else if byte >> 4 != 0 {
            return Err(invalid("name's number", (byte >> 4).into()));
        }
        let layout = if form & ONE == 0 {
            let block_size = u32::from_le_bytes(reader.array()?);
            let tag = u32::from_le_bytes(reader.array()?);
            let found = checksum(reader.taken());
            let expected = u32::from_le_bytes(reader.array()?);
            if expected != found {
                return Err(DecodeError::HeaderChecksum { expected, found });
            }
            if !(1..=MAXIMUM_BLOCK_SIZE).contains(&block_size) {
                return Err(invalid("block size", block_size));
            }
            Layout::Blocks { block_size, tag }
        } else {
            let text_length = reader.number("text length")?;
            let is_stored = method == Method::Stored;
            let payload_length = if is_stored { text_length } else { reader.number("payload length")? };
            let before = checksum(reader.taken());
            let text_checksum = u32::from_le_bytes(reader.array()?) ^ before;
            Layout::One { text_length, payload_length, text_checksum }
        };
        let header = Self { method, model, name, layout };
        match header.invalid_field() {
            None => Ok((header, reader.position)),
            Some((field, found)) => Err(invalid(field, found)),
        }
    }

    /// The first field whose value the format does not allow, and its value.
    pub(super) fn invalid_field(&self) -> Option<(&'static str, u32)> {
        let ModelIdentity { id, context } = self.model;
        if matches!(self.method, Method::EqualInfo { code: WindowCode::Paper, .. }) {
            return Some(("window code", WindowCode::Paper as u32));
        }
        let expected = if self.method.has_model() { 1..=ModelIdentity::LONGEST_CONTEXT } else { 0..=0 };
        if !expected.contains(&context) {
            return Some(("context", context.into()));
        }
        if !self.method.has_model() && id != 0 {
            return Some(("model", id));
        }
        match self.layout {
            Layout::Blocks { block_size, .. } => {
                (!(1..=MAXIMUM_BLOCK_SIZE).contains(&block_size)).then_some(("block size", block_size))
            }
            Layout::One { text_length, .. } if text_length > MAXIMUM_BLOCK_SIZE => Some(("text length", text_length)),
            Layout::One { text_length: 0, text_checksum, .. } => {
                if self.method == Method::Stored {
                    (text_checksum != 0).then_some(("checksum of an empty text", text_checksum))
                } else {
                    Some(("text length", 0))
                }
            }
            Layout::One { text_length, payload_length, .. } => {
                let block = self.only_block()?;
                (!block.has_possible_lengths(self.method, text_length)).then_some(("payload length", payload_length))
            }
        }
    }

    /// Checks that a model is the one that the stream was written with.
    ///
    /// # Errors
    /// The id or the context differs. For methods without a model any will do.
    pub fn check_model(&self, model: ModelIdentity) -> Result<(), DecodeError> {
        if !self.method.has_model() {
            return Ok(());
        }
        if self.model.id != model.id {
            return Err(DecodeError::WrongModel { expected: self.model.id, name: self.name, found: model.id });
        }
        if self.model.context != model.context {
            return Err(DecodeError::WrongContext { expected: self.model.context, found: model.context });
        }
        Ok(())
    }
}

/// The bytes of a header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeaderBytes(Bytes);

impl core::ops::Deref for HeaderBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0.as_slice()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bytes {
    bytes: [u8; Header::LONGEST],
    length: usize,
}

impl Default for Bytes {
    fn default() -> Self {
        Self { bytes: [0; Header::LONGEST], length: 0 }
    }
}

impl Bytes {
    fn put(&mut self, bytes: &[u8]) {
        for (place, &byte) in self.bytes.iter_mut().skip(self.length).zip(bytes) {
            *place = byte;
            self.length += 1;
        }
    }

    /// Seven bits a byte, the lowest first, bit 7 set in all bytes but the last.
    fn put_number(&mut self, mut number: u32) {
        while number > 0x7f {
            self.put(&[number as u8 | 0x80]);
            number >>= 7;
        }
        self.put(&[number as u8]);
    }

    fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// The fields of a header as they are read.
/// Bytes of the tag and the checksum, which end a header of a stream of blocks.
const TAG_AND_CHECKSUM: usize = 8;

/// The tag, after the checksum of everything before it.
fn tag(mut before: Checksum, first: &BlockHeader) -> u32 {
    before.update(&first.text_length.to_le_bytes());
    before.update(&first.text_checksum.to_le_bytes());
    before.value()
}

struct Fields<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let truncated = DecodeError::Truncated { part: StreamPart::Header, block: 0 };
        let rest = self.bytes.get(self.position..).and_then(|rest| rest.get(..length)).ok_or(truncated)?;
        self.position += length;
        Ok(rest)
    }

    fn array<const LENGTH: usize>(&mut self) -> Result<[u8; LENGTH], DecodeError> {
        let mut array = [0; LENGTH];
        self.take(LENGTH)?.iter().zip(&mut array).for_each(|(&byte, place)| *place = byte);
        Ok(array)
    }

    /// A number in its shortest form.
    fn number(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        let (mut number, mut shift) = (0u32, 0);
        loop {
            let [byte] = self.array()?;
            number |= u32::from(byte & 0x7f) << shift;
            if shift > 0 && byte == 0 || shift == 28 && byte > 1 {
                return Err(DecodeError::Header { field, found: number });
            }
            if byte < 0x80 {
                return Ok(number);
            }
            shift += 7;
        }
    }

    fn taken(&self) -> &'a [u8] {
        self.bytes.get(..self.position).unwrap_or_default()
    }
}

/// Appends the checksum that ends the headers of blocks, which begins with `bound_by`.
pub(super) fn with_checksum<const CHECKED: usize, const ALL: usize>(
    bound_by: u32,
    checked: [u8; CHECKED],
) -> [u8; ALL] {
    let mut bytes = [0; ALL];
    let all = checked.into_iter().chain(bound_checksum(bound_by, &checked).to_le_bytes());
    for (place, byte) in bytes.iter_mut().zip(all) {
        *place = byte;
    }
    bytes
}

/// Compares that checksum. The error is what was expected and what was found.
pub(super) fn verify<const ALL: usize>(bound_by: u32, bytes: &[u8; ALL]) -> Result<(), (u32, u32)> {
    let Some((checked, &expected)) = bytes.split_last_chunk() else { return Ok(()) };
    let (expected, found) = (u32::from_le_bytes(expected), bound_checksum(bound_by, checked));
    if expected == found { Ok(()) } else { Err((expected, found)) }
}

fn bound_checksum(bound_by: u32, bytes: &[u8]) -> u32 {
    let mut checksum = Checksum::new();
    checksum.update(&bound_by.to_le_bytes());
    checksum.update(bytes);
    checksum.value()
}
