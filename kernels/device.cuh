// The header of every kernel file: one spelling of types, launches, warp exchange and tensor-core instructions for both
// compilers that read these files. NVRTC compiles them for the GPU it finds, without any toolkit header; a C++ compiler
// builds exactly the same text for the CPU (cpu/), where a block's threads are fibers, so that tests need no GPU.
//
// Conventions of all kernels:
// - row-major; `tokens` counts positions of all sequences end to end; pointers come first, then sizes (`int`), then
//   scalars;
// - no floating-point atomics: sums across blocks pass through a workspace and are completed in a fixed order, so that
//   the same input gives the same bits whatever the schedule;
// - a kernel is `extern "C" __global__ void name(...)`, its name unique among all files, followed by
//   `REGISTER_KERNEL(name);`
// - device functions, templates included, are `DEVICE`: every file is self-contained.
#pragma once

#if defined(__CUDACC_RTC__) || defined(__CUDACC__)
#define ON_GPU 1
#define REGISTER_KERNEL(name) static_assert(true, #name)
#else
#define ON_GPU 0
#include "cpu/cuda.h"
#include "cpu/registry.h"
#endif

typedef signed char i8;
typedef short i16;
typedef int i32;
typedef long long i64;
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define DEVICE static __device__ __forceinline__
constexpr int WARP = 32;
constexpr u32 ALL_LANES = 0xffffffffu;

// Declares the launch's dynamic shared memory as an array `name`, aligned as TMA and swizzled tiles require.
#if ON_GPU
#define DYNAMIC_SHARED(type, name)                                  \
    extern __shared__ __align__(1024) unsigned char dynamic_shared[]; \
    type *const name = reinterpret_cast<type *>(dynamic_shared)
#else
#define DYNAMIC_SHARED(type, name) type *const name = static_cast<type *>(cuda_cpu::dynamic_shared())
#endif

DEVICE int lane_index() { return static_cast<int>(threadIdx.x) & (WARP - 1); }
DEVICE int warp_index() { return static_cast<int>(threadIdx.x) / WARP; }

template <class T>
DEVICE constexpr T ceiling_divide(T a, T b) {
    return (a + b - 1) / b;
}

#include "bf16.cuh"
#include "instructions.cuh"
#include "reduce.cuh"
