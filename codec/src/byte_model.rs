//! [`ByteModel`]: all that a coder needs from a model.
//!
//! Invariant: a model is a deterministic function from the bytes pushed since the last reset to [`Frequencies`].
//! Encoder and decoder agree because both push the same bytes; nothing else about a model is visible to a coder.

use crate::frequencies::Frequencies;

/// A model of the next byte.
pub trait ByteModel {
    /// Empties the context, as at the start of a window or a block.
    fn reset(&mut self);

    /// The frequencies of the next byte after those pushed so far. Models may compute here rather than in
    /// [`Self::push`]: coders do not call this when the result cannot matter.
    fn frequencies(&mut self) -> &Frequencies;

    /// Appends a byte to the context.
    fn push(&mut self, byte: u8);
}

impl<M: ByteModel + ?Sized> ByteModel for &mut M {
    fn reset(&mut self) {
        (**self).reset();
    }

    fn frequencies(&mut self) -> &Frequencies {
        (**self).frequencies()
    }

    fn push(&mut self, byte: u8) {
        (**self).push(byte);
    }
}

/// A model without context: the same frequencies for every byte, as in method `static-ac`.
#[derive(Clone, Debug)]
pub struct StaticModel(pub Frequencies);

impl ByteModel for StaticModel {
    fn reset(&mut self) {}

    fn frequencies(&mut self) -> &Frequencies {
        &self.0
    }

    fn push(&mut self, _byte: u8) {}
}

static UNIFORM: Frequencies = Frequencies::uniform();

/// A model that knows nothing: every byte costs eight bits.
#[derive(Clone, Copy, Debug, Default)]
pub struct Uniform;

impl ByteModel for Uniform {
    fn reset(&mut self) {}

    fn frequencies(&mut self) -> &Frequencies {
        &UNIFORM
    }

    fn push(&mut self, _byte: u8) {}
}
