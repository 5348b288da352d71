// The two products of cross_entropy.cu on wgmma, for sm_90a (gemm_hopper_tile.cuh), with the same epilogues.
//
// launch: see gemm_hopper_tile.cuh and kernels/src/cross_entropy.rs.
#include "cross_entropy_epilogue.cuh"
#include "gemm_hopper_tile.cuh"

#if HAS_WARPGROUP_PRODUCTS

extern "C" __global__ void __launch_bounds__(hopper::THREADS, 1)
    cross_entropy_statistics_hopper(const __grid_constant__ TensorMap x, const __grid_constant__ TensorMap w, const u32 *targets,
                                    Exponentials *parts, float *wanted, int tokens, int inputs, int outputs) {
    hopper::products<Major::depth, Major::depth, false>(
        x, w, tokens, outputs, inputs, inputs, [=](int) { return StoreStatistics{targets, parts, wanted, tokens, outputs}; });
}
REGISTER_KERNEL(cross_entropy_statistics_hopper);

extern "C" __global__ void __launch_bounds__(hopper::THREADS, 1)
    cross_entropy_gradient_hopper(const __grid_constant__ TensorMap x, const __grid_constant__ TensorMap w, const u32 *targets,
                                  const Coefficients *coefficients, bf16 *dlogits, int tokens, int inputs, int outputs) {
    hopper::products<Major::depth, Major::depth, false>(
        x, w, tokens, outputs, inputs, inputs,
        [=](int) { return StoreLogitGradients{targets, coefficients, dlogits, tokens, padded(outputs)}; });
}
REGISTER_KERNEL(cross_entropy_gradient_hopper);

#endif
