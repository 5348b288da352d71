// Kernels with one fault each, of a kind that a GPU does not report. The CPU must find every one of them.
#include "device.cuh"

// Half a warp waits for the block, the other half for the warp.
extern "C" __global__ void fault_divergent_barrier() {
    if (threadIdx.x < WARP / 2) __syncthreads();
    else __syncwarp();
}
REGISTER_KERNEL(fault_divergent_barrier);

extern "C" __global__ void fault_lane_outside_its_mask(int *out) { out[threadIdx.x] = __shfl_sync(0xffff, threadIdx.x, 0); }
REGISTER_KERNEL(fault_lane_outside_its_mask);

// Writes past the end of the launch's shared memory, which holds `values` floats.
extern "C" __global__ void fault_write_behind_shared(int values) {
    DYNAMIC_SHARED(float, shared);
    if (threadIdx.x == 0) shared[values] = 1.0f;
}
REGISTER_KERNEL(fault_write_behind_shared);

extern "C" __global__ void fault_misaligned_copy(const float *in) {
    DYNAMIC_SHARED(float, shared);
    copy_async_16(shared, in + 1);
}
REGISTER_KERNEL(fault_misaligned_copy);

extern "C" __global__ void fault_write_behind_buffer(int *out, int length) { out[length] = 1; }
REGISTER_KERNEL(fault_write_behind_buffer);

extern "C" __global__ void fault_write_before_buffer(int *out) { out[-1] = 1; }
REGISTER_KERNEL(fault_write_before_buffer);

// out[i] = in[i], but nothing waits for the second group of copies.
extern "C" __global__ void fault_missing_wait(const float *in, float *out) {
    DYNAMIC_SHARED(float, shared);
    const int i = 4 * static_cast<int>(threadIdx.x);
    for (int half = 0; half < 2; half++) {
        copy_async_16(shared + 4 * WARP * half + i, in + 4 * WARP * half + i);
        copy_async_commit();
    }
    copy_async_wait<1>();
    for (int k = 0; k < 4; k++) {
        out[i + k] = shared[i + k];
        out[4 * WARP + i + k] = shared[4 * WARP + i + k];
    }
}
REGISTER_KERNEL(fault_missing_wait);

// out[i] = in[the last - i] through shared memory, without the barrier between the writes and the reads.
extern "C" __global__ void fault_missing_barrier(const int *in, int *out) {
    DYNAMIC_SHARED(int, shared);
    const int i = static_cast<int>(threadIdx.x), last = static_cast<int>(blockDim.x) - 1;
    shared[i] = in[i];
    out[i] = shared[last - i];
}
REGISTER_KERNEL(fault_missing_barrier);

// out[i] = i where the launch has a thread; the rest of the output is never written.
extern "C" __global__ void fault_unwritten_output(int *out) { out[threadIdx.x] = static_cast<int>(threadIdx.x); }
REGISTER_KERNEL(fault_unwritten_output);
