//! The likeliest texts under a model.
//!
//! A greedy parse takes a text `u` of the lexicon, or passes through it, with probability `P(u)`. So the expected bytes
//! per code are the sum of `P(u)` over all non-empty texts, and the likeliest texts are the best. A text is never
//! likelier than its prefixes, so the likeliest texts include all of theirs.
//!
//! Probabilities are integers in units of 2^-63: `P(empty) = 2^63` and `P(u b) = floor(P(u) * f / 2^16)`, where `f` is
//! the model's count of byte `b` after `u`, or else the result of [`weigh`] if starts were seen. Ties are broken in
//! favour of shorter texts, then in byte order. So the set is the same on every machine, whatever the batches and the
//! order in which texts are found.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeSet, BinaryHeap, HashMap};
use std::ops::Range;

use equalinfo_codec::Frequencies;

use super::expand::Expander;
use super::image::CODES;
use super::starts::{Starts, weigh};

/// The probability of the empty text.
const CERTAIN: u64 = 1 << 63;

/// A text with its probability; the greater, the better.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Candidate {
    probability: u64,
    text: Vec<u8>,
    /// The starts that have it as a prefix.
    starts: Range<usize>,
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |candidate: &Self| (candidate.probability, Reverse(candidate.text.len()));
        key(self).cmp(&key(other)).then_with(|| other.text.cmp(&self.text))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The best of all added candidates, up to a fixed number.
struct Best {
    limit: usize,
    kept: BTreeSet<Candidate>,
}

impl Best {
    /// The least probability still admitted.
    fn least(&self) -> u64 {
        if self.kept.len() < self.limit { 0 } else { self.kept.first().map_or(0, |last| last.probability) }
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

/// Finds likely texts; keeps the model's answers for the next search.
pub struct Search {
    expander: Expander,
    context: usize,
    known: HashMap<Vec<u8>, Frequencies>,
}

impl Search {
    /// Searches texts of up to `context` bytes, at least 2.
    pub fn new(expander: Expander, context: usize) -> Self {
        Self { expander, context, known: HashMap::new() }
    }

    /// The empty text, all one-byte texts, and the likeliest longer ones: [`CODES`] in total.
    pub fn texts(&mut self, starts: &Starts) -> Vec<Vec<u8>> {
        let empty = Candidate { probability: CERTAIN, text: Vec::new(), starts: starts.all() };
        let singles = self.extensions(std::slice::from_ref(&empty), starts, 0);
        let mut best = Best { limit: CODES - 1 - singles.len(), kept: BTreeSet::new() };
        let always = std::iter::once(empty).chain(singles.iter().cloned()).collect::<Vec<_>>();
        // Best first: an open candidate no better than everything kept can be skipped, as can all after it.
        let mut open = BinaryHeap::from(singles);
        loop {
            let mut round = Vec::new();
            while round.len() < self.expander.width() && open.peek().is_some_and(|next| best.admits(next)) {
                round.extend(open.pop());
            }
            if round.is_empty() {
                break;
            }
            round.sort_unstable_by_key(|candidate| candidate.text.len());
            for candidate in self.extensions(&round, starts, best.least()) {
                if best.admits(&candidate) {
                    if candidate.text.len() < self.context {
                        open.push(candidate.clone());
                    }
                    best.add(candidate);
                }
            }
        }
        always.into_iter().chain(best.kept).map(|candidate| candidate.text).collect()
    }

    /// The candidates one byte longer whose probability is at least `least`.
    fn extensions(&mut self, candidates: &[Candidate], starts: &Starts, least: u64) -> Vec<Candidate> {
        let texts = candidates.iter().map(|candidate| &candidate.text[..]);
        let unknown: Vec<&[u8]> = texts.filter(|text| !self.known.contains_key(*text)).collect();
        let found = self.expander.frequencies(&unknown);
        self.known.extend(unknown.iter().map(|text| text.to_vec()).zip(found));
        let mut extensions = Vec::new();
        for candidate in candidates {
            let Some(frequencies) = self.known.get(&candidate.text) else { continue };
            let all = candidate.starts.len();
            for (byte, starts) in (0..=255).zip(starts.split(candidate.starts.clone(), candidate.text.len())) {
                let probability = weigh(candidate.probability, frequencies, byte, starts.len(), all);
                if probability >= least {
                    extensions.push(Candidate { probability, text: [&candidate.text[..], &[byte]].concat(), starts });
                }
            }
        }
        extensions
    }
}
