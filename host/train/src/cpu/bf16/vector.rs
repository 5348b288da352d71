//! Vectors of bf16 pairs, AVX-512 BF16: twice the products an instruction of f32, on processors without the tile unit.
//!
//! AMD's run such an instruction as fast as one of f32. Intel's take four times as long (Xeon of the Sapphire Rapids
//! kind, its tile unit hidden: 1.2 against 5.3 thousand million a second), so f32 is the faster there.

use std::arch::x86_64::*;

use super::{AlignedTile, DEPTH, Product, TILE, mask};

/// Proof that the processor has the instructions.
pub struct Vectors(());

/// Rows of C that are computed at once: with two vectors of columns as many sums as hide the latency of an addition.
const ROWS: usize = 8;

impl Vectors {
    /// `None` without the instructions.
    pub fn find() -> Option<Self> {
        let all = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512bf16");
        all.then_some(Self(()))
    }

    /// Whether they multiply faster than vectors of f32.
    pub fn are_fast() -> bool {
        let vendor = __cpuid(0);
        let name = [vendor.ebx, vendor.edx, vendor.ecx].map(u32::to_le_bytes);
        Self::find().is_some() && name.as_flattened() != b"GenuineIntel"
    }

    /// Two by two tiles of C, from tile `(i, j)` on.
    pub(super) fn block(&self, product: &mut Product, i: usize, j: usize) {
        let end = product.m.min((i + 2) * TILE);
        for row in (i * TILE..end).step_by(ROWS) {
            // SAFETY: the processor has the instructions.
            unsafe { rows(product, row, j) };
        }
    }
}

/// [`ROWS`] rows of C from `row` on, all of one tile of A, in the columns of tiles `j` and `j + 1`; where there is no second, the first is computed twice.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn rows(product: &mut Product, row: usize, j: usize) {
    let &mut Product { a, b, k_tiles, ref mut c, m, n, c_stride, accumulate } = product;
    let second = (j + 1).min(n.div_ceil(TILE) - 1);
    let (i, first) = (row / TILE, row % TILE);
    let rows_of = &a[i * k_tiles..][..k_tiles];
    let columns = b[j * k_tiles..][..k_tiles].iter().zip(&b[second * k_tiles..][..k_tiles]);
    let mut sums = [[_mm512_setzero_ps(); 2]; ROWS];
    for (row_tile, (left, right)) in rows_of.iter().zip(columns) {
        for pair in 0..DEPTH / 2 {
            let (left, right) = (pairs(left, pair), pairs(right, pair));
            for (place, [l, r]) in sums.iter_mut().enumerate() {
                let value = row_tile.0[(first + place) * TILE + pair];
                // SAFETY: both are 64 bytes of any value.
                let value: __m512bh = unsafe { std::mem::transmute(_mm512_set1_epi32(value.cast_signed())) };
                *l = _mm512_dpbf16_ps(*l, value, left);
                *r = _mm512_dpbf16_ps(*r, value, right);
            }
        }
    }
    let columns_left = n - j * TILE;
    let masks = [mask(columns_left), mask(columns_left.saturating_sub(TILE))];
    for (row, sums) in (row..m).zip(sums) {
        let start = row * c_stride + j * TILE;
        for (half, (sum, mask)) in sums.into_iter().zip(masks).enumerate() {
            let place = c.as_mut_ptr().wrapping_add(start + half * TILE);
            // SAFETY: masked lanes are neither read nor written; the others are columns of C, whose extent the caller has checked.
            unsafe {
                let sum = if accumulate { _mm512_add_ps(_mm512_maskz_loadu_ps(mask, place), sum) } else { sum };
                _mm512_mask_storeu_ps(place, mask, sum);
            }
        }
    }
}

/// A pair of values for each column of a tile of B.
#[target_feature(enable = "avx512f,avx512bf16")]
#[inline]
fn pairs(tile: &AlignedTile, pair: usize) -> __m512bh {
    let words = &tile.0[pair * TILE..][..TILE];
    // SAFETY: sixteen words, aligned as the tile is.
    unsafe { std::mem::transmute(_mm512_load_si512(words.as_ptr().cast())) }
}
