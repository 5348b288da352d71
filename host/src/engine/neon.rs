//! The inner loops with NEON, and with the dot products of Armv8.2 where the processor has them.
//!
//! `sdot` adds four products of bytes to each of four lanes and takes the four activations from a lane of a register,
//! so nothing is broadcast. Processors without it multiply to 16 bits: neither activations nor weights reach -128, so a
//! sum of two products fits. Weights of positions have 15 bits and are split into two unsigned bytes; values get a bias
//! of 128, which the sum of the weights cancels. Activations are plain `i8`.

use std::arch::aarch64::*;
use std::arch::{asm, is_aarch64_feature_detected};

use equalinfo_codec::Frequencies;
use equalinfo_codec::m1::Requantizer;
use equalinfo_codec::m1::image::{LOGIT_SHIFT, RESIDUAL_SHIFT, SCORE_SHIFT};

use super::loops::{Head, Loops, Powers, Scratch, loops_by_functions, norm_inverse, output_requantizer};
use super::packed::{PackedMatrix, Packing, parts};

/// The blocks of four rows whose weights alternate: as many sums as hide the time of a product.
const BLOCKS: usize = 8;
/// The vectors of rows that are handed on together, whose activations fill a vector.
const QUAD: usize = 4;

/// Sums of 16 rows.
type Rows = [int32x4_t; QUAD];

/// Proof that the processor has NEON.
#[derive(Clone, Copy)]
pub struct Neon {
    /// Whether it has dot products too, and uses them.
    dot: bool,
}

impl Neon {
    /// Detects NEON with dot products.
    pub fn detect_with_dot() -> Option<Self> {
        Self::detect().filter(|_| is_aarch64_feature_detected!("dotprod")).map(|_| Self { dot: true })
    }

    pub fn detect() -> Option<Self> {
        is_aarch64_feature_detected!("neon").then_some(Self { dot: false })
    }
}

macro_rules! kernel {
    ($(#[$doc:meta])* fn $name:ident $(<$(const $c:ident: $t:ty),*>)? ($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)? $body:block) => {
        $(#[$doc])*
        #[inline]
        #[target_feature(enable = "neon")]
        fn $name $(<$(const $c: $t),*>)? ($($argument: $type),*) $(-> $result)? $body
    };
}

kernel! { fn load(words: &[i32; 4]) -> int32x4_t {
    // SAFETY: the reference covers the 16 bytes.
    unsafe { vld1q_s32(words.as_ptr()) }
} }

kernel! { fn store(words: &mut [i32; 4], x: int32x4_t) {
    // SAFETY: as above.
    unsafe { vst1q_s32(words.as_mut_ptr(), x) }
} }

kernel! { fn load_bytes(bytes: &[i8; 16]) -> int8x16_t {
    // SAFETY: as above.
    unsafe { vld1q_s8(bytes.as_ptr()) }
} }

kernel! { fn load_activations(bytes: &[u8; 16]) -> int8x16_t {
    // SAFETY: as above.
    vreinterpretq_s8_u8(unsafe { vld1q_u8(bytes.as_ptr()) })
} }

kernel! {
    /// `Requantizer::apply` in every lane, given `multiplier` and `shift - 16`.
    fn requantize(x: int32x4_t, multiplier: int32x4_t, shift: int32x4_t) -> int32x4_t {
        let low = vmull_s32(vget_low_s32(x), vget_low_s32(multiplier));
        let product = vshrn_high_n_s64::<16>(vshrn_n_s64::<16>(low), vmull_high_s32(x, multiplier));
        vrshlq_s32(product, vnegq_s32(shift))
    }
}

kernel! { fn splat(requantizer: Requantizer) -> (int32x4_t, int32x4_t) {
    let (multiplier, shift) = (requantizer.multiplier(), requantizer.shift());
    (vdupq_n_s32(multiplier.into()), vdupq_n_s32(i32::from(shift) - 16))
} }

kernel! {
    /// Stores the lanes clamped to -127 .. 127.
    fn store_activations(out: &mut [u8; 16], x: Rows) {
        let halves = [[x[0], x[1]], [x[2], x[3]]].map(|[low, high]| vqmovn_high_s32(vqmovn_s32(low), high));
        let bytes = vqmovn_high_s16(vqmovn_s16(halves[0]), halves[1]);
        // SAFETY: the reference covers the 16 bytes.
        unsafe { vst1q_u8(out.as_mut_ptr(), vreinterpretq_u8_s8(vmaxq_s8(bytes, vdupq_n_s8(-127)))) }
    }
}

/// Four products in each lane, added to `sum`: the activations are those of a lane.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn dot_lane<const LANE: i32>(mut sum: int32x4_t, weights: int8x16_t, activations: int8x16_t) -> int32x4_t {
    // SAFETY: the caller has the feature; the instruction has no other effect. Its intrinsic is not stable.
    unsafe {
        asm!("sdot {sum:v}.4s, {weights:v}.16b, {activations:v}.4b[{lane}]", sum = inlateout(vreg) sum,
            weights = in(vreg) weights, activations = in(vreg) activations, lane = const LANE,
            options(pure, nomem, nostack, preserves_flags));
    }
    sum
}

/// The same of unsigned bytes, lane by lane.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn dot_unsigned(mut sum: uint32x4_t, x: uint8x16_t, y: uint8x16_t) -> uint32x4_t {
    // SAFETY: as above.
    unsafe {
        asm!("udot {sum:v}.4s, {x:v}.16b, {y:v}.16b", sum = inlateout(vreg) sum, x = in(vreg) x, y = in(vreg) y,
            options(pure, nomem, nostack, preserves_flags));
    }
    sum
}

kernel! { fn widened_lane<const LANE: i32>(sum: int32x4_t, weights: int8x16_t, activations: int8x16_t) -> int32x4_t {
    let activations = vreinterpretq_s8_s32(vdupq_laneq_s32::<LANE>(vreinterpretq_s32_s8(activations)));
    let low = vmull_s8(vget_low_s8(weights), vget_low_s8(activations));
    vpadalq_s16(sum, vpaddq_s16(low, vmull_high_s8(weights, activations)))
} }

kernel! { fn widened_unsigned(sum: uint32x4_t, x: uint8x16_t, y: uint8x16_t) -> uint32x4_t {
    let low = vpaddlq_u16(vmull_u8(vget_low_u8(x), vget_low_u8(y)));
    vaddq_u32(sum, vpaddq_u32(low, vpaddlq_u16(vmull_high_u8(x, y))))
} }

/// The body for each of eight numbers, so that what it indexes stays in registers.
macro_rules! for_each_of_8 {
    ($i:ident => $body:block) => { for_each_of_8!($i => $body, 0 1 2 3 4 5 6 7) };
    ($i:ident => $body:block, $($value:literal)*) => { $({ const $i: usize = $value; $body })* };
}

/// All that multiplies, by one pair of instructions.
macro_rules! products {
    ($features:literal, $lane:ident, $unsigned:ident, $products:ident, $score:ident, $mix:ident) => {
        /// Computes the dot products of activation vectors with every row, 32 rows at a time, and passes them to `done`
        /// as (item, block of 16 rows, sums).
        #[inline]
        #[target_feature(enable = $features)]
        fn $products<const ITEMS: usize>(
            matrix: &PackedMatrix,
            inputs: &[u8],
            mut done: impl FnMut(usize, usize, Rows),
        ) {
            let width = matrix.width / 16;
            let inputs = inputs.as_chunks::<16>().0;
            let weights = parts::<16>(&matrix.weights).as_chunks::<BLOCKS>().0.as_chunks::<4>().0;
            for (part, weights) in weights.chunks_exact(width).enumerate() {
                let mut sums = [[vdupq_n_s32(0); BLOCKS]; ITEMS];
                for (column, weights) in weights.iter().enumerate() {
                    let mut activations = [vdupq_n_s8(0); ITEMS];
                    for (item, activations) in activations.iter_mut().enumerate() {
                        *activations = load_activations(&inputs[item * width + column]);
                    }
                    for_each_of_8!(BLOCK => {
                        let (first, second) = (load_bytes(&weights[0][BLOCK]), load_bytes(&weights[1][BLOCK]));
                        let (third, fourth) = (load_bytes(&weights[2][BLOCK]), load_bytes(&weights[3][BLOCK]));
                        for (sums, activations) in sums.iter_mut().zip(activations) {
                            let half = $lane::<1>($lane::<0>(sums[BLOCK], first, activations), second, activations);
                            sums[BLOCK] = $lane::<3>($lane::<2>(half, third, activations), fourth, activations);
                        }
                    });
                }
                for (item, sums) in sums.iter().enumerate() {
                    for (quad, sums) in sums.as_chunks::<QUAD>().0.iter().enumerate() {
                        done(item, BLOCKS / QUAD * part + quad, *sums);
                    }
                }
            }
        }

        /// The products of a query with the keys of four positions.
        #[inline]
        #[target_feature(enable = $features)]
        fn $score(keys: &[[i8; 16]; 16], query: &[int8x16_t; 4]) -> int32x4_t {
            let mut sums = [vdupq_n_s32(0); 4];
            for ((sum, keys), query) in sums.iter_mut().zip(keys.as_chunks::<4>().0).zip(query) {
                let half = $lane::<1>($lane::<0>(*sum, load_bytes(&keys[0]), *query), load_bytes(&keys[1]), *query);
                *sum = $lane::<3>($lane::<2>(half, load_bytes(&keys[2]), *query), load_bytes(&keys[3]), *query);
            }
            vaddq_s32(vaddq_s32(sums[0], sums[1]), vaddq_s32(sums[2], sums[3]))
        }

        /// The weighted sums of 32 dimensions of the values, `HALF` those of the first ones or the others, by the upper
        /// and the lower byte of the weights. Values have a bias of 128.
        #[inline]
        #[target_feature(enable = $features)]
        fn $mix<const HALF: usize>(
            values: &[[[i8; 16]; 16]],
            high: &[[u8; 4]],
            low: &[[u8; 4]],
        ) -> [[uint32x4_t; 2]; 8] {
            let mut sums = [[vdupq_n_u32(0); 2]; 8];
            for ((values, high), low) in values.iter().zip(high).zip(low) {
                let high = vreinterpretq_u8_u32(vdupq_n_u32(u32::from_le_bytes(*high)));
                let low = vreinterpretq_u8_u32(vdupq_n_u32(u32::from_le_bytes(*low)));
                for_each_of_8!(BLOCK => {
                    let values = load_bytes(&values.as_chunks::<8>().0[HALF][BLOCK]);
                    let values = veorq_u8(vreinterpretq_u8_s8(values), vdupq_n_u8(128));
                    sums[BLOCK][0] = $unsigned(sums[BLOCK][0], values, high);
                    sums[BLOCK][1] = $unsigned(sums[BLOCK][1], values, low);
                });
            }
            sums
        }
    };
}

products!("neon,dotprod", dot_lane, dot_unsigned, products_dot, score_dot, mix_dot);
products!("neon", widened_lane, widened_unsigned, products_widened, score_widened, mix_widened);

/// Products of any number of items; `done` receives requantized rows of inputs scaled by `2^SCALE`, 16 at a time.
#[inline]
#[target_feature(enable = "neon")]
fn rows<const SCALE: i32>(dot: bool, matrix: &PackedMatrix, inputs: &[u8], mut done: impl FnMut(usize, usize, Rows)) {
    let multipliers = matrix.multipliers.as_chunks::<4>().0.as_chunks::<QUAD>().0;
    let shifts = matrix.shifts.as_chunks::<4>().0.as_chunks::<QUAD>().0;
    let mut requantized = |item: usize, block: usize, mut sums: Rows| {
        for (sum, (multiplier, shift)) in sums.iter_mut().zip(multipliers[block].iter().zip(&shifts[block])) {
            *sum = requantize(vshlq_n_s32::<SCALE>(*sum), load(multiplier), load(shift));
        }
        done(item, block, sums);
    };
    let mut pairs = inputs.chunks_exact(2 * matrix.width);
    let last = 2 * pairs.len();
    for (pair, inputs) in pairs.by_ref().enumerate() {
        let done = |item, block, sums| requantized(2 * pair + item, block, sums);
        // SAFETY: `dot` is set only if the processor has dot products.
        if dot {
            unsafe { products_dot::<2>(matrix, inputs, done) }
        } else {
            products_widened::<2>(matrix, inputs, done)
        }
    }
    for input in pairs.remainder().chunks_exact(matrix.width) {
        let done = |_, block, sums| requantized(last, block, sums);
        // SAFETY: as above.
        if dot { unsafe { products_dot::<1>(matrix, input, done) } } else { products_widened::<1>(matrix, input, done) }
    }
}

kernel! { fn norm(residual: &[i32], constant: u32, out: &mut [u8]) {
    let residual = residual.as_chunks::<4>().0;
    let mut largest = vdupq_n_u32(0);
    for x in residual {
        largest = vmaxq_u32(largest, vreinterpretq_u32_s32(vabsq_s32(load(x))));
    }
    // To the left where positive.
    let shift = vdupq_n_s32(15 - (32 - vmaxvq_u32(largest).leading_zeros() as i32));
    let mut squares = vdupq_n_s64(0);
    for x in residual {
        let y = vshlq_s32(load(x), shift);
        squares = vmlal_high_s32(vmlal_s32(squares, vget_low_s32(y), vget_low_s32(y)), y, y);
    }
    let inverse = vdupq_n_s32(norm_inverse(constant, vaddvq_s64(squares) as u64));
    for (x, out) in residual.as_chunks::<QUAD>().0.iter().zip(out.as_chunks_mut::<16>().0) {
        store_activations(out, x.map(|x| vrshrq_n_s32::<20>(vmulq_s32(vshlq_s32(load(&x), shift), inverse))));
    }
} }

kernel! { fn linear(dot: bool, matrix: &PackedMatrix, inputs: &[u8], out: &mut [u8]) {
    let (out, blocks) = (out.as_chunks_mut::<16>().0, matrix.rows / 16);
    rows::<0>(dot, matrix, inputs, |item, block, x| store_activations(&mut out[item * blocks + block], x));
} }

kernel! { fn linear_add(dot: bool, matrix: &PackedMatrix, inputs: &[u8], residual: &mut [i32]) {
    let (residual, blocks) = (residual.as_chunks_mut::<4>().0.as_chunks_mut::<QUAD>().0, matrix.rows / 16);
    rows::<{ RESIDUAL_SHIFT as i32 }>(dot, matrix, inputs, |item, block, x| {
        for (place, x) in residual[item * blocks + block].iter_mut().zip(x) {
            store(place, vaddq_s32(load(place), x));
        }
    });
} }

kernel! { fn gated(
    dot: bool,
    gate: &PackedMatrix,
    linear: &PackedMatrix,
    reglu: Requantizer,
    inputs: &[u8],
    scratch: &mut [i32],
    out: &mut [u8],
) {
    let (scratch, out) = (scratch.as_chunks_mut::<4>().0.as_chunks_mut::<QUAD>().0, out.as_chunks_mut::<16>().0);
    let blocks = gate.rows / 16;
    let (multiplier, shift) = splat(reglu);
    let largest = vdupq_n_s32(32767);
    rows::<0>(dot, gate, inputs, |item, block, x| {
        for (place, x) in scratch[item * blocks + block].iter_mut().zip(x) {
            store(place, vmaxq_s32(vminq_s32(x, largest), vdupq_n_s32(0)));
        }
    });
    rows::<0>(dot, linear, inputs, |item, block, mut x| {
        let place = item * blocks + block;
        for (x, gate) in x.iter_mut().zip(&scratch[place]) {
            let linear = vmaxq_s32(vminq_s32(*x, largest), vnegq_s32(largest));
            *x = requantize(vmulq_s32(load(gate), linear), multiplier, shift);
        }
        store_activations(&mut out[place], x);
    });
} }

kernel! { fn logits(dot: bool, matrix: &PackedMatrix, inputs: &[u8], out: &mut [i32]) {
    let (out, blocks) = (out.as_chunks_mut::<4>().0.as_chunks_mut::<QUAD>().0, matrix.rows / 16);
    rows::<{ LOGIT_SHIFT as i32 }>(dot, matrix, inputs, |item, block, x| {
        out[item * blocks + block].iter_mut().zip(x).for_each(|(out, x)| store(out, x));
    });
} }

kernel! {
    /// `2^-(t / 256)` of differences `t`, which are not negative, shifted right by `more`.
    fn power(powers: &Powers, t: int32x4_t, more: u32) -> uint32x4_t {
        let mut differences = [0; 4];
        store(&mut differences, t);
        let powers = differences.map(|t| u32::from(powers.halves[(t & 255) as usize]));
        // SAFETY: the array has the 16 bytes.
        let powers = unsafe { vld1q_u32(powers.as_ptr()) };
        // A shift by 31 leaves nothing of 16 bits; the instruction takes the lowest byte of a shift alone.
        let shift = vminq_u32(vshrq_n_u32::<8>(vreinterpretq_u32_s32(t)), vdupq_n_u32(30));
        vshlq_u32(powers, vnegq_s32(vreinterpretq_s32_u32(vaddq_u32(shift, vdupq_n_u32(more)))))
    }
}

kernel! {
    /// The running sum over the lanes, up to and including each.
    fn running_sum(x: uint32x4_t) -> uint32x4_t {
        let none = vdupq_n_u32(0);
        let sum = vaddq_u32(x, vextq_u32::<3>(none, x));
        vaddq_u32(sum, vextq_u32::<2>(none, sum))
    }
}

kernel! { fn frequencies(logits: &[i32; 256], powers: &Powers) -> Frequencies {
    let logits = logits.as_chunks::<4>().0;
    let mut largest = load(&logits[0]);
    for x in logits {
        largest = vmaxq_s32(largest, load(x));
    }
    let largest = vdupq_n_s32(vmaxvq_s32(largest));
    let mut weights = [vdupq_n_u32(0); 64];
    let mut total = vdupq_n_u32(0);
    for (weight, x) in weights.iter_mut().zip(logits) {
        *weight = power(powers, vsubq_s32(largest, load(x)), 0);
        total = vaddq_u32(total, *weight);
    }
    // The largest logit has weight 65535, so the total is not zero.
    let total = u64::from(vaddvq_u32(total)).max(1);
    let inverse = vdupq_n_u32(((65024u64 << 24) / total) as u32);
    let (mut below, mut starts) = (vdupq_n_u32(0), [0u16; 256]);
    for ((i, weight), out) in (0..).zip(weights).zip(starts.as_chunks_mut::<4>().0) {
        let sum = running_sum(weight);
        let exclusive = vaddq_u32(vsubq_u32(sum, weight), below);
        below = vaddq_u32(below, vdupq_laneq_u32::<3>(sum));
        let low = vshrn_n_u64::<24>(vmull_u32(vget_low_u32(exclusive), vget_low_u32(inverse)));
        let share = vmovn_u32(vshrn_high_n_u64::<24>(low, vmull_high_u32(exclusive, inverse)));
        let minimum = [8 * i, 8 * i + 2, 8 * i + 4, 8 * i + 6];
        // SAFETY: arrays of 8 bytes.
        unsafe { vst1_u16(out.as_mut_ptr(), vadd_u16(share, vld1_u16(minimum.as_ptr()))) };
    }
    Frequencies::from_starts(starts).expect("weights share what the minimum leaves")
} }

kernel! { fn attend(dot: bool, head: &Head, query: &[u8; 64], scratch: &mut Scratch, out: &mut [u8; 64]) {
    let mut inputs = [vdupq_n_s8(0); 4];
    for (input, query) in inputs.iter_mut().zip(query.as_chunks::<16>().0) {
        *input = load_activations(query);
    }
    let (multiplier, shift) = splat(head.score);
    let blocks = head.length.div_ceil(4);
    let mut largest = vdupq_n_s32(i32::MIN);
    let places = parts::<16>(&head.cache.keys).as_chunks::<16>().0.iter().zip(head.biases.as_chunks::<4>().0);
    let scores = scratch.scores.as_chunks_mut::<4>().0;
    for (block, ((keys, biases), scores)) in places.zip(scores).take(blocks).enumerate() {
        // SAFETY: `dot` is set only if the processor has dot products.
        let product = if dot { unsafe { score_dot(keys, &inputs) } } else { score_widened(keys, &inputs) };
        let product = vshlq_n_s32::<{ SCORE_SHIFT as i32 }>(product);
        let score = vaddq_s32(requantize(product, multiplier, shift), load(biases));
        // Lanes of the last block beyond the newest position: far enough below any score for a weight of zero, but not
        // so far that a difference overflows.
        let filled = vcltq_s32(load(&[0, 1, 2, 3]), vdupq_n_s32((head.length - 4 * block) as i32));
        let score = vbslq_s32(filled, score, vdupq_n_s32(-(1 << 30)));
        largest = vmaxq_s32(largest, score);
        store(scores, score);
    }
    let largest = vdupq_n_s32(vmaxvq_s32(largest));
    let mut total = vdupq_n_u32(0);
    let scores = scratch.scores.as_chunks::<4>().0;
    let (high, low) = (scratch.high.as_chunks_mut::<4>().0, scratch.low.as_chunks_mut::<4>().0);
    for (score, (high, low)) in scores.iter().zip(high.iter_mut().zip(&mut *low)).take(blocks) {
        let weights = power(head.powers, vsubq_s32(largest, load(score)), 1);
        total = vaddq_u32(total, weights);
        let weights = vmovn_u32(weights);
        let bytes = vuzp_u8(vreinterpret_u8_u16(weights), vdup_n_u8(0));
        *low = vget_lane_u32::<0>(vreinterpret_u32_u8(bytes.0)).to_le_bytes();
        *high = vget_lane_u32::<0>(vreinterpret_u32_u8(bytes.1)).to_le_bytes();
    }
    let values = parts::<16>(&head.cache.values).as_chunks::<16>().0;
    let (values, high, low) = (&values[..blocks], &high[..blocks], &low[..blocks]);
    let halves = if dot {
        // SAFETY: as above.
        unsafe { [mix_dot::<0>(values, high, low), mix_dot::<1>(values, high, low)] }
    } else {
        [mix_widened::<0>(values, high, low), mix_widened::<1>(values, high, low)]
    };
    let total = vaddvq_u32(total);
    let (multiplier, shift) = output_requantizer(head.output, total);
    let (multiplier, shift) = (vdupq_n_s32(multiplier), vdupq_n_s32(shift));
    let bias = vdupq_n_u32(128 * total);
    for (out, sums) in out.as_chunks_mut::<16>().0.iter_mut().zip(halves.as_flattened().as_chunks::<QUAD>().0) {
        store_activations(out, sums.map(|[high, low]| {
            let sum = vsubq_u32(vaddq_u32(vshlq_n_u32::<8>(high), low), bias);
            requantize(vreinterpretq_s32_u32(sum), multiplier, shift)
        }));
    }
} }

impl Loops for Neon {
    const PACKING: Packing = Packing { lanes: 4, group: 4, blocks: BLOCKS };
    const CACHE: Packing = Packing { blocks: 1, ..Self::PACKING };

    loops_by_functions!(dot);

    fn plain(self, activations: &[u8; 64]) -> [i8; 64] {
        activations.map(|a| a as i8)
    }

    fn attend(self, head: &Head, query: &[u8; 64], scratch: &mut Scratch, out: &mut [u8; 64]) {
        // SAFETY: a value of this type exists only if the processor has NEON, and dot products if it says so.
        unsafe { attend(self.dot, head, query, scratch, out) }
    }
}
