// Cross-entropy of softmax(x W^T) against one target per position, fused with the product: logits exist only in
// registers.
//
// For a position with logits l, target t, the floor p0 under each output's probability, and z-loss z:
//   lse = log sum_o exp(l_o),  share = (1 - outputs p0) exp(l_t - lse),  nats = -log(share + p0)  (p0 = 0: lse - l_t)
//   dl_o = scale (weight + 2 z lse) exp(l_o - lse) - scale weight [o = t],  weight = share / (share + p0)
//
// The host walks over chunks of positions and runs for each:
//   cross_entropy_statistics  the product; each warp reduces 64 columns of a row to {largest, sum of exp(l - largest)}
//                             in 8 bytes
//   cross_entropy_combine     combines these in order: lse, nats, and the coefficients of dl, 16 bytes per position
//   cross_entropy_gradient    the product again; writes dl in bf16, in rows of a multiple of 8 values
//   cross_entropy_clear       zeros behind the last output, where there are such
// then dx = dl W and dW += dl^T x are the products of gemm.cu. Thus 2 of 8 operations are repeated, which at width 1024
// takes as long as storing and reading f32 logits would, and needs a third of the memory; chunks limit dl, which is
// read twice, to 512 MiB at 65,536 outputs. cross_entropy_add_losses adds the nats of all positions to the caller's
// sums, on the device. Both products also have a wgmma version (cross_entropy_hopper.cu).
//
// launch: statistics and gradient as gemm.cu's products. combine: a block of 256 threads per 32 positions; each warp
//         takes every eighth part of the outputs.
//         clear: a thread per position. add_losses: one block of 256. `inputs` is a multiple of 8; the products of dl take rows of W up to the next
//         multiple of 8 of `outputs`, whose dl is zero.
#include "cross_entropy_epilogue.cuh"
#include "gemm_tile.cuh"

constexpr int POSITIONS_A_BLOCK = 32;
constexpr int COMBINE_WARPS = 8;

DEVICE Exponentials join(Exponentials a, Exponentials b) {
    const float largest = fmaxf(a.largest, b.largest);
    return {largest, a.sum * fast_exp2(LOG2_E * (a.largest - largest)) + b.sum * fast_exp2(LOG2_E * (b.largest - largest))};
}

// A tile of the logits and its epilogue.
template <class Epilogue>
DEVICE void logits(const bf16 *x, const bf16 *w, int tokens, int inputs, int outputs, const Epilogue &epilogue) {
    DYNAMIC_SHARED(unsigned char, shared);
    const TilePosition position =
        tile_position(static_cast<int>(blockIdx.x), ceiling_divide(tokens, TILE), ceiling_divide(outputs, TILE));
    const int first_row = position.row * TILE, first_column = position.column * TILE;
    WarpSums sums;
    multiply_tile<Major::depth, Major::depth>(sums, shared, {x, tokens, inputs, inputs}, {w, outputs, inputs, inputs}, first_row,
                                              first_column, 0, inputs);
#pragma unroll
    for (int i = 0; i < WARP_TILE / 16; i++)
        epilogue(sums.values[i], first_row + warp_row() + 16 * i, first_column + warp_column());
}

extern "C" __global__ void __launch_bounds__(TILE_THREADS, 2)
    cross_entropy_statistics(const bf16 *x, const bf16 *w, const u32 *targets, Exponentials *parts, float *wanted, int tokens,
                             int inputs, int outputs) {
    logits(x, w, tokens, inputs, outputs, StoreStatistics{targets, parts, wanted, tokens, outputs});
}
REGISTER_KERNEL(cross_entropy_statistics);

extern "C" __global__ void __launch_bounds__(TILE_THREADS, 2)
    cross_entropy_gradient(const bf16 *x, const bf16 *w, const u32 *targets, const Coefficients *coefficients, bf16 *dlogits,
                           int tokens, int inputs, int outputs) {
    logits(x, w, tokens, inputs, outputs, StoreLogitGradients{targets, coefficients, dlogits, tokens, padded(outputs)});
}
REGISTER_KERNEL(cross_entropy_gradient);

// Zeros behind the last output of each row of dl, where `outputs` is not a multiple of eight.
extern "C" __global__ void __launch_bounds__(256) cross_entropy_clear(bf16 *dlogits, int tokens, int outputs) {
    const int position = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    if (position >= tokens) return;
    bf16 *row = dlogits + static_cast<i64>(position) * padded(outputs);
    for (int output = outputs; output < padded(outputs); output++) row[output] = to_bf16(0.0f);
}
REGISTER_KERNEL(cross_entropy_clear);

// `nats` may be null, and so may `behind`, the target's distance below the largest logit; losses[block] = {nats,
// positions counted} of the block.
extern "C" __global__ void __launch_bounds__(256)
    cross_entropy_combine(const Exponentials *parts, const float *wanted, const u32 *targets, Coefficients *coefficients, float *nats,
                          float *behind, double *losses, int tokens, int outputs, float z_loss, float floor, float scale) {
    __shared__ Exponentials sums[COMBINE_WARPS][WARP];
    const int position = blockIdx.x * POSITIONS_A_BLOCK + lane_index();
    const int count = ceiling_divide(outputs, PART);
    Exponentials all = {-__int_as_float(0x7f800000), 0.0f};
    if (position < tokens && warp_index() < count) {
        all = parts[static_cast<i64>(warp_index()) * tokens + position];
        for (int part = warp_index() + COMBINE_WARPS; part < count; part += COMBINE_WARPS)
            all = join(all, parts[static_cast<i64>(part) * tokens + position]);
    }
    sums[warp_index()][lane_index()] = all;
    __syncthreads();
    if (warp_index() > 0) return;
    double lost = 0.0, counted = 0.0;
    if (position < tokens) {
        for (int warp = 1; warp < min(count, COMBINE_WARPS); warp++) all = join(all, sums[warp][lane_index()]);
        const bool ignored = targets[position] == IGNORED;
        const float log2_sum = LOG2_E * all.largest + fast_log2(all.sum), lse = all.largest + LN_2 * fast_log2(all.sum);
        float loss = 0.0f, weight = 0.0f;
        if (!ignored) {
            loss = lse - wanted[position];
            weight = 1.0f;
            if (floor != 0.0f) {
                const float share = (1.0f - static_cast<float>(outputs) * floor) * fast_exp2(-LOG2_E * loss);
                weight = share / (share + floor);
                loss = -LN_2 * fast_log2(share + floor);
            }
            lost = static_cast<double>(loss);
            counted = 1.0;
        }
        const float factor = ignored ? 0.0f : scale * (weight + 2.0f * z_loss * lse);
        coefficients[position] = {log2_sum, factor, scale * weight, 0.0f};
        if (nats) nats[position] = loss;
        if (behind) behind[position] = ignored ? 0.0f : all.largest - wanted[position];
    }
    lost = warp_sum(lost);
    counted = warp_sum(counted);
    if (lane_index() == 0) {
        losses[2 * blockIdx.x] = lost;
        losses[2 * blockIdx.x + 1] = counted;
    }
}
REGISTER_KERNEL(cross_entropy_combine);

// total += the sums of `count` blocks.
extern "C" __global__ void __launch_bounds__(256) cross_entropy_add_losses(const double *losses, double *total, int count) {
    __shared__ double scratch[256 / WARP];
    double lost = 0.0, counted = 0.0;
    for (int i = threadIdx.x; i < count; i += blockDim.x) {
        lost += losses[2 * i];
        counted += losses[2 * i + 1];
    }
    lost = block_sum(lost, scratch);
    counted = block_sum(counted, scratch);
    if (threadIdx.x == 0) {
        total[0] += lost;
        total[1] += counted;
    }
}
REGISTER_KERNEL(cross_entropy_add_losses);
