//! The adaptive layer ([`equalinfo_codec::mix`]) on the host: its loops at full speed, and what each part of it is
//! worth.
//!
//! Invariant: [`Vectors`] gives the bits of the codec's own loops, with instructions that every processor of the target
//! has, so there is nothing to detect.

pub use equalinfo_codec::mix::Class;
use equalinfo_codec::mix::logistic::squash;
use equalinfo_codec::mix::{Decision, Loops, Portable};

use crate::coding::CodingError;
use crate::model::Model;
use crate::plan::mixed;

/// What became of the eight bits that each byte of a text has.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Shares {
    /// Bits of code.
    pub code: f64,
    /// Bits that the model saved, taken first.
    pub model: f64,
    /// Bits that matches saved beyond that: the last place where the text went on like this.
    pub matches: f64,
    /// Bits that contexts saved beyond that: what followed the last bytes and words before.
    pub contexts: f64,
    /// Bits that the other sets of weights and the final maps saved beyond that.
    pub corrections: f64,
}

impl Shares {
    /// Of a text that is coded as one block, by tables of this class with a model or alone.
    ///
    /// ```
    /// use equalinfo::mix::{Class, Shares};
    ///
    /// let text = b"The same line again and again.\n".repeat(40);
    /// let shares = Shares::of(None, 0, Class::Kib16, &text)?;
    /// assert_eq!(shares.model, 0.0);
    /// assert!(shares.matches > 5.0 * text.len() as f64 && shares.code < 0.5 * text.len() as f64);
    /// # Ok::<(), equalinfo::CodingError>(())
    /// ```
    ///
    /// # Errors
    /// The model does not run with this context.
    pub fn of(model: Option<&Model>, context: usize, class: Class, text: &[u8]) -> Result<Self, CodingError> {
        let mut shares = Self::default();
        let bits = |probability: f64, bit: bool| -(if bit { probability } else { 1.0 - probability }).log2();
        let mut observer = |decision: &Decision| match *decision {
            Decision::Echo { probability, came } => {
                let cost = bits(f64::from(probability) / 65536.0, came);
                shares.code += cost;
                shares.matches += if came { 8.0 - cost } else { -cost };
            }
            Decision::Bit { probability, bit, contributions: [model, matches, contexts], .. } => {
                let stretched = |x: i32| bits(squash(x) as f64 / 65536.0, bit == 1);
                let by_model = stretched(model);
                let by_matches = stretched(model + matches);
                let by_contexts = stretched(model + matches + contexts);
                let cost = bits(f64::from(probability) / 65536.0, bit == 1);
                shares.model += 1.0 - by_model;
                shares.matches += by_model - by_matches;
                shares.contexts += by_matches - by_contexts;
                shares.corrections += by_contexts - cost;
                shares.code += cost;
            }
        };
        mixed::observe(model, context, class, text, &mut observer)?;
        Ok(shares)
    }
}

/// Vectors of this target, or the codec's own loops.
#[derive(Clone, Copy, Debug)]
pub struct Vectors;

/// Up to here plain code takes less time than gathering the inputs in vectors.
#[cfg(target_arch = "x86_64")]
const FEW: usize = 8;

impl Loops for Vectors {
    #[inline]
    fn dot(inputs: &[i16], weights: &[u32]) -> i32 {
        #[cfg(target_arch = "x86_64")]
        if inputs.len() > FEW {
            return sse2::dot(inputs, weights);
        }
        Portable::dot(inputs, weights)
    }

    #[inline]
    fn train(inputs: &[i16], weights: &mut [u32], error: i16) {
        #[cfg(target_arch = "x86_64")]
        if inputs.len() > FEW {
            return sse2::train(inputs, weights, error);
        }
        Portable::train(inputs, weights, error);
    }
}

#[cfg(target_arch = "x86_64")]
mod sse2 {
    use std::arch::x86_64::{
        __m128i, _mm_add_epi32, _mm_cvtsi128_si32, _mm_loadl_epi64, _mm_loadu_si128, _mm_madd_epi16, _mm_set1_epi32,
        _mm_setzero_si128, _mm_shuffle_epi32, _mm_storeu_si128, _mm_unpacklo_epi16,
    };

    use super::{Loops, Portable};

    #[inline]
    pub fn dot(inputs: &[i16], weights: &[u32]) -> i32 {
        let ((inputs, last_inputs), (weights, last_weights)) = (inputs.as_chunks::<4>(), weights.as_chunks::<4>());
        // SAFETY: x86-64 has SSE2, and loads read whole arrays.
        let sum = unsafe {
            let mut four = _mm_setzero_si128();
            for (inputs, weights) in inputs.iter().zip(weights) {
                let weights = _mm_loadu_si128(weights.as_ptr().cast());
                four = _mm_add_epi32(four, _mm_madd_epi16(upper(inputs), weights));
            }
            let two = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0b01_00_11_10));
            _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 0b10_11_00_01)))
        };
        sum.wrapping_add(Portable::dot(last_inputs, last_weights))
    }

    #[inline]
    pub fn train(inputs: &[i16], weights: &mut [u32], error: i16) {
        let ((inputs, last_inputs), (weights, last_weights)) = (inputs.as_chunks::<4>(), weights.as_chunks_mut::<4>());
        // SAFETY: x86-64 has SSE2; loads read, and stores write, whole arrays.
        unsafe {
            let factor = _mm_set1_epi32(i32::from(error) << 16);
            for (weights, inputs) in weights.iter_mut().zip(inputs) {
                let step = _mm_madd_epi16(upper(inputs), factor);
                let moved = _mm_add_epi32(_mm_loadu_si128(weights.as_ptr().cast()), step);
                _mm_storeu_si128(weights.as_mut_ptr().cast(), moved);
            }
        }
        Portable::train(last_inputs, last_weights, error);
    }

    /// Four inputs as the upper halves of words whose lower halves are 0. A product of such words, half by half, is
    /// that of the upper halves.
    #[inline]
    fn upper(inputs: &[i16; 4]) -> __m128i {
        // SAFETY: x86-64 has SSE2, and the load reads the 8 bytes of the array.
        unsafe { _mm_unpacklo_epi16(_mm_setzero_si128(), _mm_loadl_epi64(inputs.as_ptr().cast())) }
    }
}

#[cfg(test)]
mod tests {
    use equalinfo_codec::mix::{Alone, Encoder, Shape, WithShape};

    use super::*;
    use crate::random::Random;

    #[test]
    fn loops_give_the_bits_of_the_codec() {
        let mut random = Random::new(1);
        let mut extremes = |bound: i32| match random.below(4) {
            0 => -bound,
            1 => bound - 1,
            _ => ((random.below(1 << 16) as i32 - (1 << 15)) * bound) >> 15,
        };
        for round in 0..2_000 {
            let length = round % 9 * 4;
            let inputs: Vec<i16> = (0..length).map(|_| extremes(2048) as i16).collect();
            let weights: Vec<u32> = (0..length).map(|_| extremes(1 << 15) as u32).collect();
            let weights: Vec<u32> = weights.iter().map(|upper| upper << 16 | extremes(1 << 15) as u16 as u32).collect();
            let error = extremes(1 << 15) as i16;
            assert_eq!(Vectors::dot(&inputs, &weights), Portable::dot(&inputs, &weights));
            let (mut found, mut expected) = (weights.clone(), weights);
            Vectors::train(&inputs, &mut found, error);
            Portable::train(&inputs, &mut expected, error);
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn codes_are_those_of_the_codec() {
        struct Code<'t>(&'t [u8]);
        impl WithShape for Code<'_> {
            type Output = Vec<u8>;

            fn with<S: Shape>(self) -> Vec<u8> {
                let mut memory = vec![0; S::WORDS];
                let mut code = Vec::new();
                let mut encoder = Encoder::<S, Alone>::new(Alone, &mut memory, None).unwrap();
                for &byte in self.0 {
                    encoder.encode(byte, &mut |byte| code.push(byte));
                }
                encoder.finish(&mut |byte| code.push(byte));
                code
            }
        }
        let text = &include_bytes!("../../tests/data/alice29.txt")[..30_000];
        for class in Class::ALL {
            assert!(class.with_loops::<Vectors, _>(Code(text)) == class.with(Code(text)), "{class:?}");
        }
    }
}
