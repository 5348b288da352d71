//! [`Caches`]: the byte that last followed a context, in 16 bits: a check of 4, how often it came of 4, the byte.
//!
//! A context that is nearly always followed by the same byte needs no more, so the caches serve the long contexts, of
//! which there are many. Invariant: a count of 0 marks an entry without a byte.

use core::hint::select_unpredictable;

use super::class::Shape;
use super::counter::{Counter, Target};
use super::logistic::stretch;
use super::memory::{Array, SHORT, half, set_half, take, take_array};
use super::text::Context;

/// Counters of a cache: by how often the byte came, and the bits still to come.
const COUNTERS: usize = 16 * 8;

/// The words of memory that the caches of a class take.
pub const fn words<S: Shape>() -> usize {
    S::CACHES.len() * ((1 << (S::CACHE_BITS - 1)) + COUNTERS)
}

/// Contexts with caches.
#[derive(Debug)]
pub struct Caches<'a, S: Shape> {
    table: &'a mut [u32],
    counters: &'a mut S::PerCache<[u32; COUNTERS]>,
    contexts: S::PerCache<Cache>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Cache {
    place: usize,
    check: u32,
    count: u32,
    /// The byte with a leading 1; 0 if there is none.
    byte: u32,
    /// What makes of the byte that of the entry, modulo 256.
    shift: u32,
    index: usize,
    /// 1 if the byte agrees with the bits so far.
    agrees: u32,
}

impl<'a, S: Shape> Caches<'a, S> {
    /// Caches over the first words of `memory`.
    pub fn new(memory: &mut &'a mut [u32]) -> Option<Self> {
        Some(Self {
            table: take(memory, S::CACHES.len() << (S::CACHE_BITS - 1))?,
            counters: take_array(memory)?,
            contexts: Array::from_fn(|_| Cache::default()),
        })
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        self.table.fill(0);
        for cache in self.counters.as_mut() {
            for (count, counters) in (0u32..).zip(cache.chunks_exact_mut(8)) {
                counters.fill(Counter::new(65535 - 65536 / (2 * count + 3), 2).0);
            }
        }
    }

    /// Begins a byte, in contexts of these hashes; `shift` makes of the byte what the cache of targets holds.
    #[inline]
    pub fn begin(&mut self, hash: impl Fn(usize) -> u32, shift: u32) {
        for (index, cache) in self.contexts.as_mut().iter_mut().enumerate() {
            let hash = hash(index);
            cache.place = index << S::CACHE_BITS | (hash >> (32 - S::CACHE_BITS)) as usize;
            cache.check = hash & 15;
            let entry = half(self.table, cache.place);
            let known = entry & 15 == cache.check && entry & 0xf0 != 0;
            cache.shift = if S::CACHES.get(index) == Some(&Context::Target) { shift } else { 0 };
            let byte = (entry >> 8).wrapping_sub(cache.shift) & 0xff;
            (cache.count, cache.byte) = if known { (entry >> 4 & 15, byte | 256) } else { (0, 0) };
        }
    }

    /// How many contexts have been seen before.
    #[inline]
    pub fn known(&self) -> u32 {
        self.contexts.as_ref().iter().map(|cache| u32::from(cache.byte != 0)).sum()
    }

    /// Each cache's opinion on the next bit, given the bits of this byte so far after a leading 1, `free` to come.
    #[inline]
    pub fn predict(&mut self, partial: u32, free: u32, inputs: &mut [i16]) {
        let caches = self.contexts.as_mut().iter_mut().zip(self.counters.as_ref());
        for ((cache, counters), input) in caches.zip(inputs) {
            cache.index = (cache.count << 3 | free & 7) as usize & (COUNTERS - 1);
            cache.agrees = u32::from(cache.byte >> free == partial);
            if SHORT && cache.agrees == 0 {
                *input = 0;
                continue;
            }
            let opinion = stretch(Counter(counters[cache.index]).probability());
            let sign = (cache.byte >> (free - 1) & 1) as i16 - 1;
            *input = ((opinion ^ sign) - sign) & (cache.agrees as i16).wrapping_neg();
        }
    }

    /// Learns the bit, `free` as before it.
    #[inline]
    pub fn learn(&mut self, bit: u32, free: u32) {
        for (cache, counters) in self.contexts.as_ref().iter().zip(self.counters.as_mut()) {
            if SHORT && cache.agrees == 0 {
                continue;
            }
            let word = &mut counters[cache.index & (COUNTERS - 1)];
            let updated = Counter(*word).updated(Target::of(1 & !(cache.byte >> (free - 1) ^ bit))).0;
            *word = select_unpredictable(cache.agrees == 1, updated, *word);
        }
    }

    /// Ends a byte.
    #[inline]
    pub fn end(&mut self, byte: u8) {
        for cache in self.contexts.as_ref() {
            let (byte, count) = if cache.byte == u32::from(byte) | 256 {
                (u32::from(byte), (cache.count + 1).min(15))
            } else if cache.count <= 2 {
                (u32::from(byte), 1)
            } else {
                (cache.byte & 0xff, cache.count >> 1)
            };
            set_half(self.table, cache.place, ((byte + cache.shift) & 0xff) << 8 | count << 4 | cache.check);
        }
    }
}
