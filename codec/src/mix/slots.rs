//! [`Slots`]: bit histories by context, two bits of a byte at a time.
//!
//! A slot is a word: a check of 8 bits lowest, then the histories of the first bit of a pair and of the second after a 0
//! and after a 1. Invariant: a context finds the slot that it left, unless contexts that have seen more took it.

use super::bit_history::{self, UNKNOWN};
use super::class::Shape;
use super::counter::{Counter, Target};
use super::logistic::stretch;
use super::memory::{Array, SHORT, take, take_array};
use super::text::join;

/// How many bits a map's first guess is worth.
const FIRST_AGE: u32 = 2;

/// The words of memory that the slots of a class and their maps take.
pub const fn words<S: Shape>() -> usize {
    4 * S::SLOT_GROUPS as usize + 256 * S::Maps::LENGTH
}

/// Contexts with bit histories.
#[derive(Debug)]
pub struct Slots<'a, S: Shape> {
    /// Four slots at a time.
    groups: &'a mut [[u32; 4]],
    maps: &'a mut S::Maps,
    contexts: S::PerSlot<Slot>,
}

/// A context's place and its slot, which is put back after two bits.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    hash: u32,
    group: u32,
    within: u32,
    bytes: [u8; 4],
}

impl<'a, S: Shape> Slots<'a, S> {
    /// Slots over the first words of `memory`.
    pub fn new(memory: &mut &'a mut [u32]) -> Option<Self> {
        Some(Self {
            groups: take(memory, 4 * S::SLOT_GROUPS as usize)?.as_chunks_mut().0,
            maps: take_array(memory)?,
            contexts: Array::from_fn(|_| Slot::default()),
        })
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        self.groups.fill([0; 4]);
        for map in self.maps.as_mut() {
            for (word, probability) in map.iter_mut().zip(bit_history::INITIAL) {
                *word = Counter::new(u32::from(probability), FIRST_AGE).0;
            }
        }
    }

    /// Begins a byte, in contexts of these hashes.
    #[inline]
    pub fn begin(&mut self, hash: impl Fn(usize) -> u32) {
        for (index, slot) in self.contexts.as_mut().iter_mut().enumerate() {
            slot.hash = hash(index);
            find::<S>(self.groups, slot.hash, slot);
        }
    }

    /// How many contexts but the first have been seen before. To be asked at the start of a byte.
    #[inline]
    pub fn known(&self) -> u32 {
        self.contexts.as_ref().iter().skip(1).map(|slot| u32::from(slot.bytes[1] != 0)).sum()
    }

    /// Each context's opinions on the next bit, `node` being 1, or 2 or 3 after a first bit of the pair.
    #[inline]
    pub fn predict(&self, node: usize, inputs: &mut [i16]) {
        let width = 1 + usize::from(S::SECOND_INPUT);
        for ((index, slot), inputs) in self.contexts.as_ref().iter().enumerate().zip(inputs.chunks_exact_mut(width)) {
            let history = slot.bytes[node & 3];
            let [first, rest @ ..] = inputs else { continue };
            let Some(map) = self.maps.as_ref().get(index) else {
                *first = bit_history::STRETCHED[usize::from(history)];
                continue;
            };
            let probability = Counter(map[usize::from(history)]).probability();
            *first = stretch(probability);
            if let [second] = rest {
                *second = ((probability as i32 - UNKNOWN as i32) >> 5) as i16;
            }
        }
    }

    /// Learns the bit.
    #[inline]
    pub fn learn(&mut self, node: usize, bit: u32) {
        let target = Target::of(bit);
        for (index, slot) in self.contexts.as_mut().iter_mut().enumerate() {
            let history = &mut slot.bytes[node & 3];
            if let Some(map) = self.maps.as_mut().get_mut(index) {
                let word = &mut map[usize::from(*history)];
                *word = Counter(*word).updated(target).0;
                // What has never been seen has no opinion, and learns none.
                map[0] = Counter::new(UNKNOWN, FIRST_AGE).0;
            }
            *history = bit_history::next(*history, bit);
        }
    }

    /// Puts the slots of a finished pair of bits back.
    #[inline]
    pub fn put_back(&mut self) {
        for slot in self.contexts.as_ref() {
            if let Some(group) = self.groups.get_mut(slot.group as usize) {
                group[(slot.within & 3) as usize] = u32::from_le_bytes(slot.bytes);
            }
        }
    }

    /// The maps as they stand.
    pub fn maps(&self) -> impl Iterator<Item = &[u32; 256]> {
        self.maps.as_ref().iter()
    }

    /// Goes on to the next pair of bits of the byte, after those in `partial`.
    #[inline]
    pub fn go_on(&mut self, partial: u32) {
        for slot in self.contexts.as_mut() {
            find::<S>(self.groups, join(slot.hash, partial), slot);
        }
    }
}

/// Looks a hash up: the slot with its check, or the one of three in its group that has seen least, emptied.
#[inline]
fn find<S: Shape>(groups: &[[u32; 4]], hash: u32, slot: &mut Slot) {
    slot.group = if S::SLOT_GROUPS <= 1 << 16 {
        ((hash >> 16) * S::SLOT_GROUPS) >> 16
    } else {
        ((u64::from(hash) * u64::from(S::SLOT_GROUPS)) >> 32) as u32
    };
    let Some(group) = groups.get(slot.group as usize) else { return };
    let first = hash >> 8 & 3;
    let check = hash & 0xff;
    let own = group[first as usize];
    if SHORT && own & 0xff == check {
        (slot.within, slot.bytes) = (first, own.to_le_bytes());
        return;
    }
    let candidate = |probe: u32| (first ^ probe, group[(first ^ probe) as usize]);
    let three = [candidate(0), candidate(1), candidate(2)];
    // The number of a history rises with what it has seen.
    let seen = |word: u32| word & 0xff00;
    let (mut within, mut least) = three[0];
    for (place, word) in [three[1], three[2]] {
        (within, least) = if seen(word) < seen(least) { (place, word) } else { (within, least) };
    }
    let mut found = check;
    for (place, word) in [three[2], three[1], three[0]] {
        (within, found) = if word & 0xff == check { (place, word) } else { (within, found) };
    }
    (slot.within, slot.bytes) = (within, found.to_le_bytes());
}
