// Sums and maxima over a warp or a block, in an order that depends only on the shape. The butterfly adds the same pairs
// on every lane, and a + b == b + a, so all lanes hold the same bits without a broadcast.
#pragma once

template <class T>
DEVICE T warp_sum(T value) {
#pragma unroll
    for (int distance = WARP / 2; distance > 0; distance /= 2) value += __shfl_xor_sync(ALL_LANES, value, distance);
    return value;
}

template <class T>
DEVICE T warp_max(T value) {
#pragma unroll
    for (int distance = WARP / 2; distance > 0; distance /= 2) {
        const T other = __shfl_xor_sync(ALL_LANES, value, distance);
        value = value > other ? value : other;
    }
    return value;
}

// Over a one-dimensional block of whole warps; `scratch` is shared and holds one value per warp. The block synchronizes
// twice: before the scratch is read, and after, so that it may be reused at once.
template <class T>
DEVICE T block_sum(T value, T *scratch) {
    value = warp_sum(value);
    if (lane_index() == 0) scratch[warp_index()] = value;
    __syncthreads();
    T total = scratch[0];
    for (int warp = 1; warp < static_cast<int>(blockDim.x) / WARP; warp++) total += scratch[warp];
    __syncthreads();
    return total;
}

template <class T>
DEVICE T block_max(T value, T *scratch) {
    value = warp_max(value);
    if (lane_index() == 0) scratch[warp_index()] = value;
    __syncthreads();
    T largest = scratch[0];
    for (int warp = 1; warp < static_cast<int>(blockDim.x) / WARP; warp++)
        largest = largest > scratch[warp] ? largest : scratch[warp];
    __syncthreads();
    return largest;
}
