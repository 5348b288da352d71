//! The likeliest texts under a model.
//!
//! A greedy parse takes a text `u` of the lexicon, or passes through it, with the probability `P(u)`; so the bytes per
//! code that the model expects are the sum of `P(u)` over all texts but the empty one, and the likeliest texts are the
//! best. As a text is never likelier than what it begins with, they come with all that they begin with.
//!
//! Probabilities are integers, in units of 2^-63: `P(empty) = 2^63`, `P(u b) = floor(P(u) * f / 2^16)`, with the
//! model's count `f` of byte `b` after `u`. Among equals, shorter texts come first, then in the order of their bytes. So
//! the set is the same on every machine, whatever the batches and the order in which texts are found.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use equalinfo_codec::Frequencies;

use super::expand::Expander;
use super::image::CODES;

/// The probability of the empty text.
const CERTAIN: u64 = 1 << 63;

/// A text with its probability; the greater, the better.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    probability: u64,
    length: Reverse<usize>,
    text: Reverse<Vec<u8>>,
}

impl Candidate {
    fn new(probability: u64, text: Vec<u8>) -> Self {
        Self { probability, length: Reverse(text.len()), text: Reverse(text) }
    }

    fn text(&self) -> &[u8] {
        &self.text.0
    }

    fn probability_with(&self, frequencies: &Frequencies, byte: u8) -> u64 {
        let product = u128::from(self.probability) * u128::from(frequencies.count(byte));
        (product >> Frequencies::BITS) as u64
    }

    fn extended(&self, frequencies: &Frequencies, byte: u8) -> Self {
        Self::new(self.probability_with(frequencies, byte), [self.text(), &[byte]].concat())
    }
}

/// The best so many candidates of all that were added.
struct Best {
    limit: usize,
    kept: BTreeSet<Candidate>,
}

impl Best {
    /// Whether a candidate of this probability might be admitted.
    fn might_admit(&self, probability: u64) -> bool {
        self.kept.len() < self.limit || self.kept.first().is_some_and(|last| last.probability <= probability)
    }

    fn admits(&self, candidate: &Candidate) -> bool {
        self.kept.len() < self.limit || self.kept.first().is_some_and(|last| last < candidate)
    }

    fn add(&mut self, candidate: Candidate) {
        self.kept.insert(candidate);
        if self.kept.len() > self.limit {
            self.kept.pop_first();
        }
    }
}

/// The empty text, all texts of one byte, and the likeliest of 2 to `context` bytes: [`CODES`] in all.
pub fn texts(expander: &mut Expander, context: usize) -> Vec<Vec<u8>> {
    let mut chosen = vec![Vec::new()];
    let mut best = Best { limit: CODES - 257, kept: BTreeSet::new() };
    // Best first: whatever is still open and less likely than all that is kept can be left alone.
    let mut open = BinaryHeap::new();
    for frequencies in expander.frequencies(&[&[]]) {
        for byte in 0..=255 {
            let single = Candidate::new(CERTAIN, Vec::new()).extended(&frequencies, byte);
            chosen.push(single.text().to_vec());
            open.push(single);
        }
    }
    loop {
        let mut round: Vec<Candidate> = Vec::new();
        while round.len() < expander.width() && open.peek().is_some_and(|candidate| best.admits(candidate)) {
            round.extend(open.pop());
        }
        if round.is_empty() {
            break;
        }
        round.sort_unstable_by_key(|candidate| candidate.length);
        let texts: Vec<&[u8]> = round.iter().map(Candidate::text).collect();
        for (candidate, frequencies) in round.iter().zip(expander.frequencies(&texts)) {
            for byte in 0..=255 {
                if !best.might_admit(candidate.probability_with(&frequencies, byte)) {
                    continue;
                }
                let extended = candidate.extended(&frequencies, byte);
                if best.admits(&extended) {
                    if extended.text().len() < context {
                        open.push(extended.clone());
                    }
                    best.add(extended);
                }
            }
        }
    }
    chosen.extend(best.kept.into_iter().map(|candidate| candidate.text.0));
    chosen
}
