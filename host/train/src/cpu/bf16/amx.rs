//! Products on the tile unit AMX.
//!
//! Stable Rust has no intrinsics for tiles, so the instructions stand as inline assembly.

use std::arch::asm;

pub use equalinfo::engine::tiles::{Tiles, available};

use super::{Product, TILE};

/// Two by two tiles of C, from tile `(i, j)` on, in tmm0..tmm3; at the edges a tile that does not exist is computed from its neighbour and dropped.
///
/// `_tiles` proves that the thread is configured.
pub(super) fn block(_tiles: &Tiles, product: &mut Product, i: usize, j: usize) {
    let &mut Product { a, b, k_tiles, ref mut c, m, n, c_stride, accumulate } = product;
    let second_i = (i + 1).min(m.div_ceil(TILE) - 1);
    let second_j = (j + 1).min(n.div_ceil(TILE) - 1);
    let panels = [a[i * k_tiles..].as_ptr(), a[second_i * k_tiles..].as_ptr()];
    let columns = [b[j * k_tiles..].as_ptr(), b[second_j * k_tiles..].as_ptr()];
    let whole = (i + 2) * TILE <= m && (j + 2) * TILE <= n;
    // SAFETY: the thread is configured; all tiles lie in the packed slices; whole blocks of C lie inside C, checked by the caller.
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
