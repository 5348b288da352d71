//! bf16 matrix products on the AMX tile unit of current x86-64 server cores.
//!
//! `C[m][n] (+)= sum_k A[m][k] * B[k][n]` with f32 operands in memory: they are rounded to bf16 (nearest even) while they are packed into
//! tiles, and products accumulate in f32. A tile of A holds 16 rows of 32 values; a tile of B holds 16 pairs of rows, the two
//! values of a pair side by side, for 16 columns. Tiles are padded with zeros at the edges, so any shape works.
//!
//! Stable Rust has no intrinsics for tiles, so the six instructions stand as inline assembly. The kernel is checked against the f32 product in
//! this module's parent, and is chosen at run time by [`available`].

use std::arch::asm;
use std::arch::x86_64::*;
use std::sync::OnceLock;

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

#[repr(C, align(64))]
struct TileConfig([u8; 64]);

/// True where the tile unit exists, the operating system grants it to this process, and AVX-512 can feed it.
pub fn available() -> bool {
    static AVAILABLE: OnceLock<bool> = OnceLock::new();
    *AVAILABLE.get_or_init(|| {
        let leaf = __cpuid_count(7, 0);
        let amx = leaf.edx & (1 << 24) != 0 && leaf.edx & (1 << 22) != 0;
        let vector = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512bf16");
        amx && vector && request_permission()
    })
}

/// Linux hands out the 8 KiB of tile state only to processes that ask (`ARCH_REQ_XCOMP_PERM`, feature 18).
#[cfg(target_os = "linux")]
fn request_permission() -> bool {
    let result: i64;
    // SAFETY: arch_prctl with these arguments touches no memory of this process.
    unsafe {
        asm!("syscall", inlateout("rax") 158i64 => result, in("rdi") 0x1023i64, in("rsi") 18i64,
             out("rcx") _, out("r11") _, options(nostack));
    }
    result == 0
}

#[cfg(not(target_os = "linux"))]
fn request_permission() -> bool {
    false
}

/// Gives the calling thread the tile shapes that [`matmul`] uses, and takes the state away again when dropped, so that
/// context switches elsewhere stay cheap.
pub struct Tiles(());

impl Tiles {
    /// `None` where [`available`] is false.
    pub fn configure() -> Option<Self> {
        if !available() {
            return None;
        }
        let mut config = TileConfig([0; 64]);
        config.0[0] = 1;
        for tile in 0..8 {
            config.0[16 + 2 * tile] = 64;
            config.0[48 + tile] = TILE as u8;
        }
        // SAFETY: `available` holds, and the configuration is a valid palette 1.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &config, options(nostack, readonly)) };
        Some(Self(()))
    }
}

impl Drop for Tiles {
    fn drop(&mut self) {
        // SAFETY: a value of this type exists only where the unit does.
        unsafe { asm!("tilerelease", options(nostack, nomem)) };
    }
}

/// `C (+)= A * B`, C row-major with `c_stride` values between rows. `_tiles` proves that the thread is configured.
#[allow(clippy::too_many_arguments)]
pub fn matmul(
    _tiles: &Tiles,
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
    // SAFETY: the thread holds `Tiles`, so AVX-512 and AMX are there; operand bounds were checked above.
    unsafe {
        // A wants [row][pair of k]; B wants [pair of k][column].
        pack(packed_a, m, k, a.data, a.row_stride, a.column_stride, true);
        pack(packed_b, n, k, b.data, b.column_stride, b.row_stride, false);
        for i in (0..m_tiles).step_by(2) {
            for j in (0..n_tiles).step_by(2) {
                block(packed_a, packed_b, k_tiles, (i, m_tiles), (j, n_tiles), (m, n), c, c_stride, accumulate);
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

/// Two by two tiles of C in tmm0..tmm3; at the edges a tile that does not exist is computed from its neighbour and dropped.
#[allow(clippy::too_many_arguments)]
#[target_feature(enable = "avx512f")]
unsafe fn block(
    a: &[AlignedTile],
    b: &[AlignedTile],
    k_tiles: usize,
    (i, m_tiles): (usize, usize),
    (j, n_tiles): (usize, usize),
    (m, n): (usize, usize),
    c: &mut [f32],
    c_stride: usize,
    accumulate: bool,
) {
    let second_i = (i + 1).min(m_tiles - 1);
    let second_j = (j + 1).min(n_tiles - 1);
    let panels = [a[i * k_tiles..].as_ptr(), a[second_i * k_tiles..].as_ptr()];
    let columns = [b[j * k_tiles..].as_ptr(), b[second_j * k_tiles..].as_ptr()];
    let whole = (i + 2) * TILE <= m && (j + 2) * TILE <= n;
    // SAFETY: all tiles lie in the packed slices; whole blocks of C lie inside C, checked by the caller.
    unsafe {
        if accumulate && whole {
            let corner = c.as_ptr().add(i * TILE * c_stride + j * TILE);
            asm!("tileloadd tmm0, [{p}+{s}]", "tileloadd tmm1, [{q}+{s}]", "tileloadd tmm2, [{t}+{s}]", "tileloadd tmm3, [{u}+{s}]",
                 p = in(reg) corner, q = in(reg) corner.add(TILE), t = in(reg) corner.add(TILE * c_stride),
                 u = in(reg) corner.add(TILE * c_stride + TILE), s = in(reg) 4 * c_stride, options(nostack, readonly));
        } else {
            asm!("tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3", options(nostack, nomem));
        }
        asm!("2:",
             "tileloadd tmm4, [{a0}+{s}]", "tileloadd tmm6, [{b0}+{s}]", "tdpbf16ps tmm0, tmm4, tmm6",
             "tileloadd tmm7, [{b1}+{s}]", "tdpbf16ps tmm1, tmm4, tmm7",
             "tileloadd tmm5, [{a1}+{s}]", "tdpbf16ps tmm2, tmm5, tmm6", "tdpbf16ps tmm3, tmm5, tmm7",
             "add {a0}, 1024", "add {a1}, 1024", "add {b0}, 1024", "add {b1}, 1024",
             "dec {left}", "jnz 2b",
             a0 = inout(reg) panels[0] => _, a1 = inout(reg) panels[1] => _, b0 = inout(reg) columns[0] => _,
             b1 = inout(reg) columns[1] => _, s = in(reg) 64usize, left = inout(reg) k_tiles => _,
             options(nostack, readonly));
        if whole {
            let corner = c.as_mut_ptr().add(i * TILE * c_stride + j * TILE);
            asm!("tilestored [{p}+{s}], tmm0", "tilestored [{q}+{s}], tmm1", "tilestored [{t}+{s}], tmm2", "tilestored [{u}+{s}], tmm3",
                 p = in(reg) corner, q = in(reg) corner.add(TILE), t = in(reg) corner.add(TILE * c_stride),
                 u = in(reg) corner.add(TILE * c_stride + TILE), s = in(reg) 4 * c_stride, options(nostack));
            return;
        }
        let mut edge = [0f32; 4 * TILE * TILE];
        let corner = edge.as_mut_ptr();
        asm!("tilestored [{p}+{s}], tmm0", "tilestored [{q}+{s}], tmm1", "tilestored [{t}+{s}], tmm2", "tilestored [{u}+{s}], tmm3",
             p = in(reg) corner, q = in(reg) corner.add(TILE), t = in(reg) corner.add(2 * TILE * TILE),
             u = in(reg) corner.add(2 * TILE * TILE + TILE), s = in(reg) 8 * TILE, options(nostack));
        for (row, values) in edge.chunks_exact(2 * TILE).enumerate().take(m - i * TILE) {
            let width = (2 * TILE).min(n - j * TILE);
            let start = (i * TILE + row) * c_stride + j * TILE;
            let target = &mut c[start..start + width];
            if accumulate {
                target.iter_mut().zip(values).for_each(|(t, v)| *t += v);
            } else {
                target.copy_from_slice(&values[..width]);
            }
        }
    }
}
