// Instructions of sm_90a: tensor copies (TMA), barriers in shared memory that count their bytes, and warpgroup products
// (wgmma). This file has the GPU's; cpu/hopper.h has the same functions for the CPU, down to the bits of a descriptor
// and the swizzle of addresses.
//
// Sources: PTX ISA 8.x, sections "Asynchronous Warpgroup Level Matrix Instructions" (descriptor, canonical layouts,
// fragments) and "Data Movement: Tensor copy"; the same layouts are written out in CUTLASS,
// include/cute/atom/mma_traits_sm90_gmma.hpp (make_gmma_desc) and include/cute/arch/mma_sm90_desc.hpp (fields of the
// descriptor).
#pragma once

#include "device.cuh"

// wgmma exists in code for sm_90a only: other architectures see none of its kernels.
#if !ON_GPU || defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define HAS_WARPGROUP_PRODUCTS 1
#else
#define HAS_WARPGROUP_PRODUCTS 0
#endif

// A matrix in memory as the copy engine sees it: encoded by the host (cuTensorMapEncodeTiled), passed by value as a
// `__grid_constant__`. Boxes are 64 bf16 values (128 bytes) wide, and the host sets their height. Shared memory gets
// rows of 128 bytes, with 16-byte piece c of row r at c ^ (r % 8) (CU_TENSOR_MAP_SWIZZLE_128B), and zeros outside the
// matrix.
struct alignas(64) TensorMap {
    u64 words[16];
};

constexpr int BOX_COLUMNS = 64;
constexpr int BOX_ROW_BYTES = 128;
// The swizzle repeats after eight rows of a box; their size in bytes.
constexpr int SWIZZLE_BYTES = 8 * BOX_ROW_BYTES;
constexpr int WARPGROUP = 128;

#if HAS_WARPGROUP_PRODUCTS

#if ON_GPU

// A barrier's phase ends when `arrivals` threads have arrived and all announced bytes have come.
DEVICE void barrier_initialize(u64 *barrier, int arrivals) {
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(barrier)), "r"(arrivals) : "memory");
}

// Makes initialised barriers visible to the copy engine; a block barrier must follow.
DEVICE void barriers_initialized() { asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory"); }

DEVICE void barrier_arrive(u64 *barrier) {
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(barrier)) : "memory");
}

// Arrives, and announces the bytes that copies will bring.
DEVICE void barrier_arrive_expecting(u64 *barrier, int bytes) {
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(barrier)), "r"(bytes) : "memory");
}

// Waits for the phase of this parity to end; phases count from 0. The phase before the first has ended.
DEVICE void barrier_wait(u64 *barrier, int parity) {
    u32 done;
    do {
        asm volatile(
            "{\n"
            ".reg .pred done;\n"
            "mbarrier.try_wait.parity.shared::cta.b64 done, [%1], %2;\n"
            "selp.u32 %0, 1, 0, done;\n"
            "}"
            : "=r"(done)
            : "r"(shared_address(barrier)), "r"(parity)
            : "memory");
    } while (!done);
}

// Starts copying the box at this column and row; `shared` is aligned to 1024 bytes. Called by one thread.
DEVICE void copy_box(unsigned char *shared, const TensorMap &map, int column, int row, u64 *barrier) {
    asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4}], [%2];" ::"r"(
                     shared_address(shared)),
                 "l"(&map), "r"(shared_address(barrier)), "r"(column), "r"(row)
                 : "memory");
}

DEVICE void prefetch_map(const TensorMap &map) { asm volatile("prefetch.tensormap [%0];" ::"l"(&map) : "memory"); }

// Sets the registers per thread from here on, for all warps of a warpgroup. The kernel's launch bounds set the initial
// number.
template <int REGISTERS>
DEVICE void give_registers_up() {
    asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(REGISTERS));
}

template <int REGISTERS>
DEVICE void take_registers() {
    asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(REGISTERS));
}

// Required before the first product that uses registers written by ordinary instructions.
DEVICE void products_begin() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
DEVICE void products_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }

// Waits until at most `PENDING` groups of products are unfinished.
template <int PENDING>
DEVICE void products_wait() {
    asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(PENDING) : "memory");
}

#define FOUR(i) "+f"(d[i][0]), "+f"(d[i][1]), "+f"(d[i][2]), "+f"(d[i][3])
#define SIXTEEN(i) FOUR(i), FOUR(i + 1), FOUR(i + 2), FOUR(i + 3)

// d (+)= A B for 64 rows, 256 columns and 16 of depth, by a warpgroup, asynchronously; `d` of warp w holds rows 16 w ..
// 16 w + 15 in the layout of mma.sync. OUTER: the operand is stored with rows (A) or columns (B) running fastest.
template <bool A_OUTER, bool B_OUTER>
DEVICE void multiply_add_async(float (&d)[32][4], u64 a, u64 b, bool accumulate) {
    asm volatile(
        "{\n"
        ".reg .pred accumulate;\n"
        "setp.ne.b32 accumulate, %130, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n256k16.f32.bf16.bf16 "
        "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
        "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
        "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
        "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, "
        "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, "
        "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, "
        "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, "
        "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127}, "
        "%128, %129, accumulate, 1, 1, %131, %132;\n"
        "}"
        : SIXTEEN(0), SIXTEEN(4), SIXTEEN(8), SIXTEEN(12), SIXTEEN(16), SIXTEEN(20), SIXTEEN(24), SIXTEEN(28)
        : "l"(a), "l"(b), "r"(static_cast<int>(accumulate)), "n"(A_OUTER ? 1 : 0), "n"(B_OUTER ? 1 : 0));
}

#undef SIXTEEN
#undef FOUR

#else
#include "cpu/hopper.h"
#endif

// Describes where an operand of a product lies, with the 128-byte swizzle (layout type 1, bits 62..63). Byte offsets
// are stored without their last four bits: start in bits 0..13, `leading` in 16..29, `stride` in 32..45; the base
// offset, bits 49..51, is 0 because every pattern of the swizzle starts at a multiple of 1024.
// - depth running fastest ("K-major", ((8, n), 2) : ((8, SBO), 1) in units of 16 bytes): `stride` from 8 rows to the
//   next 8; `leading` isn't used. The next 16 of depth start 32 bytes later, within the pattern, because the hardware
//   swizzles the sum.
// - rows running fastest ("MN-major", ((8, n), (8, k)) : ((1, LBO), (8, SBO))): `leading` from 64 rows to the next 64,
//   `stride` from 8 of depth to the next 8. The next 16 of depth start two patterns later.
DEVICE u64 matrix_descriptor(const unsigned char *shared, int leading, int stride) {
    const u64 start = (shared_address(shared) & 0x3ffff) >> 4;
    return start | static_cast<u64>(leading >> 4) << 16 | static_cast<u64>(stride >> 4) << 32 | 1ull << 62;
}

#endif
