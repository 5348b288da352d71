// Copies embedding rows to the residual stream, and sums gradients back into the rows.
//
//   x[t] (+)= scale * table[symbols[t]]     dtable[s] += scale * sum of dx[t] over all t with symbols[t] = s, t rising
//
// Forward is a copy: 8 bytes per value, or 12 where it adds, as n-gram tables do. Backward is a sum over scattered
// terms, and a handful of symbols (such as the space byte) have most of the positions. Atomics would add in any order,
// so the host sorts the positions by symbol when it makes the batch (a stable counting sort) and cuts each symbol's
// positions into pieces of at most 64. A block adds one piece in order, with one or several columns per thread. That
// completes a symbol of one piece; the others leave sums in a workspace, which a second launch adds in order. So dx is
// read once, and frequent symbols spread over many blocks.
//
// A piece is 4 ints: symbol, first and end of its places in `order`, and its row in the workspace or -1.
// A joined symbol is 4 ints: symbol, first and end of its rows in the workspace, 0.
//
// launch: embedding: ceil(tokens * width / 1024) blocks of 256 threads, 4 values per thread.
//         embedding_backward_pieces: a block of 256 threads per piece; embedding_backward_joins: one per joined symbol.
// Widths are multiples of 4. A symbol beyond the table reads nothing and gives NaN.
#include "device.cuh"

DEVICE float4 scaled(float4 v, float scale) { return make_float4(scale * v.x, scale * v.y, scale * v.z, scale * v.w); }

DEVICE float4 plus(float4 a, float4 b) { return make_float4(a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w); }

extern "C" __global__ void __launch_bounds__(256)
    embedding(const u32 *symbols, const float *table, float *x, int tokens, int width, int rows, float scale,
              int accumulate) {
    const i64 i = 4 * (static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x);
    if (i >= static_cast<i64>(tokens) * width) return;
    const i64 row = i / width;
    const u32 symbol = symbols[row];
    const i64 from = static_cast<i64>(symbol) * width + (i - row * width);
    const float nan = __int_as_float(0x7fc00000);
    float4 value = make_float4(nan, nan, nan, nan);
    if (symbol < static_cast<u32>(rows)) value = scaled(*reinterpret_cast<const float4 *>(table + from), scale);
    float4 *const to = reinterpret_cast<float4 *>(x + i);
    *to = accumulate ? plus(*to, value) : value;
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
