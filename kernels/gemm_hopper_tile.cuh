// Matrix products on wgmma, for sm_90a: the counterpart of gemm_tile.cuh for mma.sync, with the same epilogues
// (gemm_epilogue.cuh).
//
// A block stays on its multiprocessor and works through tiles of 128 x 256 results (persistent). One thread of the
// first warpgroup only starts tensor copies (TMA) into a ring of four stages of 48 KiB; the other two warpgroups take
// 64 rows of the tile each and only compute products, m64n256k16 from shared memory, and epilogues. They synchronize
// through barriers in shared memory: `full` counts the bytes of a stage, `empty` the eight warps that are done with it.
// The copies of the next tile continue during the epilogue, and the two warpgroups may drift apart by up to four
// stages, so that one's epilogue overlaps the other's products.
//
// Why this shape. A depth of 64 takes 8 instructions of 128 cycles for 48 KiB from the L2: 48 bytes per cycle, where
// 128 x 128 tiles would need 64. Sums fill 128 registers of each thread of the two warpgroups; these take 232 registers
// per thread and the copying warpgroup gives up all but 40 (40 * 128 + 232 * 256 <= 65,536). The stages fill shared
// memory, so the epilogue stores from registers (store_rows.cuh). Copies bring the layout that the products read (a
// 128-byte swizzle on both sides), whichever dimension runs fastest in memory:
// - `Major::depth`: boxes of 64 of depth by 128 rows; 8 rows are 1024 bytes (`stride`), the next 16 of depth 32 bytes
//   on;
// - `Major::outer`: boxes of 64 rows by 64 of depth, 8 KiB each; 64 rows to the next box (`leading`), 8 of depth are
//   1024 bytes (`stride`), the next 16 of depth 2048 bytes on.
//
// Edges need no code: the copy engine fills in zeros outside the matrix and counts their bytes.
//
// Gated columns (ReGLU) are two boxes of 128 rows, one from each half of W; rows beyond the first half that the gate's
// box brings along belong to columns that the epilogue skips.
//
// Counted in the code, not timed: a consumer's loop has 4 wgmma, 1024 cycles of the tensor cores for both warpgroups,
// among 100 instructions; nothing spills and the products aren't serialised (the compiler would say so). Expected, not
// measured, for want of a GPU of this kind: published kernels of this shape (DeepGEMM; CUTLASS's cooperative schedule)
// run at 600 to 700 TFLOP/s on an H100 at sizes of 4096 and more. Clusters that share a stage's copies would save a
// third of the L2's traffic.
//
// launch: one block per multiprocessor (or per tile, if fewer), 384 threads, 193 KiB of dynamic shared memory; see
// kernels/src/gemm.rs.
#pragma once

#include "gemm_order.cuh"
#include "hopper.cuh"

#if HAS_WARPGROUP_PRODUCTS

namespace hopper {

constexpr int ROWS = 128;
constexpr int COLUMNS = 256;
constexpr int DEPTH = 64;
constexpr int STAGES = 4;
constexpr int THREADS = 3 * WARPGROUP;
constexpr int CONSUMER_WARPS = 8;
constexpr int A_BYTES = ROWS * DEPTH * static_cast<int>(sizeof(bf16));
constexpr int B_BYTES = COLUMNS * DEPTH * static_cast<int>(sizeof(bf16));
constexpr int STAGE_BYTES = A_BYTES + B_BYTES;
// Rows of a box in memory: 128 rows of the operand, or 64 of depth.
constexpr int DEPTH_BOX_ROWS = 128;
constexpr int OUTER_BOX_BYTES = BOX_COLUMNS * BOX_ROW_BYTES;

struct Stages {
    unsigned char *bytes;
    u64 *full;
    u64 *empty;
};

// The work to do: tiles of the result, each over `parts` parts of the depth; one part of one tile is an item.
struct Work {
    int rows_of_tiles, columns_of_tiles, parts, part_depth, depth;

    struct Item {
        TilePosition tile;
        int part, begin, end;
    };

    __device__ __forceinline__ int items() const { return rows_of_tiles * columns_of_tiles * parts; }
    __device__ __forceinline__ Item item(int index) const {
        const int tiles = rows_of_tiles * columns_of_tiles, part = index / tiles;
        const int begin = part * part_depth;
        return {tile_position(index % tiles, rows_of_tiles, columns_of_tiles), part, begin, min(begin + part_depth, depth)};
    }
};

// Starts copying one operand's part of a stage: `outer` rows from `first`, 64 of depth from `depth`.
template <Major MAJOR>
DEVICE void copy_operand(unsigned char *shared, const TensorMap &map, int outer, int first, int depth, u64 *full) {
    if (MAJOR == Major::depth) {
#pragma unroll
        for (int row = 0; row < outer; row += DEPTH_BOX_ROWS)
            copy_box(shared + row * BOX_ROW_BYTES, map, depth, first + row, full);
    } else {
#pragma unroll
        for (int row = 0; row < outer; row += BOX_COLUMNS)
            copy_box(shared + row / BOX_COLUMNS * OUTER_BOX_BYTES, map, first + row, depth, full);
    }
}

// The descriptor of an operand from row `outer` (a multiple of 64) of a stage, at a depth of 16 `step`.
template <Major MAJOR>
DEVICE u64 operand_descriptor(const unsigned char *shared, int outer, int step) {
    return MAJOR == Major::depth ? matrix_descriptor(shared + outer * BOX_ROW_BYTES + 32 * step, 16, SWIZZLE_BYTES)
                                 : matrix_descriptor(shared + outer / BOX_COLUMNS * OUTER_BOX_BYTES + 16 * BOX_ROW_BYTES * step,
                                                     OUTER_BOX_BYTES, SWIZZLE_BYTES);
}

// Runs in one thread: fills the ring for all items of this block in order. The second half of gated columns starts at
// `half_rows`.
template <Major A, Major B, bool GATED>
DEVICE void produce(const Stages &stages, const TensorMap &a, const TensorMap &b, const Work &work, int half_rows) {
    int filled = 0;
    for (int index = static_cast<int>(blockIdx.x); index < work.items(); index += static_cast<int>(gridDim.x)) {
        const Work::Item item = work.item(index);
        for (int depth = item.begin; depth < item.end; depth += DEPTH, filled++) {
            const int slot = filled % STAGES;
            unsigned char *shared = stages.bytes + slot * STAGE_BYTES;
            u64 *full = stages.full + slot;
            barrier_wait(stages.empty + slot, filled / STAGES % 2 ^ 1);
            barrier_arrive_expecting(full, STAGE_BYTES);
            copy_operand<A>(shared, a, ROWS, item.tile.row * ROWS, depth, full);
            if (GATED) {
                const int first = item.tile.column * (COLUMNS / 2);
                copy_operand<B>(shared + A_BYTES, b, COLUMNS / 2, first, depth, full);
                copy_operand<B>(shared + A_BYTES + B_BYTES / 2, b, COLUMNS / 2, half_rows + first, depth, full);
            } else {
                copy_operand<B>(shared + A_BYTES, b, COLUMNS, item.tile.column * COLUMNS, depth, full);
            }
        }
    }
}

// Runs in a warpgroup: computes 64 rows of each item. One group of products stays in flight; the stage before it is
// released.
template <Major A, Major B, bool GATED, class EpilogueOf>
DEVICE void consume(const Stages &stages, const Work &work, const EpilogueOf &epilogue_of) {
    const int warpgroup_row = (static_cast<int>(threadIdx.x) / WARPGROUP - 1) * 64;
    int taken = 0;
    auto hand_back = [&](int stage) {
        if (lane_index() == 0) barrier_arrive(stages.empty + stage % STAGES);
    };
    float d[COLUMNS / 8][4];
    for (int index = static_cast<int>(blockIdx.x); index < work.items(); index += static_cast<int>(gridDim.x)) {
        const Work::Item item = work.item(index);
        for (int depth = item.begin; depth < item.end; depth += DEPTH, taken++) {
            const int slot = taken % STAGES;
            const unsigned char *shared = stages.bytes + slot * STAGE_BYTES;
            barrier_wait(stages.full + slot, taken / STAGES % 2);
            products_begin();
#pragma unroll
            for (int step = 0; step < DEPTH / 16; step++)
                multiply_add_async<A == Major::outer, B == Major::outer>(
                    d, operand_descriptor<A>(shared, warpgroup_row, step), operand_descriptor<B>(shared + A_BYTES, 0, step),
                    depth > item.begin || step > 0);
            products_commit();
            products_wait<1>();
            if (depth > item.begin) hand_back(taken - 1);
        }
        products_wait<0>();
        hand_back(taken - 1);
        const int row = item.tile.row * ROWS + warpgroup_row + warp_index() % 4 * 16;
        epilogue_of(item.part)(d, row, item.tile.column * (GATED ? COLUMNS / 2 : COLUMNS));
    }
}

// `columns` counts the epilogue's columns.
template <Major A, Major B, bool GATED, class EpilogueOf>
DEVICE void products(const TensorMap &a, const TensorMap &b, int rows, int columns, int depth, int part_depth,
                     const EpilogueOf &epilogue_of) {
    DYNAMIC_SHARED(unsigned char, shared);
    u64 *barriers = reinterpret_cast<u64 *>(shared + STAGES * STAGE_BYTES);
    const Stages stages = {shared, barriers, barriers + STAGES};
    const Work work = {ceiling_divide(rows, ROWS), ceiling_divide(columns, GATED ? COLUMNS / 2 : COLUMNS),
                       ceiling_divide(depth, part_depth), part_depth, depth};
    if (threadIdx.x == 0) {
        prefetch_map(a);
        prefetch_map(b);
        for (int slot = 0; slot < STAGES; slot++) {
            barrier_initialize(stages.full + slot, 1);
            barrier_initialize(stages.empty + slot, CONSUMER_WARPS);
        }
        barriers_initialized();
    }
    __syncthreads();
    if (static_cast<int>(threadIdx.x) < WARPGROUP) {
        give_registers_up<40>();
        if (threadIdx.x == 0) produce<A, B, GATED>(stages, a, b, work, columns);
    } else {
        take_registers<232>();
        consume<A, B, GATED>(stages, work, epilogue_of);
    }
}

} // namespace hopper

#endif
