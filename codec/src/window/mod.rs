//! Equal-Info windows: each has exactly `b` bits and decodes alone.
//!
//! Invariant of the default code (`docs/window-code.md`): every text that fits a window has one canonical value, and
//! every value decodes to exactly one text. [`WindowCode::Delay`] is one-to-one on the values that its encoder
//! produces; [`WindowCode::Paper`] is not, and has no decoder.
//!
//! A window holds as much of a text as fits:
//!
//! ```
//! use equalinfo_codec::{Frequencies, StaticModel, WindowBits, WindowCode, decode_window, encode_window};
//!
//! let mut histogram = [0; 256];
//! b"the text that a model without context was made from".iter().for_each(|&byte| histogram[usize::from(byte)] += 1);
//! let mut model = StaticModel(Frequencies::from_histogram(&histogram));
//!
//! let window = encode_window(&mut model, WindowBits::B16, WindowCode::Default, 64, b"that text");
//! assert_eq!(window.consumed, 5);
//!
//! let mut decoded = Vec::new();
//! decode_window(&mut model, WindowBits::B16, WindowCode::Default, 64, window.value, |byte| decoded.push(byte));
//! assert_eq!(decoded, b"that ");
//! ```

mod apportion;
mod greedy;
mod tree;

use crate::byte_model::ByteModel;
use crate::frequencies::Frequencies;
use core::fmt;
use greedy::Interval;
pub(crate) use tree::Node;
use tree::Position;

/// The width of a window: a multiple of 8 bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct WindowBits {
    /// `1 ..= 16`.
    bytes: u8,
}

impl WindowBits {
    /// 16 bits: narrow enough for every value to be a token.
    pub const B16: Self = Self { bytes: 2 };
    /// 24 bits.
    pub const B24: Self = Self { bytes: 3 };
    /// 32 bits.
    pub const B32: Self = Self { bytes: 4 };
    /// 64 bits.
    pub const B64: Self = Self { bytes: 8 };
    /// 128 bits.
    pub const B128: Self = Self { bytes: 16 };
    /// The widths used in the paper.
    pub const STANDARD: [Self; 5] = [Self::B16, Self::B24, Self::B32, Self::B64, Self::B128];

    /// A width of any multiple of 8 from 16 to 128. A narrower window might not hold a single byte.
    pub const fn from_bits(bits: u32) -> Option<Self> {
        if bits >= 16 && bits.is_multiple_of(8) { Self::from_bytes(bits as usize / 8) } else { None }
    }

    /// A width of `1 ..= 16` bytes. A window of one byte may hold no text at all, so only a [message](crate::raw) ends
    /// in one, and only if it holds all the rest.
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

    /// Writes a value to the start of `out`, most significant byte first, and returns the rest of `out`. `None` if it
    /// is too small.
    pub fn write(self, value: u128, out: &mut [u8]) -> Option<&mut [u8]> {
        let (window, rest) = out.split_at_mut_checked(self.bytes())?;
        for (place, byte) in window.iter_mut().rev().zip(value.to_le_bytes()) {
            *place = byte;
        }
        Some(rest)
    }

    /// Reads the value at the start of `input`. `None` if it is cut short.
    pub fn read(self, input: &[u8]) -> Option<u128> {
        let window = input.get(..self.bytes())?;
        Some(window.iter().fold(0, |value, &byte| (value << 8) | u128::from(byte)))
    }
}

/// The mapping between text and the value of a window.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum WindowCode {
    /// The bijective code: a tree in which every node has one value of its own.
    #[default]
    Default,
    /// The greedy code of the paper (section 3.3): the shortest bit string inside the interval, padded with zeros.
    /// Several texts share a value, so it has no decoder.
    Paper,
    /// The lossless variant of the paper (appendix A.5): the greedy value, closed at the first byte after which the
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
    /// The length in bytes of the text that it stands for.
    pub consumed: usize,
}

/// Fills one window byte by byte.
///
/// The caller owns the model: it passes the frequencies of the next byte to [`Self::push`] and, if the window took the
/// byte, pushes it into the model. The first byte refused closes the window.
///
/// ```
/// use equalinfo_codec::window::{WindowDecoder, WindowEncoder};
/// use equalinfo_codec::{ByteModel, Uniform, WindowBits, WindowCode};
///
/// let mut model = Uniform;
/// let mut encoder = WindowEncoder::new(WindowBits::B32, WindowCode::Default, usize::MAX);
/// for byte in *b"text" {
///     if !encoder.push(model.frequencies(), byte) {
///         break;
///     }
///     model.push(byte);
/// }
/// // Bytes of 8 bits each, and the window also says where it ends.
/// let window = encoder.window();
/// assert_eq!(window.consumed, 3);
///
/// let decoder = WindowDecoder::new(WindowBits::B32, WindowCode::Default, usize::MAX, window.value);
/// let mut decoder = decoder.expect("the code has a decoder");
/// let text: Vec<u8> = std::iter::from_fn(|| decoder.next(&mut model)).collect();
/// assert_eq!((text.as_slice(), decoder.is_canonical()), (&b"tex"[..], true));
/// ```
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
    /// `value` is the padded code of the first `length` bytes, and of every longer prefix up to now.
    Delay {
        interval: Interval,
        value: u128,
        length: usize,
    },
}

impl WindowEncoder {
    /// An empty window that holds at most `limit` bytes: the context of the model, or `usize::MAX`.
    pub fn new(bits: WindowBits, code: WindowCode, limit: usize) -> Self {
        let state = match code {
            WindowCode::Default => EncoderState::Tree(Node::root(bits)),
            WindowCode::Paper => EncoderState::Paper(Interval::whole(bits)),
            WindowCode::Delay => EncoderState::Delay { interval: Interval::whole(bits), value: 0, length: 0 },
        };
        Self { state, pushed: 0, limit }
    }

    /// Whether any byte would be refused, so that the model need not compute frequencies.
    pub fn is_full(&self) -> bool {
        self.pushed >= self.limit || matches!(&self.state, EncoderState::Tree(node) if node.is_leaf())
    }

    /// The room that is left: the number of values that stand for more than the bytes so far. 0 unless the code is
    /// [`WindowCode::Default`].
    pub fn room(&self) -> u128 {
        if let EncoderState::Tree(node) = &self.state { node.span() } else { 0 }
    }

    /// Appends a byte, given the model's frequencies for it. `false` if it does not fit, which closes the window.
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

    /// The window if it were closed now. With [`WindowCode::Delay`] it may stand for fewer bytes than were pushed.
    pub fn window(&self) -> Window {
        match &self.state {
            EncoderState::Tree(node) => Window { value: node.low(), consumed: self.pushed },
            EncoderState::Paper(interval) => Window { value: interval.shortest(), consumed: self.pushed },
            EncoderState::Delay { value, length, .. } => Window { value: *value, consumed: *length },
        }
    }
}

/// Whether symbols would fit a window of the default code: an encoder of which only the span is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fit {
    span: u128,
}

impl Fit {
    /// An empty window.
    pub(crate) fn new(bits: WindowBits) -> Self {
        Self { span: bits.largest() }
    }

    /// Whether one more symbol fits.
    pub(crate) fn push(&mut self, frequencies: &Frequencies, symbol: u8) -> bool {
        let node = Node::of_span(self.span);
        let child = if node.is_leaf() { None } else { node.child(frequencies, symbol) };
        replace(&mut self.span, child.map(|child| child.span()))
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

/// Decodes the text of one window byte by byte.
#[derive(Clone, Debug)]
pub struct WindowDecoder {
    state: DecoderState,
    /// The number of bytes that may follow.
    left: usize,
}

#[derive(Clone, Debug)]
enum DecoderState {
    Tree(Position),
    Delay { interval: Interval, value: u128, ended: Option<bool> },
}

impl WindowDecoder {
    /// A decoder of `value`, in which bits above the width are ignored, for a window of at most `limit` bytes of text.
    /// `None` for [`WindowCode::Paper`], which cannot be decoded.
    pub fn new(bits: WindowBits, code: WindowCode, limit: usize, value: u128) -> Option<Self> {
        let value = value & bits.largest();
        let state = match code {
            WindowCode::Default => DecoderState::Tree(Position::root(bits, value)),
            WindowCode::Delay => DecoderState::Delay { interval: Interval::whole(bits), value, ended: None },
            WindowCode::Paper => return None,
        };
        Some(Self { state, left: limit })
    }

    /// Whether the text has ended, so that the model need not compute frequencies.
    pub fn is_finished(&self) -> bool {
        self.left == 0
            || match &self.state {
                DecoderState::Tree(position) => position.is_end(),
                DecoderState::Delay { ended, .. } => ended.is_some(),
            }
    }

    /// Whether the text has ended as an encoder ends it. A value that no encoder produces decodes too, to a text whose
    /// canonical value is a different one.
    pub fn is_canonical(&self) -> bool {
        match &self.state {
            DecoderState::Tree(position) => position.is_canonical_end(),
            DecoderState::Delay { ended, .. } => *ended == Some(true),
        }
    }

    /// The next byte, given the model's frequencies for it. The caller pushes the byte into the model. `None` at the
    /// end of the text.
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

    /// The next byte under `model`, into which it is then pushed. `None` at the end of the text, where the model
    /// computes nothing.
    pub fn next<M: ByteModel>(&mut self, model: &mut M) -> Option<u8> {
        if self.is_finished() {
            return None;
        }
        let byte = self.step(model.frequencies())?;
        model.push(byte);
        Some(byte)
    }
}

/// Encodes as much of the start of `text` as fits one window. The model's context is empty at the start of the window,
/// which holds at most `context` bytes. At least one byte fits, unless `text` is empty or `context` is 0.
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

/// Decodes one window, passes its text to `out` byte by byte, and returns the length of the text. The model's context
/// is empty at the start. `None` for [`WindowCode::Paper`], which cannot be decoded.
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
