//! Stored messages, for texts that the model would make longer.
//!
//! Invariant: a stored message begins with [`STORED`], and the first window of any other one, if it has two bytes or
//! more, with less. For that, a symbol stands ahead of the first byte of a text, which leaves to the text all values of
//! the window below [`STORED`].

use crate::byte_model::ByteModel;
use crate::frequencies::Frequencies;

/// The first byte of a stored message, behind which the text stands as it is.
pub const STORED: u8 = 0xfd;

/// The symbol ahead of a text.
pub const MODELLED: u8 = 0;

/// The frequencies of that symbol.
pub static FORMS: Frequencies = {
    let mut counts = [Frequencies::MINIMUM; 256];
    counts[MODELLED as usize] = (STORED as u16) << 8;
    // No message has the other symbols.
    counts[MODELLED as usize + 1] = u16::MAX - ((STORED as u16) << 8) + 1 - 254 * Frequencies::MINIMUM;
    Frequencies::counted(&counts)
};

/// A model whose first symbol is [`MODELLED`].
pub struct Formed<'m, M> {
    pub model: &'m mut M,
    /// Whether that symbol has been pushed.
    pub begun: bool,
}

impl<M: ByteModel> ByteModel for Formed<'_, M> {
    fn reset(&mut self) {
        self.begun = false;
        self.model.reset();
    }

    fn frequencies(&mut self) -> &Frequencies {
        if self.begun { self.model.frequencies() } else { &FORMS }
    }

    fn push(&mut self, byte: u8) {
        if self.begun {
            self.model.push(byte);
        }
        self.begun = true;
    }
}
