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
    a: Vec<AlignedTile>,
    b: Vec<AlignedTile>,
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

/// Packed tiles of A and B, and where the product goes.
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

/// `C (+)= A * B`, C row-major with `c_stride` values between rows.
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
    let (m_tiles, n_tiles, k_tiles) = (m.div_ceil(TILE), n.div_ceil(TILE), k.div_ceil(DEPTH));
    assert!(m == 0 || n == 0 || c.len() >= (m - 1) * c_stride + n);
    a.check(m, k);
    b.check(k, n);
    let blank = AlignedTile([0; TILE_WORDS]);
    workspace.a.resize((m_tiles * k_tiles).max(workspace.a.len()), blank);
    workspace.b.resize((n_tiles * k_tiles).max(workspace.b.len()), blank);
    let packed_a = &mut workspace.a[..m_tiles * k_tiles];
    let packed_b = &mut workspace.b[..n_tiles * k_tiles];
    // SAFETY: a unit exists only where AVX-512 with BF16 does; operand bounds were checked above.
    unsafe {
        // A wants [row][pair of k]; B wants [pair of k][column].
        pack(packed_a, m, k, a.data, a.row_stride, a.column_stride, true);
        pack(packed_b, n, k, b.data, b.column_stride, b.row_stride, false);
    }
    let product = &mut Product { a: packed_a, b: packed_b, k_tiles, c, m, n, c_stride, accumulate };
    for i in (0..m_tiles).step_by(2) {
        for j in (0..n_tiles).step_by(2) {
            match unit {
                Unit::Tiles(tiles) => amx::block(tiles, product, i, j),
                Unit::Vectors(vectors) => vectors.block(product, i, j),
            }
        }
    }
}

/// Packs `rows x k` values, value (r, k) at `data[r * row_stride + k * k_stride]`, one of the strides being 1, into tiles
/// `[row block][k block]`; a tile is `[row][pair]` if `row_major`, else `[pair][row]`.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn pack(
    tiles: &mut [AlignedTile],
    rows: usize,
    k: usize,
    data: &[f32],
    row_stride: usize,
    k_stride: usize,
    row_major: bool,
) {
    let k_tiles = k.div_ceil(DEPTH);
    for (block, tiles) in tiles.chunks_exact_mut(k_tiles).enumerate() {
        let first_row = block * TILE;
        let row_count = TILE.min(rows - first_row);
        for (depth, tile) in tiles.iter_mut().enumerate() {
            let first_k = depth * DEPTH;
            let k_count = DEPTH.min(k - first_k);
            let source = unsafe { data.as_ptr().add(first_row * row_stride + first_k * k_stride) };
            let along_k = k_stride == 1;
            unsafe {
                if along_k {
                    rows_of_pairs(tile, source, row_stride, row_count, k_count);
                } else {
                    pairs_of_rows(tile, source, k_stride, row_count, k_count);
                }
            }
            if along_k != row_major {
                transpose(tile);
            }
        }
    }
}

fn mask(count: usize) -> __mmask16 {
    ((1u32 << count.min(16)) - 1) as __mmask16
}

/// Values contiguous along k: `tile[r][pair]`.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn rows_of_pairs(tile: &mut AlignedTile, source: *const f32, stride: usize, rows: usize, k: usize) {
    let (low, high) = (mask(k), mask(k.saturating_sub(16)));
    for (r, words) in tile.0.chunks_exact_mut(16).enumerate() {
        let packed = if r < rows {
            // SAFETY: masked lanes are not read, and the caller vouches for rows x k values.
            unsafe {
                let row = source.add(r * stride);
                let first = _mm512_maskz_loadu_ps(low, row);
                let second = _mm512_maskz_loadu_ps(high, row.wrapping_add(16));
                std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(second, first))
            }
        } else {
            _mm512_setzero_si512()
        };
        unsafe { _mm512_store_si512(words.as_mut_ptr().cast(), packed) };
    }
}

/// Values contiguous along the rows: `tile[pair][r]`.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn pairs_of_rows(tile: &mut AlignedTile, source: *const f32, stride: usize, rows: usize, k: usize) {
    let lanes = mask(rows);
    for (pair, words) in tile.0.chunks_exact_mut(16).enumerate() {
        let load = |index: usize| {
            let lanes = if index < k { lanes } else { 0 };
            // SAFETY: masked lanes are not read, and the caller vouches for rows x k values.
            unsafe {
                let value = _mm512_maskz_loadu_ps(lanes, source.wrapping_add(index * stride));
                _mm512_cvtepu16_epi32(std::mem::transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(value)))
            }
        };
        let (even, odd) = (load(2 * pair), load(2 * pair + 1));
        let packed = _mm512_or_si512(even, _mm512_slli_epi32::<16>(odd));
        unsafe { _mm512_store_si512(words.as_mut_ptr().cast(), packed) };
    }
}

/// 16 x 16 words in place, in four rounds of 16 shuffles.
#[target_feature(enable = "avx512f")]
fn transpose(tile: &mut AlignedTile) {
    let base: *mut __m512i = tile.0.as_mut_ptr().cast();
    // SAFETY: the tile is 16 aligned vectors.
    unsafe {
        let mut rows: [__m512i; 16] = std::array::from_fn(|i| _mm512_load_si512(base.add(i)));
        let mut next = [_mm512_setzero_si512(); 16];
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
            _mm512_store_si512(base.add(i), _mm512_shuffle_i32x4::<0x88>(next[i], next[i + 8]));
            _mm512_store_si512(base.add(i + 4), _mm512_shuffle_i32x4::<0x88>(next[i + 4], next[i + 12]));
            _mm512_store_si512(base.add(i + 8), _mm512_shuffle_i32x4::<0xdd>(next[i], next[i + 8]));
            _mm512_store_si512(base.add(i + 12), _mm512_shuffle_i32x4::<0xdd>(next[i + 4], next[i + 12]));
        }
    }
}
