// Linear layers and their gradients on mma.sync: bf16 operands, f32 sums (see gemm_tile.cuh for how a tile is
// computed).
//
//   linear_forward                 y[t][o]   = sum_i x[t][i] W[o][i]            bf16
//   linear_forward_f32             the same, f32
//   linear_forward_residual        y         = residual + x W^T                 f32; y may be the residual itself
//   linear_forward_reglu           [g | l]   = x W^T, h = max(g, 0) * l         bf16; [g | l] is kept unless null
//   linear_backward_input          dx[t][i]  = sum_o dy[t][o] W[o][i]           bf16
//   linear_backward_input_reglu    dh = dy W, [dg | dl] from the kept [g | l]   bf16; dh itself is never stored
//   linear_backward_weight         dW[o][i] += sum_t dy[t][o] x[t][i]           f32
//   linear_backward_weight_partial the same, each over one part of the tokens   f32, to a workspace
//   add_partials                   dW       += the parts in order               f32
//
// Memory traffic: each block reads 128 rows and 128 columns over the whole depth, from the L2 when neighbours run at
// the same time (`tile_position`); outputs are written once. The fused epilogues save whole passes over the
// activations: the residual one saves a read and a write of the product; ReGLU a read of 2 ff values per token, of the
// 5 ff that product and kernel would move; its gradient a write and a read of ff. At width 1024 and ff 4096 that is 16
// of 40 KiB per token, beside 17 MFLOP.
//
// The weight gradient sums over all tokens, but its result may have fewer tiles than the GPU has multiprocessors. So
// the tokens are cut into parts, one per block, and `add_partials` adds them in order: the same bits in every run,
// without atomics.
//
// launch: blocks of 128 threads with 64 KiB of dynamic shared memory; ceil(rows / 128) * ceil(columns / 128) blocks for
// the result, times the parts for `_partial`; for reglu 64 columns of h per tile. add_partials: 256 threads, four
// values each. kernels/src/gemm.rs has the rules. `inputs` and `outputs` are multiples of 8, pointers aligned to 16
// bytes.
#include "gemm_epilogue.cuh"
#include "gemm_tile.cuh"

// One tile of the result and its epilogue. A tile is `tile_columns` wide in the epilogue's columns.
template <Major A, Major B, bool GATED, class Epilogue>
DEVICE void product(const Operand &a, const Operand &b, int tile, int begin, int end, const Epilogue &epilogue) {
    DYNAMIC_SHARED(unsigned char, shared);
    constexpr int tile_columns = GATED ? TILE / 2 : TILE;
    const int columns = GATED ? b.outer / 2 : b.outer;
    const TilePosition position = tile_position(tile, ceiling_divide(a.outer, TILE), ceiling_divide(columns, tile_columns));
    const int first_row = position.row * TILE, first_column = position.column * tile_columns;
    WarpSums sums;
    multiply_tile<A, B, GATED>(sums, shared, a, b, first_row, first_column, begin, end);
    const int column = first_column + (GATED ? warp_column() / 2 : warp_column());
#pragma unroll
    for (int i = 0; i < WARP_TILE / 16; i++) epilogue(sums.values[i], first_row + warp_row() + 16 * i, column);
}

extern "C" __global__ void __launch_bounds__(TILE_THREADS, 2)
    linear_forward(const bf16 *x, const bf16 *w, bf16 *y, int tokens, int inputs, int outputs) {
    product<Major::depth, Major::depth, false>({x, tokens, inputs, inputs}, {w, outputs, inputs, inputs},
                                               static_cast<int>(blockIdx.x), 0, inputs, StoreBf16{y, tokens, outputs});
}
REGISTER_KERNEL(linear_forward);

extern "C" __global__ void __launch_bounds__(TILE_THREADS, 2)
    linear_forward_f32(const bf16 *x, const bf16 *w, float *y, int tokens, int inputs, int outputs) {
    product<Major::depth, Major::depth, false>({x, tokens, inputs, inputs}, {w, outputs, inputs, inputs},
                                               static_cast<int>(blockIdx.x), 0, inputs,
                                               StoreF32<false>{nullptr, y, tokens, outputs});
}
REGISTER_KERNEL(linear_forward_f32);

extern "C" __global__ void __launch_bounds__(TILE_THREADS, 2)
    linear_forward_residual(const bf16 *x, const bf16 *w, const float *residual, float *y, int tokens, int inputs, int outputs) {
    product<Major::depth, Major::depth, false>({x, tokens, inputs, inputs}, {w, outputs, inputs, inputs},
                                               static_cast<int>(blockIdx.x), 0, inputs,
                                               StoreF32<true>{residual, y, tokens, outputs});
}
REGISTER_KERNEL(linear_forward_residual);

// `outputs` counts values of h: W has twice as many rows.
extern "C" __global__ void __launch_bounds__(TILE_THREADS, 2)
    linear_forward_reglu(const bf16 *x, const bf16 *w, bf16 *gate_linear, bf16 *h, int tokens, int inputs, int outputs) {
    product<Major::depth, Major::depth, true>({x, tokens, inputs, inputs}, {w, 2 * outputs, inputs, inputs},
                                              static_cast<int>(blockIdx.x), 0, inputs,
                                              StoreReglu{gate_linear, h, tokens, outputs});
}
REGISTER_KERNEL(linear_forward_reglu);

extern "C" __global__ void __launch_bounds__(TILE_THREADS, 2)
    linear_backward_input(const bf16 *dy, const bf16 *w, bf16 *dx, int tokens, int inputs, int outputs) {
    product<Major::depth, Major::outer, false>({dy, tokens, outputs, outputs}, {w, inputs, outputs, inputs},
                                               static_cast<int>(blockIdx.x), 0, outputs, StoreBf16{dx, tokens, inputs});
}
REGISTER_KERNEL(linear_backward_input);

// `inputs` counts values of h.
extern "C" __global__ void __launch_bounds__(TILE_THREADS, 2)
    linear_backward_input_reglu(const bf16 *dy, const bf16 *w, const bf16 *gate_linear, bf16 *dgate_linear, int tokens,
                                int inputs, int outputs) {
    product<Major::depth, Major::outer, false>({dy, tokens, outputs, outputs}, {w, inputs, outputs, inputs},
                                               static_cast<int>(blockIdx.x), 0, outputs,
                                               StoreRegluBackward{gate_linear, dgate_linear, tokens, inputs});
}
REGISTER_KERNEL(linear_backward_input_reglu);

extern "C" __global__ void __launch_bounds__(TILE_THREADS, 2)
    linear_backward_weight(const bf16 *dy, const bf16 *x, float *dw, int tokens, int inputs, int outputs) {
    product<Major::outer, Major::outer, false>({dy, outputs, tokens, outputs}, {x, inputs, tokens, inputs},
                                               static_cast<int>(blockIdx.x), 0, tokens,
                                               StoreF32<true>{dw, dw, outputs, inputs});
}
REGISTER_KERNEL(linear_backward_weight);

// Part p covers tokens p * part_tokens .. (p + 1) * part_tokens, a multiple of 32, and writes partials[p]. Tiles of one
// part are adjacent in the grid, so that blocks that run at the same time read the same tokens.
extern "C" __global__ void __launch_bounds__(TILE_THREADS, 2)
    linear_backward_weight_partial(const bf16 *dy, const bf16 *x, float *partials, int tokens, int inputs, int outputs,
                                   int part_tokens) {
    const int tiles = ceiling_divide(outputs, TILE) * ceiling_divide(inputs, TILE);
    const int part = static_cast<int>(blockIdx.x) / tiles, tile = static_cast<int>(blockIdx.x) % tiles;
    float *out = partials + static_cast<i64>(part) * outputs * inputs;
    const int begin = part * part_tokens;
    product<Major::outer, Major::outer, false>({dy, outputs, tokens, outputs}, {x, inputs, tokens, inputs}, tile, begin,
                                               min(begin + part_tokens, tokens), StoreF32<false>{nullptr, out, outputs, inputs});
}
REGISTER_KERNEL(linear_backward_weight_partial);

// Four values per thread; `length` is a multiple of 4.
extern "C" __global__ void __launch_bounds__(256) add_partials(const float *partials, float *sum, i64 length, int parts) {
    const i64 at = 4 * (static_cast<i64>(blockIdx.x) * 256 + threadIdx.x);
    if (at >= length) return;
    float4 total = *reinterpret_cast<const float4 *>(partials + at);
    for (int part = 1; part < parts; part++) {
        const float4 next = *reinterpret_cast<const float4 *>(partials + part * length + at);
        total.x += next.x, total.y += next.y, total.z += next.z, total.w += next.w;
    }
    float4 value = *reinterpret_cast<float4 *>(sum + at);
    value.x += total.x, value.y += total.y, value.z += total.z, value.w += total.w;
    *reinterpret_cast<float4 *>(sum + at) = value;
}
REGISTER_KERNEL(add_partials);
