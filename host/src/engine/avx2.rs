//! The inner loops with AVX2, and with AVX-VNNI where the processor has it.
//!
//! `vpmaddubsw` multiplies unsigned by signed bytes and saturates sums of two products. Neither activations nor weights
//! reach -128, so with the activations' signs moved to the weights nothing does: `2 * 127 * 127` fits 16 bits.
//! `vpdpbusd` does not saturate, and takes activations with a bias of 128, which accumulators start without. Keys and
//! values are widened to 16 bits, as weights of positions have 15. Activations are plain `i8`.

use std::arch::x86_64::*;

use equalinfo_codec::Frequencies;
use equalinfo_codec::m1::Requantizer;
use equalinfo_codec::m1::image::{LOGIT_SHIFT, RESIDUAL_SHIFT, SCORE_SHIFT};

use super::loops::{Head, Loops, Powers, Scratch, loops_by_functions, norm_inverse, output_requantizer};
use super::packed::{PackedMatrix, Packing, parts};

/// The blocks of rows whose lines alternate.
const BLOCKS: usize = 4;

/// Proof that the processor has AVX2.
#[derive(Clone, Copy)]
pub struct Avx2 {
    /// Whether it has AVX-VNNI too, and products use it.
    vnni: bool,
}

impl Avx2 {
    /// Detects AVX2 and AVX-VNNI.
    pub fn detect_with_vnni() -> Option<Self> {
        Self::detect().filter(|_| is_x86_feature_detected!("avxvnni")).map(|_| Self { vnni: true })
    }

    pub fn detect() -> Option<Self> {
        is_x86_feature_detected!("avx2").then_some(Self { vnni: false })
    }
}

macro_rules! kernel {
    ($(#[$doc:meta])* fn $name:ident $(<$(const $c:ident: $t:ty),*>)? ($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)? $body:block) => {
        $(#[$doc])*
        #[inline]
        #[target_feature(enable = "avx2")]
        fn $name $(<$(const $c: $t),*>)? ($($argument: $type),*) $(-> $result)? $body
    };
}

kernel! { fn load(words: &[i32; 8]) -> __m256i {
    // SAFETY: an unaligned load of 32 bytes that the reference covers.
    unsafe { _mm256_loadu_si256(words.as_ptr().cast()) }
} }

kernel! { fn store(words: &mut [i32; 8], x: __m256i) {
    // SAFETY: an unaligned store of 32 bytes that the reference covers.
    unsafe { _mm256_storeu_si256(words.as_mut_ptr().cast(), x) }
} }

kernel! {
    /// Widens sixteen bytes to 16-bit numbers.
    fn widen(bytes: &[i8; 16]) -> __m256i {
        // SAFETY: an unaligned load of 16 bytes that the reference covers.
        _mm256_cvtepi8_epi16(unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) })
    }
}

kernel! {
    /// Broadcasts two activations to every lane as 16-bit numbers.
    fn broadcast(pair: [u8; 2]) -> __m256i {
        _mm256_cvtepi8_epi16(_mm_set1_epi16(i16::from_le_bytes(pair)))
    }
}

kernel! { fn gather(powers: &[i32; 256], index: __m256i) -> __m256i {
    let index = _mm256_and_si256(index, _mm256_set1_epi32(255));
    // SAFETY: every index is below 256.
    unsafe { _mm256_i32gather_epi32::<4>(powers.as_ptr(), index) }
} }

kernel! { fn lanes(x: __m256i) -> [i32; 8] {
    let mut lanes = [0; 8];
    store(&mut lanes, x);
    lanes
} }

kernel! {
    /// `Requantizer::apply` in every lane, given `multiplier` and `shift - 16`.
    fn requantize(x: __m256i, multiplier: __m256i, shift: __m256i) -> __m256i {
        let high = _mm256_madd_epi16(x, _mm256_slli_epi32::<16>(multiplier));
        let low = _mm256_mulhi_epu16(x, multiplier);
        let half = _mm256_sllv_epi32(_mm256_set1_epi32(1), _mm256_sub_epi32(shift, _mm256_set1_epi32(1)));
        _mm256_srav_epi32(_mm256_add_epi32(_mm256_add_epi32(high, low), half), shift)
    }
}

kernel! { fn splat(requantizer: Requantizer) -> (__m256i, __m256i) {
    let (multiplier, shift) = (requantizer.multiplier(), requantizer.shift());
    (_mm256_set1_epi32(multiplier.into()), _mm256_set1_epi32(i32::from(shift) - 16))
} }

kernel! { fn clamp(x: __m256i, limit: i32) -> __m256i {
    _mm256_max_epi32(_mm256_min_epi32(x, _mm256_set1_epi32(limit)), _mm256_set1_epi32(-limit))
} }

kernel! {
    /// Stores the lanes clamped to 8 bits.
    fn store_activations(out: &mut [u8; 8], x: __m256i) {
        let words = _mm256_packs_epi32(clamp(x, 127), _mm256_setzero_si256());
        let bytes = _mm256_packs_epi16(words, words);
        let (low, high) = (_mm256_extract_epi32::<0>(bytes), _mm256_extract_epi32::<4>(bytes));
        *out = (u64::from(low as u32) | u64::from(high as u32) << 32).to_le_bytes();
    }
}

kernel! { fn load_half(line: &[i8; 32]) -> __m256i {
    // SAFETY: an unaligned load of 32 bytes that the reference covers.
    unsafe { _mm256_loadu_si256(line.as_ptr().cast()) }
} }

kernel! {
    /// Four activations in every lane, with their signs and without.
    fn signed(group: [u8; 4]) -> [__m256i; 2] {
        let input = _mm256_set1_epi32(i32::from_le_bytes(group));
        [input, _mm256_abs_epi8(input)]
    }
}

kernel! { fn dot_signed(sum: __m256i, input: [__m256i; 2], weights: __m256i) -> __m256i {
    let [input, magnitude] = input;
    let pairs = _mm256_maddubs_epi16(magnitude, _mm256_sign_epi8(weights, input));
    _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
} }

kernel! {
    /// Four activations in every lane, with a bias of 128.
    fn biased(group: [u8; 4]) -> __m256i {
        _mm256_xor_si256(_mm256_set1_epi32(i32::from_le_bytes(group)), _mm256_set1_epi8(-128))
    }
}

#[inline]
#[target_feature(enable = "avx2,avxvnni")]
fn dot_biased(sum: __m256i, input: __m256i, weights: __m256i) -> __m256i {
    _mm256_dpbusd_avx_epi32(sum, input, weights)
}

/// Products of matrices by one way to multiply: `operand` makes four activations ready, `dot` adds their products with
/// the weights of 8 rows, and `start` is what the sums of 8 rows
/// begin with, given their offsets.
macro_rules! products {
    ($features:literal, $pair:ident, $single:ident, $operand:ident, $dot:ident, $start:expr) => {
        /// Computes the dot products of two activation vectors with every row, 32 rows at a time, and passes them to
        /// `done` as (item, block of 8 rows, sums).
        #[inline]
        #[target_feature(enable = $features)]
        fn $pair(matrix: &PackedMatrix, inputs: &[u8], mut done: impl FnMut(usize, usize, __m256i)) {
            let (first, second) = inputs.split_at(matrix.width);
            let inputs = first.as_chunks::<4>().0.iter().zip(second.as_chunks::<4>().0);
            let offsets = matrix.offsets.as_chunks::<8>().0.as_chunks::<BLOCKS>().0;
            for (part, (weights, offsets)) in
                parts::<32>(&matrix.weights).chunks_exact(matrix.width).zip(offsets).enumerate()
            {
                let start: [__m256i; BLOCKS] = core::array::from_fn(|block| $start(&offsets[block]));
                let mut sums = [start; 2];
                for ((first, second), weights) in inputs.clone().zip(weights.as_chunks::<BLOCKS>().0) {
                    let inputs = [$operand(*first), $operand(*second)];
                    for (block, weights) in weights.iter().enumerate() {
                        let weights = load_half(weights);
                        for (sums, input) in sums.iter_mut().zip(inputs) {
                            sums[block] = $dot(sums[block], input, weights);
                        }
                    }
                }
                for (item, sums) in sums.into_iter().enumerate() {
                    for (block, sum) in sums.into_iter().enumerate() {
                        done(item, BLOCKS * part + block, sum);
                    }
                }
            }
        }

        /// The same of one vector, with two sums a row: the next product need not wait for the last.
        #[inline]
        #[target_feature(enable = $features)]
        fn $single(matrix: &PackedMatrix, input: &[u8], mut done: impl FnMut(usize, __m256i)) {
            let offsets = matrix.offsets.as_chunks::<8>().0.as_chunks::<BLOCKS>().0;
            for (part, (weights, offsets)) in
                parts::<32>(&matrix.weights).chunks_exact(matrix.width).zip(offsets).enumerate()
            {
                let mut even: [__m256i; BLOCKS] = core::array::from_fn(|block| $start(&offsets[block]));
                let mut odd = [_mm256_setzero_si256(); BLOCKS];
                let groups = input.as_chunks::<4>().0.as_chunks::<2>().0.iter();
                for (input, weights) in groups.zip(weights.as_chunks::<BLOCKS>().0.as_chunks::<2>().0) {
                    let (first, second) = ($operand(input[0]), $operand(input[1]));
                    for (sum, weights) in even.iter_mut().zip(&weights[0]) {
                        *sum = $dot(*sum, first, load_half(weights));
                    }
                    for (sum, weights) in odd.iter_mut().zip(&weights[1]) {
                        *sum = $dot(*sum, second, load_half(weights));
                    }
                }
                for (block, (even, odd)) in even.into_iter().zip(odd).enumerate() {
                    done(BLOCKS * part + block, _mm256_add_epi32(even, odd));
                }
            }
        }
    };
}

products!("avx2", pair_signed, single_signed, signed, dot_signed, |_| _mm256_setzero_si256());
products!("avx2,avxvnni", pair_biased, single_biased, biased, dot_biased, |offsets| load(offsets));

/// Products of any number of items; `done` receives requantized rows of inputs scaled by `2^SCALE`.
#[inline]
#[target_feature(enable = "avx2")]
fn rows<const SCALE: i32>(
    vnni: bool,
    matrix: &PackedMatrix,
    inputs: &[u8],
    mut done: impl FnMut(usize, usize, __m256i),
) {
    let (multipliers, shifts) = (matrix.multipliers.as_chunks::<8>().0, matrix.shifts.as_chunks::<8>().0);
    let mut requantized = |item: usize, block: usize, sums: __m256i| {
        let sums = _mm256_slli_epi32::<SCALE>(sums);
        done(item, block, requantize(sums, load(&multipliers[block]), load(&shifts[block])));
    };
    let mut pairs = inputs.chunks_exact(2 * matrix.width);
    let last = 2 * pairs.len();
    for (pair, inputs) in pairs.by_ref().enumerate() {
        let done = |item, block, sums| requantized(2 * pair + item, block, sums);
        // SAFETY: `vnni` is set only if the processor has AVX-VNNI.
        if vnni { unsafe { pair_biased(matrix, inputs, done) } } else { pair_signed(matrix, inputs, done) }
    }
    for input in pairs.remainder().chunks_exact(matrix.width) {
        let done = |block, sums| requantized(last, block, sums);
        // SAFETY: as above.
        if vnni { unsafe { single_biased(matrix, input, done) } } else { single_signed(matrix, input, done) }
    }
}

kernel! { fn norm(residual: &[i32], constant: u32, out: &mut [u8]) {
    let residual = residual.as_chunks::<8>().0;
    let mut largest = _mm256_setzero_si256();
    for x in residual {
        largest = _mm256_max_epu32(largest, _mm256_abs_epi32(load(x)));
    }
    let largest = lanes(largest).into_iter().fold(0, |largest, lane| largest.max(lane as u32));
    let shift = 32 - largest.leading_zeros() as i32 - 15;
    // One of the two shift counts is zero.
    let (left, right) = (_mm256_set1_epi32((-shift).max(0)), _mm256_set1_epi32(shift.max(0)));
    let mut squares = _mm256_setzero_si256();
    for x in residual {
        let y = _mm256_srav_epi32(_mm256_sllv_epi32(load(x), left), right);
        let odd = _mm256_srli_epi64::<32>(y);
        squares = _mm256_add_epi64(squares, _mm256_add_epi64(_mm256_mul_epi32(y, y), _mm256_mul_epi32(odd, odd)));
    }
    let halves = lanes(squares).as_chunks::<2>().0.iter().fold(0u64, |sum, half| sum + (u64::from(half[0] as u32) | (half[1] as u64) << 32));
    let inverse = _mm256_set1_epi32(norm_inverse(constant, halves));
    for (x, out) in residual.iter().zip(out.as_chunks_mut::<8>().0) {
        let y = _mm256_srav_epi32(_mm256_sllv_epi32(load(x), left), right);
        let product = _mm256_add_epi32(_mm256_mullo_epi32(y, inverse), _mm256_set1_epi32(1 << 19));
        store_activations(out, _mm256_srai_epi32::<20>(product));
    }
} }

kernel! { fn linear(vnni: bool, matrix: &PackedMatrix, inputs: &[u8], out: &mut [u8]) {
    let (out, blocks) = (out.as_chunks_mut::<8>().0, matrix.rows / 8);
    rows::<0>(vnni, matrix, inputs, |item, block, x| store_activations(&mut out[item * blocks + block], x));
} }

kernel! { fn linear_add(vnni: bool, matrix: &PackedMatrix, inputs: &[u8], residual: &mut [i32]) {
    let (residual, blocks) = (residual.as_chunks_mut::<8>().0, matrix.rows / 8);
    rows::<{ RESIDUAL_SHIFT as i32 }>(vnni, matrix, inputs, |item, block, x| {
        let place = &mut residual[item * blocks + block];
        store(place, _mm256_add_epi32(load(place), x));
    });
} }

kernel! { fn gated(
    vnni: bool,
    gate: &PackedMatrix,
    linear: &PackedMatrix,
    reglu: Requantizer,
    inputs: &[u8],
    scratch: &mut [i32],
    out: &mut [u8],
) {
    let (scratch, out) = (scratch.as_chunks_mut::<8>().0, out.as_chunks_mut::<8>().0);
    let blocks = gate.rows / 8;
    let (multiplier, shift) = splat(reglu);
    rows::<0>(vnni, gate, inputs, |item, block, x| {
        let x = _mm256_max_epi32(_mm256_min_epi32(x, _mm256_set1_epi32(32767)), _mm256_setzero_si256());
        store(&mut scratch[item * blocks + block], x);
    });
    rows::<0>(vnni, linear, inputs, |item, block, x| {
        let place = item * blocks + block;
        // Both factors fit 16 bits and the gate is not negative: its upper half is zero, so this is the plain product.
        let product = _mm256_madd_epi16(load(&scratch[place]), clamp(x, 32767));
        store_activations(&mut out[place], requantize(product, multiplier, shift));
    });
} }

kernel! { fn logits(vnni: bool, matrix: &PackedMatrix, inputs: &[u8], out: &mut [i32]) {
    let (out, blocks) = (out.as_chunks_mut::<8>().0, matrix.rows / 8);
    rows::<{ LOGIT_SHIFT as i32 }>(vnni, matrix, inputs, |item, block, x| store(&mut out[item * blocks + block], x));
} }

kernel! {
    /// The running sum over the lanes, up to and including each.
    fn running_sum(x: __m256i) -> __m256i {
        let sum = _mm256_add_epi32(x, _mm256_slli_si256::<4>(x));
        let sum = _mm256_add_epi32(sum, _mm256_slli_si256::<8>(sum));
        // The lower half's total, in every lane of the upper half.
        let lower = _mm256_permute2x128_si256::<0x08>(sum, sum);
        _mm256_add_epi32(sum, _mm256_shuffle_epi32::<0xff>(lower))
    }
}

kernel! { fn frequencies(logits: &[i32; 256], powers: &Powers) -> Frequencies {
    let logits = logits.as_chunks::<8>().0;
    let mut largest = load(&logits[0]);
    for x in logits {
        largest = _mm256_max_epi32(largest, load(x));
    }
    let largest = _mm256_set1_epi32(lanes(largest).into_iter().fold(i32::MIN, i32::max));
    let mut weights = [_mm256_setzero_si256(); 32];
    let mut total = _mm256_setzero_si256();
    for (weight, x) in weights.iter_mut().zip(logits) {
        let t = _mm256_sub_epi32(largest, load(x));
        *weight = _mm256_srlv_epi32(gather(&powers.words, t), _mm256_srli_epi32::<8>(t));
        total = _mm256_add_epi32(total, *weight);
    }
    // The largest logit has weight 65535, so the total is not zero.
    let total: u64 = lanes(total).into_iter().map(|lane| u64::from(lane as u32)).sum::<u64>().max(1);
    let inverse = _mm256_set1_epi64x(((65024u64 << 24) / total) as i64);
    let minimum = _mm256_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14);
    let mut below = _mm256_setzero_si256();
    let mut starts = [0u16; 256];
    for ((i, weight), out) in (0..).zip(weights).zip(starts.as_chunks_mut::<8>().0) {
        let sum = running_sum(weight);
        let exclusive = _mm256_add_epi32(_mm256_sub_epi32(sum, weight), below);
        below = _mm256_add_epi32(below, _mm256_permutevar8x32_epi32(sum, _mm256_set1_epi32(7)));
        let even = _mm256_srli_epi64::<24>(_mm256_mul_epu32(exclusive, inverse));
        let odd = _mm256_slli_epi64::<8>(_mm256_mul_epu32(_mm256_srli_epi64::<32>(exclusive), inverse));
        let share = _mm256_blend_epi32::<0xaa>(even, odd);
        let start = _mm256_add_epi32(share, _mm256_add_epi32(minimum, _mm256_set1_epi32(16 * i)));
        for (out, start) in out.iter_mut().zip(lanes(start)) {
            *out = start as u16;
        }
    }
    Frequencies::from_starts(starts).expect("weights share what the minimum leaves")
} }

kernel! { fn attend(head: &Head, query: &[u8; 64], scratch: &mut Scratch, out: &mut [u8; 64]) {
    let mut inputs = [_mm256_setzero_si256(); 32];
    for (input, pair) in inputs.iter_mut().zip(query.as_chunks::<2>().0) {
        *input = broadcast(*pair);
    }
    let (multiplier, shift) = splat(head.score);
    let blocks = head.length.div_ceil(8);
    let mut largest = _mm256_set1_epi32(i32::MIN);
    let places = parts::<16>(&head.cache.keys).as_chunks::<32>().0.iter().zip(head.biases.as_chunks::<8>().0);
    let scores = scratch.scores.as_chunks_mut::<8>().0;
    for (block, ((keys, biases), scores)) in places.zip(scores).take(blocks).enumerate() {
        let (mut even, mut odd) = (_mm256_setzero_si256(), _mm256_setzero_si256());
        for (keys, inputs) in keys.as_chunks::<2>().0.iter().zip(inputs.as_chunks::<2>().0) {
            even = _mm256_add_epi32(even, _mm256_madd_epi16(widen(&keys[0]), inputs[0]));
            odd = _mm256_add_epi32(odd, _mm256_madd_epi16(widen(&keys[1]), inputs[1]));
        }
        let product = _mm256_slli_epi32::<{ SCORE_SHIFT as i32 }>(_mm256_add_epi32(even, odd));
        let score = _mm256_add_epi32(requantize(product, multiplier, shift), load(biases));
        // Lanes of the last block beyond the newest position: far enough below any score for a weight of zero, but not
        // so far that a difference overflows.
        let filled = _mm256_cmpgt_epi32(_mm256_set1_epi32((head.length - 8 * block) as i32), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
        let score = _mm256_blendv_epi8(_mm256_set1_epi32(-(1 << 30)), score, filled);
        largest = _mm256_max_epi32(largest, score);
        store(scores, score);
    }
    let largest = _mm256_set1_epi32(lanes(largest).into_iter().fold(i32::MIN, i32::max));
    let mut total = _mm256_setzero_si256();
    for (score, weights) in scratch.scores.as_chunks::<8>().0.iter().zip(scratch.high.as_chunks_mut::<16>().0).take(blocks) {
        let t = _mm256_sub_epi32(largest, load(score));
        let halved = _mm256_add_epi32(_mm256_srli_epi32::<8>(t), _mm256_set1_epi32(1));
        let weight = _mm256_srlv_epi32(gather(&head.powers.words, t), halved);
        total = _mm256_add_epi32(total, weight);
        let packed = _mm256_permute4x64_epi64::<0b1000>(_mm256_packus_epi32(weight, weight));
        // SAFETY: an unaligned store of 16 bytes that the reference covers.
        unsafe { _mm_storeu_si128(weights.as_mut_ptr().cast(), _mm256_castsi256_si128(packed)) };
    }
    let mut sums = [_mm256_setzero_si256(); 8];
    let pairs = scratch.high.as_chunks::<4>().0.iter().zip(parts::<16>(&head.cache.values).as_chunks::<8>().0);
    for (weights, values) in pairs.take(head.length.div_ceil(2)) {
        let weights = _mm256_set1_epi32(i32::from_le_bytes(*weights));
        for (sum, values) in sums.iter_mut().zip(values) {
            *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(widen(values), weights));
        }
    }
    let total = lanes(total).into_iter().fold(0, |sum, lane| sum + lane as u32);
    let (multiplier, shift) = output_requantizer(head.output, total);
    let (multiplier, shift) = (_mm256_set1_epi32(multiplier), _mm256_set1_epi32(shift));
    for (out, sum) in out.as_chunks_mut::<8>().0.iter_mut().zip(sums) {
        store_activations(out, requantize(sum, multiplier, shift));
    }
} }

impl Loops for Avx2 {
    const PACKING: Packing = Packing { lanes: 8, group: 4, blocks: BLOCKS };
    const CACHE: Packing = Packing { lanes: 8, group: 2, blocks: 1 };

    loops_by_functions!(vnni);

    fn plain(self, activations: &[u8; 64]) -> [i8; 64] {
        activations.map(|a| a as i8)
    }

    fn attend(self, head: &Head, query: &[u8; 64], scratch: &mut Scratch, out: &mut [u8; 64]) {
        // SAFETY: a value of this type exists only if the processor has AVX2.
        unsafe { attend(head, query, scratch, out) }
    }
}
