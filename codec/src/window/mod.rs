//! Equal-Info windows: every window is exactly `b` bits and decodes alone.
//!
//! Invariant of the default code (our code, section 4 of the design; `docs/window-code.md`): every text that fits a
//! window has one canonical value, and every value decodes to exactly one text. [`WindowCode::Delay`] is one-to-one on
//! the values that its encoder produces; [`WindowCode::Paper`] is not, and has no decoder.

mod apportion;
mod greedy;
mod tree;

use crate::byte_model::ByteModel;
use crate::frequencies::Frequencies;
use core::fmt;
use greedy::Interval;
use tree::{Node, Position};

/// The width of a window: a multiple of 8 bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct WindowBits {
    /// `1 ..= 16`.
    bytes: u8,
}

impl WindowBits {
    /// 16 bits: the width whose every value can be a token.
    pub const B16: Self = Self { bytes: 2 };
    /// 24 bits.
    pub const B24: Self = Self { bytes: 3 };
    /// 32 bits.
    pub const B32: Self = Self { bytes: 4 };
    /// 64 bits.
    pub const B64: Self = Self { bytes: 8 };
    /// 128 bits.
    pub const B128: Self = Self { bytes: 16 };
    /// The widths of the paper.
    pub const STANDARD: [Self; 5] = [Self::B16, Self::B24, Self::B32, Self::B64, Self::B128];

    /// Any multiple of 8 from 16 to 128. Below 16 a window might not hold even one byte.
    pub const fn from_bits(bits: u32) -> Option<Self> {
        if bits >= 16 && bits.is_multiple_of(8) { Self::from_bytes(bits as usize / 8) } else { None }
    }

    /// A window of `1 ..= 16` bytes. One of a single byte may hold no text at all, so only a
    /// [message](crate::raw) ends in it, and only when it holds all that is left.
    pub(crate) const fn from_bytes(bytes: usize) -> Option<Self> {
        if bytes >= 1 && bytes <= 16 { Some(Self { bytes: bytes as u8 }) } else { None }
    }

    /// The width in bits.
    pub const fn bits(self) -> u32 {
        self.bytes as u32 * 8
    }

    /// The width in bytes.
    pub const fn bytes(self) -> usize {
        self.bytes as usize
    }

    /// The largest value of a window, `2^b - 1`.
    pub const fn largest(self) -> u128 {
        u128::MAX >> (u128::BITS - self.bits())
    }

    /// Writes a value, most significant byte first, to the start of `out`, and returns what follows. `None`: too small.
    pub fn write(self, value: u128, out: &mut [u8]) -> Option<&mut [u8]> {
        let (window, rest) = out.split_at_mut_checked(self.bytes())?;
        for (place, byte) in window.iter_mut().rev().zip(value.to_le_bytes()) {
            *place = byte;
        }
        Some(rest)
    }

    /// Reads the value at the start of `input`. `None`: cut short.
    pub fn read(self, input: &[u8]) -> Option<u128> {
        let window = input.get(..self.bytes())?;
        Some(window.iter().fold(0, |value, &byte| (value << 8) | u128::from(byte)))
    }
}

/// How text maps to the value of a window.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum WindowCode {
    /// The bijective code: a tree in which every node owns one value.
    #[default]
    Default,
    /// The paper's greedy code (its section 3.3): the shortest bit string inside the interval, padded with zeros.
    /// Several texts share a value, so it can only be encoded.
    Paper,
    /// The paper's lossless variant (its appendix A.5): the greedy value, closed at the first byte after which the
    /// value no longer changes.
    Delay,
}

impl fmt::Display for WindowCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Default => "default",
            Self::Paper => "paper",
            Self::Delay => "delay",
        })
    }
}

/// A closed window.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Window {
    /// The value, below `2^b`.
    pub value: u128,
    /// Bytes of text that it stands for.
    pub consumed: usize,
}

/// Fills one window byte by byte.
///
/// The caller owns the model: it shows the frequencies of the next byte to [`Self::push`] and, when the byte was
/// taken, pushes the byte into the model. Once a byte is refused the window is closed.
#[derive(Clone, Debug)]
pub struct WindowEncoder {
    state: EncoderState,
    pushed: usize,
    limit: usize,
}

#[derive(Clone, Debug)]
enum EncoderState {
    Tree(Node),
    Paper(Interval),
    /// `value` is the padded code of the first `length` bytes, and of every longer prefix since.
    Delay {
        interval: Interval,
        value: u128,
        length: usize,
    },
}

impl WindowEncoder {
    /// An empty window that holds at most `limit` bytes: the length of the model's context, or `usize::MAX`.
    pub fn new(bits: WindowBits, code: WindowCode, limit: usize) -> Self {
        let state = match code {
            WindowCode::Default => EncoderState::Tree(Node::root(bits)),
            WindowCode::Paper => EncoderState::Paper(Interval::whole(bits)),
            WindowCode::Delay => EncoderState::Delay { interval: Interval::whole(bits), value: 0, length: 0 },
        };
        Self { state, pushed: 0, limit }
    }

    /// Whether every byte would be refused, so that the model need not be asked.
    pub fn is_full(&self) -> bool {
        self.pushed >= self.limit || matches!(&self.state, EncoderState::Tree(node) if node.is_leaf())
    }

    /// How many values of the default code stand for more than the bytes so far: the room that is left. 0 in the other codes.
    pub fn room(&self) -> u128 {
        if let EncoderState::Tree(node) = &self.state { node.span() } else { 0 }
    }

    /// Appends a byte, given what the model said about it. `false`: it does not fit and the window is closed.
    pub fn push(&mut self, frequencies: &Frequencies, byte: u8) -> bool {
        if self.is_full() {
            return false;
        }
        let taken = match &mut self.state {
            EncoderState::Tree(node) => replace(node, node.child(frequencies, byte)),
            EncoderState::Paper(interval) => replace(interval, interval.narrowed(frequencies, byte)),
            EncoderState::Delay { interval, value, length } => {
                let taken = replace(interval, interval.narrowed(frequencies, byte));
                if taken && (*length == 0 || interval.shortest() != *value) {
                    *value = interval.shortest();
                    *length = self.pushed + 1;
                }
                taken
            }
        };
        self.pushed += usize::from(taken);
        taken
    }

    /// The window, were it closed now. With [`WindowCode::Delay`] it may stand for fewer bytes than were pushed.
    pub fn window(&self) -> Window {
        match &self.state {
            EncoderState::Tree(node) => Window { value: node.low(), consumed: self.pushed },
            EncoderState::Paper(interval) => Window { value: interval.shortest(), consumed: self.pushed },
            EncoderState::Delay { value, length, .. } => Window { value: *value, consumed: *length },
        }
    }
}

/// Stores a new state if there is one, and says whether there was.
fn replace<T>(state: &mut T, new: Option<T>) -> bool {
    match new {
        Some(new) => {
            *state = new;
            true
        }
        None => false,
    }
}

/// Reads the text of one window byte by byte.
#[derive(Clone, Debug)]
pub struct WindowDecoder {
    state: DecoderState,
    /// Bytes that may still come.
    left: usize,
}

#[derive(Clone, Debug)]
enum DecoderState {
    Tree(Position),
    Delay { interval: Interval, value: u128, ended: Option<bool> },
}

impl WindowDecoder {
    /// A decoder of `value`, whose bits above the width are ignored, in a window of at most `limit` bytes of text.
    /// [`WindowCode::Paper`] has no decoder.
    pub fn new(bits: WindowBits, code: WindowCode, limit: usize, value: u128) -> Option<Self> {
        let value = value & bits.largest();
        let state = match code {
            WindowCode::Default => DecoderState::Tree(Position::root(bits, value)),
            WindowCode::Delay => DecoderState::Delay { interval: Interval::whole(bits), value, ended: None },
            WindowCode::Paper => return None,
        };
        Some(Self { state, left: limit })
    }

    /// Whether the text has ended, so that the model need not be asked.
    pub fn is_finished(&self) -> bool {
        self.left == 0
            || match &self.state {
                DecoderState::Tree(position) => position.is_end(),
                DecoderState::Delay { ended, .. } => ended.is_some(),
            }
    }

    /// Whether the text has ended as an encoder ends it. Values that no encoder produces end otherwise: they decode
    /// too, to a text whose canonical value is another.
    pub fn is_canonical(&self) -> bool {
        match &self.state {
            DecoderState::Tree(position) => position.is_canonical_end(),
            DecoderState::Delay { ended, .. } => *ended == Some(true),
        }
    }

    /// The next byte, given what the model says about it; the caller pushes the byte into the model. `None`: the
    /// text has ended.
    pub fn step(&mut self, frequencies: &Frequencies) -> Option<u8> {
        if self.is_finished() {
            return None;
        }
        let byte = match &mut self.state {
            DecoderState::Tree(position) => position.descend(frequencies)?,
            DecoderState::Delay { interval, value, ended } => {
                let Some((byte, inner)) = interval.holding(frequencies, *value) else {
                    *ended = Some(false);
                    return None;
                };
                *interval = inner;
                if interval.shortest() == *value {
                    *ended = Some(true);
                }
                byte
            }
        };
        self.left -= 1;
        Some(byte)
    }

    /// The next byte under `model`, which is asked only if it matters, and which then learns the byte.
    pub fn next<M: ByteModel>(&mut self, model: &mut M) -> Option<u8> {
        if self.is_finished() {
            return None;
        }
        let byte = self.step(model.frequencies())?;
        model.push(byte);
        Some(byte)
    }
}

/// Codes as much of the start of `text` as fits one window, with the model's context empty at its start and at most
/// `context` bytes in it. At least one byte always fits, unless `text` is empty or `context` is 0.
pub fn encode_window<M: ByteModel>(
    model: &mut M,
    bits: WindowBits,
    code: WindowCode,
    context: usize,
    text: &[u8],
) -> Window {
    model.reset();
    let mut encoder = WindowEncoder::new(bits, code, context);
    for &byte in text {
        if encoder.is_full() || !encoder.push(model.frequencies(), byte) {
            break;
        }
        model.push(byte);
    }
    encoder.window()
}

/// Decodes one window, with the model's context empty at its start, and returns how many bytes `out` was given.
/// `None`: [`WindowCode::Paper`] cannot be decoded.
pub fn decode_window<M: ByteModel>(
    model: &mut M,
    bits: WindowBits,
    code: WindowCode,
    context: usize,
    value: u128,
    mut out: impl FnMut(u8),
) -> Option<usize> {
    let mut decoder = WindowDecoder::new(bits, code, context, value)?;
    model.reset();
    let mut length = 0;
    while let Some(byte) = decoder.next(model) {
        out(byte);
        length += 1;
    }
    Some(length)
}
