// Muon's update of a matrix (Jordan et al. 2024), around the products of gemm.cu:
//   m = b m + (1 - b) g;  X = (b m + (1 - b) g) / |.|                          muon_momentum, muon_normalize
//   five times: A = X X^T, P = b A + c A A, X = a X + P X                        products, muon_combine
//   p = keep p - rate X                                                          muon_apply
// g is the clipped gradient; |.| is the root of the sum of squares. X has the shorter side as its rows: a matrix with
// more rows than columns is transposed on the way in and on the way out, which leaves one of both accesses strided.
//
// X, A and P are bf16, which the iteration bears, as it only has to bring singular values near 1; all else is f32.
// A value moves 64 bytes here, 30 of them in the five passes; the products do 2 side (2 + side / long) operations a value
// and pass. Matrices as small as M1's are bound by the launches.
//
// launch: ceil(length / 256) blocks of 256 threads each, one value per thread.
#include "device.cuh"

DEVICE i64 muon_place(i64 i, int rows, int columns) {
    if (rows <= columns) return i;
    const i64 row = i / columns;
    return (i - row * columns) * rows + row;
}

extern "C" __global__ void __launch_bounds__(256)
    muon_momentum(const float *gradients, float *momentum, float *direction, const float *norm_and_factor, int rows, int columns,
                  float past) {
    const i64 i = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i >= static_cast<i64>(rows) * columns) return;
    const float g = gradients[i] * norm_and_factor[1];
    const float m = past * momentum[i] + (1.0f - past) * g;
    momentum[i] = m;
    direction[muon_place(i, rows, columns)] = past * m + (1.0f - past) * g;
}
REGISTER_KERNEL(muon_momentum);

// x = direction / sqrt(squares), or zeros where there is no direction.
extern "C" __global__ void __launch_bounds__(256)
    muon_normalize(const float *direction, const double *squares, bf16 *x, i64 length) {
    const i64 i = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i < length) x[i] = to_bf16(direction[i] / fmaxf(static_cast<float>(sqrt(*squares)), 1e-20f));
}
REGISTER_KERNEL(muon_normalize);

// y = a x + b y.
extern "C" __global__ void __launch_bounds__(256) muon_combine(const bf16 *x, bf16 *y, i64 length, float a, float b) {
    const i64 i = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i < length) y[i] = to_bf16(a * to_float(x[i]) + b * to_float(y[i]));
}
REGISTER_KERNEL(muon_combine);

extern "C" __global__ void __launch_bounds__(256)
    muon_apply(const bf16 *x, float *parameters, bf16 *product, int rows, int columns, float keep, float rate) {
    const i64 i = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i >= static_cast<i64>(rows) * columns) return;
    const float value = keep * parameters[i] - rate * to_float(x[muon_place(i, rows, columns)]);
    parameters[i] = value;
    product[i] = to_bf16(value);
}
REGISTER_KERNEL(muon_apply);
