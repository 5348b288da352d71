// Linear layers and their gradients on wgmma, for sm_90a: the kernels of gemm.cu on other instructions
// (gemm_hopper_tile.cuh), with the same epilogues.
//
// This file is compiled for sm_90a only, and for the CPU, which performs copies, barriers and products in the same
// layouts (cpu/hopper.h).
//
// launch: see gemm_hopper_tile.cuh and kernels/src/gemm.rs.
#include "gemm_epilogue.cuh"
#include "gemm_hopper_tile.cuh"

#if HAS_WARPGROUP_PRODUCTS


extern "C" __global__ void __launch_bounds__(hopper::THREADS, 1)
    linear_forward_hopper(const __grid_constant__ TensorMap x, const __grid_constant__ TensorMap w, bf16 *y, int tokens, int inputs,
                          int outputs) {
    hopper::products<Major::depth, Major::depth, false>(
        x, w, tokens, outputs, inputs, inputs, [=](int) { return StoreBf16{y, tokens, outputs}; });
}
REGISTER_KERNEL(linear_forward_hopper);

extern "C" __global__ void __launch_bounds__(hopper::THREADS, 1)
    linear_forward_f32_hopper(const __grid_constant__ TensorMap x, const __grid_constant__ TensorMap w, float *y, int tokens,
                              int inputs, int outputs) {
    hopper::products<Major::depth, Major::depth, false>(
        x, w, tokens, outputs, inputs, inputs, [=](int) { return StoreF32<false>{nullptr, y, tokens, outputs}; });
}
REGISTER_KERNEL(linear_forward_f32_hopper);

extern "C" __global__ void __launch_bounds__(hopper::THREADS, 1)
    linear_forward_residual_hopper(const __grid_constant__ TensorMap x, const __grid_constant__ TensorMap w, const float *residual,
                                   float *y, int tokens, int inputs, int outputs) {
    hopper::products<Major::depth, Major::depth, false>(
        x, w, tokens, outputs, inputs, inputs, [=](int) { return StoreF32<true>{residual, y, tokens, outputs}; });
}
REGISTER_KERNEL(linear_forward_residual_hopper);

extern "C" __global__ void __launch_bounds__(hopper::THREADS, 1)
    linear_forward_reglu_hopper(const __grid_constant__ TensorMap x, const __grid_constant__ TensorMap w, bf16 *gate_linear, bf16 *h,
                                int tokens, int inputs, int outputs) {
    hopper::products<Major::depth, Major::depth, true>(
        x, w, tokens, outputs, inputs, inputs, [=](int) { return StoreReglu{gate_linear, h, tokens, outputs}; });
}
REGISTER_KERNEL(linear_forward_reglu_hopper);

extern "C" __global__ void __launch_bounds__(hopper::THREADS, 1)
    linear_backward_input_hopper(const __grid_constant__ TensorMap dy, const __grid_constant__ TensorMap w, bf16 *dx, int tokens,
                                 int inputs, int outputs) {
    hopper::products<Major::depth, Major::outer, false>(
        dy, w, tokens, inputs, outputs, outputs, [=](int) { return StoreBf16{dx, tokens, inputs}; });
}
REGISTER_KERNEL(linear_backward_input_hopper);

extern "C" __global__ void __launch_bounds__(hopper::THREADS, 1)
    linear_backward_input_reglu_hopper(const __grid_constant__ TensorMap dy, const __grid_constant__ TensorMap w,
                                       const bf16 *gate_linear, bf16 *dgate_linear, int tokens, int inputs, int outputs) {
    hopper::products<Major::depth, Major::outer, false>(
        dy, w, tokens, inputs, outputs, outputs,
        [=](int) { return StoreRegluBackward{gate_linear, dgate_linear, tokens, inputs}; });
}
REGISTER_KERNEL(linear_backward_input_reglu_hopper);

extern "C" __global__ void __launch_bounds__(hopper::THREADS, 1)
    linear_backward_weight_hopper(const __grid_constant__ TensorMap dy, const __grid_constant__ TensorMap x, float *dw, int tokens,
                                  int inputs, int outputs) {
    hopper::products<Major::outer, Major::outer, false>(
        dy, x, outputs, inputs, tokens, tokens, [=](int) { return StoreF32<true>{dw, dw, outputs, inputs}; });
}
REGISTER_KERNEL(linear_backward_weight_hopper);

// `part_tokens` is a multiple of 64. gemm.cu's add_partials adds the parts.
extern "C" __global__ void __launch_bounds__(hopper::THREADS, 1)
    linear_backward_weight_partial_hopper(const __grid_constant__ TensorMap dy, const __grid_constant__ TensorMap x,
                                          float *partials, int tokens, int inputs, int outputs, int part_tokens) {
    hopper::products<Major::outer, Major::outer, false>(
        dy, x, outputs, inputs, tokens, part_tokens, [=](int part) {
            return StoreF32<false>{nullptr, partials + static_cast<i64>(part) * outputs * inputs, outputs, inputs};
        });
}
REGISTER_KERNEL(linear_backward_weight_partial_hopper);

#endif
