// The functions of ../hopper.cuh for the CPU. Addresses of shared memory are offsets into the block's dynamic part, so
// descriptors have exactly the GPU's bits, and both the copy and the products swizzle addresses like the hardware: bits
// 4..6 ^= bits 7..9.
//
// Products are deferred until they are waited for and read their operands only then, so a slot that is released too
// early shows. A tensor map holds the arguments of the host's encoder: address, rows, columns and rows of a box, in
// this order.
#pragma once

DEVICE u32 shared_address(const void *pointer) {
    return static_cast<u32>(static_cast<const unsigned char *>(pointer) - static_cast<unsigned char *>(cuda_cpu::dynamic_shared()));
}

namespace cuda_cpu {

// The 64 bits of a barrier.
struct SharedBarrier {
    i32 bytes;
    u16 missing;
    u8 arrivals;
    u8 phase;

    void settle() {
        if (missing != 0 || bytes != 0) return;
        missing = arrivals;
        phase ^= 1;
    }
};
static_assert(sizeof(SharedBarrier) == sizeof(u64), "as big as the GPU's");

inline unsigned char *swizzled(u32 address) {
    address ^= (address >> 7 & 7) << 4;
    return static_cast<unsigned char *>(dynamic_shared()) + address;
}

inline float operand_value(u64 descriptor, bool outer_major, int outer, int depth) {
    const u32 start = (descriptor & 0x3fff) << 4, leading = (descriptor >> 16 & 0x3fff) << 4, stride = (descriptor >> 32 & 0x3fff) << 4;
    const u32 offset = outer_major ? outer / 64 * leading + outer % 64 * 2 + depth / 8 * stride + depth % 8 * BOX_ROW_BYTES
                                   : outer / 8 * stride + outer % 8 * BOX_ROW_BYTES + depth * 2;
    bf16 value;
    memcpy(&value, swizzled(start + offset), sizeof value);
    return to_float(value);
}

template <bool A_OUTER, bool B_OUTER>
void warpgroup_product(void *sums, u64 a, u64 b, bool accumulate) {
    float(&d)[32][4] = *static_cast<float(*)[32][4]>(sums);
    const int first_row = warp_index() % 4 * 16 + lane_index() / 4, first_column = lane_index() % 4 * 2;
    float rows[2][16];
    for (int half = 0; half < 2; half++)
        for (int depth = 0; depth < 16; depth++) rows[half][depth] = operand_value(a, A_OUTER, first_row + 8 * half, depth);
    for (int block = 0; block < 32; block++)
        for (int odd = 0; odd < 2; odd++) {
            float sum[2] = {accumulate ? d[block][odd] : 0.0f, accumulate ? d[block][2 + odd] : 0.0f};
            for (int depth = 0; depth < 16; depth++) {
                const float column = operand_value(b, B_OUTER, 8 * block + first_column + odd, depth);
                for (int half = 0; half < 2; half++) sum[half] += rows[half][depth] * column;
            }
            d[block][odd] = sum[0], d[block][2 + odd] = sum[1];
        }
}

} // namespace cuda_cpu

DEVICE void barrier_initialize(u64 *barrier, int arrivals) {
    const cuda_cpu::SharedBarrier fresh = {0, static_cast<u16>(arrivals), static_cast<u8>(arrivals), 0};
    memcpy(barrier, &fresh, sizeof fresh);
}

DEVICE void barriers_initialized() {}

DEVICE void barrier_arrive_expecting(u64 *barrier, int bytes) {
    auto &own = *reinterpret_cast<cuda_cpu::SharedBarrier *>(barrier);
    if (own.missing == 0) cuda_cpu::fail("more arrivals than the barrier counts", "barrier_arrive");
    own.missing--;
    own.bytes += bytes;
    own.settle();
}

DEVICE void barrier_arrive(u64 *barrier) { barrier_arrive_expecting(barrier, 0); }

DEVICE void barrier_wait(u64 *barrier, int parity) {
    struct Phase {
        const cuda_cpu::SharedBarrier *barrier;
        int parity;
    } awaited = {reinterpret_cast<cuda_cpu::SharedBarrier *>(barrier), parity};
    auto ended = [](const void *argument) {
        const Phase &phase = *static_cast<const Phase *>(argument);
        return phase.barrier->phase != phase.parity;
    };
    cuda_cpu::wait_until(ended, &awaited, "barrier_wait");
}

DEVICE void copy_box(unsigned char *shared, const TensorMap &map, int column, int row, u64 *barrier) {
    const bf16 *matrix = reinterpret_cast<const bf16 *>(map.words[0]);
    const int rows = static_cast<int>(map.words[1]), columns = static_cast<int>(map.words[2]);
    const int box_rows = static_cast<int>(map.words[3]);
    cuda_cpu::check_alignment(shared, SWIZZLE_BYTES, "copy_box");
    for (int r = 0; r < box_rows; r++)
        for (int c = 0; c < BOX_COLUMNS; c++) {
            const bool inside = row + r < rows && column + c < columns;
            const bf16 value = inside ? matrix[static_cast<i64>(row + r) * columns + column + c] : bf16{0};
            memcpy(cuda_cpu::swizzled(shared_address(shared) + r * BOX_ROW_BYTES + 2 * c), &value, sizeof value);
        }
    auto &own = *reinterpret_cast<cuda_cpu::SharedBarrier *>(barrier);
    own.bytes -= box_rows * BOX_ROW_BYTES;
    own.settle();
}

DEVICE void prefetch_map(const TensorMap &) {}

template <int REGISTERS>
DEVICE void give_registers_up() {}
template <int REGISTERS>
DEVICE void take_registers() {}

DEVICE void products_begin() {}
DEVICE void products_commit() { cuda_cpu::fiber->product_group++; }

template <int PENDING>
DEVICE void products_wait() {
    cuda_cpu::finish_products(PENDING);
}

template <bool A_OUTER, bool B_OUTER>
DEVICE void multiply_add_async(float (&d)[32][4], u64 a, u64 b, bool accumulate) {
    if (a >> 62 != 1 || b >> 62 != 1) cuda_cpu::fail("a descriptor without the swizzle of 128 bytes", "multiply_add_async");
    cuda_cpu::fiber->products.push_back(
        {cuda_cpu::warpgroup_product<A_OUTER, B_OUTER>, d, a, b, accumulate, cuda_cpu::fiber->product_group});
}
