//! Cortex-M0 and M3: four weights of a row in two multiplications.
//!
//! Their multipliers give the lower 32 bits of one product. So a word of four weights is taken at once: with the sign bits
//! of `w1` and `w3` turned, it is `e + 2^8 t` where `e = w0 + 2^16 w2` and `t = w1 + 2^16 w3`, each weight 128 too large, and `t` is had by a shift and a mask. With the
//! activations as `A = x2 + 2^16 x0` and `B = x3 + 2^16 x1`,
//!
//! ```text
//! word * A + t * (B - 2^8 A)  =  e * A + t * B  =  (w0 x2 + w1 x3) + 2^16 (w0 x0 + w1 x1 + w2 x2 + w3 x3)      modulo 2^32
//! ```
//!
//! which has the sum of the four products in its upper half. A chunk of eight columns is added up before it is shifted down; what makes up for the weights that are too
//! large and what rounds the lower half away is one number a chunk, the same for all rows. This is exact as long as both halves fit 16 bits, that is as long as the absolute
//! values of the eight activations add up to 258 at most. Of larger ones a part is cut off, and multiplied on its own after the row: about two entries a vector in practice.
//! Two rows share the activations, at 20 instructions a chunk and row; rows of more than 64 columns are taken alone, at 21. Cortex-M3, which adds a product to a sum, masks
//! what it shifts and adds what it shifts down in one instruction each, takes 13. The assembly is one for both: `mla` stands for the instructions that only Cortex-M3 has.
//!
//! Activations that are mostly zeros become a list of those that are not, and four rows share an entry. A row that a gate closes is passed over.
//!
//! Flash is short where these cores are used: nothing here is inlined, as each is called from several places.
//!
//! Invariant: the sums are exact, so their order does not matter and the bits are those of the portable loop.

use core::arch::global_asm;

use equalinfo_codec::m1::image::{HEAD, row_weights};
use equalinfo_codec::m1::{Kernels, Matrix, Requantizer};

use super::rows::{self, Form, Job, Prepared, in_words, job};

/// Sums and their requantization in assembly.
#[derive(Debug)]
pub enum Fours {}

impl Kernels for Fours {
    type Prepared<'a> = Prepared<'a>;

    #[inline(never)]
    fn prepare<'a>(activations: &'a [i8], scratch: &'a mut [i32]) -> Prepared<'a> {
        Prepared::dense(activations, scratch, split)
    }

    #[inline(never)]
    fn prepare_sparse<'a>(activations: &'a [i8], scratch: &'a mut [i32]) -> Prepared<'a> {
        // Both parts of the list may end in a zero.
        let entries = || activations.iter().filter(|&&activation| activation != 0).count().wrapping_add(2);
        if !in_fours(activations) || (scratch.len() < activations.len() && scratch.len() < entries()) {
            return Self::prepare(activations, scratch);
        }
        let list = scratch.as_mut_ptr();
        // SAFETY: there are pairs of activations, an even number of them, and room for all that are listed.
        let (even, all) = unsafe {
            let odd = equalinfo_list(activations.as_ptr(), activations.len(), list, 0);
            let end = equalinfo_list(activations.as_ptr(), activations.len(), odd, 1);
            (odd.offset_from_unsigned(list), end.offset_from_unsigned(list))
        };
        Prepared::listed(activations, scratch.get(..all).unwrap_or_default(), even)
    }

    #[inline(never)]
    fn project(rows: &Matrix, activations: &Prepared<'_>, scale: u32, out: &mut [i32]) {
        // As gates, requantizers are open: none has the sign bit, and none is zero.
        if activations.activations.len() == PAIRED || !project_rows(rows, activations, scale, rows.requantizers, out) {
            sums(rows, activations, out);
            requantize(rows, scale, out, equalinfo_requantize);
        }
    }

    #[inline(never)]
    fn project_gates(rows: &Matrix, activations: &Prepared<'_>, out: &mut [i32]) {
        if activations.activations.len() == PAIRED {
            sums(rows, activations, out);
            requantize(rows, 0, out, equalinfo_requantize_positive);
        } else {
            Self::project(rows, activations, 0, out);
        }
    }

    #[inline(never)]
    fn project_gated(rows: &Matrix, activations: &Prepared<'_>, gates: &[i32], out: &mut [i32]) {
        if !project_rows(rows, activations, 0, gates, out) {
            Self::project(rows, activations, 0, out);
        }
    }

    #[inline(never)]
    fn norm(x: &[i32], constant: u32, activations: &mut [i8]) {
        rows::norm(in_fours(activations), x, constant, activations);
    }

    #[inline]
    fn clamp(numbers: &[i32], activations: &mut [i8]) {
        rows::clamp(in_fours(activations), numbers, activations);
    }

    #[inline]
    fn accumulate(weight: i32, values: &[i8; HEAD], sums: &mut [i32]) {
        rows::accumulate(weight, values, sums);
    }

    #[inline]
    fn dot(a: &[i8], b: &[i8]) -> i32 {
        rows::dot::<8>(a, b)
    }

    #[cfg(core = "mla")]
    #[inline]
    fn requantize(requantizer: Requantizer, x: i32) -> i32 {
        super::long::requantize(requantizer, x)
    }
}

/// The width of rows that are multiplied in pairs.
const PAIRED: usize = 64;

/// What the absolute values of a chunk's activations may add up to: times 127 it stays below 2^15.
const MOST: i32 = 258;

/// Activations in chunks of five words, what their sums begin with and then `A` and `B - 2^8 A` of both words, and a list of what is cut off: a column and a part of its
/// activation, odd columns first.
fn split<'a>(activations: &[i8], scratch: &'a mut [i32]) -> Option<(Form<'a>, i32)> {
    let words = activations.len() / 8 * 5;
    let (chunks, rest) = scratch.split_at_mut_checked(words)?;
    let list = rest.as_chunks_mut::<2>().0;
    let (mut odd, mut all, mut bias) = (0usize, 0usize, 0);
    for (first, (words, chunk)) in
        (0i32..).step_by(8).zip(chunks.as_chunks_mut::<5>().0.iter_mut().zip(activations.as_chunks::<8>().0))
    {
        // SAFETY: there are eight activations and five words.
        let size = unsafe { equalinfo_chunk(chunk, words) };
        let mut excess = size.wrapping_sub(MOST);
        if excess <= 0 {
            continue;
        }
        let mut chunk = *chunk;
        while excess > 0 {
            // The first activation that is large enough, or half as large, and so on; odd columns come first, as they cost less.
            let mut wanted = excess;
            let column = loop {
                let mut columns = (0..8).map(|i: usize| (2 * i + 1).wrapping_sub(i >> 2) & 7);
                match columns.find(|&column| i32::from(chunk[column]).abs() >= wanted) {
                    Some(column) => break column,
                    None => wanted >>= 1,
                }
            };
            let size = excess.min(i32::from(chunk[column]).abs());
            let cut = if chunk[column] < 0 { size.wrapping_neg() } else { size };
            chunk[column] = chunk[column].wrapping_sub(cut as i8);
            excess = excess.wrapping_sub(size);
            let column = first.wrapping_add(column as i32);
            let place = if column % 2 == 0 { all } else { odd };
            if column % 2 == 0 {
                bias -= cut << 7;
            } else {
                odd = odd.wrapping_add(1);
            }
            // An entry of an even column makes room for one of an odd column.
            *list.get_mut(all)? = *list.get(place)?;
            *list.get_mut(place)? = [column, cut];
            all = all.wrapping_add(1);
        }
        // SAFETY: as above.
        unsafe { equalinfo_chunk(&chunk, words) };
    }
    let end = |entries: usize| words.wrapping_add(entries << 1);
    Some((Form::Widened(scratch.get(..end(all))?, end(odd)), bias))
}

/// Rows whose gate is positive times activations in chunks, requantized. False, and nothing has changed, where the assembly can't do it.
#[inline(never)]
fn project_rows<T>(rows: &Matrix, activations: &Prepared<'_>, scale: u32, gates: &[T], out: &mut [i32]) -> bool {
    match job(rows, activations, scale, out) {
        (Some(mut job), true) if gates.len() >= out.len() && size_of::<T>() == size_of::<i32>() && in_words(gates) => {
            job.gates = gates.as_ptr().cast();
            // SAFETY: as `job` says, and there is a word for every row.
            unsafe { equalinfo_project_rows(&mut job) };
            true
        }
        _ => false,
    }
}

/// Rows times activations.
fn sums(rows: &Matrix, activations: &Prepared<'_>, out: &mut [i32]) {
    match job(rows, activations, 0, out) {
        // SAFETY: as `job` says, and the width is that of rows in pairs.
        (Some(mut job), true) if rows.width == PAIRED => unsafe { equalinfo_sums(&mut job) },
        // SAFETY: as `job` says.
        (Some(mut job), false) => unsafe { equalinfo_sums_listed(&mut job) },
        // In less code than the portable loop's.
        _ => {
            for (out, row) in out.iter_mut().zip(rows.weights.chunks_exact(rows.width.max(1))) {
                let pairs = row_weights(row).zip(activations.activations);
                *out = pairs.fold(0, |sum: i32, (weight, &a)| sum.wrapping_add(i32::from(weight) * i32::from(a)));
            }
        }
    }
}

/// Puts the numbers that rows give in the place of their sums, by a loop for all of them.
fn requantize(rows: &Matrix, scale: u32, out: &mut [i32], all: Requantize) {
    if rows.requantizers.len() >= out.len() && in_fours(out) && in_words(rows.requantizers) {
        let end = out.as_ptr_range().end;
        // SAFETY: there is a requantizer in a word for each of the sums, of which there is a multiple of four.
        unsafe { all(out.as_mut_ptr(), end, rows.requantizers.as_ptr(), scale) }
    } else {
        for (out, requantizer) in out.iter_mut().zip(rows.requantizers) {
            *out = Requantizer::from_image(*requantizer).apply(*out << scale);
        }
    }
}

/// Sums, where they end, as many requantizers, and how far sums are shifted to the left.
type Requantize = unsafe extern "C" fn(*mut i32, *const i32, *const [u8; 4], u32);

/// Whether there are some of these, and a multiple of four.
fn in_fours<T>(values: &[T]) -> bool {
    !values.is_empty() && values.len().is_multiple_of(4)
}

unsafe extern "C" {
    /// Rows of 64 columns times activations in chunks, two rows at a time.
    fn equalinfo_sums(job: &mut Job);
    /// Rows of any multiple of 64 columns whose gate is positive times activations in chunks, one row at a time, and requantized; other places keep what they hold.
    fn equalinfo_project_rows(job: &mut Job);
    /// Rows times listed activations, four rows at a time.
    fn equalinfo_sums_listed(job: &mut Job);
    /// Splits eight activations into what [`equalinfo_sums`] multiplies with, and adds their absolute values up.
    fn equalinfo_chunk(activations: &[i8; 8], words: &mut [i32; 5]) -> i32;
    /// Lists every second activation that is not zero, from that of a column on, and a zero if their number is odd; where the list ends.
    fn equalinfo_list(activations: *const i8, width: usize, list: *mut i32, column: usize) -> *mut i32;
    /// Requantizes sums, shifted to the left.
    fn equalinfo_requantize(sums: *mut i32, end: *const i32, requantizers: *const [u8; 4], scale: u32);
    /// The same for those that are positive.
    fn equalinfo_requantize_positive(sums: *mut i32, end: *const i32, requantizers: *const [u8; 4], scale: u32);
}

// Registers with a list: r0 a column, r1 where the list is, r2 an activation, r3 a weight, r4 to r7 where the four rows are, r8 to r11 their sums, lr the end of a part of
// the list. Otherwise: r0 the first row, r1 where the activations are, r2 and r3 a word and what is split off, r4 and r5 its activations. The job's address lies on the stack.
global_asm!(
    ".syntax unified",
    ".macro begin name",
    ".section .text.\\name, \"ax\", %progbits",
    ".global \\name",
    ".type \\name, %function",
    ".thumb_func",
    "\\name:",
    "push {{r4, r5, r6, r7, lr}}",
    "mov r4, r8",
    "mov r5, r9",
    "mov r6, r10",
    "mov r7, r11",
    "push {{r0, r4, r5, r6, r7}}",
    "ldr r1, [r0, #8]",
    "mov lr, r1",
    ".endm",
    ".macro end name",
    "pop {{r0, r4, r5, r6, r7}}",
    "mov r8, r4",
    "mov r9, r5",
    "mov r10, r6",
    "mov r11, r7",
    "pop {{r4, r5, r6, r7, pc}}",
    ".size \\name, . - \\name",
    ".endm",
    // Of a job in r3: where the rows are whose first is in r4.
    ".macro four_rows",
    "ldr r2, [r3, #16]",
    "adds r5, r4, r2",
    "adds r6, r5, r2",
    "adds r7, r6, r2",
    ".endm",
    // Of a job in r3: what sums begin with, and the activations in r1.
    ".macro first_sums",
    "ldm r3!, {{r1, r2}}",
    "mov r8, r2",
    "mov r9, r2",
    "mov r10, r2",
    "mov r11, r2",
    ".endm",
    ".macro weight load, row, column, activation, sum",
    "\\load r3, [\\row, \\column]",
    "add_product r3, \\activation, \\sum",
    ".endm",
    // A column whose bytes `load` widens.
    ".macro column load, column, activation",
    "weight \\load, r4, \\column, \\activation, r8",
    "weight \\load, r5, \\column, \\activation, r9",
    "weight \\load, r6, \\column, \\activation, r10",
    "weight \\load, r7, \\column, \\activation, r11",
    ".endm",
    // Adds the product of two registers to a third; the first may be lost.
    ".macro add_product factor, other, sum",
    ".if {mla}",
    "mla \\sum, \\factor, \\other, \\sum",
    ".else",
    "muls \\factor, \\other, \\factor",
    "add \\sum, \\factor",
    ".endif",
    ".endm",
    // Four weights of a row, at a column from r0 on, to r2 and r3.
    ".macro split column",
    "ldr r2, [r0, #\\column]",
    "eors r2, r6",
    ".if {mla}",
    "and r3, r7, r2, lsr #8",
    ".else",
    "lsrs r3, r2, #8",
    "ands r3, r7",
    ".endif",
    ".endm",
    // The first word of a row's chunk.
    ".macro first column, chunk",
    "split \\column",
    "add_product r2, r4, \\chunk",
    "add_product r3, r5, \\chunk",
    ".endm",
    // The second word, and the chunk to the sum.
    ".macro second column, chunk, sum, add",
    ".if {mla}",
    "first \\column, \\chunk",
    ".ifc \\add, mov",
    "asr \\sum, \\chunk, #16",
    ".else",
    "add \\sum, \\sum, \\chunk, asr #16",
    ".endif",
    ".else",
    "split \\column",
    "muls r2, r4, r2",
    "muls r3, r5, r3",
    "adds r2, r2, r3",
    "add r2, \\chunk",
    "asrs r2, r2, #16",
    "\\add \\sum, r2",
    ".endif",
    ".endm",
    // An entry of what is left of an activation, for one or two rows and their sums.
    ".macro excess load, row, sum, second, second_sum",
    "ldm r1!, {{r4, r5}}",
    "\\load r2, [\\row, r4]",
    "add_product r2, r5, \\sum",
    ".ifnb \\second",
    "\\load r2, [\\second, r4]",
    "add_product r2, r5, \\second_sum",
    ".endif",
    ".endm",
    // A sum, with zero in r1; the requantizer becomes its shift. What that moves out last is the half that rounding adds.
    ".macro requantized sum, requantizer, multiplier, low",
    ".if {mla}",
    "lsl \\multiplier, \\requantizer, #16",
    "smull \\low, \\sum, \\sum, \\multiplier",
    "lsr \\requantizer, \\requantizer, #16",
    "sub \\requantizer, \\requantizer, #16",
    "asrs \\sum, \\sum, \\requantizer",
    "adc \\sum, \\sum, #0",
    ".else",
    "uxth \\multiplier, \\requantizer",
    "lsrs \\requantizer, \\requantizer, #16",
    "subs \\requantizer, #16",
    "uxth \\low, \\sum",
    "asrs \\sum, \\sum, #16",
    "muls \\sum, \\multiplier, \\sum",
    "muls \\low, \\multiplier, \\low",
    "lsrs \\low, \\low, #16",
    "adds \\sum, \\sum, \\low",
    "asrs \\sum, \\sum, \\requantizer",
    "adcs \\sum, r1",
    ".endif",
    ".endm",
    // Of a job in r0, to r5: what does not change from row to row, and the first row in r0.
    ".macro split_rows",
    "mov r5, r0",
    "ldr r0, [r5, #20]",
    "ldr r2, [r5, #8]",
    "mov lr, r2",
    "ldr r2, [r5, #48]",
    "mov r12, r2",
    "ldr r6, =0x80008000",
    "ldr r7, =0x00ff00ff",
    ".endm",
    // Stores the sums, with the job in r3, and leaves the comparison of the place with the last.
    ".macro store",
    "ldr r2, [r3, #36]",
    "mov r1, r8",
    "stm r2!, {{r1}}",
    "mov r1, r9",
    "stm r2!, {{r1}}",
    "mov r1, r10",
    "stm r2!, {{r1}}",
    "mov r1, r11",
    "stm r2!, {{r1}}",
    "str r2, [r3, #36]",
    "ldr r1, [r3, #40]",
    "cmp r2, r1",
    ".endm",
    // r8 and r9 two rows' chunks, r10 and r11 their sums, r12 the end of the excess of odd columns, lr that of all, r6 and r7 what splits a word.
    ".macro two_chunks column, add",
    "ldm r1!, {{r3, r4, r5}}",
    "mov r8, r3",
    "mov r9, r3",
    "first \\column, r8",
    "first \\column+64, r9",
    "ldm r1!, {{r4, r5}}",
    "second \\column+4, r8, r10, \\add",
    "second \\column+68, r9, r11, \\add",
    ".endm",
    "begin equalinfo_sums",
    "split_rows",
    "0:",
    "ldr r1, [r5]",
    "two_chunks 0, mov",
    ".irp column, 8, 16, 24, 32, 40, 48, 56",
    "two_chunks \\column, add",
    ".endr",
    "mov r3, r0",
    "adds r3, #64",
    "cmp r1, r12",
    "beq 2f",
    "1:",
    "excess ldrsb, r0, r10, r3, r11",
    "cmp r1, r12",
    "bne 1b",
    "2:",
    "cmp r1, lr",
    "beq 4f",
    "ldr r2, [sp]",
    "ldr r2, [r2, #4]",
    "add r10, r2",
    "add r11, r2",
    "3:",
    "excess ldrb, r0, r10, r3, r11",
    "cmp r1, lr",
    "bne 3b",
    "4:",
    "adds r0, #128",
    "ldr r5, [sp]",
    "ldr r2, [r5, #36]",
    "mov r3, r10",
    "mov r4, r11",
    "stm r2!, {{r3, r4}}",
    "str r2, [r5, #36]",
    "ldr r1, [r5, #40]",
    "cmp r2, r1",
    "beq 5f",
    "b 0b",
    "5:",
    "end equalinfo_sums",
    ".ltorg",
    // One row at a time: r8 its chunk, r9 its sum, r12 and lr as above.
    ".macro one_chunk column",
    "ldm r1!, {{r3, r4, r5}}",
    "mov r8, r3",
    "first \\column, r8",
    "ldm r1!, {{r4, r5}}",
    "second \\column+4, r8, r9, add",
    ".endm",
    // r10: where the row's gate is, r11 its place, r12 the end of the chunks.
    "begin equalinfo_project_rows",
    "split_rows",
    "ldr r1, [r5]",
    "ldr r2, [r5, #16]",
    "lsls r3, r2, #1",
    "adds r1, r1, r3",
    "lsrs r2, r2, #1",
    "adds r1, r1, r2",
    "mov r12, r1",
    "ldr r1, [r5, #44]",
    "mov r10, r1",
    "ldr r2, [r5, #36]",
    "mov r11, r2",
    "b 6f",
    "0:",
    "mov r10, r1",
    "mov r11, r2",
    "ldr r5, [sp]",
    "ldm r5!, {{r1, r2}}",
    "mov r9, r2",
    "1:",
    ".irp column, 0, 8, 16, 24",
    "one_chunk \\column",
    ".endr",
    "adds r0, #32",
    "cmp r1, r12",
    "bne 1b",
    "cmp r1, lr",
    "beq 5f",
    // r3: the row, r8 the end of the excess of odd columns.
    "ldr r2, [sp]",
    "ldr r3, [r2, #16]",
    "subs r3, r0, r3",
    "ldr r2, [r2, #48]",
    "mov r8, r2",
    "b 3f",
    "2:",
    "excess ldrsb, r3, r9",
    "3:",
    "cmp r1, r8",
    "bne 2b",
    "b 4f",
    "7:",
    "excess ldrb, r3, r9",
    "4:",
    "cmp r1, lr",
    "bne 7b",
    "5:",
    "mov r8, r0",
    "ldr r5, [sp]",
    "ldr r3, [r5, #28]",
    "ldr r4, [r5, #32]",
    "mov r2, r11",
    "subs r5, r2, r3",
    "ldr r5, [r5]",
    "mov r3, r9",
    "lsls r3, r3, r4",
    "movs r1, #0",
    "requantized r3, r5, r4, r0",
    "stm r2!, {{r3}}",
    "mov r11, r2",
    "mov r0, r8",
    "6:",
    "mov r1, r10",
    "mov r2, r11",
    "ldr r5, [sp]",
    "ldr r4, [r5, #40]",
    "ldr r5, [r5, #16]",
    "8:",
    "cmp r2, r4",
    "beq 9f",
    "adds r0, r0, r5",
    "adds r2, #4",
    "ldm r1!, {{r3}}",
    "cmp r3, #0",
    "ble 8b",
    "subs r0, r0, r5",
    "subs r2, #4",
    "b 0b",
    "9:",
    "end equalinfo_project_rows",
    ".ltorg",
    // The listed activations up to lr, in columns whose bytes `load` widens: r0 the column, r2 an entry and then its activation.
    ".macro listed load",
    "cmp r1, lr",
    "beq 2f",
    "1:",
    ".rept 2",
    "ldm r1!, {{r2}}",
    "uxth r0, r2",
    "asrs r2, r2, #16",
    "column \\load, r0, r2",
    ".endr",
    "cmp r1, lr",
    "bne 1b",
    "2:",
    ".endm",
    // lr: the end of a part of the list.
    "begin equalinfo_sums_listed",
    "mov r3, r0",
    "ldr r4, [r3, #20]",
    "0:",
    "four_rows",
    "ldr r2, [r3, #48]",
    "mov lr, r2",
    "first_sums",
    "listed ldrb",
    "ldr r3, [sp]",
    "ldr r2, [r3, #8]",
    "mov lr, r2",
    "listed ldrsb",
    "ldr r3, [sp]",
    "ldr r4, [r3, #16]",
    "adds r4, r7, r4",
    "store",
    "bne 0b",
    "end equalinfo_sums_listed",
    // r0 activations, r1 words, r2 and r3 where two columns are, r4 and r5 activations of four columns, r12 the absolute values, lr the sum of r4 and r5.
    ".macro function name",
    ".section .text.\\name, \"ax\", %progbits",
    ".global \\name",
    ".type \\name, %function",
    ".thumb_func",
    "\\name:",
    "push {{r4, r5, r6, r7, lr}}",
    ".endm",
    ".macro size x, sign",
    "asrs \\sign, \\x, #31",
    "adds r6, \\x, \\sign",
    "eors r6, \\sign",
    "add r12, r6",
    ".endm",
    "function equalinfo_chunk",
    "movs r2, #0",
    "movs r3, #1",
    "mov r12, r2",
    "mov lr, r2",
    "adds r1, #4",
    ".rept 2",
    "ldrsb r4, [r0, r2]",
    "ldrsb r5, [r0, r3]",
    "size r4, r7",
    "size r5, r7",
    "lsls r4, r4, #16",
    "lsls r5, r5, #16",
    "adds r0, #2",
    "ldrsb r6, [r0, r2]",
    "adds r4, r4, r6",
    "size r6, r7",
    "ldrsb r6, [r0, r3]",
    "adds r5, r5, r6",
    "size r6, r7",
    "adds r0, #2",
    "add lr, r4",
    "add lr, r5",
    "lsls r6, r4, #8",
    "subs r5, r5, r6",
    "stm r1!, {{r4, r5}}",
    ".endr",
    "lsls r3, r3, #15",
    "mov r4, lr",
    "lsls r5, r4, #7",
    "subs r3, r3, r5",
    "lsls r5, r4, #23",
    "subs r3, r3, r5",
    "subs r1, #20",
    "str r3, [r1]",
    "mov r0, r12",
    "pop {{r4, r5, r6, r7, pc}}",
    ".size equalinfo_chunk, . - equalinfo_chunk",
    "function equalinfo_list",
    "mov r12, r2",
    "1:",
    "ldrsb r4, [r0, r3]",
    "cmp r4, #0",
    "beq 2f",
    "lsls r4, r4, #16",
    "orrs r4, r3",
    "stm r2!, {{r4}}",
    "2:",
    "adds r3, #2",
    "cmp r3, r1",
    "blo 1b",
    "mov r0, r12",
    "eors r0, r2",
    "lsls r0, r0, #29",
    "bpl 3f",
    "movs r4, #0",
    "stm r2!, {{r4}}",
    "3:",
    "mov r0, r2",
    "pop {{r4, r5, r6, r7, pc}}",
    ".size equalinfo_list, . - equalinfo_list",
    // r3 and r7 where two values are, r4 and r5 their sums, r12 the end.
    "function equalinfo_accumulate",
    "mov r12, r3",
    "movs r3, #0",
    "movs r7, #1",
    "1:",
    ".rept 4",
    "ldr r4, [r2]",
    "ldr r5, [r2, #4]",
    "ldrsb r6, [r1, r3]",
    "add_product r6, r0, r4",
    "ldrsb r6, [r1, r7]",
    "add_product r6, r0, r5",
    "stm r2!, {{r4, r5}}",
    "adds r1, #2",
    ".endr",
    "cmp r1, r12",
    "bne 1b",
    "pop {{r4, r5, r6, r7, pc}}",
    ".size equalinfo_accumulate, . - equalinfo_accumulate",
    "function equalinfo_bits",
    "movs r2, #0",
    "1:",
    ".rept 4",
    "ldm r0!, {{r3}}",
    "asrs r4, r3, #31",
    "eors r3, r4",
    "subs r3, r3, r4",
    "orrs r2, r3",
    ".endr",
    "cmp r0, r1",
    "bne 1b",
    "mov r0, r2",
    "pop {{r4, r5, r6, r7, pc}}",
    ".size equalinfo_bits, . - equalinfo_bits",
    // r4 and r5 the sum, r6 zero.
    "function equalinfo_squares",
    "movs r4, #0",
    "movs r5, #0",
    "movs r6, #0",
    "1:",
    ".rept 4",
    "ldm r0!, {{r7}}",
    "lsls r7, r2",
    "asrs r7, r3",
    ".if {mla}",
    "smlal r4, r5, r7, r7",
    ".else",
    "muls r7, r7, r7",
    "adds r4, r4, r7",
    "adcs r5, r6",
    ".endif",
    ".endr",
    "cmp r0, r1",
    "bne 1b",
    "mov r0, r4",
    "mov r1, r5",
    "pop {{r4, r5, r6, r7, pc}}",
    ".size equalinfo_squares, . - equalinfo_squares",
    // Stores a number in r6 at r1 as an activation; r7 is the largest.
    ".macro activation",
    "cmp r6, r7",
    "ble 2f",
    "mov r6, r7",
    "2:",
    "cmn r6, r7",
    "bge 3f",
    "rsbs r6, r7, #0",
    "3:",
    "strb r6, [r1]",
    "adds r1, #1",
    ".endm",
    "function equalinfo_clamp",
    "movs r7, #127",
    "1:",
    ".rept 2",
    "ldm r0!, {{r6}}",
    "activation",
    ".endr",
    "cmp r1, r2",
    "bne 1b",
    "pop {{r4, r5, r6, r7, pc}}",
    ".size equalinfo_clamp, . - equalinfo_clamp",
    // r2 the shift to the left, r3 to the right, r4 the inverse, r5 the half that rounding adds, r6 a number, r7 the largest activation, r12 the end.
    "function equalinfo_normalize",
    "ldm r2, {{r2, r3, r4, r5}}",
    "mov r12, r5",
    "movs r5, #1",
    "lsls r5, r5, #19",
    "movs r7, #127",
    "1:",
    ".rept 2",
    "ldm r0!, {{r6}}",
    "lsls r6, r2",
    "asrs r6, r3",
    ".if {mla}",
    "mla r6, r6, r4, r5",
    ".else",
    "muls r6, r4, r6",
    "adds r6, r6, r5",
    ".endif",
    "asrs r6, r6, #20",
    "activation",
    ".endr",
    "cmp r0, r12",
    "bne 1b",
    "pop {{r4, r5, r6, r7, pc}}",
    ".size equalinfo_normalize, . - equalinfo_normalize",
    // r0 the sums, r1 zero, r2 requantizers, r3 the scale, r4 a sum, r5 its requantizer, r12 the end.
    "function equalinfo_requantize",
    "mov r12, r1",
    "movs r1, #0",
    "1:",
    ".rept 4",
    "ldr r4, [r0]",
    "lsls r4, r4, r3",
    "ldm r2!, {{r5}}",
    "requantized r4, r5, r6, r7",
    "stm r0!, {{r4}}",
    ".endr",
    "cmp r0, r12",
    "bne 1b",
    "pop {{r4, r5, r6, r7, pc}}",
    ".size equalinfo_requantize, . - equalinfo_requantize",
    "function equalinfo_requantize_positive",
    "mov r12, r1",
    "movs r1, #0",
    "b 2f",
    "1:",
    "adds r0, #4",
    "cmp r0, r12",
    "beq 3f",
    "2:",
    "ldm r2!, {{r5}}",
    "ldr r4, [r0]",
    "cmp r4, #0",
    "ble 1b",
    "lsls r4, r4, r3",
    "requantized r4, r5, r6, r7",
    "stm r0!, {{r4}}",
    "cmp r0, r12",
    "bne 2b",
    "3:",
    "pop {{r4, r5, r6, r7, pc}}",
    ".size equalinfo_requantize_positive, . - equalinfo_requantize_positive",
    // r2 a number of the first vector, r3 one of the second and then their product, r4 and r5 where two columns are, r7 the sum, r12 the end.
    ".section .text.equalinfo_dot, \"ax\", %progbits",
    ".global equalinfo_dot",
    ".type equalinfo_dot, %function",
    ".thumb_func",
    "equalinfo_dot:",
    "push {{r4, r5, r6, r7, lr}}",
    "mov r12, r2",
    "movs r4, #0",
    "movs r5, #1",
    "movs r7, #0",
    "1:",
    ".rept 4",
    "ldrsb r2, [r0, r4]",
    "ldrsb r3, [r1, r4]",
    "add_product r3, r2, r7",
    "ldrsb r2, [r0, r5]",
    "ldrsb r3, [r1, r5]",
    "add_product r3, r2, r7",
    "adds r0, #2",
    "adds r1, #2",
    ".endr",
    "cmp r0, r12",
    "bne 1b",
    "mov r0, r7",
    "pop {{r4, r5, r6, r7, pc}}",
    ".size equalinfo_dot, . - equalinfo_dot",
    mla = const cfg!(core = "mla") as u32,
);
