// The integer M1 over a tile of rows: a block runs 16 or 64 positions, of one stream or of many, through all layers at
// once.
//
// A row is a symbol at a position of a context; its keys and values go to a ring in the row's cache, from which
// attention reads them back, so rows of one stream at consecutive positions see each other within a pass. Everything
// between the embedding and the frequencies stays in shared memory (2.4 KiB per row for the 3m preset, so 64 rows fit
// an sm_80 multiprocessor); weights come from the L2 once per tile, straight into registers.
//
// Products run on int8 tensor cores. Sums are exact, so their order is free: a lane takes 16 consecutive bytes of a row
// where mma.sync expects groups of 4. Doing the same for both operands permutes the depth and turns fragments into
// single 16-byte loads: whole sectors of the weights and, with rows 64 bytes apart modulo 128, shared memory without
// bank conflicts. Attention uses one warp per row and head: lanes hold positions for the scores (dp4a) and channels for
// the weighted sum (dp2a: weights have 15 bits).
#pragma once

#include "m1_numbers.cuh"

constexpr int HEAD_BYTES = 64;
constexpr int BUCKETS = 32;
constexpr int BYTES = 256;
constexpr int BEGIN_SYMBOL = 256;
constexpr int M1_THREADS = 256;
constexpr int M1_WARPS = M1_THREADS / WARP;
constexpr int LONGEST_CONTEXT = 256;
// A row without a position to run.
constexpr int IDLE = -1;

// N-gram tables, one for each order from 2 on.
constexpr int TABLES = 5;

// Values, half a byte each and those of even columns in the lower halves, less 8, are multiplied by their row's factor
// (u16).
struct M1Table {
    int rows, values, factors;
};

// The newest six symbols of a context, 10 bits each, the newest in the lowest ones: nothing but begin symbols at first.
constexpr u64 BEGIN_HISTORY = 256ull * (1ull | 1ull << 10 | 1ull << 20 | 1ull << 30 | 1ull << 40 | 1ull << 50);

DEVICE u64 with_symbol(u64 history, int symbol) {
    return symbol == BEGIN_SYMBOL ? BEGIN_HISTORY : (history << 10 | static_cast<u64>(symbol)) & ((1ull << 60) - 1);
}

// A model as packed by kernels/src/integer_m1.rs: this header, then sections at multiples of 16 bytes. Offsets are in
// bytes.
struct M1Header {
    int d, ff, context, layers, heads;
    u32 output_norm;
    int powers, buckets, embedding, input, logit;
    int first_layer, layer_bytes;
    // Within a layer; norms and single requantizers are at `attention_norm` .. + 4.
    int scalars, bias;
    int qkv, qkv_requantizers, out, out_requantizers;
    int gate, gate_requantizers, linear, linear_requantizers;
    int down, down_requantizers;
    // N-gram tables of two, three, ... symbols; no rows where there is none.
    M1Table tables[TABLES];
};

// The target of `scalars`.
struct M1LayerScalars {
    u32 attention_norm, feed_forward_norm;
    Requantizer score, output, reglu;
};

// Strides of a tile's rows, in values; kernels/src/integer_m1.rs computes their shared memory by the same rule.
struct M1Strides {
    int x, a, hidden;

    __device__ __forceinline__ M1Strides(int d, int ff)
        : x(max(d, BYTES) + 8), a(d | HEAD_BYTES), hidden(max(d, ff) | HEAD_BYTES) {}
};

template <int ROWS>
class M1Tile {
    static_assert(ROWS == 16 || ROWS == 64, "rows of a tile");
    // The shape of a warp's part of a product, in units of 16 rows and 8 outputs; all warps together cover 64 outputs.
    static constexpr int M_TILES = ROWS == 64 ? 2 : 1, N_TILES = ROWS == 64 ? 2 : 1;
    static constexpr int N_WARPS = 64 / (8 * N_TILES);

public:
    // Shared arrays of the block, one entry per row: set between one `forward` and the next.
    struct Rows {
        int symbol[ROWS];
        int position[ROWS];
        u64 history[ROWS];
        // Where the row's stream keeps [layer][keys, values][ring][d].
        i8 *cache[ROWS];
    };

    // Shared memory in addition to the dynamic one.
    struct Scratch {
        alignas(16) u16 weights[M1_WARPS][LONGEST_CONTEXT + 8];
        u16 powers[256];
        u8 buckets[128];
    };

    __device__ __forceinline__ M1Tile(const unsigned char *model, unsigned char *shared, Scratch &scratch, Rows &rows, int context,
                                      int ring)
        : model(model), header(*reinterpret_cast<const M1Header *>(model)), strides(header.d, header.ff), scratch(scratch),
          rows(rows), context(context), ring(ring) {
        x = reinterpret_cast<i32 *>(shared);
        a = reinterpret_cast<i8 *>(x + ROWS * strides.x);
        hidden = a + ROWS * strides.a;
        for (int i = threadIdx.x; i < 256; i += M1_THREADS) scratch.powers[i] = section<u16>(header.powers)[i];
        for (int i = threadIdx.x; i < 128; i += M1_THREADS) scratch.buckets[i] = section<u8>(header.buckets)[i];
    }

    // Runs the rows' symbols and leaves their logits. Starts and ends with a barrier.
    __device__ void forward() {
        __syncthreads();
        embed();
        for (int layer = 0; layer < header.layers; layer++) {
            const unsigned char *const base = model + header.first_layer + static_cast<i64>(layer) * header.layer_bytes;
            const M1LayerScalars &scalars = *reinterpret_cast<const M1LayerScalars *>(base + header.scalars);
            __syncthreads();
            norm(scalars.attention_norm);
            __syncthreads();
            queries_keys_values(base, layer);
            __syncthreads();
            attention(base, scalars, layer);
            __syncthreads();
            add_to_residual(base + header.out, base + header.out_requantizers, header.d, a, strides.a);
            __syncthreads();
            if (layer == 0) {
                add_ngrams();
                __syncthreads();
            }
            norm(scalars.feed_forward_norm);
            __syncthreads();
            feed_forward(base, scalars);
            __syncthreads();
            add_to_residual(base + header.down, base + header.down_requantizers, header.ff, hidden, strides.hidden);
        }
        __syncthreads();
        norm(header.output_norm);
        __syncthreads();
        product(section<i8>(header.embedding), section<Requantizer>(header.logit), BYTES, header.d, a, strides.a,
                [&](int row, int output, int first, int second, Requantizer r0, Requantizer r1) {
                    *reinterpret_cast<int2 *>(x + row * strides.x + output) = make_int2(requantize(first * 16, r0), requantize(second * 16, r1));
                });
        __syncthreads();
    }

    // Turns a row's logits into frequencies, by the calling warp: 256 cumulative starts in the logits' place.
    __device__ u16 *frequencies(int row) {
        const int lane = lane_index();
        const int4 *const logits = reinterpret_cast<const int4 *>(x + row * strides.x) + 2 * lane;
        const int4 first = logits[0], second = logits[1];
        const int t[8] = {first.x, first.y, first.z, first.w, second.x, second.y, second.z, second.w};
        int largest = t[0];
#pragma unroll
        for (int i = 1; i < 8; i++) largest = max(largest, t[i]);
        largest = __reduce_max_sync(ALL_LANES, largest);
        u32 before[8], sum = 0;
#pragma unroll
        for (int i = 0; i < 8; i++) {
            before[i] = sum;
            sum += exp2_neg(scratch.powers, largest - t[i]);
        }
        u32 through = sum;
#pragma unroll
        for (int distance = 1; distance < WARP; distance *= 2) {
            const u32 below = __shfl_up_sync(ALL_LANES, through, distance);
            if (lane >= distance) through += below;
        }
        const u64 inverse = (static_cast<u64>(65024) << 24) / __shfl_sync(ALL_LANES, through, WARP - 1);
        u32 starts[8];
#pragma unroll
        for (int i = 0; i < 8; i++)
            starts[i] = 2 * (8 * lane + i) + static_cast<u32>((through - sum + before[i]) * inverse >> 24);
        u16 *const to = starts_of(row);
        __syncwarp();
        *reinterpret_cast<uint4 *>(to + 8 * lane) = make_uint4(starts[0] | starts[1] << 16, starts[2] | starts[3] << 16,
                                                               starts[4] | starts[5] << 16, starts[6] | starts[7] << 16);
        __syncwarp();
        return to;
    }

    __device__ __forceinline__ u16 *starts_of(int row) { return reinterpret_cast<u16 *>(x + row * strides.x); }

    // The size of a stream's cache in bytes.
    __device__ __forceinline__ i64 cache_bytes() const { return static_cast<i64>(header.layers) * 2 * ring * header.d; }

private:
    const unsigned char *model;
    const M1Header &header;
    M1Strides strides;
    Scratch &scratch;
    Rows &rows;
    int context, ring;
    // `x` holds the residual, then logits, then frequencies; `a` norm outputs, then attention outputs; `hidden` queries,
    // then the feed-forward layer.
    i32 *x;
    i8 *a, *hidden;

    template <class T>
    __device__ __forceinline__ const T *section(int offset) const {
        return reinterpret_cast<const T *>(model + offset);
    }

    __device__ void embed() {
        const int words = header.d / 4;
        for (int i = threadIdx.x; i < ROWS * words; i += M1_THREADS) {
            const int row = i / words, word = i - row * words, symbol = rows.symbol[row];
            if (symbol == IDLE) continue;
            const u32 values = section<u32>(header.embedding)[symbol * words + word];
            const Requantizer input = section<Requantizer>(header.input)[symbol];
            int4 to;
            to.x = requantize(static_cast<i8>(values) * 65536, input);
            to.y = requantize(static_cast<i8>(values >> 8) * 65536, input);
            to.z = requantize(static_cast<i8>(values >> 16) * 65536, input);
            to.w = requantize(static_cast<i8>(values >> 24) * 65536, input);
            reinterpret_cast<int4 *>(x + row * strides.x)[word] = to;
        }
    }

    // The rows of the n-gram tables that the newest symbols look up, one warp per row.
    __device__ void add_ngrams() {
        for (int row = warp_index(); row < ROWS; row += M1_WARPS) {
            if (rows.symbol[row] == IDLE) continue;
            u64 history = rows.history[row];
            u32 hash = 0;
            for (int symbols = 1; symbols <= TABLES + 1; symbols++, history >>= 10) {
                hash = (hash ^ static_cast<u32>(history & 1023)) * 0x9e3779b1u;
                hash ^= hash >> 15;
                if (symbols == 1 || header.tables[symbols - 2].rows == 0) continue;
                const M1Table table = header.tables[symbols - 2];
                const int looked_up = static_cast<int>((hash >> 16) * static_cast<u32>(table.rows) >> 16);
                const int factor = section<u16>(table.factors)[looked_up];
                const u8 *const values = section<u8>(table.values) + static_cast<i64>(looked_up) * (header.d / 2);
                i32 *const to = x + row * strides.x;
                for (int i = lane_index(); i < header.d / 2; i += WARP) {
                    to[2 * i] += factor * ((values[i] & 15) - 8);
                    to[2 * i + 1] += factor * ((values[i] >> 4) - 8);
                }
            }
        }
    }

    // Norms x to a, one warp per row.
    __device__ void norm(u32 constant) {
        for (int row = warp_index(); row < ROWS; row += M1_WARPS) {
            if (rows.symbol[row] == IDLE) continue;
            const int4 *const from = reinterpret_cast<const int4 *>(x + row * strides.x);
            u32 largest = 0;
            for (int i = lane_index(); i < header.d / 4; i += WARP) {
                const int4 v = from[i];
                largest = max(max(largest, max(magnitude(v.x), magnitude(v.y))), max(magnitude(v.z), magnitude(v.w)));
            }
            const int shift = bit_length(__reduce_max_sync(ALL_LANES, largest)) - 15;
            u64 squares = 0;
            for (int i = lane_index(); i < header.d / 4; i += WARP) {
                const int4 v = from[i];
                squares += square(v.x, shift) + square(v.y, shift);
                squares += square(v.z, shift) + square(v.w, shift);
            }
            const u32 root = integer_root(warp_sum(squares));
            const int inverse = static_cast<int>(min(constant / max(root, 1u), 32767u));
            for (int i = lane_index(); i < header.d / 4; i += WARP) {
                const int4 v = from[i];
                reinterpret_cast<u32 *>(a + row * strides.a)[i] =
                    pack_i8(normalized(v.x, shift, inverse), normalized(v.y, shift, inverse), normalized(v.z, shift, inverse),
                            normalized(v.w, shift, inverse));
            }
        }
    }

    __device__ __forceinline__ static u32 magnitude(int x) { return x < 0 ? 0u - static_cast<u32>(x) : static_cast<u32>(x); }

    __device__ __forceinline__ static int scaled(int x, int shift) {
        return shift < 0 ? static_cast<int>(static_cast<u32>(x) << -shift) : x >> shift;
    }

    __device__ __forceinline__ static u32 square(int x, int shift) {
        const u32 y = magnitude(scaled(x, shift));
        return y * y;
    }

    __device__ __forceinline__ static int normalized(int x, int shift, int inverse) {
        return clamp_symmetric((scaled(x, shift) * inverse + (1 << 19)) >> 20, 127);
    }

    __device__ __forceinline__ static int warp_first_row() { return warp_index() / N_WARPS * 16 * M_TILES; }
    __device__ __forceinline__ static int warp_first_output() { return warp_index() % N_WARPS * 8 * N_TILES; }

    // Adds the products of the warp's rows of `source` with 8 COLUMNS rows of weights; `weights` points to the lane's
    // own rows.
    template <int COLUMNS>
    __device__ __forceinline__ void multiply(i32 (&sums)[M_TILES][COLUMNS][4], const i8 *const (&weights)[COLUMNS], int width,
                                             const i8 *source, int stride) const {
#pragma unroll
        for (int i = 0; i < M_TILES; i++)
#pragma unroll
            for (int j = 0; j < COLUMNS; j++)
#pragma unroll
                for (int k = 0; k < 4; k++) sums[i][j][k] = 0;
        const i8 *const own = source + (warp_first_row() + lane_index() / 4) * stride;
#pragma unroll 2
        for (int depth = lane_index() % 4 * 16; depth < width; depth += 64) {
            uint4 upper[M_TILES], lower[M_TILES], columns[COLUMNS];
#pragma unroll
            for (int j = 0; j < COLUMNS; j++) columns[j] = *reinterpret_cast<const uint4 *>(weights[j] + depth);
#pragma unroll
            for (int i = 0; i < M_TILES; i++) {
                upper[i] = *reinterpret_cast<const uint4 *>(own + 16 * i * stride + depth);
                lower[i] = *reinterpret_cast<const uint4 *>(own + (16 * i + 8) * stride + depth);
            }
#pragma unroll
            for (int i = 0; i < M_TILES; i++)
#pragma unroll
                for (int j = 0; j < COLUMNS; j++) {
                    multiply_add_s8(sums[i][j], {upper[i].x, lower[i].x, upper[i].y, lower[i].y}, {columns[j].x, columns[j].y});
                    multiply_add_s8(sums[i][j], {upper[i].z, lower[i].z, upper[i].w, lower[i].w}, {columns[j].z, columns[j].w});
                }
        }
    }

    // Passes pairs of neighbouring sums with their requantizers to `store`.
    template <class Store>
    __device__ __forceinline__ void product(const i8 *weights, const Requantizer *requantizers, int outputs, int width,
                                            const i8 *source, int stride, Store store) const {
        for (int first = warp_first_output(); first < outputs; first += 64) {
            i32 sums[M_TILES][N_TILES][4];
            const i8 *own[N_TILES];
#pragma unroll
            for (int j = 0; j < N_TILES; j++) own[j] = weights + static_cast<i64>(first + 8 * j + lane_index() / 4) * width;
            multiply(sums, own, width, source, stride);
#pragma unroll
            for (int j = 0; j < N_TILES; j++) {
                const int output = first + 8 * j + lane_index() % 4 * 2;
                const Requantizer r0 = requantizers[output], r1 = requantizers[output + 1];
#pragma unroll
                for (int i = 0; i < M_TILES; i++)
#pragma unroll
                    for (int half = 0; half < 2; half++)
                        store(warp_first_row() + 16 * i + 8 * half + lane_index() / 4, output, sums[i][j][2 * half],
                              sums[i][j][2 * half + 1], r0, r1);
            }
        }
    }

    __device__ __forceinline__ i8 *cached(int row, int layer, int values) const {
        return rows.cache[row] + (static_cast<i64>(2 * layer + values) * ring) * header.d;
    }

    __device__ void queries_keys_values(const unsigned char *base, int layer) {
        const int d = header.d;
        product(reinterpret_cast<const i8 *>(base + header.qkv), reinterpret_cast<const Requantizer *>(base + header.qkv_requantizers),
                3 * d, d, a, strides.a, [&](int row, int output, int first, int second, Requantizer r0, Requantizer r1) {
                    const u16 pair = static_cast<u16>(
                        pack_i8(clamp_symmetric(requantize(first, r0), 127), clamp_symmetric(requantize(second, r1), 127)));
                    i8 *to = hidden + row * strides.hidden + output;
                    if (output >= d) {
                        if (rows.symbol[row] == IDLE) return;
                        const int values = output >= 2 * d, place = rows.position[row] % ring;
                        to = cached(row, layer, values) + place * d + (output - (values ? 2 * d : d));
                    }
                    *reinterpret_cast<u16 *>(to) = pair;
                });
    }

    __device__ void add_to_residual(const unsigned char *weights, const unsigned char *requantizers, int width, const i8 *source,
                                    int stride) {
        product(reinterpret_cast<const i8 *>(weights), reinterpret_cast<const Requantizer *>(requantizers), header.d, width, source,
                stride, [&](int row, int output, int first, int second, Requantizer r0, Requantizer r1) {
                    int2 *const to = reinterpret_cast<int2 *>(x + row * strides.x + output);
                    const int2 before = *to;
                    *to = make_int2(before.x + requantize(first * 16, r0), before.y + requantize(second * 16, r1));
                });
    }

    __device__ void feed_forward(const unsigned char *base, const M1LayerScalars &scalars) {
        const i8 *const gate = reinterpret_cast<const i8 *>(base + header.gate);
        const i8 *const linear = reinterpret_cast<const i8 *>(base + header.linear);
        const Requantizer *const gates = reinterpret_cast<const Requantizer *>(base + header.gate_requantizers);
        const Requantizer *const linears = reinterpret_cast<const Requantizer *>(base + header.linear_requantizers);
        for (int first = warp_first_output(); first < header.ff; first += 64) {
            i32 sums[M_TILES][2 * N_TILES][4];
            const i8 *own[2 * N_TILES];
#pragma unroll
            for (int j = 0; j < N_TILES; j++) {
                const i64 start = static_cast<i64>(first + 8 * j + lane_index() / 4) * header.d;
                own[j] = gate + start, own[N_TILES + j] = linear + start;
            }
            multiply(sums, own, header.d, a, strides.a);
#pragma unroll
            for (int j = 0; j < N_TILES; j++) {
                const int output = first + 8 * j + lane_index() % 4 * 2;
                const Requantizer g0 = gates[output], g1 = gates[output + 1], l0 = linears[output], l1 = linears[output + 1];
#pragma unroll
                for (int i = 0; i < M_TILES; i++)
#pragma unroll
                    for (int half = 0; half < 2; half++) {
                        const i32(&g)[4] = sums[i][j], (&l)[4] = sums[i][N_TILES + j];
                        const int row = warp_first_row() + 16 * i + 8 * half + lane_index() / 4;
                        *reinterpret_cast<u16 *>(hidden + row * strides.hidden + output) = static_cast<u16>(
                            pack_i8(gated(g[2 * half], l[2 * half], g0, l0, scalars.reglu),
                                    gated(g[2 * half + 1], l[2 * half + 1], g1, l1, scalars.reglu)));
                    }
            }
        }
    }

    __device__ __forceinline__ static int gated(int gate, int linear, Requantizer g, Requantizer l, Requantizer reglu) {
        const int open = max(clamp_symmetric(requantize(gate, g), 32767), 0);
        return clamp_symmetric(requantize(open * clamp_symmetric(requantize(linear, l), 32767), reglu), 127);
    }

    // One warp per row and head: queries in `hidden`, outputs to `a`.
    __device__ void attention(const unsigned char *base, const M1LayerScalars &scalars, int layer) {
        for (int item = warp_index(); item < ROWS * header.heads; item += M1_WARPS) {
            const int row = item / header.heads, head = item - row * header.heads;
            if (rows.symbol[row] == IDLE) continue;
            const int visible = min(rows.position[row] + 1, context), newest = rows.position[row] % ring;
            const u32 sum = attention_weights(base, scalars, row, head, layer, visible, newest);
            attention_values(scalars, row, head, layer, visible, newest, sum);
        }
    }

    // The ring place of the position `distance` before the newest; `distance` is at most the ring's length.
    __device__ __forceinline__ int place_at(int newest, int distance) const {
        const int place = newest - distance;
        return place < 0 ? place + ring : place;
    }

    // Writes e_j by distance to the warp's scratch, followed by a zero; returns their sum.
    __device__ __forceinline__ u32 attention_weights(const unsigned char *base, const M1LayerScalars &scalars, int row, int head,
                                                     int layer, int visible, int newest) {
        const uint4 *const from = reinterpret_cast<const uint4 *>(hidden + row * strides.hidden + head * HEAD_BYTES);
        const uint4 query[4] = {from[0], from[1], from[2], from[3]};
        const i8 *const keys = cached(row, layer, 0) + head * HEAD_BYTES;
        const i16 *const bias = reinterpret_cast<const i16 *>(base + header.bias) + head * BUCKETS;
        int scores[LONGEST_CONTEXT / WARP], largest = -0x7fffffff;
#pragma unroll
        for (int i = 0; i < LONGEST_CONTEXT / WARP; i++) {
            const int distance = lane_index() + WARP * i;
            if (distance >= visible) continue;
            const uint4 *const key = reinterpret_cast<const uint4 *>(keys + place_at(newest, distance) * header.d);
            int dot = 0;
#pragma unroll
            for (int part = 0; part < 4; part++) {
                const uint4 k = key[part];
                dot = __dp4a(static_cast<int>(query[part].x), static_cast<int>(k.x), dot);
                dot = __dp4a(static_cast<int>(query[part].y), static_cast<int>(k.y), dot);
                dot = __dp4a(static_cast<int>(query[part].z), static_cast<int>(k.z), dot);
                dot = __dp4a(static_cast<int>(query[part].w), static_cast<int>(k.w), dot);
            }
            scores[i] = requantize(dot * 256, scalars.score) + bias[scratch.buckets[min(distance, 127)]];
            largest = max(largest, scores[i]);
        }
        largest = __reduce_max_sync(ALL_LANES, largest);
        u16 *const weights = scratch.weights[warp_index()];
        u32 sum = 0;
#pragma unroll
        for (int i = 0; i < LONGEST_CONTEXT / WARP; i++) {
            const int distance = lane_index() + WARP * i;
            if (distance >= visible) continue;
            const int weight = exp2_neg(scratch.powers, largest - scores[i]) >> 1;
            weights[distance] = static_cast<u16>(weight);
            sum += weight;
        }
        if (lane_index() == 0) weights[visible] = 0;
        __syncwarp();
        return __reduce_add_sync(ALL_LANES, sum);
    }

    // Eight lanes take eight channels each; the four groups of lanes take pairs of positions in turn.
    __device__ __forceinline__ void attention_values(const M1LayerScalars &scalars, int row, int head, int layer, int visible,
                                                     int newest, u32 sum) {
        const int channel = head * HEAD_BYTES + lane_index() % 8 * 8;
        const i8 *const values = cached(row, layer, 1) + channel;
        const u16 *const weights = scratch.weights[warp_index()];
        int mixed[8] = {};
#pragma unroll 2
        for (int distance = lane_index() / 8 * 2; distance < visible; distance += 8) {
            const u32 pair = *reinterpret_cast<const u32 *>(weights + distance);
            const uint2 newer = *reinterpret_cast<const uint2 *>(values + place_at(newest, distance) * header.d);
            // If there is no older position, its weight is zero; the place is still within the ring.
            const uint2 older = *reinterpret_cast<const uint2 *>(values + place_at(newest, distance + 1) * header.d);
            u32 lower, upper;
            interleave(newer.x, older.x, lower, upper);
            mixed[0] = add_weighted_pair<true>(pair, lower, mixed[0]);
            mixed[1] = add_weighted_pair<false>(pair, lower, mixed[1]);
            mixed[2] = add_weighted_pair<true>(pair, upper, mixed[2]);
            mixed[3] = add_weighted_pair<false>(pair, upper, mixed[3]);
            interleave(newer.y, older.y, lower, upper);
            mixed[4] = add_weighted_pair<true>(pair, lower, mixed[4]);
            mixed[5] = add_weighted_pair<false>(pair, lower, mixed[5]);
            mixed[6] = add_weighted_pair<true>(pair, upper, mixed[6]);
            mixed[7] = add_weighted_pair<false>(pair, upper, mixed[7]);
        }
        int n;
        const u32 r = reciprocal(sum, n);
        const u32 factor = scalars.output & 0xffffu, shift = scalars.output >> 16 & 0xffu;
        const Requantizer requantizer = (r * factor >> 16) | static_cast<u32>(15 + n + static_cast<int>(shift)) << 16;
#pragma unroll
        for (int i = 0; i < 8; i++) {
            mixed[i] += __shfl_xor_sync(ALL_LANES, mixed[i], 8);
            mixed[i] += __shfl_xor_sync(ALL_LANES, mixed[i], 16);
            mixed[i] = clamp_symmetric(requantize(mixed[i], requantizer), 127);
        }
        if (lane_index() < 8)
            *reinterpret_cast<uint2 *>(a + row * strides.a + channel) =
                make_uint2(pack_i8(mixed[0], mixed[1], mixed[2], mixed[3]), pack_i8(mixed[4], mixed[5], mixed[6], mixed[7]));
        // This warp's next item overwrites the weights.
        __syncwarp();
    }
};
