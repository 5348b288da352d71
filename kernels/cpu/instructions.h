// The functions of ../instructions.cuh for the CPU: every lane passes its operands to the others and computes its own
// part of the result. The order of sums in a tensor core is the hardware's own, so bf16 products agree with it only up
// to rounding; integer products agree exactly.
#pragma once

// Copies are deferred until they are waited for: a missing wait leaves stale data, as it may on the GPU.
DEVICE void cuda_cpu_copy_async(void *shared, const void *global, unsigned bytes, bool valid) {
    cuda_cpu::fiber->copies.push_back({shared, global, bytes, valid, cuda_cpu::fiber->copy_group});
}

DEVICE void copy_async_16(void *shared, const void *global, bool valid = true) {
    cuda_cpu::check_alignment(shared, 16, "copy_async_16");
    if (valid) cuda_cpu::check_alignment(global, 16, "copy_async_16");
    cuda_cpu_copy_async(shared, global, 16, valid);
}

template <int BYTES>
DEVICE void copy_async(void *shared, const void *global, bool valid = true) {
    static_assert(BYTES == 4 || BYTES == 8, "copy_async_16 copies 16");
    cuda_cpu::check_alignment(shared, BYTES, "copy_async");
    if (valid) cuda_cpu::check_alignment(global, BYTES, "copy_async");
    cuda_cpu_copy_async(shared, global, BYTES, valid);
}

DEVICE void copy_async_commit() { cuda_cpu::fiber->copy_group++; }

template <int PENDING>
DEVICE void copy_async_wait() {
    cuda_cpu::finish_copies(PENDING);
}

struct MatrixRow {
    u16 values[8];
};

template <int MATRICES, bool TRANSPOSED>
DEVICE void cuda_cpu_load_matrix(u32 (&registers)[MATRICES], const void *row) {
    MatrixRow own = {};
    const int lane = lane_index();
    if (lane < 8 * MATRICES) {
        cuda_cpu::check_alignment(row, 16, "load_matrix");
        memcpy(&own, row, sizeof own);
    }
    const cuda_cpu::Exchange all = cuda_cpu::exchange(ALL_LANES, own, "load_matrix");
    const int group = lane / 4, member = lane % 4;
    for (int matrix = 0; matrix < MATRICES; matrix++) {
        u16 pair[2];
        for (int i = 0; i < 2; i++) {
            const int from_row = TRANSPOSED ? 2 * member + i : group;
            const int from_column = TRANSPOSED ? group : 2 * member + i;
            pair[i] = all.get<MatrixRow>(8 * matrix + from_row).values[from_column];
        }
        registers[matrix] = pair[0] | static_cast<u32>(pair[1]) << 16;
    }
}

DEVICE void load_matrix_4(u32 (&registers)[4], const void *row) { cuda_cpu_load_matrix<4, false>(registers, row); }
DEVICE void load_matrix_4_transposed(u32 (&registers)[4], const void *row) { cuda_cpu_load_matrix<4, true>(registers, row); }
DEVICE void load_matrix_2(u32 (&registers)[2], const void *row) { cuda_cpu_load_matrix<2, false>(registers, row); }
DEVICE void load_matrix_2_transposed(u32 (&registers)[2], const void *row) { cuda_cpu_load_matrix<2, true>(registers, row); }

struct Fragments {
    u32 a[4];
    u32 b[2];
};

DEVICE void multiply_add_bf16(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) {
    const Fragments own = {{a[0], a[1], a[2], a[3]}, {b[0], b[1]}};
    const cuda_cpu::Exchange all = cuda_cpu::exchange(ALL_LANES, own, "multiply_add_bf16");
    const int group = lane_index() / 4, member = lane_index() % 4;
    const Fragments *lanes[32];
    for (int lane = 0; lane < 32; lane++) lanes[lane] = reinterpret_cast<const Fragments *>(all.slots[lane].bytes);
    for (int k = 0; k < 16; k += 2) {
        const int half = k / 8, from = k % 8 / 2;
        for (int i = 0; i < 4; i++) {
            const u32 left = lanes[4 * group + from]->a[2 * half + i / 2];
            const u32 right = lanes[4 * (2 * member + i % 2) + from]->b[half];
            d[i] += low_float(left) * low_float(right);
            d[i] += high_float(left) * high_float(right);
        }
    }
}

DEVICE void multiply_add_s8(i32 (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) {
    const Fragments own = {{a[0], a[1], a[2], a[3]}, {b[0], b[1]}};
    const cuda_cpu::Exchange all = cuda_cpu::exchange(ALL_LANES, own, "multiply_add_s8");
    const int group = lane_index() / 4, member = lane_index() % 4;
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < 32; k += 4) {
            const u32 left = all.get<Fragments>(4 * group + k % 16 / 4).a[2 * (k / 16) + i / 2];
            const u32 right = all.get<Fragments>(4 * (2 * member + i % 2) + k % 16 / 4).b[k / 16];
            d[i] = __dp4a(static_cast<int>(left), static_cast<int>(right), d[i]);
        }
}

DEVICE float fast_exp2(float x) { return exp2f(x); }
DEVICE float fast_log2(float x) { return log2f(x); }
