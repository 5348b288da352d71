//! bf16 matrix products on x86-64 server cores: on the tile unit AMX ([`amx`]), or on vectors with AVX-512 BF16 (`vector`).
//!
//! `C[m][n] (+)= sum_k A[m][k] * B[k][n]` with f32 operands in memory: they are rounded to bf16 (nearest even) while they are packed into
//! tiles, and products accumulate in f32. A tile of A holds 16 rows of 32 values; a tile of B holds 16 pairs of rows, the two
//! values of a pair side by side, for 16 columns. Tiles are padded with zeros at the edges, so any shape works.
//!
//! Both are checked against the f32 product in this module's parent, and chosen at run time by [`Unit::find`].

pub mod amx;
mod vector;

use std::arch::x86_64::*;

use super::matmul::Operand;

const TILE: usize = 16;
const DEPTH: usize = 32;
/// One tile in 32-bit words: 16 rows of 64 bytes.
const TILE_WORDS: usize = 256;

/// Packed operands, kept between calls so that a product allocates nothing once it is warm.
#[derive(Default)]
pub struct Workspace {
    a: Tiles,
    b: Tiles,
}

#[derive(Default)]
struct Tiles(Vec<AlignedTile>);

impl Tiles {
    /// The first `count`, of any content.
    fn of(&mut self, count: usize) -> &mut [AlignedTile] {
        if self.0.len() < count {
            self.0.resize(count, AlignedTile([0; TILE_WORDS]));
        }
        &mut self.0[..count]
    }
}

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct AlignedTile([u32; TILE_WORDS]);

/// What multiplies tiles, on the thread that found it.
pub enum Unit {
    /// The tile unit, configured for the thread.
    Tiles(amx::Tiles),
    /// Vectors of bf16 pairs.
    Vectors(vector::Vectors),
}

impl Unit {
    /// Whether the processor has one that outruns f32.
    pub fn is_fast() -> bool {
        amx::available() || vector::Vectors::are_fast()
    }

    /// The fastest of the processor, for the calling thread.
    pub fn find() -> Option<Self> {
        amx::Tiles::configure().map(Self::Tiles).or_else(|| vector::Vectors::find().map(Self::Vectors))
    }
}

/// Packed tiles of some rows of A and some columns of B, and where their product goes.
struct Product<'a> {
    a: &'a [AlignedTile],
    b: &'a [AlignedTile],
    /// Tiles along k.
    k_tiles: usize,
    c: &'a mut [f32],
    /// Rows and columns of C, and values between its rows.
    m: usize,
    n: usize,
    c_stride: usize,
    accumulate: bool,
}

/// Columns of B that are packed at once.
const COLUMNS: usize = 2048;
/// Values of B that are packed at once, if its columns are few: 1 MiB, half of a second-level cache.
const PACKED: usize = 512 << 10;
/// Rows of B that are packed at once: beside as many columns of two tiles of A they stay in the first-level cache.
const DEPTHS: std::ops::RangeInclusive<usize> = 256..=512;

/// `C (+)= A * B`, C row-major with `c_stride` values between rows.
///
/// A piece of B is packed for all rows of A, which are packed two tiles at a time, just before they are multiplied.
#[allow(clippy::too_many_arguments)]
pub fn matmul(
    unit: &Unit,
    workspace: &mut Workspace,
    (m, n, k): (usize, usize, usize),
    a: Operand,
    b: Operand,
    c: &mut [f32],
    c_stride: usize,
    accumulate: bool,
) {
    assert!(m == 0 || n == 0 || c.len() >= (m - 1) * c_stride + n);
    a.check(m, k);
    b.check(k, n);
    let depth = (PACKED / n.clamp(1, COLUMNS)).clamp(*DEPTHS.start(), *DEPTHS.end());
    for left in (0..n).step_by(COLUMNS) {
        let n = COLUMNS.min(n - left);
        for first in (0..k).step_by(depth) {
            let k = depth.min(k - first);
            let k_tiles = k.div_ceil(DEPTH);
            let packed_b = workspace.b.of(n.div_ceil(TILE) * k_tiles);
            // SAFETY: a unit exists only where AVX-512 with BF16 does. B wants [pair of k][column].
            unsafe { pack(packed_b, (n, k), b.transposed().from(left, first), false) };
            for top in (0..m).step_by(2 * TILE) {
                let m = (2 * TILE).min(m - top);
                let packed_a = workspace.a.of(m.div_ceil(TILE) * k_tiles);
                // SAFETY: as above. A wants [row][pair of k].
                unsafe { pack(packed_a, (m, k), a.from(top, first), true) };
                let c = &mut c[top * c_stride + left..];
                let accumulate = accumulate || first > 0;
                let product = &mut Product { a: packed_a, b: packed_b, k_tiles, c, m, n, c_stride, accumulate };
                for j in (0..n.div_ceil(TILE)).step_by(2) {
                    match unit {
                        Unit::Tiles(tiles) => amx::block(tiles, product, 0, j),
                        Unit::Vectors(vectors) => vectors.block(product, 0, j),
                    }
                }
            }
        }
    }
}

/// Packs `rows x k` values into tiles `[row block][k block]`; a tile is `[row][pair]` if `row_major`, else
/// `[pair][row]`.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn pack(tiles: &mut [AlignedTile], (rows, k): (usize, usize), values: Operand, row_major: bool) {
    values.check(rows, k);
    let Operand { data, row_stride, column_stride: k_stride } = values;
    let k_tiles = k.div_ceil(DEPTH);
    let along_k = k_stride == 1;
    for (block, tiles) in tiles.chunks_exact_mut(k_tiles).enumerate() {
        let first_row = block * TILE;
        let row_count = TILE.min(rows - first_row);
        for (depth, tile) in tiles.iter_mut().enumerate() {
            let first_k = depth * DEPTH;
            let k_count = DEPTH.min(k - first_k);
            // SAFETY: values of all rows lie inside the data.
            unsafe {
                let source = data.as_ptr().add(first_row * row_stride + first_k * k_stride);
                let words = if along_k {
                    rows_of_pairs(source, row_stride, row_count, k_count)
                } else {
                    pairs_of_rows(source, k_stride, row_count, k_count)
                };
                store(tile, if along_k == row_major { words } else { transpose(words) });
            }
        }
    }
}

fn mask(count: usize) -> __mmask16 {
    ((1u32 << count.min(16)) - 1) as __mmask16
}

/// Lane 2r is value r of the first half of a vector, lane 2r + 1 of the second.
const INTERLEAVED: [u16; 2 * TILE] = {
    let mut lanes = [0; 2 * TILE];
    let mut lane = 0;
    while lane < lanes.len() {
        lanes[lane] = (lane / 2 + lane % 2 * TILE) as u16;
        lane += 1;
    }
    lanes
};

/// Values contiguous along k: `[r][pair]`. Whole tiles, nearly all, need no masks.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
#[inline]
unsafe fn rows_of_pairs(source: *const f32, stride: usize, rows: usize, k: usize) -> [__m512i; TILE] {
    // SAFETY: masked lanes are not read, and the caller vouches for rows x k values.
    unsafe {
        if rows == TILE && k == DEPTH {
            return std::array::from_fn(|r| {
                let row = source.add(r * stride);
                to_bf16(_mm512_loadu_ps(row), _mm512_loadu_ps(row.add(TILE)))
            });
        }
        let (low, high) = (mask(k), mask(k.saturating_sub(TILE)));
        std::array::from_fn(|r| {
            if r >= rows {
                return _mm512_setzero_si512();
            }
            let row = source.add(r * stride);
            to_bf16(_mm512_maskz_loadu_ps(low, row), _mm512_maskz_loadu_ps(high, row.wrapping_add(TILE)))
        })
    }
}

/// Values contiguous along the rows: `[pair][r]`.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
#[inline]
unsafe fn pairs_of_rows(source: *const f32, stride: usize, rows: usize, k: usize) -> [__m512i; TILE] {
    // SAFETY: masked lanes are not read, and the caller vouches for rows x k values; the constant is 64 bytes of any
    // value.
    unsafe {
        let interleaved: __m512i = std::mem::transmute(INTERLEAVED);
        if rows == TILE && k == DEPTH {
            return std::array::from_fn(|pair| {
                let even = source.add(2 * pair * stride);
                let halves = to_bf16(_mm512_loadu_ps(even), _mm512_loadu_ps(even.add(stride)));
                _mm512_permutexvar_epi16(interleaved, halves)
            });
        }
        let load = |index: usize| {
            let lanes = if index < k { mask(rows) } else { 0 };
            _mm512_maskz_loadu_ps(lanes, source.wrapping_add(index * stride))
        };
        std::array::from_fn(|pair| _mm512_permutexvar_epi16(interleaved, to_bf16(load(2 * pair), load(2 * pair + 1))))
    }
}

/// Sixteen values, and sixteen more behind them.
#[target_feature(enable = "avx512f,avx512bf16")]
#[inline]
fn to_bf16(first: __m512, second: __m512) -> __m512i {
    // SAFETY: both are 64 bytes of any value.
    unsafe { std::mem::transmute(_mm512_cvtne2ps_pbh(second, first)) }
}

#[target_feature(enable = "avx512f")]
#[inline]
fn store(tile: &mut AlignedTile, words: [__m512i; TILE]) {
    for (target, words) in tile.0.chunks_exact_mut(TILE).zip(words) {
        // SAFETY: sixteen words, aligned as the tile is.
        unsafe { _mm512_store_si512(target.as_mut_ptr().cast(), words) };
    }
}

/// 16 x 16 words, in four rounds of 16 shuffles.
#[target_feature(enable = "avx512f")]
#[inline]
fn transpose(mut rows: [__m512i; TILE]) -> [__m512i; TILE] {
    let mut next = [_mm512_setzero_si512(); TILE];
    for i in 0..8 {
        next[2 * i] = _mm512_unpacklo_epi32(rows[2 * i], rows[2 * i + 1]);
        next[2 * i + 1] = _mm512_unpackhi_epi32(rows[2 * i], rows[2 * i + 1]);
    }
    for i in 0..4 {
        rows[4 * i] = _mm512_unpacklo_epi64(next[4 * i], next[4 * i + 2]);
        rows[4 * i + 1] = _mm512_unpackhi_epi64(next[4 * i], next[4 * i + 2]);
        rows[4 * i + 2] = _mm512_unpacklo_epi64(next[4 * i + 1], next[4 * i + 3]);
        rows[4 * i + 3] = _mm512_unpackhi_epi64(next[4 * i + 1], next[4 * i + 3]);
    }
    for i in 0..4 {
        next[i] = _mm512_shuffle_i32x4::<0x88>(rows[i], rows[i + 4]);
        next[i + 4] = _mm512_shuffle_i32x4::<0xdd>(rows[i], rows[i + 4]);
        next[i + 8] = _mm512_shuffle_i32x4::<0x88>(rows[i + 8], rows[i + 12]);
        next[i + 12] = _mm512_shuffle_i32x4::<0xdd>(rows[i + 8], rows[i + 12]);
    }
    for i in 0..4 {
        rows[i] = _mm512_shuffle_i32x4::<0x88>(next[i], next[i + 8]);
        rows[i + 4] = _mm512_shuffle_i32x4::<0x88>(next[i + 4], next[i + 12]);
        rows[i + 8] = _mm512_shuffle_i32x4::<0xdd>(next[i], next[i + 8]);
        rows[i + 12] = _mm512_shuffle_i32x4::<0xdd>(next[i + 4], next[i + 12]);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::random;

    #[test]
    fn both_units_put_pieces_together() {
        let units = [amx::Tiles::configure().map(Unit::Tiles), vector::Vectors::find().map(Unit::Vectors)];
        for unit in units.into_iter().flatten() {
            // More columns, and more rows of B, than are packed at once.
            for (m, n, k) in [(70, COLUMNS + 40, DEPTHS.start() + 20), (33, 48, 2 * DEPTHS.end() + 5)] {
                let (a, b) = (random(m * k, 1), random(k * n, 2));
                let (a, b) = (Operand::rows(&a, m).transposed(), Operand::rows(&b, n));
                let mut c = vec![1.0; m * n];
                matmul(&unit, &mut Workspace::default(), (m, n, k), a, b, &mut c, n, true);
                for (place, found) in c.into_iter().enumerate() {
                    let (i, j) = (place / n, place % n);
                    let sum: f64 = (0..k).map(|l| f64::from(a.data[l * m + i]) * f64::from(b.data[l * n + j])).sum();
                    let off = (f64::from(found) - 1.0 - sum).abs();
                    assert!(off < 1e-2 * (k as f64).sqrt(), "{m}x{n}x{k} ({i},{j}): {found} against {}", 1.0 + sum);
                }
            }
        }
    }
}
