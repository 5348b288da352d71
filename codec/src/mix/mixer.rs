//! [`Mixer`]: one stretched probability out of many, by weights that learn.
//!
//! Each selector picks one of its sets of weights; a set's opinion is the weighted sum of the inputs, and the opinions'
//! mean goes on. Invariant: inputs lie within [`LIMIT`]. A sum takes the upper half of each weight, a step moves all of
//! it, so every product is one of two numbers of 16 bits, no sum leaves 32 bits, and compilers find vector
//! instructions.

use super::class::Shape;
use super::logistic::{LIMIT, squash};
use super::loops::{Loops, Portable};
use super::memory::{Array, SHORT, take};
use super::prime::Priming;

/// Input of the front.
pub const FRONT: usize = 0;
/// First input of the match model; the contexts' follow, then the caches'.
pub const FIRST_MATCH: usize = 1;

/// By what a set of weights is chosen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Selector {
    /// Four lengths of the match, and how many contexts are known: none to three and more.
    Known,
    /// The bits of this byte so far.
    Partial,
    /// The byte before.
    Previous,
}

impl Selector {
    /// The number of its sets.
    pub const fn sets(self) -> usize {
        match self {
            Self::Known => 16,
            Self::Partial | Self::Previous => 256,
        }
    }

    /// How many of its sets have initial weights of their own; the others share those of one.
    pub const fn primed(self) -> usize {
        match self {
            Self::Known => 16,
            Self::Partial | Self::Previous => 1,
        }
    }

    /// The set that it chooses.
    #[inline]
    fn set(self, situation: Situation) -> usize {
        match self {
            Self::Known => (situation.strength | situation.known) as usize,
            Self::Partial => (situation.partial & 0xff) as usize,
            Self::Previous => (situation.previous & 0xff) as usize,
        }
    }
}

/// The words of memory that the weights of a class take.
pub const fn words<S: Shape>() -> usize {
    let (mut sets, mut index) = (0, 0);
    while index < S::SELECTORS.len() {
        sets += S::SELECTORS[index].sets();
        index += 1;
    }
    sets * <S::Lanes<u32> as Array<u32>>::LENGTH
}

/// What sets are chosen by.
#[derive(Clone, Copy, Debug)]
pub struct Situation {
    /// The bits of this byte so far, after a leading 1.
    pub partial: u32,
    /// The byte before.
    pub previous: u32,
    /// The match's length, 0, 4, 8 or 12.
    pub strength: u32,
    /// How many contexts are known, 0 to 3.
    pub known: u32,
}

/// Inputs, weights, and what each set said last.
#[derive(Debug)]
pub struct Mixer<'a, S: Shape> {
    weights: &'a mut [S::Lanes<u32>],
    inputs: S::Lanes<i16>,
    rate: i32,
    chosen: S::PerSelector<Chosen>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Chosen {
    set: usize,
    probability: i32,
}

impl<'a, S: Shape> Mixer<'a, S> {
    /// A mixer over the first words of `memory`.
    pub fn new(memory: &mut &'a mut [u32]) -> Option<Self> {
        let weights = Array::rows(take(memory, words::<S>())?);
        let inputs = Array::from_fn(|_| 0);
        let chosen = Array::from_fn(|_| Chosen::default());
        Some(Self { weights, inputs, rate: 0, chosen })
    }

    /// Sets the initial weights.
    pub fn reset(&mut self, priming: &Priming) {
        let mut sets = self.weights.iter_mut();
        let mut initial = priming.weights.chunks_exact(S::INPUTS);
        for selector in S::SELECTORS {
            let mut row: &[i16] = &[];
            for (index, set) in sets.by_ref().take(selector.sets()).enumerate() {
                if index < selector.primed() {
                    row = initial.next().unwrap_or_default();
                }
                for (weight, &initial) in set.as_mut().iter_mut().zip(row.iter().chain(core::iter::repeat(&0))) {
                    *weight = (i32::from(initial) << 18) as u32;
                }
            }
        }
    }

    /// Sets how fast the weights learn, which depends on how much text there was: fast at first.
    #[inline]
    pub fn set_rate(&mut self, position: u32) {
        let doublings = u32::BITS - (position >> 10).leading_zeros();
        self.rate = 16 + (30 >> (doublings / 2).min(5));
    }

    /// The stretched probability of a 1.
    #[inline]
    pub fn predict(&mut self, inputs: S::Lanes<i16>, situation: Situation) -> (i32, i32) {
        self.inputs = inputs;
        let (mut first, mut total, mut probability) = (0, 0, 0);
        for (chosen, selector) in self.chosen.as_mut().iter_mut().zip(S::SELECTORS) {
            chosen.set = first + selector.set(situation);
            first += selector.sets();
            let sum = self.weights.get(chosen.set).map_or(0, |weights| {
                let (inputs, weights) = (self.inputs.as_ref(), weights.as_ref());
                S::Loops::dot(&inputs[..used::<S>()], &weights[..used::<S>()])
            });
            let opinion = ((sum + (1 << 11)) >> 12).clamp(-LIMIT, LIMIT);
            probability = squash(opinion);
            chosen.probability = probability;
            total += opinion;
        }
        if S::SELECTORS.len() == 1 {
            return (total, probability);
        }
        let mean = total / S::SELECTORS.len() as i32;
        (mean, squash(mean))
    }

    /// Moves each chosen set to where its own opinion would have been better.
    #[inline]
    pub fn learn(&mut self, bit: u32) {
        let target = (bit.wrapping_neg() & 65535) as i32;
        for chosen in self.chosen.as_ref() {
            let error = ((target - chosen.probability) * self.rate + 128) >> 8;
            if let Some(weights) = self.weights.get_mut(chosen.set) {
                let (inputs, weights) = (self.inputs.as_ref(), weights.as_mut());
                S::Loops::train(&inputs[..used::<S>()], &mut weights[..used::<S>()], error as i16);
            }
        }
    }

    /// What the front, the match, and the contexts add to the first set's opinion, in its units.
    pub fn contributions(&self) -> [i32; 3] {
        let set = self.chosen.as_ref().first().map_or(0, |chosen| chosen.set);
        let weights = self.weights.get(set).map(AsRef::as_ref).unwrap_or_default();
        let part = |from: usize, to: usize| {
            let inputs = self.inputs.as_ref().get(from..to).unwrap_or_default();
            (Portable::dot(inputs, weights.get(from..to).unwrap_or_default()) + (1 << 11)) >> 12
        };
        [part(FRONT, FIRST_MATCH), part(FIRST_MATCH, S::FIRST_CONTEXT), part(S::FIRST_CONTEXT, S::INPUTS)]
    }

    /// The weights as they stand, for those who learn initial ones: each selector's sets in order.
    pub fn weights(&self) -> impl Iterator<Item = i32> + '_ {
        self.weights.iter().flat_map(|set| set.as_ref().iter().take(S::INPUTS).map(|&weight| weight as i32))
    }
}

/// The lanes that loops run over: whole vectors, or inputs alone.
const fn used<S: Shape>() -> usize {
    if SHORT { S::INPUTS } else { <S::Lanes<u32> as Array<u32>>::LENGTH }
}
