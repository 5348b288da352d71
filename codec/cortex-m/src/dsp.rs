//! Cortex-M4 and M7: `SMLAD` adds two 16-bit products to a sum.
//!
//! A word of an image is two 16-bit numbers, each `256 * odd + even + 128` with two weights (`docs/m1q.md` of the
//! codec). One `SMLAD` multiplies them by the odd activations. Another multiplies the even bytes, which one instruction
//! widens, by `256 * even - odd` of the activations. The result is 256 times the four products plus a term that is the
//! same for all rows, so four columns take three instructions. Four activations become two words, once for all rows of
//! a matrix. Activations that are mostly zeros, as between the two halves of the feed-forward layer, become a list of
//! the others.
//!
//! Invariant: the sums are exact, so their order does not matter and the bits are those of the portable loops.

use core::arch::{asm, global_asm};

use equalinfo_codec::m1::image::HEAD;
use equalinfo_codec::m1::{Activations, Kernels, Lists, Matrix, Portable, Requantizer, list_nonzero};

use super::long;
use super::rows::{self, Form, Job, Prepared, in_words, job};
use equalinfo_codec::m1::kernels::bias;

/// The loops with `SMLAD` for sums and `SMULWB` for requantization.
#[derive(Debug)]
pub enum Dsp {}

/// The widest rows whose products, times 256, add up in 32 bits.
const WIDEST: usize = 512;

impl Kernels for Dsp {
    type Prepared<'a> = Prepared<'a>;

    #[inline]
    fn prepare<'a>(activations: &'a [i8], scratch: &'a mut [i32]) -> Prepared<'a> {
        Prepared::dense(activations, scratch, widened)
    }

    #[inline]
    fn prepare_sparse<'a>(activations: &'a [i8], scratch: &'a mut [i32]) -> Prepared<'a> {
        match list_nonzero(activations, scratch) {
            Some(Lists { even, all }) => Prepared::listed(activations, scratch.get(..all).unwrap_or_default(), even),
            None => Prepared::dense(activations, scratch, widened),
        }
    }

    #[inline]
    fn project(rows: &Matrix, activations: &Prepared<'_>, scale: u32, out: &mut [i32]) {
        match job(rows, activations, scale, out) {
            (Some(mut job), true) => {
                job.widen();
                // SAFETY: as `job` guarantees, adapted by `widen`.
                unsafe { equalinfo_project(&mut job) }
            }
            // SAFETY: as `job` guarantees.
            (Some(mut job), false) => unsafe { equalinfo_project_listed(&mut job) },
            (None, _) => Portable::project(rows, &Activations::dense(activations.activations), scale, out),
        }
    }

    #[inline]
    fn project_gated(rows: &Matrix, activations: &Prepared<'_>, gates: &[i32], out: &mut [i32]) {
        match job(rows, activations, 0, out) {
            (Some(mut job), true) if gates.len() >= out.len() => {
                job.widen();
                job.scale = job.gate_offset(gates);
                // SAFETY: as `job` guarantees, and there is a gate for every row.
                unsafe { equalinfo_project_gated(&mut job) }
            }
            _ => Self::project(rows, activations, 0, out),
        }
    }

    #[inline]
    fn dot(a: &[i8], b: &[i8]) -> i32 {
        rows::dot::<16>(a, b)
    }

    #[inline]
    fn accumulate(weight: i32, values: &[i8; HEAD], sums: &mut [i32]) {
        rows::accumulate(weight, values, sums);
    }

    #[inline]
    fn requantize(requantizer: Requantizer, x: i32) -> i32 {
        long::requantize(requantizer, x)
    }

    #[inline]
    fn clamp(numbers: &[i32], activations: &mut [i8]) {
        rows::clamp(in_fours(activations), numbers, activations);
    }

    #[inline]
    fn reglu(requantizer: Requantizer, gates: &[i32], linears: &[i32], hidden: &mut [i8]) {
        if gates.len().min(linears.len()) >= hidden.len() && !hidden.is_empty() {
            let job = ReGlu {
                multiplier: requantizer.multiplier().into(),
                shift: u32::from(requantizer.shift()).wrapping_sub(16),
                end: hidden.as_ptr_range().end,
            };
            // SAFETY: each activation has a number of both halves, and there is at least one.
            unsafe { equalinfo_reglu(gates.as_ptr(), linears.as_ptr(), hidden.as_mut_ptr(), &job) }
        } else {
            Portable::reglu(requantizer, gates, linears, hidden);
        }
    }

    #[inline(never)]
    fn norm(x: &[i32], constant: u32, activations: &mut [i8]) {
        rows::norm(in_fours(activations), x, constant, activations);
    }
}

/// Whether these are whole words, and at least one.
fn in_fours(activations: &[i8]) -> bool {
    !activations.is_empty() && activations.len().is_multiple_of(4) && in_words(activations)
}

/// The parameters of [`equalinfo_reglu`].
#[repr(C)]
struct ReGlu {
    multiplier: u32,
    /// The shift of the requantizer, minus 16.
    shift: u32,
    end: *const i8,
}

impl Job {
    /// Adapts the job: sums are 256 times those of listed activations, and the pointer has moved past a row's
    /// requantizer when its number is stored.
    fn widen(&mut self) {
        self.bias <<= 8;
        self.scale += 8;
        self.out_offset = self.out_offset.wrapping_sub(4);
    }
}

/// The two words that the module's head describes for every four activations.
fn widened<'a>(activations: &[i8], scratch: &'a mut [i32]) -> Option<(Form<'a>, i32)> {
    let words = scratch.get_mut(..activations.len() / 2).filter(|words| words.len() <= WIDEST / 2)?;
    for (pair, four) in words.as_chunks_mut::<2>().0.iter_mut().zip(activations.as_chunks::<4>().0) {
        let four = i32::from_le_bytes(four.map(|activation| activation as u8));
        let (odd, difference): (i32, i32);
        let even = (four << 8) & 0xff00_ff00u32 as i32;
        // SAFETY: the instructions use registers only.
        unsafe {
            asm!("sxtb16 {}, {}, ror #8", out(reg) odd, in(reg) four, options(pure, nomem, nostack, preserves_flags));
            asm!("ssub16 {}, {}, {}", out(reg) difference, in(reg) even, in(reg) odd, options(pure, nomem, nostack));
        }
        *pair = [odd, difference];
    }
    Some((Form::Widened(words, 0), bias(activations)))
}

unsafe extern "C" {
    /// Rows times widened activations, requantized.
    fn equalinfo_project(job: &mut Job);
    /// The same for rows with a positive gate.
    fn equalinfo_project_gated(job: &mut Job);
    /// Rows times listed activations, four rows at a time, requantized.
    fn equalinfo_project_listed(job: &mut Job);
    /// Activations from the numbers of the rectified and the linear half.
    fn equalinfo_reglu(gates: *const i32, linears: *const i32, hidden: *mut i8, job: &ReGlu);
}

// Registers: r0 weights, r1 activations, r2 to r5 four words of them, r6 to r9 four words of weights, r10 the sum, r11
// the requantizer of the row, r12 the distance from there to its place in the output. On the stack: the activations,
// the initial value of sums, the end of the activations, the end of the requantizers, the width. 16 columns take 15
// instructions: three loads, and three for every four columns.
global_asm!(
    ".syntax unified",
    ".macro columns4 weights, odd, difference",
    "smlad r10, \\weights, \\odd, r10",
    "uxtb16 \\weights, \\weights",
    "smlad r10, \\weights, \\difference, r10",
    ".endm",
    // The sum of the row at r0, to r10.
    ".macro row",
    "ldrd r1, r10, [sp]",
    "1:",
    ".rept 4",
    "ldm r1!, {{r2, r3, r4, r5}}",
    "ldm r0!, {{r6, r7, r8, r9}}",
    "columns4 r6, r2, r3",
    "columns4 r7, r4, r5",
    "ldm r1!, {{r2, r3, r4, r5}}",
    "columns4 r8, r2, r3",
    "columns4 r9, r4, r5",
    ".endr",
    "ldr r2, [sp, #8]",
    "cmp r1, r2",
    "bne 1b",
    ".endm",
    // Requantizes a sum. The last bit that the shift moves out is the half that rounding adds.
    ".macro requantize sum, requantizer, scale",
    "lsl \\sum, \\sum, \\scale",
    "smulwb \\sum, \\sum, \\requantizer",
    "lsr \\requantizer, \\requantizer, #16",
    "sub \\requantizer, \\requantizer, #16",
    "asrs \\sum, \\sum, \\requantizer",
    "adc \\sum, \\sum, #0",
    ".endm",
    // Continues with the next row, or returns.
    ".macro next_row",
    "ldr r2, [sp, #12]",
    "cmp r11, r2",
    "bne 0b",
    "add sp, sp, #20",
    "pop {{r4-r11, pc}}",
    ".endm",
    // The end of requantization for the sum of a row, whose shift is in r2; then the next row.
    ".macro store_row",
    "asrs r10, r10, r2",
    "adc r10, r10, #0",
    "str r10, [r11, r12]",
    "next_row",
    ".endm",
    // A function that saves the registers from r4 to `last`.
    ".macro begin name, last",
    ".section .text.\\name, \"ax\", %progbits",
    ".global \\name",
    ".type \\name, %function",
    ".thumb_func",
    "\\name:",
    "push {{r4-\\last, lr}}",
    ".endm",
    ".macro begin_rows",
    "ldm r0!, {{r1, r2, r3, r4, r5}}",
    "push {{r1, r2, r3, r4, r5}}",
    "ldm r0, {{r0, r11, r12, lr}}",
    ".endm",
    // lr: the shift to the left that sums have already.
    "begin equalinfo_project, r11",
    "begin_rows",
    "0:",
    "row",
    "ldr r2, [r11], #4",
    "smulwb r10, r10, r2",
    "rsb r2, lr, r2, lsr #16",
    "store_row",
    ".size equalinfo_project, . - equalinfo_project",
    // lr: the distance from a row's requantizer to its gate. Rows without a positive gate are skipped: their weights,
    // their requantizers and their places.
    "begin equalinfo_project_gated, r11",
    "begin_rows",
    "0:",
    "ldr r2, [r11, lr]",
    "cmp r2, #0",
    "bgt 2f",
    "ldr r2, [sp, #16]",
    "add r0, r0, r2",
    "add r11, r11, #4",
    "next_row",
    "2:",
    "row",
    "ldr r2, [r11], #4",
    "smulwb r10, r10, r2",
    "lsr r2, r2, #16",
    "sub r2, r2, #8",
    "store_row",
    ".size equalinfo_project_gated, . - equalinfo_project_gated",
    // Listed activations up to r12, in columns whose bytes `load` widens.
    ".macro listed load",
    "cmp r1, r12",
    "beq 2f",
    "1:",
    "ldr r11, [r1], #4",
    "uxth r3, r11",
    "\\load r2, [r0, r3]",
    "smlabt r7, r2, r11, r7",
    "\\load r2, [r4, r3]",
    "smlabt r8, r2, r11, r8",
    "\\load r2, [r5, r3]",
    "smlabt r9, r2, r11, r9",
    "\\load r2, [r6, r3]",
    "smlabt r10, r2, r11, r10",
    "cmp r1, r12",
    "bne 1b",
    "2:",
    ".endm",
    // Four rows: r0, r4, r5, r6 their weights, r7 to r10 their sums, r1 the list, r2 a weight, r3 the column, r11 the
    // entry, r12 the end of a part of the list, lr the job.
    "begin equalinfo_project_listed, r11",
    "mov lr, r0",
    "ldr r0, [lr, #20]",
    "0:",
    "ldrd r1, r7, [lr]",
    "mov r8, r7",
    "mov r9, r7",
    "mov r10, r7",
    "ldr r2, [lr, #16]",
    "add r4, r0, r2",
    "add r5, r4, r2",
    "add r6, r5, r2",
    "ldr r12, [lr, #48]",
    "listed ldrb",
    "ldr r12, [lr, #8]",
    "listed ldrsb",
    "ldr r2, [lr, #16]",
    "add r0, r6, r2",
    "ldr r2, [lr, #24]",
    "ldr r1, [lr, #32]",
    "ldm r2!, {{r3, r4, r5, r6}}",
    "str r2, [lr, #24]",
    "requantize r7, r3, r1",
    "requantize r8, r4, r1",
    "requantize r9, r5, r1",
    "requantize r10, r6, r1",
    "ldrd r3, r4, [lr, #36]",
    "stm r3!, {{r7, r8, r9, r10}}",
    "str r3, [lr, #36]",
    "cmp r3, r4",
    "bne 0b",
    "pop {{r4-r11, pc}}",
    ".size equalinfo_project_listed, . - equalinfo_project_listed",
    "begin equalinfo_dot, r7",
    "mov r3, #0",
    "1:",
    ".rept 4",
    "ldr r4, [r0], #4",
    "ldr r5, [r1], #4",
    "sxtb16 r6, r4",
    "sxtb16 r7, r5",
    "sxtb16 r4, r4, ror #8",
    "sxtb16 r5, r5, ror #8",
    "smlad r3, r6, r7, r3",
    "smlad r3, r4, r5, r3",
    ".endr",
    "cmp r0, r2",
    "bne 1b",
    "mov r0, r3",
    "pop {{r4-r7, pc}}",
    ".size equalinfo_dot, . - equalinfo_dot",
    "begin equalinfo_accumulate, r8",
    "1:",
    ".rept 4",
    "ldr r4, [r1], #4",
    "ldm r2, {{r5, r6, r7, r8}}",
    "sxtb16 r12, r4",
    "sxtb16 r4, r4, ror #8",
    "smlabb r5, r12, r0, r5",
    "smlabb r6, r4, r0, r6",
    "smlatb r7, r12, r0, r7",
    "smlatb r8, r4, r0, r8",
    "stm r2!, {{r5, r6, r7, r8}}",
    ".endr",
    "cmp r1, r3",
    "bne 1b",
    "pop {{r4-r8, pc}}",
    ".size equalinfo_accumulate, . - equalinfo_accumulate",
    // Four 8-bit numbers to a word in r4. Subtracting one with saturation and adding it again turns -128 into -127. r12
    // holds four ones.
    ".macro pack",
    "bfi r4, r5, #8, #8",
    "bfi r4, r6, #16, #8",
    "bfi r4, r7, #24, #8",
    "qsub8 r4, r4, r12",
    "uadd8 r4, r4, r12",
    ".endm",
    "begin equalinfo_clamp, r8",
    "mov r12, #0x01010101",
    "1:",
    "ldm r0!, {{r4, r5, r6, r7}}",
    "ssat r4, #8, r4",
    "ssat r5, #8, r5",
    "ssat r6, #8, r6",
    "ssat r7, #8, r7",
    "pack",
    "str r4, [r1], #4",
    "cmp r1, r2",
    "bne 1b",
    "pop {{r4-r8, pc}}",
    ".size equalinfo_clamp, . - equalinfo_clamp",
    // r3 the end, r4 the multiplier, r5 the shift, r6 a gate, r7 its linear half, r12 one.
    "begin equalinfo_reglu, r8",
    "ldm r3, {{r4, r5, r8}}",
    "mov r12, #1",
    "1:",
    "ldr r6, [r0], #4",
    "ldr r7, [r1], #4",
    "cmp r6, #0",
    "bgt 2f",
    "mov r6, #0",
    "strb r6, [r2], #1",
    "cmp r2, r8",
    "bne 1b",
    "pop {{r4-r8, pc}}",
    "2:",
    "ssat r6, #16, r6",
    "ssat r7, #16, r7",
    "qsub16 r7, r7, r12",
    "uadd16 r7, r7, r12",
    "smulbb r6, r6, r7",
    "smulwb r6, r6, r4",
    "asrs r6, r6, r5",
    "adc r6, r6, #0",
    "ssat r6, #8, r6",
    "qsub8 r6, r6, r12",
    "uadd8 r6, r6, r12",
    "strb r6, [r2], #1",
    "cmp r2, r8",
    "bne 1b",
    "pop {{r4-r8, pc}}",
    ".size equalinfo_reglu, . - equalinfo_reglu",
    // Combines an absolute value into r2.
    ".macro absolute x",
    "eor r3, \\x, \\x, asr #31",
    "sub r3, r3, \\x, asr #31",
    "orr r2, r2, r3",
    ".endm",
    "begin equalinfo_bits, r8",
    "mov r2, #0",
    "1:",
    "ldm r0!, {{r4, r5, r6, r7}}",
    "absolute r4",
    "absolute r5",
    "absolute r6",
    "absolute r7",
    "cmp r0, r1",
    "bne 1b",
    "mov r0, r2",
    "pop {{r4-r8, pc}}",
    ".size equalinfo_bits, . - equalinfo_bits",
    // Adds the square of a shifted number to r12 and lr.
    ".macro square x",
    "lsl \\x, \\x, r2",
    "asr \\x, \\x, r3",
    "smlal r12, lr, \\x, \\x",
    ".endm",
    "begin equalinfo_squares, r8",
    "mov r12, #0",
    "mov lr, #0",
    "1:",
    "ldm r0!, {{r4, r5, r6, r7}}",
    "square r4",
    "square r5",
    "square r6",
    "square r7",
    "cmp r0, r1",
    "bne 1b",
    "mov r0, r12",
    "mov r1, lr",
    "pop {{r4-r8, pc}}",
    ".size equalinfo_squares, . - equalinfo_squares",
    // r2 the shift to the left, r3 that to the right, r8 the inverse, lr the half that rounding adds.
    ".macro normal x",
    "lsl \\x, \\x, r2",
    "asr \\x, \\x, r3",
    "mla \\x, \\x, r8, lr",
    "ssat \\x, #8, \\x, asr #20",
    ".endm",
    "begin equalinfo_normalize, r9",
    "mov r12, #0x01010101",
    "mov lr, #0x80000",
    "ldm r2, {{r2, r3, r8, r9}}",
    "1:",
    "ldm r0!, {{r4, r5, r6, r7}}",
    "normal r4",
    "normal r5",
    "normal r6",
    "normal r7",
    "pack",
    "str r4, [r1], #4",
    "cmp r0, r9",
    "bne 1b",
    "pop {{r4-r9, pc}}",
    ".size equalinfo_normalize, . - equalinfo_normalize",
);
