// Consumes logits in the registers that they are computed in, for both kinds of products (see cross_entropy.cu).
#pragma once

#include "gemm_epilogue.cuh"

constexpr u32 IGNORED = 0xffffffffu;
constexpr float LOG2_E = 1.44269504088896341f;
constexpr float LN_2 = 0.693147180559945309f;
// Columns whose logits are reduced to one maximum and one sum.
constexpr int PART = 64;

// Coefficients that turn one position's logits into gradients: dl = factor 2^(log2(e) l - log2_sum) - weight [o = t].
struct alignas(16) Coefficients {
    float log2_sum, factor, weight;
    float unused;
};

// Largest value and sum of exponentials relative to it.
struct alignas(8) Exponentials {
    float largest, sum;
};

// Writes parts[column / 64][row], and wanted[row] = the target's logit.
struct StoreStatistics {
    const u32 *targets;
    Exponentials *parts;
    float *wanted;
    int rows, columns;

    template <int BLOCKS>
    __device__ __forceinline__ void operator()(const float (&d)[BLOCKS][4], int row, int column) const {
        static_assert(8 * BLOCKS % PART == 0, "whole parts");
#pragma unroll
        for (int half = 0; half < 2; half++) {
            const int own = row + 8 * half + lane_index() / 4;
            const u32 target = own < rows ? targets[own] : IGNORED;
#pragma unroll
            for (int first = 0; first < BLOCKS; first += PART / 8)
                if (column + 8 * first < columns) part(d, first, half, own, column + 8 * first, target);
        }
    }

private:
    // Blocks first .. first + 7 of one half, whose first column exists.
    template <int BLOCKS>
    __device__ __forceinline__ void part(const float (&d)[BLOCKS][4], int first, int half, int own, int column, u32 target) const {
        const int member = lane_index() % 4;
        float largest = -__int_as_float(0x7f800000);
#pragma unroll
        for (int i = 0; i < PART / 8; i++) {
            const int at = column + 8 * i + 2 * member;
            if (at < columns) largest = fmaxf(largest, d[first + i][2 * half]);
            if (at + 1 < columns) largest = fmaxf(largest, d[first + i][2 * half + 1]);
        }
        largest = fmaxf(largest, __shfl_xor_sync(ALL_LANES, largest, 1));
        largest = fmaxf(largest, __shfl_xor_sync(ALL_LANES, largest, 2));
        float sum = 0.0f;
#pragma unroll
        for (int i = 0; i < PART / 8; i++) {
            const int at = column + 8 * i + 2 * member;
            if (at >= columns) continue;
            const float low = d[first + i][2 * half], high = d[first + i][2 * half + 1];
            sum += fast_exp2(LOG2_E * (low - largest)) + (at + 1 < columns ? fast_exp2(LOG2_E * (high - largest)) : 0.0f);
            if (target == static_cast<u32>(at)) wanted[own] = low;
            if (target == static_cast<u32>(at + 1)) wanted[own] = high;
        }
        sum += __shfl_xor_sync(ALL_LANES, sum, 1);
        sum += __shfl_xor_sync(ALL_LANES, sum, 2);
        if (member == 0 && own < rows) parts[static_cast<i64>(column / PART) * rows + own] = {largest, sum};
    }
};

// Values in a row of dl for so many outputs.
DEVICE int padded(int outputs) { return (outputs + 7) / 8 * 8; }

// Writes dl in bf16, the operand of the two following products: rows of `columns` values, a multiple of eight, of which
// those behind the last output mean nothing.
struct StoreLogitGradients {
    const u32 *targets;
    const Coefficients *coefficients;
    bf16 *dlogits;
    int rows, columns;

    template <int BLOCKS>
    __device__ __forceinline__ void operator()(const float (&d)[BLOCKS][4], int row, int column) const {
#pragma unroll
        for (int half = 0; half < 2; half++) {
            const int own = row + 8 * half + lane_index() / 4;
            const bool inside = own < rows;
            const Coefficients c = inside ? coefficients[own] : Coefficients{0.0f, 0.0f, 0.0f, 0.0f};
            const u32 target = inside ? targets[own] : IGNORED;
            // Processing four blocks at a time needs few registers besides the sums.
#pragma unroll
            for (int first = 0; first < BLOCKS; first += 4) {
                bf16x2 words[4];
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    const u32 at = column + 8 * (first + i) + lane_index() % 4 * 2;
                    float low = c.factor * fast_exp2(LOG2_E * d[first + i][2 * half] - c.log2_sum);
                    float high = c.factor * fast_exp2(LOG2_E * d[first + i][2 * half + 1] - c.log2_sum);
                    if (at == target) low -= c.weight;
                    if (at + 1 == target) high -= c.weight;
                    words[i] = to_bf16x2(low, high);
                }
                store_row_bf16(words, dlogits + static_cast<i64>(own) * columns, column + 8 * first, columns, inside);
            }
        }
    }
};
