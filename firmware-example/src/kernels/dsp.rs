//! Cortex-M4: `SMLAD` adds two products of 16 bits to a sum.
//!
//! Activations are widened once for all rows of a matrix. A word of four weights is widened by two instructions, its
//! bytes 0 and 2, then 1 and 3, so the activations lie in that order too: for columns `4i..4i+4` one word with
//! activations `4i` and `4i+2` and one with `4i+1` and `4i+3`. Activations that are mostly zeros, as those between the
//! two halves of the feed-forward layer, become a list of those that are not.
//!
//! Invariant: the sums are exact, so their order does not matter and the bits are those of the portable loop.

use core::arch::{asm, global_asm};

use equalinfo_codec::m1::image::HEAD;
use equalinfo_codec::m1::{Activations, Kernels, Matrix, Portable, Requantizer, list_nonzero};

use super::rows::{Form, Job, Prepared, job};
use super::wide::Wide;

/// `SMLAD` for sums, `SMULWB` for requantization, both for attention.
#[derive(Debug)]
pub enum Dsp {}

impl Kernels for Dsp {
    type Prepared<'a> = Prepared<'a>;

    #[inline]
    fn prepare<'a>(activations: &'a [i8], scratch: &'a mut [i32]) -> Prepared<'a> {
        let form = match list_nonzero(activations, scratch) {
            Some(length) => Form::Listed(scratch.get(..length).unwrap_or_default()),
            None if scratch.len() >= activations.len() / 2 => Form::Widened(widen(activations, scratch)),
            None => Form::Plain,
        };
        Prepared { activations, form }
    }

    #[inline]
    fn project(rows: &Matrix, activations: &Prepared<'_>, scale: u32, out: &mut [i32]) {
        match job(rows, activations, scale, out) {
            // SAFETY: as `job` says.
            (Some(mut job), true) => unsafe { equalinfo_project(&mut job) },
            // SAFETY: as `job` says.
            (Some(mut job), false) => unsafe { equalinfo_project_listed(&mut job) },
            (None, _) => Portable::project(rows, &Activations::dense(activations.activations), scale, out),
        }
    }

    #[inline]
    fn project_gated(rows: &Matrix, activations: &Prepared<'_>, gates: &[i32], out: &mut [i32]) {
        match job(rows, activations, 0, out) {
            (Some(mut job), true) if gates.len() >= out.len() => {
                job.gates = gates.as_ptr();
                // SAFETY: as `job` says, and there is a gate for every row.
                unsafe { equalinfo_project_gated(&mut job) }
            }
            _ => Self::project(rows, activations, 0, out),
        }
    }

    #[inline]
    fn dot(a: &[i8], b: &[i8]) -> i32 {
        if a.len() == b.len() && a.len().is_multiple_of(16) && !a.is_empty() {
            // SAFETY: both have as many bytes, a multiple of 16.
            unsafe { equalinfo_dot(a.as_ptr(), b.as_ptr(), a.as_ptr_range().end) }
        } else {
            Portable::dot(a, b)
        }
    }

    #[inline]
    fn accumulate(weight: i32, values: &[i8; HEAD], sums: &mut [i32]) {
        if sums.len() >= HEAD {
            // SAFETY: there is a sum for each of 64 values, and the weight has 16 bits.
            unsafe { equalinfo_accumulate(weight, values.as_ptr(), sums.as_mut_ptr(), values.as_ptr_range().end) }
        }
    }

    #[inline]
    fn requantize(requantizer: Requantizer, x: i32) -> i32 {
        Wide::requantize(requantizer, x)
    }
}

/// Two activations in every word, in the order of the module's head.
fn widen<'a>(activations: &[i8], scratch: &'a mut [i32]) -> &'a [i32] {
    let words = scratch.get_mut(..activations.len() / 2).unwrap_or_default();
    for (pair, four) in words.as_chunks_mut::<2>().0.iter_mut().zip(activations.as_chunks::<4>().0) {
        let four = i32::from_le_bytes(four.map(|activation| activation as u8));
        let (even, odd): (i32, i32);
        // SAFETY: the instructions take and give registers only.
        unsafe {
            asm!("sxtb16 {}, {}", out(reg) even, in(reg) four, options(pure, nomem, nostack, preserves_flags));
            asm!("sxtb16 {}, {}, ror #8", out(reg) odd, in(reg) four, options(pure, nomem, nostack, preserves_flags));
        }
        *pair = [even, odd];
    }
    words
}

unsafe extern "C" {
    /// Rows times widened activations, requantized.
    fn equalinfo_project(job: &mut Job);
    /// The same for rows whose gate is positive.
    fn equalinfo_project_gated(job: &mut Job);
    /// Rows times listed activations, four rows at a time, requantized.
    fn equalinfo_project_listed(job: &mut Job);
    /// The dot product of two vectors of a multiple of 16 values.
    fn equalinfo_dot(a: *const i8, b: *const i8, a_end: *const i8) -> i32;
    /// Adds 16 bits of weight times each of a multiple of 16 values to its sum.
    fn equalinfo_accumulate(weight: i32, values: *const i8, sums: *mut i32, values_end: *const i8);
}

// Registers: r0 weights, r1 activations, r2 to r5 four words of activations, r6 to r9 four words of weights, r10 the
// sum, r11 widened weights, r12 the end of the activations, lr the job. 16 columns take 19 instructions: three loads,
// and a widening and a product for every two columns.
global_asm!(
    ".syntax unified",
    ".macro columns4 weights, even, odd",
    "sxtb16 r11, \\weights",
    "sxtb16 \\weights, \\weights, ror #8",
    "smlad r10, r11, \\even, r10",
    "smlad r10, \\weights, \\odd, r10",
    ".endm",
    // r10: a row, from r0 on.
    ".macro row",
    "ldr r1, [lr, #16]",
    "mov r10, #0",
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
    "cmp r1, r12",
    "bne 1b",
    ".endm",
    // The sum with the requantizer: what the shift moves out last is the half that rounding adds.
    ".macro requantize sum, requantizer, scale",
    "lsl \\sum, \\sum, \\scale",
    "smulwb \\sum, \\sum, \\requantizer",
    "lsr \\requantizer, \\requantizer, #16",
    "sub \\requantizer, \\requantizer, #16",
    "asrs \\sum, \\sum, \\requantizer",
    "adc \\sum, \\sum, #0",
    ".endm",
    ".macro begin name",
    ".section .text.\\name, \"ax\", %progbits",
    ".global \\name",
    ".type \\name, %function",
    ".thumb_func",
    "\\name:",
    "push {{r4, r5, r6, r7, r8, r9, r10, r11, lr}}",
    "mov lr, r0",
    ".endm",
    "begin equalinfo_project",
    "ldr r12, [lr, #20]",
    "ldr r0, [lr, #24]",
    "0:",
    "row",
    "ldrd r2, r3, [lr]",
    "ldrd r5, r6, [lr, #8]",
    "ldr r4, [r2], #4",
    "requantize r10, r4, r6",
    "str r10, [r3], #4",
    "strd r2, r3, [lr]",
    "cmp r3, r5",
    "bne 0b",
    "pop {{r4, r5, r6, r7, r8, r9, r10, r11, pc}}",
    ".size equalinfo_project, . - equalinfo_project",
    // Rows without a positive gate are passed over: their weights, their requantizer and their place.
    "begin equalinfo_project_gated",
    "ldr r12, [lr, #20]",
    "ldr r0, [lr, #24]",
    "0:",
    "ldr r3, [lr, #32]",
    "ldr r2, [r3], #4",
    "str r3, [lr, #32]",
    "cmp r2, #0",
    "bgt 2f",
    "ldrd r2, r3, [lr]",
    "ldr r4, [lr, #28]",
    "add r0, r0, r4",
    "add r2, r2, #4",
    "add r3, r3, #4",
    "b 3f",
    "2:",
    "row",
    "ldrd r2, r3, [lr]",
    "ldr r4, [r2], #4",
    "ldr r6, [lr, #12]",
    "requantize r10, r4, r6",
    "str r10, [r3], #4",
    "3:",
    "strd r2, r3, [lr]",
    "ldr r5, [lr, #8]",
    "cmp r3, r5",
    "bne 0b",
    "pop {{r4, r5, r6, r7, r8, r9, r10, r11, pc}}",
    ".size equalinfo_project_gated, . - equalinfo_project_gated",
    // Four rows: r0, r4, r5, r6 their weights, r7 to r10 their sums, r1 the list, r2 its entry and then a weight, r3
    // the column, r11 the entry, r12 the end of the list.
    "begin equalinfo_project_listed",
    "ldr r12, [lr, #20]",
    "ldr r0, [lr, #24]",
    "0:",
    "ldr r1, [lr, #16]",
    "ldr r2, [lr, #28]",
    "add r4, r0, r2",
    "add r5, r4, r2",
    "add r6, r5, r2",
    "mov r7, #0",
    "mov r8, #0",
    "mov r9, #0",
    "mov r10, #0",
    "1:",
    "ldr r11, [r1], #4",
    "uxth r3, r11",
    "ldrsb r2, [r0, r3]",
    "smlabt r7, r2, r11, r7",
    "ldrsb r2, [r4, r3]",
    "smlabt r8, r2, r11, r8",
    "ldrsb r2, [r5, r3]",
    "smlabt r9, r2, r11, r9",
    "ldrsb r2, [r6, r3]",
    "smlabt r10, r2, r11, r10",
    "cmp r1, r12",
    "bne 1b",
    "ldr r2, [lr, #28]",
    "add r0, r6, r2",
    "ldr r2, [lr]",
    "ldr r1, [lr, #12]",
    "ldm r2!, {{r3, r4, r5, r6}}",
    "str r2, [lr]",
    "requantize r7, r3, r1",
    "requantize r8, r4, r1",
    "requantize r9, r5, r1",
    "requantize r10, r6, r1",
    "ldrd r3, r4, [lr, #4]",
    "stm r3!, {{r7, r8, r9, r10}}",
    "str r3, [lr, #4]",
    "cmp r3, r4",
    "bne 0b",
    "pop {{r4, r5, r6, r7, r8, r9, r10, r11, pc}}",
    ".size equalinfo_project_listed, . - equalinfo_project_listed",
    ".section .text.equalinfo_dot, \"ax\", %progbits",
    ".global equalinfo_dot",
    ".type equalinfo_dot, %function",
    ".thumb_func",
    "equalinfo_dot:",
    "push {{r4, r5, r6, r7, lr}}",
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
    "pop {{r4, r5, r6, r7, pc}}",
    ".size equalinfo_dot, . - equalinfo_dot",
    ".section .text.equalinfo_accumulate, \"ax\", %progbits",
    ".global equalinfo_accumulate",
    ".type equalinfo_accumulate, %function",
    ".thumb_func",
    "equalinfo_accumulate:",
    "push {{r4, r5, r6, r7, r8, lr}}",
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
    "pop {{r4, r5, r6, r7, r8, pc}}",
    ".size equalinfo_accumulate, . - equalinfo_accumulate",
);
