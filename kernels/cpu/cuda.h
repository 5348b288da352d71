// CUDA C++ for a C++ compiler: keywords, built-in variables, warp exchange, atomics and arithmetic, to the extent that
// the kernels use them. Floating-point atomics are omitted on purpose.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "scheduler.h"

#define __global__
#define __device__
#define __host__
#define __constant__ static const
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __grid_constant__
#define __align__(n) alignas(n)
#define __restrict__ __restrict
// Within a function: one per block in flight, because an OS thread runs one block at a time.
#define __shared__ static thread_local

#define CUDA_CPU_TEXT_OF(x) #x
#define CUDA_CPU_TEXT(x) CUDA_CPU_TEXT_OF(x)
#define CUDA_CPU_HERE __FILE__ ":" CUDA_CPU_TEXT(__LINE__)

#define threadIdx (cuda_cpu::fiber->thread)
#define blockIdx (cuda_cpu::block->index)
#define blockDim (cuda_cpu::block->size)
#define gridDim (cuda_cpu::block->grid)
#define __syncthreads() cuda_cpu::barrier(CUDA_CPU_HERE)
#define __syncwarp(...) cuda_cpu::sync_warp(CUDA_CPU_HERE __VA_OPT__(, ) __VA_ARGS__)

// Vector types, aligned like the GPU's 8- and 16-byte loads.
#define CUDA_CPU_VECTORS(type, name)                                                                                     \
    struct alignas(2 * sizeof(type)) name##2 {                                                                           \
        type x, y;                                                                                                       \
    };                                                                                                                   \
    struct alignas(4 * sizeof(type)) name##4 {                                                                           \
        type x, y, z, w;                                                                                                 \
    };                                                                                                                   \
    inline name##2 make_##name##2(type x, type y) { return {x, y}; }                                                     \
    inline name##4 make_##name##4(type x, type y, type z, type w) { return {x, y, z, w}; }
CUDA_CPU_VECTORS(float, float)
CUDA_CPU_VECTORS(int, int)
CUDA_CPU_VECTORS(unsigned, uint)
CUDA_CPU_VECTORS(unsigned short, ushort)
#undef CUDA_CPU_VECTORS

namespace cuda_cpu {

inline void sync_warp(const char *where, unsigned mask = ~0u) { exchange(mask, 0, where); }

template <class T>
T shuffle(unsigned mask, T value, int source, int width, const char *where) {
    const Exchange all = exchange(mask, value, where);
    const int first = static_cast<int>(fiber->lane) & ~(width - 1);
    return all.get<T>(first | (source & (width - 1)));
}

template <class T>
T shuffle_up(unsigned mask, T value, unsigned distance, int width, const char *where) {
    const Exchange all = exchange(mask, value, where);
    const int lane = static_cast<int>(fiber->lane), first = lane & ~(width - 1);
    const int source = lane - static_cast<int>(distance);
    return all.get<T>(source < first ? lane : source);
}

template <class T>
T shuffle_down(unsigned mask, T value, unsigned distance, int width, const char *where) {
    const Exchange all = exchange(mask, value, where);
    const int lane = static_cast<int>(fiber->lane), end = (lane & ~(width - 1)) + width;
    const int source = lane + static_cast<int>(distance);
    return all.get<T>(source >= end ? lane : source);
}

template <class T>
T shuffle_xor(unsigned mask, T value, int bits, int width, const char *where) {
    const Exchange all = exchange(mask, value, where);
    const int lane = static_cast<int>(fiber->lane), end = (lane & ~(width - 1)) + width;
    const int source = lane ^ bits;
    return all.get<T>(source >= end ? lane : source);
}

inline unsigned ballot(unsigned mask, bool predicate, const char *where) {
    const Exchange all = exchange(mask, predicate, where);
    unsigned votes = 0;
    for (unsigned lane = 0; lane < LANES; lane++)
        if (all.present >> lane & 1) votes |= static_cast<unsigned>(all.get<bool>(lane)) << lane;
    return votes;
}

template <class T, class Combine>
T reduce(unsigned mask, T value, const char *where, Combine combine) {
    const Exchange all = exchange(mask, value, where);
    for (unsigned lane = 0; lane < LANES; lane++)
        if (lane != fiber->lane && all.present >> lane & 1) value = combine(value, all.get<T>(lane));
    return value;
}

} // namespace cuda_cpu

// The last argument, the width, is optional.
#define CUDA_CPU_FOURTH(a, b, c, d, ...) d
#define CUDA_CPU_SHUFFLE(function, mask, value, other, ...)                                                              \
    cuda_cpu::function(mask, value, other, CUDA_CPU_FOURTH(0, 0, 0, __VA_ARGS__ __VA_OPT__(, ) 32), CUDA_CPU_HERE)
#define __shfl_sync(mask, value, ...) CUDA_CPU_SHUFFLE(shuffle, mask, value, __VA_ARGS__)
#define __shfl_up_sync(mask, value, ...) CUDA_CPU_SHUFFLE(shuffle_up, mask, value, __VA_ARGS__)
#define __shfl_down_sync(mask, value, ...) CUDA_CPU_SHUFFLE(shuffle_down, mask, value, __VA_ARGS__)
#define __shfl_xor_sync(mask, value, ...) CUDA_CPU_SHUFFLE(shuffle_xor, mask, value, __VA_ARGS__)
#define __ballot_sync(mask, predicate) cuda_cpu::ballot(mask, (predicate) != 0, CUDA_CPU_HERE)
#define __any_sync(mask, predicate) (cuda_cpu::ballot(mask, (predicate) != 0, CUDA_CPU_HERE) != 0)
#define __all_sync(mask, predicate) (cuda_cpu::ballot(mask, (predicate) == 0, CUDA_CPU_HERE) == 0)
#define __reduce_add_sync(mask, value) cuda_cpu::reduce(mask, value, CUDA_CPU_HERE, [](auto a, auto b) { return a + b; })
#define __reduce_max_sync(mask, value) cuda_cpu::reduce(mask, value, CUDA_CPU_HERE, [](auto a, auto b) { return a > b ? a : b; })
#define __reduce_min_sync(mask, value) cuda_cpu::reduce(mask, value, CUDA_CPU_HERE, [](auto a, auto b) { return a < b ? a : b; })

template <class T>
T atomicAdd(T *address, T value) {
    static_assert(std::is_integral<T>::value, "sums of floats need a fixed order");
    return __atomic_fetch_add(address, value, __ATOMIC_RELAXED);
}
template <class T>
T atomicMax(T *address, T value) {
    T old = __atomic_load_n(address, __ATOMIC_RELAXED);
    while (old < value && !__atomic_compare_exchange_n(address, &old, value, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {}
    return old;
}
template <class T>
T atomicOr(T *address, T value) {
    return __atomic_fetch_or(address, value, __ATOMIC_RELAXED);
}
template <class T>
T atomicCAS(T *address, T expected, T value) {
    __atomic_compare_exchange_n(address, &expected, value, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    return expected;
}
template <class T>
T atomicExch(T *address, T value) {
    return __atomic_exchange_n(address, value, __ATOMIC_RELAXED);
}
inline void __threadfence() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
inline void __threadfence_block() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

template <class T>
T __ldg(const T *address) {
    return *address;
}

inline int min(int a, int b) { return a < b ? a : b; }
inline int max(int a, int b) { return a > b ? a : b; }
inline unsigned min(unsigned a, unsigned b) { return a < b ? a : b; }
inline unsigned max(unsigned a, unsigned b) { return a > b ? a : b; }
inline long long min(long long a, long long b) { return a < b ? a : b; }
inline long long max(long long a, long long b) { return a > b ? a : b; }
inline unsigned long long min(unsigned long long a, unsigned long long b) { return a < b ? a : b; }
inline unsigned long long max(unsigned long long a, unsigned long long b) { return a > b ? a : b; }
inline float min(float a, float b) { return fminf(a, b); }
inline float max(float a, float b) { return fmaxf(a, b); }

inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __clz(int x) { return x ? __builtin_clz(static_cast<unsigned>(x)) : 32; }
inline int __clzll(long long x) { return x ? __builtin_clzll(static_cast<unsigned long long>(x)) : 64; }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __mulhi(int a, int b) { return static_cast<int>(static_cast<long long>(a) * b >> 32); }
inline unsigned __umulhi(unsigned a, unsigned b) { return static_cast<unsigned>(static_cast<uint64_t>(a) * b >> 32); }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
    return static_cast<unsigned long long>(static_cast<unsigned __int128>(a) * b >> 64);
}
inline int __dp4a(int a, int b, int c) {
    for (int i = 0; i < 4; i++) c += static_cast<int8_t>(a >> 8 * i) * static_cast<int8_t>(b >> 8 * i);
    return c;
}

inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fsqrt_rn(float a) { return sqrtf(a); }
inline float __fdividef(float a, float b) { return a / b; }
inline float __expf(float a) { return expf(a); }
inline float __logf(float a) { return logf(a); }
inline float __saturatef(float a) { return fminf(fmaxf(a, 0.0f), 1.0f); }
inline float rsqrtf(float a) { return 1.0f / sqrtf(a); }
inline int __float2int_rn(float a) { return static_cast<int>(nearbyintf(a)); }

inline unsigned __float_as_uint(float a) {
    unsigned bits;
    std::memcpy(&bits, &a, sizeof bits);
    return bits;
}
inline int __float_as_int(float a) { return static_cast<int>(__float_as_uint(a)); }
inline float __uint_as_float(unsigned bits) {
    float a;
    std::memcpy(&a, &bits, sizeof a);
    return a;
}
inline float __int_as_float(int bits) { return __uint_as_float(static_cast<unsigned>(bits)); }
