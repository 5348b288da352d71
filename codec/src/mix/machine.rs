//! [`Machine`]: the predictor, and which bytes its front is shown.
//!
//! Invariant: encoder and decoder drive it alike, so a front sees the same bytes in both.

use crate::progress::Progress;

use super::binary_coder::{BinaryDecoder, BinaryEncoder};
use super::class::Shape;
use super::error::MixError;
use super::front::{Front, share};
use super::observer::{Decision, Observer};
use super::predictor::Predictor;
use super::prime::Priming;

/// How much of an echo the front is shown, once bytes are coded bit by bit again.
pub const SHOWN: u32 = 32;

/// A predictor, whose front comes with each call and must be the same one throughout a block.
#[derive(Debug)]
pub struct Machine<'a, S: Shape> {
    pub predictor: Predictor<'a, S>,
    /// Bytes of echoes that the front has not been shown.
    unseen: u32,
}

impl<'a, S: Shape> Machine<'a, S> {
    /// As at the start of a block. Without a priming, the generic one for a front that speaks or does not.
    pub fn new(memory: &'a mut [u32], priming: Option<&Priming<'_>>, speaks: bool) -> Result<Self, MixError> {
        let predictor = Predictor::new(memory, priming.unwrap_or(&Priming::generic::<S>(speaks)))?;
        Ok(Self { predictor, unseen: 0 })
    }

    /// Over memory as it is: to be reset before it is used.
    pub fn over(memory: &'a mut [u32]) -> Result<Self, MixError> {
        Ok(Self { predictor: Predictor::over(memory)?, unseen: 0 })
    }

    /// Forgets everything.
    pub fn reset(&mut self, speaks: bool) -> Result<(), MixError> {
        self.unseen = 0;
        self.predictor.reset(&Priming::generic::<S>(speaks))
    }

    /// Begins a byte that is coded bit by bit.
    #[inline]
    fn begin<F: Front>(&mut self, front: &mut F) {
        if F::SPEAKS {
            let position = self.predictor.position();
            for back in (1..=self.unseen.min(SHOWN)).rev() {
                front.push(self.predictor.byte_at(position.wrapping_sub(back)));
            }
        }
        self.unseen = 0;
        self.predictor.begin();
    }

    /// Encodes a byte.
    #[inline]
    pub fn encode<F: Front, O: Observer>(
        &mut self,
        front: &mut F,
        coder: &mut BinaryEncoder,
        byte: u8,
        sink: &mut impl FnMut(u8),
        observer: &mut O,
    ) {
        if let Some((expected, probability)) = self.predictor.echo() {
            let came = expected == byte;
            coder.encode(probability, u32::from(came), sink);
            if O::WATCHES {
                observer.decision(&Decision::Echo { probability, came });
            }
            self.predictor.learn_echo(came.then_some(byte));
            if came {
                self.unseen = self.unseen.saturating_add(1);
                return;
            }
        }
        self.begin(front);
        let predictor = &mut self.predictor;
        // A front may be far away, so it is asked once.
        let frequencies = front.frequencies();
        for place in (0..8).rev() {
            let front = F::SPEAKS.then(|| share(frequencies, predictor.partial()));
            let probability = predictor.predict(front);
            let bit = u32::from(byte) >> place & 1;
            coder.encode(probability, bit, sink);
            if O::WATCHES {
                let contributions = predictor.contributions();
                observer.decision(&Decision::Bit { probability, bit, front, contributions });
            }
            predictor.learn(bit);
        }
        front.push(byte);
    }
}

/// A block that arrives.
#[derive(Debug)]
pub struct Arriving {
    coder: BinaryDecoder,
    /// Bytes of the code still to come; zeros follow them.
    left: usize,
    is_within: bool,
}

impl Arriving {
    /// A block whose code has `length` bytes.
    pub const fn new(length: usize) -> Self {
        Self { coder: BinaryDecoder::new(), left: length, is_within: false }
    }

    /// Whether every byte of the code has been read.
    pub const fn is_exhausted(&self) -> bool {
        self.left == 0
    }

    /// Decodes as far as the buffers allow. Who knows how long the text is asks for no more.
    pub fn decode<S: Shape, F: Front>(
        &mut self,
        machine: &mut Machine<'_, S>,
        front: &mut F,
        input: &[u8],
        output: &mut [u8],
    ) -> Result<Progress, MixError> {
        let mut input_bytes = input.iter();
        let mut written = 0;
        for place in output.iter_mut() {
            let Some(byte) = self.next(machine, front, &mut input_bytes)? else { break };
            *place = byte;
            written += 1;
        }
        Ok(Progress { consumed: input.len() - input_bytes.len(), written })
    }

    /// The next byte, or `None` if the input does not suffice.
    #[inline]
    fn next<S: Shape, F: Front>(
        &mut self,
        machine: &mut Machine<'_, S>,
        front: &mut F,
        input: &mut core::slice::Iter<'_, u8>,
    ) -> Result<Option<u8>, MixError> {
        if !self.is_within {
            if let Some((expected, probability)) = machine.predictor.echo() {
                if !self.gather(input) {
                    return Ok(None);
                }
                let came = self.coder.decode(probability).ok_or(MixError::Damaged)? == 1;
                machine.predictor.learn_echo(came.then_some(expected));
                if came {
                    machine.unseen = machine.unseen.saturating_add(1);
                    return Ok(Some(expected));
                }
            }
            machine.begin(front);
            self.is_within = true;
        }
        let predictor = &mut machine.predictor;
        let frequencies = front.frequencies();
        loop {
            if !self.gather(input) {
                return Ok(None);
            }
            let share = F::SPEAKS.then(|| share(frequencies, predictor.partial()));
            let bit = self.coder.decode(predictor.predict(share)).ok_or(MixError::Damaged)?;
            if let Some(byte) = predictor.learn(bit) {
                self.is_within = false;
                front.push(byte);
                return Ok(Some(byte));
            }
        }
    }

    /// Takes what is left of the code after the last byte of the text, and says how much.
    pub fn end(&mut self, input: &[u8]) -> Result<usize, MixError> {
        let mut input_bytes = input.iter();
        if !self.gather(&mut input_bytes) {
            return Ok(input.len());
        }
        if self.left > 0 || !self.coder.is_canonical() {
            return Err(MixError::Damaged);
        }
        Ok(input.len() - input_bytes.len())
    }

    /// Feeds the coder until it can decide. False: the input does not suffice.
    #[inline]
    fn gather(&mut self, input: &mut core::slice::Iter<'_, u8>) -> bool {
        while self.coder.wants_input() {
            let byte = match self.left.checked_sub(1) {
                None => 0,
                Some(left) => {
                    let Some(&byte) = input.next() else { return false };
                    self.left = left;
                    byte
                }
            };
            self.coder.feed(byte);
        }
        true
    }
}
