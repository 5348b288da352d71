// Converts between f32 and bf16: parameters and activations entering and leaving the device.
//
// y[i] = round(x[i]). Six bytes move per value and nothing is computed, so memory bandwidth is the limit; each thread
// moves one value and neighbouring threads move neighbouring values, which already fills whole sectors.
//
// launch: ceil(length / 256) blocks of 256 threads, at most 2^31 - 1 blocks.
#include "device.cuh"

extern "C" __global__ void __launch_bounds__(256) convert_to_bf16(const float *x, bf16 *y, int length) {
    const i64 i = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i < length) y[i] = to_bf16(x[i]);
}
REGISTER_KERNEL(convert_to_bf16);

extern "C" __global__ void __launch_bounds__(256) convert_to_f32(const bf16 *x, float *y, int length) {
    const i64 i = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i < length) y[i] = to_float(x[i]);
}
REGISTER_KERNEL(convert_to_f32);
