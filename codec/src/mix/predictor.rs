//! [`Predictor`]: all tables over the caller's memory, bit by bit.
//!
//! Invariant: [`Predictor::predict`] and [`Predictor::learn`] take turns, eight of each make a byte, and the byte is
//! known to every table before the next one begins.

use super::address::Address;
use super::caches::Caches;
use super::class::Shape;
use super::error::MixError;
use super::finals::Finals;
use super::logistic::stretch;
use super::matches::Matches;
use super::memory::Array;
use super::mixer::{Mixer, Situation};
use super::prime::Priming;
use super::slots::Slots;
use super::text::{Context, Text};

/// All tables of a block.
#[derive(Debug)]
pub struct Predictor<'a, S: Shape> {
    matches: Matches<'a, S>,
    slots: Slots<'a, S>,
    caches: Caches<'a, S>,
    mixer: Mixer<'a, S>,
    finals: Finals<'a, S>,
    text: Text,
    address: Address,
    /// The bits of the byte so far after a leading 1; of the pair of bits so far, likewise.
    partial: u32,
    free: u32,
    node: usize,
    known: u32,
}

impl<'a, S: Shape> Predictor<'a, S> {
    /// The tables over `memory`, which has at least [`Shape::WORDS`] words, as at the start of a block.
    pub fn new(memory: &'a mut [u32], priming: &Priming<'_>) -> Result<Self, MixError> {
        let mut new = Self::over(memory)?;
        new.reset(priming)?;
        Ok(new)
    }

    /// The tables over `memory` as it is: to be reset before they are used.
    pub(super) fn over(memory: &'a mut [u32]) -> Result<Self, MixError> {
        let found = memory.len();
        let mut rest = memory;
        let parts = (|| {
            let memory = &mut rest;
            Some(Self {
                matches: Matches::new(memory)?,
                slots: Slots::new(memory)?,
                caches: Caches::new(memory)?,
                mixer: Mixer::new(memory)?,
                finals: Finals::new(memory)?,
                text: Text::default(),
                address: Address::default(),
                partial: 1,
                free: 8,
                node: 1,
                known: 0,
            })
        })();
        parts.ok_or(MixError::Memory { expected: S::WORDS, found })
    }

    /// Forgets everything.
    pub fn reset(&mut self, priming: &Priming<'_>) -> Result<(), MixError> {
        let expected = Priming::numbers::<S>();
        if priming.weights.len() != expected {
            return Err(MixError::Priming { expected, found: priming.weights.len() });
        }
        self.matches.reset();
        self.slots.reset();
        self.caches.reset();
        self.mixer.reset(priming);
        self.finals.reset();
        (self.text, self.address, self.partial, self.node) = (Text::default(), Address::default(), 1, 1);
        Ok(())
    }

    /// Bytes so far.
    pub fn position(&self) -> u32 {
        self.text.position
    }

    /// A byte of the past; those of the last [`Shape::HISTORY_BITS`] are there.
    pub fn byte_at(&self, position: u32) -> u8 {
        self.matches.byte_at(position)
    }

    /// The byte that a long match expects, and the probability that it comes. Such a byte is coded by one decision;
    /// only if another comes do bits follow.
    #[inline]
    pub fn echo(&self) -> Option<(u8, u32)> {
        self.matches.echo()
    }

    /// Learns whether the byte of [`Self::echo`] came.
    #[inline]
    pub fn learn_echo(&mut self, came: Option<u8>) {
        self.matches.learn_echo(came.is_some());
        if let Some(byte) = came {
            self.push(byte);
        }
    }

    /// Appends a byte to what contexts are made of.
    #[inline]
    fn push(&mut self, byte: u8) {
        self.text.push(byte);
        if S::TARGETS {
            self.address.push(&self.text);
        }
        self.matches.push(byte, &self.text);
    }

    /// Looks up what is known of the next byte, which is to be coded bit by bit.
    #[inline]
    pub fn begin(&mut self) {
        (self.partial, self.free, self.node) = (1, 8, 1);
        let above = match self.text.above() {
            Some(back) if back >> S::HISTORY_BITS == 0 => self.matches.byte_at(self.text.position.wrapping_sub(back)),
            _ => 0,
        };
        let text = &self.text;
        let target = if S::TARGETS { self.address.hash(text) } else { None };
        let hash = |contexts: &'static [Context], index: usize| match (contexts.get(index), target) {
            (Some(Context::Target), Some(target)) => target,
            (Some(&context), _) => text.hash(context, above),
            (None, _) => 0,
        };
        self.slots.begin(|index| hash(S::SLOTS, index));
        self.caches.begin(|index| hash(S::CACHES, index), self.address.shift());
        let known = self.slots.known() + self.caches.known();
        let most = (S::SLOTS.len() + S::CACHES.len()) as u32;
        self.known = (1..4).map(|quarter| u32::from(4 * known >= quarter * most)).sum();
        self.mixer.set_rate(text.position);
    }

    /// The bits of the byte so far after a leading 1.
    #[inline]
    pub fn partial(&self) -> u32 {
        self.partial
    }

    /// The probability in 2^-16 that the next bit is 1, given what the front says.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    #[cfg_attr(not(target_pointer_width = "64"), inline)]
    pub fn predict(&mut self, front: Option<u32>) -> u32 {
        let mut lanes: S::Lanes<i16> = Array::from_fn(|_| 0);
        let (inputs, _) = lanes.as_mut().split_at_mut(S::INPUTS);
        let (inputs, caches) = inputs.split_at_mut(S::FIRST_CACHE);
        let (inputs, slots) = inputs.split_at_mut(S::FIRST_CONTEXT);
        let opinions = self.matches.predict(self.partial, self.free);
        let front = front.map_or(0, stretch);
        for (input, opinion) in inputs.iter_mut().zip([front].into_iter().chain(opinions)) {
            *input = opinion;
        }
        self.slots.predict(self.node, slots);
        self.caches.predict(self.partial, self.free, caches);
        let previous = self.text.last & 0xff;
        let situation =
            Situation { partial: self.partial, previous, strength: self.matches.strength(), known: self.known };
        let mixed = self.mixer.predict(lanes, situation);
        self.finals.predict(mixed, front, self.partial, previous) as u32
    }

    /// Learns the bit that came, and with the last bit of a byte the byte.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    #[cfg_attr(not(target_pointer_width = "64"), inline)]
    pub fn learn(&mut self, bit: u32) -> Option<u8> {
        self.finals.learn(bit);
        self.mixer.learn(bit);
        self.matches.learn(bit);
        self.slots.learn(self.node, bit);
        self.caches.learn(bit, self.free);
        self.partial = self.partial << 1 | bit;
        self.free -= 1;
        self.node = self.node << 1 | bit as usize;
        if self.node < 4 {
            return None;
        }
        self.slots.put_back();
        self.node = 1;
        if self.partial < 256 {
            self.slots.go_on(self.partial);
            return None;
        }
        let byte = self.partial as u8;
        self.caches.end(byte);
        self.push(byte);
        Some(byte)
    }

    /// What the front, the match, and the contexts add to the stretched probability.
    pub fn contributions(&self) -> [i32; 3] {
        self.mixer.contributions()
    }

    /// The weights as they stand, each selector's sets in order.
    pub fn weights(&self) -> impl Iterator<Item = i32> + '_ {
        self.mixer.weights()
    }

    /// The probabilities of the maps of bit histories as they stand.
    pub fn maps(&self) -> impl Iterator<Item = &[u32; 256]> {
        self.slots.maps()
    }
}
