//! Cortex-M4: `SMLAD` adds two products of 16 bits to a sum.
//!
//! Activations are widened once for all rows of a matrix. A word of four weights is widened by two instructions, its
//! bytes 0 and 2, then 1 and 3, so the activations lie in that order too: for columns `4i..4i+4` one word with
//! activations `4i` and `4i+2` and one with `4i+1` and `4i+3`.
//!
//! Invariant: the sums are exact, so their order does not matter and the bits are those of the portable loop.

use core::arch::global_asm;

use equalinfo_codec::m1::{Kernels, Portable, Requantizer};

use super::wide::Wide;

/// The widest row that is widened ahead; that of a wider model goes through the portable loop.
const MAXIMUM: usize = 384;
/// Columns that the loop takes at a time.
const STEP: usize = 16;

/// `SMLAD` for sums, `SMMUL` for requantization.
#[derive(Debug)]
pub enum Dsp {}

/// Widened activations.
#[derive(Debug)]
pub struct Widened<'a> {
    activations: &'a [i8],
    words: [u32; MAXIMUM / 2],
}

impl Kernels for Dsp {
    type Prepared<'a> = Widened<'a>;

    #[inline]
    fn prepare(activations: &[i8]) -> Widened<'_> {
        let mut words = [0; MAXIMUM / 2];
        for (pair, four) in words.as_chunks_mut::<2>().0.iter_mut().zip(activations.as_chunks::<4>().0) {
            let [a, b, c, d] = four.map(|activation| i32::from(activation) as u32);
            *pair = [(c << 16) | (a & 0xffff), (d << 16) | (b & 0xffff)];
        }
        Widened { activations, words }
    }

    #[inline]
    fn dot4(rows: &[u8], activations: &Widened<'_>) -> [i32; 4] {
        let width = activations.activations.len();
        if width > MAXIMUM || !width.is_multiple_of(STEP) || rows.len() != 4 * width {
            return Portable::dot4(rows, &activations.activations);
        }
        let mut sums = [0; 4];
        // SAFETY: there are `4 * width` weights and `width` widened activations, and the function reads no more.
        unsafe { equalinfo_dot4(rows.as_ptr(), activations.words.as_ptr(), width, &mut sums) };
        sums
    }

    #[inline]
    fn requantize(requantizer: Requantizer, x: i32) -> i32 {
        Wide::requantize(requantizer, x)
    }
}

unsafe extern "C" {
    /// Four dot products with rows of `width` weights, a multiple of 16. The rows need not be aligned.
    fn equalinfo_dot4(rows: *const u8, activations: *const u32, width: usize, sums: *mut [i32; 4]);
}

// Two rows at a time, so that all of it fits the registers: r0, r5 weights, r1 activations, r2 their end, r3 sums,
// r8 and r9 the sums, r4, r6, r7, r10 widened activations, r11, r12 weights, r14 widened weights.
// For eight columns of two rows, 16 products: 5 loads, 8 widenings, 8 times two products; 2 for the loop.
global_asm!(
    ".syntax unified",
    ".macro columns4 sum, weights, even, odd",
    "sxtb16 lr, \\weights",
    "sxtb16 \\weights, \\weights, ror #8",
    "smlad \\sum, lr, \\even, \\sum",
    "smlad \\sum, \\weights, \\odd, \\sum",
    ".endm",
    ".section .text.equalinfo_dot4, \"ax\", %progbits",
    ".global equalinfo_dot4",
    ".type equalinfo_dot4, %function",
    ".thumb_func",
    "equalinfo_dot4:",
    "push {{r1, r3, r4, r5, r6, r7, r8, r9, r10, r11, lr}}",
    "mov r3, r2",
    "movs r2, #2",
    "str r2, [sp, #-8]!",
    "str r3, [sp, #4]",
    "0:",
    "ldr r1, [sp, #8]",
    "ldr r3, [sp, #4]",
    "add r5, r0, r3",
    "add r2, r1, r3, lsl #1",
    "mov r8, #0",
    "mov r9, #0",
    "1:",
    ".rept 2",
    "ldm r1!, {{r4, r6, r7, r10}}",
    "ldr r11, [r0], #4",
    "ldr r12, [r0], #4",
    "columns4 r8, r11, r4, r6",
    "columns4 r8, r12, r7, r10",
    "ldr r11, [r5], #4",
    "ldr r12, [r5], #4",
    "columns4 r9, r11, r4, r6",
    "columns4 r9, r12, r7, r10",
    ".endr",
    "cmp r1, r2",
    "bne 1b",
    "ldr r3, [sp, #12]",
    "stm r3!, {{r8, r9}}",
    "str r3, [sp, #12]",
    "mov r0, r5",
    "ldr r2, [sp]",
    "subs r2, #1",
    "str r2, [sp]",
    "bne 0b",
    "add sp, #8",
    "pop {{r1, r3, r4, r5, r6, r7, r8, r9, r10, r11, pc}}",
);
