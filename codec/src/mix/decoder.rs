//! [`Decoder`]: code in, bytes out, in buffers of any size.

use crate::progress::Progress;

use super::class::{Class, Shape, WithShape};
use super::error::MixError;
use super::front::Front;
use super::machine::{Arriving, Machine};
use super::prime::Priming;

/// Decodes a block that arrives, and a text that leaves, in pieces of any size.
#[derive(Debug)]
pub struct Decoder<'a, S: Shape, F> {
    machine: Machine<'a, S>,
    front: F,
    arriving: Arriving,
}

impl<'a, S: Shape, F: Front> Decoder<'a, S, F> {
    /// A decoder of a block whose code has `length` bytes, its tables in `memory` ([`Class::words`]). Without a
    /// priming, the generic one.
    ///
    /// # Errors
    /// The memory is too small, or the priming is another class's.
    pub fn new(
        mut front: F,
        memory: &'a mut [u32],
        priming: Option<&Priming<'_>>,
        length: usize,
    ) -> Result<Self, MixError> {
        front.reset();
        Ok(Self { machine: Machine::new(memory, priming, F::SPEAKS)?, front, arriving: Arriving::new(length) })
    }

    /// Decodes as far as the buffers allow. Who knows how long the text is asks for no more.
    ///
    /// # Errors
    /// [`MixError::Damaged`]: no text has this code.
    pub fn decode(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress, MixError> {
        self.arriving.decode(&mut self.machine, &mut self.front, input, output)
    }

    /// Whether every byte of the code has been read.
    pub fn is_exhausted(&self) -> bool {
        self.arriving.is_exhausted()
    }
}

/// Decodes a block at once: as many bytes as `output` has.
///
/// # Errors
/// The memory is smaller than [`Class::words`], or no text has this code.
pub fn decode_block<F: Front>(
    class: Class,
    front: F,
    memory: &mut [u32],
    code: &[u8],
    output: &mut [u8],
) -> Result<(), MixError> {
    struct Block<'b, F>(F, &'b mut [u32], &'b [u8], &'b mut [u8]);
    impl<F: Front> WithShape for Block<'_, F> {
        type Output = Result<(), MixError>;

        fn with<S: Shape>(self) -> Self::Output {
            let Self(front, memory, code, output) = self;
            let mut decoder = Decoder::<S, F>::new(front, memory, None, code.len())?;
            decoder.decode(code, output).map(|_| ())
        }
    }
    class.with(Block(front, memory, code, output))
}
