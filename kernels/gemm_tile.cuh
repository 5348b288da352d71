// A block's tile of a matrix product on tensor cores (mma.sync, sm_80 and later): 128 x 128 sums in registers, operands
// through a ring of four stages in shared memory that cp.async fills ahead.
//
// C[m][n] = sum_k A(m, k) B(n, k). Each operand is stored either with k running fastest (`Major::depth`: x and W of x
// W^T) or with m or n running fastest (`Major::outer`: W of dy W, both operands of dy^T x). Shared memory keeps the
// layout; `ldmatrix` reads the former as it is and the latter transposed, so no product needs a transposed copy.
//
// Why this shape. A warp owns 64 x 64 sums: for each 16 of depth it issues 32 mma (256 cycles of its tensor core on
// sm_80) and 8 ldmatrix.x4 (4 KiB, 32 cycles of the multiprocessor's shared memory), so four warps keep shared memory
// half busy; 64 x 32 per warp would need 6 for 16. 128 sums per thread leave room for the fragments of a whole stage
// within 255 registers, and two blocks of 64 KiB per multiprocessor cover each other's barriers. Per stage 16 KiB
// arrive for 2 * 128 * 128 * 32 operations: 64 operations per byte of L2 traffic. Counted in the code for sm_80, not
// timed: the loop over stages has 64 mma (512 cycles of a tensor core) among 180 instructions; the kernels take 212 to
// 226 registers and spill none, so the two blocks fit.
//
// Swizzles. `ldmatrix` reads eight 16-byte pieces at once, one from each of eight rows; they must fall into the eight
// different 16-byte columns of the 128-byte bank line. Rows of 64 bytes (Major::depth, 32 values) are two per line, so
// piece c of row r lies at c ^ (r / 2 % 4). Rows of 256 bytes (Major::outer, 128 values): piece c of row r lies at c ^
// (r % 8).
#pragma once

#include "gemm_order.cuh"

constexpr int TILE = 128;
constexpr int TILE_DEPTH = 32;
constexpr int TILE_STAGES = 4;
constexpr int TILE_THREADS = 128;
constexpr int WARP_TILE = 64;
// One operand's part of a stage.
constexpr int OPERAND_BYTES = TILE * TILE_DEPTH * static_cast<int>(sizeof(bf16));
constexpr int TILE_SHARED_BYTES = 2 * TILE_STAGES * OPERAND_BYTES;

// The sums of a warp: [16 rows][8 columns][in the layout of mma.sync].
struct WarpSums {
    float values[WARP_TILE / 16][WARP_TILE / 8][4];
};

// A matrix in memory: `outer` rows or columns of the product with `depth` values each; `stride` values from one row in
// memory to the next. Rows start at multiples of 16 bytes.
struct Operand {
    const bf16 *data;
    int outer;
    int depth;
    int stride;
};

// The pieces that a thread copies of one operand: four of 16 bytes per stage. GATED (Major::depth only): the first half
// of each warp's columns comes from the upper half of the rows of a matrix [gate; linear], the second half from the
// lower, so that a thread's sums hold both factors of its outputs; `first` then counts columns of one half.
template <Major MAJOR, bool GATED = false>
class TileCopier {
public:
    __device__ __forceinline__ TileCopier(const Operand &operand, int first) : data(operand.data), depth(operand.depth) {
        static_assert(MAJOR == Major::depth || !GATED, "gated columns are rows in memory");
        const int thread = static_cast<int>(threadIdx.x);
        constexpr int pieces_a_row = MAJOR == Major::depth ? TILE_DEPTH / 8 : TILE / 8;
        const int row = thread / pieces_a_row, piece = thread % pieces_a_row;
        const int swizzled = MAJOR == Major::depth ? piece ^ (row / 2 % 4) : piece ^ (row % 8);
        offset = 16 * (row * pieces_a_row + swizzled);
        own_depth = MAJOR == Major::depth ? 8 * piece : row;
        valid = 0;
        if (MAJOR == Major::depth) {
            const int half = operand.outer / 2;
#pragma unroll
            for (int i = 0; i < PIECES; i++) {
                const int in_half = first + i / 2 * 32 + row;
                const int outer = first + i * ROWS_A_PIECE + row;
                if (GATED ? in_half < half : outer < operand.outer) valid |= 1u << i;
            }
            source = static_cast<i64>(first + row) * operand.stride + own_depth;
            step = static_cast<i64>(ROWS_A_PIECE) * operand.stride;
            gate_to_linear = static_cast<i64>(half) * operand.stride;
            depth_step = TILE_DEPTH;
        } else {
            const int outer = first + 8 * piece;
            if (outer < operand.outer) valid = (1u << PIECES) - 1;
            source = static_cast<i64>(row) * operand.stride + outer;
            step = static_cast<i64>(ROWS_A_PIECE) * operand.stride;
            gate_to_linear = 0;
            depth_step = TILE_DEPTH * operand.stride;
        }
    }

    // Starts copying depths `stage_depth` .. + 31 to an operand's part of a stage; outside the matrix it fills in
    // zeros.
    __device__ __forceinline__ void copy(unsigned char *shared, int stage_depth) const {
        const i64 at = source + static_cast<i64>(stage_depth / TILE_DEPTH) * depth_step;
#pragma unroll
        for (int i = 0; i < PIECES; i++) {
            const int own = stage_depth + own_depth + (MAJOR == Major::outer ? i * ROWS_A_PIECE : 0);
            const bool inside = (valid >> i & 1) && own < depth;
            const i64 piece = GATED ? i % 2 * gate_to_linear + i / 2 * step : i * step;
            copy_async_16(shared + offset + i * (OPERAND_BYTES / PIECES), inside ? data + at + piece : data, inside);
        }
    }

private:
    static constexpr int PIECES = OPERAND_BYTES / 16 / TILE_THREADS;
    static constexpr int ROWS_A_PIECE = (MAJOR == Major::depth ? TILE : TILE_DEPTH) / PIECES;
    const bf16 *data;
    i64 source, step, gate_to_linear;
    int depth, depth_step, offset, own_depth;
    u32 valid;
};

// 16 rows of A from row `outer`, at depths 16 `step` ..: one operand of mma.sync.
template <Major MAJOR>
DEVICE void load_rows(u32 (&fragment)[4], const unsigned char *tile, int outer, int step) {
    const int lane = lane_index();
    if (MAJOR == Major::depth) {
        const int row = outer + lane % 16, piece = 2 * step + lane / 16;
        load_matrix_4(fragment, tile + 64 * row + 16 * (piece ^ (row / 2 % 4)));
    } else {
        const int row = 16 * step + lane % 8 + lane / 16 * 8, piece = outer / 8 + lane / 8 % 2;
        load_matrix_4_transposed(fragment, tile + 256 * row + 16 * (piece ^ (row % 8)));
    }
}

// 16 columns of B from column `outer`: two operands of mma.sync.
template <Major MAJOR>
DEVICE void load_columns(u32 (&fragments)[2][2], const unsigned char *tile, int outer, int step) {
    const int lane = lane_index();
    u32 loaded[4];
    if (MAJOR == Major::depth) {
        const int row = outer + lane % 8 + lane / 16 * 8, piece = 2 * step + lane / 8 % 2;
        load_matrix_4(loaded, tile + 64 * row + 16 * (piece ^ (row / 2 % 4)));
    } else {
        const int row = 16 * step + lane % 16, piece = outer / 8 + lane / 16;
        load_matrix_4_transposed(loaded, tile + 256 * row + 16 * (piece ^ (row % 8)));
    }
    fragments[0][0] = loaded[0], fragments[0][1] = loaded[1];
    fragments[1][0] = loaded[2], fragments[1][1] = loaded[3];
}

// The first row and column of the calling warp within the tile: the four warps are arranged two by two.
DEVICE int warp_row() { return warp_index() / 2 * WARP_TILE; }
DEVICE int warp_column() { return warp_index() % 2 * WARP_TILE; }

// Adds the products of one stage to the warp's sums.
template <Major A, Major B>
DEVICE void multiply_stage(WarpSums &sums, const unsigned char *a, const unsigned char *b) {
#pragma unroll
    for (int step = 0; step < TILE_DEPTH / 16; step++) {
        u32 rows[WARP_TILE / 16][4], columns[WARP_TILE / 8][2];
#pragma unroll
        for (int i = 0; i < WARP_TILE / 16; i++) load_rows<A>(rows[i], a, warp_row() + 16 * i, step);
#pragma unroll
        for (int j = 0; j < WARP_TILE / 16; j++) {
            u32 pair[2][2];
            load_columns<B>(pair, b, warp_column() + 16 * j, step);
            columns[2 * j][0] = pair[0][0], columns[2 * j][1] = pair[0][1];
            columns[2 * j + 1][0] = pair[1][0], columns[2 * j + 1][1] = pair[1][1];
        }
#pragma unroll
        for (int i = 0; i < WARP_TILE / 16; i++)
#pragma unroll
            for (int j = 0; j < WARP_TILE / 8; j++) multiply_add_bf16(sums.values[i][j], rows[i], columns[j]);
    }
}

// Computes the tile of the product with the given first row and column, over depths `begin` .. `end` (`begin` a
// multiple of 32). Called by all 128 threads; `shared` holds TILE_SHARED_BYTES and may be reused after the next
// barrier.
template <Major A, Major B, bool GATED = false>
DEVICE void multiply_tile(WarpSums &sums, unsigned char *shared, const Operand &a, const Operand &b, int first_row,
                          int first_column, int begin, int end) {
#pragma unroll
    for (int i = 0; i < WARP_TILE / 16; i++)
#pragma unroll
        for (int j = 0; j < WARP_TILE / 8; j++)
#pragma unroll
            for (int k = 0; k < 4; k++) sums.values[i][j][k] = 0.0f;
    const TileCopier<A> copy_a(a, first_row);
    const TileCopier<B, GATED> copy_b(b, first_column);
    const int stages = ceiling_divide(end - begin, TILE_DEPTH);
    auto fill = [&](int stage) {
        if (stage < stages) {
            unsigned char *slot = shared + stage % TILE_STAGES * (2 * OPERAND_BYTES);
            copy_a.copy(slot, begin + stage * TILE_DEPTH);
            copy_b.copy(slot + OPERAND_BYTES, begin + stage * TILE_DEPTH);
        }
        // An empty group keeps the number of groups in step with the number of stages.
        copy_async_commit();
    };
#pragma unroll
    for (int stage = 0; stage < TILE_STAGES - 1; stage++) fill(stage);
    for (int stage = 0; stage < stages; stage++) {
        copy_async_wait<TILE_STAGES - 2>();
        // All threads' pieces of this stage have arrived, and all threads have read the previous one, whose slot is
        // filled next.
        __syncthreads();
        fill(stage + TILE_STAGES - 1);
        const unsigned char *slot = shared + stage % TILE_STAGES * (2 * OPERAND_BYTES);
        multiply_stage<A, B>(sums, slot, slot + OPERAND_BYTES);
    }
    copy_async_wait<0>();
}
