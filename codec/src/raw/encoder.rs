//! [`MessageEncoder`]: a message that is encoded as its text comes.
//!
//! Invariant: node `i` is that of a window of `i + 1` bytes that holds all symbols of the window at hand, as long as bit
//! `i` of `open` is set; the widest one always does.

use super::form::{FORMS, MODELLED};
use crate::byte_model::ByteModel;
use crate::frequencies::Frequencies;
use crate::window::{Node, WindowBits};

/// Bytes of all windows of a message but the last.
pub const WINDOW: usize = 16;

/// Encodes a message byte by byte, with one step of the model for each, and gives its windows as they are full: for a
/// text that is made on the device, such as a line of telemetry. It takes 528 bytes of memory besides the model's.
///
/// A text that the model would make longer is not stored, as by [`encode`](super::encode): whoever has the whole text
/// can compare.
///
/// ```
/// use equalinfo_codec::Uniform;
/// use equalinfo_codec::raw::{MessageEncoder, PayloadLayout, decode, encode};
///
/// let (text, mut message, mut model) = (b"a text of more than one window", Vec::new(), Uniform);
/// let mut encoder = MessageEncoder::new();
/// for &byte in text {
///     message.extend(encoder.push(&mut model, byte).into_iter().flatten());
/// }
/// let (last, length) = encoder.finish();
/// message.extend(&last[..length]);
///
/// let mut back = [0; 30];
/// assert_eq!(decode(&mut Uniform, PayloadLayout::Message, &message, &mut back), Ok(30));
/// assert_eq!(&back, text);
/// ```
#[derive(Clone, Debug)]
pub struct MessageEncoder {
    nodes: [Node; WINDOW],
    open: u16,
    begun: bool,
}

impl Default for MessageEncoder {
    fn default() -> Self {
        Self::new()
    }
}

impl MessageEncoder {
    /// An encoder of an empty text.
    pub fn new() -> Self {
        Self { nodes: ROOTS, open: u16::MAX, begun: false }
    }

    /// Appends a byte. The result is a window that is full and whose bytes come next in the message. Every call must
    /// get the same model, unchanged since the call before; the first one resets it.
    pub fn push<M: ByteModel>(&mut self, model: &mut M, byte: u8) -> Option<[u8; WINDOW]> {
        if !self.begun {
            model.reset();
            self.begun = true;
            self.take(&FORMS, MODELLED);
        }
        let frequencies = model.frequencies();
        let mut window = None;
        if !self.take(frequencies, byte) {
            window = self.nodes.last().map(|widest| widest.low().to_be_bytes());
            (self.nodes, self.open) = (ROOTS, u16::MAX);
            self.take(frequencies, byte);
        }
        model.push(byte);
        window
    }

    /// The last window, of which so many bytes, from the first on, end the message. The empty text has none.
    pub fn finish(self) -> ([u8; WINDOW], usize) {
        if !self.begun {
            return ([0; WINDOW], 0);
        }
        let narrowest = (self.open.trailing_zeros() as usize).min(WINDOW - 1);
        let value = self.nodes.get(narrowest).map_or(0, Node::low);
        // The lowest bytes, at the front.
        let unused = 8 * (WINDOW - 1 - narrowest) as u32;
        (value.wrapping_shl(unused).to_be_bytes(), narrowest + 1)
    }

    /// Appends a symbol to the window at hand; `false`, and nothing changes, if the widest has no room for it.
    fn take(&mut self, frequencies: &Frequencies, symbol: u8) -> bool {
        let step = |node: &Node| if node.is_leaf() { None } else { node.child(frequencies, symbol) };
        if self.nodes.last().and_then(step).is_none() {
            return false;
        }
        for (index, node) in self.nodes.iter_mut().enumerate() {
            if self.open >> index & 1 == 1 {
                match step(node) {
                    Some(child) => *node = child,
                    None => self.open &= !(1 << index),
                }
            }
        }
        true
    }
}

/// Empty windows of all widths.
const ROOTS: [Node; WINDOW] = {
    let mut roots = [Node::root(WindowBits::B128); WINDOW];
    let mut bytes = 1;
    while bytes < WINDOW {
        if let Some(bits) = WindowBits::from_bytes(bytes) {
            roots[bytes - 1] = Node::root(bits);
        }
        bytes += 1;
    }
    roots
};
