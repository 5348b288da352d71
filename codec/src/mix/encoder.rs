//! [`Encoder`]: bytes in, code out.

use super::binary_coder::BinaryEncoder;
use super::class::{Class, Shape, WithShape};
use super::error::MixError;
use super::front::Front;
use super::machine::{Machine, SHOWN};
use super::matches::Matches;
use super::observer::Observer;
use super::predictor::Predictor;
use super::prime::Priming;
use super::tables::{OneClass, Tables};
use super::text::Text;

/// Encodes a block byte by byte. Code goes to the sink that each call is given, when it can no longer change.
#[derive(Debug)]
pub struct Encoder<'a, S: Shape, F> {
    machine: Machine<'a, S>,
    front: F,
    coder: BinaryEncoder,
}

impl<'a, S: Shape, F: Front> Encoder<'a, S, F> {
    /// An encoder of an empty block, its tables in `memory` ([`Class::words`]). Without a priming, the generic one.
    ///
    /// # Errors
    /// The memory is too small, or the priming is another class's.
    pub fn new(mut front: F, memory: &'a mut [u32], priming: Option<&Priming<'_>>) -> Result<Self, MixError> {
        front.reset();
        Ok(Self { machine: Machine::new(memory, priming, F::SPEAKS)?, front, coder: BinaryEncoder::new() })
    }

    /// Appends a byte.
    #[inline]
    pub fn encode(&mut self, byte: u8, sink: &mut impl FnMut(u8)) {
        self.encode_observed(byte, sink, &mut ());
    }

    /// Appends a byte, and shows how.
    pub fn encode_observed<O: Observer>(&mut self, byte: u8, sink: &mut impl FnMut(u8), observer: &mut O) {
        self.machine.encode(&mut self.front, &mut self.coder, byte, sink, observer);
    }

    /// The front.
    pub fn front_mut(&mut self) -> &mut F {
        &mut self.front
    }

    /// Writes the end of the code, which is read as if zeros followed it.
    pub fn finish(self, sink: &mut impl FnMut(u8)) {
        self.coder.finish(sink);
    }

    /// The tables.
    pub fn predictor(&self) -> &Predictor<'a, S> {
        &self.machine.predictor
    }
}

/// Encodes a block at once and returns the length of its code.
///
/// # Errors
/// The memory is smaller than [`Class::words`], or the output too small for the code.
pub fn encode_block<F: Front>(
    class: Class,
    front: F,
    memory: &mut [u32],
    text: &[u8],
    output: &mut [u8],
) -> Result<usize, MixError> {
    struct Block<'b, F>(F, &'b mut [u32], &'b [u8], &'b mut [u8]);
    impl<F: Front> WithShape for Block<'_, F> {
        type Output = Result<usize, MixError>;

        fn with<S: Shape>(self) -> Self::Output {
            let Self(mut front, memory, text, output) = self;
            OneClass::<S>::new(memory)?.encode(S::CLASS, &mut front, text, output)
        }
    }
    class.with(Block(front, memory, text, output))
}

/// Tells `visit` the positions of the bytes that a front is shown when `text` is coded, in order, and of each whether
/// frequencies are asked for ahead of it. They depend on the text and the class alone, so a front that can run over a
/// known text faster than byte by byte may do so first, over the bytes that it will be shown.
///
/// # Errors
/// The memory is smaller than [`Class::words`].
pub fn shown(class: Class, memory: &mut [u32], text: &[u8], visit: impl FnMut(usize, bool)) -> Result<(), MixError> {
    struct Shown<'b, V>(&'b mut [u32], &'b [u8], V);
    impl<V: FnMut(usize, bool)> WithShape for Shown<'_, V> {
        type Output = Result<(), MixError>;

        fn with<S: Shape>(self) -> Self::Output {
            let Self(memory, text, mut visit) = self;
            // Matches are all that it depends on.
            let (expected, found, mut rest) = (S::WORDS, memory.len(), memory);
            let matches = Matches::<S>::new(&mut rest).filter(|_| found >= expected);
            let mut matches = matches.ok_or(MixError::Memory { expected, found })?;
            matches.reset();
            let (mut before, mut unseen) = (Text::default(), 0);
            for (position, &byte) in text.iter().enumerate() {
                let echo = matches.echo().map(|(expected, _)| expected == byte);
                if echo == Some(false) {
                    matches.learn_echo(false);
                }
                before.push(byte);
                matches.push(byte, &before);
                if echo == Some(true) {
                    unseen += 1;
                    continue;
                }
                for back in (1..=unseen.min(SHOWN as usize)).rev() {
                    visit(position - back, false);
                }
                unseen = 0;
                visit(position, true);
            }
            Ok(())
        }
    }
    class.with(Shown(memory, text, visit))
}
