// Gradients of causal attention (attention.cu), deterministic: blocks that run at the same time never share a sum.
//
//   p = exp(s - lse), dp = do v^T, delta_t = do_t . o_t, ds = p (dp - delta)
//   dq = ds k / 8, dk = ds^T q / 8, dv = p^T do, dbias[bucket(distance)] += ds
//
//   attention_backward_query   a block has 64 queries and walks over their keys: delta, dq and its share of dbias
//   attention_backward_key     a block has 64 keys and walks over the queries that see them: dk and dv
//   attention_backward_bias    adds the shares of dbias in block order
//
// Both passes compute scores and dp: seven products instead of the five of a single pass. But a single pass adds dq (or
// dk and dv) of several blocks into the same memory, either with atomics in any order or through an f32 workspace per
// block of keys. Contexts here are short: attention is a twentieth of a layer's operations, the two extra products are
// cheap, and nothing is written but the gradients themselves and delta. The pass over keys transposes everything (rows
// are keys), so that in both passes p and ds leave the accumulators as left operands, without a detour through shared
// memory.
//
// dbias needs sums over the diagonals of ds. Near the diagonal (at most three blocks of keys) a warp writes its block
// of ds to a small array of its own, having added rows g and g + 8, which share their diagonals; each lane then adds up
// whole diagonals. Farther away all distances are in the last bucket, and one sum per lane is enough.
//
// Memory traffic per 64 x 64 block and head: 16 KiB from the L2 for 64 x 64 x 64 x 6 (queries) or x 8 (keys)
// operations.
//
// launch: _query and _key grid (ceil(tokens / 64), heads), 128 threads; _bias one block of 1024 threads per head.
// `delta` is tokens x heads, `partials` blocks x heads x 32; both are f32 and written by _query, which runs first.
// `out` is the forward kernel's output, not rounded further.
#include "attention_tile.cuh"
#include "store_rows.cuh"

// A warp's ds by diagonal: 8 rows of 72, so that rows start 8 banks apart; column c stands for key c - 8 relative to
// the upper row of a pair of rows 8 apart.
constexpr int DIAGONAL_STRIDE = HEAD + 8;
constexpr int DIAGONALS = DIAGONAL_STRIDE + 7;

struct BiasGradient {
    // Sums by distance; each distance belongs to one lane.
    float near[BIAS_TABLE];
    float rows[8][DIAGONAL_STRIDE];
};

// Adds a warp's ds, whose first query lies `ahead` positions after the first key, to the sums. `far` is this lane's
// sum.
DEVICE void add_bias_gradient(BiasGradient &sums, float &far, const WarpBlock &ds, Sight seen, int ahead) {
    if (seen == Sight::far) {
#pragma unroll
        for (int i = 0; i < HEAD / 8; i++) far += (ds[i][0] + ds[i][1]) + (ds[i][2] + ds[i][3]);
        return;
    }
    const int group = lane_index() / 4, member = lane_index() % 4;
#pragma unroll
    for (int i = 0; i <= HEAD / 8; i++) {
        float2 pair = make_float2(0.0f, 0.0f);
        if (i > 0) pair.x += ds[i - 1][0], pair.y += ds[i - 1][1];
        if (i < HEAD / 8) pair.x += ds[i][2], pair.y += ds[i][3];
        *reinterpret_cast<float2 *>(&sums.rows[group][8 * i + 2 * member]) = pair;
    }
    __syncwarp();
#pragma unroll
    for (int pass = 0; pass < ceiling_divide(DIAGONALS, WARP); pass++) {
        const int diagonal = pass * WARP + lane_index(), distance = ahead - (HEAD - 1) + diagonal;
        float sum = 0.0f;
#pragma unroll
        for (int row = 0; row < 8; row++) {
            const int column = row + DIAGONAL_STRIDE - 1 - diagonal;
            if (column >= 0 && column < DIAGONAL_STRIDE) sum += sums.rows[row][column];
        }
        if (distance >= FAR_DISTANCE) far += sum;
        else if (distance >= 0) sums.near[distance] += sum;
    }
    // Before the array is overwritten, and before another lane adds to the same distance.
    __syncwarp();
}

// Sums the warps' shares and writes the block's gradient by bucket. `total` holds one value per distance, `far_sums`
// one per warp.
DEVICE void write_bias_gradient(const BiasGradient (&sums)[ATTENTION_WARPS], float far, float (&far_sums)[ATTENTION_WARPS],
                                float (&total)[BIAS_TABLE], float *out) {
    far = warp_sum(far);
    if (lane_index() == 0) far_sums[warp_index()] = far;
    __syncthreads();
    const int own = static_cast<int>(threadIdx.x);
    total[own] = (sums[0].near[own] + sums[1].near[own]) + (sums[2].near[own] + sums[3].near[own]);
    __syncthreads();
    if (own >= BUCKETS) return;
    int distance = min(own, 16);
    while (bucket_of(distance) < own) distance++;
    float sum = 0.0f;
    for (; distance < FAR_DISTANCE && bucket_of(distance) == own; distance++) sum += total[distance];
    if (own == BUCKETS - 1) sum = (far_sums[0] + far_sums[1]) + (far_sums[2] + far_sums[3]);
    out[own] = sum;
}

extern "C" __global__ void __launch_bounds__(ATTENTION_THREADS, 2)
    attention_backward_query(const bf16 *qkv, const float *bias, const int *starts, const bf16 *out, const float *lse,
                             const bf16 *dout, bf16 *dqkv, float *delta, float *partials, int tokens, int heads) {
    alignas(128) __shared__ unsigned char tiles[2][2][ATTENTION_TILE_BYTES];
    // Holds the tile of `out`, then the sums of dbias.
    alignas(128) __shared__ unsigned char shared_sums[ATTENTION_WARPS * sizeof(BiasGradient)];
    __shared__ float table[BIAS_TABLE];
    __shared__ float far_sums[ATTENTION_WARPS];
    static_assert(sizeof shared_sums >= ATTENTION_TILE_BYTES, "the tile of `out` lies there first");
    auto &sums = *reinterpret_cast<BiasGradient(*)[ATTENTION_WARPS]>(shared_sums);
    const int head = static_cast<int>(blockIdx.y), block = static_cast<int>(blockIdx.x);
    const int first = block * ATTENTION_BLOCK, width = heads * HEAD, stride = 3 * width;
    const bf16 *q = qkv + head * HEAD, *k = q + width, *v = k + width;

    copy_tile(tiles[1][0], q, stride, first, tokens);
    copy_tile(tiles[1][1], dout + head * HEAD, width, first, tokens);
    copy_tile(shared_sums, out + head * HEAD, width, first, tokens);
    copy_tile(tiles[0][0], k, stride, first, tokens);
    copy_tile(tiles[0][1], v, stride, first, tokens);
    copy_async_commit();
    fill_bias_table(table, bias + head * BUCKETS);

    const int warp_first = first + warp_index() * WARP_ROWS, warp_last = warp_first + WARP_ROWS - 1;
    const int rows[2] = {warp_first + lane_index() / 4, warp_first + lane_index() / 4 + 8};
    int row_starts[2];
    float row_lse[2];
#pragma unroll
    for (int half = 0; half < 2; half++) {
        const int row = min(rows[half], tokens - 1);
        row_starts[half] = starts[row];
        row_lse[half] = lse[static_cast<i64>(row) * heads + head] * LOG2_E;
    }
    const int first_start = starts[min(warp_first, tokens - 1)], last_start = starts[min(warp_last, tokens - 1)];
    // Clamped, so that no value in `starts` leads out of bounds.
    const int lowest_block = min(max(starts[first], 0) / ATTENTION_BLOCK, block);

    copy_async_wait<0>();
    __syncthreads();
    u32 queries[HEAD / 16][4], douts[HEAD / 16][4];
    float row_delta[2] = {0.0f, 0.0f};
#pragma unroll
    for (int step = 0; step < HEAD / 16; step++) {
        u32 outs[4];
        load_left(queries[step], tiles[1][0], warp_index() * WARP_ROWS, step);
        load_left(douts[step], tiles[1][1], warp_index() * WARP_ROWS, step);
        load_left(outs, shared_sums, warp_index() * WARP_ROWS, step);
#pragma unroll
        for (int i = 0; i < 4; i++) {
            row_delta[i % 2] += low_float(outs[i]) * low_float(douts[step][i]);
            row_delta[i % 2] += high_float(outs[i]) * high_float(douts[step][i]);
        }
    }
#pragma unroll
    for (int half = 0; half < 2; half++) {
        row_delta[half] += __shfl_xor_sync(ALL_LANES, row_delta[half], 1);
        row_delta[half] += __shfl_xor_sync(ALL_LANES, row_delta[half], 2);
        if (rows[half] < tokens && lane_index() % 4 == 0)
            delta[static_cast<i64>(rows[half]) * heads + head] = row_delta[half];
    }
    __syncthreads();
    for (int distance = lane_index(); distance < BIAS_TABLE; distance += WARP) sums[warp_index()].near[distance] = 0.0f;
    __syncwarp();

    float far = 0.0f;
    WarpBlock dq;
    clear(dq);
    for (int key_block = block; key_block >= lowest_block; key_block--) {
        const int slot = (block - key_block) % 2, first_key = key_block * ATTENTION_BLOCK;
        copy_async_wait<0>();
        __syncthreads();
        if (key_block > lowest_block) {
            copy_tile(tiles[1 - slot][0], k, stride, first_key - ATTENTION_BLOCK, tokens);
            copy_tile(tiles[1 - slot][1], v, stride, first_key - ATTENTION_BLOCK, tokens);
        }
        copy_async_commit();
        const Sight seen = sight(warp_first, warp_last, first_start, last_start, first_key, first_key + ATTENTION_BLOCK - 1);
        if (seen == Sight::none) continue;
        WarpBlock s, ds;
        multiply_by_rows(s, queries, tiles[slot][0]);
        to_scores<true>(s, seen, rows, first_key, table, [&](int half, int) { return row_starts[half]; });
        multiply_by_rows(ds, douts, tiles[slot][1]);
#pragma unroll
        for (int i = 0; i < HEAD / 8; i++)
#pragma unroll
            for (int j = 0; j < 4; j++)
                ds[i][j] = rows[j / 2] < tokens ? fast_exp2(s[i][j] - row_lse[j / 2]) * (ds[i][j] - row_delta[j / 2]) : 0.0f;
        add_bias_gradient(sums[warp_index()], far, ds, seen, warp_first - first_key);
        multiply_add_by_columns(dq, ds, tiles[slot][0]);
    }

#pragma unroll
    for (int half = 0; half < 2; half++) {
        bf16x2 words[HEAD / 8];
#pragma unroll
        for (int i = 0; i < HEAD / 8; i++)
            words[i] = to_bf16x2(dq[i][2 * half] * SCORE_SCALE, dq[i][2 * half + 1] * SCORE_SCALE);
        store_row_bf16(words, dqkv + static_cast<i64>(rows[half]) * stride + head * HEAD, 0, HEAD, rows[half] < tokens);
    }
    // No thread reads the table of biases after the barrier inside this call.
    write_bias_gradient(sums, far, far_sums, table, partials + (static_cast<i64>(block) * heads + head) * BUCKETS);
}
REGISTER_KERNEL(attention_backward_query);

// The data of a block of queries besides its tiles.
struct QueryRows {
    float lse[ATTENTION_BLOCK];
    float delta[ATTENTION_BLOCK];
    int starts[ATTENTION_BLOCK];
};

DEVICE void copy_query_rows(QueryRows &to, const float *lse, const float *delta, const int *starts, int first, int tokens,
                            int heads, int head) {
    const int own = static_cast<int>(threadIdx.x) % ATTENTION_BLOCK, position = first + own;
    const bool inside = position < tokens;
    const i64 at = inside ? static_cast<i64>(position) * heads + head : 0;
    if (static_cast<int>(threadIdx.x) < ATTENTION_BLOCK) {
        copy_async<4>(&to.lse[own], lse + at, inside);
        copy_async<4>(&to.starts[own], starts + (inside ? position : 0), inside);
    } else {
        copy_async<4>(&to.delta[own], delta + at, inside);
    }
}

extern "C" __global__ void __launch_bounds__(ATTENTION_THREADS, 2)
    attention_backward_key(const bf16 *qkv, const float *bias, const int *starts, const float *lse, const float *delta,
                           const bf16 *dout, bf16 *dqkv, int tokens, int heads) {
    alignas(128) __shared__ unsigned char tiles[2][2][ATTENTION_TILE_BYTES];
    __shared__ QueryRows queries[2];
    __shared__ float table[BIAS_TABLE];
    const int head = static_cast<int>(blockIdx.y), block = static_cast<int>(blockIdx.x);
    const int first = block * ATTENTION_BLOCK, width = heads * HEAD, stride = 3 * width;
    const bf16 *q = qkv + head * HEAD, *k = q + width, *v = k + width;

    auto copy_queries = [&](int slot, int from) {
        copy_tile(tiles[slot][0], q, stride, from, tokens);
        copy_tile(tiles[slot][1], dout + head * HEAD, width, from, tokens);
        copy_query_rows(queries[slot], lse, delta, starts, from, tokens, heads, head);
    };
    copy_tile(tiles[1][0], k, stride, first, tokens);
    copy_tile(tiles[1][1], v, stride, first, tokens);
    copy_queries(0, first);
    copy_async_commit();
    fill_bias_table(table, bias + head * BUCKETS);
    const int warp_first = first + warp_index() * WARP_ROWS, warp_last = warp_first + WARP_ROWS - 1;
    const int rows[2] = {warp_first + lane_index() / 4, warp_first + lane_index() / 4 + 8};

    copy_async_wait<0>();
    __syncthreads();
    u32 keys[HEAD / 16][4], values[HEAD / 16][4];
#pragma unroll
    for (int step = 0; step < HEAD / 16; step++) {
        load_left(keys[step], tiles[1][0], warp_index() * WARP_ROWS, step);
        load_left(values[step], tiles[1][1], warp_index() * WARP_ROWS, step);
    }

    WarpBlock dk, dv;
    clear(dk);
    clear(dv);
    const int block_last = first + ATTENTION_BLOCK - 1;
    bool more = true;
    for (int query_block = block; more; query_block++) {
        const int slot = (query_block - block) % 2, first_query = query_block * ATTENTION_BLOCK;
        copy_async_wait<0>();
        __syncthreads();
        // The next block of queries sees these keys if its first query does.
        const int next = first_query + ATTENTION_BLOCK;
        more = next < tokens && starts[next] <= block_last;
        if (more) copy_queries(1 - slot, next);
        copy_async_commit();
        const int last_query = min(next, tokens) - 1;
        const QueryRows &columns = queries[slot];
        Sight seen = sight(first_query, last_query, columns.starts[0], columns.starts[last_query - first_query], warp_first,
                           warp_last);
        if (seen == Sight::none) continue;
        // Columns after the last token are hidden by their own condition.
        if (next > tokens) seen = Sight::edge;
        WarpBlock p, ds;
        multiply_by_rows(p, keys, tiles[slot][0]);
        to_scores<false>(p, seen, rows, first_query, table,
                         [&](int, int column) { return first_query + column < tokens ? columns.starts[column] : tokens; });
        multiply_by_rows(ds, values, tiles[slot][1]);
#pragma unroll
        for (int i = 0; i < HEAD / 8; i++) {
            const int column = 8 * i + lane_index() % 4 * 2;
            const float2 column_lse = *reinterpret_cast<const float2 *>(&columns.lse[column]);
            const float2 column_delta = *reinterpret_cast<const float2 *>(&columns.delta[column]);
#pragma unroll
            for (int j = 0; j < 4; j++) {
                p[i][j] = fast_exp2(p[i][j] - (j % 2 ? column_lse.y : column_lse.x) * LOG2_E);
                ds[i][j] = p[i][j] * (ds[i][j] - (j % 2 ? column_delta.y : column_delta.x));
            }
        }
        multiply_add_by_columns(dv, p, tiles[slot][1]);
        multiply_add_by_columns(dk, ds, tiles[slot][0]);
    }

#pragma unroll
    for (int half = 0; half < 2; half++) {
        bf16x2 key_words[HEAD / 8], value_words[HEAD / 8];
#pragma unroll
        for (int i = 0; i < HEAD / 8; i++) {
            key_words[i] = to_bf16x2(dk[i][2 * half] * SCORE_SCALE, dk[i][2 * half + 1] * SCORE_SCALE);
            value_words[i] = to_bf16x2(dv[i][2 * half], dv[i][2 * half + 1]);
        }
        bf16 *target = dqkv + static_cast<i64>(rows[half]) * stride + head * HEAD;
        store_row_bf16(key_words, target + width, 0, HEAD, rows[half] < tokens);
        store_row_bf16(value_words, target + 2 * width, 0, HEAD, rows[half] < tokens);
    }
}
REGISTER_KERNEL(attention_backward_key);

// dbias[head][bucket] += the blocks' shares: first within each of 32 slices of the blocks, in order, then over the
// slices, in order.
extern "C" __global__ void __launch_bounds__(1024) attention_backward_bias(const float *partials, float *dbias, int blocks, int heads) {
    __shared__ float slices[WARP][BUCKETS];
    const int head = static_cast<int>(blockIdx.x), bucket = lane_index(), slice = warp_index();
    float sum = 0.0f;
    for (int block = slice; block < blocks; block += WARP) sum += partials[(static_cast<i64>(block) * heads + head) * BUCKETS + bucket];
    slices[slice][bucket] = sum;
    __syncthreads();
    if (slice != 0) return;
    for (int other = 1; other < WARP; other++) sum += slices[other][bucket];
    dbias[head * BUCKETS + bucket] += sum;
}
REGISTER_KERNEL(attention_backward_bias);
