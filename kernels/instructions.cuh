// Instructions that C++ cannot express: asynchronous copies, matrix loads, tensor-core products, the fast exponential.
// This file has the GPU's; cpu/instructions.h has the same functions for the CPU.
//
// Fragments of a warp's product D = A B + D, lane = 4 * group + member:
//   bf16 m16n8k16   A: a[0] row group, columns 2 member..+1; a[1] row group + 8; a[2], a[3] the same, columns + 8
//                   B: b[0] rows 2 member..+1, column group; b[1] rows + 8
//   s8   m16n8k32   A: a[0] row group, columns 4 member..+3; a[1] row group + 8; a[2], a[3] the same, columns + 16
//                   B: b[0] rows 4 member..+3, column group; b[1] rows + 16
//   both            D: d[0], d[1] row group, columns 2 member..+1; d[2], d[3] row group + 8
// Each u32 of a fragment holds the lower column (A) or row (B) in its low bits.
#pragma once

#if ON_GPU

// The address of shared memory in the form that instructions take.
DEVICE u32 shared_address(const void *pointer) { return static_cast<u32>(__cvta_generic_to_shared(pointer)); }

// Starts copying 16 bytes from global to shared memory, both aligned to 16; zeros if not `valid` (the source is not
// read).
DEVICE void copy_async_16(void *shared, const void *global, bool valid = true) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(shared)), "l"(global), "r"(valid ? 16 : 0)
                 : "memory");
}

// The same for 4 or 8 bytes, with the same alignment as the size.
template <int BYTES>
DEVICE void copy_async(void *shared, const void *global, bool valid = true) {
    static_assert(BYTES == 4 || BYTES == 8, "copy_async_16 copies 16");
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(shared_address(shared)), "l"(global), "n"(BYTES),
                 "r"(valid ? BYTES : 0)
                 : "memory");
}

// Closes the group of copies started since the last one.
DEVICE void copy_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Waits until at most `PENDING` of this thread's groups are unfinished. Other threads' copies also need a barrier.
template <int PENDING>
DEVICE void copy_async_wait() {
    asm volatile("cp.async.wait_group %0;" ::"n"(PENDING) : "memory");
}

// Loads four 8 x 8 matrices of 16-bit values: lanes 8 i .. 8 i + 7 give the addresses of the rows of matrix i (16 bytes
// each, aligned); from each matrix, lane l gets values 2 (l % 4) and the next of row l / 4.
DEVICE void load_matrix_4(u32 (&registers)[4], const void *row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(registers[0]), "=r"(registers[1]), "=r"(registers[2]), "=r"(registers[3])
                 : "r"(shared_address(row))
                 : "memory");
}

// The same, each matrix transposed.
DEVICE void load_matrix_4_transposed(u32 (&registers)[4], const void *row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(registers[0]), "=r"(registers[1]), "=r"(registers[2]), "=r"(registers[3])
                 : "r"(shared_address(row))
                 : "memory");
}

// Two matrices: lanes 0 .. 15 give the rows.
DEVICE void load_matrix_2(u32 (&registers)[2], const void *row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
                 : "=r"(registers[0]), "=r"(registers[1])
                 : "r"(shared_address(row))
                 : "memory");
}

DEVICE void load_matrix_2_transposed(u32 (&registers)[2], const void *row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
                 : "=r"(registers[0]), "=r"(registers[1])
                 : "r"(shared_address(row))
                 : "memory");
}

DEVICE void multiply_add_bf16(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

DEVICE void multiply_add_s8(i32 (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) {
    asm volatile(
        "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// 2^x and log2 x to about 2 units in the last place of an f32, one instruction each.
DEVICE float fast_exp2(float x) {
    float result;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x));
    return result;
}

DEVICE float fast_log2(float x) {
    float result;
    asm("lg2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x));
    return result;
}

#else
#include "cpu/instructions.h"
#endif
