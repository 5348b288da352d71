//! The inner loops with AVX-512 and VNNI.
//!
//! `vpdpbusd` multiplies unsigned by signed bytes, so activations carry a bias of 128 (their sign bit flipped) and
//! accumulators start at `-128 *` the sum of the weights. All sums are exact in 32 bits, so nothing else differs from
//! the contract.

use std::arch::asm;
use std::arch::x86_64::*;

use equalinfo_codec::Frequencies;
use equalinfo_codec::m1::Requantizer;
use equalinfo_codec::m1::image::{LOGIT_SHIFT, RESIDUAL_SHIFT, SCORE_SHIFT};

use super::amx;
use super::loops::{Head, Loops, Powers, Scratch, loops_by_functions, norm_inverse, output_requantizer};
use super::packed::{HeadCache, Line, PackedMatrix, Packing};
use super::tiles::Tiles;

/// Proof that the processor has AVX-512 F, BW, VL, DQ and VNNI.
#[derive(Clone, Copy)]
pub struct Avx512 {
    /// Whether products of many items use the tile unit.
    tiles: bool,
}

impl Avx512 {
    /// Detects the features, and uses the tile unit for products of many items.
    pub fn detect_with_tiles() -> Option<Self> {
        Self::detect().filter(|_| amx::available()).map(|_| Self { tiles: true })
    }

    pub fn detect() -> Option<Self> {
        let present = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vnni");
        present.then_some(Self { tiles: false })
    }
}

macro_rules! kernel {
    ($(#[$doc:meta])* fn $name:ident $(<$(const $c:ident: $t:ty),*>)? ($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)? $body:block) => {
        $(#[$doc])*
        #[inline]
        #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
        fn $name $(<$(const $c: $t),*>)? ($($argument: $type),*) $(-> $result)? $body
    };
}

kernel! { fn load(words: &[i32; 16]) -> __m512i {
    // SAFETY: an unaligned load of 64 bytes that the reference covers.
    unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
} }

kernel! { fn load_line(line: &Line) -> __m512i {
    // SAFETY: an aligned load of a line's 64 bytes, which are aligned to 64.
    unsafe { _mm512_load_si512(line.0.as_ptr().cast()) }
} }

/// Lines of a matrix from which on the second-level cache does not hold a model that has such matrices.
const LARGE: usize = 1024;

kernel! {
    /// Asks for the lines that come a while after these.
    fn fetch(lines: &[Line]) {
        const AHEAD: usize = 40;
        for line in lines {
            // A hint, for whatever address.
            _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(line).wrapping_add(AHEAD).cast());
        }
    }
}

kernel! { fn fours(words: &[[i32; 16]]) -> [__m512i; 4] {
    [load(&words[0]), load(&words[1]), load(&words[2]), load(&words[3])]
} }

kernel! { fn store(words: &mut [i32; 16], x: __m512i) {
    // SAFETY: an unaligned store of 64 bytes that the reference covers.
    unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), x) }
} }

kernel! { fn store_bytes(bytes: &mut [u8; 16], x: __m128i) {
    // SAFETY: an unaligned store of 16 bytes that the reference covers.
    unsafe { _mm_storeu_si128(bytes.as_mut_ptr().cast(), x) }
} }

kernel! {
    /// The power that the low 8 bits of each lane stand for. Permutations of the table, which fills eight registers,
    /// take less time than a gather.
    fn power(powers: &Powers, index: __m512i) -> __m512i {
        let halves = powers.halves.as_chunks::<32>().0;
        let pair = |first: usize| {
            // SAFETY: unaligned loads of 64 bytes that the references cover.
            let [low, high] = [0, 1].map(|i| unsafe { _mm512_loadu_si512(halves[first + i].as_ptr().cast()) });
            _mm512_permutex2var_epi16(low, index, high)
        };
        let (sixth, seventh) = (_mm512_set1_epi32(64), _mm512_set1_epi32(128));
        let (sixth, seventh) = (_mm512_test_epi16_mask(index, sixth), _mm512_test_epi16_mask(index, seventh));
        let low = _mm512_mask_mov_epi16(pair(0), sixth, pair(2));
        let high = _mm512_mask_mov_epi16(pair(4), sixth, pair(6));
        // The upper halves of the lanes are other numbers' business.
        _mm512_maskz_mov_epi16(0x5555_5555, _mm512_mask_mov_epi16(low, seventh, high))
    }
}

kernel! {
    /// `_mm512_mulhi_epu16`, which LLVM would take apart into six instructions, as it sees that half of the factors are
    /// zero.
    fn mulhi(x: __m512i, y: __m512i) -> __m512i {
        let product;
        // SAFETY: the instruction reads and writes registers alone.
        unsafe {
            asm!("vpmulhuw {}, {}, {}", lateout(zmm_reg) product, in(zmm_reg) x, in(zmm_reg) y,
                 options(pure, nomem, nostack));
        }
        product
    }
}

kernel! {
    /// `Requantizer::apply` in every lane, given `multiplier` and `shift - 16`.
    fn requantize(x: __m512i, multiplier: __m512i, shift: __m512i) -> __m512i {
        let high = _mm512_madd_epi16(x, _mm512_slli_epi32::<16>(multiplier));
        let low = mulhi(x, multiplier);
        let half = _mm512_sllv_epi32(_mm512_set1_epi32(1), _mm512_sub_epi32(shift, _mm512_set1_epi32(1)));
        _mm512_srav_epi32(_mm512_add_epi32(_mm512_add_epi32(high, low), half), shift)
    }
}

kernel! { fn splat(requantizer: Requantizer) -> (__m512i, __m512i) {
    let (multiplier, shift) = (requantizer.multiplier(), requantizer.shift());
    (_mm512_set1_epi32(multiplier.into()), _mm512_set1_epi32(i32::from(shift) - 16))
} }

kernel! { fn clamp(x: __m512i, limit: i32) -> __m512i {
    _mm512_max_epi32(_mm512_min_epi32(x, _mm512_set1_epi32(limit)), _mm512_set1_epi32(-limit))
} }

kernel! {
    /// Clamps to 8 bits and adds the bias of 128.
    fn activations(x: __m512i) -> __m128i {
        _mm_xor_si128(_mm512_cvtepi32_epi8(clamp(x, 127)), _mm_set1_epi8(-128))
    }
}

/// Computes the dot products of `ITEMS` activation vectors with every row, 64 rows at a time, and passes them to `done`
/// as (item, block of 16 rows, sums).
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
fn products<const ITEMS: usize>(matrix: &PackedMatrix, inputs: &[u8], mut done: impl FnMut(usize, usize, __m512i)) {
    let groups = matrix.width / 4;
    let inputs: [&[[u8; 4]]; ITEMS] =
        core::array::from_fn(|item| &inputs[item * matrix.width..][..matrix.width].as_chunks::<4>().0[..groups]);
    let offsets = matrix.offsets.as_chunks::<16>().0;
    for (quad, (weights, offsets)) in matrix.weights.chunks_exact(4 * groups).zip(offsets.chunks_exact(4)).enumerate() {
        let mut sums = [fours(offsets); ITEMS];
        for (group, weights) in weights.as_chunks::<4>().0.iter().enumerate() {
            let weights =
                [load_line(&weights[0]), load_line(&weights[1]), load_line(&weights[2]), load_line(&weights[3])];
            for (sums, input) in sums.iter_mut().zip(&inputs) {
                let input = _mm512_set1_epi32(i32::from_le_bytes(input[group]));
                for (sum, weights) in sums.iter_mut().zip(weights) {
                    *sum = _mm512_dpbusd_epi32(*sum, input, weights);
                }
            }
        }
        for (item, sums) in sums.into_iter().enumerate() {
            for (i, sum) in sums.into_iter().enumerate() {
                done(item, 4 * quad + i, sum);
            }
        }
    }
}

/// [`products`] of one item. Each row has two sums, as the unit is done with four long before the first one is there.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
fn product<const FETCH: bool>(matrix: &PackedMatrix, input: &[u8], mut done: impl FnMut(usize, __m512i)) {
    let offsets = matrix.offsets.as_chunks::<16>().0.chunks_exact(4);
    for (quad, (weights, offsets)) in matrix.weights.chunks_exact(matrix.width).zip(offsets).enumerate() {
        let mut even = fours(offsets);
        let mut odd = [_mm512_setzero_si512(); 4];
        for (input, lines) in input.as_chunks::<8>().0.iter().zip(weights.as_chunks::<8>().0) {
            let input = u64::from_le_bytes(*input);
            let (first, second) = (_mm512_set1_epi32(input as i32), _mm512_set1_epi32((input >> 32) as i32));
            if FETCH {
                fetch(lines);
            }
            let (lines, more) = lines.split_at(4);
            for (sum, line) in even.iter_mut().zip(lines) {
                *sum = _mm512_dpbusd_epi32(*sum, first, load_line(line));
            }
            for (sum, line) in odd.iter_mut().zip(more) {
                *sum = _mm512_dpbusd_epi32(*sum, second, load_line(line));
            }
        }
        for (i, (even, odd)) in even.into_iter().zip(odd).enumerate() {
            done(4 * quad + i, _mm512_add_epi32(even, odd));
        }
    }
}

/// [`products`] for any number of items, on the tile unit if `tiles` is set; `done` receives requantized rows of inputs
/// scaled by `2^SCALE`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
fn rows<const SCALE: u32>(
    tiles: bool,
    matrix: &PackedMatrix,
    inputs: &[u8],
    mut done: impl FnMut(usize, usize, __m512i),
) {
    let (multipliers, shifts) = (matrix.multipliers.as_chunks::<16>().0, matrix.shifts.as_chunks::<16>().0);
    let blocks = (matrix.rows / 16).min(multipliers.len()).min(shifts.len());
    let mut requantized = |item: usize, block: usize, sums: __m512i| {
        if block < blocks {
            let sums = _mm512_slli_epi32::<SCALE>(sums);
            done(item, block, requantize(sums, load(&multipliers[block]), load(&shifts[block])));
        }
    };
    let mut first = 0;
    let mut inputs = inputs;
    let tiled = inputs.len() / matrix.width / amx::TILE * amx::TILE;
    if tiles
        && tiled > 0
        && let Some(tiles) = Tiles::configure()
    {
        let (now, rest) = inputs.split_at(tiled * matrix.width);
        let offsets = matrix.offsets.as_chunks::<16>().0;
        amx::products(&tiles, matrix, now, |item, block, sums| {
            requantized(item, block, _mm512_add_epi32(load(sums), load(&offsets[block])))
        });
        (first, inputs) = (tiled, rest);
    }
    let mut quads = inputs.chunks_exact(4 * matrix.width);
    for quad in &mut quads {
        products::<4>(matrix, quad, |item, block, sums| requantized(first + item, block, sums));
        first += 4;
    }
    for single in quads.remainder().chunks_exact(matrix.width) {
        if matrix.weights.len() < LARGE {
            product::<false>(matrix, single, |block, sums| requantized(first, block, sums));
        } else {
            product::<true>(matrix, single, |block, sums| requantized(first, block, sums));
        }
        first += 1;
    }
}

kernel! { fn norm(residual: &[i32], constant: u32, out: &mut [u8]) {
    let residual = residual.as_chunks::<16>().0;
    let mut largest = _mm512_setzero_si512();
    for x in residual {
        largest = _mm512_max_epu32(largest, _mm512_abs_epi32(load(x)));
    }
    let shift = 32 - _mm512_reduce_max_epu32(largest).leading_zeros() as i32 - 15;
    // One of the two shift counts is zero.
    let (left, right) = (_mm512_set1_epi32((-shift).max(0)), _mm512_set1_epi32(shift.max(0)));
    let mut squares = _mm512_setzero_si512();
    for x in residual {
        let y = _mm512_srav_epi32(_mm512_sllv_epi32(load(x), left), right);
        let odd = _mm512_srli_epi64::<32>(y);
        squares = _mm512_add_epi64(squares, _mm512_add_epi64(_mm512_mul_epi32(y, y), _mm512_mul_epi32(odd, odd)));
    }
    let inverse = _mm512_set1_epi32(norm_inverse(constant, _mm512_reduce_add_epi64(squares) as u64));
    for (x, out) in residual.iter().zip(out.as_chunks_mut::<16>().0) {
        let y = _mm512_srav_epi32(_mm512_sllv_epi32(load(x), left), right);
        let product = _mm512_add_epi32(_mm512_mullo_epi32(y, inverse), _mm512_set1_epi32(1 << 19));
        store_bytes(out, activations(_mm512_srai_epi32::<20>(product)));
    }
} }

kernel! { fn linear(tiles: bool, matrix: &PackedMatrix, inputs: &[u8], out: &mut [u8]) {
    let (out, blocks) = (out.as_chunks_mut::<16>().0, matrix.rows / 16);
    rows::<0>(tiles, matrix, inputs, |item, block, x| store_bytes(&mut out[item * blocks + block], activations(x)));
} }

kernel! { fn linear_add(tiles: bool, matrix: &PackedMatrix, inputs: &[u8], residual: &mut [i32]) {
    let (residual, blocks) = (residual.as_chunks_mut::<16>().0, matrix.rows / 16);
    rows::<RESIDUAL_SHIFT>(tiles, matrix, inputs, |item, block, x| {
        let place = &mut residual[item * blocks + block];
        store(place, _mm512_add_epi32(load(place), x));
    });
} }

kernel! {
    /// The ReGLU of one item: both halves in one pass, so that each input is read once for eight products.
    fn gated_one<const FETCH: bool>(
        gate: &PackedMatrix,
        linear: &PackedMatrix,
        reglu: Requantizer,
        input: &[u8],
        out: &mut [u8],
    ) {
        let lines = gate.width;
        let (multiplier, shift) = splat(reglu);
        let halves = gate.weights.chunks_exact(lines).zip(linear.weights.chunks_exact(lines));
        let rows = [gate, linear].map(|half| {
            let [offsets, multipliers, shifts] =
                [&half.offsets, &half.multipliers, &half.shifts].map(|all| all.as_chunks::<16>().0.chunks_exact(4));
            offsets.zip(multipliers.zip(shifts))
        });
        let [gates, linears] = rows;
        let rows = halves.zip(gates.zip(linears)).zip(out.as_chunks_mut::<16>().0.chunks_exact_mut(4));
        for (((gate, linear), (gates, linears)), out) in rows {
            let mut sums = [gates.0, linears.0].map(|offsets| fours(offsets));
            let lines = gate.as_chunks::<4>().0.iter().zip(linear.as_chunks::<4>().0);
            for (input, (gate, linear)) in input.as_chunks::<4>().0.iter().zip(lines) {
                let input = _mm512_set1_epi32(i32::from_le_bytes(*input));
                if FETCH {
                    fetch(gate);
                    fetch(linear);
                }
                for (sums, lines) in sums.iter_mut().zip([gate, linear]) {
                    for (sum, line) in sums.iter_mut().zip(lines) {
                        *sum = _mm512_dpbusd_epi32(*sum, input, load_line(line));
                    }
                }
            }
            let [gate, linear] = sums;
            for (i, out) in out.iter_mut().enumerate() {
                let gate = requantize(gate[i], load(&gates.1.0[i]), load(&gates.1.1[i]));
                let linear = requantize(linear[i], load(&linears.1.0[i]), load(&linears.1.1[i]));
                let product = gated_product(gate_of(gate), linear);
                store_bytes(out, activations(requantize(product, multiplier, shift)));
            }
        }
    }
}

kernel! { fn gate_of(x: __m512i) -> __m512i {
    _mm512_max_epi32(_mm512_min_epi32(x, _mm512_set1_epi32(32767)), _mm512_setzero_si512())
} }

kernel! {
    /// Both factors fit 16 bits and the gate is not negative: its upper half is zero, so this is the plain product.
    fn gated_product(gate: __m512i, x: __m512i) -> __m512i {
        _mm512_madd_epi16(gate, clamp(x, 32767))
    }
}

kernel! { fn gated(tiles: bool, gate: &PackedMatrix, linear: &PackedMatrix, reglu: Requantizer, inputs: &[u8], scratch: &mut [i32], out: &mut [u8]) {
    let together = inputs.len() / gate.width / 4 * 4;
    let (inputs, singles) = inputs.split_at(together * gate.width);
    let (out, single_outs) = out.split_at_mut(together * gate.rows);
    for (input, out) in singles.chunks_exact(gate.width).zip(single_outs.chunks_exact_mut(gate.rows)) {
        if gate.weights.len() < LARGE {
            gated_one::<false>(gate, linear, reglu, input, out);
        } else {
            gated_one::<true>(gate, linear, reglu, input, out);
        }
    }
    let (scratch, out) = (scratch.as_chunks_mut::<16>().0, out.as_chunks_mut::<16>().0);
    let blocks = gate.rows / 16;
    let (multiplier, shift) = splat(reglu);
    rows::<0>(tiles, gate, inputs, |item, block, x| store(&mut scratch[item * blocks + block], gate_of(x)));
    rows::<0>(tiles, linear, inputs, |item, block, x| {
        let place = item * blocks + block;
        let product = gated_product(load(&scratch[place]), x);
        store_bytes(&mut out[place], activations(requantize(product, multiplier, shift)));
    });
} }

kernel! { fn logits(tiles: bool, matrix: &PackedMatrix, inputs: &[u8], out: &mut [i32]) {
    let (out, blocks) = (out.as_chunks_mut::<16>().0, matrix.rows / 16);
    rows::<LOGIT_SHIFT>(tiles, matrix, inputs, |item, block, x| store(&mut out[item * blocks + block], x));
} }

kernel! { fn frequencies(logits: &[i32; 256], powers: &Powers) -> Frequencies {
    let logits = logits.as_chunks::<16>().0;
    let mut largest = load(&logits[0]);
    for x in logits {
        largest = _mm512_max_epi32(largest, load(x));
    }
    let largest = _mm512_set1_epi32(_mm512_reduce_max_epi32(largest));
    let mut weights = [_mm512_setzero_si512(); 16];
    let mut total = _mm512_setzero_si512();
    for (weight, x) in weights.iter_mut().zip(logits) {
        let t = _mm512_sub_epi32(largest, load(x));
        *weight = _mm512_srlv_epi32(power(powers, t), _mm512_srli_epi32::<8>(t));
        total = _mm512_add_epi32(total, *weight);
    }
    // The largest logit has weight 65535, so the total is not zero.
    let total = u64::from(_mm512_reduce_add_epi32(total) as u32).max(1);
    let inverse = _mm512_set1_epi64(((65024u64 << 24) / total) as i64);
    let minimum = _mm512_slli_epi32::<1>(_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
    let zero = _mm512_setzero_si512();
    let mut below = zero;
    let mut starts = [0u16; 256];
    for ((i, weight), out) in (0..).zip(weights).zip(starts.as_chunks_mut::<16>().0) {
        let mut sum = _mm512_add_epi32(weight, _mm512_alignr_epi32::<15>(weight, zero));
        sum = _mm512_add_epi32(sum, _mm512_alignr_epi32::<14>(sum, zero));
        sum = _mm512_add_epi32(sum, _mm512_alignr_epi32::<12>(sum, zero));
        sum = _mm512_add_epi32(sum, _mm512_alignr_epi32::<8>(sum, zero));
        let exclusive = _mm512_add_epi32(_mm512_sub_epi32(sum, weight), below);
        below = _mm512_add_epi32(below, _mm512_permutexvar_epi32(_mm512_set1_epi32(15), sum));
        let even = _mm512_srli_epi64::<24>(_mm512_mul_epu32(exclusive, inverse));
        let odd = _mm512_slli_epi64::<8>(_mm512_mul_epu32(_mm512_srli_epi64::<32>(exclusive), inverse));
        let share = _mm512_mask_mov_epi32(even, 0xaaaa, odd);
        let start = _mm512_add_epi32(share, _mm512_add_epi32(minimum, _mm512_set1_epi32(32 * i)));
        let start = _mm512_cvtepi32_epi16(start);
        // SAFETY: an unaligned store of 32 bytes into 16 half-words.
        unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), start) };
    }
    Frequencies::from_starts(starts).expect("weights share what the minimum leaves")
} }

kernel! { fn cache(cache: &mut HeadCache, position: usize, key: &[u8; 64], value: &[u8; 64]) {
    let key = Line(key.map(|k| (k ^ 0x80) as i8));
    let (first, lane) = (position / 16 * 16, position % 16);
    for (line, group) in cache.keys[first..][..16].iter_mut().zip(key.0.as_chunks::<4>().0) {
        line.0.as_chunks_mut::<4>().0[lane] = *group;
    }
    let sum = _mm512_dpbusd_epi32(_mm512_setzero_si512(), _mm512_set1_epi8(1), load_line(&key));
    cache.key_offsets[position] = -128 * _mm512_reduce_add_epi32(sum);
    // A position has one byte in each group of four.
    let (first, phase) = (position / 4 * 4, position % 4);
    let (mask, shift) = (0x1111_1111_1111_1111 << phase, _mm512_set1_epi32(8 * phase as i32));
    for (line, value) in cache.values[first..][..4].iter_mut().zip(value.as_chunks::<16>().0) {
        // SAFETY: an unaligned load of 16 bytes that the reference covers.
        let value = _mm_xor_si128(unsafe { _mm_loadu_si128(value.as_ptr().cast()) }, _mm_set1_epi8(-128));
        let bytes = _mm512_sllv_epi32(_mm512_cvtepu8_epi32(value), shift);
        let bytes = _mm512_mask_mov_epi8(load_line(line), mask, bytes);
        // SAFETY: an aligned store into a line's 64 bytes, which are aligned to 64.
        unsafe { _mm512_store_si512(line.0.as_mut_ptr().cast(), bytes) };
    }
} }

kernel! { fn attend(head: &Head, query: &[u8; 64], scratch: &mut Scratch, out: &mut [u8; 64]) {
    let query = query.as_chunks::<4>().0;
    let mut inputs = [_mm512_setzero_si512(); 16];
    for (input, query) in inputs.iter_mut().zip(query) {
        *input = _mm512_set1_epi32(i32::from_le_bytes(*query));
    }
    let (multiplier, shift) = splat(head.score);
    let blocks = head.length.div_ceil(16);
    // Lanes of the last block that hold a position.
    let filled = (u16::MAX) >> ((16 * blocks - head.length) & 15);
    let mut largest = _mm512_set1_epi32(i32::MIN);
    let places = head.cache.keys.as_chunks::<16>().0.iter().zip(head.cache.key_offsets.as_chunks::<16>().0).zip(head.biases.as_chunks::<16>().0);
    let scores = scratch.scores.as_chunks_mut::<16>().0;
    for (block, (((keys, offsets), biases), scores)) in places.zip(scores).take(blocks).enumerate() {
        let (mut even, mut odd) = (load(offsets), _mm512_setzero_si512());
        for (keys, inputs) in keys.as_chunks::<2>().0.iter().zip(inputs.as_chunks::<2>().0) {
            even = _mm512_dpbusd_epi32(even, inputs[0], load_line(&keys[0]));
            odd = _mm512_dpbusd_epi32(odd, inputs[1], load_line(&keys[1]));
        }
        let product = _mm512_slli_epi32::<SCORE_SHIFT>(_mm512_add_epi32(even, odd));
        let score = _mm512_add_epi32(requantize(product, multiplier, shift), load(biases));
        let mask = if block + 1 == blocks { filled } else { u16::MAX };
        // Far enough below any score for a weight of zero, but not so far that a difference overflows.
        let score = _mm512_mask_mov_epi32(_mm512_set1_epi32(-(1 << 30)), mask, score);
        largest = _mm512_max_epi32(largest, score);
        store(scores, score);
    }
    let largest = _mm512_set1_epi32(_mm512_reduce_max_epi32(largest));
    let mut total = _mm512_setzero_si512();
    let bytes = scratch.high.as_chunks_mut::<16>().0.iter_mut().zip(scratch.low.as_chunks_mut::<16>().0);
    for (score, (high, low)) in scratch.scores.as_chunks::<16>().0.iter().zip(bytes).take(blocks) {
        let t = _mm512_sub_epi32(largest, load(score));
        let halved = _mm512_add_epi32(_mm512_srli_epi32::<8>(t), _mm512_set1_epi32(1));
        let weight = _mm512_srlv_epi32(power(head.powers, t), halved);
        total = _mm512_add_epi32(total, weight);
        store_bytes(high, _mm512_cvtepi32_epi8(_mm512_srli_epi32::<7>(weight)));
        store_bytes(low, _mm512_cvtepi32_epi8(_mm512_and_si512(weight, _mm512_set1_epi32(127))));
    }
    let mut sums = [[_mm512_setzero_si512(); 2]; 4];
    let weights = scratch.high.as_chunks::<4>().0.iter().zip(scratch.low.as_chunks::<4>().0);
    for ((high, low), values) in weights.zip(head.cache.values.as_chunks::<4>().0).take(head.length.div_ceil(4)) {
        let (high, low) = (_mm512_set1_epi32(i32::from_le_bytes(*high)), _mm512_set1_epi32(i32::from_le_bytes(*low)));
        for (sums, values) in sums.iter_mut().zip(values) {
            let values = load_line(values);
            sums[0] = _mm512_dpbusd_epi32(sums[0], high, values);
            sums[1] = _mm512_dpbusd_epi32(sums[1], low, values);
        }
    }
    let (multiplier, shift) = output_requantizer(head.output, _mm512_reduce_add_epi32(total) as u32);
    let (multiplier, shift) = (_mm512_set1_epi32(multiplier), _mm512_set1_epi32(shift));
    for (out, [high, low]) in out.as_chunks_mut::<16>().0.iter_mut().zip(sums) {
        let sum = _mm512_add_epi32(_mm512_slli_epi32::<7>(high), low);
        store_bytes(out, activations(requantize(sum, multiplier, shift)));
    }
} }

impl Loops for Avx512 {
    const PACKING: Packing = Packing { lanes: 16, group: 4, blocks: amx::BLOCKS };
    const CACHE: Packing = Packing { blocks: 1, ..Self::PACKING };

    loops_by_functions!(tiles);

    fn plain(self, activations: &[u8; 64]) -> [i8; 64] {
        activations.map(|a| (a ^ 0x80) as i8)
    }

    fn cache(self, place: &mut HeadCache, position: usize, key: &[u8; 64], value: &[u8; 64]) {
        // SAFETY: a value of this type exists only if the processor has the features.
        unsafe { cache(place, position, key, value) }
    }

    fn attend(self, head: &Head, query: &[u8; 64], scratch: &mut Scratch, out: &mut [u8; 64]) {
        // SAFETY: as above.
        unsafe { attend(head, query, scratch, out) }
    }
}
