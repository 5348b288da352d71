// RMSNorm without gain over rows of `width` values, and its gradient.
//
//   r = 1 / sqrt(mean(x^2) + 1e-6)        a_i = r x_i
//   dx_i (+)= r da_i - x_i r^3 (da . x) / width
//
// The residual stream and its gradient are f32; `a` and `da`, operands of products, are bf16. Each warp reads its row
// from memory once (4 bytes per value) and again from L1, where 8 rows of 2,048 values just fit, so neither registers
// nor shared memory limits the width. Forward moves 6 bytes per value, backward 10 to 16; bandwidth is the limit, and
// the sums cost nothing beside it. The backward pass also writes the new dx in bf16 if the caller provides a buffer:
// the products of the layer below take it in that form, which saves them a pass.
//
// Widths are multiples of 4.
//
// launch: ceil(tokens / 8) blocks of 256 threads, one warp per row.
#include "device.cuh"

constexpr float NORM_EPSILON = 1e-6f;

DEVICE float4 load_bf16x4(const bf16 *from) {
    const uint2 pairs = *reinterpret_cast<const uint2 *>(from);
    return make_float4(low_float(pairs.x), high_float(pairs.x), low_float(pairs.y), high_float(pairs.y));
}

DEVICE void store_bf16x4(bf16 *to, float4 v) {
    *reinterpret_cast<uint2 *>(to) = make_uint2(to_bf16x2(v.x, v.y), to_bf16x2(v.z, v.w));
}

extern "C" __global__ void __launch_bounds__(256)
    rms_norm(const float *x, bf16 *a, float *inverse, int tokens, int width) {
    const i64 row = static_cast<i64>(blockIdx.x) * (blockDim.x / WARP) + warp_index();
    if (row >= tokens) return;
    const float *from = x + row * width;
    bf16 *to = a + row * width;
    float squares = 0.0f;
    for (int i = 4 * lane_index(); i < width; i += 4 * WARP) {
        const float4 v = *reinterpret_cast<const float4 *>(from + i);
        squares += v.x * v.x + v.y * v.y + (v.z * v.z + v.w * v.w);
    }
    const float r = 1.0f / __fsqrt_rn(warp_sum(squares) / static_cast<float>(width) + NORM_EPSILON);
    if (lane_index() == 0) inverse[row] = r;
    for (int i = 4 * lane_index(); i < width; i += 4 * WARP) {
        const float4 v = *reinterpret_cast<const float4 *>(from + i);
        store_bf16x4(to + i, make_float4(r * v.x, r * v.y, r * v.z, r * v.w));
    }
}
REGISTER_KERNEL(rms_norm);

// `accumulate`: add to dx instead of overwriting it. `dx_rounded` may be null.
extern "C" __global__ void __launch_bounds__(256) rms_norm_backward(const float *x, const float *inverse, const bf16 *da, float *dx,
                                                                    bf16 *dx_rounded, int tokens, int width, int accumulate) {
    const i64 row = static_cast<i64>(blockIdx.x) * (blockDim.x / WARP) + warp_index();
    if (row >= tokens) return;
    const float *values = x + row * width;
    const bf16 *gradients = da + row * width;
    float *to = dx + row * width;
    float product = 0.0f;
    for (int i = 4 * lane_index(); i < width; i += 4 * WARP) {
        const float4 v = *reinterpret_cast<const float4 *>(values + i), d = load_bf16x4(gradients + i);
        product += v.x * d.x + v.y * d.y + (v.z * d.z + v.w * d.w);
    }
    const float r = inverse[row];
    const float along = warp_sum(product) * r * r * r / static_cast<float>(width);
    for (int i = 4 * lane_index(); i < width; i += 4 * WARP) {
        const float4 v = *reinterpret_cast<const float4 *>(values + i), d = load_bf16x4(gradients + i);
        float4 sum = accumulate ? *reinterpret_cast<const float4 *>(to + i) : make_float4(0.0f, 0.0f, 0.0f, 0.0f);
        sum.x += r * d.x - along * v.x;
        sum.y += r * d.y - along * v.y;
        sum.z += r * d.z - along * v.z;
        sum.w += r * d.w - along * v.w;
        *reinterpret_cast<float4 *>(to + i) = sum;
        if (dx_rounded) store_bf16x4(dx_rounded + row * width + i, sum);
    }
}
REGISTER_KERNEL(rms_norm_backward);
