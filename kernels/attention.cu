// Forward pass of causal attention over sliding or restarting contexts, per head: o = softmax(q k^T / 8 +
// bias[bucket(distance)]) v, in flash style (Dao 2022, 2023: online softmax, no scores in memory).
//
// A block takes 64 queries of one head in four warps of 16 rows and walks over the blocks of 64 keys that they see,
// from the diagonal backwards. Every row thus meets its own position in the first block: its maximum is finite from
// then on, and rows that a later block hides entirely need no special case. Scores stay in registers. Accumulators have
// the layout of left operands, so the probabilities also stay in registers on their way into p v.
//
// Memory traffic: q, o and lse once; k and v once per block of queries that sees them, mostly from the L2: 16 KiB for
// 64 x 64 x 64 x 4 operations, or 64 operations per byte. Blocks hold 64 rather than 128 queries because contexts are
// short: at 256 sliding positions 64 queries touch 319 keys for the 256 that each sees, 128 would touch 383; restarting
// contexts of a few dozen positions gain more.
//
// Shared memory, 33 KiB: two slots for k and v, so that one block's tiles arrive while the previous one is computed; q
// passes through the second slot into registers. Registers limit occupancy to three blocks per multiprocessor (about
// 150 per thread; at 128, for four blocks, the compiler spills).
//
// Padding rows after the last token see key rows of zeros and are not stored.
//
// launch: grid (ceil(tokens / 64), heads), 128 threads.
#include "attention_tile.cuh"
#include "store_rows.cuh"

// Processes one block of keys: updates the maxima, sums and outputs of the warp's rows.
struct OnlineSoftmax {
    float maximum[2];
    // Covers this lane's columns only; the lanes are added up at the end.
    float sum[2];
    WarpBlock out;

    __device__ __forceinline__ void update(WarpBlock &s, const unsigned char *v) {
#pragma unroll
        for (int half = 0; half < 2; half++) {
            float largest = maximum[half];
#pragma unroll
            for (int i = 0; i < HEAD / 8; i++) largest = max(largest, max(s[i][2 * half], s[i][2 * half + 1]));
            largest = max(largest, __shfl_xor_sync(ALL_LANES, largest, 1));
            largest = max(largest, __shfl_xor_sync(ALL_LANES, largest, 2));
            const float shrink = fast_exp2(maximum[half] - largest);
            maximum[half] = largest;
            sum[half] *= shrink;
#pragma unroll
            for (int i = 0; i < HEAD / 8; i++) {
                s[i][2 * half] = fast_exp2(s[i][2 * half] - largest);
                s[i][2 * half + 1] = fast_exp2(s[i][2 * half + 1] - largest);
                sum[half] += s[i][2 * half] + s[i][2 * half + 1];
                out[i][2 * half] *= shrink;
                out[i][2 * half + 1] *= shrink;
            }
        }
        multiply_add_by_columns(out, s, v);
    }
};

extern "C" __global__ void __launch_bounds__(ATTENTION_THREADS, 3)
    attention_forward(const bf16 *qkv, const float *bias, const int *starts, bf16 *out, float *lse, int tokens, int heads) {
    alignas(128) __shared__ unsigned char tiles[2][2][ATTENTION_TILE_BYTES];
    __shared__ float table[BIAS_TABLE];
    const int head = static_cast<int>(blockIdx.y), block = static_cast<int>(blockIdx.x);
    const int first = block * ATTENTION_BLOCK, width = heads * HEAD, stride = 3 * width;
    const bf16 *q = qkv + head * HEAD, *k = q + width, *v = k + width;

    copy_tile(tiles[1][0], q, stride, first, tokens);
    copy_tile(tiles[0][0], k, stride, first, tokens);
    copy_tile(tiles[0][1], v, stride, first, tokens);
    copy_async_commit();
    fill_bias_table(table, bias + head * BUCKETS);

    // The queries of this warp and of this lane. Rows after the last token get the start of the last token, which hides
    // no more than theirs would.
    const int warp_first = first + warp_index() * WARP_ROWS, warp_last = warp_first + WARP_ROWS - 1;
    const int rows[2] = {warp_first + lane_index() / 4, warp_first + lane_index() / 4 + 8};
    const int row_starts[2] = {starts[min(rows[0], tokens - 1)], starts[min(rows[1], tokens - 1)]};
    const int first_start = starts[min(warp_first, tokens - 1)], last_start = starts[min(warp_last, tokens - 1)];
    // Clamped, so that no value in `starts` leads out of bounds.
    const int lowest_block = min(max(starts[first], 0) / ATTENTION_BLOCK, block);

    copy_async_wait<0>();
    __syncthreads();
    u32 queries[HEAD / 16][4];
#pragma unroll
    for (int step = 0; step < HEAD / 16; step++) load_left(queries[step], tiles[1][0], warp_index() * WARP_ROWS, step);

    OnlineSoftmax softmax;
    softmax.maximum[0] = softmax.maximum[1] = HIDDEN;
    softmax.sum[0] = softmax.sum[1] = 0.0f;
    clear(softmax.out);
    for (int key_block = block; key_block >= lowest_block; key_block--) {
        const int slot = (block - key_block) % 2, first_key = key_block * ATTENTION_BLOCK;
        copy_async_wait<0>();
        // This block's tiles have arrived, and no thread still reads the other slot (at first: the queries in it).
        __syncthreads();
        if (key_block > lowest_block) {
            copy_tile(tiles[1 - slot][0], k, stride, first_key - ATTENTION_BLOCK, tokens);
            copy_tile(tiles[1 - slot][1], v, stride, first_key - ATTENTION_BLOCK, tokens);
        }
        copy_async_commit();
        const Sight seen = sight(warp_first, warp_last, first_start, last_start, first_key, first_key + ATTENTION_BLOCK - 1);
        if (seen == Sight::none) continue;
        WarpBlock s;
        multiply_by_rows(s, queries, tiles[slot][0]);
        to_scores<true>(s, seen, rows, first_key, table, [&](int half, int) { return row_starts[half]; });
        softmax.update(s, tiles[slot][1]);
    }

#pragma unroll
    for (int half = 0; half < 2; half++) {
        float sum = softmax.sum[half];
        sum += __shfl_xor_sync(ALL_LANES, sum, 1);
        sum += __shfl_xor_sync(ALL_LANES, sum, 2);
        const bool inside = rows[half] < tokens;
        if (inside && lane_index() % 4 == 0)
            lse[static_cast<i64>(rows[half]) * heads + head] = (softmax.maximum[half] + fast_log2(sum)) * LN_2;
        const float inverse = 1.0f / sum;
        bf16x2 words[HEAD / 8];
#pragma unroll
        for (int i = 0; i < HEAD / 8; i++)
            words[i] = to_bf16x2(softmax.out[i][2 * half] * inverse, softmax.out[i][2 * half + 1] * inverse);
        store_row_bf16(words, out + static_cast<i64>(rows[half]) * width + head * HEAD, 0, HEAD, inside);
    }
}
REGISTER_KERNEL(attention_forward);
