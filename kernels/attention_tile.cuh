// Shared by the attention kernels: tiles of 64 positions of one head, fragments from them, and scores with position
// bias and mask.
//
// Position t sees keys starts[t] ..= t. `starts` never decreases; it either restarts contexts or slides. So the keys
// seen by 64 queries form one range, and so do the queries that see 64 keys: both loops run over whole blocks of 64,
// and only the blocks at their ends need a mask.
//
// Scores are in units of log2: s = (q.k / 8 + bias[bucket(t - key)]) * log2 e, so that a probability is one ex2. The
// buckets of T5 are exact up to 15 and logarithmic up to 112; from 113 on all distances share the last one. A table in
// shared memory holds the bias by distance: neighbouring lanes read neighbouring distances, without bank conflicts.
// Blocks at least 113 positions back use the last bucket's bias as a constant.
//
// A tile is 64 rows of 128 bytes; piece c (16 bytes) of row r lies at c ^ (r % 8), so that the eight rows which
// `ldmatrix` reads at once, plain or transposed, lie in different banks.
#pragma once

#include "device.cuh"

constexpr int HEAD = 64;
constexpr int BUCKETS = 32;
constexpr int ATTENTION_BLOCK = 64;
constexpr int ATTENTION_THREADS = 128;
constexpr int ATTENTION_WARPS = ATTENTION_THREADS / WARP;
constexpr int WARP_ROWS = ATTENTION_BLOCK / ATTENTION_WARPS;
constexpr int ATTENTION_TILE_BYTES = ATTENTION_BLOCK * HEAD * static_cast<int>(sizeof(bf16));
// Distances from here on share the last bucket.
constexpr int FAR_DISTANCE = 113;
constexpr int BIAS_TABLE = 128;
constexpr float LOG2_E = 1.4426950408889634f;
constexpr float LN_2 = 0.6931471805599453f;
// 1 / sqrt(HEAD).
constexpr float SCORE_SCALE = 0.125f;
// The score of an invisible pair: its probability is 0, and differences of such scores are not NaN.
constexpr float HIDDEN = -1e30f;

// The T5 bucket of a distance: bucket 16 + k begins at the least n with n^16 >= 16^16 * 8^k.
DEVICE int bucket_of(int distance) {
    constexpr int starts[16] = {16, 19, 21, 24, 27, 31, 35, 40, 46, 52, 59, 67, 77, 87, 99, FAR_DISTANCE};
    if (distance < 16) return distance;
    int bucket = 15;
#pragma unroll
    for (int k = 0; k < 16; k++) bucket += distance >= starts[k];
    return bucket;
}

// Fills the table of biases by distance for one head; a barrier must follow.
DEVICE void fill_bias_table(float (&table)[BIAS_TABLE], const float *bias) {
    for (int distance = static_cast<int>(threadIdx.x); distance < BIAS_TABLE; distance += ATTENTION_THREADS)
        table[distance] = bias[bucket_of(distance)] * LOG2_E;
}

// Starts copying rows `first` .. + 63 of one head. `source` points to its first value in row 0 and rows are `stride`
// values apart; rows after the last token are zero.
DEVICE void copy_tile(unsigned char *tile, const bf16 *source, int stride, int first, int tokens) {
    const int thread = static_cast<int>(threadIdx.x), piece = thread % 8;
    constexpr int rows_at_once = ATTENTION_THREADS / 8;
#pragma unroll
    for (int i = 0; i < ATTENTION_BLOCK / rows_at_once; i++) {
        const int row = i * rows_at_once + thread / 8, position = first + row;
        const bool inside = position < tokens;
        const bf16 *from = source + (inside ? static_cast<i64>(position) * stride + 8 * piece : 0);
        copy_async_16(tile + 128 * row + 16 * (piece ^ (row % 8)), from, inside);
    }
}

// The left operand of a product over the head's values: 16 rows from `row`, values 16 step ... .
DEVICE void load_left(u32 (&fragment)[4], const unsigned char *tile, int row, int step) {
    const int lane = lane_index(), own = row + lane % 16, piece = 2 * step + lane / 16;
    load_matrix_4(fragment, tile + 128 * own + 16 * (piece ^ (own % 8)));
}

// The right operand of a product over the head's values, such as q.k: the result's columns are the tile's rows, 16 from
// `row`.
DEVICE void load_right_by_rows(u32 (&fragments)[2][2], const unsigned char *tile, int row, int step) {
    const int lane = lane_index(), own = row + lane % 8 + lane / 16 * 8, piece = 2 * step + lane / 8 % 2;
    u32 loaded[4];
    load_matrix_4(loaded, tile + 128 * own + 16 * (piece ^ (own % 8)));
    fragments[0][0] = loaded[0], fragments[0][1] = loaded[1];
    fragments[1][0] = loaded[2], fragments[1][1] = loaded[3];
}

// The right operand of a product over positions, such as p v: rows 16 step ... of the tile, 16 result columns from
// `column`.
DEVICE void load_right_by_columns(u32 (&fragments)[2][2], const unsigned char *tile, int step, int column) {
    const int lane = lane_index(), own = 16 * step + lane % 16, piece = column / 8 + lane / 16;
    u32 loaded[4];
    load_matrix_4_transposed(loaded, tile + 128 * own + 16 * (piece ^ (own % 8)));
    fragments[0][0] = loaded[0], fragments[0][1] = loaded[1];
    fragments[1][0] = loaded[2], fragments[1][1] = loaded[3];
}

// A warp's 16 rows by 64 columns, in the layout of mma.sync.
typedef float WarpBlock[HEAD / 8][4];

DEVICE void clear(WarpBlock &block) {
#pragma unroll
    for (int i = 0; i < HEAD / 8; i++)
#pragma unroll
        for (int j = 0; j < 4; j++) block[i][j] = 0.0f;
}

// d = left * tile^T over the head's values, `left` being the warp's 16 rows.
DEVICE void multiply_by_rows(WarpBlock &d, const u32 (&left)[HEAD / 16][4], const unsigned char *tile) {
    clear(d);
#pragma unroll
    for (int step = 0; step < HEAD / 16; step++)
#pragma unroll
        for (int pair = 0; pair < ATTENTION_BLOCK / 16; pair++) {
            u32 right[2][2];
            load_right_by_rows(right, tile, 16 * pair, step);
            multiply_add_bf16(d[2 * pair], left[step], right[0]);
            multiply_add_bf16(d[2 * pair + 1], left[step], right[1]);
        }
}

// d += left * tile over positions; `left`, 16 rows by 64 positions, comes from accumulators, which once rounded have
// the layout of a left operand.
DEVICE void multiply_add_by_columns(WarpBlock &d, const WarpBlock &left, const unsigned char *tile) {
#pragma unroll
    for (int step = 0; step < ATTENTION_BLOCK / 16; step++) {
        const u32 rounded[4] = {to_bf16x2(left[2 * step][0], left[2 * step][1]), to_bf16x2(left[2 * step][2], left[2 * step][3]),
                                to_bf16x2(left[2 * step + 1][0], left[2 * step + 1][1]),
                                to_bf16x2(left[2 * step + 1][2], left[2 * step + 1][3])};
#pragma unroll
        for (int pair = 0; pair < HEAD / 16; pair++) {
            u32 right[2][2];
            load_right_by_columns(right, tile, step, 16 * pair);
            multiply_add_bf16(d[2 * pair], rounded, right[0]);
            multiply_add_bf16(d[2 * pair + 1], rounded, right[1]);
        }
    }
}

// How a warp's 16 positions relate to a block of 64 on the other side. `edge`: some pairs are invisible; `near`: all
// are visible and their distances differ in bucket; `far`: all are visible and in the last bucket.
enum class Sight { none, edge, near, far };

// For queries `first_query` .. `last_query`, whose context starts run from `first_start` to `last_start`, and the keys
// from `first_key` to `last_key`.
DEVICE Sight sight(int first_query, int last_query, int first_start, int last_start, int first_key, int last_key) {
    if (first_key > last_query || last_key < first_start) return Sight::none;
    if (last_key > first_query || first_key < last_start) return Sight::edge;
    return first_query - last_key >= FAR_DISTANCE ? Sight::far : Sight::near;
}

// Turns products q.k into scores in units of log2. Rows are queries (or keys if not ROWS_ARE_QUERIES) at positions
// `rows[0]` and `rows[1]`, columns the others from `first_column`. `start_of(row half, column)` gives the first
// position that the pair's query sees.
template <bool ROWS_ARE_QUERIES, class StartOf>
DEVICE void to_scores(WarpBlock &s, Sight sight, const int (&rows)[2], int first_column, const float (&table)[BIAS_TABLE],
                      const StartOf &start_of) {
    constexpr float scale = SCORE_SCALE * LOG2_E;
    if (sight == Sight::far) {
        const float bias = table[BIAS_TABLE - 1];
#pragma unroll
        for (int i = 0; i < HEAD / 8; i++)
#pragma unroll
            for (int j = 0; j < 4; j++) s[i][j] = __fmaf_rn(s[i][j], scale, bias);
        return;
    }
#pragma unroll
    for (int i = 0; i < HEAD / 8; i++)
#pragma unroll
        for (int j = 0; j < 4; j++) {
            const int row = rows[j / 2], column = first_column + 8 * i + lane_index() % 4 * 2 + j % 2;
            const int query = ROWS_ARE_QUERIES ? row : column, key = ROWS_ARE_QUERIES ? column : row;
            const int distance = query - key;
            const float score = __fmaf_rn(s[i][j], scale, table[min(max(distance, 0), BIAS_TABLE - 1)]);
            const bool visible = distance >= 0 && key >= start_of(j / 2, column - first_column);
            s[i][j] = visible || sight == Sight::near ? score : HIDDEN;
        }
}
