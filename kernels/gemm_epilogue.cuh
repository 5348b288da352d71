// Consumes a product's sums, for every kernel whose accumulators have the layout of mma.sync: a warp holds 16 rows of
// blocks of 8 columns, with `d[block][0..1]` in row lane / 4, columns 2 (lane % 4)..+1, and `d[block][2..3]` in the row
// 8 below. wgmma's accumulators have the same layout within each warp, so both paths end here.
//
// f32 outputs are stored directly: the four lanes of a group write 32 bytes of a row, a whole sector. bf16 outputs go
// through store_rows.cuh. The number of columns is a multiple of 8; the number of rows is arbitrary.
#pragma once

#include "store_rows.cuh"

// out = d, rounded.
struct StoreBf16 {
    bf16 *out;
    int rows, columns;

    template <int BLOCKS>
    __device__ __forceinline__ void operator()(const float (&d)[BLOCKS][4], int row, int column) const {
#pragma unroll
        for (int half = 0; half < 2; half++) {
            const int own = row + 8 * half + lane_index() / 4;
            bf16x2 words[BLOCKS];
#pragma unroll
            for (int i = 0; i < BLOCKS; i++) words[i] = to_bf16x2(d[i][2 * half], d[i][2 * half + 1]);
            store_row_bf16(words, out + static_cast<i64>(own) * columns, column, columns, own < rows);
        }
    }
};

// out = d, or with ADD out = added + d; `added` may be `out` itself, since one thread reads and writes each value.
template <bool ADD>
struct StoreF32 {
    const float *added;
    float *out;
    int rows, columns;

    template <int BLOCKS>
    __device__ __forceinline__ void operator()(const float (&d)[BLOCKS][4], int row, int column) const {
#pragma unroll
        for (int half = 0; half < 2; half++) {
            const int own = row + 8 * half + lane_index() / 4;
            if (own >= rows) continue;
            const i64 start = static_cast<i64>(own) * columns;
#pragma unroll
            for (int i = 0; i < BLOCKS; i++) {
                const int at = column + 8 * i + lane_index() % 4 * 2;
                if (at >= columns) continue;
                float2 value = make_float2(d[i][2 * half], d[i][2 * half + 1]);
                if (ADD) {
                    const float2 before = *reinterpret_cast<const float2 *>(added + start + at);
                    value.x += before.x;
                    value.y += before.y;
                }
                *reinterpret_cast<float2 *>(out + start + at) = value;
            }
        }
    }
};

// ReGLU within the product: the first half of the blocks holds gates, the second the linear factors of the same
// columns. Writes h = max(gate, 0) * linear and, unless null, `gate_linear` (rows of [gate | linear], for the backward
// pass). Both factors are rounded first, so that they match the separate kernel's input.
struct StoreReglu {
    bf16 *gate_linear;
    bf16 *h;
    int rows, columns;

    template <int BLOCKS>
    __device__ __forceinline__ void operator()(const float (&d)[BLOCKS][4], int row, int column) const {
        constexpr int HALF = BLOCKS / 2;
#pragma unroll
        for (int half = 0; half < 2; half++) {
            const int own = row + 8 * half + lane_index() / 4;
            const bool inside = own < rows;
            bf16 *const both = gate_linear + static_cast<i64>(own) * 2 * columns;
            // Processing four blocks at a time needs few registers besides the sums.
#pragma unroll
            for (int first = 0; first < HALF; first += 4) {
                bf16x2 gate[4], linear[4], product[4];
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    const float(&g)[4] = d[first + i], (&l)[4] = d[HALF + first + i];
                    gate[i] = to_bf16x2(g[2 * half], g[2 * half + 1]);
                    linear[i] = to_bf16x2(l[2 * half], l[2 * half + 1]);
                    const float low = low_float(gate[i]), high = high_float(gate[i]);
                    product[i] = to_bf16x2(low > 0.0f ? low * low_float(linear[i]) : 0.0f,
                                           high > 0.0f ? high * high_float(linear[i]) : 0.0f);
                }
                const int at = column + 8 * first;
                store_row_bf16(product, h + static_cast<i64>(own) * columns, at, columns, inside);
                if (gate_linear == nullptr) continue;
                store_row_bf16(gate, both, at, columns, inside);
                store_row_bf16(linear, both + columns, at, columns, inside);
            }
        }
    }
};

// The gradient of ReGLU within the product that computes dh: dgate = dh * linear and dlinear = dh * gate where the gate
// is open.
struct StoreRegluBackward {
    const bf16 *gate_linear;
    bf16 *dgate_linear;
    int rows, columns;

    template <int BLOCKS>
    __device__ __forceinline__ void operator()(const float (&d)[BLOCKS][4], int row, int column) const {
#pragma unroll
        for (int half = 0; half < 2; half++) {
            const int own = row + 8 * half + lane_index() / 4;
            const bool inside = own < rows;
            const i64 start = static_cast<i64>(own) * 2 * columns;
#pragma unroll
            for (int first = 0; first < BLOCKS; first += 4) {
                bf16x2 dgate[4], dlinear[4];
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    const int at = column + 8 * (first + i) + lane_index() % 4 * 2;
                    bf16x2 gate = 0, linear = 0;
                    if (inside && at < columns) {
                        gate = *reinterpret_cast<const bf16x2 *>(gate_linear + start + at);
                        linear = *reinterpret_cast<const bf16x2 *>(gate_linear + start + columns + at);
                    }
                    // A closed gate lets nothing through, whatever the value of dh.
                    const float low = low_float(gate) > 0.0f ? d[first + i][2 * half] : 0.0f;
                    const float high = high_float(gate) > 0.0f ? d[first + i][2 * half + 1] : 0.0f;
                    dgate[i] = to_bf16x2(low * low_float(linear), high * high_float(linear));
                    dlinear[i] = to_bf16x2(low * low_float(gate), high * high_float(gate));
                }
                store_row_bf16(dgate, dgate_linear + start, column + 8 * first, columns, inside);
                store_row_bf16(dlinear, dgate_linear + start + columns, column + 8 * first, columns, inside);
            }
        }
    }
};
