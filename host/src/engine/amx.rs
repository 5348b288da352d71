//! Matrix products of many items on the AMX tile unit.
//!
//! A tile of packed weights is sixteen lines, every [`BLOCKS`]-th one: the layout of AVX-512 VNNI is also that of the
//! unit's right operand. The left operand is read directly from the activations, sixteen items at a time; biased by 128
//! they are the unsigned bytes that `tdpbusd` takes.

use std::arch::asm;

use super::packed::{Line, PackedMatrix};
use super::tiles::{self, Tiles};

/// Items per tile.
pub const TILE: usize = 16;
/// Inputs per tile.
const DEPTH: usize = 64;
/// The blocks of rows whose lines alternate.
pub const BLOCKS: usize = 4;

/// Sums of 16 items, `[item][row]`.
#[repr(C, align(64))]
struct Sums([[i32; 16]; TILE]);

/// Whether the unit multiplies bytes and the operating system grants it to this process.
pub fn available() -> bool {
    tiles::features() & (1 << 25) != 0 && tiles::available()
}

/// Computes the dot products of the items of `inputs`, whose number is a multiple of [`TILE`], with every row, and
/// passes them to `done` as (item, block of 16 rows, sums). `_tiles` proves that the thread is configured.
#[inline]
pub fn products(_tiles: &Tiles, matrix: &PackedMatrix, inputs: &[u8], mut done: impl FnMut(usize, usize, &[i32; 16])) {
    let width = matrix.width;
    let mut sums = [const { Sums([[0; 16]; TILE]) }; 4];
    let groups = matrix.weights.chunks_exact(BLOCKS * width / 4);
    let pairs = groups.flat_map(|weights| (0..BLOCKS / 2).map(move |pair| &weights[2 * pair..]));
    for (pair, weights) in pairs.enumerate() {
        for (part, inputs) in inputs.chunks(2 * TILE * width).enumerate() {
            let tiles = inputs.len() / (TILE * width);
            // SAFETY: the thread is configured; `inputs` holds `tiles` times 16 rows of `width`, and `weights` holds
            // two blocks of `width / 4` lines each, `BLOCKS` lines apart; `width` is a multiple of 64.
            unsafe {
                match tiles {
                    2 => block::<2>(inputs, width, weights, &mut sums),
                    1 => block::<1>(inputs, width, weights, &mut sums),
                    _ => break,
                }
            }
            for (i, sums) in sums.iter().take(2 * tiles).enumerate() {
                for (item, sums) in sums.0.iter().enumerate() {
                    done(TILE * (2 * part + i / 2) + item, 2 * pair + i % 2, sums);
                }
            }
        }
    }
}

/// `ITEMS` tiles of items (one or two) by two blocks of 16 rows; sums are `[item tile][block]`.
#[inline]
unsafe fn block<const ITEMS: usize>(inputs: &[u8], width: usize, weights: &[Line], sums: &mut [Sums; 4]) {
    unsafe {
        asm!("tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3", options(nostack, nomem));
        for depth in 0..width / DEPTH {
            let input = inputs.as_ptr().add(depth * DEPTH);
            let weight = weights.as_ptr().add(depth * 16 * BLOCKS);
            asm!(
                "tileloadd tmm4, [{input} + {width}]",
                "tileloadd tmm6, [{first} + {line}]",
                "tileloadd tmm7, [{second} + {line}]",
                "tdpbusd tmm0, tmm4, tmm6",
                "tdpbusd tmm1, tmm4, tmm7",
                input = in(reg) input, width = in(reg) width, line = in(reg) BLOCKS * size_of::<Line>(),
                first = in(reg) weight, second = in(reg) weight.add(1),
                options(nostack, readonly)
            );
            if ITEMS == 2 {
                asm!(
                    "tileloadd tmm5, [{input} + {width}]",
                    "tdpbusd tmm2, tmm5, tmm6",
                    "tdpbusd tmm3, tmm5, tmm7",
                    input = in(reg) input.add(TILE * width), width = in(reg) width,
                    options(nostack, readonly)
                );
            }
        }
        let [a, b, c, d] = sums;
        asm!(
            "tilestored [{a} + {line}], tmm0",
            "tilestored [{b} + {line}], tmm1",
            a = in(reg) a, b = in(reg) b, line = in(reg) size_of::<Line>(),
            options(nostack)
        );
        if ITEMS == 2 {
            asm!(
                "tilestored [{c} + {line}], tmm2",
                "tilestored [{d} + {line}], tmm3",
                c = in(reg) c, d = in(reg) d, line = in(reg) size_of::<Line>(),
                options(nostack)
            );
        }
    }
}
