// Embedding rows to the residual stream, and the gradient back to the rows.
//
//   x[t] = scale * table[symbols[t]]            dtable[s] += scale * sum of dx[t] over all t with symbols[t] = s, t rising
//
// Forward is a copy: 8 bytes a value. Backward is a sum whose terms lie scattered, and a handful of symbols (the space, in
// bytes) have most of the positions. Atomics would add in any order, so the host sorts the positions by symbol when it makes
// the batch (a counting sort, stable) and cuts each symbol's positions into pieces of at most 64. A block adds one piece, in
// order, a thread a column or several; a symbol with one piece is done, others leave sums in a workspace, which a second
// launch adds in order. So dx is read once, and long symbols spread over many blocks.
//
// A piece is 4 ints: symbol, first and end of its places in `order`, and its row in the workspace or -1.
// A joined symbol is 4 ints: symbol, first and end of its rows in the workspace, 0.
//
// launch: embedding: blocks of 256 threads, a thread 4 values: ceil(tokens * width / 1024) blocks.
//         embedding_backward_pieces: a block of 256 threads a piece; embedding_backward_joins: one a joined symbol.
// Widths are multiples of 4.
#include "device.cuh"

DEVICE float4 scaled(float4 v, float scale) { return make_float4(scale * v.x, scale * v.y, scale * v.z, scale * v.w); }

DEVICE float4 plus(float4 a, float4 b) { return make_float4(a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w); }

extern "C" __global__ void __launch_bounds__(256)
    embedding(const u32 *symbols, const float *table, float *x, int tokens, int width, float scale) {
    const i64 i = 4 * (static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x);
    if (i >= static_cast<i64>(tokens) * width) return;
    const i64 row = i / width;
    const i64 from = static_cast<i64>(symbols[row]) * width + (i - row * width);
    *reinterpret_cast<float4 *>(x + i) = scaled(*reinterpret_cast<const float4 *>(table + from), scale);
}
REGISTER_KERNEL(embedding);

extern "C" __global__ void __launch_bounds__(256) embedding_backward_pieces(const u32 *order, const int4 *pieces, const float *dx,
                                                                            float *dtable, float *workspace, int width,
                                                                            float scale) {
    const int4 piece = pieces[blockIdx.x];
    for (int column = 4 * static_cast<int>(threadIdx.x); column < width; column += 4 * static_cast<int>(blockDim.x)) {
        float4 sum = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
        for (int place = piece.y; place < piece.z; place++)
            sum = plus(sum, *reinterpret_cast<const float4 *>(dx + static_cast<i64>(order[place]) * width + column));
        if (piece.w >= 0) {
            *reinterpret_cast<float4 *>(workspace + static_cast<i64>(piece.w) * width + column) = sum;
        } else {
            float4 *const to = reinterpret_cast<float4 *>(dtable + static_cast<i64>(piece.x) * width + column);
            *to = plus(*to, scaled(sum, scale));
        }
    }
}
REGISTER_KERNEL(embedding_backward_pieces);

extern "C" __global__ void __launch_bounds__(256)
    embedding_backward_joins(const int4 *joined, const float *workspace, float *dtable, int width, float scale) {
    const int4 symbol = joined[blockIdx.x];
    for (int column = 4 * static_cast<int>(threadIdx.x); column < width; column += 4 * static_cast<int>(blockDim.x)) {
        float4 sum = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
        for (int row = symbol.y; row < symbol.z; row++)
            sum = plus(sum, *reinterpret_cast<const float4 *>(workspace + static_cast<i64>(row) * width + column));
        float4 *const to = reinterpret_cast<float4 *>(dtable + static_cast<i64>(symbol.x) * width + column);
        *to = plus(*to, scaled(sum, scale));
    }
}
REGISTER_KERNEL(embedding_backward_joins);
