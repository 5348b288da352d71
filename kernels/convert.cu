// Between f32 and bf16: parameters and activations as they enter and leave the device.
//
// y[i] = round(x[i]). Six bytes move per value and nothing is computed, so memory bandwidth is the limit; a thread moves one
// value, neighbouring threads neighbouring ones, which already fills whole sectors.
//
// launch: blocks of 256 threads, ceil(length / 256) of them, at most 2^31 - 1.
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
