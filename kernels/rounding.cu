// Simulates the integer model's rounding, for training that is aware of it.
//
//   fake_quantize           x = step * round(clamp(x / step, -127, 127)), ties to even, over columns [first, end)
//                           of each row
//   fake_quantize_backward  dx = 0 where |x| >= 126.5 step, x being the rounded value: straight through, except where
//                           clamped
//   round_weights           w = scale * round(w / scale) with the row's own scale = max |w| / most, as in the exporter
//
// Activations are bf16: rounding a multiple of the step once more, to 8 bits of mantissa, moves it by at most a quarter
// of a step, so clamped values remain distinguishable from the others. Steps that are powers of two lose nothing. One
// pass each, 4 bytes per value (backward 6); weights 10 with both copies.
//
// launch: fake_quantize*: ceil(rows * (end - first) / 512) blocks of 256 threads, 2 columns per thread; `first`, `end`
// and
//         `stride` are even. round_weights: a block of 256 threads per row.
#include "device.cuh"

// The place of this thread's pair of values; -1 if there is none.
DEVICE i64 rounding_place(int rows, int stride, int first, int end) {
    const i64 pair = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;
    const int pairs = (end - first) / 2;
    const i64 row = pair / pairs;
    return row < rows ? row * stride + first + 2 * (pair - row * pairs) : -1;
}

DEVICE float round_to_step(float value, float inverse, float step) {
    return step * rintf(fminf(fmaxf(value * inverse, -127.0f), 127.0f));
}

extern "C" __global__ void __launch_bounds__(256) fake_quantize(bf16 *x, int rows, int stride, int first, int end, float step) {
    const i64 place = rounding_place(rows, stride, first, end);
    if (place < 0) return;
    const float inverse = __fdiv_rn(1.0f, step);
    bf16x2 *const pair = reinterpret_cast<bf16x2 *>(x + place);
    *pair = to_bf16x2(round_to_step(low_float(*pair), inverse, step), round_to_step(high_float(*pair), inverse, step));
}
REGISTER_KERNEL(fake_quantize);

extern "C" __global__ void __launch_bounds__(256)
    fake_quantize_backward(const bf16 *x, bf16 *dx, int rows, int stride, int first, int end, float step) {
    const i64 place = rounding_place(rows, stride, first, end);
    if (place < 0) return;
    const float limit = 126.5f * step;
    const bf16x2 values = *reinterpret_cast<const bf16x2 *>(x + place);
    bf16x2 *const pair = reinterpret_cast<bf16x2 *>(dx + place);
    const bf16x2 keep = (fabsf(low_float(values)) < limit ? 0x0000ffffu : 0) | (fabsf(high_float(values)) < limit ? 0xffff0000u : 0);
    *pair &= keep;
}
REGISTER_KERNEL(fake_quantize_backward);

// `rounded` (f32, for the embedding) may be null; `product` is the copy that products read.
extern "C" __global__ void __launch_bounds__(256)
    round_weights(const float *weights, float *rounded, bf16 *product, int columns, float most) {
    __shared__ float scratch[256 / WARP];
    const i64 row = static_cast<i64>(blockIdx.x) * columns;
    float largest = 0.0f;
    for (int column = threadIdx.x; column < columns; column += blockDim.x) largest = fmaxf(largest, fabsf(weights[row + column]));
    // A row of subnormal numbers would divide by zero; treating it as zeros loses nothing.
    const float found = __fdiv_rn(block_max(largest, scratch), most);
    const float scale = found >= 1.17549435e-38f ? found : 1.0f;
    for (int column = threadIdx.x; column < columns; column += blockDim.x) {
        const float steps = rintf(__fdiv_rn(weights[row + column], scale));
        const float value = fminf(fmaxf(steps, -most), most) * scale;
        if (rounded) rounded[row + column] = value;
        product[row + column] = to_bf16(value);
    }
}
REGISTER_KERNEL(round_weights);
